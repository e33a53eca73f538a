"""When a step may close, with whom, and when an attempt is given up: the coordinator's rules, as a value."""

from __future__ import annotations

from dataclasses import replace

import jobs
import pytest
from inmemory import key
from jobs import closed, start

from federated.coordinator.board import MOST_ATTEMPTS, Board
from governance import notes
from governance.encoding import canonical, decode, encode, parse
from governance.errors import DecodeError, DisclosureRefused, IntegrityError, KeyongError, OutOfTurn, PeerError, QuorumLost, Refused
from governance.keys import SigningKey
from sandbox import machine
from sandbox.analyses import LogisticRegression
from sandbox.messages import Acceptance, AgreedState, Post, Relay, kind_of


def board(name="accept", holders="abcd", **more):
    keys = tuple(str(key(n).public) for n in holders)
    return Board("0" * 64, keys, more.pop("colluding", 1), name, int(more.pop("number", 0)), 0, tuple(more.pop("survivors", ())), "")


def posts(names, step="x"):
    return {n: Post(step, n, b"", ()) for n in names}


def closes(of, names, *, late=False, earlier=()):
    found = of.closing(posts(names), late=late, earlier=tuple(map(frozenset, earlier)))
    return None if found is None else "".join(sorted(found))


# --- late, complete, stalled


@pytest.mark.parametrize(
    "name, survivors", [("accept", ""), ("0.0.upload", ""), ("0.0.consent", "abcd"), ("0.0.reveal", "abcd"), ("0.0.abstain", "")]
)
def test_a_step_closes_at_once_when_everybody_has_posted(name, survivors):
    assert closes(board(name, survivors=survivors), "abcd") == "abcd"
    assert closes(board(name, survivors=survivors), "abc") is None


@pytest.mark.parametrize("name, survivors, least", [
    ("accept", "", 5), ("0.0.upload", "", 3), ("0.0.consent", "abcd", 3), ("0.0.reveal", "abcd", 3), ("0.0.abstain", "", 3), ("1.0.upload", "abcd", 5),
])  # fmt: skip
def test_when_patience_is_over_it_closes_with_enough(name, survivors, least):
    """Four holders, c = 1, t = 3: all must accept, and all survivors must upload in later rounds, however late."""
    of = board(name, survivors=survivors)
    for count in range(4):
        assert (closes(of, "abcd"[:count], late=True) is not None) == (count >= least)
        assert closes(of, "abcd"[:count]) is None


def test_three_holders_wait_for_all_three():
    for name, survivors in (("0.0.upload", ""), ("0.0.consent", "abc"), ("0.0.reveal", "abc")):
        assert closes(board(name, "abc", survivors=survivors), "ab", late=True) is None


def test_a_total_needs_two_more_holders_than_may_collude():
    of = board("0.0.upload", "abcdef", colluding=3)  # t = 5
    assert closes(of, "abcd", late=True) is None
    assert closes(of, "abcde", late=True) == "abcde"


@pytest.mark.parametrize("there, earlier, chosen", [
    ("abcd", ["abcd"], "abcd"), ("abcd", ["abc"], "abc"), ("abc", ["abc"], "abc"), ("abd", ["abc"], None), ("abc", ["abcd"], None),
    ("abcdef", ["abcd"], "abcd"), ("abcdef", ["abc"], "abcdef"), ("abcdef", ["abcd", "abcde"], None),
])  # fmt: skip
def test_the_set_that_uploads_may_not_differ_by_few_from_an_earlier_one(there, earlier, chosen):
    of = board("0.0.upload", "abcdefg")
    of = replace(of, keys=of.keys[:4]) if set(there) <= set("abcd") else of
    assert closes(of, there, late=True, earlier=earlier) == (chosen if chosen and len(chosen) >= of.threshold else None)


def test_when_all_have_uploaded_and_no_set_may_be_opened_the_job_is_refused():
    with pytest.raises(DisclosureRefused) as refused:
        closes(board("0.0.upload"), "abcd", earlier=["abce"])
    assert refused.value.code == "policy.difference"


@pytest.mark.parametrize("name", ["accept", "0.0.upload", "0.0.reveal", "1.0.upload", "0.0.abstain"])
def test_only_a_lack_of_consents_is_a_reason_to_try_again(name):
    assert not board(name, survivors="abcd").stalled({}, late=True)


def test_an_attempt_is_given_up_late_with_too_few_consents_and_not_for_ever():
    of = board("0.0.consent", survivors="abcd")
    assert of.stalled(posts("ab"), late=True)
    assert not of.stalled(posts("ab"), late=False)
    assert not of.stalled(posts("abc"), late=True)
    assert not replace(of, attempt=MOST_ATTEMPTS - 1).stalled(posts("ab"), late=True)
    asked = of.give_up()
    assert (asked.step, asked.survivors, asked.expected) == ("0.0.abstain", (), frozenset("abcd"))


def test_steps_follow_one_another():
    run, seen = start("abcd"), []
    while not run.release:
        seen.append(run.board.step)
        run.advance()
    assert tuple(seen) == jobs.STEPS
    assert run.board.number == 2


def test_a_board_survives_the_journal():
    for name in jobs.STEPS:
        of = closed(name)[0].board
        assert decode(encode(of), Board) == of


# --- what is posted


@pytest.mark.parametrize("name", jobs.STEPS)
def test_an_honest_post_fits_its_step_and_no_other(name):
    run = start()
    run.to(name)
    for post in run.posts.values():
        run.board.check(post)
    for other in jobs.STEPS:
        if other != name:
            with pytest.raises(KeyongError):
                run.board.check(replace(run.posts["a"], step=other))
            with pytest.raises(OutOfTurn):
                replace(run.board, step=other).check(run.posts["a"])


@pytest.mark.parametrize("name", jobs.STEPS)
def test_a_post_that_is_not_the_senders_is_not_taken(name):
    run = start()
    run.to(name)
    post = run.posts["a"]
    spoilt = bytearray(post.body)
    spoilt[len(spoilt) // 2] ^= 1
    for lie in (replace(post, sender="b"), replace(post, sender="z"), replace(post, body=run.posts["b"].body), replace(post, body=bytes(spoilt)),
                replace(post, body=b""), replace(post, body=b"\xff" * 40)):  # fmt: skip
        with pytest.raises(KeyongError):
            run.board.check(lie)


@pytest.mark.parametrize("name", ["0.0.upload", "0.0.consent", "1.0.upload"])
def test_vectors_come_with_uploads_and_with_nothing_else(name):
    run = start()
    run.to(name)
    post = run.posts["a"]
    with pytest.raises(PeerError):
        run.board.check(replace(post, payloads=() if post.payloads else (b"x",)))


def test_who_is_not_in_the_set_may_not_post():
    run = start("abcd").to("0.0.upload")
    late = run.posts["d"]
    run.advance(absent="d")
    with pytest.raises(PeerError, match="among those who may post"):
        run.board.check(replace(late, step="0.0.consent"))


def test_an_acceptance_is_the_senders_own_and_of_this_job():
    run = start()
    document = notes.read(run.posts["a"].body).document(Acceptance)
    for changes, error in (({"job": "1" * 64}, DecodeError), ({"holder": "b"}, PeerError)):
        lie = str(notes.write(replace(document, **changes)).signed_by(key("a"))).encode()
        with pytest.raises(error):
            run.board.check(replace(run.posts["a"], body=lie))


def test_a_note_with_a_false_line_under_anothers_name_stops_nobody_else():
    """Joined to the others' signatures, the false one would make all of them fail."""
    run = start("abcd").to("0.0.state")
    note = notes.read(run.posts["d"].body)
    forged = replace(note.signatures[0], name="a", key_id=key("a").public.id)
    with pytest.raises(PeerError, match="other signatures than its own"):
        run.board.check(replace(run.posts["d"], body=str(replace(note, signatures=(*note.signatures, forged))).encode()))


def test_another_kind_of_note_is_not_taken():
    run = start().to("0.0.state")
    acceptance = next(p for p in run.seen if p.step == "accept" and p.sender == "a")
    with pytest.raises(DecodeError):
        run.board.check(replace(acceptance, step="0.0.state"))


# --- agreement on a state


def stated(run, *liars):
    """Posts of the open state step in which each of *liars* signed a state of its own."""
    made = dict(run.posts)
    for name in liars:
        document = notes.read(made[name].body).document(AgreedState)
        body = canonical({**parse(document.body), "lie": name})
        made[name] = replace(made[name], body=str(notes.write(replace(document, body=body)).signed_by(key(name))).encode())
    return made


def test_a_state_that_t_nodes_signed_stands_whatever_the_others_say():
    run = start("abcd").to("0.0.state")
    lies = stated(run, "d")
    assert run.board.closing({n: lies[n] for n in "abc"}, late=True, earlier=()) is not None
    assert run.board.closing({n: lies[n] for n in "abd"}, late=True, earlier=()) is None
    following, _ = run.board.close(lies, run.relays)
    assert following.step == "1.0.upload"


def weighed():
    return start("abcd", LogisticRegression("vote", ("age", "educ"))).to("1.0.state")


@pytest.mark.parametrize("parts", [lambda p: (), lambda p: p[:1], lambda p: (*p, b""), lambda p: (p[1], p[0])])
def test_a_weighed_state_is_posted_with_its_bit(parts):
    run = weighed()
    with pytest.raises(KeyongError):
        run.board.check(replace(run.posts["d"], payloads=parts(run.posts["d"].payloads)))


def test_a_state_that_is_not_weighed_is_posted_without_a_bit():
    bit = weighed().posts["d"].payloads
    run = start("abcd").to("0.0.state")
    with pytest.raises(PeerError, match="more than a signed note"):
        run.board.check(replace(run.posts["d"], payloads=bit))


def test_only_what_was_agreed_decides_whether_all_weights_are_waited_for():
    """A lone state that claims to be weighed does not hold the others up; one that claims not to be does not close the step."""
    run = weighed()
    three = {n: run.posts[n] for n in "abc"}
    assert run.board.closing(three, late=True, earlier=()) is None
    assert run.board.closing(run.posts, late=False, earlier=()) is not None
    plain = start("abcd").to("0.0.state")
    document = notes.read(plain.posts["d"].body).document(AgreedState)
    lie = str(notes.write(replace(document, weighed=True)).signed_by(key("d"))).encode()
    odd = replace(plain.posts["d"], body=lie, payloads=run.posts["d"].payloads)
    assert plain.board.closing({**{n: plain.posts[n] for n in "ab"}, "c": plain.posts["c"], "d": odd}, late=True, earlier=()) is not None


def test_without_agreement_the_job_ends():
    run = start("abcd").to("0.0.state")
    with pytest.raises(QuorumLost, match="different states; 3 must agree"):
        run.board.close(stated(run, "c", "d"), run.relays)


def test_a_release_is_the_note_with_all_signatures():
    run = start("abcd").to("2.0.state")
    following, _ = run.board.close(run.posts, run.relays)
    assert len(notes.read(following.release).signers(*(key(n).public for n in "abcd"))) == 4


def test_a_refusal_is_found_among_acceptances():
    run = start()
    refusal = machine.refuse(run.job, key("b"), Refused(code="policy.method", method="x"))
    assert run.board.refusal(run.posts) is None
    assert run.board.refusal({**run.posts, "b": refusal}).holder == "b"
    with pytest.raises(IntegrityError):
        run.board.check(machine.refuse(run.job, SigningKey("b", key("c").private), Refused("x")))


# --- what is shown


def test_the_first_vectors_are_shown_with_the_shares_that_open_them_and_not_before():
    run = start().to("0.0.upload")
    relay = run.close()
    assert relay.payloads == {} and run.relays["0.0.upload"].payloads.keys() == set("abc")
    for name in run.names:
        run.deliver(name, relay)
    run.advance()
    reveal = run.close()
    assert kind_of(reveal.step) == "reveal"
    assert reveal.payloads == run.relays["0.0.upload"].payloads


def test_encrypted_vectors_are_shown_at_once_so_that_the_dealers_together_need_nobody_to_read_them():
    relay = Relay("0.0.upload", {"a": b"header"}, {"a": (b"encrypted",)}, "")
    assert replace(start().board, protect="threshold").shown(relay) == relay


def test_later_vectors_are_shown_at_once():
    relay = Relay("1.0.upload", {}, {"a": (b"x",)}, "")
    assert start().board.shown(relay) == relay
