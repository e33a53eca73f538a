"""The catalogue as DCAT-AP (JSON-LD) and as CSV, from registered assets: what is held, by whom, since when, how open, in what band of size.

Source: DCAT 3 (W3C, 2024), DCAT-AP 3.0; for CSV RFC 4180. Only assets that are registered now are listed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from governance.keys import read_key
from governance.registration import LIVE, Registered

CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "xsd": "http://www.w3.org/2001/XMLSchema#", "keyong": "urn:keyong:",
}  # fmt: skip
ACCESS = {  # three ways to be open: access right, whether a licence is needed, whether it may cost something
    "unconditional-free": ("PUBLIC", False, False),
    "conditional-free": ("RESTRICTED", True, False),
    "conditional-paid": ("RESTRICTED", True, True),
}
RIGHT = "http://publications.europa.eu/resource/authority/access-right/"
COLUMNS = (
    "id", "name", "title", "sort", "holder", "responsible", "rights", "basis", "grade", "size", "openness", "licence_needed",
    "price_allowed", "begins", "ends", "state", "schema", "snapshot", "work",
)  # fmt: skip
MARKED = (*"=+-@\t\r＝＋－＠", "'")  # what a spreadsheet takes for a formula, in full width too, and the mark itself


def live(assets: Iterable[Registered]) -> list[Registered]:
    """Assets that are registered now, by name."""
    return sorted((asset for asset in assets if asset.now.step in LIVE), key=lambda asset: asset.name)


def as_dcat(assets: Iterable[Registered], *, publisher: str) -> dict[str, Any]:
    """A DCAT-AP catalogue of *assets*, published by the authority *publisher*."""
    return {
        "@context": CONTEXT,
        "@id": f"urn:keyong:catalogue:{publisher}",
        "@type": "dcat:Catalog",
        "dct:title": {"@value": f"{publisher} 数据资产目录", "@language": "zh"},
        "dct:description": {"@value": "Registered data assets. They are computed on where they lie, under a licence.", "@language": "en"},
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": publisher},
        "dcat:dataset": [_dataset(asset) for asset in live(assets)],
    }


def _dataset(asset: Registered) -> dict[str, Any]:
    what = asset.now.manifest
    access, licence, price = ACCESS[what.openness]
    return {
        "@id": f"urn:keyong:asset:{asset.links[0].id}",
        "@type": "dcat:Dataset",
        "dct:identifier": asset.name,
        "dct:title": what.title,
        "dct:description": f"{what.title}; {', '.join(what.basis)}",
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": read_key(what.holder).name},
        "dcat:contactPoint": {"@type": "foaf:Agent", "foaf:name": what.responsible},
        "dct:accessRights": {"@id": RIGHT + access},
        "dct:temporal": {"@type": "dct:PeriodOfTime", "dcat:startDate": _day(what.begins), "dcat:endDate": _day(what.ends)},
        "dcat:theme": {"@id": f"urn:keyong:sort:{what.sort}"},
        "keyong:right": list(what.rights),
        "keyong:basis": list(what.basis),
        "keyong:sizeBand": what.size,
        "keyong:grade": what.grade,
        "keyong:openness": what.openness,
        "keyong:licenceNeeded": licence,
        "keyong:priceAllowed": price,
        "keyong:state": asset.now.step,
        "keyong:schema": what.schema,
        "keyong:snapshot": what.snapshot,
        "keyong:work": what.work,
        "dct:isVersionOf": {"@id": f"urn:keyong:link:{asset.head}"},
    }


def as_csv(assets: Iterable[Registered]) -> str:
    """One line for each asset. A text that a spreadsheet would take for a formula, or that begins so, has an apostrophe before it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([inert(cell) for cell in _cells(asset)] for asset in live(assets))
    return out.getvalue()


def _cells(asset: Registered) -> Iterator[str]:
    what = asset.now.manifest
    _, licence, price = ACCESS[what.openness]
    yield from (asset.links[0].id, asset.name, what.title, what.sort, read_key(what.holder).name, what.responsible)
    yield from (" ".join(what.rights), "\n".join(what.basis), str(what.grade), what.size, what.openness, _truth(licence), _truth(price))
    yield from (_day(what.begins)["@value"], _day(what.ends)["@value"], asset.now.step, what.schema, what.snapshot, what.work)


def inert(cell: str) -> str:
    """*cell*, which others may have written, with an apostrophe before it where a spreadsheet would compute it, or take that off."""
    return f"'{cell}" if cell.startswith(MARKED) else cell


def _truth(value: bool) -> str:
    return "yes" if value else "no"


def _day(seconds: int) -> dict[str, str]:
    return {"@type": "xsd:date", "@value": datetime.fromtimestamp(seconds, UTC).date().isoformat()}
