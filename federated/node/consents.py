"""Consent at a node: persons by pseudonym, the set of them that a job reads, and what is spent and proved about it.

Beside a snapshot of a dataset in which consent is asked lies a file that says under which pseudonym each person is in it; no jail gets it.
Until a job is spent it has no set. Then the set is fixed, in the same transaction; before and after each local step, and before the node
helps to open a total, it is checked that nobody in the set has withdrawn since (PRIVACY 3, 10; docs/decisions/consent-in-batches.md).
"""

from __future__ import annotations

import functools
import hmac
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federated.node import history
from federated.node.home import Home
from federated.tokens import write_private
from governance import consent, notes
from governance.consent import Frozen, Persons, Rule
from governance.errors import Refused, UsageError
from governance.journal import Transaction, View
from governance.journal.consents import Kept, parted
from governance.uses import Use
from sandbox.case import Case


@dataclass(frozen=True, slots=True)
class Chosen:
    """The set that a job reads."""

    name: str
    frozen: Frozen = field(repr=False)


# --- persons


def identifier(person: Any) -> bytes:
    """A person's key at the source as bytes: what a person's record is looked up by. One form for a key however it is typed: compatible
    characters (NFKC) and capitals, so that an x for the X of an identity number, or digits of full width, are the same person's."""
    if isinstance(person, bytes):
        try:
            return identifier(person.decode())
        except UnicodeDecodeError:
            return bytes(person)
    if isinstance(person, float) and person.is_integer():
        person = int(person)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", str(person)).upper()).strip()
    if not text:
        raise UsageError("the person's identifier is empty")
    return text.encode()


def pseudonym(home: Home, person: Any) -> bytes:
    name = identifier(person)
    return consent.pseudonym(consent.key_of(home.consent_key(), name), name)


def write_roster(home: Home, snapshot: str, persons: Iterable[Any]) -> None:
    """Keep under which pseudonym each of *persons*, in the order of their codes, is in the snapshot."""
    secret, names = home.consent_key(), [identifier(person) for person in persons]
    made = [consent.pseudonym(consent.key_of(secret, name), name) for name in names]
    write_private(_file(home, snapshot), b"".join(made))


def roster(home: Home, snapshot: str) -> tuple[bytes, ...]:
    """Pseudonyms of the persons in a snapshot, by code."""
    return _roster(_file(home, snapshot))


@functools.lru_cache(maxsize=16)
def _roster(file: Path) -> tuple[bytes, ...]:
    """A snapshot never changes, so it is read once."""
    if not file.exists():
        raise UsageError("the snapshot was added when no consent was asked: add the data again with keyong node data add")
    return parted(file.read_bytes())


def has_row(home: Home, snapshot: str, person: bytes) -> bool | None:
    """Whether *person* is in a snapshot; None where it was added when no consent was asked."""
    return person in roster(home, snapshot) if _file(home, snapshot).exists() else None


def _file(home: Home, snapshot: str) -> Path:
    return home.snapshots / f"{snapshot}.persons"


def codes(home: Home, snapshot: str, persons: Persons) -> list[int]:
    """Codes of *persons* in a snapshot."""
    return [code for code, person in enumerate(roster(home, snapshot)) if person in persons]


# --- what a job reads


def rule_for(t: View, case: Case) -> Rule:
    """Whom the job's purpose may read now."""
    dataset = case.dataset
    records = (found.record for found in t.consents(dataset=dataset.name))
    return consent.consenting(records, dataset.consent, case.job.purpose, forgotten=t.forgotten())


def named(t: View, home: Home, case: Case, snapshot: str) -> str:
    """Name of the set that the job would read; empty where no consent is asked."""
    return _chosen(t, home, case, snapshot).name if case.dataset.consent != "none" else ""


def _chosen(t: View, home: Home, case: Case, snapshot: str) -> Chosen:
    """The set that the job would read now, or the refusal: it says that something changed, not what, of whom, or of how many."""
    dataset, rule = case.dataset.name, rule_for(t, case)
    allowed = rule.of(frozenset(roster(home, snapshot)))
    sets, secret = [kept.frozen for kept in t.consent_sets(dataset)], home.consent_key()

    def order(person: bytes) -> bytes:  # another one after each set, and the same one when the job is judged and when it is spent
        return hmac.digest(secret, b"keyong/cover\x00%d\x00" % len(sets) + person, "sha256")

    persons = consent.choose(allowed, rule, sets, case.job.min_cell, order=order)
    if persons is None:
        raise Refused(code="policy.consent", dataset=dataset, purpose=case.job.purpose)
    name = hmac.digest(secret, b"keyong/set\x00" + b"".join(sorted(persons)), "sha256").hex()
    return Chosen(name, Frozen(persons, rule))


def spend(t: Transaction, home: Home, case: Case, snapshot: str) -> str:
    """Fix the set that the job reads, and commit to it in the ledger; its name, empty where no consent is asked."""
    if case.dataset.consent == "none":
        return ""
    chosen, dataset = _chosen(t, home, case, snapshot), case.dataset.name
    kept = _kept(t, dataset, chosen.name)
    tree = t.put_consent_set(dataset, snapshot, chosen.name, chosen.frozen) if kept is None else kept.tree
    join(t, home, dataset, snapshot)
    t.put(_set_of(case.id), f"{dataset} {chosen.name} {t.consent_clock()}")
    t.append("consent.used", notes.write(Use(case.id, tree.root.hex())).id)
    return chosen.name


def join(t: Transaction, home: Home, dataset: str, snapshot: str) -> None:
    """Let a snapshot share the history of every other one of which persons were read that are in it, too."""
    here = frozenset(roster(home, snapshot))
    for kept in t.consent_sets(dataset):
        if not here.isdisjoint(kept.frozen.persons):
            history.join(t, dataset, kept.snapshot, snapshot)


def _set_of(job: str) -> str:
    return f"consent {job}"


def set_of(t: View, job: str) -> tuple[Kept, int] | None:
    """The set that was fixed for a job, and how far the clock of consent was then; None where no consent was asked."""
    said = t.get(_set_of(job))
    if said is None:
        return None
    dataset, name, clock = said.split()
    kept = _kept(t, dataset, name)
    return None if kept is None else (kept, int(clock))


def _kept(t: View, dataset: str, name: str) -> Kept | None:
    return next(iter(t.consent_sets(dataset, name=name)), None)


def check(t: View, case: Case) -> None:
    """Raise where somebody has withdrawn since the job's set was fixed, whether or not in it."""
    said = t.get(_set_of(case.id)) if case.dataset.consent != "none" else None
    if said is None or int(said.split()[2]) == t.consent_clock():
        return
    found = set_of(t, case.id)
    if found is None or rule_for(t, case).withdrawn(found[0].frozen.rule):
        raise Refused(code="policy.consent", dataset=case.dataset.name, purpose=case.job.purpose)


def read_by(t: View, case: Case) -> tuple[str, Persons | None]:
    """Name and persons of the set that the job reads; None where no consent is asked. Without a set a job reads nothing."""
    if case.dataset.consent == "none":
        return "", None
    found = set_of(t, case.id)
    if found is None:
        raise Refused(code="policy.consent", dataset=case.dataset.name, purpose=case.job.purpose)
    return found[0].name, found[0].frozen.persons
