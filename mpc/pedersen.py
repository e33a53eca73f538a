"""Pedersen commitments, and proofs that a commitment holds 0 or 1, so that who adds hidden bits can be sure that they are bits.

Model: provers malicious, verifiers anyone. The commitment hides perfectly and binds under the discrete logarithm; the proof is sound and
zero-knowledge in the random oracle model.  Source: Pedersen, CRYPTO 1991; Cramer, Damgård & Schoenmakers, "Proofs of Partial Knowledge",
CRYPTO 1994, section 5; made non-interactive with the whole statement in the hash (Bernhard, Pereira & Warinschi, ASIACRYPT 2012).

A bit b with blinder r is r·B + b·H in the group of `mpc.edwards`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from nacl.exceptions import CryptoError

from governance.errors import PeerError
from mpc.edwards import IDENTITY, POINT, SCALAR, add, base, hashed, minus, multiply, plus, reduce, scalar, sub, times
from mpc.rings import ORDER, Rand

PROOF = 4 * SCALAR
LABEL = b"keyong pedersen bit v1"
H = hashed(hashlib.sha256(b"keyong pedersen v1: the base of values").digest())


def commit(bit: int, blinder: bytes) -> bytes:
    """The commitment to *bit*, 0 or 1."""
    return add(base(blinder), H) if bit else base(blinder)


def prove(bit: int, blinder: bytes, context: bytes, *, rand: Rand = secrets.token_bytes) -> tuple[bytes, bytes]:
    """The commitment to *bit*, 0 or 1, and the proof that it holds one of the two, good in *context* only.

    The branch of the other value is simulated: its challenge is drawn, and the hash leaves the true branch the rest.
    """
    commitment = commit(bit, blinder)
    nonce, other, answer = scalar(rand), scalar(rand), scalar(rand)
    sides = (commitment, sub(commitment, H))
    announced = [b"", b""]
    announced[bit] = base(nonce)
    announced[1 - bit] = _announced(sides[1 - bit], other, answer)
    mine = minus(_challenge(context, commitment, announced), other)
    true = (mine, plus(nonce, times(mine, blinder)))
    first, second = ((other, answer), true) if bit else (true, (other, answer))
    return commitment, first[0] + second[0] + first[1] + second[1]


def verify(commitment: bytes, proof: bytes, context: bytes, *, party: str) -> None:
    """Raise `PeerError` naming *party* unless *proof* shows in *context* that *commitment* holds 0 or 1."""
    parts = [proof[i : i + SCALAR] for i in range(0, PROOF, SCALAR)]
    if len(commitment) != POINT or len(proof) != PROOF or any(int.from_bytes(p, "little") >= ORDER for p in parts):
        raise PeerError("its proof is misshapen", party=party)
    try:
        announced = [_announced(commitment, parts[0], parts[2]), _announced(sub(commitment, H), parts[1], parts[3])]
    except (CryptoError, RuntimeError):  # no point of the group
        raise PeerError("its proof is misshapen", party=party) from None
    if plus(parts[0], parts[1]) != _challenge(context, commitment, announced):
        raise PeerError("its proof does not show that its entries are 0 or 1", party=party)


def opens(commitments: Iterable[bytes], total: int, blinder: bytes) -> bool:
    """Whether the *commitments* add up to *total* with the sum of their blinders."""
    added = IDENTITY
    for commitment in commitments:
        added = add(added, commitment)
    expected = base(blinder) if any(blinder) else IDENTITY
    for _ in range(total):  # as few as there are parties
        expected = add(expected, H)
    return added == expected


def _announced(side: bytes, challenge: bytes, answer: bytes) -> bytes:
    """answer·B − challenge·side, what the prover of ``side = r·B`` must have announced."""
    return sub(base(answer), multiply(challenge, side))


def _challenge(context: bytes, commitment: bytes, announced: Sequence[bytes]) -> bytes:
    return reduce(hashlib.sha512(LABEL + hashlib.sha256(context).digest() + commitment + b"".join(announced)).digest())
