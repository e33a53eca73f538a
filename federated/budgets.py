"""Books of a budget as a table: what each block, operator and licence has spent, and what is left. The same rows on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from federated.language import padded, said
from governance.budget import NOTHING, spent
from governance.spending import Block, Books, Exact

WIDTH, WHO = 20, 44
Row = dict[str, Any]


def rows(books: Books) -> list[Row]:
    """One row for each account: blocks with their shares, then the exact results over each snapshot, then those of each licence."""
    found = [row for block in books.blocks.values() for row in _of_block(books, block)]
    latest = {(s.exact.dataset, s.exact.snapshot): s.exact for s in books.spends if s.exact is not None}
    found += [row for exact in latest.values() for row in _of_snapshot(books, exact)]
    limits = {f"licence {cap.licence}": cap.releases for s in books.spends for cap in s.caps}
    return found + [_counted(("", "", name), books.totals[name], (most, -1)) for name, most in limits.items() if name in books.totals]


def _of_block(books: Books, block: Block) -> Iterator[Row]:
    caps = {f"licence {cap.licence}": cap.epsilon for s in books.spends for cap in s.caps}
    names = [name for name in books.totals if name == block.name or name.startswith(f"{block.name} ")]
    for name in dict.fromkeys([block.name, *names]):
        whose = name.removeprefix(block.name).strip()
        cap = block.operator_epsilon if whose.startswith("operator") else caps[whose] if whose else block.epsilon
        total = books.totals.get(name, NOTHING)
        epsilon = spent(total, cap or block.epsilon, block.delta, block.chance) if any(total) else 0.0
        yield {"block": block.name, "of": whose, "spent": epsilon, "epsilon": cap, "delta": block.delta, "total": list(total)}


def _of_snapshot(books: Books, exact: Exact) -> Iterator[Row]:
    name = f"{exact.dataset} {exact.snapshot}"
    totals = [books.totals.get(f"{exact.dataset} {each}", (0, 0)) for each in (exact.snapshot, *exact.family)]
    together = (sum(t[0] for t in totals), sum(t[1] for t in totals))
    yield _counted((exact.dataset, exact.snapshot, ""), together, (exact.most_releases, exact.most_numbers))
    for account, total in books.totals.items():
        if account.startswith(f"{name} "):
            yield _counted((exact.dataset, exact.snapshot, account.removeprefix(f"{name} ")), total, (-1, -1))


def _counted(names: tuple[str, str, str], total: tuple[int, ...], most: tuple[int, int]) -> Row:
    """Results and numbers of an account; a limit of -1 is none."""
    named = dict(zip(("dataset", "snapshot", "of"), names, strict=True))
    return {**named, "releases": total[0], "most_releases": most[0], "numbers": total[1], "most_numbers": most[1]}


def as_text(table: list[Row]) -> str:
    """The table for people, with a bar of what is spent wherever there is a limit."""
    return "\n".join(map(_line, table)) or said("nothing was spent yet", "尚无支出")


def _line(row: Row) -> str:
    kind, _, who = row["of"].partition(" ")
    who = who.partition("+")[0] if kind == "operator" else who[:12]
    name = f"  {said(kind, {'operator': '运营单位', 'licence': '授权书'}.get(kind, ''))} {who}" if kind else _name(row)
    return f"{padded(name, WHO)}  {_noisy(row) if 'block' in row else _exact(row)}"


def _name(row: Row) -> str:
    return str(row["block"]) if "block" in row else f"{row['dataset']}  {said('snapshot', '快照')} {row['snapshot'][:12]}"


def _noisy(row: Row) -> str:
    if not row["epsilon"]:
        return f"ε {row['spent']:.3g}"
    return f"{bar(row['spent'], float(row['epsilon']))}  ε {row['spent']:.3g} / {row['epsilon']}, δ {row['delta']}"


def _exact(row: Row) -> str:
    most, all_numbers = row["most_releases"], row["most_numbers"]
    results = f"{row['releases']}{f' / {most}' if most >= 0 else ''}"
    numbers = f"{row['numbers']}{f' / {all_numbers}' if all_numbers >= 0 else ''}"
    text = said(f"{results} exact results, at most {numbers} numbers", f"精确结果 {results} 项，至多 {numbers} 个数")
    parts = [(row["releases"], most), (row["numbers"], all_numbers)]
    fullest = max(((done, limit) for done, limit in parts if limit >= 0), key=lambda part: part[0] / max(part[1], 1), default=None)
    return f"{bar(*fullest)}  {text}" if fullest else text


def bar(done: float, limit: float) -> str:
    """How much of *limit* is spent: any spending shows, and only all of it fills the bar."""
    share = min(1.0, done / limit) if limit else 1.0
    full = int(share * WIDTH) or int(done > 0)
    return "█" * full + "░" * (WIDTH - full)
