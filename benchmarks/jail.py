"""What a jail costs: its start and one answer, beside a cold Python that only imports numpy and pyarrow.

    python benchmarks/jail.py [ROUNDS]

The ways take turns within one run, so that a busy machine slows all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from sandbox.jail import Session, Zygote, seal  # noqa: E402

ASKS = 20


def total(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """The jailed program: the sum of a column."""
    return lambda request: np.array([sum(batch["x"].to_numpy().sum() for batch in table.to_batches())]).tobytes()


def cold_python() -> None:
    subprocess.run([sys.executable, "-c", "import numpy, pyarrow"], check=True)


def one_session(zygote: Zygote, data: int, times: dict[str, list[float]]) -> None:
    """Time a jail from the order to the seal, to its first answer, and its later answers."""
    start = time.perf_counter()
    with zygote.open("jail:total", b"", data) as session:
        times[f"tier {zygote.tier}: sealed"].append(since(start))
        ask(session)
        times[f"tier {zygote.tier}: first answer"].append(since(start))
        start = time.perf_counter()
        for _ in range(ASKS):
            ask(session)
        times[f"tier {zygote.tier}: each later answer"].append(since(start) / ASKS)


def ask(session: Session) -> None:
    session.ask(b"", expect=8, wall=30)


def since(start: float) -> float:
    """Milliseconds since *start*."""
    return 1e3 * (time.perf_counter() - start)


def measure(rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    data = seal(pa.table({"x": np.arange(10_000.0)}))
    preload, folders = ["numpy", "pyarrow", "jail"], [Path(__file__).parent]
    with Zygote(preload, "A", folders=folders) as first, Zygote(preload, "B", folders=folders) as second:
        for _ in range(rounds):
            start = time.perf_counter()
            cold_python()
            times["cold python -c 'import numpy, pyarrow'"].append(since(start))
            for zygote in (first, second):
                one_session(zygote, data, times)
    os.close(data)
    return times


def main() -> None:
    times = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    cold = statistics.median(times["cold python -c 'import numpy, pyarrow'"])
    print(f"{'':40}{'median ms':>10}{'min ms':>10}{'cold / this':>13}")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:40}{middle:10.2f}{min(values):10.2f}{cold / middle:13.1f}")


if __name__ == "__main__":
    main()
