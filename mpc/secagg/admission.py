"""Which uploads may stand in a sum: the checks that nodes and coordinator share, before anyone consents or adds."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from governance.errors import PeerError
from mpc.secagg.agreement import fits
from mpc.secagg.dealing import size
from mpc.secagg.messages import Pledge, Upload, pledge
from mpc.secagg.terms import DIGEST, Round, Terms


def admit(terms: Terms, round: Round, uploads: Mapping[str, Upload], *, survivors: Collection[str] | None = None) -> dict[str, Pledge]:
    """Check the *uploads*, by sender as the signatures tell it, and keep of each what later steps need.

    *survivors* is given in a later round: the set fixed by the first opening, whose members alone mask for each other.

    Raises
    ------
    PeerError
        An upload is by a stranger, for another job, roster, round or state, is misshapen, or contradicts another one.
    """
    members = terms.points.keys() if survivors is None else survivors
    for sender, upload in uploads.items():
        if sender not in members:
            raise PeerError("is not among those who may upload", party=sender)
        _check(terms, round, upload, sender=sender, others={*members} - {sender}, first=survivors is None)
    _check_pairs(uploads)
    return {sender: pledge(upload) for sender, upload in uploads.items()}


def _check(terms: Terms, round: Round, upload: Upload, *, sender: str, others: set[str], first: bool) -> None:
    if upload.sender != sender:
        raise PeerError("signed an upload of another member", party=sender)
    if not fits(upload, terms, round):
        raise PeerError("uploaded for another job, roster, round or state", party=sender)
    if upload.payloads.keys() != {v.name for v in round.vectors} or not _sized(upload.payloads, DIGEST):
        raise PeerError("its upload names other vectors than the round", party=sender)
    if upload.pairs.keys() != others or not _sized(upload.pairs, DIGEST):
        raise PeerError("its upload does not commit to one pair key for each other member", party=sender)
    if len(upload.seed) != DIGEST * first:
        raise PeerError("its upload's seed commitment is misplaced or misshapen", party=sender)
    if upload.sealed.keys() != (others if first else set()) or not _sized(upload.sealed, size(terms)):
        raise PeerError("its upload does not deal one hand of shares to each other member", party=sender)


def _sized(values: Mapping[str, bytes], size: int) -> bool:
    return all(len(value) == size for value in values.values())


def _check_pairs(uploads: Mapping[str, Upload]) -> None:
    """Both ends of a pair commit to the same key, or their masks would not cancel: a key was swapped, or one of the two lies."""
    for a, upload in uploads.items():
        for b, committed in upload.pairs.items():
            if b in uploads and uploads[b].pairs[a] != committed:
                raise PeerError("commit to different keys for their pair", parties=sorted((a, b)))
