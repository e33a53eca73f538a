"""Who is enrolled at a coordinator, who of them is heard, and who may come under a name that is taken."""

from __future__ import annotations

from collections.abc import Mapping

from governance import licences
from governance.errors import IntegrityError, Refused
from governance.journal import View
from governance.parties import Party, read_enrolment
from governance.roots import Chain


def verified(t: View, chain: Chain) -> dict[str, Party]:
    """Everybody who is enrolled; those are not any more for whom only keys vouched that were withdrawn."""
    found = {}
    for name, text in t.notes("enrolment"):
        try:
            found[name] = read_enrolment(text, chain.trust)
        except IntegrityError:
            if not chain.newest.root.withdrawn:
                raise
    return found


def heard(parties: Mapping[str, Party], revocations: str) -> dict[str, Party]:
    """Those of *parties* whose key is not withdrawn."""
    out = licences.withdrawn(revocations)
    return {name: party for name, party in parties.items() if str(party.key) not in out}


def check_new(party: Party, before: Party | None, revocations: str, *, taken: bool) -> None:
    """Raise unless the name is free, or *party* is the one *before* with a new key in place of just those that the list withdraws."""
    if taken and (before is None or not party.follows(before)):
        raise Refused(f"{party.name} is enrolled already, with another key; ask the authority for a token under another name")
    out = licences.withdrawn(revocations)
    if any(out.get(each.key) != each.entries for each in party.withdrawn) or (party.withdrawn and not taken):
        raise Refused(f"the old key of {party.name} is not withdrawn here, or never was enrolled; ask the authority for a new token")
    licences.check_keys((party,), revocations)
