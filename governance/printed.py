"""What a printed page carries of a signed note: its bytes deflated, in the 45 characters that a QR code holds most densely.

A scanner reads plain text, so the proof can also be typed or sent. It shows nothing that the page does not.
Source: RFC 9285 (base45), RFC 1950 (zlib).
"""

from __future__ import annotations

import zlib

from governance import notes
from governance.errors import DecodeError, UsageError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
PREFIX = "KEYONG1:"
MOST = 1400  # characters: a code of this size still prints and scans on half a page
NOTE_LIMIT = 1 << 14


def pack(note: notes.Note) -> str:
    """The proof of *note*, at most 1400 characters."""
    text = PREFIX + encode45(zlib.compress(str(note).encode(), 9))
    if len(text) > MOST:
        raise UsageError(f"the proof has {len(text)} characters, a code holds {MOST}: too many signatures, or too long names")
    return text


def unpack(text: str) -> notes.Note:
    """The note in a proof; nothing is verified yet."""
    if not text.startswith(PREFIX) or len(text) > MOST:
        raise DecodeError(f"a printed proof begins with {PREFIX} and has at most {MOST} characters")
    reader = zlib.decompressobj()
    try:
        raw = reader.decompress(decode45(text.removeprefix(PREFIX)), NOTE_LIMIT)
    except zlib.error:
        raise DecodeError("a printed proof cannot be unpacked") from None
    if not reader.eof or reader.unused_data:
        raise DecodeError("a printed proof is cut off, too large, or has more behind it")
    return notes.read(raw)


def encode45(raw: bytes) -> str:
    """RFC 9285, 4."""
    found = []
    for at in range(0, len(raw), 2):
        value, digits = int.from_bytes(raw[at : at + 2]), 3 if at + 1 < len(raw) else 2
        for _ in range(digits):
            value, digit = divmod(value, 45)
            found.append(ALPHABET[digit])
    return "".join(found)


def decode45(text: str) -> bytes:
    """RFC 9285, 4; anything but its one spelling is refused."""
    found = bytearray()
    for at in range(0, len(text), 3):
        piece = text[at : at + 3]
        digits = [ALPHABET.find(letter) for letter in piece]
        value = sum(digit * 45**power for power, digit in enumerate(digits))
        size = len(piece) - 1
        if min(digits) < 0 or not size or value >= 256**size:
            raise DecodeError("not base45")
        found += value.to_bytes(size)
    return bytes(found)
