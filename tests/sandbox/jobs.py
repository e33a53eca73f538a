"""Jobs over the election records, at every step of their way; what the tests of the node's machine share."""

from __future__ import annotations

import functools
from typing import Any

import inmemory
import records
from inmemory import Run

from governance.encoding import parse
from sandbox.analyses import Analysis, Describe
from sandbox.messages import Relay, Release

DESCRIBE = Describe(("age", "income"))  # enough persons lack either: two rounds. Nobody lacks educ: beside it, a third
NARROWED = Describe(("age", "educ"))
STEPS = (
    "accept", "spent", "0.0.upload", "0.0.consent", "0.0.reveal", "0.0.state", "1.0.upload", "1.0.state", "2.0.upload", "2.0.state",
)  # fmt: skip


def tables(holders: str = "abc") -> inmemory.Tables:
    return records.election().parts([3 + i for i in range(len(holders))])


def job(holders: str = "abc", analysis: Analysis = DESCRIBE) -> tuple[str, str]:
    """One job's signed texts, the same ones at each call."""
    return _job(holders, analysis)


@functools.cache
def _job(holders: str, analysis: Analysis) -> tuple[str, str]:
    return inmemory.texts(records.election().schema, analysis, holders)


def start(holders: str = "abc", analysis: Analysis = DESCRIBE, **more: Any) -> Run:
    return Run(tables(holders), of=job(holders, analysis), **more)


def closed(name: str, holders: str = "abc") -> tuple[Run, Relay]:
    """A run that waits for the relay of step *name*, and the honest relay. Shared: tests try relays on it, and do not go on with it."""
    return _closed(name, holders)


@functools.cache
def _closed(name: str, holders: str) -> tuple[Run, Relay]:
    run = start(holders).to(name)
    return run, run.close()


def finished(holders: str = "abc") -> Run:
    """A run that is over; shared."""
    return _finished(holders)


@functools.cache
def _finished(holders: str) -> Run:
    run = start(holders)
    run.finish()
    return run


@functools.cache
def other() -> Run:
    """Another job of the same holders over the same data, run to its end; shared."""
    run = Run(tables(), of=inmemory.texts(records.election().schema, DESCRIBE, "abc"))
    run.finish()
    return run


def result(release: Release) -> Any:
    return parse(release.result)
