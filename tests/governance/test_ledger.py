from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import checkpoint, ledger, merkle
from governance.encoding import canonical, plain
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey
from governance.ledger import Ledger, entry, leaf, read_entry
from governance.texts import TEXTS

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOB = "ab" * 32
OFFERED = entry("job.offered", JOB, code="", at=1_700_000_000)


class Memory:
    """`Rows` in dictionaries."""

    def __init__(self):
        self.size, self.note = 0, ledger.inception(LOG)
        self.bundle, self.tile = {}, {}
        self.hashes = {}

    def head(self):
        return self.size, self.note

    def set_head(self, size, note):
        self.size, self.note = size, note

    def add(self, bundles, tiles):
        assert not self.bundle.keys() & {at for at, *_ in bundles} and all(raw and hashes for _, hashes, raw in bundles)
        self.bundle.update((first, raw) for first, _, raw in bundles)
        self.hashes.update((first, hashes) for first, hashes, _ in bundles)
        for level, index, hashes in tiles:
            assert level and hashes.startswith(self.tile.get((level, index), b"")) and len(hashes) <= 8192
            self.tile[level, index] = hashes

    def bundles(self, start):
        return ((first, self.bundle[first]) for first in sorted(self.bundle) if first >= start // 256 * 256)

    def tiles(self, names):
        leaves = {(0, i): b"".join(self.hashes[at] for at in sorted(self.hashes) if at // 256 == i) for level, i in names if level == 0}
        return leaves | {name: self.tile[name] for name in names if name in self.tile}

    def all_tiles(self):
        return sorted(self.tile)

    @property
    def leaves(self):
        return [each for first in sorted(self.bundle) for _, each in ledger.unbundled(self.bundle[first], first)]


def grown(*transactions):
    """A ledger that grew by so many entries in each transaction."""
    rows = Memory()
    for count in transactions:
        book = Ledger(rows)
        for _ in range(count):
            book.append(leaf("job.offered", f"{book.size:064x}", "", 1_700_000_000 + book.size))
        book.sign(LOG)
    return rows


# --- entries


def test_vector_of_an_entry():
    assert OFFERED.leaf == f'["keyong/entry/v1",{{"at":1700000000,"code":"","event":"job.offered","subject":"{JOB}"}}]'.encode()
    assert read_entry(OFFERED.leaf) == OFFERED


@pytest.mark.parametrize(
    "event, subject, code, at",
    [
        ("job.dreamt", JOB, "", 1),
        ("", JOB, "", 1),
        ("job.offered", "张三", "", 1),
        ("job.offered", "110101199003070011", "", 1),
        ("job.offered", JOB[:-1], "", 1),
        ("job.offered", JOB.upper(), "", 1),
        ("job.offered", JOB + "\n", "", 1),
        ("job.offered", JOB, "patient-has-three-cells", 1),
        ("job.offered", JOB, " ", 1),
        ("job.offered", JOB, "", -1),
        ("job.offered", JOB, "", 1.5),
        ("job.offered", JOB, "", True),
        ("job.offered", JOB, "", 2**60),
    ],
)
def test_nothing_else_can_be_an_entry(event, subject, code, at):
    for make in (entry, leaf):
        with pytest.raises(UsageError):
            make(event, subject, code=code, at=at)


@given(st.text(max_size=70).filter(lambda text: text not in TEXTS and text not in get_args(ledger.Event)))
def test_no_free_text_becomes_an_entry(text):
    for event, subject, code in [(text, JOB, ""), ("job.ended", text, ""), ("job.ended", JOB, text or "x")]:
        with pytest.raises(UsageError):
            leaf(event, subject, code, 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        OFFERED.leaf + b" ",
        OFFERED.leaf.replace(b"/v1", b"/v2"),
        OFFERED.leaf.replace(b'"at":1700000000,', b""),
        OFFERED.leaf.replace(b'"code":""', b'"code":"","name":"x"'),
        OFFERED.leaf.replace(b"1700000000", b'"1700000000"'),
        b" " * 2000,
    ],
)
def test_leaves_that_are_refused(raw):
    with pytest.raises(DecodeError):
        read_entry(raw)


# --- growing


@given(st.lists(st.integers(0, 5), max_size=8))
@settings(deadline=None)
def test_a_ledger_is_one_tree_however_it_grew(transactions):
    rows = grown(*transactions)
    head = ledger.fsck(rows, LOG.public)
    assert head == checkpoint.opened(rows.note, LOG.public)
    assert head.size == sum(transactions)
    assert rows.leaves == grown(sum(transactions)).leaves and rows.tile == grown(sum(transactions)).tile
    assert head.root == checkpoint.opened(grown(sum(transactions)).note, LOG.public).root


def test_vector_of_a_checkpoint():
    """Two entries; the root computed by hand from RFC 6962, 2.1."""
    rows = grown(2)
    left, right = (merkle.leaf_hash(each) for each in rows.leaves)
    assert checkpoint.opened(rows.note, LOG.public) == checkpoint.Checkpoint(LOG.name, 2, merkle.node_hash(left, right))


def test_one_checkpoint_a_transaction_and_none_before_it_ends():
    rows = grown(3)
    book = Ledger(rows)
    before = book.checkpoint()
    assert book.append(OFFERED.leaf) == 3
    with pytest.raises(UsageError, match="when the transaction ends"):
        book.checkpoint()
    book.sign(LOG)
    assert book.checkpoint() == Ledger(rows).checkpoint() == rows.note != before
    book.sign(LOG)  # once more changes nothing
    with pytest.raises(UsageError, match="closed for this transaction"):
        book.append(OFFERED.leaf)
    assert ledger.fsck(rows, LOG.public).size == 4


def test_nothing_appended_means_nothing_signed():
    rows = grown(3)
    before = rows.note
    Ledger(rows).sign(SigningKey(LOG.name, bytes(32)))
    assert rows.note is before


def test_proofs_of_a_ledger():
    rows = grown(4, 1, 6)
    book, head = Ledger(rows), checkpoint.opened(rows.note, LOG.public)
    for index in range(11):
        merkle.verify_inclusion(book.inclusion(index), head.root, leaf=merkle.leaf_hash(rows.leaves[index]), index=index, size=11)
    old = checkpoint.opened(grown(4).note, LOG.public)
    merkle.verify_consistency(book.consistency(4), old.root, head.root, old=4, new=11)
    assert book.inclusion(2, 5) == Ledger(grown(5)).inclusion(2)
    assert book.consistency(4, 5) == Ledger(grown(5)).consistency(4)


def test_what_a_ledger_cannot_prove():
    book = Ledger(grown(3))
    for call in (lambda: book.inclusion(3), lambda: book.inclusion(0, 4), lambda: book.consistency(1, 4), lambda: book.consistency(4)):
        with pytest.raises(UsageError):
            call()


def test_entries_are_read_in_parts():
    book = Ledger(grown(5))
    everything = book.entries(0, 100)
    assert [e.subject for e in everything] == [f"{i:064x}" for i in range(5)]
    assert book.entries(2, 2) == everything[2:4]
    assert book.entries(5, 1) == book.entries(9, 9) == book.entries(1, 0) == []
    with pytest.raises(UsageError):
        book.entries(-1, 2)


# --- tampering


@pytest.mark.parametrize("sizes", [(1,), (2,), (5,), (3, 1, 4)], ids=str)
def test_every_byte_of_every_payload_is_watched(sizes):
    rows = grown(*sizes)
    for first, good in list(rows.bundle.items()):
        index, stop = first - 1, 0
        for at in range(len(good)):
            if at == stop:  # at the length of the next entry
                index, stop = index + 1, at + 2 + int.from_bytes(good[at : at + 2])
            changed = bytearray(good)
            changed[at] ^= 1
            rows.bundle[first] = bytes(changed)
            with pytest.raises(IntegrityError, match=f"entry {index} (and its hash|is cut short)") as caught:
                ledger.fsck(rows, LOG.public)
            assert caught.value.facts == {"level": 0, "index": index}
        rows.bundle[first] = good
    assert ledger.fsck(rows, LOG.public).size == sum(sizes)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 257, 600])
def test_every_byte_of_every_stored_hash_is_watched(size):
    """Of large trees, every byte of the first hash and of the last two in a tile, and one byte of each sixteenth."""
    rows = grown(size)
    assert sum(map(len, rows.tile.values())) == 32 * (size // 256) and sum(map(len, rows.hashes.values())) == 32 * size
    stored = [(rows.tile, (level, index), 8 * level, 256 * index) for level, index in rows.tile]
    for table, key, height, start in stored + [(rows.hashes, first, 0, first) for first in rows.hashes]:
        good = table[key]
        count = len(good) // 32
        for number in range(count):
            for at in range(32) if size < 10 or number in {0, count - 2, count - 1} else (17,) if number % 16 == 0 else ():
                changed = bytearray(good)
                changed[32 * number + at] ^= 128
                table[key] = bytes(changed)
                with pytest.raises(IntegrityError, match=f"level {height}, index {start + number} ") as caught:
                    ledger.fsck(rows, LOG.public)
                assert caught.value.facts == {"level": height, "index": start + number}
        table[key] = good
    assert ledger.fsck(rows, LOG.public).size == size


def test_every_byte_of_the_checkpoint_is_watched():
    rows = grown(5)
    good = rows.note.encode()
    for at in range(len(good)):
        changed = bytearray(good)
        changed[at] ^= 2
        rows.note = bytes(changed)
        with pytest.raises(IntegrityError, match="checkpoint"):
            ledger.fsck(rows, LOG.public)
    rows.note = good.decode()
    assert ledger.fsck(rows, LOG.public).size == 5


@pytest.mark.parametrize("size", [4, 6])
def test_a_head_that_is_not_of_these_entries(size):
    rows = grown(5)
    rows.note = grown(size).note
    with pytest.raises(IntegrityError, match="head says 5"):
        ledger.fsck(rows, LOG.public)
    rows.size = size
    with pytest.raises(IntegrityError, match=f"covers {size} entries, other than are stored"):
        ledger.fsck(rows, LOG.public)


def test_another_root_under_a_true_signature():
    rows = grown(5)
    rows.note = str(checkpoint.Checkpoint(LOG.name, 5, bytes(32)).signed_by(LOG))
    with pytest.raises(IntegrityError, match="root"):
        ledger.fsck(rows, LOG.public)


def test_the_signature_of_another_key():
    with pytest.raises(IntegrityError, match="checkpoint is damaged"):
        ledger.fsck(grown(5), SigningKey(LOG.name, bytes(32)).public)


@pytest.mark.parametrize("index", range(5))
def test_a_removed_entry_is_named(index):
    rows = grown(1, 1, 1, 1, 1)
    del rows.bundle[index]
    with pytest.raises(IntegrityError, match=f"entry {index} is missing" if index < 4 else "level 0, index 4"):
        ledger.fsck(rows, LOG.public)


def test_removed_hashes_are_named():
    rows = grown(300)
    del rows.tile[1, 0]
    with pytest.raises(IntegrityError, match="level 8, index 0 "):
        ledger.fsck(rows, LOG.public)
    rows = grown(300)
    del rows.hashes[256]
    with pytest.raises(IntegrityError, match="entry 256 and its hash"):
        ledger.fsck(rows, LOG.public)
    rows = grown(300)
    rows.hashes[256] = rows.hashes[256][:-1]
    with pytest.raises(IntegrityError, match="entry 299 and its hash"):
        ledger.fsck(rows, LOG.public)


def test_added_rows_are_named():
    rows = grown(5)
    rows.bundle[5] = ledger.bundle([OFFERED.leaf])
    with pytest.raises(IntegrityError, match="entry 5 and its hash"):
        ledger.fsck(rows, LOG.public)
    rows.hashes[5] = merkle.leaf_hash(OFFERED.leaf)
    with pytest.raises(IntegrityError, match="covers 5 entries, other than are stored"):
        ledger.fsck(rows, LOG.public)
    rows = grown(5)
    rows.hashes[0] += bytes(32)
    with pytest.raises(IntegrityError, match="entry 5 and its hash"):
        ledger.fsck(rows, LOG.public)
    rows = grown(5)
    rows.tile[1, 0] = bytes(32)
    with pytest.raises(IntegrityError, match="tile 0 of level 1 belongs to no entry"):
        ledger.fsck(rows, LOG.public)


@pytest.mark.parametrize("first, hashes", [(5, b""), (300, bytes(32))])
def test_a_bundle_without_entries_is_named(first, hashes):
    rows = grown(200)
    rows.bundle[first], rows.hashes[first] = b"", hashes
    with pytest.raises(IntegrityError, match=f"the bundle of entry {first} is empty"):
        ledger.fsck(rows, LOG.public)


def test_bundles_that_cannot_have_been_written():
    rows = grown(256, 5)
    rows.bundle[0] += rows.bundle.pop(256)
    with pytest.raises(IntegrityError, match="the bundle of entry 0 is too long"):
        ledger.fsck(rows, LOG.public)
    with pytest.raises(IntegrityError, match="too long"):
        Ledger(rows).entries(0, 300)
    rows = grown(5)
    rows.bundle[0] = rows.bundle[0][:-1]
    with pytest.raises(IntegrityError, match="entry 4 and its hash"):
        ledger.fsck(rows, LOG.public)
    with pytest.raises(IntegrityError, match="entry 4 is damaged"):
        Ledger(rows).entries(0, 5)


def test_a_payload_that_is_no_entry_is_named_even_if_all_hashes_fit():
    rows = Memory()
    rows.add([(0, merkle.leaf_hash(b"Zhang San"), ledger.bundle([b"Zhang San"]))], [])
    rows.set_head(1, str(checkpoint.Checkpoint(LOG.name, 1, merkle.leaf_hash(b"Zhang San")).signed_by(LOG)))
    with pytest.raises(IntegrityError, match="entry 0 is damaged") as caught:
        ledger.fsck(rows, LOG.public)
    assert "Zhang" not in str(caught.value)
    with pytest.raises(IntegrityError, match="entry 0 is damaged"):
        Ledger(rows).entries(0, 1)


# --- what only somebody with an older checkpoint can see


def test_a_rolled_back_ledger_is_clean_by_itself_and_inconsistent_with_what_was_seen():
    seen = checkpoint.opened(grown(5).note, LOG.public)
    rolled_back = grown(3)
    assert ledger.fsck(rolled_back, LOG.public).size == 3
    with pytest.raises(UsageError):
        Ledger(rolled_back).consistency(5)
    Ledger(rolled_back)  # and after it has grown past the old size with other entries:
    for _ in range(4):
        book = Ledger(rolled_back)
        book.append(OFFERED.leaf)
        book.sign(LOG)
    now = ledger.fsck(rolled_back, LOG.public)
    proof = Ledger(rolled_back).consistency(5)
    with pytest.raises(IntegrityError, match="not consistent"):
        merkle.verify_consistency(proof, seen.root, now.root, old=5, new=7)


def test_a_rewritten_ledger_signed_anew_is_inconsistent_with_what_was_seen():
    seen = checkpoint.opened(grown(3).note, LOG.public)
    rewritten = Memory()
    book = Ledger(rewritten)
    for event in ("job.offered", "job.refused", "job.offered", "job.offered"):
        book.append(leaf(event, JOB, "", 1))
    book.sign(LOG)
    now = ledger.fsck(rewritten, LOG.public)
    with pytest.raises(IntegrityError, match="not consistent"):
        merkle.verify_consistency(Ledger(rewritten).consistency(3), seen.root, now.root, old=3, new=4)


# --- the short ways are the same ways


def test_a_leaf_is_canonical_json_of_kind_and_fields():
    for event in get_args(ledger.Event):
        for code in ("", *TEXTS):
            made = entry(event, JOB, code=code, at=2**53 - 1)
            assert made.leaf == leaf(event, JOB, code, 2**53 - 1) == canonical([made.kind, plain(made)]).encode()
            assert read_entry(made.leaf) == made


def test_a_large_transaction_is_written_in_parts(monkeypatch):
    monkeypatch.setattr(ledger, "WRITTEN", 4)
    rows = Memory()
    book = Ledger(rows)
    for number in range(11):
        assert book.append(leaf("job.offered", f"{number:064x}", "", 1_700_000_000 + number)) == number
        assert len(rows.leaves) == (number + 1) // 4 * 4
    assert book.entries(9, 5)[1].subject == f"{10:064x}" and len(rows.leaves) == 11
    book.sign(LOG)
    assert (rows.leaves, rows.tile, rows.note) == (grown(11).leaves, grown(11).tile, grown(11).note)


def test_what_was_just_appended_can_be_proved():
    rows = grown(5)
    book = Ledger(rows)
    for _ in range(3):
        book.append(OFFERED.leaf)
    merkle.verify_inclusion(book.inclusion(7), book.root(), leaf=merkle.leaf_hash(OFFERED.leaf), index=7, size=8)
    assert book.root(0) == merkle.EMPTY and book.root(5) == checkpoint.opened(rows.note, LOG.public).root
    assert merkle.fold(merkle.row(book.tile(0, 0))) == book.root()


def test_proofs_across_tiles_are_those_of_the_leaves():
    rows = grown(255, 2, 300, 700)
    book = Ledger(rows)
    hashes = [merkle.leaf_hash(each) for each in rows.leaves]
    head = checkpoint.opened(rows.note, LOG.public)
    assert head.root == book.root() == merkle.fold(hashes)
    assert [len(ledger.read_entry(each).subject) for each in rows.leaves] == [64] * 1257 == [64] * book.size
    for index in (0, 254, 255, 256, 511, 512, 1023, 1024, 1256):
        merkle.verify_inclusion(book.inclusion(index), head.root, leaf=hashes[index], index=index, size=1257)
    for old in (1, 255, 256, 257, 512, 1000, 1024, 1256):
        assert book.root(old) == merkle.fold(hashes[:old])
        merkle.verify_consistency(book.consistency(old), merkle.fold(hashes[:old]), head.root, old=old, new=1257)
        merkle.verify_inclusion(book.inclusion(old - 1, old), book.root(old), leaf=hashes[old - 1], index=old - 1, size=old)
    assert [e.subject for e in book.entries(250, 10)] == [f"{i:064x}" for i in range(250, 260)]


def test_a_missing_hash_is_named_by_whoever_needs_it():
    rows = grown(300)
    rows.hashes[256] = rows.hashes[256][:64]
    with pytest.raises(IntegrityError, match="tile 1 of level 0 is cut short"):
        Ledger(rows).root()
    with pytest.raises(IntegrityError, match="tile 1 of level 0 is cut short"):
        book = Ledger(rows)
        book.append(OFFERED.leaf)
        book.sign(LOG)
    rows = grown(300)
    del rows.tile[1, 0]
    with pytest.raises(IntegrityError, match="tile 0 of level 1 is missing"):
        Ledger(rows).inclusion(299)
