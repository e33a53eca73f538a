"""The mailbox between ledgers and their witnesses, in memory alone: one open request of each ledger, and the answers to it.

What is lost here is asked again. What is forged here is noticed where it is read: a request is signed by its ledger, an answer by its
witness, and a refusal shows what the ledger itself signed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from federated.witnessing import MOST, Answer, Ask, id_of
from governance.witness import Cosignature, Refusal, Request


@dataclass(slots=True)
class _Slot:
    """A ledger's open request."""

    ask: Ask
    id: str
    answers: dict[str, Cosignature | Refusal] = field(default_factory=dict)


class Mailbox:
    """Thread-safe. A newer request of a ledger takes the place of the older one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slots: dict[str, _Slot] = {}

    def put(self, log: str, ask: Ask) -> str:
        """Let the witnesses of *ask* see it; the same again changes nothing."""
        new = id_of(ask.request)
        with self._changed:
            slot = self._slots.get(log)
            if slot is None or (slot.id, slot.ask.witnesses) != (new, ask.witnesses):
                self._slots[log] = _Slot(ask, new)
                self._changed.notify_all()
        return new

    def answers(self, log: str, request: str, *, want: int, wait: float) -> dict[str, Cosignature | Refusal]:
        """The answers to *request*, as soon as there are *want* of them or another request is in its place; or after *wait* seconds."""

        def done() -> bool:
            slot = self._slots.get(log)
            return slot is None or slot.id != request or len(slot.answers) >= min(want, len(slot.ask.witnesses))

        with self._changed:
            self._changed.wait_for(done, timeout=wait)
            slot = self._slots.get(log)
            return dict(slot.answers) if slot is not None and slot.id == request else {}

    def waiting(self, witness: str, *, wait: float, news: Callable[[], bool] = lambda: False) -> tuple[Request, ...]:
        """What *witness* has not answered, as soon as there is something, or *news*; or after *wait* seconds."""

        def open_slots() -> list[_Slot]:
            slots = [s for log, s in self._slots.items() if log != witness and witness in s.ask.witnesses and witness not in s.answers]
            return slots[:MOST]

        with self._changed:
            self._changed.wait_for(lambda: open_slots() or news(), timeout=wait)
            return tuple(slot.ask.request for slot in open_slots())

    def answer(self, witness: str, answers: tuple[Answer, ...]) -> None:
        """Keep what *witness* answered to requests that are open still."""
        with self._changed:
            for each in answers:
                for slot in self._slots.values():
                    if slot.id == each.request and witness in slot.ask.witnesses:
                        slot.answers[witness] = each.answer
            self._changed.notify_all()

    def stir(self) -> None:
        """There are news for witnesses."""
        with self._changed:
            self._changed.notify_all()
