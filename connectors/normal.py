"""The registered form of a column: numbers within their bounds, codes for levels, bands and persons, and null for everything else.

A value that does not fit becomes null and never an error, for an error would depend on the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from governance.catalogue import Column

Floats = npt.NDArray[np.float64]

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_DECIMAL = re.compile(r"([+-]?[0-9]+)\.(?:([0-9]*[1-9])?)0*")
_TRUTH = {"true": "1", "false": "0"}


def plain_type(given: pa.DataType) -> pa.DataType:
    """*given* without extension, dictionary and run-end wrapping."""
    if isinstance(given, pa.BaseExtensionType):
        return plain_type(given.storage_type)
    wrapped = types.is_dictionary(given) or types.is_run_end_encoded(given)
    return plain_type(given.value_type) if wrapped else given


def is_scalar(given: pa.DataType) -> bool:
    """Whether values of *given* can be numbers or levels."""
    one = plain_type(given)
    tests = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_null, _is_text, types.is_string_view)
    return any(test(one) for test in tests)


def is_key(given: pa.DataType) -> bool:
    """Whether values of *given* can tell persons apart."""
    one = plain_type(given)
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return (is_scalar(one) and not types.is_boolean(one)) or any(test(one) for test in tests)


def _is_text(given: pa.DataType) -> bool:
    return bool(types.is_string(given) or types.is_large_string(given))


def _plain(array: pa.Array) -> pa.Array:
    """*array* as booleans, integers, floats (null where not finite), trimmed text, or bytes."""
    array = _unwrapped(array)
    if types.is_decimal(array.type) or types.is_string_view(array.type) or types.is_null(array.type):
        array = array.cast(pa.string())
    elif types.is_float16(array.type):
        array = array.cast(pa.float32())
    elif types.is_binary_view(array.type):
        array = array.cast(pa.binary())
    if types.is_floating(array.type):
        return pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
    return pc.utf8_trim_whitespace(array) if _is_text(array.type) else array


def _unwrapped(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        return _unwrapped(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return _unwrapped(array.dictionary_decode())
    return _unwrapped(pc.run_end_decode(array)) if types.is_run_end_encoded(array.type) else array


def present(array: pa.Array) -> pa.Array:
    """Whether each row has a value at the source, which a blank text or NaN is not."""
    array = _plain(array)
    return pc.fill_null(pc.not_equal(array, ""), False) if _is_text(array.type) else array.is_valid()


def numbers(array: pa.Array, column: Column) -> Floats:
    """Values of a number column, clipped or left out as registered.

    Returns
    -------
    Shape (rows,); within the column's bounds, NaN where missing.
    """
    array = _plain(array)
    if _is_text(array.type):
        array = pc.if_else(pc.match_substring_regex(array, _NUMBER), array, pa.scalar(None, array.type))
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = column.bounds
    return np.clip(values, low, high) if column.outside == "clip" else np.where((values >= low) & (values <= high), values, np.nan)


def nullable(values: Floats) -> pa.Array:
    """*values* as doubles, null where NaN."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def bands(values: Floats, column: Column) -> pa.Array:
    """Interval of each of *values* between the cut points of the band *column*; intervals are closed below."""
    found = np.searchsorted([float(c) for c in column.cuts], values, side="right")
    return pa.array(found.astype(np.int16), mask=np.isnan(values))


def levels(array: pa.Array, column: Column) -> pa.Array:
    """Position of each value among the codes of a category *column*, or among its levels where it has no codes."""
    known: dict[str, int] = {}
    for reading in (str, _short):  # what is written out goes before what is read into it
        for position, name in enumerate(column.codes or column.levels):
            known.setdefault(reading(name), position)
    encoded = _plain(array).dictionary_encode()
    found = [next((known[r] for r in _readings(value) if r in known), None) for value in encoded.dictionary.to_pylist()]
    return pa.array(found, pa.int16()).take(encoded.indices)


def _readings(value: Any) -> Iterator[str]:
    """Texts that *value* may be registered as, the most literal first."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    yield text
    yield _short(text)
    if text.lower() in _TRUTH:
        yield text.lower()
        yield _TRUTH[text.lower()]


def _short(text: str) -> str:
    """A decimal without zeros at its end: 1.0 is 1."""
    match = _DECIMAL.fullmatch(text.strip())
    return text.strip() if match is None else match[1] + (f".{match[2]}" if match[2] else "")


@dataclass(slots=True)
class Persons:
    """Codes of persons, dense, by first appearance."""

    codes: dict[Any, int] = field(default_factory=dict, repr=False)

    def encode(self, array: pa.Array) -> pa.Array:
        """Code of the person in each row; null where no person is named, which a blank text does not."""
        array = _plain(array)
        if _is_text(array.type):
            array = pc.if_else(pc.equal(array, ""), pa.scalar(None, array.type), array)
        encoded = array.dictionary_encode()
        found = [self.codes.setdefault(value, len(self.codes)) for value in encoded.dictionary.to_pylist()]
        return pa.array(found, pa.int32()).take(encoded.indices)
