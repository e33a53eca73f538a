"""Products of shared numbers with Beaver's triples: element by element, of vectors, of matrices.

A triple is a sharing of random a, b and of their product c. The parties open ``d = x - a`` and ``e = y - b``, which are uniform whatever x
and y are, and compute shares of ``x y = c + d b + a e + d e``. Everybody learns d and e, so nothing; the product stays shared. One round.
A triple serves one product: two that are opened with the same a show the difference of the factors. `Triple` lets itself be taken once;
whoever keeps triples on a disk must strike them out before use.

Model: honest-but-curious parties, as many together as the scheme bears; authenticated broadcast. A party that broadcasts a false share of d
or e spoils the product unnoticed under additive sharing; under Shamir's it is noticed if more than threshold parties take part.
Source: Beaver, "Efficient Multiparty Protocols Using Circuit Randomization", CRYPTO 1991; for matrices Mohassel & Zhang, "SecureML", IEEE
S&P 2017, "shared vectorised arithmetic".
"""

from __future__ import annotations

from typing import Literal

from governance.errors import UsageError
from mpc.rings import Words
from mpc.sharing.numbers import Numbers, Shape, Share
from mpc.sharing.once import Once
from mpc.sharing.protocol import Steps, reveal
from mpc.sharing.schemes import Seat

Kind = Literal["elements", "vectors", "matrices"]


def times(numbers: Numbers, kind: Kind, a: Words, b: Words) -> Words:
    """The product of the *kind* that a triple is for."""
    return {"elements": numbers.mul, "vectors": numbers.dot, "matrices": numbers.matmul}[kind](a, b)


def factors(kind: Kind, shape: tuple[int, ...]) -> tuple[Shape, Shape]:
    """Shapes of the two factors: *shape* is any for elements, (n,) for vectors, (rows, inner, columns) for matrices."""
    if kind == "elements":
        return shape, shape
    if len(shape) != {"vectors": 1, "matrices": 3}.get(kind):
        raise UsageError("a product is of elements, of vectors, shape (n,), or of matrices, shape (rows, inner, columns)")
    return shape[:2], shape[-2:] if kind == "matrices" else shape


class Triple:
    """One party's shares of a, b and their product. Made by `Dealer` or by the parties themselves (`mpc.sharing.triples`)."""

    __slots__ = ("_abc", "kind", "seat", "shapes")

    def __init__(self, seat: Seat, kind: Kind, a: Words, b: Words, c: Words) -> None:
        self.seat, self.kind, self.shapes = seat, kind, (seat.numbers.shape(a), seat.numbers.shape(b))
        self._abc = Once((a.view(Share), b.view(Share), c.view(Share)))

    def __repr__(self) -> str:
        return f"Triple({self.seat.me}, {self.kind}, {self.shapes[0]} x {self.shapes[1]})"

    def take(self, x: Words, y: Words) -> tuple[Words, Words, Words]:
        """The shares of a, b and c, for the factors *x* and *y* and never again."""
        if (self.seat.numbers.check(x), self.seat.numbers.check(y)) != self.shapes:
            raise UsageError(f"this triple is for factors of shapes {self.shapes[0]} and {self.shapes[1]}, got {x.shape} and {y.shape}")
        return self._abc.take("this triple")


def multiply(x: Words, y: Words, triple: Triple) -> Steps[Words]:
    """My share of the product of the numbers that *x* and *y* are my shares of."""
    seat, numbers = triple.seat, triple.seat.numbers
    a, b, c = triple.take(x, y)
    d, e = yield from reveal(seat, numbers.sub(x, a), numbers.sub(y, b))

    def product(left: Words, right: Words) -> Words:
        return times(numbers, triple.kind, left, right)

    return numbers.sum(c, product(d, b), product(a, e), seat.public(product(d, e)))
