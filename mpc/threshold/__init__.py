"""Sums under threshold keys, which any t members open and no c can. Who learns what, and the model: `mpc.threshold.party`.

One member's way to a total::

    state, deal = threshold.Dealing(terms, "north", agree_private).deal()  # the first c + 1 members make a key each
    state = state.receive(deals)  # Keyed
    state, upload, payloads = state.upload(round, {"counts": words})  # sign the upload; the payloads travel beside it
    state, consent = state.receive(uploads, everyones_payloads)  # sign the consent
    state, partial, mine = state.receive(consents)
    state = state.receive(partials, everyones_parts)  # Keyed again: state.totals

Later rounds take no consents: there `upload` gives a state whose `receive` takes the uploads and gives the partial.
Nodes drive the states; a coordinator calls `keys`, `admit`, `needed` and `total`.
"""

from __future__ import annotations

from mpc.threshold.dealing import BITS, Dealing, Dealt, keys
from mpc.threshold.keys import Key, Keyholder, chosen, dealers
from mpc.threshold.messages import Abstention, Consent, Deal, Partial, Upload
from mpc.threshold.opening import Opened, Tally, admit, needed, total
from mpc.threshold.packing import size
from mpc.threshold.party import Abstained, Consented, Keyed, Opening, Uploaded, Waiting

__all__ = [
    "BITS",
    "Abstained",
    "Abstention",
    "Consent",
    "Consented",
    "Deal",
    "Dealing",
    "Dealt",
    "Key",
    "Keyed",
    "Keyholder",
    "Opened",
    "Opening",
    "Partial",
    "Tally",
    "Upload",
    "Uploaded",
    "Waiting",
    "admit",
    "chosen",
    "dealers",
    "keys",
    "needed",
    "size",
    "total",
]
