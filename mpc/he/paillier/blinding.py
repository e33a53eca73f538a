"""Blinds: random encryptions of zero, each good for one ciphertext.

A blind is ``h^(n·r)`` modulo n², with a fixed public base h, so that all are made from one table of its powers. Exponents r have half of
n's bits (Damgård, Jurik & Nielsen, "A generalization of Paillier's public-key system", IJIS 2010, section 4.2: secure if deciding n-th
residues is hard and factoring is), or 512 bits under a key with hidden subgroups (`mpc.he.paillier.keys`).
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from math import prod
from typing import Any, NoReturn

import gmpy2
import numpy as np

from governance.errors import UsageError
from mpc.he.layout import need, whole
from mpc.he.paillier.units import Comb, Halves, Integer, Powers, comb_tables, raised
from mpc.rings import Rand

Tables = Callable[[Integer, Integer, Integer, Comb], list[Powers]]
CHUNK = 64  # blinds that one call of an executor makes
SHAPES = ((0, 10, 8), (1000, 12, 8))  # teeth and tables, from that many blinds at once: larger ones take longer to build


@dataclass(slots=True, eq=False, repr=False)
class Pool:
    """Blinds made ahead of time. Each is handed out once and forgotten; they are never written anywhere, nor used after a fork."""

    key_id: bytes
    _blinds: list[Halves]
    _pid: int = field(default_factory=os.getpid)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._blinds)

    def __repr__(self) -> str:
        return f"<pool of {len(self)} blinds for key {self.key_id[:4].hex()}>"

    def take(self, count: int, key_id: bytes) -> list[Halves]:
        """*count* blinds for the key with this id."""
        if os.getpid() != self._pid:
            raise UsageError("a pool is not used after a fork: both processes would blind alike")
        if key_id != self.key_id:
            raise UsageError("the pool belongs to another key")
        with self._lock:
            if count > len(self._blinds):
                raise UsageError(f"the pool holds {len(self._blinds)} blinds, {count} are needed: make more with key.public.pool(count)")
            taken = self._blinds[len(self._blinds) - count :]
            del self._blinds[len(self._blinds) - count :]
        return taken

    def __reduce__(self) -> NoReturn:
        raise UsageError("a pool is neither copied, written nor sent, for a blind serves once: make another with key.public.pool(count)")


def make_tables(modulus: Integer, n: Integer, h: Integer, comb: Comb) -> list[Powers]:
    """Of ``h^n`` modulo *modulus* squared, which is n or a factor of it."""
    return comb_tables(gmpy2.powmod(h, n, n * n) % (modulus * modulus), modulus, comb)


def kept_tables() -> Tables:
    """`make_tables`, with a memory of its own: a private key's is forgotten with the key."""
    return lru_cache(maxsize=4)(make_tables)


_tables = kept_tables()  # of public keys; in an executor's workers of private ones too, until the workers end


def blinds(
    factors: tuple[Integer, ...],
    h: Integer,
    *,
    count: int,
    bits: int,
    executor: Executor | None = None,
    rand: Rand = secrets.token_bytes,
    kept: Tables = _tables,
) -> list[Halves]:
    """*count* blinds, ``h^(n·r)`` with r of *bits* bits or a few more. *factors* of n are n, or p and q: then it takes less time.

    *kept* makes tables, or has them; an executor's workers have their own.
    """
    if whole(count, "count") < 0:
        raise UsageError(f"count must be 0 or more, got {count}")
    teeth, tables = max((least, *shape) for least, *shape in SHAPES if count >= least)[1:]
    comb = Comb.over(bits, teeth=teeth, tables=tables)
    stride = 2 * comb.digits
    coins = rand(count * stride)
    if executor is None:
        return blinds_from(factors, h, comb, coins, kept)
    return spread(executor, partial(blinds_from, factors, h, comb), coins, each=CHUNK * stride)


def spread(executor: Executor, task: Callable[[Any], list[Any]], items: Sequence[Any], *, each: int) -> list[Any]:
    """What *task* makes of *items*, *each* at a time, in the threads or processes of *executor*."""
    parts = [items[at : at + each] for at in range(0, len(items), each)]
    return list(chain.from_iterable(need(executor, Executor, ", such as concurrent.futures.ProcessPoolExecutor(2)").map(task, parts)))


def blinds_from(factors: tuple[Integer, ...], h: Integer, comb: Comb, coins: bytes, kept: Tables = _tables) -> list[Halves]:
    """The blinds whose exponents have the digits *coins*: 16 bits each, of which as many count as the comb has teeth."""
    n = prod(factors)
    digits = np.frombuffer(coins, "<u2").reshape(-1, comb.columns, comb.tables) & ((1 << comb.teeth) - 1)
    halves = [raised(kept(factor, n, h, comb), factor, digits) for factor in factors]
    return halves[0] if len(factors) == 1 else list(_joined(*factors, *halves))


def _joined(p: Integer, q: Integer, at_p: list[Halves], at_q: list[Halves]) -> Iterator[Halves]:
    """Modulo p²q² from modulo p² and modulo q²."""
    n, p2, q2 = p * q, p * p, q * q
    inverse = gmpy2.invert(p2, q2)
    for (rp, bp), (rq, bq) in zip(at_p, at_q, strict=True):
        x, y = rp + bp * p, rq + bq * q
        b, r = gmpy2.f_divmod(x + (y - x) * inverse % q2 * p2, n)
        yield r, b
