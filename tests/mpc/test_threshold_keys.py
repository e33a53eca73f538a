"""Threshold Paillier itself: primes, powers, keys, shares and the two proofs; phe, which is not ours, decrypts what we encrypt."""

from __future__ import annotations

import functools
import secrets

import gmpy2
import numpy as np
import phe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DecodeError, PeerError, UsageError
from mpc.he.paillier import proofs, safe_primes, threshold
from mpc.he.paillier.safe_primes import safe_prime
from mpc.he.paillier.threshold import PublicKey, combine, consistent, partial, share
from mpc.he.paillier.units import power, product_of_powers
from tests.mpc.secure_sum import coins
from tests.mpc.threshold_sum import primes

MEMBERS, THRESHOLD = 4, 3
P, Q = primes(0)


@functools.cache
def made(dealer: int = 0) -> threshold.Shared:
    return share(*primes(dealer), members=MEMBERS, threshold=THRESHOLD, rand=coins(f"key/{dealer}"))


KEY = made().public


def encrypted(messages: list[int], key: PublicKey = KEY) -> tuple[list[tuple[int, int]], list[int]]:
    known = [(message, key.coin()) for message in messages]
    return known, [int(key.encrypt(*each)) for each in known]


# --- safe primes and powers ----------------------------------------------------------------------


def test_safe_primes_are_safe():
    for bits in (64, 128, 512):
        p = safe_prime(bits)
        assert gmpy2.is_prime(p)
        assert gmpy2.is_prime(p // 2)
        assert p >> bits - 2 == 3


def test_another_window_is_sieved_where_one_holds_none(monkeypatch):
    monkeypatch.setattr(safe_primes, "WINDOW", 64)
    assert gmpy2.is_prime(safe_prime(64) // 2)


def test_the_sieve_leaves_what_has_no_small_factor():
    """Against trial division, and what it strikes out are multiples."""
    start = int.from_bytes(coins("sieve")(32), "big") | 1
    left = {int(p) for _, p in zip(range(8), safe_primes._candidates(start), strict=False)}
    small = gmpy2.primorial(safe_primes.SIEVED)
    every = (start + 2 * i for i in range(max(left) - start))
    for candidate in every:
        if candidate > max(left):
            break
        assert (candidate in left) == (gmpy2.gcd(candidate * (2 * candidate + 1), small) == 1)


@pytest.mark.parametrize("bits", [63, 56, 100])
def test_odd_sizes_of_primes_are_refused(bits):
    with pytest.raises(UsageError, match="whole bytes"):
        safe_prime(bits)


@given(st.integers(0, 2**200 - 1), st.integers(1, (2**89 - 1) ** 2).filter(lambda base: base % (2**89 - 1)))
def test_powers_by_table(exponent, base):
    modulus = gmpy2.mpz(2**89 - 1)
    assert power(gmpy2.mpz(base), modulus, exponent, bits=200) % modulus**2 == pow(base, exponent, modulus**2)


@given(st.lists(st.tuples(st.integers(1, 2**80), st.integers(0, 2**128)), min_size=1, max_size=40))
def test_products_of_powers(powers):
    modulus = 2**89 - 1
    expected = functools.reduce(lambda a, b: a * b % modulus, (pow(base, e, modulus) for base, e in powers))
    assert product_of_powers([base for base, _ in powers], [e for _, e in powers], gmpy2.mpz(modulus)) == expected


# --- encryption and decryption ---------------------------------------------------------------------


def test_a_peer_decrypts_what_we_encrypt_and_we_what_it_encrypts():
    public = phe.PaillierPublicKey(P * Q)
    private = phe.PaillierPrivateKey(public, P, Q)
    messages = [0, 1, P * Q - 1, secrets.randbelow(P * Q)]
    assert [private.raw_decrypt(c) for c in encrypted(messages)[1]] == messages
    theirs = [public.raw_encrypt(m) for m in messages]
    shares = {i: [partial(KEY, c, made().shares[i - 1], members=MEMBERS) for c in theirs] for i in (1, 2, 4)}
    assert combine(KEY, shares, members=MEMBERS) == messages


def test_any_threshold_of_the_shares_decrypt_and_fewer_do_not():
    (c,) = encrypted([12345])[1]
    all_of_them = {i: [partial(KEY, c, s, members=MEMBERS)] for i, s in enumerate(made().shares, 1)}
    for points in ((1, 2, 3), (1, 2, 4), (1, 3, 4), (2, 3, 4), (1, 2, 3, 4)):
        assert combine(KEY, {i: all_of_them[i] for i in points}, members=MEMBERS) == [12345]
    for points in ((1, 2), (3,)):
        with pytest.raises(DecodeError, match="do not open"):
            combine(KEY, {i: all_of_them[i] for i in points}, members=MEMBERS)


def test_a_partial_that_is_no_unit_is_refused():
    (c,) = encrypted([1])[1]
    shares = {i: [partial(KEY, c, made().shares[i - 1], members=MEMBERS)] for i in (1, 2)} | {3: [KEY.n], 4: [KEY.n]}
    with pytest.raises(DecodeError, match="no unit"):
        combine(KEY, shares, members=MEMBERS)


@settings(max_examples=50)
@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n), min_size=1))))
def test_weights_recombine_over_the_integers(case):
    members, points = case
    factor, weights = threshold._weights(tuple(sorted(points)), members)
    values = coins(str(case))
    polynomial = [int.from_bytes(values(8), "big") for _ in points]
    at = {i: sum(a * i**k for k, a in enumerate(polynomial)) for i in points}
    assert sum(weights[i] * at[i] for i in points) == factor * polynomial[0]
    assert (np.array([factor, *weights.values()], dtype=object) != 0).all()


def test_ciphertexts_add():
    _, (a, b) = encrypted([10, 32])
    sums = {i: [partial(KEY, a * b % KEY.square, made().shares[i - 1], members=MEMBERS)] for i in (1, 2, 3)}
    assert combine(KEY, sums, members=MEMBERS) == [42]


def test_a_key_of_3072_bits():
    key = share(*primes(0, 3072), members=3, threshold=3, rand=coins("large"))
    key.public.check()
    assert consistent(key.public, key.checks, threshold=3)
    c = key.public.encrypt(7, key.public.coin())
    assert combine(key.public, {i: [partial(key.public, c, s, members=3)] for i, s in enumerate(key.shares, 1)}, members=3) == [7]


# --- what is no key -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, h, says",
    [
        (primes(0)[0], 2, "1024 bits"),
        (P * Q * 3, 2, "should have 2048 or 3072"),
        (P * Q - 1, 2, "two large primes"),  # even
        (gmpy2.next_prime(1 << 2047), 2, "two large primes"),
        (P * P, 2, "two large primes"),
        (gmpy2.next_prime(15 << 508) ** 4, 2, "two large primes"),
        (4093 * gmpy2.next_prime((3 << 2046) // 4093), 2, "two large primes"),
        (P * Q, 0, "no unit"),
        (P * Q, 1, "no unit"),
        (P * Q, (P * Q) ** 2 - 1, "no unit"),
        (P * Q, (P * Q) ** 2 + 2, "no unit"),
        (P * Q, P, "no unit"),
    ],
)
def test_what_is_no_key_is_refused(n, h, says):
    with pytest.raises(DecodeError, match=says):
        PublicKey(int(n), int(h)).check()


@pytest.mark.parametrize(
    "p, q, says", [(P, P, "two safe primes"), (P - 2, Q, "two safe primes"), (P, Q - 2, "two safe primes"), (7, 11, "bits")]
)
def test_other_primes_are_not_shared(p, q, says):
    with pytest.raises(UsageError, match=says):
        share(p, q, members=3, threshold=2)


@pytest.mark.parametrize("least", [0, 5])
def test_thresholds_are_at_most_the_members(least):
    with pytest.raises(UsageError, match=r"1\.\.4"):
        share(P, Q, members=4, threshold=least)


def test_shares_that_do_not_fit_together_show():
    checks = list(made().checks)
    assert consistent(KEY, checks, threshold=THRESHOLD)
    assert not consistent(KEY, checks, threshold=THRESHOLD - 1)
    assert not consistent(KEY, checks[::-1], threshold=THRESHOLD)
    for i in range(MEMBERS):
        bent = [*checks[:i], int(checks[i] * KEY.v % KEY.square), *checks[i + 1 :]]
        assert not consistent(KEY, bent, threshold=THRESHOLD)
    no_secret = [threshold.check(KEY, 5, members=MEMBERS)] * MEMBERS  # one polynomial, that decrypts nothing
    assert not consistent(KEY, no_secret, threshold=THRESHOLD)


# --- proofs of knowledge -------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 9])
def test_who_knows_what_it_encrypted_can_prove_it(count):
    known, ciphertexts = encrypted([secrets.randbelow(KEY.modulus) for _ in range(count)])
    proof = proofs.prove_knowledge(KEY, ciphertexts, known, b"here")
    assert len(proof) == proofs.knowledge_size(KEY)
    proofs.verify_knowledge(KEY, ciphertexts, proof, b"here", party="a")


KNOWN, CIPHERTEXTS = encrypted([3, 5])
PROOF = proofs.prove_knowledge(KEY, CIPHERTEXTS, KNOWN, b"here")
PART = proofs.SEED, proofs.SEED + KEY.bits // 8


@pytest.mark.parametrize(
    "ciphertexts, proof, says",
    [
        ([0, CIPHERTEXTS[1]], PROOF, "misshapen"),
        ([int(KEY.square), CIPHERTEXTS[1]], PROOF, "misshapen"),
        ([CIPHERTEXTS[0] + int(KEY.square), CIPHERTEXTS[1]], PROOF, "misshapen"),
        ([], PROOF, "misshapen"),
        (CIPHERTEXTS, PROOF[:-1], "misshapen"),
        (CIPHERTEXTS, PROOF + b"\0", "misshapen"),
        ([P, CIPHERTEXTS[1]], PROOF, "no units"),
        ([CIPHERTEXTS[0], int(KEY.n)], PROOF, "no units"),
        (CIPHERTEXTS[::-1], PROOF, "does not show"),
        (CIPHERTEXTS[:1], PROOF, "does not show"),
        ([CIPHERTEXTS[0], int(CIPHERTEXTS[1] * KEY.plain(1) % KEY.square)], PROOF, "does not show"),
        ([CIPHERTEXTS[0], int(KEY.square) - CIPHERTEXTS[1]], PROOF, "does not show"),
        (CIPHERTEXTS, bytes(32) + PROOF[32:], "does not show"),
        (CIPHERTEXTS, PROOF[: PART[0]] + bytes(256) + PROOF[PART[1] :], "does not show"),
        (CIPHERTEXTS, PROOF[: PART[1]] + bytes(len(PROOF) - PART[1]), "does not show"),
    ],
)
def test_a_false_proof_of_knowledge_names_its_sender(ciphertexts, proof, says):
    with pytest.raises(PeerError, match=says) as error:
        proofs.verify_knowledge(KEY, ciphertexts, proof, b"here", party="a")
    assert error.value.facts == {"party": "a"}


def test_a_proof_of_knowledge_serves_its_place_and_key_alone():
    with pytest.raises(PeerError, match="does not show"):
        proofs.verify_knowledge(KEY, CIPHERTEXTS, PROOF, b"there", party="a")
    other = PublicKey(KEY.modulus, int(KEY.h * KEY.h % KEY.square))
    with pytest.raises(PeerError, match="does not show"):
        proofs.verify_knowledge(other, CIPHERTEXTS, PROOF, b"here", party="a")
    with pytest.raises(PeerError):
        proofs.verify_knowledge(made(1).public, CIPHERTEXTS, PROOF, b"here", party="a")


def test_answers_say_nothing():
    """Statistical: the answers for a message and coin of 0 and of all ones lie alike; a false alarm once in 10^9 runs (6.2 sigma)."""
    highest = {}
    for message, coin in ((0, 0), (KEY.modulus - 1, 2 ** (KEY.bits // 2) - 1)):
        ciphertext = [1]  # what is proved is of no matter to the answers
        answers = [proofs.prove_knowledge(KEY, ciphertext, [(message, coin)], b"")[32:] for _ in range(300)]
        highest[message] = [sum(int.from_bytes(a[:256], "big") > KEY.modulus // 2 for a in answers)]
        highest[message].append(sum(a[257] >= 128 for a in answers))  # the first byte of s is carry alone
    for counts in highest.values():
        assert all(abs(count - 150) < 6.2 * 75**0.5 for count in counts)


# --- proofs of partial decryptions ---------------------------------------------------------------------


@functools.cache
def shown() -> tuple[list[tuple[int, int]], bytes]:
    """Pairs of ciphertexts and member 2's partials, and their proof."""
    pairs = [(c, int(partial(KEY, c, made().shares[1], members=MEMBERS))) for c in CIPHERTEXTS]
    return pairs, proofs.prove_partials(KEY, made().checks[1], made().shares[1], pairs, b"here", members=MEMBERS)


def valid(pairs, proof, *, check: int | None = None, context: bytes = b"here") -> bool:
    return proofs.verify_partials(KEY, check or made().checks[1], pairs, proof, context, members=MEMBERS)


def test_true_partials_can_be_proved():
    pairs, proof = shown()
    assert len(proof) == proofs.partials_size(KEY, MEMBERS)
    assert valid(pairs, proof)


def test_false_partials_cannot():
    pairs, proof = shown()
    (c, d), (p, r) = zip(*pairs, strict=True)
    other = int(partial(KEY, c, made().shares[2], members=MEMBERS))
    for false in (
        [(c, other), (d, r)],
        [(c, r), (d, p)],
        [(c, int(p * KEY.plain(1) % KEY.square)), (d, r)],
        [(d, p), (c, r)],
        [(c, p)],
        [(c, 0), (d, r)],
        [(c, int(KEY.square) + p), (d, r)],
        [(c, P), (d, r)],
    ):
        assert not valid(false, proof)
    for made_up in (proof[:-1], bytes(16) + proof[16:], proof[:16] + bytes(len(proof) - 16)):
        assert not valid(pairs, made_up)
    assert not valid(pairs, proof, context=b"there")
    assert not valid(pairs, proof, check=made().checks[2])


def test_a_proof_with_another_share_than_was_dealt_fails():
    pairs = [(c, int(partial(KEY, c, made().shares[2], members=MEMBERS))) for c in CIPHERTEXTS]
    assert not valid(pairs, proofs.prove_partials(KEY, made().checks[1], made().shares[2], pairs, b"here", members=MEMBERS))


def test_secrets_do_not_print():
    assert str(made().shares[0])[:20] not in repr(made())
