"""The README's code runs as it stands, in both languages: on its own tables, in the demo's federation, and the library."""

from __future__ import annotations

import re

import pytest
import records

from federated.local import Federation
from federated.verify import Bundle, verify
from sandbox.job import read_file

ROOT = records.EXAMPLES.parent
READMES = {"README.md": "en_GB.UTF-8", "README.zh.md": "zh_CN.UTF-8"}


def code(page):
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def run(source, page):
    names: dict[str, object] = {}
    exec(compile(source, page, "exec"), names)
    return names


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """What `keyong demo --keep trial --serve` leaves running."""
    purpose = read_file((records.EXAMPLES / "heart" / "model.yaml").read_text())["purpose"]
    sources = {name: f"csv://{records.EXAMPLES}/data/heart-disease/{file}.csv" for name, file in records.HOSPITALS.items()}
    dataset = (records.EXAMPLES / "heart" / "dataset.yaml").read_text()
    with Federation(tmp_path_factory.mktemp("trial"), dataset, sources, purpose=purpose) as federation:
        yield federation.found()


@pytest.mark.parametrize("page", READMES)
def test_a_simulation_prints_what_is_shown(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("LC_ALL", READMES[page])
    run(code(page)[0], page)
    shown = (ROOT / page).read_text().split("```python", 2)[1].split("```\n")[2]
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("page", READMES)
def test_a_federation_answers_with_a_bundle_that_verifies(page, trial, monkeypatch, capsys):
    monkeypatch.chdir(trial.path)
    monkeypatch.setenv("LC_ALL", READMES[page])
    names = run(code(page)[1], page)
    assert "thalach" in capsys.readouterr().out
    assert list(names["frame"]["term"]) == ["Intercept", "age", "sex[male]", "thalach"]
    saved = Bundle.read((trial.path / "bundle.json").read_bytes().rstrip())
    assert verify(saved, names["hub"].roots.newest).result.to_dict() == names["result"].to_dict()


@pytest.mark.parametrize("page", READMES)
def test_the_library_does_what_is_shown(page, capsys):
    run(code(page)[2], page)
    mean, noisy = capsys.readouterr().out.splitlines()
    assert mean in code(page)[2]
    assert re.fullmatch(r"-?\d+, -?\d+, -?\d+ ± 1\.4 persons  \(ε 1\)", noisy)


def test_both_languages_show_the_same_code():
    english, chinese = ([re.sub("#.*", "", body) for body in code(page)] for page in READMES)
    assert [[line.rstrip() for line in body.splitlines()] for body in english] == [
        [line.rstrip() for line in body.splitlines()] for body in chinese
    ]
