"""A federation under threshold keys in one process, for the tests: stored primes, keys dealt once, and a coordinator that relays."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mpc import threshold
from mpc.he.paillier import proofs
from mpc.threshold import opening
from mpc.threshold.packing import Layout
from tests.mpc.secure_sum import Federation, coins, elements, federation, journaled, one_round

VECTORS = Path(__file__).parents[1] / "vectors/threshold"
PRIMES = {int(bits): [int(p) for p in primes] for bits, primes in json.loads((VECTORS / "test-keys.json").read_text())["primes"].items()}


def primes(dealer: int, bits: int = 2048) -> tuple[int, int]:
    """The primes of the test key of the first, second or third dealer."""
    p, q = PRIMES[bits // 2][2 * dealer : 2 * dealer + 2]
    return p, q


@functools.lru_cache(maxsize=8)
def dealings(n: int, colluding: int = 1) -> tuple[Federation, dict[str, threshold.Dealt], dict[str, threshold.Deal]]:
    """A federation whose dealers have dealt."""
    fed = federation(n, colluding)
    states, deals = {}, {}
    for i, name in enumerate(fed.names):
        made = threshold.Dealing(fed.terms, name, fed.agree[name]).deal(
            2048, rand=coins(f"deal/{name}"), primes=primes(i) if i <= colluding else None
        )
        states[name], deal = made
        if deal:
            deals[name] = fed.relay(name, deal)
    return fed, states, deals


@functools.lru_cache(maxsize=8)
def keyed(n: int, colluding: int = 1) -> tuple[Federation, dict[str, threshold.Keyed]]:
    """A federation whose members hold their shares."""
    fed, states, deals = dealings(n, colluding)
    return fed, {name: journaled(journaled(state).receive(deals)) for name, state in states.items()}


@dataclass
class Run:
    """Everything that was sent in one round, and where everybody stands."""

    fed: Federation
    states: dict[str, object]
    uploads: dict[str, threshold.Upload] = field(default_factory=dict)
    payloads: dict[str, dict[str, bytes]] = field(default_factory=dict)
    consents: dict[str, threshold.Consent] = field(default_factory=dict)
    partials: dict[str, threshold.Partial] = field(default_factory=dict)
    parts: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def copied(self) -> Run:
        payloads, parts = ({name: dict(sent) for name, sent in all_sent.items()} for all_sent in (self.payloads, self.parts))
        return Run(self.fed, dict(self.states), dict(self.uploads), payloads, dict(self.consents), dict(self.partials), parts)

    def tally(self, survivors: tuple[str, ...] = ()) -> threshold.Tally:
        """As the coordinator has it."""
        keys, round = next((s.seat.keys, s.round) for s in self.states.values() if isinstance(s, threshold.Uploaded | threshold.Waiting))
        return threshold.admit(self.fed.terms, round, keys, self.uploads, self.payloads, survivors=survivors)


def uploaded(fed: Federation, states: Mapping[str, threshold.Keyed], round: object, words: Mapping[str, Mapping[str, np.ndarray]]) -> Run:
    """Every member that *words* names has uploaded."""
    run = Run(fed, {})
    for name, vectors in words.items():
        copies = {vector: value.copy() for vector, value in vectors.items()}
        state, upload, run.payloads[name] = states[name].upload(round, copies, rand=coins(f"upload/{name}"))
        run.states[name], run.uploads[name] = journaled(state), fed.relay(name, upload)
    return run


def consented(run: Run, *names: str) -> Run:
    """*names* have signed the set of a first opening."""
    for name in names or tuple(run.uploads):
        state, consent = run.states[name].receive(run.uploads, run.payloads)
        run.states[name], run.consents[name] = journaled(state), run.fed.relay(name, consent)
    return run


def decrypted(run: Run, *names: str) -> Run:
    """*names* have sent their partial decryptions, and before them, in a first opening, their consents."""
    names = names or tuple(run.uploads)
    if unsigned := [name for name in names if isinstance(run.states[name], threshold.Uploaded)]:
        consented(run, *unsigned)
    for name in names:
        here = run.states[name]
        shown = (run.consents,) if isinstance(here, threshold.Consented) else (run.uploads, run.payloads)
        state, partial, run.parts[name] = here.receive(*shown, rand=coins(f"partial/{name}"))
        run.states[name], run.partials[name] = journaled(state), run.fed.relay(name, partial)
    return run


def opened(run: Run, *names: str) -> Run:
    for name in names or tuple(run.partials):
        run.states[name] = journaled(run.states[name].receive(run.partials, run.parts))
    return run


def some_words(fed: Federation, length: int = 2, bits: int = 64) -> dict[str, dict[str, np.ndarray]]:
    return {name: {"v": elements([i * 1000 + k for k in range(length)], bits)} for i, name in enumerate(fed.names)}


def fresh() -> Run:
    """Four members, t = 3, who have uploaded for a first opening."""
    return _fresh().copied()


@functools.cache
def _fresh() -> Run:
    fed, states = keyed(4)
    return uploaded(fed, states, one_round(), some_words(fed, 3))


def encrypting(
    run: Run, name: str, known: Mapping[str, list[tuple[int, int]]], items: Mapping[str, bytes] = MappingProxyType({})
) -> tuple[threshold.Upload, dict[str, bytes]]:
    """An upload by *name* of plaintexts and coins of its choice, with true proofs."""
    seat, round = run.states[name].seat, run.states[name].round
    layout = Layout.of(seat.terms, round, seat.keys)
    numbers = {dealer: [public.encrypt(*each) for each in known[dealer]] for dealer, public in layout.publics.items()}
    payloads = layout.write(numbers, items)
    upload = replace(run.uploads[name], payloads={v: hashlib.sha256(payload).digest() for v, payload in payloads.items()})
    context = {dealer: opening.knowledge(seat.terms, upload, dealer) for dealer in known}
    made = {d: proofs.prove_knowledge(p, numbers[d], known[d], context[d]) for d, p in layout.publics.items()}
    return replace(upload, proofs=made), payloads
