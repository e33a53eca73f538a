"""What an admission to a privacy budget costs, and how much a budget is worth.

    python benchmarks/budget.py

Prints the time of an admission by the filter and, where dp_accounting is there, of the same decision by recomputing; how many releases fit
into a block; and what a job's spend takes in a journal that holds many.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from governance import budget, spending
from governance.journal import Journal
from governance.keys import SigningKey
from governance.spending import Cap, Exact, Spend, query
from mpc import dp
from sandbox.charge import cost_of

REPEATS = 2000
BLOCK = ("3", "0.000001")


def microseconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def admitted(cost: budget.Cost) -> int:
    total, count = budget.NOTHING, 0
    while budget.limits(*BLOCK).admit(following := budget.added(total, cost)):
        total, count = following, count + 1
    return count


def recomputed() -> float | None:
    try:
        import dp_accounting
        from dp_accounting.rdp import RdpAccountant
    except ImportError:
        return None
    event = dp_accounting.LaplaceDpEvent(20.0)
    return microseconds(lambda: RdpAccountant(list(budget.ORDERS)).compose(event, 100).get_epsilon(1e-6), 30)


def spends() -> Iterator[Spend]:
    """Exact jobs over one snapshot, each of another condition."""
    exact = Exact("heart", "5a" * 16, (), "describe@1", "", 40, 10**6, 10**9)
    for n in range(10**6):
        yield Spend(f"{n:064x}", "operator", "1" * 64, query(n=n), False, (), exact, (Cap("1" * 64, "", -1),))


def in_a_journal(jobs: int = 3000) -> tuple[float, float]:
    """Milliseconds that a spend adds to a transaction, and that a recomputation of all of them takes."""
    with tempfile.TemporaryDirectory() as folder:
        key, following = SigningKey.generate("node"), spends()
        with closing(Journal.create(Path(folder) / "node.db", key)) as journal:
            with journal.transaction() as t:
                for _ in range(jobs):
                    t.spend(next(following))
                each = microseconds(lambda: t.spend(next(following)), 200) / 1000
            with journal.view() as v:
                export = v.budget_export(str(key.public))
    started = time.perf_counter()
    spending.read_export(spending.write_export(export))
    return each, (time.perf_counter() - started) * 1000


def main() -> None:
    cost = cost_of(dp.Laplace("0.05").loss)
    total = budget.added(budget.NOTHING, cost)
    print(f"admission          {microseconds(lambda: budget.limits(*BLOCK).admit(budget.added(total, cost))):8.1f} µs")
    print(f"cost from outside  {microseconds(lambda: budget.cost(cost.curve)):8.1f} µs")
    spend, again = in_a_journal()
    print(f"spend in a journal {spend * 1000:8.0f} µs within a transaction, after 3,000 others; all of them recomputed in {again:.0f} ms")
    if (other := recomputed()) is not None:
        print(f"dp_accounting      {other:8.1f} µs")
    print(f"Laplace counts of epsilon 0.05 in a block of epsilon {BLOCK[0]}, delta {BLOCK[1]}: {admitted(cost)}, by adding epsilons 60")


if __name__ == "__main__":
    main()
