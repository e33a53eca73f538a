"""What a job would cost, told by the coordinator before it is submitted: by the ledger as it stands, as settlement will charge it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from federated import accounts, records
from federated.answers import Quoted, Used
from federated.coordinator import published
from federated.coordinator.office import Office
from federated.records import Records
from governance import licences, notes
from governance.errors import LicenceRefused, Unavailable, UsageError
from governance.journal import View
from governance.licences import Granted
from governance.parties import Party
from sandbox import case as cases
from sandbox.job import Job

PATIENCE = 5.0  # seconds


class Quotes:
    """Quotes by the records of *office*, which are read once for each state of its ledger, and by one request at a time."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._lock = threading.Lock()
        self._read: tuple[int, Records] | None = None

    def of(self, text: str, operator: Party, links: Sequence[str] = ()) -> Quoted:
        """The quote for the signed job *text* of *operator*, whose licence must be its own."""
        note = notes.read(text)
        with self.office.journal.view() as t:
            licence, entry = self._licence(t, note, operator, links), t.note(published.ENTRY, note.document(Job).catalogue)
        if entry is None:
            raise UsageError("the job is for no entry of the catalogue here")
        record = records.unrun(note, cases.read(text, entry), operator)
        if not self._lock.acquire(timeout=PATIENCE):
            raise Unavailable("other prices are being worked out", retry_after=5)
        try:
            found = self._records()
        finally:
            self._lock.release()
        return Quoted(len(found.entries), accounts.quote(record, licence, found, now=int(self.office.clock())))

    def used(self, name: str, operator: Party, links: Sequence[str] = ()) -> Used:
        """How many uses of each link of a licence were taken: of one that names *operator*, or is published nowhere."""
        with self.office.journal.view() as t:
            licence = licences.read(published.chain(t, name, self.office.trust, links), self.office.trust)
            named = any(str(operator.key) in link.delegates for link in licence.links)
            if not named and t.note("licence", name) is not None:
                raise LicenceRefused("the licence is another operator's")
            return Used(tuple(t.next_use(link) - 1 for link in licence.ids))

    def _licence(self, t: View, note: notes.Note, operator: Party, links: Sequence[str]) -> Granted:
        licence = licences.read(published.chain(t, note.document(Job).licence, self.office.trust, links), self.office.trust)
        licences.check_signers(note, licence, operator.key)
        return licence

    def _records(self) -> Records:
        with self.office.journal.view() as t:
            size = t.size()
            if self._read is None or self._read[0] != size:
                made = records.export(t, str(self.office.key.public), self.office.roots)
                self._read = size, records.of(made, self.office.roots.newest)
        return self._read[1]
