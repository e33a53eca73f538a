"""Which values of a polynomial are false: decoding of Reed-Solomon codes.

Source: Berlekamp & Welch, US patent 4,633,470 (1986); McEliece & Sarwate, "On Sharing Secrets and Reed-Solomon Codes", Communications of
the ACM 24(9), 1981, for its use on shares.
"""

from __future__ import annotations

from collections.abc import Sequence


def errors(points: Sequence[int], values: Sequence[int], *, threshold: int, prime: int) -> list[int] | None:
    """Indices of the *values* off the polynomial of degree below *threshold* that passes through all but a few of them.

    With m values up to (m - threshold) // 2 may be false; None if it must be more.

    Notes
    -----
    Let E be monic of degree e with its zeros where values are false, and Q = E f. Then ``Q(x) = y E(x)`` at every point: m linear
    equations for the threshold + 2e coefficients. Whatever solves them has Q / E = f, if not more than e values are false.
    """
    most = (len(points) - threshold) // 2
    rows = []
    for x, y in zip(points, values, strict=True):
        powers = [pow(x, k, prime) for k in range(threshold + most)]
        rows.append([*powers, *(-y * p % prime for p in powers[:most]), y * pow(x, most, prime) % prime])
    solution = _solved(rows, prime)
    if solution is None:
        return None
    top, locator = solution[: threshold + most], [*solution[threshold + most :], 1]
    quotient = _divided(top, locator, prime)
    wrong = [i for i, (x, y) in enumerate(zip(points, values, strict=True)) if _value(quotient, x, prime) != y]
    return wrong if len(wrong) <= most else None


def _solved(rows: list[list[int]], prime: int) -> list[int] | None:
    """One solution of the equations, each a row of coefficients and the right side; free unknowns are zero."""
    width = len(rows[0]) - 1
    pivots: list[int] = []
    for column in range(width):
        done = len(pivots)
        found = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[done], rows[found] = rows[found], rows[done]
        inverse = pow(rows[done][column], -1, prime)
        rows[done] = [value * inverse % prime for value in rows[done]]
        for i, row in enumerate(rows):
            if i != done and (factor := row[column]):
                rows[i] = [(a - factor * b) % prime for a, b in zip(row, rows[done], strict=True)]
        pivots.append(column)
    if any(row[-1] for row in rows[len(pivots) :]):
        return None
    solution = [0] * width
    for row, column in zip(rows, pivots, strict=False):
        solution[column] = row[-1]
    return solution


def _divided(numerator: Sequence[int], monic: Sequence[int], prime: int) -> list[int]:
    """Quotient of two polynomials, lowest coefficients first; a remainder is dropped, since the quotient is put to the test."""
    rest, quotient = list(numerator), []
    for place in range(len(numerator) - len(monic), -1, -1):
        factor = rest[place + len(monic) - 1]
        quotient.append(factor)
        for i, coefficient in enumerate(monic):
            rest[place + i] = (rest[place + i] - factor * coefficient) % prime
    return quotient[::-1]


def _value(polynomial: Sequence[int], x: int, prime: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * x + coefficient) % prime
    return value
