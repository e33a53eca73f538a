"""For operators and notebooks: connect, run, and get a result that proves itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from federated import grants
from federated import verify as verification
from federated.grants import VERSION, Folder, Grant
from federated.progress import Progress, bar
from federated.results import Returned
from federated.tls import client_files
from federated.tokens import Token, write_private
from federated.transport import Link
from federated.verify import Bundle, Verified
from governance import known, licences, notes, registration
from governance.catalogue import Dataset
from governance.encoding import build, canonical, plain
from governance.errors import LicenceRefused, ProtocolError, Refused, Unavailable, UsageError
from governance.handwritten import by_hand
from governance.keys import SigningKey, Trust, VerifyKey, read_key
from governance.licences import Granted, day
from governance.parties import read_enrolment
from governance.roots import Chain, Version
from governance.settlement import Quote
from governance.texts import text_of
from sandbox import analyses
from sandbox import case as cases
from sandbox.analyses import Analysis
from sandbox.job import RULE, Job, Protection, check, least_cell, nonce, parameters, read_file, seconds
from sandbox.messages import Offer, Status
from sandbox.policy import check_standing, request

log = logging.getLogger("keyong.operator")
WAIT = 15.0


@dataclass(frozen=True, slots=True, repr=False)
class Released(Returned):
    """A released and verified result, with the bundle that proves it."""

    bundle: Mapping[str, Any] = field(repr=False)
    pinned: Version = field(repr=False)

    def verify(self) -> Verified:
        """Verify the bundle again, offline. Raises; never returns False."""
        return verification.verify(Bundle.of(self.bundle), self.pinned)

    def save(self, path: str | Path) -> None:
        """Write the bundle, for ``keyong verify``."""
        Path(path).write_text(canonical(self.bundle) + "\n")


class Hub:
    """A connection to a coordinator, as one operator.

    *folder* keeps licences that were narrowed off line; *others* are keys that sign a job, too, where its licence asks for them; *keep*
    writes down newer versions of the authority's key root.
    """

    def __init__(self, link: Link, key: SigningKey, roots: Chain, coordinator: VerifyKey, *, keep: Callable[[Chain], None],
                 folder: Folder | None = None, others: Sequence[SigningKey] = ()) -> None:  # fmt: skip
        self.link, self.key, self.roots, self.coordinator, self._keep = link, key, roots, coordinator, keep
        self.folder, self.others = folder, tuple(others)

    @property
    def trust(self) -> Trust:
        """Whose signatures count, by the newest version of the authority's key root that was seen."""
        return self.roots.trust

    def follow(self) -> Hub:
        """Look for a newer version of the key root, and keep it: an older one is never taken again."""
        newest = self.roots.followed(text for _, text in self.link.documents("root"))
        if newest is not self.roots:
            self._keep(newest)
            self.roots = newest
        self.roots.check(int(time.time()))
        return self

    def run(self, analysis: Analysis, *, dataset: str, purpose: str | None = None, licence: str | None = None, where: str | None = None,
            release: Mapping[str, Any] | None = None, protect: Protection = "secagg", deadline: str = "10m", title: str | None = None,
            progress: Progress | None = None) -> Released:  # fmt: skip
        """Run *analysis* on the dataset's holders and return the verified result.

        Parameters
        ----------
        analysis
            A method with its parameters, such as ``fed.Describe(columns=["age"])``.
        dataset
            Its name in the catalogue.
        purpose, licence
            A purpose and the id of a licence that names it; where left out, those of the one licence that fits.
        where
            A condition over registered levels and cut points.
        release
            ``{"rule": "exact", "min_cell": 10}``; the licence's minimum cell unless given.
        protect
            ``"secagg"`` masks the parts of a total; ``"threshold"`` encrypts them under keys that the holders open together, for holders
            that come and go: an upload waits for the others, and a total is opened by t of those who are there. It is slower.
        deadline
            From now, such as ``"90s"`` or ``"10m"``.
        progress
            Called with the job's `Status` at each change; unless given, a line in the terminal or notebook shows it.

        Raises
        ------
        Refused
            The licence, a data holder's policy or disclosure control said no; with the reason in English and Chinese.
        Unavailable
            The job did not end in time.
        """
        spec: dict[str, Any] = {"dataset": dataset, "where": where, "release": release, "protect": protect,
                                "deadline": deadline, "title": title, "purpose": purpose, "licence": licence}  # fmt: skip
        with bar(silent=progress is not None) as shown:
            return self.result(self.submit(self.prepare(analysis, spec)), progress=progress or shown)

    def prepare(self, analysis: Analysis, spec: Mapping[str, Any]) -> notes.Note:
        """The signed job, under the licence that *spec* names, or under the one that fits."""
        check(spec)
        dataset, held = self._dataset(spec["dataset"]), self._held(spec["dataset"], spec.get("licence"))
        jobs = {name: self._signed(self._job(analysis, spec, dataset, granted), granted) for name, granted in held.items()}
        return jobs[next(iter(jobs)) if len(jobs) == 1 else self._fitting(jobs, held, dataset)]

    def _signed(self, job: Job, granted: Granted) -> notes.Note:
        """The job under the operator's signature, and those of the other keys that the licence names."""
        others = [key for key in self.others if key.public in granted.links[-1].trust.keys and key.public != self.key.public]
        return notes.write(job).signed_by(self.key, *others)

    def _job(self, analysis: Analysis, spec: Mapping[str, Any], dataset: str, granted: Granted) -> Job:
        allow = granted.rights
        now, entry = int(time.time()), notes.read(dataset)
        title = spec.get("title") or f"{analysis.name} of {spec['dataset']}"
        purpose, made = spec.get("purpose") or (allow.purposes or ("",))[0], parameters(analyses.parameters_of(analysis))
        job = Job(title, str(self.key.public), str(self.coordinator), purpose, granted.id, spec["dataset"], entry.id,
                  spec.get("where") or "", analysis.name, analysis.version, made, spec.get("protect") or "secagg", RULE,
                  least_cell(spec, allow.min_cell or 0), now, now + seconds(spec.get("deadline") or "10m"), nonce(),
                  spec.get("region") or entry.document(Dataset).region)  # fmt: skip
        with by_hand():
            return build(Job, plain(job))

    def prepare_file(self, text: str) -> notes.Note:
        """The signed job of a job file."""
        spec = read_file(text)
        method = analyses.METHODS.get(str(spec["analysis"]))
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in (spec.get("with") or {}).items()}
        return self.prepare(analyses.make(str(spec["analysis"]), method.version if method else 1, given), spec)

    def _dataset(self, name: str) -> str:
        found = dict(self.follow().link.documents("dataset"))
        known.check("dataset", [name], found)
        notes.opened(found[name], Dataset, self.trust)
        return found[name]

    def licences(self) -> dict[str, Granted]:
        """This operator's licences, published or narrowed off line, by their ids: those that its keys can sign a job under."""
        return self._own(self.grants())

    def _own(self, grants: Mapping[str, Grant]) -> dict[str, Granted]:
        found = {name: licences.read(grant.chain, self.trust) for name, grant in grants.items()}
        mine = {str(key.public) for key in (self.key, *self.others)}
        return {name: x for name, x in found.items() if len(mine & set(x.links[-1].delegates)) >= x.links[-1].threshold}

    def grants(self) -> dict[str, Grant]:
        """Chains with their plans, registrations and the current revocation list, by the id of the last link."""
        published, plans, current = dict(self.link.documents("licence")), dict(self.link.documents("plan")), self.revocations() or ""
        kept = self.folder.grants() if self.folder is not None else {}
        texts = {**{notes.read(text).id: text for grant in kept.values() for text in grant.chain}, **published}
        known = {name: notes.read(text) for name, text in texts.items()}
        plans = {**{notes.read(grant.plan).id: grant.plan for grant in kept.values() if grant.plan}, **plans}
        chains = {name: tuple(map(str, licences.links(name, known.get))) for name in known}
        read = {name: (chain, granted.rights) for name, chain in chains.items()
                if 1 <= len(chain) <= licences.MOST_LINKS and (granted := self._read(name, chain)) is not None}  # fmt: skip
        registered = list(dict(self.link.documents("asset")).values())
        return {
            name: Grant(VERSION, chain, plans.get(rights.plan or "", ""), grants.assets(registered, rights), current)
            for name, (chain, rights) in read.items()
        }

    def _read(self, name: str, chain: tuple[str, ...]) -> Granted | None:
        """A licence; None, with a warning, where it does not read any more, as when it was not signed again since keys changed."""
        try:
            return licences.read(chain, self.trust)
        except LicenceRefused as error:
            log.warning("the licence %s is left out: %s", name, error)
            return None

    def standing(self) -> list[dict[str, Any]]:
        """What each licence of this operator, and each beside its key, allows, what is left, and why it is not in force, if it is not."""
        grants = self.follow().grants()
        own, rows = self._own(grants), []
        for name, granted in {**own, **self._kept(grants)}.items():
            used = self.uses(name)
            left = min(limit - taken for limit, taken in zip(granted.limits, used, strict=True))
            sign = [] if name in own else self._missing(granted)
            rows.append({**_standing(granted, grants[name], self.trust), "used": used[-1], "left": left, "sign": sign})
        return rows

    def _kept(self, grants: Mapping[str, Grant]) -> dict[str, Granted]:
        """The licences beside the operator's key, whoever must sign under them."""
        kept = self.folder.grants() if self.folder is not None else {}
        return {name: licences.read(grants[name].chain, self.trust) for name in kept if name in grants}

    def _missing(self, granted: Granted) -> list[str]:
        """Names of the delegates whose keys are not here."""
        mine = {str(key.public) for key in (self.key, *self.others)}
        return [read_key(key).name for key in granted.links[-1].delegates if key not in mine]

    def revocations(self) -> str | None:
        """The current revocation list."""
        return dict(self.link.documents("revocations")).get("current")

    def _held(self, dataset: str, wanted: str | None) -> dict[str, Granted]:
        """The licences for *dataset*; only the one that is *wanted*, if one is."""
        start, grants = "" if wanted in (None, "any") else str(wanted).removeprefix("lic-"), self.grants()

        def fits(all_of: Mapping[str, Granted], start: str) -> dict[str, Granted]:
            return {name: x for name, x in all_of.items() if dataset in (x.rights.datasets or ()) and name.startswith(start)}

        held, found, kept = fits(own := self._own(grants), ""), fits(own, start), fits(self._kept(grants), start)
        if not found and len(kept) == 1:
            name, granted = kept.popitem()
            keys = [f"{key}.key" for key in self._missing(granted)]
            raise UsageError(f"a job under lic-{name[:12]} must be signed by {', '.join(keys)}, too: --sign {' --sign '.join(keys)}")
        if not held:
            raise LicenceRefused(code="licence.missing", dataset=dataset)
        if start and not found:
            raise UsageError(f"you hold no licence for {dataset} whose id starts with {wanted}; you hold {_named(held)}")
        if start and len(found) > 1:
            raise UsageError(f"{len(found)} of your licences for {dataset} start with {wanted}; you hold {_named(held)}")
        return found

    def _fitting(self, jobs: Mapping[str, notes.Note], held: Mapping[str, Granted], dataset: str) -> str:
        """The one licence of *held* that is in force and covers the job; what is used up is not known here."""
        fits, reasons, grants = {}, {}, self.grants()
        for name, job in jobs.items():
            try:
                self.check(job, dataset, grants[name])
                fits[name] = held[name]
            except LicenceRefused as refusal:
                reasons[name] = refusal
        if not fits:
            told = {of: "; ".join(f"{_named({n: held[n]})}: {r.text(of)}" for n, r in reasons.items()) for of in ("en", "zh")}
            english, chinese = (text_of("licence.none", of, {"detail": told[of]}) for of in ("en", "zh"))
            raise LicenceRefused(english, code="licence.none", english=english, chinese=chinese)
        if len(fits) > 1:
            raise UsageError(f"{len(fits)} of your licences fit this job; name one in it: {_named(fits)}")
        return next(iter(fits))

    def check(self, job: notes.Note, dataset: str, grant: Grant) -> Granted:
        """The licence, if it is in force, covers the job, and enough of its delegates signed it."""
        case = cases.read(str(job), dataset)
        granted, asset = check_standing(grant.chain, registration.of(grant.assets, case.dataset.name), case.dataset, self.trust,
                                        plan=grant.plan, revocations=grant.revocations or None, now=int(time.time()))  # fmt: skip
        licences.covers(granted, request(case, asset))
        licences.check_signers(job, granted, self.key.public)
        return granted

    def offer(self, job: notes.Note) -> Offer:
        """The job with all that a node will judge it by."""
        document, enrolments = job.document(Job), dict(self.link.enrolments())
        grant, dataset = self.grants()[document.licence], dict(self.link.documents("dataset"))[document.dataset]
        holders = tuple(enrolments[name] for name in notes.read(dataset).document(Dataset).holders)
        asset = registration.of(grant.assets, document.dataset)
        return Offer(self.roots.texts, str(job), grant.chain, grant.plan, dataset, asset, grant.revocations, enrolments[self.key.name],
                     enrolments[self.coordinator.name], holders)  # fmt: skip

    def submit(self, job: notes.Note) -> str:
        """Post a signed job, with the links of its licence that are kept here alone; the job's id."""
        return self.link.submit(str(job), self._links(job.document(Job).licence))

    def quote(self, job: notes.Note) -> Quote | None:
        """What a signed job costs if it is released next; None where its licence has no price."""
        return self.link.quote(str(job), self._links(job.document(Job).licence)).quote

    def uses(self, licence: str, links: Sequence[str] = ()) -> tuple[int, ...]:
        """How many uses of each link of a licence were taken, the authority's link first; *links*, unless it is published or kept."""
        return self.link.uses(licence, links or self._links(licence))

    def _links(self, licence: str) -> tuple[str, ...]:
        """The links of a licence that are kept here alone."""
        kept = self.folder.grants() if self.folder is not None else {}
        grant = kept.get(licence)
        return grant.chain[1:] if grant is not None else ()

    def find(self, start: str) -> str:
        """The id of this operator's one job that starts with *start*."""
        found = [s.job for s in self.link.jobs() if s.job.startswith(start)]
        if not found:
            raise UsageError(f"there is no job whose id starts with {start}; see keyong job list")
        if len(found) > 1:
            raise UsageError(f"{len(found)} jobs start with {start}; see keyong job list")
        return found[0]

    def status(self, job: str) -> Status:
        return self.link.status(job)

    def result(self, job: str, *, progress: Progress | None = None) -> Released:
        """Wait for the job's end and return its verified result."""
        status = self.link.status(job)
        while not status.ended:
            if progress:
                progress(status)
            if time.time() > status.deadline + WAIT:
                raise Unavailable("the coordinator did not end the job at its deadline", retry_after=30)
            status = self.link.status(job, version=status.version if progress else None, wait=WAIT)
        if progress:
            progress(status)
        if status.phase != "released":
            raise _ending(status)
        bundle = self.link.bundle(job)
        return Released(verification.verify(Bundle.of(bundle), self.roots.newest).result, bundle, self.roots.newest)


def _standing(granted: Granted, grant: Grant, trust: Trust) -> dict[str, Any]:
    allow, code, english, chinese = granted.rights, "", "", ""
    try:
        grants.in_force(grant, trust, now=int(time.time()))
    except Refused as refusal:
        code, english, chinese = refusal.code, refusal.text("en"), refusal.text("zh")
    datasets = allow.datasets or {}
    return {
        "licence": granted.id, "dataset": ", ".join(datasets), "links": len(granted.ids), "purposes": list(allow.purposes or ()),
        "methods": list(allow.methods or ()), "columns": sorted({c for columns in datasets.values() for c in columns}),
        "min_cell": allow.min_cell, "uses": granted.limits[-1], "from": day(allow.not_before or 0), "until": day(allow.not_after or 0),
        "code": code, "en": english, "zh": chinese,
    }  # fmt: skip


def _named(held: Mapping[str, Granted]) -> str:
    """Licences by short id and what they are for."""
    read = ((name, granted.rights) for name, granted in held.items())
    return ", ".join(
        f"lic-{n[:12]} ({', '.join(x.datasets or ())} for {', '.join(x.purposes or ())}; min_cell {x.min_cell}; "
        f"until {day(x.not_after or 0)})"
        for n, x in read
    )


def _ending(status: Status) -> Exception:
    error = {"expired": Unavailable, "failed": ProtocolError}.get(status.phase, Refused)
    return error(status.english, code=status.code, english=status.english, chinese=status.chinese)


def connect(
    url: str | None = None,
    *,
    identity: str | Path,
    ca: str | None = None,
    proxy: str | None = None,
    client_cert: tuple[Path, Path] | None = None,
    others: Sequence[str | Path] = (),
) -> Hub:
    """Connect to a coordinator.

    Parameters
    ----------
    url
        The coordinator's address; the one in the join token unless given.
    identity
        The operator's key file, made by ``keyong operator join``; whom to trust is kept beside it.
    ca
        PEM of the certificate authority of the coordinator; the one in the join token unless given.
    proxy
        URL of an HTTP proxy.
    client_cert
        Files of a certificate and its key, for a coordinator that asks for them; client.pem and client.key beside *identity* unless given.
    others
        Further key files that sign a job, where its licence names them: a project's, or those of other delegates.
    """
    path = Path(identity)
    trust_file = path.with_suffix(".trust")
    if not path.exists() or not trust_file.exists():
        raise UsageError(f"{path} or {trust_file.name} is missing; make them with: keyong operator join TOKEN --identity {path}")
    token = Token.read(trust_file.read_text().strip())
    key = SigningKey.load(path)
    client_cert = client_cert or client_files(path.parent)
    link = Link(url or token.url, ca or token.ca, key, proxy=proxy, client_cert=client_cert)

    def keep(newest: Chain) -> None:
        write_private(trust_file, replace(token, roots=newest).text() + "\n")

    return Hub(link, key, token.roots, read_enrolment(token.coordinator, token.roots.trust).key, keep=keep, folder=Folder(path),
               others=[SigningKey.load(Path(other)) for other in others])  # fmt: skip
