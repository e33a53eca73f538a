"""One lie at a time, from consent to the total: two sets, false shares, swapped vectors, abstentions that prove nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import PeerError, Unavailable, UsageError
from mpc import secagg
from mpc.secagg import opening
from mpc.sharing.seeds import element
from tests.mpc.secure_sum import (
    Stopped,
    consented,
    federation,
    one_round,
    open_first,
    revealed,
    same_words,
    secret,
    without,
)

HERE = Stopped()
FED, ROUND, WORDS = HERE.fed, HERE.round, HERE.words


# --- consents ----------------------------------------------------------------------------------------


def test_two_sets_and_nobody_reveals():
    """Flower 1.42 hands out both shares of a node that is listed as active and as dead. Here half the members are shown it alive."""
    run = HERE.at_uploaded()
    with_victim, without_victim = run.uploads, without(run.uploads, "h01")
    consents, states = {}, {}
    for i, name in enumerate(FED.names):
        shown = with_victim if i % 2 or name == "h00" else without_victim
        if name in shown:
            states[name], consents[name] = run.states[name].receive(shown)
    for state in states.values():
        with pytest.raises((PeerError, Unavailable)):
            state.receive(consents)


def test_members_who_consented_to_another_set_are_named():
    run = HERE.at_uploaded()
    states = {name: run.states[name].receive(run.uploads if name == "h00" else without(run.uploads, "h00")) for name in FED.names[1:]}
    mine, _ = run.states["h00"].receive(run.uploads)
    with pytest.raises(PeerError, match="another set") as error:
        mine.receive({name: consent for name, (_, consent) in states.items()})
    assert error.value.facts == {"parties": list(FED.names[1:])}


CONSENT_LIES = {
    "other survivors": lambda c: replace(c, survivors=c.survivors[1:]),
    "other uploads": lambda c: replace(c, agreed=secret("other")),
    "another round": lambda c: replace(c, round=one_round(attempt=1).digest),
    "another job": lambda c: replace(c, job=secret("other")),
    "another roster": lambda c: replace(c, root=secret("other")),
    "another's name": lambda c: replace(c, sender="h00"),
}


@pytest.mark.parametrize("lie", CONSENT_LIES)
def test_a_differing_consent_does_not_count_and_does_not_stop(lie):
    run = HERE.at_consented()
    run.consents["h01"] = CONSENT_LIES[lie](run.consents["h01"])
    assert isinstance(run.states["h00"].receive(run.consents)[0], secagg.Revealed)
    run.consents["h02"] = CONSENT_LIES[lie](run.consents["h02"])
    with pytest.raises(PeerError, match="another set") as error:
        run.states["h00"].receive(run.consents)
    assert error.value.facts == {"parties": ["h01", "h02"]}


def test_consents_are_waited_for():
    run = HERE.at_consented()
    with pytest.raises(Unavailable, match="3 of 4 equal consents") as error:
        run.states["h00"].receive({name: run.consents[name] for name in ("h01", "h02")})
    assert error.value.facts == {"waiting": ["h03", "h04"], "need": 4}
    assert error.value.exit_status == 75


def test_a_lost_member_or_a_stranger_cannot_consent():
    run = HERE.at_consented(lost=("h04",))
    few = {name: run.consents[name] for name in ("h01", "h02")}
    for outsider in ("h04", "mallory"):
        with pytest.raises(Unavailable):
            run.states["h00"].receive({**few, outsider: replace(run.consents["h01"], sender=outsider)})


def test_one_who_consents_twice_makes_no_second_set():
    """A member restored from an old copy signs two sets: with c = 1 such member and any other choice, one set at most finds t."""
    run = HERE.at_uploaded()
    sets = [run.uploads, without(run.uploads, "h04")]
    double = [run.states["h00"].receive(shown) for shown in sets]
    for split in range(2**3):
        opened = set()
        members = {name: sets[split >> i & 1] for i, name in enumerate(("h01", "h02", "h03"))} | {"h04": sets[0]}
        answers = {name: run.states[name].receive(shown) for name, shown in members.items()}
        for which, (mine, consent) in enumerate(double):
            consents = {name: c for name, (_, c) in answers.items()} | {"h00": consent}
            for state in (mine, *(state for state, _ in answers.values())):
                try:
                    opened.add(state.receive(consents)[1].agreed)
                except (PeerError, Unavailable):
                    assert which in (0, 1)
        assert len(opened) <= 1


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(FED.names), max_size=1))
def test_never_both_kinds_of_shares_of_one_member(lost):
    """What a member can ever say is in its state once it consented: a survivor's seed, or its pair keys with the dropped; for those
    who dropped, nothing of their own."""
    run = HERE.at_consented(tuple(lost))
    living = run.uploads.keys()
    for name in living:
        reveal = run.states[name].reveal
        assert reveal.seeds.keys() == living
        assert reveal.pairs.keys() == (living if lost else set())
        assert all(shares.keys() == lost for shares in reveal.pairs.values())
        assert {f for f in type(run.states[name]).__dataclass_fields__} == {"seat", "tally", "consent", "reveal"}


# --- reveals and vectors -----------------------------------------------------------------------------

REVEAL_LIES = {
    "another agreement": lambda r: replace(r, agreed=secret("other")),
    "another round": lambda r: replace(r, round=one_round(attempt=1).digest),
    "another job": lambda r: replace(r, job=secret("other")),
    "another roster": lambda r: replace(r, root=secret("other")),
    "another's name": lambda r: replace(r, sender="h00"),
    "a seed too few": lambda r: replace(r, seeds=without(r.seeds, "h03")),
    "a seed of one who dropped": lambda r: replace(r, seeds={**r.seeds, "h04": bytes(33)}),
    "a short share": lambda r: replace(r, seeds={**r.seeds, "h03": bytes(32)}),
    "no pair keys": lambda r: replace(r, pairs={}),
    "pair keys of the living": lambda r: replace(r, pairs={**r.pairs, "h01": {"h02": bytes(33)}}),
}


@pytest.mark.parametrize("lie", REVEAL_LIES)
def test_a_reveal_of_something_else_does_not_count(lie):
    fed, words = federation(6), same_words(federation(6))  # t = 4
    round = one_round()
    run = open_first(fed, round, words, {"h04": "upload"})
    run.reveals["h01"] = REVEAL_LIES[lie](run.reveals["h01"])
    opened = secagg.total(run.tally, run.reveals, run.payloads)
    assert opened.totals == run.states["h00"].totals
    run.reveals["h02"] = REVEAL_LIES[lie](run.reveals["h02"])
    with pytest.raises(PeerError, match="something else") as error:
        secagg.total(run.tally, run.reveals, run.payloads)
    assert error.value.facts == {"parties": ["h01", "h02"]}


def test_reveals_are_waited_for_by_name():
    run = HERE.at_revealed()
    del run.reveals["h03"], run.reveals["h01"]
    assert secagg.needed(run.tally, run.reveals) == ("h01", "h03")
    with pytest.raises(Unavailable, match="3 of 4 reveals") as error:
        run.states["h00"].receive(run.reveals, run.payloads)
    assert error.value.facts == {"waiting": ("h01", "h03"), "need": 4}


def falsify(reveal, owner, other=None):
    wrong = lambda share: (element(share) ^ 1).to_bytes(33, "big")  # noqa: E731
    if other is None:
        return replace(reveal, seeds={**reveal.seeds, owner: wrong(reveal.seeds[owner])})
    return replace(reveal, pairs={**reveal.pairs, owner: {**reveal.pairs[owner], other: wrong(reveal.pairs[owner][other])}})


@pytest.mark.parametrize("liar", ["h00", "h02", "h04"])
@pytest.mark.parametrize("secret_", [("h01",), ("h01", "h05")])
def test_a_false_share_is_passed_over_and_its_sender_named(liar, secret_):
    fed = federation(6)
    run = open_first(fed, ROUND, same_words(fed), {"h05": "upload"})
    right = secagg.total(run.tally, run.reveals, run.payloads)
    run.reveals[liar] = falsify(run.reveals[liar], *secret_)
    opened = secagg.total(run.tally, run.reveals, run.payloads)
    assert opened.totals == right.totals
    assert opened.liars == ((liar,) if liar < "h04" else ())  # the fifth share was not needed, and so not looked at


def test_a_share_that_is_no_field_element_is_a_false_share():
    fed = federation(6)
    run = open_first(fed, ROUND, same_words(fed), {})
    run.reveals["h00"] = replace(run.reveals["h00"], seeds={**run.reveals["h00"].seeds, "h01": b"\xff" * 33})
    assert secagg.total(run.tally, run.reveals, run.payloads).liars == ("h00",)


def test_a_false_share_among_the_last_threshold_opens_nothing():
    """With exactly t reveals nobody can tell who lied: the owner whose commitment does not fit is named, and no total is shown."""
    run = open_first(FED, ROUND, WORDS, {"h04": "reveal"})
    run.reveals["h02"] = falsify(run.reveals["h02"], "h01")
    with pytest.raises(PeerError, match="do not fit its commitment") as error:
        secagg.total(run.tally, run.reveals, run.payloads)
    assert error.value.facts == {"party": "h01"}


def test_a_dealer_whose_shares_give_another_seed_is_named():
    run = HERE.at_revealed()
    tally = replace(run.tally, pledges={**run.tally.pledges, "h03": replace(run.tally.pledges["h03"], seed=secret("another seed"))})
    reveals = {name: replace(reveal, agreed=tally.agreed) for name, reveal in run.reveals.items()}
    with pytest.raises(PeerError, match="do not fit its commitment") as error:
        secagg.total(tally, reveals, run.payloads)
    assert error.value.facts == {"party": "h03"}


def test_the_search_for_liars_ends(monkeypatch):
    monkeypatch.setattr(opening, "TRIES", 3)
    fed = federation(7, 1)  # t = 5, seven reveals
    run = open_first(fed, ROUND, same_words(fed), {})
    run.reveals["h02"] = falsify(run.reveals["h02"], "h01")
    with pytest.raises(PeerError, match="do not fit"):
        secagg.total(run.tally, run.reveals, run.payloads)


def test_a_swapped_vector_names_its_sender():
    run = HERE.at_revealed()
    for payload in (bytes(24), bytes(run.payloads["h02"]["v"])[:-1], bytes(run.payloads["h01"]["v"])):
        with pytest.raises(PeerError, match="not the one it signed") as error:
            run.states["h00"].receive(run.reveals, {**run.payloads, "h02": {"v": payload}})
        assert error.value.facts == {"party": "h02"}


def test_a_signed_vector_of_another_length_names_its_sender():
    run = HERE.at_uploaded()
    run.uploads["h02"] = replace(run.uploads["h02"], payloads={"v": hashlib.sha256(bytes(16)).digest()})
    run.states["h02"] = replace(run.states["h02"], upload=run.uploads["h02"])
    run = revealed(FED, consented(FED, ROUND, run))
    with pytest.raises(PeerError, match="another length") as error:
        run.states["h00"].receive(run.reveals, {**run.payloads, "h02": {"v": bytes(16)}})
    assert error.value.facts == {"party": "h02"}


def test_missing_vectors_are_waited_for():
    run = HERE.at_revealed()
    with pytest.raises(Unavailable, match="vectors are missing") as error:
        run.states["h00"].receive(run.reveals, {**without(run.payloads, "h01"), "h03": {}})
    assert error.value.facts == {"waiting": ["h01", "h03"]}


# --- abstentions -------------------------------------------------------------------------------------


def test_who_revealed_cannot_abstain():
    run = HERE.at_revealed()
    assert not any(hasattr(run.states["h00"], name) for name in ("abstain", "open", "upload"))
    assert not hasattr(HERE.settled()["h00"], "abstain")


def test_too_few_abstentions_are_no_new_attempt():
    """n = 5, t = 4, c = 1: three are needed, since one of them may lie and reveal all the same."""
    run = HERE.at_consented()
    given = {name: run.states[name].abstain() for name in FED.names[:2]}
    messages = {name: message for name, (_, message) in given.items()}
    with pytest.raises(Unavailable, match="2 of 3 abstentions") as error:
        given["h00"][0].receive(messages)
    assert error.value.facts == {"waiting": ["h02", "h03", "h04"], "need": 3}
    revealed_, _ = run.states["h04"].receive(run.consents)
    with pytest.raises(Unavailable, match="2 of 3"):
        revealed_.rejoin(messages)


ABSTENTION_LIES = {
    "another job": lambda a: replace(a, job=secret("other")),
    "another roster": lambda a: replace(a, root=secret("other")),
    "another attempt": lambda a: replace(a, round=one_round(attempt=1).digest),
    "another's name": lambda a: replace(a, sender="h01"),
}


@pytest.mark.parametrize("lie", ABSTENTION_LIES)
def test_an_abstention_from_something_else_does_not_count(lie):
    run = HERE.at_uploaded()
    given = {name: run.states[name].abstain() for name in FED.names[:3]}
    messages = {name: message for name, (_, message) in given.items()}
    assert given["h00"][0].receive(messages).attempt == 1
    messages["h02"] = ABSTENTION_LIES[lie](messages["h02"])
    with pytest.raises(Unavailable, match="2 of 3"):
        given["h00"][0].receive(messages)
    with pytest.raises(Unavailable, match="2 of 3"):
        given["h00"][0].receive({**without(messages, "h02"), "mallory": replace(messages["h01"], sender="mallory")})


def test_an_attempt_that_was_given_up_does_not_come_back():
    run = HERE.at_uploaded()
    given = {name: run.states[name].abstain() for name in FED.names[:3]}
    ready = given["h00"][0].receive({name: message for name, (_, message) in given.items()})
    with pytest.raises(UsageError, match="attempt 0 was given up"):
        ready.open(ROUND, WORDS["h00"])
