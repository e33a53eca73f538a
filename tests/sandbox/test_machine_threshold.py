"""A job under threshold protection at every node, in this process: the same numbers as a masked one, and holders who come and go."""

from __future__ import annotations

import functools
from dataclasses import replace

import inmemory
import pytest
import records
from inmemory import Run, key

from governance.encoding import parse
from governance.envelope import open_signed, sign
from governance.errors import DecodeError, PeerError, QuorumLost, Unavailable
from mpc import threshold
from sandbox.analyses import Analysis, Crosstab, Describe, LogisticRegression
from sandbox.machine import (
    Abstaining,
    Accepting,
    Balancing,
    Computing,
    Consenting,
    Dealing,
    Decrypting,
    Finished,
    Gathering,
    Keying,
    Proving,
    Signing,
    Uploading,
)
from sandbox.messages import Post, Relay, kind_of

DESCRIBE = Describe(("age", "income"))
MODEL = LogisticRegression("vote", ("age",))
ANALYSES = [DESCRIBE, Crosstab("vote", "party"), MODEL]


def texts(analysis: Analysis, holders: str, protect: str) -> tuple[str, str]:
    return inmemory.texts(records.election().schema, analysis, holders, protect=protect)


def start(analysis: Analysis = DESCRIBE, holders: str = "abcd", protect: str = "threshold", **more: object) -> Run:
    tables = records.election().parts([3 + i for i in range(len(holders))])
    return Run(tables, of=texts(analysis, holders, protect), **more)


@functools.cache
def closed(step: str):
    """A run that waits for the relay of *step*, and that relay; shared: tests try relays on it."""
    run = start().to(step)
    return run, run.close()


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda a: a.name)
def test_the_release_is_that_of_a_masked_job_to_the_last_bit(analysis):
    masked = start(analysis, "abc", "secagg").finish()
    release = start(analysis, "abc", journal=True).finish()
    assert replace(release, job="", run="", result="") == replace(masked, job="", run="", result="")
    assert release.result == masked.result.replace('"dealers":[]', '"dealers":["a","b"]')


def test_steps_and_states_are_those_of_the_specification():
    run, steps, waited = start(MODEL, "abc"), [], {}
    while not run.release:
        steps.append(run.board.step)
        waited.setdefault(kind_of(run.board.step), set()).update(map(type, run.states.values()))
        run.advance()
    assert steps.pop(1) == "spent"
    assert steps[:5] == ["accept", "deal", "0.0.upload", "0.0.consent", "0.0.decrypt"]
    assert steps[5:9] == ["0.0.state", "1.0.upload", "1.0.decrypt", "1.0.state"]
    assert steps[9:13] == ["1.0.weigh", "2.0.upload", "2.0.decrypt", "2.0.state"]
    assert waited == {"accept": {Accepting}, "spent": {Proving}, "deal": {Keying}, "upload": {Uploading, Gathering}, "consent": {Consenting},
                      "decrypt": {Decrypting}, "state": {Signing},
                      "weigh": {Balancing}}  # fmt: skip
    assert all(isinstance(state, Finished) for state in run.states.values())


def test_who_is_away_when_a_total_is_opened_is_not_missed():
    """At each opening another holder is away; it comes back, takes the relay as it was, and goes on."""
    run, away = start(MODEL), iter("abcd" * 20)
    while not run.release:
        if kind_of(run.board.step) in ("consent", "decrypt", "weigh"):
            absent = next(away)
            relay = run.close(absent=absent)
            assert len(relay.bodies) == 3
            for name in run.names:
                run.deliver(name, relay)
        else:
            run.advance()
    masked = start(MODEL, protect="secagg").finish()
    assert parse(run.finish().result)["outcome"] == parse(masked.result)["outcome"]


def test_who_does_not_come_in_time_for_the_first_total_stays_out():
    run = start().to("0.0.upload")
    relay = run.close(absent="d")
    with pytest.raises(QuorumLost, match="without this node"):
        run.received("d", relay)
    for name in "abc":
        run.deliver(name, relay)
    while not run.release:
        run.advance(absent="d")
    assert run.finish().survivors == ("a", "b", "c")


def test_a_later_total_waits_for_all_survivors():
    run = start().to("1.0.upload")
    posts = {n: run.posts[n] for n in "abc"}
    assert run.board.closing(posts, late=True, earlier=()) is None


def test_fewer_than_t_open_nothing():
    run, relay = closed("0.0.decrypt")
    few = replace(relay, bodies={n: relay.bodies[n] for n in "ab"}, payloads={n: relay.payloads[n] for n in "ab"})
    with pytest.raises(Unavailable):
        run.received("a", few)
    assert run.board.step == "0.0.state"
    start_again = start().to("0.0.decrypt")
    assert start_again.board.closing({n: start_again.posts[n] for n in "ab"}, late=True, earlier=()) is None


def test_the_first_dealers_deal_and_the_others_wait():
    run = start().to("deal")
    assert run.board.dealers == {"a", "b"}
    assert [bool(run.posts[n].body) for n in "abcd"] == [True, True, False, False]
    assert run.board.closing({n: run.posts[n] for n in "ab"}, late=False, earlier=()).keys() == {"a", "b"}
    assert run.board.close(run.posts, {})[1].bodies.keys() == {"a", "b"}
    assert run.board.closing({n: run.posts[n] for n in "bcd"}, late=True, earlier=()) is None
    with pytest.raises(PeerError, match="not among the dealers"):
        run.board.check(replace(run.posts["c"], body=run.posts["a"].body))
    with pytest.raises(PeerError):
        run.board.check(replace(run.posts["a"], body=run.posts["b"].body))
    with pytest.raises(DecodeError):
        run.board.check(replace(run.posts["a"], body=b""))
    with pytest.raises(PeerError, match="other vectors"):
        run.board.check(replace(run.posts["a"], payloads=(b"x",)))


def test_a_partial_decryption_is_given_once_and_for_one_set():
    run, relay = closed("0.0.consent")
    following, post = run.received("a", relay)
    assert isinstance(following, Decrypting) and post.step == "0.0.decrypt"
    assert not hasattr(following, "abstain")
    with pytest.raises(PeerError, match="expected the relay"):
        following.receive(relay, key("a"))


def test_two_sets_do_not_both_open():
    """The coordinator shows d as lost to some: no set gets t consents, and nobody decrypts."""
    run = start().to("0.0.upload")
    whole = run.close()
    without = replace(whole, bodies={n: whole.bodies[n] for n in "abc"}, payloads={n: whole.payloads[n] for n in "abc"})
    for name, relay in {"a": whole, "b": without, "c": without, "d": whole}.items():
        run.deliver(name, relay)
    consents = {n: run.posts[n].body for n in run.names}
    for name in run.names:
        with pytest.raises((PeerError, Unavailable)):
            run.received(name, Relay("0.0.consent", consents, {}, ""))


def test_a_full_run_after_an_attempt_that_failed():
    run = start().to("0.0.consent")
    posts = {n: run.posts[n] for n in "ab"}
    assert run.board.stalled(posts, late=True)
    run.board = run.board.give_up()
    run.abstain(*run.names)
    assert all(isinstance(state, Abstaining) for state in run.states.values())
    assert run.to("0.1.decrypt").finish().survivors == ("a", "b", "c", "d")


def flipped(relay: Relay, name: str) -> Relay:
    vector = bytearray(relay.payloads[name][0])
    vector[len(vector) // 2] ^= 1
    return replace(relay, payloads={**relay.payloads, name: (bytes(vector),)})


def test_one_bit_of_an_upload_names_its_sender():
    run, relay = closed("0.0.upload")
    with pytest.raises(PeerError) as error:
        run.received("a", flipped(relay, "c"))
    assert error.value.facts == {"party": "c"}


def test_one_false_part_is_passed_over_and_two_open_nothing():
    run, relay = closed("0.0.decrypt")
    honest = run.received("a", relay)
    assert run.received("a", flipped(relay, "c"))[1] == honest[1]
    with pytest.raises(PeerError, match="false partial decryptions"):
        run.received("a", flipped(flipped(relay, "c"), "b"))


def test_an_upload_by_another_is_not_the_senders():
    run, relay = closed("0.0.upload")
    with pytest.raises(PeerError):
        run.received("a", replace(relay, bodies={**relay.bodies, "c": relay.bodies["b"]}))


def test_a_weighed_state_without_its_encrypted_bit():
    run = start(MODEL, "abc").to("1.0.state")
    for bad in ((), run.posts["a"].payloads[:1]):
        with pytest.raises(PeerError, match="without its bit"):
            run.board.check(replace(run.posts["a"], payloads=bad))
    with pytest.raises(PeerError):
        run.board.check(replace(run.posts["a"], payloads=run.posts["b"].payloads))


def test_a_deal_for_another_job_is_refused():
    run, other = start().to("deal"), start().to("deal")
    forged = {"a": sign(key("a"), threshold_deal(other)), "b": run.posts["b"].body}
    relay = replace(run.close(), bodies=forged)
    with pytest.raises(PeerError, match="another job or roster"):
        run.received("c", relay)


def threshold_deal(run: Run) -> threshold.Deal:
    return open_signed(run.posts["a"].body, {"a": key("a").public}, threshold.Deal)[1]


def test_a_dealer_makes_its_key_outside_of_the_relay():
    run = start().to("spent")
    relay = run.close()
    state, post = run.received("a", relay)
    assert isinstance(state, Dealing) and post is None
    assert isinstance(run.received("d", relay)[0], Dealing)
    keyed, post = run.received("d", relay)[0].dealt(key("d"))
    assert isinstance(keyed, Keying) and post == Post("deal", "d", b"", ())


def test_the_local_step_runs_once_keys_are_there():
    run, relay = closed("deal")
    assert all(isinstance(run.received(n, relay)[0], Computing) for n in run.names)
