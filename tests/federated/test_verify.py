"""A result bundle, made by a real coordinator and real nodes' machines, verifies offline; and no part of it can be changed or exchanged."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace

import coordinators
import licensing
import pytest
from coordinators import KEYS
from hypothesis import given, settings
from hypothesis import strategies as st
from offices import Floor, Nodes

from federated.verify import Bundle, as_dict, verify
from governance import chains, notes
from governance.catalogue import Dataset
from governance.checkpoint import Checkpoint
from governance.encoding import canonical, parse
from governance.errors import DecodeError, IntegrityError, KeyongError, LicenceRefused
from governance.keys import SigningKey
from governance.ledger import entry
from governance.merkle import leaf_hash
from governance.registration import Grade
from governance.roots import NEEDED, Role, pinned
from sandbox import spends
from sandbox.job import Job
from sandbox.messages import Acceptance, Admission, Release

PINNED = coordinators.PINNED


def root_of(*keys, threshold=1):
    """The first version of a key root in which *keys* have every role."""
    role = Role(tuple(str(key.public) for key in keys), threshold)
    return pinned(notes.write(replace(coordinators.ROOT, roles=dict.fromkeys(NEEDED, role))).signed_by(*keys))


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


def verified(bundle, root=PINNED):
    return verify(Bundle.of(bundle), root)


def refused(bundle, says=None, error=KeyongError, root=PINNED):
    with pytest.raises(error, match=says):
        verified(bundle, root)


def signed(document, *names):
    return str(notes.write(document).signed_by(*(KEYS[n] for n in names)))


def test_a_bundle_proves_who_asked_who_took_part_and_who_signed(bundle):
    found = verified(bundle)
    text = "\n".join(found.checks)
    for part in ("authority signed dataset, licence and 6 enrolments, under version 1 of its key root", "operator operator (House of operator)", "is registered as the asset cohort-asset", "all 4 data holders accepted it",
                 "4 of 4 data holders computed and signed this result; 3 are needed", "which 3 of 4 cosigned", "ledger entry"):  # fmt: skip
        assert part in text
    assert found.result.outcome["columns"][0]["n"] == 160
    assert found.result.provenance.entry == bundle["ledger"]["index"]
    assert as_dict(found) == {"verified": True, "job": notes.read(bundle["job"]).id, "method": "describe@1",
                              "signers": ["east", "north", "south", "west"], "checks": list(found.checks)}  # fmt: skip


def test_another_authoritys_keys_are_told_apart_from_an_alteration(bundle):
    refused(bundle, "another key root than the one that is trusted", IntegrityError, root=root_of(SigningKey.generate("other")))


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


@pytest.mark.parametrize("part", ["job", "plan", "dataset", "asset", "admission", "release"])
@pytest.mark.parametrize("bit", [0, 5])
def test_every_byte_of_every_note_is_covered(made, part, bit):
    """Bit 5 turns a letter into its capital: hexadecimal and base64 have one spelling only."""
    for at in range(0, len(made[0][part].encode()), 7):
        refused({**made[0], part: flip(made[0][part], at, bit)})


def test_no_hash_of_the_proof_has_two_spellings(bundle):
    path = bundle["ledger"]["inclusion"]
    assert path
    refused({**bundle, "ledger": {**bundle["ledger"], "inclusion": [path[0].upper(), *path[1:]]}}, "lower-case", IntegrityError)
    refused({**bundle, "ledger": {**bundle["ledger"], "inclusion": [f" {path[0]}", *path[1:]]}}, "lower-case", IntegrityError)


@pytest.mark.parametrize(
    "part", ["job", "chain", "plan", "dataset", "asset", "enrolments", "admission", "acceptances", "spends", "release", "ledger"]
)
def test_a_part_of_another_bundle_does_not_fit(made, part):
    if made[0][part] != made[1][part]:
        refused({**made[0], part: made[1][part]})
    else:
        assert part in ("chain", "plan", "dataset", "asset", "enrolments")  # the same documents serve both jobs


@pytest.mark.parametrize(
    "part", ["job", "chain", "plan", "dataset", "asset", "enrolments", "admission", "acceptances", "spends", "release", "ledger", "keyong"]
)
def test_nothing_can_be_left_out(bundle, part):
    error = DecodeError if part == "keyong" else IntegrityError  # without its version it is no bundle
    refused({n: v for n, v in bundle.items() if n != part}, "version" if part == "keyong" else part, error)
    refused({**bundle, part: {} if isinstance(bundle[part], dict) else ""}, error=error)


def asset(dataset, *, holder=KEYS["east"], **changes):
    return licensing.asset(dataset, holder, coordinators.AUTHORITY, at=1, **changes)


@pytest.mark.parametrize("other", [
    lambda d, chain: licensing.moved(chain, "cancel", coordinators.AUTHORITY, at=2**33), lambda d, chain: asset(d, holder=KEYS["other"]),
    lambda d, chain: asset(d, holder=SigningKey.generate("east")), lambda d, chain: asset(d, schema="0" * 64),
    lambda d, chain: licensing.asset(d, KEYS["east"], SigningKey.generate("authority"), at=1),
    lambda d, chain: chain + chain.splitlines(keepends=True)[-1], lambda d, chain: str(chains.read(chain)[0]),
], ids=["cancelled", "no holder", "another key", "columns", "forged", "a line more", "applied"])  # fmt: skip
def test_a_dataset_that_was_not_registered_so(bundle, other):
    dataset = notes.read(bundle["dataset"]).document(Dataset)
    refused({**bundle, "asset": other(dataset, bundle["asset"])}, error=IntegrityError)


def test_a_column_that_was_registered_with_a_higher_grade_than_the_licence_s(bundle):
    dataset = notes.read(bundle["dataset"]).document(Dataset)
    refused({**bundle, "asset": asset(dataset, grades=(Grade("age", 4),))}, "grade", LicenceRefused)


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
    refused({**bundle, "note": "x"}, error=IntegrityError)
    refused({**bundle, "keyong": "bundle/v2"}, "version", DecodeError)


# --- whatever is altered, it is an alarm

NOTES = [("job",), ("chain", 0), ("plan",), ("dataset",), ("admission",), ("release",), ("ledger", "checkpoint"), ("ledger", "entry"),
         *[("enrolments", n) for n in (*coordinators.ROSTER, "coordinator", "operator")], *[("acceptances", n) for n in coordinators.ROSTER]]  # fmt: skip
PARTS = [
    *NOTES,
    ("chain",),
    ("enrolments",),
    ("acceptances",),
    ("ledger",),
    ("ledger", "index"),
    ("ledger", "inclusion"),
    ("ledger", "inclusion", 0),
]
OTHERS = (None, True, 0, -1, 2**40, 1.5, "", "x", [], {}, [""], {"a": ""})


def at(bundle, path):
    for name in path:
        bundle = bundle[name]
    return bundle


def put(bundle, path, value):
    copied = copy.deepcopy(bundle)
    at(copied, path[:-1])[path[-1]] = value
    return copied


def without(bundle, path):
    copied = copy.deepcopy(bundle)
    del at(copied, path[:-1])[path[-1]]
    return copied


def lines(text):
    """A note's text with the empty line, and its signature lines."""
    head, _, below = text.rpartition("\n\n")
    return head + "\n\n", below.splitlines(keepends=True)


def alterations(made):
    bundle, other = made
    for path in PARTS:
        value = at(bundle, path)
        yield f"drop {path}", without(bundle, path)
        for thing in OTHERS:
            yield f"{path} is {thing!r}", put(bundle, path, thing)
        for path2 in PARTS:
            if path < path2[: len(path)] or path > path2[: len(path)]:
                yield f"swap {path} {path2}", put(put(bundle, path, at(bundle, path2)), path2, value)
        yield f"duplicate {path}", put(bundle, path, value * 2 if isinstance(value, (str, list)) else [value, value])
        yield f"wrap {path}", put(bundle, path, [value])
        yield f"add beside {path}", put(bundle, (*path[:-1], "more" if isinstance(path[-1], str) else 0), value) if isinstance(path[-1], str) else {
            **bundle, "ledger": {**bundle["ledger"], "inclusion": [*bundle["ledger"]["inclusion"], value]}}  # fmt: skip
        if at(other, path) != value:
            yield f"{path} of another", put(bundle, path, at(other, path))
    stranger = SigningKey.generate("stranger")
    for path in NOTES:
        if path == ("ledger", "entry"):
            continue
        text, signed = lines(at(bundle, path))
        yield f"no line under {path}", put(bundle, path, text)
        yield f"a line twice under {path}", put(bundle, path, text + "".join([*signed, signed[0]]))
        for name, key in {**KEYS, "stranger": stranger, "authority": coordinators.AUTHORITY}.items():
            more = "".join(lines(str(notes.Note(text[:-1]).signed_by(key)))[1])
            if more not in signed:
                yield f"a line of {name} under {path}", put(bundle, path, text + "".join(signed) + more)
    for name in ("other", "rival"):  # parties as good as the others, who had nothing to do with it
        yield (
            f"{name} beside the parties",
            put(bundle, ("enrolments", name), coordinators.enrolment(KEYS[name], coordinators.PARTIES[name])),
        )


def exit_of(raw):
    try:
        verify(Bundle.read(raw), PINNED)
    except KeyongError as error:
        return error.exit_status
    return 0


def as_file(bundle):
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def test_every_alteration_of_a_part_is_an_integrity_alarm(made):
    assert exit_of(as_file(made[0])) == exit_of(as_file(made[1])) == 0
    tried = dict(alterations(made))
    assert len(tried) > 600
    assert {what: code for what, lie in tried.items() if lie != made[0] and (code := exit_of(as_file(lie))) != 4} == {}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_bit_of_the_file_is_covered(made, data):
    """2 where what is left is not JSON or of no known version, 4 everywhere else."""
    raw = bytearray(as_file(made[0]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        is_bundle = json.loads(raw).get("keyong") == "bundle/v1"
    except ValueError:
        is_bundle = False
    assert exit_of(bytes(raw)) == (4 if is_bundle else 2)


@pytest.mark.parametrize("raw", [
    b"", b"{", b"[]", b"1", b"null", b"{}", b'"bundle/v1"', b'{"keyong":"bundle/v2"}', b'{"keyong":1}', b"\xff", b"[" * 10**5, b" " * (1 << 24) + b"{}",
])  # fmt: skip
def test_what_is_no_bundle_is_a_fault_of_the_call(raw):
    assert exit_of(raw) == 2


def test_a_bundle_has_one_spelling(made):
    for raw in (json.dumps(made[0]).encode(), b" " + as_file(made[0]), as_file(made[0])[:-1] + b',"release":""}'):
        assert exit_of(raw) == 4


# --- wrong authority


def test_another_authority_vouches_for_nobody(bundle):
    refused(bundle, error=IntegrityError, root=root_of(SigningKey.generate("authority")))
    two = root_of(coordinators.AUTHORITY, SigningKey.generate("second"), threshold=2)
    refused(bundle, "another key root", IntegrityError, two)
    refused({**bundle, "roots": [str(two.note)]}, "1 of the 2", IntegrityError, two)


# --- versions of the key root


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    """One coordinator's bundles before and after its authority exchanged its key, and the key root's second version."""
    new = SigningKey.generate("authority-2")
    role = Role((str(new.public),), 1)
    note = notes.write(PINNED.next(roles=dict.fromkeys(NEEDED, role))).signed_by(coordinators.AUTHORITY, new)
    floor = Floor(tmp_path_factory.mktemp("rotated"))
    before = floor.submit()
    Nodes(floor, before).run()
    late = floor.submit()
    nodes = Nodes(floor, late)
    nodes.run(until="0.0.upload")
    floor.office.publish(str(note))
    floor.restart()
    renewed = [
        notes.read(dict(floor.office.documents("dataset"))["cohort"]),
        coordinators.plan(),
        floor.licence,
        notes.read(coordinators.revocations(2)),
    ]
    for each in (*chains.read(coordinators.asset()), *renewed):  # the list, on whose coming running jobs are judged again, last
        floor.office.publish(str(each.signed_by(new)))
    nodes.run()
    after = floor.submit()
    Nodes(floor, after).run()
    bundles = [parse(canonical(floor.bundle(job))) for job in (before, late, after)]
    second = floor.office.roots.newest
    floor.office.journal.close()
    return bundles, second


def test_an_old_bundle_verifies_after_a_rotation_and_a_new_one_before(rotated):
    """Whoever pinned either version verifies what was admitted under either: each bundle under the version of its day."""
    (before, late, after), second = rotated
    assert [len(b["roots"]) for b in (before, late, after)] == [1, 1, 2]
    for bundle, version in [(before, 1), (late, 1), (after, 2)]:
        for pin in (PINNED, second):
            assert f"under version {version} of its key root" in verified(bundle, pin).checks[0]


def test_a_bundle_stands_under_the_version_of_its_day_alone(rotated):
    (before, _, after), second = rotated
    refused({**before, "roots": after["roots"]}, "1 trusted signatures needed", IntegrityError, second)
    refused({**after, "roots": before["roots"]}, "1 trusted signatures needed", IntegrityError, PINNED)
    refused({**after, "roots": after["roots"][1:]}, "first version", IntegrityError, second)
    refused({**after, "roots": after["roots"][::-1]}, "first version", IntegrityError, second)
    refused({**after, "roots": []}, "1 to 256 versions", IntegrityError, second)


def test_a_verifier_who_knows_that_a_key_was_withdrawn_believes_it_no_more(rotated):
    (before, *_), _ = rotated
    new = SigningKey.generate("authority-2")
    root = PINNED.next(roles=dict.fromkeys(NEEDED, Role((str(new.public),), 1)), withdrawn=(str(coordinators.AUTHORITY.public),))
    refused(before, "have been withdrawn since", IntegrityError, pinned(notes.write(root).signed_by(new)))


def test_a_job_that_was_admitted_under_an_expired_root_is_none(bundle):
    short = notes.write(replace(coordinators.ROOT, expires=1)).signed_by(coordinators.AUTHORITY)
    refused({**bundle, "roots": [str(short)]}, "had expired when the job was admitted", IntegrityError, pinned(short))


# --- the coordinator that the job names, and no other


def readmitted(bundle, by, **changes):
    """The bundle as it would be if *by* had admitted the job, and all holders had gone on with that."""
    admission = notes.write(replace(notes.read(bundle["admission"]).document(Admission), **changes)).signed_by(by)
    return release_by({**bundle, "admission": str(admission)}, coordinators.ROSTER, by=by, run=admission.id)


def test_another_enrolled_coordinator_has_no_say(bundle):
    other = SigningKey.generate("annex")
    enrolments = {**bundle["enrolments"], "annex": coordinators.enrolment(other, "coordinator")}
    alone = {n: text for n, text in enrolments.items() if n != "coordinator"}
    refused({**bundle, "enrolments": enrolments}, "had no part", IntegrityError)
    refused(readmitted({**bundle, "enrolments": alone}, other), "coordinator that the job names", IntegrityError)
    refused(readmitted({**bundle, "enrolments": enrolments}, other), "had no part", IntegrityError)
    refused(readmitted(bundle, other), "trusted signatures", IntegrityError)
    refused(relogged(bundle, other), "trusted signatures", IntegrityError)
    assert verified(readmitted(bundle, KEYS["coordinator"]))


@pytest.mark.parametrize("at", [0, 2**33, "deadline"])
def test_a_job_is_admitted_while_the_licence_is_in_force_and_before_its_deadline(bundle, at):
    moment = notes.read(bundle["job"]).document(Job).deadline if at == "deadline" else at
    refused(readmitted(bundle, KEYS["coordinator"], at=moment), "when the licence was not in force, or after its deadline", IntegrityError)


@pytest.mark.parametrize("changes, says", [
    ({"title": "another"}, "another question"), ({"where": "age >= 40"}, "another question"), ({"parameters": {"columns": ["sex"]}}, "another question"),
    ({"more": 1}, "not a result"),
])  # fmt: skip
def test_a_release_answers_what_the_job_asked(bundle, changes, says):
    answer = {**parse(notes.read(bundle["release"]).document(Release).result), **changes}
    refused(release_by(bundle, coordinators.ROSTER, result=canonical(answer)), says, IntegrityError)


# --- what operator, coordinator and too few holders can sign together


def release_by(bundle, names, *, by=KEYS["coordinator"], **changes):
    document = replace(notes.read(bundle["release"]).document(Release), **changes)
    return relogged({**bundle, "release": signed(document, *names)}, by)


def relogged(bundle, by=KEYS["coordinator"]):
    """The coordinator puts another release into a ledger of its own making."""
    leaf = entry("job.released", notes.read(bundle["release"]).id, code="", at=1).leaf
    checkpoint = Checkpoint(by.name, 1, leaf_hash(leaf)).signed_by(by)
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


def spent(bundle, name, witnesses, *, job=""):
    """*bundle* with another proof of *name*, which those *witnesses* cosigned."""
    job = job or notes.read(bundle["job"]).id
    proof = spends.proved(job, KEYS[name], [KEYS[n] for n in witnesses], 1_800_000_000)
    return {**bundle, "spends": {**bundle["spends"], name: proof}}


def test_every_survivor_had_spent_the_job_where_a_quorum_saw_it(bundle):
    verified(spent(bundle, "west", ("east", "north", "west")))
    refused(spent(bundle, "west", ("east", "west")), "too few witnesses cosigned the ledger of west, 2 of them", IntegrityError)
    refused(spent(bundle, "west", ("east", "west", "other", "operator")), "too few witnesses", IntegrityError)
    refused(spent(bundle, "west", ("east", "north", "west", "other")), "a line of nobody who could have signed there", IntegrityError)
    refused(spent(bundle, "west", ("east", "north", "west"), job="0" * 64), "another entry", IntegrityError)
    for names in (("east", "north", "south"), ("east", "north", "south", "west", "other")):
        proofs = {n: bundle["spends"].get(n, bundle["spends"]["west"]) for n in names}
        refused({**bundle, "spends": proofs}, "not those of the holders in the release", IntegrityError)
    refused({**bundle, "spends": {**bundle["spends"], "west": bundle["spends"]["east"]}}, error=IntegrityError)


@pytest.mark.parametrize(
    "changes", [{"job": "0" * 64}, {"licence": "0" * 64}, {"acceptances": ()}, {"uses": (2,)}, {"uses": (1, 1)}, {"at": 1}]
)
def test_the_coordinator_cannot_sign_another_admission_afterwards(bundle, changes):
    document = replace(notes.read(bundle["admission"]).document(Admission), **changes)
    refused({**bundle, "admission": signed(document, "coordinator")}, error=IntegrityError)


def test_a_use_beyond_the_licence_is_refused(bundle):
    """Even where t holders went on with it."""
    admission = notes.write(replace(notes.read(bundle["admission"]).document(Admission), uses=(1001,))).signed_by(KEYS["coordinator"])
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


def test_the_licence_and_its_plan_must_be_the_jobs(bundle):
    for changes in ({"use_count": 7}, {"purposes": ("other",)}):
        refused({**bundle, "chain": [str(coordinators.licence(**changes))]}, "not those that the job names", IntegrityError)
    other = licensing.plan(KEYS["operator"], coordinators.AUTHORITY, now=int(time.time()), notify_hours=1)
    refused({**bundle, "plan": str(other)}, "not the one that the licence names", IntegrityError)


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
