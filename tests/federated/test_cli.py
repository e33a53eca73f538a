"""The command line as people use it: founding a federation by commands alone, a job from plan to proof, exit codes, and help."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time

import calls
import click
import federations
import pyarrow.parquet as pq
import pytest

from federated.cli import GROUPS, main, main_group
from federated.house import check
from governance.errors import IntegrityError

PLAN = """
triggers: [leak, intrusion, key-loss]
contacts: {authority: 数据局值班室 8888, operator: 运营单位值班室 6666}
steps: [suspend, freeze, notify]
notify_hours: 24
drilled: DAY
drill_days: 180
""".replace("DAY", time.strftime("%Y-%m-%d", time.gmtime()))
JOB = """
keyong: 1
title: mean age
purpose: research
licence: any
dataset: cohort
where: "age_band != 'young'"
analysis: describe
with: {columns: [age]}
deadline: 60s
"""


def keyong(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it printed."""
    printed = calls.keyong(capsys, *arguments, "--json", code=code)
    return json.loads(printed.out.splitlines()[-1]) if printed.out else {}


@pytest.fixture
def processes():
    started = []
    yield started
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        assert process.wait(timeout=20) == 0
        process.stdout.close()


def hand_on(capsys, tmp_path, file):
    """The operator gives a project a part of its licence, for one job; judged off line, run, and used up."""
    own = ("--identity", tmp_path / "operator.key")
    licence = keyong(capsys, "operator", "licences", *own)[0]["licence"]
    key = keyong(capsys, "licence", "key", "project", "--out", tmp_path / "project.key")["key"]
    part = keyong(capsys, "licence", "narrow", f"lic-{licence[:12]}", *own, "--uses", 1, "--to", key)["licence"]
    job, offer, sign = tmp_path / "part.yaml", tmp_path / "offer.json", ("--sign", tmp_path / "project.key")
    job.write_text(file.read_text().replace("licence: any", f"licence: {part[:12]}"))
    assert "--sign project.key" in keyong(capsys, "job", "submit", job, *own, code=2)["en"]
    assert keyong(capsys, "job", "plan", job, *own, *sign, "--out", offer)["licence_left"] == 1
    assert keyong(capsys, "licence", "check", part[:12], *own, "--job", offer)["links"] == 2
    assert keyong(capsys, "job", "submit", job, *own, *sign, "--wait", "--out", tmp_path / "part.json")["outcome"]["columns"][0]["n"] > 500
    assert keyong(capsys, "verify", tmp_path / "part.json", "--authority", tmp_path / "authority" / "root.note")["verified"]
    assert keyong(capsys, "job", "submit", job, *own, *sign, "--wait", code=3)["error"] == "licence.used"
    assert keyong(capsys, "job", "plan", job, *own, *sign)["licence_left"] == 0
    left = [link["left"] for link in keyong(capsys, "licence", "show", part[:12], *own, "--home", tmp_path / "north")["links"]]
    assert left == [98, 0]


def serve(processes, *arguments):
    command = [sys.executable, "-c", "from federated.cli import main; main()", *map(str, arguments), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert "ready" in json.loads(process.stdout.readline())


def test_a_federation_is_founded_and_used_by_commands_alone(tmp_path, capsys, processes):
    authority, coordinator, operator = tmp_path / "authority", tmp_path / "coordinator", tmp_path / "operator.key"
    keys = keyong(capsys, "authority", "init", "city", "--home", authority, "--keys", 3, "--threshold", 2)["keys"]
    assert len(keys) == 3
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = keyong(capsys, "authority", "enrol", "bureau", "--home", authority, "--organisation", "Bureau", "--role", "coordinator")[
        "token"
    ]
    keyong(capsys, "coordinator", "init", token, "--home", coordinator, "--url", f"https://127.0.0.1:{port}")
    serve(processes, "coordinator", "serve", "--home", coordinator, "--listen", f"127.0.0.1:{port}")
    card = coordinator / "coordinator.json"
    enrol = ["authority", "enrol", "--home", authority, "--coordinator", card]
    for name in federations.HOLDERS:
        token = keyong(capsys, *enrol, name, "--organisation", f"Hospital {name}", "--role", "holder")["token"]
        assert keyong(capsys, "node", "join", token, "--home", tmp_path / name)["name"] == name
        assert keyong(capsys, "node", "join", token, "--home", tmp_path / name)["name"] == name, "a join can be repeated"
    (tmp_path / "dataset.yaml").write_text(federations.DATASET)
    keyong(capsys, "authority", "dataset", tmp_path / "dataset.yaml", "--home", authority, "--coordinator", card)
    calls.register(capsys, tmp_path, tmp_path / "dataset.yaml", key=tmp_path / "north" / "node.key", authority=authority, coordinator=card,
                   name="cohort-2024")  # fmt: skip
    for name, rows in federations.tables().items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        added = keyong(capsys, "node", "data", "add", "cohort", f"parquet://{tmp_path / name}.parquet", "--home", tmp_path / name)
        assert added["rows"] == rows.num_rows
        serve(processes, "node", "serve", "--home", tmp_path / name)
    token = keyong(capsys, *enrol, "lab", "--organisation", "Lab", "--role", "operator")["token"]
    key = keyong(capsys, "operator", "join", token, "--identity", operator)["key"]
    assert keyong(capsys, "operator", "show", "--identity", operator)["key"] == key
    grant = ["authority", "licence", key, "--home", authority, "--coordinator", card, "--dataset", "cohort", "--purposes", "research"]
    (tmp_path / "plan.yaml").write_text(PLAN)
    keyong(capsys, "licence", "plan", tmp_path / "plan.yaml", "--identity", operator, "--out", tmp_path / "plan.note")
    grant += ["--plan", tmp_path / "plan.note"]
    licence = keyong(capsys, *grant, "--columns", "age,age_band", "--methods", "describe@1,crosstab@1")["licence"]

    file, bundle = tmp_path / "job.yaml", tmp_path / "bundle.json"
    file.write_text(JOB)
    plan = keyong(capsys, "job", "plan", file, "--identity", operator)
    assert plan["columns"] == {"age": 3, "age_band": 3}
    assert plan["numbers_at_most"] == 4
    done = keyong(capsys, "job", "submit", file, "--identity", operator, "--wait", "--out", bundle)
    assert done["outcome"]["columns"][0]["n"] > 500
    assert keyong(capsys, "job", "list", "--identity", operator)[0]["phase"] == "released"
    assert "it is released" in keyong(capsys, "job", "cancel", done["job"][:12], "--identity", operator, code=2)["en"]
    assert "no job" in keyong(capsys, "node", "approve", done["job"][:12], "--home", tmp_path / "north", code=2)["en"]
    assert keyong(capsys, "job", "status", done["job"][:12], "--identity", operator)["phase"] == "released"
    assert keyong(capsys, "job", "result", done["job"][:12], "--identity", operator) == done
    assert keyong(capsys, "verify", bundle, "--authority", authority / "root.note")["verified"]
    assert keyong(capsys, "catalogue", "list", "--identity", operator)[0]["dataset"] == "cohort"
    assert keyong(capsys, "catalogue", "show", "cohort", "--identity", operator)["name"] == "cohort"
    for home in (coordinator, tmp_path / "north"):
        entries = keyong(capsys, "ledger", "show", "--home", home)
        assert entries[-1]["event"] == "job.released"
        assert keyong(capsys, "ledger", "prove", entries[-1]["index"], "--home", home)["proof"]
        assert keyong(capsys, "ledger", "fsck", "--home", home)["size"] == entries[-1]["index"] + 1
    assert keyong(capsys, "node", "status", "--home", tmp_path / "north")[0]["phase"] == "released"
    assert keyong(capsys, "node", "data", "list", "--home", tmp_path / "north")[0]["rows"] == 300
    again = ["node", "data", "add", "cohort", f"parquet://{tmp_path / 'north'}.parquet", "--home", tmp_path / "north"]
    snapshot = keyong(capsys, "node", "data", "list", "--home", tmp_path / "north")[0]["snapshot"]
    assert keyong(capsys, *again)["snapshot"] == snapshot, "the same rows keep their history"
    pq.write_table(federations.table(9, 301), tmp_path / "north.parquet")
    assert keyong(capsys, *again)["snapshot"] != snapshot
    hand_on(capsys, tmp_path, file)
    assert keyong(capsys, "node", "policy", "--min-cell", 20, "--home", tmp_path / "north")["min_cell"] == 20
    assert keyong(capsys, "job", "submit", file, "--identity", operator, "--wait", code=3)["error"] == "policy.least_cell"
    keyong(capsys, "authority", "revoke", licence, "--home", authority, "--coordinator", card)
    assert keyong(capsys, "job", "submit", file, "--identity", operator, code=3)["error"] == "licence.revoked"
    for step in (["cert", "issue", "cohort-2024"], ["cert", "cancel", "cohort-2024"],
                 ["asset", "cancel", "cohort-2024", "--reason", "moved"]):  # fmt: skip
        keyong(capsys, *step, "--home", authority, "--coordinator", card)
        shown = keyong(capsys, "catalogue", "export", "--as", "dcat", "--identity", operator)["dcat:dataset"]
        assert len(shown) == (step[:2] != ["asset", "cancel"])
    assert keyong(capsys, "asset", "publish", "--home", authority, "--coordinator", card)["chains"] == 2, "nothing is new to it"
    text = bundle.read_text()
    bundle.write_text(text.replace("mean age", "mean Age"))
    assert keyong(capsys, "verify", bundle, "--authority", authority / "root.note", code=4)["error"] == "integrity"
    bundle.write_bytes(b"\xff" + text.encode())
    assert keyong(capsys, "verify", bundle, "--authority", authority / "root.note", code=2)["error"] == "decode"
    bundle.write_text(text)
    assert keyong(capsys, "verify", bundle, "--authority", card, code=2)["error"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["method", "show", "nonesuch"], 2),
        (["node", "status", "--home", "/nonexistent"], 2),
        (["job", "list", "--identity", "/nonexistent/operator.key"], 2),
        (["operator", "show", "--identity", "/nonexistent/operator.key"], 2),
        (["node", "join", "keyong-join-1.broken"], 2),
        (["no-such-command"], 2),
        (["method", "list"], 0),
    ],
)
def test_exit_codes(arguments, code):
    try:
        main(arguments)
        status = 0
    except SystemExit as ended:
        status = ended.code
    assert status == code


def commands(group=main_group, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_has_json_help_and_an_example():
    found = list(commands())
    assert {path[0] for path, _ in found} == set(GROUPS)
    for path, command in found:
        assert command.help, path
        assert "Example: keyong " + " ".join(p for p in path if p != "suspend") in (command.epilog or "").replace(" revoke", " revoke"), (
            path
        )
        assert "--json" in [option for p in command.params for option in p.opts], path
        assert all(p.help for p in command.params if isinstance(p, click.Option)), path


def test_a_shadowed_package_is_noticed():
    check()
    with pytest.raises(IntegrityError, match="shadows"):
        check(("json",))
