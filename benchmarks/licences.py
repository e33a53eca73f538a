"""What it costs to verify a licence, and what the worst one that a delegate can make costs the verifier before it is refused.

    python benchmarks/licences.py [REPEATS]

Bars: a chain of three with six signatures in 2 ms, the worst hostile one in 5 ms. Beside it, where `pip install '.[bench]'` put it there,
biscuit-python 0.4: a token of five blocks that says about the same, and one that a holder made to keep its verifier busy.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "tests")]

import licensing  # noqa: E402

from governance import licences, notes  # noqa: E402
from governance.keys import SigningKey, Trust  # noqa: E402
from governance.licences import MOST_LINES, MOST_LINK, MOST_LINKS, MOST_TEXT, Licence, Request, Revocations  # noqa: E402
from governance.rights import Rights  # noqa: E402

NOW, REPEATS = 1_800_000_000, 200
BARS = {"chain of three, six signatures": 2.0, "worst hostile chain": 5.0}
AUTHORITY = tuple(SigningKey.generate(f"authority-{i}") for i in (1, 2, 3))
TRUST = Trust(tuple(key.public for key in AUTHORITY), 2)
KEYS = tuple(SigningKey.generate(f"operator-{i}") for i in range(8))
PLAN = licensing.plan(KEYS[0], *AUTHORITY[:2], now=NOW)
ALLOW = licensing.rights(PLAN.id, now=NOW, holders=("a", "b", "c"), dataset="heart", columns=("age", "dx", "sex"))
ROOT = licensing.link(ALLOW, *KEYS[:2], by=AUTHORITY[:2], threshold=2)
LIST = str(notes.write(Revocations(1, NOW, NOW + 9, ())).signed_by(*AUTHORITY[:2]))
REQUEST = Request(str(KEYS[0].public), "heart", {"age": 3}, "research", "describe@1", 10, ("a", "b", "c"))
JOIN = 22  # facts of the hostile token


def below(allows: list[Rights], *, by: tuple[SigningKey, ...] = KEYS[:2]) -> tuple[str, ...]:
    """The root and one link for each of *allows*, all signed as they must be."""
    chain = [ROOT]
    for allow in allows:
        chain.append(licensing.link(allow, *KEYS[:2], by=by, parent=chain[-1], threshold=2))
    return tuple(map(str, chain))


def read(chain: tuple[str, ...]) -> licences.Granted:
    """Without what was read before."""
    return licences.read.__wrapped__(chain, TRUST)


def judged(chain: tuple[str, ...]) -> None:
    licences.read.cache_clear()
    licences.covers(licences.in_force(chain, TRUST, plan=str(PLAN), revocations=LIST, now=NOW), REQUEST)


def fat(size: int, letter: str) -> Rights:
    """Rights whose text has about *size* characters, of many small names."""
    if letter.isascii():
        return Rights(holders=tuple(f"{letter}{i:04}" for i in range(size // 8)))
    return Rights(split={**dict.fromkeys((f"{letter * 46}{i:03}" for i in range(size // 56)), 0), letter: 10_000})


def hostile() -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a delegate, who may sign, can hand in."""
    yield "most links and signatures", below([Rights()] * (MOST_LINKS - 1))
    room = MOST_TEXT - 5_200
    wide = Rights(datasets={f"d{i:04}": tuple(f"c{n}" for n in range(8)) for i in range(room // 52)})
    for what, allow in (("names", fat(room, "h")), ("names, not ASCII", fat(room, "数")), ("datasets", wide)):
        yield f"as long as may be, {what}", below([allow])
        yield f"  and with most links, {what}", below([*[Rights()] * (MOST_LINKS - 2), allow])
    yield "a link beyond", below([fat(200, "h")] * MOST_LINKS)
    yield (
        "a flood of signature lines",
        (str(ROOT), str(replace(child := notes.read(below([Rights()])[1]), signatures=child.signatures * 60))),
    )
    yield "a note beyond", (str(ROOT), "x" * (MOST_LINK + 1))
    deep = '{"allow":' + "[" * 3000 + "]" * 3000 + "}"
    yield "nested", (str(ROOT), str(notes.Note(f"{Licence.kind}\n{deep}\n").signed_by(*KEYS[:2])))
    yield (
        "many forged lines",
        (str(ROOT), str(replace(child, signatures=tuple(replace(child.signatures[0], value=bytes(64)) for _ in range(12))))),
    )


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """CPU time; median of *repeats*."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        with suppress(Exception):  # a refusal is what is measured
            call()
        spent.append(1e3 * (time.process_time() - start))
    return statistics.median(spent)


def ours(repeats: int) -> dict[str, float]:
    three = below([Rights(use_count=5), Rights(methods=("describe@1",))])
    lines = sum(text.count("\n— ") for text in three)
    print(f"limits: {MOST_LINKS} links, {MOST_TEXT} characters of text, {MOST_LINES} signature lines")
    print(f"chain of three: {sum(map(len, three))} bytes, {lines} signatures")
    found = {"chain of three, six signatures": milliseconds(lambda: read(three), repeats)}
    print(f"{'  with revocations, plan and a request':<46}{milliseconds(lambda: judged(three), repeats):8.2f} ms")
    worst = {name: milliseconds(lambda chain=chain: judged(chain), repeats // 4) for name, chain in hostile()}
    for name, spent in worst.items():
        print(f"{'  ' + name:<46}{spent:8.2f} ms")
    return {**found, "worst hostile chain": max(worst.values())}


def theirs(repeats: int) -> None:
    """Biscuit: who holds a token may append blocks, whose rules the verifier evaluates."""
    try:
        from biscuit_auth import AuthorizerBuilder, Biscuit, BiscuitBuilder, BlockBuilder, KeyPair
    except ImportError:
        print("biscuit-python is not here: pip install '.[bench]'")
        return
    authority = KeyPair()
    token = BiscuitBuilder(
        'right("describe"); purpose("research"); check if method($m), right($m); check if asked($p), purpose($p);'
    ).build(authority.private_key)
    for rule in (
        'check if method("describe");',
        'check if asked("research");',
        "check if cell($c), $c >= 10;",
        "check if uses($u), $u <= 5;",
    ):
        token = token.append(BlockBuilder(rule))
    facts = 'method("describe"); asked("research"); cell(10); uses(1); allow if right("describe");'

    def decide(text: str) -> None:
        AuthorizerBuilder(facts).build(Biscuit.from_base64(text, authority.public_key)).authorize()

    bomb = "".join(f"x({i});" for i in range(JOIN)) + "y($a,$b,$c,$d) <- x($a), x($b), x($c), x($d);"
    good, bad = token.to_base64(), token.append(BlockBuilder(bomb)).to_base64()
    print(f"{'biscuit, five blocks, ' + str(len(token.to_bytes())) + ' bytes':<46}{milliseconds(lambda: decide(good), repeats):8.2f} ms")
    print(f"{'biscuit, a hostile block of ' + str(JOIN) + ' facts':<46}{milliseconds(lambda: decide(bad), 1):8.0f} ms")


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    found = ours(repeats)
    theirs(repeats)
    for name, bar in BARS.items():
        print(f"{name:<46}{found[name]:8.2f} ms  {'ok' if found[name] <= bar else 'MISSED'} (bar {bar:g} ms)")
    return any(found[name] > bar for name, bar in BARS.items())


if __name__ == "__main__":
    sys.exit(main())
