import base64
import json
import os
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from governance.errors import DecodeError, IntegrityError, Unavailable, UsageError
from governance.keys import SigningKey, Trust, VerifyKey, check_name, read_key
from governance.suites import SUITES

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ALICE = SigningKey("alice", bytes(range(32)))

VECTORS = os.environ.get("KEYONG_VECTORS")


def wycheproof(name):
    if not VECTORS:
        pytest.skip("151 Ed25519, 172 ML-DSA-44 and 518 X25519 vectors of Wycheproof were not run: KEYONG_VECTORS is not set")
    groups = json.loads((Path(VECTORS) / "wycheproof/testvectors_v1" / f"{name}_test.json").read_text())["testGroups"]
    return [(group, test) for group in groups for test in group["tests"]]


@pytest.mark.external
def test_wycheproof_ed25519():
    tests = wycheproof("ed25519")
    assert len(tests) == 151
    for group, test in tests:
        key = VerifyKey("wycheproof", bytes.fromhex(group["publicKey"]["pk"]))
        if test["result"] == "valid":
            key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
            continue
        with pytest.raises(IntegrityError):
            key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))


@pytest.mark.external
def test_wycheproof_ml_dsa_44():
    """All vectors but the eight that sign under a context, which notes do not."""
    tests = [(group, test) for group, test in wycheproof("mldsa_44_verify") if "ctx" not in test]
    assert len(tests) == 172
    refused = 0
    for group, test in tests:
        if test["result"] == "valid":
            VerifyKey("wycheproof", bytes.fromhex(group["publicKey"]), "ml-dsa-44").verify(
                bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            )
            continue
        refused += 1
        with pytest.raises((IntegrityError, DecodeError)):
            VerifyKey("wycheproof", bytes.fromhex(group["publicKey"]), "ml-dsa-44").verify(
                bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            )
    assert refused == 98


@pytest.mark.external
def test_wycheproof_x25519():
    """The library that key agreement stands on: right on every vector, and a shared secret of zeroes is refused."""
    tests = wycheproof("x25519")
    assert len(tests) == 518
    refused = 0
    for _, test in tests:
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(test["private"]))
        public = X25519PublicKey.from_public_bytes(bytes.fromhex(test["public"]))
        if "ZeroSharedSecret" in test["flags"]:
            with pytest.raises(ValueError):
                private.exchange(public)
            refused += 1
        else:
            assert private.exchange(public).hex() == test["shared"]
    assert refused == 31


def test_rfc_8032_vector():
    """RFC 8032, 7.1, test 2."""
    key = SigningKey("test", bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key.public.verify(signature, b"\x72")


def test_the_published_key_reads_and_writes():
    key = read_key(PETER)
    assert (key.name, key.id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", PETER)


def test_no_part_and_no_neighbour_of_a_key_is_a_key():
    """The manglings of golang.org/x/mod/sumdb/note, note_test.go."""
    for start in range(len(PETER)):
        for stop in range(start + 1, len(PETER) + 1):
            if (start, stop) != (0, len(PETER)):
                with pytest.raises(DecodeError):
                    read_key(PETER[start:stop])
    for at, c in enumerate(PETER):
        with pytest.raises(DecodeError):
            read_key(PETER[:at] + chr(ord(c) + 1) + PETER[at + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # note_test.go: wrong length
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # note_test.go: unknown algorithm
        "PeterNeumann+c74f20a3+ÄRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_wrong_keys(text):
    with pytest.raises(DecodeError):
        read_key(text)


def test_a_key_is_read_where_its_suite_is_accepted_and_nowhere_else():
    for suite in SUITES:
        text = str(SigningKey.generate("officer", suite).public)
        assert str(read_key(text, (suite,))) == text
        for other in SUITES.keys() - {suite}:
            with pytest.raises(DecodeError, match=f"of the suite {suite} is not accepted"):
                read_key(text, (other,))
        if suite != "ed25519":
            with pytest.raises(DecodeError, match="is not accepted"):
                read_key(text)


def test_a_key_of_another_size_or_type_is_none():
    with pytest.raises(DecodeError, match="64 bytes"):
        VerifyKey("officer", bytes(63), "sm2-sm3")
    for raw in (b"\xff" + bytes(64), b"\xffkeyong/sm2-sm3/v2" + bytes(64), b"\xffkeyong/sm2-sm3/v1" + bytes(63), b"\x06" + bytes(1312)):
        with pytest.raises(DecodeError, match="only keys of the suites"):
            read_key(f"officer+00000000+{base64.b64encode(raw).decode()}", tuple(SUITES))


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_signs_and_every_altered_bit_is_seen(suite, tmp_path):
    key = SigningKey.generate("officer", suite)
    key.save(tmp_path / "officer.key")
    assert SigningKey.load(tmp_path / "officer.key") == key
    signature = key.sign(b"text")
    key.public.verify(signature, b"text")
    with pytest.raises(IntegrityError):
        key.public.verify(signature, b"texu")
    for bit in range(0, 8 * len(signature), 37):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError):
            key.public.verify(bytes(changed), b"text")
    for wrong in (b"", signature[:-1], signature + b"\0"):
        with pytest.raises(IntegrityError):
            key.public.verify(wrong, b"text")


def test_one_key_under_two_suites_has_two_ids():
    """So no signature of one type can be taken for one of another."""
    raw = bytes(range(32))
    assert SigningKey("a", raw).public.id != SigningKey("a", raw, "ml-dsa-44").public.id


def test_an_installation_without_ml_dsa_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    with pytest.raises(Unavailable, match="ML-DSA-44 needs a newer"):
        _ = SigningKey("a", bytes(32), "ml-dsa-44").public
    with pytest.raises(Unavailable, match="ML-DSA-44 needs a newer"):
        VerifyKey("a", b"\1" * 1312, "ml-dsa-44").verify(b"", b"")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\tb", "a\u2003b", "a\u00a0b", "a\x7fb", "a\ud800b", "a" * 101])
def test_wrong_names(name):
    with pytest.raises(DecodeError):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "泰州市人民医院/node", "example.com/log-1", "a" * 100])
def test_right_names(name):
    key = SigningKey(name, bytes(32)).public
    assert read_key(str(key)) == key


def test_a_key_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "alice.key"
    ALICE.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path) == ALICE
    with pytest.raises(FileExistsError):
        ALICE.save(path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        SigningKey.load(path)


OTHER_ID = "PRIVATE+KEY+alice+00000000+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


@pytest.mark.parametrize("text", ["", "PRIVATE+KEY+alice", str(ALICE.public), OTHER_ID])
def test_wrong_key_files(tmp_path, text):
    path = tmp_path / "wrong.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(DecodeError):
        SigningKey.load(path)


def test_the_private_key_never_prints():
    assert ALICE.private.hex() not in repr(ALICE) and repr(ALICE.private) not in repr(ALICE)
    assert repr(ALICE) == "SigningKey(name='alice', suite='ed25519')"


def test_generated_keys_differ_and_work():
    one, two = SigningKey.generate("a"), SigningKey.generate("a")
    assert one.private != two.private
    one.public.verify(one.sign(b"m"), b"m")
    with pytest.raises(IntegrityError, match="by a does not verify"):
        two.public.verify(one.sign(b"m"), b"m")


def test_two_people_can_compare_fingerprints():
    groups = ALICE.public.fingerprint.split(" ")
    assert len(groups) == 16 and all(len(g) == 4 for g in groups)
    assert SigningKey("alicf", ALICE.private).public.fingerprint != ALICE.public.fingerprint


def test_trust_needs_distinct_keys_and_a_threshold_that_can_be_met():
    bob = SigningKey("bob", bytes(32)).public
    assert Trust((read_key(PETER), bob), threshold=2).threshold == 2
    same_key, same_name = VerifyKey("rob", bob.public), VerifyKey("bob", ALICE.public.public)
    for keys, threshold in [((), 1), ((bob,), 0), ((bob,), 2), ((bob, bob), 1), ((bob, same_key), 2), ((bob, same_name), 2)]:
        with pytest.raises(UsageError):
            Trust(keys, threshold)
