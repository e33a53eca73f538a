"""Every error that keyong raises on purpose: the class says who must act, the code says what happened."""

from __future__ import annotations

from governance.texts import text_of


class KeyongError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message
        English detail for a developer or a log. Where it is left out, the text of *code* is used.
    code
        Stable code of this case; the class's own where it is left out.
    facts
        Public facts only (names, counts, limits), never a value from a row. They fill the texts.
    """

    code = "keyong"
    exit_status = 1

    def __init__(self, message: str = "", *, code: str | None = None, **facts: object) -> None:
        self.code = code or type(self).code
        self.facts = facts
        self.detail = message
        super().__init__(message or self.text("en"))

    def text(self, language: str) -> str:
        """What happened and who must act, in ``"en"`` or ``"zh"``; a text that came from afar is kept as it was."""
        given = self.facts.get({"en": "english", "zh": "chinese"}[language])
        if given:
            return str(given)
        return text_of(self.code, language, {"detail": self.detail, **self.facts})


class UsageError(KeyongError, ValueError):
    """The caller must fix the call."""

    code = "usage"
    exit_status = 2


class DecodeError(KeyongError, ValueError):
    """Bytes from outside are not what they should be; whoever made them must fix them."""

    code = "decode"
    exit_status = 2


class Refused(KeyongError):
    """Policy said no. A decision, not a fault: it goes to the ledger."""

    code = "refused"
    exit_status = 3


class LicenceRefused(Refused):
    """The licence does not allow it; the operator must ask for less or the authority must grant more."""

    code = "licence"


class DisclosureRefused(Refused):
    """Releasing it could tell too much about too few persons."""

    code = "disclosure"


class BudgetExhausted(Refused):
    """What the licence allows has been spent."""

    code = "budget"


class QuorumLost(Refused):
    """Too few data holders are left."""

    code = "quorum"


class ProtocolError(KeyongError):
    """A message does not fit the run."""

    code = "protocol"
    exit_status = 4


class OutOfTurn(ProtocolError):
    """The message is right, the moment is wrong."""

    code = "protocol.turn"


class PeerError(ProtocolError):
    """Another party broke the protocol; this run must stop."""

    code = "protocol.peer"


class IntegrityError(KeyongError):
    """Something signed, stored or isolated is not what it must be: an alarm."""

    code = "integrity"
    exit_status = 4


class Unavailable(KeyongError):
    """Not now, or not on this machine; try again or mend the machine."""

    code = "unavailable"
    exit_status = 75
