"""From uploads to the one sum that is decrypted: consents, two sets, different uploads of a liar, and what they open where none are asked."""

from __future__ import annotations

import functools
from dataclasses import replace

import gmpy2
import pytest

from governance.errors import PeerError, Unavailable
from mpc import threshold
from mpc.he.paillier import threshold as paillier
from mpc.he.paillier.threshold import combine
from mpc.threshold.packing import Layout
from tests.mpc.secure_sum import one_round, secret, without
from tests.mpc.threshold_sum import Run, consented, decrypted, encrypting, fresh, keyed, opened, some_words, uploaded


def signed(run: Run, name: str, shown: dict[str, threshold.Upload]) -> tuple[threshold.Consented, threshold.Consent]:
    """What *name* says to the uploads that it is shown."""
    return run.states[name].receive(shown, run.payloads)


# --- consents ----------------------------------------------------------------------------------------------


def test_members_who_consented_to_another_set_are_named():
    run = fresh()
    consents = {name: signed(run, name, without(run.uploads, "h00"))[1] for name in ("h01", "h02", "h03")}
    mine, _ = signed(run, "h00", run.uploads)
    with pytest.raises(PeerError, match="another set") as error:
        mine.receive(consents)
    assert error.value.facts == {"parties": ["h01", "h02", "h03"]}


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
    run = consented(fresh())
    run.consents["h01"] = CONSENT_LIES[lie](run.consents["h01"])
    assert isinstance(run.states["h00"].receive(run.consents)[0], threshold.Opening)
    with pytest.raises(Unavailable, match="2 of 3 equal consents") as late:
        run.states["h00"].receive(without(run.consents, "h02"))
    assert late.value.facts == {"waiting": ["h02"], "need": 3}
    run.consents["h02"] = CONSENT_LIES[lie](run.consents["h02"])
    with pytest.raises(PeerError, match="another set") as error:
        run.states["h00"].receive(run.consents)
    assert error.value.facts == {"parties": ["h01", "h02"]}


def test_consents_are_waited_for():
    run = consented(fresh())
    with pytest.raises(Unavailable, match="2 of 3 equal consents") as error:
        run.states["h00"].receive({"h02": run.consents["h02"]})
    assert error.value.facts == {"waiting": ["h01", "h03"], "need": 3}
    assert error.value.exit_status == 75


def test_my_consent_counts_as_i_signed_it():
    """Whatever the coordinator shows under our name, and if it shows nothing."""
    run = consented(fresh())
    others = {name: run.consents[name] for name in ("h01", "h02")}
    for shown in (others, {**others, "h00": replace(run.consents["h00"], agreed=secret("other"))}):
        assert run.states["h00"].receive(shown)[1].agreed == run.consents["h00"].agreed


def test_a_lost_member_or_a_stranger_cannot_consent():
    run = fresh()
    del run.uploads["h03"]
    consented(run)
    for outsider in ("h03", "mallory"):
        with pytest.raises(Unavailable, match="2 of 3 equal consents"):
            run.states["h00"].receive({"h01": run.consents["h01"], outsider: replace(run.consents["h01"], sender=outsider)})


def test_a_later_round_takes_no_consents():
    fed, states = keyed(4)
    first = opened(decrypted(uploaded(fed, states, one_round(), some_words(fed, 3))))
    later = uploaded(fed, first.states, one_round(number=1), some_words(fed, 3)).states["h00"]
    assert isinstance(later, threshold.Waiting)
    assert later.survivors == first.states["h00"].survivors == tuple(fed.names)
    assert states["h00"].upload(one_round(), some_words(fed, 3)["h00"])[0].survivors == ()


# --- two sets -----------------------------------------------------------------------------------------------


def test_two_sets_and_nobody_decrypts():
    """The coordinator shows {h00, h01, h02} to two members and {h01, h02, h03} to the others. n = 4, t = 3, c = 1."""
    run = fresh()
    shown = {"h00": "h03", "h01": "h03", "h02": "h00", "h03": "h00"}  # who is left out
    answers = {name: signed(run, name, without(run.uploads, left_out)) for name, left_out in shown.items()}
    consents = {name: consent for name, (_, consent) in answers.items()}
    for state, _ in answers.values():
        with pytest.raises((Unavailable, PeerError)):
            state.receive(consents)
    promises = {name: state.abstain()[1] for name, (state, _) in answers.items()}  # and the attempt can be given up
    assert answers["h00"][0].abstain()[0].receive(promises).attempt == 1


def test_one_who_consents_twice_makes_no_second_set():
    """A liar, or a member restored from an old copy, signs two sets: whatever the others are shown, one set at most is decrypted."""
    run = fresh()
    sets = [run.uploads, without(run.uploads, "h03")]
    double = [signed(run, "h00", shown)[1] for shown in sets]
    said = {name: [signed(run, name, shown) for shown in sets] for name in ("h01", "h02")}
    last = signed(run, "h03", run.uploads)
    found = set()
    for choice in range(4):
        answers = {"h01": said["h01"][choice >> 1], "h02": said["h02"][choice & 1], "h03": last}
        decrypting = set()
        for mine in double:
            consents = {"h00": mine, **{name: consent for name, (_, consent) in answers.items()}}
            for state, _ in answers.values():
                try:
                    decrypting.add(state.receive(consents)[1].agreed)
                except (PeerError, Unavailable):
                    continue
        assert len(decrypting) <= 1
        found |= decrypting
    assert found == {consent.agreed for consent in double}  # each of the two can be that one


def test_having_decrypted_nobody_answers_again():
    """Before it decrypts a member can give the attempt up; after it, it can only open the total or take others' word that they gave up."""
    public = [{n for n in dir(state) if not n.startswith("_")} for state in (threshold.Consented, threshold.Opening)]
    assert public == [
        {"seat", "tally", "consent", "kind", "receive", "abstain"},
        {"seat", "first", "tally", "partial", "kind", "receive", "rejoin"},
    ]


# --- a liar with an upload for each member ------------------------------------------------------------------


def shown_to(run: Run, numbers: dict[str, int]) -> dict[str, tuple[dict[str, threshold.Upload], dict[str, dict[str, bytes]]]]:
    """h03 shows v^m to each member, of an m of its own: true proofs, and it can take m out of what the member answers."""
    keys = run.states["h03"].seat.keys
    made = {m: encrypting(run, "h03", {dealer: [(m, 2 * m)] for dealer in keys}) for m in set(numbers.values())}  # (1 + n)^m h^2m
    return {name: ({**run.uploads, "h03": made[m][0]}, {**run.payloads, "h03": made[m][1]}) for name, m in numbers.items()}


@pytest.mark.parametrize("numbers, decrypting", [((7, 9, 11), []), ((7, 9, 9), ["h01", "h02"])])
def test_in_a_first_opening_different_uploads_get_no_answers_for_two_sums(numbers, decrypting):
    """h03 signs whatever helps: for each member the very set that it was shown. One sum at most finds three signatures."""
    run = fresh()
    shown = shown_to(run, dict(zip(("h00", "h01", "h02"), numbers, strict=True)))
    answers = {name: run.states[name].receive(*each) for name, each in shown.items()}
    honest = {name: consent for name, (_, consent) in answers.items()}
    given = {}
    for name, (state, mine) in answers.items():
        try:
            given[name] = state.receive({**honest, "h03": replace(mine, sender="h03")})[1].agreed
        except (Unavailable, PeerError):
            continue
    assert list(given) == decrypting
    assert len(set(given.values())) <= 1
    if not given:  # nobody has answered: the attempt is given up, where before it would have been spent
        promises = {name: state.abstain()[1] for name, (state, _) in answers.items()}
        assert answers["h00"][0].abstain()[0].receive(promises).attempt == 1


def test_in_a_later_round_different_uploads_open_the_honest_total_to_the_liar_and_nothing_else():
    """h03 shows v^7 to h00 and v^9 to h01. No sum finds t answers, yet with its own share it reads the honest total, which the round is for:
    once, since all survivors are in every sum. The honest nodes are left without it."""
    fed, states = keyed(4)
    first = opened(decrypted(uploaded(fed, states, one_round(), some_words(fed, 3))))
    run = uploaded(fed, first.states, one_round(number=1), some_words(fed, 3))
    seat, points, numbers = run.states["h03"].seat, fed.terms.points, {"h00": 7, "h01": 9}
    layout = Layout.of(fed.terms, one_round(number=1), seat.keys)
    for name, (uploads, payloads) in shown_to(run, numbers).items():
        run.states[name], run.partials[name], run.parts[name] = run.states[name].receive(uploads, payloads)
    for name in numbers:
        with pytest.raises((Unavailable, PeerError)):
            run.states[name].receive(run.partials, run.parts)
    columns = [layout.read(run.payloads[name], items=True, party=name)[0] for name in ("h00", "h01", "h02")]
    total = 0
    for dealer, key in layout.publics.items():
        n2 = key.square
        product = functools.reduce(lambda a, b, n2=n2: a * b % n2, (column[dealer][0] for column in columns))
        mine = {points["h03"]: [paillier.partial(key, product, seat.share(dealer), members=4)]}
        for name, m in numbers.items():
            (part,) = layout.read(run.parts[name], items=False, party=name)[0][dealer]
            mine[points[name]] = [part * gmpy2.powmod(seat.keys[dealer].check(name), -2 * m, n2) % n2]
        total += int(combine(key, mine, members=4)[0])  # its lowest slot is the first element's
    assert total % 2**64 == 0 + 1000 + 2000
    with pytest.raises(Unavailable, match="all survivors or not at all"):  # and no other sum is decrypted
        run.states["h02"].receive(without(run.uploads, "h00"), run.payloads)
