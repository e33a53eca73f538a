"""The Dataspace Protocol over HTTP: a real server process, a consumer with an address of its own, hostile bodies, and the way to a licence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT201909
from test_registry import Desk

from federated import grants, negotiations
from federated.authority import read_trust
from federated.coordinator.web import dataspace as web
from federated.negotiations import Folder
from governance import registration
from governance.errors import DecodeError, OutOfTurn, UsageError
from governance.views import dataspace
from governance.views.dataspace import LIMIT, Negotiation

CITY, LAB = "urn:keyong:party:city", "urn:example:lab"
ME = "urn:uuid:32541fe6-c580-409e-85a8-8a9a32fbe833"
CALLBACK = "https://lab.example/dsp"
VECTORS = Path(os.environ.get("KEYONG_VECTORS", "/nonexistent")) / "dataspace-protocol/artifacts/src/main/resources"


def errors(data):
    """What the official schema of its type has against *data*; nothing where the schemas are not here."""
    files = {path.name: json.loads(path.read_text()) for path in VECTORS.rglob("*-schema.json")}
    registry = Registry().with_resources([(s["$id"], Resource.from_contents(s, DRAFT201909)) for s in files.values()])
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in data["@type"]).strip("-") + "-schema.json"
    return [error.message for error in Draft201909Validator(files[name], registry=registry).iter_errors(data)] if files else []


@pytest.fixture
def desk(tmp_path, capsys):
    made = Desk(tmp_path, capsys)
    made.apply()
    made.take("register")
    return made


@pytest.fixture
def asset(desk):
    return registration.opened(desk.asset.read_text(), read_trust(desk.trust))


@pytest.fixture
def place(desk, asset, tmp_path):
    """The service in this process: folder, client, and a token."""
    folder = Folder(tmp_path / "dataspace")
    token = folder.invite(LAB)
    app = web.make_app(folder, lambda: [asset], participant=CITY, endpoint="https://city.example/dsp")
    return folder, app.test_client(), {"Authorization": f"Bearer {token}"}


def asked(asset, **changes):
    offer = dataspace.offer(asset, **changes.pop("limits", {"purpose": "research"}))
    return {**Negotiation(ME, "").request(offer, callback=CALLBACK), **changes}


def ask(place, path, message=None, *, headers=None):
    _, client, token = place
    body = message if isinstance(message, bytes | None) else json.dumps(message).encode()
    sent = client.open(f"/dsp/{path}", method="GET" if body is None else "POST", data=body, headers=token if headers is None else headers)
    data = sent.get_json()
    assert errors(data) == [] and sent.headers["X-Content-Type-Options"] == "nosniff"
    return sent.status_code, data


def begun(place, asset, **changes):
    status, data = ask(place, "negotiations/request", asked(asset, **changes))
    assert (status, data["state"]) == (201, "REQUESTED")
    return data["providerPid"]


# --- the catalogue


def test_the_catalogue_is_for_participants(place, asset):
    query = {"@context": [dataspace.CONTEXT], "@type": "CatalogRequestMessage"}
    status, made = ask(place, "catalog/request", query)
    assert status == 200 and [d["@id"] for d in made["dataset"]] == [dataspace.target(asset)]
    status, one = ask(place, f"catalog/datasets/{dataspace.target(asset)}")
    assert status == 200 and one["hasPolicy"] == made["dataset"][0]["hasPolicy"]
    assert ask(place, "catalog/datasets/urn:x")[0] == 404
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic " + "x" * 43}):
        assert ask(place, "catalog/request", query, headers=headers)[0] == 401
        assert ask(place, "negotiations/request", asked(asset), headers=headers)[0] == 401
    assert ask(place, "catalog/request", {**query, "filter": [{"a": 1}]})[0] == 400
    assert place[1].get("/.well-known/dspace-version").get_json()["protocolVersions"][0]["version"] == "2025-1"


# --- hostile messages


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":1}', b"x" * (LIMIT + 1), b"[" * 50_000, b"\xff"],
                         ids=["empty", "list", "cut", "twice", "large", "deep", "bytes"])  # fmt: skip
def test_bodies_that_are_no_message(place, asset, body):
    pid = begun(place, asset)
    for path in ("negotiations/request", f"negotiations/{pid}/events", "catalog/request"):
        assert ask(place, path, body)[0] == 400
    assert ask(place, f"negotiations/{pid}")[1]["state"] == "REQUESTED"


@pytest.mark.parametrize("text", ["NaN", '"\\ud800"', "[" * 40 + "]" * 40, "[" * 900 + "]" * 900], ids=["nan", "half", "deep", "deeper"])
def test_values_that_nobody_could_keep(place, asset, text):
    body = json.dumps(asked(asset, more="HERE")).replace('"HERE"', text).encode()
    assert ask(place, "negotiations/request", body)[0] == 400 and place[0].all() == []


@pytest.mark.parametrize("change", [
    {"callbackAddress": "http://10.0.0.1/"}, {"callbackAddress": "file:///etc/passwd"}, {"callbackAddress": "https://a:b@lab.example"},
    {"callbackAddress": "https://[/"}, {"callbackAddress": "https://" + "x" * 600}, {"callbackAddress": 3}, {"consumerPid": 3},
    {"consumerPid": "x" * 600}, {"consumerPid": ""}, {"offer": {"@id": "urn:o", "@type": "Offer", "target": "urn:keyong:asset:other"}},
    {"@type": "ContractAgreementMessage"}, {"@context": []},
])  # fmt: skip
def test_requests_that_begin_nothing(place, asset, change):
    assert ask(place, "negotiations/request", asked(asset, **change))[0] == 400
    assert place[0].all() == []


def test_each_message_has_its_address_and_its_turn(place, asset):
    pid = begun(place, asset)
    at = Negotiation(ME, pid, "REQUESTED")
    for path, message in (("events", at.accept()), ("agreement/verification", at.verify()), ("events", at.finalize()),
                          ("termination", at.accept()), ("request", at.terminate("1", "x"))):  # fmt: skip
        assert ask(place, f"negotiations/{pid}/{path}", message)[0] == 400
    other = {**at.terminate("1", "x"), "consumerPid": "urn:uuid:0"}
    assert ask(place, f"negotiations/{pid}/termination", other)[0] == 400
    assert ask(place, f"negotiations/{pid}")[1]["state"] == "REQUESTED"
    assert ask(place, f"negotiations/{pid}/termination", at.terminate("1", "no need"))[1]["state"] == "TERMINATED"
    assert ask(place, f"negotiations/{pid}/request", {**asked(asset), "providerPid": pid})[0] == 400


def test_a_consumer_does_not_finalize(place, asset):
    """FINALIZED is the provider's to say, also where it would be its turn."""
    folder, _, _ = place
    pid = begun(place, asset)
    folder.answer(pid, lambda t: t.now.agree(identity="urn:a", assigner=CITY, assignee=LAB, at=1))
    at = folder.find(pid).now
    assert ask(place, f"negotiations/{pid}/agreement/verification", at.verify())[1]["state"] == "VERIFIED"
    assert ask(place, f"negotiations/{pid}/events", at.finalize())[0] == 400
    assert folder.find(pid).now.state == "VERIFIED"


def test_a_request_that_is_sent_again_begins_nothing_new(place, asset):
    pid = begun(place, asset)
    assert begun(place, asset) == pid and len(place[0].all()) == 1
    assert ask(place, "negotiations/request", asked(asset, limits={"purpose": "teaching"}))[0] == 400
    end = Negotiation(ME, pid).terminate("1", "x")
    for _ in range(2):
        assert ask(place, f"negotiations/{pid}/termination", end)[1]["state"] == "TERMINATED"
    assert len(place[0].find(pid).said) == 2


def test_anothers_negotiation_looks_like_none(place, asset):
    pid = begun(place, asset)
    other = {"Authorization": f"Bearer {place[0].invite('urn:example:other')}"}
    assert ask(place, f"negotiations/{pid}", headers=other)[0] == 404
    assert ask(place, f"negotiations/{pid}/termination", Negotiation(ME, pid).terminate("1", "x"), headers=other)[0] == 404
    for name in ("urn:uuid:0", "..%2f..%2fparticipants", "urn:uuid:" + "0" * 36):
        assert ask(place, f"negotiations/{name}")[0] == 404
    assert ask(place, f"negotiations/{pid}")[1]["state"] == "REQUESTED"


def test_a_token_that_was_made_anew_ends_the_old_one(place, asset):
    place[0].invite(LAB)
    assert ask(place, "negotiations/request", asked(asset))[0] == 401


def test_negotiations_and_their_messages_have_an_end(place, asset, monkeypatch):
    monkeypatch.setattr(negotiations, "MOST_OPEN", 2)
    for number in range(2):
        begun(place, asset, consumerPid=f"urn:uuid:{number}")
    assert ask(place, "negotiations/request", asked(asset, consumerPid="urn:uuid:9"))[0] == 400
    monkeypatch.setattr(negotiations, "MOST_OPEN", 3)
    monkeypatch.setattr(negotiations, "MOST_KEPT", 2)
    assert ask(place, "negotiations/request", asked(asset, consumerPid="urn:uuid:9"))[0] == 400
    monkeypatch.setattr(negotiations, "MOST_MESSAGES", 1)
    pid = place[0].all()[0].provider
    with pytest.raises(OutOfTurn, match="at most"):
        place[0].answer(pid, lambda t: t.now.terminate("1", "x"))


def test_a_file_that_was_changed_is_no_negotiation(place, asset):
    pid = begun(place, asset)
    (file,) = (place[0].path / "negotiations").glob("*.json")
    data = json.loads(file.read_text())
    for bad in ({**data, "said": data["said"] * 2}, {**data, "consumer": "urn:uuid:0"}, {**data, "more": 1}, []):
        file.write_text(json.dumps(bad))
        with pytest.raises(UsageError, match="no negotiation"):
            place[0].find(pid)
    status, told = ask(place, f"negotiations/{pid}")
    assert status == 500 and str(file) not in json.dumps(told)


# --- a real server, a consumer's own address, and the commands of people


class Consumer(ThreadingHTTPServer):
    """What is sent to the consumer's callback address, by path."""

    def __init__(self):
        got = self.got = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def consumer():
    with Consumer() as server:
        yield server
        server.shutdown()


@pytest.fixture
def service(desk):
    """`keyong dataspace serve` in a process of its own."""
    words = ["dataspace", "serve", "--home", desk.path / "dataspace", "--participant", CITY, "--url", "https://city.example", "--assets",
             desk.home / "assets", "--authority", desk.trust, "--listen", "127.0.0.1:0", "--json"]  # fmt: skip
    code = "from federated.cli import main; main()"
    with subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["ready"]
        process.terminate()
    assert process.returncode == 0


def test_from_the_catalogue_to_a_draft_of_a_licence(desk, service, consumer, asset):
    home = ["--home", desk.path / "dataspace"]
    token = desk("dataspace", "invite", LAB, *home)["token"]
    callback = f"http://127.0.0.1:{consumer.server_port}/back"

    def post(path, message):
        sent = httpx2.post(f"{service}/dsp/{path}", json=message, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        assert sent.is_success and errors(sent.json()) == [], sent.text
        return sent.json()

    query = {"@context": [dataspace.CONTEXT], "@type": "CatalogRequestMessage"}
    (found,) = post("catalog/request", query)["dataset"]
    offer = {**dataspace.offer(asset, purpose="research"), "target": found["@id"]}
    at = Negotiation(ME, "")
    pid = post("negotiations/request", at.request(offer, callback=callback))["providerPid"]
    at = Negotiation(ME, pid, "REQUESTED", offer)
    more = [{"leftOperand": "count", "operator": "lteq", "rightOperand": "20"},
            {"leftOperand": "keyong:column", "operator": "isAnyOf", "rightOperand": ["age"]}]  # fmt: skip
    (rule,) = offer["permission"]
    (desk.path / "offer.json").write_text(
        json.dumps({**offer, "@id": "urn:uuid:2", "permission": [{**rule, "constraint": [*rule["constraint"], *more]}]})
    )

    def answer(*words):
        assert desk("dataspace", "answer", pid, *words, *home, "--participant", CITY)["negotiation"] == pid
        path, message = consumer.got[-1]
        assert errors(message) == []
        return path.removeprefix(f"/back/negotiations/{ME}/"), message

    path, message = answer("offer", "--offer", desk.path / "offer.json")
    assert path == "offers"
    at = at.receive(message, "provider")
    post(f"negotiations/{pid}/events", at.accept())
    at = at.receive(at.accept(), "consumer")
    path, message = answer("agree")
    at = at.receive(message, "provider")
    assert path == "agreement" and at.agreed["assignee"] == LAB
    file = desk.path / "dataspace" / "negotiations" / f"{pid.removeprefix('urn:uuid:')}.json"
    draft = [
        "licence",
        "draft",
        "--agreement",
        file,
        "--assets",
        desk.home / "assets",
        "--authority",
        desk.trust,
        "--out",
        desk.path / "t.yaml",
    ]
    assert "only a finalised agreement" in desk(*draft, code=2)["en"]
    post(f"negotiations/{pid}/agreement/verification", at.verify())
    at = at.receive(at.verify(), "consumer")
    path, message = answer("finalize")
    assert path == "events" and at.receive(message, "provider").state == "FINALIZED"
    assert answer("again") == (path, message)
    assert [row["state"] for row in desk("dataspace", "list", *home)] == ["FINALIZED"]

    assert desk(*draft)["terms"] == {"datasets": {"heart": ["age"]}, "purposes": ["research"], "use_count": 20}
    said = grants.rights(grants.read_terms((desk.path / "t.yaml").read_text()))
    assert (said.datasets, said.purposes, said.use_count) == ({"heart": ("age",)}, ("research",), 20)
    assert not (desk.home / "licences").exists(), "an agreement grants nothing"


def test_an_address_that_does_not_answer_is_tried_again_by_a_person(desk, asset):
    folder = Folder(desk.path / "dataspace")
    folder.invite(LAB)
    pid = folder.begin(LAB, {**asked(asset), "callbackAddress": "http://127.0.0.1:1/x"}, [asset]).provider
    words = ["dataspace", "answer", pid, "--home", folder.path, "--participant", CITY]
    assert "was not reached" in desk(*words[:3], "agree", *words[3:], code=75)["en"]
    assert folder.find(pid).now.state == "AGREED"
    assert "was not reached" in desk(*words[:3], "again", *words[3:], code=75)["en"]
    assert "may not come" in desk(*words[:3], "finalize", *words[3:], code=4)["en"]
    assert len(folder.find(pid).said) == 2


def test_the_service_is_on_this_machine_alone_without_a_certificate(desk):
    told = desk("dataspace", "serve", "--participant", CITY, "--url", "https://c.example", "--assets", desk.home / "assets", "--authority",
                desk.trust, "--listen", "0.0.0.0:8450", code=2)  # fmt: skip
    assert "on this machine alone" in told["en"]


# --- from an agreement to terms


def finalised(asset, *more, drop=False, **changes):
    offer = dataspace.offer(asset, purpose="research")
    (rule,) = offer["permission"]
    offer = {**offer, "permission": [{**rule, "constraint": [*([] if drop else rule["constraint"]), *more]}], **changes}
    talk = negotiations.Talk(LAB, ME, "urn:uuid:p", CALLBACK, ())
    at = Negotiation(ME, talk.provider)
    request, agreed = at.request(offer, callback=CALLBACK), replace(at, state="REQUESTED", offer=offer)
    agreement = agreed.agree(identity="urn:a", assigner=CITY, assignee=LAB, at=1)
    said = [("consumer", request), ("provider", agreement), ("consumer", at.verify()), ("provider", at.finalize())]
    return replace(talk, said=tuple(negotiations.Said(side, message) for side, message in said))


def limit(left, operator, right):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def test_what_an_odrl_view_says_is_understood(asset):
    more = [limit("dateTime", "gteq", {"@value": "2027-01-01T00:00:00+00:00", "@type": "xsd:dateTime"}), limit("dateTime", "lteq", "2027-12-31T00:00:00Z"),
            limit("keyong:method", "isAnyOf", ["describe@1"]), limit("keyong:minCell", "eq", {"@value": "20"})]  # fmt: skip
    _, made = negotiations.terms(finalised(asset, *more), [asset])
    assert made == {
        "purposes": ["research"],
        "not_before": "2027-01-01",
        "not_after": "2027-12-31",
        "methods": ["describe@1"],
        "min_cell": 20,
    }
    assert grants.rights(grants.read_terms(json.dumps(made))).min_cell == 20


@pytest.mark.parametrize(("more", "says"), [
    (limit("spatial", "eq", "CN"), "no condition that a licence can hold"), (limit("count", "gteq", "5"), "cannot hold"),
    (limit("count", "lteq", "many"), "cannot hold"), (limit("count", "lteq", "9" * 30), "cannot hold"), (limit("purpose", "neq", "x"), "cannot hold"),
    (limit("purpose", "isAnyOf", []), "cannot hold"), (limit("purpose", "eq", "teaching"), "says twice"), (limit("dateTime", "lteq", "soon"), "midnight"),
    (limit("dateTime", "lteq", "2027-12-31T12:00:00Z"), "midnight"), (limit("keyong:price", "eq", "none"), "otherwise"), ({"and": []}, "three parts"),
    (limit(["x"], "eq", "x"), "three parts"),
])  # fmt: skip
def test_a_condition_that_a_licence_cannot_hold_is_refused(asset, more, says):
    with pytest.raises(UsageError, match=says):
        negotiations.terms(finalised(asset, more), [asset])


@pytest.mark.parametrize("change", [
    {"prohibition": [{"action": "use"}]}, {"obligation": [{"action": "compensate"}]}, {"permission": []}, {"permission": [{"action": "read"}]},
    {"permission": [{"action": "use", "duty": []}]}, {"permission": [{"action": "use"}, {"action": "use"}]}, {"permission": ["use"]},
])  # fmt: skip
def test_an_agreement_of_another_form_is_refused(asset, change):
    with pytest.raises(UsageError, match="an agreement that becomes a licence"):
        negotiations.terms(finalised(asset, **change), [asset])


def test_an_agreement_about_what_is_not_registered_any_more(asset):
    with pytest.raises(UsageError, match="not registered now"):
        negotiations.terms(finalised(asset), [])


def test_no_first_request_no_negotiation(asset, tmp_path):
    with pytest.raises(DecodeError):
        Folder(tmp_path).begin(LAB, Negotiation(ME, "urn:p").counter(dataspace.offer(asset), callback=CALLBACK), [asset])
