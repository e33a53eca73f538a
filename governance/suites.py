"""Suites of signatures: which algorithms a key may have, under the type identifiers of C2SP signed-note.

Ed25519 (RFC 8032) is everybody's: parties sign requests and rounds with it. ML-DSA-44 (FIPS 204) and SM2 with SM3 (GB/T 32918) are for
the keys of officers, under documents. C2SP gives ML-DSA-44 a type for cosignatures of a log, 0x06, which sign another structure than a
text, and none for plain notes; so both have a long identifier of ours behind 0xff.  Source: C2SP signed-note v1.0.0, "Signature types".

Which of them a reader accepts, its key root says (`governance.roots`); a note never does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.errors import DecodeError, Unavailable

SuiteName = Literal["ed25519", "ml-dsa-44", "sm2-sm3"]


@dataclass(frozen=True, slots=True)
class Suite:
    """One algorithm: its type identifier, the sizes of its keys in bytes, and what it does with them."""

    mark: bytes
    public_size: int
    private_size: int
    generate: Callable[[], bytes]
    public_of: Callable[[bytes], bytes]
    sign: Callable[[bytes, bytes], bytes]
    verify: Callable[[bytes, bytes, bytes], bool]  # public key, signature, message


def find(raw: bytes, *, private: bool = False) -> tuple[SuiteName, bytes]:
    """The suite and the key in the bytes of a key line: type identifier || key."""
    for name, suite in SUITES.items():
        size = suite.private_size if private else suite.public_size
        if raw.startswith(suite.mark) and len(raw) == len(suite.mark) + size:
            return name, raw[len(suite.mark) :]
    raise DecodeError(f"only keys of the suites {', '.join(SUITES)} are known here")


# --- Ed25519

_public = functools.lru_cache(maxsize=256)(Ed25519PublicKey.from_public_bytes)
_private = functools.lru_cache(maxsize=16)(Ed25519PrivateKey.from_private_bytes)


def _ed25519_verify(public: bytes, signature: bytes, message: bytes) -> bool:
    return _holds(_public(public), signature, message)


def _holds(key: Any, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


# --- ML-DSA-44: its private key is the seed (FIPS 204, 3.6.3)


def _ml_dsa_private(seed: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey  # noqa: PLC0415

        return MLDSA44PrivateKey.from_seed_bytes(seed)
    except (ImportError, UnsupportedAlgorithm):
        raise Unavailable("ML-DSA-44 needs a newer version of the package cryptography on this machine") from None


@functools.lru_cache(maxsize=64)
def _ml_dsa_public(public: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

        return MLDSA44PublicKey.from_public_bytes(public)
    except (ImportError, UnsupportedAlgorithm):
        raise Unavailable("ML-DSA-44 needs a newer version of the package cryptography on this machine") from None


def _ml_dsa_generate() -> bytes:
    import secrets  # noqa: PLC0415

    return secrets.token_bytes(32)


def _ml_dsa_public_of(seed: bytes) -> bytes:
    raw: bytes = _ml_dsa_private(seed).public_key().public_bytes_raw()
    return raw


def _ml_dsa_sign(seed: bytes, message: bytes) -> bytes:
    signature: bytes = _ml_dsa_private(seed).sign(message)
    return signature


def _ml_dsa_verify(public: bytes, signature: bytes, message: bytes) -> bool:
    return _holds(_ml_dsa_public(public), signature, message)


# --- SM2 with SM3


def _sm2(name: str) -> Callable[..., Any]:
    """A function of `governance.sm2`, which is loaded when it is first called."""

    def call(*arguments: bytes) -> Any:
        from governance import sm2  # noqa: PLC0415

        return getattr(sm2, name)(*arguments)

    return call


SUITES: Mapping[SuiteName, Suite] = MappingProxyType(
    {
        "ed25519": Suite(
            b"\x01", 32, 32,
            generate=lambda: Ed25519PrivateKey.generate().private_bytes_raw(),
            public_of=lambda private: _private(private).public_key().public_bytes_raw(),
            sign=lambda private, message: _private(private).sign(message),
            verify=_ed25519_verify,
        ),
        "ml-dsa-44": Suite(
            b"\xffkeyong/ml-dsa-44/v1", 1312, 32,
            generate=_ml_dsa_generate, public_of=_ml_dsa_public_of, sign=_ml_dsa_sign, verify=_ml_dsa_verify,
        ),
        "sm2-sm3": Suite(
            b"\xffkeyong/sm2-sm3/v1", 64, 32,
            generate=_sm2("generate"), public_of=_sm2("public_of"), sign=_sm2("sign"), verify=_sm2("verify"),
        ),
    }
)  # fmt: skip
