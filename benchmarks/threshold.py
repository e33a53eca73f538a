"""Sums under threshold keys: CPU time of a node by step, and bytes, for rosters and vectors.

    python benchmarks/threshold.py [--members 3 5 10] [--lengths 130 10000] [--bits 3072] [--nodes 1]

One vector modulo 2^128, c = 1, two dealers, all members upload. On one core (use taskset). Each time is a node's, the median of those
who took the step, of --nodes members where it opens. The last lines are the same round's by `mpc.secagg`.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from governance.encoding import encode
from mpc import secagg, threshold
from mpc.he.paillier.safe_primes import safe_prime
from mpc.rings import ring


class Clock:
    """CPU milliseconds by what was done."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def __call__(self, name: str, do: Callable[..., Any], *args: Any, **named: Any) -> Any:
        start = time.process_time()
        result = do(*args, **named)
        self.spent.setdefault(name, []).append(1e3 * (time.process_time() - start))
        return result

    def report(self) -> str:
        return ", ".join(f"{name} {statistics.median(times):,.0f}" for name, times in self.spent.items())


def terms_of(n: int) -> tuple[secagg.Terms, dict[str, bytes]]:
    private = {f"h{i:02d}": X25519PrivateKey.generate() for i in range(n)}
    members = [secagg.Member(name, secrets.token_bytes(32), key.public_key().public_bytes_raw()) for name, key in private.items()]
    return secagg.Terms(secrets.token_bytes(32), tuple(members), 1), {name: key.private_bytes_raw() for name, key in private.items()}


def words(length: int) -> dict[str, Any]:
    return {"v": ring(128).from_bytes(secrets.token_bytes(16 * length), length).copy()}


def keys(n: int, bits: int, primes: list[int], clock: Clock) -> dict[str, threshold.Keyed]:
    terms, private = terms_of(n)
    dealt, deals = {}, {}
    for i, name in enumerate(private):
        pair = (primes[2 * i], primes[2 * i + 1]) if i < 2 else None
        dealing = threshold.Dealing(terms, name, private[name])
        dealt[name], deal = clock("deal", dealing.deal, bits, primes=pair) if pair else dealing.deal(bits)
        if deal:
            deals[name] = deal
    print(f"n = {n}: a deal has {len(encode(deals['h00'])):,} bytes")
    held = {name: dealt[name].receive(deals) for name in list(dealt)[:-1]}
    held["last"] = clock("check shares", dealt[list(dealt)[-1]].receive, deals)
    return {state.seat.me: state for state in held.values()}


def one_round(states: dict[str, threshold.Keyed], length: int, nodes: int) -> None:
    clock, round = Clock(), secagg.Round(0, 0, bytes(32), (secagg.Vector("v", 128, length),))
    names, here, uploads, payloads = list(states), {}, {}, {}
    for name in names:
        here[name], uploads[name], payloads[name] = clock("upload", states[name].upload, round, words(length))
    partials, parts, opening, consents = {}, {}, {}, {}
    answering = names[: max(nodes, states[names[0]].seat.terms.threshold)]
    for name in answering:
        here[name], consents[name] = clock("check and consent", here[name].receive, uploads, payloads)
    for name in answering:
        opening[name], partials[name], parts[name] = clock("decrypt", here[name].receive, consents)
    for name in names[:nodes]:
        clock("open", opening[name].receive, partials, parts)
    up, down = len(payloads[names[0]]["v"]), len(parts[names[0]]["v"])
    print(f"n = {len(names)}, {length:,} elements: {clock.report()} ms; {up:,} + {down:,} bytes up", flush=True)


def by_secagg(n: int, length: int) -> None:
    terms, private = terms_of(n)
    clock, round = Clock(), secagg.Round(0, 0, bytes(32), (secagg.Vector("v", 128, length),))
    states, uploads, payloads = {}, {}, {}
    for name in private:
        ready = secagg.Ready(terms, name, private[name])
        states[name], uploads[name], payloads[name] = clock("upload", ready.open, round, words(length))
    consents, reveals = {}, {}
    for name in private:
        states[name], consents[name] = clock("consent", states[name].receive, uploads)
    for name in private:
        states[name], reveals[name] = clock("reveal", states[name].receive, consents)
    clock("open", states["h00"].receive, reveals, payloads)
    print(f"secagg, n = {n}, {length:,} elements: {clock.report()} ms; {len(payloads['h00']['v']):,} bytes up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--lengths", type=int, nargs="+", default=[130, 10_000])
    parser.add_argument("--bits", type=int, default=3072)
    parser.add_argument("--nodes", type=int, default=1)
    args = parser.parse_args()
    clock = Clock()
    primes = [clock("a safe prime", safe_prime, args.bits // 2) for _ in range(6)]
    times = clock.spent["a safe prime"]
    print(f"{args.bits}-bit keys: a safe prime {np.mean(times):,.0f} ms on average, {min(times):,.0f} to {max(times):,.0f}")
    for n in args.members:
        clock = Clock()
        states = keys(n, args.bits, primes, clock)
        print(f"n = {n}: {clock.report()} ms")
        for length in args.lengths:
            one_round(states, length, args.nodes)
    for n in args.members:
        for length in args.lengths:
            by_secagg(n, length)


if __name__ == "__main__":
    main()
