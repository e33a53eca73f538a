"""A result bundle, made by a real coordinator and real nodes' machines, verifies offline; and no part of it can be changed or exchanged."""

from __future__ import annotations

import copy
from dataclasses import replace

import coordinators
import pytest
from coordinators import KEYS
from hypothesis import given, settings
from hypothesis import strategies as st
from offices import Floor, Nodes

from federated.verify import Bundle, as_dict, verify
from governance import notes
from governance.checkpoint import Checkpoint
from governance.encoding import build, canonical, parse
from governance.errors import DecodeError, IntegrityError, KeyongError, LicenceRefused
from governance.keys import SigningKey, Trust
from governance.ledger import entry
from governance.licences import Licence
from governance.merkle import leaf_hash
from sandbox.messages import Acceptance, Admission, Release

TRUST = coordinators.TRUST


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two bundles from one coordinator: of the job under test, and of another one."""
    floor = Floor(tmp_path_factory.mktemp("coordinator"))
    bundles = []
    for _ in range(2):
        job = floor.submit()
        Nodes(floor, job).run()
        bundles.append(parse(canonical(floor.bundle(job))))
    floor.office.journal.close()
    return bundles


@pytest.fixture
def bundle(made):
    return copy.deepcopy(made[0])


def verified(bundle, trust=TRUST):
    return verify(build(Bundle, bundle), trust)


def refused(bundle, says=None, error=KeyongError, trust=TRUST):
    with pytest.raises(error, match=says):
        verified(bundle, trust)


def signed(document, *names):
    return str(notes.write(document).signed_by(*(KEYS[n] for n in names)))


def test_a_bundle_proves_who_asked_who_took_part_and_who_signed(bundle):
    found = verified(bundle)
    text = "\n".join(found.checks)
    for part in ("authority signed dataset, licence and 6 enrolments", "operator operator (House of operator)", "all 4 data holders accepted it",
                 "4 of 4 data holders computed and signed this result; 3 are needed", "ledger entry"):  # fmt: skip
        assert part in text
    assert found.result.outcome["columns"][0]["n"] == 160
    assert found.result.provenance.entry == bundle["ledger"]["index"]
    assert as_dict(found) == {"verified": True, "job": notes.read(bundle["job"]).id, "method": "describe@1",
                              "signers": ["east", "north", "south", "west"], "checks": list(found.checks)}  # fmt: skip


# --- no part can be changed


def leaves(value, path=()):
    """Every text and number in the bundle, and every name in its maps, by path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, f"name {name}")
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path


def changed(value, path, change):
    step, rest = path[0], path[1:]
    if isinstance(step, str) and step.startswith("name "):
        name = step.removeprefix("name ")
        return {(change(n) if n == name else n): inner for n, inner in value.items()}
    copied = list(value) if isinstance(value, list) else dict(value)
    copied[step] = changed(value[step], rest, change) if rest else change(value[step])
    return copied


def flip(value, at, bit):
    if isinstance(value, int):
        return value ^ 1 << bit
    raw = bytearray(value.encode())
    raw[at % len(raw)] ^= 1 << bit
    return raw.decode(errors="replace")


@settings(max_examples=250)
@given(st.data())
def test_one_bit_anywhere_is_caught(made, data):
    path = data.draw(st.sampled_from(list(leaves(made[0]))))
    at, bit = data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 7))
    lie = changed(made[0], path, lambda value: flip(value, at, bit))
    if lie != made[0]:
        refused(lie)


@pytest.mark.parametrize("part", ["job", "licence", "dataset", "admission", "release"])
@pytest.mark.parametrize("bit", [0, 5])
def test_every_byte_of_every_note_is_covered(made, part, bit):
    """Bit 5 turns a letter into its capital: hexadecimal and base64 have one spelling only."""
    for at in range(0, len(made[0][part].encode()), 7):
        refused({**made[0], part: flip(made[0][part], at, bit)})


def test_no_hash_of_the_proof_has_two_spellings(bundle):
    path = bundle["ledger"]["inclusion"]
    assert path
    refused({**bundle, "ledger": {**bundle["ledger"], "inclusion": [path[0].upper(), *path[1:]]}}, "lower-case", DecodeError)
    refused({**bundle, "ledger": {**bundle["ledger"], "inclusion": [f" {path[0]}", *path[1:]]}}, "lower-case", DecodeError)


@pytest.mark.parametrize("part", ["job", "licence", "dataset", "enrolments", "admission", "acceptances", "release", "ledger"])
def test_a_part_of_another_bundle_does_not_fit(made, part):
    if made[0][part] != made[1][part]:
        refused({**made[0], part: made[1][part]})
    else:
        assert part in ("licence", "dataset", "enrolments")  # the same documents serve both jobs


@pytest.mark.parametrize("part", ["job", "licence", "dataset", "enrolments", "admission", "acceptances", "release", "ledger", "keyong"])
def test_nothing_can_be_left_out(bundle, part):
    refused({n: v for n, v in bundle.items() if n != part}, part, DecodeError)
    refused({**bundle, part: {} if isinstance(bundle[part], dict) else ""})


@pytest.mark.parametrize("name", ["north", "operator", "coordinator"])
def test_no_party_can_be_left_out_or_shown_as_another(bundle, name):
    refused({**bundle, "enrolments": {n: v for n, v in bundle["enrolments"].items() if n != name}}, error=IntegrityError)
    swapped = {**bundle["enrolments"], name: bundle["enrolments"]["south"]}
    refused({**bundle, "enrolments": swapped}, "shown as that of", IntegrityError)


def test_no_acceptance_can_be_left_out_or_added(bundle):
    fewer = {n: v for n, v in bundle["acceptances"].items() if n != "north"}
    for acceptances in (fewer, {**bundle["acceptances"], "other": bundle["acceptances"]["north"]}):
        refused({**bundle, "acceptances": acceptances}, "not those of the dataset's holders", IntegrityError)


def test_an_unknown_field_is_refused(bundle):
    refused({**bundle, "note": "x"}, error=DecodeError)
    refused({**bundle, "keyong": "bundle/v2"}, "version", DecodeError)


# --- wrong authority


def test_another_authority_vouches_for_nobody(bundle):
    refused(bundle, error=IntegrityError, trust=Trust((SigningKey.generate("authority").public,)))
    refused(bundle, error=IntegrityError, trust=Trust((SigningKey.generate("bureau").public,)))
    two = Trust((coordinators.AUTHORITY.public, SigningKey.generate("second").public), 2)
    refused(bundle, "1 of the 2", IntegrityError, two)


# --- what operator, coordinator and too few holders can sign together


def release_by(bundle, names, **changes):
    document = replace(notes.read(bundle["release"]).document(Release), **changes)
    return relogged({**bundle, "release": signed(document, *names)})


def relogged(bundle):
    """The coordinator puts another release into a ledger of its own making."""
    leaf = entry("job.released", notes.read(bundle["release"]).id, code="", at=1).leaf
    checkpoint = Checkpoint("coordinator", 1, leaf_hash(leaf)).signed_by(KEYS["coordinator"])
    return {**bundle, "ledger": {"index": 0, "entry": leaf.decode(), "inclusion": [], "checkpoint": str(checkpoint)}}


def test_the_forger_of_these_tests_can_make_a_good_bundle(bundle):
    assert verified(release_by(bundle, ("north", "south", "east", "west"))).result.outcome == verified(bundle).result.outcome
    assert verified(release_by(bundle, ("north", "south", "east"), survivors=("east", "north", "south")))


FALSE = canonical({"analysis": "describe@1", "outcome": {"columns": []}})


@pytest.mark.parametrize("names, changes, says", [
    (("north", "south"), {"result": FALSE}, "only 2 data holders signed"), (("north", "north", "north"), {"result": FALSE}, "nobody's"),
    (("north", "coordinator", "operator"), {"result": FALSE}, "nobody's"), (("north", "south", "other"), {"result": FALSE}, "nobody's"),
    (("north", "south", "west"), {"survivors": ("east", "north", "south")}, "only 2"),  # west was not in the set
    (("north", "south", "east"), {"holders": ("east", "north", "south")}, "another job or run"),
    (("north", "south", "east"), {"job": "0" * 64}, "another job or run"), (("north", "south", "east"), {"run": "0" * 64}, "another job or run"),
])  # fmt: skip
def test_a_release_needs_t_holders_of_the_set_it_speaks_of(bundle, names, changes, says):
    refused(release_by(bundle, names, **changes), says, IntegrityError)


@pytest.mark.parametrize("changes", [{"job": "0" * 64}, {"licence": "0" * 64}, {"acceptances": ()}, {"use": 2}, {"at": 1}])
def test_the_coordinator_cannot_sign_another_admission_afterwards(bundle, changes):
    document = replace(notes.read(bundle["admission"]).document(Admission), **changes)
    refused({**bundle, "admission": signed(document, "coordinator")}, error=IntegrityError)


def test_a_use_beyond_the_licence_is_refused(bundle):
    """Even where t holders went on with it."""
    admission = notes.write(replace(notes.read(bundle["admission"]).document(Admission), use=1001)).signed_by(KEYS["coordinator"])
    lie = release_by({**bundle, "admission": str(admission)}, ("north", "south", "east", "west"), run=admission.id)
    refused(lie, "1000 uses", LicenceRefused)


@pytest.mark.parametrize("changes", [{"job": "0" * 64}, {"holder": "south"}])
def test_an_acceptance_is_for_this_job_by_this_holder(bundle, changes):
    """Even where coordinator and holders signed all that follows from it."""
    document = replace(notes.read(bundle["acceptances"]["north"]).document(Acceptance), **changes)
    acceptances = {**bundle["acceptances"], "north": signed(document, "north")}
    ids = tuple(notes.read(acceptances[n]).id for n in sorted(acceptances))
    admission = notes.write(replace(notes.read(bundle["admission"]).document(Admission), acceptances=ids)).signed_by(KEYS["coordinator"])
    lie = release_by({**bundle, "acceptances": acceptances, "admission": str(admission)}, coordinators.ROSTER, run=admission.id)
    refused(lie, "the acceptance of north is for another job", IntegrityError)


def test_the_licence_must_be_the_jobs_and_cover_it(bundle):
    for changes in ({"use_count": 7}, {"purposes": ("other",)}):
        document = replace(notes.read(bundle["licence"]).document(Licence), **changes)
        other = str(notes.write(document).signed_by(coordinators.AUTHORITY))
        refused({**bundle, "licence": other}, "another one", LicenceRefused)


@pytest.mark.parametrize("event, subject, says", [
    ("job.ended", None, "not about this release"), ("job.released", "0" * 64, "not about this release"),
])  # fmt: skip
def test_the_ledger_entry_is_about_the_release(bundle, event, subject, says):
    leaf = entry(event, subject or notes.read(bundle["release"]).id, code="", at=1).leaf
    checkpoint = Checkpoint("coordinator", 1, leaf_hash(leaf)).signed_by(KEYS["coordinator"])
    proof = {"index": 0, "entry": leaf.decode(), "inclusion": [], "checkpoint": str(checkpoint)}
    refused({**bundle, "ledger": proof}, says, IntegrityError)


def test_a_ledger_of_somebody_else_proves_nothing(bundle):
    leaf = bundle["ledger"]["entry"].encode()
    checkpoint = Checkpoint("coordinator", 1, leaf_hash(leaf)).signed_by(SigningKey.generate("coordinator"))
    refused({**bundle, "ledger": {**bundle["ledger"], "index": 0, "inclusion": [], "checkpoint": str(checkpoint)}}, error=IntegrityError)
