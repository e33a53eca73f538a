"""One lie at a time, before anyone consents: terms, vectors, uploads, and what goes over the wire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from governance.encoding import decode, encode
from governance.envelope import open_signed, sign
from governance.errors import DecodeError, IntegrityError, PeerError, QuorumLost, UsageError
from mpc import secagg
from mpc.rings import ring
from mpc.secagg.dealing import Hand, seal
from mpc.secagg.keys import Schedule, Seat
from tests.mpc.secure_sum import (
    UPLOAD_LIES,
    Stopped,
    coins,
    consented,
    elements,
    federation,
    one_round,
    open_first,
    same_words,
    secret,
    uploaded,
    without,
)

HERE = Stopped()
FED, ROUND, WORDS = HERE.fed, HERE.round, HERE.words


# --- terms and rounds --------------------------------------------------------------------------------

MEMBER = FED.terms.members[0]


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: replace(FED.terms, members=FED.terms.members[:2]), "at least 3 members"),
        (lambda: replace(FED.terms, members=FED.terms.members[::-1]), "sorted by name"),
        (lambda: replace(FED.terms, members=(MEMBER, *FED.terms.members)), "each name once"),
        (lambda: replace(FED.terms, members=(replace(MEMBER, name="a"), *FED.terms.members)), "same key"),
        (lambda: replace(FED.terms, members=(replace(MEMBER, name="a", verify=bytes(32)), *FED.terms.members)), "same key"),
        (lambda: replace(FED.terms, members=(replace(MEMBER, name="a", agree=bytes(32)), *FED.terms.members)), "same key"),
        (lambda: replace(FED.terms, colluding=0), "colluding must be in 1..3"),
        (lambda: replace(FED.terms, colluding=4), "colluding must be in 1..3"),
        (lambda: replace(FED.terms, job=bytes(31)), "hash of 32"),
        (lambda: replace(MEMBER, verify=bytes(31)), "32 bytes"),
        (lambda: replace(MEMBER, agree=bytes(33)), "32 bytes"),
        (lambda: secagg.Vector("v", 64, 0), "elements, got 0"),
        (lambda: secagg.Vector("v", 16, 1), "rings have"),
        (lambda: one_round(number=-1), "0 or more"),
        (lambda: one_round(attempt=-1), "0 or more"),
        (lambda: one_round(state=b""), "state digest"),
        (lambda: one_round(vectors=()), "at least one vector"),
        (lambda: one_round(vectors=(secagg.Vector("b", 64, 1), secagg.Vector("a", 64, 1))), "sorted by name"),
        (lambda: one_round(vectors=(secagg.Vector("a", 64, 1), secagg.Vector("a", 32, 1))), "each name once"),
        (lambda: secagg.Ready(FED.terms, "nobody", bytes(32)), "not on the roster"),
        (lambda: secagg.Ready(FED.terms, "h00", FED.agree["h01"]), "does not belong"),
        (lambda: secagg.Ready(FED.terms, "h00", b"short"), "does not belong"),
        (lambda: secagg.Ready(FED.terms, "h00", FED.agree["h00"], 1).open(ROUND, WORDS["h00"]), "attempt 0 was given up"),
    ],
)
def test_wrong_calls(make, says):
    with pytest.raises(UsageError, match=says):
        make()


def test_names_of_members_and_vectors_are_checked():
    for make in (lambda: replace(MEMBER, name="a b"), lambda: secagg.Vector("", 64, 1)):
        with pytest.raises(DecodeError, match="name"):
            make()


def test_terms_from_a_wire_are_checked_too():
    raw = encode(FED.terms).replace(b"icolluding\x01", b"icolluding\x04")
    assert raw != encode(FED.terms)
    with pytest.raises(DecodeError, match="colluding must be in"):
        decode(raw, secagg.Terms)


def test_a_key_of_small_order_is_named():
    members = (replace(FED.terms.members[0], agree=bytes(32)), *FED.terms.members[1:])
    with pytest.raises(PeerError, match="small order") as error:
        Seat(replace(FED.terms, members=members), "h01", FED.agree["h01"]).agree(["h00"])
    assert error.value.facts == {"party": "h00"}


@pytest.mark.parametrize(
    "words, says",
    [
        ({}, "the round sums v"),
        ({"w": elements([1, 2, 3], 64)}, "the round sums v"),
        ({"v": elements([1, 2], 64)}, "need 3 elements"),
        ({"v": elements([1, 2, 3], 32)}, "need 3 elements"),
        ({"v": ring(64).from_bytes(bytes(24), 3)}, "writeable"),
        ({"v": np.zeros(6, "<u8")[::2]}, "contiguous"),
    ],
)
def test_other_vectors_than_the_rounds_are_refused(words, says):
    with pytest.raises(UsageError, match=says):
        FED.ready("h00").open(ROUND, words)
    with pytest.raises(UsageError, match=says):
        HERE.settled()["h00"].upload(one_round(number=1), words)


def test_a_vector_is_masked_once():
    words = {"v": elements([1, 2, 3], 64)}
    FED.ready("h00").open(ROUND, words)
    with pytest.raises(UsageError, match="but once"):
        FED.ready("h00").open(ROUND, words)


# --- uploads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", UPLOAD_LIES)
def test_an_upload_that_cannot_stand_names_its_sender(lie):
    run = HERE.at_uploaded()
    run.uploads["h01"] = UPLOAD_LIES[lie](run.uploads["h01"])
    with pytest.raises(PeerError) as node:
        run.states["h00"].receive(run.uploads)
    with pytest.raises(PeerError) as coordinator:
        secagg.admit(FED.terms, ROUND, run.uploads)
    assert node.value.facts == coordinator.value.facts == {"party": "h01"}


def test_a_stranger_may_not_upload():
    run = HERE.at_uploaded()
    run.uploads["mallory"] = replace(run.uploads["h01"], sender="mallory")
    with pytest.raises(PeerError, match="may upload"):
        run.states["h00"].receive(run.uploads)


def test_both_ends_of_a_pair_must_commit_to_one_key():
    """A swapped key-agreement key would show here, whoever swapped it."""
    run = HERE.at_uploaded()
    upload = run.uploads["h01"]
    run.uploads["h01"] = replace(upload, pairs={**upload.pairs, "h03": bytes(32)})
    with pytest.raises(PeerError, match="different keys") as error:
        run.states["h00"].receive(run.uploads)
    assert error.value.facts == {"parties": ["h01", "h03"]}


@pytest.mark.parametrize(
    "change", [lambda ups: without(ups, "h00"), lambda ups: {**ups, "h00": replace(ups["h00"], payloads={"v": bytes(32)})}]
)
def test_my_upload_must_be_in_as_i_sent_it(change):
    run = HERE.at_uploaded()
    with pytest.raises(PeerError, match="our upload"):
        run.states["h00"].receive(change(run.uploads))


def test_too_few_uploads_are_no_sum():
    run = HERE.at_uploaded()
    with pytest.raises(QuorumLost, match="3 members uploaded, 4 are needed"):
        run.states["h00"].receive({name: run.uploads[name] for name in ("h00", "h01", "h02")})


def test_every_bit_of_a_sealed_hand_is_authenticated():
    run = HERE.at_uploaded()
    upload = run.uploads["h01"]
    for i in range(len(upload.sealed["h00"])):
        box = bytearray(upload.sealed["h00"])
        box[i] ^= 0x10
        tampered = {**run.uploads, "h01": replace(upload, sealed={**upload.sealed, "h00": bytes(box)})}
        with pytest.raises(PeerError, match="sealed shares do not open") as error:
            run.states["h00"].receive(tampered)
        assert error.value.facts == {"party": "h01"}


@pytest.mark.parametrize(
    "box", [lambda ups: ups["h02"].sealed["h00"], lambda ups: ups["h01"].sealed["h02"], lambda ups: ups["h00"].sealed["h01"]]
)
def test_a_hand_sealed_by_or_for_another_does_not_open(box):
    """Another dealer's, another recipient's, or our own sent back: keys and associated data name both ends and the direction."""
    run = HERE.at_uploaded()
    upload = run.uploads["h01"]
    run.uploads["h01"] = replace(upload, sealed={**upload.sealed, "h00": box(run.uploads)})
    with pytest.raises(PeerError, match="do not open"):
        run.states["h00"].receive(run.uploads)


def test_a_hand_of_another_round_does_not_open():
    run, other = HERE.at_uploaded(), uploaded(FED, one_round(attempt=1), WORDS)
    upload = run.uploads["h01"]
    run.uploads["h01"] = replace(upload, sealed=other.uploads["h01"].sealed)
    with pytest.raises(PeerError, match="do not open"):
        run.states["h00"].receive(run.uploads)


def test_hands_must_hold_field_elements():
    """A dealer who seals something else is named before anyone consents."""

    run = HERE.at_uploaded()
    dealer = Seat(FED.terms, "h01", FED.agree["h01"])
    bad = Hand(b"\xff" * 33, {other: bytes(33) for other in dealer.others})
    sealed = seal(Schedule(FED.terms, ROUND), dict.fromkeys(FED.names, bad), dealer.agree(dealer.others), me="h01", rand=coins("bad"))
    run.uploads["h01"] = replace(run.uploads["h01"], sealed=sealed)
    with pytest.raises(PeerError, match="do not open"):
        run.states["h00"].receive(run.uploads)


# --- rosters, states and keys ------------------------------------------------------------------------


def test_key_substitution_gives_another_roster():
    """The coordinator puts its own key-agreement key in the roster that it shows to one member."""
    fake = replace(FED.terms.members[1], agree=federation(5, job="evil").terms.members[1].agree)
    terms = replace(FED.terms, members=(FED.terms.members[0], fake, *FED.terms.members[2:]))
    state, upload, _ = secagg.Ready(terms, "h00", FED.agree["h00"]).open(ROUND, {"v": WORDS["h00"]["v"].copy()})
    run = HERE.at_uploaded()
    with pytest.raises(PeerError, match="another job, roster, round or state"):
        state.receive({**run.uploads, "h00": upload})
    with pytest.raises(PeerError, match="another job, roster, round or state"):
        run.states["h02"].receive({**run.uploads, "h00": upload})


@pytest.mark.parametrize("change", ["state", "attempt", "vectors", "colluding", "job"])
def test_masks_do_not_cancel_between_members_who_disagree(change):
    """Even a coordinator that ignores every check finds no sum: one differing fact, and pair masks are unrelated."""
    states = HERE.settled()
    other_round = {
        "state": one_round(number=1, state=secret("other")),
        "attempt": one_round(number=1),
        "vectors": one_round(number=1, vectors=(secagg.Vector("v", 64, 3), secagg.Vector("w", 64, 1))),
    }.get(change, one_round(number=1))
    odd = states["h00"]
    if change == "attempt":
        odd, other_round = replace(odd, attempt=1), one_round(number=1, attempt=1)
    if change == "colluding":
        odd = replace(odd, seat=replace(odd.seat, terms=replace(FED.terms, colluding=2)))
    if change == "job":
        odd = replace(odd, seat=replace(odd.seat, terms=replace(FED.terms, job=secret("other job"))))
    zeros = {v.name: v.ring.zeros(v.length) for v in other_round.vectors}
    payloads = [odd.upload(other_round, zeros)[2]["v"]]
    payloads += [states[n].upload(one_round(number=1), {"v": ring(64).zeros(3)})[2]["v"] for n in FED.names[1:]]
    total = ring(64).zeros(3)
    for payload in payloads:
        ring(64).add(total, ring(64).from_bytes(payload, 3))
    assert (total != 0).all()  # by chance once in 2^62 runs


# --- on the wire -------------------------------------------------------------------------------------


def test_every_byte_of_every_signed_message_counts():
    fed = federation(3)
    run = open_first(fed, one_round(length=1), same_words(fed, 1), {})
    abstention = uploaded(fed, one_round(length=1), same_words(fed, 1)).states["h00"].abstain()[1]
    for message in (run.uploads["h00"], run.consents["h00"], run.reveals["h00"], abstention):
        raw = sign(fed.signing["h00"], message)
        for i in range(len(raw)):
            flipped = bytearray(raw)
            flipped[i] ^= 1 << i % 8
            with pytest.raises((DecodeError, IntegrityError, PeerError)):
                open_signed(bytes(flipped), fed.terms.keys, secagg.Upload, secagg.Consent, secagg.Reveal, secagg.Abstention)


def test_secrets_do_not_print():
    run = HERE.at_uploaded()
    ready, state = FED.ready("h00"), run.states["h00"]
    after, _ = consented(FED, ROUND, run).states["h00"].receive(run.consents)
    texts = [repr(x) for x in (ready, state, run.states["h00"], after, HERE.settled()["h00"], run.uploads["h00"])]
    reveal = run.states["h00"].reveal
    hidden = [FED.agree["h00"], state.hand.seed, *reveal.seeds.values(), *state.hand.pairs.values(), HERE.settled()["h00"].totals["v"]]
    assert not any(repr(value)[2:-1] in text for value in hidden for text in texts)
