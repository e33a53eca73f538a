"""What a job would do and cost, told before it is submitted, from the catalogue, the licence and the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from federated.accounts import yuan
from federated.language import said
from governance import registration
from governance.catalogue import Dataset
from governance.details import in_chinese
from governance.licences import Granted, day
from governance.notes import Note
from governance.registration import Manifest, newest
from governance.rights import PUBLIC
from mpc import secagg, threshold
from mpc.rings import SCALARS
from mpc.secagg.bits import ITEM
from sandbox import auditing
from sandbox import case as cases
from sandbox.job import Job

if TYPE_CHECKING:
    from federated.client import Hub

UNITS = {
    "licence": ("licence", "份授权"), "product": ("new question", "个新问题"), "call": ("release", "次发布"), "day": ("day", "天"),
    "number": ("numbers", "个数"),
}  # fmt: skip
PROVED = 4 + SCALARS.size + ITEM  # bytes of an entry of support: masked bit and blinder, commitment and proof
HEADERS = 2500  # bytes of signed headers and sealed shares that a node sends and gets in a round, for each other node


def plan(hub: Hub, text: str) -> dict[str, Any]:
    """Columns and grades, rounds, numbers, bytes, thresholds, and whether the licence covers it. Raises as the nodes would."""
    return planned(hub, hub.prepare_file(text))


def planned(hub: Hub, job: Note) -> dict[str, Any]:
    """The same of a signed job."""
    published = dict(hub.link.documents("dataset"))
    entry = published[job.document(Job).dataset]
    case = cases.read(str(job), entry)
    grant = hub.grants()[case.job.licence]
    licence, quoted = hub.check(job, entry, grant), hub.quote(job)
    left = min(limit - used for limit, used in zip(licence.limits, hub.uses(licence.id), strict=True))
    made = _described(case, licence, case.dataset, newest(registration.of(grant.assets, case.dataset.name)).manifest)
    return {**made, "licence_left": left, "price": asdict(quoted) if quoted else None}


def _described(case: cases.Case, licence: Granted, dataset: Dataset, registered: Manifest) -> dict[str, Any]:
    opens = case.analysis.opens(dataset.schema)
    n, c, payloads = len(dataset.holders), dataset.colluding, _payloads(case, opens)
    return {
        "title": case.job.title, "method": case.job.method, "dataset": dataset.name, "purpose": case.job.purpose, "where": case.job.where,
        "columns": {name: registered.graded[name] for name in case.columns}, "holders": list(dataset.holders),
        "threshold": secagg.threshold(n, c), "colluding": c,
        "protect": case.job.protect, "dealers": list(case.dealers), "min_cell": case.job.min_cell, "cells": len(case.cells),
        "rounds_at_most": 1 + len(opens), "numbers_at_most": sum(opens), "bytes_at_most": n * (payloads + (1 + len(opens)) * n * HEADERS),
        "discloses": case.analysis.discloses, "licence_uses": licence.limits[-1], "licence_until": day(licence.rights.not_after or 0),
        "approvals": licence.rights.approvals or 0,
        "deadline": day(case.job.deadline),
    }  # fmt: skip


def _payloads(case: cases.Case, opens: Sequence[int]) -> int:
    """Bytes of one holder's vectors; support may be asked twice, of all that earlier answers leave over, and each round be weighed."""
    asked = case.asked + auditing.MOST_SETS
    if case.job.protect == "secagg":
        return PROVED * (2 * asked + len(opens)) + 16 * sum(opens)
    members, keys = len(case.dataset.holders), [threshold.BITS] * len(case.dealers)
    proved = [secagg.Vector("x", 32, entries, proved=True) for entries in (asked, asked, *(1 for _ in opens))]
    vectors = [*proved, *(secagg.Vector("x", 128, entries) for entries in opens if entries)]
    return sum(threshold.size(v, members=members, keys=keys, items=items) for v in vectors for items in (True, False))


def as_text(made: dict[str, Any]) -> str:
    """For people."""
    columns = said(", ", "、").join(said(f"{name} (grade {grade})", f"{name}（{grade} 级）") for name, grade in made["columns"].items())
    where = said(f", where {made['where']}", f"，条件 {made['where']}") if made["where"] else ""
    holders, total = ", ".join(made["holders"]), f"{made['bytes_at_most'] / 1e6:.1f}"
    return "\n".join([
        said(f"{made['title']}: {made['method']} on {made['dataset']}{where}, for {made['purpose']}",
             f"{made['title']}：{made['dataset']} 上的 {made['method']}{where}，用途 {made['purpose']}"),
        said(f"reads      {columns}", f"读取字段  {columns}"),
        said(f"asks       {holders}: all must accept, each by its own policy; {made['threshold']} must answer ({made['colluding']} may "
             "collude)",
             f"参与方    {holders}：须全部接受，各按自己的规则；至少 {made['threshold']} 家响应（其中 {made['colluding']} 家可能合谋）"),
        said(f"opens      at most {made['numbers_at_most']} numbers in {made['rounds_at_most']} rounds, {made['cells']} cells of "
             f"{made['min_cell']} persons or more",
             f"打开      至多 {made['numbers_at_most']} 个数，{made['rounds_at_most']} 轮，{made['cells']} 个单元，"
             f"每个不少于 {made['min_cell']} 人"),
        said(f"discloses  {made['discloses']}", f"公开内容  {in_chinese(made['discloses'])}"),
        said(f"sends      at most {total} MB in all; no row, no holder's own number",
             f"传输      合计至多 {total} MB；不含任何一行，也不含任何一家自己的数"),
        *_keys(made),
        *_approvals(made),
        said(f"spends     one of {made['licence_uses']} uses of the licence, of which {made['licence_left']} are left; it runs until "
             f"{made['licence_until']}",
             f"消耗      授权书 {made['licence_uses']} 次使用中的一次，剩余 {made['licence_left']} 次；"
             f"授权书有效期至 {made['licence_until']}"),
        costs(made["price"]),
        said(f"deadline   {made['deadline']}", f"截止时间  {made['deadline']}"),
    ])  # fmt: skip


def costs(price: dict[str, Any] | None) -> str:
    """A quote for people."""
    if price is None:
        return said("costs      nothing: there is no price for this licence", "费用      无：该授权书没有价格")
    english, chinese = UNITS[price["unit"]]
    total, each, left, over = (yuan(price[name]) for name in ("fen", "each", "left", "uncharged"))
    free = ", ".join(PUBLIC + tuple(price["free"]))
    over_en, over_zh = f"; {over} above the ceiling is not charged", f"；超出上限的 {over} 元不收取"
    if not price["uncharged"]:
        over_en = over_zh = ""
    return said(
        f"costs      {total} yuan if it is released: {price['quantity']} {english} at {each}{over_en}; the ceiling of revenue leaves "
        f"{left}; free for {free}",
        f"费用      发布后 {total} 元：{price['quantity']} {chinese}，单价 {each} 元{over_zh}；最高准许收入尚余 {left} 元；"
        f"免费用途：{free}",
    )


def _approvals(made: dict[str, Any]) -> list[str]:
    asked = made["approvals"]
    return [said(f"approvals  a person at {asked} of the data holders must approve it",
                 f"人工批准  须有 {asked} 家持有方经人工批准")] if asked else []  # fmt: skip


def _keys(made: dict[str, Any]) -> list[str]:
    dealers = ", ".join(made["dealers"])
    return [said(f"encrypts   under keys that {dealers} deal, one each; they must be there first, then holders may come and go",
                 f"加密      由 {dealers} 各分发一把密钥；分发方须先到，其后各家可来去")] if dealers else []  # fmt: skip
