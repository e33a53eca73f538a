"""The four messages of a secure sum. Each travels in a signed envelope; the masked vectors travel beside the upload that binds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field

import cbor2

from governance.encoding import strict, wire
from mpc.secagg.keys import LABEL
from mpc.secagg.terms import Round, Terms


@wire("keyong/secagg/upload/v1")
class Upload:
    """What binds a member to its masked vectors. A later round deals no shares: *seed* and *sealed* are empty in it.

    Parameters
    ----------
    payloads
        SHA-256 of each masked vector's bytes, by vector.
    seed
        Commitment to the seed of the self masks.
    pairs
        Commitment to this round's pair key with each other member; both ends of a pair must name the same one.
    sealed
        For each other member, its Shamir shares of the seed and of the sender's pair keys: nonce and AES-256-GCM box.
    """

    job: bytes
    root: bytes
    round: bytes
    sender: str
    payloads: Mapping[str, bytes]
    seed: bytes
    pairs: Mapping[str, bytes]
    sealed: Mapping[str, bytes] = field(repr=False)


@strict
class Pledge:
    """What an upload binds its sender to, kept after its sealed shares were opened."""

    payloads: Mapping[str, bytes]
    seed: bytes
    pairs: Mapping[str, bytes]


@wire("keyong/secagg/consent/v1")
class Consent:
    """The sender saw these uploads of these survivors, and will answer for no other set in this round."""

    job: bytes
    root: bytes
    round: bytes
    sender: str
    survivors: tuple[str, ...]
    agreed: bytes


@wire("keyong/secagg/reveal/v1")
class Reveal:
    """The sender's shares that open the total: of each survivor's seed, and of each survivor's pair keys with those who dropped out."""

    job: bytes
    root: bytes
    round: bytes
    sender: str
    agreed: bytes
    seeds: Mapping[str, bytes] = field(repr=False)
    pairs: Mapping[str, Mapping[str, bytes]] = field(repr=False)


@wire("keyong/secagg/abstention/v1")
class Abstention:
    """The sender has not revealed and will not reveal anything of this round."""

    job: bytes
    root: bytes
    round: bytes
    sender: str


def pledge(upload: Upload) -> Pledge:
    return Pledge(upload.payloads, upload.seed, upload.pairs)


def agreement(terms: Terms, round: Round, pledges: Mapping[str, Pledge]) -> bytes:
    """Digest of exactly these pledges by exactly these survivors, for members to agree on before anything is revealed."""
    heads = [[name, dict(p.payloads), p.seed, dict(p.pairs)] for name, p in sorted(pledges.items())]
    return hashlib.sha256(cbor2.dumps([LABEL, "agreement", terms.root, round.digest, heads], canonical=True)).digest()
