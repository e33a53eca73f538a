"""A running coordinator for the tests of its door, one for each module."""

from __future__ import annotations

import httpx2
import inmemory
import pytest

from federated.tls import client_context
from mpc import threshold
from tests.federated.coordinators import TLS, asking, coordinator


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with coordinator(tmp_path_factory.mktemp("coordinator")) as running:
        yield running


@pytest.fixture(scope="module")
def http():
    with httpx2.Client(verify=client_context(TLS.certificate), trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def ask(place, http):
    return asking(place, http)


@pytest.fixture
def small_keys(monkeypatch):
    """Keys of known primes; tests/federated/test_threshold_federation.py makes some of full size, which takes a dealer seconds."""
    primes = list(zip(*[iter(map(int, inmemory.TEST_PRIMES))] * 2, strict=False))
    deal = threshold.Dealing.deal

    def quick(self):
        dealers = threshold.chosen(self.terms.points, self.terms.colluding)
        return deal(self, 2048, primes=primes[dealers.index(self.me)] if self.me in dealers else None)

    monkeypatch.setattr(threshold.Dealing, "deal", quick)
