"""For operators and notebooks: connect, run, and get a result that proves itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federated import verify as verification
from federated.results import Result
from federated.tls import client_files
from federated.tokens import Token
from federated.transport import Link
from federated.verify import Bundle, Verified
from governance import notes
from governance.catalogue import Dataset
from governance.encoding import canonical
from governance.errors import ProtocolError, Refused, Unavailable, UsageError
from governance.keys import SigningKey, Trust, VerifyKey
from governance.licences import Licence
from governance.parties import read_enrolment
from sandbox import analyses
from sandbox.analyses import Analysis
from sandbox.job import Job, nonce, parameters, read_file, seconds
from sandbox.messages import Status

Progress = Callable[[Status], None]
WAIT = 15.0


@dataclass(frozen=True, slots=True, repr=False)
class Released:
    """A released and verified result, with the bundle that proves it."""

    value: Result
    bundle: Mapping[str, Any] = field(repr=False)
    trust: Trust = field(repr=False)

    def verify(self) -> Verified:
        """Verify the bundle again, offline. Raises; never returns False."""
        return verification.verify(Bundle.of(self.bundle), self.trust)

    def save(self, path: str | Path) -> None:
        """Write the bundle, for ``keyong verify``."""
        Path(path).write_text(canonical(self.bundle) + "\n")

    def summary(self, language: str | None = None) -> str:
        return self.value.summary(language)

    def to_pandas(self) -> Any:
        return self.value.to_pandas()

    def plot(self, ax: Any = None) -> Any:
        return self.value.plot(ax)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.value._repr_html_()


class Hub:
    """A connection to a coordinator, as one operator."""

    def __init__(self, link: Link, key: SigningKey, trust: Trust, coordinator: VerifyKey) -> None:
        self.link, self.key, self.trust, self.coordinator = link, key, trust, coordinator

    def run(self, analysis: Analysis, *, dataset: str, purpose: str | None = None, licence: str | None = None, where: str | None = None,
            release: Mapping[str, Any] | None = None, deadline: str | int = "10m", title: str | None = None,
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
        deadline
            From now, such as ``"90s"`` or ``"10m"``.
        progress
            Called with the job's `Status` at each change.

        Raises
        ------
        Refused
            The licence, a data holder's policy or disclosure control said no; with the reason in English and Chinese.
        Unavailable
            The job did not end in time.
        """
        spec: dict[str, Any] = {"dataset": dataset, "where": where, "release": release, "deadline": deadline, "title": title,
                                "purpose": purpose, "licence": licence}  # fmt: skip
        return self.result(self.submit(self.prepare(analysis, spec)), progress=progress)

    def prepare(self, analysis: Analysis, spec: Mapping[str, Any]) -> notes.Note:
        """The signed job."""
        dataset_text = self._dataset(spec["dataset"])
        licence_id, licence = self._licence(spec["dataset"], spec.get("licence"), spec.get("purpose"))
        purpose = spec.get("purpose") or licence.purposes[0]
        rule = {"rule": "exact", "min_cell": licence.min_cell, **(spec.get("release") or {})}
        if rule["rule"] != "exact" or set(rule) != {"rule", "min_cell"}:
            raise UsageError("this version releases under the rule exact, with a min_cell")
        if spec.get("protect") not in (None, "secagg"):
            raise UsageError("this version protects totals by secagg only")
        now = int(time.time())
        title = spec.get("title") or f"{analysis.name} of {spec['dataset']}"
        made = parameters(analyses.parameters_of(analysis))
        job = Job(title, str(self.key.public), str(self.coordinator), purpose, licence_id, spec["dataset"], notes.read(dataset_text).id,
                  spec.get("where") or "", analysis.name, analysis.version, made, "secagg", "exact", rule["min_cell"], now,
                  now + seconds(spec.get("deadline") or "10m"), nonce())  # fmt: skip
        return notes.write(job).signed_by(self.key)

    def prepare_file(self, text: str) -> notes.Note:
        """The signed job of a job file."""
        spec = read_file(text)
        method = analyses.METHODS.get(str(spec["analysis"]))
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in (spec.get("with") or {}).items()}
        return self.prepare(analyses.make(str(spec["analysis"]), method.version if method else 1, given), spec)

    def _dataset(self, name: str) -> str:
        found = dict(self.link.documents("dataset"))
        if name not in found:
            raise UsageError(f"there is no dataset {name} in the catalogue; there are {', '.join(sorted(found)) or 'none'}")
        notes.opened(found[name], Dataset, self.trust)
        return found[name]

    def _licence(self, dataset: str, wanted: str | None, purpose: str | None) -> tuple[str, Licence]:
        """The one licence of this operator that fits; the authority's signature is checked here too."""
        fitting = {}
        for name, text in self.link.documents("licence"):
            licence = notes.opened(text, Licence, self.trust)
            if licence.operator == str(self.key.public) and licence.dataset == dataset and (purpose is None or purpose in licence.purposes):
                fitting[name] = licence
        if wanted not in (None, "any"):
            fitting = {name: licence for name, licence in fitting.items() if name.startswith(str(wanted).removeprefix("lic-"))}
        if len(fitting) != 1:
            raise UsageError(f"{len(fitting)} licences fit; name one by its id" if fitting else "no licence of this operator fits")
        return next(iter(fitting.items()))

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
        return Released(verification.verify(Bundle.of(bundle), self.trust).result, bundle, self.trust)


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
    return Hub(link, key, token.trust, read_enrolment(token.coordinator, token.trust).key)
