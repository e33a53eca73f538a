"""Secure sums that survive dropouts and a lying coordinator. Who learns what, and the model: `mpc.secagg.party`.

One member's way to a total::

    state = secagg.Ready(terms, "north", agree_private)
    state, upload, payloads = state.open(round, {"counts": words})  # sign the upload; the payloads travel beside it
    state, consent = state.receive(uploads)  # of the survivors, relayed
    state, reveal = state.receive(consents)  # once t of them are equal
    state = state.receive(reveals, everyones_payloads)  # Settled: state.totals

Nodes drive the states; a coordinator calls `admit`, `needed`, `total` and `later_total`.
"""

from __future__ import annotations

from mpc.secagg.admission import admit
from mpc.secagg.messages import Abstention, Consent, Reveal, Upload
from mpc.secagg.opening import Opened, Tally, needed, total
from mpc.secagg.party import Abstained, Consented, Ready, Revealed, Uploaded
from mpc.secagg.rounds import Settled, Waiting, later_total
from mpc.secagg.terms import Member, Round, Terms, Vector, least_abstentions, threshold

__all__ = [
    "Abstained",
    "Abstention",
    "Consent",
    "Consented",
    "Member",
    "Opened",
    "Ready",
    "Reveal",
    "Revealed",
    "Round",
    "Settled",
    "Tally",
    "Terms",
    "Upload",
    "Uploaded",
    "Vector",
    "Waiting",
    "admit",
    "later_total",
    "least_abstentions",
    "needed",
    "threshold",
    "total",
]
