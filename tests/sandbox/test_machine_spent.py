"""The gate before the opening (PRIVACY 7): no part in anything that is opened without a quorum over the ledger in which the job is spent."""

from __future__ import annotations

from dataclasses import replace

import inmemory
import jobs
import pytest
import records
from inmemory import NOW, Run, key
from jobs import closed, start

from governance import cosignatures, ledger, merkle, notes, proofs
from governance.checkpoint import Checkpoint
from governance.encoding import decode, encode
from governance.errors import DecodeError, IntegrityError, KeyongError, PeerError, QuorumLost
from governance.keys import SigningKey
from sandbox import machine, spends
from sandbox.machine import Computing, Dealing, Proving, Spending
from sandbox.messages import Earlier, Relay, step

FOUR = "abcd"


def proof(of: Run, name: str, witnesses: str = FOUR, *, job: str = "", event: str = spends.SPENT, by: SigningKey | None = None) -> str:
    """What *name* shows, where those *witnesses* cosigned."""
    leaf = ledger.entry(event, job or of.case.id, code="", at=NOW).leaf
    note = Checkpoint(name, 1, merkle.leaf_hash(leaf)).signed_by(by or key(name))
    lines = tuple(cosignatures.cosign(note.text, key(w), NOW) for w in witnesses)
    return str(proofs.Proof(leaf, 0, (), str(replace(note, signatures=(*note.signatures, *lines)))))


def said(run: Run, name: str, **more: object) -> tuple[bytes, ...]:
    """That *name* remembers no earlier answer, signed."""
    return (str(notes.write(replace(Earlier(run.case.id, name, ()), **more)).signed_by(key(name))).encode(),)


def relay_of(run: Run, **bodies: str) -> Relay:
    return Relay(step("spent"), {n: body.encode() for n, body in bodies.items()}, {n: said(run, n) for n in bodies}, "")


def spending(name: str = "a") -> tuple[Run, Spending]:
    run, relay = closed("accept", FOUR)
    state = run.received(name, relay)[0]
    assert isinstance(state, Spending)
    return run, state


def test_there_is_no_way_from_an_admission_to_a_local_step_but_through_a_quorum():
    """Whatever a coordinator relays after `accept`: the only state that follows waits for witnesses, and takes no relay at all."""
    run, state = spending()
    assert not hasattr(state, "receive")
    following, post = state.proved(proof(run, "a", "abc"), key("a"))
    assert isinstance(following, Proving) and post.step == "spent"
    for name, relay in jobs.finished(FOUR).relays.items():
        with pytest.raises(KeyongError):
            following.receive(replace(relay, step=name), key("a"))


@pytest.mark.parametrize("witnesses", ["", "a", "ab", "bc", "aabb"])
def test_fewer_than_t_cosignatures_are_no_quorum(witnesses):
    """Four holders, c = 1: three must have cosigned; one's own line is one of them, and nobody counts twice."""
    run, state = spending()
    with pytest.raises(QuorumLost):
        state.proved(proof(run, "a", witnesses), key("a"))
    with pytest.raises(QuorumLost):
        replace(run.board, step="spent").check(
            replace(run.posts["a"], step="spent", body=proof(run, "a", witnesses).encode(), payloads=said(run, "a"))
        )


def test_a_quorum_is_as_large_as_what_must_agree_on_a_total():
    for n in range(3, 12):
        for colluding in range(1, (n - 1) // 2 + 1):
            names = [f"h{i}" for i in range(n)]
            keys = tuple(str(key(name).public) for name in names)
            [group] = spends.policy_of(keys, names[0], colluding).groups.values()
            assert group.needed == (n + colluding) // 2 + 1
            assert 2 * group.needed - n > colluding  # two histories of one ledger cannot both find as many


@pytest.mark.parametrize("lie", [
    lambda run: proof(run, "a", job="0" * 64), lambda run: proof(run, "a", event="job.accepted"), lambda run: proof(run, "b"),
    lambda run: proof(run, "a", by=SigningKey("a", key("b").private)), lambda run: proof(run, "a", FOUR + "e"),
    lambda run: proof(run, "a", FOUR + "b"), lambda run: "", lambda run: proof(run, "a").replace("index 0", "index 1"),
    lambda run: proof(run, "a") + "\n",
])  # fmt: skip
def test_what_does_not_prove_this_spend_of_this_holder_is_refused(lie):
    """Another job, entry, ledger or key; a stranger's line, or one twice; no proof, another index, a second spelling."""
    run, state = spending()
    with pytest.raises((IntegrityError, DecodeError)):
        state.proved(lie(run), key("a"))
    with pytest.raises((IntegrityError, DecodeError)):
        replace(run.board, step="spent").check(replace(run.posts["a"], step="spent", body=lie(run).encode(), payloads=said(run, "a")))


def test_every_proof_that_is_relayed_is_verified():
    run, relay = closed("spent", FOUR)
    honest = {n: raw.decode() for n, raw in relay.bodies.items()}
    assert isinstance(run.received("a", relay)[0], Computing)
    lies = [{"b": proof(run, "b", "bc")}, {"b": proof(run, "c")}, {"b": proof(run, "b", job="0" * 64)}, {"e": proof(run, "a")}]
    for lie in lies:
        with pytest.raises(KeyongError):
            run.received("a", relay_of(run, **{**honest, **lie}))


def test_a_node_goes_on_with_t_and_not_with_fewer_and_not_without_itself():
    run, relay = closed("spent", FOUR)
    honest = {n: raw.decode() for n, raw in relay.bodies.items()}
    three = run.received("a", relay_of(run, **{n: honest[n] for n in "abc"}))[0]
    assert three.plan.spent == ("a", "b", "c")
    with pytest.raises(QuorumLost, match="2 data holders have spent"):
        run.received("a", relay_of(run, **{n: honest[n] for n in "ab"}))
    with pytest.raises(QuorumLost, match="without this node"):
        run.received("a", relay_of(run, **{n: honest[n] for n in "bcd"}))
    with pytest.raises(QuorumLost, match="without this node"):
        run.received("a", relay_of(run, **{**honest, "a": proof(run, "a", "abc")}))  # not the one that it sent


@pytest.mark.parametrize("protect", ["secagg", "threshold"])
def test_who_showed_no_proof_takes_no_part_in_anything_that_follows(protect):
    texts = inmemory.texts(records.election().schema, jobs.NARROWED, "abcde", protect=protect)
    run = Run(records.election().parts([3, 4, 5, 6, 7]), of=texts).to("spent")
    late = run.posts["e"]
    run.advance(absent="e")
    with pytest.raises(KeyongError):
        run.board.check(late)
    assert run.board.expected == frozenset(FOUR)
    while not run.release:
        honest = run.board.step
        shown = run.close(absent="e")
        if not honest.endswith("state"):
            with pytest.raises(PeerError, match="has not shown that it spent"):
                run.received("a", replace(shown, bodies={**shown.bodies, "e": shown.bodies[min(shown.bodies)]}))
        for name in FOUR:
            run.deliver(name, shown)
    assert notes.read(run.release).document(machine.Release).survivors == tuple(FOUR)


def test_a_dealer_that_did_not_spend_holds_the_step_open():
    texts = inmemory.texts(records.election().schema, jobs.NARROWED, FOUR, protect="threshold")
    run = Run(records.election().parts([3, 4, 5, 6]), of=texts).to("spent")
    assert run.board.closing({n: run.posts[n] for n in "bcd"}, late=True, earlier=()) is None
    assert run.board.closing({n: run.posts[n] for n in "abc"}, late=True, earlier=()) is not None
    word = machine.stop(run.job, key("a"), QuorumLost("x"))
    assert run.board.stopped(word) is not None
    assert run.board.stopped(machine.stop(run.job, key("d"), QuorumLost("x"))) is None
    relay = run.close()
    assert all(isinstance(run.received(n, relay)[0], Dealing) for n in FOUR)


def test_the_step_waits_for_all_and_then_for_t_and_for_a_set_that_may_be_opened():
    run = start(FOUR).to("spent")
    three = {n: run.posts[n] for n in "abc"}
    assert run.board.closing(run.posts, late=False, earlier=()) is not None
    assert run.board.closing(three, late=False, earlier=()) is None
    assert run.board.closing(three, late=True, earlier=()) is not None
    assert run.board.closing({n: run.posts[n] for n in "ab"}, late=True, earlier=()) is None
    assert run.board.closing(three, late=True, earlier=(frozenset(FOUR),)) is None  # all four were opened before (PRIVACY 4)


@pytest.mark.parametrize("name", ["accept", "spent"])
def test_the_states_of_the_gate_survive_the_journal(name):
    run, relay = closed(name, FOUR)
    state = run.received("a", relay)[0]
    assert decode(encode(state), *machine.STATES) == state
