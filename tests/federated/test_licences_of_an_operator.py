"""Which of an operator's licences a job runs under, and what is said where none or several would do."""

from __future__ import annotations

import json

import federations
import pytest

import federated as fed
from federated import grants
from federated.cli import main
from federated.client import connect
from federated.operator import join
from federated.plan import plan
from governance import notes
from governance.errors import LicenceRefused, UsageError
from governance.keys import SigningKey
from sandbox.job import Job

AGE = fed.Describe(columns=("age",))
FILE = "keyong: 1\npurpose: {}\nlicence: {}\ndataset: cohort\nanalysis: describe\nwith: {{columns: [age]}}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


@pytest.fixture(scope="module")
def granted(running):
    """Licences by purpose: the founding one is for research."""
    hub = running.hub()
    (research,) = hub.licences()
    made = {"research": research}
    for purpose, columns, methods in (
        ("audit", ("age",), ("describe@1",)),
        ("narrow", ("sex",), ("crosstab@1",)),
        ("gone", ("age",), ("describe@1",)),
    ):
        text = running.authority.licence(str(hub.key.public), dataset="cohort", columns=columns, purposes=(purpose,), methods=methods,
                                         min_cell=10, uses=9, days=1, plan=running.plan)  # fmt: skip
        running.publish(text)
        made[purpose] = notes.read(text).id
    running.publish(running.authority.revocations(made["gone"]))
    return made


def prepared(running, analysis=AGE, **more):
    return running.hub().prepare(analysis, {"dataset": "cohort", **more}).document(Job)


def test_any_takes_the_one_licence_that_is_in_force_and_covers_the_job(running, granted):
    for purpose in ("research", "audit"):
        assert prepared(running, purpose=purpose, licence="any").licence == granted[purpose]
    assert prepared(running, fed.Crosstab("sex"), purpose="narrow").licence == granted["narrow"]


def test_where_several_fit_they_are_named(running, granted):
    with pytest.raises(UsageError) as error:
        prepared(running)
    assert "2 of your licences fit" in str(error.value)
    for purpose, named in (("research", True), ("audit", True), ("narrow", False), ("gone", False)):
        assert (f"lic-{granted[purpose][:12]} (cohort for {purpose}; min_cell 10;" in str(error.value)) is named
    assert prepared(running, licence=f"lic-{granted['audit'][:8]}").purpose == "audit"


def test_where_none_fits_each_says_why_in_both_languages(running, granted):
    with pytest.raises(LicenceRefused) as refusal:
        prepared(running, purpose="gone")
    assert refusal.value.code == "licence.none"
    for language, revoked in (("en", "was revoked"), ("zh", "撤销")):
        text = refusal.value.text(language)
        assert all(f"lic-{name[:12]}" in text for name in granted.values())
        assert revoked in text
    assert "gone, only research" in refusal.value.text("en")
    with pytest.raises(LicenceRefused) as refusal:
        prepared(running, fed.Crosstab("secret"), purpose="narrow")
    assert "secret" in refusal.value.text("zh")


def test_a_licence_that_is_not_there_is_told_from_those_that_are(running, granted):
    with pytest.raises(UsageError, match=f"no licence for cohort whose id starts with lic-00ff; you hold .*lic-{granted['audit'][:12]}"):
        prepared(running, licence="lic-00ff")


def test_the_plan_names_the_purposes_and_knows_of_revocations(running, granted):
    for purpose, licence, code in (("sales", "audit", "licence.purpose"), ("gone", "gone", "licence.revoked")):
        with pytest.raises(LicenceRefused) as refusal:
            plan(running.hub(), FILE.format(purpose, granted[licence]))
        assert refusal.value.code == code
    assert plan(running.hub(), FILE.format("audit", "any"))["licence_uses"] == 9


def test_an_operator_without_a_licence_is_sent_to_the_authority(running, tmp_path):
    token = running.authority.enrol("newcomer", "New Lab", "operator", coordinator=running.card)
    join(token.text(), tmp_path / "new.key")
    with pytest.raises(LicenceRefused) as refusal:
        connect(identity=tmp_path / "new.key").prepare(AGE, {"dataset": "cohort"})
    assert refusal.value.code == "licence.missing"


def test_an_operator_lists_its_licences(running, granted, capsys):
    main(["operator", "licences", "--identity", str(running.path / "operator.key"), "--json"])
    rows = {row["licence"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == set(granted.values())
    assert {rows[name]["code"] for purpose, name in granted.items() if purpose != "gone"} == {""}
    assert rows[granted["gone"]]["code"] == "licence.revoked"
    assert (rows[granted["narrow"]]["columns"], rows[granted["narrow"]]["uses"]) == (["sex"], 9)
    main(["operator", "licences", "--identity", str(running.path / "operator.key")])
    shown = capsys.readouterr().out
    assert f"lic-{granted['audit'][:12]}  cohort, in force" in shown
    assert f"lic-{granted['gone'][:12]}  cohort, not in force: " in shown
    assert "9 uses granted: used 0, left 9; " in shown


def test_a_project_s_licence_beside_the_key_is_listed_and_says_who_must_sign(running, granted, capsys):
    hub, project = running.hub(), SigningKey.generate("project")
    part = grants.narrow(hub.grants()[granted["audit"]], hub.trust, (hub.key,), allow=grants.rights({"use_count": 2}),
                         to=(str(project.public),))  # fmt: skip
    name, own = notes.read(part.chain[-1]).id, ("--identity", str(running.path / "operator.key"))
    (hub.folder.path / "project.licence").write_text(part.text())
    try:
        main(["operator", "licences", *own])
        shown = capsys.readouterr().out
        assert f"lic-{name[:12]}  cohort, in force" in shown
        assert "2 uses granted: used 0, left 2; " in shown
        assert "--sign project.key" in shown
        with pytest.raises(UsageError, match=f"under lic-{name[:12]} must be signed by project.key, too: --sign project.key"):
            prepared(running, purpose="audit", licence=f"lic-{name[:8]}")
        main(["licence", "show", str(hub.folder.path / "project.licence"), *own])
        shown = capsys.readouterr().out
        assert shown.split()[:2] == ["licence", f"lic-{name[:12]}"]
        assert "9 uses: used 0, left 9" in shown
        assert "2 uses: used 0, left 2" in shown
    finally:
        (hub.folder.path / "project.licence").unlink()


def test_uses_are_told_to_those_whom_a_licence_names(running, granted, tmp_path):
    token = running.authority.enrol("stranger", "Other Lab", "operator", coordinator=running.card)
    join(token.text(), tmp_path / "stranger.key")
    assert running.hub().uses(granted["audit"]) == (0,)
    stranger = connect(identity=tmp_path / "stranger.key")
    with pytest.raises(LicenceRefused, match="another operator's"):
        stranger.uses(granted["audit"])
    with pytest.raises(LicenceRefused, match="another operator's"):
        stranger.uses(granted["audit"], (running.hub().grants()[granted["audit"]].chain[0],))


def test_a_job_that_is_not_there_is_said_so(running):
    with pytest.raises(UsageError, match="there is no job whose id starts with ffff; see keyong job list") as error:
        running.hub().find("ffff")
    assert error.value.text("zh") == "请修正调用：没有以 ffff 开头的任务；见 keyong job list"
