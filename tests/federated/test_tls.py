"""TLS: who is trusted, who is let in, and which version; certificates and keys as they lie on disk."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from federated.coordinator.web import Listen, Server
from federated.coordinator.web.server import MOST_THREADS
from federated.tls import client_context, client_pair, hosts_of, make_authority, server_context, server_pair
from federated.transport import Link
from governance.errors import DecodeError, IntegrityError, Refused, Unavailable, UsageError
from tests.federated.coordinators import TLS, coordinator


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A coordinator that wants a certificate from each client."""
    path = tmp_path_factory.mktemp("guarded")
    (path / "clients.pem").write_text(TLS.certificate)
    with coordinator(path, client_ca=path / "clients.pem") as running:
        yield running


def saved(path, pair, name):
    files = path / f"{name}.pem", path / f"{name}.key"
    pair.save(*files)
    return files


def test_a_certificate_of_another_authority_is_an_alarm(place):
    with Link(place.server.url, make_authority("other").certificate) as link, pytest.raises(IntegrityError, match="expected authority"):
        link.health()


def test_a_certificate_for_another_host_is_an_alarm(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.federated.coordinators.server_pair", lambda ca, _hosts: server_pair(ca, ["elsewhere.example"]))
    with coordinator(tmp_path) as place, place.link(None) as link, pytest.raises(IntegrityError, match="expected authority"):
        link.health()


def test_the_systems_authorities_do_not_know_ours(place):
    with Link(place.server.url) as link, pytest.raises(IntegrityError):
        link.health()


def test_the_systems_authorities_are_not_trusted_beside_a_pinned_one():
    assert len(client_context(TLS.certificate).get_ca_certs()) == 1


def test_a_client_without_a_certificate_is_not_let_in(guarded):
    with guarded.link("operator") as link, pytest.raises(Unavailable, match="CERTIFICATE_REQUIRED"):
        link.jobs()


def test_a_client_with_a_certificate_of_another_authority_is_not_let_in(guarded, tmp_path):
    files = saved(tmp_path, client_pair(make_authority("other"), "operator"), "operator")
    with guarded.link("operator", client_cert=files) as link, pytest.raises(Unavailable):
        link.jobs()


def test_a_servers_certificate_does_not_serve_as_a_clients(guarded, tmp_path):
    files = saved(tmp_path, server_pair(TLS, ["operator"]), "operator")
    with guarded.link("operator", client_cert=files) as link, pytest.raises(Unavailable):
        link.jobs()


def test_a_client_with_a_certificate_is_let_in(guarded, tmp_path):
    files = saved(tmp_path, client_pair(TLS, "operator"), "operator")
    with guarded.link("operator", client_cert=files) as link:
        assert link.jobs() == []


def test_a_certificate_is_no_signature(guarded, tmp_path):
    """Mutual TLS comes before the gate, not in its place."""
    files = saved(tmp_path, client_pair(TLS, "operator"), "operator")
    with guarded.link(None, client_cert=files) as link, pytest.raises(Refused, match="not signed"):
        link.jobs()


def shake(port, context):
    """The TLS version that a handshake ends with."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        return sock.version()


def test_tls_1_3_it_is(place):
    assert shake(place.server.port, client_context(TLS.certificate)) == "TLSv1.3"


def test_older_tls_is_refused_by_the_server(place):
    context = client_context(TLS.certificate)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)version|handshake"):
        shake(place.server.port, context)


def handshake(client_side, server_side):
    """A handshake in memory; the version it ends with."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for end in (client, server):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return client.version()


def test_older_tls_is_refused_by_the_client(tmp_path):
    context = server_context(*saved(tmp_path, server_pair(TLS, ["127.0.0.1"]), "tls"))
    assert handshake(client_context(TLS.certificate), context) == "TLSv1.3"
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        handshake(client_context(TLS.certificate), context)


def test_a_stranger_who_says_nothing_keeps_nobody_out(place):
    """The handshake is not made in the thread that accepts: silent connections, more than there are threads, disturb nobody."""
    silent = [socket.create_connection(("127.0.0.1", place.server.port)) for _ in range(MOST_THREADS + 10)]
    try:
        with place.link(None) as link:
            started = time.monotonic()
            link.health()
            assert time.monotonic() - started < 5
    finally:
        for sock in silent:
            sock.close()


def test_a_stranger_who_says_nonsense_keeps_nobody_out(place):
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", place.server.port)) as sock:
            sock.sendall(b"\x16\x03\x01" + bytes(60))
    with place.link(None) as link:
        link.health()


# --- certificates and files ---------------------------------------------------------------------


def test_a_key_is_for_its_owner_only_and_is_not_written_over(tmp_path):
    certificate, key = saved(tmp_path, server_pair(TLS, ["localhost"]), "tls")
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    with pytest.raises(FileExistsError):
        server_pair(TLS, ["localhost"]).save(certificate, key)
    assert key.read_text() == before


def test_a_pair_does_not_print_its_key():
    assert "PRIVATE" not in repr(TLS)


def test_hosts_and_addresses_are_in_the_certificate():
    pair = server_pair(TLS, ["127.0.0.1", "::1", "Coordinator.example", "数据.example"])
    assert hosts_of(pair.certificate) == {"127.0.0.1", "::1", "coordinator.example", "xn--vxup8b.example"}


def test_what_a_certificate_may_be_used_for():
    certificate = x509.load_pem_x509_certificate(server_pair(TLS, ["localhost"]).certificate.encode())
    issuer = x509.load_pem_x509_certificate(TLS.certificate.encode())
    certificate.verify_directly_issued_by(issuer)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(False, None)
    assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert certificate.not_valid_before_utc < datetime.now(UTC) < datetime.now(UTC) + timedelta(days=800) < certificate.not_valid_after_utc


@pytest.mark.parametrize("hosts", [[], ["a b"], [""], ["ä" * 70], ["*.example"], ["a" * 64]])
def test_a_certificate_names_hosts(hosts):
    with pytest.raises(UsageError):
        server_pair(TLS, hosts)


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_said_to_be_none(text):
    with pytest.raises(DecodeError):
        client_context(text)
    with pytest.raises(DecodeError):
        hosts_of(text)


def test_files_that_do_not_belong_together_are_named(tmp_path):
    (tmp_path / "a.pem").write_text(TLS.certificate)
    (tmp_path / "a.key").write_text(server_pair(TLS, ["x"]).key)
    with pytest.raises(DecodeError, match=r"a\.pem and a\.key"):
        server_context(tmp_path / "a.pem", tmp_path / "a.key")
    with pytest.raises(UsageError, match=r"none\.pem"):
        client_context(None, client=(tmp_path / "none.pem", tmp_path / "a.key"))


def test_without_a_certificate_hosts_must_be_named():
    with pytest.raises(UsageError, match="host names"):
        _ = Listen("127.0.0.1", 0).hosts
    assert Listen("127.0.0.1", 0, names=("Coordinator.example",)).hosts == {"coordinator.example"}


def test_a_name_in_chinese_is_cut_where_it_is_too_long():
    name = x509.load_pem_x509_certificate(make_authority("市卫生健康委员会数据运营协调中心" * 3).certificate.encode()).subject
    assert len(name.rdns) == 1


def test_a_taken_port_is_named(place, tmp_path):
    files = saved(tmp_path, server_pair(TLS, ["127.0.0.1"]), "tls")
    with pytest.raises(Unavailable, match=f"127.0.0.1:{place.server.port}"):
        Server(place.office, Listen("127.0.0.1", place.server.port, *files)).start()
