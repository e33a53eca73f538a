"""The Dataspace Protocol: registered assets as its catalogue, and contract negotiation as its messages and states.

A negotiation is a value: give it a message and its sender, get the next one. Offers and counter-offers go back and forth until one is
accepted or agreed to; an agreement is to the last offer, word for word. It grants nothing here: the authority grants a licence by it.
Source: Dataspace Protocol 2025-1, sections 5 (catalogue) and 7 (contract negotiation).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from governance.errors import DecodeError, OutOfTurn, PeerError
from governance.registration import Registered
from governance.views.dcat import ACCESS, live

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
LIMIT, DEEPEST = 1 << 16, 32  # bytes and levels of a message
FORMAT = "keyong-job"
Side = Literal["consumer", "provider"]
BOTH: tuple[Side, ...] = ("consumer", "provider")
EVENT = "ContractNegotiationEventMessage"
END = "ContractNegotiationTerminationMessage"
# State, message (an event with its type) and who may send it; the state that follows.
TURNS: dict[tuple[str, str], tuple[Side, str]] = {
    ("", "ContractRequestMessage"): ("consumer", "REQUESTED"),
    ("", "ContractOfferMessage"): ("provider", "OFFERED"),
    ("REQUESTED", "ContractOfferMessage"): ("provider", "OFFERED"),
    ("REQUESTED", "ContractAgreementMessage"): ("provider", "AGREED"),
    ("OFFERED", "ContractRequestMessage"): ("consumer", "REQUESTED"),
    ("OFFERED", "ACCEPTED"): ("consumer", "ACCEPTED"),
    ("ACCEPTED", "ContractAgreementMessage"): ("provider", "AGREED"),
    ("AGREED", "ContractAgreementVerificationMessage"): ("consumer", "VERIFIED"),
    ("VERIFIED", "FINALIZED"): ("provider", "FINALIZED"),
}
MESSAGES = {EVENT, END, *(name for _, name in TURNS if name.startswith("Contract"))}
ENDED = ("FINALIZED", "TERMINATED")
STATES = ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", *ENDED)


def catalogue(assets: Iterable[Registered], *, participant: str, endpoint: str) -> dict[str, Any]:
    """The catalogue of *participant* (an identifier), whose service answers at *endpoint*."""
    service = f"{participant}:service"
    made: dict[str, Any] = {
        "@context": [CONTEXT], "@id": f"{participant}:catalogue", "@type": "Catalog", "participantId": participant,
        "service": [{"@id": service, "@type": "DataService", "endpointURL": endpoint}],
    }  # fmt: skip
    datasets = [_dataset(asset, service) for asset in live(assets)]
    return {**made, "dataset": datasets} if datasets else made


def dataset(asset: Registered, *, participant: str) -> dict[str, Any]:
    """One asset of the catalogue by itself."""
    return {"@context": [CONTEXT], **_dataset(asset, f"{participant}:service")}


def _dataset(asset: Registered, service: str) -> dict[str, Any]:
    return {
        "@id": target(asset), "@type": "Dataset", "hasPolicy": [_policy(asset)],
        "distribution": [{"@type": "Distribution", "format": FORMAT, "accessService": service}],
    }  # fmt: skip


def catalogue_error(code: str, reason: str) -> dict[str, Any]:
    return {"@context": [CONTEXT], "@type": "CatalogError", "code": code, "reason": [reason]}


def offer(asset: Registered, **limits: str) -> dict[str, Any]:
    """An offer for *asset*; each of *limits* is one more condition, such as ``purpose="research"``, that must be equal."""
    made = {**_policy(asset), "target": target(asset)}
    (rule,) = made["permission"]
    more = [{"leftOperand": left, "operator": "eq", "rightOperand": right} for left, right in sorted(limits.items())]
    return {**made, "permission": [{**rule, "constraint": [*rule["constraint"], *more]}]}


def target(asset: Registered) -> str:
    """By which identifier offers and agreements name an asset."""
    return f"urn:keyong:asset:{asset.links[0].id}"


def _policy(asset: Registered) -> dict[str, Any]:
    _, licence, price = ACCESS[asset.now.manifest.openness]
    facts = {"keyong:licence": "needed" if licence else "free", "keyong:price": "allowed" if price else "none"}
    constraint = [{"leftOperand": left, "operator": "eq", "rightOperand": right} for left, right in facts.items()]
    return {"@id": f"urn:keyong:offer:{asset.head}", "@type": "Offer", "permission": [{"action": "use", "constraint": constraint}]}


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Where a negotiation stands; both sides hold one. *agreed* is what was agreed to, empty before."""

    consumer: str
    provider: str
    state: str = ""
    offer: Mapping[str, Any] = field(default_factory=dict)
    agreed: Mapping[str, Any] = field(default_factory=dict)

    def receive(self, message: Mapping[str, Any], sender: Side) -> Negotiation:
        """The negotiation after *message* by *sender*; what may not come now, or not from there, is refused."""
        name = message["eventType"] if message["@type"] == EVENT else message["@type"]
        self._check_parties(message, sender)
        if name == END and self.state not in ("", *ENDED):
            return replace(self, state="TERMINATED")
        turn, following = TURNS.get((self.state, name), (None, ""))
        if turn is None:
            raise OutOfTurn(f"{name} may not come in the state {self.state or 'of none'}")
        if turn != sender:
            raise PeerError(f"{name} is not the {sender}'s to send", party=sender)
        if "offer" in message:
            return replace(self, state=following, offer=message["offer"])
        if "agreement" in message:
            self._check_agreement(message["agreement"], sender)
            return replace(self, state=following, agreed=message["agreement"])
        return replace(self, state=following)

    def _check_parties(self, message: Mapping[str, Any], sender: Side) -> None:
        names = {"consumerPid": self.consumer, "providerPid": self.provider}
        if self.state == "":  # the first message cannot name the other side's process
            names = {f"{sender}Pid": names[f"{sender}Pid"]}
        if any(message.get(key) != value for key, value in names.items()):
            raise PeerError("the message is of another negotiation", party=sender)

    def _check_agreement(self, agreement: Mapping[str, Any], sender: Side) -> None:
        rules = ("target", "permission", "prohibition", "obligation", "profile")
        if any(agreement.get(rule) != self.offer.get(rule) for rule in rules):
            raise PeerError("the agreement is not to the last offer", party=sender)

    # --- our messages; each is what `receive` takes next

    def request(self, made: Mapping[str, Any], *, callback: str = "") -> dict[str, Any]:
        return self._opening("ContractRequestMessage", "providerPid", made, callback)

    def counter(self, made: Mapping[str, Any], *, callback: str = "") -> dict[str, Any]:
        """The provider's offer, first or after a request."""
        return self._opening("ContractOfferMessage", "consumerPid", made, callback)

    def accept(self) -> dict[str, Any]:
        return self._message(EVENT, eventType="ACCEPTED")

    def agree(self, *, identity: str, assigner: str, assignee: str, at: int) -> dict[str, Any]:
        """The provider's agreement to the last offer."""
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        agreement = {**self.offer, "@id": identity, "@type": "Agreement", "assigner": assigner, "assignee": assignee, "timestamp": when}
        return self._message("ContractAgreementMessage", agreement=agreement)

    def verify(self) -> dict[str, Any]:
        return self._message("ContractAgreementVerificationMessage")

    def finalize(self) -> dict[str, Any]:
        return self._message(EVENT, eventType="FINALIZED")

    def terminate(self, code: str, reason: str) -> dict[str, Any]:
        return self._message(END, code=code, reason=[reason])

    def status(self) -> dict[str, Any]:
        """How it stands, for whoever asks."""
        return self._message("ContractNegotiation", state=self.state)

    def error(self, code: str, reason: str) -> dict[str, Any]:
        return self._message("ContractNegotiationError", code=code, reason=[reason])

    def _message(self, kind: str, **more: Any) -> dict[str, Any]:
        return {"@context": [CONTEXT], "@type": kind, "providerPid": self.provider, "consumerPid": self.consumer, **more}

    def _opening(self, kind: str, other: str, made: Mapping[str, Any], callback: str) -> dict[str, Any]:
        message = self._message(kind, offer=dict(made))
        if self.state == "":
            del message[other]
            message["callbackAddress"] = callback
        return message


def read_query(raw: bytes) -> None:
    """A request for the catalogue. It is answered whole, so one that asks for a part of it is refused rather than misunderstood."""
    data = _read(raw)
    if data.get("@type") != "CatalogRequestMessage":
        raise DecodeError("not a request for a catalogue")
    if data.get("filter") not in (None, []):
        raise DecodeError("the catalogue is not filtered here; ask for all of it")


def read(raw: bytes) -> dict[str, Any]:
    """A negotiation's message: what `Negotiation.receive` looks at is there, in its types; the rest is carried along unread."""
    data = _read(raw)
    kind, event = data.get("@type"), data.get("eventType")
    if not isinstance(kind, str) or kind not in MESSAGES:
        raise DecodeError("not a message of a negotiation")
    if (kind == EVENT) != (event in ("ACCEPTED", "FINALIZED")):
        raise DecodeError("an event, and nothing else, is ACCEPTED or FINALIZED")
    part = {"ContractRequestMessage": "offer", "ContractOfferMessage": "offer", "ContractAgreementMessage": "agreement"}.get(kind)
    if any((name in data) != (name == part) or (name == part and not _policy_like(data[name])) for name in ("offer", "agreement")):
        raise DecodeError("a message carries the offer or agreement that it is about, and no other")
    return data


def _read(raw: bytes) -> dict[str, Any]:
    if len(raw) > LIMIT:
        raise DecodeError(f"a message is larger than {LIMIT} bytes")
    try:
        data = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(data, ensure_ascii=False).encode()  # half a character can be kept by nobody
    except (ValueError, RecursionError):
        raise DecodeError("a message is not JSON") from None
    if _deeper(data, DEEPEST):
        raise DecodeError(f"a message is more than {DEEPEST} levels deep")
    if not isinstance(data, dict) or not isinstance(data.get("@context"), list) or CONTEXT not in data["@context"]:
        raise DecodeError("a message names the context of the protocol")
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key appears twice")
    return data


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _deeper(data: object, levels: int) -> bool:
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return levels < 0 or any(_deeper(each, levels - 1) for each in inner)


def _policy_like(data: object) -> bool:
    return isinstance(data, dict) and all(isinstance(data.get(key), str) for key in ("@id", "@type"))
