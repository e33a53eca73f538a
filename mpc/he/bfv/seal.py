"""Microsoft SEAL, as the TenSEAL wheel brings it: the one place that hands it bytes, and takes bytes from it.

SEAL reads and writes files only. On Linux they are memory; elsewhere a temporary file that only this user may read. What SEAL is given to
read is always written here, from numbers that were checked: no byte from outside comes to SEAL's own reading, nothing compressed does, and
its `load` checks once more what it is given against the parameters (it is not `unsafe_load`).
Randomness is SEAL's own: BLAKE2xb, seeded by the operating system for each encryption.
SEAL keeps no time constant where it multiplies by plain numbers, and hides no circuit: `BfvVector` blinds what leaves.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tenseal import sealapi

from mpc.he.bfv.parameters import Parameters
from mpc.he.bfv.words import Words

Bytes = npt.NDArray[np.uint8]

HEADER = struct.Struct("<HBBBBHQ")  # magic, size of this header, SEAL's version, compression, zero, size of all
MAGIC = 0xA15E
CIPHERTEXT = struct.Struct("<32s?QQQdQ")  # id of parameters, in NTT form, polynomials, degree, primes, scale, correction
PLAINTEXT = struct.Struct("<32sQd")  # id of parameters or zeros, coefficients, scale
NO_PARAMETERS = bytes(32)
BLAKE2XB = 1
SEED = 64  # bytes of a seed
AS_IS, DEFLATED, ZSTANDARD = range(3)


class File:
    """Bytes that have a path."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor, self.path = descriptor, path

    def put(self, *parts: bytes) -> str:
        """Hold these bytes, and nothing else; the path."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, b"".join(parts))
        return self.path

    def get(self) -> bytes:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return os.read(self.descriptor, os.fstat(self.descriptor).st_size)


@contextmanager
def file() -> Iterator[File]:
    """A file in memory where the system has that, else one that only this user may read, and that is removed."""
    memory = getattr(os, "memfd_create", None)
    descriptor = memory("seal") if memory else -1
    path, on_disk = f"/proc/self/fd/{descriptor}", False
    if not os.path.exists(path):
        if memory:
            os.close(descriptor)
        descriptor, path = tempfile.mkstemp(prefix="seal-")
        on_disk = True
    try:
        yield File(descriptor, path)
    finally:
        os.close(descriptor)
        if on_disk:
            os.unlink(path)


class Room:
    """SEAL's objects for one set of parameters, and how bytes get in and out.

    Ciphertexts are arrays of shape (2, primes, degree), plaintexts of shape (degree,).
    """

    def __init__(self, parameters: Parameters) -> None:
        asked = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV)
        asked.set_poly_modulus_degree(parameters.degree)
        asked.set_coeff_modulus([sealapi.Modulus(prime) for prime in (*parameters.primes, parameters.special)])
        asked.set_plain_modulus(parameters.plain)
        self.context = sealapi.SEALContext(asked, True, sealapi.SEC_LEVEL_TYPE.TC128)
        self.evaluator = sealapi.Evaluator(self.context)
        self.degree, self.count = parameters.degree, len(parameters.primes)
        self.level = np.array(self.context.first_parms_id(), dtype="<u8").tobytes()
        self.key_level = np.array(self.context.key_parms_id(), dtype="<u8").tobytes()
        with file() as store:
            sealapi.Plaintext("1").save(store.path)
            self.version = store.get()[3:5]

    # --- into SEAL

    def plaintext(self, store: File, words: Words) -> Any:
        return self._loaded(sealapi.Plaintext(), store, PLAINTEXT.pack(NO_PARAMETERS, words.size, 1.0), self._array(words))

    def ciphertext(self, store: File, words: Words) -> Any:
        head = CIPHERTEXT.pack(self.level, False, 2, self.degree, self.count, 1.0, 1)
        return self._loaded(sealapi.Ciphertext(), store, head, self._array(words))

    def seeded(self, store: File, seed: bytes) -> Any:
        """A ciphertext whose second polynomial comes out of *seed*; the first is zero."""
        head = CIPHERTEXT.pack(self.level, False, 2, self.degree, self.count, 1.0, 1)
        first = self._array(np.zeros(self.count * self.degree, dtype=np.uint64))
        return self._loaded(sealapi.Ciphertext(), store, head, first, self._framed(bytes([BLAKE2XB]), seed))

    def public_key(self, store: File, words: Words) -> Any:
        head = CIPHERTEXT.pack(self.key_level, True, 2, self.degree, self.count + 1, 1.0, 1)
        return self._loaded(sealapi.PublicKey(), store, head, self._array(words))

    def secret_key(self, store: File, words: Words) -> Any:
        return self._loaded(sealapi.SecretKey(), store, PLAINTEXT.pack(self.key_level, words.size, 1.0), self._array(words))

    def _loaded(self, empty: Any, store: File, *parts: bytes) -> Any:
        empty.load(self.context, store.put(self._framed(*parts)))
        return empty

    def _array(self, words: Words) -> bytes:
        return self._framed(struct.pack("<Q", words.size), words.astype("<u8", copy=False).tobytes())

    def _framed(self, *parts: bytes) -> bytes:
        size = HEADER.size + sum(map(len, parts))
        return b"".join((HEADER.pack(MAGIC, HEADER.size, *self.version, AS_IS, 0, size), *parts))

    # --- out of SEAL

    def words(self, store: File, made: Any, shape: tuple[int, ...]) -> Words:
        """The coefficients of a ciphertext, a plaintext or a key that SEAL made."""
        head = PLAINTEXT.size if isinstance(made, (sealapi.Plaintext, sealapi.SecretKey)) else CIPHERTEXT.size
        count = int(np.prod(shape))
        body = self._saved(store, made, head + HEADER.size + 8 + 8 * count)
        return np.frombuffer(body, "<u8", count, len(body) - 8 * count).reshape(shape).astype(np.uint64, copy=False)

    def seeded_words(self, store: File, made: Any) -> tuple[Words, bytes]:
        """The first polynomial and the seed of a ciphertext that was encrypted with a seed."""
        shape = (self.count, self.degree)
        first, tail = 8 * self.count * self.degree, HEADER.size + 1 + SEED
        body = self._saved(store, made, CIPHERTEXT.size + HEADER.size + 8 + first + tail)
        words = np.frombuffer(body, "<u8", self.count * self.degree, len(body) - tail - first).reshape(shape)
        return words.astype(np.uint64, copy=False), body[-SEED:]

    def _saved(self, store: File, made: Any, size: int) -> bytes:
        made.save(store.path)
        return unpacked(store.get(), size)


def unpacked(raw: bytes, size: int) -> bytes:
    """The *size* bytes in a frame that SEAL wrote, in whichever way it was built to compress."""
    form, body = raw[5], raw[HEADER.size :]
    if form == ZSTANDARD:
        return bytes(pa.decompress(body, decompressed_size=size, codec="zstd", asbytes=True))
    return zlib.decompress(body) if form == DEFLATED else body


@lru_cache(maxsize=8)
def room(parameters: Parameters) -> Room:
    return Room(parameters)


# --- what is done to arrays of many ciphertexts or plaintexts; functions that a pool of processes can be given


def generate(parameters: Parameters) -> tuple[Words, Words]:
    """A secret key, shape (primes + 1, degree), and a public key, shape (2, primes + 1, degree)."""
    seal, public = room(parameters), sealapi.PublicKey()
    generator = sealapi.KeyGenerator(seal.context)
    generator.create_public_key(public)
    shape = (seal.count + 1, seal.degree)
    with file() as store:
        return seal.words(store, generator.secret_key(), shape), seal.words(store, public, (2, *shape))


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


def encrypt_seeded(parameters: Parameters, secret: Words, plains: Words) -> tuple[Words, Bytes]:
    """For each plaintext the first polynomial of a ciphertext, and the seed that its second comes from."""
    seal = room(parameters)
    firsts = np.empty((len(plains), seal.count, seal.degree), dtype=np.uint64)
    seeds = np.empty((len(plains), SEED), dtype=np.uint8)
    with file() as store:
        encryptor = sealapi.Encryptor(seal.context, seal.secret_key(store, secret))
        for first, seed, plain in zip(firsts, seeds, plains, strict=True):
            words, raw = seal.seeded_words(store, encryptor.encrypt_symmetric(seal.plaintext(store, plain)))
            first[...], seed[...] = words, np.frombuffer(raw, np.uint8)
    return firsts, seeds


def expand(parameters: Parameters, seeds: Bytes) -> Words:
    """The second polynomials, shape (seeds, primes, degree)."""
    seal = room(parameters)
    result = np.empty((len(seeds), seal.count, seal.degree), dtype=np.uint64)
    with file() as store:
        for row, seed in zip(result, seeds, strict=True):
            row[...] = seal.words(store, seal.seeded(store, seed.tobytes()), (2, *row.shape))[1]
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
