"""The ledger beside pymerkle 7: durable entries per second by batch, and what a million entries cost to open, prove and verify.

    python benchmarks/ledger.py [--entries N]

pymerkle is patched to SQLite's WAL with synchronous=FULL, as the journal is, and computes its root once a batch, since a ledger signs one.
Both start from the same facts, an event, a subject and a code, and are run in turn. Ratios are medians of several runs on this machine. It
ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pymerkle import SqliteTree

from governance import ledger, proofs
from governance.journal import Journal
from governance.keys import SigningKey
from governance.quorum import Policy

KEY = SigningKey("hospital-a/node", bytes(range(32)))
EVENT, CODE, AT = "document.published", "licence.expired", 1_764_000_000
TIMES = 5
PROOFS = 1000
BARS = {"batch of 100": 1.5, "batch of 10000": 3.0, "open + root": 5.0, "inclusion proof": 1.0, "offline verification": 0.5}


def subjects(count: int) -> list[str]:
    return [f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}" for number in range(1, count + 1)]


def ours(folder: Path, texts: Sequence[str], batch: int) -> float:
    """Entries per second, each batch durable under a signed checkpoint."""
    journal = Journal.create(folder / "ours.db", KEY, clock=lambda: AT)
    started = time.perf_counter()
    for start in range(0, len(texts), batch):
        with journal.transaction() as t:
            for text in texts[start : start + batch]:
                t.append(EVENT, text, CODE)
    taken = time.perf_counter() - started
    journal.close()
    return len(texts) / taken


def durable_tree(path: Path) -> SqliteTree:
    tree = SqliteTree(str(path))
    tree.con.execute("PRAGMA journal_mode=WAL")
    tree.con.execute("PRAGMA synchronous=FULL")
    return tree


def theirs(folder: Path, texts: Sequence[str], batch: int) -> float:
    tree = durable_tree(folder / "theirs.db")
    started = time.perf_counter()
    for start in range(0, len(texts), batch):
        tree.append_entries(leaves(texts[start : start + batch]))
        tree.get_root()
    taken = time.perf_counter() - started
    tree.con.close()
    return len(texts) / taken


def leaves(texts: Sequence[str]) -> list[bytes]:
    return [ledger.leaf(EVENT, text, CODE, AT) for text in texts]


def batches(folder: Path) -> dict[str, float]:
    """How many times as fast as pymerkle, by batch."""
    found = {}
    print(f"{'durable entries/s':24s} {'keyong':>10s} {'pymerkle':>10s} {'ratio':>7s}")
    for batch, total in ((1, 300), (10, 2_000), (100, 50_000), (1_000, 100_000), (10_000, 400_000)):
        texts = subjects(total)
        pairs = []
        for _ in range(TIMES):
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                pairs.append((ours(Path(fresh), texts, batch), theirs(Path(fresh), texts, batch)))
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        found[f"batch of {batch}"] = ratio = statistics.median(a / b for a, b in pairs)
        print(f"{f'batch of {batch}':24s} {mine:10.0f} {other:10.0f} {ratio:7.2f}")
    return found


def median(call: Callable[[int], object], arguments: Sequence[int]) -> float:
    """Milliseconds of a call."""
    taken = []
    for argument in arguments:
        started = time.perf_counter()
        call(argument)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def large(folder: Path, count: int) -> dict[str, float]:
    """Milliseconds at *count* entries: ours, and pymerkle's beside them."""
    texts = subjects(count)
    print(f"\n{count} entries: built at {ours(folder, texts, 10_000):.0f} a second, {(folder / 'ours.db').stat().st_size >> 20} MB")
    tree = durable_tree(folder / "theirs.db")
    for start in range(0, count, 10_000):
        tree.append_entries(leaves(texts[start : start + 10_000]))
    tree.con.close()
    places = [place * 7919 % count for place in range(PROOFS)]
    mine, other = own_times(folder, places), peer_times(folder, [place + 1 for place in places[: PROOFS // 5]])
    print(f"{'milliseconds, median':24s} {'keyong':>10s} {'pymerkle':>10s} {'ratio':>7s}")
    for name, taken in mine.items():
        beside = f"{other[name]:10.2f} {other[name] / taken:7.1f}" if name in other else ""
        print(f"{name:24s} {taken:10.3f} {beside}")
    return mine


def own_times(folder: Path, places: Sequence[int]) -> dict[str, float]:
    left: list[Journal] = []

    def opened(_: int) -> None:
        left.append(Journal.open(folder / "ours.db", KEY))
        with left[-1].view() as v:
            v.root()

    journal, policy = Journal.open(folder / "ours.db", KEY), Policy((KEY.public,))

    def included(place: int) -> None:
        with journal.view() as v:
            v.inclusion(place)

    def consistent(place: int) -> None:
        with journal.view() as v:
            v.consistency(place)

    with journal.view() as v:
        texts = [str(proofs.prove(v, place)) for place in places[:200]]
    found = {
        "open + root": median(opened, range(20)),
        "inclusion proof": median(included, places),
        "consistency proof": median(consistent, places[1:]),
        "offline verification": median(lambda at: proofs.verify_entry(proofs.read(texts[at]), policy), range(len(texts))),
    }
    for each in (journal, *left):
        each.close()
    return found


def peer_times(folder: Path, places: Sequence[int]) -> dict[str, float]:
    def opened(_: int) -> None:
        tree = SqliteTree(str(folder / "theirs.db"))
        tree.get_root()
        tree.con.close()

    tree = SqliteTree(str(folder / "theirs.db"))
    found = {"open + root": median(opened, range(2))}
    tree.get_root()
    found["inclusion proof"] = median(tree.prove_inclusion, places)
    found["consistency proof"] = median(tree.prove_consistency, places)
    tree.con.close()
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=1_000_000, help="size of the large ledger")
    chosen = arguments.parse_args()
    print(f"entries of {len(ledger.leaf(EVENT, 'ab' * 32, CODE, AT))} bytes")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = batches(Path(folder)) | large(Path(folder), chosen.entries)
    missed = [name for name, bar in BARS.items() if (found[name] < bar if name.startswith("batch") else found[name] > bar)]
    print("bars:", ", ".join(f"{name} {'MISSED' if name in missed else 'met'} ({bar})" for name, bar in BARS.items()))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
