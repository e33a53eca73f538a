"""Signed requests: each way in which a signature can be missing, borrowed, stale, replayed, or for something else."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from federated import signatures
from federated.coordinator.web.gate import Gate, Nonces, Request
from federated.signatures import COVERED, WINDOW, Signer, key_id
from governance.errors import Refused, Unavailable
from tests.federated.coordinators import JSON, KEYS, STRANGER, refused, signed


def test_an_unsigned_request_is_refused(ask):
    answer = ask(None, "GET", "/v1/jobs")
    refused(answer, 401, "auth.unsigned")
    assert answer.headers["WWW-Authenticate"].startswith("Signature")


def test_a_key_that_is_not_enrolled_is_refused(ask):
    refused(ask("stranger", "GET", "/v1/jobs"), 401, "auth.key")


def test_nobody_signs_for_somebody_else(place, http):
    headers = signed(place, "stranger", "GET", "/v1/jobs")
    headers["Signature-Input"] = headers["Signature-Input"].replace(key_id(STRANGER.public), key_id(KEYS["operator"].public))
    refused(http.get(place.server.url + "/v1/jobs", headers=headers), 401, "auth.signature")


def test_a_request_is_taken_once(place, http):
    headers = signed(place, "operator", "GET", "/v1/jobs")
    assert http.get(place.server.url + "/v1/jobs", headers=headers).status_code == 200
    refused(http.get(place.server.url + "/v1/jobs", headers=headers), 401, "auth.replay")


@pytest.mark.parametrize("off", [-WINDOW - 5, WINDOW + 5])
def test_a_stale_request_is_refused(place, http, off):
    headers = signed(place, "operator", "GET", "/v1/jobs", now=time.time() + off)
    assert refused(http.get(place.server.url + "/v1/jobs", headers=headers), 401, "auth.stale")["facts"] == {"seconds": WINDOW}


def test_a_clock_that_is_ahead_a_little_is_no_obstacle(place, http):
    headers = signed(place, "operator", "GET", "/v1/jobs", now=time.time() + WINDOW - 5)
    assert http.get(place.server.url + "/v1/jobs", headers=headers).status_code == 200


def test_a_tampered_body_is_refused(place, http):
    body = json.dumps({"job": place.job()}).encode()
    headers = signed(place, "operator", "POST", "/v1/jobs", body, media=JSON)
    refused(http.post(place.server.url + "/v1/jobs", content=body.replace(b"ages", b"sage"), headers=headers), 401, "auth.body")


@pytest.mark.parametrize("method, path", [("GET", "/v1/ledger/entries?start=1"), ("GET", "/v1/enrolments"), ("POST", "/v1/jobs")])
def test_a_signature_is_for_one_request(place, http, method, path):
    headers = signed(place, "operator", "GET", "/v1/ledger/entries?start=0", media=JSON)
    refused(http.request(method, place.server.url + path, headers=headers), 401, "auth.signature")


@pytest.mark.parametrize("missing", COVERED)
def test_all_components_must_be_covered(place, http, monkeypatch, missing):
    monkeypatch.setattr(signatures, "COVERED", tuple(c for c in COVERED if c != missing))
    headers = signed(place, "operator", "GET", "/v1/jobs")
    monkeypatch.undo()
    answer = http.get(place.server.url + "/v1/jobs", headers=headers)
    if missing == "content-digest":  # the library adds it wherever there is a body, even an empty one
        assert answer.status_code == 200
        headers = {k: v.replace(' "content-digest"', "") for k, v in signed(place, "operator", "GET", "/v1/jobs").items()}
        answer = http.get(place.server.url + "/v1/jobs", headers=headers)
    refused(answer, 401, "auth.signature")


def test_a_short_nonce_is_refused(ask, monkeypatch):
    monkeypatch.setattr(signatures.secrets, "token_urlsafe", lambda _size: "short")
    refused(ask("operator", "GET", "/v1/jobs"), 401, "auth.signature")


def test_garbage_for_a_signature_is_refused(place, http):
    headers = {"Signature-Input": "keyong=(", "Signature": "keyong=:AAAA:"}
    refused(http.get(place.server.url + "/v1/jobs", headers=headers), 401, "auth.signature")


def test_a_request_that_was_signed_for_another_host_is_refused(place, http):
    other = Signer(KEYS["operator"]).headers("GET", "https://elsewhere.example/v1/jobs", b"", now=time.time())
    refused(http.get(place.server.url + "/v1/jobs", headers=other | {"Host": "elsewhere.example"}), 421, "http.host")
    refused(http.get(place.server.url + "/v1/jobs", headers=other), 401, "auth.signature")


def test_what_was_signed_before_a_restart_is_not_taken_after_it(place):
    url = "https://127.0.0.1/v1/jobs"
    now = time.time()
    headers = Signer(KEYS["operator"]).headers("GET", url, b"", now=now)
    Gate(place.office).admit(Request("GET", url, headers))
    restarted = Gate(place.office)
    restarted._started = int(now) + 1
    with pytest.raises(Unavailable, match="just started"):
        restarted.admit(Request("GET", url, headers))


def test_nonces_are_remembered_for_two_windows_and_not_for_ever():
    nonces, result = Nonces(), None
    first = signatures.Signed(STRANGER.public, "n" * 22, 0, result)
    nonces.spend(first, now=0.0)
    for later in (1.0, WINDOW, 2 * WINDOW, 2 * WINDOW + 1.0, 4 * WINDOW - 1):
        with pytest.raises(Refused, match="received before"):
            nonces.spend(first, now=later)
        nonces.spend(replace(first, nonce=f"{later:022}"), now=later)
    nonces.spend(replace(first, nonce="x" * 22), now=4.0 * WINDOW)
    nonces.spend(replace(first, nonce="y" * 22), now=6.0 * WINDOW)
    assert len(nonces._old) + len(nonces._new) < 4


def test_one_party_cannot_fill_the_memory_with_nonces(monkeypatch):
    monkeypatch.setattr("federated.coordinator.web.gate.MOST_NONCES", 3)
    nonces = Nonces()
    for number in range(3):
        nonces.spend(signatures.Signed(STRANGER.public, f"{number:022}", 0, None), now=1.0)
    with pytest.raises(Unavailable):
        nonces.spend(signatures.Signed(STRANGER.public, "x" * 22, 0, None), now=1.0)
    nonces.spend(signatures.Signed(KEYS["north"].public, "x" * 22, 0, None), now=1.0)
