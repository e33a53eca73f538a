"""An operator's identity: a key file, and beside it whom to trust."""

from __future__ import annotations

import os
from pathlib import Path

from federated.tls import client_files
from federated.tokens import Token
from federated.transport import Link
from governance.errors import IntegrityError
from governance.keys import SigningKey
from governance.parties import enrol


def join(text: str, identity: Path, *, proxy: str | None = None) -> SigningKey:
    """Make the key file *identity*, enrol the key, and keep the public part of the token beside it. Can be repeated."""
    token = Token.read(text)
    name = token.name
    if identity.exists():
        key = SigningKey.load(identity)
        if key.name != name:
            raise IntegrityError(f"{identity} is the key of {key.name}, the token is for {name}")
    else:
        key = SigningKey.generate(name)
        key.save(identity)
    with Link(token.url, token.ca, None, proxy=proxy, client_cert=client_files(identity.parent)) as link:
        link.enrol(str(enrol(token.invitation, token.once, key)))
    with os.fdopen(os.open(identity.with_suffix(".trust"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token.public().text() + "\n")
    return key
