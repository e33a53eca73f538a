"""Secure sum against Flower's SecAgg+ (flwr 1.42) in the same run: CPU time by phase, one mask against raw AES, exactness.

    python benchmarks/secagg.py [--peer-python benchmarks/peers/flower/.venv/bin/python] [--members 10 50] [--length 1000000] [--repeat 3]

One vector modulo 2^32, a tenth of the members gone before they upload, on one core (use taskset). Flower runs in an environment of its
own, which benchmarks/peers/flower.sh makes; the two alternate, and medians are compared. A node's part is compared without what Flower
does not do (signatures and the check of the total, PRIVACY 2), which is timed and printed apart.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from governance.envelope import open_signed, sign
from governance.keys import SigningKey
from mpc import secagg
from mpc.encoding import FixedPoint
from mpc.rings import ring
from mpc.secagg import masks, opening

PEERS = Path(__file__).parent / "peers"
CLIP = 8.0
BARS = {10: (6, 12), 50: (10, 50)}  # how many times less than Flower: a node, the coordinator's unmasking
MASK_BAR = 1.7


class Clock:
    """CPU seconds by phase."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def __call__(self, phase: str, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        start = time.process_time()
        result = call(*args, **named)
        self.spent.setdefault(phase, []).append(time.process_time() - start)
        return result

    def median(self, phase: str) -> float:
        return statistics.median(self.spent[phase])


class Federation:
    """All members of one sum in this process."""

    def __init__(self, members: int, length: int) -> None:
        self.names = [f"h{i:03d}" for i in range(members)]
        self.signing = {name: SigningKey.generate(name) for name in self.names}
        self.agree = {name: X25519PrivateKey.generate() for name in self.names}
        self.terms = secagg.Terms(secrets.token_bytes(32), tuple(map(self._member, self.names)), 1)
        self.round = secagg.Round(number=0, attempt=0, state=bytes(32), vectors=(secagg.Vector("weights", 32, length),))
        self.code = FixedPoint(CLIP, members, 32)
        self.keys = self.terms.keys

    def _member(self, name: str) -> secagg.Member:
        return secagg.Member(name, self.signing[name].public.public, self.agree[name].public_key().public_bytes_raw())

    def vector(self, name: str) -> np.ndarray[Any, Any]:
        length = self.round.vectors[0].length
        return np.random.default_rng(int(name[1:])).normal(0, 0.1, length).astype(np.float32)

    def run(self, clock: Clock) -> bool:
        """One sum, the first tenth of the members missing; whether its totals are right to the bit."""
        here = self.names[len(self.names) // 10 :]
        states, uploads, payloads, signed = {}, {}, {}, {}
        for name in here:
            values, ready = self.vector(name), secagg.Ready(self.terms, name, self.agree[name].private_bytes_raw())
            words = clock("encode", self.code.encode, values)
            states[name], uploads[name], payloads[name] = clock("mask and deal", ready.open, self.round, {"weights": words})
            signed[name] = clock("sign", sign, self.signing[name], uploads[name])
        consents = {}
        for name in here:
            states[name], consents[name] = clock("consent", states[name].receive, uploads)
        reveals = {}
        for name in here:
            states[name], reveals[name] = clock("reveal", states[name].receive, consents)
        for _ in range(3):
            clock("verify signatures", self._open_all, signed.values())
        total = self._coordinate(clock, uploads, reveals, payloads)
        checked = clock("check the total", states[here[0]].receive, reveals, payloads)
        return bool(total == self._plain(here) == checked.totals["weights"])

    def _open_all(self, signed: Sequence[bytes]) -> None:
        for raw in signed:
            open_signed(raw, self.keys, secagg.Upload)

    def _coordinate(self, clock: Clock, uploads: Any, reveals: Any, payloads: Any) -> bytes:
        tally = secagg.Tally(self.terms, self.round, clock("admit", secagg.admit, self.terms, self.round, uploads))
        sums = clock("hash and add", opening.gather, self.round, tally.pledges, payloads)
        clock("unmask", self._unmask, tally, reveals, sums[self.round.vectors[0]])
        return ring(32).to_bytes(sums[self.round.vectors[0]])

    def _unmask(self, tally: secagg.Tally, reveals: Any, words: Any) -> None:
        lifted, _ = opening.recover(tally, reveals)
        opening.unmask(tally, self.round.vectors[0], lifted, into=words)

    def _plain(self, here: list[str]) -> bytes:
        total = ring(32).zeros(self.round.vectors[0].length)
        for name in here:
            ring(32).add(total, self.code.encode(self.vector(name)))
        return ring(32).to_bytes(total)


def one_mask(length: int) -> dict[str, float]:
    """Cost of one mask over that of the keystream alone, by ring; the same bytes, interleaved."""
    size = 4 * length
    zeros, out, clock = bytes(size), bytearray(size), Clock()
    vectors = {bits: ring(bits).zeros(size * 8 // bits) for bits in (32, 64, 128)}
    for _ in range(31):
        clock("raw", _raw, zeros, out)
        for bits, words in vectors.items():
            clock(f"{bits}", masks.apply, ring(bits), words, plus=[secrets.token_bytes(32)])
    return {f"2^{bits}": clock.median(f"{bits}") / clock.median("raw") for bits in vectors}


def _raw(zeros: bytes, out: bytearray) -> None:
    Cipher(algorithms.AES256(secrets.token_bytes(32)), modes.CTR(bytes(16))).encryptor().update_into(zeros, out)


def flower(python: Path, members: int, length: int, threshold: int) -> dict[str, Any]:
    numbers = map(str, (members, length, threshold, members // 10))
    run = subprocess.run([python, PEERS / "flower_secagg.py", *numbers], check=True, capture_output=True, text=True)
    return dict(json.loads(run.stdout))


def compare(members: int, length: int, *, repeat: int, python: Path | None) -> bool:
    federation, clock, peer, exact = Federation(members, length), Clock(), [], True
    for _ in range(repeat):
        exact &= federation.run(clock)
        if python:
            peer.append(flower(python, members, length, federation.terms.threshold))
    print(f"\nn = {members}, d = {length}, {members // 10} dropped, t = {federation.terms.threshold}: CPU ms, medians of {repeat} runs")
    print(f"  totals exact to the bit, coordinator and node: {'yes' if exact else 'NO'}")
    for phase in clock.spent:
        print(f"  {phase:<20}{1e3 * clock.median(phase):10.2f}")
    node = sum(map(clock.median, ("encode", "mask and deal", "sign", "consent", "reveal")))
    print(f"  node, all but checks{1e3 * node:10.2f}")
    return exact and (not peer or _judge(members, peer, node=node, unmask=clock.median("unmask")))


def _judge(members: int, peer: list[dict[str, Any]], *, node: float, unmask: float) -> bool:
    client = statistics.median(sum(run["client"].values()) for run in peer)
    server = statistics.median(run["server"]["unmask"] for run in peer)
    ratios = client / node, server / unmask
    bars = BARS.get(members, (0, 0))
    print(f"  Flower: client {1e3 * client:.1f}, server's unmasking {1e3 * server:.1f}, error of the mean {peer[0]['error']:.1e}")
    for what, ratio, bar in zip(("node", "unmasking"), ratios, bars, strict=True):
        print(f"  {what}: 1/{ratio:.1f} of Flower's (bar 1/{bar}) {'ok' if ratio >= bar else 'MISSED'}")
    return all(ratio >= bar for ratio, bar in zip(ratios, bars, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, default=PEERS / "flower/.venv/bin/python", help="Python of Flower's environment")
    parser.add_argument("--members", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--length", type=int, default=10**6)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    python = options.peer_python if options.peer_python.exists() else None
    if python is None:
        print(f"Flower is not measured: {PEERS / 'flower.sh'} makes its environment; only our own times follow")
    costs = one_mask(options.length)
    print("one mask over raw AES-256-CTR: " + ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items()) + f" (bar {MASK_BAR})")
    met = [costs["2^32"] <= MASK_BAR, costs["2^64"] <= MASK_BAR]
    met += [compare(n, options.length, repeat=options.repeat, python=python) for n in options.members]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
