"""The authority's folder: what it signs can be read by others, and what people write in a dataset file is what is registered."""

from __future__ import annotations

import re
import time
from pathlib import Path

import licensing
import pytest

from federated import grants
from federated.authority import Authority, read_dataset, read_root
from federated.tokens import Token
from governance import notes
from governance.catalogue import Dataset
from governance.errors import DecodeError, Refused, Unavailable, UsageError
from governance.keys import SigningKey
from governance.licences import Licence, Revocations
from governance.parties import enrol, read_enrolment
from governance.registration import Grade

HEART = Path(__file__).parents[2] / "examples" / "heart" / "dataset.yaml"
FILE = """
dataset: heart
version: 1
title: heart
person: patient
holders: [c, a, b]
colluding: 1
rows: 1000
columns:
  age: {kind: number, low: 20, high: 90.5, cuts: [40, 60.5]}
  age_band: {kind: band, of: age, cuts: [40], levels: [young, old], grade: 4, title: Age}
  sex: {kind: category, levels: [female, male], codes: [0, 1]}
"""


def test_a_dataset_file_becomes_the_entry_that_it_says():
    entry = read_dataset(FILE)
    assert entry.holders == ("a", "b", "c")
    assert (entry.schema["age"].bounds, entry.schema["age"].cuts) == ((20.0, 90.5), ("40", "60.5"))
    assert entry.schema["sex"].codes == ("0", "1")
    assert (entry.schema["age_band"].grade, entry.schema["age_band"].title) == (4, "Age")
    assert notes.write(entry).document(Dataset) == entry


def test_the_example_is_one():
    entry = read_dataset(HEART.read_text())
    assert notes.write(entry).document(Dataset) == entry
    assert entry.schema["disease"].levels == ("no", "yes")


@pytest.mark.parametrize("old, new, says", [
    ("person: patient", "", "lacks: person"), ("version: 1", "version: 1\nmore: 2", "no field more"), ("rows: 1000", "row: 1000", "no field row, did you mean rows?"), (FILE, "- 1", "a dataset file has"),
    ("title: heart", "title: [", "not YAML: line 6, column 8: "), ("title: heart", "title: 2024-13-45", "not YAML"), ("colluding: 1", "colluding: [1]", "colluding must be a whole"),
    ("kind: number", "kind: text", "number, category or band"), ("low: 20, ", "", "column age"), ("of: age, ", "", "column age_band"),
    ("levels: [female, male], ", "", "column sex"), ("grade: 4", "grad: 4", "column age_band called grad, did you mean grade?"), ("[female, male]", "[no, yes]", "with quotes"),
    ("codes: [0, 1]", "codes: [false, true]", "with quotes"), ("low: 20", "low: 95", "low < high"), ("holders: [c, a, b]", "holders: [a, b]", "at least 3"),
    ("{kind: category, levels: [female, male], codes: [0, 1]}", "category", "number, category or band"),
    ("version: 1", "version: x", "field version must be a whole number"), ("version: 1", "version: true", "version must be a whole"),
    ("title: heart", "title: 5", "field title must be text"), ("title: heart", "title:", "lacks: title"),
    ("rows: 1000", "rows: many", "rows must be a whole number"), ("holders: [c, a, b]", "holders: abc", "holders must be a list"),
    ("grade: 4", "grade: x", "grade of column age_band must be a whole number"), ("title: Age", "title: 5", "title of column age_band must be text"),
    ("levels: [young, old]", "levels: yo", "levels of column age_band must be a list"), ("low: 20", "low: x", "low, high and cuts are numbers"),
    ("cuts: [40, 60.5]", "cuts: [x]", "low, high and cuts are numbers"), ("cuts: [40, 60.5]", "cuts: 40", "cuts of column age must be a list"),
    ("cuts: [40, 60.5]", "cuts: [60, 40]", "cut points must rise"),
])  # fmt: skip
def test_a_file_that_is_wrong_is_answered_with_what_is_wrong(old, new, says):
    assert old in FILE
    with pytest.raises(UsageError, match=re.escape(says)):
        read_dataset(FILE.replace(old, new))


@pytest.fixture
def authority(tmp_path):
    made = Authority.create(tmp_path / "authority", "bureau", keys=2, threshold=2)
    made.keep(made.sign(read_dataset(FILE)))
    return made


def test_a_folder_is_made_once_and_opens_again(authority, tmp_path):
    again = Authority.open(tmp_path / "authority")
    assert again.trust == authority.trust
    assert {k.name for k in again.keys} == {"bureau-1", "bureau-2"}
    with pytest.raises(UsageError, match="already"):
        Authority.create(tmp_path / "authority", "bureau")
    with pytest.raises(UsageError, match="no authority"):
        Authority.open(tmp_path)


def test_a_folder_with_one_of_two_keys_signs_nothing(authority, tmp_path):
    (tmp_path / "authority" / "bureau-2.key").unlink()
    with pytest.raises(Unavailable, match="1 of 2 have signed"):
        Authority.open(tmp_path / "authority").sign(read_dataset(FILE))


@pytest.mark.parametrize("changes", [{"min_cell": 2}, {"uses": 0}, {"purposes": ("Research",)}])
def test_it_does_not_sign_a_licence_that_nobody_could_read(authority, changes):
    with pytest.raises(UsageError, match=r"must (be at least|match)"):
        granted(authority, **changes)


def register(authority, name="heart", step="", **manifest):
    """Register the dataset by its holder a."""
    entry, own = notes.opened((authority.path / "datasets" / "heart.note").read_text(), Dataset, authority.trust), SigningKey.generate("a")
    chain = licensing.asset(entry, own, *authority.keys, at=int(time.time()), name=name, **manifest)
    (authority.path / "assets").mkdir(exist_ok=True)
    text = licensing.moved(chain, step, *authority.keys, at=int(time.time())) if step else chain
    (authority.path / "assets" / f"{name}.chain").write_text(text)


@pytest.mark.parametrize("code, registered, changes", [
    ("asset.unregistered", {"schema": "0" * 64}, {}), ("asset.cancelled", {"step": "cancel"}, {}),
    ("asset.free", {"openness": "unconditional-free"}, {"terms": {"price": "a" * 64}}),
    ("asset.free", {"openness": "conditional-free"}, {"terms": {"price": "a" * 64}}), ("licence.grade", {}, {"terms": {"grade": 2}}),
])  # fmt: skip
def test_a_licence_names_only_what_is_registered_graded_and_priced_so(authority, code, registered, changes):
    register(authority, **registered)
    with pytest.raises(Refused) as refusal:
        granted(authority, **changes)
    assert refusal.value.code == code


def test_registration_comes_before_authorisation_and_before_a_price(authority):
    for call in (lambda: authority.registered("heart"), lambda: authority.price("heart", unit="call", fen=1, highest=1, ceiling=9)):
        with pytest.raises(Refused) as refusal:
            call()
        assert refusal.value.code == "asset.unregistered"
    register(authority, openness="conditional-free")
    with pytest.raises(Refused) as refusal:
        authority.price("heart", unit="call", fen=1, highest=1, ceiling=9)
    assert refusal.value.code == "asset.free"


def test_a_licence_goes_up_to_the_registered_grades_of_its_columns(authority):
    register(authority, grades=(Grade("age", 5), Grade("age_band", 4), Grade("sex", 3)))
    assert notes.read(granted(authority)).document(Licence).allow.grade == 5
    assert notes.read(granted(authority, columns=("sex",))).document(Licence).allow.grade == 3


def granted(authority, **changes):
    asked = {
        "dataset": "heart",
        "columns": ("age",),
        "purposes": ("research",),
        "methods": ("describe@1",),
        "min_cell": 10,
        "uses": 5,
        "days": 9,
    }
    operator = SigningKey.generate("op")
    plan = authority.plan(str(grants.plan_by(operator)))
    if not (authority.path / "assets").exists():
        register(authority)
    return authority.licence(str(operator.public), plan=plan, **{**asked, **changes})


@pytest.mark.parametrize("changes, says", [
    ({"columns": ("age", "aeg_band")}, "no column of heart called aeg_band, did you mean age_band?"), ({"columns": ("AGE",)}, "called AGE"),
    ({"methods": ("describe",)}, "did you mean describe@1?"), ({"methods": ("crosstab@2",)}, "did you mean crosstab@1?"),
    ({"dataset": "haert"}, "called haert, did you mean heart?"),
])  # fmt: skip
def test_it_does_not_sign_a_licence_on_what_is_not_registered(authority, changes, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        granted(authority, **changes)


def test_it_does_not_sign_an_entry_or_invitation_that_nobody_could_read(authority):
    with pytest.raises(UsageError, match="rows must be at least 1"):
        authority.sign(read_dataset(FILE.replace("rows: 1000", "rows: 0")))
    with pytest.raises(UsageError, match="name"):
        authority.enrol("Not A Name", "Office", "coordinator")
    with pytest.raises(UsageError, match="name must match"):
        authority.enrol("Not-A-Name", "Office", "coordinator")
    register(authority)
    with pytest.raises(UsageError, match="key"):
        authority.licence("no key", dataset="heart", columns=("age",), purposes=("research",), methods=("describe@1",), min_cell=10, uses=5,
                          days=9, plan=str(grants.plan_by(SigningKey.generate("op"))))  # fmt: skip


def test_an_authority_needs_a_name(tmp_path):
    with pytest.raises(UsageError, match="a key name has 1 to 100 characters"):
        Authority.create(tmp_path / "authority", "not a name")


def test_a_licence_is_for_one_operator_and_a_time(authority):
    text = granted(authority)
    licence = notes.opened(text, Licence, authority.trust)
    assert licence.allow.not_after - licence.allow.not_before == 9 * 86400 + 60


def test_revocations_add_up_and_their_version_rises(authority):
    one, two = "1" * 64, "2" * 64
    lists = [authority.revocations(), authority.revocations(one), authority.revocations(two), authority.revocations(restore=(one,))]
    read = [notes.opened(text, Revocations, authority.trust) for text in lists]
    assert [r.version for r in read] == [1, 2, 3, 4]
    assert [r.revoked for r in read] == [(), (one,), (one, two), (two,)]


# --- join tokens


def test_a_token_holds_what_a_party_needs_to_join(authority):
    token = authority.enrol("city-office", "City Office", "coordinator")
    read = Token.read(token.text())
    assert read == token
    key = SigningKey.generate("city-office")
    assert read_enrolment(str(enrol(read.invitation, read.once, key)), authority.trust).role == "coordinator"


def test_after_joining_the_one_time_key_is_gone(authority):
    token = authority.enrol("city-office", "City Office", "coordinator")
    assert token.once.private.hex() not in Token.read(token.public().text()).text()
    assert token.once.private.hex() not in repr(token)


@pytest.mark.parametrize("damaged", [
    lambda t: t[1:], lambda t: t[:-1], lambda t: t[:40] + "!" + t[41:], lambda t: t[:40] + t[41:], lambda t: "", lambda t: t + "é",
    lambda t: t.replace("keyong-join-1.", "keyong-join-2."), lambda t: "keyong-join-1.", lambda t: "keyong-join-1.e30=",
])  # fmt: skip
def test_a_damaged_token_is_not_read(authority, damaged):
    with pytest.raises(DecodeError):
        Token.read(damaged(authority.enrol("city-office", "City Office", "coordinator").text()))


def test_a_holder_joins_a_coordinator(authority):
    with pytest.raises(UsageError, match="coordinator"):
        authority.enrol("north", "North Hospital", "holder")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "keyong-join-1.e30=", '{"url": 1, "enrolment": ""}', '{"trust": [], "threshold": 1}', "\udcff"]
)
def test_a_card_that_is_none_is_named(authority, tmp_path, text):
    (tmp_path / "card").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "card"))):
        authority.enrol("north", "North Hospital", "holder", coordinator=tmp_path / "card")


@pytest.mark.parametrize("text", ["", "{}", "[]", "keyong-join-1.e30=", "keyong/root/v1\n{}\n\n— a AAAAAAAA\n"])
def test_a_root_file_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "root.note").write_text(text)
    with pytest.raises(UsageError):
        read_root(tmp_path / "root.note")
