"""Values of a job under a key of its own: when the key is gone, so are they, in every copy that was made of the file.

AES-256-GCM, a fresh random key per job and a fresh random 96-bit nonce per write (NIST SP 800-38D, 8.2.2); the job and the slot are
associated data, so that a box that was moved elsewhere does not open.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.encoding import canonical
from governance.errors import IntegrityError

KEY_SIZE = 32
NONCE_SIZE = 12


def fresh_key() -> bytes:
    return secrets.token_bytes(KEY_SIZE)


def seal(key: bytes, value: bytes, *, job: str, slot: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, value, _context(job, slot))


def unseal(key: bytes, box: bytes, *, job: str, slot: str) -> bytes:
    try:
        return AESGCM(key).decrypt(box[:NONCE_SIZE], box[NONCE_SIZE:], _context(job, slot))
    except (InvalidTag, ValueError):
        raise IntegrityError(f"the sealed value {slot} is damaged") from None


def _context(job: str, slot: str) -> bytes:
    return canonical([job, slot]).encode()
