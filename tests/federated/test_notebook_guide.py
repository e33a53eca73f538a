"""The notebook guide's code runs as it is shown, in both languages, and prints what it shows."""

from __future__ import annotations

import re

import pytest
import records

GUIDES = records.EXAMPLES.parent / "docs" / "guides"


@pytest.mark.parametrize("page, language", [("notebook.md", "en"), ("notebook.zh.md", "zh")])
def test_the_guide_does_what_it_shows(monkeypatch, page, language):
    monkeypatch.chdir(records.EXAMPLES.parent)
    _, code, shown = re.findall(r"^```\w*\n(.*?)^```$", (GUIDES / page).read_text(), re.MULTILINE | re.DOTALL)[:3]
    names: dict[str, object] = {}
    exec(compile(code, page, "exec"), names)
    assert names["sim"].schema["cp"].codes == ("1", "2", "3", "4")
    assert shown in names["result"].summary(language)
