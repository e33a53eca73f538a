"""Counts of public events in the text form that Prometheus reads: jobs, refusals, declared numbers, findings, how long the list is fresh.

They are counted from the records, so they say what a ledger says and nothing of rows. Source: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from federated.audit import audit
from federated.records import Records

Labels = tuple[tuple[str, str], ...]


def text(records: Records, *, now: int) -> str:
    """All series, each with its help."""
    jobs = Counter(_labels(operator=r.organisation, dataset=r.job.dataset, phase=r.phase) for r in records.jobs)
    refusals = Counter(_labels(operator=r.organisation, code=r.code) for r in records.jobs if r.code)
    numbers: Counter[Labels] = Counter()
    for record in records.jobs:
        numbers[_labels(operator=record.organisation, dataset=record.job.dataset)] += record.numbers if record.released else 0
    findings = Counter(_labels(rule=f.rule, **{"class": f.kind}) for f in audit(records, now=now))
    listed = records.list_before(len(records.entries))
    parts = (
        _series("keyong_ledger_entries", "counter", "Entries of the ledger.", {(): len(records.entries)}),
        _series("keyong_jobs", "gauge", "Jobs by where they stand.", jobs),
        _series("keyong_refusals_total", "counter", "Jobs that ended without a release, by code.", refusals),
        _series("keyong_numbers_total", "counter", "The most numbers that releases opened, as declared.", numbers),
        _series("keyong_findings", "gauge", "Findings of keyong audit.", findings),
        _series("keyong_revocations_fresh_seconds", "gauge", "How long the newest revocation list is still valid.",
                {(): listed.next_update - now} if listed else {}),
    )  # fmt: skip
    return "".join(line for part in parts for line in part)


def _labels(**labels: str) -> Labels:
    return tuple(sorted(labels.items()))


def _series(name: str, kind: str, about: str, values: Mapping[Labels, int]) -> Iterable[str]:
    yield f"# HELP {name} {about}\n# TYPE {name} {kind}\n"
    for labels, value in sorted(values.items()):
        shown = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels)
        yield f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
