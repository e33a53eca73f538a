"""Known answers: coins and primes fixed, a second decryption with the private keys, and pinned bytes in tests/vectors/threshold."""

from __future__ import annotations

import functools
import hashlib
import json
import math

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.encoding import encode
from mpc import secagg
from tests.mpc.secure_sum import elements, one_round
from tests.mpc.threshold_sum import VECTORS, dealings, decrypted, keyed, opened, primes, uploaded

ROUND = one_round(vectors=(secagg.Vector("bits", 32, 2, proved=True), secagg.Vector("v", 128, 11)))


@functools.cache
def transcript():
    fed, states = keyed(4)
    words = {
        name: {"bits": elements([1, i % 2], 32), "v": elements([2**128 - i - k for k in range(11)], 128)}
        for i, name in enumerate(fed.names)
    }
    return opened(decrypted(uploaded(fed, states, ROUND, words)), "h00")


def digests() -> dict[str, str]:
    """SHA-256 of each message and payload."""
    run, (fed, _, deals) = transcript(), dealings(4)
    abstention = uploaded(fed, keyed(4)[1], one_round(), {"h00": {"v": elements([1, 2, 3], 64)}}).states["h00"].abstain()[1]
    messages = {"deal": deals["h00"], "upload": run.uploads["h00"], "consent": run.consents["h01"], "partial": run.partials["h00"]}
    messages["abstention"] = abstention
    made = {name: hashlib.sha256(encode(message)).hexdigest() for name, message in messages.items()}
    made |= {f"upload of {v}": hashlib.sha256(p).hexdigest() for v, p in run.payloads["h00"].items()}
    made |= {f"partial of {v}": hashlib.sha256(p).hexdigest() for v, p in run.parts["h00"].items()}
    made |= {f"key of {name}": deal.key.digest.hex() for name, deal in deals.items()}
    made["agreed"] = run.partials["h00"].agreed.hex()
    made |= {f"total of {v}": raw.hex() for v, raw in run.states["h00"].totals.items()}
    return made


def test_transcript_is_pinned():
    assert digests() == json.loads((VECTORS / "transcript.json").read_text())


# --- a second implementation, straight from docs/specs/threshold.md ------------------------------------------


def info(terms, purpose: str, *fields: object) -> bytes:
    root = hashlib.sha256(encode(terms)).digest()
    return cbor2.dumps(["keyong threshold v1", purpose, terms.job, root, *fields], canonical=True)


def test_payloads_are_those_of_the_specification():
    """Decrypted by the definition, with p and q: slots of 25 bytes, two keys' shares, the element in their sum."""
    run = transcript()
    raw, elements_read, at = run.payloads["h02"]["v"], [0] * 11, 0
    for dealer in (0, 1):
        p, q = primes(dealer)
        n, order = p * q, (p - 1) * (q - 1)
        for first in (0, 7):  # (2047 - 512) // 8 bytes: seven slots
            c = int.from_bytes(raw[at : at + 512], "big")
            plain = (pow(c, order, n * n) - 1) // n * pow(order, -1, n) % n
            assert plain < 2 ** (8 * 175)
            for i, k in enumerate(range(first, min(first + 7, 11))):
                slot = plain >> 200 * i & (1 << 200) - 1
                assert slot < 2**192
                elements_read[k] += slot
            at += 512
    assert at == len(raw)
    assert [x % 2**128 for x in elements_read] == [(2**128 - 2 - k) % 2**128 for k in range(11)]


def test_deals_are_those_of_the_specification():
    """A share unsealed by hand is what its check says; three of them are a polynomial whose value at zero decrypts."""
    fed, _, deals = dealings(4)
    deal = deals["h00"]
    n, h = (int.from_bytes(x, "big") for x in (deal.key.modulus, deal.key.h))
    digest = hashlib.sha256(
        cbor2.dumps(["keyong threshold v1", "key", deal.key.modulus, deal.key.h, dict(deal.key.checks)], canonical=True)
    )
    shares = {}
    for name, box in deal.sealed.items():
        private = X25519PrivateKey.from_private_bytes(fed.agree[name])
        agreed = private.exchange(X25519PublicKey.from_public_bytes(fed.terms.member("h00").agree))
        bound = info(fed.terms, "share", "h00", name, digest.digest())
        key = HKDF(hashes.SHA256(), 32, hashlib.sha256(encode(fed.terms)).digest(), bound).derive(agreed)
        shares[fed.terms.points[name]] = int.from_bytes(AESGCM(key).decrypt(box[:12], box[12:], bound), "big")
        v = (1 + n) * h * h % n**2
        assert pow(v, math.factorial(4) * shares[fed.terms.points[name]], n**2) == int.from_bytes(deal.key.checks[name], "big")
    p, q = primes(0)
    order = n * (p // 2) * (q // 2)
    secret = sum(s * math.prod(j * pow(j - i, -1, order) for j in shares if j != i) for i, s in shares.items()) % order
    assert secret % n == 1
    assert secret % (order // n) == 0


def test_proofs_are_those_of_the_specification():
    run = transcript()
    upload, key = run.uploads["h01"], dealings(4)[2]["h00"].key
    n, h = (int.from_bytes(x, "big") for x in (key.modulus, key.h))
    raw = run.payloads["h01"]["bits"], run.payloads["h01"]["v"]
    # under h00's key: one ciphertext of bits, one of blinders, two of v
    cs = [raw[0][:512], raw[0][512:1024], raw[1][:512], raw[1][512:1024]]
    proof = upload.proofs["h00"]
    seed, x, s = proof[:32], int.from_bytes(proof[32:288], "big"), int.from_bytes(proof[288:], "big")
    stream = hashlib.shake_256(b"keyong threshold challenges v1" + seed).digest(64)
    a = (1 + n * x) * pow(h, s, n * n) % n**2
    for i, c in enumerate(cs):
        a = a * pow(int.from_bytes(c, "big"), -1 - int.from_bytes(stream[16 * i : 16 * i + 16], "big"), n * n) % n**2
    context = info(run.fed.terms, "knowledge", upload.round, "h01", "h00", key.digest, dict(upload.payloads))
    parts = [b"keyong threshold knowledge v1", context, n.to_bytes(512, "big") + key.h, b"".join(cs), a.to_bytes(512, "big")]
    assert seed == hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
