"""What a person at a data holder does beside the running node: add data, look at jobs, approve or deny them, change the rules."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import connectors
from connectors import snapshot as snapshots
from connectors.normal import Persons
from connectors.snapshot import Snapshot
from federated.language import said
from federated.node import consents, history, judge
from federated.node.home import Home, read_snapshot, served, snapshot_text
from federated.transport import Link
from governance import known, notes
from governance.catalogue import Dataset
from governance.details import in_chinese
from governance.encoding import build, plain
from governance.errors import UsageError
from governance.handwritten import by_hand, names
from governance.licences import day
from governance.registration import newest
from sandbox import case as cases
from sandbox.messages import Offer
from sandbox.policy import METHOD_NAMES, Policy


def add_data(path: Path, dataset: str, url: str, *, proxy: str | None = None) -> Snapshot:
    """Freeze the table at *url*; jobs accepted from now on use the new snapshot, running ones keep theirs."""
    home = Home.open(path)
    home.sweep()
    entry, note = _entry(home, dataset, proxy)
    if home.key.name not in entry.holders:
        raise UsageError(f"{home.key.name} is not registered as a holder of {dataset}")
    draft, persons = home.snapshots / f"{secrets.token_hex(8)}.draft", Persons()
    source = connectors.open(url)
    made = snapshots.freeze(source, entry.schema, draft, most_rows=entry.rows, persons=persons)
    if made.rows != made.persons:
        draft.unlink()
        raise UsageError(f"{dataset} has one row for each person, but a person key repeats; bring it into that form first")
    mark = history.fingerprint(made, entry.schema, persons.codes, home.history_key())
    asked = entry.consent != "none"
    with closing(home.journal()) as journal, journal.transaction() as t:
        before = read_snapshot(t.get(f"snapshot {dataset}"), home.snapshots)
        if before is not None and before.rows and not made.rows:
            draft.unlink()
            raise UsageError(f"{source.name} has no rows, but the snapshot of {dataset} has; nothing was changed")
        made = _kept(made, () if asked else history.twins(t, dataset, mark), home.snapshots)
        history.remember(t, dataset, made.id, mark)
        if asked:
            consents.write_roster(home, made.id, persons.codes)
            consents.join(t, home, dataset, made.id)
        t.put(f"snapshot {dataset}", snapshot_text(made))
        t.put(f"catalogue {dataset}", notes.read(note).id)
        names = set((t.get("datasets") or "").split()) | {dataset}
        t.put("datasets", " ".join(sorted(names)))
    return made


def _entry(home: Home, dataset: str, proxy: str | None) -> tuple[Dataset, str]:
    """A dataset's entry in the catalogue, and its note."""
    published = catalogue(home, proxy=proxy)
    known.check("dataset", [dataset], published)
    return published[dataset]


def catalogue(home: Home, *, proxy: str | None = None) -> dict[str, tuple[Dataset, str]]:
    """The registered datasets and their notes, by name."""
    with Link(home.url, home.ca, home.key, proxy=proxy, client_cert=home.client_cert) as link:
        versions, found = [text for _, text in link.documents("root")], link.documents("dataset")
    with closing(home.journal()) as journal, journal.transaction() as t:
        trust = home.learn(t, versions).trust
    return {name: (notes.opened(note, Dataset, trust), note) for name, note in found}


def _kept(made: Snapshot, twins: Iterable[str], folder: Path) -> Snapshot:
    """The new snapshot under its own name; or an earlier one, where there still is one of *twins* with the same rows."""
    for name in twins:
        if (file := folder / f"{name}.arrow").exists():
            made.path.unlink()
            return dataclasses.replace(made, id=name, path=file)
    return dataclasses.replace(made, path=made.path.rename(folder / f"{made.id}.arrow"))


def gaps(made: Snapshot) -> list[str]:
    """One line for each column that lacks values; what is unknown has a value at the source that is not registered."""
    return [
        f"{name:<16} {gap.missing} of {made.rows} values missing, {gap.unknown} unknown (not in the registered form)"
        for name, gap in made.gaps.items()
        if gap.missing or gap.unknown
    ]


def warnings(dataset: str, made: Snapshot, *, before: int | None) -> list[dict[str, str]]:
    """What lets rows count for nothing without an error anywhere, in English and Chinese; *before* is how many rows were served so far."""
    return [*_too_few(dataset, made.rows, before), *_unregistered(dataset, made)]


def _too_few(dataset: str, rows: int, before: int | None) -> list[dict[str, str]]:
    if not rows:
        return [
            {
                "en": f"WARNING: the snapshot of {dataset} has no rows: this data holder takes part in its jobs with nobody. "
                "If it should have rows, look at the export and add the data again.",
                "zh": f"警告：{dataset} 的快照没有任何行：本持有方参与其任务，但不计入任何人。"
                "若本应有数据，请检查导出文件，然后重新登记数据。",
            }
        ]
    if before is not None and rows * 2 < before:
        return [
            {
                "en": f"WARNING: the snapshot of {dataset} has {rows} rows, the one before had {before}: "
                "if the export was cut off, add the whole data again before the next job.",
                "zh": f"警告：{dataset} 的快照有 {rows} 行，之前的快照有 {before} 行：若导出不完整，请在下一个任务之前重新登记完整的数据。",
            }
        ]
    return []


def _unregistered(dataset: str, made: Snapshot) -> list[dict[str, str]]:
    empty = [name for name, gap in made.gaps.items() if 0 < made.rows == gap.missing + gap.unknown]
    return [
        {
            "en": f"WARNING: column {name} has no registered value in any row: these rows count for nothing in every job that uses it. "
            f"If it should have values, its codes or its unit are other ones: keyong node catalogue {dataset}; then add the data again.",
            "zh": f"警告：字段 {name} 在所有行中都没有登记的取值：凡用到该字段的任务，这些行都不计入。"
            f"若本应有值，则是编码或单位与登记的不同：请用 keyong node catalogue {dataset} 查看，改好后重新登记数据。",
        }
        for name in empty
    ]


def data(path: Path) -> list[dict[str, Any]]:
    home = Home.open(path)
    with closing(home.journal()) as journal, journal.view() as t:
        kept = served(t, home.snapshots)
    return [{"dataset": name, "snapshot": s.id, "rows": s.rows, "persons": s.persons} for name, s in kept.items()]


def jobs(path: Path) -> list[dict[str, Any]]:
    with closing(Home.open(path).journal()) as journal, journal.view() as t:
        rows = t.jobs()
    return [{"job": r.job, "phase": r.phase, "title": r.detail, "code": r.code, "deadline": r.deadline} for r in rows]


def waiting(path: Path) -> list[dict[str, Any]]:
    """What a person must know to decide, from the signed texts alone."""
    with closing(Home.open(path).journal()) as journal, journal.view() as t:
        offers = [(r.job, t.note("offer", r.job)) for r in t.jobs(open_only=True) if r.phase == "waiting" and t.decision(r.job) is None]
    return [_described(job, judge.read_offer(text)) for job, text in offers if text is not None]


def _described(job: str, offer: Offer) -> dict[str, Any]:
    case = cases.read(offer.job, offer.dataset)
    asked, schema, registered = case.job, case.dataset.schema, newest(offer.asset).manifest
    return {
        "job": job, "title": asked.title, "operator": asked.operator.partition("+")[0], "purpose": asked.purpose, "dataset": asked.dataset,
        "method": asked.method, "parameters": plain(asked)["parameters"], "where": asked.where, "min_cell": asked.min_cell,
        "columns": {name: registered.graded[name] for name in case.columns}, "numbers": sum(case.analysis.opens(schema)),
        "rounds": 1 + len(case.analysis.opens(schema)), "discloses": case.analysis.discloses, "deadline": day(asked.deadline),
        "dealers": list(case.dealers),
    }  # fmt: skip


def as_text(row: Mapping[str, Any]) -> str:
    """A waiting job, for the person who decides."""
    columns = said(", ", "、").join(said(f"{name} (grade {grade})", f"{name}（{grade} 级）") for name, grade in row["columns"].items())
    where = said(f"; where {row['where']}", f"；条件 {row['where']}") if row["where"] else ""
    lines = [
        f"{row['job'][:12]}  {row['title']}",
        said(f"operator {row['operator']}, for {row['purpose']}, until {row['deadline']}",
             f"运营单位 {row['operator']}，用途 {row['purpose']}，截止时间 {row['deadline']}"),
        said(f"{row['method']} on {row['dataset']}: {columns}{where}", f"{row['dataset']} 上的 {row['method']}：{columns}{where}"),
        said(f"opens at most {row['numbers']} numbers in {row['rounds']} rounds, cells of {row['min_cell']} persons or more",
             f"至多打开 {row['numbers']} 个数，{row['rounds']} 轮，单元均不少于 {row['min_cell']} 人"),
        said(f"discloses {row['discloses']}", f"公开内容：{in_chinese(row['discloses'])}"),
    ]  # fmt: skip
    if dealers := ", ".join(row["dealers"]):
        lines.append(said(f"encrypted under keys that {dealers} deal: together they could read this holder's part",
                          f"用 {dealers} 分发的密钥加密：它们合谋能读出本持有方的数"))  # fmt: skip
    return "\n  ".join(lines)


def decide(path: Path, job: str, verdict: str, reason: str) -> str:
    """Write a person's verdict down; the running node acts on it."""
    with closing(Home.open(path).journal()) as journal, journal.transaction() as t:
        found = [r.job for r in t.jobs(open_only=True) if r.phase == "waiting" and r.job.startswith(job)]
        if not found:
            raise UsageError(f"no job that starts with {job} waits for a person here; see keyong node status")
        if len(found) != 1 or len(job) < 8:
            raise UsageError(f"{len(found)} waiting jobs start with {job}; give at least 8 digits of one")
        t.put_decision(found[0], verdict, reason)
    return found[0]


def policy(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The rules, after *changes* (None leaves a rule as it is)."""
    home = Home.open(path)
    given = {name: value for name, value in changes.items() if value is not None}
    lists = {n: names(v) for n, v in given.items() if n in ("methods", "purposes", "peers")}
    known.check("method", lists.get("methods", ()), METHOD_NAMES)
    with by_hand():
        now = build(Policy, {**plain(home.policy()), **given, **lists})
    if given:
        home.write_policy(now)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in plain(now).items()}


def policy_warnings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a rule that was changed may refuse without its holder meaning it, in English and Chinese."""
    texts: dict[str, Callable[[Any], dict[str, str]]] = {"min_cell": _cell_warning, "purposes": _purpose_warning, "peers": _peer_warning}
    return [warn(now[name]) for name, warn in texts.items() if now[name] and _stricter(before[name], now[name])]


def _stricter(before: Any, now: Any) -> bool:
    """Whether less passes than before; an empty list lets all pass."""
    return not before or not set(before) <= set(now) if isinstance(now, list) else now > before


def _purpose_warning(purposes: list[str]) -> dict[str, str]:
    return {
        "en": f"From now on jobs for any other purpose than {', '.join(purposes)} are all refused here. "
        "A purpose must be spelt as in the licences: ask the authority which it grants.",
        "zh": f"从现在起，用途不在 {', '.join(purposes)} 之内的任务在此一律被拒绝。用途须与授权书中的写法一致：请向授权主体确认。",
    }


def _peer_warning(peers: list[str]) -> dict[str, str]:
    return {
        "en": f"From now on jobs in which another organisation than {', '.join(peers)} holds data are all refused here. "
        "An organisation must be spelt as it is enrolled: ask the authority how.",
        "zh": f"从现在起，凡有 {', '.join(peers)} 以外的机构持有数据的任务，在此一律被拒绝。机构名称须与登记的写法一致：请向授权主体确认。",
    }


def _cell_warning(min_cell: int) -> dict[str, str]:
    """Why a min_cell of one's own may leave no job that can run, in English and Chinese."""
    return {
        "en": f"Every job must ask exactly its licence's min_cell: from now on jobs under licences of less than {min_cell} are all refused "
        "here. The authority must issue the operators licences of as much or more; rows that were counted before keep their min_cell "
        "until they change.",
        "zh": f"任务只能按其授权书的最小单元人数提出：从现在起，凭低于 {min_cell} 的授权书提出的任务在此一律被拒绝。"
        "须由授权主体为运营单位另发不低于该值的授权书；"
        "此前已统计过的数据在变化之前沿用原来的最小单元人数。",
    }
