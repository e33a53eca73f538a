"""Masking of one member's vectors for upload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from governance.errors import UsageError
from mpc.rings import Rand, Words
from mpc.secagg import bits, masks
from mpc.secagg.keys import Schedule, pair
from mpc.secagg.terms import Vector

Masked = dict[str, memoryview]


def masked(
    schedule: Schedule, words: Mapping[str, Words], keys: Mapping[str, bytes], *, me: str, rand: Rand
) -> tuple[Masked, dict[str, bytes]]:
    """The masked vectors as bytes, and their SHA-256 digests, by vector name; a proved one with blinders and proofs (`mpc.secagg.bits`).

    *words* are masked where they are and made read-only: no plain copy stays behind, and the same array cannot be masked again.
    *keys* holds this round's pair key with each member who masks with us, and under our own name the seed of the self mask, if any.
    *rand* makes blinders and proofs, and nothing else.
    """
    vectors = schedule.round.vectors
    if words.keys() != {v.name for v in vectors}:
        raise UsageError(f"the round sums {', '.join(v.name for v in vectors)}; give exactly these vectors")
    for vector in vectors:
        vector.ring.check(words[vector.name], vector.length)
        if not (words[vector.name].flags.c_contiguous and words[vector.name].flags.writeable):
            raise UsageError(f"the vector {vector.name} must be contiguous and writeable: it is masked in place, and but once")
    payloads = {}
    for vector in vectors:
        plain = words[vector.name]
        if vector.proved:
            blinders, proofs = bits.prove(schedule, vector, plain, me=me, rand=rand)
            parts = [_masked(schedule, vector, plain, keys=keys, me=me), _masked(schedule, vector.blinders, blinders, keys=keys, me=me)]
            payloads[vector.name] = memoryview(b"".join([*parts, proofs]))
        else:
            payloads[vector.name] = _masked(schedule, vector, plain, keys=keys, me=me)
    return payloads, {name: hashlib.sha256(payload).digest() for name, payload in payloads.items()}


def _masked(schedule: Schedule, vector: Vector, words: Words, *, keys: Mapping[str, bytes], me: str) -> memoryview:
    plus: list[bytes] = []
    minus: list[bytes] = []
    for other, key in keys.items():
        ends = pair(me, other)
        (plus if ends[0] == me else minus).append(schedule.mask(key, ends, vector))
    masks.apply(vector.ring, words, plus=plus, minus=minus)
    words.flags.writeable = False
    return words.data.cast("B")
