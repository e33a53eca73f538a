"""What newcomers type wrong: one line that names the trouble and exit code 2, before anything is signed, sent or spent."""

from __future__ import annotations

import federations
import pytest

from federated.cli import main

JOB = "keyong: 1\ntitle: 四院\npurpose: research\nlicence: any\ndataset: cohort\nanalysis: describe\nwith: {columns: [age]}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


def wrong(capsys, *arguments):
    """What is said on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    told = capsys.readouterr().err
    assert ended.value.code == 2, told
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize("place", ["nowhere/bundle.json", "."])
def test_a_result_that_could_not_be_written_is_not_asked_for(running, tmp_path, capsys, place):
    (tmp_path / "job.yaml").write_text(JOB)
    before = len(running.hub().link.jobs())
    identity = running.path / "operator.key"
    assert str(tmp_path) in wrong(
        capsys, "job", "submit", tmp_path / "job.yaml", "--identity", identity, "--wait", "--out", tmp_path / place
    )
    assert len(running.hub().link.jobs()) == before


def test_a_job_file_that_cannot_be_read_is_named(running, tmp_path, capsys):
    file, identity = tmp_path / "job.yaml", running.path / "operator.key"
    assert str(tmp_path) in wrong(capsys, "job", "plan", tmp_path, "--identity", identity)
    file.write_bytes(JOB.encode("gb18030"))
    for command in ("plan", "submit"):
        told = wrong(capsys, "job", command, file, "--identity", identity)
        assert str(file) in told
        assert "UTF-8" in told
    file.write_text(JOB.replace("title: 四院", "title: 四院: 二"))
    assert "line 2, column " in wrong(capsys, "job", "plan", file, "--identity", identity)
    file.write_text(JOB.replace("title: 四院", f"title: {'四' * 65}"))
    assert "fix the call: title must have at most 64 characters" in wrong(capsys, "job", "plan", file, "--identity", identity)
    file.write_text(JOB.replace("purpose:", "purpos:"))
    assert "did you mean purpose?" in wrong(capsys, "job", "plan", file, "--identity", identity)


def test_keys_that_are_not_the_authoritys_file_are_named(running, tmp_path, capsys):
    bundle = tmp_path / "bundle.json"
    bundle.write_text("{}")
    for file in (running.home("north") / "trust.json", running.card, running.home("north") / "journal.db", tmp_path):
        assert str(file) in wrong(capsys, "verify", bundle, "--authority", file)
    authority = running.path / "authority" / "root.note"
    for content in (b"", b"[]", b"\xff", b"{}"):
        bundle.write_bytes(content)
        wrong(capsys, "verify", bundle, "--authority", authority)


def test_a_folder_that_cannot_be_made_is_named_before_the_token_is_used(running, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    tokens = {role: running.authority.enrol(f"new-{role}", "New", role, coordinator=running.card).text() for role in ("holder", "operator")}
    assert "file" in wrong(capsys, "node", "join", tokens["holder"], "--home", tmp_path / "file" / "node")
    assert "file" in wrong(capsys, "operator", "join", tokens["operator"], "--identity", tmp_path / "file" / "operator.key")
    main(["operator", "join", tokens["operator"], "--identity", str(tmp_path / "operator.key")])


@pytest.mark.parametrize(("role", "command"), [("holder", ("node", "join", "--home")), ("operator", ("operator", "join", "--identity"))])
def test_after_a_token_that_somebody_else_used_another_one_serves_in_the_same_place(running, tmp_path, capsys, role, command):
    """Nobody can enrol under the first name any more: the authority gives out a token under another."""
    *call, option = command
    burnt, fresh = (running.authority.enrol(f"{name}-{role}", "New", role, coordinator=running.card).text() for name in ("burnt", "fresh"))
    main([*call, burnt, option, str(tmp_path / "thief")])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*call, burnt, option, str(tmp_path / "mine")])
    assert ended.value.code == 3
    assert "enrolled already, with another key" in capsys.readouterr().err
    main([*call, fresh, option, str(tmp_path / "mine")])
    main([*call, fresh, option, str(tmp_path / "mine")])
    assert "name another folder (--home) or file (--identity)" in wrong(capsys, *call, burnt, option, tmp_path / "mine")


def test_a_key_whose_enrolment_was_not_answered_is_kept(running, tmp_path, capsys):
    token, identity = running.authority.enrol("unheard", "New", "operator", coordinator=running.card).text(), tmp_path / "operator.key"
    with pytest.raises(SystemExit) as ended:
        main(["operator", "join", token, "--identity", str(identity), "--proxy", "http://127.0.0.1:9"])
    assert (ended.value.code, identity.exists()) == (75, True)


def test_a_misspelt_holder_is_no_alarm(running, tmp_path, capsys):
    file = tmp_path / "dataset.yaml"
    file.write_text(federations.DATASET.replace("dataset: cohort", "dataset: second").replace("[north,", "[norht,"))
    told = wrong(capsys, "authority", "dataset", file, "--home", running.path / "authority", "--coordinator", running.card)
    assert "norht, did you mean north?" in told


def test_a_card_of_another_kind_is_named(running, tmp_path, capsys):
    file, card = tmp_path / "dataset.yaml", running.path / "authority" / "root.note"
    file.write_text(federations.DATASET)
    assert str(card) in wrong(capsys, "authority", "dataset", file, "--home", running.path / "authority", "--coordinator", card)


def test_a_misspelt_column_is_not_licensed(running, capsys):
    key = str(running.hub().key.public)
    grant = ("authority", "licence", key, "--home", running.path / "authority", "--coordinator", running.card, "--purposes", "research",
             "--plan", running.path / "plan.note")  # fmt: skip
    before = len(running.hub().licences())
    told = wrong(capsys, *grant, "--dataset", "cohort", "--columns", "age,age_bnad", "--methods", "describe@1")
    assert "did you mean age_band?" in told
    assert len(running.hub().licences()) == before
