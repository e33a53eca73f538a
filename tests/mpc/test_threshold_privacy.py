"""What the adversary learns: the total, and nothing else. Carried out with the private keys of c dealers in its hands.

With them it decrypts its parts of every upload. Of the honest dealer's key it sees what is opened: the sum of the honest members' integers.
For two inputs with the same total there is a bijection between the coins under which all of this is equal, number for number, but for
coins whose share is below n in 2^64: so what is seen is equally distributed, and whatever is computed from it depends on the total alone.
(That ciphertexts under the honest dealer's key hide is the assumption on Paillier: docs/proofs/threshold.md.)
"""

from __future__ import annotations

import secrets

import phe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.encoding import encode
from mpc import threshold
from mpc.rings import ORDER, SCALARS
from mpc.secagg.terms import Vector
from mpc.threshold import packing
from mpc.threshold.packing import Layout, join, order, split
from tests.mpc.secure_sum import elements, one_round
from tests.mpc.threshold_sum import keyed, primes, uploaded


def as_words(part: Vector, values: list[int]):
    if part.ring is SCALARS:
        return SCALARS.from_bytes(b"".join((v % ORDER).to_bytes(32, "little") for v in values), len(values)).copy()
    return elements(values, part.bits)


class Tape:
    """Coins that were drawn beforehand, in the order in which `split` asks for them: shares of all keys but the last, then each key's ρ."""

    def __init__(self, part: Vector, ways: int, draw=secrets.token_bytes) -> None:
        self.part, self.size = part, part.ring.size
        self.shares = [int.from_bytes(draw(self.size), "little") % order(part) for _ in range(ways - 1)]
        self.spare = [int.from_bytes(draw(packing.SPARE), "little") for _ in range(ways)]

    def __call__(self, n: int) -> bytes:
        return next(self._coins)

    def split(self, x: int) -> list[int]:
        """One element's shares, as they are encrypted."""
        coins = [u.to_bytes(self.size, "little") for u in self.shares] + [r.to_bytes(packing.SPARE, "little") for r in self.spare]
        self._coins = iter(coins)
        return [share for (share,) in split(self.part, as_words(self.part, [x]), ways=len(self.spare), rand=self)]


def seen(tapes: list[Tape], inputs: list[int], honest: int) -> tuple[list[list[int]], int]:
    """What c dealers decrypt of each honest upload, and what opens under the *honest* dealer's key."""
    made = [tape.split(x) for tape, x in zip(tapes, inputs, strict=True)]
    return [[u for k, u in enumerate(shares) if k != honest] for shares in made], sum(shares[honest] for shares in made)


def moved(tapes: list[Tape], x: list[int], y: list[int], honest: int) -> list[Tape]:
    """The tapes under which *y* looks as *x* did: the honest dealer's shares make up for the difference, one ρ for what ran over."""
    part, before, other = tapes[0].part, seen(tapes, x, honest), []
    for tape, a, b in zip(tapes, x, y, strict=True):
        again = Tape(part, len(tape.spare))
        again.shares, again.spare = list(tape.shares), list(tape.spare)
        if honest < len(tape.shares):
            again.shares[honest] = (tape.shares[honest] + b - a) % order(part)
        other.append(again)
    over, rest = divmod(before[1] - seen(other, y, honest)[1], order(part))
    assert rest == 0
    assert abs(over) < len(tapes)
    other[0].spare[honest] += over
    return other


@given(st.sampled_from([32, 64, 128, 252]), st.integers(2, 4), st.integers(2, 6), st.data())
def test_what_is_seen_depends_on_the_total_alone(bits, ways, members, data):
    part = Vector("v", bits, 1)
    honest = data.draw(st.integers(0, ways - 1))
    numbers = st.one_of(st.integers(0, 3), st.integers(0, order(part) - 1))
    x = data.draw(st.lists(numbers, min_size=members, max_size=members))
    y = data.draw(st.lists(numbers, min_size=members - 1, max_size=members - 1))
    y.append((sum(x) - sum(y)) % order(part))
    tapes = [Tape(part, ways) for _ in x]
    other = moved(tapes, x, y, honest)
    assert seen(other, y, honest) == seen(tapes, x, honest)
    back = moved(other, y, x, honest)
    assert [(t.shares, t.spare) for t in back] == [(t.shares, t.spare) for t in tapes]


def test_the_argument_bites():
    """Without a change of tapes the sights differ, and no change of tapes hides a difference in the total."""
    part = Vector("v", 64, 1)
    tapes = [Tape(part, 2) for _ in range(3)]
    assert seen(tapes, [5, 6, 7], 0) != seen(tapes, [6, 5, 7], 0)
    with pytest.raises(AssertionError):
        moved(tapes, [5, 6, 7], [6, 6, 7], 0)


def test_without_spare_coins_the_sum_would_tell_of_single_members():
    """How often the sum of shares ran over: with known shares of 0 and no ρ, [7, 2^32 - 3] runs over and [3, 1] does not, at one total."""
    part = Vector("v", 32, 1)
    tapes = [Tape(part, 2, draw=bytes) for _ in range(2)]
    one, two = (seen(tapes, inputs, 1) for inputs in ([7, 2**32 - 3], [3, 1]))
    assert one[0] == two[0]
    assert (one[1] - two[1]) == 2**32


# --- with real keys ---------------------------------------------------------------------------------------


def decrypts(dealer: int, ciphertext: int) -> int:
    """With a dealer's private key, by phe."""
    p, q = primes(dealer)
    return phe.PaillierPrivateKey(phe.PaillierPublicKey(p * q), p, q).raw_decrypt(ciphertext)


def shares_read(upload_of: int, *, dealers: tuple[int, ...]) -> dict[int, list[int]]:
    """The shares modulo 2^32 that some dealers read in an upload of eight times the element *upload_of*."""
    fed, states = keyed(5, 2)
    round = one_round(length=8, bits=32)
    state, _, payloads = states["h04"].upload(round, {"v": elements([upload_of] * 8, 32)}, rand=secrets.token_bytes)
    layout = Layout.of(fed.terms, round, state.seat.keys)
    numbers, _ = layout.read(payloads, items=True, party="h04")
    read = {}
    for k in dealers:
        name = threshold.dealers(fed.terms)[k]
        integers = layout.unpack(name, round.vectors[0], [decrypts(k, c) for c in numbers[name]])
        read[k] = [integer % 2**32 for integer in integers]
    return read


@pytest.mark.parametrize("two", [(0, 1), (0, 2), (1, 2)])
def test_c_dealers_read_uniform_numbers(two):
    """c = 2 of three dealers: 512 bits of shares, of 0 and of 2^32 - 1; a false alarm once in 10^9 runs (6.2 sigma), for each."""
    for element in (0, 2**32 - 1):
        read = shares_read(element, dealers=two)
        for numbers in (read[two[0]], read[two[1]], [(a + b) % 2**32 for a, b in zip(*read.values(), strict=True)]):
            ones = sum(number.bit_count() for number in numbers)
            assert abs(ones - 128) < 6.2 * 8


def test_all_dealers_together_would_read_everything():
    """So the test before can fail; and so c + 1 dealers, not c."""
    read = shares_read(1234567, dealers=(0, 1, 2))
    assert join(Vector("v", 32, 8), list(read.values())) == elements([1234567] * 8, 32).tobytes()


def test_who_holds_c_shares_opens_nothing_alone():
    """t - 1 partials of the honest dealer's key do not open: tested for all sets in test_threshold_keys; here that no state holds more."""
    for name, state in keyed(5, 2)[1].items():
        assert state.seat.me == name
        assert len(state.seat.shares) == 3
        assert not any(share in encode(other) for share in state.seat.shares.values() for n, other in keyed(5, 2)[1].items() if n != name)


def test_sizes_depend_on_the_round_alone():
    fed, states = keyed(4)
    round = one_round(length=3, bits=128)
    sizes = {
        (len(encode(run.uploads["h03"])), len(run.payloads["h03"]["v"]))
        for values in ([0, 0, 0], [2**128 - 1] * 3)
        for run in [uploaded(fed, states, round, {"h03": {"v": elements(values, 128)}})]
    }
    assert len(sizes) == 1
