"""keyong ledger: a proof, a folder of tiles and a monitor, from the command line of an office to that of a stranger."""

import json

import calls
import coordinators
import pytest
from stamps import Authority

from federated.coordinator import folder
from governance.journal import Journal
from governance.keys import SigningKey
from governance.quorum import Policy

KEY = SigningKey("coordinator", bytes(range(32)))


def keyong(capsys, *arguments, code=0):
    printed = calls.keyong(capsys, *arguments, "--json", code=code)
    return json.loads(printed.out.splitlines()[-1])


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "office"
    home.mkdir()
    KEY.save(home / folder.KEY)
    (home / folder.TRUST).write_text(json.dumps({"roots": coordinators.ROOTS.texts, "database": None}))
    (home / folder.CARD).write_text("{}")
    Journal.create(home / folder.DATABASE, KEY, clock=lambda: 1_700_000_000).close()
    grow(home, 3)
    return home


def grow(home, count):
    journal = Journal.open(home / folder.DATABASE, KEY)
    with journal.transaction() as t:
        for _ in range(count):
            t.append("job.offered", f"{t.size():064x}")
    journal.close()


def test_a_proof_is_printed_and_verified(capsys, home, tmp_path):
    file = tmp_path / "1.tlog-proof"
    printed = calls.keyong(capsys, "ledger", "prove", 1, "--home", home).out
    assert printed == keyong(capsys, "ledger", "prove", 1, "--home", home)["proof"]
    file.write_text(printed)
    verified = keyong(capsys, "ledger", "verify", file, "--key", KEY.public)
    assert (verified["index"], verified["size"], verified["event"], verified["subject"]) == (1, 3, "job.offered", f"{1:064x}")
    policy = tmp_path / "policy"
    policy.write_text(str(Policy.of(KEY.public, [SigningKey("w", bytes(32)).public], 1)))
    assert keyong(capsys, "ledger", "verify", file, "--policy", policy, code=3)["error"] == "quorum.witnesses"
    file.write_text(printed.replace("index 1", "index 2"))
    assert keyong(capsys, "ledger", "verify", file, "--key", KEY.public, code=4)["error"] == "integrity"
    for wrong in (3, 99):
        assert "has 3 entries" in keyong(capsys, "ledger", "prove", wrong, "--home", home, code=2)["en"]


def test_a_folder_is_exported_and_monitored(capsys, home, tmp_path, monkeypatch):
    public, seen = tmp_path / "public", tmp_path / "seen"
    for size in (3, 5):
        assert keyong(capsys, "ledger", "export", public, "--home", home)["size"] == size
        assert keyong(capsys, "ledger", "monitor", public, "--key", KEY.public, "--seen", seen)["size"] == size
        assert seen.read_text() == (public / "checkpoint").read_text()
        grow(home, 2)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "完整：5 条" in calls.keyong(capsys, "ledger", "monitor", public, "--key", KEY.public).out
    (public / "tile/entries/000.p/5").write_bytes(b"")
    assert keyong(capsys, "ledger", "monitor", public, "--key", KEY.public, code=4)["error"] == "integrity"


def test_a_monitor_is_told_whom_to_trust(capsys, home, tmp_path):
    keyong(capsys, "ledger", "export", tmp_path / "public", "--home", home)
    policy = tmp_path / "policy"
    policy.write_text(f"log {KEY.public}\nquorum none\n")
    assert keyong(capsys, "ledger", "monitor", tmp_path / "public", "--policy", policy)["size"] == 3
    for options in ((), ("--policy", policy, "--key", KEY.public)):
        assert "--policy" in keyong(capsys, "ledger", "monitor", tmp_path / "public", *options, code=2)["en"]


def test_an_anchored_ledger_is_held_against_the_reply(capsys, home, tmp_path):
    """The command writes the question, OpenSSL answers, and a ledger that goes on still fits; a reply to another does not."""
    stamps, authority = tmp_path / "stamps", Authority(tmp_path / "tsa")
    verify = ("ledger", "anchor", stamps, "--verify", "--key", KEY.public, "--ca", authority.folder / "root.pem")
    assert keyong(capsys, "ledger", "anchor", stamps, "--home", home)["size"] == 3
    assert "holds a checkpoint already" in keyong(capsys, "ledger", "anchor", stamps, "--home", home, code=2)["en"]
    assert "there is no reply.tsr" in keyong(capsys, *verify, code=2)["en"]
    (stamps / "reply.tsr").write_bytes(authority.reply((stamps / "query.tsq").read_bytes()))
    grow(home, 4)
    for more in ((), ("--home", home)):
        found = keyong(capsys, *verify, *more)
        assert (found["size"], found["log"]) == (3, "coordinator") and found["at"] > 1_700_000_000
    (home / folder.DATABASE).unlink()
    journal = Journal.create(home / folder.DATABASE, KEY)
    with journal.transaction() as t:
        t.append("job.refused", f"{0:064x}")
    journal.close()
    for count in (0, 7):  # too few entries; another history
        grow(home, count)
        assert "not the one that was anchored with 3 entries" in keyong(capsys, *verify, "--home", home, code=4)["en"]
    (stamps / "checkpoint").write_bytes((stamps / "checkpoint").read_bytes().replace(b"\n3\n", b"\n2\n"))
    assert keyong(capsys, *verify, code=4)["error"] == "integrity"


@pytest.mark.parametrize("arguments", [(), ("--verify",), ("--verify", "--key", KEY.public)], ids=["home", "key", "ca"])
def test_what_an_anchor_needs(capsys, tmp_path, arguments):
    assert keyong(capsys, "ledger", "anchor", tmp_path / "stamps", *arguments, code=2)["error"]
