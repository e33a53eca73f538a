"""Proof that a holder has spent a job for good: the entry in its ledger, under a checkpoint that a quorum of the roster cosigned.

Who restores an older copy of a node gets no such proof, since the others have seen more of its ledger. Nothing is opened without it
(PRIVACY 7). A holder's own cosignature counts as one of the roster's n; k = t of them are needed.  Formats: `governance.proofs`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace

from governance import cosignatures, ledger, merkle, notes, proofs, quorum
from governance.checkpoint import LIMIT, Checkpoint
from governance.errors import IntegrityError
from governance.keys import SigningKey, read_keys
from governance.proofs import Proof
from governance.quorum import Policy

SPENT = "job.spent"


@functools.lru_cache(maxsize=256)
def policy_of(keys: tuple[str, ...], holder: str, colluding: int) -> Policy:
    """Whose cosignatures count for the ledger of *holder*, of a roster with these *keys*, and how many of them are a quorum."""
    holders = read_keys(keys)
    return Policy.of(holders[holder], holders.values(), quorum.needed(len(keys), colluding))


def require(raw: str | bytes, job: str, policy: Policy) -> Proof:
    """The proof in *raw*, if it proves that the log of *policy* has spent *job*; no byte of it could be another.

    Raises
    ------
    DecodeError, IntegrityError
        It is no proof, or one of something else.
    QuorumLost
        Too few cosigned.
    """
    proof = proofs.read(raw)
    entry, _ = proofs.verify_entry(proof, policy)
    if (entry.event, entry.subject) != (SPENT, job):
        raise IntegrityError("the proof is of another entry than that this job was spent")
    note = notes.read(proof.checkpoint, limit=LIMIT)
    if len(note.signatures) != 1 + len(cosignatures.times(note, policy.witnesses.values())):
        raise IntegrityError("under the checkpoint stands a line of nobody who could have signed there, or one twice")
    return proof


def proved(job: str, key: SigningKey, witnesses: Iterable[SigningKey], at: int) -> str:
    """Such a proof over a ledger of this one entry, where all the roster's keys are in one hand: in a simulation."""
    leaf = ledger.entry(SPENT, job, code="", at=at).leaf
    note = Checkpoint(key.name, 1, merkle.leaf_hash(leaf)).signed_by(key)
    lines = tuple(cosignatures.cosign(note.text, witness, at) for witness in witnesses)
    return str(Proof(leaf, 0, (), str(replace(note, signatures=(*note.signatures, *lines)))))
