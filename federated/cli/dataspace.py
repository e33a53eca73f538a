"""keyong dataspace …"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federated.cli import json_option, say
from federated.language import padded, said
from governance.errors import UsageError
from governance.handwritten import read_text

if TYPE_CHECKING:
    from federated.negotiations import Folder, Talk
    from governance.views.dataspace import Negotiation

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
HOME = click.option(
    "--home", type=click.Path(path_type=Path), default=Path("dataspace"), show_default=True, help="The folder of the negotiations."
)
PARTICIPANT = click.option("--participant", required=True, help="The provider's identifier.")
BELOW = {
    "ContractOfferMessage": "offers", "ContractAgreementMessage": "agreement", "ContractNegotiationEventMessage": "events",
    "ContractNegotiationTerminationMessage": "termination",
}  # fmt: skip
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.group()
def command() -> None:
    """Answer as a provider of the Dataspace Protocol: catalogue and contract negotiation."""


def _folder(home: Path) -> Folder:
    from federated.negotiations import Folder

    return Folder(home)


@command.command(epilog="Example: keyong dataspace serve --participant urn:city --url https://city.example --assets authority/assets …")
@HOME
@PARTICIPANT
@click.option("--url", required=True, help="Under which address others reach it.")
@click.option("--assets", type=FOLDER, required=True, help="The authority's folder of assets, or a copy of it.")
@click.option("--authority", type=FILE, required=True, help="The authority's root.note.")
@click.option("--listen", default="127.0.0.1:8450", show_default=True, help="Address and port.")
@click.option("--certificate", type=FILE, help="PEM of its certificate; needed but on this machine itself.")
@click.option("--key", type=FILE, help="PEM of the certificate's key.")
@json_option
def serve(home: Path, participant: str, url: str, assets: Path, authority: Path, listen: str, certificate: Path | None, key: Path | None,
          as_json: bool) -> None:  # fmt: skip
    """Work until stopped. It takes what consumers send, calls nobody, and holds no key of the authority."""
    from federated import negotiations
    from federated.authority import read_trust
    from federated.coordinator.web import dataspace, server

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError("--listen reads ADDRESS:PORT")
    if certificate is None and host.strip("[]") not in LOOPBACK:
        raise UsageError("without a --certificate it listens on this machine alone; put a proxy with TLS before it, or name one")
    trust = read_trust(authority)
    negotiations.assets(assets, trust)
    app = dataspace.make_app(
        _folder(home), lambda: negotiations.assets(assets, trust), participant=participant, endpoint=url.rstrip("/") + dataspace.PATH
    )
    site = server.Site(app, server.Listen(host.strip("[]"), int(port), certificate, key))
    server.run(site, lambda at: say({"ready": at}, said(f"keyong dataspace ready at {at}", f"keyong dataspace 已就绪：{at}"), as_json))


@command.command(epilog="Example: keyong dataspace invite urn:data-company")
@click.argument("consumer")
@HOME
@json_option
def invite(consumer: str, home: Path, as_json: bool) -> None:
    """Make a token for a participant, in place of an older one. Give it over a channel that nobody else reads."""
    token = _folder(home).invite(consumer)
    say({"participant": consumer, "token": token}, token, as_json)


@command.command("list", epilog="Example: keyong dataspace list")
@HOME
@json_option
def list_negotiations(home: Path, as_json: bool) -> None:
    """The negotiations, and how each stands."""
    rows = [
        {"negotiation": talk.provider, "participant": talk.participant, "state": talk.now.state, "callback": talk.callback,
         "target": talk.now.offer.get("target", "")}
        for talk in _folder(home).all()
    ]  # fmt: skip
    lines = [f"{row['negotiation']}  {padded(row['state'], 11)}{row['participant']}  {row['callback']}" for row in rows]
    say(rows, "\n".join(lines) or said("none yet", "尚无"), as_json)


@command.command(epilog="Example: keyong dataspace answer urn:uuid:… agree --participant urn:city")
@click.argument("negotiation")
@click.argument("what", type=click.Choice(["offer", "agree", "finalize", "terminate", "again"]))
@HOME
@PARTICIPANT
@click.option("--offer", type=FILE, help="JSON: the counter-offer.")
@click.option("--reason", default="", help="Why it is terminated.")
@json_option
def answer(negotiation: str, what: str, home: Path, participant: str, offer: Path | None, reason: str, as_json: bool) -> None:
    """What a person at the provider decides: kept, and sent to the consumer's callback address; with again, the last one once more."""
    from federated.transport import deliver

    if (what == "offer") != (offer is not None) or (what == "terminate") != bool(reason):
        raise UsageError("an offer is given with --offer, the reason of a termination with --reason, and neither otherwise")
    folder = _folder(home)
    if what == "again":
        talk = folder.find(negotiation)
    else:
        talk = folder.answer(negotiation, lambda talk: _message(talk, what, participant, offer, reason))
    last = talk.said[-1] if talk else None
    if talk is None or last is None or last.side != "provider":
        raise UsageError("the provider has nothing to send in this negotiation")
    deliver(f"{talk.callback.rstrip('/')}/negotiations/{_consumer(talk)}/{BELOW[last.message['@type']]}", last.message)
    say(
        {"negotiation": talk.provider, "state": talk.now.state},
        said(f"sent; it is {talk.now.state}", f"已发送；现为 {talk.now.state}"),
        as_json,
    )


def _consumer(talk: Talk) -> str:
    from urllib.parse import quote

    return quote(talk.consumer, safe=":")


def _message(talk: Talk, what: str, participant: str, offer: Path | None, reason: str) -> dict[str, Any]:
    at = talk.now
    if what == "offer" and offer is not None:
        return at.counter(_offer(offer, at))
    if what == "agree":
        return at.agree(identity=f"urn:uuid:{uuid.uuid4()}", assigner=participant, assignee=talk.participant, at=int(time.time()))
    return at.finalize() if what == "finalize" else at.terminate("provider", reason)


def _offer(file: Path, at: Negotiation) -> dict[str, Any]:
    """A counter-offer, which is about the same asset."""
    try:
        data = json.loads(read_text(file))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("permission"), list) or data.get("target") != at.offer.get("target"):
        raise UsageError("a counter-offer is JSON with a permission, for the target of the offer before")
    return {**data, "@type": "Offer", "@id": data.get("@id") or f"urn:uuid:{uuid.uuid4()}"}
