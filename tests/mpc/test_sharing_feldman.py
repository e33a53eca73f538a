"""Verifiable sharing of keys: a false share names who gave it, whoever that is."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import PeerError, UsageError
from mpc import edwards
from mpc.rings import ORDER
from mpc.sharing import feldman
from tests.mpc.secure_sum import coins

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "sharing" / "feldman.json").read_text())
ABC = ("a", "b", "c")
TORSION = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")  # a point of order 8


def shared(label="key", threshold=2, parties=ABC):
    rand = coins(label)
    secret = edwards.scalar(rand)
    return secret, *feldman.deal(secret, dealer="d", parties=parties, threshold=threshold, rand=rand)


@given(st.integers(2, 5), st.data())
@settings(max_examples=25, deadline=None)
def test_every_share_verifies_and_any_threshold_join(n, data):
    threshold = data.draw(st.integers(2, n))
    secret, commitments, shares = shared(str(data.draw(st.integers())), threshold, tuple("abcde"[:n]))
    for name, share in shares.items():
        commitments.verify(name, share)
    chosen = data.draw(st.permutations(sorted(shares)))[: data.draw(st.integers(threshold, n))]
    assert commitments.join({name: shares[name] for name in chosen}) == secret
    assert (commitments.public, commitments.threshold) == (edwards.base(secret), threshold)


def test_vector():
    wide = iter(bytes.fromhex(c) + bytes(32) for c in VECTOR["coefficients"])
    secret = bytes.fromhex(VECTOR["secret"])
    commitments, shares = feldman.deal(secret, dealer="d", parties=ABC, threshold=VECTOR["threshold"], rand=lambda n: next(wide))
    assert commitments.public.hex() == VECTOR["public"]
    assert [share.hex() for share in shares.values()] == VECTOR["shares"]
    assert commitments.join({name: shares[name] for name in "bc"}) == secret


@pytest.mark.parametrize("threshold", [2, 3])
def test_refreshed_shares_hold_the_same_secret_and_mix_with_no_old_ones(threshold):
    secret, old, shares = shared(threshold=threshold)
    zero, changes = feldman.refresh(old, dealer="b")
    for name in ABC:
        zero.verify(name, changes[name])
    new, fresh = old.refreshed(zero), {name: feldman.add(shares[name], changes[name]) for name in ABC}
    for names in itertools.combinations(ABC, threshold):
        assert new.join({name: fresh[name] for name in names}) == secret
    assert (new.public, new.dealer) == (old.public, "b")
    with pytest.raises(PeerError, match="false shares came from a"):
        new.join({**fresh, "a": shares["a"]})


LAST = (ORDER - 1).to_bytes(32, "little")
NO_SHARES = [LAST, bytes(32), ORDER.to_bytes(32, "little"), b"\xff" * 32, bytes(31), bytes(33), b"", None, 7]


@pytest.mark.parametrize("false", NO_SHARES)
def test_a_false_share_names_the_dealer(false):
    with pytest.raises(PeerError, match="does not fit its commitments") as caught:
        shared()[1].verify("b", false)
    assert caught.value.facts["party"] == "d"


@pytest.mark.parametrize("false", NO_SHARES)
def test_a_false_share_at_the_joining_names_its_holder(false):
    _, commitments, shares = shared()
    with pytest.raises(PeerError, match="false shares came from c") as caught:
        commitments.join({**shares, "c": false})
    assert caught.value.facts["parties"] == ["c"]


def test_a_share_of_another_holder_is_false():
    _, commitments, shares = shared()
    with pytest.raises(PeerError, match="does not fit"):
        commitments.verify("a", shares["b"])


def test_a_share_of_zero_is_good_where_the_polynomial_is_zero():
    """f = s - s x at 1, which has the identity as its commitment."""
    secret = edwards.scalar(coins("zero"))
    slope = ((ORDER - int.from_bytes(secret, "little")) % ORDER).to_bytes(32, "little")
    commitments, shares = feldman.deal(secret, dealer="d", parties=ABC, threshold=2, rand=lambda n: slope + bytes(32))
    assert shares["a"] == bytes(32)
    commitments.verify("a", shares["a"])
    assert commitments.join(shares) == secret


def test_commitments_that_vanish_on_the_way_name_the_dealer():
    """At x = 1, the two highest coefficients cancel: libsodium multiplies no identity."""
    point = edwards.base(edwards.scalar())
    minus = edwards.sub(edwards.IDENTITY, point)
    with pytest.raises(PeerError, match="does not fit") as caught:
        feldman.Commitments("d", ABC, (point, minus, point)).verify("a", LAST)
    assert caught.value.facts["party"] == "d"


@pytest.mark.parametrize("points, says", [
    (lambda p: (p[0], TORSION), "no points"), (lambda p: (edwards.add(p[0], TORSION), p[1]), "no points"), (lambda p: (p[0], edwards.IDENTITY), "no points"),
    (lambda p: (TORSION, p[1]), "no points"), (lambda p: (p[0], p[1][:-1]), "no points"), (lambda p: (p[0], b"\xff" * 32), "no points"),
    (lambda p: (p[0], None), "no points"), (lambda p: p[:1], "commits to 1 coefficients"), (lambda p: p + p, "commits to 4 coefficients"),
])  # fmt: skip
def test_commitments_to_no_polynomial_name_the_dealer(points, says):
    good = shared()[1]
    with pytest.raises(PeerError, match=says) as caught:
        replace(good, points=points(good.points))
    assert caught.value.facts["party"] == "d"


def test_a_refresh_that_changes_the_secret_names_its_dealer():
    _, old, _ = shared()
    other, _ = feldman.deal(edwards.scalar(), dealer="b", parties=ABC, threshold=2)
    with pytest.raises(PeerError, match="would change the secret") as caught:
        old.refreshed(other)
    assert caught.value.facts["party"] == "b"


def test_a_stranger_is_named():
    _, commitments, shares = shared()
    with pytest.raises(PeerError, match="not a party") as caught:
        commitments.join({**shares, "q": shares["a"]})
    assert caught.value.facts["party"] == "q"


@pytest.mark.parametrize("call, says", [
    (lambda: shared(threshold=1), "threshold in 2..3, got 1"), (lambda: shared(threshold=4), "threshold in 2..3, got 4"), (lambda: shared(parties=("a", "a", "b")), "different names"),
    (lambda: feldman.deal(bytes(32), dealer="d", parties=ABC, threshold=2), "above zero"), (lambda: feldman.deal(bytes(31), dealer="d", parties=ABC, threshold=2), "above zero"),
    (lambda: feldman.deal(ORDER.to_bytes(32, "little"), dealer="d", parties=ABC, threshold=2), "below the order"),
    (lambda: shared()[1].join({"a": shared()[2]["a"]}), "need 2 shares, got 1"),
    (lambda: shared()[1].refreshed(shared(threshold=3)[1]), "same parties and threshold"), (lambda: shared()[1].refreshed(shared(parties=tuple("abd"))[1]), "same parties"),
])  # fmt: skip
def test_wrong_calls(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_fewer_than_threshold_shares_fit_every_secret():
    """One share of two and any secret are on one line; the commitments alone tell them apart."""
    secret, _, shares = shared()
    other = edwards.scalar()
    share, wrong = (int.from_bytes(raw, "little") for raw in (shares["a"], other))
    slope = ((share - wrong) % ORDER).to_bytes(32, "little")
    assert feldman.deal(other, dealer="d", parties=ABC, threshold=2, rand=lambda n: slope + bytes(32))[1]["a"] == shares["a"]
    assert other != secret
