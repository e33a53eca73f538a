"""SM2 by OpenSSL: the standard's example, the openssl command as second opinion, and what happens where the library is missing."""

import ctypes.util
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from governance import sm2
from governance.errors import DecodeError, Unavailable

# GB/T 32918.5-2017, annex A.2
PRIVATE = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
PUBLIC = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)


def test_the_example_of_the_standard():
    assert sm2.public_of(PRIVATE) == PUBLIC
    assert sm2.verify(PUBLIC, SIGNATURE, b"message digest")
    assert not sm2.verify(PUBLIC, SIGNATURE, b"message digesT")


def test_the_order_is_that_of_the_curve():
    """d and n - d have the same x; n - 1 is no private key, n - 2 is."""
    d = int.from_bytes(PRIVATE, "big")
    other = sm2.public_of((sm2.ORDER - d).to_bytes(32, "big"))
    assert other[:32] == PUBLIC[:32] and other[32:] != PUBLIC[32:]
    for wrong in (0, sm2.ORDER - 1, sm2.ORDER, 2**256 - 1):
        with pytest.raises(DecodeError, match="not a private key"):
            sm2.sign(wrong.to_bytes(32, "big"), b"m")
    assert len(sm2.public_of((sm2.ORDER - 2).to_bytes(32, "big"))) == 64


def test_a_point_beside_the_curve_is_no_key():
    for wrong in (bytes(64), PUBLIC[:63] + bytes([PUBLIC[63] ^ 1]), b"\xff" * 64):
        with pytest.raises(DecodeError, match="not a key of SM2"):
            sm2.verify(wrong, SIGNATURE, b"message digest")


def test_a_signature_has_one_spelling():
    for wrong in (b"", SIGNATURE[:-1], SIGNATURE + b"\0", bytes(64), b"\xff" * 64, SIGNATURE[:32] + bytes(32), bytes(32) + SIGNATURE[32:]):
        assert not sm2.verify(PUBLIC, wrong, b"message digest")
    r, s = (int.from_bytes(half, "big") for half in (SIGNATURE[:32], SIGNATURE[32:]))
    if s + sm2.ORDER < 2**256:
        assert not sm2.verify(PUBLIC, SIGNATURE[:32] + (s + sm2.ORDER).to_bytes(32, "big"), b"message digest")
    assert not sm2.verify(PUBLIC, SIGNATURE[:32] + (sm2.ORDER - s).to_bytes(32, "big"), b"message digest")
    assert not sm2.verify(PUBLIC, (sm2.ORDER - r).to_bytes(32, "big") + SIGNATURE[32:], b"message digest")


def test_the_openssl_command_verifies_what_we_sign(tmp_path):
    key, text = sm2.generate(), b"keyong"
    signature = sm2.sign(key, text)
    files = {name: tmp_path / name for name in ("key", "text", "signature")}
    files["key"].write_bytes(sm2.PUBLIC + sm2.public_of(key))
    files["text"].write_bytes(text)
    files["signature"].write_bytes(encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))))
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", files["key"], "-sigfile", files["signature"], "-rawin",
         "-digest", "sm3", "-in", files["text"], "-pkeyopt", f"distid:{sm2.IDENTITY.decode()}"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, b"Signature Verified Successfully"), done.stderr


@pytest.fixture
def elsewhere(monkeypatch):
    """Another machine, whose library is looked for anew."""
    sm2._library.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    sm2._library.cache_clear()


@pytest.mark.parametrize("library", ["libc.so.6", "libkeyong-no-such.so"])
def test_a_machine_without_the_library_says_so(elsewhere, library):
    elsewhere.setattr(ctypes.util, "find_library", lambda name: library)
    for asked in (sm2.generate, lambda: sm2.sign(PRIVATE, b""), lambda: sm2.verify(PUBLIC, SIGNATURE, b"")):
        with pytest.raises(Unavailable, match="libcrypto of OpenSSL 3"):
            asked()


def test_a_library_without_the_curve_says_so(elsewhere):
    elsewhere.setattr(sm2, "PRIVATE", sm2.PRIVATE.replace(bytes.fromhex("06082a811ccf5501822d"), bytes.fromhex("06082a811ccf5501822e")))
    with pytest.raises(Unavailable, match="built without SM2"):
        sm2.generate()


def test_what_the_library_does_not_do_is_not_taken_for_done():
    with pytest.raises(Unavailable, match="did not do"):
        sm2._done(0)
