"""The life of a job at a node: honest runs to a release, through the journal too; admission, refusal and end."""

from __future__ import annotations

from dataclasses import replace

import inmemory
import jobs
import numpy as np
import pytest
import records
from inmemory import key
from jobs import DESCRIBE, NARROWED, STEPS, closed, job, result, start

from governance import notes
from governance.encoding import canonical, decode, encode, parse
from governance.envelope import open_signed, sign
from governance.errors import IntegrityError, PeerError, QuorumLost, Refused, UsageError
from governance.keys import SigningKey, Trust
from mpc import secagg
from sandbox import machine, spends
from sandbox.analyses import Crosstab, LogisticRegression
from sandbox.machine import Computing, Finished, Signing
from sandbox.messages import MOST_WORDS, Acceptance, AgreedState, Earlier, Ended, Refusal, Relay, step
from sandbox.summing import Plan

EVIL = SigningKey.generate("evil")
METHODS = [DESCRIBE, NARROWED, Crosstab("party", "vote"), LogisticRegression("vote", ("age", "income"))]


# --- honest runs


@pytest.mark.parametrize("analysis", METHODS)
def test_an_honest_run_releases_what_the_pooled_rows_give(analysis):
    run = start("abcd", analysis)
    release = run.finish()
    expected = inmemory.pooled(run.case, list(jobs.tables("abcd").values()))
    assert result(release)["outcome"] == parse(canonical(expected["outcome"]))
    assert all(isinstance(state, Finished) for state in run.states.values())
    assert release.survivors == release.holders == ("a", "b", "c", "d")
    assert len(notes.read(run.release).signers(*(key(n).public for n in run.names))) == 4


def test_an_honest_regression_equals_statsmodels():
    data, features = records.election(), ("age", "income", "educ")
    terms = result(start("abcd", LogisticRegression("vote", features)).finish())["outcome"]["terms"]
    coef, se, _ = records.logit(data, data.frame, features)
    assert np.abs(np.array([float(t["coef"]) for t in terms]) - coef).max() <= 1e-9
    assert np.abs(np.array([float(t["se"]) for t in terms]) - se).max() <= 1e-9


@pytest.mark.parametrize("holders", ["abc", "abcd"])
def test_a_journaled_run_gives_the_same_release_bit_for_bit(holders):
    """Every state and post goes through its encoded form: what a node has after a restart."""
    assert result(start(holders, journal=True).finish()) == result(start(holders).finish())


@pytest.mark.parametrize("name", STEPS)
def test_a_state_from_the_journal_does_what_the_original_does(name):
    run, relay = closed(name)
    for holder, state in run.states.items():
        restored = decode(encode(state), *machine.STATES)
        assert restored == state
        assert inmemory.received(restored, relay, key(holder)) == inmemory.received(state, relay, key(holder))


@pytest.mark.parametrize("name", STEPS)
def test_nothing_secret_is_printed(name):
    run, _ = closed(name)
    for state in run.states.values():
        kept = [getattr(state, field) for field in ("agree", "party") if hasattr(state, field)]
        assert kept
        assert all(repr(secret) not in repr(state) and secret.hex() not in repr(state) for secret in kept)


def test_only_the_declared_statistics_are_asked_and_only_in_agreed_states():
    run = jobs.finished()
    states = list(inmemory.bodies(run).values())
    for asked in run.asked.values():
        questions = [parse(q) for q in asked]
        assert [q["ask"] for q in questions] == ["support", "statistics", "statistics"]
        assert [q["body"] for q in questions[1:]] == states


def test_signing_is_the_only_way_to_a_local_step_on_a_state():
    """The support round runs on no state; every later one on the text that t nodes signed."""
    run, relay = closed("0.0.state")
    assert isinstance(run.states["a"], Signing)
    assert run.received("a", relay)[0].body == notes.read(relay.bodies["b"]).document(AgreedState).body
    first, accepted = closed("spent")
    assert first.received("a", accepted)[0].body == ""


def test_an_answer_of_another_size_is_none():
    run, relay = closed("spent")
    computing = run.received("a", relay)[0]
    assert isinstance(computing, Computing)
    for size in (0, computing.expect - 8, computing.expect + 8, computing.expect + 1):
        with pytest.raises(IntegrityError) as error:
            computing.computed(bytes(size), key("a"))
        assert error.value.code == "jail.output"


# --- admission


def test_every_acceptance_must_be_there_and_signed_by_its_holder():
    run, relay = closed("accept")
    with pytest.raises(PeerError, match="did not accept"):
        run.received("a", replace(relay, bodies={n: body for n, body in relay.bodies.items() if n != "b"}))
    forged = notes.write(replace(notes.read(relay.bodies["b"]).document(Acceptance), agree="0" * 64)).signed_by(EVIL)
    with pytest.raises(IntegrityError):
        run.received("a", replace(relay, bodies={**relay.bodies, "b": str(forged).encode()}))


def test_the_own_acceptance_is_shown_as_it_was_sent():
    """Two acceptances signed by one holder: the second cannot be put in the place of the first."""
    run, relay = closed("accept")
    second = machine.accept(run.plans["a"], key("a"))[1].body
    with pytest.raises(IntegrityError, match="another acceptance"):
        run.received("a", replace(relay, bodies={**relay.bodies, "a": second}))


@pytest.mark.parametrize("changes", [{"job": "1" * 64}, {"holder": "c"}])
def test_an_acceptance_of_another_job_is_the_holders_fault(changes):
    run, relay = closed("accept")
    other = notes.write(replace(notes.read(relay.bodies["b"]).document(Acceptance), **changes)).signed_by(key("b"))
    with pytest.raises(PeerError, match="another job"):
        run.received("a", replace(relay, bodies={**relay.bodies, "b": str(other).encode()}))


@pytest.mark.parametrize("changes", [{"job": "1" * 64}, {"licence": "1" * 64}, {"acceptances": ()}, {"acceptances": ("1" * 64,) * 3}])
def test_an_admission_is_for_this_job_and_these_acceptances(changes):
    run, relay = closed("accept")
    with pytest.raises(IntegrityError, match="another job or other acceptances"):
        run.received("a", replace(relay, admission=str(run.admission(relay, **changes))))


@pytest.mark.parametrize("signer", [EVIL, key("b"), SigningKey.generate("coordinator")], ids=["stranger", "holder", "namesake"])
def test_nobody_but_the_coordinator_admits(signer):
    run, relay = closed("accept")
    forged = notes.Note(notes.read(relay.admission).text).signed_by(signer)
    with pytest.raises(IntegrityError):
        run.received("a", replace(relay, admission=str(forged)))


def fails_closed(run):
    """Neither a nor b consents to the uploads, whichever of them the coordinator shows."""
    posts = {n: run.posts[n].body for n in run.names}
    for shown in (posts, {n: b for n, b in posts.items() if n != "a"}, {n: b for n, b in posts.items() if n != "c"}):
        for name in ("a", "b"):
            with pytest.raises((PeerError, QuorumLost, IntegrityError)):
                run.received(name, Relay(step("upload"), shown, {}, ""))


def test_two_admissions_of_one_job_do_not_run_together():
    """The coordinator numbers the use differently for one node: its masks fit nobody's."""
    run = start()
    relay = run.close()
    for name in run.names:
        run.deliver(name, replace(relay, admission=str(run.admission(relay, uses=(2 if name == "a" else 1,)))))
    run.advance()
    fails_closed(run)


@pytest.mark.parametrize("kept", ["first", "second"])
def test_two_acceptances_of_one_node_do_not_run_together(kept):
    """c signs two keys; the coordinator shows one to a and the other to b, each with an admission that fits. c goes on with either."""
    run = start()
    second, post = machine.accept(run.plans["c"], key("c"))
    relay = run.close()
    changed = replace(relay, bodies={**relay.bodies, "c": post.body})
    changed = replace(changed, admission=str(run.admission(changed)))
    run.deliver("a", relay)
    run.deliver("b", changed)
    if kept == "second":
        run.states["c"] = second
    run.deliver("c", relay if kept == "first" else changed)
    run.advance()
    fails_closed(run)


def test_a_roster_that_differs_by_one_between_nodes_fails_closed():
    """b was told another key for c (PRIVACY 4): c's acceptance does not verify there, its cosignatures neither, and no sum is opened."""
    run = start()
    swapped = SigningKey.generate("c")
    plan = Plan(*job(), "b", (str(key("a").public), str(key("b").public), str(swapped.public)), "0" * 32, bytes(32))
    run.states["b"], run.posts["b"] = machine.accept(plan, key("b"))
    relay = run.close()
    with pytest.raises(IntegrityError):
        run.deliver("b", relay)
    forged = notes.Note(notes.read(relay.bodies["c"]).text).signed_by(swapped)
    for_b = replace(relay, bodies={**relay.bodies, "c": str(forged).encode()})
    spending, _ = run.received("b", replace(for_b, admission=str(run.admission(for_b))))
    genuine = {n: spends.proved(run.case.id, key(n), [key(m) for m in run.names], inmemory.NOW) for n in run.names}
    said = {n: (str(notes.write(Earlier(run.case.id, n, ())).signed_by(key(n))).encode(),) for n in run.names}
    with pytest.raises(QuorumLost):
        spending.proved(genuine["b"], key("b"))
    alike = machine.Computing(replace(plan, spent=run.names), spending.run, "", spending.party)  # as if it had gone on all the same
    run.states["b"], run.posts["b"] = run.computed("b", alike)
    for name in "ac":
        run.deliver(name, relay)
        run.deliver(name, Relay(step("spent"), {n: proof.encode() for n, proof in genuine.items()}, said, ""))
    fails_closed(run)
    uploads = {n: run.posts[n].body for n in run.names}
    uploads["c"] = sign(swapped, open_signed(uploads["c"], {"c": key("c").public}, secagg.Upload)[1])
    with pytest.raises(PeerError, match="another job, roster, round or state"):
        run.received("b", Relay(step("upload"), uploads, {}, ""))


def test_a_roster_that_is_one_smaller_for_one_node_is_another_dataset():
    with pytest.raises(UsageError, match="another entry"):
        machine.accept(Plan(job("abcd")[0], job("abc")[1], "a", tuple(str(key(n).public) for n in "abc"), "0" * 32, bytes(32)), key("a"))


# --- refusal and end


def test_a_refusal_is_signed_and_says_why_in_both_languages():
    reason = Refused(code="policy.method", method="describe@1")
    post = machine.refuse(job()[0], key("a"), reason)
    document = notes.opened(post.body, Refusal, Trust((key("a").public,)))
    assert (document.code, document.english, document.chinese) == ("policy.method", reason.text("en"), reason.text("zh"))
    run = start()
    run.board.check(post)
    assert run.board.refusal({"a": post, "b": run.posts["b"]}) == document


def test_a_long_reason_is_cut_so_that_others_can_read_it():
    post = machine.refuse(job()[0], key("a"), UsageError(code="job.predicate", detail="x" * 9000))
    run = start()
    run.board.check(post)
    assert len(run.board.refusal({"a": post}).english) == MOST_WORDS


def test_a_node_that_was_away_takes_a_release_with_enough_signatures_only():
    run = jobs.finished("abcd")
    plan, note = run.plans["d"], notes.read(run.release)
    ended = Ended(run.case.id, "released", "", "", "", run.release)
    assert machine.finished(plan, ended).release == run.release
    assert machine.finished(plan, replace(ended, release="")) is None
    with pytest.raises(QuorumLost):
        machine.finished(plan, replace(ended, release=str(replace(note, signatures=note.signatures[:2]))))
    with pytest.raises(IntegrityError, match="another job"):
        machine.finished(plan, replace(ended, release=jobs.other().release))
