"""Chains of signed notes: each link names the one before it, so what was said once is never rewritten, only followed.

A chain is kept and carried as its notes one after the other, oldest first. A note's text is its type line and one line of JSON, so a
line that begins with ``keyong/`` begins a note, and no other does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field

from governance import notes
from governance.encoding import JSON_LIMIT
from governance.errors import DecodeError, IntegrityError

T = TypeVar("T")
Previous = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # id of the link before; empty for the first
MOST_LINKS = 256


def read(raw: str | bytes) -> tuple[notes.Note, ...]:
    """The notes of a chain; nothing is verified yet."""
    if len(raw) > 4 * JSON_LIMIT:
        raise DecodeError(f"a chain is larger than {4 * JSON_LIMIT} bytes")
    text = raw if isinstance(raw, str) else _utf8(raw)
    parts = [part for part in re.split(r"^(?=keyong/)", text, flags=re.MULTILINE) if part]
    if not 1 <= len(parts) <= MOST_LINKS:
        raise DecodeError(f"a chain has 1 to {MOST_LINKS} notes")
    return tuple(map(notes.read, parts))


def write(links: Sequence[notes.Note]) -> str:
    return "".join(map(str, links))


def linked(links: Sequence[notes.Note], cls: type[T]) -> tuple[T, ...]:
    """The documents of the chain, each of which names the one before it."""
    documents: list[Any] = [note.document(cls) for note in links]
    for before, document in zip(["", *(note.id for note in links)], documents, strict=False):
        if document.previous != before:
            raise IntegrityError("a link of the chain does not follow the one before it: one is missing, or stands in another's place")
    return tuple(documents)


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeError:
        raise DecodeError("a chain is not UTF-8") from None
