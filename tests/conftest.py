"""Lets tests import the machinery that they share, the modules beside them that are no tests, by name; they read English texts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
sys.path.extend(str(folder) for folder in (HERE, *sorted(HERE.iterdir())) if folder.is_dir())

os.environ["LC_ALL"] = "C.UTF-8"
settings.register_profile("untimed", deadline=None)  # no test asserts how long anything takes
settings.load_profile("untimed")

RUN: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write tests/record.json, which keyong conformance reads")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.partition("[")[0]
    if report.failed:
        RUN["failed"].add(name)
    elif report.skipped:
        RUN["skipped"].add(name)
    elif report.passed and report.when == "call":
        RUN["passed"].add(name)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):  # it was cut short
        return
    if session.config.getoption("--record") and not hasattr(session.config, "workerinput"):  # xdist: the controller sees all reports
        from federated.conformance import house, record

        record(house(), passed=RUN["passed"], failed=RUN["failed"], skipped=RUN["skipped"])
