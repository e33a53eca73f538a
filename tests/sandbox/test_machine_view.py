"""What the coordinator sees of a whole job: the signed totals, and nothing that depends on how they are made up. (The sum alone has its
own proof in mpc.)
"""

from __future__ import annotations

import functools
from dataclasses import replace

import inmemory
import jobs
import numpy as np
import pytest
import records
from inmemory import Run
from jobs import job, result, start

from governance import notes
from governance.encoding import canonical
from sandbox.analyses import Crosstab, LogisticRegression
from sandbox.messages import AgreedState, Release, kind_of


@functools.cache
def worlds(kind: str) -> tuple[Run, Run]:
    """One job over two splits of the same rows: totals and supports are the same to the last bit, every holder's part is another.

    Counts are exact, so any other split does; of rounded sums the holders' parts are dealt to other holders.
    """
    data = records.election()
    rows = data.shuffled(7)
    quarter = rows.num_rows // 4
    first = inmemory.split(rows, [quarter, 2 * quarter, 3 * quarter])
    if kind == "counts":
        shifted = rows.take(np.roll(np.arange(rows.num_rows), quarter // 2))
        second = inmemory.split(shifted, [quarter, 2 * quarter, 3 * quarter])
    else:
        second = dict(zip("abcd", (first[n] for n in "cdab"), strict=True))
    of = job("abcd", Crosstab("party", "vote") if kind == "counts" else LogisticRegression("vote", ("age", "income")))
    one, other = (Run(tables, of=of) for tables in (first, second))
    one.finish()
    other.finish()
    return one, other


KINDS = pytest.mark.parametrize("kind", ["counts", "sums"])


def elements(vector: bytes, size: int) -> set[bytes]:
    return {vector[i : i + size] for i in range(0, len(vector) - size + 1, size)}


@KINDS
def test_the_two_worlds_differ_at_every_holder_and_in_no_total(kind):
    one, other = worlds(kind)
    for name in one.names:
        question = one.asked[name][1]
        assert question == other.asked[name][1]
        assert one.programs[name](question) != other.programs[name](question)
    assert [canonical(b) for b in inmemory.bodies(one).values()] == [canonical(b) for b in inmemory.bodies(other).values()]


@KINDS
def test_two_worlds_with_the_same_totals_give_the_same_release_and_traffic_of_the_same_shape(kind):
    one, other = worlds(kind)
    assert result(notes.read(one.release).document(Release)) == result(notes.read(other.release).document(Release))
    assert inmemory.lengths(one.seen) == inmemory.lengths(other.seen)
    assert len(one.seen) == 4 * len(one.relays)


@KINDS
def test_nothing_but_the_signed_total_is_common_to_the_two_worlds(kind):
    one, other = worlds(kind)
    for a, b in zip(one.seen, other.seen, strict=True):
        assert (a.step, a.sender) == (b.step, b.sender)
        masked = slice(kind_of(a.step) == "state", None)  # a weighed state's bit comes after the signed upload that binds it
        if a.step == "spent":  # what a holder's ledger says of the job, and which answers it remembers; nothing of its rows
            assert a == b
            continue
        for x, y in zip(a.payloads[masked], b.payloads[masked], strict=True):
            size = 8 if a.step.startswith("0.") else 16  # single 4-byte words meet by chance
            assert elements(x, size).isdisjoint(elements(y, size))
        if kind_of(a.step) == "state":
            first, second = (notes.read(p.body).document(AgreedState, Release) for p in (a, b))
            assert replace(first, run=second.run) == second
        else:
            assert a.body != b.body


def masked_statistics(run):
    """Nothing but masked words: proofs of support have bytes that are not uniform, such as the head of a scalar."""
    return [p.payloads[0] for p in run.seen if kind_of(p.step) == "upload" and not p.step.startswith("0.")]


def test_masked_vectors_of_one_world_never_meet():
    vectors = masked_statistics(worlds("sums")[0])
    assert len(vectors) >= 4 * 4
    for i, vector in enumerate(vectors):
        assert len(elements(vector, 16)) == len(vector) // 16
        assert all(elements(vector, 16).isdisjoint(elements(w, 16)) for w in vectors[:i])


def test_masked_vectors_are_uniform_bytes():
    """False alarm: under once in 10**9 runs (6.2 sigma of the number of set bits)."""
    joined = b"".join(vector for run in worlds("sums") for vector in masked_statistics(run))
    bits = np.unpackbits(np.frombuffer(joined, np.uint8))
    assert len(bits) > 10_000
    assert abs(int(bits.sum()) - len(bits) / 2) < 6.2 * (len(bits) / 4) ** 0.5


def test_a_post_tells_nothing_about_whether_there_are_rows():
    """A holder without a single row posts as much as it would with rows, step by step (PRIVACY 3)."""
    tables = jobs.tables("abcd")
    runs = [start("abcd"), Run({**tables, "d": tables["d"].slice(0, 0)}, of=job("abcd"))]
    for run in runs:
        run.to("0.0.state")
    assert inmemory.lengths(runs[0].seen) == inmemory.lengths(runs[1].seen)
