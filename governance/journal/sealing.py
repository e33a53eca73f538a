"""Values of a job under a key of its own: when the key is gone, so are they, in every copy that was made of the file.

AES-256-GCM, or SM4-GCM (GB/T 32907-2016; RFC 8998, 3.2) where the journal was made so; a fresh random key per job and a fresh random 96-bit
nonce per write (NIST SP 800-38D, 8.2.2). The job and the slot are associated data, so that a box that was moved elsewhere does not open.
Which of the two a key is for, its length says.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.encoding import canonical
from governance.errors import IntegrityError, Unavailable

CipherName = Literal["aes-256-gcm", "sm4-gcm"]
KEY_SIZES: Mapping[CipherName, int] = MappingProxyType({"aes-256-gcm": 32, "sm4-gcm": 16})
NONCE_SIZE, TAG_SIZE = 12, 16


def fresh_key(cipher: CipherName) -> bytes:
    return secrets.token_bytes(KEY_SIZES[cipher])


def seal(key: bytes, value: bytes, *, job: str, slot: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_SIZE)
    return nonce + _encrypted(key, nonce, value, _context(job, slot))


def unseal(key: bytes, box: bytes, *, job: str, slot: str) -> bytes:
    try:
        return _decrypted(key, box[:NONCE_SIZE], box[NONCE_SIZE:], _context(job, slot))
    except (InvalidTag, ValueError):
        raise IntegrityError(f"the sealed value {slot} is damaged") from None


def _context(job: str, slot: str) -> bytes:
    return canonical([job, slot]).encode()


def _encrypted(key: bytes, nonce: bytes, value: bytes, context: bytes) -> bytes:
    if len(key) != KEY_SIZES["sm4-gcm"]:
        return AESGCM(key).encrypt(nonce, value, context)
    try:
        sealing = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    except UnsupportedAlgorithm:
        raise Unavailable("the cryptographic library of this machine lacks SM4-GCM") from None
    sealing.authenticate_additional_data(context)
    return sealing.update(value) + sealing.finalize() + sealing.tag


def _decrypted(key: bytes, nonce: bytes, box: bytes, context: bytes) -> bytes:
    if len(key) != KEY_SIZES["sm4-gcm"]:
        return AESGCM(key).decrypt(nonce, box, context)
    opening = Cipher(algorithms.SM4(key), modes.GCM(nonce, box[-TAG_SIZE:])).decryptor()
    opening.authenticate_additional_data(context)
    return opening.update(box[:-TAG_SIZE]) + opening.finalize()
