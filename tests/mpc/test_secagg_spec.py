"""The specification's example runs as printed, and its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from governance.encoding import KINDS
from mpc.secagg import messages, opening
from mpc.secagg.keys import LABEL

SPEC = (Path(__file__).parents[2] / "docs/specs/secagg.md").read_text()


def test_the_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", SPEC, re.S)
    exec(compile(example, "docs/specs/secagg.md", "exec"), {})


def test_kinds_and_label_are_those_of_the_code():
    named = set(re.findall(r"`(keyong/secagg/[a-z]+/v1)`", SPEC))
    assert named == {c.kind for c in (messages.Upload, messages.Consent, messages.Reveal, messages.Abstention)}
    assert named <= KINDS.keys()
    assert f'"{LABEL}"' in SPEC
    assert f"{opening.TRIES:,} sets" in SPEC
