"""A running coordinator for the tests of its door, one for each module."""

from __future__ import annotations

import httpx2
import pytest

from federated.tls import client_context
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
