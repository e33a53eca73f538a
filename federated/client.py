"""For operators and notebooks: connect, run, and get a result that proves itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from federated import verify as verification
from federated.progress import Progress, bar
from federated.results import Returned
from federated.tls import client_files
from federated.tokens import Token, write_private
from federated.transport import Link
from federated.verify import Bundle, Verified
from governance import known, licences, notes
from governance.catalogue import Dataset
from governance.encoding import build, canonical, plain
from governance.errors import LicenceRefused, ProtocolError, Refused, Unavailable, UsageError
from governance.handwritten import by_hand
from governance.keys import SigningKey, Trust, VerifyKey
from governance.licences import Licence, day
from governance.parties import read_enrolment
from governance.roots import Chain, Version
from governance.texts import text_of
from sandbox import analyses
from sandbox import case as cases
from sandbox.analyses import Analysis
from sandbox.job import RULE, Job, Protection, check, least_cell, nonce, parameters, read_file, seconds
from sandbox.messages import Status
from sandbox.policy import request

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
    """A connection to a coordinator, as one operator."""

    def __init__(self, link: Link, key: SigningKey, roots: Chain, coordinator: VerifyKey, *, keep: Callable[[Chain], None]) -> None:
        self.link, self.key, self.roots, self.coordinator, self._keep = link, key, roots, coordinator, keep

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
        jobs = {name: notes.write(self._job(analysis, spec, dataset, notes.read(text))).signed_by(self.key) for name, text in held.items()}
        return jobs[next(iter(jobs)) if len(jobs) == 1 else self._fitting(jobs, held, dataset)]

    def _job(self, analysis: Analysis, spec: Mapping[str, Any], dataset: str, note: notes.Note) -> Job:
        licence = note.document(Licence)
        now = int(time.time())
        title = spec.get("title") or f"{analysis.name} of {spec['dataset']}"
        purpose, made = spec.get("purpose") or licence.purposes[0], parameters(analyses.parameters_of(analysis))
        job = Job(title, str(self.key.public), str(self.coordinator), purpose, note.id, spec["dataset"], notes.read(dataset).id,
                  spec.get("where") or "", analysis.name, analysis.version, made, spec.get("protect") or "secagg", RULE,
                  least_cell(spec, licence.min_cell), now, now + seconds(spec.get("deadline") or "10m"), nonce())  # fmt: skip
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

    def licences(self) -> dict[str, str]:
        """This operator's licences, as the authority signed them, by their ids."""
        found = {name: (text, notes.opened(text, Licence, self.trust)) for name, text in self.link.documents("licence")}
        return {name: text for name, (text, licence) in found.items() if licence.operator == str(self.key.public)}

    def standing(self) -> list[dict[str, Any]]:
        """What each licence of this operator allows, and why it is not in force, if it is not. How often it was used is not known here."""
        current = self.follow().revocations()
        return [_standing(name, text, self.trust, current) for name, text in self.licences().items()]

    def revocations(self) -> str | None:
        """The current revocation list."""
        return dict(self.link.documents("revocations")).get("current")

    def _held(self, dataset: str, wanted: str | None) -> dict[str, str]:
        """The licences for *dataset*; only the one that is *wanted*, if one is."""
        held = {name: text for name, text in self.licences().items() if notes.read(text).document(Licence).dataset == dataset}
        if not held:
            raise LicenceRefused(code="licence.missing", dataset=dataset)
        start = "" if wanted in (None, "any") else str(wanted).removeprefix("lic-")
        found = {name: text for name, text in held.items() if name.startswith(start)}
        if start and len(found) != 1:
            raise UsageError(f"{len(found)} of your licences for {dataset} start with {start}; you hold {_named(held)}")
        return found

    def _fitting(self, jobs: Mapping[str, notes.Note], held: Mapping[str, str], dataset: str) -> str:
        """The one licence of *held* that is in force and covers the job; what is used up is not known here."""
        fits, reasons, current = {}, {}, self.revocations()
        for name, job in jobs.items():
            try:
                asked = request(cases.read(str(job), dataset))
                licences.check(held[name], asked, self.trust, revocations=current, now=int(time.time()))
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

    def submit(self, job: notes.Note) -> str:
        """Post a signed job; its id."""
        return self.link.submit(str(job))

    def find(self, start: str) -> str:
        """The id of this operator's one job that starts with *start*."""
        found = [s.job for s in self.link.jobs() if s.job.startswith(start)]
        if len(found) != 1:
            raise UsageError(f"{len(found)} jobs start with {start}")
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


def _standing(name: str, text: str, trust: Trust, current: str | None) -> dict[str, Any]:
    licence, code, english, chinese = notes.read(text).document(Licence), "", "", ""
    try:
        licences.in_force(text, trust, revocations=current, now=int(time.time()))
    except LicenceRefused as refusal:
        code, english, chinese = refusal.code, refusal.text("en"), refusal.text("zh")
    return {
        "licence": name, "dataset": licence.dataset, "purposes": list(licence.purposes), "methods": list(licence.methods),
        "columns": list(licence.columns), "min_cell": licence.min_cell, "uses": licence.use_count, "from": day(licence.not_before),
        "until": day(licence.not_after), "code": code, "en": english, "zh": chinese,
    }  # fmt: skip


def _named(held: Mapping[str, str]) -> str:
    """Licences by short id and what they are for."""
    read = ((name, notes.read(text).document(Licence)) for name, text in held.items())
    return ", ".join(
        f"lic-{n[:12]} ({x.dataset} for {', '.join(x.purposes)}; min_cell {x.min_cell}; until {day(x.not_after)})" for n, x in read
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

    return Hub(link, key, token.roots, read_enrolment(token.coordinator, token.roots.trust).key, keep=keep)
