"""Views: each validates where its standard has a schema here, shows sizes in bands, and a credential is verified by its issuer's key."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import joserfc.jws
import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT201909
from registered import AUTHORITY, BUYER, HOLDER, MANIFEST, NOW, TRUST, issued, registered, step

from governance import certificates, registration
from governance.errors import DecodeError, IntegrityError, OutOfTurn, PeerError
from governance.licences import Granted, Licence
from governance.rights import Rights
from governance.views import credential, dataspace, dcat
from governance.views.dataspace import END, ENDED, STATES, TURNS, Negotiation
from governance.views.odrl import as_odrl

ASSET = registration.opened(registered(), TRUST)
GONE = registration.opened(step(registered(), "cancel"), TRUST)
ASKED = registration.opened(step(None, "apply", HOLDER), TRUST)


# --- DCAT and CSV


def test_a_catalogue_has_what_dcat_ap_requires_and_lists_only_what_is_registered():
    """Mandatory properties of DCAT-AP 3.0: catalogue title, description, publisher; dataset title, description."""
    made = dcat.as_dcat([GONE, ASSET, ASKED], publisher="city")
    assert {"dct:title", "dct:description", "dct:publisher", "dcat:dataset"} <= made.keys()
    (dataset,) = made["dcat:dataset"]
    assert {"dct:title", "dct:description", "dct:accessRights", "dct:temporal"} <= dataset.keys()
    used = {key.split(":")[0] for part in (made, dataset) for key in part if not key.startswith("@")}
    assert used <= made["@context"].keys(), "every prefix is declared"
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize("size", ["under-100", "1000-to-9999"])
def test_a_catalogue_tells_sizes_in_bands(size):
    """No field of a manifest can hold a count, so none can be shown."""
    chain = registration.opened(step(step(None, "apply", HOLDER, manifest=replace(MANIFEST, size=size)), "register"), TRUST)
    assert dcat.as_dcat([chain], publisher="city")["dcat:dataset"][0]["keyong:sizeBand"] == size
    (row,) = csv.DictReader(io.StringIO(dcat.as_csv([chain])))
    assert row["size"] == size and not {"rows", "count"} & row.keys()


@pytest.mark.parametrize("openness, access, licence, price", [
    ("unconditional-free", "PUBLIC", "no", "no"), ("conditional-free", "RESTRICTED", "yes", "no"), ("conditional-paid", "RESTRICTED", "yes", "yes"),
])  # fmt: skip
def test_three_ways_to_be_open(openness, access, licence, price):
    chain = registration.opened(step(step(None, "apply", HOLDER, manifest=replace(MANIFEST, openness=openness)), "register"), TRUST)
    (row,) = csv.DictReader(io.StringIO(dcat.as_csv([chain])))
    assert (row["licence_needed"], row["price_allowed"]) == (licence, price)
    assert dcat.as_dcat([chain], publisher="city")["dcat:dataset"][0]["dct:accessRights"]["@id"].endswith(access)


def test_a_title_is_no_formula():
    chain = registration.opened(step(step(None, "apply", HOLDER, manifest=replace(MANIFEST, title="=1+1")), "register"), TRUST)
    (row,) = csv.DictReader(io.StringIO(dcat.as_csv([chain])))
    assert row["title"] == "'=1+1" and row["responsible"] == "Medical records office"


# --- ODRL


def test_a_licence_as_odrl():
    allow = Rights(datasets={"heart": ("age",)}, purposes=("research",), methods=("describe@1",), min_cell=10, use_count=5,
                   not_before=NOW, not_after=NOW + 86400)  # fmt: skip
    made = as_odrl(Granted(("ab" * 32,), (Licence("", (str(BUYER.public),), 1, allow),), allow), TRUST)
    (permission,) = made["permission"]
    assert (made["@type"], made["assigner"], made["assignee"]) == (
        "Agreement",
        "urn:keyong:party:city-1",
        ["urn:keyong:party:data-company"],
    )
    limits = {(c["leftOperand"], c["operator"]): c["rightOperand"] for c in permission["constraint"]}
    assert limits["dateTime", "lteq"]["@value"] == "2025-11-25T16:00:00+00:00" and limits["count", "lteq"]["@value"] == "5"
    assert limits["keyong:column", "isAnyOf"] == ["age"] and limits["purpose", "isAnyOf"] == ["research"]
    assert {p["action"] for p in made["prohibition"]} == {"extract", "reproduce", "distribute"}


# --- verifiable credentials


def test_a_certificate_as_a_credential_and_back():
    chain = certificates.opened(issued(), TRUST)
    token = credential.signed(chain, AUTHORITY[0])
    read = credential.opened(token, AUTHORITY[0].public)
    assert read == credential.as_credential(chain, AUTHORITY[0].public)
    assert read["@context"][0] == "https://www.w3.org/ns/credentials/v2" and read["type"][0] == "VerifiableCredential"
    assert read["credentialSubject"]["rights"] == ["hold", "process"] and read["validFrom"] == "2025-11-24T16:00:00Z"


def test_did_key_vector():
    """did:key of the Ed25519 key in the W3C's did:key method, section "Ed25519", seed of 32 zero bytes (also RFC 8032 form)."""
    from governance.keys import SigningKey

    assert credential.did(SigningKey("x", bytes(32)).public) == "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"


def test_credentials_that_are_none():
    chain = certificates.opened(issued(), TRUST)
    token, key = credential.signed(chain, AUTHORITY[0]), AUTHORITY[0]
    head, body, sign = token.split(".")
    for raw in (f"{head}.{body[:-2]}AA.{sign}", "x", f"{head}..{sign}", token.replace(".", "", 1)):
        with pytest.raises(IntegrityError):
            credential.opened(raw, key.public)
    with pytest.raises(IntegrityError, match="not signed by"):
        credential.opened(token, AUTHORITY[1].public)
    with pytest.raises(DecodeError, match="larger"):
        credential.opened("x" * 20000, key.public)

    def made(data, **header):
        raw = json.dumps(data).encode()
        return joserfc.jws.serialize_compact(
            {**credential.HEADER, **header}, raw, credential._key(key.public, key.private), algorithms=["Ed25519"]
        )

    good = credential.as_credential(chain, key.public)
    assert credential.opened(made(good), key.public) == good
    for bad in (made([]), made({**good, "@context": []}), made(good, typ="jwt")):
        with pytest.raises(DecodeError):
            credential.opened(bad, key.public)
    with pytest.raises(IntegrityError, match="issuer"):
        credential.opened(made({**good, "issuer": "did:key:z"}), key.public)


# --- the Dataspace Protocol

FOLDER = Path(os.environ.get("KEYONG_VECTORS", "/nonexistent")) / "dataspace-protocol/artifacts/src/main/resources"
EXAMPLES = sorted((FOLDER / "catalog/example").glob("*.json")) + sorted((FOLDER / "negotiation/example").glob("*.json"))
vectors = pytest.mark.skipif(not EXAMPLES, reason="needs the Dataspace Protocol's schemas in KEYONG_VECTORS")
SCHEMAS = {  # @type: schema
    "Catalog": "catalog/catalog-schema.json", "CatalogError": "catalog/catalog-error-schema.json",
    "CatalogRequestMessage": "catalog/catalog-request-message-schema.json", "DatasetRequestMessage": "catalog/dataset-request-message-schema.json",
    "Dataset": "catalog/dataset-schema.json", "ContractAgreementMessage": "negotiation/contract-agreement-message-schema.json",
    "ContractAgreementVerificationMessage": "negotiation/contract-agreement-verification-message-schema.json",
    "ContractNegotiationError": "negotiation/contract-negotiation-error-schema.json",
    "ContractNegotiationEventMessage": "negotiation/contract-negotiation-event-message-schema.json",
    "ContractNegotiation": "negotiation/contract-negotiation-schema.json", END: "negotiation/contract-negotiation-termination-message-schema.json",
    "ContractOfferMessage": "negotiation/contract-offer-message-schema.json", "ContractRequestMessage": "negotiation/contract-request-message-schema.json",
}  # fmt: skip


def errors(data):
    """What the official schema of its type has against *data*."""
    files = [json.loads(path.read_text()) for path in FOLDER.rglob("*-schema.json")]
    registry = Registry().with_resources([(s["$id"], Resource.from_contents(s, DRAFT201909)) for s in files])
    schema = json.loads((FOLDER / SCHEMAS[data["@type"]]).read_text())
    return [error.message for error in Draft201909Validator(schema, registry=registry).iter_errors(data)]


@vectors
@pytest.mark.external
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_every_official_example_validates_and_is_read(path):
    data = json.loads(path.read_text())
    assert errors(data) == []
    if data["@type"].endswith("Message") and data["@type"].startswith("Contract"):
        assert dataspace.read(path.read_bytes()) == data


CONSUMER, PROVIDER = "urn:uuid:32541fe6-c580-409e-85a8-8a9a32fbe833", "urn:uuid:a343fcbf-99fc-4ce8-8e9b-148c97605aab"
OFFER, OTHER = dataspace.offer(ASSET, purpose="research"), dataspace.offer(ASSET, purpose="teaching")
BEGUN = Negotiation(CONSUMER, PROVIDER)


def said(at, name):
    """Our message of that name at a negotiation, and who sends it."""
    made = {
        "ContractRequestMessage": lambda: (at.request(OFFER, callback="https://c.example/dsp"), "consumer"),
        "ContractOfferMessage": lambda: (at.counter(OTHER, callback="https://p.example/dsp"), "provider"),
        "ACCEPTED": lambda: (at.accept(), "consumer"), "FINALIZED": lambda: (at.finalize(), "provider"),
        "ContractAgreementMessage": lambda: (at.agree(identity="urn:uuid:1", assigner="urn:a", assignee="urn:b", at=NOW), "provider"),
        "ContractAgreementVerificationMessage": lambda: (at.verify(), "consumer"), END: lambda: (at.terminate("90", "no need"), "consumer"),
    }  # fmt: skip
    return made[name]()


NAMES = sorted({name for _, name in TURNS} | {END})
PATHS = {"": [], "REQUESTED": ["ContractRequestMessage"], "OFFERED": ["ContractOfferMessage"]}
PATHS["ACCEPTED"] = [*PATHS["REQUESTED"], "ContractOfferMessage", "ACCEPTED"]
PATHS["AGREED"] = [*PATHS["ACCEPTED"], "ContractAgreementMessage"]
PATHS["VERIFIED"] = [*PATHS["AGREED"], "ContractAgreementVerificationMessage"]
PATHS["FINALIZED"], PATHS["TERMINATED"] = [*PATHS["VERIFIED"], "FINALIZED"], [*PATHS["REQUESTED"], END]


def walked(state):
    at = BEGUN
    for name in PATHS[state]:
        at = at.receive(*said(at, name))
    return at


@vectors
@pytest.mark.external
@pytest.mark.parametrize("state", ["", *STATES])
def test_every_message_that_we_make_validates(state):
    at = walked(state)
    names = [name for before, name in TURNS if before == state] + ([END] if state not in ("", *ENDED) else [])
    made = [said(at, name)[0] for name in names] + ([at.status(), at.error("1", "why")] if state else [])
    assert [errors(message) for message in made] == [[]] * len(made)


@vectors
@pytest.mark.external
@pytest.mark.parametrize("assets", [[ASSET, GONE], [GONE], []])
def test_the_catalogue_validates(assets):
    made = dataspace.catalogue(assets, participant="urn:keyong:city", endpoint="https://city.example/dsp")
    assert errors(made) == []
    assert len(made.get("dataset", [])) == (ASSET in assets)


@vectors
@pytest.mark.external
def test_the_schemas_would_notice():
    assert errors({**BEGUN.error("1", "why"), "reason": []}) and errors({**said(BEGUN, "ContractRequestMessage")[0], "offer": {}})


@pytest.mark.parametrize("state", ["", *STATES])
@pytest.mark.parametrize("name", NAMES)
def test_each_message_in_each_state(state, name):
    at = walked(state)
    message, sender = said(at, name)
    message = json.loads(json.dumps(message))
    if (state, name) in TURNS or (name == END and state not in ("", *ENDED)):
        after = at.receive(dataspace.read(json.dumps(message).encode()), sender)
        assert after.state == (TURNS[state, name][1] if (state, name) in TURNS else "TERMINATED")
        if name != END:
            with pytest.raises(PeerError):
                at.receive(
                    {**message, "providerPid": PROVIDER, "consumerPid": CONSUMER}, "provider" if sender == "consumer" else "consumer"
                )
    else:
        with pytest.raises(OutOfTurn):
            at.receive({**message, "providerPid": PROVIDER, "consumerPid": CONSUMER}, sender)


def test_an_agreement_is_to_the_last_offer():
    at = walked("ACCEPTED")
    message, sender = said(at, "ContractAgreementMessage")
    assert at.receive(message, sender).agreed["permission"] == OTHER["permission"] == at.offer["permission"]
    for change in ({"permission": OFFER["permission"]}, {"target": "urn:x"}, {"prohibition": [{"action": "use"}]}):
        with pytest.raises(PeerError, match="last offer"):
            at.receive({**message, "agreement": {**message["agreement"], **change}}, sender)


def test_a_message_of_another_negotiation():
    at = walked("REQUESTED")
    message, sender = said(at, "ContractOfferMessage")
    with pytest.raises(PeerError, match="another negotiation"):
        at.receive({**message, "consumerPid": "urn:uuid:0"}, sender)


@pytest.mark.parametrize("change, says", [
    ({"@context": []}, "context"), ({"@context": "x"}, "context"), ({"@type": "Catalog"}, "not a message"), ({"@type": ["x"]}, "not a message"),
    ({"eventType": "ACCEPTED"}, "an event"), ({"offer": "x"}, "carries"), ({"offer": {"@id": 1, "@type": "Offer"}}, "carries"), ({"agreement": {}}, "carries"),
])  # fmt: skip
def test_messages_that_are_none(change, says):
    message, _ = said(BEGUN, "ContractRequestMessage")
    with pytest.raises(DecodeError, match=says):
        dataspace.read(json.dumps({**message, **change}).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"x" * 100_000, b"[" * 50_000])
def test_bytes_that_are_no_message(raw):
    with pytest.raises(DecodeError):
        dataspace.read(raw)


def test_an_event_has_its_type():
    message = {**walked("OFFERED").accept(), "eventType": "MAYBE"}
    with pytest.raises(DecodeError, match="an event"):
        dataspace.read(json.dumps(message).encode())
