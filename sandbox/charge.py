"""What a release with noise is charged to a budget: the losses of `mpc.dp`, which no lower layer knows, in the units of the filter."""

from __future__ import annotations

from governance import budget
from governance.budget import ATTO, MOST, NANO, ORDERS, Cost
from governance.errors import UsageError
from governance.spending import Charge
from mpc import dp
from mpc.dp.amounts import CHANCE


def cost_of(loss: dp.Loss) -> Cost:
    """*loss* at the filter's orders, rounded up."""
    at = dict(zip(dp.ORDERS, loss.curve, strict=True))
    return budget.cost([min(MOST, -(-at[order] * NANO // dp.UNIT)) for order in ORDERS], -(-loss.chance * ATTO // CHANCE))


def charges(loss: dp.Loss, *, block: str, city: str, hospitals: int, covered: int = 1) -> tuple[Charge, Charge]:
    """What a hospital's *block* and the *city* are charged for a release in which one person may be in *hospitals* of the roster.

    That is the roster's size unless fewer are declared. *covered* is for how many hospitals the noise was made; where it is as many, the
    loss is that of a person in all of them, and the city is charged no more.
    """
    if not 1 <= covered <= hospitals:
        raise UsageError(f"noise covers from 1 to {hospitals} hospitals, got {covered}")
    cost = cost_of(loss)
    return Charge(block, cost, 1), Charge(city, cost, -(-hospitals // covered))
