"""The coordinator's mailbox for cosignatures: what is waited for comes at once, what is forged or late goes nowhere, and little is kept."""

from __future__ import annotations

import threading

import pytest

from federated.coordinator.mailbox import Mailbox
from federated.witnessing import Answer, Answers, Ask, Duty, Turn, id_of
from governance.encoding import decode, encode
from governance.errors import DecodeError
from governance.witness import Cosignature, Refusal, Request

ONE, TWO = Request("one", ()), Request("two", ())
YES, NO = Cosignature("— b x"), Refusal(409, 3, "")


def box_with(request=ONE, witnesses=("b", "c")):
    box = Mailbox()
    return box, box.put("a", Ask(witnesses, request))


def given(request, answer):
    return (Answer(id_of(request), answer),)


def heard(box, asked, want=9):
    return box.answers("a", asked, want=want, wait=0)


def test_a_request_is_shown_to_its_witnesses_until_they_have_answered():
    box, asked = box_with()
    assert box.waiting("b", wait=0) == box.waiting("c", wait=0) == (ONE,)
    assert box.waiting("a", wait=0) == box.waiting("d", wait=0) == ()
    box.answer("b", given(ONE, YES))
    assert box.waiting("b", wait=0) == () and box.waiting("c", wait=0) == (ONE,)
    assert heard(box, asked) == {"b": YES}
    box.answer("c", given(ONE, NO))
    assert heard(box, asked) == {"b": YES, "c": NO}


def test_nobody_is_asked_about_its_own_ledger():
    box, _ = box_with(witnesses=("a", "b"))
    assert box.waiting("a", wait=0) == ()


def test_only_those_who_were_asked_answer_and_only_what_is_asked_now():
    box, asked = box_with()
    box.answer("d", given(ONE, YES))
    box.answer("b", given(TWO, YES))
    assert heard(box, asked) == {}
    assert box.answers("z", asked, want=1, wait=0) == {}


def test_a_newer_request_takes_the_place_of_the_older_one():
    box, asked = box_with()
    box.answer("b", given(ONE, YES))
    assert box.put("a", Ask(("b", "c"), ONE)) == asked and heard(box, asked) == {"b": YES}  # the same again changes nothing
    newer = box.put("a", Ask(("b", "c"), TWO))
    assert heard(box, asked) == heard(box, newer) == {}
    assert box.waiting("b", wait=0) == (TWO,)
    box.put("a", Ask(("c",), TWO))
    assert box.waiting("b", wait=0) == ()


def test_who_waits_is_told_at_once():
    box, asked = box_with()
    box.answer("b", given(ONE, YES))
    threading.Timer(0.1, lambda: box.answer("c", given(ONE, YES))).start()
    assert box.answers("a", asked, want=2, wait=60).keys() == {"b", "c"}
    assert box.answers("a", asked, want=9, wait=60).keys() == {"b", "c"}  # more than were asked cannot come
    threading.Timer(0.1, lambda: box.put("a", Ask(("b",), TWO))).start()
    assert box.waiting("b", wait=60) == (TWO,)
    threading.Timer(0.1, lambda: box.put("a", Ask(("b",), ONE))).start()
    assert box.answers("a", id_of(TWO), want=1, wait=60) == {}
    news = []
    threading.Timer(0.1, lambda: (news.append(1), box.stir())).start()
    assert box.waiting("c", wait=60, news=lambda: bool(news)) == ()


def test_messages_travel_and_have_limits():
    for message in (Ask(("b",), ONE), Answers({"b": YES, "c": NO}), Turn(given(ONE, NO), 3), Duty((ONE,), "")):
        assert decode(encode(message), type(message)) == message
    for lie in (Ask(("b",) * 129, ONE), Turn(given(ONE, YES) * 129, 0), Turn((), -1), Ask(("",), ONE)):
        with pytest.raises(DecodeError):
            decode(encode(lie), type(lie))
