"""The coordinator's side of one job, as a value: it collects the posts of a step, closes the step, and relays them.

It is not trusted: what it relays is signed by the senders, what it claims is checked by every node. A wrong move here costs the job its
result, never a holder its data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from governance import notes
from governance.encoding import wire
from governance.envelope import open_signed
from governance.errors import DecodeError, DisclosureRefused, OutOfTurn, PeerError, QuorumLost
from governance.keys import Trust, VerifyKey, read_keys
from mpc import secagg, threshold
from sandbox import spends
from sandbox.disclosure import check_difference
from sandbox.messages import Acceptance, AgreedState, Earlier, Post, Refusal, Relay, Release, kind_of, step
from sandbox.summing import MESSAGES

MOST_ATTEMPTS = 5
SPOKEN_OF = ("upload", "decrypt", "weigh")  # messages with digests of what comes beside them


@wire("keyong/board/v1")
class Board:
    """A job between two steps.

    *spent* are those who have shown that they spent the job, and take part from then on; *survivors* is the set that an upload step fixes.
    Both are empty before.
    """

    job: str
    keys: tuple[str, ...]
    colluding: int
    step: str
    number: int
    attempt: int
    survivors: tuple[str, ...]
    release: str
    protect: str = "secagg"
    spent: tuple[str, ...] = ()

    @property
    def holders(self) -> Mapping[str, VerifyKey]:
        return read_keys(self.keys)

    @property
    def threshold(self) -> int:
        return secagg.threshold(len(self.keys), self.colluding)

    @property
    def dealers(self) -> frozenset[str]:
        """Who makes the keys of a job under threshold encryption."""
        return frozenset(threshold.chosen(self.holders, self.colluding))

    @property
    def expected(self) -> frozenset[str]:
        """Who may post to the current step."""
        return frozenset(self.survivors or self.spent or self.holders)

    def check(self, post: Post) -> None:
        """Raise unless *post* is signed by its sender and fits the current step."""
        if post.step != self.step:
            raise OutOfTurn(f"the job is at step {self.step}")
        if post.sender not in self.expected:
            raise PeerError("is not among those who may post now", party=post.sender)
        kind, key = kind_of(self.step), self.holders[post.sender]
        if kind in ("accept", "state"):
            self._checked(kind, post, key)
            return
        if kind == "spent":
            self._check_spent(post, key)
            return
        if kind == "deal" and post.sender not in self.dealers:
            if post.body or post.payloads:
                raise PeerError("deals, but is not among the dealers", party=post.sender)
            return
        _, message = open_signed(post.body, {key.name: key}, MESSAGES[self.protect][kind])
        digests = sorted(message.payloads.values()) if kind in SPOKEN_OF else []
        if [hashlib.sha256(vector).digest() for vector in post.payloads] != digests or len(digests) > 1:
            raise PeerError("posted other vectors than its message speaks of", party=post.sender)

    def _check_spent(self, post: Post, key: VerifyKey) -> None:
        spends.require(post.body, self.job, spends.policy_of(self.keys, post.sender, self.colluding))
        said = notes.opened(post.payloads[0], Earlier, Trust((key,))) if len(post.payloads) == 1 else None
        if said is None or (said.job, said.holder) != (self.job, post.sender):
            raise PeerError("does not say which answers were given before this job", party=post.sender)

    def stopped(self, post: Post) -> Refusal | None:
        """A holder's signed word that it cannot go on, where the others cannot go on without it: before all accepted, or later."""
        if post.sender not in self.holders:
            raise PeerError("is not among the holders of the job", party=post.sender)
        document = self._checked("accept", post, self.holders[post.sender])
        if not isinstance(document, Refusal):
            raise PeerError("stopped without saying why", party=post.sender)
        kind, survivors = kind_of(self.step), frozenset(self.survivors)
        needed = {"accept": frozenset(self.holders), "spent": self._irreplaceable, "deal": self.dealers}
        needed |= dict.fromkeys(("upload", "state"), survivors)
        return document if post.sender in needed.get(kind, frozenset()) else None

    def _checked(self, kind: str, post: Post, key: VerifyKey) -> Acceptance | Refusal | AgreedState | Release:
        """The document of a post that is a note, signed by the holder of *key* alone."""
        note = notes.read(post.body)
        note.require(Trust((key,)))
        if len(note.signatures) > 1:  # a false line under another's name would stop the job for all
            raise PeerError("posted a note with other signatures than its own", party=key.name)
        document = self._document(kind, note)
        if isinstance(document, (Acceptance, Refusal)) and document.holder != key.name:
            raise PeerError("posted a note in the name of another holder", party=key.name)
        weighed = isinstance(document, AgreedState) and document.weighed
        if len(post.payloads) != (2 if weighed else 0):
            raise PeerError("posted a weighed state without its bit, or more than a signed note", party=key.name)
        if weighed:
            open_signed(post.payloads[0], {key.name: key}, MESSAGES[self.protect]["upload"])
        return document

    def _document(self, kind: str, note: notes.Note) -> Acceptance | Refusal | AgreedState | Release:
        classes: tuple[type[Any], ...] = (Acceptance, Refusal) if kind == "accept" else (AgreedState, Release)
        document: Acceptance | Refusal | AgreedState | Release = note.document(*classes)
        if document.job != self.job:
            raise DecodeError("the note is about another job")
        return document

    def refusal(self, posts: Mapping[str, Post]) -> Refusal | None:
        """A holder's refusal among the posts of the accept step."""
        if self.step == "accept":
            for post in posts.values():
                document = self._document("accept", notes.read(post.body))
                if isinstance(document, Refusal):
                    return document
        return None

    def closing(self, posts: Mapping[str, Post], *, late: bool, earlier: tuple[frozenset[str], ...]) -> Mapping[str, Post] | None:
        """The posts with which the step closes, or None while it must wait.

        *late* says that the step's patience is over, *earlier* are the sets opened before on these snapshots. Raises `DisclosureRefused`
        where all have uploaded and no set may be opened.
        """
        kind, everybody = kind_of(self.step), posts.keys() >= self.expected
        if kind == "deal":
            return posts if posts.keys() >= self.dealers else None
        if kind == "spent" or (kind == "upload" and not self.survivors):
            chosen = self._surviving(frozenset(posts), earlier) if everybody or late else None
            if kind == "spent":  # which of them are opened is decided when they have uploaded
                return posts if chosen is not None and posts.keys() >= self._irreplaceable else None
            return None if chosen is None else {name: posts[name] for name in sorted(chosen)}
        if everybody:
            return posts
        enough = dict.fromkeys(("consent", "reveal", "decrypt", "weigh"), self.threshold)
        enough["abstain"] = secagg.least_abstentions(len(self.keys), self.colluding)
        if kind == "state":  # weights are of use from all survivors or not at all
            agreed = self._agreed(posts) if late else None
            weighed = agreed is not None and agreed.holds(AgreedState) and agreed.document(AgreedState).weighed
            return None if agreed is None or weighed else posts
        return posts if late and kind in enough and len(posts) >= enough[kind] else None

    @property
    def _irreplaceable(self) -> frozenset[str]:
        """Those without whose part in it the job cannot get to its first total."""
        return self.dealers if self.protect == "threshold" else frozenset()

    def _surviving(self, there: frozenset[str], earlier: tuple[frozenset[str], ...]) -> frozenset[str] | None:
        """Everybody who is there, or else the largest earlier set that is: a set that differs from it by few would tell their part."""
        least = max(self.threshold, self.colluding + 2)
        for chosen in (there, *sorted((e for e in earlier if e < there), key=len, reverse=True)):
            if len(chosen) >= least and _may_differ(chosen, earlier, self.colluding):
                return chosen
        if there >= self.expected:
            raise DisclosureRefused(code="policy.difference", least=self.colluding + 2)
        return None

    def stalled(self, posts: Mapping[str, Post], *, late: bool) -> bool:
        """Whether the first opening should be given up and tried again (PRIVACY 5): too few consents, and none can have unmasked."""
        return late and kind_of(self.step) == "consent" and len(posts) < self.threshold and self.attempt + 1 < MOST_ATTEMPTS

    def close(self, posts: Mapping[str, Post], relays: Mapping[str, Relay]) -> tuple[Board, Relay]:
        """The next board, and the relay of the step that closes."""
        kind = kind_of(self.step)
        payloads = {name: post.payloads for name, post in posts.items() if post.payloads}
        if kind == "reveal":
            payloads = relays[step("upload", 0, self.attempt)].payloads
        relay = Relay(self.step, {name: post.body for name, post in posts.items() if post.body}, payloads, "")  # who only waits sends none
        return self._after(kind, posts), relay

    def shown(self, relay: Relay) -> Relay:
        """What nodes get of *relay*: of a first masked upload only the headers; the masked vectors come with the shares that open them."""
        masked = self.protect == "secagg" and relay.step.startswith("0.") and kind_of(relay.step) == "upload"
        return replace(relay, payloads={}) if masked else relay

    def give_up(self) -> Board:
        """Ask for promises not to unmask this attempt."""
        return replace(self, step=step("abstain", 0, self.attempt), survivors=())

    def _after(self, kind: str, posts: Mapping[str, Post]) -> Board:
        if kind == "state":
            return self._stated(posts)
        if kind == "spent":
            return replace(self, spent=tuple(sorted(posts)), step=self._following(kind))
        if kind == "upload" and not self.survivors:
            return replace(self, survivors=tuple(sorted(posts)), step=step("consent", 0, self.attempt))
        if kind == "abstain":
            return replace(self, step=step("upload", 0, self.attempt + 1), attempt=self.attempt + 1)
        if kind == "weigh":
            return self._next()
        return replace(self, step=self._following(kind))

    def _following(self, kind: str) -> str:
        if self.protect == "threshold":
            return {"accept": step("spent"), "spent": step("deal"), "deal": step("upload"), "consent": step("decrypt", 0, self.attempt),
                    "upload": step("decrypt", self.number), "decrypt": step("state", self.number)}[kind]  # fmt: skip
        return {"accept": step("spent"), "spent": step("upload"), "consent": step("reveal", 0, self.attempt), "reveal": step("state"),
                "upload": step("state", self.number)}[kind]  # fmt: skip

    def _next(self) -> Board:
        return replace(self, step=step("upload", self.number + 1), number=self.number + 1)

    def _stated(self, posts: Mapping[str, Post]) -> Board:
        agreed = self._agreed(posts)
        if agreed is None:
            raise QuorumLost(f"the holders computed different states; {self.threshold} must agree")
        if agreed.holds(Release):
            return replace(self, release=str(agreed))
        if self.protect == "threshold" and agreed.document(AgreedState).weighed:
            return replace(self, step=step("weigh", self.number))
        return self._next()

    def _agreed(self, posts: Mapping[str, Post]) -> notes.Note | None:
        """The note that at least t nodes signed alike."""
        by_text: dict[str, notes.Note] = {}
        for post in posts.values():
            note = notes.read(post.body)
            by_text[note.text] = by_text[note.text].joined(note) if note.text in by_text else note
        agreed = [note for note in by_text.values() if len(note.signers(*self.holders.values())) >= self.threshold]
        return agreed[0] if agreed else None


def _may_differ(survivors: frozenset[str], earlier: tuple[frozenset[str], ...], colluding: int) -> bool:
    try:
        check_difference(survivors, earlier, colluding)
    except DisclosureRefused:
        return False
    return True
