"""A node's part in witnessing: it cosigns what continues others' ledgers, and gathers their cosignatures under its own.

Nothing that helps to open a total leaves this node before a quorum cosigned a checkpoint that covers the job's spend (PRIVACY 7). One
request covers the spends of all jobs that wait. What a peer shows of this node's own ledger is an alarm where this journal lacks it: it is
an older copy, or another history, and serves nothing.  What is exchanged: `federated.witnessing`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from federated.node import judge
from federated.node.home import Home
from federated.transport import Link
from federated.witnessing import Answer, Ask, Turn, id_of
from governance import checkpoint, cosignatures, licences, notes, witness
from governance.errors import DecodeError, IntegrityError
from governance.journal import Journal, View
from governance.keys import VerifyKey, read_key
from governance.licences import Revocations
from governance.proofs import Proof
from governance.quorum import Policy
from governance.witness import Cosignature, Refusal, Request, Witness

log = logging.getLogger("keyong.node")
ALARMS = ("integrity.rollback", "integrity.fork")
PAUSE = 0.1  # seconds before those who said no are asked anew
TURN = 1.0  # seconds for one round of asking, after which another job's witnesses are asked too
FRESH = 5.0  # seconds for which a revocation list counts as the newest that can be had

Heard = Cosignature | Refusal


class Alarm(IntegrityError):
    """What this node found itself about its own ledger. Whoever it asks can answer with the same code, and is not believed."""


class Witnessing:
    """Thread-safe: jobs' threads ask, one at a time and for all that wait; one thread answers."""

    def __init__(
        self, home: Home, journal: Journal, link: Link, *, clock: Callable[[], float] = time.time, stopping: threading.Event | None = None
    ) -> None:
        self.home, self.journal, self.link, self.clock = home, journal, link, clock
        self._stopping = stopping or threading.Event()
        self._asking = threading.Lock()
        self._needs: dict[object, tuple[int, Policy]] = {}
        self._quorums: dict[str, notes.Note] = {}
        self._said: tuple[str, dict[str, Heard]] = ("", {})  # of the newest checkpoint: its text, and what was heard of it
        self._answers: tuple[Answer, ...] = ()
        self._listed = -1.0

    # --- of this node's ledger

    def proof(self, index: int, policy: Policy, *, wait: float) -> Proof | None:
        """The entry *index* under a checkpoint with the quorum of *policy*; None where that is not there within *wait* seconds, or a turn.

        Raises `IntegrityError` where a witness has seen what this journal does not hold.
        """
        with self._needed(index, policy), self._asking:
            found = self._proved(index, policy)
            if found is None:
                self._ask(min(wait, TURN))
                found = self._proved(index, policy)
            return found

    def check(self, *, wait: float) -> int:
        """Ask the peers of earlier jobs what they have seen of this ledger: how many of them it was held against within *wait* seconds.

        Raises as `proof` does.
        """
        with self.journal.view() as t:
            size, peers = t.size(), peers_of(t, self.home.key.name)
        if not size or not peers:
            return 0
        policy, end = Policy.of(self.home.key.public, peers.values(), len(peers) // 2 + 1), time.monotonic() + wait
        with self._asking:
            while str(policy) not in self._quorums and not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
                self._heard([policy], left)
        return sum(isinstance(answer, Cosignature) for name, answer in self._said[1].items() if name in peers)

    @contextmanager
    def _needed(self, index: int, policy: Policy) -> Iterator[None]:
        need = object()
        self._needs[need] = index, policy
        try:
            yield
        finally:
            del self._needs[need]

    def _proved(self, index: int, policy: Policy) -> Proof | None:
        note = self._quorums.get(str(policy))
        if note is None or (size := checkpoint.read(note).size) <= index:
            return None
        with self.journal.view() as t:
            return Proof(t.entries(index, 1)[0].leaf, index, tuple(t.inclusion(index, size)), str(note))

    def _ask(self, wait: float) -> None:
        """One turn for everybody who waits."""
        self._heard(list({str(policy): policy for _, policy in list(self._needs.values())}.values()), wait)

    def _heard(self, policies: list[Policy], wait: float) -> None:
        """Ask the witnesses of *policies* about the newest checkpoint until one of these has its quorum, and write down what they say.

        A witness that has seen another size than was thought is asked anew in the next turn.
        """
        end = time.monotonic() + wait
        keys = {key.name: key for policy in policies for key in policy.witnesses.values()}
        with self.journal.view() as t:
            text = t.checkpoint()
            said = dict(self._said[1]) if self._said[0] == text else {}
            refused = {name for name, answer in said.items() if isinstance(answer, Refusal)}
            asked = tuple(sorted((keys.keys() - said.keys() | refused) - {self.home.key.name}))
            made = witness.request(t, asked)
        note = notes.read(text, limit=checkpoint.LIMIT)
        said[self.home.key.name] = Cosignature(str(cosignatures.cosign(note.text, self.home.key, int(self.clock()))))
        want = min(_lacking(policy, said) for policy in policies)
        while asked and want > 0 and (left := end - time.monotonic()) > 0:
            answers = self.link.cosignatures(Ask(asked, made), want=want, wait=left)
            answers = {name: _verified(note, keys[name], answer) for name, answer in answers.items() if name in asked}
            said |= answers
            if len(answers) == len(asked) or any(isinstance(a, Refusal) and n not in refused for n, a in answers.items()):
                break
            want = len(answers) + 1 if min(_lacking(policy, said) for policy in policies) > 0 else 0
        self._said = text, said
        self._write(made, said, policies)
        if min(_lacking(policy, said) for policy in policies) > 0:
            self._stopping.wait(max(0.0, min(PAUSE, end - time.monotonic())))  # not at once anew

    def _write(self, made: Request, said: Mapping[str, Heard], policies: Iterable[Policy]) -> None:
        with self._alarmed(), self.journal.transaction() as t:
            for policy in policies:
                there = {key.name for key in policy.witnesses.values()}
                note = witness.collect(t, made, {name: answer for name, answer in said.items() if name in there}, policy)
                if policy.met_by(cosignatures.times(note, policy.witnesses.values())):
                    self._quorums[str(policy)] = note

    @staticmethod
    @contextmanager
    def _alarmed() -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            if error.code not in ALARMS:
                raise
            raise Alarm(error.detail, code=error.code, **error.facts) from None

    # --- of others' ledgers

    def answer(self, *, wait: float) -> None:
        """Tell what was made of the last requests, and take the next ones, as soon as there are some."""
        with self.journal.view() as t:
            listed = _version(t.note("revocations", "current"))
        duty = self.link.witness(Turn(self._answers, listed), wait=wait)
        self._answers = ()
        self._learnt(duty.revocations)
        if duty.requests and not self._stopping.is_set():  # a node that has been alarmed says nothing about others either
            self._answers = self._cosigned(duty.requests)

    def _cosigned(self, requests: tuple[Request, ...]) -> tuple[Answer, ...]:
        """Judge *requests* in one transaction; the answers leave when it is durable."""
        with self.journal.transaction() as t:
            logs = peers_of(t, self.home.key.name) | {self.home.coordinator.name: self.home.coordinator}
            judged = [(request, Witness(self.home.key, logs).cosign(t, request, int(self.clock()))) for request in requests]
        for request, answer in judged:
            if isinstance(answer, Refusal) and answer.status == 422:
                log.error("integrity alarm: a ledger tells another history than before: %s", request.checkpoint.split("\n")[:2])
        return tuple(Answer(id_of(request), answer) for request, answer in judged)

    # --- revocations

    def refresh(self) -> None:
        """Have a revocation list that was the newest some seconds ago; what cannot be had now raises `Unavailable`."""
        if time.monotonic() - self._listed > FRESH:
            self._learnt(dict(self.link.documents("revocations")).get("current", ""))

    def _learnt(self, text: str) -> None:
        if text:
            with self.journal.view() as t:
                home = self.home.current(t)
            if not notes.read(text).signers(*home.trust.of(Revocations).keys):  # but perhaps by keys of a later version of the key root
                offered = [each for _, each in self.link.documents("root")]
                with self.journal.transaction() as t:
                    home = self.home.learn(t, offered)
            with self.journal.transaction() as t:
                judge.learn_revocations(text, home, t)
        self._listed = time.monotonic()


def peers_of(t: View, me: str) -> dict[str, VerifyKey]:
    """The data holders that this node had to do with, by the keys they were seen with; a key that was withdrawn counts no more."""
    out = licences.withdrawn(t.note("revocations", "current"))
    return {name: read_key(text) for name, text in t.notes("peer") if name != me and text not in out}


def _lacking(policy: Policy, said: Mapping[str, Heard]) -> int:
    """How many more must cosign before *policy* has its quorum."""
    [group] = policy.groups.values()
    return group.needed - sum(isinstance(said.get(name), Cosignature) for name in group.members)


def _verified(note: notes.Note, key: VerifyKey, answer: Heard) -> Heard:
    """*answer*, or a refusal in its place where it is a line that *key* has not signed under *note*."""
    if isinstance(answer, Refusal):
        return answer
    try:
        signed = cosignatures.times(notes.read(f"{note.text}\n{answer.line}\n", limit=checkpoint.LIMIT), (key,))
    except (DecodeError, IntegrityError):
        signed = {}
    return answer if signed else Refusal(400, 0, "")


def _version(listed: str | None) -> int:
    return notes.read(listed).document(Revocations).version if listed else 0
