"""Known answers: the standards' own vectors, a second implementation from hashlib and AES blocks alone, and pinned bytes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from governance.encoding import encode
from governance.errors import PeerError
from mpc import secagg
from mpc.secagg import keys, masks
from tests.mpc.secure_sum import coins, elements, federation, integers, one_round, open_first, same_words, secret, uploaded

# RFC 5869, appendix A, test cases 1 and 3
HKDF = [
    (
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    ("", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
]
# RFC 7748, section 6.1: Bob's private key, Alice's public key, their secret
BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
ALICE = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
AGREED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
PINNED = {
    "root": "96788081f0383468adae94282ffdc1a97de1cf0ac6de7d65b2d4e6a8eb7c83af",
    "round": "422ef3e47d4c65ee0e8ce46d300b892ddafcbb1019260492a18160fcbc085fa1",
    "masked": "0528c661b90f0d393d2f4b7e5a2fadeeb5ffde28792ed373",
    "upload": "e81af98b2b78edc270188ad95a8d3dcd1c217613ef2baf707d9a784d7e7af21a",
    "consent": "2a8c29e28bd66af573d974528691045645e6434f8af2135f667e9a07b8d8f4b2",
    "reveal": "3ba0c2f1811a338f6d8e50153125c3591ec4ad5b9110db488f915f0e2047409a",
    "proved": "3a42b24c567f8d23643e06ab4e057200a3a4b8d6c61a403daf0a4454ec3a5ac9",
    "abstention": "9e578a4ff782f6b4e3e94aca2f1ca6a6d67410d3caa9a48904aaf3409e51e270",
}


@pytest.mark.parametrize("salt, info, out", HKDF)
def test_rfc_5869(salt, info, out):
    assert keys.derive(b"\x0b" * 22, salt=bytes.fromhex(salt), info=bytes.fromhex(info), length=42).hex() == out


def test_nist_sp_800_38a():
    """F.5.5, CTR-AES256.Encrypt, blocks 1 and 2."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    out = bytearray(32)
    masks.keystream(key, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")).update_into(memoryview(plain), memoryview(out))
    assert out.hex() == "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"


def seat(public: bytes, private: bytes) -> keys.Seat:
    """The first of three members, with *private*, on a roster that gives *public* for the second."""
    mine = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    members = tuple(secagg.Member(n, secret(n), key) for n, key in zip("abc", (mine, public, secret("some key")), strict=True))
    return keys.Seat(secagg.Terms(bytes(32), members, 1), "a", private)


def test_rfc_7748():
    assert seat(bytes.fromhex(ALICE), bytes.fromhex(BOB)).agree(["b"]) == {"b": bytes.fromhex(AGREED)}


@pytest.mark.external
def test_wycheproof_x25519():
    """Every vector: the secret, or where it would be known to all, a refusal that names the peer."""
    folder = os.environ.get("KEYONG_VECTORS")
    if not folder:
        pytest.skip("518 external X25519 vectors not run: KEYONG_VECTORS is not set")
    tests = json.loads((Path(folder) / "wycheproof/testvectors_v1/x25519_test.json").read_text())["testGroups"][0]["tests"]
    for test in tests:
        here = seat(bytes.fromhex(test["public"]), bytes.fromhex(test["private"]))
        if test["shared"] == "00" * 32:
            with pytest.raises(PeerError, match="small order"):
                here.agree(["b"])
        else:
            assert here.agree(["b"])["b"].hex() == test["shared"], test["tcId"]
    assert len(tests) == 518


# --- a second implementation, straight from docs/specs/secagg.md -----------------------------------


def hkdf(salt: bytes, secret_: bytes, info: bytes) -> bytes:
    return hmac.digest(hmac.digest(salt, secret_, "sha256"), info + b"\x01", "sha256")


def key(terms, round, purpose, ends, *, secret_, vector=("", 0)):
    info = ["keyong secagg v1", purpose, terms.job, round.attempt, round.number, round.state, round.digest, *vector, *ends]
    return hkdf(hashlib.sha256(encode(terms)).digest(), secret_, cbor2.dumps(info, canonical=True))


def stream(key_: bytes, length: int, bits: int) -> list[int]:
    """Elements of the keystream: AES-256 of 0, 1, 2, …, block by block."""
    blocks = Cipher(algorithms.AES256(key_), modes.ECB()).encryptor()
    raw = b"".join(blocks.update(i.to_bytes(16, "big")) for i in range(length * bits // 128 + 1))
    return [int.from_bytes(raw[i : i + bits // 8], "little") for i in range(0, length * bits // 8, bits // 8)]


def expected(fed, round, me, words, *, seed=None):
    """The masked elements of *me*, from the keys that the specification describes."""
    vector = round.vectors[0]
    ends_of = {other: tuple(sorted((me, other))) for other in fed.names if other != me}
    private = X25519PrivateKey.from_private_bytes(fed.agree[me])
    shared = {o: private.exchange(X25519PublicKey.from_public_bytes(fed.terms.member(o).agree)) for o in ends_of}
    pairs = {o: key(fed.terms, round, "pair", ends, secret_=shared[o]) for o, ends in ends_of.items()}
    named = {"vector": (vector.name, vector.bits)}
    signed = [(key(fed.terms, round, "mask", ends_of[o], secret_=k, **named), 1 if me < o else -1) for o, k in pairs.items()]
    if seed:
        signed.append((key(fed.terms, round, "mask", (me, me), secret_=seed, **named), 1))
    columns = zip(words, *([sign * s for s in stream(k, vector.length, vector.bits)] for k, sign in signed), strict=True)
    return [sum(column) % 2**vector.bits for column in columns]


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_masked_vectors_are_those_of_the_specification(bits):
    fed, round = federation(4), one_round(length=37, bits=bits)
    words = same_words(fed, 37, bits)
    run = open_first(fed, round, words, {"h03": "upload"})
    later = one_round(length=37, bits=bits, number=1)
    for name in fed.names[:3]:
        plain = integers(words[name]["v"], bits)
        first = run.uploads[name]
        seed = coins(name)(32)
        raw = b"".join(v.to_bytes(bits // 8, "little") for v in expected(fed, round, name, plain, seed=seed))
        assert bytes(run.payloads[name]["v"]) == raw
        assert first.payloads["v"] == hashlib.sha256(raw).digest()
        assert first.seed == key(fed.terms, round, "commitment", (name, name), secret_=seed)
        assert run.states[name].upload(later, {"v": words[name]["v"].copy()})[2]["v"] != run.payloads[name]["v"]


def test_later_rounds_are_those_of_the_specification():
    fed, later = federation(4), one_round(number=1, state=secret("state"))
    words = same_words(fed)
    run = open_first(fed, one_round(), words, {})
    for name in fed.names:
        _, _, payloads = run.states[name].upload(later, {"v": words[name]["v"].copy()})
        raw = b"".join(v.to_bytes(8, "little") for v in expected(fed, later, name, integers(words[name]["v"], 64)))
        assert bytes(payloads["v"]) == raw


# --- pinned bytes ------------------------------------------------------------------------------------


def test_transcript_is_pinned():
    """Keys and coins fixed: roster root, round digest, and SHA-256 of each message, made once and not to change under version 1."""
    fed, round = federation(4), one_round()
    run = open_first(fed, round, same_words(fed), {"h03": "upload"})
    digests = {"root": fed.terms.root.hex(), "round": round.digest.hex(), "masked": bytes(run.payloads["h00"]["v"]).hex()}
    for kind, message in (("upload", run.uploads["h00"]), ("consent", run.consents["h01"]), ("reveal", run.reveals["h02"])):
        digests[kind] = hashlib.sha256(encode(message)).hexdigest()
    proved = one_round(vectors=(secagg.Vector("bits", 32, 2, proved=True),))
    words = {name: {"bits": elements([0, 1], 32)} for name in fed.names}
    digests["proved"] = hashlib.sha256(bytes(uploaded(fed, proved, words).payloads["h00"]["bits"])).hexdigest()
    digests["abstention"] = hashlib.sha256(encode(uploaded(fed, round, same_words(fed)).states["h00"].abstain()[1])).hexdigest()
    assert digests == PINNED
