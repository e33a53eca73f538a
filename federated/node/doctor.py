"""What a hospital's IT person wants to know before calling anybody: which of the things a node needs is not there."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from connectors import snapshot as snapshots
from federated.node import judge
from federated.node.home import KEY, Home, served
from federated.node.witnessing import Witnessing, peers_of
from federated.transport import Link
from governance import notes
from governance.catalogue import Dataset
from governance.contingency import Contingency
from governance.errors import IntegrityError, KeyongError, Unavailable
from governance.keys import read_key
from governance.licences import Revocations, day
from sandbox.jail import probe

LEAST_DISK = 1 << 30
DAY = 86400
EARLY = {"key root": 60, "revocations": 7, "drills": 30}  # days before the end of something on which a warning begins
RECENT = 100  # jobs whose contingency plans are looked at
MOST_SKEW = 30.0
PATIENCE = 3.0  # seconds to wait for other nodes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; *soon* says that it is well today, and that somebody must act before long."""

    name: str
    ok: bool
    text: str
    soon: bool = False


def examine(path: Path, *, proxy: str | None = None) -> list[Finding]:
    """Look at everything; one trouble does not hide the next."""
    return [*_machine(path), *_node(path, proxy)]


def _machine(path: Path) -> Iterator[Finding]:
    found = probe()
    text = f"jail tier {found.tier}" if found.tier else "no jail on this kernel"
    yield Finding("kernel", found.tier is not None, "; ".join([text, *found.why]))
    there = path if path.exists() else path.parent if path.parent.exists() else Path(".")
    free = shutil.disk_usage(there).free
    yield Finding("disk", free >= LEAST_DISK, f"{free >> 20} MiB free in {there}")
    proxies = sorted(k for k in os.environ if k.lower() in ("http_proxy", "https_proxy", "all_proxy"))
    note = f"{', '.join(proxies)} set; a node uses --proxy or KEYONG_PROXY only" if proxies else "no proxy in the environment"
    yield Finding("environment", True, note)


def _node(path: Path, proxy: str | None) -> Iterator[Finding]:
    try:
        home = Home.open(path)
    except (KeyongError, OSError) as error:
        yield Finding("folder", False, str(error))
        return
    mode = (path / KEY).stat().st_mode & 0o777
    yield Finding("key", mode == 0o600, f"{home.key.name}, file mode {mode:o}, fingerprint {home.key.public.fingerprint[:19]}")
    yield _guarded("journal", lambda: _journal(home))
    yield _guarded("snapshots", lambda: _snapshots(home))
    with Link(home.url, home.ca, home.key, proxy=proxy, client_cert=home.client_cert) as link:
        yield _guarded("coordinator", lambda: _reach(link, home, proxy))
        yield _guarded("clock", lambda: _clock(link))
        yield _guarded("enrolment", lambda: f"{len(link.offers(wait=0))} jobs offered now")
        yield _guarded("catalogue", lambda: _catalogue(link, home))
        yield _guarded("witnesses", lambda: _witnesses(link, home))
        yield _dated("key root", lambda: _root(link, home))
        yield _dated("revocations", lambda: _list(link, home))
        yield _dated("drills", lambda: _drills(home))


def _guarded(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except KeyongError as error:
        return Finding(name, False, str(error))


def _dated(name: str, look: Callable[[], tuple[int | None, str]]) -> Finding:
    """What ends at a time, if it ever does: a failure once it has, a warning some days before."""
    try:
        end, text = look()
    except KeyongError as error:
        return Finding(name, False, str(error))
    if end is None:
        return Finding(name, True, text)
    left = end - time.time()
    said = f"{text}; {max(0, int(left // DAY))} days left" if left > 0 else f"{text}; it is over, and jobs are refused"
    return Finding(name, left > 0, said, left <= EARLY[name] * DAY)


def _root(link: Link, home: Home) -> tuple[int, str]:
    newest = home.roots.followed(text for _, text in link.documents("root")).newest.root
    return newest.expires, f"version {newest.version}, valid until {day(newest.expires)}"


def _list(link: Link, home: Home) -> tuple[int | None, str]:
    text = dict(link.documents("revocations")).get("current")
    if text is None:
        return None, "the authority has published no revocation list yet: every job is refused"
    trust = home.roots.followed(text for _, text in link.documents("root")).trust
    listed = notes.opened(text, Revocations, trust)
    return listed.next_update, f"list {listed.version}, the next one is due {day(listed.next_update)}"


def _drills(home: Home) -> tuple[int | None, str]:
    """Of the contingency plans behind recent jobs, the newest of each operator, that whose drill is due first."""
    newest: dict[str, Contingency] = {}
    with closing(home.journal()) as journal, journal.view() as t:
        offers = [t.note("offer", row.job) for row in t.jobs()[-RECENT:]]
    for offer in map(judge.read_offer, filter(None, offers)):
        plan = notes.read(offer.plan).document(Contingency) if offer.plan else None
        if plan and plan.drilled > getattr(newest.get(plan.operator), "drilled", 0):
            newest[plan.operator] = plan
    if not newest:
        return None, "no job has come with a contingency plan yet"
    first = min(newest.values(), key=lambda plan: plan.due)
    return first.due, f"the plan of {read_key(first.operator).name} must be practised by {day(first.due)}"


def _journal(home: Home) -> str:
    with closing(home.journal()) as journal:
        return f"ledger of {journal.fsck().size} entries is whole"


def _witnesses(link: Link, home: Home) -> str:
    """No peer has seen more of this node's ledger than is here, and no ledger that this node saw has told two histories."""
    with closing(home.journal()) as journal:
        with journal.view() as t:
            forked, peers = [name for name, _ in t.notes("fork")], peers_of(t, home.key.name)
        if forked:
            raise IntegrityError(f"the ledger of {forked[0]} tells two histories, both signed: show the authority this node's journal")
        heard = Witnessing(home, journal, link).check(wait=PATIENCE)
    return f"{heard} of {len(peers)} other nodes have answered, and saw no more of this ledger than is here"


def _snapshots(home: Home) -> str:
    """Every snapshot that is served is there, whole, and the one that the journal names."""
    with closing(home.journal()) as journal, journal.view() as t:
        kept = served(t, home.snapshots)
    for name, snapshot in kept.items():
        try:
            snapshots.load(snapshot.path, snapshot.columns, id=snapshot.id)
        except KeyongError as error:
            raise KeyongError(f"{name}: {error}; add the data again: keyong node data add {name} URL") from None
    named = ", ".join(name if snapshot.rows else f"{name} (WITHOUT ROWS)" for name, snapshot in kept.items())
    return f"whole: {named}" if kept else "no data yet: keyong node data add DATASET URL"


def _catalogue(link: Link, home: Home) -> str:
    """Every snapshot that is served is in the form that is registered now."""
    published = dict(link.documents("dataset"))
    with closing(home.journal()) as journal, journal.view() as t:
        frozen = {name: t.get(f"catalogue {name}") for name in served(t, home.snapshots)}
    for name, entry in frozen.items():
        if name in published and notes.read(published[name]).id != entry:
            version = notes.read(published[name]).document(Dataset).version
            raise KeyongError(f"{name}: version {version} is registered; add the data again: keyong node data add {name} URL")
    return f"{len(published)} datasets registered, {len(frozen)} served here in their newest version"


def _reach(link: Link, home: Home, proxy: str | None) -> str:
    through = f" through the proxy {proxy.rpartition('@')[2]}" if proxy else ""  # without a password
    try:
        link.health()
    except Unavailable as error:
        raise KeyongError(f"{error}{through}") from None
    return f"{home.url} answers{through}, certificate by {'the token' if home.ca else 'the system'}"


def _clock(link: Link) -> str:
    skew = link.clock() - time.time()
    if abs(skew) > MOST_SKEW:
        raise KeyongError(f"this clock and the coordinator's differ by {abs(skew):.0f} s; set it by NTP")
    return f"within {abs(skew):.1f} s of the coordinator's"
