"""The coordinator's copy of the register: each link of an asset's or a certificate's chain, kept in order, one ledger entry for each."""

from __future__ import annotations

from typing import Any

from governance import certificates, notes, registration
from governance.certificates import Certificate
from governance.chains import read
from governance.journal import Transaction
from governance.keys import Trust
from governance.registration import Asset

LINKS: dict[str, type[Any]] = {"asset": Asset, "certificate": Certificate}


def kind_of(note: notes.Note) -> str:
    """``asset``, ``certificate``, or empty for another document."""
    return next((kind for kind, cls in LINKS.items() if note.holds(cls)), "")


def keep(t: Transaction, note: notes.Note, trust: Trust) -> None:
    """Put *note* at the end of its chain. A link that is in it already changes nothing; one that may not come next is refused."""
    note.require(trust)  # before a whole chain is verified for a stranger
    kind, document = kind_of(note), note.document(*(LINKS.values()))
    name: str = document.name
    old = t.note(kind, name)
    if old is not None and note.id in [link.id for link in read(old)]:
        return
    link, event = (_asset if kind == "asset" else _certificate)(old, note, trust)
    t.put_note(kind, name, (old or "") + str(link), replace=True)
    t.append(event, link.id)


def _asset(old: str | None, note: notes.Note, trust: Trust) -> tuple[notes.Note, str]:
    chain = registration.follow(old, note, trust)
    before = chain.assets[-2] if len(chain.assets) > 1 else None
    return note.only(*trust.keys, *registration.signers(before, chain.now)), registration.EVENTS[chain.now.step]


def _certificate(old: str | None, note: notes.Note, trust: Trust) -> tuple[notes.Note, str]:
    chain = certificates.follow(old, note, trust)
    before = chain.documents[-2] if len(chain.documents) > 1 else None
    return note.only(*trust.keys, *certificates.signers(before, chain.now)), certificates.EVENTS[chain.now.step]
