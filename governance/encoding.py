"""Canonical bytes: RFC 8785 JSON for documents that people read, deterministic CBOR (RFC 8949, 4.2.1) for protocol messages.

Both are closed: a kind of document or message is a frozen dataclass declared with `wire`; an unknown field, a wrong type, a second
spelling of the same value, or anything too large or too deep is refused before it is looked at further.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, dataclass_transform

import cbor2
import rfc8785
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DictSchema, IntSchema, WithDefaultSchema

from governance.errors import DecodeError, UsageError

JSON_LIMIT = 1 << 20
MESSAGE_LIMIT = 1 << 26
DEPTH = 16
MOST_SHOWN = 200  # characters of the place of an error
PAIRS = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")  # surrogates, and what UTF-16 writes with two
SAFE_INTEGER = 2**53 - 1  # RFC 8785 numbers are IEEE doubles: larger integers travel as strings

T = TypeVar("T")
KINDS: dict[str, type] = {}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def wire(kind: str) -> Any:
    """Declare a class that travels as *kind*: a frozen dataclass with strict types and no unknown fields."""

    def declare(cls: type[T]) -> type[T]:
        if kind in KINDS:
            raise UsageError(f"{kind} is declared twice")
        made = strict(cls)
        made.kind = kind  # type: ignore[attr-defined]
        KINDS[kind] = made
        return made

    return declare


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def strict(cls: type[T]) -> type[T]:
    """A frozen dataclass that may stand inside a `wire` class."""
    cls.__pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, slots=True)(cls)


def _adapter(cls: type) -> TypeAdapter[Any]:
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def prepare(*classes: type) -> None:
    """Build the checks of *classes* now rather than at first use: for a process that is about to fork."""
    for cls in classes:
        _adapter(cls)


def plain(value: Any) -> Any:
    """The dictionaries, tuples and scalars that *value*, a `wire` or `strict` object, is made of."""
    return _adapter(type(value)).dump_python(value)


class _Shape(GenerateJsonSchema):
    """JSON Schema of what `build` takes: fields that have a default are required too, and keys that do not match are refused."""

    def int_schema(self, schema: IntSchema) -> JsonSchemaValue:
        return {"minimum": -SAFE_INTEGER, "maximum": SAFE_INTEGER, **super().int_schema(schema)}

    def dict_schema(self, schema: DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def shape(cls: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of a `wire` or `strict` class: what `build` requires of each field by itself."""
    return _adapter(cls).json_schema(schema_generator=_Shape)


def build(cls: type[T], data: object) -> T:
    """Check *data* against *cls*, with no conversion of types. Errors name the field, never its value."""
    try:
        data = _tuples(data, DEPTH)
        made: T = _adapter(cls).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where, what = _shown(".".join(str(step) for step in first["loc"])), first["msg"].removeprefix("Value error, ")
        own = not where and first["type"] == "value_error"  # the document's own sentence
        raise DecodeError(what if own else f"{where or 'document'}: {what}") from None
    if not _same(plain(made), data):
        raise DecodeError("a field is missing or has another type than declared")
    return made


def _shown(place: str) -> str:
    """*place*, which is made of keys that others chose, as it can stand in an error: short, and nothing that a terminal obeys."""
    return "".join(each if each.isprintable() else "?" for each in place[:MOST_SHOWN])


def _same(a: object, b: object) -> bool:
    """Equal in types too: a validator may not have turned "3" or true into 3, nor filled in a default."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return (a == b and _texts(a) and _texts(b)) or (len(a) == len(b) and all(map(_same, a, b)))
    return type(a) is type(b) and a == b


def _tuples(data: object, depth: int) -> object:
    if depth < 0:
        raise DecodeError(f"more than {DEPTH} levels deep")
    if isinstance(data, dict):
        if not _texts(data):  # True, 1 and 1.0 are one key to Python
            raise DecodeError("a key is not a text")
        return {key: _tuples(value, depth - 1) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return tuple(data) if depth and _texts(data) else tuple(_tuples(value, depth - 1) for value in data)
    return data


def _texts(values: Iterable[object]) -> bool:
    """Whether all are texts; in one step, since documents hold long lists of them."""
    return set(map(type, values)) <= {str}


# --- JSON ---------------------------------------------------------------------------------------


def canonical(data: Any) -> str:
    """RFC 8785 text of *data*; floats are refused, so that signed numbers have one spelling.

    Without floats, and where every character is one unit of UTF-16, by which RFC 8785 sorts, it is also what `json` writes with sorted
    keys, and many times faster.
    """
    _check_plain(data)
    try:
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text if text.isascii() or not PAIRS.search(text) else rfc8785.dumps(data).decode()
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise UsageError(f"cannot be written as canonical JSON: {type(error).__name__}") from None


def _check_plain(data: Any) -> None:
    """Texts, integers that others read alike, booleans and null, in lists and under keys that are texts."""
    if isinstance(data, dict):
        if not _texts(data):
            raise UsageError("cannot be written as canonical JSON: a key is not a text")
        _check_plain(list(data.values()))
    elif isinstance(data, (list, tuple)):
        for value in () if _texts(data) else data:
            _check_plain(value)
    elif isinstance(data, float):
        raise UsageError("a float cannot stand in a signed document: write it as a decimal string")
    elif not (data is None or isinstance(data, (str, bool)) or (type(data) is int and abs(data) <= SAFE_INTEGER)):
        raise UsageError(f"cannot be written as canonical JSON: {type(data).__name__}")


def parse(text: str | bytes, *, limit: int = JSON_LIMIT) -> Any:
    """Strict JSON: size first, no duplicate keys, integers only, canonical spelling."""
    raw = _utf8(text) if isinstance(text, str) else text
    if len(raw) > limit:
        raise DecodeError(f"document is larger than {limit} bytes")
    try:
        data = json.loads(raw, object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float, parse_int=_integer)
        same = canonical(data).encode() == raw
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON as we accept it: {error if isinstance(error, DecodeError) else type(error).__name__}") from None
    if not same:
        raise DecodeError("not in canonical form (RFC 8785)")
    return data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise DecodeError("not Unicode text") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise DecodeError("a key appears twice")
    return data


def _no_float(text: str) -> float:
    raise DecodeError("only integers are allowed as numbers")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > SAFE_INTEGER:
        raise DecodeError("an integer is out of range")
    return int(text)


# --- CBOR ---------------------------------------------------------------------------------------


class _NoTags(Mapping[int, Any]):
    """Refuse every CBOR tag before it is decoded: 1E+1000000000, a regular expression or an e-mail can keep a reader busy for hours."""

    def __getitem__(self, tag: int) -> Any:
        return self.refuse

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def refuse(self, *_decoder: object) -> None:
        raise DecodeError("tags are not used")


def encode(message: Any) -> bytes:
    """Deterministic CBOR of a `wire` object, its kind first."""
    return cbor2.dumps([message.kind, plain(message)], canonical=True)


def decode(raw: bytes, *expected: type[T], limit: int = MESSAGE_LIMIT) -> T:
    """Read a message of one of the *expected* classes; raise `DecodeError` on anything else."""
    data = _load(raw, limit)
    if not isinstance(data, list) or len(data) != 2 or not isinstance(data[0], str):
        raise DecodeError("message is not a pair of kind and fields")
    cls = KINDS.get(data[0])
    if cls is None or cls not in expected:
        raise DecodeError(f"expected {' or '.join(sorted(c.kind for c in expected))}")  # type: ignore[attr-defined]
    return build(cls, data[1])


def _load(raw: bytes, limit: int) -> object:
    if len(raw) > limit:
        raise DecodeError(f"message is larger than {limit} bytes")
    try:
        with io.BytesIO(raw) as stream:
            data = cbor2.CBORDecoder(stream, max_depth=DEPTH, semantic_decoders=_NoTags()).decode()
        same = cbor2.dumps(data, canonical=True) == raw
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DecodeError(f"not CBOR as we accept it: {type(error).__name__}") from None
    if not same:  # covers duplicate keys, long spellings, trailing bytes
        raise DecodeError("not in deterministic form (RFC 8949, 4.2.1)")
    return data
