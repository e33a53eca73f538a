"""Triples without a dealer: the parties make them with each other's Paillier keys.

Each party i draws its shares a_i and b_i. Of ``c = (Σ a_i)(Σ b_j)`` it knows a_i b_i; for each other party j it sends a_i encrypted under
its own key, j multiplies by b_j inside and adds a mask r, i opens the sum and takes it for its share, and j takes -r. Two rounds for all
parties together. Many sums stand in one ciphertext, and a matrix is encrypted with many rows in one.

Who learns what: j sees ciphertexts under i's key and learns nothing while Paillier's scheme is secure. i sees ``a_i b_j + r`` with r
uniform in a range 2^80 times that of the product, so nothing of b_j up to a distance of 2^-80 for each product; and the ciphertext is
blinded anew by that of r, so that it does not show how it was made. Nobody knows a, b or c unless all parties work together.

Model: honest-but-curious parties, any n - 1 of them together; authenticated broadcast, and public keys that are known to be each party's
own. A party that sends other ciphertexts than its own a_i (too large a number, say) can learn b_j and spoil the triple: against such ones
triples need proofs and a sacrifice (Bendlin et al.), which are not made here. Used once: `mpc.sharing.products`.
Source: Gilboa, "Two Party RSA Key Generation", CRYPTO 1999 (products by homomorphic encryption); Bendlin, Damgård, Orlandi &
Zakarias, "Semi-homomorphic Encryption and Multiparty Computation", EUROCRYPT 2011 (two-party products); Keller, Pastro & Rotaru,
"Overdrive: Making SPDZ Great Again", EUROCRYPT 2018 (LowGear, for n parties pairwise).
"""

from __future__ import annotations

import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gmpy2
from gmpy2 import mpz

from governance.errors import PeerError, UsageError
from mpc.he.paillier import PaillierPrivateKey, PaillierPublicKey
from mpc.rings import Rand
from mpc.sharing.numbers import Numbers
from mpc.sharing.products import Kind, Triple, factors, times
from mpc.sharing.protocol import Broadcast, Heard, Steps
from mpc.sharing.schemes import Additive, Seat

STATISTICAL = 80  # bits: a million products together show less than 2^-60

Integer = Any  # an mpz, or an int


def make(
    seat: Seat,
    shape: tuple[int, ...],
    kind: Kind = "elements",
    *,
    key: PaillierPrivateKey,
    keys: Mapping[str, PaillierPublicKey],
    rand: Rand = secrets.token_bytes,
) -> Steps[Triple]:
    """My share of a triple that no dealer knows, for additive sharing.

    Parameters
    ----------
    shape, kind
        As for `Dealer.triple`.
    key
        My own private key, for triples only.
    keys
        Each party's public key, my own included.

    Raises
    ------
    PeerError
        A party sent no ciphertexts under the right key, or a product is out of range.
    """
    if not isinstance(seat.scheme, Additive):
        raise UsageError("triples of the parties' own are for additive sharing")
    if keys.keys() != set(seat.scheme.parties) or keys[seat.me].id != key.public.id:
        raise UsageError("need the public key of each party, and of ours the private one too")
    numbers = seat.numbers
    a, b = (numbers.uniform(factor, rand) for factor in factors(kind, shape))
    mine, others = _plan(numbers, kind, shape, key.public), [name for name in seat.scheme.parties if name != seat.me]
    heard = yield Broadcast(_write(key.public, _seal(key.public, mine.asked(numbers.to_integers(a)), key)))
    answers, c = {seat.me: b""}, times(numbers, kind, a, b)
    for name in others:
        plan, public = _plan(numbers, kind, shape, keys[name]), keys[name]
        boxes = _read(public, heard, name, at=0, count=plan.questions)
        masks = [_draw(plan.width - 1, rand) for _ in range(plan.products)]
        hidden = _seal(public, plan.packed(masks), public)
        products = plan.answered(boxes, numbers.to_integers(b), public.square)
        answers[name] = _write(public, [x * r % public.square for x, r in zip(products, hidden, strict=True)])
        c = numbers.sub(c, numbers.from_integers(masks, numbers.shape(c)))
    heard = yield Broadcast(*(answers[name] for name in seat.scheme.parties))
    for name in others:
        boxes = _read(key.public, heard, name, at=seat.scheme.parties.index(seat.me), count=mine.answers)
        c = numbers.add(c, numbers.from_integers(mine.unpacked(key.open(boxes), party=name), numbers.shape(c)))
    return Triple(seat, kind, a, b, c)


@dataclass(frozen=True, slots=True)
class _Plan(ABC):
    """What is asked under one key, and what is answered: sums of products, many in one ciphertext.

    A sum takes *width* bits: those of *inner* products, of the statistical mask above it, and one for their sum.
    """

    rows: int
    inner: int
    columns: int
    width: int
    slots: int

    @property
    def products(self) -> int:
        return self.rows * self.columns

    @property
    def groups(self) -> list[range]:
        """Rows that stand in one ciphertext."""
        return [range(start, min(start + self.slots, self.rows)) for start in range(0, self.rows, self.slots)]

    @property
    def answers(self) -> int:
        return len(self.groups) * self.columns

    @property
    @abstractmethod
    def questions(self) -> int: ...

    @abstractmethod
    def asked(self, a: Sequence[int]) -> list[Integer]:
        """What is encrypted of the left factor."""

    @abstractmethod
    def answered(self, boxes: Sequence[Integer], b: Sequence[int], square: Integer) -> list[Integer]:
        """Ciphertexts of the products with the right factor, as `packed` puts numbers together."""

    def packed(self, values: Sequence[int]) -> list[Integer]:
        """*values*, shape (rows, columns), the rows of each group in one number."""
        return [self._together(values[row * self.columns + m] for row in group) for group in self.groups for m in range(self.columns)]

    def unpacked(self, opened: Sequence[Integer], *, party: str) -> list[int]:
        """What was packed; *party* is named where there is more in a number than can be."""
        values, numbers = [0] * self.products, iter(opened)
        for group in self.groups:
            for m in range(self.columns):
                number = int(next(numbers))
                if not 0 <= number < 1 << self.width * len(group):
                    raise PeerError("its products are out of range", party=party)
                for place, row in enumerate(group):
                    values[row * self.columns + m] = number >> self.width * place & (1 << self.width) - 1
        return values

    def _together(self, values: Iterable[int]) -> Integer:
        return sum((mpz(value) << self.width * place for place, value in enumerate(values)), mpz(0))


class _Elements(_Plan):
    """Each number is encrypted by itself; products are brought together in the answers (Horner's rule, in the exponent)."""

    __slots__ = ()

    @property
    def questions(self) -> int:
        return self.rows

    def asked(self, a: Sequence[int]) -> list[Integer]:
        return [mpz(value) for value in a]

    def answered(self, boxes: Sequence[Integer], b: Sequence[int], square: Integer) -> list[Integer]:
        answers, up = [], mpz(1) << self.width
        for group in self.groups:
            total = mpz(1)
            for row in reversed(group):
                total = gmpy2.powmod(total, up, square) * gmpy2.powmod(boxes[row], b[row], square) % square
            answers.append(total)
        return answers


class _Matrices(_Plan):
    """The rows of a group are encrypted together, a number for each column of the left factor."""

    __slots__ = ()

    @property
    def questions(self) -> int:
        return len(self.groups) * self.inner

    def asked(self, a: Sequence[int]) -> list[Integer]:
        return [self._together(a[row * self.inner + k] for row in group) for group in self.groups for k in range(self.inner)]

    def answered(self, boxes: Sequence[Integer], b: Sequence[int], square: Integer) -> list[Integer]:
        answers = []
        for start in range(0, len(boxes), self.inner):
            for m in range(self.columns):
                total = mpz(1)
                for k in range(self.inner):
                    total = total * gmpy2.powmod(boxes[start + k], b[k * self.columns + m], square) % square
                answers.append(total)
        return answers


def _plan(numbers: Numbers, kind: Kind, shape: tuple[int, ...], public: PaillierPublicKey) -> _Plan:
    rows, inner, columns = {"elements": (math.prod(shape), 1, 1), "vectors": (1, *shape, 1), "matrices": shape}[kind]
    if not inner:
        raise UsageError("there is nothing to multiply")
    width = 2 * numbers.bits + inner.bit_length() + STATISTICAL + 1
    return (_Elements if kind == "elements" else _Matrices)(rows, inner, columns, width, (public.bits - 2) // width)


def _draw(bits: int, rand: Rand) -> int:
    return int.from_bytes(rand(-(-bits // 8)), "little") >> -bits % 8


def _seal(public: PaillierPublicKey, plain: Sequence[Integer], maker: PaillierPublicKey | PaillierPrivateKey) -> list[Integer]:
    """(1 + mn)(r + bn) modulo n², with a fresh blind r + bn for each."""
    n, blinds = public.n, maker.pool(len(plain)).take(len(plain), public.id)
    return [r + (b + m * r) % n * n for m, (r, b) in zip(plain, blinds, strict=True)]


def _write(public: PaillierPublicKey, boxes: Sequence[Integer]) -> bytes:
    return b"".join(box.to_bytes(2 * public.width, "little") for box in boxes)


def _read(public: PaillierPublicKey, heard: Heard, name: str, *, at: int, count: int) -> list[Integer]:
    """*count* ciphertexts in the value *at* that *name* broadcast; each is a unit below n²."""
    values, size = heard[name].values if name in heard else (), 2 * public.width
    raw = values[at] if at < len(values) else None
    if not isinstance(raw, bytes) or len(raw) != count * size:
        raise PeerError("its message holds not the ciphertexts that belong there", party=name)
    boxes = [mpz.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
    if not all(0 < box < public.square and gmpy2.gcd(box, public.n) == 1 for box in boxes):
        raise PeerError("its message holds what is no ciphertext", party=name)
    return boxes
