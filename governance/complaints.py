"""Complaints: sealed to the authority, entered in the ledger of whoever takes them, and answered.

The taker sees that there is a complaint, not what it says. It signs a receipt that names the complaint's place in its ledger, so it cannot
drop the complaint unseen: a ledger that holds something else in that place is not the one for which the receipt was given.
Sealing: libsodium sealed boxes to the X25519 forms of the authority's Ed25519 keys, one box for each, so that any of its keys opens it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox
from nacl.signing import SigningKey as Signing
from nacl.signing import VerifyKey as Verifying
from pydantic import Field

from governance import notes
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey, Trust, VerifyKey, read_base64
from governance.ledger import Entry
from governance.parties import Seconds
from governance.rights import Digest

BLOCK, LONGEST = 1024, 8000  # bytes: a box tells the length of a complaint no closer than in blocks
ANSWERED_WITHIN = 15 * 86400
NOBODY = "nobody could read the complaint: it must be sealed to a key of the authority's, and that takes one of the suite ed25519"


@wire("keyong/complaint/v1")
class Complaint:
    """Boxes by the name of the authority's key. It is signed by a key that the complainant made for it alone."""

    at: Seconds
    boxes: Annotated[dict[str, Annotated[str, Field(max_length=20_000)]], Field(min_length=1)]


@wire("keyong/receipt/v1")
class Receipt:
    """The word of the ledger's owner that entry *index* is about the complaint."""

    complaint: Digest
    index: Annotated[int, Field(ge=0)]
    at: Seconds


@wire("keyong/answer/v1")
class Answer:
    """What the authority did about a complaint, for everybody to read: nothing personal belongs here."""

    complaint: Digest
    text: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]+$")]


def write(text: str, trust: Trust, *, now: int) -> notes.Note:
    """A complaint that only the authority's keys open."""
    raw = text.encode()
    if not 0 < len(raw) <= LONGEST:
        raise UsageError(f"a complaint has 1 to {LONGEST} bytes")
    padded = len(raw).to_bytes(4, "big") + raw + bytes(-(len(raw) + 4) % BLOCK)
    boxes = {key.name: base64.b64encode(_box(key).encrypt(padded)).decode() for key in _openers(trust)}
    if not boxes:
        raise UsageError(NOBODY)
    return notes.write(Complaint(now, boxes)).signed_by(SigningKey.generate("complainant"))


def _openers(*trusts: Trust) -> list[VerifyKey]:
    """The keys that open complaints; those of other suites only sign."""
    return [key for trust in trusts for key in trust.keys if key.suite == "ed25519"]


def check_sealed(complaint: Complaint, trusts: Iterable[Trust]) -> None:
    """Raise `UsageError` where no key of *trusts* is among those to which the complaint says that it is sealed."""
    if not complaint.boxes.keys() & {key.name for key in _openers(*trusts)}:
        raise UsageError(NOBODY)


def _box(key: VerifyKey) -> SealedBox[PublicKey]:
    return SealedBox(Verifying(key.public).to_curve25519_public_key())


def opened(complaint: Complaint, key: SigningKey) -> str:
    """What it says, to the holder of one of the authority's keys."""
    if key.name not in complaint.boxes:
        raise UsageError(f"the complaint is not sealed to {key.name}")
    try:
        padded = SealedBox(Signing(key.private).to_curve25519_private_key()).decrypt(read_base64(complaint.boxes[key.name]))
        return padded[4 : 4 + int.from_bytes(padded[:4], "big")].decode()
    except (CryptoError, ValueError):
        raise DecodeError("the complaint does not open with this key, or is no text") from None


def received(receipt: str, owner: VerifyKey, complaint: str) -> Receipt:
    """The receipt of *owner* for the complaint with this id."""
    document = notes.opened(receipt, Receipt, Trust((owner,)))
    if document.complaint != complaint:
        raise IntegrityError("the receipt is for another complaint")
    return document


def check(receipt: Receipt, entries: tuple[Entry, ...]) -> None:
    """Raise unless the ledger with *entries* holds the complaint where the receipt says."""
    found = entries[receipt.index] if receipt.index < len(entries) else None
    if found is None or (found.event, found.subject) != ("complaint.received", receipt.complaint):
        raise IntegrityError(f"entry {receipt.index} of the ledger is not the complaint for which its owner gave a receipt")
