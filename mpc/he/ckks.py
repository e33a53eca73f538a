"""CKKS: sums of real numbers that come out approximately, and that may not be released.

::

    key = he.ckks.generate(bound=100.0, error=1e-3, terms=16)
    box = key.public.encrypt(x)
    y = key.decrypt(box + box)  # an `Approximate`: a computation may go on with it

What a CKKS decryption gives holds the noise of the ciphertext, and noise is linear in the key: who sees two decrypted sums and their
ciphertexts solves for the whole secret key (Li & Micciancio, eprint 2020/1533; `examples/ckks_attack.py` does it). SEAL has no defence
against this. So a decryption is an `Approximate`, which no encoder and no release takes; `ApproximateVector` is no `EncryptedVector`.
Exact sums in the same time and half the bytes are in `mpc.he.bfv`. Use this where the key's owner is the only one who ever sees a result.
Errors are bounded in the worst case, and printed. Model: honest-but-curious parties; decisional ring-LWE with ternary secrets.
Source: Cheon, Kim, Kim & Song, Asiacrypt 2017, as in Microsoft SEAL 4.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from governance.errors import DecodeError, UsageError
from mpc.he.bfv.parameters import SPECIAL, fresh_noise, ntt_primes
from mpc.he.layout import octets, vector, within
from mpc.he.seal import Room, file, refusals
from mpc.he.vector import Unreadable, admit
from mpc.he.words import Words, added, negated, pack, size, unpack

Floats = npt.NDArray[np.float64]

KEY = struct.Struct("<4sddQd")  # magic, bound, error, terms, factor; then the key's two polynomials
KEY_MAGIC, PRIVATE_MAGIC = b"kyC2", b"kyC3"
HEADER = struct.Struct("<4s32sIQBd")  # magic, key id, length, weight, primes, error; then ciphertexts
MAGIC = b"kyC1"
FIRST, LAST = 60, 40  # bits of the primes of ciphertexts; the second one is for products
ROUNDING = 2.0**-44  # relative error of SEAL's Fourier transforms in floating point
LONGEST, MOST_TERMS = 2**31 - 1, 2**31 - 1


class Approximate:
    """Real numbers that a CKKS decryption gave: they may feed a computation, and be looked at by the key's owner; never released.

    Parameters
    ----------
    error
        Bound on the absolute error of each of them.
    """

    __array_ufunc__: ClassVar[None] = None
    __slots__ = ("_numbers", "error")

    def __init__(self, numbers: npt.ArrayLike, error: float) -> None:
        self._numbers = np.array(numbers, dtype=np.float64)
        self.error = error

    def for_computation(self) -> Floats:
        """The bare numbers. From here on nothing stops them: never let them, or what follows from them, into a release."""
        return self._numbers.copy()

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, part: int | slice) -> Approximate:
        return Approximate(self._numbers[part], self.error)

    def __add__(self, other: Approximate | npt.ArrayLike) -> Approximate:
        numbers, error = (other._numbers, other.error) if isinstance(other, Approximate) else (np.asarray(other, np.float64), 0.0)
        return Approximate(self._numbers + numbers, self.error + error)

    __radd__ = __add__

    def __neg__(self) -> Approximate:
        return Approximate(-self._numbers, self.error)

    def __sub__(self, other: Approximate | npt.ArrayLike) -> Approximate:
        return self + (-other if isinstance(other, Approximate) else -np.asarray(other, np.float64))

    def __rsub__(self, other: npt.ArrayLike) -> Approximate:
        return -self + other

    def __mul__(self, other: npt.ArrayLike) -> Approximate:
        if isinstance(other, Approximate):
            raise UsageError("two approximate vectors are multiplied by for_computation, in the clear")
        factor = np.asarray(other, np.float64)
        return Approximate(self._numbers * factor, self.error * float(np.abs(factor).max(initial=0)))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"<approximate, not releasable: {self._numbers} ± {self.error:.2g}>"

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise UsageError("a CKKS decryption is approximate and not releasable: it can give the key away. Use he.bfv; see for_computation")

    __array__ = __iter__ = __float__ = __int__ = __index__ = __bool__ = __complex__ = __round__ = _refuse
    __reduce__ = __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a key declares, and the parameters that follow."""

    bound: float
    error: float
    terms: int
    factor: float

    def __post_init__(self) -> None:
        numbers = (self.bound, self.error, self.factor)
        if not (all(map(math.isfinite, numbers)) and self.bound > 0 and self.error > 0 and self.factor >= 0):
            raise UsageError("bound, error and factor must be finite, bound and error above zero")
        if isinstance(self.terms, bool) or not isinstance(self.terms, int) or not 1 <= self.terms <= MOST_TERMS:
            raise UsageError("terms must be in 1..2^31 - 1")
        if self.scale < 2 or self.product_error(self.terms, self.fresh * (self.terms + 1)) + self.fresh > self.error:
            raise UsageError("CKKS cannot keep this error for such totals: allow a larger error, or use he.bfv")

    @property
    def degree(self) -> int:
        return 8192 if self.factor else 4096

    @property
    def primes(self) -> tuple[int, ...]:
        return tuple(self.moduli[:-1])

    @property
    def moduli(self) -> list[int]:
        return ntt_primes(self.degree, (FIRST, LAST, SPECIAL) if self.factor else (FIRST, SPECIAL))

    @property
    def most(self) -> float:
        """Largest magnitude of a total."""
        return self.bound * self.terms * max(self.factor, 1.0)

    @property
    def scale(self) -> float:
        """A power of two: a total times it takes a quarter of the first prime at most, so that none runs over."""
        return 2.0 ** math.floor(math.log2(self.primes[0] / 4 / self.most))

    @property
    def fresh(self) -> float:
        """Error of one encryption."""
        coefficient = fresh_noise(self.degree, self.moduli[-1]) + 1
        return self.degree * coefficient / self.scale + self.most * ROUNDING

    def product_error(self, weight: int, error: float) -> float:
        """Error after a product with factors, if it was *error* before."""
        if not self.factor:
            return error
        encoded = self.bound * weight * self.degree / self.primes[1]
        rescaled = self.degree * (self.degree + 3) / 2 / self.scale
        return error * self.factor + encoded + rescaled + self.most * ROUNDING


@lru_cache(maxsize=8)
def room(declared: Declared) -> Room:
    return Room(declared.degree, declared.primes, declared.moduli[-1])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CkksPublicKey:
    """Encrypts; what it can encrypt is declared in it."""

    declared: Declared
    words: Words = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", hashlib.sha256(self.to_bytes()).digest())

    def to_bytes(self) -> bytes:
        """Canonical binary form."""
        return _key_bytes(KEY_MAGIC, self.declared, self.words)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """A key from outside. That it is an honest key, to which a private key belongs, cannot be seen from it."""
        declared, words = _read_key(raw, KEY_MAGIC, polynomials=2)
        if not words.any(axis=2).all():
            raise DecodeError("not a public CKKS key: it would hide nothing")
        return cls(declared, words)

    def encrypt(self, values: npt.ArrayLike) -> ApproximateVector:
        """Encrypt a vector of real numbers, within what the key declares."""
        numbers, declared, seal = _numbers(values, self.declared.bound), self.declared, room(self.declared)
        encoder, plain, made = sealapi.CKKSEncoder(seal.context), sealapi.Plaintext(), sealapi.Ciphertext()
        lines = _lines(numbers, declared.degree)
        words = np.empty((len(lines), 2, len(declared.primes), declared.degree), dtype=np.uint64)
        with file() as store:
            encryptor = sealapi.Encryptor(seal.context, seal.public_key(store, self.words))
            for row, line in zip(words, lines, strict=True):
                encoder.encode(line.tolist(), declared.scale, plain)
                encryptor.encrypt(plain, made)
                row[...] = seal.words(store, made, row.shape)
        return ApproximateVector(self, len(numbers), 1, declared.fresh, True, words)

    def zeros(self, shape: tuple[int, ...]) -> Words:
        """Fresh encryptions of zero, shape (ciphertexts, 2, primes, degree)."""
        seal, made, words = room(self.declared), sealapi.Ciphertext(), np.empty(shape, dtype=np.uint64)
        with file() as store:
            encryptor = sealapi.Encryptor(seal.context, seal.public_key(store, self.words))
            for row in words:
                encryptor.encrypt_zero(seal.level(shape[2]), made)
                row[...] = seal.words(store, made, row.shape)
        return words

    def load(self, raw: bytes) -> ApproximateVector:
        """The vector that `ApproximateVector.to_bytes` wrote; `DecodeError` on anything else."""
        declared, raw = self.declared, octets(raw)
        if len(raw) < HEADER.size:
            raise DecodeError("not an approximate vector")
        magic, key_id, length, weight, count, error = HEADER.unpack_from(raw)
        if magic != MAGIC or key_id != self.id:
            raise DecodeError("not an approximate vector under this key")
        if not (1 <= length <= LONGEST and 1 <= weight <= declared.terms and 1 <= count <= len(declared.primes)):
            raise DecodeError("length, terms or level is out of range")
        if not 0 < error <= declared.error:
            raise DecodeError("the error is out of range")
        primes, ciphertexts = declared.primes[:count], -(-length // (declared.degree // 2))
        if len(raw) != HEADER.size + size(2 * ciphertexts * declared.degree, [prime.bit_length() for prime in primes]):
            raise DecodeError("the length is not that of its layout")
        words = unpack(memoryview(raw)[HEADER.size :], (ciphertexts, 2, count, declared.degree), primes)
        if not words[:, 1].any(axis=(1, 2)).all():
            raise DecodeError("a ciphertext hides nothing")
        return ApproximateVector(self, length, weight, error, True, words)

    def __repr__(self) -> str:
        return f"<CKKS key {self.id[:4].hex()}: bound {self.declared.bound:g}, error {self.declared.error:g}, {self.declared.terms} terms>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ApproximateVector(Unreadable):
    """Numbers under a CKKS key. What comes of it is approximate, and may not be released.

    Parameters
    ----------
    error
        Bound on the absolute error of each number.
    words
        Ciphertexts, shape (ciphertexts, 2, primes, degree).
    """

    key: CkksPublicKey
    length: int
    weight: int
    error: float
    blinded: bool
    words: Words = field(repr=False)

    def __len__(self) -> int:
        return self.length

    def __add__(self, other: ApproximateVector | npt.ArrayLike) -> Self:
        if not isinstance(other, ApproximateVector):
            return self + self._encoded(other)
        if other.key.id != self.key.id or (len(other), other.words.shape) != (len(self), self.words.shape):
            raise UsageError("the two vectors differ in key, length, or in whether they were multiplied")
        words = added(self.words, other.words, self._primes)
        return self._made(words, weight=self.weight + other.weight, error=self.error + other.error)

    def __radd__(self, other: npt.ArrayLike) -> Self:
        return self if isinstance(other, int) and other == 0 else self + other

    def __neg__(self) -> Self:
        return self._made(negated(self.words, self._primes))

    def __sub__(self, other: ApproximateVector | npt.ArrayLike) -> Self:
        return self + (-other if isinstance(other, ApproximateVector) else -np.asarray(other, np.float64))

    def __rsub__(self, other: npt.ArrayLike) -> Self:
        return -self + other

    def __mul__(self, other: npt.ArrayLike) -> Self:
        """Times a number, or entry by entry; once."""
        declared, seal = self.key.declared, room(self.key.declared)
        if not declared.factor or self.words.shape[2] < 2:
            raise UsageError("generate the key with a factor to multiply by numbers of at most its size, once")
        factors = _numbers(np.broadcast_to(np.asarray(other), (len(self),)), declared.factor)
        encoder, plain = sealapi.CKKSEncoder(seal.context), sealapi.Plaintext()
        words = np.empty((len(self.words), 2, 1, declared.degree), dtype=np.uint64)
        with file() as store, refusals():
            for row, ciphertext, line in zip(words, self.words, _lines(factors, declared.degree), strict=True):
                encoder.encode(line.tolist(), float(declared.primes[1]), plain)
                if plain.is_zero():
                    row[...] = 0
                    continue
                made = seal.ciphertext(store, ciphertext, scale=declared.scale)
                seal.evaluator.multiply_plain_inplace(made, plain)
                seal.evaluator.rescale_to_next_inplace(made)
                row[...] = seal.words(store, made, row.shape)
        return self._made(words, error=declared.product_error(self.weight, self.error))

    __rmul__ = __mul__

    @property
    def _primes(self) -> tuple[int, ...]:
        return self.key.declared.primes[: self.words.shape[2]]

    def _encoded(self, values: npt.ArrayLike) -> ApproximateVector:
        """Plain numbers as ciphertexts that hide nothing."""
        declared, seal = self.key.declared, room(self.key.declared)
        numbers = _numbers(values, declared.bound)
        if len(numbers) != len(self):
            raise UsageError(f"need {len(self)} numbers")
        encoder, plain, words = sealapi.CKKSEncoder(seal.context), sealapi.Plaintext(), np.zeros_like(self.words)
        with file() as store:
            for row, line in zip(words, _lines(numbers, declared.degree), strict=True):
                encoder.encode(line.tolist(), seal.level(len(self._primes)), declared.scale, plain)
                row[0] = seal.words(store, plain, row[0].shape)
        return replace(self, weight=1, error=declared.fresh, words=words)

    def _made(self, words: Words, *, weight: int = 0, error: float = 0.0) -> Self:
        box = replace(self, words=words, weight=weight or self.weight, error=error or self.error, blinded=False)
        if box.weight > self.key.declared.terms:
            declared = self.key.declared.terms
            raise UsageError(f"{box.weight} terms would be added, {declared} were declared: declare terms={box.weight} or more")
        if not words[:, 1, 0, :8].any(axis=1).all():  # it would hide nothing, as ``box - box``
            box = box._with_zeros()
        if box.error > self.key.declared.error:
            raise UsageError("the error would be larger than declared")
        return box

    def _with_zeros(self) -> Self:
        words = added(self.words, self.key.zeros(self.words.shape), self._primes)
        return replace(self, words=words, error=self.error + self.key.declared.fresh)

    def blind(self) -> Self:
        """The same numbers with fresh randomness; itself if it was encrypted just now, or read from bytes."""
        if self.blinded:
            return self
        fresh = self._with_zeros()
        return replace(self._made(fresh.words, error=fresh.error), blinded=True)

    def to_bytes(self) -> bytes:
        """The binary form; what an operator made is blinded first."""
        box = self.blind()
        head = HEADER.pack(MAGIC, self.key.id, len(self), self.weight, len(self._primes), box.error)
        return head + pack(box.words, [prime.bit_length() for prime in self._primes])

    def __repr__(self) -> str:
        return f"<CKKS vector under key {self.key.id[:4].hex()}, approximate, not releasable: {len(self)} numbers ± {self.error:.2g}>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("an encrypted vector is not pickled: use to_bytes and key.load")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CkksPrivateKey:
    """Opens whatever it is given under its public key. What it gives must stay with its owner."""

    public: CkksPublicKey
    words: Words = field(repr=False)

    def decrypt(self, box: ApproximateVector) -> Approximate:
        """The numbers in *box*, near enough."""
        box = admit(box, ApproximateVector, self.public)
        declared, seal, made, lines = self.public.declared, room(self.public.declared), sealapi.Plaintext(), []
        encoder = sealapi.CKKSEncoder(seal.context)
        with file() as store:
            decryptor = sealapi.Decryptor(seal.context, seal.secret_key(store, self.words))
            for ciphertext in box.words:
                decryptor.decrypt(seal.ciphertext(store, ciphertext, scale=declared.scale), made)
                lines.append(encoder.decode_double(made))
        numbers = np.concatenate(lines)[: len(box)]
        if np.abs(numbers).max() > declared.most + declared.error:
            raise DecodeError("a total is outside its declared range: a ciphertext is foreign or dishonest")
        return Approximate(numbers, box.error)

    def export_private(self) -> bytes:
        """The key itself, in binary, public key included: whoever gets these bytes opens everything under it."""
        return _key_bytes(PRIVATE_MAGIC, self.public.declared, np.concatenate([self.public.words, self.words[None]]))

    @classmethod
    def import_private(cls, raw: bytes) -> Self:
        """The key that `export_private` wrote. The two halves are tried on each other."""
        declared, words = _read_key(raw, PRIVATE_MAGIC, polynomials=3)
        key = cls(CkksPublicKey(declared, words[:2]), words[2])
        try:
            fits = abs(key.decrypt(key.public.encrypt([declared.bound])).for_computation()[0] - declared.bound) <= declared.error
        except DecodeError:
            fits = False
        if not fits:
            raise DecodeError("not a private CKKS key: its halves do not fit")
        return key

    def __repr__(self) -> str:
        return f"<private part of {self.public!r}>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a private key is not pickled: export_private says what it does")


def generate(*, bound: float, error: float, terms: int, factor: float = 0.0) -> CkksPrivateKey:
    """A new key.

    Parameters
    ----------
    bound, error, terms
        Largest magnitude of a number; largest absolute error of a total, in the worst case; how many may be added.
    factor
        Largest magnitude of plain numbers that a vector may be multiplied by, once; 0 for sums alone, in ciphertexts of half the size.
    """
    declared = Declared(float(bound), float(error), terms, float(factor))
    secret, words = room(declared).keys()
    return CkksPrivateKey(CkksPublicKey(declared, words), secret)


def _numbers(values: npt.ArrayLike, bound: float) -> Floats:
    numbers = vector(values).astype(np.float64)
    if not 1 <= len(numbers) <= LONGEST:
        raise UsageError(f"a vector has 1..2^31 - 1 numbers, got {len(numbers)}")
    within(np.abs(numbers) <= bound, f"is out of the declared bound, {bound:g}, or no number")  # NaN is not within, either
    return numbers


def _lines(numbers: Floats, degree: int) -> Floats:
    """A line of slots for each ciphertext, zeros at the end."""
    slots = degree // 2
    lines = np.zeros((-(-len(numbers) // slots), slots))
    lines.ravel()[: len(numbers)] = numbers
    return lines


def _key_bytes(magic: bytes, declared: Declared, words: Words) -> bytes:
    head = KEY.pack(magic, declared.bound, declared.error, declared.terms, declared.factor)
    return head + pack(words, [prime.bit_length() for prime in declared.moduli])


def _read_key(raw: bytes, magic: bytes, *, polynomials: int) -> tuple[Declared, Words]:
    raw = octets(raw)
    if len(raw) < KEY.size:
        raise DecodeError("not a CKKS key of this kind")
    found, bound, error, terms, factor = KEY.unpack_from(raw)
    if found != magic:
        raise DecodeError("not a CKKS key of this kind")
    try:
        declared = Declared(bound, error, terms, factor)
    except UsageError as refusal:
        raise DecodeError(f"not a CKKS key: {refusal}") from None
    moduli = declared.moduli
    if len(raw) != KEY.size + size(polynomials * declared.degree, [prime.bit_length() for prime in moduli]):
        raise DecodeError("not a CKKS key: the length is not that of its parameters")
    return declared, unpack(memoryview(raw)[KEY.size :], (polynomials, len(moduli), declared.degree), moduli)
