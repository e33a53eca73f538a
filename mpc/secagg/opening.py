"""Opening a total: the pure function that the coordinator computes and every node computes again.

The uploads are added, then the masks that did not cancel are lifted: each survivor's self masks, whose seed any *threshold* shares give,
and each survivor's pair masks with members who dropped out, whose key any *threshold* shares give. Every recombined secret is held
against its owner's commitment, so that false shares are noticed, passed over while enough true ones are there, and named.

Model: the coordinator and up to c members lie at will.  Source: Bonawitz et al., "Practical Secure Aggregation", CCS 2017, Figure 4,
round 4 (Unmasking).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from governance.encoding import strict
from governance.errors import DecodeError, PeerError, Unavailable
from mpc.rings import Buffer, Words
from mpc.secagg import bits, masks
from mpc.secagg.agreement import fits
from mpc.secagg.keys import Schedule, pair
from mpc.secagg.messages import Pledge, Reveal, agreement
from mpc.secagg.terms import Round, Terms, Vector
from mpc.sharing.seeds import SHARE, join

TRIES = 4096  # subsets of shares that are tried before a secret counts as lost

Payloads = Mapping[str, Mapping[str, Buffer]]


@strict
class Tally:
    """What is to be opened: the admitted uploads of the survivors of one round."""

    terms: Terms
    round: Round
    pledges: Mapping[str, Pledge]

    @property
    def agreed(self) -> bytes:
        return agreement(self.terms, self.round, self.pledges)

    @property
    def dropped(self) -> list[str]:
        return [name for name in self.terms.points if name not in self.pledges]

    def owners(self) -> Iterator[tuple[str, str]]:
        """Whose secrets are lifted: (survivor, itself) for a seed, (survivor, dropped) for a pair key."""
        for survivor in sorted(self.pledges):
            yield survivor, survivor
            yield from ((survivor, other) for other in self.dropped)


@strict
class Opened:
    """The totals, by vector, and who is known to have revealed false shares."""

    totals: Mapping[str, bytes] = field(repr=False)
    liars: tuple[str, ...]


def total(tally: Tally, reveals: Mapping[str, Reveal], payloads: Payloads) -> Opened:
    """Add the masked vectors in *payloads*, by sender and vector, and lift the masks with the *reveals*, by sender.

    Raises
    ------
    Unavailable
        Reveals or vectors are still missing; ``facts["waiting"]`` says whose.
    PeerError
        A vector is not what its sender signed, or the shares of a secret do not fit its owner's commitment.
    """
    secrets, liars = recover(tally, reveals)
    sums = gather(tally.round, tally.pledges, payloads)
    for vector, words in sums.items():
        unmask(tally, vector, secrets, into=words)
    return Opened(totals(tally.terms, tally.round, sums, {name: payloads[name] for name in tally.pledges}), liars)


def needed(tally: Tally, reveals: Mapping[str, Reveal]) -> tuple[str, ...]:
    """Whose reveals are waited for; empty once the total can be opened."""
    good = _good(tally, reveals)
    return () if len(good) >= tally.terms.threshold else tuple(sorted(tally.pledges.keys() - good.keys()))


def gather(round: Round, pledges: Mapping[str, Pledge], payloads: Payloads) -> dict[Vector, Words]:
    """Sum of everything masked in the payloads, each of which is checked against the digest that its sender signed."""
    missing = [name for name in pledges if not {v.name for v in round.vectors} <= payloads.get(name, {}).keys()]
    if missing:
        raise Unavailable("masked vectors are missing", waiting=sorted(missing))
    sums = {part: part.ring.zeros(part.length) for vector in round.vectors for part in vector.summed}
    for vector in round.vectors:
        for sender, pledge in pledges.items():
            raw = payloads[sender][vector.name]
            if hashlib.sha256(raw).digest() != pledge.payloads[vector.name]:
                raise PeerError("its masked vector is not the one it signed", party=sender)
            for part, masked in zip(vector.summed, _parts(vector, raw, party=sender), strict=False):
                part.ring.add(sums[part], part.ring.from_bytes(masked, part.length))
    return sums


def _parts(vector: Vector, raw: Buffer, *, party: str) -> list[memoryview]:
    """A payload cut up: the masked vector, and of a proved one the masked blinders and the proofs."""
    view, at, parts = memoryview(raw).cast("B"), 0, []
    for size in (*(v.ring.size * v.length for v in vector.summed), *((bits.size(vector),) if vector.proved else ())):
        parts.append(view[at : at + size])
        at += size
    if at != view.nbytes:
        raise PeerError("signed a masked vector of another length than the round's", party=party)
    return parts


def totals(terms: Terms, round: Round, sums: Mapping[Vector, Words], payloads: Payloads) -> dict[str, bytes]:
    """The opened *sums* by vector name, once the proofs in the *payloads*, by sender, bear them out."""
    for vector in round.vectors:
        if vector.proved:
            proofs = {name: _parts(vector, parts[vector.name], party=name)[2] for name, parts in payloads.items()}
            bits.check(Schedule(terms, round), vector, (sums[vector], sums[vector.blinders]), proofs)
    return {v.name: v.ring.to_bytes(sums[v]) for v in round.vectors}


def unmask(tally: Tally, vector: Vector, secrets: Mapping[tuple[str, str], bytes], *, into: Words) -> None:
    """Lift, in place, the masks that did not cancel in the sum of *vector*."""
    schedule = Schedule(tally.terms, tally.round)
    plus: list[bytes] = []
    minus: list[bytes] = []
    for (owner, other), secret in secrets.items():
        ends = pair(owner, other)
        (minus if ends[0] == owner else plus).append(schedule.mask(secret, ends, vector))
    masks.apply(vector.ring, into, plus=plus, minus=minus)


def recover(tally: Tally, reveals: Mapping[str, Reveal]) -> tuple[dict[tuple[str, str], bytes], tuple[str, ...]]:
    """The seeds and pair keys that must be lifted, by `Tally.owners`, and the names of those whose shares were false."""
    good = _enough(tally, reveals)
    secrets, liars = {}, set[str]()
    for ends in tally.owners():
        order = [name for name in good if name not in liars] + sorted(liars)
        secrets[ends], found = _secret(tally, good, ends, order=order)
        liars |= found
    return secrets, tuple(sorted(liars))


def _enough(tally: Tally, reveals: Mapping[str, Reveal]) -> dict[str, Reveal]:
    good = _good(tally, reveals)
    threshold, bad = tally.terms.threshold, sorted((reveals.keys() & tally.pledges.keys()) - good.keys())
    if len(good) >= threshold:
        return good
    if len(tally.pledges) - len(bad) < threshold:
        raise PeerError("revealed something else than was agreed", parties=bad)
    raise Unavailable(f"{len(good)} of {threshold} reveals are here", waiting=needed(tally, reveals), need=threshold)


def _good(tally: Tally, reveals: Mapping[str, Reveal]) -> dict[str, Reveal]:
    """Reveals by survivors, for this very set, of the shares asked for and no others."""
    agreed, names = tally.agreed, sorted(reveals.keys() & tally.pledges.keys())
    return {name: reveals[name] for name in names if reveals[name].agreed == agreed and _answers(tally, name, reveals[name])}


def _answers(tally: Tally, name: str, reveal: Reveal) -> bool:
    living, dropped = tally.pledges.keys(), set(tally.dropped)
    return (
        reveal.sender == name
        and fits(reveal, tally.terms, tally.round)
        and reveal.seeds.keys() == living
        and reveal.pairs.keys() == (living if dropped else set())
        and all(shares.keys() == dropped for shares in reveal.pairs.values())
        and all(len(s) == SHARE for shares in (reveal.seeds, *reveal.pairs.values()) for s in shares.values())
    )


def _secret(tally: Tally, good: Mapping[str, Reveal], ends: tuple[str, str], *, order: Sequence[str]) -> tuple[bytes, set[str]]:
    """The secret that its owner committed to, and the names of those whose false share of it had to be passed over."""
    for tried, chosen in enumerate(itertools.islice(_choices(order, tally.terms), TRIES)):
        secret = _join(tally.terms, good, ends, chosen=chosen)
        if secret and _committed(tally, secret, ends):
            rest = [name for name in order if tried and name not in chosen]
            return secret, {name for name in rest if _join(tally.terms, good, ends, chosen=[*chosen[1:], name]) != secret}
    raise PeerError("its shares do not fit its commitment: it dealt false ones, or too many members revealed false ones", party=ends[0])


def _committed(tally: Tally, secret: bytes, ends: tuple[str, str]) -> bool:
    owner, other = ends
    pledge = tally.pledges[owner]
    commitment = Schedule(tally.terms, tally.round).commitment(secret, pair(owner, other))
    return commitment == (pledge.seed if owner == other else pledge.pairs[other])


def _choices(names: Sequence[str], terms: Terms) -> Iterator[Sequence[str]]:
    """Threshold-sized sets of holders: the first ones, then without one of them, without two, … up to c."""
    yield names[: terms.threshold]
    for liars in range(1, min(terms.colluding, len(names) - terms.threshold) + 1):
        for left_out in itertools.combinations(names, liars):
            yield [name for name in names if name not in left_out][: terms.threshold]


def _join(terms: Terms, good: Mapping[str, Reveal], ends: tuple[str, str], *, chosen: Sequence[str]) -> bytes:
    owner, other = ends
    points = terms.points
    try:
        if owner == other:
            return join({points[name]: good[name].seeds[owner] for name in chosen})
        return join({points[name]: good[name].pairs[owner][other] for name in chosen})
    except DecodeError:
        return b""
