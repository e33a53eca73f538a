"""Anchors: somebody outside says that a ledger's checkpoint was there at a time, so that nobody can make up its past later.

    checkpoint      the ledger's signed checkpoint, a note
    query.tsq       what a time-stamp authority is asked: the SHA-256 of the checkpoint, and nothing else
    reply.tsr       what it answered, put there by whoever carried the question

A node asks nobody by itself: the question is carried by curl or by a courier. Where a chain is written to instead, its entry holds the
same digest.  Source: RFC 3161.
"""

from __future__ import annotations

from cryptography import x509
from rfc3161_client import TimestampRequestBuilder, VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm

from governance.errors import DecodeError, IntegrityError

LIMIT = 1 << 16  # bytes of a reply: the token and a chain of certificates


def query(checkpoint: str) -> bytes:
    """The question about *checkpoint*. It has no nonce: an older answer to the same question says more, not less."""
    builder = TimestampRequestBuilder().data(checkpoint.encode()).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=False).cert_request(cert_request=True).build().as_bytes()


def roots(pem: bytes) -> list[x509.Certificate]:
    """The certificates of authorities in a PEM file."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise DecodeError("there is no certificate in the file") from None


def require(checkpoint: str, reply: bytes, authorities: list[x509.Certificate]) -> int:
    """The time, in seconds since 1970, at which an authority below one of *authorities* saw *checkpoint*; raise if none did."""
    if len(reply) > LIMIT:
        raise DecodeError(f"a reply of a time-stamp authority is larger than {LIMIT} bytes")
    try:
        response = decode_timestamp_response(reply)
    except ValueError:
        raise DecodeError("this is no reply of a time-stamp authority (RFC 3161)") from None
    verifier = VerifierBuilder(roots=authorities).build()
    try:
        verifier.verify_message(response, checkpoint.encode())
    except (VerificationError, ValueError) as error:
        raise IntegrityError(f"the time stamp does not hold: {error}") from None
    return int(response.tst_info.gen_time.timestamp())
