"""`EncryptedVector`: one contract for every exact scheme.

Who holds the public key can encrypt, add, subtract, scale by whole numbers, multiply by plain numbers, and learns nothing of what is
inside. Who holds the private key opens whatever it is given: give it totals only. What does not fit (another key, another layout, more
terms than declared) raises; nothing ever wraps around. Whatever leaves through `to_bytes` is freshly blinded: what was made from
others by an operator is blinded anew, so that nobody who saw the parts can tell how they were combined.
Model: honest-but-curious parties. A ciphertext is not authenticated: who sends one must sign it, and bind it to its use.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self, TypeVar

import numpy.typing as npt

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Factor, Integers, Layout, need, octets, shape_of

HEADER = struct.Struct("<4sBB32sQdQQI")  # magic, scheme, arrangement, key id, limit, step, terms, weight, length
MAGIC = b"kyE1"
ADDEND = (
    ": what is added is one term, whose bound is, after a product, the declared one times factor.step;"
    " to add b declare a bound of at least max(abs(b)) / factor.step"
)

Plain = npt.ArrayLike | Factor
V = TypeVar("V", bound="Unreadable")


class Unreadable:
    """What neither NumPy nor a comparison can look into: each refusal names the call that works."""

    __slots__ = ()
    __array_ufunc__: ClassVar[None] = None  # so that ``array + box`` asks the box
    __iter__: ClassVar[None] = None
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> NoReturn:
        raise UsageError("whether encrypted numbers are equal nobody can see: compare what decrypt gives")

    def __truediv__(self, other: object) -> NoReturn:
        raise UsageError("an encrypted vector is not divided: divide what decrypt gives, or multiply by the inverse, as a Factor")

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise UsageError("NumPy cannot read encrypted numbers: use the vector's own + - * @ [start:stop] and sum()")

    def __array_function__(self, *call: object) -> NoReturn:
        self.__array__()


class PublicKey(ABC):
    """What everybody may hold: enough to encrypt, and to compute with what is encrypted."""

    __slots__ = ()
    scheme: ClassVar[int]

    @property
    @abstractmethod
    def id(self) -> bytes:
        """SHA-256 of the key's canonical bytes."""

    @abstractmethod
    def _load(self, layout: Layout, *, weight: int, arrangement: int, body: memoryview) -> EncryptedVector:
        """Read what `EncryptedVector._body` wrote; `DecodeError` or `UsageError` on anything else, before any costly work."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EncryptedVector(Unreadable, ABC):
    """Numbers under a public key. Operators check here, once; what they ask of a scheme is the methods with an underscore.

    Parameters
    ----------
    layout
        How numbers are written; equal for all that can be added.
    weight
        Terms that are in it: at most ``layout.terms``.
    blinded
        Whether it may leave as it stands: encrypted just now, or read from bytes; not what an operator made.
    """

    name: ClassVar[str]

    layout: Layout
    weight: int
    blinded: bool

    # --- what a scheme provides

    @property
    @abstractmethod
    def key(self) -> PublicKey: ...

    @property
    @abstractmethod
    def arrangement(self) -> int:
        """How numbers stand in ciphertexts, a byte of the scheme's own; equal for all that can be added."""

    @abstractmethod
    def _added(self, other: Self, *, weight: int) -> Self: ...

    @abstractmethod
    def _negated(self) -> Self: ...

    @abstractmethod
    def _shifted(self, steps: Integers, *, weight: int) -> Self:
        """Plus a plain vector of whole steps."""

    @abstractmethod
    def _scaled(self, factor: int, *, layout: Layout, weight: int) -> Self: ...

    @abstractmethod
    def _blinded(self) -> Self:
        """The same numbers with fresh randomness; ``blinded`` is set."""

    @abstractmethod
    def _body(self) -> bytes:
        """Ciphertexts for the wire; of the same size for all vectors of this key, layout and arrangement."""

    def _multiplied(self, factor: Integers, *, layout: Layout, weight: int) -> Self:
        """Entry by entry."""
        self._cannot("be multiplied entry by entry")

    def _applied(self, matrix: Integers, *, layout: Layout, weight: int) -> Self:
        """The row vector times a plain matrix, of ``length`` rows and ``layout.length`` columns."""
        self._cannot("be multiplied by a matrix")

    def _summed(self, *, layout: Layout, weight: int) -> Self:
        self._cannot("be summed up")

    def _sliced(self, start: int, stop: int, *, layout: Layout) -> Self:
        self._cannot("be sliced")

    def _cannot(self, what: str) -> NoReturn:
        """A scheme may say here which arrangement can."""
        raise UsageError(f"in this arrangement of {self.name} a vector cannot {what}")

    # --- operators

    def __len__(self) -> int:
        return self.layout.length

    def __add__(self, other: EncryptedVector | npt.ArrayLike) -> Self:
        if not isinstance(other, EncryptedVector):
            return self._plus(self.layout.encode(other, hint=ADDEND))
        if not isinstance(other, type(self)) or other.key.id != self.key.id:
            raise UsageError(f"the two vectors are encrypted under different keys: {self.key!r}, {other.key!r}")
        theirs = other._declared()
        if differing := [f"{name} {value} and {theirs[name]}" for name, value in self._declared().items() if value != theirs[name]]:
            raise UsageError(f"the two vectors have different layouts: {', '.join(differing)}")
        return self._added(other, weight=self._weighing(self.weight + other.weight))

    def __radd__(self, other: npt.ArrayLike) -> Self:
        return self if isinstance(other, int) and other == 0 else self + other  # so that ``sum(boxes)`` works

    def __neg__(self) -> Self:
        return self._negated()

    def __sub__(self, other: EncryptedVector | npt.ArrayLike) -> Self:
        return self + -other if isinstance(other, EncryptedVector) else self._plus(-self.layout.encode(other, hint=ADDEND))

    def __rsub__(self, other: npt.ArrayLike) -> Self:
        return -self + other

    def __mul__(self, other: Plain) -> Self:
        factor = _factor(other)
        counted = f"a product counts factor.limit times, here {factor.limit}"
        layout, weight = self.layout.multiplied(factor), self._weighing(self.weight * factor.limit, counted)
        if factor.steps.shape == ():
            return self._scaled(int(factor.steps), layout=layout, weight=weight)
        if factor.steps.shape != (len(self),):
            raise UsageError(f"need {len(self)} factors, or one, got {shape_of(factor.steps)}")
        return self._multiplied(factor.steps, layout=layout, weight=weight)

    __rmul__ = __mul__

    def __matmul__(self, other: Plain) -> Self:
        matrix = _factor(other)
        if matrix.steps.ndim != 2 or matrix.steps.shape[0] != len(self) or matrix.steps.shape[1] == 0:
            hint = ": one column is values.reshape(-1, 1)" if matrix.steps.ndim == 1 else ""
            raise UsageError(f"need a matrix of {len(self)} rows, got {shape_of(matrix.steps)}{hint}")
        layout = self.layout.multiplied(matrix).resized(matrix.steps.shape[1])
        counted = f"a product counts factor.limit x rows times, here {matrix.limit} x {len(self)}"
        return self._applied(matrix.steps, layout=layout, weight=self._weighing(self.weight * matrix.limit * len(self), counted))

    def sum(self) -> Self:
        """The sum of all entries, as a vector of one."""
        weight = self._weighing(self.weight * len(self), f"a sum counts all {len(self)} entries")
        return self._summed(layout=self.layout.resized(1), weight=weight)

    def __getitem__(self, part: slice) -> Self:
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise UsageError("an encrypted vector is cut by start:stop; entry i is box[i : i + 1]")
        start, stop, _ = part.indices(len(self))
        if start >= stop:
            raise UsageError("a slice must hold at least one entry")
        return self._sliced(start, stop, layout=self.layout.resized(stop - start))

    def _plus(self, steps: Integers) -> Self:
        return self._shifted(steps, weight=self._weighing(self.weight + 1))

    def _weighing(self, weight: int, counted: str = "") -> int:
        if weight > self.layout.terms:
            says = f"{weight} terms would be added, {self.layout.terms} were declared: declare terms={weight} or more"
            raise UsageError(f"{says} ({counted})" if counted else says)
        return weight

    def _declared(self) -> dict[str, object]:
        """What must be equal for all that are added, by name."""
        layout = self.layout
        named = {"length": layout.length, "bound in steps": layout.limit, "step": layout.step, "terms": layout.terms}
        return {**named, "arrangement in ciphertexts": self.arrangement}

    # --- bytes

    def to_bytes(self) -> bytes:
        """The binary form. What an operator made is blinded first, anew at each call: `blind` it once to send it twice."""
        box, layout = self.blind(), self.layout
        head = (MAGIC, self.key.scheme, self.arrangement, self.key.id, layout.limit, layout.step, layout.terms, self.weight, len(self))
        return HEADER.pack(*head) + box._body()

    def blind(self) -> Self:
        """The same numbers, such that nobody can tell what they were made from; itself if it was blinded already."""
        return self if self.blinded else self._blinded()

    def __repr__(self) -> str:
        key, layout = self.key.id[:4].hex(), self.layout
        declared = f"{layout.length} numbers, bound {layout.bound:g}, step {layout.step:g}"
        return f"<{self.name} vector under key {key}: {declared}, {self.weight} of {layout.terms} terms>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("an encrypted vector is not pickled, nor copied: use to_bytes and he.load")


def load(raw: bytes | bytearray | memoryview, public: PublicKey) -> EncryptedVector:
    """The vector that `EncryptedVector.to_bytes` wrote, under the key *public*; `DecodeError` on anything else."""
    public = need(public, PublicKey, ": he.load(raw, key.public)")  # type: ignore[type-abstract]
    view = memoryview(octets(raw))
    if len(view) < HEADER.size:
        raise DecodeError(f"an encrypted vector has at least {HEADER.size} bytes")
    magic, scheme, arrangement, key_id, limit, step, terms, weight, length = HEADER.unpack_from(view)
    if magic != MAGIC or scheme != public.scheme:
        raise DecodeError("not an encrypted vector of this scheme")
    if key_id != public.id:
        raise DecodeError(f"encrypted under another key, {key_id[:4].hex()}: this is {public!r}")
    try:
        layout = Layout(limit, step, terms, length)
        if not 1 <= weight <= terms:
            raise DecodeError("the number of terms is out of range")
        return public._load(layout, weight=weight, arrangement=arrangement, body=view[HEADER.size :])
    except UsageError as error:
        raise DecodeError(f"not an encrypted vector: {error}") from None


def admit(box: Any, kind: type[V], public: Any) -> V:
    """*box*, if it is a vector of this *kind* under the key *public*: the one check before it is opened."""
    if not isinstance(box, Unreadable):
        hint = ": he.load(raw, key.public) reads them" if isinstance(box, bytes) else ""
        raise UsageError(f"expected an encrypted vector, got {type(box).__name__}{hint}")
    if not isinstance(box, kind) or box.key.id != public.id:  # type: ignore[attr-defined]
        raise UsageError(f"the vector is encrypted under another key: {box!r}, and this is the private part of {public!r}")
    return box


def _factor(other: Plain) -> Factor:
    if isinstance(other, EncryptedVector):
        raise UsageError("two encrypted vectors cannot be multiplied")
    return other if isinstance(other, Factor) else Factor.public(other)
