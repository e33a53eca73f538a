"""A federation in one process, for the tests of the secure sum: keys, coins, and a coordinator that relays and may lose members."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from governance.encoding import decode, encode
from governance.envelope import open_signed, sign
from governance.keys import SigningKey
from mpc import secagg
from mpc.rings import ring

STAGES = ("upload", "consent", "reveal", "settle")  # a lost member does nothing from this stage on


def coins(label: str) -> Callable[[int], bytes]:
    """Deterministic coins: a stream of SHAKE-256."""
    counter = iter(range(2**32))
    return lambda n: hashlib.shake_256(f"{label}/{next(counter)}".encode()).digest(n)


def secret(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def integers(words: np.ndarray, bits: int) -> list[int]:
    return [low | high << 64 for low, high in words.tolist()] if bits == 128 else words.tolist()


def elements(values: list[int], bits: int) -> np.ndarray:
    raw = b"".join((v % 2**bits).to_bytes(bits // 8, "little") for v in values)
    return ring(bits).from_bytes(raw, len(values)).copy()


@dataclass
class Federation:
    names: list[str]
    terms: secagg.Terms
    agree: dict[str, bytes]
    signing: dict[str, SigningKey]

    def ready(self, name: str) -> secagg.Ready:
        return secagg.Ready(self.terms, name, self.agree[name])

    def relay(self, name: str, message: object) -> object:
        """Sign, carry and open a message, as everything between members goes."""
        sender, opened = open_signed(sign(self.signing[name], message), self.terms.keys, type(message))
        assert sender == name
        assert opened == message
        return opened


def federation(n: int, colluding: int = 1, job: str = "job") -> Federation:
    names = [f"h{i:02d}" for i in range(n)]
    agree = {name: secret(f"agree/{job}/{name}") for name in names}
    signing = {name: SigningKey(name, secret(f"sign/{name}")) for name in names}
    public = {name: X25519PrivateKey.from_private_bytes(agree[name]).public_key().public_bytes_raw() for name in names}
    members = tuple(secagg.Member(name, signing[name].public.public, public[name]) for name in names)
    return Federation(names, secagg.Terms(secret(job), members, colluding), agree, signing)


def one_round(length: int = 3, bits: int = 64, **changes: object) -> secagg.Round:
    fields = {"number": 0, "attempt": 0, "state": bytes(32), "vectors": (secagg.Vector("v", bits, length),)}
    return secagg.Round(**{**fields, **changes})


def journaled(state: object) -> object:
    """The state as it comes back from a journal."""
    again = decode(encode(state), type(state))
    assert again == state
    return again


@dataclass
class Run:
    """Everything that was sent in one opening."""

    states: dict[str, object]
    uploads: dict[str, secagg.Upload]
    payloads: dict[str, dict[str, memoryview]]
    consents: dict[str, secagg.Consent]
    reveals: dict[str, secagg.Reveal]
    tally: secagg.Tally | None = None


def uploaded(fed: Federation, round: secagg.Round, words: Mapping[str, Mapping[str, np.ndarray]]) -> Run:
    """Every member that *words* names has uploaded."""
    run = Run({}, {}, {}, {}, {})
    for name, vectors in words.items():
        copies = {vector: value.copy() for vector, value in vectors.items()}
        run.states[name], upload, run.payloads[name] = fed.ready(name).open(round, copies, rand=coins(name))
        run.uploads[name] = fed.relay(name, upload)
    return run


def consented(fed: Federation, round: secagg.Round, run: Run, *, lost: tuple[str, ...] = ()) -> Run:
    run.tally = secagg.Tally(fed.terms, round, secagg.admit(fed.terms, round, run.uploads))
    for name in run.uploads.keys() - set(lost):
        state, consent = journaled(run.states[name]).receive(run.uploads)
        run.states[name], run.consents[name] = state, fed.relay(name, consent)
    return run


def revealed(fed: Federation, run: Run, *, lost: tuple[str, ...] = ()) -> Run:
    for name in run.consents.keys() - set(lost):
        state, reveal = journaled(run.states[name]).receive(run.consents)
        run.states[name], run.reveals[name] = state, fed.relay(name, reveal)
    return run


def open_first(fed: Federation, round: secagg.Round, words: Mapping[str, Mapping[str, np.ndarray]], lost: Mapping[str, str]) -> Run:
    """A first opening in which each member of *lost* falls silent at its stage."""
    before = {stage: tuple(name for name, at in lost.items() if STAGES.index(at) <= i) for i, stage in enumerate(STAGES)}
    run = uploaded(fed, round, {name: words[name] for name in fed.names if name not in before["upload"]})
    run = revealed(fed, consented(fed, round, run, lost=before["consent"]), lost=before["reveal"])
    for name in run.reveals.keys() - set(before["settle"]):
        run.states[name] = journaled(journaled(run.states[name]).receive(run.reveals, run.payloads))
    return run


def same_words(fed: Federation, length: int = 3, bits: int = 64) -> dict[str, dict[str, np.ndarray]]:
    return {name: {"v": elements([i * 1000 + k for k in range(length)], bits)} for i, name in enumerate(fed.names)}


def without(mapping: Mapping[str, object], key: str) -> dict[str, object]:
    return {k: v for k, v in mapping.items() if k != key}


class Stopped:
    """A federation of five, t = 4, stopped on its way to a first opening; *lost* have not uploaded."""

    def __init__(self) -> None:
        self.fed, self.round = federation(5), one_round()
        self.words = same_words(self.fed)

    def at_uploaded(self, lost: tuple[str, ...] = ()) -> Run:
        return uploaded(self.fed, self.round, {name: self.words[name] for name in self.fed.names if name not in lost})

    def at_consented(self, lost: tuple[str, ...] = ()) -> Run:
        return consented(self.fed, self.round, self.at_uploaded(lost))

    def at_revealed(self, lost: tuple[str, ...] = ()) -> Run:
        return revealed(self.fed, self.at_consented(lost))

    def settled(self) -> dict[str, object]:
        return open_first(self.fed, self.round, self.words, {}).states


UPLOAD_LIES = {
    "another job": lambda u: replace(u, job=secret("another")),
    "another roster": lambda u: replace(u, root=secret("another")),
    "another round": lambda u: replace(u, round=one_round(number=1).digest),
    "another attempt": lambda u: replace(u, round=one_round(attempt=1).digest),
    "another state": lambda u: replace(u, round=one_round(state=secret("another")).digest),
    "other vectors": lambda u: replace(u, payloads={"w": bytes(32)}),
    "a short digest": lambda u: replace(u, payloads={"v": bytes(31)}),
    "a pair too few": lambda u: replace(u, pairs=without(u.pairs, "h04")),
    "a pair too many": lambda u: replace(u, pairs={**u.pairs, "h01": bytes(32)}),
    "a short pair": lambda u: replace(u, pairs={**u.pairs, "h04": bytes(31)}),
    "no seed": lambda u: replace(u, seed=b""),
    "a hand too few": lambda u: replace(u, sealed=without(u.sealed, "h04")),
    "a hand too many": lambda u: replace(u, sealed={**u.sealed, "h01": u.sealed["h00"]}),
    "a short hand": lambda u: replace(u, sealed={**u.sealed, "h04": u.sealed["h04"][:-1]}),
    "another's name": lambda u: replace(u, sender="h02"),
}
