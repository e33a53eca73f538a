import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import notes
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError, KeyongError
from governance.keys import SigningKey, Trust, read_key

# golang.org/x/mod/sumdb/note, note_test.go: the key, the text and its only possible signature (Ed25519 is deterministic)
PETER = read_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
PETER_KEY_FILE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"

ALICE = SigningKey("alice", bytes(range(32)))
BOB = SigningKey("bob", bytes(range(1, 33)))
CAROL = SigningKey("carol", bytes(range(2, 34)))
TRUST = Trust((ALICE.public, BOB.public, CAROL.public), threshold=2)


@wire("test/recipe/v1")
class Recipe:
    title: str
    spoons: int


@wire("test/other-recipe/v1")
class OtherRecipe:
    title: str
    spoons: int


SOUP = Recipe("汤", 3)


def test_the_published_note_verifies():
    note = notes.read(PETER_NOTE)
    assert note.require(Trust((PETER,))) == {"PeterNeumann"}
    assert str(note) == PETER_NOTE


def test_signing_again_gives_the_published_bytes(tmp_path):
    path = tmp_path / "peter.key"
    path.write_text(PETER_KEY_FILE)
    path.chmod(0o600)
    assert str(notes.Note(notes.read(PETER_NOTE).text).signed_by(SigningKey.load(path))) == PETER_NOTE


def test_what_is_signed_is_what_is_shown():
    note = notes.write(SOUP).signed_by(ALICE, BOB)
    assert str(note).startswith('test/recipe/v1\n{"spoons":3,"title":"汤"}\n\n— alice ')
    assert notes.opened(str(note), Recipe, TRUST) == notes.opened(str(note).encode(), Recipe, TRUST) == SOUP


@pytest.mark.parametrize("raw", [PETER_NOTE.encode(), str(notes.write(SOUP).signed_by(ALICE, BOB)).encode()], ids=["peter", "soup"])
def test_every_flipped_bit_is_refused(raw):
    trust = Trust((PETER,)) if raw.startswith(b"If") else TRUST
    notes.read(raw).require(trust)
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DecodeError, IntegrityError)):
            notes.read(bytes(flipped)).require(trust)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n")))
def test_any_text_comes_back(text):
    note = notes.Note(text + "\n").signed_by(ALICE)
    assert notes.read(str(note)) == note
    assert notes.read(str(note)).require(Trust((ALICE.public,))) == {"alice"}


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_garbage_is_refused_by_name(raw):
    with pytest.raises(DecodeError):
        notes.read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n— alice AAAAAAAA\n",
        "text\n\n— alice AAAAAAAA",
        "text\n\n-- alice AAAAAAAA\n",
        "text\n\n—  AAAAAAAA\n",
        "text\n\n— alice\n",
        "text\n\n— alice AAAAAAAA extra\n",
        "text\n\n— alice AAAA\n",  # no more than a key id
        "text\n\n— alice AAA AAAA\n",
        "text\n\n— alice AAAAAAAB=\n",
        "text\n\n— alice AAAAAAB=\n",  # unused bits that are not zero
        "text\n\n— alice ÄÄÄÄÄÄÄÄ\n",
        "text\n\n— al+ice AAAAAAAA\n",
        "text\n\n— al\u2003ice AAAAAAAA\n",
        "te\txt\n\n— alice AAAAAAAA\n",
        "te\rxt\n\n— alice AAAAAAAA\n",
        "te\ud800xt\n\n— alice AAAAAAAA\n",
        b"te\xffxt\n\n\xe2\x80\x94 alice AAAAAAAA\n",
        "text\n\n" + "— alice AAAAAAAA\n" * (notes.MOST_SIGNATURES + 1),
        "text\n" * 300_000 + "\n— alice AAAAAAAA\n",
    ],
)
def test_malformed_notes(raw):
    with pytest.raises(DecodeError):
        notes.read(raw)


def test_the_text_may_hold_empty_lines():
    note = notes.read("one\n\n— alice AAAAAAAA\n\n— bob AAAAAAAA\n")
    assert note.text == "one\n\n— alice AAAAAAAA\n"
    assert [s.name for s in note.signatures] == ["bob"]


def test_k_of_n_is_k_lines():
    note = notes.write(SOUP)
    assert note.signed_by(ALICE, CAROL).require(TRUST) == {"alice", "carol"}
    with pytest.raises(IntegrityError, match="1 of the 2"):
        note.signed_by(ALICE).require(TRUST)
    with pytest.raises(IntegrityError, match="1 of the 2"):
        note.signed_by(ALICE, ALICE).require(TRUST)


def test_unknown_keys_are_ignored_and_a_bad_signature_of_a_known_key_is_not():
    stranger = SigningKey("stranger", bytes(32))
    namesake = SigningKey("alice", bytes(32))
    note = notes.write(SOUP).signed_by(ALICE, stranger, namesake, BOB)
    assert note.require(TRUST) == {"alice", "bob"}
    bad = dataclasses.replace(note.signatures[0], value=bytes(64))
    with pytest.raises(IntegrityError, match="alice"):
        dataclasses.replace(note, signatures=(*note.signatures, bad)).require(TRUST)


def test_signatures_are_collected_from_copies():
    note = notes.write(SOUP)
    both = note.signed_by(ALICE).joined(note.signed_by(ALICE, BOB))
    assert [s.name for s in both.signatures] == ["alice", "bob"]
    with pytest.raises(IntegrityError, match="same text"):
        both.joined(notes.write(Recipe("汤", 4)))


def test_a_document_of_another_type_is_refused():
    note = notes.write(SOUP)
    assert note.document(OtherRecipe, Recipe) == SOUP
    assert note.holds(Recipe) and not note.holds(OtherRecipe)
    with pytest.raises(DecodeError, match="test/other-recipe/v1"):
        note.document(OtherRecipe)
    for text in ("test/recipe/v1\n", "test/recipe/v1", '{"spoons":3,"title":"x"}\n', note.text + "\n", note.text[:-1]):
        with pytest.raises(DecodeError):
            notes.Note(text).document(Recipe)


def test_the_id_is_the_hash_of_the_text():
    """printf 'test/recipe/v1\\n{"spoons":3,"title":"tea"}\\n' | sha256sum"""
    note = notes.write(Recipe("tea", 3))
    assert note.id == note.signed_by(ALICE).id == "71ab419fec631f5c3af9a5e916626cc589667a6ffd6e3b8438280eb1d2ef0171"
    assert note.id != notes.write(Recipe("tea", 4)).id


def test_an_error_never_carries_the_document():
    with pytest.raises(KeyongError) as caught:
        notes.Note('test/recipe/v1\n{"spoons":"Zhang San","title":"x"}\n').document(Recipe)
    assert "Zhang" not in str(caught.value)


@pytest.mark.parametrize("suite", ["sm2-sm3", "ml-dsa-44"])
def test_a_second_line_of_one_key_is_not_taken_over(suite):
    """A key can sign one text in many ways; a document under which two such lines stand would verify nowhere any more."""
    key, note = SigningKey.generate("officer", suite), notes.write(SOUP)
    first, second = note.signed_by(key), note.signed_by(key)
    assert first != second
    assert first.joined(second) == first
    assert second.joined(first.signed_by(ALICE)) == second.signed_by(ALICE)
    assert first.joined(second).require_only(Trust((key.public,))) == {"officer"}
    assert note.signed_by(*[key] * 128).only(key.public).require_only(Trust((key.public,))) == {"officer"}


def test_a_note_that_is_passed_on_can_hold_only_the_lines_that_belong_there():
    both = notes.write(SOUP).signed_by(ALICE, BOB)
    assert both.require_only(TRUST) == {"alice", "bob"}
    for more in (ALICE, SigningKey.generate("alice"), SigningKey.generate("stranger")):
        assert both.signed_by(more).require(TRUST) == {"alice", "bob"}
        with pytest.raises(IntegrityError, match="nobody's"):
            both.signed_by(more).require_only(TRUST)
    with pytest.raises(IntegrityError, match="1 of the 2"):
        notes.write(SOUP).signed_by(ALICE).require_only(TRUST)
