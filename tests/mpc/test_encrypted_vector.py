"""The contract of encrypted vectors: what is declared holds, what does not fit raises, and only the declared shows."""

from __future__ import annotations

import contextlib
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.layout import LONGEST, MOST_TERMS, WIDEST_TERM, Factor, Layout
from mpc.he.vector import HEADER
from tests.mpc.paillier_keys import box_of, test_key

X = np.array([1.5, -2.25, 1e4, -1e4, 0.0])
KEY = test_key()


# --- layouts


@given(
    st.floats(1e-3, 1e6), st.integers(0, 30), st.integers(1, 1000),
    st.lists(st.floats(-1, 1), min_size=1, max_size=50),
)  # fmt: skip
def test_each_term_is_rounded_to_the_nearest_step(bound, exponent, terms, shares):
    step = bound * 2.0**-exponent
    layout = Layout.declare(len(shares), bound=bound, step=step, terms=terms)
    values = np.array(shares) * bound
    steps = layout.encode(values)
    assert np.abs(steps).max() <= layout.limit
    assert np.abs(layout.decode(steps, weight=1) - values).max() <= step / 2 * (1 + 1e-9)


@pytest.mark.parametrize("bound", [1.0, 2.5, 3.5, 7])
def test_the_bound_itself_fits(bound):
    for step in (1, 0.3, 0.5):
        assert Layout.declare(2, bound=bound, step=step, terms=1).encode([bound, -bound]).size == 2


def test_whole_numbers_beyond_2_to_53_stay_exact():
    big = np.array([2**61 + 1, -(2**61) - 1, 2**53 + 1])
    layout = Layout.declare(3, bound=2**61 + 1, step=1, terms=1)
    assert layout.decode(layout.encode(big), weight=1).tolist() == big.tolist()
    assert layout.decode(layout.encode(big), weight=1).dtype == np.int64
    box = KEY.public.encrypt(big, bound=2**61 + 1, step=1, terms=100, packed=False)
    total = KEY.decrypt(sum([box] * 100))
    assert total.tolist() == [100 * int(v) for v in big]
    assert total.dtype == object


def test_unsigned_and_boolean_numbers_are_numbers():
    assert Layout.declare(2, bound=1, step=1, terms=1).encode(np.array([True, False])).tolist() == [1, 0]
    with pytest.raises(UsageError, match="out of the declared bound"):
        Layout.declare(1, bound=5, step=1, terms=1).encode(np.array([2**64 - 1], np.uint64))


@pytest.mark.parametrize("values, says", [
    ([np.nan, 0], r"entry \[0\] is NaN"), ([np.inf, 0], r"entry \[0\] is NaN or infinite"), ([0, -np.inf], r"entry \[1\] is NaN or infinite"),
    ([1e4 + 1, 0], r"entry \[0\] is out of the declared bound, 10000"), ([0, -1e4 - 1], r"entry \[1\] is out of the declared bound"), ([1e308, 0], "out of the declared bound"),
    ([1, 2, 3], r"need a vector of 2 real numbers, got an array of shape \(3,\)"), ([[1, 2]], r"need a vector of 2 real numbers, got an array of shape \(1, 2\)"),
    (5, "need a vector of 2 real numbers, got a single number"), ([[1], [1, 2]], "rows of different lengths"),
    (["a", "b"], "real numbers are needed, got <U1"), ([1j, 0], "real numbers are needed"), ([10**30, 0], "real numbers are needed, got object"),
])  # fmt: skip
def test_values_that_cannot_be_encrypted(values, says):
    with pytest.raises(UsageError, match=says):
        Layout.declare(2, bound=1e4, step=2**-16, terms=4).encode(values)


@pytest.mark.parametrize("declared, says", [
    ({"bound": np.nan}, "bound must be finite"), ({"bound": np.inf}, "bound must be finite"), ({"bound": 0}, "bound must be finite"), ({"bound": -1}, "bound must be finite"),
    ({"step": np.nan}, "step must be above zero"), ({"step": 0}, "step must be above zero"), ({"step": 1e5}, "not above the bound"), ({"step": -1}, "step must be above"),
    ({"step": 1e-300}, "below 2\\^62"), ({"terms": 0}, "terms must be in"), ({"terms": MOST_TERMS + 1}, "terms must be in"),
    ({"terms": 1.5}, "whole number"), ({"terms": True}, "whole number"), ({"length": 0}, "numbers, got 0"), ({"length": LONGEST + 1}, "numbers, got"),
])  # fmt: skip
def test_layouts_that_cannot_be_declared(declared, says):
    with pytest.raises(UsageError, match=says):
        Layout.declare(declared.pop("length", 3), **{"bound": 1e4, "step": 2**-16, "terms": 4, **declared})


@pytest.mark.parametrize("fields, says", [
    ((0, 1.0, 1, 1), "steps, got 0"), ((WIDEST_TERM + 1, 1.0, 1, 1), "steps, got"), ((1, np.inf, 1, 1), "step must be finite"), ((1, 0.0, 1, 1), "step must be finite"),
])  # fmt: skip
def test_layouts_that_cannot_be(fields, says):
    with pytest.raises(UsageError, match=says):
        Layout(*fields)


@pytest.mark.parametrize("values, says", [
    (3.0, r"a vector of real numbers, got a single number: \[x\] is a vector of one"), ([[1.0, 2.0]], r"got an array of shape \(1, 2\): encrypt rows or columns one by one"),
    ([], "numbers, got 0"), (DataFrame({"age": [1.5], "sex": [0]}), r"shape \(1, 2\)"), (box_of([1.0]), "NumPy cannot read"), ([box_of([1.0])], "NumPy cannot read"),
])  # fmt: skip
@pytest.mark.parametrize("key", [KEY, KEY.public], ids=["private", "public"])
def test_encrypting_what_is_no_vector_says_what_it_is(key, values, says):
    with pytest.raises(UsageError, match=says):
        key.encrypt(values, bound=1e4, step=1, terms=1)


# --- factors


def test_factors_are_rounded_to_their_step_and_kept_out_of_sight():
    factor = Factor.declare([0.5, -0.126], bound=1, step=0.25)
    assert factor.steps.tolist() == [2, -1]
    assert "steps" not in repr(factor)
    assert Factor.public([[3, -7]]).limit == 7
    assert Factor.public(0).limit == 1
    assert Factor.public(np.zeros((0, 2), int)).limit == 1


@pytest.mark.parametrize("call, says", [
    (lambda: Factor.declare([[0.5, 2.0]], bound=1, step=0.25), r"entry \[0, 1\] is out of the declared bound, 1$"), (lambda: Factor.declare(2.0, bound=1, step=0.25), "the number is out"),
    (lambda: Factor.declare([np.nan], bound=1, step=0.25), r"entry \[0\] is NaN or infinite, which no number of steps is"), (lambda: Factor.declare(["x"], bound=1, step=1), "real numbers are needed"),
    (lambda: Factor.public([0.5]), r"plain factors are whole numbers, or a Factor, as he\.Factor\.declare\(values, bound="), (lambda: Factor.public(["x"]), "plain factors"),
])  # fmt: skip
def test_factors_that_cannot_be(call, says):
    with pytest.raises(UsageError, match=says):
        call()


# --- operators


def test_arithmetic_with_plain_and_encrypted_vectors():
    y = np.array([0.25, 7.0, -3.5, 11.0, -1.0])
    a, b = box_of(X), box_of(y)
    for encrypted, plain in [
        (a + b, X + y), (a - b, X - y), (a + y, X + y), (y + a, X + y), (a - y, X - y), (y - a, y - X), (-a, -X), (a * 3, 3 * X), (-2 * a, -2 * X),
        (np.int64(2) * a, 2 * X), (a * 0, 0 * X), (sum([a, b, a]), 2 * X + y), (a + y.tolist(), X + y),
    ]:  # fmt: skip
        assert KEY.decrypt(encrypted).tolist() == plain.tolist()


def test_weights_count_terms_with_multiplicity():
    a = box_of(X)
    assert [box.weight for box in (a, a + a, a * 3, a * -3, a + X, a - X, -a, a * 0, (a + a) * 4)] == [1, 2, 3, 3, 2, 2, 1, 1, 8]
    single = box_of(X, terms=100, packed=False)
    assert (single.sum().weight, (single * Factor.declare(np.ones(5), bound=2, step=0.5)).weight) == (5, 4)
    assert ((single @ np.full((5, 2), 3)).weight, (single * np.array([1, -4, 2, 0, 0])).weight) == (15, 4)


def test_steps_of_products_multiply():
    a = box_of(X, terms=1000)
    product = a * Factor.declare(-1.25, bound=2, step=0.25)
    assert product.layout.step == 2**-16 * 0.25
    assert KEY.decrypt(product).tolist() == (X * -1.25).tolist()
    with pytest.raises(UsageError, match=r"different layouts: step 3.8.*e-06 and 1.5.*e-05$"):
        product + a


OTHER = he.paillier.PaillierPublicKey(test_key("fast_short_exponent").public.n)


@pytest.mark.parametrize("call, says", [
    (lambda a: a * 17, r"17 terms would be added, 16 were declared: declare terms=17 or more \(a product counts factor.limit times, here 17\)"),
    (lambda a: a * 16 + a, "declare terms=17 or more$"), (lambda a: a * 16 + X, "17 terms"), (lambda a: a * -16 - a, "17 terms"),
    (lambda a: a + OTHER.encrypt(X, bound=1e4, step=2**-16, terms=16), "different keys: <Paillier key"), (lambda a: a + box_of(X[:4]), "different layouts: length 5 and 4$"),
    (lambda a: a + box_of(X, step=2**-15), "different layouts: bound in steps 655360000 and 327680000, step 1.*e-05 and 3.*e-05$"), (lambda a: a + box_of(X, bound=2e4), "different layouts: bound in steps"),
    (lambda a: a - box_of(X, terms=17), "different layouts: terms 16 and 17$"), (lambda a: a + box_of(X, packed=False), "different layouts: arrangement in ciphertexts 0 and 1$"),
    (lambda a: a + X[:4], r"need a vector of 5 real numbers, got an array of shape \(4,\)"), (lambda a: a + 2, "need a vector of 5 real numbers, got a single number"), (lambda a: a - [1e5] * 5, "out of the"),
    (lambda a: a * 0.5, "whole numbers, or a Factor"), (lambda a: a * [1, 2], r"need 5 factors, or one, got an array of shape \(2,\)"), (lambda a: a * a, "cannot be multiplied"), (lambda a: a @ a, "cannot be multiplied"),
    (lambda a: a @ np.ones(5, int), r"need a matrix of 5 rows, got an array of shape \(5,\): one column is values.reshape\(-1, 1\)"), (lambda a: a @ np.ones((4, 2), int), "need a matrix of 5 rows"),
    (lambda a: a @ np.ones((5, 0), int), "need a matrix of 5 rows"), (lambda a: a[::2], "start:stop"), (lambda a: a[3], r"start:stop; entry i is box\[i : i \+ 1\]"), (lambda a: a[3:3], "at least one entry"), (lambda a: a[1:3], "cut at multiples of 40"),
    (lambda a: a.sum(), "cannot be summed up: encrypt with packed=False"), (lambda a: a * [1, 1, 1, 1, 1], "entry by entry: encrypt with packed=False"),
    (lambda a: a @ np.ones((5, 3), int), "by a matrix: encrypt with packed=False"), (lambda a: box_of(X, packed=False).sum() @ np.full((1, 1), 4), r"20 terms .* factor.limit x rows times, here 4 x 1"),
    (lambda a: box_of(X, terms=4, packed=False).sum(), "declare terms=5 or more .a sum counts all 5 entries"), (lambda a: a / 2, "not divided: divide what decrypt gives"),
    (lambda a: a == box_of(X), "compare what decrypt gives"), (lambda a: a != X, "compare what decrypt gives"), (np.sum, r"NumPy cannot read .* sum\(\)"), (lambda a: np.mean([a, a]), "NumPy cannot read"),
    (lambda a: np.concatenate([a, a]), "NumPy cannot read"), (np.asarray, "NumPy cannot read"),
])  # fmt: skip
def test_what_does_not_fit_raises(call, says):
    with pytest.raises(UsageError, match=says):
        call(box_of(X, bound=1e4, step=2**-32 if "40" in says else 2**-16))


def test_no_operator_is_left_to_numpy_or_to_iteration():
    a = box_of(X)
    assert isinstance(X + a, he.EncryptedVector)
    with pytest.raises(TypeError):
        iter(a)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)
    assert len(a) == 5


def test_an_addend_after_a_product_says_which_bound_to_declare():
    x, w, b = np.array([61.5, 127.0]), he.Factor.declare([[0.25], [0.125]], bound=2, step=2**-3), 40.0
    box = box_of(x, bound=300, step=2**-8, terms=w.limit * 2 + 1, packed=False)
    with pytest.raises(
        UsageError, match=r"entry \[0\] is out of the declared bound, 37.5: .* declare a bound of at least max\(abs\(b\)\) / factor.step"
    ):
        box @ w + [b]
    box = box_of(x, bound=max(300, b / w.step), step=2**-8, terms=w.limit * 2 + 1, packed=False)
    assert KEY.decrypt(box @ w + [b]).tolist() == [61.5 * 0.25 + 127 * 0.125 + b]
    with pytest.raises(UsageError, match="out of the declared bound, 40: what is added is one term"):
        box @ w - [b + 1]


# --- bytes


def test_round_trip():
    for options in ({}, {"packed": False}):
        a = box_of(X, **options)
        raw = a.to_bytes()
        again = he.load(raw, KEY.public)
        assert again.to_bytes() == raw
        assert (again.layout, again.weight, again.arrangement) == (a.layout, 1, a.arrangement)
        assert KEY.decrypt(he.load(bytearray((again + a).to_bytes()), KEY.public)).tolist() == (2 * X).tolist()


def test_what_an_operator_made_is_blinded_when_it_leaves_and_nothing_else_is():
    a = box_of(X)
    assert a.to_bytes() == a.to_bytes()
    assert a.blind() is a
    for made in (a + a, a + X, a * 2, -a, a - a, he.load(a.to_bytes(), KEY.public) + a):
        first, second = made.to_bytes(), made.to_bytes()
        assert first != second
        assert made._body() not in (first[HEADER.size :], second[HEADER.size :])
        assert np.array_equal(KEY.decrypt(he.load(first, KEY.public)), KEY.decrypt(made))
    once = (a + a).blind()
    assert once.to_bytes() == once.to_bytes()


def test_bytes_have_one_size_whatever_the_values():
    sizes = {len(box_of(values).to_bytes()) for values in (np.zeros(50), np.full(50, 1e4), np.full(50, -1e4), np.arange(50) * 1e-3)}
    assert len(sizes) == 1


HEAD = list(HEADER.unpack_from(box_of(X).to_bytes()))
BODY = box_of(X)._body()


def changed(**fields) -> bytes:
    names = ["magic", "scheme", "arrangement", "key", "limit", "step", "terms", "weight", "length"]
    return HEADER.pack(*[fields.get(name, value) for name, value in zip(names, HEAD, strict=True)]) + fields.get("body", BODY)


@pytest.mark.parametrize("raw, says", [
    (b"", "at least 74 bytes"), (changed()[:73], "at least 74 bytes"), (changed(magic=b"kyE0"), "not an encrypted vector of this scheme"), (changed(scheme=2), "of this scheme"),
    (changed(arrangement=2), "no such arrangement"), (changed(arrangement=1), "length is not that of its layout"),
    (changed(key=bytes(32)), "another key, 00000000: this is <Paillier key"),
    (changed(limit=0), "steps, got 0"), (changed(limit=2**62), "steps, got"), (changed(limit=2**61), "room for 62"), (changed(step=0.0), "step must be"), (changed(step=-1.0), "step must be"),
    (changed(step=np.nan), "step must be"), (changed(step=np.inf), "step must be"), (changed(terms=0), "terms must be"), (changed(terms=2**63), "terms must be"),
    (changed(weight=0), "number of terms is out of range"), (changed(weight=17), "number of terms is out of range"), (changed(length=0), "numbers, got 0"),
    (changed(length=2**32 - 1), "numbers, got"), (changed(length=2**31 - 1), "length is not"), (changed(body=BODY[:-1]), "length is not"), (changed(body=BODY + b"\0"), "length is not"),
    (changed(body=bytes(512)), "out of range"), (changed(body=b"\xff" * 512), "out of range"),
    (changed(body=int(KEY.public.square).to_bytes(512, "little")), "out of range"), (changed(body=int(KEY.p * 7).to_bytes(512, "little")), "no unit"),
    (changed(body=int(KEY.public.n).to_bytes(512, "little")), "no unit"),
])  # fmt: skip
def test_bytes_from_outside_that_do_not_fit(raw, says):
    with pytest.raises(DecodeError, match=says):
        he.load(raw, KEY.public)


@pytest.mark.parametrize("call, says", [
    (lambda: he.load(changed(), KEY), r"expected PublicKey, got PaillierPrivateKey: he.load\(raw, key.public\)"), (lambda: he.load(changed(), KEY.public.to_bytes()), "expected PublicKey, got bytes"),
    (lambda: he.load(KEY.public, changed()), "expected PublicKey"), (lambda: he.load(changed().hex(), KEY.public), "expected bytes, got str"), (lambda: he.load(None, KEY.public), "expected bytes, got NoneType"),
    (lambda: he.paillier.PaillierPublicKey.from_bytes("key"), "expected bytes"), (lambda: he.paillier.PaillierPrivateKey.import_private(KEY), "expected bytes"),
])  # fmt: skip
def test_what_is_no_bytes_or_no_public_key(call, says):
    with pytest.raises(UsageError, match=says):
        call()


@pytest.mark.parametrize("raw", [KEY.export_private(), KEY.public.to_bytes() + bytes(74), b"[1.5, 2.5]" * 10])
def test_bytes_of_something_else(raw):
    with pytest.raises(DecodeError, match="not an encrypted vector of this scheme"):
        he.load(raw, KEY.public)


@given(st.data())
def test_no_bytes_raise_anything_else(data):
    raw = bytearray(changed())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw), 80, 500]))])
    with contextlib.suppress(DecodeError):
        KEY.decrypt(he.load(cut, KEY.public))


def test_vectors_are_not_pickled():
    for refuse in (pickle.dumps, copy.copy):
        with pytest.raises(UsageError, match="not pickled, nor copied"):
            refuse(box_of(X))


def test_repr_shows_the_declared_alone():
    text = repr(box_of(X) + X)
    assert text == f"<Paillier vector under key {KEY.public.id[:4].hex()}: 5 numbers, bound 10000, step 1.52588e-05, 2 of 16 terms>"


def test_a_scheme_without_an_arrangement_for_it_says_so():
    with pytest.raises(UsageError, match="in this arrangement of Paillier a vector cannot be sliced"):
        he.EncryptedVector._cannot(box_of(X), "be sliced")

    class Bare(type(box_of(X))):
        _cannot = he.EncryptedVector._cannot
        _multiplied, _applied = he.EncryptedVector._multiplied, he.EncryptedVector._applied
        _summed, _sliced = he.EncryptedVector._summed, he.EncryptedVector._sliced

    a = box_of(X)
    bare = Bare(a.layout, 1, True, a.public, a.packed, a.ciphertexts)
    for call in (lambda: bare * [1] * 5, lambda: bare * np.ones(5, int), lambda: bare @ np.ones((5, 1), int), bare.sum, lambda: bare[:2]):
        with pytest.raises(UsageError):
            call()
