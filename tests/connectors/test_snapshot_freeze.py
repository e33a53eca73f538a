"""Freezing: any table against a plain-Python oracle, real data against the csv module, and what an attacker or an accident does to it."""

from __future__ import annotations

import csv
import math
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

import connectors
from connectors.snapshot import freeze, load
from connectors.tables import TableSource
from governance.catalogue import Column, Schema, band, category, number
from governance.errors import DecodeError, IntegrityError, KeyongError, Unavailable, UsageError

CANARY = "CANARY-王小明"
HEART = Path(__file__).parents[2] / "examples" / "data" / "heart-disease"
BAND = band("band", "x", ("0", "40.5"), ("low", "middle", "high"))

# the oracle, written from the guide and sharing nothing with the code


def oracle_number(value: Any, column: Column) -> float | None:
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
            return None
    if value is None or not math.isfinite(float(value)):
        return None
    low, high = float(str(column.low)), float(str(column.high))
    if low <= float(value) <= high:
        return float(value)
    return (low if float(value) < low else high) if column.outside == "clip" else None


def oracle_band(value: float | None) -> int | None:
    return None if value is None else sum(value >= float(cut) for cut in BAND.cuts)


def oracle_level(value: Any, column: Column) -> int | None:
    names = list(column.codes or column.levels)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value == int(value) else str(value).strip()
    forms = [text, without_zeros(text)]
    if text.lower() in ("true", "false"):
        forms += [text.lower(), "1" if text.lower() == "true" else "0"]
    for form in forms:
        for known in (names, [without_zeros(name.strip()) for name in names]):
            if form in known:
                return known.index(form)
    return None


def without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if re.fullmatch(r"[+-]?[0-9]+\.[0-9]*", text) else text


def oracle_person(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and not math.isfinite(value) else value


# random tables

PAD = st.sampled_from(["", " ", "\t", "\u3000"])
NUMERALS = st.one_of(
    st.floats().map(repr), st.integers(-(10**20), 10**20).map(str), st.decimals(-200, 200, places=3).map(str),
    st.sampled_from([".7", "-.5", "5.", "+1", "1e999", "-1E+999", "1e-999", "007", "40.5"]),
    st.sampled_from(["0x10", "1_0", "1,5", "--1", ".", "", "一", "６", "NaN", "inf", "1e", "true"]),
)  # fmt: skip
PADDED = st.tuples(PAD, NUMERALS, PAD).map("".join)
DECIMALS = st.decimals(-999, 999, places=2, allow_nan=False, allow_infinity=False)
NUMBERS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.float64(), st.one_of(st.floats(), st.floats(-100, 100))),
    (pa.float32(), st.floats(width=32)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.decimal128(20, 2), DECIMALS),
    (pa.decimal64(9, 2), DECIMALS),
    (pa.string(), PADDED),
    (pa.large_string(), PADDED),
    (pa.string_view(), PADDED),
    (pa.dictionary(pa.int8(), pa.string()), PADDED),
    (pa.null(), st.none()),
]
WORDS = st.sampled_from(
    ["0", "1", "2", "01", "1.0", "1.", "1.50", "1.5", "-1", "true", "True", "FALSE", "男", " 女 ", "男\u3000", "", "NaN", "1e0", "nobody"]
)
CODES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), WORDS),
    (pa.large_string(), WORDS),
    (pa.dictionary(pa.int32(), pa.string()), WORDS),
    (pa.int16(), st.integers(-1, 3)),
    (pa.uint8(), st.integers(0, 3)),
    (pa.float64(), st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, -1.0, 1e20, math.inf, math.nan])),
    (pa.float32(), st.sampled_from([0.0, 1.0, 1.5, 2.0, math.nan])),
    (pa.decimal128(5, 1), st.sampled_from([Decimal("0.0"), Decimal("1.0"), Decimal("1.5"), Decimal("2.0")])),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
]
PERSONS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.sampled_from(["a", "b", " a", "b\t", "", "  ", "患者甲", "1", "1.0"])),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b ", "", "c"])),
    (pa.int64(), st.integers(-2, 2)),
    (pa.float64(), st.sampled_from([1.0, 2.0, -0.0, 0.0, math.nan, 1e300, math.inf])),
    (pa.decimal128(3, 0), st.sampled_from([Decimal(1), Decimal(2)])),
    (pa.binary(), st.sampled_from([b"", b"\xff", b"a"])),
    (pa.binary(2), st.sampled_from([b"aa", b"bb"])),
    (pa.null(), st.none()),
]
LEVELS = st.sampled_from(
    [("0", "1"), ("1", "2"), ("true", "false"), ("01", "1"), ("1.0", "2"), ("1", "1.0"), ("男", "女"), ("1.5", "-1", "2.0"), (" 1", "x")]
)


@st.composite
def sexes(draw: st.DrawFn) -> Column:
    names = draw(LEVELS)
    return category("sex", [f"level {n}" for n in names], codes=names) if draw(st.booleans()) else category("sex", names)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))
    made = {}
    for name, kinds in (("p", PERSONS), ("x", NUMBERS), ("sex", CODES)):
        kind, values = draw(st.sampled_from(kinds))
        made[name] = pa.array(draw(st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows)), kind)
    cut = draw(st.integers(0, rows))
    return pa.concat_tables([pa.table(made).slice(0, cut), pa.table(made).slice(cut)])


def frozen(table: pa.Table, schema: Schema) -> tuple[Any, pa.Table]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.arrow"
        snapshot = freeze(TableSource("table", table), schema, path)
        return snapshot, load(path, snapshot.columns, id=snapshot.id).combine_chunks()


@settings(deadline=None)
@given(tables(), sexes(), st.sampled_from(["clip", "missing"]))
def test_any_table_against_the_oracle(table: pa.Table, sex: Column, outside: Any) -> None:
    x = number("x", "-1.5", "90", outside=outside)
    snapshot, read = frozen(table, Schema("p", (sex, BAND, x)))
    rows = [row for row in table.to_pylist() if oracle_person(row["p"]) is not None]
    people = [oracle_person(row["p"]) for row in rows]
    codes = read["__person"].to_pylist()
    assert (snapshot.rows, snapshot.skipped_rows, snapshot.persons) == (len(rows), table.num_rows - len(rows), len(set(people)))
    assert len(set(zip(codes, people, strict=True))) == len(set(people)) and set(codes) == set(range(len(set(people))))
    wanted = [oracle_number(row["x"], x) for row in rows]
    assert read["x"].to_pylist() == wanted
    assert read["band"].to_pylist() == [oracle_band(v) for v in wanted]
    assert read["sex"].to_pylist() == [oracle_level(row["sex"], sex) for row in rows]
    assert read.schema == pa.schema(
        [pa.field("__person", pa.int32(), nullable=False), ("sex", pa.int16()), ("band", pa.int16()), ("x", pa.float64())]
    )


# real data, through every connector


HEART_SCHEMA = Schema(
    "patient",
    (
        number("age", "20", "80", cuts=("40", "50")),
        band("age_band", "age", ("40", "50", "60"), ("<40", "40-49", "50-59", "60+")),
        category("sex", ("female", "male"), codes=("0", "1")),
        number("chol", "100", "400", outside="missing"),
        number("oldpeak", "-5", "10"),
        category("num", ("none", "mild", "more"), codes=("0", "1", "2")),
    ),
)


def heart_oracle(hospital: str) -> list[tuple[Any, ...]]:
    with (HEART / f"{hospital}.csv").open(newline="", encoding="utf-8") as file:
        return [_heart_row(row) for row in csv.DictReader(file)]


def _heart_row(row: dict[str, str]) -> tuple[Any, ...]:
    age = min(max(float(row["age"]), 20.0), 80.0)
    chol = float(row["chol"]) if row["chol"] and 100 <= float(row["chol"]) <= 400 else None
    oldpeak = float(row["oldpeak"]) if row["oldpeak"] else None
    sex, num = {"0": 0, "1": 1}.get(row["sex"]), {"0": 0, "1": 1, "2": 2}.get(row["num"])
    return age, [age >= c for c in (40, 50, 60)].count(True), sex, chol, oldpeak, num


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every hospital's table as CSV, and as Parquet, Arrow and DuckDB with the types that their writers guess."""
    folder = tmp_path_factory.mktemp("kept")
    for path in HEART.glob("*.csv"):
        table = arrow_csv.read_csv(path)
        pq.write_table(table, folder / f"{path.stem}.parquet")
        with ipc.new_file(folder / f"{path.stem}.arrow", table.schema) as writer:
            writer.write_table(table)
        with duckdb.connect(str(folder / f"{path.stem}.duckdb")) as connection:
            connection.register("given", table)
            connection.execute("CREATE TABLE visits AS SELECT * REPLACE (sex = 1 AS sex) FROM given")
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("url", ["csv://{}.csv", "{}.parquet", "file://{}.arrow", "duckdb://{}.duckdb?table=visits"])
@pytest.mark.parametrize(("hospital", "rows"), [("cleveland", 303), ("hungarian", 294), ("switzerland", 123), ("va", 200)])
def test_real_data_through_every_connector(url: str, hospital: str, rows: int, kept: Path, tmp_path: Path) -> None:
    snapshot = freeze(connectors.open(url.format(kept / hospital)), HEART_SCHEMA, tmp_path / "s.arrow")
    assert (snapshot.rows, snapshot.persons, snapshot.skipped_rows) == (rows, rows, 0)
    read = load(snapshot.path, snapshot.columns).drop_columns(["__person"])
    assert Counter(tuple(row.values()) for row in read.to_pylist()) == Counter(heart_oracle(hospital))


def test_a_chinese_csv(tmp_path: Path) -> None:
    path = tmp_path / "就诊.csv"
    text = "病案号,年龄,性别\n甲,63,男\n乙, 41.0 ,女\n甲,NaN,男\n丙,1e999,不详\n,50,女\n丁,inf,\n戊,二十,男\n"
    path.write_bytes(text.encode("gb18030"))
    schema = Schema("patient", (number("age", "0", "60"), category("sex", ("女", "男")), band("old", "age", ("60",), ("no", "yes"))))
    source = connectors.open(f"csv://{path}?encoding=gb18030&column.patient=病案号&column.age=年龄&column.sex=性别")
    snapshot = freeze(source, schema, tmp_path / "s.arrow")
    assert (snapshot.rows, snapshot.persons, snapshot.skipped_rows) == (6, 5, 1)
    assert load(snapshot.path, ["sex", "age", "old"]).to_pydict() == {
        "__person": [0, 1, 0, 2, 3, 4],
        "sex": [1, 0, 1, None, None, 1],
        "age": [60.0, 41.0, None, None, None, None],
        "old": [1, 0, None, None, None, None],
    }


@pytest.mark.parametrize("content", ["patient,age,sex\n", "patient,age,sex"])
def test_a_hospital_without_patients(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(content)
    schema = Schema("patient", (number("age", "0", "9"), category("sex", ("f", "m")), band("old", "age", ("5",), ("no", "yes"))))
    snapshot = freeze(connectors.open(str(tmp_path / "x.csv")), schema, tmp_path / "s.arrow")
    assert (snapshot.rows, snapshot.persons, snapshot.skipped_rows) == (0, 0, 0)
    read = load(snapshot.path, ["sex", "old", "age"])
    assert read.num_rows == 0 and read.schema.types == [pa.int32(), pa.int16(), pa.int16(), pa.float64()]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(pa.array(np.array([0.5, 1.0, 2.0], np.float16), mask=np.array([False, False, True])), [0.5, 1.0, None], id="half"),
        pytest.param(pa.RunEndEncodedArray.from_arrays([2, 3], ["7", None]), [7.0, 7.0, None], id="run-end encoded"),
        pytest.param(pa.array([1, 0, None], pa.int8()).cast(pa.bool8()), [1.0, 0.0, None], id="extension"),
        pytest.param(pa.array([Decimal("0.3")] * 3, pa.decimal128(38, 18)), [0.3] * 3, id="a decimal is rounded once"),
        pytest.param(pa.array([Decimal("1E-30")] * 3, pa.decimal256(50, 40)), [1e-30] * 3, id="a small decimal"),
    ],
)
def test_less_common_types(array: pa.Array, expected: list[float | None]) -> None:
    table = pa.table({"p": ["a", "b", "c"], "x": array})
    assert frozen(table, Schema("p", (number("x", "-9", "9"),)))[1]["x"].to_pylist() == expected


def test_uuids_are_persons() -> None:
    keys = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, b"b" * 16, b"a" * 16, None], pa.binary(16)))
    snapshot, read = frozen(pa.table({"p": keys, "x": [1, 2, 3, 4]}), Schema("p", (number("x", "0", "9"),)))
    assert (snapshot.persons, snapshot.skipped_rows, read["__person"].to_pylist()) == (2, 1, [0, 1, 0])


# what does not depend on rows is refused before any row is read


class Unread(TableSource):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        raise AssertionError("rows were read")


ONE = Schema("p", (number("x", "0", "9"), category("sex", ("f", "m"))))
GOOD = {"p": pa.array([CANARY]), "x": pa.array([1.5]), "sex": pa.array(["f"])}


@pytest.mark.parametrize(
    ("column", "array", "says"),
    [
        ("x", None, "has no column x; the dataset is registered with p, x, sex; in the URL, column.x=NAME reads it"),
        ("p", None, "has no column p;"),
        ("x", pa.array([[1.5]]), "column x of clinic is list<.*; a number column needs numbers, booleans, or text that holds numbers"),
        ("x", pa.array([b"1"]), "column x of clinic is binary"),
        ("x", pa.array([0], pa.date32()), "column x of clinic is date32"),
        ("x", pa.array([{CANARY[:6]: 1}]).field(0).cast(pa.duration("s")), "column x of clinic is duration"),
        (
            "sex",
            pa.array([0], pa.timestamp("us")),
            "column sex of clinic is timestamp.*; a category column needs text, numbers or booleans",
        ),
        ("sex", pa.array([b"f"]).dictionary_encode(), "column sex of clinic is dictionary"),
        ("p", pa.array([True]), "column p of clinic is bool; a person key needs text, numbers or bytes"),
        ("p", pa.array([[CANARY]]), "column p of clinic is list"),
    ],
)
def test_a_table_that_cannot_hold_the_dataset(column: str, array: pa.Array | None, says: str, tmp_path: Path) -> None:
    columns = {**GOOD, column: array} if array is not None else {k: v for k, v in GOOD.items() if k != column}
    with pytest.raises(UsageError, match=says) as caught:
        freeze(Unread("clinic", pa.table(columns)), ONE, tmp_path / "s.arrow")
    assert CANARY not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_table_of_one_column_may_have_another_delimiter(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="delimiter=%3B reads semicolons"):
        freeze(Unread("clinic", pa.table({"p;x;sex": [CANARY]})), ONE, tmp_path / "s.arrow")


# accidents


class Failing(TableSource):
    """Somebody else's source, whose driver quotes a value when it fails after the first batch."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        yield from super().scan(columns, batch_rows=batch_rows)
        raise pa.ArrowInvalid(f"could not convert {CANARY}")


def test_a_driver_that_quotes_a_value(tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as caught:
        freeze(Failing("clinic", pa.table(GOOD)), ONE, tmp_path / "s.arrow")
    assert CANARY not in "".join(traceback.format_exception(caught.value)) and caught.value.__context__ is None
    assert not list(tmp_path.iterdir())


def test_no_value_stops_it(tmp_path: Path) -> None:
    """Any text in any column gives a snapshot, so that no error can depend on it."""
    odd = [CANARY, "\0", "'", '"', "%", "1e99999", "9" * 5000, "{}", "\ud7ff", "-", None, "١٢", "1\n2"]
    table = pa.table({name: odd for name in ("p", "x", "sex")})
    snapshot = freeze(TableSource("clinic", table), ONE, tmp_path / "s.arrow")
    read = load(snapshot.path, ["x", "sex"])
    assert snapshot.rows == 12 and read["x"].null_count == read["sex"].null_count == 12


def test_more_rows_than_registered(tmp_path: Path) -> None:
    table = pa.table({"p": ["a", None, "b", "b"], "x": [1, 2, 3, 4], "sex": ["f"] * 4})
    assert freeze(TableSource("clinic", table), ONE, tmp_path / "s.arrow", most_rows=3).rows == 3
    with pytest.raises(UsageError, match="clinic has more rows than the 2 that"):
        freeze(TableSource("clinic", table), ONE, tmp_path / "t.arrow", most_rows=2)
    assert [p.name for p in tmp_path.iterdir()] == ["s.arrow"]


class Watched(TableSource):
    """Notes when its scan is closed."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        try:
            yield from super().scan(columns, batch_rows=1)
        finally:
            closed.append(self.name)


closed: list[str] = []


def test_a_scan_is_closed_when_freezing_stops(tmp_path: Path) -> None:
    """At once, not when somebody drops the error."""
    closed.clear()
    with pytest.raises(UsageError) as caught:
        freeze(Watched("clinic", pa.table({"p": ["a", "b"], "x": [1, 2], "sex": ["f", "f"]})), ONE, tmp_path / "s.arrow", most_rows=1)
    assert closed == ["clinic"] and caught.value


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        freeze(TableSource("clinic", pa.table(GOOD)), ONE, tmp_path / "s.arrow")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s.arrow").stat().st_mode) == 0o600


def test_a_snapshot_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.arrow"
    first = freeze(TableSource("clinic", pa.table(GOOD)), ONE, path)
    content = path.read_bytes()
    with pytest.raises(UsageError, match="never replaced"):
        freeze(TableSource("clinic", pa.table(GOOD)), ONE, path)
    assert path.read_bytes() == content and freeze(TableSource("clinic", pa.table(GOOD)), ONE, tmp_path / "t.arrow").id != first.id


def test_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "s.arrow", []
    sync = os.fsync

    def note(handle: int) -> None:
        steps.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", os.fstat(handle).st_size > 500, path.exists()))
        sync(handle)

    monkeypatch.setattr("os.fsync", note)
    freeze(TableSource("clinic", pa.table(GOOD)), ONE, path)
    assert [(what, there) for what, _, there in steps] == [("file", False), ("folder", True)] and steps[0][1]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable, match=r"could not be written to .*, system error 28"):
        freeze(TableSource("clinic", pa.table(GOOD)), ONE, tmp_path / "s.arrow")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be written"):
        freeze(TableSource("clinic", pa.table(GOOD)), ONE, tmp_path / "no" / "s.arrow")


def test_killed_halfway(tmp_path: Path) -> None:
    """The name never stands for half a table."""
    code = """
import os, signal, sys, pyarrow as pa
from pathlib import Path
from connectors.snapshot import freeze
from connectors.tables import TableSource
from governance.catalogue import Schema, number
class Killed(TableSource):
    def scan(self, columns, *, batch_rows=65_536):
        yield from super().scan(columns)
        os.kill(os.getpid(), signal.SIGKILL)
freeze(Killed("clinic", pa.table({"p": ["a"] * 100_000, "x": [1] * 100_000})), Schema("p", (number("x", "0", "9"),)), Path(sys.argv[1]))
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s.arrow")], cwd=Path(__file__).parents[2], check=False)
    assert run.returncode == -signal.SIGKILL
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part" and stat.S_IMODE(part.stat().st_mode) == 0o600


def test_counts_do_not_print(tmp_path: Path) -> None:
    table = pa.table({"p": [*map(str, range(4321)), None], "x": [1] * 4322, "sex": ["f"] * 4322})
    snapshot = freeze(TableSource("clinic", table), ONE, tmp_path / "s.arrow")
    assert (snapshot.rows, snapshot.persons, snapshot.skipped_rows) == (4321, 4321, 1)
    assert repr(snapshot) == f"Snapshot(id='{snapshot.id}', path={tmp_path / 's.arrow'!r}, columns=('x', 'sex'))"
    assert re.fullmatch("[0-9a-f]{32}", snapshot.id)


# loading


@pytest.fixture
def snapshot(tmp_path: Path) -> Any:
    rows = 200_000
    table = pa.table({"p": pa.array(range(rows)), "x": pa.array(range(rows)), "sex": ["f"] * rows})
    return freeze(TableSource("clinic", table), Schema("p", (number("x", "0", "1000000"), *ONE.columns[1:])), tmp_path / "s.arrow")


def test_only_the_columns_asked_for_are_loaded(snapshot: Any) -> None:
    assert load(snapshot.path, []).column_names == ["__person"]
    assert load(snapshot.path, ["sex", "x"]).column_names == ["__person", "sex", "x"]
    assert load(snapshot.path, ["x"])["x"].to_pylist() == [float(i) for i in range(200_000)]


def test_memory_is_mapped(snapshot: Any) -> None:
    before = pa.total_allocated_bytes()
    table = load(snapshot.path, ["x"])
    assert table.nbytes > 2_000_000 and pa.total_allocated_bytes() - before < 100_000


@pytest.mark.parametrize(("columns", "says"), [(["y"], "no column y"), (["x", "x"], "asked for twice"), (["__person"], "asked for twice")])
def test_loading_columns_that_are_not_there(snapshot: Any, columns: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load(snapshot.path, columns)


def test_loading_another_snapshot(snapshot: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is not the snapshot 00"):
        load(snapshot.path, ["x"], id="00")
    with ipc.new_file(tmp_path / "other.arrow", pa.schema([("__person", pa.int32())])):
        pass
    with pytest.raises(IntegrityError, match="is not the snapshot"):
        load(tmp_path / "other.arrow", [])
    with pytest.raises(UsageError, match="no file"):
        load(tmp_path / "gone.arrow", [])


@pytest.mark.parametrize("cut", [0, 7, 1000, 2_000_000, -1, -8])
def test_loading_a_damaged_snapshot(snapshot: Any, cut: int) -> None:
    content = snapshot.path.read_bytes()
    snapshot.path.write_bytes(content[:cut])
    with pytest.raises(KeyongError) as caught:
        load(snapshot.path, ["x"])
    assert type(caught.value) is IntegrityError


def test_missing_and_unknown_values_are_told_apart(tmp_path):
    """A person of rows that are left out is not counted; a clipped number is no gap, one outside that is to be missing is."""
    schema = Schema("p", (number("x", "0", "9", outside="missing"), number("y", "0", "9"), category("sex", ("f", "m"), codes=("0", "1"))))
    table = pa.table({
        "p": ["a", "b", "c", "d", None], "x": [1.0, math.nan, 99.0, None, 99.0], "y": ["1", "", "n/a", "99", "n/a"], "sex": ["1", "2", None, " ", "2"],
    })  # fmt: skip
    made = freeze(TableSource("clinic", table), schema, tmp_path / "s.arrow")
    assert {name: (gap.missing, gap.unknown) for name, gap in made.gaps.items()} == {"x": (2, 1), "y": (1, 1), "sex": (2, 1)}
