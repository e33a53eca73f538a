"""The guide's code runs as it is shown, in both languages, and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


@pytest.mark.parametrize("page", ["secret-sharing.md", "secret-sharing.zh.md"])
def test_the_guide_prints_what_it_shows(page):
    shown = re.findall(r"^```python\n(.*?)^```\n```\n(.*?)^```$", (GUIDES / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) >= 4
    names: dict[str, object] = {}
    for code, prints in shown:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, page, "exec"), names)
        assert said.getvalue() == prints
