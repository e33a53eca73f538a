"""What everybody may know of an encrypted vector: how numbers are written in it, how many may be added, and how many were.

A number is written as a whole number of steps. What is declared before anything is encrypted (bound, step, terms, length) fixes the
size and the place of everything in a ciphertext, so that nothing about a value's magnitude shows in it. A total can never run over:
*weight* counts the terms in it, each within the bound, and may not exceed *terms*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError

Integers = npt.NDArray[np.int64]
Steps = npt.NDArray[Any]  # whole numbers of steps: int64s, or Python integers where a scheme has room for more than 63 bits
Numbers = npt.NDArray[np.float64] | Steps
T = TypeVar("T")

WIDEST_TERM = 2**62 - 1  # in steps, so that a term and twice it are int64s
MOST_TERMS = 2**63 - 1
LONGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Layout:
    """The declared form of an encrypted vector.

    Parameters
    ----------
    limit
        Largest magnitude of one term, in steps.
    step
        Distance of two neighbouring numbers. Each term is rounded to it: an error of at most half a step a term.
    terms
        How many terms may be added, counting a term that is scaled by k as \\|k\\| of them.
    length
        Numbers in the vector.
    """

    limit: int
    step: float
    terms: int
    length: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.step) and self.step > 0):
            raise UsageError("step must be finite and above zero")
        if not 1 <= self.limit <= WIDEST_TERM:
            raise UsageError(f"bound must be 1..2^62 - 1 steps, got {self.limit}")
        if not 1 <= self.terms <= MOST_TERMS:
            raise UsageError(f"terms must be in 1..2^63 - 1, got {self.terms}")
        if not 1 <= self.length <= LONGEST:
            raise UsageError(f"a vector has 1..2^31 - 1 numbers, got {self.length}")

    @classmethod
    def declare(cls, length: int, *, bound: float, step: float, terms: int) -> Layout:
        """The layout for numbers of at most *bound* in size, written in steps of *step*."""
        return cls(_limit(bound, step), float(step), whole(terms, "terms"), length)

    @property
    def bound(self) -> float:
        return self.limit * self.step

    @property
    def most(self) -> int:
        """Largest magnitude of a total, in steps."""
        return self.limit * self.terms

    @property
    def bits(self) -> int:
        """Bits of a total with its sign."""
        return self.most.bit_length() + 1

    def fits(self, bits: int, *, hint: str = "take a larger step or fewer terms") -> None:
        """Refuse totals that take more than *bits* bits, sign included, which is what a scheme has room for."""
        if self.bits > bits:
            raise UsageError(f"a total would take {self.bits} bits, there is room for {bits}: {hint}")

    def encode(self, values: npt.ArrayLike, *, hint: str = "") -> Integers:
        """Whole numbers of steps, shape (length,); NaN, infinity and what is out of bounds is refused."""
        array = real(values)
        if array.shape != (self.length,):
            raise UsageError(f"need a vector of {self.length} real numbers, got {shape_of(array)}")
        return whole_steps(array, limit=self.limit, step=self.step, hint=hint)

    def decode(self, steps: Steps, *, weight: int) -> Numbers:
        """The numbers that a total of *weight* terms stands for.

        With step 1 they are whole and stay so, as int64s (as Python integers where totals may have more than 63 bits); with any other
        step they are the nearest float64s.
        """
        most = self.limit * weight
        if not (-most <= int(steps.min()) and int(steps.max()) <= most):
            raise DecodeError("a total is outside its declared range: a ciphertext is foreign or dishonest")
        if self.step == 1:
            return steps.astype(np.int64 if self.bits <= 64 else object)
        return np.asarray(steps.astype(np.float64) * self.step)

    def resized(self, entries: int) -> Layout:
        """The same layout for another number of numbers."""
        return replace(self, length=entries)

    def multiplied(self, factor: Factor) -> Layout:
        """The layout of products with *factor*."""
        return replace(self, step=self.step * factor.step)


@dataclass(frozen=True, slots=True)
class Factor:
    """Plain numbers that encrypted ones are multiplied by: a number, a vector or a matrix, in whole steps.

    What shows of them in a product is *limit* and *step* alone. A product weighs *limit* times as much as what was multiplied, for each
    row if it is a product with a matrix, so declare enough ``terms`` at encryption: ``terms=factor.limit * rows``.

    Parameters
    ----------
    limit
        Largest magnitude, in steps.
    """

    steps: Integers = field(repr=False)
    limit: int
    step: float

    @classmethod
    def declare(cls, values: npt.ArrayLike, *, bound: float, step: float) -> Self:
        """Numbers of at most *bound* in size, each rounded to a whole number of steps."""
        limit = _limit(bound, step)
        return cls(whole_steps(real(values), limit=limit, step=float(step)), limit, float(step))

    @classmethod
    def public(cls, values: npt.ArrayLike) -> Self:
        """Whole numbers that everybody may know: the weight of a product shows the largest of them."""
        array = np.asarray(values)
        if array.dtype.kind not in "iub":
            raise UsageError("plain factors are whole numbers, or a Factor, as he.Factor.declare(values, bound=2, step=2**-10) makes it")
        steps = whole_steps(array, limit=WIDEST_TERM, step=1.0)
        return cls(steps, max(1, int(np.abs(steps).max(initial=0))), 1.0)


# --- what a caller hands in


def need(thing: object, kind: type[T], hint: str = "") -> T:
    """*thing*, if it is of this *kind*."""
    if not isinstance(thing, kind):
        raise UsageError(f"expected {kind.__name__}, got {type(thing).__name__}{hint}")
    return thing


def octets(raw: object) -> bytes:
    """Bytes from outside."""
    if not isinstance(raw, (bytes, bytearray, memoryview)):
        raise UsageError(f"expected bytes, got {type(raw).__name__}")
    return bytes(raw)


def whole(number: int, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise UsageError(f"{name} must be a whole number, got {number!r}")
    return int(number)


def vector(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Real numbers in one dimension: a list, an array, a column of a table."""
    array = real(values)
    if array.ndim != 1:
        hint = "encrypt rows or columns one by one, or ravel() them" if array.ndim else "[x] is a vector of one"
        raise UsageError(f"need a vector of real numbers, got {shape_of(array)}: {hint}")
    return array


def real(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Real numbers in any dimensions."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths; a UsageError says more
        raise error if isinstance(error, UsageError) else UsageError("real numbers are needed, got rows of different lengths") from None
    if array.dtype.kind not in "iufb":
        raise UsageError(f"real numbers are needed, got {array.dtype}")
    return array


def shape_of(array: npt.NDArray[Any]) -> str:
    return f"an array of shape {array.shape}" if array.ndim else "a single number"


def whole_steps(array: npt.NDArray[Any], *, limit: int, step: float, hint: str = "") -> Integers:
    """Real numbers as whole numbers of steps; whole numbers in steps of one are taken exactly."""
    if array.dtype.kind != "f" and step == 1:
        within((array <= limit) & (array >= -limit), f"is out of the declared bound, {limit}{hint}")
        return np.asarray(array, np.int64)
    within(np.isfinite(array), "is NaN or infinite, which no number of steps is: leave it out, or fill it in")
    with np.errstate(over="ignore"):
        steps = np.asarray(np.divide(array, step, dtype=np.float64))
    np.rint(steps, out=steps)
    within(np.abs(steps) <= limit, f"is out of the declared bound, {limit * step:g}{hint}")
    return np.asarray(steps, np.int64)


def within(right: npt.NDArray[np.bool_], says: str) -> None:
    """Refuse the first number that is not right."""
    if not right.all():
        place = np.argwhere(~right)[0].tolist()
        raise UsageError(f"{f'entry {place}' if place else 'the number'} {says}")


def _limit(bound: float, step: float) -> int:
    """The number of steps that the largest number is rounded to."""
    if not (math.isfinite(bound) and bound > 0):
        raise UsageError("bound must be finite and above zero")
    if not (math.isfinite(step) and 0 < step <= bound):
        raise UsageError("step must be above zero and not above the bound")
    if bound / step >= WIDEST_TERM:
        raise UsageError("bound / step must be below 2^62 - 1: take a larger step")
    return round(bound) if step == 1 else round(float(bound) / step)
