"""What time it is at a node: no clock that was set back revives a licence, and no witness with a clock ahead makes one expire."""

from __future__ import annotations

from governance import quorum
from governance.catalogue import Dataset
from governance.journal import View


def time_of(t: View, dataset: Dataset, me: str, local: float) -> int:
    """The time by the word of the other holders of *dataset*, of whom so many as may collude may be ahead; the *local* one if later."""
    times = [at for name, (_, at) in t.cosigned().items() if name in dataset.holders and name != me]
    return quorum.clock(times, int(local), faulty=dataset.colluding)
