"""Disclosure control of exact totals: which may be opened, over whom, and how many of them (PRIVACY 1, 4 and 14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from governance.errors import DisclosureRefused
from sandbox.analyses.contract import COHORT, Finding


def findings(holders: Mapping[str, int], colluding: int) -> dict[str, Finding]:
    """What support allows: a cell needs c + 1 holders with enough persons, the whole cohort c + 2.

    Of a cell's supporters at least one is then honest and has enough persons by itself, of a cohort's at least two. A cell with just two
    supporters tells either of them the other's count, which is of at least min_cell persons.
    """
    return {cell: Finding(n, n >= colluding + (2 if cell == COHORT else 1)) for cell, n in holders.items()}


def check_difference(survivors: frozenset[str], earlier: Iterable[frozenset[str]], colluding: int) -> None:
    """Refuse a total unless its holders and those of each earlier one are the same, or one set within the other with c + 2 left over.

    So all sets ever opened form a chain, and whatever is computed from their totals has equal shares of all holders between two links: of
    two honest ones at least (PRIVACY 4). Of sets that only overlap a third tells more: {all but a}, {all but b and d}, {all but e and f}.
    """
    least = colluding + 2
    for other in earlier:
        nested = survivors <= other or other <= survivors
        if survivors != other and (not nested or len(survivors ^ other) < least):
            raise DisclosureRefused(code="policy.difference", least=least)


def check_min_cell(asked: int, fixed: str | None) -> None:
    """One min_cell for each snapshot: how many holders reach it, for one value after another, would count one holder's persons."""
    if fixed is not None and int(fixed) != asked:
        raise DisclosureRefused(code="policy.min_cell", fixed=fixed)


def check_roster(roster: frozenset[str], earlier: Iterable[frozenset[str]]) -> None:
    """One roster for each snapshot of a dataset, whoever asks (PRIVACY 4)."""
    if any(roster != other for other in earlier):
        raise DisclosureRefused(code="policy.roster")
