"""The real phe and the real HEU open what we encrypt, and we open what they do."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import phe as peer
import pytest
from gmpy2 import mpz
from heu import numpy as hnp
from heu import phe as hphe
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.paillier import heu, phe
from tests.mpc.paillier_keys import VECTORS, box_of, test_key

SAFE, FAST = test_key(), test_key("fast_short_exponent")
KEYS = pytest.mark.parametrize("key", [SAFE, FAST], ids=["safe", "fast"])
X = np.array([1.5, -2.25, 1e4])
RECORDED = json.loads((VECTORS / "recorded.json").read_text())


# --- phe


@KEYS
def test_phe_opens_ours(key):
    private = phe.private_to(key)
    assert [private.decrypt(number) for number in phe.numbers_to(box_of(X, key=key, packed=False))] == X.tolist()
    packed = box_of(X, key=key)
    ((c),) = packed.ciphertexts
    assert (
        mpz(private.raw_decrypt(int(c))) % key.public.n
        == packed.public.slots(packed.layout).pack(packed.layout.encode(X))[0] % key.public.n
    )


@KEYS
def test_we_open_phe_and_sums_of_both(key):
    public = phe.public_to(key.public)
    numbers = [public.encrypt(float(v), precision=2.0**-16) for v in X]
    theirs = phe.numbers_from(numbers, bound=1e4, step=2**-16, terms=16)
    assert phe.public_from(public) == theirs.public
    mine = SAFE if key is SAFE else phe.private_from(phe.private_to(key))
    assert mine.decrypt(theirs).tolist() == X.tolist()
    ours = theirs.public.encrypt(X, bound=1e4, step=2**-16, terms=16, packed=False)
    assert mine.decrypt(he.load((theirs + ours).to_bytes(), mine.public)).tolist() == (2 * X).tolist()


def test_a_fast_key_opens_what_phe_blinded():
    public = phe.public_to(FAST.public)
    numbers = [public.encrypt(int(v)) for v in (3, -4)]
    assert FAST.open([mpz(number.ciphertext()) for number in numbers]) == [3, -4]


def test_a_key_that_phe_made_serves_us():
    public, private = peer.generate_paillier_keypair(n_length=2048)
    key = phe.private_from(private)
    box = key.public.encrypt(X, bound=1e4, step=2**-32, terms=16)
    assert key.decrypt(box + box).tolist() == (2 * X).tolist()
    assert phe.private_to(key) == private
    assert phe.public_to(key.public) == public


def test_numbers_leave_with_one_exponent_and_blinded():
    numbers = phe.numbers_to(box_of([1e-3, 0.5, 9999.5], packed=False))
    assert {number.exponent for number in numbers} == {-4}
    made = box_of(X, packed=False) * 3
    assert {number.ciphertext(be_secure=False) for number in phe.numbers_to(made)}.isdisjoint(map(int, made.ciphertexts))


def test_mixed_exponents_are_taken_where_that_is_asked_for():
    public = phe.public_to(SAFE.public)
    numbers = [public.encrypt(v) for v in (1, 1.5, 0.25)]
    box = phe.numbers_from(numbers, bound=10, step=16.0**-14, terms=2, mixed_exponents=True)
    assert SAFE.decrypt(box).tolist() == [1, 1.5, 0.25]


@pytest.mark.parametrize("call, error, says", [
    (lambda public: phe.numbers_to(box_of(X)), UsageError, "packed=False"), (lambda public: phe.numbers_to(box_of(X, step=2**-15, packed=False)), UsageError, "powers of 16"),
    (lambda public: phe.numbers_from([], bound=1, step=1, terms=1), UsageError, "under one key, got 0"),
    (lambda public: phe.numbers_from(public.encrypt(1), bound=1, step=1, terms=1), UsageError, "expected Iterable, got EncryptedNumber"),
    (lambda public: phe.numbers_from([1, 2], bound=1, step=1, terms=1), UsageError, "expected EncryptedNumber, got int"),
    (lambda public: phe.public_from((public, public)), UsageError, r"expected PaillierPublicKey, got tuple: phe\.generate_paillier_keypair\(\) gives \(public, private\)"),
    (lambda public: phe.private_from((public, public)), UsageError, "expected PaillierPrivateKey, got tuple"), (phe.private_from, UsageError, "expected PaillierPrivateKey"),
    (lambda public: phe.public_to(SAFE), UsageError, "expected PaillierPublicKey, got PaillierPrivateKey"), (lambda public: phe.private_to(SAFE.public), UsageError, "expected PaillierPrivateKey"),
    (lambda public: phe.numbers_to([1.0]), UsageError, "expected PaillierVector, got list"),
    (lambda public: phe.numbers_from([public.encrypt(1), phe.public_to(FAST.public).encrypt(1)], bound=1, step=1, terms=1), UsageError, "under one key, got 2 under 2"),
    (lambda public: phe.numbers_from([public.encrypt(1), public.encrypt(1.5)], bound=2, step=2**-60, terms=1), DecodeError, "show how large each is"),
    (lambda public: phe.numbers_from([public.encrypt(1.5, precision=2**-8)], bound=2, step=1, terms=1), DecodeError, r"smaller step than declared, 2\*\*-8: declare step=2\*\*-8, or encrypt with precision=1$"),
    (lambda public: phe.numbers_from([peer.EncryptedNumber(public, 5, 10**9)], bound=2, step=1, terms=1), DecodeError, "larger step"),
    (lambda public: phe.numbers_from([public.encrypt(1)], bound=2, step=0.5, terms=1), UsageError, "powers of 16"),
    (lambda public: phe.numbers_from([peer.EncryptedNumber(public, 0)], bound=2, step=1, terms=1), DecodeError, "out of range"),
])  # fmt: skip
def test_what_does_not_go_to_phe_or_come_from_it(call, error, says):
    with pytest.raises(error, match=says):
        call(phe.public_to(SAFE.public))


# --- HEU


@pytest.mark.parametrize("call, says", [
    (lambda: heu.public_to(SAFE), "expected PaillierPublicKey"), (lambda: heu.public_from(hphe), "expected bytes, got module"), (lambda: heu.vector_to(X), "expected PaillierVector"),
    (lambda: heu.vector_from("text", SAFE.public, **DECLARED), "expected bytes"), (lambda: heu.vector_from(ARRAY, SAFE, **DECLARED), "expected PaillierPublicKey, got PaillierPrivateKey"),
])  # fmt: skip
def test_what_does_not_go_to_heu_or_come_from_it(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_both_are_there_without_an_import_of_their_own():
    assert (he.paillier.phe, he.paillier.heu) == (phe, heu)


INTERCONNECTION = hnp.MatrixSerializeFormat.Interconnection


@pytest.fixture(scope="module")
def kit():
    return hnp.setup(hphe.SchemaType.IcPaillier, 2048)


def their_integers(kit, array):
    return np.array(kit.decryptor().decrypt(array).to_numpy(kit.bigint_encoder()), dtype=object).reshape(-1).tolist()


def test_heu_adds_and_opens_ours(kit):
    public = heu.public_from(kit.public_key().serialize())
    ours = public.encrypt([7, -5, 1000], bound=1000, step=1, terms=4, packed=False)
    array = hnp.CiphertextArray.load_from(heu.vector_to(ours), INTERCONNECTION)
    assert their_integers(kit, array) == [7, -5, 1000]
    theirs = kit.encryptor().encrypt(kit.array(np.array([1, 2, 3]), hphe.IntegerEncoderParams(1)))
    total = kit.evaluator().add(array, theirs)
    assert their_integers(kit, total) == [8, -3, 1003]
    box = heu.vector_from(total.serialize(INTERCONNECTION), public, length=3, bound=1000, step=1, terms=4, weight=2)
    assert their_integers(kit, hnp.CiphertextArray.load_from(heu.vector_to(box + ours), INTERCONNECTION)) == [15, -8, 2003]


def test_heu_carries_packed_ciphertexts(kit):
    public = heu.public_from(kit.public_key().serialize())
    box = public.encrypt(X, bound=1e4, step=2**-32, terms=16)
    array = hnp.CiphertextArray.load_from(heu.vector_to(box), INTERCONNECTION)
    (number,) = their_integers(kit, kit.evaluator().add(array, array))
    assert (public.slots(box.layout).unpack([mpz(int(number))], 3) * 2.0**-32).tolist() == (2 * X).tolist()


@KEYS
def test_heu_encrypts_under_our_key(key):
    kit = hnp.setup(hphe.PublicKey.load_from(heu.public_to(key.public)))
    array = kit.encryptor().encrypt(kit.array(np.array([[1.25, -2.5]]), hphe.FloatEncoderParams(2**16)))
    assert heu.public_from(kit.public_key().serialize()).n == key.public.n
    box = heu.vector_from(array.serialize(INTERCONNECTION), key.public, length=2, bound=1e4, step=2**-16, terms=16)
    assert key.decrypt(box).tolist() == [1.25, -2.5]
    assert key.decrypt(box + box_of([1, 2], key=key, packed=False)).tolist() == [2.25, -0.5]


def test_recorded_bytes_of_heu_and_phe():
    """HEU 0.5.2b0 and phe 1.5.0 encrypted these numbers under the test key."""
    public = heu.public_from(bytes.fromhex(RECORDED["heu_public_key"]))
    assert public == SAFE.public
    raw = bytes.fromhex(RECORDED["heu_array"])
    box = heu.vector_from(raw, public, length=3, bound=1000, step=1, terms=4)
    assert SAFE.decrypt(box).tolist() == RECORDED["numbers"]
    same = heu.vector_from(raw, public, length=3, bound=1000, step=1, terms=4)
    object.__setattr__(same, "blinded", True)
    assert heu.vector_to(same) == raw
    numbers = [peer.EncryptedNumber(phe.public_to(public), int(c, 16)) for c in RECORDED["phe_ciphertexts"]]
    assert SAFE.decrypt(phe.numbers_from(numbers, bound=1000, step=1, terms=4)).tolist() == RECORDED["numbers"]


PUBLIC, ARRAY = bytes.fromhex(RECORDED["heu_public_key"]), bytes.fromhex(RECORDED["heu_array"])
DECLARED = {"length": 3, "bound": 1000, "step": 1, "terms": 4}


@pytest.mark.parametrize("raw, says", [
    (b"", "not an object of IcPaillier"), (PUBLIC[:-1], "not an object"), (PUBLIC[:-8] + bytes(8), "not an object"), (PUBLIC[1:], "not protobuf|field"),
    (PUBLIC[:259] + PUBLIC[-8:], "not protobuf"), (PUBLIC[:262] + PUBLIC[-8:], "a field is missing"), (b"\x80" * 9 + PUBLIC, "does not end"), (b"\xff\xff", "not an object"),
    (b"\x0d\x01" + PUBLIC, "not protobuf as it is used here"),
    (heu._field(1, heu._bigint(SAFE.p)) + PUBLIC[262:], "not a public key"), (PUBLIC[:262] + heu._field(2, heu._bigint(SAFE.p)) + PUBLIC[-8:], "no unit"),
])  # fmt: skip
def test_public_keys_that_heu_would_not_write(raw, says):
    with pytest.raises(DecodeError, match=says):
        heu.public_from(raw)


@pytest.mark.parametrize("raw, says", [
    (b"", "a field is missing"), (ARRAY[:-1], "not protobuf"), (ARRAY + b"\x08\x01", "one too many"), (b"\x08\x15" + ARRAY[2:], "not an array of ciphertexts"),
    (ARRAY[:4] + b"d" + ARRAY[5:], "not an array of ciphertexts"), (ARRAY[:14] + b"\x4a\x00", "not an array of ciphertexts"), (ARRAY[:14] + heu._field(9, b"\x08\x01"), "not an array of ciphertexts"),
    (ARRAY.replace(b"\x0a\x01\x03", b"\x0a\x01\x02"), "is not that of its shape"), (ARRAY[:14] + heu._field(9, b"\x0a\x00"), "is not that of its shape"),
    (ARRAY[:14] + heu._field(9, heu._field(1, b"\xff\1" * 10**6)), "is not that of its shape"),
    (ARRAY[:14] + heu._field(9, heu._field(1, b"\1") + heu._field(2, b"")), "is not that of its shape"),
    (ARRAY[:14] + heu._field(9, heu._field(1, b"\3") + heu._field(2, b"") * 3), "not an object of IcPaillier"),
    (ARRAY[:14] + heu._field(9, heu._field(1, b"\3") + heu._field(2, heu._field(1, heu._field(2, b"\0")) + heu.SCHEMA) * 3), "out of range"),
    (ARRAY[:14] + heu._field(9, heu._field(1, b"\3") + heu._field(2, heu._field(1, b"\x08\x01" + heu._field(2, b"\1")) + heu.SCHEMA) * 3), "one too many"),  # negative
])  # fmt: skip
def test_arrays_that_heu_would_not_write(raw, says):
    with pytest.raises(DecodeError, match=says):
        heu.vector_from(raw, SAFE.public, **DECLARED)


@given(st.data())
def test_no_bytes_in_heus_name_raise_anything_else(data):
    raw = bytearray(ARRAY)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, 40))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        heu.vector_from(bytes(raw), SAFE.public, **DECLARED)
