"""Proved vectors: each member commits to its bits, proves each to be 0 or 1, and the sum of the blinders ties the commitments to the total.

A payload is the masked vector, the masked blinders, and for each element its commitment and proof. The commitments are fixed, by the digest
that the upload signs, before anything is opened. Whoever uploads another number than it committed to makes the sum of all commitments
differ from what is opened, and the round closes without a total. Beside the total only the sum of the blinders is opened; commitments
hide perfectly, so any bits with this total fit what is seen.

Blinders added in a secure sum of their own, so that commitments can be held against a total: Bell, Gascón, Lepoint, Li, Meiklejohn,
Raykova & Yun, "ACORN: Input Validation for Secure Aggregation", USENIX Security 2023; Lycklama et al., "RoFL", IEEE S&P 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from governance.errors import PeerError, UsageError
from mpc import edwards, pedersen
from mpc.rings import SCALARS, Buffer, Rand, Words
from mpc.secagg.keys import Schedule
from mpc.secagg.terms import Vector

ITEM = edwards.POINT + pedersen.PROOF


def prove(schedule: Schedule, vector: Vector, words: Words, *, me: str, rand: Rand) -> tuple[Words, bytes]:
    """Blinders of our *words*, and commitments with proofs."""
    if not np.isin(words, (0, 1)).all():
        raise UsageError(f"the elements of {vector.name} must be 0 or 1")
    blinders = [edwards.scalar(rand) for _ in range(vector.length)]
    items = [
        b"".join(pedersen.prove(bit, blinder, _at(schedule, vector, me, index), rand=rand))
        for index, (bit, blinder) in enumerate(zip(words.tolist(), blinders, strict=True))
    ]
    return SCALARS.from_bytes(b"".join(blinders), vector.length).copy(), b"".join(items)


def size(vector: Vector) -> int:
    """Bytes of commitments and proofs."""
    return ITEM * vector.length


def check(schedule: Schedule, vector: Vector, sums: tuple[Words, Words], proofs: Mapping[str, Buffer]) -> None:
    """Raise `PeerError` unless every sender's *proofs* hold, and the *sums* of vector and blinders are those of the commitments.

    The second failure names nobody: that a member lied is certain, which one is hidden like everything else.
    """
    columns = [verify(schedule, vector, name, bytes(items)) for name, items in sorted(proofs.items())]
    require_totals(vector, columns, sums[0].tolist(), SCALARS.to_bytes(sums[1]))


def require_totals(vector: Vector, columns: Sequence[Sequence[bytes]], totals: Sequence[int], blinders: bytes) -> None:
    """Raise `PeerError` unless the *totals*, and the totals of the *blinders*, are those of the commitments, a column for each sender."""
    for index, (total, commitments) in enumerate(zip(totals, zip(*columns, strict=True), strict=True)):
        blinder = blinders[index * SCALARS.size : (index + 1) * SCALARS.size]
        if total > len(columns) or not pedersen.opens(commitments, total, blinder):
            raise PeerError(f"some member's {vector.name} is not what it committed to; nothing is opened on it")


def verify(schedule: Schedule, vector: Vector, name: str, items: bytes) -> list[bytes]:
    """The commitments in *items*; raise `PeerError` naming their sender unless every proof holds."""
    commitments = []
    for index in range(vector.length):
        item = items[index * ITEM : (index + 1) * ITEM]
        commitment, proof = item[: edwards.POINT], item[edwards.POINT :]
        pedersen.verify(commitment, proof, _at(schedule, vector, name, index), party=name)
        commitments.append(commitment)
    return commitments


def _at(schedule: Schedule, vector: Vector, sender: str, index: int) -> bytes:
    return schedule.proof(sender, vector) + index.to_bytes(4, "big")
