"""Releases: what is installed is pinned, what is built is the same twice, and what was changed after signing is refused."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import calls
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from federated import release
from governance import notes
from governance.errors import IntegrityError, KeyongError, QuorumLost, UsageError
from governance.keys import SigningKey
from governance.quorum import Policy

ROOT = Path(__file__).parents[2]
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; .*)? \\((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$", re.MULTILINE)
FILES = {"keyong-1.tar.gz": b"source", "keyong-1-py3-none-any.whl": b"wheel"}


def locked(name: str) -> dict[str, list[str]]:
    """Versions of each package in a lock: more than one where they differ by Python."""
    text, found = (ROOT / "locks" / f"{name}.txt").read_text(), {}
    for package, version, _ in LOCKED.findall(text):
        found.setdefault(canonicalize_name(package), []).append(version)
    assert LOCKED.sub("", text).strip() == ""  # each line is a package with its digests: no index, no address, no option
    return found


def asked(*extras: str) -> list[Requirement]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += setup["options.extras_require"][extra].split("\n")
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize(("name", "extras"), [("test", ("test",)), ("demo", ("demo", "build"))])
def test_everything_that_is_installed_is_pinned_by_its_digest(name, extras):
    versions = locked(name)
    for each in asked(*extras):
        found = versions.get(canonicalize_name(each.name), [])
        assert found, f"locks/{name}.txt lacks {each.name}: make lock"
        assert all(each.specifier.contains(version, prereleases=True) for version in found), f"{each}: make lock"


def test_the_locks_agree():
    test = locked("test")
    assert {name: versions for name, versions in locked("demo").items() if test.get(name) != versions} == {}


@pytest.fixture
def checkout(tmp_path):
    """The packages as they are here, committed in a repository of their own."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "governance", "federated"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, made / name)
    git(made, "init", "--quiet")
    git(made, "add", "governance/*.py", "federated", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", ":!*__pycache__*")
    git(made, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "x")
    return made


def git(where, *arguments):
    subprocess.run(["git", "-C", where, *arguments], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})


def built(checkout, out, *, umask):
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'release')!r}); import build; from pathlib import Path as P; build.build(P({str(checkout)!r}), P({str(out)!r}))"
    subprocess.run([sys.executable, "-c", program], check=True, umask=umask)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_two_builds_have_the_same_bytes(checkout, tmp_path):
    first = built(checkout, tmp_path / "first", umask=0o022)
    (checkout / "governance" / "not_committed.py").write_text("")
    time.sleep(2.1)  # times in archives are in steps of two seconds
    for path in checkout.rglob("*.py"):
        path.touch()
    second = built(checkout, tmp_path / "second", umask=0o077)
    assert sorted(first) == ["keyong-0.1.0-py3-none-any.whl", "keyong-0.1.0.tar.gz"]
    assert first == second


@pytest.fixture
def signed(tmp_path):
    """A signed release that is the second in its ledger, and the key that verifies it."""
    key = release.create(tmp_path / "releases", "keyong-releases")
    for name in ("older", "dist"):
        folder = tmp_path / name
        folder.mkdir()
        for file, content in FILES.items():
            (folder / file).write_bytes(content + name.encode())
        release.sign(folder, tmp_path / "releases")
    return folder, key


def test_a_release_verifies_with_the_key_alone(signed):
    folder, key = signed
    found = release.verify(folder, Policy((key.public,)))
    assert (sorted(found.files), found.log, found.index) == (sorted(FILES), "keyong-releases", 1)


def replaced(folder, key):
    (folder / "keyong-1.tar.gz").write_bytes(b"sourcf")


def removed(folder, key):
    (folder / "keyong-1.tar.gz").unlink()


def added(folder, key):
    (folder / "keyong-2-py3-none-any.whl").write_bytes(b"newer")


def signed_by_another(folder, key):
    document = notes.read((folder / release.NOTE).read_text()).document(release.Software)
    (folder / release.NOTE).write_text(str(notes.write(document).signed_by(SigningKey.generate(key.name))))


def signed_and_not_entered(folder, key):
    """Somebody with a copy of the key, and not of the ledger, makes a release of his own for one reader."""
    replaced(folder, key)
    made = release.Software({path: digest for path, digest in release._digests(folder).items()})
    (folder / release.NOTE).write_text(str(notes.write(made).signed_by(key)))


def with_the_proof_of_another(folder, key):
    shutil.copy(folder.parent / "older" / release.PROOF, folder / release.PROOF)


def with_a_proof_that_was_changed(folder, key):
    text = (folder / release.PROOF).read_text()
    (folder / release.PROOF).write_text(text.replace("index 1", "index 0"))


@pytest.mark.parametrize("change", [replaced, removed, added, signed_by_another, signed_and_not_entered, with_the_proof_of_another,
                                    with_a_proof_that_was_changed], ids=lambda change: change.__name__)  # fmt: skip
def test_what_was_not_released_is_an_alarm(signed, change):
    folder, key = signed
    change(folder, key)
    with pytest.raises(IntegrityError):
        release.verify(folder, Policy((key.public,)))


def test_a_policy_may_ask_for_witnesses_who_were_not_there(signed):
    folder, key = signed
    with pytest.raises(QuorumLost):
        release.verify(folder, Policy.of(key.public, [SigningKey.generate("witness").public], 1))


@pytest.mark.parametrize("name", [release.NOTE, release.PROOF])
def test_a_folder_without_note_or_proof_is_no_release(signed, name):
    folder, key = signed
    (folder / name).unlink()
    with pytest.raises(UsageError, match=name):
        release.verify(folder, Policy((key.public,)))


@pytest.mark.parametrize("name", ["../evil", "a/b", "", release.NOTE])
def test_a_release_names_plain_files(name):
    with pytest.raises(KeyongError):
        release.Software({name: "ab" * 32})


def test_nothing_but_files_is_signed(tmp_path):
    release.create(tmp_path / "releases", "keyong-releases")
    folder = tmp_path / "dist"
    (folder / "inner").mkdir(parents=True)
    with pytest.raises(UsageError):
        release.sign(folder, tmp_path / "releases")
    (folder / "inner").rmdir()
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(UsageError):
        release.sign(folder, tmp_path / "releases")


def test_the_key_is_its_owners_and_made_once(tmp_path):
    release.create(tmp_path / "releases", "keyong-releases")
    assert (tmp_path / "releases" / release.KEY).stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        release.create(tmp_path / "releases", "keyong-releases")


def test_the_commands(tmp_path, capsys):
    home, folder = ("--home", tmp_path / "releases"), tmp_path / "dist"
    folder.mkdir()
    (folder / "keyong-1.tar.gz").write_bytes(b"source")
    key = calls.keyong(capsys, "release", "init", *home).out.strip()
    assert "keyong-1.tar.gz" in calls.keyong(capsys, "release", "sign", folder, *home).out
    assert "entry 0 of keyong-releases" in calls.keyong(capsys, "release", "verify", folder, "--key", key).out
    assert "signed already" in calls.keyong(capsys, "release", "sign", folder, *home, code=2).err
    (folder / "keyong-1.tar.gz").write_bytes(b"another")
    assert "not as released: keyong-1.tar.gz" in calls.keyong(capsys, "release", "verify", folder, "--key", key, code=4).err
