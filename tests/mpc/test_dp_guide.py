"""The guide's code runs as it is shown, in both languages, and prints what it shows; numbers with noise differ, so only their form is compared."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"(?<![\w.])-?\d+(?=[, ].*±)")  # a number with noise: whole, before its error


@pytest.mark.parametrize("page", ["differential-privacy.md", "differential-privacy.zh.md"])
def test_the_guide_does_what_it_shows(page):
    text = (ROOT / "docs" / "guides" / page).read_text()
    pairs = re.findall(r"^```python\n(.*?)^```\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(pairs) == text.count("```python") == 5
    names: dict[str, object] = {}
    for code, shown in pairs:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, page, "exec"), names)
        assert NUMBER.sub("N", out.getvalue()) == NUMBER.sub("N", shown)


def test_no_noise_comes_from_a_generator_of_numpy():
    for path in (ROOT / "mpc" / "dp").glob("*.py"):
        assert "np.random" not in path.read_text(), path
