"""Homomorphic encryption against phe, HEU and TenSEAL, in one process: CPU time on one core, exact results, bytes a value.

    python benchmarks/he.py [--quick] [--repeat 3]

The work is the sum of 10 parties' vectors of 100,000 float64s: encrypt and write, read and add, decrypt. Peers and our code alternate,
and medians are compared. phe and HEU, linear in the number of values, are timed on samples and scaled to the whole work; TenSEAL and all
of ours run in full. Every result is checked, ours to the last bit; a wrong one ends the run. Tables of powers, which a party makes once
for a key, are printed apart. Two cores are timed by wall clock, which means nothing on a busy machine: its load is printed beside them,
and a miss there is shown as busy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import psutil

from mpc import he

Floats = np.ndarray[Any, np.dtype[np.float64]]

VALUES, PARTIES, BOUND, TERMS = 100_000, 10, 1e4, 16
FINE, COARSE = 2.0**-32, 2.0**-21  # steps: totals of 51 bits, and of 40
IDLE = 0.3  # most load of others on an idle machine
WALLS = 5  # times that the works of two processes are done
ROWS, COLUMNS = 256, 64
SUM_BARS = {  # how many times less CPU time than a peer, by profile and size of the key
    ("safe", 2048): {"phe": 350, "HEU ZPaillier-batch2": 17},
    ("safe", 3072): {"phe": 500, "HEU ZPaillier-batch2": 27},
    ("fast_short_exponent", 2048): {"phe": 750, "HEU ZPaillier-batch2": 35, "HEU OU-batch2": 2.5},
}
WEIGHT, BITS = 6.0, 24  # bound of a weight, and bits after the point on both sides, of products under Paillier


class Clock:
    """CPU seconds of each work: for one value where the work is linear in them and a sample is timed, else for all of it."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def __call__(self, work: str, call: Callable[..., Any], *args: Any, values: int = 1, again: int = 1, **named: Any) -> Any:
        """*again*: how often it is done for one measurement, where once is too short."""
        start = time.process_time()
        for _ in range(again):
            result = call(*args, **named)
        self.spent.setdefault(work, []).append((time.process_time() - start) / (values * again))
        return result

    def median(self, work: str) -> float:
        return statistics.median(self.spent[work])

    def scaled(self, peer: str) -> float:
        """The whole work by a peer's samples."""
        encrypt, add, decrypt = (self.median(f"{peer} {phase}") for phase in ("encrypt", "add", "decrypt"))
        return VALUES * (PARTIES * encrypt + (PARTIES - 1) * add + decrypt)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: how many times less we take than a peer, or how many bytes."""

    work: str
    ours: str
    peer: str
    ratio: float
    bar: float
    most: bool = False  # the bar is the most it may be, not the least
    busy: bool = False  # others used the machine, so that a miss says nothing

    @property
    def met(self) -> bool:
        return self.ratio <= self.bar if self.most else self.ratio >= self.bar

    def __str__(self) -> str:
        ratio, bar = (f"{self.ratio:.2f} B", f"<= {self.bar:g}") if self.most else (f"{self.ratio:,.2f} x", f">= {self.bar:g}")
        verdict = "met" if self.met else "busy" if self.busy else "MISSED"
        return f"{self.work:<48} {self.ours:>11}  {self.peer:<44} {ratio:>11} {bar:>7} {verdict}"


class Sum:
    """The work, under one of our keys; each run is checked to the last bit."""

    def __init__(self, clock: Clock, name: str, key: Any, vectors: Floats, *, step: float) -> None:
        self.clock, self.name, self.key, self.vectors, self.step = clock, name, key, vectors, step

    def run(self) -> None:
        seconds = dict.fromkeys(("encrypt", "add", "decrypt"), 0.0)

        def timed(phase: str, call: Callable[..., Any], *args: Any) -> Any:
            start = time.process_time()
            result = call(*args)
            seconds[phase] += time.process_time() - start
            return result

        total = None
        for x in self.vectors:
            raw = timed("encrypt", self._write, x)
            total = timed("add", self._add, total, raw)
        same(self.name, timed("decrypt", self.key.decrypt, total), exact(self.vectors, self.step))
        for phase, spent in (*seconds.items(), ("sum", sum(seconds.values()))):
            self.clock.spent.setdefault(f"{self.name} {phase}", []).append(spent)

    def _write(self, x: Floats) -> bytes:
        return bytes(self.key.public.encrypt(x).to_bytes())

    def _add(self, total: Any, raw: bytes) -> Any:
        box = he.load(raw, self.key.public)
        return box if total is None else total + box

    def size(self, holder: Any = None) -> float:
        """Bytes a value, as encrypted by the public key, or by *holder*."""
        return len(self._write(self.vectors[0]) if holder is None else holder.encrypt(self.vectors[0]).to_bytes()) / VALUES


class Bfv(Sum):
    """BFV; its key declares what is encrypted, and has the margin that no total can be wrong."""

    def __init__(self, clock: Clock, vectors: Floats, *, step: float) -> None:
        key = he.bfv.generate(bound=BOUND, step=step, terms=TERMS)
        super().__init__(clock, f"BFV {he.Layout.declare(1, bound=BOUND, step=step, terms=TERMS).bits} bits", key, vectors, step=step)


class Paillier(Sum):
    def __init__(self, clock: Clock, bits: int, profile: str, vectors: Floats) -> None:
        key = he.paillier.generate(bits, profile=profile)
        super().__init__(clock, f"Paillier {profile} {bits}", key, vectors, step=FINE)
        self.declared = {"bound": BOUND, "step": FINE, "terms": TERMS}
        clock(f"{self.name} first", self._write, vectors[0])  # makes the table

    def _write(self, x: Floats) -> bytes:
        return bytes(self.key.public.encrypt(x, **self.declared).to_bytes())

    def steps(self) -> None:
        """Encryption with a full pool, addition and decryption of what is at hand, in seconds a value."""
        public, x, name = self.key.public, self.vectors[0], self.name
        layout = he.Layout.declare(len(x), bound=BOUND, step=FINE, terms=TERMS)
        pool = public.pool(public.ciphertexts(layout, packed=True))
        box = self.clock(f"{name} online", public.encrypt, x, pool=pool, values=len(x), **self.declared)
        twice = self.clock(f"{name} plus", lambda: box + box, values=len(x), again=5)
        part = twice[: len(x) // 10]
        opened = self.clock(f"{name} open", self.key.decrypt, part, values=len(part))
        same(name, opened, exact(np.stack([x, x]), FINE)[: len(part)])

    def tables(self) -> float:
        return self.clock.median(f"{self.name} first") - self.clock.median(f"{self.name} encrypt") / PARTIES

    def on_two_cores(self, repeat: int) -> Iterator[tuple[str, float, float]]:
        """How many times sooner two processes do a work than one: by the best wall time of each, and by the CPU time of the busier process.

        The latter, with that of this process on top, is what an idle machine would take.
        """
        x, fork = self.vectors[0], multiprocessing.get_context("fork")
        best: dict[tuple[str, int], tuple[float, float]] = {}
        with ProcessPoolExecutor(1, fork) as one, ProcessPoolExecutor(2, fork) as two:
            for executor in (one, two):
                executor.submit(os.getpid).result()  # processes start when first asked
            for turn in range(repeat + 1):
                for processes, executor in ((1, one), (2, two)):
                    box, *sealing = _timed(self.key.public.encrypt, x, executor=executor, **self.declared)
                    opened, *opening = _timed(self.key.decrypt, box[: VALUES // 5], executor=executor)
                    same(self.name, opened, exact(x[None], FINE)[: VALUES // 5])
                    for work, spent in (("encryption", sealing), ("decryption", opening)):
                        before = best.get((work, processes), (np.inf, np.inf))
                        if turn:  # the first warms up
                            best[work, processes] = min(before[0], spent[0]), min(before[1], spent[1])
        for work in ("encryption", "decryption"):
            (wall, busy), (wall_of_two, busy_of_two) = best[work, 1], best[work, 2]
            yield work, wall / wall_of_two, busy / busy_of_two


def _timed(call: Callable[..., Any], *args: Any, **named: Any) -> tuple[Any, float, float]:
    """The result, wall time, and CPU time of this process and the busiest of its children."""
    children = [psutil.Process(child.pid) for child in multiprocessing.active_children()]
    before, wall, own = [sum(child.cpu_times()[:2]) for child in children], time.perf_counter(), time.process_time()
    result = call(*args, **named)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    return result, wall, own + max(sum(child.cpu_times()[:2]) - start for child, start in zip(children, before, strict=True))


def exact(vectors: Floats, step: float) -> Floats:
    return np.asarray(np.rint(vectors / step).astype(np.int64).sum(axis=0) * step)


def same(what: str, got: Floats, wanted: Floats) -> None:
    if not np.array_equal(got, wanted):
        raise SystemExit(f"{what}: a result is wrong")


def bfv_product(clock: Clock, x: Floats, weights: Floats) -> None:
    """The multiplication; and what comes around it: encryption, the way back with fresh blinding, decryption."""
    step, each = 2.0**-16, 2.0**-17
    matrix = he.Factor.declare(weights, bound=WEIGHT, step=each)
    key = he.bfv.generate(bound=BOUND, step=step, terms=matrix.limit * ROWS, use="matrices")
    box = clock("BFV product, before", key.public.encrypt, x)
    out = clock("BFV product", lambda: box @ matrix, again=5)
    opened = clock("BFV product, after", lambda: key.decrypt(he.load(out.to_bytes(), key.public)))
    same("BFV product", opened, exact(x[None], step) @ np.rint(weights / each) * each)


def paillier_product(clock: Clock, key: Any, x: Floats, weights: Floats) -> None:
    matrix = he.Factor.declare(weights, bound=WEIGHT, step=2.0**-BITS)
    box = key.public.encrypt(x, bound=BOUND, step=2.0**-BITS, terms=matrix.limit * ROWS, packed=False)
    opened = key.decrypt(clock("Paillier product", lambda: box @ matrix))
    whole = np.rint(x * 2.0**BITS).astype(np.int64).astype(object) @ np.rint(weights * 2.0**BITS).astype(np.int64).astype(object)
    same("Paillier product", opened, (whole / 4.0**BITS).astype(np.float64))


class Bench:
    """All who are compared, and what they took."""

    def __init__(self, clock: Clock, sizes: tuple[int, ...]) -> None:
        from peers import encryption as peers

        numbers = np.random.default_rng(5)
        self.clock, self.sizes = clock, sizes
        self.vectors = numbers.uniform(-BOUND, BOUND, (PARTIES, VALUES))
        self.x, self.weights = self.vectors[0][:ROWS], numbers.normal(size=(ROWS, COLUMNS)).clip(-WEIGHT, WEIGHT)
        self.phe = {bits: peers.Phe(bits) for bits in sizes}
        self.samples = [*self.phe.values(), *(peers.Heu("ZPaillier", bits) for bits in sizes), peers.Heu("OU", 2048)]
        self.minimal, self.tutorial = (peers.TenSeal(f"CKKS {name}", peers.CONTEXTS[name]) for name in ("minimal", "tutorial"))
        self.matrix = peers.TenSeal("CKKS", peers.CONTEXTS["matrix"])
        self.safe = {bits: Paillier(clock, bits, "safe", self.vectors) for bits in sizes}
        self.fast = Paillier(clock, 2048, "fast_short_exponent", self.vectors)
        self.narrow, self.wide = (Bfv(clock, self.vectors, step=step) for step in (COARSE, FINE))

    def turn(self) -> None:
        """Everybody once: peers and ours alternate."""
        clock, (a, b, *_) = self.clock, self.vectors
        ours = [*(safe.run for safe in self.safe.values()), self.fast.run, self.safe[2048].steps]
        for peer, own in zip_longest(self.samples, ours):
            if peer:
                peer.sample(clock, a, b)
            if own:
                own()
        self.minimal.encrypt(clock, a)
        self.minimal.total(clock, self.vectors)
        self.narrow.run()
        self.tutorial.total(clock, self.vectors)
        self.wide.run()
        self.matrix.product(clock, self.x, self.weights)
        bfv_product(clock, self.x, self.weights)
        self.phe[2048].product(clock, self.x, self.weights, columns=2, bits=BITS)
        paillier_product(clock, self.safe[2048].key, self.x, self.weights)

    def rows(self) -> list[Row]:
        return [*self._sums(), *self._steps(), *self._sizes(), *self._products()]

    def _sums(self) -> Iterator[Row]:
        for (ours, bits), peers in SUM_BARS.items():
            if bits not in self.sizes:
                continue
            name = f"Paillier {ours} {bits}"
            for peer, bar in peers.items():
                yield self._faster(
                    f"sum of 10 x 1e5, {name}", f"{name} sum", f"{peer} {bits}", bar, seconds=self.clock.scaled(f"{peer} {bits}")
                )

        for peer, bar in ((self.minimal, 1), (self.tutorial, 2.5)):
            yield self._faster(f"sum of 10 x 1e5, {self.narrow.name}", f"{self.narrow.name} sum", f"{peer.name} sum", bar)

    def _steps(self) -> Iterator[Row]:
        safe, ou = "Paillier safe 2048", "HEU OU-batch2 2048"
        yield self._faster("encryption with a full pool, a value", f"{safe} online", "TenSEAL CKKS minimal encrypt", 2.5)
        yield self._faster("addition, a value", f"{safe} plus", f"{ou} add", 6)
        yield self._faster("decryption, a value", f"{safe} open", "phe 2048 decrypt", 30)

    def _sizes(self) -> Iterator[Row]:
        yield Row("bytes a value, Paillier 2048, totals of 51 bits", "", "", self.safe[2048].size(), 13, most=True)
        for box, public, seeded in ((self.narrow, 16.1, 8.2), (self.wide, 22, 12)):
            yield Row(f"bytes a value, {box.name}, by the public key", "", "", box.size(), public, most=True)
            yield Row(f"bytes a value, {box.name}, by the owner", "", "", box.size(box.key), seeded, most=True)

    def _products(self) -> Iterator[Row]:
        yield self._faster("256 encrypted x 256 x 64 plain, BFV", "BFV product", "TenSEAL CKKS product", 200)
        seconds = COLUMNS * self.clock.median("phe 2048 product")
        yield self._faster("256 encrypted x 256 x 64 plain, Paillier", "Paillier product", "phe 2048", 4, seconds=seconds)

    def _faster(self, work: str, ours: str, peer: str, bar: float, *, seconds: float | None = None) -> Row:
        """*seconds* of a peer that was scaled; else of its work of this name."""
        mine = self.clock.median(ours)
        theirs = self.clock.median(peer) if seconds is None else seconds
        scaled = " (scaled)" if seconds else ""
        return Row(work, shown(mine), f"{peer} {shown(theirs)}{scaled}", theirs / mine, bar)

    def two_cores(self, repeat: int) -> Iterator[Row]:
        others = os.getloadavg()[0] - 1  # besides ours
        for work, wall, busier in self.safe[2048].on_two_cores(repeat):
            peer = f"one process; load {others:.1f} besides ours"
            yield Row(f"{work}, two processes, wall time", "", peer, wall, 1.7, busy=others > IDLE)
            yield Row(f"{work}, two processes, busier one's CPU time", "", peer, busier, 1.7, busy=others > IDLE)


def shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:,.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds * 1e9:.0f} ns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no keys of 3072 bits, and all of it once")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    repeat = 1 if options.quick else options.repeat
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [max(cores)])  # before peers are loaded, for they start threads
    bench = Bench(Clock(), (2048,) if options.quick else (2048, 3072))
    for turn in range(repeat):
        bench.turn()
        print(f"turn {turn + 1} of {repeat} done, load {os.getloadavg()[0]:.1f}", flush=True)
    os.sched_setaffinity(0, cores)
    rows = [*bench.rows(), *bench.two_cores(WALLS)]
    print(f"\nCPU time of one core, medians of {repeat}; two processes: best of {WALLS}")
    print("\n".join(map(str, rows)))
    for paillier in (*bench.safe.values(), bench.fast):
        print(f"tables of {paillier.name}, not counted above: {shown(paillier.tables())} for each party")
    print("\nmedians, for a value where a sample is timed:")
    for work in bench.clock.spent:
        print(f"  {work:<40} {shown(bench.clock.median(work)):>10}")
    sys.exit(0 if all(row.met or row.busy for row in rows) else 1)


if __name__ == "__main__":
    main()
