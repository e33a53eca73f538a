"""A node's folder: what is left behind is swept, what is private stays private, and a join that was cut off can be repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from federated.authority import Authority
from federated.coordinator import folder
from federated.lock import alone
from federated.node import home as homes
from federated.node.home import Home
from federated.operator import join
from federated.tokens import Token
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey
from governance.parties import enrol, read_enrolment


@pytest.fixture
def authority(tmp_path):
    return Authority.create(tmp_path / "authority", "city")


@pytest.fixture
def card(tmp_path, authority):
    card = tmp_path / "coordinator.json"
    once = authority.enrol("bureau", "Bureau", "coordinator")
    enrolment = str(enrol(once.invitation, once.once, SigningKey.generate("bureau")))
    card.write_text(f'{{"url": "https://127.0.0.1:1", "ca": null, "enrolment": {json.dumps(enrolment)}}}')
    return card


@pytest.fixture
def token(authority, card):
    return authority.enrol("north", "Hospital North", "holder", coordinator=card)


def made(path, token):
    homes.finish(path, token, homes.make(path, token))
    return Home.open(path)


def test_a_folder_is_private_and_the_one_time_key_is_not_kept(tmp_path, token):
    home = made(tmp_path / "north", token)
    assert (home.path.stat().st_mode & 0o777, (home.path / homes.KEY).stat().st_mode & 0o777) == (0o700, 0o600)
    kept = Token.read((home.path / homes.TRUST).read_text().strip())
    assert kept.once.private == bytes(32)
    assert token.once.private.hex() not in (home.path / homes.TRUST).read_text()
    assert "private" not in repr(home.key)


def test_what_seals_the_journal_is_chosen_when_it_is_made(tmp_path, token):
    path = tmp_path / "north"
    homes.finish(path, token, homes.make(path, token), "sm4-gcm")
    home = made(path, token)  # joining again does not ask
    with closing(home.journal()) as journal:
        assert journal.cipher == "sm4-gcm"
    with pytest.raises(UsageError, match="was made with sm4-gcm, and keeps it"):
        homes.finish(path, token, home.key, "aes-256-gcm")


def test_joining_twice_keeps_the_key_and_another_token_does_not_take_the_folder(tmp_path, token):
    home = made(tmp_path / "north", token)
    again = made(tmp_path / "north", token)
    assert (again.key, again.history_key()) == (home.key, home.history_key())
    with pytest.raises(UsageError, match="key of north, the token is for south; name another folder"):
        homes.make(tmp_path / "north", replace(token, once=SigningKey.generate("south-invitation")))


def test_a_key_that_knows_rows_again_is_not_made_anew(tmp_path, token):
    home = made(tmp_path / "north", token)
    assert (home.path / "history.key").stat().st_mode & 0o777 == 0o600
    (home.path / "history.key").unlink()
    with pytest.raises(UsageError, match="from a backup"):
        Home.open(home.path).history_key()


def test_unfinished_snapshots_are_swept_and_finished_ones_are_not(tmp_path, token):
    home = made(tmp_path / "north", token)
    old, new, whole = (home.snapshots / n for n in ("a.draft", ".b.part", "c.arrow"))
    for file in (old, new, whole):
        file.write_text("rows")
    os.utime(old, (0, time.time() - 2 * homes.LEFTOVER))
    os.utime(whole, (0, time.time() - 2 * homes.LEFTOVER))
    home.sweep()
    assert (old.exists(), new.exists(), whole.exists()) == (False, True, True)


def test_a_folder_that_nobody_joined_is_named(tmp_path):
    with pytest.raises(UsageError, match="keyong node join"):
        Home.open(tmp_path)


def test_a_damaged_token_is_refused(token):
    text = token.text()
    assert Token.read(text).text() == text
    for cut in (text[:-1], text[:40] + "A" + text[41:], "x" + text, text + "A"):
        with pytest.raises((DecodeError, IntegrityError)):
            read_enrolment(Token.read(cut).invitation, token.trust)
    with pytest.raises(DecodeError, match="copy the whole line again"):
        Token.read(text[:-1])


def test_a_token_in_the_wrong_role_is_named_before_anything_is_written_or_sent(tmp_path, authority, card, token):
    """The coordinator of these tokens does not exist: an attempt to reach it would be another error."""
    operator = authority.enrol("lab", "Lab", "operator", coordinator=card).text()
    for call, says in (
        (lambda: join(token.text(), tmp_path / "new" / "operator.key"), "keyong node join"),
        (lambda: homes.join(tmp_path / "new", operator), "keyong operator join"),
        (lambda: folder.create(tmp_path / "new", operator, url="https://127.0.0.1:1"), "keyong operator join"),
    ):
        with pytest.raises(UsageError, match=says):
            call()
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("url", ["http://localhost:1", "localhost:8443", "https://", "ftp://x", "https://x/y"])
def test_a_coordinator_that_nobody_could_reach_is_not_made(tmp_path, authority, url):
    token = authority.enrol("bureau", "Bureau", "coordinator").text()
    with pytest.raises(UsageError, match="serves https only"):
        folder.create(tmp_path / "new", token, url=url)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("listen", ["8443", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_at_which_nobody_can_listen_is_named(tmp_path, listen):
    with pytest.raises(UsageError, match=f"listen on ADDRESS:PORT, got {listen}"):
        folder.serve(tmp_path, listen=listen)


def test_a_folder_is_served_by_one_process(tmp_path):
    code = "import sys, pathlib; from federated.lock import alone\nwith alone(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=str(tmp_path)), alone(tmp_path):
            pass
        other.kill()
        other.wait()
        with alone(tmp_path):
            pass
