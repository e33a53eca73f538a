"""JSON Schemas of the project's own documents, made from the classes by which it reads them.

A schema describes the line of JSON in a signed note, or a whole file. It says what each field may be by itself; that fields agree with each
other, that sets are in order, and who must have signed is for the reader to check.  Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from federated.evidence import Evidence
from federated.release import Software
from federated.verify import Bundle
from governance import known
from governance.catalogue import Dataset
from governance.certificates import Certificate, Regions
from governance.complaints import Answer, Complaint, Receipt
from governance.consent import Consent
from governance.contingency import Contingency
from governance.costs import Costs
from governance.encoding import shape
from governance.grading import Grading
from governance.incidents import Incident
from governance.ledger import Entry
from governance.licences import Licence, Revocations
from governance.parties import Enrolment, Invitation
from governance.prices import Price
from governance.products import Algorithm, Demand, Product, Scenarios
from governance.quality import Report as Quality
from governance.registration import Asset
from governance.roots import Root
from governance.settlement import Statement
from governance.spending import Block, Spend
from governance.trades import Delivery, Inspection, Order
from governance.valuation import Pack, Valuation
from sandbox.job import Job
from sandbox.messages import Acceptance, Admission, AgreedState, Earlier, Refusal, Release

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SIGNED: tuple[type, ...] = (
    Acceptance, Admission, AgreedState, Algorithm, Answer, Asset, Block, Certificate, Complaint, Consent, Contingency, Costs, Dataset,
    Delivery, Demand, Earlier, Enrolment, Entry, Grading, Incident, Inspection, Invitation, Job, Licence, Order, Pack, Price, Product,
    Quality, Receipt, Refusal, Regions, Release, Revocations, Root, Scenarios, Software, Spend, Statement, Valuation,
)  # fmt: skip
FILES: Mapping[str, type] = MappingProxyType({"bundle/v1": Bundle, "evidence/v1": Evidence})


def kinds() -> dict[str, type]:
    """Classes of the documents, by the words with which a document says what it is."""
    return {**{cls.kind: cls for cls in SIGNED}, **FILES}  # type: ignore[attr-defined]


def names() -> dict[str, str]:
    """Kinds by the schemas' names: ``keyong/licence/v1`` by ``licence``."""
    return {kind.split("/")[-2]: kind for kind in sorted(kinds(), key=lambda kind: kind.split("/")[-2])}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema called *name*."""
    known.check("schema", [name], names())
    kind = names()[name]
    return {"$schema": DRAFT, "$id": f"urn:keyong:schema:{name}:{kind.split('/')[-1]}", **shape(kinds()[kind]), "title": kind}


def text(name: str) -> str:
    """The schema as its file is written."""
    return json.dumps(schema(name), ensure_ascii=False, indent=1) + "\n"
