"""keyong cert …"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from federated.authority import read_trust
from federated.cli import json_option, say
from federated.cli.asset import FILE, KEY, OUT, SENT, TRUST
from federated.cli.officers import HOME, publish
from federated.language import said
from federated.registry import STATES, Registry, move
from governance import certificates, chains, notes
from governance.certificates import Certificate, Certified
from governance.errors import UsageError
from governance.handwritten import read_text
from governance.keys import SigningKey, read_key


@click.group()
def command() -> None:
    """Issue, transfer, pledge, cancel, print and verify certificates of registered assets."""


@command.command(epilog="Example: keyong cert issue heart-2024 --days 1095")
@click.argument("asset")
@HOME
@click.option("--days", default=1095, show_default=True, help="How long it is valid.")
@SENT
@json_option
def issue(asset: str, home: Path, days: int, coordinator: Path | None, as_json: bool) -> None:
    """Issue the certificate of a registered asset."""
    registry = Registry.open(home)
    _done(registry, registry.issue(asset, days=days), coordinator, as_json)


def _request(chain: Path, step: str, key: Path, to: str, out: Path, as_json: bool) -> None:
    links = chains.read(read_text(chain))
    text = move(Certified(links, chains.linked(links, Certificate)), step, SigningKey.load(key), to=to)
    out.write_text(text)
    done = said(f"the request is in {out}; others sign it with keyong asset sign, then the authority accepts it",
                f"申请已写入 {out}；他方用 keyong asset sign 签名后，请交登记机构受理")  # fmt: skip
    say({"request": notes.read(text).id}, done, as_json)


@command.command(epilog="Example: keyong cert transfer heart-2024.chain --to KEY --key hospital-a.key --out transfer.note")
@click.argument("chain", type=FILE)
@click.option("--to", required=True, help="The new holder's verifier key.")
@KEY
@OUT
@json_option
def transfer(chain: Path, to: str, key: Path, out: Path, as_json: bool) -> None:
    """The holder's request to transfer a certificate; the new holder signs it too."""
    _request(chain, "transfer", key, to, out, as_json)


@command.command(epilog="Example: keyong cert pledge heart-2024.chain --to KEY --key hospital-a.key --out pledge.note")
@click.argument("chain", type=FILE)
@click.option("--to", required=True, help="The creditor's verifier key.")
@KEY
@OUT
@json_option
def pledge(chain: Path, to: str, key: Path, out: Path, as_json: bool) -> None:
    """The holder's request to pledge a certificate; the creditor signs it too. Until its release it is not transferred."""
    _request(chain, "pledge", key, to, out, as_json)


@command.command(epilog="Example: keyong cert release heart-2024.chain --key bank.key --out release.note")
@click.argument("chain", type=FILE)
@KEY
@OUT
@json_option
def release(chain: Path, key: Path, out: Path, as_json: bool) -> None:
    """The creditor's request to end a pledge."""
    _request(chain, "release", key, "", out, as_json)


@command.command(epilog="Example: keyong cert accept transfer.note --coordinator coordinator.json")
@click.argument("file", type=FILE)
@HOME
@SENT
@json_option
def accept(file: Path, home: Path, coordinator: Path | None, as_json: bool) -> None:
    """Accept a request to transfer, pledge or release a certificate: the next revocation list names the link before it."""
    registry = Registry.open(home)
    _done(registry, registry.take(read_text(file), "transfer", "pledge", "release"), coordinator, as_json)


@command.command(epilog="Example: keyong cert cancel heart-2024 --coordinator coordinator.json")
@click.argument("name")
@HOME
@SENT
@json_option
def cancel(name: str, home: Path, coordinator: Path | None, as_json: bool) -> None:
    """Cancel a certificate: the next revocation list names it."""
    registry = Registry.open(home)
    _done(registry, registry.withdraw(name), coordinator, as_json)


@command.command("print", epilog="Example: keyong cert print heart-2024.chain --authority root.note --out certificate.html")
@click.argument("chain", type=FILE)
@TRUST
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the page.")
@json_option
def print_page(chain: Path, authority: Path, out: Path, as_json: bool) -> None:
    """One page of HTML, in Chinese and English, with the proof as a QR code."""
    from federated.page import page, proof

    found = certificates.opened(read_text(chain), read_trust(authority))
    out.write_text(page(found), encoding="utf-8")
    say({"number": found.number, "proof": proof(found)}, said(f"the page is in {out}", f"凭证已写入 {out}"), as_json)


@command.command(epilog="Example: keyong cert verify heart-2024.chain --authority root.note --revocations revocations.note")
@click.argument("file", type=FILE)
@TRUST
@click.option("--revocations", type=FILE, required=True, help="The newest revocation list of the authority that issued it.")
@click.option("--region", default="", help="The region that issued it, if another.")
@click.option("--regions", type=FILE, help="The own authority's list of regions.")
@json_option
def verify(file: Path, authority: Path, revocations: Path, region: str, regions: Path | None, as_json: bool) -> None:
    """Verify a chain, or the text that was scanned from a page: signatures, steps, and that it is in force now."""
    text, trust, listed, now = read_text(file), read_trust(authority), read_text(revocations), int(time.time())
    if bool(region) != bool(regions):
        raise UsageError("a certificate of another region is verified with --region and --regions")
    if regions is not None:
        found = certificates.recognised(text, region, regions=read_text(regions), revocations=listed, trust=trust, now=now)
        document, rights = found.certificate, found.rights
    else:
        head, document = certificates.shown(text, trust)
        certificates.check_in_force(head, document, listed, trust, now=now)
        rights = document.rights
    row = {
        "verified": True,
        "name": document.name,
        "state": document.step,
        "holder": read_key(document.holder).name,
        "rights": list(rights),
    }
    said_rights = ", ".join(rights)
    text = said(f"{document.name} is in force ({document.step}); holder {row['holder']}; rights {said_rights}",
                f"{document.name} 有效（{STATES[document.step]}）；权利人 {row['holder']}；权利 {said_rights}")  # fmt: skip
    say(row, text, as_json)


@command.command(epilog="Example: keyong cert credential heart-2024 --out heart-2024.jwt")
@click.argument("name")
@HOME
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the credential.")
@json_option
def credential(name: str, home: Path, out: Path, as_json: bool) -> None:
    """Sign a certificate as a W3C Verifiable Credential (JOSE), which wallets of others read, with one key of the authority."""
    from governance.views import credential as view

    registry = Registry.open(home)
    able = registry.authority.trust.of(Certificate).keys
    key = next((key for key in registry.authority.keys if key.public in able and key.public.suite == "ed25519"), None)
    if key is None:
        raise UsageError("a credential is signed with an Ed25519 key of the authority, and none is in its folder")
    out.write_text(view.signed(registry.certificate(name), key) + "\n")
    say({"issuer": view.did(key.public), "file": str(out)}, said(f"the credential is in {out}", f"凭证已写入 {out}"), as_json)


@command.command("read", epilog="Example: keyong cert read heart-2024.jwt --authority root.note")
@click.argument("file", type=FILE)
@TRUST
@json_option
def read_credential(file: Path, authority: Path, as_json: bool) -> None:
    """Verify that a key of the authority signed a credential, and print it. Only keyong cert verify says what is in force."""
    from governance.views import credential as view

    found = view.opened_by(read_text(file).strip(), read_trust(authority).of(Certificate).keys)
    say(found, json.dumps(found, ensure_ascii=False, indent=2), as_json)


def _done(registry: Registry, chain: Any, coordinator: Path | None, as_json: bool) -> None:
    if coordinator:
        publish(coordinator, *registry.published(chain))
    text = said(f"certificate {chain.number[:12]} of {chain.now.name}: {chain.now.step}",
                f"{chain.now.name} 的凭证 {chain.number[:12]}：{STATES[chain.now.step]}")  # fmt: skip
    say({"name": chain.now.name, "number": chain.number, "state": chain.now.step, "id": chain.head}, text, as_json)
