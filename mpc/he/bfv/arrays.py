"""What SEAL does to arrays of many ciphertexts or plaintexts: functions that a pool of processes can be given.

Ciphertexts are arrays of shape (ciphertexts, 2, primes, degree), plaintexts of shape (plaintexts, degree).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice, product
from typing import Any

import numpy as np
import numpy.typing as npt
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


def add_plain(parameters: Parameters, firsts: Words, plains: Words) -> Words:
    """First polynomials with plaintexts added, shape (ciphertexts, primes, degree): the second ones stay as they are.

    Ones stand in for those, because SEAL refuses a ciphertext that hides nothing.
    """
    seal, result = room(parameters), np.empty_like(firsts)
    with file() as store:
        for row, first, plain in zip(result, firsts, plains, strict=True):
            made = seal.ciphertext(store, np.stack([first, np.ones_like(first)]))
            seal.evaluator.add_plain_inplace(made, seal.plaintext(store, plain))
            row[...] = seal.words(store, made, (2, *row.shape))[0]
    return result


@dataclass(frozen=True)
class Products:
    """Ciphertexts that SEAL has made and still holds: to take all coefficients out costs half as much as to make them.

    Parameters
    ----------
    zero
        Which of them stand for zero, whatever is in them; shape (ciphertexts,).
    """

    parameters: Parameters
    ciphertexts: list[Any]
    zero: npt.NDArray[np.bool_]

    def kept(self, stride: int, count: int) -> Words:
        """The first *count* of every *stride*-th coefficient of the first polynomials, shape (primes, count)."""
        degree, primes = self.parameters.degree, len(self.parameters.primes)
        places = list(islice(product(self.ciphertexts, range(stride - 1, degree, stride)), count))
        result = np.array([[made[row * degree + place] for made, place in places] for row in range(primes)], dtype=np.uint64)
        result[:, self.zero.repeat(degree // stride)[:count]] = 0
        return result

    @cached_property
    def masks(self) -> Words:
        """The second polynomials."""
        return self.words()[:, 1]

    def words(self) -> Words:
        """All coefficients, shape (ciphertexts, 2, primes, degree)."""
        seal = room(self.parameters)
        shape = (2, seal.count, seal.degree)
        with file() as store:
            result = np.stack([seal.words(store, made, shape) for made in self.ciphertexts])
        result[self.zero] = 0
        return result


def multiply(parameters: Parameters, ciphertexts: Words, factors: Words) -> Products:
    """For each row of *factors*, shape (rows, ciphertexts, degree), the sum of the products of ciphertexts with its plaintexts.

    SEAL refuses to multiply by zero: a one stands in, and what comes of it is dropped; so zeros take the same time.
    """
    seal, result, one = room(parameters), [], np.zeros(parameters.degree, dtype=np.uint64)
    one[0], empty = 1, (factors == 0).all(axis=2)
    with file() as store, refusals():
        transformed = [seal.ciphertext(store, ciphertext) for ciphertext in ciphertexts]
        for ciphertext in transformed:
            seal.evaluator.transform_to_ntt_inplace(ciphertext)
        level = transformed[0].parms_id()
        for plains, nothing in zip(factors, empty, strict=True):
            total = dropped = None
            for ciphertext, plain, zero in zip(transformed, plains, nothing, strict=True):
                factor, made = seal.plaintext(store, one if zero else plain), sealapi.Ciphertext()
                seal.evaluator.transform_to_ntt_inplace(factor, level)
                seal.evaluator.multiply_plain(ciphertext, factor, made)
                if zero:
                    dropped = made
                elif total is None:
                    total = made
                else:
                    seal.evaluator.add_inplace(total, made)
            result.append(dropped if total is None else total)
            seal.evaluator.transform_from_ntt_inplace(result[-1])
    return Products(parameters, result, empty.all(axis=1))


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
