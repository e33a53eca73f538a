"""The five messages of a job under threshold keys. Each travels in a signed envelope; ciphertexts and partial decryptions travel beside
the message that binds them by their SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from governance.encoding import wire
from mpc.threshold.keys import Key


@wire("keyong/threshold/deal/v1")
class Deal:
    """A dealer's public key, and for each other member its share: nonce and AES-256-GCM box."""

    job: bytes
    root: bytes
    sender: str
    key: Key
    sealed: Mapping[str, bytes] = field(repr=False)


@wire("keyong/threshold/upload/v1")
class Upload:
    """What binds a member to its encrypted vectors.

    Parameters
    ----------
    keys
        Digest of each dealer's key, as the sender was dealt it.
    payloads
        SHA-256 of each vector's payload.
    proofs
        For each dealer, a proof that the sender knows what it encrypted under that key.
    """

    job: bytes
    root: bytes
    round: bytes
    sender: str
    keys: Mapping[str, bytes]
    payloads: Mapping[str, bytes]
    proofs: Mapping[str, bytes] = field(repr=False)


@wire("keyong/threshold/consent/v1")
class Consent:
    """The sender saw these uploads of these survivors, and will decrypt the sum of no other set in this first opening."""

    job: bytes
    root: bytes
    round: bytes
    sender: str
    survivors: tuple[str, ...]
    agreed: bytes


@wire("keyong/threshold/partial/v1")
class Partial:
    """The sender's partial decryptions of the sums of exactly the uploads *agreed*, and for each dealer a proof that they are true."""

    job: bytes
    root: bytes
    round: bytes
    sender: str
    agreed: bytes
    payloads: Mapping[str, bytes]
    proofs: Mapping[str, bytes] = field(repr=False)


@wire("keyong/threshold/abstention/v1")
class Abstention:
    """The sender has not decrypted and will not decrypt anything of this round."""

    job: bytes
    root: bytes
    round: bytes
    sender: str
