"""The specification's example runs as printed, and its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from governance.encoding import KINDS
from mpc.he.paillier import threshold
from mpc.secagg.terms import Vector
from mpc.threshold import messages
from mpc.threshold.keys import LABEL
from mpc.threshold.packing import FREE, slots

TEXT = (Path(__file__).parents[2] / "docs/specs/threshold.md").read_text()
SPEC = " ".join(TEXT.split())
CODE = [path.read_text() for folder in ("mpc/threshold", "mpc/he/paillier") for path in (Path(__file__).parents[2] / folder).glob("*.py")]


def test_the_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(compile(example, "docs/specs/threshold.md", "exec"), {})


def test_kinds_labels_and_numbers_are_those_of_the_code():
    named = set(re.findall(r"`(keyong/threshold/[a-z]+/v1)`", SPEC))
    assert named == {c.kind for c in (messages.Deal, messages.Upload, messages.Consent, messages.Partial, messages.Abstention)}
    assert named <= KINDS.keys()
    assert f'"{LABEL}"' in SPEC
    labels = {label for text in CODE for label in re.findall(r'"(keyong threshold [a-z]* ?v1)"', text)}
    assert len(labels) == 5
    assert all(f'"{label}"' in SPEC for label in labels)
    assert "3,072 bits; 2,048 on request" in SPEC
    assert set(threshold.SIZES) == {3072, 2048}
    assert f"no factor below {threshold.SMALL:,}" in SPEC
    fit = [slots(Vector("v", bits, 1), members=255, colluding=1, bits=3072)[1] for bits in (32, 64, 128, 252)]
    assert fit == [24, 18, 12, 7]
    assert "24 elements of 32 bits, 18 of 64, 12 of 128, 7 blinders" in SPEC
    fit = [slots(Vector("v", bits, 1), members=255, colluding=1, bits=2048)[1] for bits in (32, 64, 128, 252)]
    assert fit == [14, 11, 7, 4]
    assert "of 2,048 bits 14, 11, 7, 4" in SPEC
    assert f"{FREE} c and at most half" in SPEC
