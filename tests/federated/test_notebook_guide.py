"""The notebook guide's code runs as it is shown, in both languages, and prints what it shows; so does its example of a condition."""

from __future__ import annotations

import re

import pytest
import records

from federated import Describe

GUIDES = records.EXAMPLES.parent / "docs" / "guides"


@pytest.mark.parametrize("page, language", [("notebook.md", "en"), ("notebook.zh.md", "zh")])
def test_the_guide_does_what_it_shows(monkeypatch, small_keys, page, language):
    monkeypatch.chdir(records.EXAMPLES.parent)
    text = (GUIDES / page).read_text()
    _, code, shown = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[:3]
    names: dict[str, object] = {}
    exec(compile(code, page, "exec"), names)
    assert names["sim"].schema["cp"].codes == ("1", "2", "3", "4")
    assert shown in names["result"].summary(language)
    where = re.findall(r'`sim\.run\(…, where="(.*?)"\)`', text)[0]
    assert names["sim"].run(Describe(("age",)), where=where).outcome["columns"][0]["n"] > 500
    *_, encrypted = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert encrypted in (GUIDES / "notebook.md").read_text()
    if language == "en":
        exec(compile(encrypted, page, "exec"), names)
        assert names["result"].provenance.dealers == ("budapest", "cleveland", "long-beach")
