"""Purposes as codes of the GA4GH Data Use Ontology, so that several offices and persons mean the same by one word.

    duo-nres          no restriction                        DUO:0000004
      duo-gru         general research                      DUO:0000042
        duo-hmb       health, medical, biomedical research  DUO:0000006
          duo-ds-mondo-0005148   of one disease             DUO:0000007 with a term of MONDO
        duo-poa       population origins or ancestry        DUO:0000011

A code covers itself and those below it; a disease no other one. Codes that limit a use otherwise (NPUNCU, IRB, PUB, …) are no purposes.
Source: Dyke et al., PLoS Genetics 2016, "Consent Codes"; Lawson et al., Cell Genomics 2021, "The Data Use Ontology".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from governance.errors import DecodeError

ABOVE: Mapping[str, str] = MappingProxyType({"duo-nres": "", "duo-gru": "duo-nres", "duo-hmb": "duo-gru", "duo-poa": "duo-gru"})
WHOLE = frozenset({"duo-nres", "duo-gru"})
DISEASE = re.compile(r"duo-ds-mondo-[0-9]{7}")


def check(purposes: Iterable[str]) -> None:
    """Raise `DecodeError` where one of *purposes* looks like a code and is none that is known here."""
    for purpose in purposes:
        if re.match(r"duo(-|$)", purpose) and purpose not in ABOVE and not DISEASE.fullmatch(purpose):
            raise DecodeError("a purpose that begins with duo is one of duo-nres, duo-gru, duo-hmb, duo-poa, duo-ds-mondo-0000000")


def covers(purpose: str, asked: str) -> bool:
    """Whether who allows *purpose* allows *asked*: the same, or one below it."""
    check((purpose, asked))
    while asked and asked != purpose:
        asked = "duo-hmb" if DISEASE.fullmatch(asked) else ABOVE.get(asked, "")
    return bool(asked)


def stopped(withdrawn: str, asked: str) -> bool:
    """Whether who withdraws *withdrawn* has no part in *asked*: one that covers the other, and whatever is not known to lie outside.

    Which disease is a kind of which is not known here, nor what a house's own word means to whoever wants no research at all.
    """
    if covers(withdrawn, asked) or covers(asked, withdrawn) or (DISEASE.fullmatch(withdrawn) and DISEASE.fullmatch(asked)):
        return True
    return withdrawn in WHOLE and asked not in ABOVE and not DISEASE.fullmatch(asked)
