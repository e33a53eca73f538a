"""Hostile keys and ciphertexts: one case for each refusal."""

from __future__ import annotations

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.paillier import PaillierPrivateKey, PaillierPublicKey
from tests.mpc.paillier_keys import box_of, test_key

SAFE, FAST = test_key(), test_key("fast_short_exponent")
N = SAFE.public.n
LONG_PRIME = gmpy2.next_prime(mpz(1) << 2050)


def public_bytes(n, *, profile=0, width=256, h=None, magic=b"kyP1") -> bytes:
    numbers = n.to_bytes(width, "little") + (b"" if h is None else h.to_bytes(width, "little"))
    return magic + bytes([profile]) + width.to_bytes(2, "little") + numbers


@pytest.mark.parametrize("raw, says", [
    (b"", "not a public"), (public_bytes(N)[:-1], "not a public"), (public_bytes(N) + b"\0", "not a public"), (public_bytes(N, magic=b"kyP2"), "not a public"),
    (public_bytes(N, profile=2), "not a public"), (public_bytes(N, profile=1), "not a public"), (public_bytes(N >> 1024, width=128), "not a public"),
    (public_bytes(N, width=2049), "not a public"), (public_bytes(N, width=257), "not of its declared size"), (public_bytes(N >> 1), "2048 to 16384 bits, got 2047"),
    (public_bytes(N - 1), "no product of two large primes"), (public_bytes(LONG_PRIME, width=257), "no product"), (public_bytes(SAFE.p * SAFE.p), "no product"),
    (public_bytes(mpz(9973) * gmpy2.next_prime(mpz(3) << 2033), width=256), "no product"),
    (public_bytes(N, profile=1, h=mpz(0)), "h is out of range"), (public_bytes(N, profile=1, h=mpz(1)), "h is out of range"), (public_bytes(N, profile=1, h=N - 1), "h is out of range"),
    (public_bytes(N, profile=1, h=N + 2), "h is out of range"), (public_bytes(N, profile=1, h=SAFE.p * 3), "h is out of range"), (public_bytes(N, profile=1, h=SAFE.p * 3 + 1), "h is out of range"),
    (public_bytes(N, profile=1, h=SAFE.q * 3 - 1), "h is out of range"),
])  # fmt: skip
def test_public_keys_from_outside(raw, says):
    with pytest.raises(DecodeError, match=says):
        PaillierPublicKey.from_bytes(raw)


@pytest.mark.parametrize(
    "fields, says",
    [((N, "quick"), "profile must be"), ((N, "safe", 5), "a base h belongs"), ((N, "fast_short_exponent"), "a base h belongs")],
)
def test_public_keys_that_cannot_be(fields, says):
    with pytest.raises(UsageError, match=says):
        PaillierPublicKey(*fields)


def test_nobody_can_plant_a_base_under_the_safe_profile():
    assert PaillierPublicKey(N).h == PaillierPublicKey.from_bytes(SAFE.public.to_bytes()).h
    assert len(SAFE.public.to_bytes()) == 7 + 256
    assert PaillierPublicKey(FAST.public.n).id != FAST.public.id


@pytest.mark.parametrize("change, says", [
    (lambda raw: b"", "not a private"), (lambda raw: raw[:-1], "not a private"), (lambda raw: b"kyP1" + raw[4:], "not a private"), (lambda raw: raw[:4] + b"\2" + raw[5:], "not a private"),
    (lambda raw: raw[:5] + b"\xff\xff" + bytes(131070), "not a private"), (lambda raw: raw[:7] + raw[7 + 128 :] + raw[7 + 128 :], "no product"),
    (lambda raw: raw[:7] + bytes([raw[7] ^ 2]) + raw[8:], "no product|not the two primes"),
])  # fmt: skip
def test_private_keys_from_outside(change, says):
    with pytest.raises(DecodeError, match=says):
        PaillierPrivateKey.import_private(change(SAFE.export_private()))


PAIR = 4 * SAFE.p  # q = 1 modulo p, so that n and (p - 1)(q - 1) have a common factor
while not gmpy2.is_prime(PAIR + 1):
    PAIR += 2 * SAFE.p


@pytest.mark.parametrize("make, says", [
    (lambda: PaillierPrivateKey(SAFE.public, SAFE.p, SAFE.q + 2), "not the two primes"), (lambda: PaillierPrivateKey(SAFE.public, N, 1), "not the two primes"),
    (lambda: PaillierPrivateKey(SAFE.public, FAST.p, FAST.q), "not the two primes"),
    (lambda: PaillierPrivateKey(PaillierPublicKey(SAFE.p * (PAIR + 1)), SAFE.p, PAIR + 1), "divides"),
    (lambda: PaillierPrivateKey(SAFE.public, SAFE.p, SAFE.q, (3, 5)), "hidden primes belong"), (lambda: PaillierPrivateKey(FAST.public, FAST.p, FAST.q), "hidden primes belong"),
    (lambda: PaillierPrivateKey(FAST.public, FAST.p, FAST.q, FAST.hidden[::-1]), "not the hidden primes"),
    (lambda: PaillierPrivateKey(FAST.public, FAST.p, FAST.q, (FAST.hidden[0], (FAST.q - 1) // 2)), "not the hidden primes"),
    (lambda: PaillierPrivateKey(PaillierPublicKey(FAST.public.n, "fast_short_exponent", 2), FAST.p, FAST.q, FAST.hidden), "not the hidden primes"),
])  # fmt: skip
def test_private_keys_that_do_not_fit(make, says):
    with pytest.raises(UsageError, match=says):
        make()


@pytest.mark.parametrize("bits", [1024, 2047, 2050, 16400])
def test_sizes_that_are_refused(bits):
    with pytest.raises(UsageError, match="2048 to 16384 bits"):
        he.paillier.generate(bits)


def test_an_unknown_profile_is_refused():
    with pytest.raises(UsageError, match="profile must be one of safe, fast_short_exponent"):
        he.paillier.generate(2048, profile="fast")


def test_only_what_is_under_the_key_is_opened():
    approximate = he.ckks.generate(bound=1, error=0.01, terms=1).public.encrypt([1.0])
    for box, says in [
        (box_of([1.0], key=FAST), "under another key: <Paillier vector.*, and this is the private part of <Paillier key"), (approximate, "under another key: <CKKS"),
        ("box", "expected an encrypted vector, got str"), (0, "got int$"), (box_of([1.0]).to_bytes(), r"got bytes: he\.load\(raw, key\.public\) reads them"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=says):
            SAFE.decrypt(box)


# --- ciphertexts that no honest party makes


def crafted(m, *, packed=True, weight=1, length=3, key=SAFE):
    n = key.public.n
    box = box_of(np.zeros(length), key=key, packed=packed)
    sealed = [(1 + m * n) * gmpy2.powmod(7, n, n * n) % (n * n), *box.ciphertexts[1:]]
    return key.public.foreign(sealed, box.layout, weight=weight, packed=packed)


@pytest.mark.parametrize("key", [SAFE, FAST], ids=["safe", "fast"])
@pytest.mark.parametrize("packed, m", [
    (True, (int(1e4 * 2**16) + 1) << 35), (True, -(int(1e4 * 2**16) + 1)), (True, 1 << 105), (True, int(N) // 3), (True, -int(N) // 3),
    (False, int(1e4 * 2**16) + 1), (False, -int(1e4 * 2**16) - 1), (False, int(N) // 3), (False, 1 << 63),
])  # fmt: skip
def test_a_total_outside_its_declared_range_is_not_returned(key, packed, m):
    with pytest.raises(DecodeError, match=r"outside its declared range|after the last number"):
        key.decrypt(crafted(m, packed=packed, key=key))


def test_the_range_grows_with_the_terms_alone():
    m = int(1e4 * 2**16) + 1
    assert SAFE.decrypt(crafted(m, packed=False, weight=2))[0] == m * 2**-16


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=3))
def test_foreign_ciphertexts_are_checked(values):
    layout = he.Layout(5, 1.0, 2, len(values))
    assert SAFE.public.foreign([mpz(v) for v in values], layout, weight=1, packed=False).blinded is False
    for bad, says in ((mpz(0), "out of range"), (SAFE.public.square, "out of range"), (SAFE.q * 2, "no unit")):
        with pytest.raises(DecodeError, match=says):
            SAFE.public.foreign([*map(mpz, values[1:]), bad], layout, weight=1, packed=False)


def test_foreign_vectors_fit_their_layout():
    layout = he.Layout(5, 1.0, 2, 3)
    for count, weight in ((2, 1), (3, 0), (3, 3)):
        with pytest.raises(UsageError, match="does not fit the layout"):
            SAFE.public.foreign([mpz(5)] * count, layout, weight=weight, packed=False)
