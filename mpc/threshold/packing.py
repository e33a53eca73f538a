"""From ring elements to plaintexts and back: shares for each dealer's key, slots, and payloads.

An element x of Z/M is the sum modulo M of one share for each dealer, all but one of them uniform. A share u is encrypted as the integer
u + M·ρ with ρ of 64 random bits: the sum of such integers tells the sum of the shares modulo M, and hides how often it ran over, which
would tell something of single members. A plaintext holds as many slots, little-endian, as leave the upper part of the modulus free whatever
n members add. What a dealer of a modulus with small factors can move lies on a grid; the free part is so large that no two points of a
grid that it could reach both look like sums (docs/proofs/threshold.md, 7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import PeerError
from mpc.he.paillier.threshold import PublicKey
from mpc.rings import ORDER, SCALARS, Buffer, Rand, Words
from mpc.secagg import bits as proofs
from mpc.secagg.terms import Round, Terms, Vector
from mpc.threshold.keys import Key, dealers

SPARE = 8  # bytes of ρ
FREE = 512  # bits of a modulus above its slots, for each member that may collude; at most half of it

Numbers = dict[str, list[Any]]  # by dealer, of all vectors and their blinders in order


def order(part: Vector) -> int:
    """M, the number of elements of the ring."""
    return ORDER if part.ring is SCALARS else 1 << part.bits


def split(part: Vector, words: Words, *, ways: int, rand: Rand) -> list[list[int]]:
    """Shares of *words*, as integers to be encrypted, for each of so many keys."""
    ring, last, shares = part.ring, words.copy(), []
    for _ in range(ways - 1):
        shares.append(ring.from_bytes(rand(ring.size * part.length), part.length))
        ring.sub(last, shares[-1])
    return [_lifted(part, share, rand) for share in (*shares, last)]


def _lifted(part: Vector, words: Words, rand: Rand) -> list[int]:
    elements = integers(part.ring.to_bytes(words), part.ring.size)
    return [x + order(part) * over for x, over in zip(elements, integers(rand(SPARE * part.length), SPARE), strict=True)]


def integers(raw: bytes, size: int) -> list[int]:
    """Little-endian numbers of *size* bytes each."""
    return [int.from_bytes(part, "little") for part in cut(raw, size)]


def cut(raw: bytes, size: int) -> list[bytes]:
    """Parts of *size* bytes each."""
    return [raw[i : i + size] for i in range(0, len(raw), size)]


def join(part: Vector, shares: Sequence[Sequence[int]]) -> bytes:
    """The elements, as bytes, whose *shares* these are."""
    return b"".join((sum(column) % order(part)).to_bytes(part.ring.size, "little") for column in zip(*shares, strict=True))


def slots(part: Vector, *, members: int, colluding: int, bits: int) -> tuple[int, int]:
    """Bytes of a slot, and slots of a plaintext, under a key of so many *bits*."""
    slot = part.ring.size + SPARE + (members.bit_length() + 7) // 8
    return slot, (bits - 1 - min(FREE * colluding, bits // 2)) // 8 // slot


def count(vector: Vector, *, members: int, colluding: int, bits: int) -> int:
    """Ciphertexts of a vector and its blinders under such a key."""
    return sum(-(-part.length // slots(part, members=members, colluding=colluding, bits=bits)[1]) for part in vector.summed)


def size(vector: Vector, *, members: int, keys: Collection[int], items: bool) -> int:
    """Bytes of a payload under *keys*, c + 1 of them, of so many bits: of an upload's, with items, or of a partial's."""
    colluding = len(keys) - 1
    ciphertexts = sum(count(vector, members=members, colluding=colluding, bits=bits) * bits // 4 for bits in keys)
    return ciphertexts + (proofs.size(vector) if items and vector.proved else 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a round's vectors lie in plaintexts, and their ciphertexts in payloads."""

    terms: Terms
    round: Round
    publics: Mapping[str, PublicKey]

    @classmethod
    def of(cls, terms: Terms, round: Round, keys: Mapping[str, Key]) -> Layout:
        return cls(terms, round, {dealer: keys[dealer].public for dealer in dealers(terms)})

    def pack(self, dealer: str, part: Vector, integers: Sequence[int]) -> list[int]:
        """Plaintexts under a dealer's key."""
        slot, slots = self._slots(dealer, part)
        raw = b"".join(integer.to_bytes(slot, "little") for integer in integers)
        return [int.from_bytes(raw[i : i + slot * slots], "little") for i in range(0, len(raw), slot * slots)]

    def unpack(self, dealer: str, part: Vector, plaintexts: Sequence[int]) -> list[int]:
        """The sums in slots.

        Raises
        ------
        PeerError
            A plaintext is larger than what honest members can add up to. Whether it was moved by who knows factors of the modulus, or
            somebody encrypted more than a share, cannot be told.
        """
        slot, slots = self._slots(dealer, part)
        size, used = self.publics[dealer].bits // 8, slot * slots
        raws = [int(plaintext).to_bytes(size, "little") for plaintext in plaintexts]
        sums = integers(b"".join(raw[:used] for raw in raws), slot)
        most = len(self.terms.members) * order(part) << 8 * SPARE
        if any(any(raw[used:]) for raw in raws) or max(sums) >= most or any(sums[part.length :]):
            raise PeerError(f"what opens under the key of {dealer} is out of range: its dealer or who uploaded lies")
        return sums[: part.length]

    def _slots(self, dealer: str, part: Vector) -> tuple[int, int]:
        return slots(part, members=len(self.terms.members), colluding=self.terms.colluding, bits=self.publics[dealer].bits)

    def _counts(self, vector: Vector) -> Iterator[tuple[str, int, int]]:
        """Dealer, ciphertexts of *vector* under its key, bytes of each."""
        members, colluding = len(self.terms.members), self.terms.colluding
        for dealer, public in self.publics.items():
            yield dealer, count(vector, members=members, colluding=colluding, bits=public.bits), public.size

    def parts(self, dealer: str, numbers: Sequence[Any]) -> Iterator[tuple[Vector, Sequence[Any]]]:
        """A dealer's numbers of the round, by vector, and after a proved one by its blinders."""
        at = 0
        for vector in self.round.vectors:
            for part in vector.summed:
                end = at - (-part.length // self._slots(dealer, part)[1])
                yield part, numbers[at:end]
                at = end

    def write(self, numbers: Numbers, items: Mapping[str, bytes]) -> dict[str, bytes]:
        """Payloads by vector: the numbers under each dealer's key, in order, and the *items* of a proved vector."""
        at, payloads = dict.fromkeys(numbers, 0), {}
        for vector in self.round.vectors:
            raw = []
            for dealer, many, each in self._counts(vector):
                raw += [int(number).to_bytes(each, "big") for number in numbers[dealer][at[dealer] : at[dealer] + many]]
                at[dealer] += many
            payloads[vector.name] = b"".join([*raw, items.get(vector.name, b"")])
        return payloads

    def read(self, payloads: Mapping[str, Buffer], *, items: bool, party: str) -> tuple[Numbers, dict[str, bytes]]:
        """What `write` wrote, with or without items.

        Raises
        ------
        PeerError
            A payload has another length than the round's.
        """
        numbers: Numbers = {dealer: [] for dealer in self.publics}
        keys, rest = [public.bits for public in self.publics.values()], {}
        for vector in self.round.vectors:
            raw, at = bytes(payloads[vector.name]), 0
            if len(raw) != size(vector, members=len(self.terms.members), keys=keys, items=items):
                raise PeerError("signed a payload of another length than the round's", party=party)
            for dealer, many, each in self._counts(vector):
                numbers[dealer] += [int.from_bytes(raw[i : i + each], "big") for i in range(at, at + many * each, each)]
                at += many * each
            rest[vector.name] = raw[at:]
        return numbers, rest
