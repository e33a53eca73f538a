"""SM2 signatures with SM3 by the OpenSSL library of the machine, for documents that must carry them; not a certified 商密 product.

We bring no curve arithmetic: keys and signatures are handed to OpenSSL 3 or later, and where that is missing, or was built without SM2,
there is no SM2 here (`Unavailable`). A private key is the number d, 32 bytes; a public key the point x || y, 64 bytes; a signature r || s,
64 bytes, over SM3(Z || message) with the default identity.  Source: GB/T 32918.2-2016, 5 and 6; GB/T 32918.5-2017; GM/T 0009-2012, 10.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from governance.errors import DecodeError, Unavailable

SIZE = 32
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123  # of the curve's group: GB/T 32918.5, 2
IDENTITY = b"1234567812345678"  # GM/T 0009-2012, 10
LONGEST = 80  # bytes of a signature in DER
# DER before the bytes of a key, with the names id-ecPublicKey and 1.2.156.10197.1.301: RFC 5915, 3 in RFC 5958, 2, and RFC 5480, 2
PRIVATE = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")
PUBLIC = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200" + "04")

_P, _INT, _SIZE, _BYTES = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
CALLS: dict[str, tuple[object, ...]] = {  # result, arguments
    "d2i_AutoPrivateKey": (_P, _P, ctypes.POINTER(_BYTES), ctypes.c_long),
    "d2i_PUBKEY": (_P, _P, ctypes.POINTER(_BYTES), ctypes.c_long),
    "EVP_PKEY_free": (None, _P),
    "EVP_PKEY_is_a": (_INT, _P, _BYTES),
    "EVP_PKEY_get_octet_string_param": (_INT, _P, _BYTES, _P, _SIZE, ctypes.POINTER(_SIZE)),
    "EVP_PKEY_CTX_new": (_P, _P, _P),
    "EVP_PKEY_CTX_free": (None, _P),
    "EVP_PKEY_CTX_set1_id": (_INT, _P, _BYTES, _INT),
    "EVP_MD_CTX_new": (_P,),
    "EVP_MD_CTX_free": (None, _P),
    "EVP_MD_CTX_set_pkey_ctx": (None, _P, _P),
    "EVP_sm3": (_P,),
    "EVP_DigestSignInit": (_INT, _P, _P, _P, _P, _P),
    "EVP_DigestSign": (_INT, _P, _P, ctypes.POINTER(_SIZE), _BYTES, _SIZE),
    "EVP_DigestVerifyInit": (_INT, _P, _P, _P, _P, _P),
    "EVP_DigestVerify": (_INT, _P, _BYTES, _SIZE, _BYTES, _SIZE),
    "ERR_clear_error": (None,),
}
FIRST = bytes(SIZE - 1) + b"\x01"  # a key to try the library with


@functools.cache
def _library() -> ctypes.CDLL:
    """The machine's libcrypto, with the calls that are needed, once it has shown that it knows SM2."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
        for name, (result, *arguments) in CALLS.items():
            call = getattr(library, name)
            call.restype, call.argtypes = result, arguments
    except (OSError, AttributeError):
        raise Unavailable("SM2 needs the library libcrypto of OpenSSL 3 or later on this machine") from None
    key = _read(library.d2i_AutoPrivateKey, PRIVATE + FIRST)
    known = key is not None and library.EVP_PKEY_is_a(key, b"SM2") == 1
    library.EVP_PKEY_free(key)
    if not known:
        raise Unavailable("the library libcrypto of this machine was built without SM2")
    return library


def generate() -> bytes:
    """A new private key, 1 <= d <= n - 2 (GB/T 32918.1, 6.1)."""
    _library()
    return (1 + secrets.randbelow(ORDER - 2)).to_bytes(SIZE, "big")


def public_of(private: bytes) -> bytes:
    """The public key of a private one."""
    with _private(private) as key:
        point, size = ctypes.create_string_buffer(1 + 2 * SIZE), _SIZE()
        _done(_library().EVP_PKEY_get_octet_string_param(key, b"pub", point, len(point), ctypes.byref(size)))
    return point.raw[1:]


def sign(private: bytes, message: bytes) -> bytes:
    """A signature; two over the same message differ."""
    crypto = _library()
    with _private(private) as key, _digesting(crypto.EVP_DigestSignInit, key) as context:
        signature, size = ctypes.create_string_buffer(LONGEST), _SIZE(LONGEST)
        _done(crypto.EVP_DigestSign(context, signature, ctypes.byref(size), message, len(message)))
    r, s = decode_dss_signature(signature.raw[: size.value])
    return r.to_bytes(SIZE, "big") + s.to_bytes(SIZE, "big")


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether *signature* is one by the key *public*, a point that must be on the curve."""
    crypto = _library()
    if len(signature) != 2 * SIZE:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:SIZE], "big"), int.from_bytes(signature[SIZE:], "big"))
    with _kept(crypto.d2i_PUBKEY, PUBLIC + public) as key, _digesting(crypto.EVP_DigestVerifyInit, key) as context:
        verified: bool = crypto.EVP_DigestVerify(context, der, len(der), message, len(message)) == 1
    crypto.ERR_clear_error()
    return verified


@contextmanager
def _private(private: bytes) -> Iterator[int]:
    if not 1 <= int.from_bytes(private, "big") <= ORDER - 2:
        raise DecodeError("not a private key of SM2")
    with _kept(_library().d2i_AutoPrivateKey, PRIVATE + private) as key:
        yield key


@contextmanager
def _kept(reading: Callable[..., int | None], der: bytes) -> Iterator[int]:
    """A key of OpenSSL's, given back in the end."""
    key = _read(reading, der)
    if key is None:
        _library().ERR_clear_error()
        raise DecodeError("not a key of SM2")
    try:
        yield key
    finally:
        _library().EVP_PKEY_free(key)


def _read(reading: Callable[..., int | None], der: bytes) -> int | None:
    start = _BYTES(der)
    return reading(None, ctypes.byref(start), len(der))


@contextmanager
def _digesting(start: Callable[..., int], key: int) -> Iterator[int]:
    """A context that signs or verifies with *key* under the default identity."""
    crypto = _library()
    context, of_key = crypto.EVP_MD_CTX_new(), crypto.EVP_PKEY_CTX_new(key, None)
    try:
        _done(crypto.EVP_PKEY_CTX_set1_id(of_key, IDENTITY, len(IDENTITY)))
        crypto.EVP_MD_CTX_set_pkey_ctx(context, of_key)
        _done(start(context, None, crypto.EVP_sm3(), None, key))
        yield context
    finally:
        crypto.EVP_MD_CTX_free(context)
        crypto.EVP_PKEY_CTX_free(of_key)


def _done(answer: int) -> None:
    if answer != 1:
        raise Unavailable("the library libcrypto of this machine did not do what SM2 needs")
