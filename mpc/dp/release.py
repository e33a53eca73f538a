"""What comes out: numbers that carry their error, unit and privacy cost, and show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from html import escape

from mpc.dp.amounts import Integers
from mpc.dp.loss import Loss

MOST_SHOWN = 8  # numbers of a longer release that are shown


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Numbers with noise.

    Parameters
    ----------
    values
        As released; noise may have made them negative.
    sd
        Standard deviation of the noise in each of them, in *unit*.
    loss, delta
        What the release tells of one person, and the delta at which it is shown.
    names
        Of the numbers, where they have names.
    """

    values: Integers
    sd: float
    loss: Loss
    delta: Fraction
    unit: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        numbers = [str(v) for v in self.values[:MOST_SHOWN].tolist()]
        if self.names:
            numbers = [f"{name} {number}" for name, number in zip(self.names, numbers, strict=False)]
        rest = ", …" if len(self.values) > MOST_SHOWN else ""
        return f"{', '.join(numbers) or 'nothing'}{rest} ± {self.sd:.1f} {self.unit}  ({self.loss.at(self.delta)})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A cut point that was chosen with noise.

    Parameters
    ----------
    cut
        One of the registered cut points.
    index
        Its place among them.
    within
        With probability 0.95 the share of persons below it is off by that of so many persons, beyond what the best cut point is.
    """

    cut: Fraction
    index: int
    within: float
    loss: Loss
    unit: str

    def __str__(self) -> str:
        return f"{float(self.cut):g}, within {math.ceil(self.within)} {self.unit} of the best cut point  ({self.loss})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"
