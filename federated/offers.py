"""A job with all the signed texts that a verdict needs: read alike by a node, and off line by whoever has the file."""

from __future__ import annotations

import functools

from governance import notes
from governance.catalogue import Dataset
from governance.encoding import build, parse
from governance.keys import Trust
from governance.parties import Party, read_enrolment, roster
from sandbox import case as cases
from sandbox.messages import Offer
from sandbox.policy import Docket


def read(text: str | bytes) -> Offer:
    return build(Offer, parse(text))


@functools.lru_cache(maxsize=256)
def _party(enrolment: str, trust: Trust) -> Party:
    """A chain of signatures is verified once."""
    return read_enrolment(enrolment, trust)


def parties(offer: Offer, trust: Trust) -> tuple[Party, ...]:
    """Everybody who has a part in *offer*."""
    return tuple(_party(text, trust) for text in (offer.operator, offer.coordinator, *offer.holders))


def docket(offer: Offer, trust: Trust, *, revocations: str | None) -> Docket:
    """What *offer* says, once the authority's signatures hold; *revocations* is the list to judge by."""
    operator, coordinator, *others = parties(offer, trust)
    dataset = notes.opened(offer.dataset, Dataset, trust)
    holders = roster(others, dataset.holders)
    case = cases.read(offer.job, offer.dataset)
    return Docket(case, offer.job, offer.chain, offer.plan, offer.asset, revocations, operator, coordinator, tuple(holders.values()))
