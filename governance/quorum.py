"""Which witnesses must have cosigned a checkpoint before it counts, and what time it is by their word.

    log hospital-a+…
    witness b hospital-b+…
    witness c hospital-c+…
    witness d hospital-d+…
    group holders 3 b c d
    quorum holders

Two quorums of k among n witnesses have 2k − n in common. While fewer than that cosign two histories, no log gets a quorum for both.
Source: C2SP tlog-policy.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from governance import checkpoint, cosignatures
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError, QuorumLost, UsageError
from governance.keys import VerifyKey, check_name, read_base64, read_key
from governance.notes import read as read_note

LIMIT = 1 << 16
NONE = "none"
FORBIDDEN = re.compile(r"[^\t\n -~\x80-\U0010ffff]")
NUMBER = re.compile(r"[1-9][0-9]{0,2}")


def needed(n: int, f: int) -> int:
    """Fewest of *n* witnesses that make a quorum while *f* of them may cosign two histories of one log: f < 2k − n."""
    k = (n + f) // 2 + 1
    if f < 0 or k > n:
        raise UsageError(f"no quorum of {n} witnesses bears {f} that cosign two histories")
    return k


@dataclass(frozen=True, slots=True)
class Group:
    """At least *needed* of *members*, each a witness or a group."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs and witnesses that are known, and the rule for how many of the latter are enough."""

    logs: tuple[VerifyKey, ...]
    witnesses: Mapping[str, VerifyKey] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    @classmethod
    def of(cls, log: VerifyKey, witnesses: Collection[VerifyKey], k: int) -> Policy:
        """*k* of *witnesses* for one log, read back from its own text, so that there is one set of rules."""
        taken, names, keys = {NONE, *(key.name for key in witnesses)}, [], tuple(witnesses)
        for key in keys:
            names.append(_free(key.name, taken) if key.name == NONE else key.name)
        group = _free(f"{k}-of-{len(keys)}", {*taken, *names})
        lines = [f"log {log}", *(f"witness {name} {_witness(key)}" for name, key in zip(names, keys, strict=True))]
        lines += [f"group {group} {k} {' '.join(names)}", f"quorum {group}"] if keys else [f"quorum {NONE}"]
        return read("".join(f"{line}\n" for line in lines))

    def __str__(self) -> str:
        lines = [f"log {key}" for key in self.logs]
        lines += [f"witness {name} {_witness(key)}" for name, key in self.witnesses.items()]
        lines += [f"group {name} {group.needed} {' '.join(group.members)}" for name, group in self.groups.items()]
        return "".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"])

    def met_by(self, keys: Collection[str]) -> bool:
        """Whether the witnesses whose keys have these names are a quorum."""
        there = {name for name, key in self.witnesses.items() if key.name in keys} | {NONE}
        for name, group in self.groups.items():  # a group stands after its members
            if len(there.intersection(group.members)) >= group.needed:
                there.add(name)
        return self.quorum in there


def quorum_of(note: str, policy: Policy, *, index: int = -1) -> Checkpoint:
    """The checkpoint in *note*: signed by a log of *policy*, cosigned by its quorum, and covering the entry *index*.

    Raises
    ------
    DecodeError
        It is no checkpoint.
    IntegrityError
        No log of *policy* signed it, a known key's line is false, or the entry is beyond it.
    QuorumLost
        Too few witnesses cosigned it.
    """
    parsed = read_note(note, limit=checkpoint.LIMIT)
    head = checkpoint.signed(parsed, policy.logs)
    if head.size <= index:
        raise IntegrityError(f"the checkpoint covers {head.size} entries, not entry {index}")
    there = cosignatures.times(parsed, policy.witnesses.values())
    if not policy.met_by(there):
        raise QuorumLost(code="quorum.witnesses", log=head.origin, count=len(there), names=", ".join(sorted(there)) or "-")
    return head


def clock(times: Iterable[int], local: int, *, faulty: int) -> int:
    """The (*faulty* + 1)-th highest of witnesses' cosignature *times*, one of each witness, or the local time if that is later.

    A clock that was set back revives nothing, and *faulty* witnesses with a clock ahead make nothing expire.
    """
    ordered = sorted(times, reverse=True)
    return max(local, ordered[faulty]) if len(ordered) > faulty else local


# --- the file -----------------------------------------------------------------------------------


def read(text: str | bytes) -> Policy:
    """Parse a policy file. Its names are octets to C2SP; those of keys are UTF-8 here."""
    raw = text.decode(errors="surrogateescape") if isinstance(text, bytes) else text
    if len(raw) > LIMIT:
        raise DecodeError(f"a policy is larger than {LIMIT} bytes")
    if FORBIDDEN.search(raw) or not raw.endswith("\n"):
        raise DecodeError("a policy has lines of text, each with its end, and no control characters")
    reader = _Reader()
    for number, line in enumerate(raw.split("\n"), 1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            reader.line(words, number)
    return reader.policy()


class _Reader:
    """The lines of a policy so far."""

    def __init__(self) -> None:
        self.logs: list[VerifyKey] = []
        self.witnesses: dict[str, VerifyKey] = {}
        self.groups: dict[str, Group] = {}
        self.quorum = ""
        self.taken: set[str] = set()

    def line(self, words: list[str], number: int) -> None:
        kinds: dict[str, tuple[Callable[..., None], int, int]] = {
            "log": (self._log, 1, 2), "witness": (self._witness, 2, 3), "group": (self._group, 3, LIMIT), "quorum": (self._quorum, 1, 1),
        }  # fmt: skip
        add, least, most = kinds.get(words[0], (None, 0, 0))
        if add is None or not least <= len(words) - 1 <= most:
            raise DecodeError(f"line {number} of the policy is no log, witness, group or quorum")
        try:
            add(*words[1:])
        except DecodeError as error:
            raise DecodeError(f"line {number} of the policy: {error}") from None

    def policy(self) -> Policy:
        if not self.quorum:
            raise DecodeError("a policy has one quorum line")
        return Policy(tuple(self.logs), MappingProxyType(self.witnesses), MappingProxyType(self.groups), self.quorum)

    def _log(self, text: str, _url: str = "") -> None:
        key = read_key(text)
        if any(key.public == other.public for other in self.logs):
            raise DecodeError("a log's key stands there twice")
        self.logs.append(key)

    def _witness(self, name: str, text: str, _url: str = "") -> None:
        key = _read_witness(text)
        if any(key.public == other.public or key.name == other.name for other in self.witnesses.values()):
            raise DecodeError("a witness's key, or its name, stands there twice")
        self._new(name)
        self.witnesses[name] = key

    def _group(self, name: str, count: str, *members: str) -> None:
        n = len(members)
        k = {"all": n, "any": 1}.get(count, int(count) if NUMBER.fullmatch(count) else 0)
        if not 1 <= k <= n:
            raise DecodeError(f"a group of {n} needs all, any, or 1 to {n} of them")
        for member in members:
            if member not in self.witnesses and member not in self.groups:
                raise DecodeError("a member of a group is not defined before it")
            if member in self.taken:
                raise DecodeError("a name is a member twice")
            self.taken.add(member)
        self._new(name)
        self.groups[name] = Group(k, members)

    def _quorum(self, name: str) -> None:
        if self.quorum:
            raise DecodeError("a policy has one quorum line")
        if name not in self.witnesses and name not in self.groups and name != NONE:
            raise DecodeError("the quorum is not defined before it")
        self.quorum = name

    def _new(self, name: str) -> None:
        if name in self.witnesses or name in self.groups or name == NONE:
            raise DecodeError("a name is defined twice")


def _free(name: str, taken: Collection[str]) -> str:
    """A name for a policy's own use that no party bears: parties may be called as its words and groups are."""
    while name in taken:
        name += "'"
    return name


def _witness(key: VerifyKey) -> str:
    """A witness's verifier key. C2SP tlog-cosignature, "Format"."""
    return f"{key.name}+{cosignatures.key_id(key).hex()}+{base64.b64encode(cosignatures.marked(key)).decode()}"


def _read_witness(text: str) -> VerifyKey:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise DecodeError("a verifier key reads name+hash+key")
    raw = read_base64(parts[2])
    suite = next((name for name, kind in cosignatures.KINDS.items() if raw[:1] == bytes([kind.mark])), None)
    if suite is None:
        raise DecodeError(f"a witness has a cosignature key of {' or '.join(cosignatures.KINDS)}")
    key = VerifyKey(check_name(parts[0]), raw[1:], suite)
    if cosignatures.key_id(key).hex() != parts[1]:
        raise DecodeError("the key id does not fit the key")
    return key
