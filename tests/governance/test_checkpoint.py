import base64
import os
from pathlib import Path

import pytest

from governance import checkpoint, merkle, notes
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError
from governance.keys import SigningKey, VerifyKey

LOG = SigningKey("hospital-a/node", bytes(range(32)))
HEAD = Checkpoint(LOG.name, 3, bytes(range(32)))
VECTORS = os.environ.get("KEYONG_VECTORS")

# C2SP tlog-checkpoint, the example at its top
BEHIND_THE_SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_example_of_the_specification_reads():
    head = checkpoint.read(notes.read(BEHIND_THE_SOFA))
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert BEHIND_THE_SOFA.startswith(head.text)


def test_what_is_signed_is_read_back():
    raw = str(HEAD.signed_by(LOG))
    assert raw.startswith("hospital-a/node\n3\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— hospital-a/node ")
    assert checkpoint.opened(raw, LOG.public) == checkpoint.opened(raw.encode(), LOG.public) == HEAD


def test_every_flipped_bit_is_refused():
    raw = str(HEAD.signed_by(LOG)).encode()
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DecodeError, IntegrityError)):
            checkpoint.opened(bytes(flipped), LOG.public)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"log\n3\n{ROOT}",
        f"log\n3\n{ROOT}\nextension\n",
        f"log\n3\n{ROOT}\n\n",
        f"\n3\n{ROOT}\n",
        f"log\n\n{ROOT}\n",
        f"log\n03\n{ROOT}\n",
        f"log\n00\n{ROOT}\n",
        f"log\n+3\n{ROOT}\n",
        f"log\n-3\n{ROOT}\n",
        f"log\n 3\n{ROOT}\n",
        f"log\n3 \n{ROOT}\n",
        f"log\n3_0\n{ROOT}\n",
        f"log\n٣\n{ROOT}\n",
        f"log\n0x3\n{ROOT}\n",
        f"log\n{10**19}\n{ROOT}\n",
        "log\n3\n\n",
        f"log\n3\n{ROOT[:-1]}\n",
        f"log\n3\n{ROOT}=\n",
        f"log\n3\n{ROOT[:-2]}B=\n",  # unused bits that are not zero
        f"log\n3\n {ROOT}\n",
        "log\n3\nAAAA\n",
        f"log\n3\n{base64.b64encode(bytes(33)).decode()}\n",
        f"log\r\n3\r\n{ROOT}\r\n",
    ],
)
def test_malformed_texts(text):
    with pytest.raises(DecodeError):
        checkpoint.read(notes.Note(text))


def test_signatures_that_do_not_count():
    other = SigningKey("hospital-b/node", bytes(range(1, 33)))
    namesake = SigningKey(LOG.name, bytes(range(1, 33)))
    for signer in (other, namesake):
        with pytest.raises(IntegrityError, match="not signed by hospital-a/node"):
            checkpoint.opened(str(HEAD.signed_by(signer)), LOG.public)
    with pytest.raises(IntegrityError, match="another log"):
        checkpoint.opened(str(Checkpoint("hospital-b/node", 3, bytes(32)).signed_by(LOG)), LOG.public)


def test_cosignatures_of_others_do_not_disturb():
    witness = SigningKey("witness", bytes(32))
    assert checkpoint.opened(str(HEAD.signed_by(LOG).signed_by(witness)), LOG.public) == HEAD


# --- the log of Tessera, github.com/transparency-dev/tessera, testdata/log


def tessera():
    if not VECTORS:
        pytest.skip("16 checkpoints, 15 entries and 15 tiles of Tessera's log were not run: KEYONG_VECTORS is not set")
    return Path(VECTORS) / "tessera/testdata/log"


def entries_of(raw):
    """C2SP tlog-tiles, "Log entries": each with its length before it, 16 bits big-endian."""
    found = []
    while raw:
        size = int.from_bytes(raw[:2])
        found.append(raw[2 : 2 + size])
        raw = raw[2 + size :]
    return found


@pytest.mark.external
def test_roots_of_tessera_are_ours():
    log = tessera()
    entries = entries_of((log / "tile/entries/000.p/15").read_bytes())
    assert len(entries) == 15
    hashes = [merkle.leaf_hash(data) for data in entries]

    def hash_at(level, index):
        return merkle.fold(hashes[index << level : (index + 1) << level])

    heads = [checkpoint.read(notes.read((log / f"checkpoint.{size}").read_bytes())) for size in range(16)]
    assert checkpoint.read(notes.read((log / "checkpoint").read_bytes())) == heads[15]
    for size, head in enumerate(heads):
        assert head == Checkpoint("example.com/log/testdata", size, merkle.root(size, hash_at))
        for later in heads[size:]:
            proof = merkle.consistency(size, later.size, hash_at)
            merkle.verify_consistency(proof, head.root, later.root, old=size, new=later.size)
        for index in range(size):
            proof = merkle.inclusion(index, size, hash_at)
            merkle.verify_inclusion(proof, head.root, leaf=merkle.leaf_hash(entries[index]), index=index, size=size)


@pytest.mark.external
def test_tiles_of_tessera_are_our_leaf_hashes():
    log = tessera()
    for size in range(1, 16):
        entries = entries_of((log / f"tile/entries/000.p/{size}").read_bytes())
        assert b"".join(map(merkle.leaf_hash, entries)) == (log / f"tile/0/000.p/{size}").read_bytes()


@pytest.mark.external
def test_signatures_of_tessera_fit_their_key_ids():
    """The key is not published with the log; all 16 checkpoints name the same one, and a stranger's key is ignored."""
    log = tessera()
    found = {s.key_id for size in range(16) for s in notes.read((log / f"checkpoint.{size}").read_bytes()).signatures}
    assert found == {bytes.fromhex("33d7b496")}
    with pytest.raises(IntegrityError, match="not signed"):
        checkpoint.opened((log / "checkpoint").read_bytes(), VerifyKey("example.com/log/testdata", LOG.public.public))
