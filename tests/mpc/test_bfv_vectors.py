"""BFV known answers: keys and vectors as they were once written are read, and open to the same numbers.

Encryption draws from SEAL's own generator, so what can be fixed is the reading. ``python tests/mpc/test_bfv_vectors.py`` wrote the files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mpc import he

NOISE = {
    "public": 1,
    "seeded": 1,
    "sum": 2 + 1,
    "entries-summed": 5 + 1,
    "slice": 1 + 1,
}  # as of so many fresh encryptions: weight, and blinding
VECTORS = Path(__file__).parents[1] / "vectors/bfv"
X, Y = [1.5, -2.25, 100.0, -100.0, 0.0], [-0.75, 8.0, 100.0, -100.0, 0.25]
EXPECTED = {
    "public": X, "seeded": X, "sum": [a + b for a, b in zip(X, Y, strict=True)], "entries-summed": [sum(X)], "slice": X[1:3],
}  # fmt: skip


def key() -> he.bfv.BfvPrivateKey:
    return he.bfv.BfvPrivateKey.import_private((VECTORS / "key.bin").read_bytes())


@pytest.mark.parametrize("name", EXPECTED)
def test_vector(name):
    private, raw = key(), (VECTORS / f"{name}.bin").read_bytes()
    box = he.load(raw, private.public)
    assert private.decrypt(box).tolist() == EXPECTED[name]
    assert box.noise == NOISE[name] * private.public.parameters.fresh
    assert box.to_bytes() == raw


def test_key():
    assert key().public.id.hex() == (VECTORS / "key-id.txt").read_text().strip()
    assert key().export_private() == (VECTORS / "key.bin").read_bytes()


def write() -> None:
    VECTORS.mkdir(exist_ok=True)
    private = he.bfv.generate(bound=100, step=0.25, terms=6)
    box = private.public.encrypt(X)
    boxes = {
        "public": box,
        "seeded": private.encrypt(X),
        "sum": box + private.public.encrypt(Y),
        "entries-summed": box.sum(),
        "slice": box[1:3],
    }
    for name, made in boxes.items():
        (VECTORS / f"{name}.bin").write_bytes(made.to_bytes())
    (VECTORS / "key.bin").write_bytes(private.export_private())
    (VECTORS / "key-id.txt").write_text(private.public.id.hex() + "\n")


if __name__ == "__main__":
    write()
