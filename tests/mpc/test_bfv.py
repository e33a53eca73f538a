"""BFV: exact whatever is asked within what was declared, and four bits of margin in the worst case."""

from __future__ import annotations

import math
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DecodeError, Unavailable, UsageError
from mpc import he
from mpc.he import Factor
from mpc.he.bfv import arrays
from mpc.he.bfv.parameters import ERROR, MARGIN, MOST_BITS, USES, WIDEST, choose
from mpc.he.bfv.places import Places
from mpc.he.seal import Room, file, unpacked
from tests.mpc.bfv_keys import HEAD, bfv_key, full, measured, promised

RNG = np.random.default_rng(7)


def ints(n, most=100):
    return RNG.integers(-most, most, n, endpoint=True)


def travelled(box):
    return he.load(box.to_bytes(), box.key)


# --- exact


@settings(max_examples=30)
@given(st.data())
def test_any_sum_difference_and_multiple_is_exact(data):
    key, length = bfv_key(), data.draw(st.sampled_from([1, 2, 5, 2047, 2048, 2049]))
    vectors = [
        np.random.default_rng(seed).integers(-100, 100, length, endpoint=True)
        for seed in data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=4))
    ]
    total, expected = None, 0
    for vector in vectors:
        sign, owner, scale = data.draw(st.tuples(st.sampled_from([1, -1]), st.booleans(), st.sampled_from([1, 2, -3])))
        box = (key.encrypt if owner else key.public.encrypt)(vector)
        box = (travelled(box) if data.draw(st.booleans()) else box) * scale
        total = box if total is None else (total + box if sign > 0 else total - box)
        expected = expected + vector * scale * (1 if sign > 0 or vector is vectors[0] else -1)
    total = travelled(total - vectors[0])
    assert key.decrypt(total).tolist() == (expected - vectors[0]).tolist()


@pytest.mark.parametrize("use", USES)
def test_totals_at_their_limits_are_exact_and_one_term_more_is_refused(use):
    key = bfv_key(use)
    box = key.public.encrypt(full(key))
    total = sum([box] * 16)
    assert key.decrypt(travelled(total)).tolist() == (16 * full(key)).tolist()
    assert key.decrypt(-total).tolist() == (-16 * full(key)).tolist()
    with pytest.raises(UsageError, match="17 terms would be added, 16 were declared"):
        total + box


def test_real_numbers_come_out_to_the_step():
    key = he.bfv.generate(bound=1e4, step=2**-22, terms=10)
    x = RNG.uniform(-1e4, 1e4, (10, 5000))
    total = key.decrypt(sum(key.public.encrypt(row) for row in x))
    assert total.tolist() == (np.rint(x * 2**22).sum(0) / 2**22).tolist()


def test_products_with_zero_and_differences_of_equals_hide_something_when_they_leave():
    key = bfv_key()
    box = key.public.encrypt(ints(4096))
    for nothing in (box - box, box * 0, box[:2048] * 0):
        assert not key.decrypt(nothing).any()
        read = travelled(nothing)
        assert all(masks.any() for masks in read.expanded())
        assert not key.decrypt(read).any()
        assert key.decrypt(nothing + np.ones(len(nothing), int)).tolist() == [1] * len(nothing)
        again = (nothing + np.ones(len(nothing), int)) * 3  # SEAL multiplies no ciphertext that hides nothing
        assert MARGIN <= promised(key, again.noise) <= measured(key, again.polynomials()) + 1
        assert key.decrypt(again).tolist() == [3] * len(nothing)


def test_some_ciphertexts_of_zeros_leave_the_others_as_they_are():
    key = he.bfv.generate(bound=30, step=1, terms=1000, use="entries")
    degree = key.public.parameters.degree
    x, factors = ints(2 * degree, 30), np.repeat([0, 5], degree)
    product = key.public.encrypt(x) * factors
    assert [bool(masks.any()) for masks in product.expanded()] == [False, True]
    assert [bool(masks.any()) for masks in product.hiding()[:, 1]] == [True, True]
    assert (product.hiding()[1] == product.polynomials()[1]).all()
    assert key.decrypt(product * 3).tolist() == (3 * x * factors).tolist()
    sparse = np.zeros((9000, 8), int)
    sparse[8999, 7], sparse[0, 3] = 2, 1  # six products have factors of zero alone, two in part
    matrix = he.bfv.generate(bound=30, step=1, terms=2 * 9000, use="matrices")
    y = ints(9000, 30)
    assert matrix.decrypt(travelled(matrix.public.encrypt(y) @ sparse)).tolist() == (y @ sparse).tolist()


def test_slices_are_cut_at_ciphertexts_or_within_one():
    key, x = bfv_key(), ints(5000)
    box = key.encrypt(x)
    for start, stop in [(0, 10), (5, 6), (100, 2048), (2048, 4096), (4096, 5000), (4097, 5000), (0, 5000), (2048, 5000), (0, 4096)]:
        part = travelled(box[start:stop])
        assert key.decrypt(part).tolist() == x[start:stop].tolist()
        assert key.decrypt(travelled(part[: len(part) // 2 + 1])).tolist() == x[start:stop][: len(part) // 2 + 1].tolist()
    with pytest.raises(UsageError, match="starts at a multiple of 2048, or lies between two"):
        box[5:2049]
    with pytest.raises(UsageError, match="different layouts"):
        box[:5] + box[:6]
    matrix = bfv_key("matrices")
    y = ints(30)
    cut = matrix.public.encrypt(y)[10:20]
    assert matrix.decrypt(travelled(cut)).tolist() == y[10:20].tolist()
    assert matrix.decrypt(travelled(cut[:5] + matrix.public.encrypt(y)[15:20])).tolist() == (y[10:15] + y[15:20]).tolist()
    with pytest.raises(UsageError, match="cannot be sliced; multiply it by a vector of ones and zeros"):
        bfv_key("entries").public.encrypt(y)[:5]


@pytest.mark.parametrize("length", [1, 7, 5000])
def test_the_sum_of_entries(length):
    key = he.bfv.generate(bound=10, step=0.5, terms=5001)
    x = ints(length, 20) / 2
    assert key.decrypt(travelled(key.public.encrypt(x).sum())).tolist() == [x.sum()]


@pytest.mark.parametrize("rows, columns", [(1, 1), (5, 3), (256, 64), (300, 17), (9000, 2)])
def test_products_with_a_matrix(rows, columns):
    weights = Factor.declare(RNG.uniform(-2, 2, (rows, columns)), bound=2, step=2**-8)
    key = he.bfv.generate(bound=50, step=2**-4, terms=3 * weights.limit * rows, use="matrices")
    x, y = ints(rows, 800) / 16, ints(rows, 800) / 16
    both = (key.public.encrypt(x) + travelled(key.encrypt(y))) @ weights
    assert key.decrypt(travelled(both)).tolist() == ((x + y) @ (weights.steps / 256)).tolist()
    assert (
        key.decrypt(travelled(both) + travelled(key.public.encrypt(x) @ weights)).tolist() == ((2 * x + y) @ (weights.steps / 256)).tolist()
    )


def test_products_of_what_is_not_whole_leave_one_number_in_a_ciphertext():
    key = he.bfv.generate(bound=10, step=1, terms=10_000, use="matrices")
    x, a, b = ints(40, 10), ints((20, 6), 3), ints((6, 2), 3)
    part = key.public.encrypt(x)[10:30]
    product = part @ a
    assert product.places == Places(key.public.parameters.degree, 6, key.public.parameters.degree)
    assert key.decrypt(travelled(product)).tolist() == (x[10:30] @ a).tolist()
    whole = key.public.encrypt(x[:20]) @ a
    assert key.decrypt(whole @ b).tolist() == (x[:20] @ a @ b).tolist()
    assert key.decrypt(whole.sum()).tolist() == [(x[:20] @ a).sum()]
    assert key.decrypt(whole[2:5]).tolist() == (x[:20] @ a)[2:5].tolist()
    with pytest.raises(UsageError, match="no margin"):
        (travelled(product) @ b).to_bytes()  # drowned already: no room for the same once more


@pytest.mark.parametrize("length", [3, 9000])
def test_products_entry_by_entry(length):
    key = he.bfv.generate(bound=30, step=1, terms=1000, use="entries")
    x, factors = ints(length, 30), ints(length, 40)
    product = travelled((key.public.encrypt(x) + key.encrypt(x)) * factors)
    assert key.decrypt(product - np.full(length, 9)).tolist() == (2 * x * factors - 9).tolist()
    assert key.decrypt(travelled(key.public.encrypt(x) * -5)).tolist() == (-5 * x).tolist()
    assert not key.decrypt(key.public.encrypt(x) * np.zeros(length, int)).any()
    with pytest.raises(UsageError, match="no margin"):
        ((key.public.encrypt(x) * factors).blind() * np.ones(length, int)).to_bytes()
    with pytest.raises(UsageError, match="for entries cannot be summed up"):
        key.public.encrypt(x[:3]).sum()


@pytest.mark.parametrize("use, act, says", [
    ("sums", lambda box: box @ np.ones((3, 1), int), 'for sums cannot be multiplied by a matrix: generate a key with use="matrices"'),
    ("entries", lambda box: box @ np.ones((3, 1), int), 'use="matrices"'),
    ("sums", lambda box: box * np.ones(3, int), 'use="entries"'), ("matrices", lambda box: box * np.ones(3, int), 'use="entries"'),
])  # fmt: skip
def test_what_a_key_is_not_for_names_the_key_that_is(use, act, says):
    with pytest.raises(UsageError, match=says):
        act(bfv_key(use).public.encrypt([1, 2, 3]))


# --- the margin


@settings(max_examples=60)
@given(st.integers(1, 2**56), st.integers(1, 2**40), st.sampled_from(USES))
def test_what_is_chosen_is_secure_and_leaves_the_margin_in_the_worst_case(limit, terms, use):
    try:
        found = choose(limit, terms, use)
    except UsageError:
        assert (2 * limit * terms).bit_length() > WIDEST or use != "sums"
        return
    modulus = math.prod(found.primes)
    assert modulus.bit_length() + found.special.bit_length() <= MOST_BITS[found.degree]
    assert 2 * limit * terms < found.plain < 2**WIDEST
    assert math.gcd(found.plain, modulus) == 1
    assert all(prime % (2 * found.degree) == 1 for prime in (*found.primes, found.special))
    assert found.room * found.plain * 2 ** (MARGIN + 1) <= modulus
    assert terms * found.fresh + found.fresh <= found.room
    error = ERROR * (2 * found.degree + 1) / found.special + (found.degree + 1) / 2 + 1 + 1 / 2
    assert max(error, ERROR + 1) <= found.fresh <= error + 3


def test_parameters_stay_what_they_are():
    """A key's bytes name what is declared, not the parameters: if these changed, keys that are kept could not be read."""
    found = {declared: (p.degree, p.primes, p.plain) for declared in [(1, 16, "sums"), (2**35, 10, "sums"), (2**20, 2**20, "matrices"), (2**10, 16, "entries")]
             for p in [choose(*declared)]}  # fmt: skip
    assert found == {
        (1, 16, "sums"): (2048, (268369921,), 33),
        (2**35, 10, "sums"): (4096, (1152921504606830593,), 687194767361),
        (2**20, 2**20, "matrices"): (8192, (17592186028033, 17592185438209, 17592184717313), 2199023255553),
        (2**10, 16, "entries"): (8192, (72057594037616641, 4503599627124737), 65537),
    }


@pytest.mark.parametrize("declared, says", [
    ({"use": "everything"}, "use is one of"), ({"bound": 2.0**50}, "there is room for 60"), ({"terms": 0}, "terms must be in"), ({"bound": np.nan}, "finite"),
    ({"bound": 2**59 - 1, "use": "entries", "terms": 1}, "no secure parameters have room"),
])  # fmt: skip
def test_what_fits_no_secure_parameters_is_refused(declared, says):
    with pytest.raises(UsageError, match=says):
        he.bfv.generate(**{"bound": 1.0, "step": 1, "terms": 10**5, **declared})


@pytest.mark.parametrize(
    "values, says",
    [(7, "got a single number"), ([[1, 2], [3, 4]], r"got an array of shape \(2, 2\)"), ([], "1..2.31 - 1 numbers, got 0")],
)
def test_what_is_no_vector_is_refused_by_its_shape(values, says):
    for encrypt in (bfv_key().encrypt, bfv_key().public.encrypt):
        with pytest.raises(UsageError, match=says):
            encrypt(values)


@pytest.mark.parametrize("bound, terms", [(1, 16), (2**20, 16), (2**35, 10), (2**34, 32), (2**49, 64)])
@pytest.mark.parametrize("owner", [False, True])
def test_sums_keep_what_is_promised(bound, terms, owner):
    key = bfv_key("sums", bound, 1, terms)
    encrypt = key.encrypt if owner else key.public.encrypt
    box = encrypt(full(key, RNG))
    scaled = box * terms  # the worst of sums: noise that is all alike
    total = sum(encrypt(full(key, RNG)) for _ in range(terms))
    for made in (box, scaled, total, scaled.blind(), travelled(total)):
        assert MARGIN <= promised(key, made.noise) <= measured(key, made.polynomials()) + 1
        assert measured(key, made.polynomials()) >= MARGIN
    if not owner and bound == 2**35:
        assert measured(key, box.polynomials()) - promised(key, box.noise) < 7  # the bound is of some use


@pytest.mark.parametrize("rows", [1, 256])
def test_products_with_a_matrix_keep_what_is_promised(rows):
    key = bfv_key("matrices", 2**20, 1, 2**15 * rows)
    x = RNG.integers(-(2**20), 2**20, rows)
    box = key.public.encrypt(x)
    matrix = np.where(RNG.random((rows, 64)) < 0.5, -(2**15), 2**15)
    product, places = box @ matrix, box.places.product(64)
    factors = box.places.factors(matrix, places)
    plains = np.where(factors < 0, factors + key.public.parameters.plain, factors).astype(np.uint64)
    made = arrays.multiply(key.public.parameters, box.polynomials(), plains).words()
    assert MARGIN <= promised(key, product.noise) <= measured(key, made) + 1
    assert MARGIN <= promised(key, product.blind().noise) <= promised(key, product.noise) - 40
    assert key.decrypt(travelled(product)).tolist() == (x @ matrix).tolist()


def test_products_entry_by_entry_keep_what_is_promised():
    key = bfv_key("entries", 2**20, 1, 2**10)
    box = key.public.encrypt(full(key, RNG)) * RNG.integers(-(2**10), 2**10, key.public.parameters.degree, endpoint=True)
    for made in (box, box.blind()):
        assert MARGIN <= promised(key, made.noise) <= measured(key, made.polynomials()) + 1


def test_blinding_again_and_again_is_counted():
    key = bfv_key("sums", 1, 1, 4)
    box = key.public.encrypt(full(key))
    with pytest.raises(UsageError, match="blind less often"):
        for _ in range(200):
            box = travelled(-box)
    assert box.noise <= key.public.parameters.room
    assert np.abs(key.decrypt(box)).tolist() == full(key).tolist()


def test_a_seal_that_drops_a_prime_is_not_used():
    """SEAL drops the last prime for data if the others have room, and not otherwise; then nothing is left for noise."""
    with pytest.raises(Unavailable, match="does not take these parameters"):
        Room(4096, [18014398509404161], 18014398509309953, plain=2**55)


# --- what shows


def test_sizes():
    x = RNG.uniform(-1e4, 1e4, 4096 * 4)
    for step, terms, public, seeded in [(2**-22, 10, 15.1, 7.6), (2**-21, 16, 16.1, 8.1), (2**-36, 16, 22, 11.1)]:
        key = he.bfv.generate(bound=1e4, step=step, terms=terms)
        assert len(key.public.encrypt(x).to_bytes()) / len(x) < public
        assert len(key.encrypt(x).to_bytes()) / len(x) < seeded
    assert len(key.encrypt([1.0, 2.0]).to_bytes()) == HEAD + 19 + 64  # what nobody needs is not sent


def test_only_what_is_declared_shows():
    key = bfv_key()
    for encrypt in (key.encrypt, key.public.encrypt):
        a, b = (encrypt(x).to_bytes() for x in (np.zeros(3000), full(key, RNG)[:1500].repeat(2)))
        assert (a[:HEAD], len(a)) == (b[:HEAD], len(b))
        assert a[HEAD:] != encrypt(np.zeros(3000)).to_bytes()[HEAD:]


NUMBERS = [np.resize(some, 40) for some in (0, 1, 100, [100, 0, -100, 0, 0, 1])]
FACTORS = [np.resize(some, (40, 50)) for some in (0, 1, 7, [0, 0, 0, -7, 1])]


def declared(steps):
    return Factor.declare(steps, bound=7, step=1)


@pytest.mark.parametrize("use, act", [
    ("sums", lambda a, x, k: a + a), ("sums", lambda a, x, k: a - x), ("sums", lambda a, x, k: (a * declared(k[0, 0]) + a)[3:]), ("sums", lambda a, x, k: (a * declared(k[0, 0])).sum()),
    ("matrices", lambda a, x, k: a @ declared(k)), ("matrices", lambda a, x, k: a[:7] @ declared(k[:7, :3]) + a[7:14] @ declared(k[7:14, :3])),
    ("matrices", lambda a, x, k: a[:1] @ declared(k[:1, :3])), ("matrices", lambda a, x, k: (a * declared(k[0, 0]) - x) @ declared(k)),
    ("matrices", lambda a, x, k: (a @ declared(k) @ declared(k[:1].T)).sum()),
    ("entries", lambda a, x, k: a * declared(k[:, 0])), ("entries", lambda a, x, k: (a * declared(k[0, 0]) - x) * declared(k[:, 0])),
])  # fmt: skip
def test_no_header_and_no_size_tells_what_numbers_and_factors_were(use, act):
    """All zero, one, at the bound, mixed: every combination leaves the same bytes before the first coefficient, and as many after it."""
    key = bfv_key(use, terms=10**6)
    boxes = [act(encrypt(x), x, k) for encrypt in (key.encrypt, key.public.encrypt) for x in NUMBERS for k in FACTORS]
    seen = {(raw[:HEAD], len(raw)) for raw in (box.to_bytes() for box in boxes)}
    assert len(seen) == 1
    assert len({(box.noise, box.bare) for box in boxes}) == 1


def test_no_header_tells_what_vanished():
    """Nor whether a difference was one of equals, or what was added was encrypted, or how many blindings more there is room for."""
    key, x = bfv_key(), ints(10)
    a, b = key.public.encrypt(x), key.public.encrypt(x)
    assert len({box.to_bytes()[:HEAD] for box in (a - a, a - b, b - x, a + x, a + b, a + a)}) == 1
    boxes = [a * declared(0), a * declared(7)]
    with pytest.raises(UsageError, match="blind less often"):
        while boxes[0].noise == boxes[1].noise:
            boxes = [travelled(-box) for box in boxes]
    with pytest.raises(UsageError, match="blind less often"):
        travelled(-boxes[1])


def test_what_an_operator_made_leaves_blinded():
    key = bfv_key()
    box = key.public.encrypt(ints(10))
    for made in (box + box, -box, box * 2, box[2:5], box.sum(), box - np.ones(10, int)):
        assert not made.blinded
        first, second = made.to_bytes(), made.to_bytes()
        assert first[HEAD:] != second[HEAD:]
        read = he.load(first, key.public)
        assert read.blinded
        assert (read.masks != made.expanded()).any()
    assert box.blind() is box
    assert box.to_bytes() == box.to_bytes() == travelled(box).to_bytes()


def test_the_noise_of_a_private_product_is_drowned():
    """The key's owner knows the noise of what it encrypted; without 2^40 times as much it could divide, and read the matrix."""
    key = he.bfv.generate(bound=1, step=1, terms=64, use="matrices")
    parameters, small, large = key.public.parameters, np.full((1, 1), 1), np.full((1, 1), 64)
    for matrix in (small, large):
        box = key.public.encrypt([1]) @ Factor.declare(matrix, bound=64, step=1)
        assert box.bare == box.noise
        flood = box.blind().noise - box.noise
        assert flood >= 2**40 * box.noise
        seen = [int(v) for v in (box.blind().kept[0] - box.kept[0]) % np.uint64(parameters.primes[0])]
        assert min(seen[0], parameters.primes[0] - seen[0]) > 2**30  # small with probability 2^-30 or so
    assert (key.public.encrypt([1]) + key.public.encrypt([1])).bare == 0


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_results_do_not_depend_on_the_executor(pool):
    key, x = bfv_key(), ints(2048 * 20)
    with pool(2) as executor:
        boxes = [key.encrypt(x, executor=executor), key.public.encrypt(x, executor=executor)]
        total = (boxes[0] + boxes[1]).reblind(executor=executor)
        assert key.decrypt(total, executor=executor).tolist() == (2 * x).tolist()


def test_keys_and_vectors_print_no_secret_and_are_not_pickled():
    key = bfv_key()
    box = key.public.encrypt([1, 2])
    assert repr(key) == f"<private part of <BFV key {key.public.id[:4].hex()} for sums: bound 100, step 1, 16 terms>>"
    assert "BFV vector under key" in repr(box)
    for secret in (key, box):
        with pytest.raises(UsageError, match="not pickled"):
            pickle.dumps(secret)


def test_only_the_key_opens():
    key, other = bfv_key(), he.bfv.generate(bound=100, step=1, terms=16)
    box = key.public.encrypt([1, 2])
    with pytest.raises(UsageError, match="another key"):
        other.decrypt(box)
    with pytest.raises(UsageError, match="expected an encrypted vector, got list"):
        key.decrypt([1, 2])
    with pytest.raises(UsageError, match="expected Executor, got int, such as"):
        key.decrypt(box, executor=2)
    with pytest.raises(UsageError, match="expected bytes, got str"):
        he.bfv.BfvPrivateKey.import_private("key")
    with pytest.raises(UsageError, match="different keys"):
        box + other.public.encrypt([1, 2])
    forged = he.bfv.BfvVector(box.layout, 1, True, other.public, box.places, box.noise, 0, box.kept, box.masks)
    with pytest.raises(DecodeError, match="outside its declared range"):
        for _ in range(20):
            other.decrypt(forged)


# --- where there is no memory to be named


def test_without_files_in_memory_a_private_one_is_used_and_removed(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("mpc.he.seal.DESCRIPTORS", "/nowhere")
    key = bfv_key()
    assert key.decrypt(key.encrypt([4, 5]) + key.public.encrypt([1, 1])).tolist() == [5, 6]
    with file() as store:
        assert os.stat(store.path).st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_whatever_seal_compresses_with_is_read():
    import zlib

    assert unpacked(bytes(16) + b"abc", 3) == b"abc"
    assert unpacked(bytes(5) + b"\x01" + bytes(10) + zlib.compress(b"abc"), 3) == b"abc"
