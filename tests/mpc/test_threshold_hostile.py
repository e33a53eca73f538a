"""One lie at a time: deals, uploads, partial decryptions; and the attacks on malleable ciphertexts, carried out."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace

import gmpy2
import pytest

from governance.encoding import encode
from governance.envelope import open_signed, sign
from governance.errors import DecodeError, IntegrityError, PeerError, QuorumLost, Unavailable, UsageError
from mpc import secagg, threshold
from mpc.he.paillier import proofs
from mpc.he.paillier import threshold as paillier
from mpc.he.paillier.threshold import PublicKey, combine
from mpc.threshold import dealing, opening
from mpc.threshold.keys import Key
from mpc.threshold.packing import Layout
from tests.mpc.secure_sum import coins, elements, federation, one_round, secret, without
from tests.mpc.threshold_sum import Run, consented, dealings, decrypted, encrypting, fresh, keyed, opened, primes, some_words, uploaded

FED, ROUND = federation(4), one_round()


def answered() -> Run:
    """Four members, t = 3, who have uploaded, consented, and sent their partial decryptions."""
    return _answered().copied()


@functools.cache
def _answered() -> Run:
    return decrypted(fresh())


# --- deals -----------------------------------------------------------------------------------------------


def a_key(change) -> threshold.Key:
    return change(dealings(4)[2]["h01"].key)


def bent(name: str, by) -> object:
    """A deal in which the check of one member is changed."""
    return lambda key: replace(key, checks={**key.checks, name: by(key.checks[name])})


DEAL_LIES = {
    "another job": lambda d: replace(d, job=secret("another")),
    "another roster": lambda d: replace(d, root=secret("another")),
    "another's name": lambda d: replace(d, sender="h00"),
    "a small modulus": lambda d: replace(d, key=replace(d.key, modulus=primes(1)[0].to_bytes(128, "big"))),
    "a modulus with leading zeros": lambda d: replace(d, key=replace(d.key, modulus=b"\0" + d.key.modulus)),
    "an even modulus": lambda d: replace(d, key=replace(d.key, modulus=d.key.modulus[:-1] + b"\0")),
    "no modulus": lambda d: replace(d, key=replace(d.key, modulus=b"")),
    "a short h": lambda d: replace(d, key=replace(d.key, h=d.key.h[1:])),
    "a long h": lambda d: replace(d, key=replace(d.key, h=b"\0" + d.key.h)),
    "h of 1": lambda d: replace(d, key=replace(d.key, h=bytes(511) + b"\1")),
    "a check too few": lambda d: replace(d, key=replace(d.key, checks=without(d.key.checks, "h03"))),
    "a check too many": lambda d: replace(d, key=replace(d.key, checks={**d.key.checks, "x": d.key.checks["h00"]})),
    "a short check": lambda d: replace(d, key=bent("h02", lambda v: v[1:])(d.key)),
    "a false check": lambda d: replace(d, key=bent("h02", lambda v: v[:-1] + bytes([v[-1] ^ 1]))(d.key)),
    "a check of 0": lambda d: replace(d, key=bent("h02", lambda v: bytes(512))(d.key)),
    "a check above n²": lambda d: replace(d, key=bent("h02", lambda v: b"\xff" * 512)(d.key)),
    "a check that is no unit": lambda d: replace(d, key=bent("h02", lambda v: primes(1)[0].to_bytes(512, "big"))(d.key)),
    "swapped checks": lambda d: replace(
        d, key=replace(d.key, checks={**d.key.checks, "h00": d.key.checks["h01"], "h01": d.key.checks["h00"]})
    ),
    "a box too few": lambda d: replace(d, sealed=without(d.sealed, "h03")),
    "a box for itself": lambda d: replace(d, sealed={**d.sealed, "h01": d.sealed["h00"]}),
    "a short box": lambda d: replace(d, sealed={**d.sealed, "h03": d.sealed["h03"][1:]}),
}


@pytest.mark.parametrize("lie", DEAL_LIES)
def test_a_deal_that_cannot_stand_names_its_dealer(lie):
    fed, states, deals = dealings(4)
    false = {**deals, "h01": DEAL_LIES[lie](deals["h01"])}
    for look in (lambda: states["h02"].receive(false), lambda: threshold.keys(fed.terms, false)):
        with pytest.raises(PeerError) as error:
            look()
        assert error.value.facts == {"party": "h01"}


def test_only_dealers_deal_and_all_of_them_must():
    _, states, deals = dealings(4)
    with pytest.raises(PeerError, match="no dealer") as error:
        states["h02"].receive({**deals, "h03": replace(deals["h01"], sender="h03")})
    assert error.value.facts == {"party": "h03"}
    with pytest.raises(Unavailable, match="keys are missing") as late:
        states["h02"].receive(without(deals, "h01"))
    assert late.value.facts == {"waiting": ["h01"]}


def test_my_deal_must_be_in_as_i_made_it():
    _, states, deals = dealings(4)
    with pytest.raises(PeerError, match="ours as we dealt it"):
        states["h00"].receive({**deals, "h00": deals["h01"]})
    with pytest.raises(Unavailable):
        states["h00"].receive(without(deals, "h00"))


def lying(share_of: object = int, degree: int = 0, label: str = "liar", h: object = int) -> threshold.Deal:
    """What h01 deals if it makes the key with another threshold or h, or seals other shares than it should."""
    fed, rand = dealings(4)[0], coins(label)
    made = paillier.share(*primes(1), members=4, threshold=3 + degree, rand=rand)
    checks = {name: check.to_bytes(512, "big") for name, check in zip(fed.names, made.checks, strict=True)}
    key = Key(made.public.modulus.to_bytes(256, "big"), h(made.public.h).to_bytes(512, "big"), checks)
    dealer = threshold.Dealing(fed.terms, "h01", fed.agree["h01"])
    shares = {name: share_of(s).to_bytes(512, "big") for name, s in zip(fed.names, made.shares, strict=True)}
    sealed = {other: dealer._seal(key, secret, other, shares[other], rand) for other, secret in dealer._agreed().items()}
    return threshold.Deal(job=fed.terms.job, root=fed.terms.root, sender="h01", key=key, sealed=sealed)


@pytest.mark.parametrize(
    "deal, says",
    [
        (lambda: lying(degree=1), "do not fit together"),  # four would be needed, not three
        (lambda: lying(lambda s: s + 1), "false share"),
        (lambda: lying(lambda s: 0), "false share"),
        (lambda: lying(h=lambda h: h + 1), "false share"),  # the shares were checked against another v
    ],
)
def test_a_dealer_who_deals_falsely_is_named(deal, says):
    _, states, deals = dealings(4)
    with pytest.raises(PeerError, match=says) as error:
        states["h02"].receive({**deals, "h01": deal()})
    assert error.value.facts == {"party": "h01"}


@pytest.mark.parametrize(
    "box", [lambda d: d["h00"].sealed["h02"], lambda d: d["h01"].sealed["h03"], lambda d: bytes(len(d["h01"].sealed["h02"]))]
)
def test_a_share_sealed_by_or_for_another_does_not_open(box):
    _, states, deals = dealings(4)
    false = replace(deals["h01"], sealed={**deals["h01"].sealed, "h02": box(deals)})
    with pytest.raises(PeerError, match="does not open") as error:
        states["h02"].receive({**deals, "h01": false})
    assert error.value.facts == {"party": "h01"}


def test_who_is_not_on_the_roster_deals_nothing():
    with pytest.raises(UsageError, match="not on the roster"):
        threshold.Dealing(FED.terms, "nobody", bytes(32))


# --- uploads ---------------------------------------------------------------------------------------------


def _short(u):
    return replace(u, proofs={**u.proofs, "h00": u.proofs["h00"][1:]})


UPLOAD_LIES = {
    "another job": lambda u: replace(u, job=secret("another")),
    "another roster": lambda u: replace(u, root=secret("another")),
    "another round": lambda u: replace(u, round=one_round(number=1).digest),
    "another attempt": lambda u: replace(u, round=one_round(attempt=1).digest),
    "another state": lambda u: replace(u, round=one_round(state=secret("another")).digest),
    "another's name": lambda u: replace(u, sender="h02"),
    "other vectors": lambda u: replace(u, payloads={"w": bytes(32)}),
    "a short digest": lambda u: replace(u, payloads={"v": bytes(31)}),
    "another payload": lambda u: replace(u, payloads={"v": bytes(32)}),
    "a key too few": lambda u: replace(u, keys=without(u.keys, "h01")),
    "a proof too few": lambda u: replace(u, proofs=without(u.proofs, "h01")),
    "a short proof": _short,
    "proofs exchanged": lambda u: replace(u, proofs={"h00": u.proofs["h01"], "h01": u.proofs["h00"]}),
}


@pytest.mark.parametrize("lie", UPLOAD_LIES)
def test_an_upload_that_cannot_stand_names_its_sender(lie):
    run = fresh()
    run.uploads["h01"] = UPLOAD_LIES[lie](run.uploads["h01"])
    with pytest.raises(PeerError) as node:
        run.states["h00"].receive(run.uploads, run.payloads)
    with pytest.raises(PeerError) as coordinator:
        run.tally()
    assert node.value.facts == coordinator.value.facts == {"party": "h01"}


def signed_anew(run, name: str, payload: bytes) -> None:
    """*name* signs another payload, under its old proofs."""
    run.payloads[name] = {"v": payload}
    run.uploads[name] = replace(run.uploads[name], payloads={"v": hashlib.sha256(payload).digest()})


@pytest.mark.parametrize(
    "payload, says",
    [
        (lambda p: p[:-1], "another length"),
        (lambda p: p + bytes(512), "another length"),
        (lambda p: bytes(512) + p[512:], "misshapen"),  # c = 0
        (lambda p: b"\xff" * 512 + p[512:], "misshapen"),  # c >= n²
        (lambda p: primes(0)[0].to_bytes(512, "big") + p[512:], "no units"),
        (lambda p: p[512:] + p[:512], "misshapen|does not show"),  # each under the other's key
        (lambda p: (1).to_bytes(512, "big") + p[512:], "does not show"),
    ],
)
def test_a_payload_that_cannot_stand_names_its_sender(payload, says):
    run = fresh()
    signed_anew(run, "h01", payload(run.payloads["h01"]["v"]))
    with pytest.raises(PeerError, match=says) as error:
        run.states["h00"].receive(run.uploads, run.payloads)
    assert error.value.facts == {"party": "h01"}


def test_payloads_must_be_there():
    run = fresh()
    with pytest.raises(Unavailable, match="vectors are missing") as error:
        run.states["h00"].receive(run.uploads, {**run.payloads, "h01": {}} | {"h02": {}})
    assert error.value.facts == {"waiting": ["h01", "h02"]}


def test_a_stranger_may_not_upload():
    run = fresh()
    run.uploads["mallory"] = replace(run.uploads["h01"], sender="mallory")
    with pytest.raises(PeerError, match="may upload"):
        run.states["h00"].receive(run.uploads, run.payloads)


@pytest.mark.parametrize("change", [lambda u: without(u, "h00"), lambda u: {**u, "h00": replace(u["h00"], payloads={"v": bytes(32)})}])
def test_my_upload_must_be_in_as_i_sent_it(change):
    run = fresh()
    with pytest.raises(PeerError, match="our upload"):
        run.states["h00"].receive(change(run.uploads), run.payloads)


def test_too_few_uploads_are_no_sum():
    run = fresh()
    with pytest.raises(QuorumLost, match="2 members uploaded, 3 are needed"):
        run.states["h00"].receive({name: run.uploads[name] for name in ("h00", "h01")}, run.payloads)


def test_a_dealer_who_shows_different_keys_is_named_with_who_saw_another():
    """With its accomplice in the coordinator's place, a dealer deals h03 a second key: nothing of h03 is added, nor is h03 blamed alone."""
    fed, states, deals = dealings(4)
    odd = states["h03"].receive({**deals, "h01": lying(label="second")})
    run = fresh()
    _, run.uploads["h03"], run.payloads["h03"] = odd.upload(ROUND, some_words(fed, 3)["h03"])
    with pytest.raises(PeerError, match="the same key") as error:
        run.states["h00"].receive(run.uploads, run.payloads)
    assert error.value.facts == {"parties": ["h01", "h03"]}


def test_later_rounds_want_every_survivor_and_no_one_else():
    fed, states = keyed(4)
    run = opened(decrypted(uploaded(fed, states, ROUND, without(some_words(fed, 3), "h03"))))
    later = uploaded(fed, run.states, one_round(number=1), without(some_words(fed, 3), "h03"))
    with pytest.raises(Unavailable, match="all survivors or not at all") as error:
        later.states["h00"].receive(without(later.uploads, "h02"), later.payloads)
    assert error.value.facts == {"waiting": ["h02"]}
    with pytest.raises(PeerError, match="may upload") as stranger:
        later.states["h00"].receive({**later.uploads, "h03": replace(later.uploads["h02"], sender="h03")}, later.payloads)
    assert stranger.value.facts == {"party": "h03"}


# --- malleable ciphertexts ---------------------------------------------------------------------------------


def unproved(patch) -> None:
    """What the protocol would be without proofs of knowledge."""
    patch.setattr(opening, "verify_knowledge", lambda *_, **__: None)


def what_opens(run, *names: str) -> dict[str, int]:
    """The plaintexts that t partial decryptions open, by dealer, before they are cut into slots."""
    decrypted(run, *names)
    layout = next(Layout.of(s.tally.terms, s.tally.round, s.tally.keys) for s in run.states.values() if isinstance(s, threshold.Opening))
    parts = {name: layout.read(run.parts[name], items=False, party=name)[0] for name in names}
    points = run.fed.terms.points
    return {
        dealer: combine(public, {points[n]: p[dealer] for n, p in parts.items()}, members=4)[0] for dealer, public in layout.publics.items()
    }


def multiplied(run, victim: str, liar: str, factor: int) -> bytes:
    """The victim's ciphertexts raised to *factor*, and zeros added so that they look like others."""
    keys = run.states[liar].seat.keys
    layout = Layout.of(run.fed.terms, run.states[liar].round, keys)
    numbers, _ = layout.read(run.payloads[victim], items=True, party=victim)
    for dealer, public in layout.publics.items():
        numbers[dealer] = [
            gmpy2.powmod(c, factor, public.square) * public.encrypt(0, public.coin()) % public.square for c in numbers[dealer]
        ]
    return layout.write(numbers, {})["v"]


def test_multiplied_ciphertexts_would_be_read_and_are_refused():
    """Raised to 2^1024, the victim's element lies alone above everybody's sum; h03 is no dealer, and needs no accomplice."""
    fed, states = keyed(4)
    run = uploaded(fed, states, one_round(length=1), {name: {"v": elements([100 + i], 64)} for i, name in enumerate(fed.names)})
    signed_anew(run, "h03", multiplied(run, "h01", "h03", 1 << 1024))
    with pytest.raises(PeerError, match="does not show that it knows") as error:
        run.states["h00"].receive(run.uploads, run.payloads)
    assert error.value.facts == {"party": "h03"}
    with pytest.MonkeyPatch.context() as patch:
        unproved(patch)
        shares = what_opens(run, "h00", "h01", "h02").values()
    assert sum(int(share >> 1024) for share in shares) % 2**64 == 101


def test_a_ciphertext_of_another_cannot_be_sent_again():
    """The same round's, under the copier's name: refused, since the proof names who knows."""
    run = fresh()
    run.uploads["h03"] = replace(run.uploads["h01"], sender="h03")
    run.payloads["h03"] = run.payloads["h01"]
    with pytest.raises(PeerError, match="does not show that it knows") as error:
        run.states["h00"].receive(run.uploads, run.payloads)
    assert error.value.facts == {"party": "h03"}


def test_a_ciphertext_of_an_earlier_round_would_be_read_and_is_refused():
    """h03 sends h01's first upload as its own in the next round, in which it knows the others' sum to be what it was without h01."""
    fed, states = keyed(4)
    first = opened(decrypted(uploaded(fed, states, ROUND, some_words(fed, 3))))
    zeros = {name: {"v": elements([0, 0, 0], 64)} for name in fed.names}  # a round of a table that is empty, say
    later = uploaded(fed, first.states, one_round(number=1), zeros)
    signed_anew(later, "h03", first.payloads["h01"]["v"])
    later.uploads["h03"] = replace(later.uploads["h03"], proofs=first.uploads["h01"].proofs)
    with pytest.raises(PeerError, match="does not show that it knows") as error:
        later.states["h00"].receive(later.uploads, later.payloads)
    assert error.value.facts == {"party": "h03"}
    with pytest.MonkeyPatch.context() as patch:
        unproved(patch)
        opened(decrypted(later, "h00", "h01", "h02"), "h00")
    assert later.states["h00"].totals["v"] == elements([1000, 1001, 1002], 64).tobytes()


def test_the_proof_of_an_earlier_round_does_not_serve_its_own_sender():
    fed, states = keyed(4)
    first, again = fresh(), uploaded(fed, states, one_round(attempt=1), some_words(fed, 3))
    signed_anew(again, "h01", first.payloads["h01"]["v"])
    again.uploads["h01"] = replace(again.uploads["h01"], proofs=first.uploads["h01"].proofs)
    with pytest.raises(PeerError, match="does not show that it knows"):
        again.states["h00"].receive(again.uploads, again.payloads)


# --- partial decryptions -----------------------------------------------------------------------------------


def _another_set():
    """h03's answer for a set without h02."""
    run = fresh()
    del run.uploads["h02"]
    decrypted(consented(run), "h03")
    return run.partials["h03"], run.parts["h03"]


def _payload(run, change):
    parts = {"v": change(run.parts["h03"]["v"])}
    return replace(run.partials["h03"], payloads={"v": hashlib.sha256(parts["v"]).digest()}), parts


PARTIAL_LIES = {
    "another job": lambda r: (replace(r.partials["h03"], job=bytes(32)), r.parts["h03"]),
    "another round": lambda r: (replace(r.partials["h03"], round=bytes(32)), r.parts["h03"]),
    "another's name": lambda r: (replace(r.partials["h03"], sender="h02"), r.parts["h03"]),
    "another's partial": lambda r: (replace(r.partials["h02"], sender="h03"), r.parts["h02"]),
    "another set": lambda r: _another_set(),
    "another set by name": lambda r: (replace(_another_set()[0], agreed=r.partials["h03"].agreed), _another_set()[1]),
    "other vectors": lambda r: (replace(r.partials["h03"], payloads={"w": bytes(32)}), r.parts["h03"]),
    "a proof too few": lambda r: (replace(r.partials["h03"], proofs=without(r.partials["h03"].proofs, "h00")), r.parts["h03"]),
    "a short proof": lambda r: (_short(r.partials["h03"]), r.parts["h03"]),
    "another payload": lambda r: (r.partials["h03"], {"v": r.parts["h02"]["v"]}),
    "a short payload": lambda r: _payload(r, lambda p: p[:-1]),
    "a false partial": lambda r: _payload(r, lambda p: p[:-1] + bytes([p[-1] ^ 1])),
    "a partial of 0": lambda r: _payload(r, lambda p: bytes(512) + p[512:]),
    "partials exchanged": lambda r: _payload(r, lambda p: p[512:] + p[:512]),
}


@pytest.mark.parametrize("lie", PARTIAL_LIES)
def test_a_false_partial_is_named_once_too_few_are_true(lie):
    run = answered()
    run.partials["h03"], run.parts["h03"] = PARTIAL_LIES[lie](run)
    few = without(run.partials, "h02")
    with pytest.raises(Unavailable, match="2 of 3 partial") as error:
        run.states["h00"].receive(few, run.parts)
    assert error.value.facts["waiting"] == ["h02"]  # h03 lied, and is not waited for
    both = {**few, "h02": replace(run.partials["h02"], proofs=run.partials["h01"].proofs)}
    with pytest.raises(PeerError, match="false partial decryptions") as named:
        run.states["h00"].receive(both, run.parts)
    assert named.value.facts == {"parties": ["h02", "h03"]}


def test_partials_are_waited_for():
    run = answered()
    with pytest.raises(Unavailable, match="2 of 3 partial") as error:
        run.states["h00"].receive({n: run.partials[n] for n in ("h00", "h02", "h03")}, without(run.parts, "h02"))
    assert error.value.facts == {"waiting": ["h01", "h02"], "need": 3}


def test_ones_own_proofs_are_not_checked_again_but_what_comes_in_ones_name_is(monkeypatch):
    run, checked = answered(), []
    monkeypatch.setattr(
        opening, "verify_partials", lambda key, check, *a, **k: checked.append(check) or proofs.verify_partials(key, check, *a, **k)
    )
    opened(run.copied(), "h00")
    keys = run.states["h00"].tally.keys.values()
    assert sorted(checked) == sorted(key.check(name) for key in keys for name in ("h01", "h02"))
    run.partials["h00"] = replace(run.partials["h00"], proofs=run.partials["h01"].proofs)
    assert run.states["h00"].receive(run.partials, run.parts).liars == ("h00",)


def test_strangers_do_not_decrypt():
    """h03 holds shares, but did not upload: its answer would be one for a set that it is not in."""
    fed, states = keyed(4)
    run = decrypted(uploaded(fed, states, ROUND, without(some_words(fed, 3), "h03")))
    run.partials["h03"] = replace(run.partials.pop("h02"), sender="h03")
    with pytest.raises(Unavailable, match="2 of 3"):
        run.states["h00"].receive(run.partials, run.parts)


def test_a_member_who_encrypts_other_bits_than_it_committed_to_stops_the_round():
    fed, states = keyed(4)
    round = one_round(vectors=(secagg.Vector("v", 32, 2, proved=True),))
    run = uploaded(fed, states, round, {name: {"v": elements([1, 0], 32)} for name in fed.names})
    layout = Layout.of(fed.terms, round, states["h01"].seat.keys)
    _, items = layout.read(run.payloads["h01"], items=True, party="h01")
    known = {
        d: [(3 if d == "h00" and i == 0 else 0, key.coin()) for i in range(2)] for d, key in layout.publics.items()
    }  # 3 and 0, not bits
    run.uploads["h01"], run.payloads["h01"] = encrypting(run, "h01", known, items)
    decrypted(run, "h00", "h02", "h03")
    with pytest.raises(PeerError, match="not what it committed to"):
        run.states["h00"].receive(run.partials, run.parts)


def test_false_proofs_of_bits_are_named_before_anything_is_decrypted():
    fed, states = keyed(4)
    round = one_round(vectors=(secagg.Vector("v", 32, 2, proved=True),))
    run = uploaded(fed, states, round, {name: {"v": elements([1, 0], 32)} for name in fed.names})
    payload = run.payloads["h01"]["v"]
    signed_anew(run, "h01", payload[:-160] + payload[-320:-160])
    layout = Layout.of(fed.terms, round, states["h01"].seat.keys)
    with pytest.MonkeyPatch.context() as patch:
        unproved(patch)
        with pytest.raises(PeerError, match="0 or 1") as error:
            run.states["h00"].receive(run.uploads, run.payloads)
    assert error.value.facts == {"party": "h01"}
    assert layout.read(run.payloads["h00"], items=True, party="")[1]["v"] != b""


# --- a dealer of other primes --------------------------------------------------------------------------------


def other_primes() -> tuple[int, int]:
    """Primes of 1024 bits, of which 5 divides p - 1 once, and q - 1 not. (Factors up to n are harmless: all exponents have n! in them.)"""
    p = int(gmpy2.next_prime((1 << 1024) - (1 << 1010)))
    while p % 5 != 1 or p % 25 == 1:
        p = int(gmpy2.next_prime(p))
    q = int(gmpy2.next_prime(p))
    while q % 5 == 1:
        q = int(gmpy2.next_prime(q))
    return p, q


def rigged(fed) -> tuple[threshold.Deal, PublicKey, int]:
    """A key for units whose order 5 does not divide, and a root of unity of order 5, which it does not decrypt."""
    p, q = other_primes()
    n, order = p * q, (p - 1) * (q - 1) // 5
    h = int(gmpy2.powmod(pow(7, 10, n) * (n - 1) % n, n, n * n))
    rand = coins("rigged")
    polynomial = [order * pow(order, -1, n), *(int.from_bytes(rand(600), "big") % (n * order) for _ in range(2))]
    shares = [sum(a * x**k for k, a in enumerate(polynomial)) % (n * order) for x in range(1, 5)]
    public = PublicKey(n, h)
    checks = {name: paillier.check(public, s, members=4).to_bytes(512, "big") for name, s in zip(fed.names, shares, strict=True)}
    key = Key(n.to_bytes(256, "big"), h.to_bytes(512, "big"), checks)
    dealer = threshold.Dealing(fed.terms, "h01", fed.agree["h01"])
    sealed = {o: dealer._seal(key, s, o, shares[fed.terms.points[o] - 1].to_bytes(512, "big"), rand) for o, s in dealer._agreed().items()}
    root = next(r for b in range(2, 50) if (r := int(gmpy2.powmod(b, n * order * 4, n * n))) != 1)
    return threshold.Deal(job=fed.terms.job, root=fed.terms.root, sender="h01", key=key, sealed=sealed), public, root


def test_a_dealer_whose_key_does_not_open_is_named():
    """A dealer of other primes and another liar can stop the job: a root of unity slips through one proof in five. The dealer is named."""
    fed, states, deals = dealings(4)
    deal, public, root = rigged(fed)
    assert pow(root, 5, public.modulus**2) == 1
    held = {name: states[name].receive({**deals, "h01": deal}) for name in ("h00", "h02", "h03")}
    run = uploaded(fed, held, ROUND, without(some_words(fed, 3), "h01"))
    layout = Layout.of(fed.terms, ROUND, held["h03"].seat.keys)
    numbers, _ = layout.read(run.payloads["h03"], items=True, party="h03")
    known = {dealer: [(0, key.coin())] for dealer, key in layout.publics.items()}
    numbers = {dealer: [key.encrypt(*known[dealer][0])] for dealer, key in layout.publics.items()}
    numbers["h01"] = [numbers["h01"][0] * root % public.square]
    run.payloads["h03"] = layout.write(numbers, {})
    upload = replace(run.uploads["h03"], payloads={"v": hashlib.sha256(run.payloads["h03"]["v"]).digest()})
    while True:
        made = {
            dealer: proofs.prove_knowledge(key, numbers[dealer], known[dealer], opening.knowledge(fed.terms, upload, dealer))
            for dealer, key in layout.publics.items()
        }
        try:
            proofs.verify_knowledge(public, numbers["h01"], made["h01"], opening.knowledge(fed.terms, upload, "h01"), party="h03")
        except PeerError:
            continue
        break
    run.uploads["h03"] = replace(upload, proofs=made)
    run.states["h03"] = replace(run.states["h03"], upload=run.uploads["h03"])
    decrypted(run)
    with pytest.raises(PeerError, match="does not open") as error:
        run.states["h00"].receive(run.partials, run.parts)
    assert error.value.facts == {"party": "h01"}


# --- on the wire -----------------------------------------------------------------------------------------------


def test_every_byte_of_every_signed_message_counts():
    run = answered()
    abstention = fresh().states["h00"].abstain()[1]
    kinds = (threshold.Deal, threshold.Upload, threshold.Consent, threshold.Partial, threshold.Abstention)
    for message in (dealings(4)[2]["h00"], run.uploads["h00"], run.consents["h00"], run.partials["h00"], abstention):
        raw = sign(FED.signing["h00"], message)
        for i in range(0, len(raw), 7):
            flipped = bytearray(raw)
            flipped[i] ^= 1 << i % 8
            with pytest.raises((DecodeError, IntegrityError, PeerError)):
                open_signed(bytes(flipped), FED.terms.keys, *kinds)


def test_secrets_do_not_print():
    _, dealt, _ = dealings(4)
    run = answered()
    opened(run, "h00")
    texts = [
        repr(x)
        for x in (dealt["h00"], *keyed(4)[1].values(), *fresh().states.values(), *consented(fresh()).states.values(), *run.states.values())
    ]
    texts.append(repr(threshold.Dealing(FED.terms, "h00", FED.agree["h00"])))
    hidden = [FED.agree["h00"], dealt["h00"].share, *keyed(4)[1]["h01"].seat.shares.values(), run.states["h00"].totals["v"]]
    assert not any(repr(value)[2:-1] in text for value in hidden for text in texts)


def test_a_keyholder_has_forgotten_the_agreement_and_the_primes():
    """Forward secrecy: with what a member keeps, what was sealed to it cannot be opened again; a dealer cannot decrypt alone."""
    state = encode(keyed(4)[1]["h00"])
    p, q = primes(0)
    lost = [FED.agree["h00"], *(x.to_bytes(128, "big") for x in (p, q, p // 2, q // 2))]
    assert not any(value in state for value in lost)
    assert dealing.BITS == 3072
