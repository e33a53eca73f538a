"""A node's folder: what is left behind is swept, what is private stays private, and a join that was cut off can be repeated."""

from __future__ import annotations

import os
import time

import pytest

from federated.authority import Authority
from federated.node import home as homes
from federated.node.home import Home
from federated.tokens import Token
from governance.errors import DecodeError, IntegrityError, UsageError


@pytest.fixture
def token(tmp_path):
    authority = Authority.create(tmp_path / "authority", "city")
    card = tmp_path / "coordinator.json"
    once = authority.enrol("bureau", "Bureau", "coordinator")
    from governance.keys import SigningKey
    from governance.parties import enrol

    enrolment = str(enrol(once.invitation, once.once, SigningKey.generate("bureau")))
    card.write_text(f'{{"url": "https://127.0.0.1:1", "ca": null, "enrolment": {__import__("json").dumps(enrolment)}}}')
    return authority.enrol("north", "Hospital North", "holder", coordinator=card)


def made(path, token):
    key, _ = homes.make(path, token)
    homes.finish(path, token, key)
    return Home.open(path)


def test_a_folder_is_private_and_the_one_time_key_is_not_kept(tmp_path, token):
    home = made(tmp_path / "north", token)
    assert (home.path.stat().st_mode & 0o777, (home.path / homes.KEY).stat().st_mode & 0o777) == (0o700, 0o600)
    kept = Token.read((home.path / homes.TRUST).read_text().strip())
    assert kept.once.private == bytes(32)
    assert token.once.private.hex() not in (home.path / homes.TRUST).read_text()
    assert "private" not in repr(home.key)


def test_joining_twice_keeps_the_key_and_another_token_does_not_take_the_folder(tmp_path, token):
    home = made(tmp_path / "north", token)
    assert made(tmp_path / "north", token).key == home.key
    with pytest.raises(IntegrityError, match="folder of north"):
        from dataclasses import replace

        from governance.keys import SigningKey

        homes.make(tmp_path / "north", replace(token, once=SigningKey.generate("south-invitation")))


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
            homes.read_enrolment(Token.read(cut).invitation, token.trust)
