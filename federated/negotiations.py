"""A provider's side of the Dataspace Protocol: participants, negotiations as they stand in a folder, what an agreement asks of a licence.

A negotiation is a file of the messages that were taken, in order; how it stands is computed from them. The service takes what consumers
send; what the provider sends, a person decides (`keyong dataspace answer`). The folder holds no key of the authority, and an agreement
grants nothing: it becomes terms, under which the authority may grant a licence.  Source: Dataspace Protocol 2025-1, sections 7 and 8.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from governance import known, registration
from governance.errors import DecodeError, KeyongError, OutOfTurn, UsageError
from governance.handwritten import read_text
from governance.keys import Trust
from governance.registration import Registered
from governance.views import dataspace
from governance.views.dataspace import ENDED, Negotiation, Side
from governance.views.dcat import live

PARTICIPANTS, NEGOTIATIONS = "participants.json", "negotiations"
MOST_OPEN, MOST_KEPT, MOST_MESSAGES = 100, 1000, 50  # negotiations of a participant: not ended, in all; messages of one negotiation
PID = re.compile(r"urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
LONGEST = 500  # characters of an identifier or an address
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Said:
    """One message, and which side sent it."""

    side: Side
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Talk:
    """A negotiation as it is kept. *callback* is where the consumer is told."""

    participant: str
    consumer: str
    provider: str
    callback: str
    said: tuple[Said, ...]

    @property
    def now(self) -> Negotiation:
        """How it stands, from every message again."""
        at = Negotiation(self.consumer, self.provider)
        for each in self.said:
            at = at.receive(each.message, each.side)
        return at


@dataclass(frozen=True, slots=True)
class Folder:
    """A provider's negotiations and the participants that may begin one."""

    path: Path

    # --- participants

    def invite(self, participant: str) -> str:
        """A token for *participant*, of which only the digest is kept."""
        if not 0 < len(participant) <= LONGEST or not participant.isprintable():
            raise UsageError(f"a participant's identifier has 1 to {LONGEST} printable characters")
        token = secrets.token_urlsafe(32)
        with self._alone("participants"):
            _write(self.path / PARTICIPANTS, {**self._participants(), participant: _digest(token)})
        return token

    def who(self, token: str) -> str | None:
        """Whose token it is."""
        digest, found = _digest(token), None
        for name, kept in self._participants().items():
            found = name if hmac.compare_digest(kept, digest) else found
        return found

    def _participants(self) -> dict[str, str]:
        file = self.path / PARTICIPANTS
        return dict(json.loads(read_text(file))) if file.exists() else {}

    # --- negotiations

    def all(self) -> list[Talk]:
        return [read(file) for file in sorted((self.path / NEGOTIATIONS).glob("*.json"))]

    def find(self, start: str, participant: str | None = None) -> Talk | None:
        """The negotiation with this identifier of ours; another participant's looks like none."""
        found = PID.fullmatch(start)
        file = self.path / NEGOTIATIONS / f"{found[1]}.json" if found else None
        talk = read(file) if file is not None and file.exists() else None
        return talk if talk and participant in (None, talk.participant) else None

    def begin(self, participant: str, message: Mapping[str, Any], assets: list[Registered]) -> Talk:
        """The consumer's first request. The same again, after an answer that was lost, is answered with the negotiation that it began."""
        consumer, callback = message.get("consumerPid"), message.get("callbackAddress")
        named = isinstance(consumer, str) and 0 < len(consumer) <= LONGEST and isinstance(callback, str)
        if not isinstance(consumer, str) or not isinstance(callback, str) or not named or message["@type"] != "ContractRequestMessage":
            raise DecodeError("a negotiation begins with a request that has a consumerPid and a callbackAddress")
        _check_address(callback)
        _check_target(message, assets)
        with self._alone("begin"):
            own = [talk for talk in self.all() if talk.participant == participant]
            if again := [talk for talk in own if talk.consumer == consumer]:
                if again[0].said[0].message != message:
                    raise OutOfTurn("the consumerPid is that of another negotiation")
                return again[0]
            if sum(talk.now.state not in ENDED for talk in own) >= MOST_OPEN:
                raise OutOfTurn(f"at most {MOST_OPEN} negotiations of a participant are open at once")
            if len(own) >= MOST_KEPT:
                raise OutOfTurn(f"at most {MOST_KEPT} negotiations of a participant are kept; ask the provider to put old ones away")
            provider = f"urn:uuid:{uuid.uuid4()}"
            Negotiation(consumer, provider).receive(message, "consumer")
            talk = Talk(participant, consumer, provider, callback, (Said("consumer", dict(message)),))
            self._keep(talk)
        return talk

    def take(self, pid: str, participant: str, message: Mapping[str, Any], assets: list[Registered]) -> Talk | None:
        """The consumer's next message. Its last one again changes nothing; None where there is no such negotiation of its own."""
        if "offer" in message:
            _check_target(message, assets)
        with self._alone(pid):
            talk = self.find(pid, participant)
            if talk is None or talk.said[-1] == Said("consumer", dict(message)):
                return talk
            return self._add(talk, "consumer", message)

    def answer(self, pid: str, made: Callable[[Talk], Mapping[str, Any]]) -> Talk:
        """What a person at the provider sends, made of the negotiation as it stands."""
        with self._alone(pid):
            talk = self.find(pid)
            if talk is None:
                raise UsageError(f"there is no negotiation {pid}; keyong dataspace list shows them")
            return self._add(talk, "provider", made(talk))

    def _add(self, talk: Talk, side: Side, message: Mapping[str, Any]) -> Talk:
        if len(talk.said) >= MOST_MESSAGES:
            raise OutOfTurn(f"a negotiation has at most {MOST_MESSAGES} messages")
        talk.now.receive(message, side)
        added = Talk(talk.participant, talk.consumer, talk.provider, talk.callback, (*talk.said, Said(side, dict(message))))
        self._keep(added)
        return added

    def _keep(self, talk: Talk) -> None:
        (self.path / NEGOTIATIONS).mkdir(exist_ok=True)
        file = self.path / NEGOTIATIONS / f"{talk.provider.removeprefix('urn:uuid:')}.json"
        _write(file, asdict(talk))

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """One process and one thread at a time, for one negotiation or for all that begin."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(what.encode()).hexdigest()[:2]
        with (self.path / f".lock-{name}").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _write(file: Path, data: object) -> None:
    """Whole or not at all."""
    draft = file.with_name(f".{file.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    draft.replace(file)


def read(file: Path) -> Talk:
    """A negotiation's file, every message of which must follow from those before."""
    try:
        data = json.loads(read_text(file))
        said = tuple(Said(**each) for each in data.pop("said"))
        talk = Talk(**data, said=said)
        talk.now  # noqa: B018 -- messages that do not follow from each other are refused here
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, KeyongError):
        raise UsageError(f"{file} is no negotiation of keyong dataspace") from None
    return talk


def _check_address(callback: str) -> None:
    """Where a person will send our answers: an address of a web server, over TLS unless it is this machine."""
    try:
        parts = urlsplit(callback)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        secure = False
    if not secure or len(callback) > LONGEST or not callback.isprintable() or not parts.hostname or parts.username:
        raise DecodeError("a callbackAddress is an https address without a name or password")


def _check_target(message: Mapping[str, Any], assets: list[Registered]) -> None:
    if message["offer"].get("target") not in {dataspace.target(asset) for asset in live(assets)}:
        raise DecodeError("the offer is for nothing in the catalogue")


def assets(folder: Path, trust: Trust) -> list[Registered]:
    """The chains in an authority's folder of assets, or in a copy of it, verified."""
    return [registration.opened(read_text(file), trust) for file in sorted(folder.glob("*.chain"))]


# --- from an agreement to terms of a licence

LISTS = {"purpose": "purposes", "keyong:method": "methods", "keyong:column": "columns"}
NUMBERS = {("count", "lteq"): "use_count", ("keyong:minCell", "eq"): "min_cell", ("keyong:minCell", "gteq"): "min_cell"}
TIMES = {("dateTime", "gteq"): "not_before", ("dateTime", "lteq"): "not_after"}


def terms(talk: Talk, there: list[Registered]) -> tuple[Registered, dict[str, Any]]:
    """The asset of a finalised agreement, and what it asks of a licence; what a licence cannot hold is refused, not left out."""
    at = talk.now
    if at.state != "FINALIZED":
        raise UsageError(f"the negotiation is {at.state}; only a finalised agreement becomes a draft")
    found = {dataspace.target(asset): asset for asset in live(there)}
    if at.agreed.get("target") not in found:
        raise UsageError("the agreement is about an asset that is not registered now")
    asset, rules = found[at.agreed["target"]], at.agreed.get("permission")
    if at.agreed.get("prohibition") or at.agreed.get("obligation") or not isinstance(rules, list) or len(rules) != 1:
        raise UsageError("an agreement that becomes a licence is one permission, without prohibitions and obligations")
    (rule,) = rules
    if not isinstance(rule, dict) or rule.get("action") != "use" or not rule.keys() <= {"action", "constraint"}:
        raise UsageError("an agreement that becomes a licence is a permission to use")
    facts = {each["leftOperand"]: each["rightOperand"] for each in dataspace.offer(asset)["permission"][0]["constraint"]}
    made: dict[str, Any] = {}
    for each in rule.get("constraint") or ():
        name, value = _term(each, facts)
        if name in made:
            raise UsageError(f"the agreement says twice what {name} is")
        made |= {name: value} if name else {}
    columns = made.pop("columns", None)
    return asset, {**({"datasets": {asset.now.manifest.dataset: columns}} if columns else {}), **made}


def _term(condition: object, facts: Mapping[str, Any]) -> tuple[str, Any]:
    """One condition as a term; an empty name where it repeats a fact of the asset."""
    if not isinstance(condition, dict) or condition.keys() != {"leftOperand", "operator", "rightOperand"}:
        raise UsageError("a condition of the agreement is not of three parts")
    left, operator, right = (condition[name] for name in ("leftOperand", "operator", "rightOperand"))
    value = right.get("@value") if isinstance(right, dict) else right
    if not isinstance(left, str) or not isinstance(operator, str):
        raise UsageError("a condition of the agreement is not of three parts")
    if left in facts:
        if (operator, value) != ("eq", facts[left]):
            raise UsageError(f"the agreement says otherwise of {left} than the register")
        return "", None
    many = [value] if operator == "eq" else value if operator == "isAnyOf" else None
    if left in LISTS and isinstance(many, list) and many and all(isinstance(part, str) for part in many):
        return LISTS[left], sorted(set(many))
    if (left, operator) in NUMBERS and str(value).isdecimal() and len(str(value)) <= 9:
        return NUMBERS[left, operator], int(str(value))
    if (left, operator) in TIMES and isinstance(value, str):
        return TIMES[left, operator], _day(value)
    known.check("condition that a licence can hold called", [left], [*LISTS, *{name for name, _ in (*NUMBERS, *TIMES)}, *facts])
    raise UsageError(f"the condition {left} has an operator or a value that a licence cannot hold")


def _day(value: str) -> str:
    """A day, as files of terms have it: a time within one could be read to be longer than was agreed."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.utcoffset() or (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
        raise UsageError(f"{value[:40]} is no midnight in UTC; a licence begins and ends with a day")
    return at.date().isoformat()
