"""What the members of a secure sum agree on beforehand: the roster, and for each round what is summed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping

from governance.encoding import encode, strict, wire
from governance.errors import UsageError
from governance.keys import VerifyKey, check_name
from mpc.rings import SCALARS, Ring, ring

DIGEST = 32
LEAST_MEMBERS = 3


def threshold(members: int, colluding: int) -> int:
    """The least t > (n + c) / 2."""
    return (members + colluding) // 2 + 1


def least_abstentions(members: int, colluding: int) -> int:
    """n - t + 1 + c."""
    return members - threshold(members, colluding) + 1 + colluding


@strict
class Member:
    """One data holder in a job: its name, the key that it signs with, and its key-agreement key for this job alone."""

    name: str
    verify: bytes  # Ed25519, 32 bytes
    agree: bytes  # X25519, 32 bytes, RFC 7748

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.verify) != 32 or len(self.agree) != 32:
            raise UsageError("a member's keys have 32 bytes each")


@wire("keyong/secagg/terms/v1")
class Terms:
    """The roster of one job. Two members with different terms derive different keys and cannot sum together.

    Parameters
    ----------
    job
        Hash of the job, 32 bytes.
    members
        Sorted by name; names and keys are distinct.
    colluding
        c: how many members may work together with the coordinator, at least 1.

    Notes
    -----
    The threshold is the least t > (n + c) / 2, so that two different sets cannot both find t honest answers: they would need
    2 (t - c) <= n - c honest members. It follows that t >= c + 2, so that a total over t members has two honest ones in it.
    """

    job: bytes
    members: tuple[Member, ...]
    colluding: int

    def __post_init__(self) -> None:
        n, names = len(self.members), [m.name for m in self.members]
        if n < LEAST_MEMBERS:
            raise UsageError(f"a secure sum needs at least {LEAST_MEMBERS} members, got {n}")
        if names != sorted(set(names)):
            raise UsageError("members must be sorted by name, each name once")
        if len({m.verify for m in self.members}) < n or len({m.agree for m in self.members}) < n:
            raise UsageError("two members have the same key")
        if not 1 <= self.colluding <= n - 2:
            raise UsageError(f"colluding must be in 1..{n - 2} for {n} members, got {self.colluding}")
        if len(self.job) != DIGEST:
            raise UsageError(f"job is a hash of {DIGEST} bytes")

    def __hash__(self) -> int:
        return hash(self.job)  # the roster root and the points are looked up often

    @property
    def threshold(self) -> int:
        """t: how many members must answer for a total to be opened."""
        return threshold(len(self.members), self.colluding)

    @property
    def least_abstentions(self) -> int:
        """So many abstentions that at most t - 1 members can ever reveal, though c of those who abstained reveal all the same."""
        return least_abstentions(len(self.members), self.colluding)

    @property
    def root(self) -> bytes:
        """The roster root: SHA-256 of the terms' canonical bytes."""
        return _root(self)

    @property
    def points(self) -> Mapping[str, int]:
        """Where each member's shares lie: 1, 2, … in the order of the names."""
        return _points(self)

    def member(self, name: str) -> Member:
        return self.members[self.points[name] - 1]

    @property
    def keys(self) -> dict[str, VerifyKey]:
        """For `governance.envelope.open_signed`."""
        return {m.name: VerifyKey(m.name, m.verify) for m in self.members}


@functools.lru_cache(maxsize=64)
def _root(terms: Terms) -> bytes:
    return hashlib.sha256(encode(terms)).digest()


@functools.lru_cache(maxsize=64)
def _points(terms: Terms) -> Mapping[str, int]:
    return {m.name: x for x, m in enumerate(terms.members, 1)}


@strict
class Vector:
    """A named vector to be summed: *length* elements modulo 2^bits, or modulo ℓ where *bits* is 252.

    Of a *proved* vector every element is 0 or 1, and each member proves that of its own without showing them.
    """

    name: str
    bits: int
    length: int
    proved: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.length < 2**32:
            raise UsageError(f"a vector has 1 .. 2^32 - 1 elements, got {self.length}")
        if self.proved and self.bits != 32:
            raise UsageError("a proved vector has 32 bits")
        _ = self.ring

    @property
    def ring(self) -> Ring:
        return SCALARS if self.bits == SCALARS.bits else ring(self.bits)

    @property
    def blinders(self) -> Vector:
        """What is summed beside a proved vector."""
        return Vector(self.name, SCALARS.bits, self.length)

    @property
    def summed(self) -> tuple[Vector, ...]:
        """What is masked, added and unmasked for this vector: itself, and its blinders if it is proved."""
        return (self, self.blinders) if self.proved else (self,)


@wire("keyong/secagg/round/v1")
class Round:
    """One sum: its number in the job, the attempt, the state that the roster agreed on before it, and what is summed."""

    number: int
    attempt: int
    state: bytes  # a digest
    vectors: tuple[Vector, ...]

    def __post_init__(self) -> None:
        names = [v.name for v in self.vectors]
        if self.number < 0 or self.attempt < 0 or len(self.state) != DIGEST:
            raise UsageError(f"a round has a number and an attempt of 0 or more, and a state digest of {DIGEST} bytes")
        if not names or names != sorted(set(names)):
            raise UsageError("a round has at least one vector, sorted by name, each name once")

    @property
    def digest(self) -> bytes:
        return _digest(self)


@functools.lru_cache(maxsize=64)
def _digest(round: Round) -> bytes:
    return hashlib.sha256(encode(round)).digest()
