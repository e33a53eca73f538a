"""Masks: the full-length keystream of AES-256 in counter mode, added to or taken from a vector in place.

Every key serves one vector once, so the counter starts at zero (NIST SP 800-38A, 6.5). The vector is passed over once in pieces, and all
keystreams are applied to a piece while it lies in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.rings import Ring, Words

CHUNK = 1 << 18  # bytes: a piece of the vector and its keystream fit a second-level cache together
ZEROS = memoryview(bytes(CHUNK))


class Stream(Protocol):
    """The next bytes of a keystream, XORed onto *data*, are written to *buf*."""

    def update_into(self, data: memoryview, buf: memoryview) -> int: ...


def keystream(key: bytes, counter: bytes = bytes(16)) -> Stream:
    return Cipher(algorithms.AES256(key), modes.CTR(counter)).encryptor()


def apply(ring: Ring, words: Words, *, plus: Iterable[bytes] = (), minus: Iterable[bytes] = ()) -> None:
    """Add the masks of the keys *plus* to *words* and take away those of *minus*, in place."""
    steps = [(keystream(key), ring.add) for key in plus] + [(keystream(key), ring.sub) for key in minus]
    rows = min(len(words), CHUNK // ring.size)
    pad = np.empty(ring.shape(rows), ring.dtype)
    for start in range(0, len(words), rows):
        part = words[start : start + rows]
        mask = pad[: len(part)]
        zeros, buffer = ZEROS[: part.nbytes], mask.data.cast("B")
        for stream, combine in steps:
            stream.update_into(zeros, buffer)
            combine(part, mask)
