"""Two decrypted CKKS sums give the whole secret key; exact sums give nothing.

    python -m examples.ckks_attack

Li & Micciancio, eprint 2020/1533, against TenSEAL as it is installed. The attacker is anybody who sees ciphertexts (a coordinator that
adds them) and what came out (a result that was shared). A CKKS decryption is ``c0 + c1 s`` to the last bit, with the noise still in it:
an equation for the key s. TenSEAL gives its real part, ``m + conj(m)``, so that an equation has two unknowns, and two sums have as many
equations as unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np
import numpy.typing as npt
import tenseal as ts
from tenseal import sealapi

from mpc.he.bfv.parameters import ntt_primes
from mpc.he.seal import CIPHERTEXT, HEADER, PLAINTEXT, Room, file, unpacked

DEGREE, BITS, SCALE = 4096, (60, 49), 2.0**40
SLOTS = DEGREE // 2
PRIME, SPECIAL = ntt_primes(DEGREE, BITS)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """What an attacker sees of one sum: the ciphertext, and the numbers that were shared."""

    ciphertext: list[list[int]]
    shared: Numbers


def saved(made: object, words: int, *, plain: bool) -> list[int]:
    """The coefficients of what SEAL can save."""
    with file() as store:
        made.save(store.path)  # type: ignore[attr-defined]
        head = PLAINTEXT.size if plain else CIPHERTEXT.size
        body = unpacked(store.get(), head + HEADER.size + 8 + 8 * words)
    return [int(word) for word in np.frombuffer(body, "<u8", offset=len(body) - 8 * words)]


def tenseal_rounds(parties: list[list[Numbers]]) -> tuple[list[Round], list[int]]:
    """One sum for each list of parties' numbers, decrypted by TenSEAL; and the secret key, to compare with."""
    context = ts.context(ts.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=list(BITS), n_threads=1)
    context.global_scale = SCALE
    rounds = []
    for vectors in parties:
        boxes = [ts.ckks_vector(context, vector.tolist()) for vector in vectors]
        total = boxes[0]
        for box in boxes[1:]:
            total += box
        words = saved(total.ciphertext()[0], 2 * DEGREE, plain=False)
        rounds.append(Round([words[:DEGREE], words[DEGREE:]], np.array(total.decrypt())))
    return rounds, saved(context.secret_key().data, 2 * DEGREE, plain=True)[:DEGREE]


def recover(first: Round, second: Round) -> list[int]:
    """The words of the secret key, modulo the first prime, if what was shared are CKKS decryptions."""
    (g1, a1, b1), (g2, a2, b2) = ((encoded(2 * r.shared), *r.ciphertext) for r in (first, second))
    key = [0] * DEGREE
    for i in range(SLOTS):
        j = DEGREE - 1 - i  # the conjugate
        t1, t2 = g1[i] - a1[i] - a1[j], g2[i] - a2[i] - a2[j]  # b1[i] s[i] + b1[j] s[j], and so on
        inverse = pow(b1[i] * b2[j] - b1[j] * b2[i], -1, PRIME)
        key[i] = (t1 * b2[j] - t2 * b1[j]) * inverse % PRIME
        key[j] = (b1[i] * t2 - b2[i] * t1) * inverse % PRIME
    return key


def encoded(numbers: Numbers) -> list[int]:
    room, plain = Room(DEGREE, (PRIME,), SPECIAL), sealapi.Plaintext()
    sealapi.CKKSEncoder(room.context).encode(numbers.tolist(), SCALE, plain)
    return saved(plain, DEGREE, plain=True)


def found(guess: list[int], key: list[int]) -> int:
    """How many words of the key are right."""
    return sum(a == b for a, b in zip(guess, key, strict=True))


def main() -> None:
    rng = np.random.default_rng(0)
    parties = [[rng.uniform(-1e3, 1e3, SLOTS) for _ in range(3)] for _ in range(2)]
    rounds, key = tenseal_rounds(parties)
    click.echo(f"CKKS decryptions of two sums: {found(recover(*rounds), key)} of {DEGREE} words of the secret key")
    exact = [Round(r.ciphertext, sum(np.rint(x * 2**20) for x in vectors) / 2**20) for r, vectors in zip(rounds, parties, strict=True)]
    click.echo(f"exact sums of the same numbers: {found(recover(*exact), key)} of {DEGREE}")


if __name__ == "__main__":
    main()
