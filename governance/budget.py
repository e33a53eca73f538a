"""The filter: which releases with noise may still be made from the rows of a block, whoever asks and whatever was seen before.

A release costs, at each of a fixed list of orders, a bound on the Rényi divergence that one person can cause. Costs add up. A release is
admitted if at some order the sum stays within that order's limit; then everything that was ever admitted is (epsilon, delta)-differentially
private together, although each release was chosen by those before it. Everything is a whole number, costs rounded up and limits rounded
down, so two machines that add the same costs find the same bits. Nothing here depends on a row.
Sources: Feldman & Zrnic, NeurIPS 2021 (one order); Lécuyer, arXiv 2103.01379 (an order that exists). Proof: docs/proofs/budget-filter.md.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from typing import Annotated

from pydantic import Field

from governance.encoding import build, strict
from governance.errors import UsageError

ORDERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 128, 256, 1024)
NANO = 10**9  # of a nat, in which divergences are counted
ATTO = 10**18  # of a chance of one
MOST = 10**15  # a million nats: no bound at this order; sums stop there
MOST_EPSILON = 1000
MOST_HOSPITALS = 2**16
WORK = Context(prec=60, Emin=-(10**12), Emax=10**12)  # exp and ln of `decimal` are correctly rounded: the same everywhere
LIFT = Decimal("1e-40")  # far above a rounding at 60 digits, far below a unit

Divergence = Annotated[int, Field(ge=0, le=MOST)]
Epsilon = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,3})(\.[0-9]{1,9})?$")]
Chance = Annotated[str, Field(pattern=r"^0(\.[0-9]{1,40})?$")]
Total = tuple[int, ...]  # one whole number for each order, then the chance


@strict
class Cost:
    """What a release tells of one person in one hospital, at most: divergence at each of ORDERS in nano-nats, in both directions.

    *chance*, in units of 1e-18, is the probability that the divergences do not hold.
    """

    curve: Annotated[tuple[Divergence, ...], Field(min_length=len(ORDERS), max_length=len(ORDERS))]
    chance: Annotated[int, Field(ge=0, le=ATTO // 1000)]

    @property
    def total(self) -> Total:
        return (*self.curve, self.chance)

    def across(self, hospitals: int) -> Cost:
        """What it tells of one person who is in *hospitals* of those that take part: M^2 times as much (PRIVACY 11).

        So it is for noise whose divergence grows no faster than the square of the shift: all of `mpc.dp` that holds without a chance. What
        holds but for a chance is made for M hospitals by the mechanism itself.
        """
        if type(hospitals) is not int or not 1 <= hospitals <= MOST_HOSPITALS:
            raise UsageError(f"a person is in 1 to {MOST_HOSPITALS} hospitals, got {hospitals!r}")
        if self.chance and hospitals > 1:
            raise UsageError("a cost that holds but for a chance cannot be raised to several hospitals; make the noise for as many")
        return Cost(tuple(min(hospitals**2 * at, MOST) for at in self.curve), self.chance)


def cost(curve: Sequence[int], chance: int = 0) -> Cost:
    """A checked cost.

    Raises
    ------
    DecodeError
        Another number of orders, or anything but whole numbers from 0 to MOST.
    """
    return build(Cost, {"curve": tuple(curve), "chance": chance})


NOTHING: Total = (0,) * (len(ORDERS) + 1)


def added(total: Total, more: Cost) -> Total:
    """The sum. It stops at MOST, where no order has a limit: so it does not depend on the order in which costs come."""
    return tuple(min(a + b, MOST) for a, b in zip(total, more.total, strict=True))


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a sum may go: at each order in nano-nats (below zero: not at all), and in chance."""

    curve: tuple[int, ...]
    chance: int

    def admit(self, total: Total) -> bool:
        """Whether at some order *total* is within the limit."""
        return total[-1] <= self.chance and any(spent <= most for spent, most in zip(total, self.curve, strict=False))


@functools.lru_cache(maxsize=1024)
def limits(epsilon: str, delta: str, chance: str = "0") -> Limits:
    """The limits under which all releases together are (*epsilon*, *delta*)-DP, given as decimal strings; *chance* is a part of delta.

    Where epsilon is 0, nothing is admitted.

    Notes
    -----
    ``epsilon - log(1 - 1/a) + (log(delta w_a) + log(a)) / (a - 1)``: the conversion of Canonne, Kamath & Steinke, NeurIPS 2020, proposition
    12, solved for the divergence, where order a has its share w_a of delta. The shares are what makes the choice among the orders safe: it
    may depend on what was seen.
    """
    if not Decimal(epsilon):
        return Limits((-1,) * len(ORDERS), 0)
    nats, rest = _amounts(epsilon, delta, chance)
    with localcontext(WORK):
        each = (nats + _room(rest, order, share) for order, share in zip(ORDERS, shares(epsilon, delta), strict=True))
        return Limits(tuple(max(-1, _floor(NANO * at)) for at in each), int(ATTO * Decimal(chance)))


def spent(total: Total, epsilon: str, delta: str, chance: str = "0") -> float:
    """The epsilon that has been spent of a block with these limits; it is above *epsilon* only where the limits do not admit *total*."""
    _, rest = _amounts(epsilon, delta, chance)
    return converted(total, rest, shares(epsilon, delta))


def converted(total: Total, delta: Decimal, weights: Sequence[Decimal]) -> float:
    """The least epsilon, at 0 or above, that some order gives together with its share of *delta*; rounded up."""
    with localcontext(WORK):
        each = (Decimal(at) / NANO - _room(delta, a, w) for at, a, w in zip(total, ORDERS, weights, strict=False) if at < MOST)
        least = min(each, default=Decimal("Infinity"))
        return float(max(Decimal(0), least).quantize(Decimal("1e-9"), ROUND_CEILING)) if least.is_finite() else float("inf")


@functools.lru_cache(maxsize=1024)
def shares(epsilon: str, delta: str) -> tuple[Decimal, ...]:
    """Each order's share of delta, together one: half for the order that suits the block best, half of the rest for the next, and so on.

    Best is ``1 + 2 log(1/delta) / epsilon``, where most releases with little Gaussian noise fit in.
    """
    nats, rest = _amounts(epsilon, delta, "0")
    with localcontext(WORK):
        best = 1 - 2 * rest.ln() / nats
        ranked = sorted(range(len(ORDERS)), key=lambda i: max(ORDERS[i] / best, best / ORDERS[i]))
        rank = {i: min(r + 1, len(ORDERS) - 1) for r, i in enumerate(ranked)}  # the last two have the same
        return tuple(Decimal(1) / 2 ** rank[i] for i in range(len(ORDERS)))


def _amounts(epsilon: str, delta: str, chance: str) -> tuple[Decimal, Decimal]:
    """Epsilon, and what is left of delta without the chance."""
    with localcontext(WORK):
        nats, rest = Decimal(epsilon), Decimal(delta) - Decimal(chance)
    if not 0 < nats <= MOST_EPSILON:
        raise UsageError(f"epsilon must be above 0 and at most {MOST_EPSILON}, got {epsilon}")
    if not 0 < rest < 1 or Decimal(chance) > Decimal("0.001"):
        raise UsageError(f"delta must be below 1 and above its part for a chance, which is at most 0.001; got {delta} and {chance}")
    return nats, rest


def _room(delta: Decimal, order: int, weight: Decimal) -> Decimal:
    """How far the limit at *order* is above epsilon; where delta is small it is below."""
    a = Decimal(order)
    return ((delta * weight).ln() + a.ln()) / (a - 1) - (1 - 1 / a).ln()


def _floor(number: Decimal) -> int:
    return int((number - (abs(number) + 1) * LIFT).to_integral_value(ROUND_FLOOR))
