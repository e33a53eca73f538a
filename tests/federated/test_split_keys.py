"""An authority whose keys are in two folders: everything that it signs goes through drafts, by the same call again."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import calls
import pytest
from coordinators import KEYS
from test_rotation import DATASET, HOLDERS, city  # noqa: F401

from federated import drafts, records
from federated.authority import Authority
from federated.grants import plan_by
from federated.node import home as homes
from federated.operator import join
from governance import notes
from governance.errors import IntegrityError
from governance.licences import Revocations

ASSET = """
asset: cohort-2024
title: Cohort 2024
sort: health
responsible: Records office
rights: [process, hold]
basis: ["Regulation 26, article 8"]
begins: 2024-01-01
ends: 2024-12-31
size: 1000-to-9999
openness: conditional-paid
"""


class Officers:
    """The city's folder with one key, Li's with another, and the calls between them."""

    def __init__(self, city, capsys):  # noqa: F811
        self.city, self.capsys, self.path = city, capsys, city.path
        self.li = self.path / city.folder("li", "city-2")
        city.folder("safe", "city-3")
        self.drafts = city.authority / "drafts"
        self.passed = 0  # seconds between the calls

    def call(self, *words, code=0):
        self.passed += 3
        printed = calls.keyong(self.capsys, *map(str, words), "--json", code=code)
        return json.loads(printed.out.splitlines()[-1])

    def sign(self):
        """Li signs the one draft that lacks signatures; what it is."""
        (row,) = [row for row in self.call("authority", "drafts", "--home", self.city.authority) if row["lacking"]]
        assert row["signed"] == ["city-1"] and row["unsigned"] == ["city-2", "city-3"]
        self.call("authority", "sign", row["file"], "--home", self.li)
        return row["kind"]

    def through(self, *words, kinds, card="--coordinator"):
        """The same call, before and after each of the drafts of *kinds* is signed; what it says at the end."""
        words = [*words, "--home", self.city.authority, *([card, self.city.card] if card else [])]
        for kind in kinds:
            told = self.call(*words, code=75)
            assert told["error"] in ("draft", "draft.plan") and "1 of 2 have signed" in told["en"] and "已签 1" in told["zh"]
            before = sorted(self.drafts.iterdir())
            self.call(*words, code=75)
            assert sorted(self.drafts.iterdir()) == before, "the same call makes no other draft"
            assert self.sign() == kind
        done = self.call(*words)
        assert not list(self.drafts.glob("*.note")), "what is done is no draft"
        return done

    def token(self, name, role):
        words = ["authority", "enrol", name, "--organisation", f"House {name}", "--role", role, "--coordinator", self.city.card,
                 "--home", self.city.authority]  # fmt: skip
        assert "--signed" in self.call(*words, code=75)["en"]
        (file,) = self.drafts.glob("*.note")
        said = calls.keyong(self.capsys, "authority", "sign", str(file), "--home", str(self.li)).out
        assert f"keyong authority enrol {name} … --signed {file}" in said and f"organisation: House {name}" in said and " UTC" in said
        return self.call(*words, "--signed", file)["token"]


@pytest.fixture
def officers(city, capsys, monkeypatch):  # noqa: F811
    made, real = Officers(city, capsys), time.time
    monkeypatch.setattr(time, "time", lambda: real() + made.passed)
    return made


def test_all_that_the_guide_does_goes_with_keys_in_two_folders(officers):
    path, call = officers.path, officers.call
    for name in HOLDERS:
        homes.join(path / name, officers.token(name, "holder"))
    key = join(officers.token("lab", "operator"), path / "lab.key")
    for name, text in (("dataset.yaml", DATASET), ("asset.yaml", ASSET), ("letter.txt", "too slow")):
        (path / name).write_text(text)
    officers.through("authority", "dataset", path / "dataset.yaml", kinds=["dataset"])
    request, holder = path / "request.note", path / HOLDERS[0] / "node.key"
    applying = ["asset", "apply", path / "asset.yaml", "--dataset", path / "dataset.yaml", "--key", holder, "--out", request]
    call(*applying)
    officers.through("asset", "register", request, kinds=["asset", "asset"])
    officers.through("cert", "issue", "cohort-2024", kinds=["certificate"])
    (path / "plan.note").write_text(str(plan_by(key)))
    granting = ["authority", "licence", key.public, "--dataset", "cohort", "--columns", "age", "--purposes", "x", "--methods", "describe@1",
                "--plan", path / "plan.note"]  # fmt: skip
    lic = officers.through(*granting, kinds=["contingency", "licence", "revocations"])["licence"]
    assert [row["licence"] for row in call("authority", "licences", "--home", officers.city.authority)] == [lic]
    again = officers.through(*granting, "--uses", 7, kinds=["licence"])["licence"]
    assert again != lic, "a plan that stands is not signed again"
    officers.through("authority", "price", "cohort", "--unit", "call", "--fen", 1, "--highest", 2, "--ceiling", 9, kinds=["price"])
    officers.through("incident", "open", "leak", kinds=["incident"])
    officers.through("authority", "revoke", f"lic-{again[:12]}", kinds=["revocations"])
    asset = officers.city.authority / "assets" / "cohort-2024.chain"
    (path / "asset.yaml").write_text(ASSET.replace("Cohort 2024", "Cohort of 2024"))
    call(*applying, "--after", asset, "--reason", "a better title")
    officers.through("asset", "change", request, kinds=["asset", "revocations"])
    officers.through("cert", "cancel", "cohort-2024", kinds=["certificate", "revocations"])
    officers.through("asset", "cancel", "cohort-2024", "--reason", "closed", kinds=["revocations", "asset"])


def test_a_plan_that_was_published_first_is_found_in_the_folder(officers):
    plan = officers.path / "plan.note"
    key = join(officers.token("lab", "operator"), officers.path / "lab.key")
    plan.write_text(str(plan_by(key)))
    authority = Authority.open(officers.city.authority)
    with pytest.raises(Exception, match="the plan must be signed first"):
        authority.plan(plan.read_text())
    (file,) = officers.drafts.glob("*.note")
    officers.call("authority", "sign", file, "--home", officers.li)
    officers.call("authority", "publish", file, "--home", officers.city.authority, "--coordinator", officers.city.card)
    assert not file.exists()
    assert notes.read(authority.plan(plan.read_text())).id == notes.read(plan.read_text()).id


def test_another_content_is_another_draft_and_a_line_under_anothers_name_counts_for_nothing(officers):
    source = officers.path / "dataset.yaml"
    source.write_text(DATASET)
    words = ["authority", "dataset", source, "--home", officers.city.authority, "--coordinator", officers.city.card]
    officers.call(*words, code=75)
    source.write_text(DATASET.replace("rows: 1000", "rows: 2000"))
    officers.call(*words, code=75)
    files = sorted(officers.drafts.glob("*.note"))
    assert len(files) == 2
    for file in files:
        line = notes.read(file.read_text()).signatures[0]
        file.write_text(file.read_text().replace(str(line), str(line).replace("city-1", "city-2")))
    assert officers.call(*words, code=75)["error"] == "draft"
    with pytest.raises(IntegrityError):
        line = notes.read(files[0].read_text()).signatures[-1]
        forged = replace(notes.read(files[0].read_text()), signatures=(replace(line, value=bytes(len(line.value))),))
        files[0].write_text(str(forged))
        authority = Authority.open(officers.city.authority)
        authority.approved(replace(forged, signatures=()))


@pytest.mark.parametrize(
    ("later", "longer", "revoked", "same"),
    [(60, 0, (), True), (0, 0, (), True), (60, 60, (), False), (drafts.LONGEST + 1, 0, (), False), (60, 0, ("b" * 64,), False)],
    ids=["later", "at once", "valid for longer", "too late", "other words"],
)
def test_a_draft_is_taken_up_by_the_same_call_alone(officers, later, longer, revoked, same):
    authority = Authority.open(officers.city.authority)
    authority.keep_draft(authority.draft(Revocations(1, 1000, 2000, ())))
    found = drafts.begun(authority.path, Revocations(1, 1000 + later, 2000 + later + longer, revoked))
    assert (found is not None) == same


def test_parties_are_listed_and_withdrawn_by_their_names(officers):
    here, file = officers.city, officers.path / "records.json"
    key = join(officers.token("lab", "operator"), officers.path / "lab.key")
    with here.office.journal.view() as t:
        file.write_text(records.write(records.export(t, str(KEYS["coordinator"].public), here.office.roots)))
    listing = ["authority", "parties", file, "--home", here.authority]
    rows = {row["name"]: row for row in officers.call(*listing)}
    assert rows.keys() == {"coordinator", "lab"}
    assert rows["lab"] == {"name": "lab", "organisation": "House lab", "role": "operator", "key": str(key.public),
                           "fingerprint": key.public.fingerprint, "withdrawn": False}  # fmt: skip
    words = ["authority", "withdraw", "--home", here.authority, "--coordinator", here.card, "--records", file]
    assert "did you mean lab" in officers.call(*words, "lob", code=2)["en"]
    officers.call(*words, "lab", code=75)
    assert officers.sign() == "revocations"
    (draft,) = officers.drafts.glob("*.note")
    officers.call("authority", "publish", draft, "--home", here.authority, "--coordinator", here.card)
    assert [row["withdrawn"] for row in officers.call(*listing)] == [name == "lab" for name in rows]
    assert not draft.exists()
