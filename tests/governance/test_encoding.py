import contextlib
import io
import json
import time
from decimal import Decimal

import cbor2
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from governance.encoding import DEPTH, SAFE_INTEGER, build, canonical, decode, encode, parse, plain, strict, wire
from governance.errors import DecodeError, UsageError


@strict
class Point:
    x: int
    y: int


@wire("test/drawing/v1")
class Drawing:
    name: str
    points: tuple[Point, ...]
    colours: dict[str, int]
    raw: bytes
    note: str | None


@wire("test/number/v1")
class Number:
    x: int


@wire("test/measure/v1")
class Measure:
    x: float


@wire("test/any/v1")
class Loose:
    x: object


DRAWING = Drawing("房", (Point(1, -2), Point(0, SAFE_INTEGER)), {"red": 1, "blue": 2}, b"\x00\xff", None)

points = st.builds(Point, st.integers(-(2**63), 2**63 - 1), st.integers(0, 9))
colours = st.dictionaries(st.text(), st.integers(0, 9))
drawings = st.builds(Drawing, st.text(), st.lists(points, max_size=4).map(tuple), colours, st.binary(), st.none() | st.text())
integers = st.integers(-SAFE_INTEGER, SAFE_INTEGER)
documents = st.recursive(
    st.none() | st.booleans() | integers | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


# --- JSON


@given(documents)
def test_canonical_json_comes_back_and_has_one_spelling(data):
    text = canonical(data)
    assert parse(text) == parse(text.encode()) == data
    assert json.loads(text) == data


def test_vector_of_rfc_8785():
    """RFC 8785, 3.2.3: sorting by UTF-16 code units."""
    data = {"\u20ac": "Euro Sign", "\r": "CR", "\ufb33": "Hebrew", "1": "One", "\U0001f600": "Smiley", "\u0080": "Control", "\u00f6": "ö"}
    assert list(json.loads(canonical(data)).values()) == ["CR", "One", "Control", "ö", "Euro Sign", "Smiley", "Hebrew"]


def test_the_example_of_rfc_8785():
    """RFC 8785, 3.2.2 and its bytes in 3.2.4; what we sign has no fractions, and so its numbers are the reference's business."""
    given = r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    bytes_of_it = bytes.fromhex(
        "7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75 6d 62 65 72 73 22 3a"
        "5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31 65 2b 33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37"
        "5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30 30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d"
    )
    data = json.loads(given)
    assert rfc8785.dumps(data) == bytes_of_it
    with pytest.raises(UsageError, match="float"):
        canonical(data)
    with pytest.raises(DecodeError, match="integers"):
        parse(bytes_of_it)
    numbers = bytes_of_it[bytes_of_it.index(b'"numbers"') : bytes_of_it.index(b'"string"')]
    del data["numbers"]
    assert canonical(data).encode() == bytes_of_it.replace(numbers, b"")
    assert parse(bytes_of_it.replace(numbers, b"")) == data


def test_the_sorting_of_rfc_8785_to_the_byte():
    """RFC 8785, 3.2.3."""
    given = r"""{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
                "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}"""
    assert canonical(json.loads(given)) == (
        '{"\\r":"Carriage Return","1":"One","\x80":"Control","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
        '"\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    )


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"a":1,"a":1}', "twice"),
        ('{"a":1,"\\u0061":2}', "twice"),
        ("NaN", "integers"),
        ("Infinity", "integers"),
        ("-Infinity", "integers"),
        ("1.0", "integers"),
        ("1e2", "integers"),
        ("1E400", "integers"),
        (str(SAFE_INTEGER + 1), "out of range"),
        (str(-SAFE_INTEGER - 1), "out of range"),
        ("9" * 100_000, "out of range"),
        ("-0", "canonical"),
        ('{"b":1,"a":2}', "canonical"),
        ('{"a": 1}', "canonical"),
        ("[1,2]\n", "canonical"),
        ('"\\u0041"', "canonical"),
        ('"\\/"', "canonical"),
        ("01", "not JSON"),
        ("", "not JSON"),
        ("{'a':1}", "not JSON"),
        ("[1,]", "not JSON"),
        ("// no\n1", "not JSON"),
        ('"\\ud800"', "not JSON"),
        ('"\ud800"', "Unicode"),
        (b'"\xff"', "not JSON"),
        ("{}".encode("utf-16"), "canonical"),
        (b"\xef\xbb\xbf{}", "canonical"),
        ("[" * 100_000 + "]" * 100_000, "not JSON"),
        ('"' + "a" * (1 << 20) + '"', "larger"),
    ],
)
def test_json_that_is_refused(text, says):
    with pytest.raises(DecodeError, match=says):
        parse(text)


@given(st.binary(max_size=40))
def test_any_bytes_are_canonical_json_or_refused(raw):
    try:
        data = parse(raw)
    except DecodeError:
        return
    assert canonical(data).encode() == raw


@given(documents | st.dictionaries(st.text(st.characters(max_codepoint=127)), documents))
def test_what_is_written_is_what_the_reference_writes(data):
    assert canonical(data).encode() == rfc8785.dumps(data)


@pytest.mark.parametrize("data", [1.5, float("nan"), {"a": [0.0]}, 2**53, {1: 2}, b"x", "\ud800", {"a": object()}])
def test_what_cannot_be_signed(data):
    with pytest.raises(UsageError):
        canonical(data)


# --- CBOR


@given(drawings)
def test_messages_come_back(drawing):
    raw = encode(drawing)
    assert decode(raw, Drawing) == decode(raw, Number, Drawing) == drawing


def test_message_vector():
    """RFC 8949, 4.2.1, by hand: array(2), text(14), map(1), text(1), unsigned(24)."""
    assert encode(Number(24)) == bytes.fromhex("82 6e 746573742f6e756d6265722f7631 a1 61 78 18 18")


KIND = bytes.fromhex("82 6e 746573742f6e756d6265722f7631")


@pytest.mark.parametrize(
    "raw, says",
    [
        (KIND + bytes.fromhex("a1 61 78 18 01"), "deterministic"),  # 1 in two bytes
        (KIND + bytes.fromhex("a1 78 01 78 01"), "deterministic"),  # long length
        (KIND + bytes.fromhex("a2 61 78 01 61 78 02"), "deterministic"),  # a key twice
        (KIND + bytes.fromhex("bf 61 78 01 ff"), "deterministic"),  # indefinite length
        (b"\x9f" + KIND[1:] + bytes.fromhex("a1 61 78 01 ff"), "deterministic"),
        (encode(Number(1)) + b"\x00", "deterministic"),  # something after the message
        (encode(Number(1))[:-1], "not CBOR"),
        (b"", "not CBOR"),
        (b"\xff", "not CBOR"),
        (KIND + bytes.fromhex("a1 61 ff 01"), "not CBOR"),  # not UTF-8
        (b"\x81" * 1000 + b"\x01", "not CBOR"),
        (bytes.fromhex("9b 7fffffffffffffff"), "not CBOR"),  # says that it is very long
        (bytes.fromhex("5b 00000fffffffffff 00"), "not CBOR"),
        (bytes.fromhex("bb 00000fffffffffff 00"), "not CBOR"),
        (KIND + bytes.fromhex("a1 81 01 01"), "key"),  # a list as key
        (KIND + bytes.fromhex("a1 f5 01"), "key"),
        (KIND + bytes.fromhex("a2 61 78 01 61 79 02"), "y"),
        (KIND + bytes.fromhex("a0"), "x"),
        (KIND + bytes.fromhex("a1 61 78 f5"), "type"),  # true is not 1
        (KIND + bytes.fromhex("a1 61 78 f93c00"), "type"),  # 1.0 is not 1
        (KIND + bytes.fromhex("a1 61 78 61 31"), "type"),  # "1" is not 1
        (KIND + bytes.fromhex("a1 61 78 f6"), "x"),
        (KIND + bytes.fromhex("a1 61 78 f7"), "x"),  # undefined
        (KIND + bytes.fromhex("81 01"), "dictionary"),
        (bytes.fromhex("81 01"), "pair"),
        (bytes.fromhex("82 01 a0"), "pair"),
        (bytes.fromhex("82 81 01 a0"), "pair"),
        (bytes.fromhex("a0"), "pair"),
        (encode(Measure(1.5)), "test/number/v1"),
        (bytes.fromhex("82 63 6e6f6f a0"), "test/number/v1"),
    ],
)
def test_messages_that_are_refused(raw, says):
    with pytest.raises(DecodeError, match=says):
        decode(raw, Number)


TAGGED = [Decimal("1E+1000000000000"), 2**70, {1, 2}, cbor2.CBORTag(35, "(a*)*"), cbor2.CBORTag(9999, 1)]


@pytest.mark.parametrize("value", TAGGED, ids=repr)
@pytest.mark.parametrize("cls", [Number, Loose])
def test_tags_are_refused_before_they_cost_anything(cls, value):
    raw = cbor2.dumps([cls.kind, {"x": value}], canonical=True)
    started = time.perf_counter()
    with pytest.raises(DecodeError, match="not CBOR"):
        decode(raw, cls)
    assert time.perf_counter() - started < 1


def test_shared_references_are_refused():
    cycle = []
    cycle.append(cycle)
    with io.BytesIO() as stream:
        cbor2.CBOREncoder(stream, value_sharing=True).encode(cycle)
        raw = stream.getvalue()
    with pytest.raises(DecodeError, match="not CBOR"):
        decode(raw, Number)


def test_nan_has_many_spellings_and_none_is_accepted():
    with pytest.raises(DecodeError):
        decode(cbor2.dumps([Measure.kind, {"x": float("nan")}], canonical=True), Measure)
    assert decode(encode(Measure(0.1)), Measure) == Measure(0.1)


def test_size_is_looked_at_first():
    with pytest.raises(DecodeError, match="larger than 10 bytes"):
        decode(encode(Number(1)), Number, limit=10)


def test_flipping_any_bit_changes_the_message_or_is_refused():
    raw = encode(DRAWING)
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(DecodeError):
            assert decode(bytes(flipped), Drawing) != DRAWING


# --- checking


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"name": None},
        {"points": [{"x": 1}]},
        {"points": [{"x": 1, "y": 2, "z": 3}]},
        {"points": [{"x": 1, "y": "2"}]},
        {"points": [{"x": 1, "y": True}]},
        {"points": {"x": 1, "y": 2}},
        {"colours": {"red": 1.0}},
        {"colours": [["red", 1]]},
        {"colours": {1: 1}},
        {"raw": "text"},
        {"note": b"bytes"},
        {"more": 1},
    ],
    ids=str,
)
def test_fields_that_are_refused(change):
    with pytest.raises(DecodeError):
        build(Drawing, {**plain(DRAWING), **change})


@pytest.mark.parametrize("missing", ["name", "points", "colours", "raw", "note"])
def test_every_field_must_be_given(missing):
    data = plain(DRAWING)
    del data[missing]
    with pytest.raises(DecodeError, match=missing):
        build(Drawing, data)


def test_depth_is_limited():
    nested: object = 1
    for _ in range(DEPTH + 1):
        nested = [nested]
    with pytest.raises(DecodeError, match="deep"):
        build(Loose, {"x": nested})


def test_errors_name_the_field_and_never_the_value():
    with pytest.raises(DecodeError) as caught:
        build(Drawing, {**plain(DRAWING), "points": [{"x": 1, "y": "Zhang San"}]})
    assert "points" in str(caught.value) and "Zhang" not in str(caught.value)


def test_a_kind_is_declared_once():
    with pytest.raises(UsageError, match="twice"):

        @wire("test/number/v1")
        class Again:
            x: int
