"""Logistic regression by iteratively reweighted least squares, equal to the regression on the pooled rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import ClassVar

import numpy as np

from governance.catalogue import Schema
from governance.errors import UsageError
from sandbox.analyses.contract import (
    COHORT,
    MOST_CELLS,
    Finding,
    State,
    Statistic,
    at_levels,
    distinct,
    dot,
    failed,
    floats,
    need,
    solve,
    text,
    texts,
)  # fmt: skip
from sandbox.predicate import Predicate
from sandbox.rows import Floats, Mask, Rows

TOLERANCE = 1e-9  # of the Newton step on features scaled to [0, 1]; the error after it is quadratically smaller
DIVERGED = 60.0  # a scaled coefficient beyond this means fitted probabilities of 0 and 1
FLAT = 1e-6  # log-likelihood per person at which every outcome is fitted exactly
MOST_NAMED = 8  # cells in a reason; the release lists them all
RANK = "rank: some feature is a linear combination of the others"
Cell = tuple[tuple[str, int], ...]  # one level, or two levels, of columns: name and number
SEPARATION = "separation: the features tell the two classes apart exactly, so no finite estimate exists"


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """Logistic regression without penalty, with an intercept, on complete cases.

    Parameters
    ----------
    target
        A category or band column with two levels.
    features
        Number columns, and category or band columns, which enter as one indicator for each level but the first.
    event
        The level of *target* that counts as 1; its second level unless given.
    max_iter
        Most Newton steps.

    Notes
    -----
    Each Newton step is a round that sums the score, the information and the log-likelihood; the first, at zero, counts the classes too.
    Features are scaled to [0, 1] by their declared bounds, so that the sums are bounded and well conditioned; coefficients are scaled back.
    The sums tell how many persons are in each level and in each two levels together, so all of these cells need support. In a step a person
    weighs 4 mu(1 - mu), at zero 1; a later step opens only where enough weighs, in the cohort and in every level and two levels of
    features, so that no coefficients, whoever brought them about, make one of the sums about a few.
    McCullagh & Nelder, 2nd ed., 2.5. Reference: ``statsmodels.api.Logit``.
    """

    target: str
    features: tuple[str, ...]
    event: str | None = None
    max_iter: int = 25

    name: ClassVar[str] = "logistic_regression"
    version: ClassVar[int] = 1
    discloses: ClassVar[str] = (
        "the numbers of persons in both classes, and for each Newton step the score, the information matrix and the log-likelihood: with p "
        "terms p + p(p+1)/2 + 1 numbers a step, and in how many holders enough persons weigh in it. All this stays with the roster and the "
        "coordinator; a step in which too few weigh, in all or in some level or two levels of features, opens nothing and ends the job. "
        "The release holds coefficients, standard errors, log-likelihood and counts"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", distinct("features", self.features, most=64))
        if self.target in self.features:
            raise UsageError("the target cannot be one of the features")
        if isinstance(self.max_iter, bool) or not 1 <= self.max_iter <= 100:
            raise UsageError(f"max_iter must be in 1..100, got {self.max_iter}")

    def reads(self, schema: Schema) -> tuple[str, ...]:
        target = need(schema, self.target, ["category", "band"])
        if len(target.levels) != 2:
            raise UsageError(f"the target {self.target} must have two levels, it has {len(target.levels)}")
        if self.event is not None and self.event not in target.levels:
            raise UsageError(f"{self.event!r} is no level of {self.target}; those are {', '.join(target.levels)}")
        for name in self.features:
            need(schema, name, ["number", "category", "band"])
        if (size := len(self.cells(schema))) > MOST_CELLS:
            raise UsageError(f"the levels of target and features make {size} cells, two by two; at most {MOST_CELLS} are allowed")
        return (self.target, *self.features)

    def cells(self, schema: Schema) -> tuple[str, ...]:
        return tuple(_named(schema, cell) for cell in self._cells(schema))

    def weighs(self, schema: Schema) -> tuple[str, ...]:
        return tuple(_named(schema, cell) for cell in self._cells(schema, target=False))

    def members(self, rows: Rows, schema: Schema, state: State | None = None) -> Mapping[str, Mask | Floats]:
        complete = self._complete(rows)
        if state is not None:
            weights = np.zeros(len(rows))
            weights[complete] = 4.0 * self._fitted(rows.where(complete), schema, state)[2]
            inside = {_named(schema, cell): _inside(rows, cell) for cell in self._cells(schema, target=False)}
            return {COHORT: weights} | {name: weights * mask for name, mask in inside.items()}
        return {COHORT: complete} | {_named(schema, cell): complete & _inside(rows, cell) for cell in self._cells(schema)}

    def _cells(self, schema: Schema, *, target: bool = True) -> list[Cell]:
        """Every level, and every two levels of different columns: the sums of a Newton step tell how many persons are in each of them."""
        discrete = [self.target] * target + [n for n in self.features if schema[n].discrete]
        levels = [[(name, i) for i in range(len(schema[name].levels))] for name in discrete]
        single = [(level,) for column in levels for level in column]
        return [*single, *(pair for a, b in combinations(levels, 2) for pair in product(a, b))]

    def inside(self, schema: Schema) -> Mapping[str, Predicate]:
        return {_named(schema, cell): at_levels(cell) for cell in self._cells(schema)}

    def opens(self, schema: Schema) -> tuple[int, ...]:
        p = len(self.terms(schema))
        sums = p + p * (p + 1) // 2 + 1
        return (2 + sums, *[1 + sums] * (self.max_iter - 1))  # two classes in the first; that enough weighs in the others

    def depth(self, schema: Schema) -> Mapping[str, int]:
        often, once = set(self.weighs(schema)), self._over(schema, target=True)
        depth = {cell: n * self.max_iter if cell in often else n for cell, n in once.items()}
        classes = [_named(schema, ((self.target, i),)) for i in range(2)]
        return {COHORT: sum(self.opens(schema)), **depth, **{name: depth[name] + 1 for name in classes}}

    def over(self, schema: Schema, state: State) -> Mapping[str, int]:
        return self._over(schema, target=state["steps"] == 0)

    def _over(self, schema: Schema, *, target: bool) -> Mapping[str, int]:
        """Of a level, its score and its row of the information, which for the first level follow by subtraction; of two levels, one.

        The score at zero tells each of these sums by class as well; later ones tell no more of the classes.
        """
        p = len(self.terms(schema))
        return {_named(schema, cell): p + 1 if len(cell) == 1 else 1 for cell in self._cells(schema, target=target)}

    def start(self, schema: Schema, support: Mapping[str, Finding], state: State | None = None) -> State:
        thin = [cell for cell in self.cells(schema) if not support[cell].supported]
        named = ", ".join(thin[:MOST_NAMED]) + (f" and {len(thin) - MOST_NAMED} more cells" if len(thin) > MOST_NAMED else "")
        if thin:
            return failed(f"suppressed: too few holders have enough persons with {named}")
        zero = texts([0.0] * len(self.terms(schema)))
        return {"n": None, "events": None, "gamma": zero, "step": zero, "loglik": None, "steps": 0}

    def statistics(self, schema: Schema, state: State, rows: int) -> tuple[Statistic, ...]:
        p, first = len(self.terms(schema)), state["steps"] == 0
        steepest = 1.0 + math.fsum(map(abs, floats(state["gamma"])))
        sizes = {"score": (rows, p), "information": (rows, p * (p + 1) // 2), "loglik": (rows * steepest, 1)}
        classes = (Statistic("classes", rows, tuple(f"{self.target}={level}" for level in schema[self.target].levels)),) if first else ()
        return (*classes, *(Statistic(name, bound, (COHORT,) * size, weighed=not first) for name, (bound, size) in sizes.items()))

    def local(self, rows: Rows, schema: Schema, state: State) -> Mapping[str, Floats]:
        rows = rows.where(self._complete(rows))
        y = (rows.codes(self.target) == self._event(schema)).astype(np.float64)
        x, mu, weight, eta, log1p = self._fitted(rows, schema, state)
        upper = np.triu_indices(x.shape[1])
        information = (x * weight[:, None]).T @ x
        sums = {"score": x.T @ (y - mu), "information": information[upper], "loglik": np.array([np.sum(y * eta - log1p)])}
        classes = {"classes": np.bincount(rows.codes(self.target), minlength=2).astype(np.float64)} if state["steps"] == 0 else {}
        return {**classes, **sums}

    def _fitted(self, rows: Rows, schema: Schema, state: State) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Of complete *rows* in *state*: features, probabilities, weights mu(1 - mu), linear predictors, and log(1 + exp(eta))."""
        x = self._design(rows, schema)
        eta = x @ np.array(floats(state["gamma"]))
        log1p = np.logaddexp(0.0, eta)
        mu = np.exp(eta - log1p)
        return x, mu, mu * (1.0 - mu), eta, log1p

    def combine(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        if state["steps"] == 0:
            classes = [round(n) for n in total["classes"]]
            state = {**state, "n": sum(classes), "events": classes[self._event(schema)]}
        return self._newton(total, schema, state)

    def _newton(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        gamma, before, loglik = floats(state["gamma"]), floats(state["step"]), total["loglik"][0]
        if state["loglik"] is not None and loglik < float(state["loglik"]) - 1e-9 * abs(loglik):
            half = [s / 2 for s in before]  # the step overshot: go back half of it
            return self._next(state, [g - h for g, h in zip(gamma, half, strict=True)], half, float(state["loglik"]))
        if loglik > -FLAT * state["n"]:
            return failed(SEPARATION)
        information = _square(total["information"], len(gamma))
        solved = solve(information, [total["score"]])
        if solved is None:
            return failed(RANK if state["steps"] == 0 else SEPARATION)
        step = solved[0]
        if max(map(abs, step)) < TOLERANCE:
            return self._outcome(schema, state, [g + s for g, s in zip(gamma, step, strict=True)], information, loglik)
        return self._next(state, [g + s for g, s in zip(gamma, step, strict=True)], step, loglik)

    def _next(self, state: State, gamma: list[float], step: list[float], loglik: float) -> State:
        if state["steps"] + 1 >= self.max_iter:
            return failed(f"no convergence within {self.max_iter} steps")
        if max(map(abs, gamma)) > DIVERGED:  # before it is run: far out, the sums would be about single rows
            return failed(SEPARATION)
        return {**state, "gamma": texts(gamma), "step": texts(step), "loglik": text(loglik), "steps": state["steps"] + 1}

    def _outcome(self, schema: Schema, state: State, gamma: list[float], information: list[list[float]], loglik: float) -> State:
        p = len(gamma)
        unit = [[float(i == j) for j in range(p)] for i in range(p)]
        covariance = solve(information, unit)
        if covariance is None:
            return failed(RANK)
        back = self._unscaling(schema)
        coef = [dot(row, gamma) for row in back]
        half = [[dot(row, column) for column in covariance] for row in back]
        variance = [dot(half[i], back[i]) for i in range(p)]
        if min(variance) <= 0:
            return failed(RANK)
        terms = [{"term": t, "coef": text(b), "se": text(math.sqrt(v))} for t, b, v in zip(self.terms(schema), coef, variance, strict=True)]
        event = schema[self.target].levels[self._event(schema)]
        return {"outcome": {"target": self.target, "event": event, "n": state["n"], "events": state["events"], "terms": terms,
                            "loglik": text(loglik), "steps": state["steps"] + 1}}  # fmt: skip

    def terms(self, schema: Schema) -> tuple[str, ...]:
        """Names of the coefficients, intercept first."""
        names = ["Intercept"]
        for name in self.features:
            column = schema[name]
            names += [f"{name}[{level}]" for level in column.levels[1:]] if column.discrete else [name]
        return tuple(names)

    def _event(self, schema: Schema) -> int:
        return schema[self.target].levels.index(self.event) if self.event is not None else 1

    def _complete(self, rows: Rows) -> Mask:
        complete: Mask = np.logical_and.reduce([rows.present(name) for name in (self.target, *self.features)])
        return complete

    def _design(self, rows: Rows, schema: Schema) -> Floats:
        parts = [np.ones(len(rows))]
        for name in self.features:
            if schema[name].discrete:
                parts += [(rows.codes(name) == i).astype(np.float64) for i in range(1, len(schema[name].levels))]
            else:
                low, high = schema[name].bounds
                parts.append((rows.number(name) - low) / (high - low))
        return np.column_stack(parts)

    def _unscaling(self, schema: Schema) -> list[list[float]]:
        """Rows that turn scaled coefficients into those of the original units."""
        terms = self.terms(schema)
        back = [[float(i == j) for j in range(len(terms))] for i in range(len(terms))]
        for i, term in enumerate(terms):
            if i and term in self.features:
                low, high = schema[term].bounds
                back[i][i] = 1.0 / (high - low)
                back[0][i] = -low / (high - low)
        return back


def _named(schema: Schema, cell: Cell) -> str:
    return " & ".join(f"{name}={schema[name].levels[i]}" for name, i in cell)


def _inside(rows: Rows, cell: Cell) -> Mask:
    mask: Mask = np.logical_and.reduce([rows.codes(column) == i for column, i in cell])
    return mask


def _square(upper: Sequence[float], size: int) -> list[list[float]]:
    matrix = [[0.0] * size for _ in range(size)]
    entries = iter(upper)
    for i in range(size):
        for j in range(i, size):
            matrix[i][j] = matrix[j][i] = next(entries)
    return matrix
