"""The guide to encrypted vectors runs as it is shown, in both languages, and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from governance.errors import UsageError
from mpc import he
from tests.mpc.paillier_keys import box_of

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["guides/encrypted-vectors.md", "guides/encrypted-vectors.zh.md", "specs/bfv.md"])
def test_the_page_does_what_it_shows(page, tmp_path, monkeypatch):
    if page.startswith("guides"):  # it writes files
        monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    shown = re.findall(r"^```python\n(.*?)^```$(?:\n```\n(.*?)^```$)?", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for code, expected in shown:
        with redirect_stdout(io.StringIO()) as said:
            exec(compile(code, page, "exec"), names)
        assert said.getvalue() == expected


VECTORS = {
    'BFV, `use="sums"`': lambda: he.bfv.generate(bound=10, step=1, terms=100).public.encrypt(range(5)),
    'BFV, `use="matrices"`': lambda: he.bfv.generate(bound=10, step=1, terms=100, use="matrices").public.encrypt(range(5)),
    'BFV, `use="entries"`': lambda: he.bfv.generate(bound=10, step=1, terms=100, use="entries").public.encrypt(range(5)),
    "Paillier": lambda: box_of(range(5), terms=100),
    "Paillier, `packed=False`": lambda: box_of(range(5), terms=100, packed=False),
}
CALLS = (
    lambda box: [box + box, box - box, 3 * box, box * he.Factor.declare(0.5, bound=1, step=0.25)], lambda box: box.sum(), lambda box: box[1:3],
    lambda box: box @ np.ones((5, 2), int), lambda box: box * range(5),
)  # fmt: skip


@pytest.mark.parametrize("page", ["encrypted-vectors.md", "encrypted-vectors.zh.md"])
@pytest.mark.parametrize("declared", VECTORS)
def test_a_vector_can_do_what_the_table_says(page, declared):
    name = declared.replace(", ", "，") if "zh" in page else declared
    row = re.findall(rf"^\| {re.escape(name)}(?: ?[(（].*?[)）])? \|(.*)\|$", (DOCS / "guides" / page).read_text(), re.MULTILINE)
    cells, box = [cell.strip() in ("yes", "可以") for cell in row[0].split("|")], VECTORS[declared]()
    for can, call in zip(cells, CALLS, strict=True):
        with contextlib.nullcontext() if can else pytest.raises(UsageError):
            call(box)


def test_sizes_are_what_the_guide_shows():
    text = (DOCS / "guides/encrypted-vectors.md").read_text()
    x = np.zeros(100_000)
    bfv, ckks = he.bfv.generate(bound=1e4, step=2**-22, terms=10), he.ckks.generate(bound=1e4, error=0.01, terms=10)
    for row, numbers, form in [("bytes a number", x, "{:.1f}"), ("bytes of two numbers", x[:2], "{:,}")]:
        cells = [cell.strip(" *") for cell in re.findall(rf"^\| {row} \|(.*)\|$", text, re.MULTILINE)[0].split("|")]
        sizes = [len(encrypt(numbers).to_bytes()) for encrypt in (bfv.public.encrypt, bfv.encrypt, ckks.public.encrypt)]
        expected = [form.format(size / len(numbers) if form == "{:.1f}" else size) for size in sizes]
        assert [cells[0], cells[1], cells[3]] == expected
