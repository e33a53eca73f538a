"""What SEAL does to arrays of many ciphertexts or plaintexts: functions that a pool of processes can be given.

Ciphertexts are arrays of shape (ciphertexts, 2, primes, degree), plaintexts of shape (plaintexts, degree).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from tenseal import sealapi

from mpc.he.bfv.parameters import Parameters
from mpc.he.seal import SEED, Room, file
from mpc.he.words import Words


@lru_cache(maxsize=8)
def room(parameters: Parameters) -> Room:
    return Room(parameters.degree, parameters.primes, parameters.special, parameters.plain)


def encrypt(parameters: Parameters, public: Words, plains: Words) -> Words:
    """One ciphertext for each plaintext."""
    seal, made = room(parameters), sealapi.Ciphertext()
    result = np.empty((len(plains), 2, seal.count, seal.degree), dtype=np.uint64)
    with file() as store:
        encryptor = sealapi.Encryptor(seal.context, seal.public_key(store, public))
        for row, plain in zip(result, plains, strict=True):
            encryptor.encrypt(seal.plaintext(store, plain), made)
            row[...] = seal.words(store, made, row.shape)
    return result


def encrypt_seeded(parameters: Parameters, secret: Words, plains: Words) -> tuple[Words, bytes]:
    """For each plaintext the first polynomial of a ciphertext, and the seed of 64 bytes that its second comes from."""
    seal = room(parameters)
    firsts = np.empty((len(plains), seal.count, seal.degree), dtype=np.uint64)
    seeds = []
    with file() as store:
        encryptor = sealapi.Encryptor(seal.context, seal.secret_key(store, secret))
        for first, plain in zip(firsts, plains, strict=True):
            first[...], seed = seal.seeded_words(store, encryptor.encrypt_symmetric(seal.plaintext(store, plain)))
            seeds.append(seed)
    return firsts, b"".join(seeds)


def expand(parameters: Parameters, seeds: bytes) -> Words:
    """The second polynomials, shape (seeds, primes, degree)."""
    seal = room(parameters)
    result = np.empty((len(seeds) // SEED, seal.count, seal.degree), dtype=np.uint64)
    with file() as store:
        for i, row in enumerate(result):
            row[...] = seal.words(store, seal.seeded(store, seeds[SEED * i : SEED * (i + 1)]), (2, *row.shape))[1]
    return result


def decrypt(parameters: Parameters, secret: Words, ciphertexts: Words) -> Words:
    """Totals modulo the plain modulus, shape (ciphertexts, degree)."""
    seal, made = room(parameters), sealapi.Plaintext()
    result = np.empty((len(ciphertexts), seal.degree), dtype=np.uint64)
    with file() as store:
        decryptor = sealapi.Decryptor(seal.context, seal.secret_key(store, secret))
        for row, ciphertext in zip(result, ciphertexts, strict=True):
            decryptor.decrypt(seal.ciphertext(store, ciphertext), made)
            made.resize(seal.degree)  # SEAL drops zeros at the end
            row[...] = seal.words(store, made, row.shape)
    return result


def add_plain(parameters: Parameters, ciphertexts: Words, plains: Words) -> Words:
    seal, result = room(parameters), np.empty_like(ciphertexts)
    with file() as store:
        for row, ciphertext, plain in zip(result, ciphertexts, plains, strict=True):
            made = seal.ciphertext(store, ciphertext)
            seal.evaluator.add_plain_inplace(made, seal.plaintext(store, plain))
            row[...] = seal.words(store, made, row.shape)
    return result


def multiply(parameters: Parameters, ciphertexts: Words, factors: Words) -> Words:
    """For each row of *factors*, shape (rows, ciphertexts, degree), the sum of the products of ciphertexts with its plaintexts.

    A row of zeros gives zeros: a ciphertext of zero that anybody can read.
    """
    seal = room(parameters)
    result = np.zeros((len(factors), *ciphertexts.shape[1:]), dtype=np.uint64)
    with file() as store:
        transformed = [seal.ciphertext(store, ciphertext) for ciphertext in ciphertexts]
        for ciphertext in transformed:
            seal.evaluator.transform_to_ntt_inplace(ciphertext)
        level = transformed[0].parms_id()
        for row, plains in zip(result, factors, strict=True):
            total = None
            for ciphertext, plain in zip(transformed, plains, strict=True):
                if plain.any():
                    factor, product = seal.plaintext(store, plain), sealapi.Ciphertext()
                    seal.evaluator.transform_to_ntt_inplace(factor, level)
                    seal.evaluator.multiply_plain(ciphertext, factor, product)
                    if total is None:
                        total = product
                    else:
                        seal.evaluator.add_inplace(total, product)
            if total is not None:
                seal.evaluator.transform_from_ntt_inplace(total)
                row[...] = seal.words(store, total, row.shape)
    return result


def to_slots(parameters: Parameters, numbers: Words) -> Words:
    """Plaintexts whose products multiply numbers one by one, shape (plaintexts, degree)."""
    seal, made, result = room(parameters), sealapi.Plaintext(), np.empty_like(numbers)
    encoder = sealapi.BatchEncoder(seal.context)
    with file() as store:
        for row, line in zip(result, numbers, strict=True):
            encoder.encode(line.tolist(), made)
            made.resize(seal.degree)
            row[...] = seal.words(store, made, row.shape)
    return result


def from_slots(parameters: Parameters, plains: Words) -> Words:
    seal = room(parameters)
    encoder = sealapi.BatchEncoder(seal.context)
    with file() as store:
        return np.array([encoder.decode_uint64(seal.plaintext(store, plain)) for plain in plains], dtype=np.uint64)
