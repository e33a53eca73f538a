"""Join tokens: one line that holds all a party needs to enrol, and nothing that lets anybody else pose as it for long."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace

from governance.encoding import canonical, parse
from governance.errors import DecodeError
from governance.keys import SigningKey, Trust

PREFIX = "keyong-join-1."


@dataclass(frozen=True, slots=True)
class Token:
    """Where the coordinator is, whom to trust, and the invitation with its one-time key.

    *coordinator* is the coordinator's enrolment note. The token is a secret until it was used.
    """

    url: str
    ca: str | None
    trust: Trust
    coordinator: str
    invitation: str
    once: SigningKey = field(repr=False)

    @property
    def name(self) -> str:
        """The party that it is for."""
        return self.once.name.removesuffix("-invitation")

    def text(self) -> str:
        data = {
            "url": self.url, "ca": self.ca, "trust": [str(k) for k in self.trust.keys], "threshold": self.trust.threshold,
            "coordinator": self.coordinator, "invitation": self.invitation, "name": self.once.name, "once": self.once.private.hex(),
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
            trust = Trust.read(data["trust"], data["threshold"])
            return cls(data["url"], data["ca"], trust, data["coordinator"], data["invitation"], once)
        except (binascii.Error, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DecodeError(f"the join token is damaged: {type(error).__name__}") from None

    def public(self) -> Token:
        """What is kept after joining: the one-time key is gone."""
        return replace(self, once=SigningKey(self.once.name, bytes(32)))
