"""How the demo looks: a terminal layout for people, silence for machines."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from federated.progress import line
from sandbox.messages import Status


class Stage(Protocol):
    """Where the demo shows what happens."""

    def open(self, title: str, text: str) -> None: ...
    def begin(self, name: str, text: str) -> None: ...
    def progress(self, status: Status) -> None: ...
    def show(self, text: str, *, head: list[str] | None = None, rows: list[list[str]] | None = None) -> None: ...
    def end(self, seconds: float, outcome: str, *, good: bool = True) -> None: ...
    def close(self, text: str) -> None: ...


class Silent:
    """Nothing is shown."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: None


class Terminal:
    """Numbered steps with a spinner that tells each round, and tables."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._status = self._console.status("")
        self._number = 0

    def open(self, title: str, text: str) -> None:
        self._panel(text, title=f"[bold]{title}")

    def begin(self, name: str, text: str) -> None:
        self._number += 1
        self._console.print()
        self._lines(Text.assemble((f"{self._number} ", "bold cyan"), (name, "bold"), "  ", (text, "dim")), first="", then="    ")
        self._status = self._console.status("[dim]…", spinner="dots")
        self._status.start()

    def progress(self, status: Status) -> None:
        self._status.update(Text(line(status), style="dim"))

    def show(self, text: str, *, head: list[str] | None = None, rows: list[list[str]] | None = None) -> None:
        for paragraph in text.splitlines():
            self._lines(Text(paragraph), first="  ", then="    ")
        if head is not None and rows is not None:
            table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
            for i, name in enumerate(head):
                table.add_column(name, justify="left" if i == 0 else "right", no_wrap=i > 0)
            for row in rows:
                table.add_row(*(Text(cell, style="yellow" if cell == "*" else "") for cell in row))
            self._console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def end(self, seconds: float, outcome: str, *, good: bool = True) -> None:
        self._status.stop()
        mark = ("✓ ", "green") if good else ("✗ ", "red")
        self._lines(Text.assemble(mark, outcome, "  ", (f"{seconds:.1f} s", "dim")), first="  ", then="    ")

    def close(self, text: str) -> None:
        self._panel(text)

    def _panel(self, text: str, **more: Any) -> None:
        self._console.print(Panel(Text(text), border_style="cyan", padding=(0, 2), width=min(100, self._console.width), **more))

    def _lines(self, text: Text, *, first: str, then: str) -> None:
        """*text*, its first line after *first* and those that it wraps onto after *then*."""
        for i, part in enumerate(text.wrap(self._console, self._console.width - len(then))):
            self._console.print(Text(then if i else first) + part)
