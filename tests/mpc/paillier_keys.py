"""Two fixed Paillier keys of 2048 bits, for tests alone: everybody may read them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mpc import he

VECTORS = Path(__file__).parents[1] / "vectors/paillier"


@cache
def test_key(profile: str = "safe") -> he.paillier.PaillierPrivateKey:
    name = "safe" if profile == "safe" else "fast"
    return he.paillier.PaillierPrivateKey.import_private(bytes.fromhex((VECTORS / f"test-key-{name}-2048.hex").read_text()))


test_key.__test__ = False  # type: ignore[attr-defined]


def box_of(values, *, key=None, bound=1e4, step=2**-16, terms=16, **options):
    return (key or test_key()).public.encrypt(values, bound=bound, step=step, terms=terms, **options)
