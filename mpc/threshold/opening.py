"""Adding ciphertexts and opening their sum: the pure functions that the coordinator computes and every node computes again.

An upload is admitted if its sender shows that it knows what it encrypted: nobody can send another's ciphertext, or one made of it, to read
it out of the total. A false partial decryption shows by its proof, is passed over while enough true ones are there, and its sender named.

Model: the coordinator and up to c members lie at will.  Source: Cramer, Damgård & Nielsen, EUROCRYPT 2001; docs/proofs/threshold.md.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import field

from governance.encoding import strict
from governance.errors import DecodeError, PeerError, QuorumLost, Unavailable
from mpc import edwards
from mpc.he.paillier.proofs import knowledge_size, partials_size, verify_knowledge, verify_partials
from mpc.he.paillier.threshold import combine
from mpc.rings import Buffer
from mpc.secagg import bits
from mpc.secagg.agreement import fits
from mpc.secagg.keys import Schedule
from mpc.secagg.terms import DIGEST, Round, Terms, Vector
from mpc.threshold.keys import Key, dealers, info
from mpc.threshold.messages import Partial, Upload
from mpc.threshold.packing import Layout, Numbers, cut, integers, join

Payloads = Mapping[str, Mapping[str, Buffer]]


@strict
class Tally:
    """What is to be opened: the sums of the survivors' ciphertexts, as a payload's, and the commitments of proved vectors, by vector."""

    terms: Terms
    round: Round
    keys: Mapping[str, Key]
    survivors: tuple[str, ...]
    agreed: bytes
    sums: Mapping[str, bytes] = field(repr=False)
    commitments: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.terms, self.round, self.keys)

    @property
    def numbers(self) -> Numbers:
        """The sums of ciphertexts by dealer."""
        return self.layout.read(self.sums, items=False, party="")[0]

    def bound(self, sender: str, dealer: str) -> bytes:
        """What the proof of *sender*'s partial decryptions under a dealer's key is bound to."""
        return info(self.terms, "partials", self.round.digest, self.agreed, sender, dealer, self.keys[dealer].digest)


@strict
class Opened:
    """The totals, by vector, and who is known to have sent false partial decryptions."""

    totals: Mapping[str, bytes] = field(repr=False)
    liars: tuple[str, ...]


# --- uploads ------------------------------------------------------------------------------------


def knowledge(terms: Terms, upload: Upload, dealer: str) -> bytes:
    """What the proof of an upload's ciphertexts under a dealer's key is bound to."""
    return info(terms, "knowledge", upload.round, upload.sender, dealer, upload.keys[dealer], dict(upload.payloads))


def admit(
    terms: Terms,
    round: Round,
    keys: Mapping[str, Key],
    uploads: Mapping[str, Upload],
    payloads: Payloads,
    *,
    survivors: Collection[str] = (),
    mine: str = "",
) -> Tally:
    """Check the *uploads*, by sender as the signatures tell it, with the *payloads* beside them, and add their ciphertexts.

    *survivors* is given in a later round: the set fixed by the first opening, all of whom must be there. Of our own upload, *mine*, the
    proofs of knowledge are not checked.

    Raises
    ------
    PeerError
        An upload is by a stranger, for another job, roster, round, state or key, is misshapen, or lacks proof.
    QuorumLost
        In a first opening they are fewer than the threshold.
    Unavailable
        Payloads, or in a later round uploads, are still missing; ``facts["waiting"]`` says whose.
    """
    for sender, upload in uploads.items():
        _check(terms, round, keys, upload, sender=sender, members=survivors or terms.points)
    if missing := sorted(set(survivors) - uploads.keys()):
        raise Unavailable("uploads are missing: the round opens with all survivors or not at all", waiting=missing)
    if len(uploads) < terms.threshold:
        raise QuorumLost(f"{len(uploads)} members uploaded, {terms.threshold} are needed", have=len(uploads), need=terms.threshold)
    if missing := sorted(name for name in uploads if uploads[name].payloads.keys() - payloads.get(name, {}).keys()):
        raise Unavailable("encrypted vectors are missing", waiting=missing)
    layout = Layout.of(terms, round, keys)
    read = {name: _read(layout, uploads[name], payloads[name]) for name in sorted(uploads)}
    for name, (numbers, _) in read.items():
        if name != mine:
            _verify(layout, uploads[name], numbers)
    schedule, proved = Schedule(terms, round), [v for v in round.vectors if v.proved]
    commitments = {
        v.name: tuple(b"".join(bits.verify(schedule, v, name, items[v.name])) for name, (_, items) in read.items()) for v in proved
    }
    sums = functools.reduce(functools.partial(_add, layout), (numbers for numbers, _ in read.values()))
    agreed = _agreement(terms, round, keys, uploads)
    return Tally(terms, round, dict(keys), tuple(read), agreed, layout.write(sums, {}), commitments)


def _agreement(terms: Terms, round: Round, keys: Mapping[str, Key], uploads: Mapping[str, Upload]) -> bytes:
    """Digest of exactly these uploads by exactly these survivors under these keys."""
    heads = [[name, dict(upload.payloads)] for name, upload in sorted(uploads.items())]
    return hashlib.sha256(info(terms, "agreement", round.digest, [keys[dealer].digest for dealer in dealers(terms)], heads)).digest()


def _check(terms: Terms, round: Round, keys: Mapping[str, Key], upload: Upload, *, sender: str, members: Collection[str]) -> None:
    if sender not in members:
        raise PeerError("is not among those who may upload", party=sender)
    if upload.sender != sender:
        raise PeerError("signed an upload of another member", party=sender)
    if not fits(upload, terms, round):
        raise PeerError("uploaded for another job, roster, round or state", party=sender)
    if upload.payloads.keys() != {v.name for v in round.vectors} or any(len(digest) != DIGEST for digest in upload.payloads.values()):
        raise PeerError("its upload names other vectors than the round", party=sender)
    if upload.keys.keys() != keys.keys() or upload.proofs.keys() != keys.keys():
        raise PeerError("its upload is not under the dealers' keys", party=sender)
    for dealer in dealers(terms):
        if upload.keys[dealer] != keys[dealer].digest:  # the dealer showed different keys, or the sender lies
            raise PeerError("do not speak of the same key", parties=sorted({dealer, sender}))
        if len(upload.proofs[dealer]) != knowledge_size(keys[dealer].public):
            raise PeerError("its proof is misshapen", party=sender)


def _read(layout: Layout, upload: Upload, payloads: Mapping[str, Buffer]) -> tuple[Numbers, dict[str, bytes]]:
    for name, digest in upload.payloads.items():
        if hashlib.sha256(payloads[name]).digest() != digest:
            raise PeerError("its encrypted vector is not the one it signed", party=upload.sender)
    return layout.read(payloads, items=True, party=upload.sender)


def _verify(layout: Layout, upload: Upload, numbers: Numbers) -> None:
    for dealer, public in layout.publics.items():
        context = knowledge(layout.terms, upload, dealer)
        verify_knowledge(public, numbers[dealer], upload.proofs[dealer], context, party=upload.sender)


def _add(layout: Layout, sums: Numbers, numbers: Numbers) -> Numbers:
    return {
        dealer: [a * b % public.square for a, b in zip(sums[dealer], numbers[dealer], strict=True)]
        for dealer, public in layout.publics.items()
    }


# --- partial decryptions ----------------------------------------------------------------------------


def needed(tally: Tally, partials: Mapping[str, Partial]) -> tuple[str, ...]:
    """Whose partial decryptions are waited for; empty once *threshold* are there, proofs aside."""
    good = _good(tally, partials)
    return () if len(good) >= tally.terms.threshold else tuple(name for name in tally.survivors if name not in good)


def total(tally: Tally, partials: Mapping[str, Partial], payloads: Payloads, *, mine: Partial | None = None) -> Opened:
    """Open the sums with the *partials*, by sender, and the *payloads* beside them. The proofs of our own, *mine*, are not checked.

    Raises
    ------
    Unavailable
        True partials are still missing; ``facts["waiting"]`` says whose.
    PeerError
        So many were false that the sums cannot be opened any more; a dealer's key does not open them; or a proved vector's total is not
        that of the commitments.
    """
    true, liars = _true(tally, partials, payloads, mine)
    layout, points = tally.layout, tally.terms.points
    opened: dict[Vector, list[list[int]]] = {part: [] for vector in tally.round.vectors for part in vector.summed}
    for dealer, public in layout.publics.items():
        try:
            plain = combine(public, {points[name]: numbers[dealer] for name, numbers in true.items()}, members=len(points))
        except DecodeError:
            raise PeerError("the key that it dealt does not open", party=dealer) from None
        for part, plaintexts in layout.parts(dealer, plain):
            opened[part].append(layout.unpack(dealer, part, plaintexts))
    sums = {part: join(part, shares) for part, shares in opened.items()}
    for vector in tally.round.vectors:
        if vector.proved:
            columns = [cut(raw, edwards.POINT) for raw in tally.commitments[vector.name]]
            bits.require_totals(vector, columns, integers(sums[vector], vector.ring.size), sums[vector.blinders])
    return Opened({vector.name: sums[vector] for vector in tally.round.vectors}, liars)


def _good(tally: Tally, partials: Mapping[str, Partial]) -> dict[str, Partial]:
    """Partials by survivors, for this very set."""
    return {name: partials[name] for name in tally.survivors if name in partials and _answers(tally, name, partials[name])}


def _answers(tally: Tally, name: str, partial: Partial) -> bool:
    members = len(tally.terms.members)
    return (
        partial.sender == name
        and fits(partial, tally.terms, tally.round)
        and partial.agreed == tally.agreed
        and partial.payloads.keys() == {v.name for v in tally.round.vectors}
        and {dealer: len(proof) for dealer, proof in partial.proofs.items()}
        == {dealer: partials_size(key.public, members) for dealer, key in tally.keys.items()}
    )


def _true(
    tally: Tally, partials: Mapping[str, Partial], payloads: Payloads, mine: Partial | None
) -> tuple[dict[str, Numbers], tuple[str, ...]]:
    """The first *threshold* that are proved, and who sent false ones before them."""
    good, need, sums = _good(tally, partials), tally.terms.threshold, tally.numbers
    true: dict[str, Numbers] = {}
    false = [name for name in tally.survivors if name in partials and name not in good]
    for name, partial in good.items():
        if len(true) == need or partial.payloads.keys() - payloads.get(name, {}).keys():
            continue
        numbers = _proved(tally, partial, payloads[name], sums, trusted=partial == mine)
        if numbers is None:
            false.append(name)
        else:
            true[name] = numbers
    if len(true) == need:
        return true, tuple(sorted(false))
    if len(tally.survivors) - len(false) < need:
        raise PeerError("sent false partial decryptions", parties=sorted(false))
    waiting = [name for name in tally.survivors if name not in true and name not in false]
    raise Unavailable(f"{len(true)} of {need} partial decryptions are here", waiting=waiting, need=need)


def _proved(tally: Tally, partial: Partial, payloads: Mapping[str, Buffer], sums: Numbers, *, trusted: bool) -> Numbers | None:
    if any(hashlib.sha256(payloads[name]).digest() != digest for name, digest in partial.payloads.items()):
        return None
    try:
        numbers, _ = tally.layout.read(payloads, items=False, party=partial.sender)
    except PeerError:
        return None
    for dealer, key in () if trusted else tally.keys.items():
        verify = functools.partial(verify_partials, key.public, key.check(partial.sender), members=len(tally.terms.members))
        pairs = list(zip(sums[dealer], numbers[dealer], strict=True))
        if not verify(pairs, partial.proofs[dealer], tally.bound(partial.sender, dealer)):
            return None
    return numbers
