"""The demo runs as real processes, tells the truth, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import psutil
import pytest
from rich.cells import cell_len

import federated
from federated.demo import command
from federated.progress import line, place
from federated.results import result
from federated.stage import Terminal
from sandbox.messages import Kind, Status, step


@pytest.mark.parametrize("holders", [4, 3])
def test_the_demo_shows_what_it_promises_and_leaves_nothing(tmp_path, holders):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", "from federated.cli import main; main()", "demo", "--json", "--holders", str(holders)]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert seen.returncode == 0, seen.stderr
    report = json.loads(seen.stdout)
    steps = {step["name"]: step for step in report["steps"]}
    assert list(steps) == ["founding", "describe", "logistic regression", "crosstab", "refusal", "kill -9", "verify", "settle"]
    settled = steps["settle"]
    fen = 10_000 * settled["releases"]
    assert settled["releases"] >= 4 and settled["owed"] == {"Data Operations Ltd": fen}, "100 yuan each; a refused job costs nothing"
    assert len(settled["due"]) == holders + 1 and sum(settled["due"].values()) == fen
    assert report["pooled_difference"] < 1e-9
    assert report["bundle_verified"]
    assert steps["crosstab"]["suppressed"]
    assert steps["refusal"]["code"] == "licence.column"
    assert "fbs" in steps["refusal"]["zh"]
    assert steps["kill -9"]["killed_at"]
    assert steps["kill -9"]["survivors"] == holders
    assert not list(Path(tmp_path).iterdir()), "a file was left"
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if any(str(tmp_path) in part for part in p.info["cmdline"] or [])]
    assert not left, "a process was left"


def test_where_the_locale_is_chinese_the_demo_speaks_chinese_and_its_report_stays_as_it_is(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "LC_ALL": "zh_CN.UTF-8", "PYTHONUTF8": "1", "COLUMNS": "80"}
    command = [sys.executable, "-c", "from federated.cli import main; main()", "demo", "--holders", "3"]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment).stdout
    assert all(cell_len(row) <= 80 for row in seen.splitlines())
    for words in (
        "三家医院",
        "1 组建联邦",
        "2 描述统计",
        "标准差",
        "3 逻辑回归",
        "优势比",
        "从未被打开",
        "已拒绝：licence.column",
        "三家持有方不容许",
        "全部签名和证明均成立",
        "逐字节相同",
    ):
        assert words in seen
    assert not [word for word in ("hospitals", "licence does not", "signed", "persons", "Next:") if word in seen]


def test_it_is_called_by_the_name_that_will_do_next_time(tmp_path, monkeypatch):
    for folder in ("bin", "venv"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keyong").touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for called, says in ((tmp_path / "bin" / "keyong", "keyong"), ("venv/keyong", "venv/keyong"), ("-c", "keyong")):
        monkeypatch.setattr("sys.argv", [str(called)])
        assert command() == says


def test_an_installed_package_finds_the_data_of_the_source_that_it_is_run_in(tmp_path):
    root = Path(federated.__file__).parents[1]
    shutil.copytree(root / "federated", tmp_path / "federated", ignore=shutil.ignore_patterns("__pycache__"))
    ask = [sys.executable, "-P", "-c", "import federated.demo as d; print(d.__file__); print(d.EXAMPLES)"]
    told = subprocess.run(
        ask, cwd=root, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{root}"}, capture_output=True, text=True, check=True
    ).stdout
    assert told.splitlines() == [str(tmp_path / "federated" / "demo.py"), str(root / "examples")]


TERMS = [
    ("Intercept", "-0.50585", "0.89492"),
    ("age", "0.030129", "0.010220"),
    ("sex[male]", "1.42010", "0.21689"),
    ("thalach", "-0.021412", "0.0038"),
]


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
def test_a_regression_fits_a_terminal_without_wrapping(monkeypatch, capsys, columns, locale):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LC_ALL", locale)
    outcome = {"terms": [{"term": t, "coef": c, "se": s} for t, c, s in TERMS]}
    document = {
        "analysis": "logistic_regression@1",
        "title": "",
        "dataset": "",
        "min_cell": 10,
        "dealers": [],
        "rounds": 3,
        "suppressed": [],
        "outcome": outcome,
    }
    head, rows = result(document, "f" * 64, holders="abc", survivors="abc", signers="abc", entry=1).table()
    Terminal().show("", head=head, rows=rows)
    printed = capsys.readouterr().out.splitlines()
    assert [row.split() for row in printed[1:]] == rows
    assert max(map(cell_len, printed)) <= 80


def test_what_wraps_stays_to_the_right_of_what_it_belongs_to(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    stage = Terminal()
    stage.begin("verify", "a text that is too long for one line of this terminal")
    stage.show("a check that is too long for one line of this terminal")
    stage.end(1.0, "an outcome that is too long for one line of this terminal")
    assert [row[:4] for row in capsys.readouterr().out.splitlines()] == ["", "1 ve", "    ", "  a ", "    ", "  ✓ ", "    "]


def test_a_place_is_told_in_words():
    assert place("0.0.upload", "en") == "round 0, local step and upload"
    assert place("accept", "zh") == "各持有方审核中"
    assert place("deal", "en") == "the dealers make keys"
    for kind in set(get_args(Kind)) - {"stop"}:  # which no job stands at
        assert place(step(kind), "en") and place(step(kind), "zh")
    status = Status("f" * 64, "t", "d", "describe@1", "o", "running", "2.0.reveal", ("zurich",), "", "", "", 0, 9, 1)
    assert line(status, "zh") == "ffffffffffff  运行中  第 2 轮，打开合计  (等待 zurich)"
