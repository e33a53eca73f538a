"""What a job would do, told before it is submitted, from the catalogue and the licence alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governance import licences
from governance.catalogue import Dataset
from governance.licences import Licence, day
from mpc import secagg
from sandbox import case as cases
from sandbox.job import Job
from sandbox.policy import request

if TYPE_CHECKING:
    from federated.client import Hub

HEADERS = 2500  # bytes of signed headers and sealed shares that a node sends and gets in a round, for each other node


def plan(hub: Hub, text: str) -> dict[str, Any]:
    """Columns and grades, rounds, numbers, bytes, thresholds, and whether the licence covers it. Raises as the nodes would."""
    job = hub.prepare_file(text)
    published = dict(hub.link.documents("dataset"))
    case = cases.read(str(job), published[job.document(Job).dataset])
    text_of_licence = dict(hub.link.documents("licence"))[case.job.licence]
    licence = licences.check(text_of_licence, request(case), hub.trust, revocations=hub.revocations(), now=case.job.created)
    return _described(case, licence, case.dataset)


def _described(case: cases.Case, licence: Licence, dataset: Dataset) -> dict[str, Any]:
    opens = case.analysis.opens(dataset.schema)
    n, c = len(dataset.holders), dataset.colluding
    payload = 4 * len(case.cells) + 16 * (sum(opens) + len(case.cells))  # support may be asked twice
    return {
        "title": case.job.title, "method": case.job.method, "dataset": dataset.name, "purpose": case.job.purpose, "where": case.job.where,
        "columns": {name: dataset.schema[name].grade for name in case.columns}, "holders": list(dataset.holders),
        "threshold": secagg.threshold(n, c), "colluding": c, "min_cell": case.job.min_cell, "cells": len(case.cells),
        "rounds_at_most": 1 + len(opens), "numbers_at_most": sum(opens), "bytes_at_most": n * (payload + (1 + len(opens)) * n * HEADERS),
        "discloses": case.analysis.discloses, "licence_uses": licence.use_count, "licence_until": day(licence.not_after),
        "deadline": day(case.job.deadline),
    }  # fmt: skip


def as_text(made: dict[str, Any]) -> str:
    """For people."""
    columns = ", ".join(f"{name} (grade {grade})" for name, grade in made["columns"].items())
    where = f", where {made['where']}" if made["where"] else ""
    return "\n".join([
        f"{made['title']}: {made['method']} on {made['dataset']}{where}, for {made['purpose']}",
        f"reads      {columns}",
        f"asks       {', '.join(made['holders'])}: all must accept, each by its own policy; {made['threshold']} must answer "
        f"({made['colluding']} may collude)",
        f"opens      at most {made['numbers_at_most']} numbers in {made['rounds_at_most']} rounds, {made['cells']} cells of "
        f"{made['min_cell']} persons or more",
        f"discloses  {made['discloses']}",
        f"sends      at most {made['bytes_at_most'] / 1e6:.1f} MB in all; no row, no holder's own number",
        f"spends     one of {made['licence_uses']} uses of the licence, which runs until {made['licence_until']}",
        f"deadline   {made['deadline']}",
    ])  # fmt: skip
