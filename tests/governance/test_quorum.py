"""Cosignatures, the policy that counts them, the quorum that no forked log can have twice, and the clock that witnesses keep."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import cosignatures, notes, quorum
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError, QuorumLost, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.quorum import Group, Policy

LOG = SigningKey("hospital-a", bytes(range(32)))
WITNESSES = [SigningKey(f"hospital-{letter}", bytes([number]) * 32) for number, letter in enumerate("bcdef", 1)]
HEAD = Checkpoint(LOG.name, 7, bytes(range(32)))
NOW = 1_700_000_000


def cosigned(*witnesses, at=NOW, head=HEAD):
    note = head.signed_by(LOG)
    return notes.Note(note.text, note.signatures + tuple(cosignatures.cosign(note.text, key, at) for key in witnesses))


def policy(k, n=5):
    return Policy.of(LOG.public, [key.public for key in WITNESSES[:n]], k)


# --- cosignatures


def test_vector_of_a_cosignature():
    """The key id and the message put together by hand from C2SP tlog-cosignature."""
    key = WITNESSES[0]
    line = cosignatures.cosign(HEAD.text, key, 1679315147)
    message = b"cosignature/v1\ntime 1679315147\nhospital-a\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    key.public.verify(line.value[8:], message)
    assert line.value[:8] == bytes.fromhex("00000000641850cb")
    assert line.key_id == cosignatures.key_id(key.public) != key.public.id
    assert str(line).startswith("— hospital-b ")


def test_a_cosignature_is_no_signature_and_the_other_way_round():
    key = WITNESSES[0]
    note = cosigned(key)
    assert note.signers(key.public) == frozenset() and cosignatures.times(HEAD.signed_by(key), [key.public]) == {}
    raw = key.sign(HEAD.text.encode())
    moved = notes.Note(HEAD.text, (notes.Signature(key.name, cosignatures.key_id(key.public), bytes(8) + raw),))
    with pytest.raises(IntegrityError, match="does not verify"):
        cosignatures.times(moved, [key.public])


def test_strangers_are_ignored_and_the_latest_time_counts():
    note = cosigned(WITNESSES[0], WITNESSES[1])
    later = cosignatures.cosign(note.text, WITNESSES[0], NOW + 5)
    both = notes.Note(note.text, (later, *note.signatures))
    assert cosignatures.times(both, [WITNESSES[0].public]) == {"hospital-b": NOW + 5}
    namesake = SigningKey("hospital-b", bytes(32))
    assert cosignatures.times(both, [namesake.public]) == {}


def test_every_bit_of_a_cosignature_counts():
    key = WITNESSES[0]
    good = cosignatures.cosign(HEAD.text, key, NOW)
    for at in range(72 * 8):
        value = bytearray(good.value)
        value[at // 8] ^= 1 << at % 8
        with pytest.raises(IntegrityError):
            cosignatures.times(notes.Note(HEAD.text, (notes.Signature(key.name, good.key_id, bytes(value)),)), [key.public])


@pytest.mark.parametrize("value", [b"\0" * 71, b"\0" * 73, b"\x80" + b"\0" * 71, b"\0"])
def test_malformed_cosignatures(value):
    key = WITNESSES[0]
    with pytest.raises(IntegrityError, match="malformed"):
        cosignatures.times(notes.Note(HEAD.text, (notes.Signature(key.name, cosignatures.key_id(key.public), value),)), [key.public])


@pytest.mark.parametrize("at", [-1, 0, 2**63])
def test_times_that_cannot_be(at):
    with pytest.raises(UsageError, match="time must be in"):
        cosignatures.cosign(HEAD.text, WITNESSES[0], at)


LATTICE = SigningKey("hospital-l", bytes(range(32)), "ml-dsa-44")


def test_vector_of_a_cosignature_by_ml_dsa():
    """The key id and the message put together by hand from C2SP tlog-cosignature, "ML-DSA-44 signed message"."""
    line = cosignatures.cosign(HEAD.text, LATTICE, 1679315147)
    message = (
        b"subtree/v1\n\0"
        + b"\x0ahospital-l"
        + bytes.fromhex("00000000641850cb")
        + b"\x0ahospital-a"
        + bytes(8)
        + bytes(7)
        + b"\7"
        + HEAD.root
    )
    LATTICE.public.verify(line.value[8:], message)
    assert line.value[:8] == bytes.fromhex("00000000641850cb") and len(line.value) == 8 + 2420
    assert line.key_id == hashlib.sha256(b"hospital-l\n\6" + LATTICE.public.public).digest()[:4] != LATTICE.public.id


def test_a_quorum_of_both_kinds_of_keys():
    keys = [WITNESSES[0], LATTICE]
    both = Policy.of(LOG.public, [key.public for key in keys], 2)
    assert quorum.read(str(both)) == both and both.witnesses["hospital-l"] == LATTICE.public
    assert quorum.quorum_of(str(cosigned(*keys)), both) == HEAD
    with pytest.raises(QuorumLost):
        quorum.quorum_of(str(cosigned(LATTICE)), both)


@pytest.mark.parametrize("at", [0, 7, 8, 9, 1000, 2427])
def test_a_changed_cosignature_by_ml_dsa(at):
    good = cosignatures.cosign(HEAD.text, LATTICE, NOW)
    value = bytearray(good.value)
    value[at] ^= 1
    with pytest.raises(IntegrityError):
        cosignatures.times(notes.Note(HEAD.text, (notes.Signature(LATTICE.name, good.key_id, bytes(value)),)), [LATTICE.public])
    with pytest.raises(IntegrityError, match="malformed"):
        cosignatures.times(notes.Note(HEAD.text, (notes.Signature(LATTICE.name, good.key_id, good.value[:-1]),)), [LATTICE.public])


@pytest.mark.parametrize(
    "other", [Checkpoint("hospital-x", 7, HEAD.root), Checkpoint(LOG.name, 8, HEAD.root), Checkpoint(LOG.name, 7, bytes(32))], ids=str
)
def test_a_cosignature_by_ml_dsa_is_of_one_checkpoint(other):
    line = cosignatures.cosign(other.text, LATTICE, NOW)
    with pytest.raises(IntegrityError, match="does not verify"):
        cosignatures.times(notes.Note(HEAD.text, (line,)), [LATTICE.public])


def test_a_cosignature_without_a_time_does_not_count():
    """C2SP: it does not say that the tree is the largest one seen."""
    message = b"subtree/v1\n\0" + b"\x0ahospital-l" + bytes(8) + b"\x0ahospital-a" + bytes(8) + (7).to_bytes(8) + HEAD.root
    line = notes.Signature(LATTICE.name, cosignatures.key_id(LATTICE.public), bytes(8) + LATTICE.sign(message))
    assert cosignatures.times(notes.Note(HEAD.text, (line,)), [LATTICE.public]) == {}


def test_names_that_are_too_long_for_ml_dsa():
    key = SigningKey("名" * 100, bytes(32), "ml-dsa-44")
    with pytest.raises(UsageError, match="at most 255 bytes"):
        cosignatures.cosign(HEAD.text, key, NOW)


def test_a_key_of_no_such_kind_cosigns_nothing():
    key = VerifyKey("hospital-s", bytes(64), "sm2-sm3")
    for call in (cosignatures.key_id, cosignatures.marked, lambda k: Policy.of(LOG.public, [k], 1)):
        with pytest.raises(UsageError, match="sm2-sm3 cannot cosign a checkpoint"):
            call(key)
    with pytest.raises(UsageError, match="sm2-sm3 cannot cosign"):
        cosignatures.times(HEAD.signed_by(LOG), [key])


def test_who_sends_a_bad_line_hinders_nobody():
    keys = [key.public for key in WITNESSES]
    good = [cosignatures.cosign(HEAD.text, key, NOW) for key in WITNESSES[:2]]
    bad = notes.Signature(WITNESSES[2].name, cosignatures.key_id(WITNESSES[2].public), bytes(72))
    other = cosignatures.cosign(Checkpoint(LOG.name, 8, bytes(32)).text, WITNESSES[3], NOW)
    stranger = cosignatures.cosign(HEAD.text, SigningKey("x", bytes(32)), NOW)
    note = cosignatures.gathered(HEAD.signed_by(LOG), [bad, good[0], other, stranger, good[0], good[1]], keys)
    assert note.signatures[1:] == tuple(good)
    assert cosignatures.gathered(note, good, keys) == note


# --- how many


def forked(n, k, f):
    """Whether *f* of *n* who sign both can give both of two histories k cosignatures; everyone else signs one of them."""
    return any(f + one >= k and f + (n - f - one) >= k for one in range(n - f + 1))


def test_the_rule_for_a_quorum_is_right_for_every_small_number():
    cases = 0
    for n in range(1, 16):
        for f in range(n + 1):
            for k in range(1, n + 1):
                assert forked(n, k, f) == (f >= 2 * k - n)
                cases += 1
            enough = [k for k in range(1, n + 1) if not forked(n, k, f)]
            if enough:
                assert quorum.needed(n, f) == enough[0]
            else:
                with pytest.raises(UsageError, match="no quorum"):
                    quorum.needed(n, f)
    assert cases == sum(n * (n + 1) for n in range(1, 16))


@pytest.mark.parametrize("n, f, k", [(3, 0, 2), (3, 1, 3), (5, 0, 3), (5, 2, 4), (7, 2, 5), (10, 3, 7), (20, 7, 14), (1, 0, 1)])
def test_quorums_that_are_used(n, f, k):
    assert quorum.needed(n, f) == k


@pytest.mark.parametrize("n, f", [(0, 0), (3, -1), (3, 3), (5, 5)])
def test_quorums_that_cannot_be(n, f):
    with pytest.raises(UsageError, match="no quorum"):
        quorum.needed(n, f)


# --- what counts


def test_enough_witnesses():
    for there in range(3, 6):
        assert quorum.quorum_of(str(cosigned(*WITNESSES[:there])), policy(3), index=6) == HEAD


def test_too_few_witnesses():
    for there in range(3):
        with pytest.raises(QuorumLost) as caught:
            quorum.quorum_of(str(cosigned(*WITNESSES[:there])), policy(3), index=6)
        assert caught.value.code == "quorum.witnesses" and caught.value.facts["count"] == there
    assert "联署" in caught.value.text("zh")


def test_one_witness_does_not_count_twice():
    note = cosigned(*[WITNESSES[0]] * 3)
    with pytest.raises(QuorumLost):
        quorum.quorum_of(str(note), policy(3))


def test_no_quorum_helps_what_the_log_did_not_sign():
    forged = notes.Note(HEAD.text, cosigned(*WITNESSES).signatures[1:])
    with pytest.raises(IntegrityError, match="not signed by hospital-a"):
        quorum.quorum_of(str(forged), policy(3))
    with pytest.raises(IntegrityError, match="of another log"):
        quorum.quorum_of(str(cosigned(*WITNESSES)), Policy.of(WITNESSES[0].public, [], 0))


@pytest.mark.parametrize("index", [7, 8, 2**62])
def test_an_entry_beyond_the_checkpoint(index):
    with pytest.raises(IntegrityError, match=f"covers 7 entries, not entry {index}"):
        quorum.quorum_of(str(cosigned(*WITNESSES)), policy(3), index=index)


def test_a_false_line_by_a_known_witness_is_an_alarm():
    note = cosigned(*WITNESSES[:4])
    other = cosigned(WITNESSES[4], head=Checkpoint(LOG.name, 7, bytes(32))).signatures[1]
    with pytest.raises(IntegrityError, match="by hospital-f does not verify"):
        quorum.quorum_of(str(notes.Note(note.text, (*note.signatures, other))), policy(3))


def test_a_split_view_shown_to_fewer_than_the_rule_bears():
    """Two of five sign both histories: three of them are enough for neither side, if four are asked for."""
    other = Checkpoint(LOG.name, 7, bytes(32))
    sides = str(cosigned(*WITNESSES[:2], WITNESSES[2], WITNESSES[3])), str(cosigned(*WITNESSES[:2], WITNESSES[4], head=other))
    quorum.quorum_of(sides[0], policy(quorum.needed(5, 2)))
    with pytest.raises(QuorumLost):
        quorum.quorum_of(sides[1], policy(quorum.needed(5, 2)))
    quorum.quorum_of(sides[1], policy(3))  # what asking for three would have let through


# --- the clock (PRIVACY 20)


def test_the_clock():
    times = [50, 10, 40, 30, 20]
    assert [quorum.clock(times, 0, faulty=f) for f in range(6)] == [50, 40, 30, 20, 10, 0]
    assert quorum.clock(times, 45, faulty=1) == 45
    assert quorum.clock([], 7, faulty=0) == 7


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 100), st.integers(0, 3), st.integers(0, 10**9))
def test_faulty_witnesses_cannot_move_the_clock_beyond_an_honest_time(honest, local, faulty, far):
    assert quorum.clock([*honest, *[far + 101] * faulty], local, faulty=faulty) <= max([local, *honest])


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), st.integers(0, 3))
def test_a_clock_that_was_set_back_is_not_followed(times, faulty):
    before = quorum.clock(times, max(times), faulty=faulty)
    after = quorum.clock(times, 0, faulty=faulty)
    assert after <= before and (faulty >= len(times) or after == sorted(times)[-1 - faulty])


# --- the file


def vkey(key):
    raw = bytes([4]) + key.public.public
    return f"{key.name}+{cosignatures.key_id(key.public).hex()}+{base64.b64encode(raw).decode()}"


X, Y = [SigningKey(f"x{i}.example/w", bytes([i]) * 32) for i in (1, 2, 3)], [SigningKey(f"y{i}", bytes([i]) * 32) for i in (4, 5, 6)]
TWO_LEVELS = f"""
# two organisations
log {LOG.public} https://log.example/

\twitness  X1 {vkey(X[0])}  https://x1.example
witness X2 {vkey(X[1])}
  # a comment, with ünïcode
witness 第三 {vkey(X[2])}
group X-witnesses 2 X1 X2 第三
witness Y1 {vkey(Y[0])}
witness Y2 {vkey(Y[1])}
witness Y3 {vkey(Y[2])}
group Y-witnesses any Y1 Y2 Y3\t
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_example_of_the_specification():
    made = quorum.read(TWO_LEVELS)
    assert quorum.read(TWO_LEVELS.encode()) == made == quorum.read(str(made))
    assert made.groups["X-witnesses"] == Group(2, ("X1", "X2", "第三")) and made.groups["X-and-Y"] == Group(
        2, ("X-witnesses", "Y-witnesses")
    )
    x, y = [key.name for key in X], [key.name for key in Y]
    for there, enough in [(x, False), (y, False), (x[:1] + y, False), (x[:2] + y[:1], True), (x[1:] + y[2:], True), ([], False)]:
        assert made.met_by(there) is enough
    assert not made.met_by(["X-witnesses", "Y-witnesses", "X-and-Y", "X1", "X2", "Y1"])  # names of the file are not names of keys


def test_a_flat_policy():
    made = policy(3)
    assert [made.met_by([key.name for key in WITNESSES[:there]]) for there in range(6)] == [False] * 3 + [True] * 3
    assert str(made) == str(quorum.read(str(made))) and str(made).endswith("\nquorum 3-of-5\n")
    nobody = Policy.of(LOG.public, [], 0)
    assert nobody.met_by([]) and str(nobody) == f"log {LOG.public}\nquorum none\n"


def test_a_quorum_of_one_witness_and_logs_with_one_name():
    second = SigningKey(LOG.name, bytes(32))
    made = quorum.read(f"log {LOG.public}\nlog {second.public}\nwitness w {vkey(X[0])}\nquorum w\n")
    assert made.met_by([X[0].name]) and not made.met_by(["w"])
    for key in (LOG, second):
        note = HEAD.signed_by(key)
        line = cosignatures.cosign(note.text, X[0], NOW)
        assert quorum.quorum_of(str(notes.Note(note.text, (*note.signatures, line))), made) == HEAD


W, OTHER = f"witness w {vkey(X[0])}\n", f"witness v {vkey(X[1])}\n"
NAMESAKE = SigningKey(X[0].name, bytes(32))


@pytest.mark.parametrize("text, says", [
    ("", "each with its end"), ("quorum none", "each with its end"), ("quorum\0none\n", "control"), ("quorum none\r\n", "control"), ("quorum none\x7f\n", "control"),
    ("# nothing\n", "one quorum"), ("quorum none\nquorum none\n", "one quorum"), ("quorum\n", "line 1 of the policy is no"), ("quorum none none\n", "line 1"),
    ("quorum w\n" + W, "not defined before"), ("witness w\nquorum none\n", "line 1"), ("signer w\nquorum none\n", "line 1"), (W + W + "quorum none\n", "stands there twice"),
    (W + f"witness v {vkey(X[0])}\nquorum w\n", "line 2.*stands there twice"), (W + f"witness v {vkey(NAMESAKE)}\nquorum w\n", "stands there twice"),
    (W + f"witness w {vkey(X[1])}\nquorum w\n", "defined twice"), (f"witness none {vkey(X[0])}\nquorum none\n", "defined twice"),
    (f"log {LOG.public}\nlog {LOG.public}\nquorum none\n", "stands there twice"), (f"log {vkey(X[0])}\nquorum none\n", "only Ed25519|suite|kind"),
    (f"witness w {X[0].public}\nquorum w\n", "cosignature key"), ("witness w abc\nquorum w\n", "name.hash.key"), (W.replace("+BI", "+BJ") + "quorum w\n", "does not fit"),
    (f"witness w {vkey(X[0]).replace(X[0].name, 'z')}\nquorum w\n", "does not fit"),
    (W + "group g 0 w\nquorum g\n", "1 to 1"), (W + "group g 2 w\nquorum g\n", "1 to 1"), (W + "group g 01 w\nquorum g\n", "1 to 1"), (W + "group g some w\nquorum g\n", "1 to 1"),
    (W + "group g any\nquorum g\n", "line 2"), (W + "group g any w w\nquorum g\n", "member twice"), (W + "group g any w none\nquorum g\n", "not defined"),
    (W + "group g any g\nquorum g\n", "not defined"), (W + "group w any w\nquorum w\n", "defined twice"),
    (W + OTHER + "group g any w v\ngroup h any v\nquorum h\n", "member twice"), ("#" * 70_000 + "\nquorum none\n", "larger than"),
])  # fmt: skip
def test_policies_that_are_refused(text, says):
    with pytest.raises(DecodeError, match=says):
        quorum.read(text)


@pytest.mark.parametrize(
    "names", [["none"], ["none", "none'", "b"], ["3-of-3", "b", "c"], ["3-of-3", "3-of-3'", "none"], ["all", "any", "quorum"]], ids=str
)
def test_parties_may_be_called_as_a_policy_calls_its_own(names):
    keys = [SigningKey(name, bytes([number]) * 32) for number, name in enumerate(names)]
    made = Policy.of(LOG.public, [key.public for key in keys], len(keys))
    assert quorum.read(str(made)) == made and quorum.quorum_of(str(cosigned(*keys)), made) == HEAD
    assert made.met_by(names) and not made.met_by(names[1:]) and not made.met_by([])


def test_names_are_octets():
    raw = W.encode().replace(b"witness w", b"witness \xff") + b"quorum \xff\n"
    assert quorum.read(raw).met_by([X[0].name])
    with pytest.raises(DecodeError):
        quorum.read(W.encode().replace(X[0].name.encode(), b"\xff") + b"quorum none\n")


def test_a_large_policy():
    """C2SP recommends 32 of each."""
    keys = [SigningKey(f"w{i}", bytes([i]) * 32).public for i in range(100)]
    assert quorum.read(str(Policy.of(LOG.public, keys, 67))).met_by([f"w{i}" for i in range(67)])


def test_vector_of_a_witness_that_others_run():
    """A public witness's verifier key; its key id is that of our rule. github.com/transparency-dev/formats, note_cosigv1_test.go."""
    text = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    made = quorum.read(f"witness remora {text} https://remora.n621.de\nquorum remora\n")
    assert made.witnesses["remora"].name == "remora.n621.de" and f"witness remora {text}\n" in str(made)
