"""The demo runs as real processes, tells the truth, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("holders", [4, 3])
def test_the_demo_shows_what_it_promises_and_leaves_nothing(tmp_path, holders):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", "from federated.cli import main; main()", "demo", "--json", "--holders", str(holders)]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert seen.returncode == 0, seen.stderr
    report = json.loads(seen.stdout)
    steps = {step["name"]: step for step in report["steps"]}
    assert list(steps) == ["founding", "describe", "logistic regression", "crosstab", "refusal", "kill -9", "verify"]
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
