"""What can be written in a journal: any number of changes that become durable together, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from governance import ledger, notes
from governance.budget import limits
from governance.consent import SALT, Consent, Frozen, commitment, payload
from governance.encoding import canonical
from governance.errors import BudgetExhausted, IntegrityError, OutOfTurn, UsageError
from governance.journal import consents, schema, sealing
from governance.journal.rows import JobRow
from governance.journal.sealing import CipherName
from governance.journal.view import View, history_of
from governance.keys import SigningKey
from governance.ledger import leaf
from governance.spending import Block, Spend, charged
from governance.uses import Tree, plant

# Built once: these run for each step of each job, and building a statement costs more than running it.
JOB_KEY = sa.select(schema.job_key.c.key).where(schema.job_key.c.job == sa.bindparam("of"))
CHANGE = sa.update(schema.job).where(schema.job.c.job == sa.bindparam("of"))
UNSET = sa.delete(schema.setting).where(schema.setting.c.name == sa.bindparam("of"))
NUMBERED = (
    schema.job.c.number, schema.cohort.c.number, schema.block.c.number, schema.spend.c.number, schema.consent.c.number,
    schema.consent_set.c.number,
)  # fmt: skip
HIGHEST = {counter: sa.select(sa.func.coalesce(sa.func.max(counter), 0)) for counter in NUMBERED}
SEE = sa.update(schema.seen).where(schema.seen.c.origin == sa.bindparam("of"), schema.seen.c.size == sa.bindparam("from"))
SEAL = sa.insert(schema.sealed)
RESEAL = (
    sa.update(schema.sealed)
    .where(schema.sealed.c.job == sa.bindparam("of"), schema.sealed.c.slot == sa.bindparam("at"))
    .values(box=sa.bindparam("box"))
)


class Transaction(View):
    """Changes and readings of one transaction; what it has written it reads back."""

    def __init__(
        self, connection: Connection, key: SigningKey, now: Callable[[], int], cipher: CipherName, left: ledger.Left = None
    ) -> None:
        super().__init__(connection, left)
        self._key = key
        self._now = now
        self._cipher = cipher
        self.shredded = False

    # --- ledger

    def append(self, event: str, subject: str, code: str = "") -> int:
        """Add an entry to the ledger and return its index."""
        return self._ledger.append(leaf(event, subject, code, self._now()))

    def close_ledger(self) -> str:
        """Sign the checkpoint now; nothing more is appended in this transaction. At its end the journal does it by itself.

        What comes back may be written down here. It may leave this machine when the transaction is durable, never before: a checkpoint
        of entries that are then rolled back is a second history.
        """
        self._ledger.sign(self._key)
        return self._ledger.checkpoint()

    # --- witnessing

    def put_seen(self, origin: str, old: int, size: int, note: str) -> None:
        """Move what was seen of the ledger *origin* from *old* entries to *size*, and only from there."""
        changed = self._connection.execute(SEE, {"of": origin, "from": old, "size": size, "note": note}).rowcount
        if not changed and self.seen(origin) is None and old == 0:
            changed = self._connection.execute(sa.insert(schema.seen), {"origin": origin, "size": size, "note": note}).rowcount
        if not changed:
            raise IntegrityError(f"more than {old} entries of the ledger {origin} were seen meanwhile")

    def put_cosigned(self, witness: str, size: int, at: int) -> None:
        """A witness of this ledger has seen *size* entries of it.

        Its time goes back only with what it cosigned after: so a witness whose clock was ahead, and is right now, is believed again, and
        what it said before is not brought in anew. A time of 0 says none.
        """
        latest = self.cosigned().get(witness)
        if latest is None:
            self._connection.execute(sa.insert(schema.cosigned), {"witness": witness, "size": size, "at": at})
        else:
            of = schema.cosigned.c.witness == witness
            at = at if at and size > latest[0] else max(at, latest[1])
            self._connection.execute(sa.update(schema.cosigned).where(of).values(size=size, at=at))

    # --- documents and settings

    def put_note(self, kind: str, name: str, text: str, *, replace: bool = False) -> None:
        """Keep a note. Another text under the same name is refused unless *replace* says that this is meant."""
        old = self.note(kind, name)
        if old is None:
            self._connection.execute(sa.insert(schema.note), {"kind": kind, "name": name, "text": text})
        elif old != text:
            if not replace:
                raise UsageError(f"another {kind} is kept under the name {name}")
            table = schema.note.c
            self._connection.execute(sa.update(schema.note).where(table.kind == kind, table.name == name).values(text=text))

    def put(self, key: str, value: str) -> None:
        """Set a setting."""
        self._connection.execute(UNSET, {"of": key})
        self._connection.execute(sa.insert(schema.setting), {"name": key, "value": value})

    # --- jobs

    def put_job(self, job: str, *, phase: str, deadline: int, detail: str) -> None:
        """Write down a job that has just arrived."""
        if self.job(job) is not None:
            raise UsageError("this job is in the journal already")
        row = {"phase": phase, "deadline": deadline, "detail": detail, "code": "", "version": 1, "ended": False, "created": self._now()}
        self._connection.execute(sa.insert(schema.job), {"number": self._next(schema.job.c.number), "job": job, **row})

    def set_phase(self, job: str, phase: str, detail: str = "", code: str = "") -> None:
        """Move an open job to *phase*."""
        self._change(job, phase=phase, detail=detail, code=code)

    def end_job(self, job: str, phase: str, code: str, detail: str) -> None:
        """Move an open job to a phase that it never leaves, and wipe its sealed values."""
        self._change(job, phase=phase, detail=detail, code=code, ended=True)
        self.wipe(job)

    def _change(self, job: str, **values: object) -> None:
        row = self._open_job(job)
        self._connection.execute(CHANGE, {"of": job, "version": row.version + 1, **values})

    def _open_job(self, job: str) -> JobRow:
        row = self.job(job)
        if row is None:
            raise UsageError("there is no such job in the journal")
        if row.ended:
            raise OutOfTurn("the job has ended")
        return row

    def put_decision(self, job: str, verdict: str, reason: str) -> None:
        """Write down what a person decided about a job, once."""
        old = self.decision(job)
        if old is None:
            row = {"job": job, "verdict": verdict, "reason": reason, "at": self._now()}
            self._connection.execute(sa.insert(schema.decision), row)
        elif (old.verdict, old.reason) != (verdict, reason):
            raise OutOfTurn("this job was decided before")

    # --- sealed values

    def put_sealed(self, job: str, slot: str, value: bytes) -> None:
        """Keep *value* under the job's own key, until the job is wiped."""
        box = sealing.seal(self._key_of(job), value, job=job, slot=slot)
        if not self._connection.execute(RESEAL, {"of": job, "at": slot, "box": box}).rowcount:
            self._connection.execute(SEAL, {"job": job, "slot": slot, "box": box})

    def _key_of(self, job: str) -> bytes:
        key = self._connection.execute(JOB_KEY, {"of": job}).scalar_one_or_none()
        if key is None:
            row = self.job(job)
            if row is not None and row.ended:
                raise OutOfTurn("the job has ended: nothing is kept for it any more")
            key = sealing.fresh_key(self._cipher)
            self._connection.execute(sa.insert(schema.job_key), {"job": job, "key": key})
        return key

    def wipe(self, job: str) -> None:
        """Destroy the job's key and everything sealed under it."""
        of_job = schema.job_key.c.job == job
        overwritten = self._connection.execute(sa.update(schema.job_key).where(of_job).values(key=bytes(sealing.KEY_SIZES[self._cipher])))
        self._connection.execute(sa.delete(schema.job_key).where(of_job))
        self._connection.execute(sa.delete(schema.sealed).where(schema.sealed.c.job == job))
        self.shredded |= bool(overwritten.rowcount)

    # --- what must not be counted twice

    def take_use(self, licence: str, number: int, job: str, limit: int) -> None:
        """Take the use *number* of a licence for *job*; taking the same again changes nothing."""
        if number < 1:
            raise UsageError(f"uses are numbered from 1, got {number}")
        if number > limit:
            raise BudgetExhausted(code="licence.used", limit=limit)
        table = schema.licence_use.c
        taken = sa.select(table.number, table.job).where(table.licence == licence, (table.number == number) | (table.job == job))
        rows = [tuple(row) for row in self._connection.execute(taken)]
        if not rows:
            self._connection.execute(sa.insert(schema.licence_use), {"licence": licence, "number": number, "job": job})
        elif rows != [(number, job)]:
            raise IntegrityError(f"use {number} of the licence is not free for this job")

    def put_cohort(self, dataset: str, snapshot: str, kind: str, members: frozenset[str]) -> None:
        """Write down which holders counted a snapshot together; the same set is kept once."""
        if members in self.cohorts(dataset, snapshot, kind):
            return
        root = self.history(dataset, snapshot)
        row = {"dataset": dataset, "snapshot": root, "kind": kind, "members": canonical(sorted(members))}
        self._connection.execute(sa.insert(schema.cohort), {"number": self._next(schema.cohort.c.number), **row})

    def share_history(self, dataset: str, one: str, other: str) -> None:
        """From now on two snapshots have one history: all that was counted over either, and all that will be."""
        root, old = self.history(dataset, one), self.history(dataset, other)
        if root == old:
            return
        table = schema.cohort.c
        self._connection.execute(sa.update(schema.cohort).where(table.dataset == dataset, table.snapshot == old).values(snapshot=root))
        setting = schema.setting.c
        pointing = self._connection.execute(sa.select(setting.name).where(setting.value == old)).scalars().all()
        for name in {history_of(dataset, old), *(n for n in pointing if n.startswith(history_of(dataset, "")))}:
            self.put(name, root)

    # --- consents

    def put_consent(self, record: Consent) -> int:
        """Write a record down, its opening sealed under the person's key; the index of the ledger's entry, which holds the commitment."""
        opening = consents.opening(record)
        entry = self.append("consent.set", commitment(opening))
        row = {"person": record.person, "dataset": record.dataset, "text": payload(record).decode(), "entry": entry}
        self._connection.execute(sa.insert(schema.consent), {"number": self._next(schema.consent.c.number), **row})
        self.put_sealed(consents.slot(record.person), str(entry), opening)
        self.put(consents.CLOCK, str(self.consent_clock() + 1))
        return entry

    def forget(self, person: str) -> None:
        """Destroy the records of a person and all that opens the ledger's commitments to them; what stays is that nobody reads the row."""
        if bytes.fromhex(person) in self.forgotten():
            return
        self.append("consent.set", commitment(secrets.token_bytes(SALT)))
        self._connection.execute(sa.delete(schema.consent).where(schema.consent.c.person == person))
        for kept in self.consent_sets(""):
            if bytes.fromhex(person) in kept.persons:
                tree = kept.tree.without(kept.persons.index(bytes.fromhex(person)))
                at = schema.consent_set.c.number == kept.number
                self._connection.execute(sa.update(schema.consent_set).where(at).values(openings=tree.openings))
        self._connection.execute(sa.insert(schema.forgotten), {"person": person})
        self.put(consents.CLOCK, str(self.consent_clock() + 1))
        self.wipe(consents.slot(person))
        self.shredded = True

    def put_consent_set(self, dataset: str, snapshot: str, name: str, frozen: Frozen) -> Tree:
        """Write down a set that jobs read from now on; its tree."""
        tree = plant(sorted(frozen.persons))
        row = consents.set_row(dataset, snapshot, name, frozen, tree)
        self._connection.execute(sa.insert(schema.consent_set), {"number": self._next(schema.consent_set.c.number), **row})
        return tree

    # --- what is spent

    def open_block(self, block: Block) -> None:
        """Open a block, once: its limits do not change."""
        limits(block.epsilon, block.delta, block.chance)
        note = notes.write(block)
        block, old = note.document(Block), self.blocks().get(block.name)  # which refuses what could not be read again
        if old is None:
            row = {"number": self._next(schema.block.c.number), "name": block.name, "text": note.text}
            self._connection.execute(sa.insert(schema.block), row)
            self.append("budget.opened", note.id)
        elif old != block:
            raise UsageError(f"the block {block.name} is open already, with other limits")

    def spend(self, spend: Spend) -> None:
        """Charge a job to all its accounts, or raise `BudgetExhausted` and charge it to none. Spending the same again changes nothing.

        What is spent is never given back: a job that fails has spent it.
        """
        note = notes.write(spend)
        spend, old = note.document(Spend), self.spend_of(spend.job)
        if old is not None:
            if old != spend:
                raise IntegrityError("this job has spent something else before")
            return
        if spend.repeats and not self.asked(spend.query, besides=spend.job):
            raise UsageError("this query was not spent on before")
        totals, number = charged(spend, self.blocks(), self.total), self._next(schema.spend.c.number)
        row = {"number": number, "job": spend.job, "query": spend.query, "text": note.text}
        self._connection.execute(sa.insert(schema.spend), row)
        for name, total in totals.items():
            self._connection.execute(sa.insert(schema.account), {"name": name, "number": number, "total": canonical(total)})
        self.append("budget.spent", note.id)

    def _next(self, counter: sa.Column[int]) -> int:
        """Writers come one after another, so the highest number so far plus one is free."""
        return int(self._connection.execute(HIGHEST[counter]).scalar_one()) + 1
