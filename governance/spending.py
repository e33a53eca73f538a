"""What was spent: documents that the ledger commits to, and the one rule by which they are charged, at the node and by whoever checks it.

A block stands for the rows of a dataset in a period and a cohort, or for the persons of the whole city; it is opened once, with its limits.
Each job leaves one spend: what its noisy numbers cost in which blocks, or how many exact numbers it opens over which snapshot. The entries
``budget.opened`` and ``budget.spent`` of the ledger hold the digests of these documents. Whoever has entries and documents finds every
total again, bit for bit, and that none went beyond its limits. Nothing in them depends on a row, and nothing in them is personal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field

from governance import checkpoint, merkle, notes
from governance.budget import MOST_HOSPITALS, NOTHING, Chance, Cost, Epsilon, Total, added, limits
from governance.catalogue import Slug
from governance.encoding import SAFE_INTEGER, build, canonical, parse, plain, strict, wire
from governance.errors import BudgetExhausted, DecodeError, IntegrityError, KeyongError
from governance.keys import read_key
from governance.ledger import Entry, read_entry
from governance.licences import MOST_LINKS
from governance.rights import Digest

T = TypeVar("T")
BlockName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}/[0-9a-z][0-9a-z.-]{0,31}(/[a-z0-9][a-z0-9-]{0,63})?$")]
SnapshotName = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Many = Annotated[int, Field(ge=0, le=10**12)]
MOST_CHARGES, MOST_FAMILY = 64, 4096
EXPORT_LIMIT = 1 << 30
EXPORT = "keyong/budget-export/v1"


def block_of(dataset: str, period: str, cohort: str = "all") -> str:
    """Name of the block of a dataset's rows from *period*, which is of the data and not of the clock: a new year refills nothing."""
    return f"{dataset}/{period}/{cohort}"


def city(period: str) -> str:
    """Name of the block of persons wherever in the city their records are."""
    return f"city/{period}"


@wire("keyong/block/v1")
class Block:
    """Whose loss is limited, and to what: all that is ever released of the block is (*epsilon*, *delta*)-DP, whoever asks.

    *chance* is the part of delta for releases whose divergence holds but for a chance. *operator_epsilon* is the most that one operator
    may spend of it; empty where there is no such share.
    """

    name: BlockName
    epsilon: Epsilon
    delta: Chance
    chance: Chance
    operator_epsilon: Epsilon | Annotated[str, Field(pattern="^$")]


@strict
class Charge:
    """What a job costs in one block: *cost* for a person in one hospital, raised for one who is in *hospitals* of them."""

    block: BlockName
    cost: Cost
    hospitals: Annotated[int, Field(ge=1, le=MOST_HOSPITALS)]


@strict
class Exact:
    """A job without noise: it opens at most *numbers* over *snapshot*, whose history is also that of the snapshots in *family*.

    The limits are those of the data holder at that time, for all operators together.
    """

    dataset: Slug
    snapshot: SnapshotName
    family: Annotated[tuple[SnapshotName, ...], Field(max_length=MOST_FAMILY)]
    method: str
    where: Annotated[str, Field(max_length=1000)]
    numbers: Many
    most_releases: Many
    most_numbers: Many


@strict
class Cap:
    """What a link of a licence allows all jobs under it and below it: *epsilon* of each block, and exact *releases*.

    Empty and -1 say no limit.
    """

    licence: Digest
    epsilon: Epsilon | Annotated[str, Field(pattern="^$")]
    releases: Annotated[int, Field(ge=-1, le=10**12)]


@wire("keyong/spend/v1")
class Spend:
    """What one job spends, before it runs, for good.

    *query* names all that its answer depends on. *repeats*: the same was spent on before, and the answer is the one of then; so no block is
    charged again, while operator and licence are. *caps* are the limits of the licence's links as they were applied, its own last.
    """

    job: Digest
    operator: Annotated[str, Field(min_length=1, max_length=1000)]
    licence: Digest
    query: Digest
    repeats: bool
    charges: Annotated[tuple[Charge, ...], Field(max_length=MOST_CHARGES)]
    exact: Exact | None
    caps: Annotated[tuple[Cap, ...], Field(min_length=1, max_length=MOST_LINKS)]

    def __post_init__(self) -> None:
        links = [cap.licence for cap in self.caps]
        if links[-1:] != [self.licence] or len(set(links)) < len(links):
            raise DecodeError("a spend names each link of its licence once, its own last")

    @property
    def party(self) -> str:
        """Whose account is charged: the operator's name, which stays when its key is exchanged."""
        return self.operator.partition("+")[0]


def query(**parts: object) -> str:
    """Digest of everything on which an answer depends: snapshots of all holders, method, parameters, condition, rule, min_cell, roster."""
    return hashlib.sha256(canonical({"query": parts}).encode()).hexdigest()


# --- what is charged


def charged(spend: Spend, blocks: Mapping[str, Block], total: Callable[[str], Total]) -> dict[str, Total]:
    """The new totals of all accounts that *spend* touches, by name; *total* gives the ones so far, empty where there is none.

    Raises
    ------
    BudgetExhausted
        Some block, share or licence does not admit it; then nothing is charged anywhere.
    """
    new: dict[str, Total] = {}
    for charge in spend.charges:
        _charge(spend, charge, blocks, total, new)
    if spend.exact is not None:
        _count(spend, spend.exact, total, new)
    return new


def _charge(spend: Spend, charge: Charge, blocks: Mapping[str, Block], total: Callable[[str], Total], new: dict[str, Total]) -> None:
    block = blocks.get(charge.block)
    if block is None:
        raise BudgetExhausted(code="budget.block", block=charge.block)
    cost = charge.cost.across(charge.hospitals)
    for whose, epsilon, code in _shares(spend, block):
        name = charge.block + whose
        following = added(new.get(name) or total(name) or NOTHING, cost)
        if epsilon and not limits(epsilon, block.delta, block.chance).admit(following):
            raise BudgetExhausted(code=code, block=block.name, epsilon=epsilon)
        new[name] = following


def _shares(spend: Spend, block: Block) -> Iterator[tuple[str, str, str]]:
    """Accounts of a block that are charged, their epsilon and the code of their refusal."""
    if not spend.repeats:
        yield "", block.epsilon, "budget.block"
    yield f" operator {spend.party}", block.operator_epsilon, "budget.operator"
    for cap in spend.caps:
        yield f" licence {cap.licence}", cap.epsilon, "budget.licence"


def _count(spend: Spend, exact: Exact, total: Callable[[str], Total], new: dict[str, Total]) -> None:
    name, more = f"{exact.dataset} {exact.snapshot}", (1, exact.numbers)
    if not spend.repeats:
        new[name] = _sum(total(name), more)
        releases, numbers = _sum(new[name], *(total(f"{exact.dataset} {other}") for other in exact.family))
        if releases > exact.most_releases:
            raise BudgetExhausted(code="budget.releases", limit=exact.most_releases)
        if numbers > exact.most_numbers:
            raise BudgetExhausted(code="budget.numbers", limit=exact.most_numbers)
    for whose in (f"{name} operator {spend.party}", *(f"licence {cap.licence}" for cap in spend.caps)):
        new[whose] = _sum(total(whose), more)
    for cap in spend.caps:
        if 0 <= cap.releases < new[f"licence {cap.licence}"][0]:
            raise BudgetExhausted(code="budget.licence_releases", limit=cap.releases)


def _sum(*totals: Total) -> Total:
    """Releases and numbers of all *totals*."""
    releases, numbers = (min(SAFE_INTEGER, sum(column)) for column in zip((0, 0), *filter(None, totals), strict=True))
    return releases, numbers


# --- found again


@dataclass(frozen=True, slots=True)
class Books:
    """Every block, every spend in its order, and the total of every account."""

    blocks: Mapping[str, Block]
    spends: tuple[Spend, ...]
    totals: Mapping[str, Total]


@wire(EXPORT)
class Export:
    """A ledger's entries under its checkpoint, and the documents of its budget, for another machine."""

    key: str
    checkpoint: str
    leaves: tuple[str, ...]
    documents: tuple[str, ...]


def recompute(entries: Iterable[Entry], documents: Iterable[str]) -> Books:
    """Charge everything again, in the order of the ledger; `IntegrityError` names the first thing that does not fit."""
    texts = {notes.Note(text).id: text for text in documents}
    blocks: dict[str, Block] = {}
    spends: dict[str, Spend] = {}
    totals: dict[str, Total] = {}
    asked: set[str] = set()
    for entry in entries:
        if entry.event == "budget.opened":
            block = _document(texts, entry, Block)
            if blocks.setdefault(block.name, block) is not block:
                raise IntegrityError(f"the block {block.name} is opened twice")
        elif entry.event == "budget.spent":
            spend = _document(texts, entry, Spend)
            if spends.setdefault(spend.job, spend) is not spend:
                raise IntegrityError(f"job {spend.job[:12]} is charged twice")
            if spend.repeats and spend.query not in asked:
                raise IntegrityError(f"job {spend.job[:12]} says that it repeats what was never asked")
            totals.update(_again(spend, blocks, totals))
            asked.add(spend.query)
    if texts:
        raise IntegrityError(f"{len(texts)} documents of the budget are in no entry of the ledger")
    return Books(blocks, tuple(spends.values()), totals)


def require_same(kept: Books, found: Books) -> None:
    """Raise unless the books that are *kept* are those that were *found* again; the first row that differs is named."""
    for what, one, other in (
        ("block", kept.blocks, found.blocks),
        ("spend of job", {s.job: s for s in kept.spends}, {s.job: s for s in found.spends}),
        ("total of account", kept.totals, found.totals),
    ):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                raise IntegrityError(f"the {what} {name} in the journal is not what its ledger and documents give")
    if kept != found:
        raise IntegrityError("the spends in the journal are not in the order of its ledger")


def _document(texts: dict[str, str], entry: Entry, cls: type[T]) -> T:
    text = texts.pop(entry.subject, None)
    if text is None:
        raise IntegrityError(f"the document {entry.subject[:12]}, of which the ledger says {entry.event}, is missing")
    return notes.Note(text).document(cls)


def _again(spend: Spend, blocks: Mapping[str, Block], totals: Mapping[str, Total]) -> dict[str, Total]:
    try:
        return charged(spend, blocks, lambda name: totals.get(name, ()))
    except KeyongError as error:
        raise IntegrityError(f"job {spend.job[:12]} was charged as it cannot have been: {error}") from None


def write_export(export: Export) -> str:
    return canonical([EXPORT, plain(export)]) + "\n"


def read_export(text: str) -> tuple[Export, Books]:
    """An export and its books; its checkpoint is held against the key that it names, which the reader compares with the one it knows."""
    pair = parse(text.strip(), limit=EXPORT_LIMIT)
    if not isinstance(pair, list) or len(pair) != 2 or pair[0] != EXPORT:
        raise IntegrityError("this is no export of a budget")
    export = build(Export, pair[1])
    return export, recompute(entries(export), export.documents)


def entries(export: Export) -> Iterator[Entry]:
    """Its entries, once they are known to be all of those under its checkpoint."""
    head = checkpoint.opened(export.checkpoint, read_key(export.key))
    if head.size != len(export.leaves) or root(export.leaves) != head.root:
        raise IntegrityError("the entries are not those under the checkpoint")
    return (read_entry(leaf.encode()) for leaf in export.leaves)


def root(leaves: Iterable[str]) -> bytes:
    """That of the tree over *leaves*."""
    return merkle.fold(merkle.leaf_hash(each.encode()) for each in leaves)
