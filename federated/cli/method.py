"""keyong method …"""

from __future__ import annotations

import dataclasses
import inspect

import click

from federated.cli import chinese, json_option, say
from federated.language import said
from governance.details import in_chinese
from governance.errors import UsageError
from sandbox.analyses import METHODS


@click.group()
def command() -> None:
    """List the methods, and what each discloses."""


@command.command("list", epilog="Example: keyong method list")
@json_option
def list_methods(as_json: bool) -> None:
    """All methods of this version."""
    rows = [{"method": f"{m.name}@{m.version}", "does": (inspect.getdoc(m) or "").partition("\n")[0]} for m in METHODS.values()]
    say(rows, "\n".join(f"{r['method']:<24} {chinese.told(r['does'])}" for r in rows), as_json)


@command.command(epilog="Example: keyong method show logistic_regression")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """A method's parameters, rounds and disclosure contract."""
    method = METHODS.get(name.partition("@")[0])
    if method is None:
        raise UsageError(f"there is no method {name}; there are {', '.join(METHODS)}")
    parameters = [f.name for f in dataclasses.fields(method)]  # type: ignore[arg-type]
    about = inspect.getdoc(method) or ""
    data = {"method": f"{method.name}@{method.version}", "parameters": parameters, "discloses": method.discloses, "about": about}
    discloses = said(
        f"Discloses to the roster and the coordinator: {method.discloses}.", f"向各持有方和协调方公开：{in_chinese(method.discloses)}。"
    )
    say(data, f"{data['method']}\n\n{said(about, chinese.METHODS.get(method.name, about))}\n\n{discloses}", as_json)
