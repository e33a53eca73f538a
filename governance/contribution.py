"""What each group of data holders adds to a use: leave-one-out and exact Shapley values over utilities that were computed before.

Advisory: a basis for talks about shares, never a price. The total over all but one holder, beside the total over all, is that holder's
part; so groups have c + 2 holders or more, unless the utilities were released with noise (PRIVACY 4).
Source: Shapley, "A Value for n-Person Games", 1953; exact, by all coalitions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb

from governance.errors import DisclosureRefused, UsageError

MOST_GROUPS = 12  # 4,096 coalitions
Utilities = Mapping[frozenset[str], int]


@dataclass(frozen=True, slots=True)
class Contribution:
    """A group's part in the utility of all: by Shapley, and what would be lost without it."""

    group: str
    shapley: Fraction
    left_out: int


def coalitions(groups: Collection[str]) -> Iterator[frozenset[str]]:
    """All sets of *groups*, the empty one first: what has a utility each."""
    names = sorted(groups)
    return (frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size))


def check_groups(groups: Mapping[str, Collection[str]], *, colluding: int, noised: bool) -> None:
    """Refuse groups whose part would tell of few holders; *groups* are disjoint sets of holders by name."""
    if not 2 <= len(groups) <= MOST_GROUPS:
        raise UsageError(f"contributions are of 2 to {MOST_GROUPS} groups of data holders, got {len(groups)}")
    members = [holder for group in groups.values() for holder in group]
    if len(set(members)) != len(members):
        raise UsageError("a data holder is in one group only")
    if not noised and min(len(set(group)) for group in groups.values()) < colluding + 2:
        raise DisclosureRefused(code="policy.contribution", least=colluding + 2)


def contributions(
    groups: Mapping[str, Collection[str]], utilities: Utilities, *, colluding: int, noised: bool = False
) -> tuple[Contribution, ...]:
    """Contributions in order of the groups' names.

    Parameters
    ----------
    groups
        Data holders by group.
    utilities
        A whole number for each of `coalitions`, in whatever unit; that of nobody is 0 unless said otherwise.
    colluding
        c, how many holders may collude.
    noised
        Whether the utilities were released with differential privacy; then a group may be one holder.

    Returns
    -------
    Shapley values add up to the utility of all less that of nobody, exactly.
    """
    check_groups(groups, colluding=colluding, noised=noised)
    if missing := [chosen for chosen in coalitions(groups) if chosen not in utilities]:
        raise UsageError(f"the utility of {', '.join(sorted(missing[0])) or 'nobody'} is missing")
    everybody = frozenset(groups)
    return tuple(
        Contribution(name, _shapley(name, everybody, utilities), utilities[everybody] - utilities[everybody - {name}])
        for name in sorted(groups)
    )


def _shapley(name: str, everybody: frozenset[str], utilities: Utilities) -> Fraction:
    others, n = everybody - {name}, len(everybody)
    added = [0] * n  # by the size of the coalition that *name* joins
    for chosen in coalitions(others):
        added[len(chosen)] += utilities[chosen | {name}] - utilities[chosen]
    return sum((Fraction(total, n * comb(n - 1, size)) for size, total in enumerate(added)), Fraction(0))
