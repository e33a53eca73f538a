"""Marked rows in a real federation: none of their values is in what leaves a node, nor in anything that is made of it elsewhere."""

from __future__ import annotations

import base64
import secrets
import struct
import time
from urllib.parse import quote

import calls
import federations
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import taps

import federated as fed
from federated.local import Federation

ROWS, MARKED = 120, 12  # rows of each holder, and those whose values are looked for
OUTSIDE = 917.28364519  # of the registered bounds, so that it must be missing and must not be told of
QUESTIONS = (
    (fed.Describe(columns=("age", "dose")), {}),
    (fed.Crosstab(index="age_band", columns="sex"), {"where": "age >= 40"}),
    (fed.LogisticRegression(target="ill", features=("age", "sex")), {}),
    (fed.Describe(columns=("age",)), {"protect": "threshold"}),
)


def marked(seed: int) -> pa.Table:
    """Records in which every person's key is a canary, as is a column that nobody registered; ages and doses are of 17 digits."""
    rows = federations.table(seed, ROWS)
    dose = rows["dose"].to_numpy().copy()
    dose[np.flatnonzero(dose > 50)] = OUTSIDE
    dose[0] = OUTSIDE
    keys = [f"canary-{secrets.token_hex(8)}" for _ in range(ROWS)]
    notes = [f"Notiz {secrets.token_hex(8)}" for _ in range(ROWS)]
    rows = rows.set_column(rows.column_names.index("id"), "id", pa.array(keys))
    return rows.set_column(rows.column_names.index("dose"), "dose", pa.array(dose)).append_column("note", pa.array(notes))


def spellings(value: str | float) -> set[bytes]:
    """The forms in which a value might stand somewhere."""
    if isinstance(value, float):
        raw = {struct.pack("<d", value), struct.pack(">d", value)}
        texts = {
            repr(value).encode(),
            f"{value:.6f}".encode(),
            struct.pack(">d", value).hex().encode(),
            struct.pack("<d", value).hex().encode(),
        }
    else:
        raw, texts = {value.encode(), value.encode("utf-16-le")}, {value.encode().hex().encode(), quote(value).encode()}
    return raw | texts | {form for each in raw | {t for t in texts if len(t) > 10} for form in in_base64(each)}


def in_base64(raw: bytes) -> set[bytes]:
    """What *raw* looks like in the middle of base64, at each of the three places where it can begin, without the ends that its neighbours share."""
    found = set()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        first, last = -(-shift * 4 // 3), (shift + len(raw)) * 8 // 6
        found |= {text[first:last], text[first:last].replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found(values: list[str | float], content: bytes) -> list[str | float]:
    return [value for value in values if any(form in content for form in spellings(value))]


@pytest.fixture(scope="module")
def data():
    return {name: marked(seed) for seed, name in enumerate(federations.HOLDERS)}


@pytest.fixture(scope="module")
def values(data):
    """What must be nowhere: values of the first rows of each holder, one that is out of bounds, and a column that nobody registered."""
    rows = [table.slice(0, MARKED).to_pydict() for table in data.values()]
    kept = [v for row in rows for column in ("id", "age", "dose", "note") for v in row[column]]
    return sorted({v for v in kept if str(v) != "nan"}, key=str)


@pytest.fixture(scope="module")
def running(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("marked")
    for name, rows in data.items():
        pq.write_table(rows, path / f"{name}.parquet", compression="none", use_dictionary=False)
    sources = {name: f"parquet://{path / name}.parquet" for name in data}
    columns = ["age", "age_band", "dose", "sex", "ill"]
    with taps.Tapped(path, federations.DATASET, sources, columns=columns).found() as federation:
        yield federation


@pytest.fixture(scope="module")
def released(running):
    hub = running.hub()
    return [hub.run(analysis, dataset="cohort", deadline="180s", **more) for analysis, more in QUESTIONS]


@pytest.mark.parametrize("value", ["canary-0123456789abcdef", 61.37210498273645])
@pytest.mark.parametrize("before", [b"", b"x", b"xy"], ids=["0", "1", "2"])
def test_a_value_would_be_found_however_it_is_written(value, before):
    raw = value.encode() if isinstance(value, str) else struct.pack("<d", value)
    text = str(value).encode()
    for content in (
        raw,
        text,
        base64.b64encode(before + raw + b"after"),
        base64.urlsafe_b64encode(before + text + b"after"),
        raw.hex().encode(),
    ):
        assert found([value], b"before" + content + b"after") == [value]
    assert found([value], secrets.token_bytes(1 << 16)) == []


def test_what_is_looked_for_is_in_the_holders_own_files(running: Federation, values):
    for name in federations.HOLDERS:
        held = (running.path / f"{name}.parquet").read_bytes()
        assert len(found(values, held)) >= 4 * MARKED - 6
        [snapshot] = running.home(name).rglob("*.arrow")
        assert len(found(values, snapshot.read_bytes())) >= MARKED  # ages


def test_no_value_of_a_row_leaves_a_node(running, released, values):
    sent = b"\n".join(map(bytes, running.tap.sent))
    assert all(f"/v1/jobs/{each.value.provenance.job}/posts".encode() in sent for each in released)  # the tap has seen their parts
    assert sent.count(b"POST /v1/jobs/") > 4 * len(federations.HOLDERS) * len(QUESTIONS)
    assert found(values, sent) == []


def test_no_value_of_a_row_is_with_the_coordinator_or_in_a_log(running, released, values):
    files = [file for file in (running.path / "coordinator").rglob("*") if file.is_file()] + list(running.path.glob("*.log"))
    assert {"journal.db", "coordinator.log", "north.log"} <= {file.name for file in files}
    assert {file.name: found(values, file.read_bytes()) for file in files if found(values, file.read_bytes())} == {}


def test_no_key_is_in_a_log_or_leaves_its_folder(running, released):
    """Of nodes, coordinator and operator: in the file's own spelling, and the bytes that it stands for."""
    files = [file for name in (*federations.HOLDERS, "coordinator") for file in (running.path / name).rglob("*.key")] + [
        running.path / "operator.key"
    ]
    assert len(files) == 2 * len(federations.HOLDERS) + 3  # each node has two, the coordinator one for TLS as well
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    seen = b"\n".join(map(bytes, running.tap.sent)) + b"".join(file.read_bytes() for file in running.path.glob("*.log"))
    for file in files:
        text = file.read_text().strip()
        secret = "".join(text.splitlines()[1:-1]) or text.split("+", 4)[-1]  # PEM, a note's key, or hex
        raw = bytes.fromhex(secret) if len(secret) == 64 else base64.b64decode(secret)[-32:] if "+" in text else base64.b64decode(secret)
        assert secret.encode() not in seen and found([secret], seen) == [] and not any(form in seen for form in {raw, *in_base64(raw)}), (
            file.name
        )


def test_no_value_of_a_row_is_in_a_ledger_a_bundle_or_a_report(running, released, values, tmp_path, capsys):
    home, made = running.path / "coordinator", []
    for number, each in enumerate(released):
        each.save(tmp_path / f"{number}.json")
        made += [each.summary("en"), each.summary("zh"), str(each)]
    month, records = time.strftime("%Y-%m", time.gmtime()), tmp_path / "records.json"
    for command in (
        ["report", "stats", "--year", month[:4]],
        ["report", "disclose", "--year", month[:4]],
        ["report", "monitor", "--month", month],
        ["metrics"],
        ["audit"],
        ["settle", "export", tmp_path / "accounts.csv"],
        ["records", "export", records],
        ["records", "show"],
        ["ledger", "show"],
        ["ledger", "export", tmp_path / "public"],
    ):
        made.append(calls.keyong(capsys, *command, "--home", home).out)
    made += [calls.keyong(capsys, "ledger", "show", "--home", running.home(name)).out for name in federations.HOLDERS]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > len(released) + 2
    assert found(values, b"\n".join([*(text.encode() for text in made), *(file.read_bytes() for file in written)])) == []
