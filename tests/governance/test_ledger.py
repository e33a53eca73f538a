from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import checkpoint, ledger, merkle
from governance.encoding import canonical, plain
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey
from governance.ledger import Ledger, entry, read_entry
from governance.texts import TEXTS

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOB = "ab" * 32
OFFERED = entry("job.offered", JOB, code="", at=1_700_000_000)


class Memory:
    """`Rows` in dictionaries."""

    def __init__(self):
        self.size, self.note = 0, ledger.inception(LOG)
        self.entry, self.digest = {}, {}

    def head(self):
        return self.size, self.note

    def set_head(self, size, note):
        self.size, self.note = size, note

    def add(self, leaves, hashes):
        assert not self.entry.keys() & {at for at, _ in leaves} and not self.digest.keys() & {at for at, _ in hashes}
        self.entry.update(leaves)
        self.digest.update(hashes)

    def leaves(self, start):
        return ((i, self.entry[i]) for i in sorted(self.entry) if i >= start)

    def at(self, positions):
        return {at: self.digest[at] for at in positions if at in self.digest}

    def between(self, start, stop):
        return [(at, digest) for at, digest in self.digest.items() if start <= at < stop]

    def hashes(self):
        return iter(sorted(self.digest.items()))


def grown(*transactions):
    """A ledger that grew by so many entries in each transaction."""
    rows = Memory()
    for count in transactions:
        book = Ledger(rows)
        for _ in range(count):
            book.append(entry("job.offered", f"{book.size:064x}", code="", at=1_700_000_000 + book.size))
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
    with pytest.raises(UsageError):
        entry(event, subject, code=code, at=at)


@given(st.text(max_size=70).filter(lambda text: text not in TEXTS and text not in get_args(ledger.Event)))
def test_no_free_text_becomes_an_entry(text):
    for event, subject, code in [(text, JOB, ""), ("job.ended", text, ""), ("job.ended", JOB, text or "x")]:
        with pytest.raises(UsageError):
            entry(event, subject, code=code, at=1)


@pytest.mark.parametrize(
    "leaf",
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
def test_leaves_that_are_refused(leaf):
    with pytest.raises(DecodeError):
        read_entry(leaf)


# --- growing


@given(st.lists(st.integers(0, 5), max_size=8))
@settings(deadline=None)
def test_a_ledger_is_one_tree_however_it_grew(transactions):
    rows = grown(*transactions)
    head = ledger.fsck(rows, LOG.public)
    assert head == checkpoint.opened(rows.note, LOG.public)
    assert head.size == sum(transactions)
    assert rows.entry == grown(sum(transactions)).entry and rows.digest == grown(sum(transactions)).digest
    assert head.root == checkpoint.opened(grown(sum(transactions)).note, LOG.public).root


def test_vector_of_a_checkpoint():
    """Two entries; the root computed by hand from RFC 6962, 2.1."""
    rows = grown(2)
    left, right = (merkle.leaf_hash(rows.entry[i]) for i in (0, 1))
    assert checkpoint.opened(rows.note, LOG.public) == checkpoint.Checkpoint(LOG.name, 2, merkle.node_hash(left, right))


def test_one_checkpoint_a_transaction_and_none_before_it_ends():
    rows = grown(3)
    book = Ledger(rows)
    before = book.checkpoint()
    assert book.append(OFFERED) == 3
    with pytest.raises(UsageError, match="when the transaction ends"):
        book.checkpoint()
    book.sign(LOG)
    assert book.checkpoint() == Ledger(rows).checkpoint() == rows.note != before
    book.sign(LOG)  # once more changes nothing
    with pytest.raises(UsageError, match="closed for this transaction"):
        book.append(OFFERED)
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
        merkle.verify_inclusion(book.inclusion(index), head.root, leaf=merkle.leaf_hash(rows.entry[index]), index=index, size=11)
    old = checkpoint.opened(grown(4).note, LOG.public)
    merkle.verify_consistency(book.consistency(4), old.root, head.root, old=4, new=11)
    assert book.inclusion(2, 5) == merkle.inclusion(2, 5, lambda level, index: rows.digest[merkle.position(level, index)])
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


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_every_byte_of_every_payload_is_watched(size):
    rows = grown(size)
    for index, good in list(rows.entry.items()):
        for at in range(len(good)):
            changed = bytearray(good)
            changed[at] ^= 1
            rows.entry[index] = bytes(changed)
            with pytest.raises(IntegrityError, match=f"entry {index} and its hash") as caught:
                ledger.fsck(rows, LOG.public)
            assert caught.value.facts == {"level": 0, "index": index}
        rows.entry[index] = good
    assert ledger.fsck(rows, LOG.public).size == size


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_every_byte_of_every_stored_hash_is_watched(size):
    names = {merkle.position(level, i): (level, i) for level in range(4) for i in range(size >> level)}
    rows = grown(size)
    assert names.keys() == rows.digest.keys()
    for position, (level, index) in names.items():
        good = rows.digest[position]
        for at in range(32):
            changed = bytearray(good)
            changed[at] ^= 128
            rows.digest[position] = bytes(changed)
            with pytest.raises(IntegrityError, match=f"level {level}, index {index}") as caught:
                ledger.fsck(rows, LOG.public)
            assert caught.value.facts == {"level": level, "index": index}
        rows.digest[position] = good
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
    rows = grown(5)
    del rows.entry[index]
    with pytest.raises(IntegrityError, match=f"entry {index} is missing" if index < 4 else "belongs to no entry"):
        ledger.fsck(rows, LOG.public)


@pytest.mark.parametrize("position", range(8))
def test_a_removed_hash_is_named(position):
    rows = grown(5)
    del rows.digest[position]
    with pytest.raises(IntegrityError, match="level"):
        ledger.fsck(rows, LOG.public)


def test_added_rows_are_named():
    rows = grown(5)
    rows.add([(5, OFFERED.leaf)], [(merkle.position(0, 5), merkle.leaf_hash(OFFERED.leaf))])
    with pytest.raises(IntegrityError, match="level 1, index 2"):
        ledger.fsck(rows, LOG.public)
    rows = grown(4)
    rows.add([(4, OFFERED.leaf)], [(merkle.position(0, 4), merkle.leaf_hash(OFFERED.leaf))])
    with pytest.raises(IntegrityError, match="covers 4 entries, other than are stored"):
        ledger.fsck(rows, LOG.public)


def test_a_payload_that_is_no_entry_is_named_even_if_all_hashes_fit():
    rows = Memory()
    rows.add([(0, b"Zhang San")], [(0, merkle.leaf_hash(b"Zhang San"))])
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
        book.append(OFFERED)
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
        book.append(entry(event, JOB, code="", at=1))
    book.sign(LOG)
    now = ledger.fsck(rewritten, LOG.public)
    with pytest.raises(IntegrityError, match="not consistent"):
        merkle.verify_consistency(Ledger(rewritten).consistency(3), seen.root, now.root, old=3, new=4)


# --- the short ways are the same ways


def test_a_leaf_is_canonical_json_of_kind_and_fields():
    for event in get_args(ledger.Event):
        for code in ("", *TEXTS):
            made = entry(event, JOB, code=code, at=2**53 - 1)
            assert made.leaf == canonical([made.kind, plain(made)]).encode()
            assert read_entry(made.leaf) == made


def test_a_large_transaction_is_written_in_parts(monkeypatch):
    monkeypatch.setattr(ledger, "WRITTEN", 4)
    rows = Memory()
    book = Ledger(rows)
    for number in range(11):
        assert book.append(entry("job.offered", f"{number:064x}", code="", at=1_700_000_000 + number)) == number
        assert len(rows.entry) == (number + 1) // 4 * 4
    assert book.entries(9, 5)[1].subject == f"{10:064x}" and len(rows.entry) == 11
    book.sign(LOG)
    assert rows.entry == grown(11).entry and rows.digest == grown(11).digest and rows.note == grown(11).note
    assert dict(enumerate(rows.digest[place] for place in sorted(rows.digest))) == rows.digest


def test_what_was_just_appended_can_be_proved():
    rows = grown(5)
    book = Ledger(rows)
    for _ in range(3):
        book.append(OFFERED)
    merkle.verify_inclusion(book.inclusion(7), book.root(), leaf=merkle.leaf_hash(OFFERED.leaf), index=7, size=8)
    assert book.root(0) == merkle.EMPTY and book.root(5) == checkpoint.opened(rows.note, LOG.public).root
    assert book.scan()(3, 0) == book.root()


def test_a_missing_hash_is_named_by_whoever_needs_it():
    rows = grown(5)
    del rows.digest[merkle.position(2, 0)]
    with pytest.raises(IntegrityError, match="stored hash at position 6 is missing"):
        Ledger(rows).append(OFFERED)
    with pytest.raises(IntegrityError, match="is missing"):
        Ledger(rows).scan()(2, 0)
