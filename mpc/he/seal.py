"""Microsoft SEAL, as the TenSEAL wheel brings it: the one place that hands it bytes, and takes bytes from it.

SEAL reads and writes files only. On Linux they are memory; elsewhere a temporary file that only this user may read. What SEAL is given to
read is always written here, from numbers that were checked: no byte from outside comes to SEAL's own reading, nothing compressed does, and
its `load` checks once more what it is given against the parameters (it is not `unsafe_load`).
Randomness is SEAL's own: BLAKE2xb, seeded by the operating system for each encryption.
SEAL keeps no time constant where it multiplies by plain numbers, and hides no circuit: our vectors are blinded before they leave.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from tenseal import sealapi

from governance.errors import Unavailable
from mpc.he.words import Words

HEADER = struct.Struct("<HBBBBHQ")  # magic, size of this header, SEAL's version, compression, zero, size of all
MAGIC = 0xA15E
CIPHERTEXT = struct.Struct("<32s?QQQdQ")  # id of parameters, in NTT form, polynomials, degree, primes, scale, correction
PLAINTEXT = struct.Struct("<32sQd")  # id of parameters or zeros, coefficients, scale
NO_PARAMETERS = bytes(32)
BLAKE2XB = 1
DESCRIPTORS = "/proc/self/fd"
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
    memory = hasattr(os, "memfd_create") and os.path.isdir(DESCRIPTORS)
    if memory:
        descriptor = os.memfd_create("seal")
        path = f"{DESCRIPTORS}/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(prefix="seal-")
    try:
        yield File(descriptor, path)
    finally:
        os.close(descriptor)
        if not memory:
            os.unlink(path)


class Room:
    """SEAL's objects for one set of parameters, and how bytes get in and out: of BFV with a plain modulus, of CKKS without.

    Ciphertexts are arrays of shape (2, primes, degree), plaintexts of shape (degree,).
    """

    def __init__(self, degree: int, primes: Sequence[int], special: int, plain: int = 0) -> None:
        asked = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV if plain else sealapi.SCHEME_TYPE.CKKS)
        asked.set_poly_modulus_degree(degree)
        asked.set_coeff_modulus([sealapi.Modulus(prime) for prime in (*primes, special)])
        if plain:
            asked.set_plain_modulus(plain)
        self.context = sealapi.SEALContext(asked, True, sealapi.SEC_LEVEL_TYPE.TC128)
        if [prime.value() for prime in self.context.first_context_data().parms().coeff_modulus()] != list(primes):
            raise Unavailable("this SEAL does not take these parameters as they are: install another version of tenseal")
        self.evaluator = sealapi.Evaluator(self.context)
        self.degree, self.count, self.transformed = degree, len(primes), not plain
        with file() as store:
            sealapi.Plaintext("1").save(store.path)
            self.version = store.get()[3:5]

    def keys(self) -> tuple[Words, Words]:
        """A new secret key, shape (primes + 1, degree), and its public key, shape (2, primes + 1, degree)."""
        generator, public = sealapi.KeyGenerator(self.context), sealapi.PublicKey()
        generator.create_public_key(public)
        shape = (self.count + 1, self.degree)
        with file() as store:
            return self.words(store, generator.secret_key(), shape), self.words(store, public, (2, *shape))

    def level(self, primes: int) -> Sequence[int]:
        """SEAL's name for ciphertexts with all primes, or with the first alone."""
        found: Sequence[int] = self.context.first_parms_id() if primes == self.count else self.context.last_parms_id()
        return found

    # --- into SEAL

    def plaintext(self, store: File, words: Words) -> Any:
        return self._loaded(sealapi.Plaintext(), store, PLAINTEXT.pack(NO_PARAMETERS, words.size, 1.0), self._array(words))

    def ciphertext(self, store: File, words: Words, *, scale: float = 1.0) -> Any:
        count = words.shape[1]
        head = CIPHERTEXT.pack(_id(self.level(count)), self.transformed, 2, self.degree, count, scale, 1)
        return self._loaded(sealapi.Ciphertext(), store, head, self._array(words))

    def seeded(self, store: File, seed: bytes) -> Any:
        """A ciphertext whose second polynomial comes out of *seed*; the first is zero."""
        head = CIPHERTEXT.pack(_id(self.context.first_parms_id()), self.transformed, 2, self.degree, self.count, 1.0, 1)
        first = self._array(np.zeros(self.count * self.degree, dtype=np.uint64))
        return self._loaded(sealapi.Ciphertext(), store, head, first, self._framed(bytes([BLAKE2XB]), seed))

    def public_key(self, store: File, words: Words) -> Any:
        head = CIPHERTEXT.pack(_id(self.context.key_parms_id()), True, 2, self.degree, self.count + 1, 1.0, 1)
        return self._loaded(sealapi.PublicKey(), store, head, self._array(words))

    def secret_key(self, store: File, words: Words) -> Any:
        return self._loaded(
            sealapi.SecretKey(), store, PLAINTEXT.pack(_id(self.context.key_parms_id()), words.size, 1.0), self._array(words)
        )

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


def _id(parameters: Sequence[int]) -> bytes:
    return np.array(parameters, dtype="<u8").tobytes()


def unpacked(raw: bytes, size: int) -> bytes:
    """The *size* bytes in a frame that SEAL wrote, in whichever way it was built to compress."""
    form, body = raw[5], raw[HEADER.size :]
    if form == ZSTANDARD:
        return bytes(pa.decompress(body, decompressed_size=size, codec="zstd", asbytes=True))
    return zlib.decompress(body) if form == DEFLATED else body
