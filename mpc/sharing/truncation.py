"""Division of shared numbers by 2^digits, which brings a product of fixed-point numbers back to their step.

The parties hold shares of a random r, of ``r // 2^digits`` and of r's highest bit. They open ``c = x + 2^(bits - 2) + r``, uniform whatever
x is, and compute from c, each by itself, shares of a whole number next to ``x / 2^digits``. One round; everybody learns c, so nothing.

Error: for every x with ``-2^(bits - 2) <= x < 2^(bits - 2)`` the result is ``floor(x / 2^digits)`` or one more, the latter with the
probability of the fraction that was cut off, so that the error has no bias and is below one unit in the last place. (Modulo 2^61 - 1 it may
be one unit in full, with a bias below 2^-digits.) Nothing fails with small probability: whether the sum ran over is ``top(r) and not
top(c)``, linear in what is shared, while truncation that guesses so fails for one x in 2^(bits - 1 - its own bits). Beyond that
range of x the result is wrong, and the caller's bounds must exclude it.

Model: as for products. The mask comes from a dealer, or is the sum of the parties' own (`contribute`): then it is bounded so as never to
run over, c hides x statistically, and the result is above ``x / 2^digits - 1`` and below ``x / 2^digits + n`` for n parties.
Proof: docs/proofs/sharing.md.
Source: Dalskov, Escudero & Keller, "Secure Evaluation of Quantized Neural Networks", PoPETs 2020(4) (the highest bit);
Catrina & Saxena, "Secure Computation with Fixed-Point Numbers", FC 2010, protocol TruncPr (random rounding); Mohassel & Zhang, "SecureML",
IEEE S&P 2017, theorem 1, for the local variant that may fail.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np

from governance.errors import UsageError
from mpc.rings import Rand, Words
from mpc.sharing.numbers import Shape
from mpc.sharing.once import Once
from mpc.sharing.protocol import Steps, reveal
from mpc.sharing.schemes import Scheme, Seat

STATISTICAL = 40  # bits: what a mask of the parties' own shows of x is below 2^-40


class Mask:
    """One party's shares of r, of r // 2^digits and of r's highest bit, for one truncation."""

    __slots__ = ("_parts", "digits", "seat", "shape")

    def __init__(self, seat: Seat, digits: int, r: Words, high: Words, top: Words) -> None:
        self.seat, self.digits, self.shape = seat, digits, seat.numbers.shape(r)
        self._parts = Once((r, high, top))

    def __repr__(self) -> str:
        return f"Mask({self.seat.me}, {self.digits} digits, {self.shape})"

    def take(self) -> tuple[Words, Words, Words]:
        return self._parts.take("this mask")


def truncate(x: Words, digits: int, mask: Mask) -> Steps[Words]:
    """My share of the numbers that *x* are my shares of, divided by 2^digits."""
    seat, numbers = mask.seat, mask.seat.numbers
    if (shape := numbers.check(x)) != mask.shape or digits != mask.digits:
        made = f"this mask is for {mask.digits} digits of numbers of shape {mask.shape}"
        raise UsageError(f"{made}, not for {digits} of {shape}: ask the dealer for mask({shape}, {digits})")
    r, high, top = mask.take()
    offset = numbers.integer(2 ** (numbers.bits - 2))
    shifted = numbers.add(x, seat.public(np.broadcast_to(offset, x.shape)))
    (c,) = yield from reveal(seat, numbers.add(shifted, r))
    may_wrap = numbers.sub(numbers.integer(1), numbers.shift(c, numbers.bits - 1))
    wrapped = numbers.mul(numbers.mul(top, may_wrap), numbers.integer(2 ** (numbers.bits - digits)))
    rest = numbers.sub(numbers.shift(c, digits), numbers.shift(offset, digits))
    return numbers.add(numbers.sub(seat.public(rest), high), wrapped)


def deal(scheme: Scheme, shape: Shape, digits: int, *, rand: Rand = secrets.token_bytes) -> dict[str, Mask]:
    """Masks for all parties from one hand that knows r, so from a dealer that is none of them."""
    scheme.numbers.check_digits(digits)
    return _dealt(scheme, scheme.numbers.uniform(shape, rand), digits, rand)


def contribute(scheme: Scheme, shape: Shape, digits: int, *, size: int, rand: Rand = secrets.token_bytes) -> dict[str, Mask]:
    """One party's part of masks that nobody knows: each sends every party its own, and adds those that it was sent (`together`).

    Parameters
    ----------
    size
        ``|x| < 2^size`` for the numbers that will be truncated. One honest party's part hides such an x up to ``2^(size + 1 - free)``,
        where free is ``floor(bits - 2 - log2(n))``: for three parties there is room for 83 bits modulo 2^128, and for 19 modulo 2^64.
    """
    numbers = scheme.numbers
    numbers.check_digits(digits)
    free = numbers.bits - 2 - (len(scheme.parties) - 1).bit_length()
    most = free - 1 - STATISTICAL
    if not 1 <= size <= most:
        raise UsageError(f"size must be in 1..{most} for {len(scheme.parties)} parties' own masks {numbers}, got {size}")
    return _dealt(scheme, numbers.shift(numbers.uniform(shape, rand), numbers.bits - free), digits, rand)


def together(masks: Sequence[Mask]) -> Mask:
    """My share of the masks that are the sums of what all parties contributed, from my part of each."""
    first = masks[0]
    if len(masks) != len(first.seat.scheme.parties) or any(
        (m.seat, m.digits, m.shape) != (first.seat, first.digits, first.shape) for m in masks
    ):
        raise UsageError("need one part of the same kind from each party")
    parts = zip(*(mask.take() for mask in masks), strict=True)
    return Mask(first.seat, first.digits, *(first.seat.numbers.sum(*part) for part in parts))


def _dealt(scheme: Scheme, r: Words, digits: int, rand: Rand) -> dict[str, Mask]:
    numbers = scheme.numbers
    parts = [scheme.split(part, rand=rand) for part in (r, numbers.shift(r, digits), numbers.shift(r, numbers.bits - 1))]
    return {name: Mask(scheme.seat(name), digits, *(part[name] for part in parts)) for name in scheme.parties}
