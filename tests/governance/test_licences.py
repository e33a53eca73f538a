"""Licences: one test for each reason to refuse, and that nobody can write, widen, wear, steal or revive one."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from time import perf_counter

import licensing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import licences, notes
from governance.encoding import canonical, plain
from governance.errors import DecodeError, IntegrityError, KeyongError, LicenceRefused
from governance.keys import SigningKey, Trust
from governance.licences import (
    MOST_DELEGATES,
    MOST_FIELDS,
    MOST_LINES,
    MOST_LINK,
    MOST_LINKS,
    Licence,
    Request,
    Revocations,
    check_approved,
    check_signers,
    covers,
    in_force,
    key_id,
    newer,
    read,
)
from governance.rights import Rights

AUTHORITY = SigningKey.generate("authority")
TRUST = Trust((AUTHORITY.public,))
OPERATOR, PROJECT, THIEF = (SigningKey.generate(name) for name in ("operator", "project", "thief"))
START, NOW, END, DUE = 100_000_000, 100_000_500, 100_001_000, 100_000_800
PLAN = licensing.plan(OPERATOR, AUTHORITY, now=NOW)
ALLOW = licensing.rights(PLAN.id, now=NOW, holders=("a", "b", "c"), dataset="heart", columns=("age", "sex"), methods=("crosstab@1", "describe@1"),
                         use_count=5, not_before=START, not_after=END)  # fmt: skip
ROOT = licensing.link(ALLOW, OPERATOR, by=(AUTHORITY,))
CHILD = licensing.link(Rights(use_count=2, methods=("describe@1",)), PROJECT, by=(OPERATOR,), parent=ROOT)
CHAIN = (str(ROOT), str(CHILD))
REQUEST = Request(str(OPERATOR.public), "heart", {"age": 3}, "research", "describe@1", 10, ("a", "b", "c"))


def signed(document, *keys):
    return str(notes.write(document).signed_by(*(keys or (AUTHORITY,))))


NONE_REVOKED = signed(Revocations(3, 900, DUE, ()))


def revoked(*ids):
    return signed(Revocations(4, 900, DUE, tuple(sorted(ids))))


def judged(chain=CHAIN, request=REQUEST, *, trust=TRUST, plan=str(PLAN), revocations=NONE_REVOKED, now=NOW):
    granted = in_force(chain, trust, plan=plan, revocations=revocations, now=now)
    covers(granted, request)
    return granted


def refused(code, call):
    with pytest.raises(LicenceRefused) as refusal:
        call()
    assert refusal.value.code == code
    assert all(refusal.value.text(language) and "?" not in refusal.value.text(language) for language in ("en", "zh"))
    return refusal.value


def under(**changes):
    """A chain of one link that says something else."""
    return (str(licensing.link(replace(ALLOW, **changes), OPERATOR, by=(AUTHORITY,))),)


def planned(**changes):
    """A chain of one link, and its plan, which says something else."""
    plan = licensing.plan(changes.pop("by", OPERATOR), AUTHORITY, now=NOW, **changes)
    return {"chain": under(plan=plan.id), "plan": str(plan)}


def test_what_is_granted_is_granted():
    assert judged().rights == replace(ALLOW, use_count=2, methods=("describe@1",))
    assert judged((str(ROOT),)).rights == ALLOW
    assert judged(now=START) == judged(now=DUE) == judged()


@pytest.mark.parametrize("code, changes", [
    ("licence.forged", {"chain": (str(licensing.link(ALLOW, OPERATOR, by=(THIEF,))),)}),
    ("licence.forged", {"chain": (str(licensing.link(ALLOW, OPERATOR, by=(SigningKey.generate("authority"),))),)}),
    ("licence.forged", {"chain": (str(ROOT.signed_by(THIEF)),)}), ("licence.forged", {"chain": (str(ROOT.signed_by(AUTHORITY)),)}),
    ("licence.forged", {"chain": CHAIN[1:]}),  # a link without the one above it
    ("licence.link", {"chain": (CHAIN[0], str(licensing.link(Rights(), PROJECT, by=(THIEF,), parent=ROOT)))}),
    ("licence.link", {"chain": (CHAIN[0], str(licensing.link(Rights(), PROJECT, by=(AUTHORITY,), parent=ROOT)))}),
    ("licence.link", {"chain": (CHAIN[0], str(CHILD.signed_by(THIEF)))}),
    ("licence.link", {"chain": (CHAIN[0], str(licensing.link(Rights(), PROJECT, by=(OPERATOR,), parent="0" * 64)))}),
    ("licence.link", {"chain": (CHAIN[0], str(licensing.link(ALLOW, OPERATOR, by=(OPERATOR,))))}),  # names none above it
    ("licence.link", {"chain": (*CHAIN, CHAIN[1])}), ("licence.link", {"chain": (str(licensing.link(ALLOW, OPERATOR, by=(AUTHORITY,), parent=ROOT)),)}),
    ("licence.size", {"chain": ()}),
    ("licence.empty", {"chain": under(purposes=None)}), ("licence.empty", {"chain": under(plan=None), "plan": ""}),
    ("licence.conflict", {"chain": (CHAIN[0], str(licensing.link(Rights(plan="0" * 64), PROJECT, by=(OPERATOR,), parent=ROOT)))}),
    ("licence.early", {"now": START - 1}), ("licence.expired", {"now": END + 1}),
    ("licence.revoked", {"revocations": revoked(ROOT.id)}), ("licence.revoked", {"revocations": revoked(CHILD.id)}),
    ("licence.key", {"revocations": revoked(key_id(str(OPERATOR.public)))}), ("licence.key", {"revocations": revoked(key_id(str(PROJECT.public)))}),
    ("licence.stale", {"now": DUE + 1}), ("licence.stale", {"revocations": None}),
    ("licence.plan", {"plan": ""}), ("licence.plan", {"plan": str(licensing.plan(OPERATOR, AUTHORITY, now=NOW, notify_hours=1))}),
    ("licence.plan", {"plan": str(PLAN.only(OPERATOR.public))}), ("licence.plan", {"plan": str(PLAN.only(AUTHORITY.public))}),
    ("licence.plan", {"plan": str(PLAN.signed_by(THIEF))}), ("licence.plan", {"plan": str(PLAN.signed_by(OPERATOR))}),
    ("licence.plan", {"plan": PLAN.text + "\n" + str(PLAN).splitlines()[-1] + "\n— operator " + str(ROOT).rsplit(" ", 1)[1]}),
    ("licence.plan", planned(by=THIEF)), ("licence.plan", planned(by=AUTHORITY)),
    ("licence.drill", planned(drilled=NOW - 181 * licensing.DAY)), ("licence.drill", planned(drilled=NOW + 1)),
    ("licence.bearer", {"request": replace(REQUEST, operator=str(THIEF.public))}),
    ("licence.dataset", {"request": replace(REQUEST, dataset="lung")}), ("licence.purpose", {"request": replace(REQUEST, purpose="marketing")}),
    ("licence.method", {"request": replace(REQUEST, method="crosstab@1")}), ("licence.column", {"request": replace(REQUEST, columns={"age": 1, "name": 1})}),
    ("licence.grade", {"request": replace(REQUEST, columns={"age": 4})}), ("licence.holder", {"request": replace(REQUEST, holders=("a", "b", "d"))}),
    ("licence.region", {"request": replace(REQUEST, region="SG")}), ("licence.basis", {"request": replace(REQUEST, home="SG")}),
    ("licence.output", {"request": replace(REQUEST, output="dp")}), ("licence.min_cell", {"request": replace(REQUEST, min_cell=9)}),
    ("licence.min_cell", {"request": replace(REQUEST, min_cell=11)}),
    ("licence.epsilon", {"request": replace(REQUEST, epsilon=11), "chain": under(epsilon_job=10)}),
])  # fmt: skip
def test_each_reason_to_refuse_has_its_code(code, changes):
    refused(code, lambda: judged(**changes))


def test_results_cross_a_border_on_a_basis_only():
    abroad = replace(REQUEST, region="SG")
    refused("licence.basis", lambda: judged(under(regions={"CN": "", "SG": ""}), abroad))
    assert judged(under(regions={"CN": "", "SG": "f" * 64}), abroad)
    assert judged(under(regions={"SG": ""}), replace(abroad, home="SG"))  # both on one side


def test_an_epsilon_within_the_cap_is_covered():
    assert judged(under(epsilon_job=10), replace(REQUEST, epsilon=10))


def test_a_refusal_names_what_is_missing_and_nothing_else():
    with pytest.raises(LicenceRefused, match="name, weight"):
        judged(request=replace(REQUEST, columns={"weight": 1, "age": 1, "name": 1}))


# --- forged: every bit of every byte


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("number", [0, 1])
def test_no_byte_of_a_chain_can_be_changed_by_one_bit(number, bit):
    raw = CHAIN[number].encode()
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        chain = list(CHAIN)
        chain[number] = bytes(changed)
        with pytest.raises(KeyongError):
            judged(tuple(chain))


@given(st.binary(max_size=64), st.integers(0, len(CHAIN[1])))
def test_no_bytes_can_be_put_in(inserted, at):
    changed = CHAIN[1].encode()[:at] + inserted + CHAIN[1].encode()[at:]
    if inserted:
        with pytest.raises(KeyongError):
            judged((CHAIN[0], changed))


def test_no_signature_of_many_can_be_worn_out():
    """Two of three are enough, and still the third cannot be altered into one that is ignored."""
    keys = [SigningKey.generate(f"authority-{i}") for i in (1, 2, 3)]
    trust = Trust(tuple(k.public for k in keys), 2)
    note = str(licensing.link(ALLOW, OPERATOR, by=tuple(keys)))
    assert read((note,), trust)
    for at in range(note.index("\n\n"), len(note)):
        raw = bytearray(note.encode())
        raw[at] ^= 1
        with pytest.raises(KeyongError):
            read((bytes(raw),), trust)


# --- widened


@pytest.mark.parametrize("wider", [
    {"delegates": (str(THIEF.public),)}, {"allow": replace(ALLOW, datasets={"heart": ("age", "name", "sex")})},
    {"allow": replace(ALLOW, purposes=("marketing", "research"))}, {"allow": replace(ALLOW, min_cell=3)}, {"allow": replace(ALLOW, use_count=10**9)},
    {"allow": replace(ALLOW, not_after=10**9)}, {"allow": replace(ALLOW, grade=5)},
])  # fmt: skip
def test_an_operator_cannot_widen_its_licence(wider):
    document = notes.read(CHAIN[0]).document(Licence)
    text = notes.write(replace(document, **wider)).text
    with pytest.raises(LicenceRefused, match="not signed by the authority"):
        judged((str(notes.Note(text, ROOT.signatures).signed_by(OPERATOR)),))


@pytest.mark.parametrize("code, allow, request_", [
    ("licence.dataset", Rights(datasets={"heart": ("age",), "lung": ("age",)}), {"dataset": "lung"}), ("licence.grade", Rights(grade=5), {"columns": {"age": 5}}),
    ("licence.column", Rights(datasets={"heart": ("age", "name", "sex")}), {"columns": {"name": 1}}),
    ("licence.purpose", Rights(purposes=("marketing", "research")), {"purpose": "marketing"}),
    ("licence.method", Rights(methods=("describe@1", "logistic_regression@1")), {"method": "logistic_regression@1"}),
    ("licence.output", Rights(outputs=("dp", "exact")), {"output": "dp"}), ("licence.holder", Rights(holders=("a", "b", "c", "d")), {"holders": ("d",)}),
    ("licence.region", Rights(regions={"CN": "", "SG": "f" * 64}), {"region": "SG"}), ("licence.min_cell", Rights(min_cell=3), {"min_cell": 3}),
])  # fmt: skip
def test_a_link_that_allows_more_allows_nothing_more(code, allow, request_):
    chain = (CHAIN[0], str(licensing.link(allow, OPERATOR, by=(OPERATOR,), parent=ROOT)))
    assert judged(chain)
    refused(code, lambda: judged(chain, replace(REQUEST, **request_)))


def test_a_link_cannot_make_a_licence_last_or_serve_longer():
    chain = (
        CHAIN[0],
        str(licensing.link(Rights(not_before=0, not_after=10**9, use_count=100, releases=50), OPERATOR, by=(OPERATOR,), parent=ROOT)),
    )
    refused("licence.expired", lambda: judged(chain, now=END + 1))
    refused("licence.early", lambda: judged(chain, now=START - 1))
    assert judged(chain).limits == (5, 5)


# --- used by others


def signers(*keys, chain=CHAIN, operator=OPERATOR):
    note = notes.write(Revocations(1, 1, 1, ())).signed_by(*keys)  # any text will do for a job's
    check_signers(note, read(chain, TRUST), operator.public)


def two_of_two(operator=OPERATOR):
    second = licensing.link(Rights(), operator, PROJECT, by=(OPERATOR,), parent=ROOT, threshold=2)
    return CHAIN[0], str(second)


def test_a_job_is_signed_by_the_operator_and_the_last_delegates():
    signers(OPERATOR, PROJECT)
    signers(OPERATOR, chain=CHAIN[:1])
    signers(OPERATOR, PROJECT, chain=two_of_two())
    signers(PROJECT, operator=PROJECT)


@pytest.mark.parametrize("code, keys, more", [
    ("licence.delegates", (OPERATOR,), {}), ("licence.delegates", (OPERATOR,), {"chain": two_of_two()}),
    ("job.unsigned", (PROJECT,), {}), ("job.unsigned", (OPERATOR, PROJECT, THIEF), {}), ("job.unsigned", (OPERATOR, PROJECT, PROJECT), {}),
    ("job.unsigned", (OPERATOR, OPERATOR), {"chain": CHAIN[:1]}), ("job.unsigned", (THIEF,), {}), ("job.unsigned", (SigningKey.generate("operator"), PROJECT), {}),
    ("job.unsigned", (PROJECT,), {"chain": two_of_two()}),
])  # fmt: skip
def test_a_stolen_chain_is_of_no_use(code, keys, more):
    refused(code, lambda: signers(*keys, **more))


def test_a_bad_signature_under_a_job_is_no_signature():
    note = notes.write(Revocations(1, 1, 1, ())).signed_by(OPERATOR, PROJECT)
    spoilt = replace(note, signatures=(note.signatures[0], replace(note.signatures[1], value=bytes(64))))
    refused("job.unsigned", lambda: check_signers(spoilt, read(CHAIN, TRUST), OPERATOR.public))


def test_approvals_are_counted_by_organisation():
    granted = read(under(approvals=2), TRUST)
    check_approved(granted, 2)
    assert refused("licence.approvals", lambda: check_approved(granted, 1)).facts == {"given": 1, "needed": 2}
    check_approved(read(CHAIN, TRUST), 0)


# --- too much


def deep(links, **more):
    """A chain of *links*, each with *more* keys that must all sign."""
    chain, keys, by = [ROOT], (OPERATOR,), (OPERATOR,)
    for at in range(1, links):
        keys = tuple(SigningKey.generate(f"k{at}-{i}") for i in range(more.get("keys", 1)))
        chain.append(licensing.link(more.get("allow", Rights()), *keys, by=by, parent=chain[-1], threshold=len(keys)))
        by = keys
    return tuple(map(str, chain))


def test_a_chain_has_no_more_links_signatures_and_bytes_than_are_allowed():
    assert len(read(deep(MOST_LINKS), TRUST).ids) == MOST_LINKS
    refused("licence.size", lambda: read(deep(MOST_LINKS + 1), TRUST))
    refused("licence.size", lambda: read(deep(5, keys=6), TRUST))
    assert len(read(deep(4, keys=5), TRUST).ids) == 4  # 1 + 1 + 5 + 5 lines
    with pytest.raises(DecodeError, match=f"larger than {MOST_LINK}"):
        read((CHAIN[0], "x" * (MOST_LINK + 1)), TRUST)
    fat = Rights(holders=tuple(f"h{i:05}" for i in range(1500)))
    refused("licence.size", lambda: read(deep(3, allow=fat), TRUST))
    refused("licence.size", lambda: read(deep(2, allow=Rights(split={**{f"o{i}": 0 for i in range(MOST_FIELDS)}, "z": 10_000})), TRUST))


def test_many_lines_under_a_note_cost_nothing():
    """They are counted before one of them is verified."""
    started = perf_counter()
    flood = notes.Note(CHILD.text, CHILD.signatures * 100)
    refused("licence.size", lambda: read((CHAIN[0], str(flood)), TRUST))
    assert MOST_LINES < 100 and perf_counter() - started < 0.1


@pytest.mark.parametrize("changes", [
    {"delegates": ()}, {"delegates": tuple(str(SigningKey.generate(f"k{i}").public) for i in range(MOST_DELEGATES + 1))}, {"threshold": 2}, {"threshold": 0},
    {"delegates": (str(OPERATOR.public),) * 2}, {"delegates": (str(OPERATOR.public), str(SigningKey.generate("operator").public))},
    {"delegates": (str(OPERATOR.public), str(SigningKey("alias", OPERATOR.private).public))}, {"delegates": ("no key",)}, {"parent": "x"},
])  # fmt: skip
def test_a_link_names_distinct_keys_and_a_threshold_that_they_reach(changes):
    fields_ = {**plain(notes.read(CHAIN[0]).document(Licence)), **changes}
    with pytest.raises(DecodeError):
        read((str(notes.Note(f"{Licence.kind}\n{canonical(fields_)}\n").signed_by(AUTHORITY)),), TRUST)


@pytest.mark.parametrize("name", [*(f.name for f in fields(Licence)), *(f"allow.{f.name}" for f in fields(Rights))])
def test_nothing_can_be_left_out_of_a_licence(name):
    kept = plain(notes.read(CHAIN[0]).document(Licence))
    inner = kept["allow"] if name.startswith("allow.") else kept
    del inner[name.removeprefix("allow.")]
    with pytest.raises(DecodeError, match=r"Field required|is missing"):
        judged((str(notes.Note(f"{Licence.kind}\n{canonical(kept)}\n").signed_by(AUTHORITY)),))


def test_time_does_not_matter_to_what_a_licence_covers():
    granted = read(CHAIN, TRUST)
    covers(granted, replace(REQUEST, columns={"age": 1, "sex": 1}))
    with pytest.raises(LicenceRefused, match="marketing"):
        covers(granted, replace(REQUEST, purpose="marketing"))


def test_an_empty_licence_covers_nothing():
    chain = (str(licensing.link(Rights(), OPERATOR, by=(AUTHORITY,))),)
    refused("licence.dataset", lambda: covers(read(chain, TRUST), REQUEST))


def test_a_licence_far_in_the_future_is_refused_like_any_other():
    latest = 253_402_300_799
    with pytest.raises(LicenceRefused, match="9999-12-31 23:59 UTC"):
        judged(under(not_before=latest, not_after=latest))


def test_one_of_two_keys_is_not_two_of_two():
    keys = [SigningKey.generate(f"authority-{i}") for i in (1, 2, 3)]
    trust = Trust(tuple(k.public for k in keys), 2)
    plan = licensing.plan(OPERATOR, *keys[1:], now=NOW)
    allow = replace(ALLOW, plan=plan.id)
    both, lists = str(licensing.link(allow, OPERATOR, by=tuple(keys[:2]))), signed(Revocations(1, 900, DUE, ()), *keys[1:])
    assert judged((both,), trust=trust, revocations=lists, plan=str(plan)).rights == allow
    for alone in ((keys[0],), (keys[0], keys[0]), (keys[0], SigningKey.generate("authority-2"))):
        refused("licence.forged", lambda: judged((str(licensing.link(allow, OPERATOR, by=alone)),), trust=trust, revocations=lists))  # noqa: B023
    one = licensing.plan(OPERATOR, keys[0], now=NOW)
    refused("licence.plan", lambda: judged((str(licensing.link(replace(ALLOW, plan=one.id), OPERATOR, by=tuple(keys))),), trust=trust,
                                           revocations=lists, plan=str(one)))  # fmt: skip


# --- uses


class Uses:
    """The part of a journal that numbers uses."""

    def __init__(self):
        self.taken = []

    def take_use(self, licence, number, job, limit):
        self.taken.append((licence, number, job, limit))


def test_a_job_takes_one_use_of_each_link():
    t, granted = Uses(), read(CHAIN, TRUST)
    licences.take(t, granted, (4, 1), "j")
    assert t.taken == [(granted.ids[0], 4, "j", 5), (granted.ids[1], 1, "j", 2)]
    for wrong in ((4,), (4, 1, 1), ()):
        with pytest.raises(IntegrityError, match="each link"):
            licences.take(t, granted, wrong, "j")


def test_every_release_is_an_exact_one_so_that_their_number_is_a_limit_too():
    assert read(under(releases=3), TRUST).limits == (3,)
    assert all(a >= b for a, b in pairwise(read(deep(3, allow=Rights(use_count=4)), TRUST).limits))


# --- revocations


def test_a_revocation_list_must_be_the_authoritys():
    with pytest.raises(IntegrityError):
        judged(revocations=signed(Revocations(9, 900, DUE, ()), THIEF))


def test_another_licences_revocation_revokes_nothing_here():
    assert judged(revocations=signed(Revocations(4, 900, DUE, ("0" * 64,))))


def test_an_old_list_does_not_replace_a_newer_one():
    old, new = (signed(Revocations(v, 900, DUE, ("0" * 64,) * (v - 3))) for v in (3, 4))
    assert newer(None, old, TRUST) == old
    assert newer(old, new, TRUST) == new
    assert newer(new, new, TRUST) == new
    with pytest.raises(IntegrityError, match="version 3"):
        newer(new, old, TRUST)


def test_two_lists_of_one_version_do_not_replace_each_other():
    one, other = (signed(Revocations(4, 900, DUE, ids)) for ids in ((), ("0" * 64,)))
    with pytest.raises(IntegrityError, match="version 4"):
        newer(one, other, TRUST)


def test_a_list_that_the_authority_did_not_sign_is_not_newer():
    with pytest.raises(IntegrityError):
        newer(NONE_REVOKED, signed(Revocations(9, 900, DUE, ()), THIEF), TRUST)
