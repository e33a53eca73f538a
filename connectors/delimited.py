"""How one CSV file becomes record batches.

The file is cut here, at line ends outside quotation marks, and Arrow parses the pieces. Its own streaming reader decodes in threads that
call Python, which can abort a process that ends meanwhile, and it takes everything after an open quotation mark for one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from connectors.faults import Blame, each, file_blame, quietly
from connectors.formats import distinct
from governance.errors import DecodeError, UsageError

PIECE = 1 << 20  # characters
MOST_ROW = 1 << 24  # bytes; an open quotation mark is not searched for its end beyond


@dataclass(frozen=True, slots=True)
class Csv:
    """Text with a header line. Every column is text: types guessed from the first rows fail on later ones and eat leading zeros.

    An empty field is a missing value, quoted or not. Line ends become ``\\n``, inside values too.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n' or not self.delimiter.isascii():
            raise UsageError("delimiter must be one ASCII character, such as ; or %09 for a tab")
        if not _is_encoding(self.encoding):
            raise UsageError("encoding must be the name of one for text, such as utf-8, gb18030, gbk or utf-16")

    def schema(self, path: Path) -> pa.Schema:
        return quietly(lambda: self._schema(path), self._blame(path))

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        return each(self._batches(path, list(columns), batch_rows), self._blame(path))

    def _schema(self, path: Path) -> pa.Schema:
        with self._opened(path) as file:
            header, _ = next(_pieces(file, path))
        names = self._parsed(header, [], path).column_names
        return distinct(pa.schema([(name, pa.string()) for name in names if name.strip()]), path)

    def _batches(self, path: Path, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        read, rows = columns or self._schema(path).names[:1], 0
        with self._opened(path) as file:
            for header, piece in _pieces(file, path):
                table = self._parsed(header + piece, read, path, rows=rows)
                rows += table.num_rows
                yield from (batch.select(columns) for batch in table.to_batches(max_chunksize=batch_rows))

    def _opened(self, path: Path) -> TextIO:
        return path.open(encoding=self.encoding, newline=None)

    def _parsed(self, text: bytes, columns: list[str], path: Path, *, rows: int = 0) -> pa.Table:
        """*text*, a header line and rows, of which *rows* in the file come before."""
        ragged: list[str] = []

        def complain(row: Any) -> str:
            counts = f"has {row.actual_columns} fields instead of {row.expected_columns}"
            ragged.append(f"{path}: row {rows + row.number}, the header being row 1, {counts}")
            return "error"

        options = {
            # one thread: no slower when all columns are text, and only so are rows numbered
            "read_options": arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1),
            "parse_options": arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=complain),
            "convert_options": arrow_csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        }
        return quietly(
            lambda: arrow_csv.read_csv(pa.BufferReader(text), **options),
            lambda fault: DecodeError(ragged[0]) if ragged else self._blame(path)(fault),
        )

    def _blame(self, path: Path) -> Blame:
        return file_blame(path, f"a CSV file in {self.encoding} with a header line; older systems often write ?encoding=gb18030")


def _pieces(file: TextIO, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The header line and some whole rows, in UTF-8, until the file ends; at least one pair."""
    header, held = b"", b""
    while text := file.read(PIECE):
        held += (text if held or header else text.lstrip("\n")).encode()
        end = _rows_end(held)
        if end and not header:
            first = _first_row_end(held)
            header, held, end = held[:first], held[first:], end - first
        if end:
            yield header, held[:end]
            held = held[end:]
        elif len(held) > MOST_ROW:
            raise DecodeError(f"{path}: a row is longer than {MOST_ROW} bytes, or a quotation mark is never closed")
    if held.count(b'"') % 2:
        raise DecodeError(f"{path}: a quotation mark is never closed; inside a value it is written twice, and the value quoted")
    yield (header, held + b"\n") if header else (held + b"\n", b"")


def _rows_end(text: bytes) -> int:
    """Length of the whole rows that *text* begins with: up to its last line end outside quotation marks."""
    end, inside = len(text), text.count(b'"') % 2 == 1
    while True:
        start = text.rfind(b'"', 0, end) + 1
        found = -1 if inside else text.rfind(b"\n", start, end)
        if found >= 0 or start == 0:
            return found + 1
        end, inside = start - 1, not inside


def _first_row_end(text: bytes) -> int:
    end = text.index(b"\n") + 1
    while text.count(b'"', 0, end) % 2:
        end = text.index(b"\n", end) + 1
    return end


def _is_encoding(name: str) -> bool:
    try:
        return bool("a".encode(name))
    except (LookupError, ValueError):
        return False
