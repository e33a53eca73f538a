"""Privacy parameters as exact fractions, read so that a rounding never costs a person privacy.

A number in a job is a decimal string and is taken as written. A float stands for two numbers, the one that it prints as and the binary one
that it is; of the two the one that protects more is taken. Losses are counted in units of 2^-32 nats, chances in units of 2^-128.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from fractions import Fraction
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from governance.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")
Amount = int | float | str | Decimal | Fraction
Integers = npt.NDArray[np.int64]

UNIT = 2**32  # units in a nat
CHANCE = 2**128  # units in a chance of one
LEAST_EPSILON, MOST_EPSILON = Fraction(1, 10**6), Fraction(1000)
LEAST_DELTA = Fraction(1, 10**30)
MOST_WHOLE = 2**62
DECIMAL = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.A)
WORK = Context(prec=60, Emin=-(10**12), Emax=10**12)
LIFT = Decimal("1e-40")  # of a result: far above the roundings at 60 digits, far below a unit


def precise(function: Callable[P, T]) -> Callable[P, T]:
    """Within *function* decimals have 60 digits. Their exp and ln are correctly rounded, so every machine finds the same."""

    @wraps(function)
    def inside(*args: P.args, **named: P.kwargs) -> T:
        with localcontext(WORK):
            return function(*args, **named)

    return inside


def epsilon_of(value: Amount) -> Fraction:
    """A privacy loss in nats, rounded down to a whole number of units."""
    epsilon = min(_readings(value, "epsilon"))
    if not LEAST_EPSILON <= epsilon <= MOST_EPSILON:
        raise UsageError(f"epsilon must be from 1e-6 to 1000 nats, got {value}")
    return Fraction(math.floor(epsilon * UNIT), UNIT)


def delta_of(value: Amount, name: str = "delta") -> Fraction:
    """A probability above zero and below one, rounded down to a whole number of units."""
    delta = min(_readings(value, name))
    if not LEAST_DELTA <= delta < 1:
        raise UsageError(f"{name} must be at least 1e-30 and below 1, got {value}")
    return Fraction(math.floor(delta * CHANCE), CHANCE)


def positive(value: Amount, name: str) -> Fraction:
    """A number above zero of which less would be less private: a loss that was made elsewhere, a rate."""
    number = max(_readings(value, name))
    if number <= 0:
        raise UsageError(f"{name} must be above zero, got {value}")
    return number


def real(value: Amount, name: str) -> Fraction:
    """Any number, as it is written."""
    return _readings(value, name)[-1]


def whole(value: int, name: str, *, least: int = 1, most: int = MOST_WHOLE) -> int:
    """A whole number in *least* .. *most*."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number in {least}..{most}, got {value!r}")
    return int(value)


def integers(values: npt.ArrayLike, name: str) -> Integers:
    """A vector of whole numbers that fit in 62 bits, so that noise of as much cannot leave the 64."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise UsageError(f"{name} must be a vector of whole numbers, got {array.dtype} of {array.ndim} dimensions")
    if array.size and not (int(array.min()) >= -MOST_WHOLE and int(array.max()) <= MOST_WHOLE):
        raise UsageError(f"{name} must be within -2^62 .. 2^62")
    return array.astype(np.int64)


def up(number: Fraction) -> float:
    """The least float that is not below *number*."""
    nearest = number.numerator / number.denominator
    return nearest if Fraction(nearest) >= number else math.nextafter(nearest, math.inf)


def ceil_of(number: Decimal) -> int:
    """The whole number at or above the exact value of a `precise` result."""
    return int((number + (abs(number) + 1) * LIFT).to_integral_value(ROUND_CEILING))


def decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)


@precise
def rarity(failure: Amount, events: int) -> int:
    """The least whole L with ``2 * events * exp(-L) <= failure``: how far out a tail must be cut, on both sides, for each of *events*."""
    chance = delta_of(failure, "failure") / (2 * whole(events, "entries"))
    return ceil_of(-decimal(chance).ln())


def _readings(value: Any, name: str) -> tuple[Fraction, ...]:
    """What *value* may mean."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return (Fraction(value),)
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return (Fraction(value),)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 100:
        return (Fraction(value),)
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(value), Fraction(repr(float(value)))
    raise UsageError(f"{name} must be a finite number or a decimal string such as '0.5', got {value!r}")
