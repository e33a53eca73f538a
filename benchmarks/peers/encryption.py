"""The peers of `benchmarks/he.py`, each used as its own documentation does: phe, HEU (sf-heu) and TenSEAL.

phe and HEU are linear in the number of values, so they are timed on samples and given in seconds a value; their serialisation is left
out, in their favour. TenSEAL runs in full. Every result is checked: a wrong one raises, for it has no time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import phe
import tenseal
from heu import numpy as heu_numpy
from heu import phe as heu_phe

Floats = np.ndarray[Any, np.dtype[np.float64]]
Timer = Callable[..., Any]  # timer(work, call, *args, values=…, again=…): what the call returns
CENTS = 10**8  # HEU's scale: steps of 1e-8
CONTEXTS = {  # of TenSEAL: degree, and bits of the primes
    "minimal": (4096, (60, 49)),
    "tutorial": (8192, (60, 40, 40, 60)),
    "matrix": (8192, (60, 40, 60)),  # what is smaller returns garbage here without a word
}


class WrongResultError(Exception):
    """A library's answer is not the sum or the product that was asked for."""


def right(what: str, got: Any, wanted: Any, *, within: float) -> None:
    error = float(np.abs(np.asarray(got, dtype=np.float64).reshape(-1) - np.asarray(wanted, dtype=np.float64).reshape(-1)).max())
    if not error <= within:
        raise WrongResultError(f"{what} is off by {error:.3g}, at most {within:.3g} is right")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what a library writes by itself out of the table; shows it if the call fails."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept[1], said.read())
            raise
        finally:
            for stream, copy in enumerate(kept, 1):
                os.dup2(copy, stream)
                os.close(copy)


class Phe:
    """python-paillier as it comes: floats of any exponent, r^n for each."""

    def __init__(self, bits: int) -> None:
        self.name = f"phe {bits}"
        self.count = 60 if bits == 2048 else 20
        self.public, self.private = phe.generate_paillier_keypair(n_length=bits)

    def sample(self, timer: Timer, a: Floats, b: Floats) -> None:
        n = self.count
        x = timer(f"{self.name} encrypt", lambda: [self.public.encrypt(float(v)) for v in a[:n]], values=n)
        y = [self.public.encrypt(float(v)) for v in b[:n]]
        total = timer(f"{self.name} add", lambda: [u + v for u, v in zip(x, y, strict=True)], values=n, again=20)
        opened = timer(f"{self.name} decrypt", lambda: [self.private.decrypt(c) for c in total], values=n)
        right(self.name, opened, a[:n] + b[:n], within=1e-9)

    def product(self, timer: Timer, x: Floats, weights: Floats, *, columns: int, bits: int = 24) -> None:
        """Encrypted *x* times the first *columns* of *weights*, in fixed point of *bits* bits; seconds a column."""
        numbers = [self.public.encrypt(int(v)) for v in np.rint(x * 2.0**bits)]
        whole = np.rint(weights * 2.0**bits).astype(np.int64)

        def multiply() -> list[Any]:
            rows = [[number * int(w) for number, w in zip(numbers, whole[:, j], strict=True)] for j in range(columns)]
            return [sum(row[1:], start=row[0]) for row in rows]

        total = timer(f"{self.name} product", multiply, values=columns)
        right(self.name, [self.private.decrypt(c) / 4.0**bits for c in total], (x @ weights)[:columns], within=1e-1)


class Heu:
    """SecretFlow's HEU, two values in a ciphertext (its batch encoder has no more)."""

    def __init__(self, scheme: str, bits: int) -> None:
        self.name = f"HEU {scheme}-batch2 {bits}"
        self.count = 3000 if scheme == "OU" else 500 if bits == 2048 else 200
        with quiet():
            self.kit = heu_numpy.setup(getattr(heu_phe.SchemaType, scheme), bits)

    def sample(self, timer: Timer, a: Floats, b: Floats) -> None:
        n, kit = 2 * self.count, self.kit
        encryptor, decryptor, evaluator = kit.encryptor(), kit.decryptor(), kit.evaluator()
        with quiet():
            x, y = (kit.array(v[:n].reshape(-1, 2), heu_phe.BatchFloatEncoderParams(CENTS)) for v in (a, b))
            left = timer(f"{self.name} encrypt", lambda: encryptor.encrypt(x), values=n)
            rest = encryptor.encrypt(y)
            total = timer(f"{self.name} add", evaluator.add, left, rest, values=n, again=10)
            few, encoder = min(self.count // 4, 250), kit.batch_float_encoder(CENTS)
            some, shown = total[:few], 2 * few
            opened = timer(f"{self.name} decrypt", lambda: decryptor.decrypt(some).to_numpy(encoder), values=shown)
        right(self.name, opened, (a + b)[:shown], within=1e-6)


class TenSeal:
    """CKKS of TenSEAL, public-key encryption, one thread."""

    def __init__(self, name: str, parameters: tuple[int, tuple[int, ...]]) -> None:
        self.name = f"TenSEAL {name}"
        degree, moduli = parameters
        self.context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=list(moduli), n_threads=1)
        self.context.global_scale = 2.0**40

    def encrypt(self, timer: Timer, x: Floats) -> None:
        """Public-key encryption alone, of a list that is ready."""
        values = x.tolist()
        with quiet():
            box = timer(f"{self.name} encrypt", lambda: tenseal.ckks_vector(self.context, values), values=len(values))
            right(self.name, box.decrypt(), x, within=1e-5)

    def total(self, timer: Timer, vectors: Floats) -> None:
        """Encrypt and write, read and add, open: all of it."""
        with quiet():
            opened = timer(f"{self.name} sum", self._sum, vectors)
        right(self.name, opened, vectors.sum(axis=0), within=1e-4)

    def _sum(self, vectors: Floats) -> Any:
        total = None
        for x in vectors:
            raw = tenseal.ckks_vector(self.context, x).serialize()
            box = tenseal.ckks_vector_from(self.context, raw)
            total = box if total is None else total + box
        return total.decrypt()

    def product(self, timer: Timer, x: Floats, weights: Floats) -> None:
        if not self.context.has_galois_keys():
            self.context.generate_galois_keys()
        box, plain = tenseal.ckks_vector(self.context, x.tolist()), weights.tolist()
        out = timer(f"{self.name} product", lambda: box.mm(plain))
        right(self.name, out.decrypt(), x @ weights, within=1.0)
