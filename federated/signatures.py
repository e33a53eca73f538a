"""Signed requests: RFC 9421 HTTP message signatures by a party's Ed25519 key.

    Signature-Input: keyong=("@method" "@authority" "@path" "@query" "content-digest");created=1795496597;keyid="6f1c…";
                     alg="ed25519";nonce="jJ0yXh3hS0m2xk5u6a3dXw";tag="keyong/v1"

``@authority``, ``@path`` and ``@query`` stand where ``@target-uri`` could: they are the same for both ends where a proxy ends the TLS
connection, so that one speaks https and the other http. The body is covered by its digest (RFC 9530), an empty one too.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    MappingKeyResolver,
    VerifyResult,
)
from http_message_signatures.algorithms import ED25519

from governance.errors import Refused
from governance.keys import SigningKey, VerifyKey

COVERED = ("@method", "@authority", "@path", "@query", "content-digest")
LABEL, TAG = "keyong", "keyong/v1"
WINDOW = 60  # seconds between the clocks of both ends, either way
NONCE = re.compile(r"[A-Za-z0-9_-]{22,64}")

Lookup = Callable[[str], VerifyKey | None]


@dataclass(frozen=True, slots=True)
class Message:
    """What the library needs of a request; *url* as it was asked for, before any decoding."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified request line and headers; the body is still to come."""

    key: VerifyKey
    nonce: str
    created: int
    result: VerifyResult = field(repr=False)

    def check(self, body: bytes) -> None:
        """Raise unless *body* is the one that was signed."""
        try:
            HTTPMessageVerifier.content_digest_class.verify_components(self.result.covered_components, body)
        except HTTPMessageSignaturesException:
            raise Refused(code="auth.body") from None


def key_id(key: VerifyKey) -> str:
    """``keyid``: the fingerprint that people compare, without its spaces."""
    return key.fingerprint.replace(" ", "")


class Signer:
    """Signs requests with one key."""

    def __init__(self, key: SigningKey) -> None:
        self._id = key_id(key.public)
        keys = MappingKeyResolver(public_keys={}, private_keys={self._id: Ed25519PrivateKey.from_private_bytes(key.private)})
        self._signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=keys)

    def headers(self, method: str, url: str, body: bytes, *, now: float) -> dict[str, str]:
        """The headers that make it a signed request."""
        message, created = Message(method, url), datetime.fromtimestamp(int(now), UTC)
        self._signer.sign(
            message, key_id=self._id, created=created, nonce=secrets.token_urlsafe(16), label=LABEL, tag=TAG,
            covered_component_ids=COVERED, body=body,
        )  # fmt: skip
        return message.headers


def verify(method: str, url: str, headers: Mapping[str, str], *, keys: Lookup, now: float) -> Signed:
    """The signer of a request among *keys*; raises `Refused` with a code ``auth.…``. Whether a nonce is new, the caller knows."""
    if "Signature-Input" not in headers:
        raise Refused(code="auth.unsigned")
    found = _Found(keys)
    try:
        results = _Verifier(found, now).verify(
            Message(method, url, dict(headers)), max_age=None, expect_tag=TAG, require_components=COVERED
        )
    except HTTPMessageSignaturesException as error:
        raise error.__cause__ if isinstance(error.__cause__, Refused) else Refused(code="auth.signature") from None
    parameters = results[0].parameters
    nonce = str(parameters.get("nonce", ""))
    if len(results) != 1 or found.key is None or not NONCE.fullmatch(nonce):
        raise Refused(code="auth.signature")
    return Signed(found.key, nonce, int(parameters["created"]), results[0])


class _Found(HTTPSignatureKeyResolver):
    """Looks the key up and remembers it."""

    def __init__(self, keys: Lookup) -> None:
        self._keys = keys
        self.key: VerifyKey | None = None

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        self.key = self._keys(key_id)
        if self.key is None:
            raise Refused(code="auth.key")
        return Ed25519PublicKey.from_public_bytes(self.key.public)


class _Verifier(HTTPMessageVerifier):
    """The library's, with our window and the caller's clock."""

    def __init__(self, keys: HTTPSignatureKeyResolver, now: float) -> None:
        super().__init__(signature_algorithm=ED25519, key_resolver=keys)
        self._now = now

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:
        created = sig_input.params.get("created")
        if type(created) is not int:
            raise Refused(code="auth.signature")
        if not abs(self._now - created) <= WINDOW or sig_input.params.get("expires", self._now) < self._now:
            raise Refused(code="auth.stale", seconds=WINDOW)
