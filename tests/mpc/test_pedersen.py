from __future__ import annotations

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium

from governance.errors import PeerError
from mpc import pedersen
from mpc.rings import ORDER
from tests.mpc.secure_sum import coins

CONTEXT = b"round 0, cell 3, north"
TORSION = bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")  # (0, -1), of order 2
BASE = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")  # RFC 8032, 5.1


def number(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def proved(bit, label="prover", context=CONTEXT):
    blinder = pedersen.scalar(coins(f"blinder {label}"))
    return *pedersen.prove(bit, blinder, context, rand=coins(label)), blinder


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0, 1]), st.text(max_size=8))
def test_a_bit_is_proved(bit, label):
    commitment, proof, blinder = proved(bit, label)
    pedersen.verify(commitment, proof, CONTEXT, party="north")
    assert commitment == pedersen.commit(bit, blinder)
    assert len(proof) == pedersen.PROOF


def test_the_group_is_the_one_of_rfc_8032():
    assert sodium.crypto_scalarmult_ed25519_base_noclamp((1).to_bytes(32, "little")) == BASE
    assert pedersen.commit(0, (1).to_bytes(32, "little")) == BASE
    assert sodium.crypto_core_ed25519_is_valid_point(pedersen.H)
    assert pedersen.H != BASE
    assert ORDER == 2**252 + 27742317777372353535851937790883648493


def test_what_is_neither_0_nor_1_cannot_be_proved():
    """A prover that follows the recipe with a commitment to 2, claiming either branch."""
    blinder = pedersen.scalar()
    two = sodium.crypto_core_ed25519_add(pedersen.commit(1, blinder), pedersen.H)
    for bit in (0, 1):
        _, proof = pedersen.prove(bit, blinder, CONTEXT)
        with pytest.raises(PeerError, match="0 or 1") as error:
            pedersen.verify(two, proof, CONTEXT, party="north")
        assert error.value.facts == {"party": "north"}


def test_a_challenge_chosen_after_the_announcement_does_not_help():
    """Both branches simulated: the sum of their challenges is what the prover chose, not what the hash says."""
    two = sodium.crypto_core_ed25519_add(pedersen.commit(1, pedersen.scalar()), pedersen.H)
    forged = b"".join(pedersen.scalar() for _ in range(4))
    with pytest.raises(PeerError, match="0 or 1"):
        pedersen.verify(two, forged, CONTEXT, party="north")


@pytest.mark.parametrize("context", [b"", b"round 0, cell 3, south", b"round 0, cell 4, north"])
def test_a_proof_serves_its_context_alone(context):
    commitment, proof, _ = proved(1)
    with pytest.raises(PeerError, match="0 or 1"):
        pedersen.verify(commitment, proof, context, party="north")


def test_every_bit_of_a_proof_and_its_commitment_counts():
    commitment, proof, _ = proved(1)
    for i in range(8 * (len(commitment) + len(proof))):
        raw = bytearray(commitment + proof)
        raw[i // 8] ^= 1 << i % 8
        with pytest.raises(PeerError):
            pedersen.verify(bytes(raw[:32]), bytes(raw[32:]), CONTEXT, party="north")


def test_a_scalar_has_one_spelling():
    commitment, proof, _ = proved(0)
    for at in range(0, pedersen.PROOF, 32):
        larger = (number(proof[at : at + 32]) + ORDER).to_bytes(32, "little")
        with pytest.raises(PeerError, match="misshapen"):
            pedersen.verify(commitment, proof[:at] + larger + proof[at + 32 :], CONTEXT, party="north")


@pytest.mark.parametrize("change", [lambda c: bytes(32), lambda c: TORSION, lambda c: sodium.crypto_core_ed25519_add(c, TORSION),
                                    lambda c: b"\xff" * 32, lambda c: c[:-1], lambda c: pedersen.IDENTITY])  # fmt: skip
def test_points_outside_the_group_are_refused(change):
    commitment, proof, _ = proved(0)
    with pytest.raises(PeerError, match="misshapen"):
        pedersen.verify(change(commitment), proof, CONTEXT, party="north")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=6))
def test_commitments_add_up(bits):
    blinders = [pedersen.scalar() for _ in bits]
    total = (sum(map(number, blinders)) % ORDER).to_bytes(32, "little")
    commitments = [pedersen.commit(b, r) for b, r in zip(bits, blinders, strict=True)]
    assert pedersen.opens(commitments, sum(bits), total)
    assert not pedersen.opens(commitments, sum(bits) + 1, total)
    assert not pedersen.opens(commitments[1:], sum(bits), total)
    assert not pedersen.opens(commitments, sum(bits), pedersen.scalar())


def test_blinders_that_cancel_open_too():
    blinder = pedersen.scalar()
    inverse = (ORDER - number(blinder)).to_bytes(32, "little")
    assert pedersen.opens([pedersen.commit(1, blinder), pedersen.commit(1, inverse)], 2, bytes(32))


def test_proofs_of_both_bits_look_alike():
    """Each of the four scalars is uniform whatever the bit: its top bit below 2^251 is set in half of all runs.

    Eight counts of 400 fair coins each within 6.2 standard deviations: a false alarm less than once in 10^8 runs.
    """
    for bit in (0, 1):
        proofs = [pedersen.prove(bit, pedersen.scalar(), secrets.token_bytes(8))[1] for _ in range(400)]
        for at in range(0, pedersen.PROOF, 32):
            high = sum(number(p[at : at + 32]) > ORDER // 2 for p in proofs)
            assert abs(high - 200) < 6.2 * 10
