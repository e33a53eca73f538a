"""keyong verify …"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import json_option, say


@click.command(epilog="Example: keyong verify bundle.json --authority authority/root.note")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--authority", type=click.Path(path_type=Path, exists=True), required=True, help="The authority's root.note, any version.")
@click.option(
    "--revocations", type=click.Path(path_type=Path, exists=True), help="The authority's newest revocations.note, if you have it."
)
@json_option
def command(file: Path, authority: Path, revocations: Path | None, as_json: bool) -> None:
    """Verify a result bundle or a job's evidence offline, up to the authority's keys: who computed what, not that the data were true."""
    from federated import evidence
    from federated.authority import read_root
    from federated.progress import phase
    from federated.verify import Bundle, as_dict, verify
    from governance.handwritten import read_text

    pinned, raw = read_root(authority), file.read_bytes().rstrip(b"\n")
    newest = None if revocations is None else read_text(revocations)
    if not evidence.is_one(raw):
        verified = verify(Bundle.read(raw), pinned, newest)
        say(as_dict(verified), "\n".join([*_lines(verified.checks), "", verified.result.summary()]), as_json)
        return
    verdict = evidence.verify(evidence.Evidence.read(raw), pinned, newest)
    end = verdict.result.summary() if verdict.result else f"{phase(verdict.phase)}  {verdict.code}  {verdict.by}".rstrip()
    data = {"verified": True, "phase": verdict.phase, "code": verdict.code, "by": verdict.by, "checks": list(verdict.checks)}
    say(data, "\n".join([*_lines(verdict.checks), "", end]), as_json)


def _lines(checks: tuple[str, ...]) -> list[str]:
    from federated.language import said
    from governance.details import in_chinese

    return [f"ok  {said(check, in_chinese(check))}" for check in checks]
