"""Paillier: keys, blinds, packing and products are what the textbook's slow formulas say."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from math import gcd

import gmpy2
import numpy as np
import pytest
from distributed import Client, LocalCluster
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.paillier import PaillierPrivateKey, PaillierPublicKey, blinding, private
from mpc.he.paillier.slots import Slots
from mpc.he.paillier.units import BLOCK, Comb, comb_tables, matrix_product, raised
from tests.mpc.paillier_keys import VECTORS, box_of, test_key

SAFE, FAST = test_key(), test_key("fast_short_exponent")
KEYS = pytest.mark.parametrize("key", [SAFE, FAST], ids=["safe", "fast"])
KNOWN = json.loads((VECTORS / "known.json").read_text())
SMALL = mpz(1009 * 1013)  # a modulus for properties that do not depend on its size


# --- packing


@given(st.integers(2, 62), st.integers(1, 90), st.data())
def test_packing_is_addition_of_digits_times_powers(width, count, data):
    slots, most = Slots(width, count), 2 ** (width - 1) - 1
    steps = np.array(data.draw(st.lists(st.integers(-most, most), min_size=1, max_size=3 * count)), np.int64)
    numbers = slots.pack(steps)
    assert len(numbers) == slots.numbers(len(steps))
    assert numbers[0] == sum(int(v) << (width * i) for i, v in enumerate(steps[:count]))
    assert slots.unpack(numbers, len(steps)).tolist() == steps.tolist()


@pytest.mark.parametrize("number, says", [(2**40, "outside"), (-(2**40), "outside"), (2**38, "digits after the last")])
def test_numbers_that_no_packing_makes(number, says):
    with pytest.raises(DecodeError, match=says):
        Slots(10, 4).unpack([mpz(number)], 2)


# --- products modulo n²


@given(st.integers(2, 9), st.sampled_from([2, 4, 8]), st.integers(1, 64), st.integers(2, int(SMALL) - 1), st.data())
@settings(max_examples=30)
def test_a_comb_raises_to_the_exponent_that_its_digits_are(teeth, tables, bits, base, data):
    if gcd(base, int(SMALL)) != 1:
        return
    base = gmpy2.powmod(base, 3, SMALL**2)
    comb = Comb.over(bits, teeth=teeth, tables=tables)
    digits = np.array(data.draw(st.lists(st.integers(0, 2**teeth - 1), min_size=comb.digits, max_size=comb.digits))).reshape(
        1, comb.columns, tables
    )
    exponent = sum(
        (int(digits[0, comb.columns - 1 - i, j]) >> t & 1) << (comb.columns * (tables * t + j) + i)
        for t in range(teeth) for j in range(tables) for i in range(comb.columns)
    )  # fmt: skip
    ((r, b),) = raised(comb_tables(base, SMALL, comb), SMALL, digits)
    assert (r < SMALL, b < SMALL) == (True, True)
    assert r + b * SMALL == gmpy2.powmod(base, exponent, SMALL**2)


def slow_product(units, exponents):
    result = mpz(1)
    for unit, k in zip(units, exponents, strict=True):
        result = result * gmpy2.powmod(unit, int(k), SMALL**2) % SMALL**2
    return result


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 62), st.integers(0, 2**32))
@settings(max_examples=60)
def test_a_matrix_product_is_a_product_of_powers(rows, columns, bits, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-(2**bits) + 1, 2**bits, (rows, columns))
    units = [mpz(int(v)) for v in rng.integers(2, int(SMALL) ** 2, 40) if gcd(int(v), int(SMALL)) == 1][:rows]
    expected = [slow_product(units, column) for column in matrix.T]
    assert matrix_product(units, matrix, SMALL) == expected


def test_large_matrices_are_taken_block_by_block():
    rng = np.random.default_rng(1)
    matrix = rng.integers(-9, 10, (BLOCK + 3, 2))
    units = [mpz(int(v)) for v in rng.integers(2, 10**6, 2 * BLOCK) if gcd(int(v), int(SMALL)) == 1][: BLOCK + 3]
    assert matrix_product(units, matrix, SMALL) == [slow_product(units, column) for column in matrix.T]


# --- encrypted arithmetic is exact integer arithmetic


@settings(max_examples=25)
@given(
    key=st.sampled_from([SAFE, FAST]), packed=st.booleans(), limit=st.integers(1, 2**40), terms=st.integers(1, 2**20), seed=st.integers(0, 2**32),
    length=st.integers(1, 90),
)  # fmt: skip
def test_sums_and_multiples_are_exact(*, key, packed, limit, terms, seed, length):
    rng = np.random.default_rng(seed)
    length = length if packed else min(length, 3)
    declared = {"bound": limit, "step": 1, "terms": terms, "packed": packed}
    x, y, z = rng.integers(-limit, limit, (3, length), endpoint=True)
    total, plain, left = key.public.encrypt(x, **declared), x.astype(object), terms - 1
    while left:
        k = int(rng.integers(1, left, endpoint=True))
        if rng.random() < 0.5:
            total, plain = total + key.encrypt(y, **declared) * -k, plain - k * y.astype(object)
        elif k < left // 2:
            total, plain, k = total - z, plain - z.astype(object), 1
        else:
            total, plain = total + key.public.encrypt(z, **declared) * k, plain + k * z.astype(object)
        left -= k
    assert total.weight == terms
    assert [int(v) for v in key.decrypt(total)] == plain.tolist()


def test_products_with_a_matrix_sums_and_slices():
    rng = np.random.default_rng(2)
    x, w = rng.integers(-1000, 1000, 12), rng.integers(-(2**20), 2**20, (12, 3))
    box = box_of(x, bound=1000, step=1, terms=12 * 2**20, packed=False)
    assert SAFE.decrypt(box @ w).tolist() == (x @ w).tolist()
    assert SAFE.decrypt(box * w[:, 0]).tolist() == (x * w[:, 0]).tolist()
    assert SAFE.decrypt(box.sum()).tolist() == [x.sum()]
    assert SAFE.decrypt(box[3:7]).tolist() == x[3:7].tolist()
    assert SAFE.decrypt((box @ np.zeros((12, 1), int)).blind()).tolist() == [0]


def test_products_with_a_declared_matrix():
    rng = np.random.default_rng(3)
    x, w = rng.uniform(-1, 1, 8), rng.normal(size=(8, 2))
    factor = he.Factor.declare(w, bound=8, step=2**-20)
    box = box_of(x, bound=1, step=2**-24, terms=8 * factor.limit, packed=False)
    assert np.abs(SAFE.decrypt(box @ factor) - x @ w).max() < 1e-5
    assert (box @ factor).weight == box.layout.terms  # it does not depend on the weights


def test_packed_vectors_are_cut_between_ciphertexts():
    x = np.arange(100.0)
    box = box_of(x, step=2**-32)
    assert box.public.slots(box.layout).count == 40
    assert SAFE.decrypt(box[40:80]).tolist() == x[40:80].tolist()
    assert SAFE.decrypt(box[40:]).tolist() == x[40:].tolist()
    assert SAFE.decrypt(box[:]).tolist() == x.tolist()


def test_a_value_takes_less_than_13_bytes():
    box = box_of(np.zeros(4000), step=2**-32)
    assert len(box.to_bytes()) / 4000 < 13


def test_totals_too_wide_for_packing_are_refused_with_a_way_out():
    with pytest.raises(UsageError, match="packed=False"):
        box_of([1.0], step=2**-40, terms=2**20)
    assert SAFE.decrypt(box_of([1.25], step=2**-40, terms=2**20, packed=False)).tolist() == [1.25]


# --- blinds


@KEYS
def test_owner_and_public_make_the_same_blinds(key):
    coins = np.random.default_rng(5).bytes(10_000)
    mine, theirs = (maker.pool(3, rand=lambda size: coins[:size]) for maker in (key, key.public))
    assert mine.take(3, key.public.id) == theirs.take(3, key.public.id)


@KEYS
def test_blinds_are_encryptions_of_zero_with_long_exponents(key):
    blinds = [r + b * key.public.n for r, b in key.public.pool(4).take(4, key.public.id)]
    assert len(set(blinds)) == 4
    assert key.open(blinds) == [0] * 4
    comb = Comb.over(key.public.exponent_bits, teeth=10, tables=8)
    assert comb.teeth * comb.digits >= key.public.exponent_bits == (1024 if key is SAFE else 512)


def test_two_encryptions_share_nothing():
    x = np.zeros(400)
    a, b = box_of(x, step=2**-32).ciphertexts, box_of(x, step=2**-32).ciphertexts
    assert len({*a, *b}) == 20
    differing = sum(bin(int(one) ^ int(other)).count("1") for one, other in zip(a, b, strict=True))
    assert (
        abs(differing - 10 * 2048 * 2 / 2) < 6.5 * (10 * 4096 / 4) ** 0.5 + 10 * 4
    )  # 6.5 sigma, and the top bits below n²: under once in 10**9 runs


def test_a_large_batch_takes_a_larger_comb(monkeypatch):
    monkeypatch.setattr(blinding, "SHAPES", ((0, 4, 2), (3, 6, 2)))
    for count in (2, 3):
        assert SAFE.open([r + b * SAFE.public.n for r, b in SAFE.public.pool(count).take(count, SAFE.public.id)]) == [0] * count


def test_a_pool_hands_each_blind_out_once():
    pool = SAFE.pool(5)
    taken = pool.take(2, SAFE.public.id) + pool.take(3, SAFE.public.id)
    assert len(set(taken)) == 5
    assert len(pool) == 0
    with pytest.raises(UsageError, match="the pool holds 0 blinds, 1 are needed"):
        box_of([1.0], pool=pool)


def test_threads_never_get_the_same_blind():
    pool = blinding.Pool(b"id", [(i, i) for i in range(4000)])
    taken: list = []
    threads = [threading.Thread(target=lambda: taken.extend(x for _ in range(500) for x in pool.take(1, b"id"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 4000


def test_a_pool_belongs_to_one_key_and_one_process(monkeypatch):
    pool = SAFE.pool(2)
    assert repr(pool) == f"<pool of 2 blinds for key {SAFE.public.id[:4].hex()}>"
    with pytest.raises(UsageError, match="another key"):
        box_of([1.0], key=FAST, pool=pool)
    for refuse in (pickle.dumps, copy.copy):
        with pytest.raises(UsageError, match=r"neither copied, written nor sent.* make another with key.public.pool\(count\)"):
            refuse(pool)
    monkeypatch.setattr(pool, "_pid", os.getpid() + 1)
    with pytest.raises(UsageError, match="not used after a fork"):
        box_of([1.0], pool=pool)
    monkeypatch.undo()
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            box_of([1.0], pool=pool)
        except UsageError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert b"not used after a fork" in os.read(reading, 1000)
    os.close(reading)
    box = SAFE.encrypt([1.0], bound=1e4, step=2**-16, terms=16, pool=pool)
    assert SAFE.decrypt((box + box).reblind(pool=pool)).tolist() == [2.0]
    assert len(pool) == 0


@pytest.mark.parametrize("call, says", [
    (lambda: SAFE.public.pool(-1), "count must be 0 or more, got -1"), (lambda: SAFE.pool(1.5), "count must be a whole number, got 1.5"),
    (lambda: box_of([1.0], pool=5), r"expected Pool, got int, such as key\.public\.pool\(count\) makes"), (lambda: box_of([1.0]).reblind(pool=[1]), "expected Pool, got list"),
    (lambda: box_of([1.0], executor=2), r"expected Executor, got int, such as concurrent\.futures\.ProcessPoolExecutor\(2\)"),
    (lambda: SAFE.decrypt(box_of([1.0]), executor="processes"), "expected Executor, got str"),
])  # fmt: skip
def test_what_is_no_pool_and_no_executor(call, says):
    with pytest.raises(UsageError, match=says):
        call()


@contextmanager
def cluster(workers):
    """A Dask cluster of processes on this machine, as an executor."""
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as found, Client(found) as client:
        yield client.get_executor()


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor, cluster])
def test_results_do_not_depend_on_the_executor(kind, monkeypatch):
    monkeypatch.setattr(blinding, "CHUNK", 3)
    monkeypatch.setattr(private, "CHUNK", 2)
    x, coins = np.arange(250.0), np.random.default_rng(6).bytes(100_000)
    with kind(2) as executor:
        for key in (SAFE, FAST):
            for maker in (key, key.public):
                pools = [maker.pool(7, executor=e, rand=lambda size: coins[:size]) for e in (executor, None)]
                boxes = [box_of(x, key=key, step=2**-32, pool=pool) for pool in pools]
                assert boxes[0].ciphertexts == boxes[1].ciphertexts
                box = maker.encrypt(x, bound=1e4, step=2**-32, terms=16, executor=executor)
                assert key.decrypt(box, executor=executor).tolist() == key.decrypt(box).tolist() == x.tolist()
                assert key.decrypt((box + box).reblind(executor=executor)).tolist() == (2 * x).tolist()


# --- keys


@pytest.mark.parametrize("profile", ["safe", "fast_short_exponent"])
def test_generated_keys_are_as_they_should_be(profile):
    key = he.paillier.generate(2048, profile=profile)
    p, q = key.p, key.q
    assert key.public.n.bit_length() == 2048
    assert p.bit_length() == q.bit_length() == 1024
    assert (p % 4, q % 4, gmpy2.gcd(p - 1, q - 1)) == (3, 3, 2)
    if key.hidden:
        assert [small.bit_length() for small in key.hidden] == [256, 256]
        for prime, small in zip((p, q), key.hidden, strict=True):
            assert gmpy2.powmod(key.public.h, 2 * small, prime) == 1 != gmpy2.powmod(key.public.h, small, prime)
    assert key.decrypt(key.public.encrypt([1.5, -2], bound=3, step=0.5, terms=2)).tolist() == [1.5, -2.0]


def test_a_key_has_3072_bits_unless_asked():
    key = he.paillier.generate()
    assert (key.public.bits, key.public.profile) == (3072, "safe")
    assert key.public.exponent_bits == 1536
    assert key.decrypt(key.public.encrypt(np.arange(60.0), bound=1e4, step=2**-32, terms=16)).tolist() == list(range(60))


@KEYS
def test_keys_have_a_binary_form(key):
    assert PaillierPublicKey.from_bytes(key.public.to_bytes()) == key.public
    again = PaillierPrivateKey.import_private(key.export_private())
    assert (again.public, again.p, again.q, again.hidden) == (key.public, key.p, key.q, key.hidden)


def test_an_unsuitable_draw_is_drawn_again(monkeypatch):
    draws = iter([(SAFE.p, mpz(1)), (SAFE.p, mpz(1)), (SAFE.p, mpz(1)), (SAFE.q, mpz(1))])
    monkeypatch.setattr(private, "_prime", lambda bits, profile: next(draws))
    assert he.paillier.generate(2048).public == SAFE.public


def test_repr_of_keys_shows_no_secret():
    for key in (SAFE, FAST):
        text = repr(key) + repr(key.public) + str(key)
        assert key.public.id[:4].hex() in text
        assert not any(str(secret)[:20] in text or f"{secret:x}"[:20] in text for secret in (key.p, key.q, *(key.hidden or ())))
    with pytest.raises(UsageError, match="not pickled"):
        pickle.dumps(SAFE)


def test_what_another_implementation_blinded_opens_with_a_fast_key():
    n = FAST.public.n
    foreign = [(1 + m * n) * gmpy2.powmod(3 + i, n, n * n) % (n * n) for i, m in enumerate((5, -7, 0))]
    assert FAST.open(foreign) == [5, -7, 0]
    box = FAST.public.foreign([*foreign], he.Layout(10, 1.0, 4, 3), weight=1, packed=False)
    assert FAST.decrypt(box + FAST.public.encrypt([1, 2, 3], bound=10, step=1, terms=4, packed=False)).tolist() == [6, -5, 3]


# --- known answers


def test_known_answers():
    """The bytes of a vector from fixed coins, by the textbook: (1 + mn) · h^(nr) modulo n², with r as its digits say."""
    coins = bytes(range(256)) * 64
    for key, name in ((SAFE, "safe"), (FAST, "fast")):
        pool = key.public.pool(1, rand=lambda size: coins[:size])
        raw = key.public.encrypt([1.5, -2.25, 1e4], bound=1e4, step=2**-16, terms=16, pool=pool).to_bytes()
        comb, n = Comb.over(key.public.exponent_bits, teeth=10, tables=8), key.public.n
        r = 0
        for at in range(comb.digits):
            digit = int.from_bytes(coins[2 * at : 2 * at + 2], "little") % 1024
            column, table = comb.columns - 1 - at // 8, at % 8
            r += sum((digit >> tooth & 1) << (comb.columns * (8 * tooth + table) + column) for tooth in range(10))
        m = 98304 - (147456 << 35) + (655360000 << 70)
        assert int.from_bytes(raw[74:], "little") == (1 + m * n) * gmpy2.powmod(key.public.h, n * r, n * n) % (n * n)
        assert hashlib.sha256(raw).hexdigest() == KNOWN[name]
