"""Li and Micciancio's key recovery: it works on CKKS as TenSEAL decrypts it, and on nothing that a release can hold."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import gmpy2
import numpy as np
import pandas as pd
import pytest

import federated as fed
from examples.ckks_attack import DEGREE, SLOTS, Round, found, recover, tenseal_rounds
from mpc import he
from mpc.he.bfv import arrays
from mpc.he.seal import file
from tests.mpc.paillier_keys import test_key

RNG = np.random.default_rng(3)
STEP = 2.0**-16


@pytest.fixture(scope="module")
def sums():
    """What three parties sent in two rounds, the rounds as CKKS lets them be seen, and its key."""
    parties = [[RNG.integers(-(10**7), 10**7, SLOTS) * STEP for _ in range(3)] for _ in range(2)]
    return parties, *tenseal_rounds(parties)


def test_two_ckks_decryptions_give_the_whole_key(sums):
    _, rounds, key = sums
    assert found(recover(*rounds), key) == DEGREE


def attacked(rounds, released):
    return [Round(r.ciphertext, np.asarray(values, float)) for r, values in zip(rounds, released, strict=True)]


def test_rounding_decides_nothing_about_the_attack_itself(sums):
    """One decryption and one exact sum do not do; the attack needs both to be raw."""
    parties, rounds, key = sums
    assert found(recover(rounds[0], attacked(rounds, [sum(p) for p in parties])[1]), key) == 0


def bfv_totals(parties):
    key = he.bfv.generate(bound=10**7 * STEP, step=STEP, terms=3)
    return [key.decrypt(sum(key.public.encrypt(x) for x in vectors)) for vectors in parties]


def paillier_totals(parties):
    key = test_key()
    return [key.decrypt(sum(key.public.encrypt(x, bound=10**7 * STEP, step=STEP, terms=3) for x in vectors)) for vectors in parties]


@pytest.mark.parametrize("totals", [bfv_totals, paillier_totals])
def test_exact_totals_give_nothing_of_it(sums, totals):
    parties, rounds, key = sums
    released = totals(parties)
    assert all((a == sum(b)).all() for a, b in zip(released, parties, strict=True))
    assert found(recover(*attacked(rounds, released)), key) == 0


def test_results_of_a_federation_give_nothing_of_it():
    """Hospitals also send their sums under CKKS, to somebody who compares; what was released of the same sums tells it nothing."""
    tables = {name: pd.DataFrame({"age": RNG.integers(20, 90, 60), "chol": RNG.integers(100, 400, 60)}) for name in "abc"}
    sim = fed.simulate(tables, bounds={"age": (0, 120), "chol": (0, 500)})
    parties, released = [], []
    for columns in (["age"], ["age", "chol"]):
        outcome = sim.run(fed.Describe(tuple(columns))).outcome["columns"]
        released.append(padded([v for c in outcome for v in (c["n"], float(Fraction(c["mean"]) * c["n"]))]))
        parties.append([padded([v for c in columns for v in (len(t), t[c].sum())]) for t in tables.values()])
    rounds, key = tenseal_rounds(parties)
    assert all((a == sum(b)).all() for a, b in zip(released, parties, strict=True))
    assert found(recover(*rounds), key) == DEGREE
    assert found(recover(*attacked(rounds, released)), key) == 0


def padded(numbers):
    return np.pad(np.array(numbers, float), (0, SLOTS - len(numbers)))


# --- the same idea, against BFV and Paillier themselves


def equations(key, ciphertext, total):
    """``c0 - (q/t) m`` and ``c1``, transformed: by a key s, the first plus s times the second is the noise, word by word."""
    room = arrays.room(key.public.parameters)
    with file() as store:
        made = room.ciphertext(store, ciphertext)
        room.evaluator.sub_plain_inplace(made, room.plaintext(store, total))
        room.evaluator.transform_to_ntt_inplace(made)
        return [[int(v) for v in words] for words in room.words(store, made, ciphertext.shape)[:, 0]]


def test_a_bfv_total_gives_nothing_of_its_own_key():
    key = he.bfv.generate(bound=2**20, step=1, terms=4)
    x = RNG.integers(0, 2**20, (3, key.public.parameters.degree))
    box = sum(key.public.encrypt(row) for row in x)
    total, prime, secret = key.decrypt(box).astype(np.uint64), key.public.parameters.primes[0], [int(v) for v in key.words[0]]
    assert (total == x.sum(0)).all()
    c0, c1 = equations(key, box.polynomials()[0], total)

    def solved(noise):
        return [(e - a) * pow(b, -1, prime) % prime for a, b, e in zip(c0, c1, noise, strict=True)]

    assert found(solved([0] * len(c0)), secret) == 0
    noise = [(a + b * s) % prime for a, b, s in zip(c0, c1, secret, strict=True)]
    assert found(solved(noise), secret) == len(c0)  # the noise, which no decryption shows, is all that holds it back


def test_a_paillier_total_gives_no_factor_of_its_own_key():
    key = test_key()
    box = key.public.encrypt([1.0, 2.0], bound=1e4, step=2**-16, terms=16) * 3
    n = key.public.n
    for c, m in zip(box.ciphertexts, key.open(box.ciphertexts), strict=True):
        blind = c * gmpy2.invert(1 + m * n, n * n) % (n * n)  # r^n: all that an attacker learns
        assert gmpy2.gcd(blind - 1, n) == gmpy2.gcd(blind + 1, n) == gmpy2.gcd(blind, n) == 1


def test_the_example_runs_as_the_guide_says():
    house = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-m", "examples.ckks_attack"], cwd=house, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "CKKS decryptions of two sums: 4096 of 4096 words of the secret key", "exact sums of the same numbers: 0 of 4096",
    ]  # fmt: skip
