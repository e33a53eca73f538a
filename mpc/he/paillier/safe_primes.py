"""Safe primes: p = 2p' + 1 with p and p' prime, of which threshold keys are made.

A window above a random place is sieved for both primes at once, and what is left is tested in order, first with one exponentiation, then
with the Baillie-PSW test and 16 rounds of Miller-Rabin. The first that is found above a random place is as good as a random one but for
the uneven gaps between primes (Brandt & Damgård, "On generation of probable primes by incremental search", CRYPTO 1992).
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt

from governance.errors import UsageError
from mpc.rings import Rand

WINDOW = 1 << 19  # odd numbers that are sieved at once; at 1536 bits one in 430,000 begins a safe prime
SIEVED = 1 << 20  # primes below it are sieved out
ROUNDS = 40  # gmpy2: Baillie-PSW, and what is above 24 as Miller-Rabin


def safe_prime(bits: int, rand: Rand = secrets.token_bytes) -> int:
    """A safe prime of exactly *bits* bits whose two highest bits are set, so that a product of two has all its bits."""
    if bits < 64 or bits % 8:
        raise UsageError(f"a safe prime has 64 bits or more, in whole bytes, got {bits}")
    while True:
        top = 3 << (bits - 3)
        start = top | int.from_bytes(rand(bits // 8), "big") % (1 << (bits - 3)) | 1
        for half in _candidates(start):
            if gmpy2.powmod(2, half - 1, half) == 1 and _is_safe(half) and half.bit_length() == bits - 1:
                return int(2 * half + 1)


def _is_safe(half: Any) -> bool:
    whole = 2 * half + 1
    return bool(gmpy2.powmod(2, 2 * half, whole) == 1 and gmpy2.is_prime(half, ROUNDS) and gmpy2.is_prime(whole, ROUNDS))


def _candidates(start: int) -> Iterator[Any]:
    """Odd numbers p' from *start* on for which neither p' nor 2p' + 1 has a small factor."""
    primes, window = _primes(), np.ones(WINDOW, bool)
    at = _residues(start, primes)
    half = (primes + 1) // 2  # the inverse of 2
    first = (primes - at) * half % primes  # start + 2i = 0
    second = (2 * primes - 2 * at - 1) * half % primes * half % primes  # 2 start + 4i + 1 = 0
    for prime, i, j in zip(primes.tolist(), first.tolist(), second.tolist(), strict=True):
        window[i::prime] = False
        window[j::prime] = False
    return (gmpy2.mpz(start) + 2 * i for i in np.flatnonzero(window).tolist())


def _residues(number: int, primes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """*number* modulo each of the *primes*, 32 bits at a time."""
    rest = np.zeros_like(primes)
    for limb in np.frombuffer(number.to_bytes((number.bit_length() + 31) // 32 * 4, "big"), ">u4").tolist():
        rest = ((rest << 32) + limb) % primes
    return rest


@functools.lru_cache(maxsize=1)
def _primes() -> npt.NDArray[np.int64]:
    """Odd primes below SIEVED."""
    flags = np.ones(SIEVED, bool)
    flags[:2] = flags[4::2] = False
    for i in range(3, int(SIEVED**0.5) + 1, 2):
        if flags[i]:
            flags[i * i :: i] = False
    return np.flatnonzero(flags)[1:].astype(np.int64)
