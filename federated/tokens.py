"""Join tokens: one line that holds all a party needs to enrol, and nothing that lets anybody else pose as it for long."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from governance import notes, roots
from governance.encoding import canonical, parse
from governance.errors import DecodeError, IntegrityError, Refused, UsageError
from governance.keys import SigningKey, VerifyKey, read_key
from governance.parties import Invitation, Role
from governance.roots import Chain

COMMANDS: dict[Role, str] = {"coordinator": "coordinator init", "holder": "node join", "operator": "operator join"}
PREFIX = "keyong-join-1."


@dataclass(frozen=True, slots=True)
class Token:
    """Where the coordinator is, whom to trust (all versions of the authority's key root), and the invitation with its one-time key.

    *coordinator* is the coordinator's enrolment note. The token is a secret until it was used.
    """

    url: str
    ca: str | None
    roots: Chain
    coordinator: str
    invitation: str
    once: SigningKey = field(repr=False)

    @property
    def name(self) -> str:
        """The party that it is for."""
        return self.once.name.removesuffix("-invitation")

    def text(self) -> str:
        data = {
            "url": self.url, "ca": self.ca, "roots": self.roots.texts, "coordinator": self.coordinator, "invitation": self.invitation,
            "name": self.once.name, "once": self.once.private.hex(),
        }  # fmt: skip
        return PREFIX + base64.urlsafe_b64encode(canonical(data).encode()).decode()

    @classmethod
    def read(cls, text: str) -> Token:
        """Read a token; one wrong letter makes it unreadable or its signatures wrong."""
        if not text.startswith(PREFIX):
            raise DecodeError(f"a join token starts with {PREFIX}")
        try:
            data = parse(base64.b64decode(text[len(PREFIX) :].encode(), altchars=b"-_", validate=True))
            once = SigningKey(data["name"], bytes.fromhex(data["once"]))
            return cls(data["url"], data["ca"], roots.read(data["roots"]), data["coordinator"], data["invitation"], once)
        except (binascii.Error, KeyError, TypeError, ValueError, AttributeError):
            raise DecodeError("the join token is damaged; copy the whole line again") from None

    def expect(self, role: Role, *, rekey: bool = False) -> Token:
        """This token, if it is for a party of *role*, and brings a new key or the first: asked before anything is written or sent."""
        meant = notes.opened(self.invitation, Invitation, self.roots.trust)
        if meant.role != role:
            raise UsageError(f"this token is for {self.name}, in the role {meant.role}; use it with: keyong {COMMANDS[meant.role]}")
        if rekey != bool(meant.withdrawn):
            use = COMMANDS[role].replace("join", "rekey") if meant.withdrawn else COMMANDS[role]
            new = f"this token brings a new key for {self.name}: keyong {use}"
            raise UsageError(new if meant.withdrawn else f"this token brings a first key for {self.name}: keyong {use}")
        return self

    @property
    def withdrawn(self) -> tuple[VerifyKey, ...]:
        """The keys in whose place the new one comes, the oldest first."""
        return tuple(read_key(each.key) for each in notes.opened(self.invitation, Invitation, self.roots.trust).withdrawn)

    def key(self, file: Path) -> SigningKey:
        """The party's own key in *file*, made there by the first call, so that a join that was cut off can be repeated."""
        if not file.exists():
            SigningKey.generate(self.name).save(file)
        key = SigningKey.load(file)
        if key.name != self.name:
            raise UsageError(
                f"{file} is the key of {key.name}, the token is for {self.name}; name another folder (--home) or file (--identity)"
            )
        return key

    def public(self) -> Token:
        """What is kept after joining: the one-time key is gone."""
        return replace(self, once=SigningKey(self.once.name, bytes(32)))


@contextmanager
def new_key(file: Path) -> Iterator[None]:
    """Take away the key that is made at *file* in here, where the coordinator refuses to enrol it: another token can then be used there."""
    there = file.exists()
    try:
        yield
    except (Refused, IntegrityError):  # an answer; where there was none, the key may be enrolled and is kept
        if not there:
            file.unlink(missing_ok=True)
        raise


@contextmanager
def newer_key(file: Path, token: Token) -> Iterator[SigningKey]:
    """A new key beside the one in *file*, whose place it takes at the end. Can be repeated: the same new key is taken."""
    made = file.with_name(f"{file.name}.new")
    if file.exists() and not made.exists() and SigningKey.load(file).public not in token.withdrawn:
        yield token.key(file)  # it was exchanged before
        return
    with new_key(made):
        yield token.key(made)
    made.replace(file)


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, all of it or none."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
