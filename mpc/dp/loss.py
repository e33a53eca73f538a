"""What releases tell of one person together: Rényi curves at fixed whole orders, in whole units, always rounded up.

Losses add; a sum turns into (epsilon, delta) at the end, once, where it is tight. Everything is a whole number, so that two machines that
add the same releases find the same bits, and a sum is never below what it stands for. Sources and proofs: docs/proofs/accounting.md.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from governance.errors import UsageError
from mpc.dp.amounts import CHANCE, UNIT, Amount, ceil_of, decimal, delta_of, epsilon_of, positive, precise, up, whole

ORDERS = (
    *range(2, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896,
    1024, 1280, 1536, 2048, 3072, 4096, 8192, 16384, 32768, 65536,
)  # fmt: skip
SHOWN = "1e-6"  # the delta at which a loss is shown where it has no epsilon without one
MOST_ROUNDS = 2**31


@dataclass(frozen=True, slots=True)
class Loss:
    """What one or more releases tell of one person, at most.

    Parameters
    ----------
    curve
        Rényi divergence at each of ORDERS, in units of 2^-32 nats.
    pure
        Epsilon without any delta, in the same units; None if there is none.
    chance
        Probability, in units of 2^-128, that the other two do not hold (a rare group was shown).
    """

    curve: tuple[int, ...]
    pure: int | None = None
    chance: int = 0

    def __add__(self, other: Loss | int) -> Loss:
        """Both releases, the second chosen after seeing the first, say."""
        if not isinstance(other, Loss):
            raise UsageError(f"a loss is added to losses, got {type(other).__name__}: a release's is its .loss")
        pure = None if self.pure is None or other.pure is None else self.pure + other.pure
        return Loss(tuple(a + b for a, b in zip(self.curve, other.curve, strict=True)), pure, self.chance + other.chance)

    def __radd__(self, other: Loss | int) -> Loss:
        return self if isinstance(other, int) and other == 0 else self + other  # so that ``sum(losses)`` works

    def __mul__(self, times: int) -> Loss:
        """*times* such releases."""
        times = whole(times, "times", most=MOST_ROUNDS)
        pure = None if self.pure is None else times * self.pure
        return Loss(tuple(times * a for a in self.curve), pure, times * self.chance)

    @precise
    def epsilon(self, delta: Amount = 0) -> float:
        """The epsilon in nats that holds together with *delta*, rounded up; infinite where there is none.

        Notes
        -----
        ``min_a  R(a) + log(1 - 1/a) - (log(delta) + log(a)) / (a - 1)``: Canonne, Kamath & Steinke, NeurIPS 2020, proposition 12; Balle et
        al., AISTATS 2020, theorem 21.
        """
        rest = (Fraction(0) if delta == 0 else delta_of(delta)) - Fraction(self.chance, CHANCE)
        found = [] if self.pure is None or rest < 0 else [self.pure]
        if rest > 0:
            log = decimal(rest).ln()
            found += [cost + ceil_of(UNIT * (fixed - log / (order - 1))) for order, cost, fixed in self._terms()]
        return up(Fraction(max(0, min(found)), UNIT)) if found else math.inf

    @precise
    def delta(self, epsilon: Amount) -> float:
        """The delta that holds together with *epsilon*, rounded up. The inverse of `epsilon`."""
        units = int(epsilon_of(epsilon) * UNIT)
        if self.pure is not None and self.pure <= units:
            return up(Fraction(self.chance, CHANCE))
        least = min((order - 1) * (Decimal(cost - units) / UNIT + fixed) for order, cost, fixed in self._terms())
        chance = ceil_of(CHANCE * min(least, Decimal(0)).exp())
        return up(min(Fraction(1), Fraction(self.chance + chance, CHANCE)))

    def _terms(self) -> list[tuple[int, int, Decimal]]:
        return [(order, cost, _fixed(order)) for order, cost in zip(ORDERS, self.curve, strict=True)]

    def at(self, delta: Amount) -> str:
        """As text, with the epsilon that holds together with *delta*."""
        return f"ε {shown(self.epsilon(delta))}" + (f", δ {shown(float(delta))}" if delta else "")

    def __str__(self) -> str:
        chance = Fraction(self.chance, CHANCE)
        return self.at(chance if self.pure is not None else max(Fraction(SHOWN), 2 * chance))


def shown(number: float) -> str:
    """Three digits, rounded up."""
    if not number or math.isinf(number):
        return f"{number:g}"
    digits = Decimal(repr(number))
    step = Decimal(1).scaleb(digits.adjusted() - 2)
    return f"{float(digits.quantize(step, 'ROUND_CEILING')):g}"


NOTHING = Loss((0,) * len(ORDERS), 0)


def of_pure(epsilon: Amount) -> Loss:
    """Any release that is (epsilon, 0)-DP: that of randomised response, which is the most it can tell."""
    return of_laplace(1, 1 / positive(epsilon, "epsilon"))


def of_zcdp(rho: Amount) -> Loss:
    """Any release that is rho-zCDP, such as a discrete Gaussian with rho = shift^2 / (2 sd^2)."""
    rate = positive(rho, "rho")
    return Loss(tuple(_ceil(order * rate) for order in ORDERS))


@functools.lru_cache(maxsize=64)
@precise
def of_laplace(shift: int, scale: Fraction) -> Loss:
    """A discrete Laplace of *scale* and its shift by *shift*, in L1 over all entries. Exact: docs/proofs/discrete-laplace.md."""
    step = decimal(1 / scale)
    a = (-step).exp()
    curve = []
    for order in ORDERS:
        r = (-(2 * order - 1) * step).exp()
        rest = (a - r) / ((1 - r) * (1 + a))
        total = (order - 1) * shift * step + (1 - rest + rest * r**shift).ln()
        curve.append(ceil_of(UNIT * total / (order - 1)))
    return Loss(tuple(curve), _ceil(shift / scale))


def of_choice(epsilon: Fraction) -> Loss:
    """An exponential mechanism: (epsilon, 0)-DP and epsilon^2/8-zCDP. Proof: docs/proofs/quantile.md."""
    pure, concentrated = of_pure(epsilon), of_zcdp(epsilon**2 / 8)
    return Loss(tuple(map(min, pure.curve, concentrated.curve)), pure.pure)


def of_skellam(variance: Fraction, *, l1: int, l2_squared: int) -> Loss:
    """Skellam noise of *variance* in each entry. Agarwal, Kairouz & Liu, NeurIPS 2021, corollary 3.6 (there the variance is called mu)."""
    curve = []
    for order in ORDERS:
        rest = min(((2 * order - 1) * l2_squared + 6 * l1) / (4 * variance**2), 3 * l1 / (2 * variance))
        curve.append(_ceil(order * l2_squared / (2 * variance) + rest))
    return Loss(tuple(curve))


def _ceil(nats: Fraction) -> int:
    return math.ceil(nats * UNIT)


@functools.cache
@precise
def _fixed(order: int) -> Decimal:
    """``log(1 - 1/a) - log(a) / (a - 1)``."""
    return (Decimal(order - 1) / order).ln() - Decimal(order).ln() / (order - 1)
