"""May this job run here: each refusal once, what it tells the operator, and that no row is looked at (PRIVACY 3)."""

from __future__ import annotations

from dataclasses import fields, replace

import inmemory
import licensing
import pyarrow as pa
import pytest

from connectors import snapshot
from governance import chains, notes
from governance.catalogue import Dataset, Schema, category, number
from governance.encoding import build, plain
from governance.errors import DecodeError, KeyongError, LicenceRefused, Refused
from governance.keys import SigningKey, Trust
from governance.licences import Revocations
from governance.parties import Party
from governance.registration import Grade
from sandbox import case as cases
from sandbox import local
from sandbox.analyses import Crosstab
from sandbox.job import LONGEST
from sandbox.policy import DEFAULT, Docket, Policy, check_licence, check_policy

NOW = inmemory.NOW
SCHEMA = Schema("id", (number("age", "0", "100", cuts=("40",)), category("sex", ("f", "m")), category("ill", ("no", "yes"))))
TRUST = Trust((inmemory.AUTHORITY.public,))
PLAN = licensing.plan(inmemory.OPERATOR, inmemory.AUTHORITY, now=NOW)
ALLOW = licensing.rights(PLAN.id, now=NOW, holders=("a", "b", "c"), columns=("age", "sex"), methods=("crosstab@1",))
LICENCE_NOTE = licensing.link(ALLOW, inmemory.OPERATOR, by=(inmemory.AUTHORITY,))
REVOCATIONS = str(notes.write(Revocations(1, NOW - 60, NOW + 86400, ())).signed_by(inmemory.AUTHORITY))
RIVAL = SigningKey.generate("rival")
OPERATOR = Party("operator", "Data Operations", "operator", inmemory.OPERATOR.public)
COORDINATOR = Party("coordinator", "City Office", "coordinator", inmemory.COORDINATOR.public)
HOLDERS = tuple(Party(n, f"Hospital {n}", "holder", inmemory.key(n).public) for n in "abc")

SEXES = Crosstab("sex")


ENTRY = notes.read(inmemory.texts(SCHEMA, SEXES, "abc")[1]).document(Dataset)
ASSET = licensing.asset(ENTRY, inmemory.key("a"), inmemory.AUTHORITY, at=NOW)


def docket(changes=None, *, analysis=SEXES, where="age < 40", **job):
    texts = inmemory.texts(SCHEMA, analysis, "abc", where=where, **{"licence": LICENCE_NOTE.id, **job})
    made = Docket(cases.read(*texts), texts[0], (str(LICENCE_NOTE),), str(PLAN), ASSET, REVOCATIONS, OPERATOR, COORDINATOR, HOLDERS)
    return replace(made, **(changes or {}))


def signed(document, *keys):
    return notes.write(document).signed_by(*(keys or (inmemory.AUTHORITY,)))


def resigned(made, *keys):
    """The docket whose job's text is signed by *keys*."""
    return replace(made, job=str(notes.Note(notes.read(made.job).text).signed_by(*keys)))


def under(*delegates, job=None, by=inmemory.AUTHORITY, **changes):
    """A docket under another licence that the authority signed."""
    note = licensing.link(replace(ALLOW, **changes), *(delegates or (inmemory.OPERATOR,)), by=(by,))
    return docket({"chain": (str(note),)}, licence=note.id, **(job or {}))


def stolen():
    """Another operator's licence, with its plan."""
    plan = licensing.plan(RIVAL, inmemory.AUTHORITY, now=NOW)
    return replace(under(RIVAL, plan=plan.id), plan=str(plan))


def two_must_sign():
    note = licensing.link(ALLOW, inmemory.OPERATOR, RIVAL, by=(inmemory.AUTHORITY,), threshold=2)
    return docket({"chain": (str(note),)}, licence=note.id)


HIGHER = (Grade("age", 4), Grade("ill", 3), Grade("sex", 3))


def free():
    """A price on what is open free of charge."""
    return replace(
        under(price="a" * 64), asset=licensing.asset(ENTRY, inmemory.key("a"), inmemory.AUTHORITY, at=NOW, openness="conditional-free")
    )


def refusal(call):
    with pytest.raises(Refused) as refused:
        call()
    return refused.value


def explained(error):
    """Both texts are there, filled, and say who can do what."""
    english, chinese = error.text("en"), error.text("zh")
    return "?" not in english + chinese and (";" in english or "must" in english) and ("请" in chinese or "须" in chinese)


def test_what_is_licensed_may_run():
    assert check_licence(docket(), TRUST, now=NOW).rights == ALLOW
    check_policy(docket(), DEFAULT, holder="a")


@pytest.mark.parametrize("code, make", [
    ("job.unsigned", lambda: resigned(docket(), RIVAL)),
    ("job.unsigned", lambda: resigned(docket(), inmemory.OPERATOR, RIVAL)), ("job.unsigned", lambda: resigned(docket(), *[inmemory.OPERATOR] * 2)),
    ("job.coordinator", lambda: docket(coordinator=str(RIVAL.public))),
    ("job.coordinator", lambda: docket({"coordinator": replace(COORDINATOR, key=SigningKey.generate("coordinator").public)})),
    ("job.unsigned", lambda: resigned(docket(), SigningKey.generate("operator"))),
    ("job.unsigned", lambda: docket({"operator": replace(OPERATOR, key=RIVAL.public)})),
    ("job.unsigned", lambda: docket({"job": docket(min_cell=3).job})),  # signed, and another one than is judged
    ("licence.bearer", lambda: docket({"operator": replace(OPERATOR, role="holder")})),
    ("licence.bearer", lambda: resigned(docket(operator=str(RIVAL.public)), inmemory.OPERATOR)),
    ("licence.bearer", lambda: docket({"chain": under(use_count=9).chain})),  # another licence than the job names
    ("licence.bearer", lambda: resigned(docket({"operator": replace(OPERATOR, name="rival", key=RIVAL.public)}), RIVAL)),  # in its name
    ("licence.bearer", stolen),  # stolen
    ("licence.forged", lambda: under(by=RIVAL)),
    ("licence.early", lambda: under(not_before=NOW + 1)),
    ("licence.expired", lambda: under(not_after=NOW - 1)),
    ("licence.revoked", lambda: docket({"revocations": str(signed(Revocations(2, NOW, NOW + 9, (LICENCE_NOTE.id,))))})),
    ("licence.stale", lambda: docket({"revocations": str(signed(Revocations(2, NOW - 9, NOW - 1, ())))})),
    ("licence.stale", lambda: docket({"revocations": None})),
    ("asset.unregistered", lambda: docket({"asset": ""})),
    ("asset.unregistered", lambda: docket({"asset": licensing.asset(ENTRY, inmemory.key("d"), inmemory.AUTHORITY, at=NOW)})),  # no holder of it
    ("asset.unregistered", lambda: docket({"asset": licensing.asset(ENTRY, SigningKey.generate("a"), inmemory.AUTHORITY, at=NOW)})),  # so called
    ("asset.cancelled", lambda: docket({"asset": licensing.moved(ASSET, "cancel", inmemory.AUTHORITY, at=NOW)})),
    ("asset.superseded", lambda: docket({"revocations": str(signed(Revocations(2, NOW, NOW + 9, (chains.read(ASSET)[-1].id,))))})),
    ("asset.free", free),
    ("licence.grade", lambda: docket({"asset": licensing.moved(ASSET, "change", inmemory.key("a"), inmemory.AUTHORITY, at=NOW, grades=HIGHER)})),
    ("licence.dataset", lambda: under(datasets={"other": ("age", "sex")})),
    ("licence.purpose", lambda: docket(purpose="marketing")),
    ("licence.grade", lambda: under(grade=2)), ("licence.holder", lambda: under(holders=("a", "b"))), ("licence.output", lambda: under(outputs=("dp",))),
    ("licence.region", lambda: docket(region="SG")), ("licence.basis", lambda: under(regions={"CN": "", "SG": ""}, job={"region": "SG"})),
    ("licence.plan", lambda: docket({"plan": ""})), ("licence.delegates", two_must_sign),
    ("licence.method", lambda: under(methods=("describe@1",))),
    ("licence.column", lambda: docket(analysis=Crosstab("ill"))),
    ("licence.column", lambda: docket(where="ill == 'yes'")),  # a condition reads a column, too
    ("licence.min_cell", lambda: docket(min_cell=9)),
    ("licence.same_house", lambda: docket({"operator": replace(OPERATOR, organisation="City Office")})),
    ("policy.deadline", lambda: docket(deadline=NOW)),
    ("policy.deadline", lambda: docket(deadline=NOW + LONGEST + 1)),
])  # fmt: skip
def test_each_reason_of_the_licence_is_refused_and_explained(code, make):
    made = make()
    error = refusal(lambda: check_licence(made, TRUST, now=NOW))
    assert isinstance(error, LicenceRefused) or code.startswith("asset.")
    assert error.code == code
    assert explained(error), error.text("en")


@pytest.mark.parametrize("code, policy", [
    ("policy.method", {"methods": ("describe@1",)}), ("policy.purpose", {"purposes": ("audit",)}), ("policy.peer", {"peers": ("Hospital a", "Hospital b")}),
    ("policy.least_cell", {"min_cell": 11}),
])  # fmt: skip
def test_each_rule_of_the_holder_is_refused_and_explained(code, policy):
    error = refusal(lambda: check_policy(docket(), replace(DEFAULT, **policy), holder="a"))
    assert error.code == code
    assert explained(error), error.text("en")


def test_rules_that_name_what_is_asked_allow_it():
    check_policy(docket(), Policy("person", ("crosstab@1",), ("research",), tuple(h.organisation for h in HOLDERS), 10), holder="a")


def test_a_holder_is_no_stranger_to_itself():
    others = replace(DEFAULT, peers=("Hospital b", "Hospital c"))
    check_policy(docket(), others, holder="a")
    assert refusal(lambda: check_policy(docket(), others, holder="b")).facts == {"peer": "Hospital a"}


def test_a_min_cell_above_the_licences_says_that_the_licence_must_be_issued_anew():
    error = refusal(lambda: check_policy(docket(), replace(DEFAULT, min_cell=20), holder="a"))
    assert "must issue a licence with a min_cell of 20 or more" in error.text("en")
    assert "须由授权主体另发最小单元人数不低于 20 的授权书" in error.text("zh")


def test_the_first_reason_is_told_and_it_is_the_same_wherever_it_is_judged():
    made = docket({"revocations": None}, purpose="marketing", min_cell=3)
    codes = {refusal(lambda: check_licence(made, TRUST, now=NOW)).code for _ in range(3)}
    assert codes == {"licence.stale"}


def test_no_row_is_looked_at(monkeypatch):
    """Whatever would read rows fails here, and verdicts come all the same: they are a function of signed texts."""

    def touched(*_args, **_more):
        raise AssertionError("a row was looked at")

    for module, name in (
        (local, "program"),
        (local, "support"),
        (local, "statistics"),
        (snapshot, "load"),
        (pa.ipc, "open_file"),
        (pa, "memory_map"),
    ):
        monkeypatch.setattr(module, name, touched)
    assert check_licence(docket(), TRUST, now=NOW).rights == ALLOW
    assert refusal(lambda: check_licence(docket(min_cell=3), TRUST, now=NOW)).code == "licence.min_cell"
    assert {f.name for f in fields(Docket)} == {
        "case",
        "job",
        "chain",
        "plan",
        "asset",
        "revocations",
        "operator",
        "coordinator",
        "holders",
    }


@pytest.mark.parametrize("bit", range(8))
def test_a_job_that_was_changed_by_one_bit_is_not_the_operators(bit):
    made = docket()
    raw = made.job.encode()
    for at in range(0, len(raw), 3):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        with pytest.raises((KeyongError, UnicodeDecodeError)):
            check_licence(replace(made, job=changed.decode()), TRUST, now=NOW)


@pytest.mark.parametrize("field, value", [("approval", "never"), ("min_cell", 2), ("methods", "describe@1"), ("more", 1)])
def test_a_policy_is_read_strictly(field, value):
    with pytest.raises(DecodeError):
        build(Policy, {**plain(DEFAULT), field: value})
