"""Which language people are spoken to in: Chinese or English, by the locale."""

from __future__ import annotations

import os

from rich.cells import cell_len


def language() -> str:
    """``zh`` or ``en``, by the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    locale = next((set_ for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (set_ := os.environ.get(name))), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def said(english: str, chinese: str, tongue: str | None = None) -> str:
    """The one of both in *tongue*, or in the locale's language."""
    return chinese if (tongue or language()) == "zh" else english


def padded(text: str, width: int, *, left: bool = True) -> str:
    """*text* in *width* columns of a terminal, where a Chinese character takes two."""
    blank = " " * (width - cell_len(text))
    return text + blank if left else blank + text
