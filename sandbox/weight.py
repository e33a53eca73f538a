"""How much weight is enough in a state, so that a holder's answers tell little of any one person, whoever chose the states.

The sparse vector technique with exponential noise; sources and proof: docs/proofs/weight.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from secrets import SystemRandom

from governance.encoding import wire

CENTRE = 2  # times min_cell is the limit without noise
FINENESS = 5  # of the two noises each is min_cell / FINENESS in the mean
MOST_NOES = 3  # after which no weight is enough; docs/proofs/weight.md says what all answers together cost

SYSTEM = SystemRandom()


@wire("keyong/weight-limit/v1")
class Limit:
    """A holder's limit for all jobs over the same rows: how often it said no, and the noise that stays until it says no again.

    *below* is a decimal number, in units of min_cell / FINENESS.
    """

    noes: int
    below: str = field(repr=False)

    def draw(self, min_cell: int) -> float:
        """What is enough this once: min_cell at least, about twice as much as a rule, infinite once the noes are used up."""
        if self.noes >= MOST_NOES:
            return math.inf
        return min_cell * (CENTRE + (SYSTEM.expovariate(1.0) - float(self.below)) / FINENESS)

    def after_no(self) -> Limit:
        """A no is paid for; it told of the noise that stayed, which is drawn again."""
        return fresh(self.noes + 1)


def fresh(noes: int = 0) -> Limit:
    """The limit of rows about which a holder said *noes* so far."""
    below = math.inf
    while below > (CENTRE - 1) * FINENESS:  # the limit would be below min_cell
        below = SYSTEM.expovariate(1.0)
    return Limit(noes, repr(below))


def joined(limits: Sequence[Limit]) -> Limit:
    """The limit of rows that are found to be the same: the first's noise stays, and what the others' told of theirs counts as a no."""
    return Limit(sum(limit.noes for limit in limits) + len(limits) - 1, limits[0].below)
