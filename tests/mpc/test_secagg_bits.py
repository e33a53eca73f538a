"""Sums of proved bits: any bits and dropouts give the total, and whoever uploads something else opens nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium

from governance.errors import PeerError, UsageError
from mpc import pedersen, secagg
from mpc.rings import ORDER, SCALARS, ring
from mpc.secagg import bits, masking
from mpc.secagg.keys import Schedule
from tests.mpc.secure_sum import coins, elements, federation, integers, one_round, open_first, uploaded

CELLS = 3
VECTOR = secagg.Vector("support", 32, CELLS, proved=True)
FED = federation(4)
ROUND = one_round(vectors=(VECTOR,))
LATER = one_round(number=1, vectors=(VECTOR,))


def words(table):
    return {name: {"support": elements(row, 32)} for name, row in zip(FED.names, table, strict=True)}


TRUE = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, 1]), min_size=CELLS, max_size=CELLS), min_size=4, max_size=4),
    st.sampled_from(["", "upload", "reveal"]),
)
def test_bits_add_up_over_the_survivors(table, stage):
    run = open_first(FED, ROUND, words(table), {"h03": stage} if stage else {})
    rows = table[:3] if stage == "upload" else table
    total = elements([sum(column) for column in zip(*rows, strict=True)], 32).tobytes()
    assert run.states["h00"].totals == {"support": total}
    assert secagg.total(run.tally, run.reveals, run.payloads).totals == {"support": total}


def later(states, table):
    """Everybody's posts of a later round."""
    made = {name: states[name].upload(LATER, words(table)[name], rand=coins(name)) for name in FED.names}
    return {n: m[0] for n, m in made.items()}, {n: m[1] for n, m in made.items()}, {n: dict(m[2]) for n, m in made.items()}


def test_a_later_round_too():
    states, uploads, payloads = later(open_first(FED, ROUND, words(TRUE), {}).states, TRUE)
    assert states["h00"].receive(uploads, payloads).totals == {"support": elements([3, 2, 0], 32).tobytes()}
    payloads["h02"]["support"] = bytes(payloads["h02"]["support"])[:-1] + b"\x00"
    with pytest.raises(PeerError, match="not the one it signed") as error:
        states["h00"].receive(uploads, payloads)
    assert error.value.facts == {"party": "h02"}


@pytest.mark.parametrize("row", [[2, 0, 0], [0, 0, 2**32 - 1]])
def test_an_honest_member_uploads_bits_only(row):
    with pytest.raises(UsageError, match="must be 0 or 1"):
        FED.ready("h00").open(ROUND, {"support": elements(row, 32)})


class Puppet:
    """A member that masks *row* whatever it committed to, and signs what it sends: all that a liar with its own keys can do."""

    def __init__(self, monkeypatch, row, *, committed=None):
        honest = bits.prove

        def lie(schedule, vector, plain, *, me, rand):
            if me != "h03":
                return honest(schedule, vector, plain, me=me, rand=rand)
            shown = elements(committed or [min(x, 1) for x in row], 32)
            made = honest(schedule, vector, shown, me=me, rand=rand)
            plain[:] = elements(row, 32)
            return made

        monkeypatch.setattr(masking.bits, "prove", lie)


@pytest.mark.parametrize("row, committed", [([3, 0, 0], None), ([1, 1, 2], None), ([0, 0, 1], [0, 0, 0]), ([0, 0, 2**32 - 1], [0, 0, 0])])
def test_whoever_uploads_another_number_than_it_committed_to_opens_nothing(monkeypatch, row, committed):
    """Cells with too few honest supporters would look supported: 3 for one, or the one bit of another cell taken away."""
    Puppet(monkeypatch, row, committed=committed)
    with pytest.raises(PeerError, match="not what it committed to"):
        open_first(FED, ROUND, words([*TRUE[:3], [0, 0, 0]]), {})


def replaced(run, name, payload):
    """*name* signs another payload."""
    run.payloads[name] = {"support": payload}
    run.uploads[name] = replace(run.uploads[name], payloads={"support": hashlib.sha256(payload).digest()})
    return run


def opened(run):
    """What a member gets that takes these uploads for the ones of the round."""
    consents = {}
    for name in FED.names:
        if run.states[name].upload != run.uploads[name]:
            run.states[name] = replace(run.states[name], upload=run.uploads[name])
        run.states[name], consents[name] = run.states[name].receive(run.uploads)
    answers = {name: run.states[name].receive(consents) for name in FED.names}
    return answers["h00"][0].receive({name: reveal for name, (_, reveal) in answers.items()}, run.payloads)


def test_a_commitment_to_two_has_no_proof():
    """The masked number and the commitment agree on 2; what is missing is the proof."""
    run, masked = uploaded(FED, ROUND, words(TRUE)), 36 * CELLS
    payload = bytearray(bytes(run.payloads["h03"]["support"]))
    low = np.frombuffer(bytes(payload[:4]), "<u4")[0]
    payload[:4] = int((int(low) + 1) % 2**32).to_bytes(4, "little")
    payload[masked : masked + 32] = sodium.crypto_core_ed25519_add(bytes(payload[masked : masked + 32]), pedersen.H)
    with pytest.raises(PeerError, match="0 or 1") as error:
        opened(replaced(run, "h03", bytes(payload)))
    assert error.value.facts == {"party": "h03"}


@pytest.mark.parametrize("cut", [lambda p: p[:-1], lambda p: p + b"\x00", lambda p: p[: 36 * CELLS], lambda p: b""])
def test_a_payload_of_another_length_names_its_sender(cut):
    run = uploaded(FED, ROUND, words(TRUE))
    with pytest.raises(PeerError, match="another length") as error:
        opened(replaced(run, "h03", cut(bytes(run.payloads["h03"]["support"]))))
    assert error.value.facts == {"party": "h03"}


@pytest.mark.parametrize("source", ["h02", "cells"])
def test_proofs_cannot_be_taken_from_others(source):
    """Another member's commitments with its proofs, or one's own in another order."""
    run, start = uploaded(FED, ROUND, words(TRUE)), 36 * CELLS
    mine, theirs = bytes(run.payloads["h03"]["support"]), bytes(run.payloads["h02"]["support"])
    swapped = mine[start + bits.ITEM : start + 2 * bits.ITEM] + mine[start : start + bits.ITEM] + mine[start + 2 * bits.ITEM :]
    with pytest.raises(PeerError, match="0 or 1"):
        opened(replaced(run, "h03", mine[:start] + (theirs[start:] if source == "h02" else swapped)))


def test_the_total_and_the_sum_of_blinders_are_all_that_opens(monkeypatch):
    """Two members swap their bits: with other blinders of the same sum, byte for byte the same commitments, and they open alike.

    The test chooses a base H whose logarithm it knows; nobody knows that of the real one, but it exists, and so do those blinders.
    """
    log = 987654321
    scalar = lambda n: (n % ORDER).to_bytes(32, "little")  # noqa: E731
    monkeypatch.setattr(pedersen, "H", sodium.crypto_scalarmult_ed25519_base_noclamp(scalar(log)))
    first, second = 1111, 2222
    seen = [pedersen.commit(0, scalar(first)), pedersen.commit(1, scalar(second))]
    assert seen == [pedersen.commit(1, scalar(first - log)), pedersen.commit(0, scalar(second + log))]
    assert pedersen.opens(seen, 1, scalar(first + second))


def test_blinders_are_masked_under_keys_of_their_own():
    schedule = Schedule(FED.terms, ROUND)
    keys = {schedule.mask(bytes(32), ("h00", "h01"), vector) for vector in VECTOR.summed}
    assert len(keys) == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=4), st.integers(0, 2**256 - 1))
def test_scalars_are_added_modulo_the_order(numbers, other):
    into = SCALARS.from_bytes(b"".join(n.to_bytes(32, "little") for n in numbers), len(numbers)).copy()
    mask = SCALARS.from_bytes(other.to_bytes(32, "little") * len(numbers), len(numbers))
    SCALARS.add(into, mask)
    read = [int.from_bytes(row.tobytes(), "little") for row in into]
    assert read == [(n + other) % ORDER for n in numbers]
    SCALARS.sub(into, mask)
    assert [int.from_bytes(row.tobytes(), "little") for row in into] == [n % ORDER for n in numbers]
    assert (SCALARS.name, SCALARS.embed(np.array([-1])).tobytes()) == ("Z/ℓ", (ORDER - 1).to_bytes(32, "little"))


def test_a_proved_vector_has_32_bits():
    with pytest.raises(UsageError, match="32 bits"):
        secagg.Vector("support", 64, 1, proved=True)
    assert integers(ring(32).zeros(1), 32) == [0]
