"""TLS 1.3 with a private certificate authority: for federations that have no public certificates, and for the demo.

    authority = make_authority("keyong demo")
    server_pair(authority, ["127.0.0.1", "localhost"]).save(Path("server.pem"), Path("server.key"))
    context = client_context(authority.certificate)

Keys are on P-256, which every TLS 1.3 library has. An authority signs parties' certificates and nothing below them.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from governance.errors import DecodeError, UsageError

AUTHORITY_DAYS, PARTY_DAYS = 3650, 825
HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
EARLY = timedelta(hours=1)  # for clocks that are behind


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)

    def save(self, certificate: Path, key: Path) -> None:
        """Write both; the key where only its owner can read it, and never over an existing file."""
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.key)
        certificate.write_text(self.certificate)


def make_authority(name: str) -> Pair:
    """A new, self-signed certificate authority that can sign parties' certificates and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"{name} certificate authority")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(subject, key.public_key(), AUTHORITY_DAYS).issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def server_pair(authority: Pair, hosts: Iterable[str]) -> Pair:
    """A certificate for a server that is reached under *hosts*: names or IP addresses."""
    names = [_host(host) for host in hosts]
    if not names:
        raise UsageError("a server certificate needs at least one host name or address")
    return _signed(authority, _name(str(names[0].value)), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names))


def client_pair(authority: Pair, name: str) -> Pair:
    """A certificate for a party that dials out, where the server asks for one."""
    return _signed(authority, _name(name), ExtendedKeyUsageOID.CLIENT_AUTH, x509.SubjectAlternativeName([_host(name)]))


def hosts_of(certificate: str) -> frozenset[str]:
    """Host names and addresses in a certificate, in lower case."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        raise DecodeError("the server's certificate is not PEM, or names no hosts") from None
    return frozenset(str(name.value).lower() for name in found.value if isinstance(name, (x509.DNSName, x509.IPAddress)))


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """TLS 1.3 for a server; with *client_ca* only for clients that have a certificate from it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load(context, certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, client_ca.read_text())
    return context


def client_files(folder: Path) -> tuple[Path, Path] | None:
    """Certificate and key for a coordinator that asks for them: client.pem and client.key in a party's folder, if they are there."""
    found = (folder / "client.pem", folder / "client.key")
    return found if found[0].exists() else None


def client_context(authority: str | None, *, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """TLS 1.3 for a client that trusts the authority with this PEM and no other, or the system's where it is None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is None:
        context.load_default_certs()
    else:
        _trust(context, authority)
    if client is not None:
        _load(context, *client)
    return context


def _trust(context: ssl.SSLContext, authority: str) -> None:
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        raise DecodeError("the certificate of the authority is not PEM") from None


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError:
        raise DecodeError(f"{certificate.name} and {key.name} are not a certificate and its key") from None
    except OSError as error:
        raise UsageError(f"{certificate.name} or {key.name} cannot be read: {error.strerror}") from None


def _signed(authority: Pair, subject: x509.Name, purpose: ObjectIdentifier, names: x509.SubjectAlternativeName) -> Pair:
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise UsageError("the authority's key is not an EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = _builder(subject, key.public_key(), PARTY_DAYS).issuer_name(issuer.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True).add_extension(above, critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False).add_extension(names, critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, public_key=key, serial_number=x509.random_serial_number())
    builder = builder.not_valid_before(now - EARLY).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(**allowed: bool) -> x509.KeyUsage:
    none = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    return x509.KeyUsage(**{**none, **allowed})


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(pem).decode(), private.decode())


def _name(text: str) -> x509.Name:
    cut = text.encode()[:64].decode(errors="ignore")  # RFC 5280, A.1: ub-common-name
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut)])


def _host(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if not HOST_NAME.fullmatch(name):
        raise UsageError(f"{host!r} is no host name")
    return x509.DNSName(name)
