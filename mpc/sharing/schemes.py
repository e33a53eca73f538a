"""Additive and Shamir sharing of arrays: who holds a share of what, and how shares become numbers again.

Additive: all n shares add up to the number; any n - 1 of them are uniform and say nothing. Modulo 2^32, 2^64, 2^128 or 2^61 - 1.
Shamir: a random polynomial of degree threshold - 1 through the number at zero, modulo 2^61 - 1; any *threshold* shares give the number,
fewer are uniform and say nothing; what is more than *threshold* shows false shares, and corrects (m - threshold) // 2 false ones among m.
Both are linear: sums of shares, and products with public numbers, are shares of the sums and products, without a word exchanged.

Model: the dealer is honest; privacy against any computing power and up to n - 1, or threshold - 1, parties together. False shares: additive
sharing notices none (its users follow the protocol), Shamir's as said.
Source: Shamir, Communications of the ACM 22(11), 1979; Cramer, Damgård & Nielsen, "Secure Multiparty Computation and Secret Sharing",
Cambridge 2015, section 3.2 and chapter 11.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from governance.errors import PeerError, UsageError
from mpc.rings import Rand, Words
from mpc.sharing import decoding
from mpc.sharing.lagrange import weights
from mpc.sharing.numbers import F61, Z64, Numbers, Shape, Share, bare

MOST_PARTIES = 1000

Shares = Mapping[str, Words]


class Scheme(ABC):
    """A way to share, among named parties."""

    parties: tuple[str, ...]
    numbers: Numbers

    def __init__(self, parties: Sequence[str], over: Numbers) -> None:
        if isinstance(parties, str) or not 2 <= len(parties) <= MOST_PARTIES or len(set(parties)) != len(parties):
            raise UsageError(f"need 2..{MOST_PARTIES} parties of different names")
        self.parties, self.numbers = tuple(parties), over

    def seat(self, me: str) -> Seat:
        """What the party *me* needs to know of the scheme."""
        return Seat(self, me)

    @abstractmethod
    def split(self, numbers: Words, *, rand: Rand = secrets.token_bytes) -> dict[str, Words]:
        """A `Share` of *numbers*, of the same shape, for each party; send each its own over a private channel."""

    @abstractmethod
    def join(self, shares: Shares) -> Words:
        """The numbers behind the *shares*, by party.

        Raises
        ------
        PeerError
            One share is no array of numbers of the others' shape, or they are from a stranger, or do not fit together.
        """

    @abstractmethod
    def public(self, numbers: Words, me: str) -> Words:
        """My share of *numbers* that everybody knows."""

    def _admit(self, shares: Shares, *, least: int) -> dict[str, Words]:
        """The words of *shares*, all of one shape."""
        for name in shares:
            if name not in self.parties:
                raise PeerError("is not a party to this sharing", party=name)
        if len(shares) < least:
            raise UsageError(f"need the shares of {least} parties, got {len(shares)}")
        shape = _most_common([self.numbers.shape(share) for share in shares.values() if isinstance(share, np.ndarray)])
        for name, share in shares.items():
            if not self.numbers.fits(share, shape):
                raise PeerError("its share is misshapen", party=name)
        return {name: bare(share) for name, share in shares.items()}


def _most_common(shapes: Sequence[Shape]) -> Shape:
    """So that the one whose share differs is named, and not the others."""
    return max(shapes, key=shapes.count, default=())


@dataclass(frozen=True, slots=True)
class Seat:
    """One party's place in a scheme."""

    scheme: Scheme
    me: str

    def __post_init__(self) -> None:
        if self.me not in self.scheme.parties:
            raise UsageError(f"{self.me} is not a party to this sharing")

    @property
    def numbers(self) -> Numbers:
        return self.scheme.numbers

    def public(self, numbers: Words) -> Words:
        return self.scheme.public(numbers, self.me)


class Additive(Scheme):
    """Shares that add up to the numbers. All of them are needed."""

    def __init__(self, parties: Sequence[str], over: Numbers = Z64) -> None:
        super().__init__(parties, over)

    def split(self, numbers: Words, *, rand: Rand = secrets.token_bytes) -> dict[str, Words]:
        shape = self.numbers.check(numbers)
        shares = {name: self.numbers.uniform(shape, rand) for name in self.parties[1:]}
        shares = {self.parties[0]: self.numbers.sub(numbers, self.numbers.sum(*shares.values())), **shares}
        return {name: share.view(Share) for name, share in shares.items()}

    def join(self, shares: Shares) -> Words:
        return self.numbers.sum(*self._admit(shares, least=len(self.parties)).values())

    def public(self, numbers: Words, me: str) -> Words:
        return numbers if me == self.parties[0] else np.zeros_like(numbers)


class Shamir(Scheme):
    """Shares that are points of a polynomial; the parties' points are 1, 2, … in their order. Any *threshold* of them are enough."""

    numbers: Numbers

    def __init__(self, parties: Sequence[str], threshold: int, over: Numbers = F61) -> None:
        super().__init__(parties, over)
        if over is not F61:
            raise UsageError(f"{over} the differences of points are not all invertible, so no polynomial is found again: share additively")
        if not 2 <= threshold <= len(parties):
            raise UsageError(f"threshold must be in 2..{len(parties)}, got {threshold}")
        self.threshold = threshold
        self.points = {name: x for x, name in enumerate(self.parties, 1)}

    def split(self, numbers: Words, *, rand: Rand = secrets.token_bytes) -> dict[str, Words]:
        shape = self.numbers.check(numbers)
        rows = [self.numbers.uniform(shape, rand) for _ in range(self.threshold - 1)]
        return {name: self._horner([*rows, numbers], self.numbers.integer(x)).view(Share) for name, x in self.points.items()}

    def _horner(self, rows: Sequence[Words], x: Words) -> Words:
        value = rows[0]
        for row in rows[1:]:
            value = self.numbers.add(self.numbers.mul(value, x), row)
        return value

    def join(self, shares: Shares) -> Words:
        """As for every scheme, from *threshold* shares or more.

        All that are given must lie on one polynomial, or `PeerError` is raised. It names the parties with false shares where there are
        enough others to tell: two true shares over the threshold for each false one.
        """
        shares = self._admit(shares, least=self.threshold)
        names = list(shares)
        if self._strays(shares, names):
            self._blame(shares)
        return self._at_zero(shares, names)

    def correct(self, shares: Shares) -> tuple[Words, tuple[str, ...]]:
        """The numbers and the parties whose shares are false: at most (m - threshold) // 2 of the m that are given.

        Raises
        ------
        PeerError
            More shares are false than can be corrected.
        """
        shares = self._admit(shares, least=self.threshold)
        false = self._false(shares)
        true = [name for name in shares if name not in false]
        return self._at_zero(shares, true), tuple(sorted(false))

    def public(self, numbers: Words, me: str) -> Words:
        return numbers  # the constant polynomial

    def _at_zero(self, shares: Shares, names: Sequence[str]) -> Words:
        values: Words = self._at(shares, names[: self.threshold], [0])[0]
        return values.reshape(shares[names[0]].shape)

    def _at(self, shares: Shares, names: Sequence[str], places: Sequence[int]) -> Words:
        """Values at *places* of the polynomials through the shares of *names*: one row for each place."""
        points = tuple(self.points[name] for name in names)
        rows = np.array([weights(points, F61.modulus, at=place) for place in places], self.numbers.dtype)
        return self.numbers.matmul(rows, np.stack([np.ravel(shares[name]) for name in names]))

    def _strays(self, shares: Shares, names: Sequence[str]) -> bool:
        """Whether some shares are off the polynomials through the first ones of *names*."""
        rest = names[self.threshold :]
        if not rest:
            return False
        expected = self._at(shares, names[: self.threshold], [self.points[name] for name in rest])
        return any((row != np.ravel(shares[name])).any() for row, name in zip(expected, rest, strict=True))

    def _blame(self, shares: Shares) -> NoReturn:
        false = self._false(shares)
        raise PeerError(f"false shares came from {', '.join(sorted(false))}", parties=sorted(false))

    def _false(self, shares: Shares) -> set[str]:
        """Parties whose shares are off the polynomials that all others are on.

        The entries are added up with random factors, drawn here after the shares were fixed, and one word of a Reed-Solomon code is
        decoded instead of one for each entry; then all that are left are looked at in full.
        """
        names = list(shares)
        values = np.stack([np.ravel(shares[name]) for name in names])
        folded = self.numbers.matmul(values, self.numbers.uniform((values.shape[1], 1)))[:, 0]
        wrong = decoding.errors([self.points[name] for name in names], folded.tolist(), threshold=self.threshold, prime=F61.modulus)
        false = {names[i] for i in wrong or ()}
        if wrong is None or self._strays(shares, [name for name in names if name not in false]):
            raise PeerError("the shares do not fit together, and there are too few to tell which are false")
        return false
