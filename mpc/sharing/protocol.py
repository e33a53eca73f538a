"""Protocols of many short rounds as generators, and a runner that shows them at work.

A party's side of a protocol is a generator: ``heard = yield Broadcast(d, e)`` sends its own values to all and waits for what all sent, its
own included. It does no I/O; who drives it carries the messages: `run` for all parties in one process, to try and to test protocols, or
a transport with one party on each machine, which must give all parties the same messages (authenticated broadcast).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from governance.errors import PeerError, UsageError
from mpc.rings import Words
from mpc.sharing.schemes import Seat


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Broadcast:
    """What one party says to all in one round."""

    values: tuple[Words | bytes, ...] = field(repr=False)

    def __init__(self, *values: Words | bytes) -> None:
        object.__setattr__(self, "values", values)


Heard = Mapping[str, Broadcast]
T = TypeVar("T")
Steps = Generator[Broadcast, Heard, T]


def reveal(seat: Seat, *shares: Words) -> Steps[tuple[Words, ...]]:
    """Open each of the *shares* to all parties. Everybody learns the numbers behind them and every share, and nothing more.

    Raises
    ------
    PeerError
        A party sent what is no share of these, or Shamir shares do not fit together.
    """
    shapes = [seat.numbers.check(share) for share in shares]
    heard = yield Broadcast(*shares)
    for name, said in heard.items():
        if len(said.values) != len(shapes) or not all(seat.numbers.fits(v, s) for v, s in zip(said.values, shapes, strict=True)):
            raise PeerError("its message holds no shares of these numbers", party=name)
    columns = [{name: said.values[i] for name, said in heard.items()} for i in range(len(shapes))]
    return tuple(seat.scheme.join(column) for column in columns)  # type: ignore[arg-type]


def run(parties: Mapping[str, Steps[T]], *, seen: list[Heard] | None = None) -> dict[str, T]:
    """Drive the generators of all *parties* in this process, and return what each of them returns.

    What was broadcast is appended to *seen*, one mapping by party for each round.
    """
    for name, party in parties.items():
        if not isinstance(party, Generator):
            raise UsageError(f"the side of {name} is a generator, which a call of a function with yield makes; got {type(party).__name__}")
    results: dict[str, T] = {}
    heard: Heard | None = None
    while True:
        said: dict[str, Broadcast] = {}
        for name, party in parties.items():
            try:
                said[name] = party.send(heard)  # type: ignore[arg-type]
            except StopIteration as end:
                results[name] = end.value
        if not said:
            return results
        if results:
            raise UsageError(f"{', '.join(results)} ended while others wait: the parties do not run the same protocol")
        heard = MappingProxyType(said)
        if seen is not None:
            seen.append(heard)
