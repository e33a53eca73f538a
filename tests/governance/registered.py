"""Keys, a dataset and chains for the tests of registration."""

from __future__ import annotations

from dataclasses import replace

from governance import certificates, notes, registration
from governance.catalogue import Dataset, Schema, category, number
from governance.keys import SigningKey, Trust
from governance.licences import Revocations
from governance.registration import Asset, Grade, Manifest

AUTHORITY = tuple(SigningKey(f"city-{i}", bytes([i] * 32)) for i in (1, 2))
TRUST = Trust(tuple(k.public for k in AUTHORITY), 2)
HOLDER, BUYER, BANK = (SigningKey(name, bytes([i] * 32)) for i, name in ((3, "hospital-a"), (4, "data-company"), (5, "bank")))
SCHEMA = Schema("patient", (number("age", "0", "120"), category("sex", ("female", "male"))))
HEART = Dataset("heart", 1, "Heart patients", SCHEMA, ("hospital-a", "hospital-b", "hospital-c"), 1, 10_000)
MANIFEST = Manifest(
    "Heart patients", "health", str(HOLDER.public), "Medical records office", ("hold", "process"), ("Regulation 26, article 8",), "heart",
    registration.digest(SCHEMA), (Grade("age", 3), Grade("sex", 3)), "", "", "", 1_700_000_000, 1_730_000_000, "1000-to-9999", "conditional-paid",
)  # fmt: skip
NOW = 1_764_000_000


def signed(document, *keys):
    return notes.write(document).signed_by(*AUTHORITY, *keys)


def step(chain, name, *keys, manifest=None, corrects="", reason=None, called="heart-2024", at=NOW):
    """The chain with one more step, signed by the authority and *keys*."""
    old = registration.opened(chain, TRUST) if chain else None
    reason = ("a reason" if name in ("change", "correct", "cancel") else "") if reason is None else reason
    asset = Asset(called, name, old.head if old else "", at, manifest or (old.now.manifest if old else MANIFEST), corrects, reason)
    return str(registration.follow(chain, signed(asset, *keys), TRUST))


def registered():
    return step(step(None, "apply", HOLDER), "register")


def issued():
    document = certificates.issue(registration.opened(registered(), TRUST), at=NOW, ends=NOW + 86400 * 365)
    return str(certificates.follow(None, signed(document), TRUST))


def moved(chain, name, *keys, **changes):
    """The certificate's chain with one more link, signed by the authority and *keys*."""
    old = certificates.opened(chain, TRUST)
    link = replace(
        old.now,
        **{"step": name, "previous": old.head, "number": "" if name == "issue" else old.number, "creditor": "", "at": NOW, **changes},
    )
    return str(certificates.follow(chain, signed(link, *keys), TRUST))


def revocations(*revoked, at=NOW):
    return str(signed(Revocations(1, at - 10, at + 86400, tuple(sorted(revoked)))))
