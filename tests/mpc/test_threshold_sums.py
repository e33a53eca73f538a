"""Any t members open the sum of what the survivors uploaded, over rounds, rings, losses and liars."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.errors import PeerError, Unavailable, UsageError
from mpc import secagg, threshold
from mpc.encoding import FixedPoint
from mpc.rings import ORDER, SCALARS, ring
from mpc.secagg.terms import Vector
from mpc.threshold.packing import Layout, join, slots, split
from tests.mpc.secure_sum import coins, elements, federation, integers, one_round, secret
from tests.mpc.threshold_sum import consented, dealings, decrypted, keyed, opened, some_words, uploaded


def scalars(values: list[int]):
    return SCALARS.from_bytes(b"".join((v % ORDER).to_bytes(32, "little") for v in values), len(values)).copy()


def read(run, name: str, vector: Vector) -> list[int]:
    raw = run.states[name].totals[vector.name]
    return [int.from_bytes(raw[i : i + vector.ring.size], "little") for i in range(0, len(raw), vector.ring.size)]


# --- shares and slots -----------------------------------------------------------------------------------

BITS = st.sampled_from([32, 64, 128, 252])


@given(BITS, st.integers(1, 40), st.integers(2, 4), st.integers(2, 300), st.data())
def test_shares_and_slots_give_the_sum_back(bits, length, ways, members, data):
    """As many members as may be, with the largest coins there are: no slot runs over into the next."""
    part, top = Vector("v", bits, length), data.draw(st.booleans())
    modulus = ORDER if bits == 252 else 2**bits
    values = data.draw(st.lists(st.integers(0, modulus - 1), min_size=length, max_size=length))
    words = scalars(values) if bits == 252 else elements(values, bits)
    rand = (lambda n: b"\xff" * n) if top else coins(str(values))
    shares = split(part, words, ways=ways, rand=rand)
    slot, many = slots(part, members=members, colluding=ways - 1, bits=2048)
    assert many >= 1
    assert slot * many * 8 <= 2047 - min(512 * (ways - 1), 1024)
    packed = [[sum(x * members << 8 * slot * i for i, x in enumerate(s[at : at + many])) for at in range(0, length, many)] for s in shares]
    assert all(p >> 8 * slot * many == 0 for ps in packed for p in ps)
    total = join(part, [[p >> 8 * slot * i & (1 << 8 * slot) - 1 for p in ps for i in range(many)][:length] for ps in packed])
    assert [int.from_bytes(total[i : i + part.ring.size], "little") for i in range(0, len(total), part.ring.size)] == [
        members * v % modulus for v in values
    ]


@pytest.mark.parametrize("where", ["above the slots", "in a slot", "in a slot that is not used"])
def test_what_is_larger_than_members_can_add_up_to_does_not_open(where):
    """A dealer of a modulus with small factors could shift a total by multiples of large numbers: tests/mpc/test_threshold_dealer.py."""
    fed, states = keyed(4)
    part = Vector("v", 128, 3)
    layout = Layout.of(fed.terms, one_round(vectors=(part,)), states["h00"].seat.keys)
    slot, many = slots(part, members=4, colluding=1, bits=2048)
    most = 4 * 2 ** (128 + 64)
    assert layout.unpack("h00", part, [most - 1]) == [most - 1, 0, 0]
    large = {"above the slots": 1 << 8 * slot * many, "in a slot": most, "in a slot that is not used": 1 << 8 * slot * 3}[where]
    with pytest.raises(PeerError, match="under the key of h00 is out of range"):
        layout.unpack("h00", part, [large])


def test_layouts_read_what_they_wrote():
    fed, states = keyed(4)
    vectors = (secagg.Vector("bits", 32, 20, proved=True), secagg.Vector("v", 128, 25), secagg.Vector("w", 64, 1))
    layout = Layout.of(fed.terms, one_round(vectors=vectors), states["h00"].seat.keys)
    plain = {dealer: [] for dealer in layout.publics}
    for dealer in plain:
        for vector in vectors:
            for part in vector.summed:
                plain[dealer] += layout.pack(dealer, part, range(part.length))
    items = {"bits": b"x" * 160 * 20}
    written = layout.write(plain, items)
    again, rest = layout.read(written, items=True, party="")
    assert (again, rest) == (plain, {**items, "v": b"", "w": b""})
    for dealer, whole in plain.items():
        for part, numbers in layout.parts(dealer, whole):
            assert layout.unpack(dealer, part, numbers) == list(range(part.length))
    for vector in vectors:
        assert threshold.size(vector, members=4, keys=[2048, 2048], items=True) == len(written[vector.name])


# --- rounds -------------------------------------------------------------------------------------------------


@st.composite
def worlds(draw):
    """A federation, vectors of every ring, who uploads, decrypts and lies."""
    n, c = draw(st.sampled_from([(4, 1), (5, 1), (5, 2)]))
    fed, _ = keyed(n, c)
    order = draw(st.permutations(fed.names))
    survivors = sorted(order[: draw(st.integers(fed.terms.threshold, n))])
    answer = sorted(draw(st.permutations(survivors))[: fed.terms.threshold])
    bits = draw(BITS)
    modulus = ORDER if bits == 252 else 2**bits
    numbers = st.lists(st.one_of(st.integers(0, 5), st.integers(0, modulus - 1)), min_size=3, max_size=3)
    return n, c, survivors, answer, bits, {name: draw(numbers) for name in survivors}


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(worlds())
def test_every_set_of_t_opens_the_plain_sum(world):
    n, c, survivors, answer, bits, values = world
    fed, states = keyed(n, c)
    vector = secagg.Vector("v", bits, 3)
    words = {name: {"v": scalars(v) if bits == 252 else elements(v, bits)} for name, v in values.items()}
    run = decrypted(uploaded(fed, states, one_round(vectors=(vector,)), words), *answer)
    opened(run, answer[0])
    modulus = ORDER if bits == 252 else 2**bits
    assert read(run, answer[0], vector) == [sum(v[i] for v in values.values()) % modulus for i in range(3)]
    assert run.states[answer[0]].survivors == tuple(survivors)


def test_a_job_of_three_rounds():
    """One is lost before it uploads; proved bits and two rings together; in later rounds one more is away while the others decrypt."""
    fed, states = keyed(6)
    code = FixedPoint(100.0, 6, 128)
    first = one_round(vectors=(secagg.Vector("bits", 32, 3, proved=True), secagg.Vector("v", 128, 2)))
    words = {
        name: {"bits": elements([1, 0, i % 2], 32), "v": code.encode([-i - 0.5, 2.25])} for i, name in enumerate(fed.names) if name != "h00"
    }
    run = opened(decrypted(uploaded(fed, states, first, words)))
    survivors = ("h01", "h02", "h03", "h04", "h05")
    for name in survivors:
        state = run.states[name]
        assert (state.survivors, state.number, state.attempt, state.liars) == (survivors, 0, 0, ())
        assert state.totals == run.states["h01"].totals
    assert read(run, "h01", first.vectors[0]) == [5, 0, 3]
    assert code.decode(ring(128).from_bytes(run.states["h01"].totals["v"], 2)).tolist() == [-17.5, 11.25]
    for number in (1, 7):
        later = one_round(number=number, state=secret(str(number)), bits=128)
        run = uploaded(fed, run.states, later, {name: {"v": elements([number, 2, 3], 128)} for name in survivors})
        tally = run.tally(survivors)
        assert threshold.needed(tally, run.partials) == survivors
        decrypted(run, "h02", "h03", "h04")
        assert threshold.needed(tally, run.partials) == ("h01", "h05")
        decrypted(run, "h05")
        assert threshold.needed(tally, run.partials) == ()
        away, _, _ = run.states["h01"].receive(run.uploads, run.payloads)
        opened(run, "h02", "h03", "h04", "h05")
        run.states["h01"] = away.receive(run.partials, run.parts)
        assert {integers_of(run, name) for name in survivors} == {(5 * number, 10, 15)}
        assert threshold.total(tally, run.partials, run.parts).totals == run.states["h01"].totals


def integers_of(run, name):
    return tuple(integers(ring(128).from_bytes(run.states[name].totals["v"], 3), 128))


def test_members_who_are_no_dealers_deal_nothing():
    fed, states, deals = dealings(5, 2)
    assert threshold.dealers(fed.terms) == tuple(deals) == ("h00", "h01", "h02")
    assert threshold.keys(fed.terms, deals) == keyed(5, 2)[1]["h04"].seat.keys
    assert states["h03"].mine is None


def test_a_dealer_makes_its_own_primes():
    fed = federation(3, job="fresh")
    dealt = {name: threshold.Dealing(fed.terms, name, fed.agree[name]).deal(2048) for name in fed.names}
    deals = {name: deal for name, (_, deal) in dealt.items() if deal}
    held = {name: state.receive(deals) for name, (state, _) in dealt.items()}
    moduli = {key.modulus for key in held["h02"].seat.keys.values()}
    assert len(moduli) == 2
    assert all(len(modulus) == 256 for modulus in moduli)
    run = opened(decrypted(uploaded(fed, held, one_round(), some_words(fed, 3))), "h02")
    assert read(run, "h02", one_round().vectors[0]) == [3000, 3003, 3006]


@pytest.mark.parametrize("bits", [1024, 2047, 4096])
def test_other_sizes_of_keys_are_refused(bits):
    fed = federation(3)
    with pytest.raises(UsageError, match="2048 or 3072 bits"):
        threshold.Dealing(fed.terms, "h00", fed.agree["h00"]).deal(bits)


# --- giving up, and going on ---------------------------------------------------------------------------


def test_an_attempt_that_is_given_up_is_followed_by_the_next():
    """n = 4, t = 3: three consent, one of them decrypts; the other two abstain, and one who never consented: three abstentions are proof."""
    fed, states = keyed(4)
    run = uploaded(fed, states, one_round(), some_words(fed, 3))
    decrypted(consented(run, "h00", "h01", "h02"), "h00")
    assert [type(run.states[name]) for name in ("h01", "h03")] == [threshold.Consented, threshold.Uploaded]
    abstained = {name: run.states[name].abstain() for name in ("h01", "h02", "h03")}
    promises = {name: fed.relay(name, promise) for name, (_, promise) in abstained.items()}
    with pytest.raises(Unavailable, match="1 of 3 abstentions") as error:
        run.states["h00"].rejoin(
            {"h01": promises["h01"], "h02": replace(promises["h02"], sender="h03"), "h03": replace(promises["h03"], round=b"")}
        )
    assert error.value.facts["waiting"] == ["h00", "h02", "h03"]
    again = {"h00": run.states["h00"].rejoin(promises)}
    again |= {name: state.receive(promises) for name, (state, _) in abstained.items()}
    assert {state.attempt for state in again.values()} == {1}
    with pytest.raises(UsageError, match="attempt 0 was given up"):
        again["h00"].upload(one_round(), some_words(fed, 3)["h00"])
    second = opened(decrypted(uploaded(fed, again, one_round(attempt=1), some_words(fed, 3))), "h00")
    assert second.states["h00"].attempt == 1
    with pytest.raises(UsageError, match="higher number and the same attempt"):
        second.states["h00"].upload(one_round(number=1), some_words(fed, 3)["h00"])


def test_after_a_first_opening_nothing_is_given_up_nor_repeated():
    fed, states = keyed(3)
    run = opened(decrypted(uploaded(fed, states, one_round(), some_words(fed, 3))))
    for round in (one_round(), one_round(number=1, attempt=1)):
        with pytest.raises(UsageError, match="higher number and the same attempt"):
            run.states["h00"].upload(round, some_words(fed, 3)["h00"])
    later = uploaded(fed, run.states, one_round(number=1), some_words(fed, 3))
    assert not hasattr(later.states["h00"], "abstain")
    with pytest.raises(UsageError, match="before the first opening alone"):
        decrypted(later, "h00").states["h00"].rejoin({})


def test_vectors_are_encrypted_once_and_wiped():
    fed, states = keyed(4)
    words = some_words(fed, 3)["h01"]
    states["h01"].upload(one_round(), words)
    assert not words["v"].any()
    with pytest.raises(UsageError, match="writeable"):
        states["h01"].upload(one_round(), words)


@pytest.mark.parametrize(
    "words, says",
    [({}, "the round sums v"), ({"w": elements([1], 64)}, "the round sums v"), ({"v": elements([1], 64)}, "need 3 elements")],
)
def test_other_vectors_than_the_rounds_are_refused(words, says):
    with pytest.raises(UsageError, match=says):
        keyed(4)[1]["h00"].upload(one_round(), words)


def test_proved_entries_are_bits():
    _, states = keyed(4)
    with pytest.raises(UsageError, match="must be 0 or 1"):
        states["h00"].upload(one_round(vectors=(secagg.Vector("b", 32, 2, proved=True),)), {"b": elements([0, 2], 32)})


def test_liars_are_passed_over_while_enough_are_true():
    fed, states = keyed(5)
    run = decrypted(uploaded(fed, states, one_round(), some_words(fed, 3)))
    run.partials["h01"] = replace(run.partials["h01"], proofs=run.partials["h02"].proofs)
    opened(run, "h00")
    assert run.states["h00"].liars == ("h01",)
    assert read(run, "h00", one_round().vectors[0]) == [10000, 10005, 10010]
    run.partials["h02"] = replace(run.partials["h02"], agreed=bytes(32))
    with pytest.raises(PeerError, match="false partial decryptions") as error:
        run.states["h03"].receive(run.partials, run.parts)
    assert error.value.facts == {"parties": ["h01", "h02"]}
