"""One signed protocol message: who sent it, what kind it is, its canonical bytes, and an Ed25519 signature over the last two.

The signature covers ``b"keyong message v1\\n" + SHA-256(kind || 0x00 || body)``. The body is the deterministic CBOR of a `wire` message,
so a message has one spelling and one signature (RFC 8032, 5.1.6: Ed25519 draws no coins). What a signature is for, which job and which
round, is the message's own business: each says so in its fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

from governance.encoding import decode, encode, wire
from governance.errors import DecodeError, PeerError
from governance.keys import SigningKey, VerifyKey

PREFIX = b"keyong message v1\n"

T = TypeVar("T")


@wire("keyong/envelope/v1")
class Envelope:
    """A message on its way. The sender is found among keys that are known beforehand, never taken from the envelope itself."""

    sender: str
    holds: str  # the kind of the message in body
    body: bytes
    signature: bytes


def sign(key: SigningKey, message: Any) -> bytes:
    """The bytes of an envelope with *message*, a `wire` object, signed by *key* under the key's own name."""
    body = encode(message)
    return encode(Envelope(key.name, message.kind, body, key.sign(_signed(message.kind, body))))


def open_signed(raw: bytes, keys: Mapping[str, VerifyKey], *classes: type[T]) -> tuple[str, T]:
    """Name of the sender and its message, one of *classes*.

    *keys* are the parties by name, no key under two names. The signature is checked before the body is read.

    Raises
    ------
    DecodeError
        The bytes are no envelope, or its body no message of *classes*.
    PeerError
        The sender is not among *keys*.
    IntegrityError
        The signature is not the sender's.
    """
    envelope = decode(raw, Envelope)
    if envelope.sender not in keys:
        raise PeerError("signed by someone who is not a party here", party=envelope.sender)
    keys[envelope.sender].verify(envelope.signature, _signed(envelope.holds, envelope.body))
    message = decode(envelope.body, *classes)
    if message.kind != envelope.holds:  # type: ignore[attr-defined]
        raise DecodeError("the envelope names another kind of message than it holds")
    return envelope.sender, message


def _signed(kind: str, body: bytes) -> bytes:
    return PREFIX + hashlib.sha256(kind.encode() + b"\x00" + body).digest()
