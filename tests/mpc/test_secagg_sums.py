"""Any inputs, any ring, any members lost at any stage while the threshold is there: everyone who stays gets the exact total."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import QuorumLost, Unavailable
from mpc import secagg
from mpc.rings import RINGS
from tests.mpc.secure_sum import STAGES, consented, elements, federation, integers, journaled, one_round, open_first, uploaded

FEDERATIONS = {(n, c): federation(n, c) for n in range(3, 8) for c in range(1, n - 1)}


@st.composite
def openings(draw):
    n, c = draw(st.sampled_from(sorted(FEDERATIONS)))
    fed = FEDERATIONS[n, c]
    vectors = []
    for name in draw(st.sets(st.sampled_from(["counts", "sums", "squares"]), min_size=1)):
        vectors.append(secagg.Vector(name, draw(st.sampled_from(sorted(RINGS))), draw(st.integers(1, 5))))
    round = one_round(vectors=tuple(sorted(vectors, key=lambda v: v.name)))
    words = {name: {v.name: draw(_words(v)) for v in vectors} for name in fed.names}
    lost = draw(st.dictionaries(st.sampled_from(fed.names), st.sampled_from(STAGES), max_size=n - fed.terms.threshold))
    return fed, round, words, lost


def _words(vector):
    numbers = st.one_of(st.integers(0, 2**vector.bits - 1), st.sampled_from([0, 2**vector.bits - 1]))
    return st.lists(numbers, min_size=vector.length, max_size=vector.length).map(lambda v: elements(v, vector.bits))


def plain_total(words, names, vector):
    rows = [integers(words[name][vector.name], vector.bits) for name in names]
    return elements([sum(column) for column in zip(*rows, strict=True)], vector.bits).tobytes()


@settings(max_examples=60, deadline=None)
@given(openings())
def test_total_over_the_survivors(case):
    fed, round, words, lost = case
    run = open_first(fed, round, words, lost)
    survivors = [name for name in fed.names if lost.get(name) != "upload"]
    totals = {v.name: plain_total(words, survivors, v) for v in round.vectors}
    opened = secagg.total(run.tally, run.reveals, run.payloads)
    assert (opened.totals, opened.liars) == (totals, ())
    for name in fed.names:
        if name not in lost:
            settled = run.states[name]
            assert (settled.totals, settled.survivors, settled.liars) == (totals, tuple(survivors), ())


@settings(max_examples=20, deadline=None)
@given(openings(), st.randoms(use_true_random=False))
def test_threshold_reveals_are_enough_whoever_sends_them(case, rng):
    fed, round, words, lost = case
    run = open_first(fed, round, words, {name: "upload" for name in lost})
    enough = rng.sample(sorted(run.reveals), fed.terms.threshold)
    some = {name: run.reveals[name] for name in enough}
    assert secagg.needed(run.tally, some) == ()
    assert secagg.total(run.tally, some, run.payloads) == secagg.total(run.tally, run.reveals, run.payloads)
    del some[enough[0]]
    assert secagg.needed(run.tally, some) == tuple(sorted(run.uploads.keys() - some.keys()))
    with pytest.raises(Unavailable):
        secagg.total(run.tally, some, run.payloads)


@settings(max_examples=15, deadline=None)
@given(openings(), st.integers(1, 3))
def test_later_rounds_among_the_survivors(case, rounds):
    fed, first, words, lost = case
    run = open_first(fed, first, words, {name: "upload" for name in lost})
    states = {name: run.states[name] for name in run.uploads}
    for number in range(1, rounds + 1):
        round = one_round(number=number, vectors=first.vectors, state=bytes([number]) * 32)
        sent = {name: states[name].upload(round, {v: w.copy() for v, w in words[name].items()}) for name in states}
        uploads = {name: fed.relay(name, upload) for name, (_, upload, _) in sent.items()}
        payloads = {name: masked for name, (_, _, masked) in sent.items()}
        states = {name: journaled(journaled(waiting).receive(uploads, payloads)) for name, (waiting, _, _) in sent.items()}
        totals = {v.name: plain_total(words, states, v) for v in round.vectors}
        assert all(s.totals == totals for s in states.values())
        assert secagg.later_total(fed.terms, round, uploads, survivors=tuple(sorted(states)), payloads=payloads) == totals


@pytest.mark.parametrize("n, c", sorted(FEDERATIONS))
def test_one_lost_too_many_opens_nothing(n, c):
    fed = FEDERATIONS[n, c]
    lost = dict.fromkeys(fed.names[: n - fed.terms.threshold + 1], "upload")
    with pytest.raises(QuorumLost) as error:
        open_first(fed, one_round(), {name: {"v": elements([1, 2, 3], 64)} for name in fed.names}, lost)
    assert error.value.facts == {"have": fed.terms.threshold - 1, "need": fed.terms.threshold}


@pytest.mark.parametrize("stage", STAGES[1:3])
def test_one_lost_too_many_later_opens_nothing(stage):
    fed = FEDERATIONS[5, 1]
    lost = dict.fromkeys(fed.names[: 5 - fed.terms.threshold + 1], stage)
    with pytest.raises(Unavailable) as error:
        open_first(fed, one_round(), {name: {"v": elements([1, 2, 3], 64)} for name in fed.names}, lost)
    assert set(error.value.facts["waiting"]) >= set(lost)


def test_three_members_tolerate_no_loss():
    assert FEDERATIONS[3, 1].terms.threshold == 3


@pytest.mark.parametrize("n", range(3, 16))
def test_quorum_arithmetic(n):
    """For every c: t is the least above (n + c)/2 and within the roster, t members include two honest ones, two sets cannot both find
    t honest answers, and abstentions leave at most t - 1 who may reveal."""
    for c in range(1, n - 1):
        terms = federation(n, c).terms
        t, enough = terms.threshold, terms.least_abstentions
        assert 2 * t > n + c >= 2 * (t - 1)
        assert c + 2 <= t <= n
        honest = n - c
        assert 2 * (t - c) > honest
        assert honest - (enough - c) + c == t - 1
        assert enough <= n


def test_a_new_attempt_opens_with_everyone_who_comes_back():
    """Given up before anything was revealed; the next attempt runs with fresh keys and opens."""
    fed = FEDERATIONS[5, 1]
    words = {name: {"v": elements([i, 1, 2], 64)} for i, name in enumerate(fed.names)}
    first, again = one_round(), one_round(attempt=1)
    states = {name: fed.ready(name).open(first, {"v": words[name]["v"].copy()})[0] for name in fed.names}
    given_up = {name: states[name].abstain() for name in fed.names[: fed.terms.least_abstentions]}
    abstentions = {name: fed.relay(name, message) for name, (_, message) in given_up.items()}
    ready = {name: journaled(state).receive(abstentions) for name, (state, _) in given_up.items()}
    assert all(state.attempt == 1 for state in ready.values())
    late = states[fed.names[-1]].abstain()[0].receive(abstentions)
    sent = {name: state.open(again, {"v": words[name]["v"].copy()}) for name, state in {**ready, fed.names[-1]: late}.items()}
    uploads = {name: upload for name, (_, upload, _) in sent.items()}
    consented = {name: state.receive(uploads) for name, (state, _, _) in sent.items()}
    revealed = {name: state.receive({n: c for n, (_, c) in consented.items()}) for name, (state, _) in consented.items()}
    payloads = {name: masked for name, (_, _, masked) in sent.items()}
    settled = revealed[fed.names[0]][0].receive({n: r for n, (_, r) in revealed.items()}, payloads)
    assert settled.totals["v"] == plain_total(words, sent, again.vectors[0])
    assert settled.attempt == 1


def test_who_revealed_rejoins_when_the_others_gave_up():
    fed, round = FEDERATIONS[5, 1], one_round()
    run = consented(fed, round, uploaded(fed, round, {name: {"v": elements([1, 2, 3], 64)} for name in fed.names}))
    revealed, _ = run.states["h00"].receive(run.consents)
    abstentions = {name: run.states[name].abstain()[1] for name in ("h01", "h02", "h03")}
    assert revealed.rejoin(abstentions) == secagg.Ready(fed.terms, "h00", fed.agree["h00"], 1)
