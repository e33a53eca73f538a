"""Keys and numbers as python-paillier (phe) has them.

phe writes each number as a whole multiple of 16 to some power, and the power, chosen for each number, travels in clear: it shows how
large the number is. Here all numbers of a vector have the same power, that of their step; numbers with mixed powers are taken only
where that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import phe
from gmpy2 import mpz

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Layout, need
from mpc.he.paillier.private import PaillierPrivateKey
from mpc.he.paillier.public import PaillierPublicKey, PaillierVector

FARTHEST = 16  # powers of 16 that two steps may be apart: a term has 62 bits at most
PAIR = ": phe.generate_paillier_keypair() gives (public, private)"
Number = Any  # phe.EncryptedNumber; phe says nothing of its types


def public_to(key: PaillierPublicKey) -> phe.PaillierPublicKey:
    return phe.PaillierPublicKey(int(need(key, PaillierPublicKey).n))


def public_from(key: phe.PaillierPublicKey) -> PaillierPublicKey:
    return PaillierPublicKey(need(key, phe.PaillierPublicKey, PAIR).n)


def private_to(key: PaillierPrivateKey) -> phe.PaillierPrivateKey:
    """phe's private key; it opens packed ciphertexts by ``raw_decrypt``, and forgets hidden primes."""
    return phe.PaillierPrivateKey(public_to(need(key, PaillierPrivateKey).public), int(key.p), int(key.q))


def private_from(key: phe.PaillierPrivateKey) -> PaillierPrivateKey:
    """A private key of phe. Its primes were not chosen for our blinds, which then hide all but what a smaller group leaves open."""
    return PaillierPrivateKey(public_from(need(key, phe.PaillierPrivateKey, PAIR).public_key), key.p, key.q)


def numbers_to(box: PaillierVector) -> list[Number]:
    """An ``EncryptedNumber`` for each number of *box*, blinded, all with the power of 16 that its step is."""
    if need(box, PaillierVector).packed:
        raise UsageError("phe knows one number in a ciphertext: encrypt with packed=False")
    key, exponent = public_to(box.public), _exponent(box.layout.step)
    return [phe.EncryptedNumber(key, int(c), exponent) for c in box.blind().ciphertexts]


def numbers_from(
    numbers: Iterable[Number], *, bound: float, step: float, terms: int, weight: int = 1, mixed_exponents: bool = False
) -> PaillierVector:
    """A vector of phe's numbers, in steps of *step*, a power of 16.

    *bound*, *terms* and *weight* (how many terms are in each already) are what the numbers' maker declares. What is inside is checked when
    a total is decrypted, and not before. Numbers whose powers differ have told how large they are; *mixed_exponents* takes them all the
    same, if no power is below that of *step*.
    """
    numbers = [need(number, phe.EncryptedNumber) for number in need(numbers, Iterable)]  # type: ignore[type-abstract]
    keys = {number.public_key for number in numbers}
    if len(keys) != 1:
        raise UsageError(f"need numbers under one key, got {len(numbers)} under {len(keys)}")
    exponent = _exponent(step)
    powers = {number.exponent for number in numbers}
    if len(powers) > 1 and not mixed_exponents:
        raise DecodeError("the numbers have different exponents, which show how large each is: encrypt them with one precision")
    if min(powers) < exponent:
        least = f"2**{4 * min(powers)}"
        raise DecodeError(f"a number has a smaller step than declared, {least}: declare step={least}, or encrypt with precision={step}")
    if max(powers) - exponent > FARTHEST:  # such a number would be out of bounds, and to align it might take for ever
        raise DecodeError("a number has a larger step than was declared can hold")
    layout = Layout.declare(len(numbers), bound=bound, step=step, terms=terms)
    aligned = [number if number.exponent == exponent else number.decrease_exponent_to(exponent) for number in numbers]
    sealed = [mpz(number.ciphertext(be_secure=False)) for number in aligned]  # blinded when the vector leaves
    return public_from(numbers[0].public_key).foreign(sealed, layout, weight=weight, packed=False)


def _exponent(step: float) -> int:
    """*step* as a power of 16, phe's base."""
    fraction, twos = math.frexp(step)
    if fraction != 0.5 or (twos - 1) % 4:
        raise UsageError("phe's steps are powers of 16: take a step such as 2**-32, 2**-16 or 1")
    return (twos - 1) // 4
