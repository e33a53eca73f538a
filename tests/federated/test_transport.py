"""The client's side: what a coordinator, a proxy or a stranger can do to it, and that nothing but its own errors comes out."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import federated
from federated import transport
from federated.signatures import Signer, key_id, verify
from federated.transport import Link
from governance import notes
from governance.encoding import encode
from governance.errors import DecodeError, OutOfTurn, Refused, Unavailable, UsageError
from governance.keys import SigningKey
from sandbox.messages import Ended, Post, Relay
from tests.federated import coordinators
from tests.federated.coordinators import KEYS, ROSTER, TLS, coordinator, enrolment

pytest_plugins = ("tests.postgres",)


def whole_life(place):
    """What parties do at a coordinator, from enrolment to a job's end, by links alone."""
    late = SigningKey.generate("late")
    with place.link(None) as anybody, place.link("operator") as operator, Link(place.server.url, TLS.certificate, late) as newcomer:
        assert anybody.identity().enrolment == dict(place.office.documents("enrolment"))["coordinator"]
        assert abs(anybody.clock() - time.time()) < 5
        with pytest.raises(Refused, match="not enrolled"):
            newcomer.enrolments()
        assert anybody.enrol(enrolment(late, "holder")).key == str(late.public)
        assert "late" in dict(newcomer.enrolments())
        assert anybody.publish(coordinators.dataset("second", holders=("east", "late", "north")))[0] == "dataset"
        assert dict(operator.documents("dataset")).keys() == {"cohort", "second"}
        assert notes.read(dict(operator.documents("revocations"))["current"]).text.startswith("keyong/revocations/v1\n")
        job = operator.submit(place.job())
        assert [s.job for s in operator.jobs()] == [job]
        _run(place, operator, job)
        assert operator.cancel(job).phase == "cancelled"
        with place.link("north") as north:
            ended = north.post(job, place.acceptance(job, "north"), wait=1.0)
            assert isinstance(ended, Ended) and ended.code == "job.cancelled"
        assert [entry.event for entry in operator.entries()][-3:] == ["job.offered", "job.admitted", "job.ended"]


def _run(place, operator, job):
    """All holders accept; they get each other's acceptances and the admission."""
    answers, version = {}, operator.status(job).version

    def holder(name):
        with place.link(name) as link:
            offer = next(o for o in link.offers(wait=5.0) if notes.read(o.job).id == job)
            assert [notes.read(link).id for link in offer.chain] == [place.licence.id]
            answers[name] = link.post(job, place.acceptance(job, name), wait=10.0)

    threads = [threading.Thread(target=holder, args=(name,)) for name in ROSTER]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(a) for a in answers.values()} == {Relay} and answers["north"].admission
    assert len(set(map(encode, answers.values()))) == 1
    assert operator.status(job, version=version, wait=5.0).step == "spent"


def test_a_whole_life_over_the_wire(tmp_path):
    with coordinator(tmp_path) as place:
        whole_life(place)


def test_a_whole_life_with_postgresql(tmp_path, postgres):
    with coordinator(tmp_path, where=postgres.fresh()) as place:
        whole_life(place)


def test_a_coordinator_goes_on_after_a_restart(tmp_path):
    """What was answered stays answered, on the same port at once."""
    with coordinator(tmp_path) as place:
        job, post = place.submitted(), None
        for name in ROSTER:
            post = place.acceptance(job, name)
            place.office.post(job, post, wait=0.0)
        with place.link(post.sender) as link:
            before = link.post(job, post, wait=1.0)
        place.restart()
        with place.link(post.sender) as link:
            assert link.post(job, post, wait=1.0) == before


# --- addresses and proxies ----------------------------------------------------------------------


@pytest.mark.parametrize("url", ["coordinator.example", "ftp://a", "https://", "https://a/b", "https://a?b", "https://a#b", ""])
def test_an_address_is_an_origin(url):
    with pytest.raises(UsageError, match="https://host:port"):
        Link(url)


@pytest.mark.parametrize("job", ["", "../jobs", "a/b", "a?b"])
def test_a_job_is_no_path(place, job):
    with place.link("operator") as link, pytest.raises(UsageError, match="hexadecimal"):
        link.status(job)


@contextmanager
def proxy(works=True):
    """An HTTP proxy that knows CONNECT; where it was asked to go."""
    asked = []

    class Tunnel(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            if not works:
                self.send_error(407)
                return
            host, port = self.path.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                threading.Thread(target=_copy, args=(self.connection, there), daemon=True).start()
                _copy(there, self.connection)

        def log_message(self, *_):
            pass

    with serving(Tunnel) as port:
        yield f"http://127.0.0.1:{port}", asked


def _copy(a, b):
    try:
        while piece := a.recv(1 << 16):
            b.sendall(piece)
        b.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


@contextmanager
def serving(handler):
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_through_a_proxy_and_still_pinned(place):
    with proxy() as (url, asked), place.link("operator", proxy=url) as link:
        assert "operator" in dict(link.enrolments())
    assert asked == [f"127.0.0.1:{place.server.port}"]


def test_a_proxy_that_refuses(place):
    with proxy(works=False) as (url, _), place.link("operator", proxy=url) as link, pytest.raises(Unavailable):
        link.jobs()


def test_the_environment_does_not_choose_the_proxy(place, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    with place.link("operator") as link:
        link.enrolments()


def test_a_coordinator_that_is_not_there():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with Link(f"https://127.0.0.1:{sock.getsockname()[1]}", TLS.certificate) as link, pytest.raises(Unavailable) as failure:
            link.health()
    assert failure.value.facts["retry_after"] == transport.AGAIN


# --- answers that are none ----------------------------------------------------------------------


@contextmanager
def answering(status, body, *, media="application/json", headers=()):
    """A link to a server that always gives this answer."""

    class Always(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in (("Content-Type", media), *headers):
                self.send_header(name, value)
            self.end_headers()
            for piece in [body] if isinstance(body, bytes) else body:
                self.wfile.write(piece)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with serving(Always) as port, Link(f"http://127.0.0.1:{port}", None, KEYS["north"]) as link:
        yield link


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"status": "ok"}', b'{"status": "ok", "time": "never"}', b"\xff"])
def test_an_answer_that_is_none_is_refused(body):
    with answering(200, body) as link, pytest.raises(DecodeError):
        link.health()


def test_a_proof_that_is_none_is_refused():
    with answering(200, b'{"proof": ["xyz"]}') as link, pytest.raises(DecodeError):
        link.inclusion(0, 1)


@pytest.mark.parametrize("body", [b"", b"{}", encode(Post("accept", "north", b"", ()))], ids=len)
def test_a_relay_that_is_none_is_refused(body):
    with answering(200, body) as link, pytest.raises(DecodeError):
        link.post("0" * 64, Post("accept", "north", b"", ()), wait=0.0)


def test_an_endless_answer_is_cut(monkeypatch):
    monkeypatch.setattr(transport, "ANSWER_LIMIT", 1 << 20)
    sent = []

    def pieces():
        while len(sent) < 1000:
            sent.append(1)
            yield bytes(1 << 16)

    with answering(200, pieces()) as link, pytest.raises(DecodeError, match="larger than"):
        link.health()
    assert len(sent) < 500


def test_a_compressed_answer_is_not_unpacked():
    """1 KiB could become 1 GiB."""
    import gzip

    packed = gzip.compress(b'{"status": "ok", "time": 0}')
    with answering(200, packed, headers=[("Content-Encoding", "gzip")]) as link, pytest.raises(DecodeError):
        link.health()


def test_a_redirect_is_not_followed():
    with answering(302, b"", headers=[("Location", "https://elsewhere.example/")]) as link, pytest.raises(UsageError, match="302"):
        link.health()


def test_a_proxys_error_page_is_try_again():
    with answering(503, b"<html>", media="text/html") as link, pytest.raises(Unavailable):
        link.health()


def test_a_refusal_comes_back_as_it_was(place):
    with place.link("north") as link, pytest.raises(Refused) as refusal:
        link.submit(place.job())
    assert (refusal.value.code, refusal.value.facts, refusal.value.exit_status) == ("auth.role", {"role": "holder"}, 3)
    with place.link("operator") as link, pytest.raises(OutOfTurn):
        link.bundle(place.submitted())


# --- pace ---------------------------------------------------------------------------------------


def test_a_busy_coordinator_is_not_asked_again_at_once():
    """Where it answers a long poll at once and with nothing, the client waits a second."""
    with answering(200, b"[]") as link:
        started = time.monotonic()
        assert link.offers(wait=20.0) == []
        assert transport.PACE - 0.1 < time.monotonic() - started < transport.PACE + 2
    with answering(202, b"") as link:
        started = time.monotonic()
        assert link.post("0" * 64, Post("accept", "north", b"", ()), wait=20.0) is None
        assert transport.PACE - 0.1 < time.monotonic() - started < transport.PACE + 2
        started = time.monotonic()
        assert link.post("0" * 64, Post("accept", "north", b"", ()), wait=0.0) is None
        assert time.monotonic() - started < transport.PACE


def test_the_client_is_more_patient_than_it_asks_the_coordinator_to_be(place, monkeypatch):
    monkeypatch.setattr(transport, "ANSWER", 1.0)
    with place.link("other") as link:
        started = time.monotonic()
        assert link.offers(wait=2.2) == []
        assert time.monotonic() - started > 2


# --- signatures ---------------------------------------------------------------------------------


def test_the_example_in_the_documentation_verifies():
    """docs/specs/api.md shows a signed request; it must be one."""
    text = (Path(federated.__file__).parents[1] / "docs" / "specs" / "api.md").read_text()
    example = next(block for block in text.split("```") if block.startswith("http\nPOST"))
    head, body = example.removeprefix("http\n").strip().split("\n\n")
    request, *lines = head.split("\n")
    headers = {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}
    method, path, _ = request.split(" ")
    key = SigningKey("operator", bytes(range(32)))
    signed = verify(method, f"https://{headers['Host']}{path}", headers, keys={key_id(key.public): key.public}.get, now=1795496597)
    signed.check(body.encode())
    assert json.loads(body).keys() == {"job"}


def test_the_same_request_is_signed_anew_each_time():
    signer = Signer(KEYS["operator"])
    first, second = (signer.headers("GET", "https://a/b", b"", now=0.0) for _ in range(2))
    assert first["Signature"] != second["Signature"]


# --- houses -------------------------------------------------------------------------------------


def imports(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    "library, room",
    [
        ("flask", "federated/coordinator/web"),
        ("werkzeug", "federated/coordinator/web"),
        ("cheroot", "federated/coordinator/web"),
        ("httpx2", "federated/transport.py"),
        ("http_message_signatures", "federated/signatures.py"),
    ],
)
def test_each_library_is_imported_in_one_room(library, room):
    root = Path(federated.__file__).parents[1]
    files = [f for house in ("governance", "mpc", "connectors", "sandbox", "federated") for f in (root / house).rglob("*.py")]
    found = {str(f.relative_to(root)) for f in files if library in imports(f)}
    assert found and all(f.startswith(room) for f in found)


def test_a_client_does_not_load_the_server():
    code = "import sys, federated.transport; print([m for m in ('flask', 'cheroot', 'sqlalchemy', 'numpy', 'duckdb') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
