"""Catalogues that come back, as CSV or as DCAT-AP: each asset a draft of an application, for its holder to complete and sign.

A draft proves nothing: who the holder is, the grades and the columns are said anew by the application, and id and state are the register's.
All lines are read before the first draft is made; whatever is wrong is named by its line.  Source: as `governance.views.dcat` writes them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Annotated, Any

import yaml
from pydantic import Field

from governance.catalogue import Label, Slug
from governance.chains import Previous
from governance.encoding import build, plain, strict
from governance.errors import KeyongError, UsageError
from governance.handwritten import by_hand
from governance.registration import Openness, Right, Size
from governance.views.dcat import ACCESS, COLUMNS, CONTEXT, RIGHT

LIMIT, MOST = 1 << 22, 10_000  # bytes; assets
SHOWN = 20  # wrong lines that are named at once
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


@strict
class Draft:
    """What an application's file says (docs/specs/registration.md); *snapshot* and *work* may be empty."""

    asset: Slug
    title: Label
    sort: Slug
    responsible: Label
    rights: Annotated[tuple[Right, ...], Field(min_length=1)]
    basis: Annotated[tuple[Label, ...], Field(min_length=1)]
    begins: Day
    ends: Day
    size: Size
    openness: Openness
    snapshot: Previous
    work: Previous


def from_csv(raw: bytes) -> list[Draft]:
    """Drafts of the lines that `dcat.as_csv` writes, perhaps saved by a spreadsheet: UTF-8, all columns in their order."""
    rows = csv.reader(io.StringIO(_text(raw).removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header, *lines = [(rows.line_num, row) for row in rows] or [(1, [])]
    except csv.Error as error:
        raise UsageError(f"line {rows.line_num}: not CSV: {error}") from None
    if tuple(header[1]) != COLUMNS:
        raise UsageError(f"the first line names the columns: {','.join(COLUMNS)}")
    return _all((f"line {number}", lambda row=row: _of_row(row)) for number, row in lines if row)


def _of_row(row: list[str]) -> Draft:
    if len(row) != len(COLUMNS):
        raise UsageError(f"there are {len(row)} cells instead of {len(COLUMNS)}")
    cell = {name: value.removeprefix("'") for name, value in zip(COLUMNS, row, strict=True)}
    made = _draft(cell, asset=cell["name"], rights=cell["rights"].split(), basis=cell["basis"].replace("\r\n", "\n").split("\n"))
    _check_open(made, *(_truth(name, cell[name]) for name in ("licence_needed", "price_allowed")))
    return made


def _truth(name: str, cell: str) -> bool:
    if cell not in ("yes", "no"):
        raise UsageError(f"{name} is yes or no")
    return cell == "yes"


def from_dcat(raw: bytes) -> list[Draft]:
    """Drafts of the datasets of a catalogue as `dcat.as_dcat` writes it, in any spelling of JSON; other terms are refused, not guessed."""
    try:
        data = json.loads(_text(raw), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise UsageError("the catalogue is not JSON") from None
    if not isinstance(data, dict) or data.get("@context") != CONTEXT or data.get("@type") != "dcat:Catalog":
        raise UsageError("not a catalogue as keyong catalogue export --as dcat writes it")
    found = data.get("dcat:dataset")
    if not isinstance(found, list):
        raise UsageError("the catalogue has no list of datasets")
    return _all((f"dataset {number}", lambda each=each: _of_dataset(each)) for number, each in enumerate(found, 1))


TERMS = {
    "asset": "dct:identifier", "title": "dct:title", "rights": "keyong:right", "basis": "keyong:basis", "size": "keyong:sizeBand",
    "openness": "keyong:openness", "snapshot": "keyong:snapshot", "work": "keyong:work",
}  # fmt: skip
DERIVED = {"@id", "@type", "dct:description", "dct:publisher", "dct:isVersionOf", "keyong:grade", "keyong:schema", "keyong:state"}
NESTED = {"dcat:contactPoint", "dct:accessRights", "dct:temporal", "dcat:theme", "keyong:licenceNeeded", "keyong:priceAllowed"}


def _of_dataset(data: object) -> Draft:
    if not isinstance(data, dict):
        raise UsageError("not an object")
    terms = {*TERMS.values(), *DERIVED, *NESTED}
    if odd := sorted(map(str, data.keys() ^ terms)):
        raise UsageError(f"{odd[0]} is {'not understood' if odd[0] in data else 'missing'}")
    period = data["dct:temporal"]
    begins, ends = (_at(period, name, "@value") for name in ("dcat:startDate", "dcat:endDate"))
    sort = str(_at(data["dcat:theme"], "@id")).removeprefix("urn:keyong:sort:")
    responsible = _at(data["dcat:contactPoint"], "foaf:name")
    made = _draft({name: data[term] for name, term in TERMS.items()}, sort=sort, responsible=responsible, begins=begins, ends=ends)
    _check_open(made, data["keyong:licenceNeeded"], data["keyong:priceAllowed"])
    if _at(data["dct:accessRights"], "@id") != RIGHT + ACCESS[made.openness][0]:
        raise UsageError("the access right does not fit the openness")
    return made


def _at(data: object, *names: str) -> object:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


# --- both


def _all(found: Iterable[tuple[str, Any]]) -> list[Draft]:
    """The drafts, if every one can be made and no two are of one name; else what is wrong, line by line."""
    made: dict[str, Draft] = {}
    wrong: list[str] = []
    for count, (where, draft) in enumerate(found):
        if count >= MOST:
            raise UsageError(f"a catalogue that is read has at most {MOST} assets")
        try:
            each = draft()
            if each.asset in made:
                raise UsageError(f"{each.asset} stands there twice")
            made[each.asset] = each
        except KeyongError as error:
            wrong.append(f"{where}: {error}")
    if wrong:
        raise UsageError("; ".join(wrong[:SHOWN]))
    return list(made.values())


def _draft(given: Mapping[str, Any], **more: Any) -> Draft:
    data = {**given, **more}
    with by_hand():
        return build(Draft, {field.name: data[field.name] for field in fields(Draft)})


def _check_open(draft: Draft, licence: object, price: object) -> None:
    _, needed, allowed = ACCESS[draft.openness]
    if licence is not needed or price is not allowed:
        raise UsageError("whether a licence is needed and may cost something does not fit the openness")


def _text(raw: bytes) -> str:
    if len(raw) > LIMIT:
        raise UsageError(f"a catalogue that is read has at most {LIMIT} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UsageError("the catalogue is not text in UTF-8; save it as UTF-8 (not as GB18030, GBK or UTF-16)") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise UsageError("a key appears twice")
    return data


def as_yaml(draft: Draft) -> str:
    """The file that `keyong asset apply` reads."""
    data = {name: list(value) if isinstance(value, tuple) else value for name, value in plain(draft).items() if value != ""}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
