"""An operator's identity: a key file, and beside it whom to trust."""

from __future__ import annotations

from pathlib import Path

from federated.tls import client_files
from federated.tokens import Token, new_key, newer_key, write_private
from federated.transport import Link
from governance.keys import SigningKey
from governance.parties import enrol


def join(text: str, identity: Path, *, proxy: str | None = None) -> SigningKey:
    """Make the key file *identity*, enrol the key, and keep the public part of the token beside it. Can be repeated."""
    token = Token.read(text).expect("operator")
    with new_key(identity):
        return _enrolled(token, token.key(identity), identity, proxy)


def rekey(text: str, identity: Path, *, proxy: str | None = None) -> SigningKey:
    """Exchange the key in *identity*, which was withdrawn, for a new one. Can be repeated."""
    token = Token.read(text).expect("operator", rekey=True)
    with newer_key(identity, token) as key:
        return _enrolled(token, key, identity, proxy)


def _enrolled(token: Token, key: SigningKey, identity: Path, proxy: str | None) -> SigningKey:
    with Link(token.url, token.ca, None, proxy=proxy, client_cert=client_files(identity.parent)) as link:
        link.enrol(str(enrol(token.invitation, token.once, key)))
    write_private(identity.with_suffix(".trust"), token.public().text() + "\n")
    return key
