"""Holders that drop out, and a coordinator that claims they did (PRIVACY 4 and 5)."""

from __future__ import annotations

from dataclasses import replace

import inmemory
import jobs
import pytest
from inmemory import key
from jobs import closed, result, start

from governance.encoding import canonical, decode, parse
from governance.envelope import open_signed, sign
from governance.errors import KeyongError, OutOfTurn, PeerError, QuorumLost, Unavailable
from mpc import secagg
from sandbox import machine
from sandbox.machine import Abstaining, Computing, Consenting, Finished, Revealing, Uploading
from sandbox.messages import Relay, kind_of


def test_a_dropout_before_its_upload_is_left_out_and_named():
    run = start("abcd").to("0.0.upload")
    release = run.finish(absent="d")
    assert (release.holders, release.survivors) == (("a", "b", "c", "d"), ("a", "b", "c"))
    expected = inmemory.pooled(run.case, [t for n, t in jobs.tables("abcd").items() if n != "d"])
    assert result(release)["outcome"] == parse(canonical(expected["outcome"]))
    assert {n for n, s in run.states.items() if isinstance(s, Finished)} == {"a", "b", "c"}


def test_a_dropout_after_its_upload_is_counted_and_then_waited_for():
    """Its upload is in the signed set, so the first total opens without it; the next round needs it (PRIVACY 4)."""
    run = start("abcd").to("0.0.consent").to("1.0.upload", absent="d")
    assert run.board.survivors == ("a", "b", "c", "d")
    assert run.board.closing({n: run.posts[n] for n in "abc"}, late=True, earlier=()) is None
    for name in ("0.0.consent", "0.0.reveal", "0.0.state"):  # d comes back: the coordinator answers its old posts with the kept relays
        run.deliver("d", run.relays[name])
    assert run.finish().survivors == ("a", "b", "c", "d")


def test_with_three_holders_no_dropout_is_tolerated():
    run = start("abc").to("0.0.upload")
    assert run.board.closing({n: run.posts[n] for n in "ab"}, late=True, earlier=()) is None
    relay = Relay("0.0.upload", {n: run.posts[n].body for n in "ab"}, {}, "")  # a coordinator that goes on all the same
    for name in "ab":
        with pytest.raises(QuorumLost):
            run.received(name, relay)


def test_who_is_not_in_the_set_leaves_the_job():
    run = start("abcd").to("0.0.upload")
    relay = run.close(absent="d")
    with pytest.raises(QuorumLost, match="without this node"):
        run.received("d", relay)
    for name in "abc":
        run.deliver(name, relay)


def test_two_sets_do_not_both_open():
    """The coordinator shows d as lost to some: no set gets t consents from honest nodes twice."""
    run = start("abcd").to("0.0.upload")
    bodies = {n: run.posts[n].body for n in run.names}
    sets = {"a": "abcd", "b": "abc", "c": "abc", "d": "abcd"}
    for name, seen in sets.items():
        run.deliver(name, Relay("0.0.upload", {n: bodies[n] for n in seen}, {}, ""))
    consents = {n: run.posts[n].body for n in run.names}
    for name in run.names:
        with pytest.raises((PeerError, Unavailable)):
            run.received(name, Relay("0.0.consent", consents, {}, ""))


# --- no convenient failure


def abandoned(holders="abcd"):
    """Two of four have consented, then the coordinator asks to give the attempt up."""
    run = start(holders).to("0.0.consent")
    posts = {n: run.posts[n] for n in "ab"}
    assert run.board.closing(posts, late=True, earlier=()) is None
    assert run.board.stalled(posts, late=True)
    run.board = run.board.give_up()
    return run


def test_a_full_run_after_an_attempt_that_failed():
    run = abandoned()
    run.abstain(*run.names)
    assert all(isinstance(s, Abstaining) for s in run.states.values())
    release = run.to("0.1.upload").finish()
    assert release.survivors == ("a", "b", "c", "d")
    assert result(release)["outcome"] == result(jobs.finished("abcd").finish())["outcome"]


def test_a_new_attempt_has_new_masks():
    run = abandoned()
    uploads = dict(run.relays)
    run.abstain(*run.names)
    run.to("0.1.consent")
    for name in run.names:
        before, after = uploads["0.0.upload"].payloads[name][0], run.relays["0.1.upload"].payloads[name][0]
        assert len(before) == len(after)
        assert {before[i : i + 8] for i in range(0, len(before), 8)}.isdisjoint(after[i : i + 8] for i in range(0, len(after), 8))


def test_a_rerun_without_the_holder_that_is_gone():
    run = abandoned()
    run.abstain("a", "b", "c")
    assert run.finish(absent="d").survivors == ("a", "b", "c")


def test_who_promised_not_to_unmask_cannot():
    run = abandoned()
    consents = Relay("0.0.consent", {n: run.posts[n].body for n in run.names}, {}, "")
    assert isinstance(run.received("a", consents)[0], Revealing)
    run.abstain("a")
    for relay in (consents, run.relays["0.0.upload"]):
        with pytest.raises(PeerError, match=r"0\.0\.abstain"):
            run.received("a", relay)


def test_who_unmasked_cannot_promise():
    run, _ = closed("0.0.reveal")
    assert isinstance(run.states["a"], Revealing)
    assert [s for s in machine.STATES if hasattr(s, "abstain")] == [Uploading, Consenting]


@pytest.mark.parametrize("holders, least", [("abc", 2), ("abcd", 3), ("abcde", 3), ("abcdef", 4)])
def test_a_rerun_needs_n_minus_t_plus_1_plus_c_promises(holders, least):
    assert least == len(holders) - secagg.threshold(len(holders), 1) + 1 + 1
    run = start(holders).to("0.0.upload")
    run.board = run.board.give_up()
    run.abstain(*holders)
    others = list(holders[1:])
    for count in range(len(holders)):
        relay = Relay("0.0.abstain", {n: run.posts[n].body for n in others[:count]}, {}, "")
        if count + 1 >= least:  # a's own promise counts with those that it is shown
            assert isinstance(run.received("a", relay)[0], Computing)
        else:
            with pytest.raises(Unavailable):
                run.received("a", relay)


def test_a_promise_is_for_one_attempt_of_one_job():
    run, other = abandoned(), abandoned()
    run.abstain(*run.names)
    other.states["c"], other.posts["c"] = other.states["c"].abstain(key("c"))
    a, b = (run.posts[n].body for n in "ab")
    _, promise = open_signed(run.posts["d"].body, {"d": key("d").public}, secagg.Abstention)
    for more in ({"c": other.posts["c"].body}, {"d": sign(key("d"), replace(promise, round=bytes(32)))}):
        with pytest.raises(Unavailable):
            run.received("a", Relay("0.0.abstain", {"a": a, "b": b, **more}, {}, ""))
    with pytest.raises(KeyongError):
        run.received("a", Relay("0.0.abstain", {"a": a, "b": b, "c": b}, {}, ""))


def test_what_was_opened_is_not_run_again():
    """From the first opening on there is one surviving set: later rounds have no other attempt."""
    run, _ = closed("1.0.upload")
    assert decode(run.states["a"].party, secagg.Waiting).round.attempt == 0
    with pytest.raises(OutOfTurn):
        run.board.check(replace(run.posts["a"], step="1.1.upload"))
    for name in ("1.0.upload", "1.0.state", "2.0.upload"):
        board = closed(name)[0].board
        assert not board.stalled({}, late=True)
        assert kind_of(board.step) != "consent"
