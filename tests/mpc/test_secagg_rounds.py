"""One lie at a time in the rounds after the first opening."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.errors import PeerError, Unavailable, UsageError
from tests.mpc.secure_sum import (
    UPLOAD_LIES,
    Stopped,
    one_round,
    open_first,
    without,
)

HERE = Stopped()
FED, ROUND, WORDS = HERE.fed, HERE.round, HERE.words


# --- later rounds ------------------------------------------------------------------------------------


def at_waiting():
    states, round = HERE.settled(), one_round(number=1)
    sent = {name: states[name].upload(round, {"v": WORDS[name]["v"].copy()}) for name in FED.names}
    return (
        {name: state for name, (state, _, _) in sent.items()},
        {name: upload for name, (_, upload, _) in sent.items()},
        {name: payload for name, (_, _, payload) in sent.items()},
    )


@pytest.mark.parametrize("round", [ROUND, one_round(number=1, attempt=1)])
def test_a_round_is_not_repeated(round):
    with pytest.raises(UsageError, match="higher number and the same attempt"):
        HERE.settled()["h00"].upload(round, {"v": WORDS["h00"]["v"].copy()})


def test_later_rounds_want_every_survivor():
    states, uploads, payloads = at_waiting()
    with pytest.raises(Unavailable, match="all survivors or not at all") as error:
        states["h00"].receive(without(uploads, "h03"), payloads)
    assert error.value.facts == {"waiting": ["h03"]}


def test_later_rounds_admit_survivors_only():
    run = open_first(FED, ROUND, WORDS, {"h04": "upload"})
    round = one_round(number=1)
    sent = {name: run.states[name].upload(round, {"v": WORDS[name]["v"].copy()}) for name in FED.names[:4]}
    uploads = {name: upload for name, (_, upload, _) in sent.items()}
    with pytest.raises(PeerError, match="may upload") as error:
        sent["h00"][0].receive({**uploads, "h04": replace(uploads["h01"], sender="h04")}, {})
    assert error.value.facts == {"party": "h04"}


def test_later_rounds_hold_my_upload_as_i_sent_it():
    states, uploads, payloads = at_waiting()
    with pytest.raises(PeerError, match="our upload"):
        states["h00"].receive({**uploads, "h00": uploads["h01"]}, payloads)


@pytest.mark.parametrize("lie", sorted(UPLOAD_LIES.keys() - {"no seed", "a hand too few", "a short hand", "another round"}))
def test_later_uploads_are_checked_alike(lie):
    states, uploads, payloads = at_waiting()
    if lie == "a hand too many":
        uploads["h01"] = replace(uploads["h01"], sealed={"h02": bytes(10)})
    else:
        uploads["h01"] = UPLOAD_LIES[lie](uploads["h01"])
    with pytest.raises(PeerError) as error:
        states["h00"].receive(uploads, payloads)
    assert error.value.facts == {"party": "h01"}


def test_later_uploads_hold_no_seed():
    states, uploads, payloads = at_waiting()
    uploads["h01"] = replace(uploads["h01"], seed=bytes(32))
    with pytest.raises(PeerError, match="seed commitment"):
        states["h00"].receive(uploads, payloads)


def test_later_rounds_check_both_ends_and_vectors():
    states, uploads, payloads = at_waiting()
    lied = {**uploads, "h01": replace(uploads["h01"], pairs={**uploads["h01"].pairs, "h02": bytes(32)})}
    with pytest.raises(PeerError, match="different keys"):
        states["h00"].receive(lied, payloads)
    with pytest.raises(PeerError, match="not the one it signed"):
        states["h00"].receive(uploads, {**payloads, "h03": {"v": bytes(24)}})
