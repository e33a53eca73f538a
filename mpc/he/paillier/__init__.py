"""Paillier encryption, whose ciphertexts add."""
