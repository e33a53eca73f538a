"""What is shared: whole numbers modulo 2^32, 2^64, 2^128 or the prime 2^61 - 1, as arrays of machine words of any shape.

Modulo 2^k the processor's own arithmetic is exact, and a matrix product is NumPy's. But differences of points need not be invertible there,
so Shamir's sharing needs a prime. It is 2^61 - 1: a product of two elements is two shifts and an addition away from its remainder
(2^61 = 1), a sum of two fits its word, and the 2^-61 by which a random check can err is small enough.

Fixed point: a real number is written as whole steps of 2^-digits, positive and negative around zero.
An element modulo 2^128 is two words, the low one first, on a last axis that is not part of the shape (`mpc.rings`).

What is one party's share of other numbers is a `Share`: it adds, and is multiplied by public numbers, through `Numbers` alone.
"""

from __future__ import annotations

import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError
from mpc.encoding import FixedPoint, Floats
from mpc.rings import Buffer, Rand, Words, ring

Shape = tuple[int, ...]
LOW = np.uint64(2**32 - 1)
LIMB = 21  # bits: 2^11 products of two limbs add up exactly in a float64
DEPTH = 1 << 11
PRIME = 2**61 - 1
BEAVER = "the product of two shares is no share of the product: sharing.multiply(x, y, triple) computes one, by Beaver's protocol"


class Share(np.ndarray[Any, np.dtype[Any]]):
    """An array whose elements are shares. NumPy's operators would compute with them as if they were the numbers, so they are refused."""

    def __array_ufunc__(self, ufunc: Callable[..., Any], method: str, *operands: object, **options: object) -> NoReturn:
        raise UsageError(f"NumPy does not compute on shares: use numbers.add, sub and sum, and mul by public numbers; {BEAVER}")

    def __repr__(self) -> str:
        return f"<share, shape {self.shape}>"

    __str__ = __repr__


def bare(words: Words) -> Words:
    """The words of a share."""
    return words.view(np.ndarray) if isinstance(words, Share) else words


class Numbers(ABC):
    """Arithmetic on arrays of numbers below *modulus*; operands may be broadcast against each other."""

    name: str
    bits: int  # of the largest element
    modulus: int
    words: Shape = ()  # axes behind the shape

    def __repr__(self) -> str:
        return self.name

    @property
    def dtype(self) -> np.dtype[Any]:
        return ring(32 if self.bits == 32 else 64).dtype

    def shape(self, numbers: Words) -> Shape:
        return numbers.shape[: numbers.ndim - len(self.words)]

    def fits(self, numbers: object, shape: Shape) -> bool:
        """Whether *numbers* are an array of this kind and *shape*: the one check of what comes from another party."""
        return isinstance(numbers, np.ndarray) and numbers.dtype == self.dtype and numbers.shape == shape + self.words

    def check(self, numbers: Words) -> Shape:
        """The shape of the caller's own *numbers*; refuses what is no array of this kind."""
        if not isinstance(numbers, np.ndarray) or not self.fits(numbers, shape := self.shape(numbers)):
            raise UsageError(f"need numbers {self.name}: an array of {self.dtype}{', two words each' if self.words else ''}")
        return shape

    def zeros(self, shape: Shape) -> Words:
        return np.zeros(shape + self.words, self.dtype)

    def integer(self, value: int) -> Words:
        """One number, to be broadcast."""
        raw = (value % self.modulus).to_bytes(16, "little")
        return np.asarray(np.frombuffer(raw, self.dtype)[: math.prod(self.words)].reshape(self.words))

    @abstractmethod
    def uniform(self, shape: Shape, rand: Rand = secrets.token_bytes) -> Words:
        """Independent uniform numbers."""

    def add(self, a: Words, b: Words) -> Words:
        return _linear(self._add, a, b)

    def sub(self, a: Words, b: Words) -> Words:
        return _linear(self._sub, a, b)

    def mul(self, a: Words, b: Words) -> Words:
        """Product of each two elements, one of which at least is no share."""
        return _linear(self._mul, a, b, most=1)

    def matmul(self, a: Words, b: Words) -> Words:
        """Matrix product, shapes (n, k) and (k, m), one of which at least is no share."""
        return _linear(self._matmul, a, b, most=1)

    @abstractmethod
    def _add(self, a: Words, b: Words) -> Words: ...

    @abstractmethod
    def _sub(self, a: Words, b: Words) -> Words: ...

    @abstractmethod
    def _mul(self, a: Words, b: Words) -> Words: ...

    @abstractmethod
    def _matmul(self, a: Words, b: Words) -> Words: ...

    def dot(self, a: Words, b: Words) -> Words:
        """Inner product of two vectors, shape ()."""
        return self.matmul(a[None], b[:, None])[0, 0, ...]

    def sum(self, *terms: Words) -> Words:
        total = terms[0]
        for term in terms[1:]:
            total = self.add(total, term)
        return total

    def shift(self, numbers: Words, digits: int) -> Words:
        """``numbers // 2^digits``, *digits* in 1 .. bits - 1."""
        return np.asarray(np.right_shift(numbers, self.dtype.type(digits)))

    @abstractmethod
    def encode(self, values: npt.ArrayLike, digits: int) -> Words:
        """Real numbers in steps of 2^-digits, rounded to the nearest.

        They are clipped to a size of 2^(bits - 2) steps, and NaN counts as zero, so that no number in *values* can make the call fail.
        """

    def decode(self, numbers: Words, digits: int) -> Floats:
        """The float64 next to each number of steps, read as positive or negative."""
        if isinstance(numbers, Share):
            raise UsageError("a share alone says nothing: decode what sharing.reveal opens, or scheme.join")
        return self._decode(numbers, digits)

    @abstractmethod
    def _decode(self, numbers: Words, digits: int) -> Floats: ...

    def to_bytes(self, numbers: Words) -> bytes:
        self.check(numbers)
        return numbers.tobytes()

    def from_bytes(self, raw: Buffer, shape: Shape) -> Words:
        """A share that another party sent, read-only."""
        size = self.dtype.itemsize * math.prod(shape + self.words)
        if memoryview(raw).nbytes != size:
            raise DecodeError(f"numbers {self.name} of shape {shape} take {size} bytes, got {memoryview(raw).nbytes}")
        numbers = np.frombuffer(bytes(raw), self.dtype).reshape(shape + self.words)
        if not self.fits(numbers, shape):
            raise DecodeError(f"these are no numbers {self.name}")
        return numbers.view(Share)

    def to_integers(self, numbers: Words) -> list[int]:
        """Python integers, in the order of the elements."""
        raw, size = self.to_bytes(numbers), self.dtype.itemsize * math.prod(self.words)
        return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]

    def from_integers(self, values: Iterable[int], shape: Shape) -> Words:
        size = self.dtype.itemsize * math.prod(self.words)
        return bare(self.from_bytes(b"".join((value % self.modulus).to_bytes(size, "little") for value in values), shape))

    def check_digits(self, digits: int) -> None:
        if not 1 <= digits <= self.bits - 2:
            raise UsageError(f"digits must be in 1..{self.bits - 2}, got {digits}")


class Modulo(Numbers):
    """Modulo 2^bits, for 32 and 64 bits."""

    def __init__(self, bits: int) -> None:
        self.name, self.bits, self.modulus = f"modulo 2^{bits}", bits, 2**bits

    def uniform(self, shape: Shape, rand: Rand = secrets.token_bytes) -> Words:
        width = self.dtype.itemsize * math.prod(shape + self.words)
        numbers: Words = np.frombuffer(rand(width), self.dtype).reshape(shape + self.words)
        return numbers

    def _add(self, a: Words, b: Words) -> Words:
        return np.asarray(np.add(a, b))

    def _sub(self, a: Words, b: Words) -> Words:
        return np.asarray(np.subtract(a, b))

    def _mul(self, a: Words, b: Words) -> Words:
        return np.asarray(np.multiply(a, b))

    def _matmul(self, a: Words, b: Words) -> Words:
        product: Words = np.matmul(a, b)
        return product

    def encode(self, values: npt.ArrayLike, digits: int) -> Words:
        steps = _floats(values)
        shape = steps.shape
        return self._fixed(digits).encode(np.ravel(steps)).reshape(shape + self.words)

    def _decode(self, numbers: Words, digits: int) -> Floats:
        shape = self.check(numbers)
        return self._fixed(digits).decode(np.ascontiguousarray(numbers).reshape(-1, *self.words)).reshape(shape)

    def _fixed(self, digits: int) -> FixedPoint:
        """The code for one term of up to 2^(bits - 2) steps: its step is 2^-digits."""
        self.check_digits(digits)
        return FixedPoint(bound=2.0 ** (self.bits - 2 - digits), terms=1, bits=self.bits)


class Wide(Modulo):
    """Modulo 2^128."""

    words = (2,)

    def __init__(self) -> None:
        super().__init__(128)

    def _add(self, a: Words, b: Words) -> Words:
        low = np.add(a[..., 0], b[..., 0])
        return np.stack([low, np.add(np.add(a[..., 1], b[..., 1]), low < b[..., 0])], axis=-1)

    def _sub(self, a: Words, b: Words) -> Words:
        borrow = a[..., 0] < b[..., 0]
        return np.stack([np.subtract(a[..., 0], b[..., 0]), np.subtract(np.subtract(a[..., 1], b[..., 1]), borrow)], axis=-1)

    def _mul(self, a: Words, b: Words) -> Words:
        high, low = wide(a[..., 0], b[..., 0])
        crossed = np.add(np.multiply(a[..., 0], b[..., 1]), np.multiply(a[..., 1], b[..., 0]))
        return np.stack([low, np.add(high, crossed)], axis=-1)

    def _matmul(self, a: Words, b: Words) -> Words:
        total = self.zeros((a.shape[0], b.shape[1]))
        for k in range(a.shape[1]):
            total = self.add(total, self.mul(a[:, k, None], b[k]))
        return total

    def shift(self, numbers: Words, digits: int) -> Words:
        low, high, some = numbers[..., 0], numbers[..., 1], np.uint64(digits % 64)
        if digits >= 64:
            return np.stack([high >> some, np.zeros_like(high)], axis=-1)
        return np.stack([(low >> some) | np.left_shift(high, np.uint64(64 - digits)), high >> some], axis=-1)


class Prime(Numbers):
    """Modulo the prime 2^61 - 1."""

    name, bits, modulus = "modulo 2^61 - 1", 61, PRIME

    def fits(self, numbers: object, shape: Shape) -> bool:
        return super().fits(numbers, shape) and bool(np.all(np.less(bare(numbers), PRIME)))  # type: ignore[arg-type]

    def uniform(self, shape: Shape, rand: Rand = secrets.token_bytes) -> Words:
        numbers = np.frombuffer(rand(8 * math.prod(shape)), self.dtype) >> np.uint64(3)
        while (again := numbers == PRIME).any():  # one draw in 2^61
            numbers[again] = np.frombuffer(rand(8 * int(again.sum())), self.dtype) >> np.uint64(3)
        return numbers.reshape(shape)

    def _add(self, a: Words, b: Words) -> Words:
        return _once(np.add(a, b))

    def _sub(self, a: Words, b: Words) -> Words:
        return _once(np.add(a, np.subtract(np.uint64(PRIME), b)))

    def _mul(self, a: Words, b: Words) -> Words:
        """``a b = 2^64 h + l``, and 2^64 is 8 here."""
        high, low = wide(a, b)
        return _once(np.add((high << np.uint64(3)) | (low >> np.uint64(61)), low & np.uint64(PRIME)))

    def _matmul(self, a: Words, b: Words) -> Words:
        """In float64s, exactly: of three limbs each, no more than 2^11 products at a time."""
        total = self.zeros((a.shape[0], b.shape[1]))
        for start in range(0, a.shape[1], DEPTH):
            left, right = _limbs(a[:, start : start + DEPTH]), _limbs(b[start : start + DEPTH])
            for place in range(5):
                pairs = [(i, place - i) for i in range(3) if 0 <= place - i < 3]
                part = sum((np.matmul(left[i], right[j]).astype(np.uint64) for i, j in pairs), np.zeros((), np.uint64))
                total = self.add(total, self.mul(part, self.integer(2 ** (LIMB * place))))
        return total

    def encode(self, values: npt.ArrayLike, digits: int) -> Words:
        self.check_digits(digits)
        steps = np.nan_to_num(_floats(values), posinf=math.inf, neginf=-math.inf)
        most = 2.0 ** (self.bits - 2)
        whole = np.rint(np.ldexp(np.clip(steps, *np.ldexp([-most, most], -digits)), digits)).astype(np.int64)
        return np.asarray(np.where(whole < 0, whole + PRIME, whole), self.dtype)

    def _decode(self, numbers: Words, digits: int) -> Floats:
        self.check(numbers)
        self.check_digits(digits)
        signed = numbers.astype(np.int64)
        return np.ldexp(np.where(signed > PRIME // 2, signed - PRIME, signed).astype(np.float64), -digits)


def _linear(compute: Callable[[Words, Words], Words], a: Words, b: Words, *, most: int = 2) -> Words:
    """What *compute* makes of two operands, *most* of which are shares; a share if one of them is."""
    shares = isinstance(a, Share) + isinstance(b, Share)
    if shares > most:
        raise UsageError(BEAVER)
    words = compute(bare(a), bare(b))
    return words.view(Share) if shares else words


def _floats(values: npt.ArrayLike) -> Floats:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"real numbers are needed, in rows of one length; got {type(values).__name__}") from None


def wide(a: Words, b: Words) -> tuple[Words, Words]:
    """High and low word of each product of two 64-bit words."""
    half = np.uint64(32)
    a_low, a_high, b_low, b_high = a & LOW, a >> half, b & LOW, b >> half
    first, second = np.multiply(a_high, b_low), np.multiply(a_low, b_high)
    middle = (np.multiply(a_low, b_low) >> half) + (first & LOW) + (second & LOW)
    return np.multiply(a_high, b_high) + (first >> half) + (second >> half) + (middle >> half), np.multiply(a, b)


def _once(numbers: Words) -> Words:
    """Numbers below 2 (2^61 - 1) + 1 as elements."""
    return np.asarray(np.where(numbers >= PRIME, np.subtract(numbers, np.uint64(PRIME)), numbers))


def _limbs(numbers: Words) -> list[Floats]:
    return [((numbers >> np.uint64(LIMB * i)) & np.uint64(2**LIMB - 1)).astype(np.float64) for i in range(3)]


Z32: Final = Modulo(32)
Z64: Final = Modulo(64)
Z128: Final = Wide()
F61: Final = Prime()
