"""What an admission to a privacy budget costs, and how much a budget is worth.

    python benchmarks/budget.py

Prints the time of an admission by the filter and, where dp_accounting is there, of the same decision by recomputing; how many releases fit
into a block.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from governance import budget
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


def main() -> None:
    cost = cost_of(dp.Laplace("0.05").loss)
    total = budget.added(budget.NOTHING, cost)
    print(f"admission          {microseconds(lambda: budget.limits(*BLOCK).admit(budget.added(total, cost))):8.1f} µs")
    print(f"cost from outside  {microseconds(lambda: budget.cost(cost.curve)):8.1f} µs")
    if (other := recomputed()) is not None:
        print(f"dp_accounting      {other:8.1f} µs")
    print(f"Laplace counts of epsilon 0.05 in a block of epsilon {BLOCK[0]}, delta {BLOCK[1]}: {admitted(cost)}, by adding epsilons 60")


if __name__ == "__main__":
    main()
