"""A ledger as static files: byte for byte those of Tessera, added to as the ledger grows, and checked by whoever has a copy."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import checkpoint, ledger, merkle, notes, quorum, tiles
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError, QuorumLost, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.quorum import Policy

VECTORS = os.environ.get("KEYONG_VECTORS")
LOG = SigningKey("hospital-a", bytes(range(32)))
POLICY = Policy((LOG.public,))


def leaf(number):
    return f"entry {number}".encode()


class Log:
    """Leaves and hashes in lists."""

    def __init__(self, leaves):
        self.leaves = list(leaves)
        self.hashes = [merkle.leaf_hash(data) for data in self.leaves]

    def tile_at(self, level, index):
        width = 256**level
        starts = range(index * 256 * width, min((index + 1) * 256 * width, len(self.hashes)), width)
        return b"".join(merkle.fold(self.hashes[at : at + width]) for at in starts if at + width <= len(self.hashes))

    def files(self, old, new):
        start = old // 256 * 256
        return dict(tiles.files(old, new, enumerate(self.leaves[start:], start), self.tile_at))

    def write(self, folder, old, new):
        for path, content in self.files(old, new).items():
            tiles._write(folder / path, content)
        tiles._write(folder / "checkpoint", str(Checkpoint(LOG.name, new, merkle.fold(self.hashes[:new])).signed_by(LOG)).encode())


def anything(_leaf):
    """Entries here are not those of a ledger."""


def monitored(folder, **more):
    return tiles.monitor(folder, POLICY, read_leaf=anything, **more)[0]


# --- names


@pytest.mark.parametrize("index, path", [
    (0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067"), (123456, "x123/456"), (10**9, "x001/x000/x000/000"),
])  # fmt: skip
def test_paths(index, path):
    assert tiles.name(index) == path and tiles.name(index, 8) == f"{path}.p/8"


def test_the_example_of_the_specification():
    """A tree of 70,000: 273 full tiles and one of 112; one full tile and one of 17; one of 1."""
    spans = list(tiles.spans(0, 70_000))
    assert [sum(1 for level, _, width in spans if (level, width) == (at, 256)) for at in range(3)] == [273, 1, 0]
    assert [span for span in spans if span[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert list(tiles.spans(0, 256)) == [(0, 0, 256), (1, 0, 1)] and list(tiles.spans(0, 0)) == []


@given(st.integers(0, 70_000), st.integers(0, 70_000))
@settings(max_examples=50, deadline=None)
def test_what_is_added_is_what_was_missing(one, other):
    old, new = sorted((one, other))
    added = set(tiles.spans(old, new))
    assert added | set(tiles.spans(0, old)) >= set(tiles.spans(0, new)) and added <= set(tiles.spans(0, new))
    assert not added & set(tiles.spans(0, old))


# --- Tessera's log, github.com/transparency-dev/tessera, testdata/log


def tessera():
    if not VECTORS:
        pytest.skip("16 checkpoints and 30 tiles of Tessera's log were not run: KEYONG_VECTORS is not set")
    return Path(VECTORS) / "tessera/testdata/log"


@pytest.mark.external
def test_our_files_are_those_of_tessera(tmp_path):
    folder = tessera()
    log = Log(data for _, data in ledger.unbundled((folder / "tile/entries/000.p/15").read_bytes(), 0))
    found = {}
    for size in range(15):
        found |= log.files(size, size + 1)
    theirs = {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "tile").rglob("*") if path.is_file()}
    assert found == theirs and len(theirs) == 30
    for size in range(16):
        head = checkpoint.read(notes.read((folder / f"checkpoint.{size}").read_bytes()))
        assert head == Checkpoint("example.com/log/testdata", size, merkle.fold(log.hashes[:size]))


@pytest.mark.external
def test_a_copy_of_tesseras_log_is_whole(tmp_path):
    """Under a signature of ours, since its key is not published."""
    shutil.copytree(tessera() / "tile", tmp_path / "tile")
    text = notes.read((tessera() / "checkpoint").read_bytes()).text.replace("example.com/log/testdata", LOG.name)
    (tmp_path / "checkpoint").write_text(str(notes.Note(text).signed_by(LOG)))
    assert monitored(tmp_path).size == 15


# --- large trees


def test_a_tree_of_three_levels(tmp_path):
    log = Log(map(leaf, range(66_000)))
    log.write(tmp_path, 0, 65_000)
    seen = (tmp_path / "checkpoint").read_text()
    assert monitored(tmp_path).size == 65_000
    log.write(tmp_path, 65_000, 66_000)
    assert monitored(tmp_path, seen=seen).size == 66_000
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == merkle.fold(log.hashes[: 1 << 16])
    assert (tmp_path / "tile/1/000").stat().st_size == 256 * 32 and (tmp_path / f"tile/1/001.p/{66_000 // 256 - 256}").exists()


# --- a journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal.create(tmp_path / "a.db", LOG)
    yield journal
    journal.close()


def grow(journal, count):
    with journal.transaction() as t:
        for _ in range(count):
            t.append("job.offered", f"{t.size():064x}")


def exported(journal, folder):
    with journal.view() as v:
        return tiles.export(v, folder, POLICY)


def test_a_ledger_is_exported_and_added_to(journal, tmp_path):
    folder, last = tmp_path / "public", ""
    for count in (0, 3, 250, 3, 1, 0, 600):
        grow(journal, count)
        head = exported(journal, folder)
        assert tiles.monitor(folder, POLICY, seen=last) == (head, (folder / "checkpoint").read_text())
        last = (folder / "checkpoint").read_text()
    assert head == journal.fsck() and head.size == 857
    kept = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert kept == sorted([
        "checkpoint", *(f"tile/{kind}/{n}" for kind in ("0", "entries") for n in ("000", "001", "002", "003.p/89")), "tile/1/000.p/1", "tile/1/000.p/3",
    ])  # fmt: skip
    fresh = tmp_path / "fresh"
    assert exported(journal, fresh) == head
    assert all((folder / p.relative_to(fresh)).read_bytes() == p.read_bytes() for p in fresh.rglob("*") if p.is_file())


def test_an_export_that_was_cut_short_is_made_good(journal, tmp_path, monkeypatch):
    folder = tmp_path / "public"
    grow(journal, 300)
    exported(journal, folder)
    grow(journal, 300)
    real, written = tiles._write, []

    def failing(path, content):
        if len(written) == 3:
            raise OSError(28, "no space")
        written.append(path)
        return real(path, content)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(tiles, "_write", failing)
        exported(journal, folder)
    assert tiles.monitor(folder, POLICY)[0].size == 300
    assert exported(journal, folder).size == 600 == tiles.monitor(folder, POLICY)[0].size


def test_the_checkpoint_with_a_quorum_is_exported(journal, tmp_path):
    folder = tmp_path / "public"
    grow(journal, 3)
    with journal.transaction() as t:
        t.put_note("cosigned", LOG.name, t.checkpoint().replace("\n— ", "\n— someone AAAAAAA=\n— "))
    grow(journal, 3)
    assert exported(journal, folder).size == 3 and "someone" in (folder / "checkpoint").read_text()
    other = tmp_path / "other"
    with journal.transaction() as t:
        t.put_note("cosigned", LOG.name, str(Checkpoint(LOG.name, 0, merkle.EMPTY).signed_by(LOG)), replace=True)
    assert exported(journal, folder).size == 6 and exported(journal, other).size == 0


def test_a_folder_of_another_ledger_is_left_alone(journal, tmp_path):
    other = Journal.create(tmp_path / "b.db", LOG)
    folder = tmp_path / "public"
    grow(journal, 5)
    with other.transaction() as t:
        t.append("job.refused", "ab" * 32)
    exported(journal, folder)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for _ in range(2):  # with less in it than the folder, and with more
        with pytest.raises(IntegrityError, match="another ledger"):
            exported(other, folder)
        grow(other, 9)
    stranger = Journal.create(tmp_path / "c.db", SigningKey("hospital-c", bytes(32)))
    with stranger.view() as v, pytest.raises(IntegrityError, match="another log"):
        tiles.export(v, folder, Policy((stranger.owner,)))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    other.close()
    stranger.close()


def test_an_edited_entry_is_not_exported(journal, tmp_path):
    for _ in range(5):
        grow(journal, 1)
    with journal._database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE bundle SET entries = (SELECT entries FROM bundle WHERE first = 2) WHERE first = 3")
    with pytest.raises(IntegrityError, match="entry 3 and its hash"):
        exported(journal, tmp_path / "public")
    with journal._database.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM bundle WHERE first >= 2")
    with pytest.raises(IntegrityError, match="entry 2 and its hash"):
        exported(journal, tmp_path / "public")


def test_an_entry_that_fits_in_no_bundle():
    log = Log([b"x" * 65_535])
    assert log.files(0, 1)["tile/entries/000.p/1"][:2] == b"\xff\xff"
    with pytest.raises(UsageError, match="at most 65535"):
        Log([b"x" * 65_536]).files(0, 1)


# --- a copy that was tampered with


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    Log(map(leaf, range(300))).write(folder, 0, 300)
    return folder


@pytest.fixture
def copy(good, tmp_path):
    shutil.copytree(good, tmp_path / "copy")
    return tmp_path / "copy"


FILES = ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]


@pytest.mark.parametrize("path", FILES)
def test_what_is_changed_is_named(copy, path):
    raw = (copy / path).read_bytes()
    for at in {0, 1, 2, 33, len(raw) // 2, len(raw) - 1}:
        changed = bytearray(raw)
        changed[at % len(raw)] ^= 1
        for bad in {bytes(changed), raw[:at], raw + b"\0", raw + raw[:34], b""} - {raw}:
            (copy / path).write_bytes(bad)
            with pytest.raises(IntegrityError, match=r"tile|hash|root|entries|entry [0-9]+ is cut short"):
                monitored(copy)
    (copy / path).write_bytes(raw)
    assert monitored(copy).size == 300
    (copy / path).unlink()
    with pytest.raises(IntegrityError, match="missing"):
        monitored(copy)
    os.mkfifo(copy / path)
    with pytest.raises(IntegrityError, match="missing"):
        monitored(copy)


def test_entries_and_tiles_that_were_changed_together(copy):
    """Only the signed root gives it away."""
    log = Log([b"forged" if n == 17 else leaf(n) for n in range(300)])
    for path, content in log.files(0, 300).items():
        (copy / path).write_bytes(content)
    with pytest.raises(IntegrityError, match="root"):
        monitored(copy)


def test_a_history_that_was_written_anew_and_signed(copy, tmp_path):
    seen = (copy / "checkpoint").read_text()
    forged = Log([b"forged" if n == 17 else leaf(n) for n in range(400)])
    forged.write(tmp_path / "forged", 0, 400)
    assert monitored(tmp_path / "forged").size == 400
    with pytest.raises(IntegrityError, match="first 300 entries are not those"):
        monitored(tmp_path / "forged", seen=seen)
    Log(map(leaf, range(200))).write(tmp_path / "older", 0, 200)
    with pytest.raises(IntegrityError, match="300 entries of hospital-a were seen before"):
        monitored(tmp_path / "older", seen=seen)
    forged.write(tmp_path / "same", 0, 300)
    with pytest.raises(IntegrityError, match="first 300 entries are not those"):
        monitored(tmp_path / "same", seen=seen)


def test_a_checkpoint_of_nobody(copy):
    text = (copy / "checkpoint").read_text()
    for bad in (text.replace("300", "299"), text.replace(LOG.name, "x")):
        (copy / "checkpoint").write_text(bad)
        with pytest.raises(IntegrityError):
            monitored(copy)
    for bad in (b"", b"\xff", b"x" * 70_000):
        (copy / "checkpoint").write_bytes(bad)
        with pytest.raises((DecodeError, IntegrityError)):
            monitored(copy)


def test_a_monitor_that_asks_for_witnesses(copy):
    with pytest.raises(QuorumLost):
        tiles.monitor(copy, Policy.of(LOG.public, [SigningKey("w", bytes(32)).public], quorum.needed(1, 0)), read_leaf=anything)


def test_what_is_no_entry_of_a_ledger_is_named(copy):
    with pytest.raises(IntegrityError, match="entry 0 is damaged"):
        tiles.monitor(copy, POLICY)
