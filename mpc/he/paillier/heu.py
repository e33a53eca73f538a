"""Keys and ciphertexts as SecretFlow HEU's ``IcPaillier`` writes them: the interconnection format for Paillier (CAICT, 信通院).

It is protobuf (``interconnection/runtime/phe.proto`` of secretflow/interconnection), in HEU's wrapping; `docs/specs/encrypted-vectors.md`
lists the fields. It says nothing of bound, step, terms or packing: both sides declare the same, and nobody is told if they do not. HEU
writes whole numbers; its float encoder of scale s has a step of 1/s here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from typing import Any

import gmpy2
from gmpy2 import mpz

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Layout, need, octets
from mpc.he.paillier.public import PaillierPublicKey, PaillierVector
from mpc.he.paillier.units import Integer

SCHEMA = struct.pack("<Q", 6)  # HEU's number for IcPaillier, after each object
OBJECTS = 20  # the kind of array whose items are objects
NAME = b"ciphertext"
VARINT, BYTES = 0, 2
SHAPE = 20  # bytes of a shape, of two dimensions at most


def public_to(key: PaillierPublicKey) -> bytes:
    """For ``heu.phe.PublicKey.load_from``."""
    key = need(key, PaillierPublicKey)
    residue = gmpy2.powmod(key.h, key.n, key.square)
    return _field(1, _bigint(key.n)) + _field(2, _bigint(residue)) + SCHEMA


def public_from(raw: bytes) -> PaillierPublicKey:
    """From ``heu.phe.PublicKey.serialize()``. Its base is checked and left aside: we blind with our own, which HEU opens as well."""
    n, residue = (_read_bigint(field) for field in _read_fields(_schema(octets(raw)), (1, BYTES), (2, BYTES)))
    try:
        key = PaillierPublicKey(n)
    except UsageError as error:
        raise DecodeError(f"not a public key: {error}") from None
    key.check([residue])
    return key


def vector_to(box: PaillierVector) -> bytes:
    """For ``heu.numpy.CiphertextArray.load_from`` as an array of one dimension; blinded, with one item for each ciphertext."""
    sealed = need(box, PaillierVector).blind().ciphertexts
    items = b"".join(_field(2, _field(1, _bigint(c)) + SCHEMA) for c in sealed)
    return _varint(1 << 3) + _varint(OBJECTS) + _field(2, NAME) + _field(9, _field(1, _varint(len(sealed))) + items)


def vector_from(
    raw: bytes, public: PaillierPublicKey, *, length: int, bound: float, step: float, terms: int, weight: int = 1, packed: bool = False
) -> PaillierVector:
    """From ``heu.numpy.CiphertextArray.serialize(Interconnection)``.

    *bound*, *step* and *terms* are what both sides agreed upon, *weight* is how many terms are in it already. What is inside is checked
    when a total is decrypted, and not before.
    """
    kind, name, body = _read_fields(octets(raw), (1, VARINT), (2, BYTES), (9, BYTES))
    fields = list(_fields(body))
    if (kind, name) != (OBJECTS, NAME) or not fields or [key for key, _ in fields] != [(1, BYTES)] + [(2, BYTES)] * (len(fields) - 1):
        raise DecodeError("not an array of ciphertexts")
    layout = Layout.declare(length, bound=bound, step=step, terms=terms)
    if (
        len(fields[0][1]) > SHAPE
        or prod(_varints(fields[0][1])) != len(fields) - 1
        or len(fields) - 1 != need(public, PaillierPublicKey).ciphertexts(layout, packed=packed)
    ):
        raise DecodeError("the number of ciphertexts is not that of its shape or layout")
    sealed = [_read_bigint(_read_fields(_schema(item), (1, BYTES))[0]) for _, item in fields[1:]]
    return public.foreign(sealed, layout, weight=weight, packed=packed)


# --- protobuf


def _varint(number: int) -> bytes:
    head = bytearray()
    while number > 127:
        head.append(number & 127 | 128)
        number >>= 7
    return bytes([*head, number])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(body)) + body


def _bigint(number: Integer) -> bytes:
    """Bigint: little_endian_value = 2; is_neg = 1 is left out, which says that it is not negative."""
    return _field(2, number.to_bytes(-(-number.bit_length() // 8), "little"))


def _schema(raw: bytes) -> bytes:
    if raw[-len(SCHEMA) :] != SCHEMA:
        raise DecodeError("not an object of IcPaillier")
    return raw[: -len(SCHEMA)]


def _fields(raw: bytes) -> Iterator[tuple[tuple[int, int], Any]]:
    """Number, wire type and value of each field."""
    at = 0
    while at < len(raw):
        key, at = _read_varint(raw, at)
        value, at = _read_varint(raw, at)
        if key & 7 == VARINT:
            yield (key >> 3, VARINT), value
        elif key & 7 == BYTES and value <= len(raw) - at:
            yield (key >> 3, BYTES), raw[at : at + value]
            at += value
        else:
            raise DecodeError("not protobuf as it is used here")


def _read_fields(raw: bytes, *expected: tuple[int, int]) -> list[Any]:
    """The values of exactly these fields, in this order."""
    fields = list(_fields(raw))
    if tuple(key for key, _ in fields) != expected:
        raise DecodeError("a field is missing, or there is one too many")
    return [value for _, value in fields]


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    number, end = 0, at
    while end < len(raw) and end - at < 9:
        number |= (raw[end] & 127) << 7 * (end - at)
        end += 1
        if raw[end - 1] < 128:
            return number, end
    raise DecodeError("not protobuf: a number does not end")


def _varints(raw: bytes) -> Iterator[int]:
    at = 0
    while at < len(raw):
        number, at = _read_varint(raw, at)
        yield number


def _read_bigint(raw: bytes) -> Integer:
    return mpz.from_bytes(_read_fields(raw, (2, BYTES))[0], "little")
