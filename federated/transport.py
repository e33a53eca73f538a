"""The HTTPS client of nodes, operators and authorities: one method for each endpoint of a coordinator. Thread-safe.

    link = Link("https://coordinator.example:8443", ca_pem, key)
    for offer in link.offers(wait=20): ...

Requests are signed by *key*. What a coordinator refuses comes back as the error that it raised, with its code. Nothing that an answer
says is verified here: notes and releases prove themselves.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx2
from pydantic import TypeAdapter, ValidationError

from federated.answers import Enrolled, Entries, Head, Health, Identity, Named, Proof, Published, Quoted, Submitted, Used
from federated.problems import error_of
from federated.signatures import Signer
from federated.tls import client_context
from federated.witnessing import Answers, Ask, Duty, Turn
from governance.encoding import MESSAGE_LIMIT, decode, encode
from governance.errors import DecodeError, IntegrityError, Unavailable, UsageError
from governance.keys import SigningKey
from governance.ledger import Entry, read_entry
from governance.witness import Cosignature, Refusal
from sandbox.messages import Ended, Offer, Post, Relay, Status

JSON, CBOR = "application/json", "application/cbor"
CONNECT, ANSWER = 10.0, 30.0  # seconds, beside what a request asks to wait
AGAIN = 2  # seconds after which a coordinator that was not reached may be tried again
LONGEST = 60.0  # seconds that a request may ask to wait
PACE = 1.0  # seconds between two long polls that tell nothing
ANSWER_LIMIT = 16 * MESSAGE_LIMIT  # a relay holds what every holder posted

T = TypeVar("T")


class Link:
    """A connection to one coordinator.

    Parameters
    ----------
    url
        Its address, without a path.
    ca
        PEM of the only certificate authority to be trusted; the system's where it is None.
    key
        The party's key; without one only what is open to everybody can be asked.
    proxy
        URL of an HTTP proxy. The environment is not looked at.
    client_cert
        Files of a certificate and its key, where the coordinator asks for one.
    """

    def __init__(
        self, url: str, ca: str | None = None, key: SigningKey | None = None, *, proxy: str | None = None,
        client_cert: tuple[Path, Path] | None = None,
    ) -> None:  # fmt: skip
        self.url = _checked(url)
        self._signer = Signer(key) if key else None
        self._http = httpx2.Client(
            verify=client_context(ca, client=client_cert), proxy=proxy, trust_env=False, follow_redirects=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
            headers={"Accept-Encoding": "identity", "User-Agent": "keyong"},
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- parties and documents

    def health(self) -> None:
        """Raise `Unavailable` unless the coordinator works."""
        self.clock()

    def clock(self) -> float:
        """What its clock says, in seconds since 1970."""
        return self._get("/v1/health", Health).time

    def identity(self) -> Identity:
        """Who it says it is."""
        return self._get("/v1/identity", Identity)

    def enrol(self, note: str) -> Enrolled:
        """Send an enrolment."""
        return self._post("/v1/enrolments", {"note": note}, Enrolled)

    def enrolments(self) -> list[tuple[str, str]]:
        """Names and enrolment notes of all parties."""
        return [(each.name, each.note) for each in self._get("/v1/enrolments", list[Named])]

    def publish(self, note: str) -> tuple[str, str]:
        """Send a document that the authority signed; its kind and id."""
        made = self._post("/v1/documents", {"note": note}, Published)
        return made.kind, made.id

    def complain(self, note: str) -> str:
        """Send a sealed complaint; the receipt, a note."""
        return self._post("/v1/complaints", {"note": note}, Named).note

    def documents(self, kind: str) -> list[tuple[str, str]]:
        """Names and notes of the published documents of *kind*: root, dataset, licence, plan, revocations, asset or certificate."""
        return [(each.name, each.note) for each in self._get("/v1/documents", list[Named], kind=kind)]

    # --- jobs

    def submit(self, job: str, links: Sequence[str] = ()) -> str:
        """Send a signed job, and the links of its licence that the authority did not publish; the job's id."""
        return self._post("/v1/jobs", {"job": job, "links": list(links)}, Submitted).job

    def quote(self, job: str, links: Sequence[str] = ()) -> Quoted:
        """What a signed job would cost; nothing is submitted."""
        return self._post("/v1/quotes", {"job": job, "links": list(links)}, Quoted)

    def uses(self, licence: str, links: Sequence[str] = ()) -> tuple[int, ...]:
        """How many uses of each link of a licence were taken."""
        return self._post("/v1/uses", {"licence": licence, "links": list(links)}, Used).used

    def jobs(self) -> list[Status]:
        """Jobs that this party may see."""
        return self._get("/v1/jobs", list[Status])

    def status(self, job: str, *, version: int | None = None, wait: float = 0.0) -> Status:
        """How a job stands: after *wait* seconds, or as soon as it stands otherwise than *version*; without one, as soon as it ended."""
        started = time.monotonic()
        found = self._get(_job(job), Status, wait=wait, **({} if version is None else {"version": version}))
        if found.version == version and not found.ended:
            _pace(started, wait)
        return found

    def bundle(self, job: str) -> dict[str, Any]:
        """Everything that is needed to verify the job's release offline."""
        return self._get(f"{_job(job)}/bundle", dict[str, Any])

    def cancel(self, job: str) -> Status:
        """End a job of one's own."""
        return self._post(f"{_job(job)}/cancel", None, Status)

    def offers(self, *, known: Sequence[str] = (), wait: float) -> list[Offer]:
        """Jobs that wait for this data holder's answer, apart from the *known* ones; none after *wait* seconds."""
        started = time.monotonic()
        left_out = {"known": ",".join(known)} if known else {}
        found = self._get("/v1/offers", list[Offer], wait=wait, **left_out)
        if not found:
            _pace(started, wait)
        return found

    def post(self, job: str, post: Post, *, wait: float) -> Relay | Ended | None:
        """Post to a step; its relay, the end of the job, or None if the step does not close within *wait* seconds."""
        started = time.monotonic()
        status, raw = self._ask("POST", f"{_job(job)}/posts", encode(post), CBOR, wait=wait)
        if status == httpx2.codes.ACCEPTED:
            _pace(started, wait)
            return None
        return decode(raw, Relay, Ended, limit=ANSWER_LIMIT)  # type: ignore[return-value]

    # --- witnesses

    def cosignatures(self, ask: Ask, *, want: int, wait: float) -> dict[str, Cosignature | Refusal]:
        """Ask witnesses about one's own ledger; their answers as soon as *want* of them are there, or those so far after *wait* seconds."""
        raw = self._ask("POST", "/v1/cosignatures", encode(ask), CBOR, want=want, wait=min(wait, LONGEST))[1]
        return decode(raw, Answers).answers

    def witness(self, turn: Turn, *, wait: float) -> Duty:
        """Answer what was asked of this witness, and take what is asked next; nothing after *wait* seconds."""
        started = time.monotonic()
        duty = decode(self._ask("POST", "/v1/witness", encode(turn), CBOR, wait=wait)[1], Duty)
        if not duty.requests and not duty.revocations:
            _pace(started, wait)
        return duty

    # --- the ledger

    def checkpoint(self) -> str:
        """The latest checkpoint of the coordinator's ledger, a note."""
        return self._get("/v1/ledger/checkpoint", Head).checkpoint

    def cosigned(self) -> str | None:
        """The last checkpoint of the coordinator's ledger that a quorum of data holders cosigned, a note with their lines."""
        return self._get("/v1/ledger/checkpoint", Head).cosigned

    def entries(self, start: int = 0, count: int = 1000) -> list[Entry]:
        """Up to *count* ledger entries from *start* on."""
        return [read_entry(leaf.encode()) for leaf in self._get("/v1/ledger/entries", Entries, start=start, count=count).entries]

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Proof that entry *index* is in the tree of *size* entries."""
        return _proof(self._get("/v1/ledger/inclusion", Proof, index=index, size=size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of *new* entries starts with the tree of *old* ones."""
        return _proof(self._get("/v1/ledger/consistency", Proof, old=old, new=new))

    # --- requests

    def _get(self, path: str, of: type[T], **query: float | str) -> T:
        return _read(of, self._ask("GET", path, b"", None, **query)[1])

    def _post(self, path: str, body: Mapping[str, object] | None, of: type[T]) -> T:
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        return _read(of, self._ask("POST", path, raw, JSON if body is not None else None)[1])

    def _ask(self, method: str, path: str, body: bytes, media: str | None, **query: float | str) -> tuple[int, bytes]:
        """Status and body of the answer to a signed request; raises what the coordinator raised."""
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": media} if media else {}
        if self._signer:
            headers |= self._signer.headers(method, url, body, now=time.time())
        timeout = httpx2.Timeout(ANSWER + float(query.get("wait", 0)), connect=CONNECT)
        try:
            with self._http.stream(method, url, content=body or None, headers=headers, timeout=timeout) as response:
                status, raw = response.status_code, b"".join(_within_limit(response.iter_raw()))
        except httpx2.HTTPError as error:
            raise self._failure(error) from None
        if status >= httpx2.codes.MULTIPLE_CHOICES:
            raise error_of(raw, status)
        return status, raw

    def _failure(self, error: httpx2.HTTPError) -> IntegrityError | Unavailable:
        why, cause = type(error).__name__, error.__cause__ or error.__context__
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return IntegrityError(f"the certificate of {self.url} is not from the expected authority: {cause.verify_message}")
            if isinstance(cause, ssl.SSLError):
                why = cause.reason or why
            cause = cause.__cause__ or cause.__context__
        return Unavailable(f"{self.url} does not answer ({why})", retry_after=AGAIN)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("the address of a coordinator reads https://host:port")
    return f"{parts.scheme}://{parts.netloc}"


def _job(job: str) -> str:
    if not job.isalnum():
        raise UsageError("the id of a job is made of hexadecimal digits")
    return f"/v1/jobs/{job}"


def _within_limit(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > ANSWER_LIMIT:
            raise DecodeError(f"an answer is larger than {ANSWER_LIMIT} bytes")
        yield piece


@cache
def _adapter(of: Any) -> TypeAdapter[Any]:
    return TypeAdapter(of)


def _read(of: type[T], raw: bytes) -> T:
    kind: Any = of
    try:
        made: T = _adapter(kind).validate_json(raw)
    except ValidationError:
        raise DecodeError("the answer is not what a coordinator of this version gives") from None
    return made


def _proof(found: Proof) -> list[bytes]:
    try:
        return [bytes.fromhex(digest) for digest in found.proof]
    except ValueError:
        raise DecodeError("the answer is no proof") from None


def _pace(started: float, wait: float) -> None:
    """Do not ask again at once where a busy coordinator did not keep us waiting."""
    time.sleep(max(0.0, min(wait, PACE) - (time.monotonic() - started)))


def deliver(url: str, message: Mapping[str, Any]) -> None:
    """Post a message of the Dataspace Protocol to another's service, once. Redirects are not followed; only the answer's status counts."""
    try:
        with (
            httpx2.Client(trust_env=False, timeout=httpx2.Timeout(ANSWER, connect=CONNECT)) as client,
            client.stream("POST", url, content=json.dumps(message, ensure_ascii=False).encode(), headers={"Content-Type": JSON}) as answer,
        ):
            status = answer.status_code
    except httpx2.HTTPError as error:
        raise Unavailable(f"{url} was not reached: {type(error).__name__}", retry_after=AGAIN) from None
    if not httpx2.codes.is_success(status):
        raise Unavailable(f"{url} answered with status {status}", retry_after=AGAIN)
