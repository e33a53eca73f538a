"""What SEAL does to arrays of many ciphertexts or plaintexts: functions that a pool of processes can be given.

Ciphertexts are arrays of shape (ciphertexts, 2, primes, degree), plaintexts of shape (plaintexts, degree).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import islice, product
from typing import Any

import numpy as np
from tenseal import sealapi

from mpc.he.bfv.parameters import Parameters
from mpc.he.seal import SEED, Room, file, refusals
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
    with file() as store, refusals():
        for row, ciphertext, plain in zip(result, ciphertexts, plains, strict=True):
            made = seal.ciphertext(store, ciphertext)
            seal.evaluator.add_plain_inplace(made, seal.plaintext(store, plain))
            row[...] = seal.words(store, made, row.shape)
    return result


class Products:
    """Ciphertexts that SEAL has made and still holds: to take all coefficients out costs half as much as to make them."""

    def __init__(self, parameters: Parameters, ciphertexts: list[Any]) -> None:
        self.parameters, self.ciphertexts = parameters, ciphertexts

    def kept(self, stride: int, count: int) -> Words:
        """The first *count* of every *stride*-th coefficient of the first polynomials, shape (primes, count)."""
        degree, primes = self.parameters.degree, len(self.parameters.primes)
        places = list(islice(product(self.ciphertexts, range(stride - 1, degree, stride)), count))
        return np.array([[ciphertext[row * degree + place] for ciphertext, place in places] for row in range(primes)], dtype=np.uint64)

    @cached_property
    def masks(self) -> Words:
        """The second polynomials."""
        seal = room(self.parameters)
        with file() as store:
            return np.stack([seal.words(store, made, (2, seal.count, seal.degree))[1] for made in self.ciphertexts])


def multiply(parameters: Parameters, ciphertexts: Words, factors: Words) -> list[Any]:
    """For each row of *factors*, shape (rows, ciphertexts, degree), the sum of the products of ciphertexts with its plaintexts.

    SEAL's objects; None for a row of zeros.
    """
    seal, result = room(parameters), []
    with file() as store, refusals():
        transformed = [seal.ciphertext(store, ciphertext) for ciphertext in ciphertexts]
        for ciphertext in transformed:
            seal.evaluator.transform_to_ntt_inplace(ciphertext)
        level = transformed[0].parms_id()
        for plains in factors:
            total = None
            for ciphertext, plain in zip(transformed, plains, strict=True):
                if plain.any():
                    factor, made = seal.plaintext(store, plain), sealapi.Ciphertext()
                    seal.evaluator.transform_to_ntt_inplace(factor, level)
                    seal.evaluator.multiply_plain(ciphertext, factor, made)
                    if total is None:
                        total = made
                    else:
                        seal.evaluator.add_inplace(total, made)
            if total is not None:
                seal.evaluator.transform_from_ntt_inplace(total)
            result.append(total)
    return result


def words(parameters: Parameters, made: list[Any]) -> Words:
    """Their coefficients, shape (ciphertexts, 2, primes, degree); zeros for None."""
    seal = room(parameters)
    result = np.zeros((len(made), 2, seal.count, seal.degree), dtype=np.uint64)
    with file() as store:
        for row, ciphertext in zip(result, made, strict=True):
            if ciphertext is not None:
                row[...] = seal.words(store, ciphertext, row.shape)
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
