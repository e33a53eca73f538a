"""Values of a polynomial from its values elsewhere, modulo a prime.

Source: Cramer, Damgård & Nielsen, "Secure Multiparty Computation and Secret Sharing", Cambridge 2015, section 3.2 (recombination vectors).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence


@functools.lru_cache(maxsize=256)
def weights(points: tuple[int, ...], prime: int, *, at: int = 0) -> tuple[int, ...]:
    """The w for which ``f(at) = sum of w_j f(x_j)``, if f has a lower degree than there are *points*; *at* is none of them.

    ``w_j = prod_{m != j} (x_m - at) / (x_m - x_j)``, with one inversion for all of them.
    """
    moved = [x - at for x in points]
    product = math.prod(moved) % prime
    return tuple(product * inverse % prime for inverse in _inverses([_denominator(moved, x, prime) for x in moved], prime))


def _denominator(points: Sequence[int], x: int, prime: int) -> int:
    value = x
    for other in points:
        if other != x:
            value = value * (other - x) % prime
    return value


def _inverses(values: Sequence[int], prime: int) -> list[int]:
    """Montgomery's trick: the inverse of the product, peeled off one value after another."""
    prefixes = [1]
    for value in values:
        prefixes.append(prefixes[-1] * value % prime)
    inverse = pow(prefixes[-1], -1, prime)
    inverses = []
    for value, prefix in zip(reversed(values), reversed(prefixes[:-1]), strict=True):
        inverses.append(prefix * inverse % prime)
        inverse = inverse * value % prime
    return inverses[::-1]
