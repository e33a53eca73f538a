"""A certificate as a W3C Verifiable Credential 2.0, secured with JOSE: a token that wallets of others read and verify.

It is signed with one key of the authority, says what the certificate's newest link says, and counts no further than its chain.
Source: VC Data Model 2.0 and Securing VCs using JOSE and COSE (W3C, 2025), did:key 0.7 (Ed25519), RFC 9864 (alg Ed25519).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from governance.certificates import Certified
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey, VerifyKey, read_key
from governance.printed import NOTE_LIMIT

CONTEXT = ["https://www.w3.org/ns/credentials/v2", {"@vocab": "urn:keyong:"}]
HEADER = {"alg": "Ed25519", "typ": "vc+jwt", "cty": "vc"}
DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CURVE = bytes([0xED, 0x01])  # multicodec ed25519-pub


def did(key: VerifyKey) -> str:
    """The did:key of an Ed25519 key."""
    if key.suite != "ed25519":
        raise UsageError(f"a credential names Ed25519 keys alone, and {key.name} has another")
    value, text = int.from_bytes(CURVE + key.public), ""
    while value:
        value, digit = divmod(value, 58)
        text = DIGITS[digit] + text
    return f"did:key:z{text}"


def as_credential(chain: Certified, issuer: VerifyKey) -> dict[str, Any]:
    """The credential, not yet signed."""
    now, holder = chain.now, read_key(chain.now.holder)
    return {
        "@context": CONTEXT,
        "id": f"urn:keyong:certificate:{chain.number}",
        "type": ["VerifiableCredential", "RegisteredDataAsset"],
        "issuer": {"id": did(issuer), "name": issuer.name},
        "validFrom": _time(now.begins),
        "validUntil": _time(now.ends),
        "credentialSubject": {
            "id": did(holder), "name": holder.name, "asset": now.name, "title": now.title, "class": now.sort, "rights": list(now.rights),
            "state": now.step, "registration": f"urn:keyong:link:{now.asset}", "link": f"urn:keyong:link:{chain.head}",
        },
    }  # fmt: skip


def signed(chain: Certified, key: SigningKey) -> str:
    """The credential as a compact JWS of type ``vc+jwt``."""
    header = {**HEADER, "kid": f"{did(key.public)}#{did(key.public).removeprefix('did:key:')}"}
    payload = json.dumps(as_credential(chain, key.public), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return jws.serialize_compact(header, payload.encode(), _key(key.public, key.private), algorithms=["Ed25519"])


def opened(token: str, key: VerifyKey) -> dict[str, Any]:
    """The credential in *token*, verified with *key*, which must be its issuer's."""
    if len(token) > NOTE_LIMIT:
        raise DecodeError(f"a credential is larger than {NOTE_LIMIT} characters")
    try:
        found = jws.deserialize_compact(token, _key(key), algorithms=["Ed25519"])
        data = json.loads(found.payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise IntegrityError(f"the credential is not signed by {key.name}: {type(error).__name__}") from None
    header = found.headers()
    if {name: header.get(name) for name in HEADER} != HEADER or not isinstance(data, dict) or data.get("@context") != CONTEXT:
        raise DecodeError("not a verifiable credential of ours")
    if data.get("issuer") != {"id": did(key), "name": key.name}:
        raise IntegrityError("the credential's issuer is another than its signer")
    return data


def opened_by(token: str, keys: Sequence[VerifyKey]) -> dict[str, Any]:
    """The credential in *token*, verified with whichever of *keys* is its issuer's; what is wrong is said of the last."""
    able = [key for key in keys if key.suite == "ed25519"]
    if not able:
        raise UsageError("a credential is signed with an Ed25519 key, and the authority has none")
    for key in able[:-1]:
        with suppress(IntegrityError):
            return opened(token, key)
    return opened(token, able[-1])


def _key(public: VerifyKey, private: bytes | None = None) -> OKPKey:
    def text(raw: bytes) -> str:
        return urlsafe_b64encode(raw).rstrip(b"=").decode()

    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": text(public.public), **({"d": text(private)} if private else {})})


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
