"""The guide to encrypted vectors runs as it is shown, in both languages, and prints what it shows."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from mpc import he

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["guides/encrypted-vectors.md", "guides/encrypted-vectors.zh.md", "specs/bfv.md"])
def test_the_page_does_what_it_shows(page):
    names: dict[str, object] = {}
    shown = re.findall(r"^```python\n(.*?)^```$(?:\n```\n(.*?)^```$)?", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for code, expected in shown:
        with redirect_stdout(io.StringIO()) as said:
            exec(compile(code, page, "exec"), names)
        assert said.getvalue() == expected


def test_sizes_are_what_the_guide_shows():
    text = (DOCS / "guides/encrypted-vectors.md").read_text()
    x = np.zeros(100_000)
    bfv, ckks = he.bfv.generate(bound=1e4, step=2**-22, terms=10), he.ckks.generate(bound=1e4, error=0.01, terms=10)
    for row, numbers, form in [("bytes a number", x, "{:.1f}"), ("bytes of two numbers", x[:2], "{:,}")]:
        cells = [cell.strip(" *") for cell in re.findall(rf"^\| {row} \|(.*)\|$", text, re.MULTILINE)[0].split("|")]
        sizes = [len(encrypt(numbers).to_bytes()) for encrypt in (bfv.public.encrypt, bfv.encrypt, ckks.public.encrypt)]
        expected = [form.format(size / len(numbers) if form == "{:.1f}" else size) for size in sizes]
        assert [cells[0], cells[1], cells[3]] == expected
