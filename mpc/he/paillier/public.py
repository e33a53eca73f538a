"""The public key of Paillier's scheme, and vectors that are encrypted under it.

A ciphertext is ``(1 + mn)·b`` modulo n², with b a blind: an ordinary Paillier ciphertext for g = n + 1, which any other implementation
opens. Forty (n of 2048 bits) to sixty (3072) numbers of 51 bits stand in one *packed*, or one does.
Who sees ciphertexts learns how many numbers there are, and the layout. Who holds the private key sees all that is inside.
Source: Paillier, EUROCRYPT 1999; blinds: `mpc.he.paillier.blinding`.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import ClassVar, Literal, NoReturn, Self

import gmpy2
import numpy.typing as npt
from gmpy2 import mpz

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Integers, Layout, need, octets, vector
from mpc.he.paillier.blinding import Pool, blinds
from mpc.he.paillier.slots import Slots
from mpc.he.paillier.units import Halves, Integer, matrix_product, product
from mpc.he.vector import EncryptedVector, PublicKey
from mpc.rings import Rand

Profile = Literal["safe", "fast_short_exponent"]
PROFILES: tuple[Profile, ...] = ("safe", "fast_short_exponent")
LEAST_BITS, MOST_BITS = 2048, 16384
SHORT_EXPONENT = 512
WIDEST_SLOT = 62
SMALL_FACTORS = 10_000
PACKED, SINGLE = 0, 1

HEADER = struct.Struct("<4sBH")  # magic, profile, bytes of n; then n, and h where the profile needs it
MAGIC = b"kyP1"
LABEL = b"keyong/paillier/base/v1"


@dataclass(frozen=True, slots=True, repr=False)
class PaillierPublicKey(PublicKey):
    """n, and under the fast profile h as well. Under the safe one h follows from n, so that nobody can plant a weak one.

    What is checked: size, and that n is no prime, no power and has no small factor; that h and n have no common factor. What cannot
    be checked without the factors: that n has two of them and no more, that they are large and secret, and how many elements h makes.
    """

    scheme: ClassVar[int] = 1

    n: Integer
    profile: Profile = "safe"
    h: Integer = field(default=None, repr=False)
    square: Integer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        n = mpz(self.n)
        if not LEAST_BITS <= n.bit_length() <= MOST_BITS:
            raise UsageError(f"a Paillier key has {LEAST_BITS} to {MOST_BITS} bits, got {n.bit_length()}")
        if gmpy2.gcd(n, _small_primes()) != 1 or gmpy2.is_power(n) or gmpy2.is_prime(n):
            raise UsageError("the key is no product of two large primes")
        if self.profile not in PROFILES:
            raise UsageError(f"profile must be one of {', '.join(PROFILES)}")
        if (self.h is None) != (self.profile == "safe"):
            raise UsageError("a base h belongs to the fast profile, and to no other")
        h = _base(n) if self.h is None else mpz(self.h)
        if not 1 < h < n - 1 or gmpy2.gcd(h * (h * h - 1), n) != 1:
            raise UsageError("h is out of range, or shares a factor with n")
        for name, value in (("n", n), ("h", h), ("square", n * n)):
            object.__setattr__(self, name, value)

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def bits(self) -> int:
        return int(self.n.bit_length())

    @property
    def width(self) -> int:
        """Bytes of n; a ciphertext takes twice as many."""
        return -(-self.bits // 8)

    @property
    def exponent_bits(self) -> int:
        return -(-self.bits // 2) if self.profile == "safe" else SHORT_EXPONENT

    def to_bytes(self) -> bytes:
        """Canonical binary form."""
        numbers = (self.n,) if self.profile == "safe" else (self.n, self.h)
        head = HEADER.pack(MAGIC, PROFILES.index(self.profile), self.width)
        return head + b"".join(number.to_bytes(self.width, "little") for number in numbers)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """A key from outside: `DecodeError` where a check fails; the class says what cannot be checked."""
        raw = octets(raw)
        if len(raw) < HEADER.size:
            raise DecodeError("not a public Paillier key")
        magic, profile, width = HEADER.unpack_from(raw)
        numbers = raw[HEADER.size :]
        if magic != MAGIC or profile >= len(PROFILES) or not LEAST_BITS <= 8 * width <= MOST_BITS or len(numbers) != width * (1 + profile):
            raise DecodeError("not a public Paillier key")
        try:
            n, *h = (mpz.from_bytes(numbers[at : at + width], "little") for at in range(0, len(numbers), width))
            key = cls(n, PROFILES[profile], *h)
        except UsageError as error:
            raise DecodeError(f"not a public Paillier key: {error}") from None
        if key.width != width:
            raise DecodeError("not a public Paillier key: n is not of its declared size")
        return key

    def __repr__(self) -> str:
        return f"<Paillier key {self.id[:4].hex()}: {self.bits} bits, {self.profile}>"

    def slots(self, layout: Layout) -> Slots:
        """How numbers of *layout* stand in a packed ciphertext."""
        layout.fits(WIDEST_SLOT, hint="take a larger step or fewer terms, or packed=False")
        return Slots(layout.bits, (self.bits - 1) // layout.bits)

    def ciphertexts(self, layout: Layout, *, packed: bool) -> int:
        """How many ciphertexts, and blinds, a vector takes."""
        return self.slots(layout).numbers(layout.length) if packed else layout.length

    def pool(self, count: int, *, executor: Executor | None = None, rand: Rand = secrets.token_bytes) -> Pool:
        """*count* blinds made ahead of time, for `encrypt`; *rand* is for test vectors."""
        return Pool(self.id, blinds((self.n,), self.h, count=count, bits=self.exponent_bits, executor=executor, rand=rand))

    def blinds(self, count: int, pool: Pool | None, executor: Executor | None) -> list[Halves]:
        pool = self.pool(count, executor=executor) if pool is None else need(pool, Pool, ", such as key.public.pool(count) makes")
        return pool.take(count, self.id)

    def encrypt(
        self,
        values: npt.ArrayLike,
        *,
        bound: float,
        step: float,
        terms: int,
        packed: bool = True,
        pool: Pool | None = None,
        executor: Executor | None = None,
    ) -> PaillierVector:
        """Encrypt a vector of real numbers.

        Parameters
        ----------
        bound, step, terms
            Largest magnitude; precision, absolute; how many such vectors may be added (see `Layout`).
        packed
            Many numbers in one ciphertext: small and quick. With one in each, vectors can also be multiplied entry by entry and by a
            matrix, summed up, and sliced anywhere.
        pool
            Take the blinds from here, where they were made ahead; nothing else takes time.
        executor
            Make blinds in these threads or processes (processes: threads do not help here).
        """
        array = vector(values)
        layout = Layout.declare(len(array), bound=bound, step=step, terms=terms)
        plain = _plain(self, layout.encode(array), layout, packed=packed)
        n, sealed = self.n, []
        for m, (r, b) in zip(plain, self.blinds(len(plain), pool, executor), strict=True):
            sealed.append(r + (b + m * r) % n * n)
        return PaillierVector(layout, 1, True, self, packed, sealed)

    def _load(self, layout: Layout, *, weight: int, arrangement: int, body: memoryview) -> PaillierVector:
        if arrangement not in (PACKED, SINGLE):
            raise DecodeError("no such arrangement")
        packed, size = arrangement == PACKED, 2 * self.width
        if len(body) != self.ciphertexts(layout, packed=packed) * size:
            raise DecodeError("the length is not that of its layout")
        sealed = [mpz.from_bytes(bytes(body[at : at + size]), "little") for at in range(0, len(body), size)]
        self.check(sealed)
        return PaillierVector(layout, weight, True, self, packed, sealed)

    def foreign(self, ciphertexts: list[Integer], layout: Layout, *, weight: int, packed: bool) -> PaillierVector:
        """A vector of ciphertexts from another implementation, whose maker declares *layout* and *weight*; blinded anew if it leaves."""
        if len(ciphertexts) != self.ciphertexts(layout, packed=packed) or not 1 <= weight <= layout.terms:
            raise UsageError("the number of ciphertexts or of terms does not fit the layout")
        self.check(ciphertexts)
        return PaillierVector(layout, weight, False, self, packed, ciphertexts)

    def check(self, ciphertexts: list[Integer]) -> None:
        """Refuse what is no unit modulo n²: one greatest common divisor for all of them."""
        if not all(0 < c < self.square for c in ciphertexts):
            raise DecodeError("a ciphertext is out of range")
        if gmpy2.gcd(product((c % self.n for c in ciphertexts), self.n), self.n) != 1:
            raise DecodeError("a ciphertext is no unit: it shares a factor with the key")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PaillierVector(EncryptedVector):
    """A vector under a Paillier key, *packed* or with one number in a ciphertext."""

    name: ClassVar[str] = "Paillier"

    public: PaillierPublicKey
    packed: bool
    ciphertexts: list[Integer]

    @property
    def key(self) -> PaillierPublicKey:
        return self.public

    @property
    def arrangement(self) -> int:
        return PACKED if self.packed else SINGLE

    def reblind(self, *, pool: Pool | None = None, executor: Executor | None = None) -> Self:
        """As `blind`, with blinds from *pool*, or made in *executor*; whether it was blinded already or not."""
        n, square, fresh = self.public.n, self.public.square, self.public.blinds(len(self.ciphertexts), pool, executor)
        sealed = [c * (r + b * n) % square for c, (r, b) in zip(self.ciphertexts, fresh, strict=True)]
        return replace(self, blinded=True, ciphertexts=sealed)

    def _blinded(self) -> Self:
        return self.reblind()

    def _body(self) -> bytes:
        size = 2 * self.public.width
        return b"".join(c.to_bytes(size, "little") for c in self.ciphertexts)

    def _made(self, sealed: list[Integer], *, weight: int, layout: Layout | None = None) -> Self:
        return replace(self, layout=layout or self.layout, weight=weight, blinded=False, ciphertexts=sealed)

    def _added(self, other: Self, *, weight: int) -> Self:
        square = self.public.square
        return self._made([a * b % square for a, b in zip(self.ciphertexts, other.ciphertexts, strict=True)], weight=weight)

    def _negated(self) -> Self:
        square = self.public.square
        return self._made([gmpy2.invert(c, square) for c in self.ciphertexts], weight=self.weight)

    def _shifted(self, steps: Integers, *, weight: int) -> Self:
        n, square = self.public.n, self.public.square
        plain = _plain(self.public, steps, self.layout, packed=self.packed)
        return self._made([(1 + m * n) * c % square for m, c in zip(plain, self.ciphertexts, strict=True)], weight=weight)

    def _scaled(self, factor: int, *, layout: Layout, weight: int) -> Self:
        return self._made(gmpy2.powmod_base_list(self.ciphertexts, factor, self.public.square), weight=weight, layout=layout)

    def _multiplied(self, factor: Integers, *, layout: Layout, weight: int) -> Self:
        self._single("be multiplied entry by entry")
        square = self.public.square
        sealed = [gmpy2.powmod(c, k, square) for c, k in zip(self.ciphertexts, factor.tolist(), strict=True)]
        return self._made(sealed, weight=weight, layout=layout)

    def _applied(self, matrix: Integers, *, layout: Layout, weight: int) -> Self:
        self._single("be multiplied by a matrix")
        return self._made(matrix_product(self.ciphertexts, matrix, self.public.n), weight=weight, layout=layout)

    def _summed(self, *, layout: Layout, weight: int) -> Self:
        self._single("be summed up")
        return self._made([product(self.ciphertexts, self.public.square)], weight=weight, layout=layout)

    def _sliced(self, start: int, stop: int, *, layout: Layout) -> Self:
        count = self.public.slots(self.layout).count if self.packed else 1
        if start % count or (stop % count and stop != len(self)):
            raise UsageError(f"a packed vector is cut at multiples of {count}; encrypt with packed=False to cut it anywhere")
        return replace(self, layout=layout, ciphertexts=self.ciphertexts[start // count : -(-stop // count)])

    def _single(self, what: str) -> None:
        if self.packed:
            self._cannot(what)

    def _cannot(self, what: str) -> NoReturn:
        raise UsageError(f"a packed vector cannot {what}: encrypt with packed=False")


def _plain(key: PaillierPublicKey, steps: Integers, layout: Layout, *, packed: bool) -> list[Integer]:
    return key.slots(layout).pack(steps) if packed else steps.tolist()


@cache
def _small_primes() -> Integer:
    return gmpy2.primorial(SMALL_FACTORS)


def _base(n: Integer) -> Integer:
    """-x² for an x that follows from n: a base without a secret (Damgård, Jurik & Nielsen, 4.2, take a random x)."""
    size = -(-n.bit_length() // 8)
    x = mpz.from_bytes(hashlib.shake_256(LABEL + n.to_bytes(size, "little")).digest(size + 16), "little") % n
    return -x * x % n
