"""Who is asking: the signature on a request, whose key made it, and whether the request is new."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from federated.coordinator.office import Office
from federated.signatures import WINDOW, Signed, key_id, verify
from governance.errors import Refused, Unavailable
from governance.parties import Party

MOST_NONCES = 200_000  # of one key in two minutes


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request, as it came: *url* not decoded."""

    method: str
    url: str
    headers: dict[str, str]


class Gate:
    """Lets signed requests in, each once."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._nonces = Nonces()
        self._started = int(office.clock())

    def admit(self, request: Request) -> tuple[Party, Signed]:
        """Verify the head of a request. The body is read afterwards, so that strangers cannot fill the memory."""
        now, parties = self._office.clock(), self._parties()
        keys = {name: party.key for name, party in parties.items()}
        signed = verify(request.method, request.url, request.headers, keys=keys.get, now=now)
        if signed.created < self._started:  # it may have been spent before a restart
            raise Unavailable(code="http.busy", retry_after=self._started - signed.created)
        self._nonces.spend(signed, now=now)
        return parties[key_id(signed.key)], signed

    def _parties(self) -> dict[str, Party]:
        """Everybody who is heard, by key id."""
        return {_key_id(party.key): party for party in self._office.callers().values()}


_key_id = lru_cache(maxsize=4096)(key_id)


class Nonces:
    """Nonces of signed requests, in two generations: each is remembered for at least as long as its request could be sent again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: set[tuple[bytes, str]] = set()
        self._old: set[tuple[bytes, str]] = set()
        self._of: Counter[bytes] = Counter()
        self._turn = -math.inf

    def spend(self, signed: Signed, *, now: float) -> None:
        """Raise if the nonce was spent before."""
        name = (signed.key.public, signed.nonce)
        with self._lock:
            if not 0 <= now - self._turn < 2 * WINDOW:  # a request from a clock that is ahead lives two windows
                self._old, self._new, self._of, self._turn = self._new, set(), Counter(), now
            if name in self._new or name in self._old:
                raise Refused(code="auth.replay")
            if self._of[signed.key.public] >= MOST_NONCES:
                raise Unavailable(code="http.busy", retry_after=WINDOW)
            self._new.add(name)
            self._of[signed.key.public] += 1
