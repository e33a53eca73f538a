"""The server process: HTTPS by cheroot, threads for long polls, and the clockwork that drives the office.

Five things are ours here, because cheroot 11 does otherwise: a TLS handshake is made in a worker (not in the one thread that accepts), a
connection gets a worker when it has said something, a request must be whole within a time (cheroot's own begins anew with every byte), its
body must have a length, and what is left of a refused one is read away piece by piece. The pool of threads grows when all are busy.
"""

from __future__ import annotations

import logging
import math
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from cheroot import server as cheroot
from cheroot.ssl import Adapter
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server as WsgiServer

from federated.coordinator.office import Office
from federated.coordinator.web.api import Desk
from federated.coordinator.web.app import PIECE, make_app
from federated.coordinator.web.waiting import Waiting
from federated.tls import hosts_of, server_context
from governance.encoding import MESSAGE_LIMIT
from governance.errors import Unavailable, UsageError

log = logging.getLogger("keyong.coordinator")
LEAST_THREADS, MOST_THREADS, MORE_THREADS = 24, 256, 16
SPARE_THREADS = 32  # never kept by long polls
TICK = 0.1
STALLED = 5.0  # seconds without a tick after which the coordinator is not healthy
HEADER_LIMIT = 1 << 14
HEAD_SECONDS = 10.0  # for a TLS handshake and the head of a request
BODY_SECONDS, BODY_RATE = 30.0, 1 << 16  # for a body: so long, and a second more for each so many bytes
ONCE = frozenset({b"Host", b"Content-Length"})


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen, and with which certificate.

    *names* are hosts under which it is reached, beside those in the certificate. Without a certificate it speaks plain HTTP, for a proxy
    on the same machine that ends TLS; then *names* must be given.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    names: tuple[str, ...] = ()

    @property
    def hosts(self) -> frozenset[str]:
        certified = hosts_of(self.certificate.read_text()) if self.certificate else frozenset()
        found = certified | {name.lower() for name in self.names}
        if not found:
            raise UsageError("without a certificate, the host names of the coordinator must be given")
        return found

    def context(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        return server_context(self.certificate, self.key or self.certificate, self.client_ca)


class Site:
    """A WSGI application that is served, until `stop`."""

    def __init__(self, app: Any, listen: Listen) -> None:
        self._listen = listen
        self._stopping = threading.Event()
        self._http = _Http((listen.host, listen.port), app, listen.context())
        self._threads: tuple[threading.Thread, ...] = ()

    @property
    def port(self) -> int:
        """The port that it really listens on."""
        return int(self._http.bind_addr[1])

    @property
    def url(self) -> str:
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{'https' if self._listen.certificate else 'http'}://{host}:{self.port}"

    def start(self) -> None:
        """Listen and serve in threads."""
        try:
            self._http.prepare()
        except OSError as error:
            raise Unavailable(f"cannot listen on {self._listen.host}:{self._listen.port}: {error.strerror or error}") from None
        targets = {"keyong-http": self._http.serve, "keyong-clockwork": self._clockwork}
        self._threads = tuple(threading.Thread(target=target, name=name, daemon=True) for name, target in targets.items())
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more requests, and return when all are answered."""
        self._stopping.set()
        self._http.stop()
        for thread in self._threads:
            thread.join()

    def _tick(self) -> None:
        """What is to be done every now and then."""

    def _clockwork(self) -> None:
        while not self._stopping.wait(TICK):
            try:
                self._tick()
                self._http.grow()
                self._http.hang_up()
            except Exception:
                log.exception("the clockwork failed; it goes on in a second")
                self._stopping.wait(1.0)


class Server(Site):
    """A coordinator that serves, until `stop`."""

    def __init__(self, office: Office, listen: Listen) -> None:
        self._office = office
        self._waiting = Waiting(most=MOST_THREADS - SPARE_THREADS, each=(MOST_THREADS - SPARE_THREADS) // 3)
        self._ticked = time.monotonic()
        super().__init__(make_app(Desk(office, self._waiting, self._healthy), names=listen.hosts), listen)

    def stop(self) -> None:
        """Let those that wait go, too."""
        self._waiting.stop()
        super().stop()

    def _healthy(self) -> bool:
        return time.monotonic() - self._ticked < STALLED

    def _tick(self) -> None:
        self._office.tick()
        self._ticked = time.monotonic()


def serve(office: Office, listen: Listen, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. *ready* is called with the URL; unless given, a line is written to standard output."""
    run(Server(office, listen), ready or _write_ready)


def run(server: Site, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. *ready* is called with the URL."""
    over = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.start()
        ready(server.url)
        over.wait()
    finally:
        server.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_ready(url: str) -> None:
    sys.stdout.write(f"keyong coordinator ready at {url}\n")
    sys.stdout.flush()


# --- cheroot ------------------------------------------------------------------------------------


class _Adapter(BuiltinSSLAdapter):
    """TLS by the standard library with our context; the handshake is left to the worker."""

    def __init__(self, context: ssl.SSLContext) -> None:
        Adapter.__init__(self, "", "")
        self.context = context

    def wrap(self, sock: Any) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Headers(cheroot.HeaderReader):
    """Headers of one request. A second Host or length is refused, or a folded one: two readers could take two (RFC 9112, 3.2)."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def _allow_header(self, key_name: bytes) -> bool:
        if key_name in ONCE & self._seen:
            raise ValueError("A header is given twice")
        self._seen.add(key_name)
        return True


class _Request(cheroot.HTTPRequest):
    def read_request_headers(self) -> bool:
        """Bodies without a plain length are refused: two readers could see two requests (RFC 9112, 11.2)."""
        self.header_reader = _Headers()
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        length = self.inheaders.get(b"Content-Length", b"0")
        if b"Transfer-Encoding" in self.inheaders or not length.isdigit():
            self.simple_response("411 Length Required", "A body needs a Content-Length")
            return False
        self.conn.awaits(self, int(length))
        return True

    def send_headers(self) -> None:
        while getattr(self.rfile, "remaining", 0) > 0 and self.rfile.read(PIECE):
            pass
        super().send_headers()


class _Connection(cheroot.HTTPConnection):
    RequestHandlerClass = _Request
    shaken = False
    due, request = math.inf, None

    def communicate(self) -> bool:
        self.due, self.request = time.monotonic() + HEAD_SECONDS, None
        self.server.reading.add(self)
        try:
            return self._communicate()
        finally:
            self.server.reading.discard(self)

    def awaits(self, request: _Request, length: int) -> None:
        """The head of *request* is here, and a body of *length* bytes is to come."""
        self.due, self.request = time.monotonic() + BODY_SECONDS + length / BODY_RATE, request

    @property
    def late(self) -> bool:
        """Whether what is still to be read should be here by now."""
        return time.monotonic() > self.due and (self.request is None or getattr(self.request.rfile, "remaining", 0) > 0)

    def hang_up(self) -> None:
        """End the connection under the worker that reads from it; a TLS socket's own `shutdown` would first forget its keys."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def _communicate(self) -> bool:
        if not self.shaken and isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except OSError:  # a stranger, a scanner, or a client without a certificate
                return False
        self.shaken = True
        return bool(super().communicate())  # type: ignore[no-untyped-call]


class _Http(WsgiServer):
    ConnectionClass = _Connection
    keep_alive_conn_limit = 1024
    max_request_header_size = HEADER_LIMIT
    max_request_body_size = MESSAGE_LIMIT

    def __init__(self, address: tuple[str, int], app: Any, context: ssl.SSLContext | None) -> None:
        super().__init__(
            address, app, numthreads=LEAST_THREADS, max=MOST_THREADS, request_queue_size=128, timeout=30, shutdown_timeout=10,
            server_name="keyong",
        )  # fmt: skip
        self.reading: set[_Connection] = set()
        if context is not None:
            self.ssl_adapter = _Adapter(context)

    def process_conn(self, conn: Any) -> None:
        """A connection that has said nothing yet waits in the selector, not in a thread."""
        if conn.last_used is None:
            self._connections.put(conn)  # type: ignore[attr-defined]
        else:
            super().process_conn(conn)

    def grow(self) -> None:
        """More threads where all are busy."""
        if not self.requests.idle:
            self.requests.grow(MORE_THREADS)

    def hang_up(self) -> None:
        """No connection keeps a thread by saying what it has to say slowly."""
        for connection in list(self.reading):
            if connection.late:
                connection.hang_up()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        if isinstance(sys.exception(), OSError):  # a client went away: no fault of ours
            log.debug("a connection ended early: %s", msg)
        else:
            log.log(level, "%s", msg, exc_info=traceback)
