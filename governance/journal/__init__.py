"""The journal: the one place that opens the database of a node or a coordinator.

    with journal.transaction() as t:
        t.append("job.spent", job)
        t.take_use(licence, t.next_use(licence), job, limit=10)
        t.set_phase(job, "admitted")

Ledger entries, budgets, job states and results change together, in one transaction, and are durable when it returns.
"""

from __future__ import annotations

from governance.journal.rows import Decision, JobRow
from governance.journal.store import Journal
from governance.journal.transaction import Transaction
from governance.journal.view import View

__all__ = ["Decision", "JobRow", "Journal", "Transaction", "View"]
