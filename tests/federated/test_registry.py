"""The register as people use it: commands over an authority's folder, requests that travel by hand, the coordinator's copy, a printed page."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import calls
import coordinators
import numpy as np
import pytest
import segno
import zxingcpp

from federated import page, records
from federated.authority import Authority, read_dataset
from federated.coordinator.register import kind_of
from federated.registry import Registry
from governance import certificates, chains, notes, printed, registration
from governance.certificates import Region, Regions
from governance.errors import IntegrityError
from governance.grading import Grading
from governance.keys import SigningKey
from governance.licences import Revocations
from governance.registration import Grade, digest

DATASET = """
dataset: heart
version: 1
title: Heart patients
person: patient
holders: [hospital-a, b, c]
colluding: 1
rows: 1000
columns:
  age: {kind: number, low: 20, high: 90, unit: years}
  sex: {kind: category, levels: [female, male]}
"""
ASSET = """
asset: heart-2024
title: Heart patients 2024
sort: health
responsible: Medical records office
rights: [process, hold]
basis: ["Regulation 26, article 8"]
begins: 2024-01-01
ends: 2024-12-31
size: 1000-to-9999
openness: conditional-paid
"""


class Desk:
    """An authority's folder, a holder, a buyer and a bank, and the commands between them."""

    def __init__(self, path: Path, capsys):
        self.path, self.capsys = path, capsys
        self.home = Authority.create(path / "authority", "city", keys=2, threshold=2).path
        self.authority = Authority.open(self.home)
        self.authority.keep(self.authority.sign(read_dataset(DATASET)))
        self.keys = {name: SigningKey.generate(name) for name in ("hospital-a", "buyer", "bank")}
        for name, key in self.keys.items():
            key.save(path / f"{name}.key")
        (path / "heart.yaml").write_text(DATASET)
        (path / "asset.yaml").write_text(ASSET)
        self.trust, self.asset = self.home / "root.note", self.home / "assets" / "heart-2024.chain"
        self.cert = self.home / "certificates" / "heart-2024.chain"

    def __call__(self, *words, code=0):
        printed_ = calls.keyong(self.capsys, *words, "--json", code=code)
        return json.loads(printed_.out.splitlines()[-1])

    def apply(self, *more, code=0):
        out = self.path / "request.note"
        self(
            "asset",
            "apply",
            self.path / "asset.yaml",
            "--dataset",
            self.path / "heart.yaml",
            "--key",
            self.path / "hospital-a.key",
            "--out",
            out,
            *more,
            code=code,
        )
        return out

    def take(self, step, *more, code=0):
        return self("asset", step, self.path / "request.note", "--home", self.home, *more, code=code)

    def move(self, step, key, to="", code=0, signers=()):
        out = self.path / "move.note"
        more = ("--to", self.keys[to].public) if to else ()
        self("cert", step, self.cert, *more, "--key", self.path / f"{key}.key", "--out", out)
        for signer in signers:
            self("asset", "sign", out, "--key", self.path / f"{signer}.key")
        return self("cert", "accept", out, "--home", self.home, code=code)

    def verify(self, file, code=0):
        return self("cert", "verify", file, "--authority", self.trust, "--revocations", self.home / "revocations.note", code=code)


@pytest.fixture
def desk(tmp_path, capsys):
    return Desk(tmp_path, capsys)


def test_an_asset_from_application_to_cancellation(desk):
    desk.apply()
    assert desk.take("register")["state"] == "register"
    (desk.path / "asset.yaml").write_text(ASSET.replace("1000-to-9999", "100-to-999"))
    first = desk("asset", "show", desk.asset, "--authority", desk.trust)
    assert [row["step"] for row in first["links"]] == ["apply", "register"]
    desk.apply("--after", desk.asset, "--reason", "counted again")
    assert desk.take("register", code=2)["error"] == "usage"
    assert desk.take("change")["state"] == "change"
    listed = notes.read((desk.home / "revocations.note").read_text()).document(Revocations)
    assert listed.revoked == (first["links"][1]["id"],), "the link that the change took the place of"
    desk.apply("--after", desk.asset, "--corrects", first["links"][1]["id"][:12], "--reason", "typing error")
    assert desk.take("correct")["state"] == "correct"
    shown = desk("asset", "show", desk.asset, "--authority", desk.trust)
    assert [row["size"] for row in shown["links"]] == ["1000-to-9999"] * 2 + ["100-to-999"] * 2, "what was wrong is shown"
    assert (shown["links"][3]["corrects"], shown["links"][3]["reason"]) == (first["links"][1]["id"], "typing error")
    assert desk("asset", "list", "--home", desk.home)[0]["state"] == "correct"
    assert desk("asset", "cancel", "heart-2024", "--reason", "closed", "--home", desk.home)["state"] == "cancel"
    assert desk("asset", "cancel", "heart-2024", "--reason", "closed", "--home", desk.home, code=3)["error"] == "asset.step"
    listed = notes.read((desk.home / "revocations.note").read_text()).document(Revocations)
    assert shown["links"][3]["id"] in listed.revoked, "who hides the cancellation shows a link that is on the list"
    assert desk("cert", "issue", "heart-2024", "--home", desk.home, code=3)["error"] == "asset.cancelled"


def test_a_dataset_is_one_asset_at_a_time(desk):
    desk.apply()
    desk.take("register")
    (desk.path / "asset.yaml").write_text(ASSET.replace("heart-2024", "heart-again"))
    desk.apply()
    assert "registered as the asset heart-2024" in desk.take("register", code=2)["en"]
    desk("asset", "cancel", "heart-2024", "--reason", "closed", "--home", desk.home)
    assert desk.take("register")["state"] == "register"
    assert desk.authority.registered("heart")[1].name == "heart-again"


def test_what_people_read(desk):
    calls.keyong(desk.capsys, "asset", "list", "--home", desk.home)
    desk.apply()
    assert (
        "heart-2024: register, link" in calls.keyong(desk.capsys, "asset", "register", desk.path / "request.note", "--home", desk.home).out
    )
    assert "register  Heart patients 2024" in calls.keyong(desk.capsys, "asset", "list", "--home", desk.home).out
    desk.apply(
        "--after", desk.asset, "--corrects", registration.opened(desk.asset.read_text(), desk.authority.trust).head, "--reason", "typo"
    )
    desk.take("correct")
    out = calls.keyong(desk.capsys, "asset", "show", desk.asset, "--authority", desk.trust).out
    assert "correct of " in out and "typo" in out and "1000-to-9999" in out


@pytest.mark.parametrize("old, new, says", [
    (ASSET, "- 1", "file has: asset"), ("title: Heart patients 2024\n", "", "lacks: title"), ("sort:", "sorts:", "did you mean sort"),
    ("2024-01-01", "soon", "no day"), ("size: 1000-to-9999", "size: 1234", "size"), ("title: Heart patients 2024", "title: 5", "must be text"),
    ("[process, hold]", "[sell]", "rights"),
])  # fmt: skip
def test_asset_files_that_are_none(desk, old, new, says):
    (desk.path / "asset.yaml").write_text(ASSET.replace(old, new))
    words = [
        "asset",
        "apply",
        desk.path / "asset.yaml",
        "--dataset",
        desk.path / "heart.yaml",
        "--key",
        desk.path / "hospital-a.key",
        "--out",
        desk.path / "x",
    ]
    assert says in desk(*words, code=2)["en"]


def test_a_request_that_names_no_link(desk):
    desk.apply("--corrects", "ab", "--reason", "typo", code=2)


def test_grades_are_those_of_rules_and_a_persons_word(desk):
    schema = read_dataset(DATASET).schema
    word = notes.write(Grading("heart", digest(schema), "Dr Zhao", 1, (Grade("sex", 4),))).signed_by(desk.keys["hospital-a"])
    (desk.path / "word.note").write_text(str(word))
    desk.apply("--grading", desk.path / "word.note")
    assert "with --grading" in desk.take("register", code=2)["en"]
    assert desk.take("register", "--grading", desk.path / "word.note")["state"] == "register"
    assert {g.column: g.grade for g in Registry.open(desk.home).assets()["heart-2024"].now.manifest.grades} == {"age": 3, "sex": 4}


@pytest.mark.parametrize("old, new, says", [("sex: {", "sex2: {", "other columns"), ("dataset: heart", "dataset: lung", "no dataset")])
def test_a_request_for_another_dataset(desk, old, new, says):
    (desk.path / "heart.yaml").write_text(DATASET.replace(old, new))
    desk.apply()
    assert says in desk.take("register", code=2)["en"]


def test_a_request_with_grades_of_its_own(desk):
    asset = notes.read(desk.apply().read_text()).document(registration.Asset)
    low = registration.Asset(
        **{**{f: getattr(asset, f) for f in asset.__slots__}, "manifest": _with(asset.manifest, grades=(Grade("age", 1), Grade("sex", 1)))}
    )
    (desk.path / "request.note").write_text(str(notes.write(low).signed_by(desk.keys["hospital-a"])))
    assert "grades are not those" in desk.take("register", code=2)["en"]


def _with(document, **changes):
    return type(document)(**{**{f: getattr(document, f) for f in document.__slots__}, **changes})


def test_a_certificate_from_issue_to_cancellation(desk):
    desk.apply()
    desk.take("register")
    number = desk("cert", "issue", "heart-2024", "--home", desk.home)["number"]
    assert "has had its certificate" in desk("cert", "issue", "heart-2024", "--home", desk.home, code=2)["en"]
    assert "cancel that first" in desk("asset", "cancel", "heart-2024", "--reason", "x", "--home", desk.home, code=2)["en"]
    desk.authority.revocations()
    assert desk.verify(desk.cert)["holder"] == "hospital-a"
    old = desk.cert.read_text()
    assert desk.move("pledge", "hospital-a", "bank", code=4)["error"] == "integrity", "the creditor signs too"
    assert desk.move("pledge", "hospital-a", "bank", signers=["bank"])["state"] == "pledge"
    assert desk.move("transfer", "hospital-a", "buyer", signers=["buyer"], code=3)["error"] == "certificate.pledged"
    assert desk.move("release", "bank")["state"] == "release"
    assert desk.move("transfer", "hospital-a", "buyer", signers=["buyer"])["state"] == "transfer"
    assert desk.verify(desk.cert)["holder"] == "buyer"
    new = desk.cert.read_text()
    (desk.path / "old.chain").write_text(old)
    desk(
        "cert",
        "transfer",
        desk.path / "old.chain",
        "--to",
        desk.keys["bank"].public,
        "--key",
        desk.path / "hospital-a.key",
        "--out",
        desk.path / "twice.note",
    )
    desk("asset", "sign", desk.path / "twice.note", "--key", desk.path / "bank.key")
    assert desk("cert", "accept", desk.path / "twice.note", "--home", desk.home, code=3)["error"] == "certificate.spent"
    assert desk.cert.read_text() == new
    assert desk("cert", "cancel", "heart-2024", "--home", desk.home)["number"] == number
    assert desk.verify(desk.cert, code=3)["error"] == "certificate.cancelled"
    (desk.path / "old.chain").write_text(new)
    assert desk.verify(desk.path / "old.chain", code=3)["error"] == "certificate.superseded", "by the list, where the last link is withheld"


def test_a_page_of_before_a_transfer_or_a_pledge_is_not_in_force(desk):
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home)
    shown = []
    for words in (("transfer", "hospital-a", "buyer"), ("pledge", "buyer", "bank"), ("release", "bank")):
        (old := desk.path / f"{words[0]}.chain").write_text(desk.cert.read_text())
        (scanned := desk.path / f"{words[0]}.txt").write_text(page.proof(certificates.opened(old.read_text(), desk.authority.trust)))
        desk.move(*words, signers=list(words[2:]))
        shown += [old, scanned]
        assert desk.verify(desk.cert)["state"] == words[0]
        assert {desk.verify(file, code=3)["error"] for file in shown} == {"certificate.superseded"}


def test_links_of_a_certificate_whose_time_has_passed_leave_the_list(desk, monkeypatch):
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home, "--days", 1)
    desk.move("transfer", "hospital-a", "buyer", signers=["buyer"])
    first, _ = (link.id for link in chains.read(desk.cert.read_text()))
    file = desk.home / "revocations.note"
    assert first in notes.read(file.read_text()).document(Revocations).revoked
    later = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    desk("cert", "cancel", "heart-2024", "--home", desk.home)
    assert first not in notes.read(file.read_text()).document(Revocations).revoked
    assert desk.verify(desk.cert, code=3)["error"] == "certificate.cancelled"


def test_a_page_is_printed_scanned_and_verified(desk):
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home)
    desk.move("transfer", "hospital-a", "buyer", signers=["buyer"])
    desk.authority.revocations()
    shown = desk("cert", "print", desk.cert, "--authority", desk.trust, "--out", desk.path / "page.html")
    html = (desk.path / "page.html").read_text()
    assert "http" not in html.replace('http-equiv="', "").replace("http://www.w3.org/2000/svg", "") and "<script" not in html
    assert shown["number"] in html and "buyer" in html and "凭证编号" in html
    scanned = scan(html)
    assert scanned == shown["proof"] and len(scanned) <= printed.MOST
    (desk.path / "scanned.txt").write_text(scanned + "\n")
    assert desk.verify(desk.path / "scanned.txt")["holder"] == "buyer"
    desk("cert", "cancel", "heart-2024", "--home", desk.home)
    assert desk.verify(desk.path / "scanned.txt", code=3)["error"] == "certificate.superseded"
    assert "does not say that the certificate is in force" in html and "有效 in force" not in html


def scan(html: str) -> str:
    """What zxing reads of the page's code, drawn in dots from its path: each module is a run of a line at a half height."""
    import re

    width = int(re.search(r'viewBox="0 0 (\d+) \1"', html)[1])
    dots = np.full((width, width), 255, np.uint8)
    x, y = 0.0, 0.0
    for command, a, b in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", re.search(r' d="([^"]+)"', html)[1]):
        if command == "h":
            dots[int(y), int(x) : int(x + float(a))] = 0
            x += float(a)
        else:
            x, y = (float(a), float(b)) if command == "M" else (x + float(a), y + float(b))
    (found,) = zxingcpp.read_barcodes(np.kron(dots, np.ones((4, 4), np.uint8)))
    return found.text


def test_the_code_is_one_that_a_scanner_reads_as_text(desk):
    desk.apply()
    desk.take("register")
    chain = Registry.open(desk.home).issue("heart-2024", days=30)
    code = page.code(chain)
    assert isinstance(code, segno.QRCode) and code.mode == "alphanumeric" and code.error == "M"
    assert certificates.standing(printed.unpack(page.proof(chain)), desk.authority.trust) == chain.now


def test_a_certificate_of_another_region(desk, tmp_path):
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home)
    desk.authority.revocations()
    own = Authority.create(tmp_path / "other", "other-city")
    region = Region("taizhou", tuple(str(k) for k in desk.authority.trust.keys), 2, ("health",), ("hold",))
    (tmp_path / "regions.note").write_text(own.sign(Regions(1, 0, 10**10, (region,))))
    words = ["cert", "verify", desk.cert, "--authority", own.path / "root.note", "--revocations", desk.home / "revocations.note"]
    assert desk(*words, "--region", "taizhou", "--regions", tmp_path / "regions.note")["rights"] == ["hold"]
    assert desk(*words, code=4)["error"] == "integrity"
    assert desk(*words, "--region", "taizhou", code=2)["error"] == "usage"


# --- grades and exports


def test_a_person_settles_grades_by_command(desk):
    file, word = desk.path / "heart.yaml", desk.path / "word.note"
    file.write_text(DATASET + "  xyz: {kind: category, levels: [a, b]}\n")
    rows = {row["column"]: row for row in desk("catalogue", "grade", file)}
    assert (rows["age"]["grade"], rows["sex"]["grade"], rows["xyz"]["grade"], rows["xyz"]["known"]) == (3, 3, 5, False)
    assert "xyz              5  unknown" in calls.keyong(desk.capsys, "catalogue", "grade", file).out
    assert "give --set, or leave --out" in desk("catalogue", "grade", file, "--out", word, code=2)["en"]
    assert not word.exists()
    settle = ["catalogue", "grade", file, "--set", "xyz=2", "--set", "age=1", "--person", "Dr Zhao"]
    rows = {row["column"]: row["grade"] for row in desk(*settle, "--key", desk.path / "hospital-a.key", "--out", word)}
    assert rows == {"age": 3, "sex": 3, "xyz": 3}, "the catalogue's grade and the rules' are the least"
    assert "--key" in desk(*settle, code=2)["en"]
    for wrong in (["--set", "xyz=9", "--person", "x"], ["--set", "xyz=1"], ["--set", "abc=1", "--person", "x"]):
        desk("catalogue", "grade", file, *wrong, code=2)
    desk.apply("--grading", word)


def test_the_catalogue_is_exported(desk):
    desk.apply()
    desk.take("register")
    export = ["catalogue", "export", "--home", desk.home, "--as"]
    assert desk(*export, "dcat")["dcat:dataset"][0]["dct:title"] == "Heart patients 2024"
    assert "heart-2024,Heart patients 2024,health,hospital-a" in calls.keyong(desk.capsys, *export, "csv").out
    assert desk(*export, "dataspace", "--endpoint", "https://city.example/dsp")["participantId"] == "urn:keyong:party:city-1"
    assert "--endpoint" in desk(*export, "dataspace", code=2)["en"]


@pytest.mark.parametrize("form", ["csv", "dcat"])
def test_a_catalogue_that_was_exported_is_applied_for_and_registered_elsewhere(desk, tmp_path, form):
    """The draft holds all but what its holder says anew; the second register shows the same asset."""
    desk.apply()
    desk.take("register")
    file, drafts = tmp_path / "catalogue", tmp_path / "drafts"
    file.write_text(calls.keyong(desk.capsys, "catalogue", "export", "--home", desk.home, "--as", form).out)
    assert desk("catalogue", "import", file, "--as", form, "--out", drafts) == [str(drafts / "heart-2024.yaml")]
    assert "is there already" in desk("catalogue", "import", file, "--as", form, "--out", drafts, code=2)["en"]
    (tmp_path / "elsewhere").mkdir()
    other = Desk(tmp_path / "elsewhere", desk.capsys)
    (other.path / "asset.yaml").write_text((drafts / "heart-2024.yaml").read_text())
    other.apply()
    other.take("register")
    here, there = (Registry.open(d.home).assets()["heart-2024"].now.manifest for d in (desk, other))
    assert replace(there, holder=here.holder) == here


def test_a_catalogue_with_a_wrong_line_makes_no_draft(desk, tmp_path):
    desk.apply()
    desk.take("register")
    text = calls.keyong(desk.capsys, "catalogue", "export", "--home", desk.home, "--as", "csv").out
    (tmp_path / "c.csv").write_text(text + text.splitlines()[1].replace("heart-2024", "../x") + "\n")
    told = calls.keyong(desk.capsys, "catalogue", "import", tmp_path / "c.csv", "--as", "csv", "--out", tmp_path / "drafts", code=2).err
    assert "line 3: asset must match" in told and not (tmp_path / "drafts").exists()


def test_a_certificate_as_a_credential_of_the_authority_and_of_nobody_else(desk):
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home)
    out = desk.path / "heart.jwt"
    issuer = desk("cert", "credential", "heart-2024", "--home", desk.home, "--out", out)["issuer"]
    read = desk("cert", "read", out, "--authority", desk.trust)
    assert read["issuer"] == {"id": issuer, "name": "city-1"}
    assert read["credentialSubject"]["name"] == "hospital-a" and read["credentialSubject"]["rights"] == ["hold", "process"]
    (desk.path / "elsewhere").mkdir()
    other = Desk(desk.path / "elsewhere", desk.capsys)
    assert "is not signed by" in desk("cert", "read", out, "--authority", other.trust, code=4)["en"]
    head, body, sign = out.read_text().split(".")
    out.write_text(f"{head}.{body[:-2]}AA.{sign}")
    assert desk("cert", "read", out, "--authority", desk.trust, code=4)["error"]
    assert "did you mean heart-2024" in desk("cert", "credential", "heart-2023", "--home", desk.home, "--out", out, code=2)["en"]


# --- the coordinator's copy


def test_the_coordinator_keeps_each_link_in_order_and_in_its_ledger(tmp_path, desk):
    office = coordinators.filled(tmp_path / "journal.db")
    office.roots = desk.authority.roots
    desk.apply()
    desk.take("register")
    desk("cert", "issue", "heart-2024", "--home", desk.home)
    asset, cert = chains.read(desk.asset.read_text()), chains.read(desk.cert.read_text())
    with pytest.raises(IntegrityError):
        office.publish(str(asset[1]))  # registered before it was applied for
    stranger = SigningKey.generate("stranger")
    for note in (*asset, *cert, asset[0]):  # the last again changes nothing
        assert office.publish(str(note.signed_by(stranger))) == (kind_of(note), note.id)
    assert dict(office.documents("asset"))["heart-2024"] == desk.asset.read_text()
    assert office.documents("certificate") == [("heart-2024", desk.cert.read_text())]
    with office.journal.view() as t:
        found = [(e.event, e.subject) for e in t.entries() if e.event.startswith(("asset.", "certificate."))]
        made = records.export(t, str(coordinators.KEYS["coordinator"].public), coordinators.ROOTS)
    events = ["asset.applied", "asset.registered", "certificate.issued"]
    assert found[-3:] == list(zip(events, [n.id for n in (*asset, *cert)], strict=True))
    assert {str(n) for n in (*asset, *cert)} <= set(made.documents)
    assert records.of(made, coordinators.PINNED).published.keys() >= {n.id for n in (*asset, *cert)}
    desk.move("transfer", "hospital-a", "buyer", signers=["buyer"])
    unsigned = notes.Note(chains.read(desk.cert.read_text())[1].text).signed_by(stranger)
    with pytest.raises(IntegrityError) as alarm:
        office.publish(str(unsigned))
    assert alarm.value.code == "integrity.sent"
    office.journal.close()
