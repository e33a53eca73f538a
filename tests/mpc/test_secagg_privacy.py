"""What the coordinator learns: the total, and nothing else. A simulation over everything it receives, and what c members hold beside it.

The keystreams that no adversary can expand are replaced by tapes of true random numbers, all else stays as it is: keys of pairs of
honest survivors, and the self masks of honest members whom the coordinator leaves out though they uploaded. (That the swap goes
unnoticed is the assumption on X25519, HKDF and AES; Bonawitz et al., CCS 2017, theorem 6.5 and its hybrids.) Then for two inputs with
the same total over the honest survivors there is a bijection between the tapes under which every message is equal byte for byte: so the
messages are equally distributed, and whatever is computed from them depends on the total alone.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.encoding import encode
from governance.envelope import sign
from mpc import secagg
from mpc.rings import RINGS, ring
from mpc.secagg import masks
from mpc.secagg.keys import Schedule, Seat, pair
from mpc.secagg.masking import masked
from tests.mpc.secure_sum import coins, elements, federation, integers, one_round

FEDERATIONS = {n: federation(n) for n in (4, 5, 6)}


class Tape:
    """In place of a keystream: bytes that were drawn beforehand."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def update_into(self, data: memoryview, buf: memoryview) -> int:
        buf[:] = self.raw[self.at : self.at + len(data)]
        self.at += len(data)
        return len(data)


def with_tapes(monkeypatch, tapes: Mapping[bytes, bytes]) -> None:
    real = masks.keystream
    monkeypatch.setattr(masks, "keystream", lambda key: Tape(tapes[key]) if key in tapes else real(key))


def pair_key(fed, round, ends) -> bytes:
    first, second = ends
    return Schedule(fed.terms, round).pair_key(Seat(fed.terms, first, fed.agree[first]).agree([second])[second], ends)


def pair_stream(fed, round, a, b) -> bytes:
    """The keystream key of a pair of members."""
    ends = pair(a, b)
    return Schedule(fed.terms, round).mask(pair_key(fed, round, ends), ends, round.vectors[0])


def self_stream(fed, round, name) -> bytes:
    return Schedule(fed.terms, round).mask(coins(name)(32), (name, name), round.vectors[0])


def settled(fed, name) -> secagg.Settled:
    """The state of *name* after an opening that everyone survived."""
    seat = Seat(fed.terms, name, fed.agree[name])
    return secagg.Settled(seat, tuple(fed.names), number=0, attempt=0, totals={}, liars=())


def transcript(fed, round, words, *, silent, left_out):
    """All that leaves the members in one opening: signed messages, masked vectors. The coordinator says that *left_out* never uploaded."""
    sent, states, uploads, payloads = [], {}, {}, {}
    for name in fed.names:
        if name not in silent:
            states[name], uploads[name], payloads[name] = fed.ready(name).open(round, {"v": words[name].copy()}, rand=coins(name))
            sent += [sign(fed.signing[name], uploads[name]), bytes(payloads[name]["v"])]
    shown = {name: upload for name, upload in uploads.items() if name not in left_out}
    consented = {name: states[name].receive(shown) for name in shown}
    consents = {name: consent for name, (_, consent) in consented.items()}
    revealed = {name: state.receive(consents) for name, (state, _) in consented.items()}
    reveals = {name: reveal for name, (_, reveal) in revealed.items()}
    sent += [sign(fed.signing[name], m) for part in (consents, reveals) for name, m in part.items()]
    tally = secagg.Tally(fed.terms, round, secagg.admit(fed.terms, round, shown))
    return sent, secagg.total(tally, reveals, payloads).totals["v"]


@st.composite
def worlds(draw):
    """A federation, who is lost, left out and corrupt, and two inputs with one total over the honest survivors."""
    n = draw(st.sampled_from(sorted(FEDERATIONS)))
    fed, bits = FEDERATIONS[n], draw(st.sampled_from(sorted(RINGS)))
    order = draw(st.permutations(fed.names))
    away = draw(st.integers(0, n - fed.terms.threshold))
    silent = draw(st.integers(0, away))
    lost, left_out, living = order[:silent], order[silent:away], order[away:]
    corrupt = draw(st.sampled_from([None, *fed.names]))
    numbers = st.integers(0, 2**bits - 1)
    x = {name: draw(st.lists(numbers, min_size=2, max_size=2)) for name in fed.names}
    honest = sorted(name for name in living if name != corrupt)
    free = {*honest, *left_out} - {corrupt}
    y = {name: draw(st.lists(numbers, min_size=2, max_size=2)) if name in free else x[name] for name in fed.names}
    y[honest[-1]] = [sum(x[h][i] for h in honest) - sum(y[h][i] for h in honest[:-1]) for i in range(2)]
    return fed, bits, set(lost), set(left_out), corrupt, honest, x, y


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_messages_depend_on_the_total_alone(world, rng):
    fed, bits, lost, left_out, corrupt, honest, x, y = world
    round = one_round(length=2, bits=bits)
    x, y = ({name: elements(v, bits) for name, v in inputs.items()} for inputs in (x, y))
    tapes = {pair_stream(fed, round, a, b): rng.randbytes(2 * bits // 8) for a, b in itertools.combinations(honest, 2)}
    tapes |= {self_stream(fed, round, name): rng.randbytes(2 * bits // 8) for name in left_out - {corrupt}}
    moved = dict(tapes)
    _along_the_chain(fed, round, honest, x=x, y=y, tapes=moved)
    for name in left_out - {corrupt}:
        key = self_stream(fed, round, name)
        moved[key] = _shifted(moved[key], bits, plus=x[name], minus=y[name])
    with pytest.MonkeyPatch.context() as patch:
        with_tapes(patch, tapes)
        seen, total = transcript(fed, round, x, silent=lost, left_out=left_out)
    with pytest.MonkeyPatch.context() as patch:
        with_tapes(patch, moved)
        assert transcript(fed, round, y, silent=lost, left_out=left_out) == (seen, total)


def _along_the_chain(fed, round, honest, *, x, y, tapes):
    """Move the difference of the inputs from each honest survivor to the next, in the mask that the two share."""
    bits = round.vectors[0].bits
    carried = ring(bits).zeros(2)
    for here, there in itertools.pairwise(honest):
        ring(bits).add(carried, x[here])
        ring(bits).sub(carried, y[here])
        key = pair_stream(fed, round, here, there)
        tapes[key] = _shifted(tapes[key], bits, plus=carried, minus=ring(bits).zeros(2))


def _shifted(raw, bits, *, plus, minus):
    words = ring(bits).from_bytes(raw, 2).copy()
    ring(bits).add(words, plus)
    ring(bits).sub(words, minus)
    return words.tobytes()


def test_the_simulation_bites():
    """Without the change of tapes the messages differ, and no change of tapes hides a difference in the total."""
    fed, round = FEDERATIONS[4], one_round(length=2)
    one = {name: elements([5, 7], 64) for name in fed.names}
    other = {**one, "h00": elements([6, 7], 64), "h01": elements([4, 7], 64)}
    more = {**one, "h00": elements([6, 7], 64)}
    runs = [transcript(fed, round, words, silent=set(), left_out=set()) for words in (one, other, more)]
    assert runs[0][0] != runs[1][0]
    assert runs[0][1] == runs[1][1] != runs[2][1]


def test_later_rounds_depend_on_the_total_alone():
    """Zero-sum masks: with tapes for the pairs of honest members, equal totals give equal uploads; c = 1 is corrupt."""
    fed, round = FEDERATIONS[4], one_round(length=2, number=1)
    honest = fed.names[1:]
    x = {name: elements([i, 10 * i], 64) for i, name in enumerate(fed.names)}
    y = {**x, "h01": elements([3, 60], 64), "h02": elements([2, 0], 64), "h03": elements([1, 0], 64)}
    tapes = {pair_stream(fed, round, a, b): secrets.token_bytes(16) for a, b in itertools.combinations(honest, 2)}
    moved = dict(tapes)
    _along_the_chain(fed, round, honest, x=x, y=y, tapes=moved)
    sent = []
    for inputs, tape in ((x, tapes), (y, moved)):
        with pytest.MonkeyPatch.context() as patch:
            with_tapes(patch, tape)
            made = {name: settled(fed, name).upload(round, {"v": inputs[name].copy()}) for name in fed.names}
            sent.append([(encode(upload), bytes(vectors["v"])) for _, upload, vectors in made.values()])
    assert sent[0] == sent[1]


def test_exhaustively_over_four_elements(monkeypatch):
    """Three honest members, one entry, inputs and masks in the four multiples of 2^30: all 64 mask choices for all 64 inputs.

    The distribution of the uploads is the same for all inputs of one total, and another one for another total.
    """
    fed, round = FEDERATIONS[4], one_round(length=1, bits=32, number=1)
    pairs = {ends: pair_stream(fed, round, *ends) for ends in itertools.combinations(fed.names[:3], 2)}
    keys = {ends: pair_key(fed, round, ends) for ends in pairs}
    held = {me: {other: keys[pair(me, other)] for other in fed.names[:3] if other != me} for me in fed.names[:3]}
    tapes, seen = {}, {}
    with_tapes(monkeypatch, tapes)
    for inputs in itertools.product(range(4), repeat=3):
        uploads = []
        for drawn in itertools.product(range(4), repeat=3):
            tapes.update({key: (value << 30).to_bytes(4, "little") for key, value in zip(pairs.values(), drawn, strict=True)})
            uploads.append(tuple(_upload(fed, round, me, held[me], x << 30) for me, x in zip(held, inputs, strict=True)))
        seen.setdefault(sum(inputs) % 4, set()).add(tuple(sorted(uploads)))
    assert [len(seen[total]) for total in range(4)] == [1, 1, 1, 1]
    assert len(set.union(*seen.values())) == 4


def _upload(fed, round, me, keys, value):
    return bytes(masked(Schedule(fed.terms, round), {"v": elements([value], 32)}, keys, me=me, rand=coins(me))[0]["v"])


# --- masked uploads look uniform -----------------------------------------------------------------------

CHI = 414.5  # scipy.stats.chi2.isf(1e-9, 255)
LENGTH = 1 << 15


@pytest.mark.parametrize("bits", sorted(RINGS))
@pytest.mark.parametrize("later", [False, True])
def test_masked_vectors_look_uniform(bits, later):
    """Zeros, masked: the byte counts of each upload, and of the difference of two, over 256 bins; false alarm under once in 10^7 runs."""
    fed = FEDERATIONS[4]
    round = secagg.Round(number=1 if later else 0, attempt=0, state=secrets.token_bytes(32), vectors=(secagg.Vector("v", bits, LENGTH),))
    uploads = []
    for name in fed.names:
        words = {"v": ring(bits).zeros(LENGTH)}
        _, _, vectors = settled(fed, name).upload(round, words) if later else fed.ready(name).open(round, words)
        uploads.append(np.frombuffer(vectors["v"], np.uint8))
    for bytes_ in (*uploads, uploads[0] - uploads[1]):
        expected = len(bytes_) / 256
        assert ((np.bincount(bytes_, minlength=256) - expected) ** 2 / expected).sum() < CHI


def test_two_rounds_share_no_mask():
    """The same zeros masked in two rounds, and under two vector names, agree in no element (by chance once in 2^48 runs)."""
    fed = FEDERATIONS[4]
    vectors = (secagg.Vector("a", 64, 500), secagg.Vector("b", 64, 500))
    seen = []
    for number in (1, 2):
        words = {"a": ring(64).zeros(500), "b": ring(64).zeros(500)}
        _, _, made = settled(fed, "h00").upload(one_round(number=number, vectors=vectors), words)
        seen += [made["a"], made["b"]]
    flat = [value for raw in seen for value in integers(np.frombuffer(raw, "<u8"), 64)]
    assert len(set(flat)) == 2000
