"""Homomorphic encryption: sums of numbers that stay encrypted."""
