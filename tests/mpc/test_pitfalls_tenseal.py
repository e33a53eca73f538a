"""What has gone wrong silently with TenSEAL, case by case: TenSEAL's own wrong answer, and the error here."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tenseal as ts
from tenseal import sealapi

from governance.errors import DecodeError, Unavailable, UsageError
from mpc import he
from mpc.he.bfv.parameters import choose, ntt_primes
from mpc.he.seal import Room
from tests.mpc.bfv_keys import bfv_key

PLAIN = ntt_primes(4096, (40,))[0]


@pytest.fixture(scope="module")
def bfv():
    return ts.context(ts.SCHEME_TYPE.BFV, 4096, plain_modulus=PLAIN, coeff_mod_bit_sizes=[60, 49], n_threads=1)


def ckks(bits, scale, degree=4096):
    context = ts.context(ts.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=bits, n_threads=1)
    context.global_scale = scale
    return context


def test_a_sum_does_not_wrap_around(bfv):
    most = PLAIN // 2 - 5
    box = ts.bfv_vector(bfv, [most])
    assert (box + box).decrypt() == [2 * most - PLAIN]  # and no warning
    key = he.bfv.generate(bound=most, step=1, terms=1)
    ours = key.public.encrypt([most])
    assert key.decrypt(ours).tolist() == [most]
    with pytest.raises(UsageError, match="2 terms would be added, 1 were declared"):
        ours + ours


def test_a_number_above_the_plain_modulus_is_refused(bfv):
    assert ts.bfv_vector(bfv, [3 * PLAIN + 7]).decrypt() == [7]
    with pytest.raises(UsageError, match="out of the declared bound"):
        he.bfv.generate(bound=PLAIN // 2, step=1, terms=1).public.encrypt([3 * PLAIN + 7])
    with pytest.raises(UsageError, match="there is room for 60: take a larger step or fewer terms"):
        he.bfv.generate(bound=2**60, step=1, terms=1)


def test_a_ckks_sum_does_not_run_over():
    box = ts.ckks_vector(ckks([60, 49], 2**40), [2e5])
    assert (box + box + box + box).decrypt()[0] < 0  # -248,576 or so
    key = he.ckks.generate(bound=2e5, error=1.0, terms=4)
    ours = key.public.encrypt([2e5])
    assert abs(key.decrypt(ours + ours + ours + ours).for_computation()[0] - 8e5) <= 1
    with pytest.raises(UsageError, match="5 terms would be added, 4 were declared"):
        ours + ours + ours + ours + ours
    with pytest.raises(UsageError, match="cannot keep this error"):
        he.ckks.generate(bound=2e5, error=1e-9, terms=4)


def test_a_prime_is_not_dropped_behind_ones_back():
    """SEAL keeps the last prime from data if the others have room for the plain modulus, and none for noise."""
    primes = ntt_primes(4096, (54, 54))
    asked = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV)
    asked.set_poly_modulus_degree(4096)
    asked.set_coeff_modulus([sealapi.Modulus(prime) for prime in primes])
    asked.set_plain_modulus(2**50)
    context = sealapi.SEALContext(asked, True, sealapi.SEC_LEVEL_TYPE.TC128)
    generator, public, box = sealapi.KeyGenerator(context), sealapi.PublicKey(), sealapi.Ciphertext()
    generator.create_public_key(public)
    sealapi.Encryptor(context, public).encrypt(sealapi.Plaintext("1"), box)
    assert sealapi.Decryptor(context, generator.secret_key()).invariant_noise_budget(box) == 0
    with pytest.raises(Unavailable, match="does not take these parameters as they are"):
        Room(4096, primes[:1], primes[1], plain=2**55)
    found = choose(2**48, 2, "sums")  # the same plain modulus
    assert found.plain > 2**49
    assert found.room >= 3 * found.fresh


def test_a_matrix_product_is_right_or_refused():
    context = ckks([40, 29, 40], 2**29)
    context.generate_galois_keys()
    rng = np.random.default_rng(0)
    x, weights = rng.uniform(-1e4, 1e4, 256), rng.normal(size=(256, 8))
    wrong = np.array(ts.ckks_vector(context, x.tolist()).mm(weights.tolist()).decrypt())
    assert np.abs(wrong - x @ weights).max() > np.abs(x @ weights).max() / 2
    factor = he.Factor.declare(weights, bound=6, step=2**-16)
    key = he.bfv.generate(bound=1e4, step=2**-16, terms=factor.limit * 256, use="matrices")
    exact = (np.rint(x * 2**16).astype(np.int64) @ factor.steps) / 2**32
    assert key.decrypt(key.public.encrypt(x) @ factor).tolist() == exact.tolist()
    small = he.bfv.generate(bound=1e4, step=2**-16, terms=256, use="matrices")
    with pytest.raises(UsageError, match="were declared"):
        small.public.encrypt(x) @ factor


@pytest.mark.parametrize("raw", [b"", b"garbage", bytes(1000)])
def test_malformed_bytes_are_a_decode_error(bfv, raw):
    assert ts.bfv_vector_from(bfv, b"").decrypt() == []  # no bytes are a vector of nothing
    with pytest.raises(DecodeError):
        he.load(raw, bfv_key().public)


def test_a_ciphertext_of_another_key_is_refused(bfv):
    other = ts.context(ts.SCHEME_TYPE.BFV, 4096, plain_modulus=PLAIN, coeff_mod_bit_sizes=[60, 49], n_threads=1)
    assert ts.bfv_vector_from(other, ts.bfv_vector(bfv, [5]).serialize()).decrypt() != [5]  # numbers, but which?
    key = he.bfv.generate(bound=100, step=1, terms=16)
    with pytest.raises(DecodeError, match="encrypted under another key"):
        he.load(bfv_key().public.encrypt([5]).to_bytes(), key.public)


def test_noise_is_never_shown():
    """What is left of a ciphertext's noise depends on the key: a decryptor that tells it to senders gives the key away."""
    for thing in (he.bfv.BfvPrivateKey, he.bfv.BfvPublicKey, he.bfv.BfvVector):
        for name, member in inspect.getmembers(thing, inspect.isfunction):
            assert "invariant_noise_budget" not in member.__code__.co_names, name
