"""Audit: rules over the records of a ledger. Each finding names its rule, its class, and the numbers of the entries that show it.

An ``alarm`` is something that must not be: a release that nobody admitted or paid for, a use beyond its licence. A ``warning`` is something
to look into: many refusals of one operator, questions that differ by one level, a licence that is used up fast, a list that is stale.
Everything here is public: requests, decisions, and what was declared; nothing is read from rows or results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from federated.differences import apart, views
from federated.language import said
from federated.records import Record, Records
from governance.complaints import ANSWERED_WITHIN
from governance.errors import KeyongError
from governance.incidents import Incident
from governance.licences import Granted, covers
from governance.registration import Asset
from sandbox.policy import request

HOUR, DAY = 3600, 86400
REFUSALS = (
    "licence",
    "asset",
    "policy",
    "disclosure",
    "budget",
    "job",
)  # families of codes that say what an operator asked was not allowed
NO_REFUSAL = ("job.deadline", "job.cancelled")
TEXTS = {
    "release.unadmitted": ("a result was released that was never admitted", "发布了从未准入的结果"),
    "release.unspent": ("a result was released that was not paid for from the budget before", "发布了未事先计入预算的结果"),
    "release.unsigned": ("fewer data holders signed the release than must", "在发布上签名的数据持有方少于规定数目"),
    "release.twice": ("a second result was released for one job", "同一任务发布了第二个结果"),
    "licence.missing": ("a job was admitted under a licence that the authority did not publish", "准入任务所依据的授权书并非授权主体发布"),
    "licence.beyond": ("a job was admitted that its licence does not cover", "准入了超出授权范围的任务"),
    "licence.time": ("a job was admitted while its licence was not in force", "准入任务时授权书不在有效期内"),
    "licence.revoked": ("a job was admitted although its licence was revoked", "授权书已撤销，任务仍被准入"),
    "licence.stale": ("a job was admitted without a valid revocation list", "准入任务时没有有效的撤销清单"),
    "licence.uses": ("a licence was used more often than it allows, or one use twice", "授权书使用次数超限，或同一次使用被重复计数"),
    "list.stale": ("the revocation list is stale: nothing runs until there is a new one", "撤销清单已过期：新清单发布前任务不会运行"),
    "refusals.burst": ("many refusals of one operator within an hour", "同一运营单位一小时内被多次拒绝"),
    "questions.near": ("questions that differ by one level: their answers could be subtracted", "多个问题只差一个取值：结果可相减"),
    "uses.slope": ("a large part of a licence was used within a day", "授权书的大部分次数在一天内用掉"),
    "incident.overdue": ("those concerned by an incident were not told in time", "未按期告知安全事件所涉人员"),
    "complaint.overdue": ("a complaint was not answered in time", "投诉未按期答复"),
    "hours.off": ("jobs were submitted outside working hours", "任务在工作时间以外提交"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: *who* is an organisation or a licence's id, *entries* are numbers of ledger entries."""

    rule: str
    kind: Literal["alarm", "warning"]
    who: str
    entries: tuple[int, ...]
    jobs: tuple[str, ...] = ()

    def __str__(self) -> str:
        numbers = ", ".join(map(str, self.entries[:8])) + (" …" if len(self.entries) > 8 else "")
        kind = said(self.kind, {"alarm": "告警", "warning": "提醒"}[self.kind])
        return f"{kind}  {said(*TEXTS[self.rule])}: {self.who}" + (
            said(f"  (entries {numbers})", f"（第 {numbers} 条）") if numbers else ""
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a rule speaks.

    *refusals* of an operator within an hour, *near* questions of it that are near an earlier one, and uses of a licence within a day that
    are a *slope*-th of all it allows and *least* at the least. *hours* are working hours at the authority, from and to, in hours of the day
    at *zone* hours before UTC; None turns the rule off.
    """

    refusals: int = 5
    near: int = 3
    slope: int = 2
    least: int = 10
    hours: tuple[int, int] | None = None
    zone: int = 8


Rule = Callable[[Records, Limits, int], Iterator[Finding]]


def audit(records: Records, *, now: int, limits: Limits | None = None) -> list[Finding]:
    """All findings, alarms first, each rule's in the order of the ledger."""
    found = [finding for rule in RULES for finding in rule(records, limits or Limits(), now)]
    return sorted(found, key=lambda f: (f.kind != "alarm", f.entries[:1]))


# --- what must not be


def _releases(records: Records, _limits: Limits, _now: int) -> Iterator[Finding]:
    for record in records.jobs:
        if record.released is None:
            continue
        index = record.released[0]
        if record.admitted is None or record.admitted[0] > index:
            yield _alarm("release.unadmitted", record, index)
        elif records.role == "holder" and record.id not in records.spends:
            yield _alarm("release.unspent", record, index)
        if not records.signed(record):
            yield _alarm("release.unsigned", record, index)
        for later in [at for at, entry in record.events if entry.event == "job.released"][1:]:
            yield _alarm("release.twice", record, later)


def _admissions(records: Records, _limits: Limits, _now: int) -> Iterator[Finding]:
    for record in records.jobs:
        if record.admitted is None:
            continue
        index, entry = record.admitted
        licence = records.licences.get(record.job.licence)
        if licence is None:
            yield _alarm("licence.missing", record, index)
            continue
        if not _covered(record, licence, records.registered(record.case.dataset, index) if record.case else None):
            yield _alarm("licence.beyond", record, index)
        if not (licence.rights.not_before or 0) <= entry.at <= (licence.rights.not_after or 0):
            yield _alarm("licence.time", record, index)
        if records.role == "coordinator":
            yield from _revoked(record, licence, records)


def _covered(record: Record, licence: Granted, asset: Asset | None) -> bool:
    """Whether the licence allows the job, whenever that was; it does not where the job fits no registered dataset of the authority."""
    try:
        if record.case is not None and asset is not None:
            covers(licence, request(record.case, asset))
    except KeyongError:
        return False
    return asset is not None


def _revoked(record: Record, licence: Granted, records: Records) -> Iterator[Finding]:
    """By the list that was the newest when the job was admitted; only a coordinator's ledger says when which one came."""
    for index, entry in [record.admitted] if record.admitted else []:
        listed = records.list_before(index)
        if listed is None or entry.at > listed.next_update:
            yield _alarm("licence.stale", record, index)
        elif listed.names(licence):
            yield _alarm("licence.revoked", record, index)


def _uses(records: Records, _limits: Limits, _now: int) -> Iterator[Finding]:
    """A use of each link is numbered by the coordinator's admission; a node's ledger counts the jobs that it paid for."""
    counted: Counter[str] = Counter()
    taken: set[tuple[str, int]] = set()
    for record in _in_order(r for r in records.jobs if r.admitted):
        licence = records.licences.get(record.job.licence)
        if licence is None:
            continue
        counted.update(licence.ids)
        uses = record.admission.uses if record.admission else tuple(counted[link] for link in licence.ids)
        used = set(zip(licence.ids, uses, strict=False))
        if len(uses) != len(licence.ids) or used & taken or any(n > most for n, most in zip(uses, licence.limits, strict=False)):
            yield _alarm("licence.uses", record, record.admitted[0] if record.admitted else 0)
        taken |= used


def _in_order(found: Iterable[Record]) -> list[Record]:
    return sorted(found, key=lambda r: r.admitted[0] if r.admitted else r.events[0][0])


def _alarm(rule: str, record: Record, index: int) -> Finding:
    return Finding(rule, "alarm", record.organisation, (index,), (record.id,))


# --- what to look into


def _list(records: Records, _limits: Limits, now: int) -> Iterator[Finding]:
    listed = records.list_before(len(records.entries)) if records.lists else None
    if records.licences and (listed is None or now > listed.next_update):
        yield Finding("list.stale", "warning", records.origin.name, tuple(at for at, _ in records.lists[-1:] if at >= 0))


def _bursts(records: Records, limits: Limits, _now: int) -> Iterator[Finding]:
    refused = sorted(
        (index, entry.at, record.organisation, record.id)
        for record in records.jobs for index, entry in record.events
        if entry.event in ("job.refused", "job.ended") and _denied(entry.code)
    )  # fmt: skip
    for who in dict.fromkeys(organisation for _, _, organisation, _ in refused):
        of = [(index, at, job) for index, at, organisation, job in refused if organisation == who]
        yield from _windows("refusals.burst", who, of, limits.refusals, HOUR)


def _denied(code: str) -> bool:
    return code.partition(".")[0] in REFUSALS and code not in NO_REFUSAL


def _windows(rule: str, who: str, of: list[tuple[int, int, str]], least: int, seconds: int) -> Iterator[Finding]:
    """One finding for each run of events of which *least* came within *seconds*."""
    start = 0
    while start < len(of):
        stop = start
        while stop < len(of) and of[stop][1] - of[start][1] <= seconds:
            stop += 1
        if stop - start >= least:
            yield Finding(rule, "warning", who, tuple(i for i, _, _ in of[start:stop]), tuple(j for _, _, j in of[start:stop]))
            start = stop
        else:
            start += 1


def _near(records: Records, limits: Limits, _now: int) -> Iterator[Finding]:
    """Questions that are one level from an earlier one over the same dataset, whoever asked that."""
    seen: dict[Hashable, set[frozenset[int]]] = {}
    close: dict[str, list[Record]] = {}
    for record in records.jobs:
        asked = list(views(record.case)) if record.case else []
        if any(apart(selected, earlier) for view, selected in asked for earlier in seen.get(view, ())):
            close.setdefault(record.organisation, []).append(record)
        for view, selected in asked:
            seen.setdefault(view, set()).add(selected)
    for who, found in close.items():
        if len({r.question for r in found}) >= limits.near:
            yield Finding("questions.near", "warning", who, tuple(r.events[0][0] for r in found), tuple(r.id for r in found))


def _slope(records: Records, limits: Limits, _now: int) -> Iterator[Finding]:
    used: dict[str, list[tuple[int, int, str]]] = {}
    for record in _in_order(r for r in records.jobs if r.admitted):
        if record.admitted is not None:
            index, entry = record.admitted
            used.setdefault(record.job.licence, []).append((index, entry.at, record.id))
    for name, of in used.items():
        if name in records.licences:
            least = max(limits.least, -(-records.licences[name].limits[-1] // limits.slope))
            yield from _windows("uses.slope", f"lic-{name[:12]}", of, least, DAY)


def _incidents(records: Records, _limits: Limits, now: int) -> Iterator[Finding]:
    """Those concerned were told when the first version that says so was published; until then by no one."""
    steps: dict[str, list[tuple[int, Incident]]] = {}
    for name, incident in records.incidents.items():
        steps.setdefault(incident.name, []).append((records.published.get(name, -1), incident))
    for name, of in steps.items():
        told = min((records.entries[at].at for at, x in of if x.state in ("notified", "closed")), default=now)
        if told > min(x.due for _, x in of):
            yield Finding("incident.overdue", "alarm", name, tuple(sorted(at for at, _ in of)))


def _complaints(records: Records, _limits: Limits, now: int) -> Iterator[Finding]:
    answered = {x.complaint: records.published.get(name, -1) for name, x in records.answers.items()}
    for name in records.complaints:
        index = records.published[name]
        answer = records.entries[answered[name]].at if name in answered else now
        if answer > records.entries[index].at + ANSWERED_WITHIN:
            yield Finding("complaint.overdue", "warning", name[:12], (index,))


def _hours(records: Records, limits: Limits, _now: int) -> Iterator[Finding]:
    if limits.hours is None:
        return
    first, last = limits.hours
    for who in sorted({r.organisation for r in records.jobs}):
        off = [r for r in records.jobs
               if r.organisation == who and not first <= (r.events[0][1].at + limits.zone * HOUR) % DAY // HOUR < last]  # fmt: skip
        if off:
            yield Finding("hours.off", "warning", who, tuple(r.events[0][0] for r in off), tuple(r.id for r in off))


RULES: tuple[Rule, ...] = (_releases, _admissions, _uses, _list, _bursts, _near, _slope, _incidents, _complaints, _hours)


def as_dict(finding: Finding) -> dict[str, Any]:
    english, chinese = TEXTS[finding.rule]
    return {"rule": finding.rule, "class": finding.kind, "who": finding.who, "entries": list(finding.entries), "jobs": list(finding.jobs),
            "english": english, "chinese": chinese}  # fmt: skip
