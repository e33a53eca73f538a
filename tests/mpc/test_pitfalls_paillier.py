"""What has gone wrong with additive encryption elsewhere, case by case: here it raises, or cannot be written."""

from __future__ import annotations

import pickle

import numpy as np
import phe as peer
import pytest
from gmpy2 import mpz, powmod

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.paillier import phe
from tests.mpc.paillier_keys import box_of, test_key

KEY = test_key()


def test_floats_are_not_truncated():
    """HEU's default encoder encrypts [0.78, 1.1] as [0, 1]."""
    assert np.abs(KEY.decrypt(box_of([0.78, 1.1])) - [0.78, 1.1]).max() <= 2**-17
    with pytest.raises(UsageError, match="whole numbers, or a Factor"):
        box_of([0.78, 1.1]) * 0.5


def test_a_sum_does_not_wrap_around():
    """BFV and batch encoders wrap silently once too many are added."""
    a = box_of([1e4, -1e4], terms=2)
    assert KEY.decrypt(a + a).tolist() == [2e4, -2e4]
    with pytest.raises(UsageError, match="3 terms would be added, 2 were declared"):
        a + a + a


def test_a_difference_of_packed_numbers_is_exact():
    """HEU's batch encoder is off by one unit after a subtraction."""
    a, b = np.array([-1.5, 2.5, 3.25, -4.75]), np.array([-3.0, 5.0, 6.5, -9.5])
    assert KEY.decrypt(box_of(a) - box_of(b)).tolist() == (a - b).tolist()


def test_numpy_scalars_are_numbers():
    """phe refuses np.int64 and np.float32 with a TypeError, or overflows."""
    assert KEY.decrypt(box_of(np.array([7], np.int64))).tolist() == [7.0]
    assert KEY.decrypt(box_of([np.float32(7.5)]) * np.int64(-2)).tolist() == [-15.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(value):
    with pytest.raises(UsageError, match=r"entry \[1\] is NaN or infinite"):
        box_of([1.0, value])


def test_values_out_of_range_are_refused():
    """HEU's float encoder turns 1e13 into something else."""
    with pytest.raises(UsageError, match="out of the declared bound, 10000"):
        box_of([1e13])


def test_exponents_do_not_show_magnitudes():
    """phe: 0.001 has the exponent -16, 9999.5 has -10, in clear."""
    values = [0.001, 0.5, 37.2, 9999.5]
    public = phe.public_to(KEY.public)
    assert len({public.encrypt(v).exponent for v in values}) > 1
    assert len({number.exponent for number in phe.numbers_to(box_of(values, packed=False))}) == 1
    with pytest.raises(DecodeError, match="show how large each is"):
        phe.numbers_from([public.encrypt(v) for v in values], bound=1e4, step=16.0**-16, terms=1)


@pytest.mark.parametrize("packed", [True, False])
def test_a_scalar_is_not_found_in_a_product(packed):
    """phe pickles an un-obfuscated product: c^7 next to c gives the 7 away."""
    box = box_of([5.0], packed=packed)
    (c,) = box.ciphertexts
    (shown,) = he.load((box * 7).to_bytes(), KEY.public).ciphertexts
    assert powmod(c, 7, KEY.public.square) == (box * 7).ciphertexts[0]
    assert shown not in {powmod(c, k, KEY.public.square) for k in range(1, 17)}


def test_a_sum_is_not_the_product_of_what_was_sent():
    a, b = box_of([1.0]), box_of([2.0])
    (shown,) = he.load((a + b).to_bytes(), KEY.public).ciphertexts
    assert shown != a.ciphertexts[0] * b.ciphertexts[0] % KEY.public.square


def test_nothing_is_pickled():
    for secret in (KEY, box_of([1.0]), KEY.public.pool(1)):
        with pytest.raises(UsageError):
            pickle.dumps(secret)


def test_keys_under_2048_bits_are_refused():
    for make in (lambda: he.paillier.generate(1024), lambda: phe.public_from(peer.generate_paillier_keypair(n_length=1024)[0])):
        with pytest.raises(UsageError, match="2048 to 16384 bits"):
            make()


def test_two_keys_are_not_mixed():
    with pytest.raises(UsageError, match="different keys"):
        box_of([1.0]) + box_of([1.0], key=test_key("fast_short_exponent"))


def test_two_fixed_points_are_not_mixed():
    with pytest.raises(UsageError, match="different layouts"):
        box_of([1.0]) + box_of([1.0], step=2**-20)


def test_a_ciphertext_from_elsewhere_is_not_read_as_a_number():
    """A ciphertext of another packing decrypts to something: outside the declared range it is refused."""
    box = box_of([1e4] * 3, step=2**-32)
    foreign = KEY.public.foreign(box.ciphertexts, he.Layout(2**20, 2**-10, 16, 3), weight=1, packed=True)
    with pytest.raises(DecodeError):
        KEY.decrypt(foreign)


@pytest.mark.parametrize("c", [0, KEY.public.square, KEY.public.square + 5, KEY.p, KEY.public.n])
def test_malformed_ciphertexts_are_refused(c):
    with pytest.raises(DecodeError, match=r"out of range|no unit"):
        KEY.public.check([mpz(2), mpz(c)])


def test_coins_come_from_the_operating_system():
    """lightphe draws from a Mersenne Twister."""
    np.random.seed(1)
    first = box_of([1.0]).ciphertexts
    np.random.seed(1)
    assert box_of([1.0]).ciphertexts != first
