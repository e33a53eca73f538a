"""Two proofs about threshold Paillier, each for many ciphertexts at once: of knowing what is in them, and of true partial decryptions.

Model: provers malicious, verifiers anyone; zero-knowledge statistically and sound in the random oracle model, where the key is well made.
Who knows small orders of units can make a false proof of partials pass: by as many hashes as the order for the weights, and again for the
challenge (docs/proofs/threshold.md, 7, where what that opens is bounded).
Both hash the whole statement and a context (Bernhard, Pereira & Warinschi, ASIACRYPT 2012), so that a proof serves one place alone.

*Knowledge*: Cramer, Damgård & Nielsen, "Multiparty Computation from Threshold Homomorphic Encryption", EUROCRYPT 2001, with one
announcement for all (Gennaro, Leigh, Sundaram & Yerazunis, "Batching Schnorr Identification Scheme", ASIACRYPT 2004): for
c_j = (1+n)^m_j h^r_j and a = (1+n)^x h^s the answers are x + Σ e_j m_j mod n and s + Σ e_j r_j.  *Partials*: the equality of discrete
logarithms in Shoup, "Practical Threshold Signatures", EUROCRYPT 2000, of a random product of all ciphertexts (Bellare, Garay & Rabin,
"Fast Batch Verification for Modular Exponentiation and Digital Signatures", EUROCRYPT 1998).
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence
from typing import Any

import gmpy2

from governance.errors import PeerError
from mpc.he.paillier.threshold import SLACK, PublicKey
from mpc.he.paillier.units import product_of_powers
from mpc.rings import Rand

CHALLENGE = 16  # bytes
HIDING = 16  # bytes by which an announcement's exponent is longer than challenge times secret
SEED = 32
MOST = 1 << 24  # ciphertexts in one proof, so that SLACK hides a sum of so many


def knowledge_size(key: PublicKey) -> int:
    """Bytes of a proof of knowledge."""
    return SEED + key.bits // 8 + (key.bits // 2 + SLACK) // 8


def prove_knowledge(
    key: PublicKey,
    ciphertexts: Sequence[Any],
    known: Sequence[tuple[int, int]],
    context: bytes,
    *,
    rand: Rand = secrets.token_bytes,
) -> bytes:
    """A proof that we know the plaintext and the coin, *known*, of each of the *ciphertexts*, good in *context* alone."""
    x = int.from_bytes(rand(key.bits // 8 + HIDING), "big") % key.modulus
    s = int.from_bytes(rand((key.bits // 2 + SLACK) // 8 - 1), "big")
    seed = _seed(key, ciphertexts, key.encrypt(x, s), context)
    for challenge, (message, coin) in zip(_challenges(seed, len(known)), known, strict=True):
        x, s = x + challenge * message, s + challenge * coin
    return seed + (x % key.modulus).to_bytes(key.bits // 8, "big") + s.to_bytes((key.bits // 2 + SLACK) // 8, "big")


def verify_knowledge(key: PublicKey, ciphertexts: Sequence[Any], proof: bytes, context: bytes, *, party: str) -> None:
    """Raise `PeerError` naming *party* unless *proof* shows in *context* that it knew what is in each of the *ciphertexts*."""
    if len(proof) != knowledge_size(key) or not 1 <= len(ciphertexts) <= MOST or not all(0 < c < key.square for c in ciphertexts):
        raise PeerError("its ciphertexts or their proof are misshapen", party=party)
    seed, x, s = proof[:SEED], proof[SEED : SEED + key.bits // 8], proof[SEED + key.bits // 8 :]
    product = product_of_powers(ciphertexts, _challenges(seed, len(ciphertexts)), key.square)
    if gmpy2.gcd(product, key.n) != 1:
        raise PeerError("its ciphertexts are no units", party=party)
    announced = key.encrypt(int.from_bytes(x, "big"), int.from_bytes(s, "big")) * gmpy2.invert(product, key.square) % key.square
    if seed != _seed(key, ciphertexts, announced, context):
        raise PeerError("its proof does not show that it knows what it encrypted", party=party)


def _seed(key: PublicKey, ciphertexts: Sequence[Any], announced: Any, context: bytes) -> bytes:
    return _hash(b"keyong threshold knowledge v1", context, _bytes(key, (key.n, key.h)), _bytes(key, ciphertexts), _bytes(key, [announced]))


def _challenges(seed: bytes, count: int) -> list[int]:
    stream = hashlib.shake_256(b"keyong threshold challenges v1" + seed).digest(CHALLENGE * count)
    return [1 + int.from_bytes(stream[i : i + CHALLENGE], "big") for i in range(0, len(stream), CHALLENGE)]


def partials_size(key: PublicKey, members: int) -> int:
    """Bytes of a proof that partial decryptions are true."""
    return CHALLENGE + _answer(key, members)


def _answer(key: PublicKey, members: int) -> int:
    return (2 * key.bits + math.factorial(members).bit_length()) // 8 + CHALLENGE + HIDING + 2


def prove_partials(
    key: PublicKey,
    check: int,
    share: int,
    pairs: Sequence[tuple[Any, Any]],
    context: bytes,
    *,
    members: int,
    rand: Rand = secrets.token_bytes,
) -> bytes:
    """A proof that in each of the *pairs* the second is the partial decryption of the first with our *share*, whose *check* is known."""
    seed = _pairs_seed(key, check, pairs, context)
    product = product_of_powers([c for c, _ in pairs], _challenges(seed, len(pairs)), key.square)
    nonce = int.from_bytes(rand(_answer(key, members) - 1), "big")
    announced = gmpy2.powmod_sec(key.v, nonce, key.square), gmpy2.powmod_sec(product, 4 * nonce, key.square)
    challenge = _hash(b"keyong threshold equality v1", seed, _bytes(key, announced))[:CHALLENGE]
    answer = nonce + int.from_bytes(challenge, "big") * math.factorial(members) * share
    return challenge + answer.to_bytes(_answer(key, members), "big")


def verify_partials(key: PublicKey, check: int, pairs: Sequence[tuple[Any, Any]], proof: bytes, context: bytes, *, members: int) -> bool:
    """Whether *proof* shows in *context* that each pair's second is the partial decryption of its first with the share behind *check*."""
    if len(proof) != partials_size(key, members) or not all(0 < p < key.square for _, p in pairs):
        return False
    seed = _pairs_seed(key, check, pairs, context)
    weights, n2 = _challenges(seed, len(pairs)), key.square
    ciphertexts, partials = (product_of_powers([pair[side] for pair in pairs], weights, n2) for side in (0, 1))
    challenge, answer = int.from_bytes(proof[:CHALLENGE], "big"), int.from_bytes(proof[CHALLENGE:], "big")
    if gmpy2.gcd(partials, key.n) != 1:
        return False
    back = gmpy2.invert(gmpy2.powmod(check, challenge, n2), n2), gmpy2.invert(gmpy2.powmod(partials, 2 * challenge, n2), n2)
    announced = key.base(answer, bits=8 * _answer(key, members)) * back[0] % n2, gmpy2.powmod(ciphertexts, 4 * answer, n2) * back[1] % n2
    return _hash(b"keyong threshold equality v1", seed, _bytes(key, announced))[:CHALLENGE] == proof[:CHALLENGE]


def _pairs_seed(key: PublicKey, check: int, pairs: Sequence[tuple[Any, Any]], context: bytes) -> bytes:
    sides = [_bytes(key, [pair[side] for pair in pairs]) for side in (0, 1)]
    return _hash(b"keyong threshold partials v1", context, _bytes(key, (key.n, key.h, check)), *sides)


def _bytes(key: PublicKey, numbers: Sequence[Any]) -> bytes:
    return b"".join(int(number).to_bytes(key.size, "big") for number in numbers)


def _hash(*parts: bytes) -> bytes:
    """SHA-256 of the parts' hashes, so that none runs over into the next."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
