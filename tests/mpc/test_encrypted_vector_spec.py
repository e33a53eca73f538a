"""The specification's example runs as printed, and its numbers are the code's."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mpc.he import layout, vector
from mpc.he.paillier import heu, private, public

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "docs/specs/encrypted-vectors.md").read_text()


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r"```python\n(.*?)```", SPEC, re.S)
    exec(compile(example, "docs/specs/encrypted-vectors.md", "exec"), {})
    assert os.getcwd() == str(ROOT)


def test_numbers_and_labels_are_those_of_the_code():
    sizes = [int(size) for size in re.findall(r"^\| (\d+) \|", SPEC, re.M)]
    assert sum(sizes) == vector.HEADER.size == 74
    for magic in (vector.MAGIC, public.MAGIC, private.MAGIC, public.LABEL):
        assert f"`{magic.decode()}`" in SPEC
    assert (public.LEAST_BITS, public.MOST_BITS, public.SMALL_FACTORS, public.SHORT_EXPONENT) == (2048, 16384, 10_000, 512)
    assert (public.WIDEST_SLOT, private.SUBGROUP_BITS, heu.OBJECTS, heu.NAME) == (62, 256, 20, b"ciphertext")
    assert (layout.WIDEST_TERM, layout.MOST_TERMS, layout.LONGEST) == (2**62 - 1, 2**63 - 1, 2**31 - 1)
    assert all(f"`{profile}`" in SPEC for profile in public.PROFILES)
