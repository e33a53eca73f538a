"""The private key of Paillier's scheme: the factors of n. It opens every ciphertext under its key, so give it totals only.

Decryption raises c to the power p - 1 modulo p², q - 1 modulo q². Under the *fast* profile p - 1 has a hidden prime factor p' of 256
bits (q likewise), the base of blinds makes a subgroup of order 2p'q' only, and the power 2p' will do (Ma, Han & Lei, "Optimized
Paillier's cryptosystem with fast encryption and decryption", ACSAC 2021). That assumes more than the safe profile: that the short
exponents of blinds and the small subgroup stay hidden; the best attack that is known takes some 2^128 steps.
GMP's powers do not take the same time for all secrets: do not decrypt on a processor that you share with an adversary.
"""

from __future__ import annotations

import secrets
import struct
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import NoReturn, Self

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Layout, Numbers, octets, vector
from mpc.he.paillier.blinding import Pool, Tables, blinds, kept_tables, spread
from mpc.he.paillier.public import LEAST_BITS, MOST_BITS, PROFILES, PaillierPublicKey, PaillierVector, Profile
from mpc.he.paillier.units import Integer
from mpc.he.vector import EncryptedVector, admit
from mpc.rings import Rand

HEADER = struct.Struct("<4sBH")  # magic, profile, bytes of each number; then p, q, and under the fast profile p', q', h's two halves
MAGIC = b"kyP2"
SUBGROUP_BITS = 256
ROUNDS = 40  # as gmpy2 counts: Baillie-PSW, and 16 rounds of Miller and Rabin
CHUNK = 16  # ciphertexts that one call of an executor opens


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PaillierPrivateKey:
    """p and q; under the fast profile their hidden p' and q' too."""

    public: PaillierPublicKey
    p: Integer = field(repr=False)
    q: Integer = field(repr=False)
    hidden: tuple[Integer, Integer] | None = field(default=None, repr=False)
    tables: Tables = field(default_factory=kept_tables, init=False, repr=False)

    def __post_init__(self) -> None:
        p, q, n = mpz(self.p), mpz(self.q), self.public.n
        if p == q or p * q != n or not (gmpy2.is_prime(p, ROUNDS) and gmpy2.is_prime(q, ROUNDS)):
            raise UsageError("p and q are not the two primes of this key")
        if gmpy2.gcd(n, (p - 1) * (q - 1)) != 1:
            raise UsageError("p divides q - 1, or q divides p - 1: take primes of the same size")
        if (self.hidden is None) != (self.public.profile == "safe"):
            raise UsageError("hidden primes belong to the fast profile, and to no other")
        for prime, small in zip((p, q), self.hidden or (), strict=False):
            if (prime - 1) % small or not gmpy2.is_prime(small, ROUNDS) or gmpy2.powmod(self.public.h, 2 * small, prime) != 1:
                raise UsageError("p' and q' are not the hidden primes of this key")
        object.__setattr__(self, "p", p)
        object.__setattr__(self, "q", q)

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
        """As `PaillierPublicKey.encrypt`, in less time: blinds are made modulo p² and q²."""
        if pool is None:
            layout = Layout.declare(len(vector(values)), bound=bound, step=step, terms=terms)
            pool = self.pool(self.public.ciphertexts(layout, packed=packed), executor=executor)
        return self.public.encrypt(values, bound=bound, step=step, terms=terms, packed=packed, pool=pool)

    def pool(self, count: int, *, executor: Executor | None = None, rand: Rand = secrets.token_bytes) -> Pool:
        """As `PaillierPublicKey.pool`, in less time."""
        factors, bits = (self.p, self.q), self.public.exponent_bits
        made = blinds(factors, self.public.h, count=count, bits=bits, executor=executor, rand=rand, kept=self.tables)
        return Pool(self.public.id, made)

    def decrypt(self, box: EncryptedVector, *, executor: Executor | None = None) -> Numbers:
        """The numbers in *box*: int64s if its step is 1 (`Layout.decode`), float64s otherwise.

        A total outside the range that its terms declare is refused: a ciphertext is then foreign or dishonest. Do not let who sent it
        see that refusal again and again: each tells a bit about what is inside.
        """
        box = admit(box, PaillierVector, self.public)
        numbers = self.open(box.ciphertexts, executor=executor)
        layout = box.layout
        steps = self.public.slots(layout).unpack(numbers, len(box)) if box.packed else np.array(list(map(int, numbers)), object)
        return layout.decode(steps, weight=box.weight)

    def open(self, ciphertexts: list[Integer], *, executor: Executor | None = None) -> list[Integer]:
        """What is in each ciphertext, as a number between -n/2 and n/2."""
        small_p, small_q = self.hidden or ((self.p - 1) // 2, (self.q - 1) // 2)
        spec = (self.p, self.q), (2 * small_p, 2 * small_q)
        if executor is None:
            return opened(*spec, ciphertexts)
        return spread(executor, partial(opened, *spec), ciphertexts, each=CHUNK)

    def export_private(self) -> bytes:
        """The key itself, in binary: whoever gets these bytes opens everything under it."""
        width = -(-max(self.p.bit_length(), self.q.bit_length()) // 8)
        numbers = [(self.p, width), (self.q, width)]
        if self.hidden:
            numbers += [(small, SUBGROUP_BITS // 8) for small in self.hidden] + [(self.public.h, 2 * width)]
        head = HEADER.pack(MAGIC, PROFILES.index(self.public.profile), width)
        return head + b"".join(number.to_bytes(size, "little") for number, size in numbers)

    @classmethod
    def import_private(cls, raw: bytes) -> Self:
        """The key that `export_private` wrote, all checks made again."""
        raw = octets(raw)
        if len(raw) < HEADER.size:
            raise DecodeError("not a private Paillier key")
        magic, profile, width = HEADER.unpack_from(raw)
        sizes = [width] * 2 + ([SUBGROUP_BITS // 8] * 2 + [2 * width] if profile else [])
        if magic != MAGIC or profile >= len(PROFILES) or 8 * width > MOST_BITS or len(raw) != HEADER.size + sum(sizes):
            raise DecodeError("not a private Paillier key")
        ends = list(accumulate(sizes, initial=HEADER.size))
        p, q, *rest = (mpz.from_bytes(raw[start:stop], "little") for start, stop in pairwise(ends))
        try:
            public = PaillierPublicKey(p * q, PROFILES[profile], *rest[2:])
            return cls(public, p, q, (rest[0], rest[1]) if rest else None)
        except UsageError as error:
            raise DecodeError(f"not a private Paillier key: {error}") from None

    def __repr__(self) -> str:
        return f"<private part of {self.public!r}>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a private key is not pickled: export_private says what it does")


def generate(bits: int = 3072, *, profile: Profile = "safe") -> PaillierPrivateKey:
    """A new key of *bits* bits: 3072 are taken for as strong as 128 bits of a symmetric key, 2048 (the least) for 112.

    ``profile="fast_short_exponent"`` encrypts and decrypts several times faster, and assumes more (`mpc.he.paillier.private`).
    """
    if not LEAST_BITS <= bits <= MOST_BITS or bits % 16:
        raise UsageError(f"a key has {LEAST_BITS} to {MOST_BITS} bits, a multiple of 16; got {bits}")
    while True:
        (p, small_p), (q, small_q) = (_prime(bits // 2, profile) for _ in "pq")
        if gmpy2.gcd(p - 1, q - 1) == 2 and abs(p - q).bit_length() > bits // 2 - 100:
            break
    if profile == "safe":
        return PaillierPrivateKey(PaillierPublicKey(p * q), p, q)
    n, rest = p * q, (p - 1) * (q - 1) // (2 * small_p * small_q)
    y = mpz(secrets.randbelow(int(n) - 2)) + 2
    return PaillierPrivateKey(PaillierPublicKey(n, profile, n - gmpy2.powmod(y, rest, n)), p, q, (small_p, small_q))


def opened(factors: tuple[Integer, Integer], exponents: tuple[Integer, Integer], ciphertexts: list[Integer]) -> list[Integer]:
    """Decrypt: raised to *exponents* modulo p² and q², blinds are one."""
    p, q = factors
    n, inverse = p * q, gmpy2.invert(p, q)
    half = n // 2
    numbers = []
    for x, y in zip(_half(p, q, exponents[0], ciphertexts), _half(q, p, exponents[1], ciphertexts), strict=True):
        m = x + (y - x) * inverse % q * p
        numbers.append(m - n if m > half else m)
    return numbers


def _half(p: Integer, q: Integer, exponent: Integer, ciphertexts: list[Integer]) -> list[Integer]:
    """What is in each ciphertext modulo p: (1 + mn)^e = 1 + e·m·q·p modulo p²."""
    square, undo, numbers = p * p, gmpy2.invert(exponent * q, p), []
    for c, power in zip(ciphertexts, gmpy2.powmod_base_list([c % square for c in ciphertexts], exponent, square), strict=True):
        m, rest = gmpy2.f_divmod(power - 1, p)
        if rest:  # blinded outside the small subgroup, by another implementation
            m, undo_all = gmpy2.powmod(c, p - 1, square) // p, gmpy2.invert((p - 1) * q, p)
            numbers.append(m * undo_all % p)
        else:
            numbers.append(m * undo % p)
    return numbers


def _prime(bits: int, profile: Profile) -> tuple[Integer, Integer]:
    """A prime p of the form 4k + 3 with its two highest bits set; under the fast profile p - 1 has the prime factor that is given too."""
    if profile not in PROFILES:
        raise UsageError(f"profile must be one of {', '.join(PROFILES)}")
    small = mpz(1) if profile == "safe" else _random_prime(SUBGROUP_BITS)
    top = mpz(3) << (bits - 2)
    while True:
        candidate = top + secrets.randbits(bits - 2)
        candidate -= (candidate - 1) % (2 * small)
        if candidate % 4 == 3 and candidate > top and gmpy2.is_prime(candidate, ROUNDS):
            return candidate, small


def _random_prime(bits: int) -> Integer:
    while True:
        candidate = (mpz(1) << (bits - 1)) | secrets.randbits(bits - 1) | 1
        if gmpy2.is_prime(candidate, ROUNDS):
            return candidate
