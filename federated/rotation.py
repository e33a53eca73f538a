"""Rotation of an authority's keys: the next version of its key root, signed by one officer after another, and what stands signed anew."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from federated.authority import DATASETS, DAY, EARLIER, KEPT, LICENCES, PLANS, REVOCATIONS, ROOT, YEAR, Authority
from federated.drafts import SIGNED, read_draft
from federated.registry import Registry
from federated.tokens import write_private
from governance import chains, known, notes
from governance.certificates import Certificate
from governance.errors import UsageError
from governance.handwritten import by_hand, read_text
from governance.keys import SigningKey, VerifyKey, read_key
from governance.licences import Revocations
from governance.parties import Invitation
from governance.registration import Asset
from governance.roots import NEEDED, Role, RoleName, Root
from governance.suites import SUITES, SuiteName


def make_key(path: Path, name: str, suite: SuiteName) -> VerifyKey:
    """An officer's own key, made where the officer is; what others need of it is the verifier key."""
    with by_hand():
        key = SigningKey.generate(name, suite)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (path / f"{name}.key").exists():
        raise UsageError(f"there is a key called {name} in {path} already")
    key.save(path / f"{name}.key")
    return key.public


def rotate(authority: Authority, *, roles: Iterable[RoleName] = (), add: Iterable[str] = (), remove: Iterable[str] = (),
           withdraw: Iterable[str] = (), threshold: int | None = None, days: int = YEAR) -> notes.Note:  # fmt: skip
    """The next version, under the signatures of the keys at hand: *roles* (root, authority and revoker, unless given) with keys added
    or taken out by their names, or with another threshold; *withdraw* takes a key out of every role, and its signatures count no more."""
    root = authority.roots.newest.root
    with by_hand():
        added = {key.name: key for key in (read_key(text, tuple(SUITES)) for text in add)}
        out, stolen = set(remove), set(withdraw)
        names = {read_key(text, root.suites).name: text for role in root.roles.values() for text in role.keys}
        known.check("key in the key root called", [*sorted(out), *sorted(stolen)], names)
        changed = {
            name: _changed(root.roles.get(name), added if name in (chosen := tuple(roles) or NEEDED) else {},
                           (out if name in chosen else set()) | stolen, threshold if name in chosen else None)
            for name in dict.fromkeys([*root.roles, *roles])
        }  # fmt: skip
        document = authority.roots.newest.next(
            roles=changed,
            suites=tuple(dict.fromkeys([*root.suites, *(key.suite for key in added.values())])),
            withdrawn=tuple(sorted({*root.withdrawn, *(names[name] for name in stolen)})),
            expires=int(time.time()) + days * DAY,
        )
        return authority.draft(document)


def _changed(role: Role | None, added: dict[str, VerifyKey], out: set[str], threshold: int | None) -> Role:
    """*role* with keys more and less; a new one starts with a threshold of one."""
    kept = {} if role is None else {read_key(text, tuple(SUITES)).name: text for text in role.keys}
    keys = {name: text for name, text in kept.items() if name not in out} | {name: str(key) for name, key in added.items()}
    return Role(tuple(keys.values()), threshold or (1 if role is None else role.threshold))


def countersign(authority: Authority, file: Path) -> notes.Note:
    """The note in *file* with a line by each key at hand that may sign it and has not; what stands there already must verify."""
    return _countersigned(authority, read_draft(file))


def _countersigned(authority: Authority, note: notes.Note) -> notes.Note:
    document = note.document(*SIGNED)
    authority.lacking(note)
    return note.joined(authority.draft(document))


def accept(authority: Authority, note: notes.Note) -> Authority:
    """Keep a document that enough have signed, and go on with it if it is the key root's next version."""
    document = note.document(*SIGNED)
    if not isinstance(document, Invitation):
        authority.forget(str(note))
    if isinstance(document, Root):
        chain = authority.roots.followed([*authority.roots.texts, str(note)])
        newest = authority.roots.newest
        (authority.path / EARLIER).mkdir(exist_ok=True)
        (authority.path / EARLIER / f"{newest.root.version}.note").write_text(str(newest.note))
        write_private(authority.path / ROOT, str(note))
        return replace(authority, roots=chain)
    if isinstance(document, tuple(KEPT)):
        authority.keep(str(note))
    elif isinstance(document, (Asset, Certificate)):
        Registry(authority).keep(note)
    elif isinstance(document, Revocations):
        (authority.path / REVOCATIONS).write_text(str(note))
    return authority


def renewed(authority: Authority) -> Iterator[notes.Note]:
    """What stands, with a line more by each key at hand that has not signed it; last a new revocation list."""
    for folder in (DATASETS, PLANS, LICENCES):
        for file in sorted((authority.path / folder).glob("*.note")):
            yield countersign(authority, file)
    for text in Registry(authority).chains():
        yield from (_countersigned(authority, link) for link in chains.read(text))
    if (file := authority.path / REVOCATIONS).exists():
        old = notes.read(read_text(file)).document(Revocations)
        now = int(time.time())
        yield authority.draft(replace(old, version=old.version + 1, issued=now, next_update=now + old.next_update - old.issued))
