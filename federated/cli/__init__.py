"""The command ``keyong``. Exit codes: 0 ok, 2 usage or bad input, 3 refused by policy, 4 integrity alarm, 75 try later."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from federated.interrupt import STATUS, at_once, in_order

with at_once():
    import click

    from federated.cli import chinese
    from federated.language import language
    from governance.errors import KeyongError, UsageError

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # the last turn the direction of writing round
MISSING = re.compile(r"Invalid value for '.+': (?:Path|File|Directory) '(.+)' does not exist\.", re.DOTALL)  # as click says it
# Sub-commands are imported when they are asked for: `keyong node` must not pay for what `keyong demo` needs.
GROUPS = {
    "authority": "Authorise: enrol parties, publish datasets, grant and revoke licences.",
    "asset": "Register data assets: apply, register, change, correct, cancel.",
    "product": "Freeze questions as priced products, check jobs against them, and match demands.",
    "cert": "Issue, transfer, pledge, cancel, print and verify certificates of registered assets.",
    "coordinator": "Relay jobs between nodes.",
    "node": "Serve a data holder's data, and decide what may be done with them.",
    "operator": "Make an operator's identity.",
    "licence": "Narrow a licence, look into it, and judge it off line.",
    "job": "Plan, submit and watch jobs.",
    "ledger": "Look into a ledger, and prove or check it.",
    "budget": "Look into what was spent of privacy budgets, and find it again from a ledger.",
    "records": "What happened, job by job; write it to a file from which others read the same.",
    "settle": "What the releases of a ledger cost, and who gets how much.",
    "audit": "Look for what must not be, and for what to look into, in a ledger's records.",
    "metrics": "Counts of public events, as Prometheus reads them.",
    "report": "Tables of a year or a month, and of a licence, computed from records.",
    "evidence": "Everything about one job in a file that anybody can judge offline.",
    "incident": "Open, contain, notify and close security incidents.",
    "complaint": "File a complaint that only the authority can read; see that it is not dropped; answer it.",
    "catalogue": "List the datasets that are registered, grade columns, export the catalogue, and import one as drafts.",
    "dataspace": "Answer as a provider of the Dataspace Protocol.",
    "method": "List the methods, and what each discloses.",
    "demo": "A whole federation on this machine, on real data, the pooled answer beside it.",
    "verify": "Verify a result bundle offline.",
    "schema": "JSON Schemas of the documents.",
    "conformance": "Each requirement beside the test that holds it.",
    "release": "Sign releases of this software, and verify them offline.",
}


class Lazy(click.Group):
    """A group whose commands live in modules of the same name."""

    context_class = chinese.Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        command: click.Command = importlib.import_module(f"federated.cli.{cmd_name}").command
        for each in (command, *getattr(command, "commands", {}).values()):
            each.context_class = chinese.Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(GROUPS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keyong")
def main_group() -> None:
    """keyong 可用: compute over data that never leave their domain. Usable, never visible."""


def main(argv: list[str] | None = None) -> None:
    """Entry point: errors become one line that says who must act, and an exit code."""
    try:
        with in_order():
            check_house()
            main_group.main(argv, prog_name="keyong", standalone_mode=False)
    except click.ClickException as error:
        if missing := MISSING.fullmatch(error.format_message()):
            _fail(UsageError(f"there is no file {missing[1]}"), as_json="--json" in (argv or sys.argv))
        chinese.show(error)
        sys.exit(2)
    except click.exceptions.Abort:
        sys.exit(STATUS)
    except KeyongError as error:
        _fail(error, as_json="--json" in (argv or sys.argv))
    except OSError as fault:
        if fault.filename is None:
            raise
        _fail(UsageError(f"{fault.filename}: {fault.strerror}"), as_json="--json" in (argv or sys.argv))


def _fail(error: KeyongError, *, as_json: bool) -> None:
    if as_json:
        print(in_json({"error": error.code, "en": error.text("en"), "zh": error.text("zh")}))
    if error.code.partition(".")[0] == "draft":  # nothing went wrong: others have to sign
        print(harmless(error.text(language())), file=sys.stderr)
    else:
        print(harmless(f"keyong: {error.text(language())}  [{error.code}]"), file=sys.stderr)
    if language() == "en" and error.code.partition(".")[0] in ("licence", "policy", "disclosure", "budget", "job"):
        print(harmless(f"        {error.text('zh')}"), file=sys.stderr)
    sys.exit(error.exit_status)


def check_house() -> None:
    """Refuse to start where another distribution put its own package in place of one of ours."""
    from federated.house import check

    check()


CIPHER = click.option("--cipher", type=click.Choice(["aes-256-gcm", "sm4-gcm"]), help="What seals values in the journal; kept for good.")
PROXY = click.option("--proxy", envvar="KEYONG_PROXY", help="URL of an HTTP proxy.")


def token_text(token: str) -> str:
    """The join token; with ``-`` it is read from standard input, so that no list of processes shows it."""
    return sys.stdin.readline().strip() if token == "-" else token  # noqa: S105


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Every command has ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")(function)


def say(data: Any, text: str, as_json: bool) -> None:
    """Print *data* for machines or *text* for people."""
    click.echo(in_json(data) if as_json else harmless(text))


def in_json(data: Any) -> str:
    """*data* on one line, with what a terminal would obey escaped."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data, ensure_ascii=False))


def harmless(text: str) -> str:
    """*text*, which others may have written, without what a terminal would obey."""
    return CONTROL.sub("?", text)
