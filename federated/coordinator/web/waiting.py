"""Long polls: requests that are kept until there is something to tell, and keep the server neither from stopping nor from others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

LONGEST = 60.0  # seconds that a request may be kept
SLICE = 1.0  # seconds after which a kept request looks whether the server stops

T = TypeVar("T")


class Waiting:
    """Keeps requests waiting: at most *most* at a time, *each* of one party. One more is answered at once, as if its wait were over."""

    def __init__(self, *, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._kept: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let everybody go within a second."""
        self._stopping.set()

    @property
    def kept(self) -> int:
        """Requests that are waiting now."""
        return self._kept.total()

    def until(self, seconds: float, ask: Callable[[float], T], *, done: Callable[[T], bool], party: str) -> T:
        """The first answer of *ask* that is *done*, or the last one when *seconds* are over. *ask* blocks as long as it is told."""
        with self._place(party) as has_place:
            end = time.monotonic() + (seconds if has_place else 0.0)
            while True:
                left = end - time.monotonic()
                answer = ask(max(0.0, min(left, SLICE)))
                if done(answer) or left <= SLICE or self._stopping.is_set():
                    return answer

    @contextmanager
    def _place(self, party: str) -> Iterator[bool]:
        with self._lock:
            free = self.kept < self._most and self._kept[party] < self._each
            self._kept[party] += free
        try:
            yield free
        finally:
            with self._lock:
                self._kept[party] -= free
