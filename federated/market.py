"""Products in an authority's folder: a job file frozen as a product, job files checked against it, demands matched with what is listed."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass, replace
from pathlib import Path

from federated.authority import DATASETS, Authority
from federated.registry import Registry
from governance import known, notes
from governance.catalogue import Dataset
from governance.encoding import build, canonical
from governance.errors import UsageError
from governance.handwritten import by_hand, read_text
from governance.products import Algorithm, Asked, Goods, Product, Way, newer
from governance.registration import require_live
from sandbox import analyses
from sandbox.job import parameters, read_file

PRODUCTS = "products"
RULE, MIN_CELL = "exact", 10


def asked(job: str, entry: notes.Note) -> Asked:
    """What the job file *job* asks of the dataset with the signed *entry*."""
    spec = read_file(job)
    known.check("method", [spec["analysis"]], analyses.METHODS)
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in (spec.get("with") or {}).items()}
    analysis = analyses.make(spec["analysis"], analyses.METHODS[spec["analysis"]].version, given)
    release, made = spec.get("release") or {}, parameters(analyses.parameters_of(analysis))
    return Asked(
        spec["dataset"], entry.id, f"{analysis.name}@{analysis.version}", spec["purpose"], spec.get("where") or "", made,
        release.get("rule") or RULE, release.get("min_cell") or MIN_CELL,
    )  # fmt: skip


def products(authority: Authority) -> dict[str, str]:
    """The newest note of each product, by name."""
    return {file.stem: read_text(file) for file in sorted((authority.path / PRODUCTS).glob("*.note"))}


def code(method: str) -> str:
    """SHA-256 over the source of a method and of what it is derived from, in canonical JSON of digests by file."""
    made = [cls for cls in analyses.METHODS[method].__mro__ if cls.__module__.startswith(analyses.__name__)]
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in {Path(inspect.getfile(cls)) for cls in made}}
    return hashlib.sha256(canonical(files).encode()).hexdigest()


def package(authority: Authority, method: str, *, title: str, sorts: tuple[str, ...], outputs: tuple[str, ...]) -> str:
    """A signed package of a method as it is installed here, for these classes of data and rules of release."""
    known.check("method", [method], analyses.METHODS)
    with by_hand():
        fields = {"method": f"{method}@{analyses.METHODS[method].version}", "title": title, "code": code(method), "sorts": sorts,
                  "outputs": outputs}  # fmt: skip
        return authority.sign(build(Algorithm, fields))


@dataclass(frozen=True, slots=True)
class Offering:
    """What the authority says of a product beside what its job file asks."""

    title: str
    tags: tuple[str, ...] = ()
    price: str = ""
    goods: Goods = "statistics"
    way: Way = "posted"
    algorithm: str | None = None  # the package's note


def freeze(registry: Registry, name: str, job: str, *, asset: str, offering: Offering) -> str:
    """The job file as a listed product on a registered asset; signed, and kept in the folder."""
    authority, found = registry.authority, registry.assets()
    known.check("asset in the authority's folder called", [asset], found)
    chain = found[asset]
    text = read_text(authority.path / DATASETS / f"{chain.now.manifest.dataset}.note")
    require_live(str(chain), notes.opened(text, Dataset, authority.trust), authority.trust)
    what, sort = asked(job, notes.read(text)), chain.now.manifest.sort
    if what.dataset != chain.now.manifest.dataset:
        raise UsageError(f"the job file is about {what.dataset}, the asset {asset} about {chain.now.manifest.dataset}")
    source = code(what.method.partition("@")[0])
    if offering.algorithm is not None:
        allowed = notes.opened(offering.algorithm, Algorithm, authority.trust)
        allowed.check(method=what.method, code=source, sort=sort, rule=what.rule)
    old = products(authority).get(name)
    version = notes.opened(old, Product, authority.trust).version + 1 if old else 1
    with by_hand():
        product = Product(
            name, version, offering.title, sort, tuple(sorted(set(offering.tags))), chain.head, what.dataset, what.catalogue, what.method,
            what.question, (what.purpose,), offering.price, "listed", offering.goods, offering.way, source,
            notes.read(offering.algorithm).id if offering.algorithm else "",
        )  # fmt: skip
    return keep(authority, product)


def delist(authority: Authority, name: str) -> str:
    """Take a product off the list."""
    there = products(authority)
    known.check("product in the authority's folder called", [name], there)
    old = notes.opened(there[name], Product, authority.trust)
    return keep(authority, replace(old, version=old.version + 1, state="delisted"))


def keep(authority: Authority, product: Product) -> str:
    text, file = authority.sign(product), authority.path / PRODUCTS / f"{product.name}.note"
    newer(products(authority).get(product.name), text, authority.trust)
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    authority.forget(text)
    return text


def entry_of(path: Path) -> notes.Note:
    """A dataset's signed entry from a file."""
    note = notes.read(read_text(path))
    note.document(Dataset)
    return note
