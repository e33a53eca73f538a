"""Triples and masks from a dealer: a named party that takes no part in the computation.

The dealer draws random numbers and sends each party its shares before anything begins. It sees no input, no message and no result, and what
it deals depends on nothing. So alone it learns nothing; together with one party that forwards the broadcasts it learns every number that
was multiplied or truncated. Nobody may claim that "no one could open the inputs" where a dealer exists: it is named, and is to be an
organisation that is neither the coordinator nor the one who asks.

Model: honest dealer that colludes with nobody. A false triple makes products wrong, unnoticed.
Source: Beaver, CRYPTO 1991; the dealer as a server that helps before the computation: Mohassel & Zhang, "SecureML", IEEE S&P 2017,
"client-aided offline protocol".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from governance.errors import UsageError
from mpc.rings import Rand
from mpc.sharing import products, truncation
from mpc.sharing.numbers import Shape
from mpc.sharing.products import Kind, Triple
from mpc.sharing.schemes import Scheme
from mpc.sharing.truncation import Mask


@dataclass(frozen=True, slots=True)
class Dealer:
    """Deals to the parties of a scheme; what comes out is sent to each party over a private channel."""

    name: str
    scheme: Scheme
    rand: Rand = secrets.token_bytes

    def __post_init__(self) -> None:
        if self.name in self.scheme.parties:
            raise UsageError(f"{self.name} takes part in the computation, and cannot deal for it")

    def triple(self, shape: Shape, kind: Kind = "elements") -> dict[str, Triple]:
        """Each party's triple for one product: of *shape* for elements, of (n,) for vectors, of (rows, inner, columns) for matrices."""
        numbers = self.scheme.numbers
        a, b = (numbers.uniform(factor, self.rand) for factor in products.factors(kind, shape))
        parts = [self.scheme.split(part, rand=self.rand) for part in (a, b, products.times(numbers, kind, a, b))]
        return {name: Triple(self.scheme.seat(name), kind, *(part[name] for part in parts)) for name in self.scheme.parties}

    def mask(self, shape: Shape, digits: int) -> dict[str, Mask]:
        """Each party's mask for one truncation of numbers of *shape* by 2^digits."""
        return truncation.deal(self.scheme, shape, digits, rand=self.rand)
