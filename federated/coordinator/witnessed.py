"""The coordinator's own ledger before the eyes of the data holders: it asks them to cosign what has grown, and keeps what they signed.

So one who forks, rolls back or splits its ledger is noticed by them, and one who was brought back from an older copy notices it by them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from federated.coordinator.mailbox import Mailbox
from federated.witnessing import Ask
from governance import checkpoint, notes, quorum, witness
from governance.journal import Journal
from governance.keys import SigningKey, VerifyKey
from governance.quorum import Policy
from governance.witness import Cosignature, Refusal, Request

PACE = 5.0  # seconds between two requests: each wakes every node


class Witnessed:
    """Called by the clockwork, whom it never keeps waiting."""

    def __init__(self, journal: Journal, key: SigningKey, mailbox: Mailbox) -> None:
        self._journal, self._key, self._mailbox = journal, key, mailbox
        self._asked: tuple[Request, str] | None = None
        self._size, self._since, self._taken = -1, -PACE, 0

    def turn(self, holders: Mapping[str, VerifyKey], colluding: int) -> None:
        """Write down what came, and ask anew where the ledger has grown; *colluding* of the *holders* may cosign two histories.

        Raises `IntegrityError` where one of them has seen what this journal does not hold.
        """
        if self._asked is not None:
            self._take(*self._asked, holders, colluding)
        if holders and self._rested:
            self._since = time.monotonic()
            self._ask(holders)

    @property
    def due(self) -> bool:
        """Whether `turn` would do anything."""
        return self._rested or (self._asked is not None and len(self._heard(self._asked[1])) > self._taken)

    @property
    def _rested(self) -> bool:
        return time.monotonic() - self._since >= PACE

    def _heard(self, asked: str) -> dict[str, Cosignature | Refusal]:
        return self._mailbox.answers(self._key.name, asked, want=1, wait=0.0)

    def _ask(self, holders: Mapping[str, VerifyKey]) -> None:
        with self._journal.view() as t:
            if t.size() == self._size:
                return
            made = witness.request(t, holders)
        asked = self._mailbox.put(self._key.name, Ask(tuple(sorted(holders)), made))
        self._asked, self._taken = (made, asked), 0
        self._size = checkpoint.read(notes.read(made.checkpoint, limit=checkpoint.LIMIT)).size

    def _take(self, made: Request, asked: str, holders: Mapping[str, VerifyKey], colluding: int) -> None:
        answers = self._heard(asked)
        if len(answers) > self._taken and (len(answers) >= len(holders) or self._rested):
            self._taken = len(answers)
            self._write(made, {name: answer for name, answer in answers.items() if name in holders}, holders, colluding)

    def _write(self, made: Request, answers: Mapping[str, Cosignature | Refusal], holders: Mapping[str, VerifyKey], colluding: int) -> None:
        least = quorum.needed(len(holders), min(colluding, len(holders) - 1))
        policy = Policy.of(self._key.public, holders.values(), least)
        with self._journal.transaction() as t:
            witness.collect(t, made, answers, policy)
        if any(isinstance(answer, Refusal) for answer in answers.values()):
            self._size = -1  # what they showed was written down: the next request fits it
