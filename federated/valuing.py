"""The pack for an appraiser, from a registered asset, the records of a ledger and the holders' reports on quality."""

from __future__ import annotations

from collections.abc import Iterable

from federated import accounts
from federated.records import Records
from governance import notes, registration, valuation
from governance.errors import IntegrityError, UsageError
from governance.keys import VerifyKey
from governance.registration import LIVE
from governance.settlement import summed
from governance.valuation import Pack, Use


def use(dataset: str, records: Records, *, size: int) -> Use:
    """How *dataset* was used in the first *size* entries."""
    found = [r for r in records.jobs if r.job.dataset == dataset and r.released and r.released[0] < size]
    jobs = {r.id for r in found}
    lines = [line for line in accounts.statement(records, last=size).lines if line.job in jobs]
    return Use(
        size, records.root(size).hex(), len(found), len({r.question for r in found}), len({r.organisation for r in found}),
        sum(line.fen for line in lines), sum(line.uncharged for line in lines),
        dict(summed(part for line in lines for part in line.parts.items())),
    )  # fmt: skip


def pack(chain: str, records: Records, reports: Iterable[str], *, now: int) -> Pack:
    """The pack on the asset in *chain*, which is registered; *reports* are notes on quality."""
    asset = registration.opened(chain, records.roots.trust)
    if asset.now.step not in LIVE:
        raise UsageError(f"the asset {asset.name} is not registered now")
    manifest = asset.now.manifest
    made = use(manifest.dataset, records, size=len(records.entries))
    return Pack(asset.head, manifest.dataset, manifest.schema, now, made, tuple(reports))


def holders(dataset: str, records: Records) -> tuple[VerifyKey, ...]:
    names = {name for d in records.datasets.values() if d.name == dataset for name in d.holders}
    return tuple(p.key for p in records.parties.values() if p.role == "holder" and p.name in names)


def check(text: str, records: Records) -> Pack:
    """The pack in *text*, if its signatures hold and its figures are those of the records."""
    dataset = notes.read(text).document(Pack).dataset
    found = valuation.opened(text, records.origin, holders(dataset, records))
    if found.use.size > len(records.entries):
        raise UsageError(f"the pack goes up to entry {found.use.size}, the records have {len(records.entries)}")
    if use(dataset, records, size=found.use.size) != found.use:
        raise IntegrityError("the pack's figures are not those of the ledger")
    return found
