"""Files that are missing, damaged or not what they seem: the error says who must act and quotes no value."""

from __future__ import annotations

import csv
import io
import random
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

import connectors
from connectors.faults import file_blame
from governance.errors import DecodeError, KeyongError, Unavailable, UsageError

CANARY = "CANARY-王小明"
TABLE = pa.table({"patient": [f"{CANARY}-{i}" for i in range(400)], "age": [None if i % 7 else i for i in range(400)]})


def refusal(url: object, *, columns: tuple[str, ...] | None = None) -> KeyongError:
    """The error of reading everything at *url*, after a look at whether it tells a value."""
    try:
        source = connectors.open(str(url))
        list(source.scan(source.schema().names if columns is None else columns))
    except KeyongError as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.facts) + error.text("en") + error.text("zh")
        assert "CANARY" not in told and "王小明" not in told
        assert error.__context__ is None and error.__cause__ is None, "the driver's own error hangs on ours"
        return error
    raise AssertionError("nothing was refused")


def csv_file(folder: Path, content: bytes | str) -> Path:
    path = folder / "visits.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "url", ["{}/no.parquet", "csv://{}/no.csv", "ipc://{}/no", "duckdb://{}/no.duckdb?table=t", "parquet://{}/no-*.parquet"]
)
def test_a_missing_file(url: str, tmp_path: Path) -> None:
    error = refusal(url.format(tmp_path))
    assert isinstance(error, UsageError) and "no file" in str(error) and str(tmp_path) in str(error)


def test_a_folder_without_files(tmp_path: Path) -> None:
    assert "no file" in str(refusal(f"parquet://{tmp_path}"))


@pytest.mark.parametrize("url", ["parquet://{}", "ipc://{}", "duckdb://{}?table=visits"])
@pytest.mark.parametrize("form", ["{}", "patient,age\n{},63\n", "PAR1{}PAR1", "ARROW1{}", "xxxxxxxxDUCK{}"])
def test_another_format(url: str, form: str, tmp_path: Path) -> None:
    content = form.format(CANARY)
    error = refusal(url.format(csv_file(tmp_path, content)))
    assert type(error) in (DecodeError, Unavailable) and str(tmp_path) in str(error)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "duckdb"])
def test_a_damaged_file(suffix: str, tmp_path: Path) -> None:
    """Cut off or with bytes changed: what is found out is one of our errors, and nothing crashes."""
    path = tmp_path / f"visits.{suffix}"
    whole, coins, found = _written(path), random.Random(suffix), 0
    for _ in range(150 if suffix != "duckdb" else 25):
        path.write_bytes(_damaged(whole, coins))
        try:
            source = connectors.open(f"file://{path}" + ("?table=visits" if suffix == "duckdb" else ""))
            list(source.scan(source.schema().names))
        except KeyongError as error:
            found += 1
            assert "CANARY" not in "".join(traceback.format_exception(error))
    assert found > 10


def _written(path: Path) -> bytes:
    if path.suffix == ".parquet":
        pq.write_table(TABLE, path, row_group_size=100)
    elif path.suffix == ".arrow":
        with ipc.new_file(path, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=100)
    else:
        with duckdb.connect(str(path)) as connection:
            connection.register("given", TABLE)
            connection.execute("CREATE TABLE visits AS FROM given")
    return path.read_bytes()


def _damaged(whole: bytes, coins: random.Random) -> bytes:
    if coins.random() < 0.4:
        return whole[: coins.randrange(len(whole))]
    bad = bytearray(whole)
    for _ in range(8):
        bad[coins.randrange(len(bad))] = coins.randrange(256)
    return bytes(bad)


def test_arrow_offsets_beyond_the_data(tmp_path: Path) -> None:
    """Arrow would read foreign memory; the text buffer's last offset is made far too large."""
    path = tmp_path / "visits.arrow"
    table = pa.table({"patient": [CANARY] * 3})
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    size = len(CANARY.encode())
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, size, 2 * size, 3 * size))
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:-4] + (1 << 30).to_bytes(4, "little")))
    assert isinstance(refusal(path), DecodeError)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "header line", id="empty"),
        pytest.param("\n\n", "header line", id="blank lines"),
        pytest.param(
            f"patient,age\nP1,63\n{CANARY},64,{CANARY}\n", "row 3, the header being row 1, has 3 fields instead of 2", id="ragged"
        ),
        pytest.param(f"patient,age\n{CANARY}\n", "row 2, the header being row 1, has 1 fields instead of 2", id="short"),
        pytest.param(f'patient,age\nP1,"63\n{CANARY},64\nP3,65\n', "quotation mark is never closed", id="unclosed quote"),
        pytest.param(f'patient,age\nP1,6"3\n{CANARY},64\n', "quotation mark is never closed", id="stray quote"),
        pytest.param(f"patient,age\n{CANARY},年龄\n".encode("gb18030"), "encoding=gb18030", id="GB18030 read as UTF-8"),
        pytest.param(f"编号,{CANARY}\n1,2\n".encode("gb18030"), "encoding=gb18030", id="GB18030 header read as UTF-8"),
        pytest.param(f"{CANARY},1,{CANARY}\nP2,2,3\n", "columns 1 and 3 have the same name", id="no header, equal values"),
    ],
)
def test_csv_that_is_none(content: bytes | str, says: str, tmp_path: Path) -> None:
    error = refusal(csv_file(tmp_path, content))
    assert isinstance(error, DecodeError) and says in str(error)


def test_csv_cut_inside_a_character(tmp_path: Path) -> None:
    path = csv_file(tmp_path, f"编号,年龄\n{CANARY},63\n张".encode("gb18030")[:-1])
    assert isinstance(refusal(f"csv://{path}?encoding=gb18030"), DecodeError)


def test_a_quotation_mark_never_swallows_rows(tmp_path: Path) -> None:
    """Arrow takes everything after an open quotation mark for one value and reports success."""
    rows = "".join(f"P{i},{i}\n" for i in range(200_000))
    error = refusal(csv_file(tmp_path, f'patient,age\n"P,1\n{rows}'))
    assert isinstance(error, DecodeError)


@pytest.mark.parametrize("column", ["age", "年龄"])
def test_a_file_without_header_line_does_not_tell_its_first_row(column: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, f"{CANARY},63\nP2,64\n")
    error = refusal(f"csv://{path}", columns=(column,))
    assert isinstance(error, UsageError) and f"no column {column}" in str(error)
    error = refusal(f"csv://{path}?column.patient=编号", columns=("patient",))
    assert isinstance(error, UsageError) and "no column 编号" in str(error)


@pytest.mark.parametrize(
    "content", ["patient,age", "patient,age\n", "patient,age\r\n", "\ufeffpatient,age\n\n", '"patient","age"', "patient,age,,\n"]
)
def test_csv_of_a_hospital_without_patients(content: str, tmp_path: Path) -> None:
    source = connectors.open(str(csv_file(tmp_path, content)))
    assert source.schema() == pa.schema([("patient", pa.string()), ("age", pa.string())])
    assert sum(batch.num_rows for batch in source.scan(["age", "patient"])) == 0


@pytest.mark.parametrize(
    "content", ["patient,age\n007,1e999\n,NaN", "patient,age\r\n007,1e999\r\n,NaN\r\n\r\n", '\ufeffpatient,age\r007,"1e999"\r"",NaN\r']
)
def test_csv_values_stay_as_written(content: str, tmp_path: Path) -> None:
    batches = connectors.open(str(csv_file(tmp_path, content))).scan(["patient", "age"])
    assert [row for batch in batches for row in batch.to_pylist()] == [{"patient": "007", "age": "1e999"}, {"patient": None, "age": "NaN"}]


def test_csv_across_many_blocks_of_two_byte_characters(tmp_path: Path) -> None:
    """Neither a character nor a value of several lines is torn where one block ends and the next begins."""
    rows = [(f"张三{i}", f"高血压{'病' * (i % 5)}\n二级\n") for i in range(80_000)]
    path = csv_file(tmp_path, ("编号,诊断\n" + "".join(f'{a},"{b}"\n' for a, b in rows)).encode("gb18030"))
    source = connectors.open(f"csv://{path}?encoding=gb18030")
    assert [tuple(row.values()) for batch in source.scan(["编号", "诊断"]) for row in batch.to_pylist()] == rows


CELLS = st.text(st.sampled_from('ab"\n\r,;张\t '), max_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=8),
    name=st.sampled_from(["a", 'a"\nb', "年龄", "x,y"]),
    piece=st.integers(1, 40),
    style=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]),
)
def test_csv_cut_anywhere(tmp_path: Path, rows: list[tuple[str, str]], name: str, *, piece: int, style: tuple[Any, str]) -> None:
    """Wherever the pieces end, the rows are those that the csv module wrote."""
    text = io.StringIO()
    csv.writer(text, quoting=style[0], lineterminator=style[1]).writerows([("p", name), *rows])
    source = connectors.open(f"csv://{csv_file(tmp_path, text.getvalue().encode('gb18030'))}?encoding=gb18030")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connectors.delimited.PIECE", piece)
        assert source.schema().names == ["p", name]
        read = [tuple(row.values()) for batch in source.scan(["p", name], batch_rows=3) for row in batch.to_pylist()]
    unix = [tuple(re.sub("\r\n?", "\n", value) or None for value in row) for row in rows]
    assert read == unix


def test_rows_are_numbered_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.delimited.PIECE", 16)
    path = csv_file(tmp_path, "a,b\n" + "1,2\n" * 50 + "1,2,3\n" + "1,2\n" * 50)
    assert "row 52, the header" in str(refusal(path))


def test_a_row_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.delimited.PIECE", 1000)
    monkeypatch.setattr("connectors.delimited.MOST_ROW", 5000)
    error = refusal(csv_file(tmp_path, f'a,b\n1,2\n"{CANARY},' + "1,2\n" * 5000))
    assert isinstance(error, DecodeError) and "longer than 5000 bytes" in str(error)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "duckdb"])
def test_a_process_may_end_with_a_scan_half_read(suffix: str, tmp_path: Path) -> None:
    """No thread of a driver is left that would call into an interpreter that is gone."""
    path = tmp_path / f"visits.{suffix}"
    path.write_bytes(("a,b\n" + "张三,李四\n" * 100_000).encode("gb18030")) if suffix == "csv" else _written(path)
    query = {"csv": "?encoding=gb18030", "duckdb": "?table=visits"}.get(suffix, "")
    code = "import connectors, sys; s = connectors.open(sys.argv[1]); scan = s.scan(s.schema().names, batch_rows=1); next(scan)"
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code, f"file://{path}{query}"], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.parametrize("encoding", ["base64", "no-such", "", "a%00b"])
def test_an_encoding_that_is_none(encoding: str, tmp_path: Path) -> None:
    assert "encoding must be" in str(refusal(f"csv://{csv_file(tmp_path, 'a,b')}?encoding={encoding}"))


@pytest.mark.parametrize("delimiter", ["", "%22", "%0A", "ab", "；"])
def test_a_delimiter_that_is_none(delimiter: str, tmp_path: Path) -> None:
    assert "delimiter must be" in str(refusal(f"csv://{csv_file(tmp_path, 'a,b')}?delimiter={delimiter}"))


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (PermissionError(13, CANARY), UsageError, "may not read"),
        (FileNotFoundError(2, CANARY), UsageError, "no file"),
        (IsADirectoryError(21, CANARY), UsageError, "not a file"),
        (OSError(5, CANARY), Unavailable, "system error 5"),
        (pa.ArrowMemoryError(CANARY), Unavailable, "too little memory"),
        (OSError(CANARY), DecodeError, "is not a table"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY), DecodeError, "is not a table"),
    ],
)
def test_who_must_act(fault: BaseException, kind: type[KeyongError], says: str) -> None:
    error = file_blame("visits.csv", "a table")(fault)
    assert type(error) is kind and says in str(error) and "CANARY" not in str(error)


def test_a_column_that_one_file_lacks(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "1.parquet")
    pq.write_table(TABLE.select(["patient"]), tmp_path / "2.parquet")
    error = refusal(tmp_path, columns=("patient", "age"))
    assert isinstance(error, UsageError) and "2.parquet has no column age" in str(error)


def test_types_that_do_not_go_together(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "1.parquet")
    pq.write_table(TABLE.set_column(1, "age", TABLE["patient"]), tmp_path / "2.parquet")
    error = refusal(tmp_path)
    assert isinstance(error, UsageError) and "column age" in str(error)


def test_a_number_that_the_common_type_cannot_hold(tmp_path: Path) -> None:
    pq.write_table(pa.table({"age": [2**53 + 1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"age": [0.5]}), tmp_path / "2.parquet")
    error = refusal(tmp_path)
    assert isinstance(error, DecodeError) and "9007199254740993" not in str(error)


def test_column_names_with_dots_stay_apart(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "a.b": [2]}), tmp_path / "x.parquet")
    source = connectors.open(str(tmp_path / "x.parquet"))
    assert [batch.to_pylist() for batch in source.scan(["a"])] == [[{"a": 1}]]
    assert [batch.to_pylist() for batch in source.scan(["a.b", "a"])] == [[{"a.b": 2, "a": 1}]]
