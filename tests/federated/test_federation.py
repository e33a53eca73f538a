"""End to end, with real processes over loopback HTTPS: equal answers, kill -9 anywhere, refusals, approvals, revocation."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing

import federations
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import federated as fed
from federated.node import desk, history
from federated.node.home import Home, read_snapshot
from federated.transport import Link
from governance import notes
from governance.errors import DecodeError, LicenceRefused, Refused, Unavailable, UsageError
from governance.keys import SigningKey
from governance.licences import Revocations
from sandbox.analyses.logistic_regression import SEPARATION
from sandbox.case import SUPPRESSED, WEIGHTLESS
from sandbox.messages import Status
from sandbox.weight import MOST_NOES

DESCRIBE = fed.Describe(columns=("age", "dose"))
MODEL = fed.LogisticRegression(target="ill", features=("age", "dose", "sex"))


@pytest.fixture(scope="module")
def data():
    return federations.tables()


@pytest.fixture(scope="module")
def running(tmp_path_factory, data):
    with federations.federation(tmp_path_factory.mktemp("federation"), data) as federation:
        yield federation


@pytest.fixture
def fresh(tmp_path, data):
    with federations.federation(tmp_path, data, patience=1.0) as federation:
        yield federation


def run(federation, analysis, **more):
    return federation.hub().run(analysis, dataset="cohort", **{"deadline": "60s", **more})


def complete(data):
    """Rows that the model uses, as statsmodels wants them."""
    frame = federations.pooled(data).to_pandas()
    frame = frame[(frame.dose >= 0) & (frame.dose <= 50)]
    x = np.column_stack([np.ones(len(frame)), frame.age, frame.dose, frame.sex == "male"])
    return (frame.ill == "yes").to_numpy(float), x


def test_a_description_equals_the_pooled_one(running, data):
    table = run(running, DESCRIBE).to_pandas()
    frame = federations.pooled(data).to_pandas()
    dose = frame.dose[(frame.dose >= 0) & (frame.dose <= 50)]
    assert table.loc["age", "n"] == len(frame)
    assert table.loc["dose", "n"] == len(dose)
    assert table.loc["dose", "missing"] == len(frame) - len(dose)
    assert table.loc["dose", "mean"] == pytest.approx(dose.mean(), rel=1e-12)
    assert table.loc["dose", "sd"] == pytest.approx(dose.std(), rel=1e-12)


def test_a_regression_equals_statsmodels_and_its_bundle_verifies(running, data):
    import statsmodels.api as sm

    released = run(running, MODEL)
    y, x = complete(data)
    fit = sm.Logit(y, x).fit(disp=0, tol=1e-13)
    terms = released.to_pandas()
    assert np.abs(terms.coef - fit.params).max() < 1e-9
    assert np.abs(terms.se - fit.bse).max() < 1e-9
    assert len(released.verify().checks) == 7


def test_a_condition_selects_rows_and_a_small_cell_is_suppressed(running, data):
    table = run(running, fed.Crosstab(index="age_band", columns="sex"), where="ill == 'yes' and age >= 60")
    frame = federations.pooled(data).to_pandas()
    frame = frame[(frame.ill == "yes") & (frame.age >= 60) & (frame.sex == "male")]
    assert table.to_pandas().loc["old", "male"] == len(frame)
    assert "age_band=young & sex=male" in table.value.suppressed
    assert "age_band=middle & sex=male" in table.value.suppressed
    assert table.to_pandas().loc["young"].isna().all()


@pytest.mark.parametrize(
    ("analysis", "more", "code"),
    [
        (fed.Crosstab(index="secret", columns="ill"), {}, "licence.column"),
        (fed.Describe(columns=("age",)), {"where": "secret == 'a'"}, "licence.column"),
        (fed.Describe(columns=("age",)), {"release": {"min_cell": 9}}, "licence.min_cell"),
        (fed.Describe(columns=("age",)), {"release": {"min_cell": 11}}, "licence.min_cell"),
    ],
)
def test_what_the_licence_does_not_name_is_refused_in_both_languages(running, analysis, more, code):
    with pytest.raises(Refused) as refusal:
        run(running, analysis, **more)
    assert refusal.value.code == code
    assert refusal.value.text("en") != refusal.value.text("zh")


def test_a_purpose_without_a_licence_is_told_the_purposes_that_are_allowed(running):
    with pytest.raises(LicenceRefused, match="advertising, only research") as refusal:
        run(running, DESCRIBE, purpose="advertising")
    assert refusal.value.code == "licence.purpose"


def killed_during(federation, analysis, victim, when="upload", **more):
    """Run *analysis*, kill -9 *victim* at the first step that ends in *when*, start it again, and return the result and the step."""
    hit = []

    def watch(status: Status) -> None:
        if not hit and not status.ended and status.step.endswith(when):
            hit.append(status.step)
            federation.kill(victim)
            federation.start_coordinator() if victim == "coordinator" else federation.start_node(victim)

    hub = federation.hub()
    job = hub.submit(hub.prepare(analysis, {"dataset": "cohort", "deadline": "60s", **more}))
    for _ in range(100):
        try:
            return hub.result(job, progress=watch), hit
        except Unavailable as error:
            if error.code == "job.deadline":
                raise
            time.sleep(0.1)
    raise AssertionError("the coordinator did not come back")


@pytest.mark.parametrize("victim", ["west", "coordinator"])
@pytest.mark.parametrize("when", ["accept", "spent", "upload", "state"])
def test_kill_9_of_a_process_in_mid_job_changes_nothing(running, data, victim, when):
    for _ in range(5):  # a step may be over before it is seen
        released, hit = killed_during(running, MODEL, victim, when)
        if hit:
            break
    assert hit, "the job was over before the process could be killed"
    assert released.value.provenance.survivors == tuple(sorted(federations.HOLDERS))
    assert released.value.outcome["n"] == len(complete(data)[0])
    released.verify()


def test_four_holders_tolerate_one_that_dies_and_later_totals_keep_the_set(fresh, data):
    """The node accepts and never uploads: its zygote is stopped, so that the local step cannot start, and then it is killed."""
    west = psutil.Process(fresh.processes["west"].pid)
    zygote = west.children()[0]
    zygote.suspend()
    hub = fresh.hub()
    job = hub.submit(hub.prepare(DESCRIBE, {"dataset": "cohort", "deadline": "60s"}))
    until(lambda: hub.status(job).step == "0.0.upload")
    fresh.kill("west")
    released = hub.result(job)
    rows = sum(t.num_rows for name, t in data.items() if name != "west")
    assert released.value.provenance.survivors == ("east", "north", "south")
    assert released.value.outcome["columns"][0]["n"] == rows
    assert "without west" in released.summary()
    # Back again, it takes part in no total on these snapshots: four minus three holders would be its own rows (PRIVACY 4).
    fresh.start_node("west")
    again = run(fresh, DESCRIBE)
    assert again.value.provenance.survivors == ("east", "north", "south")
    assert again.value.outcome == released.value.outcome


def test_a_person_approves_and_another_denies(fresh):
    desk.policy(fresh.home("east"), {"approval": "person"})
    hub = fresh.hub()
    job = hub.submit(hub.prepare(DESCRIBE, {"dataset": "cohort", "deadline": "60s"}))
    waiting = until(lambda: desk.waiting(fresh.home("east")))
    assert waiting[0]["job"] == job
    assert waiting[0]["columns"] == {"age": 3, "dose": 3}
    desk.decide(fresh.home("east"), job[:12], "approve", "")
    assert hub.result(job).value.outcome["columns"][0]["n"] > 0
    job = hub.submit(hub.prepare(DESCRIBE, {"dataset": "cohort", "deadline": "60s"}))
    until(lambda: desk.waiting(fresh.home("east")))
    desk.decide(fresh.home("east"), job[:12], "deny", "not our field")
    with pytest.raises(Refused, match="not our field") as refusal:
        hub.result(job)
    assert refusal.value.code == "policy.denied"


def until(look, seconds=30.0):
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        time.sleep(0.05)
    return found


def test_a_revoked_licence_stops_the_next_job(fresh):
    hub = fresh.hub()
    run(fresh, DESCRIBE)
    licence = dict(hub.link.documents("licence"))
    fresh.publish(fresh.authority.revocations(*licence))
    with pytest.raises(LicenceRefused) as refusal:
        run(fresh, DESCRIBE)
    assert refusal.value.code == "licence.revoked"


def test_uses_run_out_everywhere_at_the_same_job(tmp_path, data):
    with federations.federation(tmp_path, data, uses=3) as federation:
        hub = federation.hub()
        jobs = [hub.submit(hub.prepare(fed.Crosstab(index="sex"), {"dataset": "cohort", "deadline": "60s"})) for _ in range(6)]
        phases = []
        for job in jobs:
            status = until(lambda job=job: s if (s := hub.status(job)).ended else None, 60)
            phases.append((status.phase, status.code))
        assert sorted(phases).count(("refused", "licence.used")) == 3
        assert phases.count(("released", "")) == 3


def test_an_operators_key_that_is_not_enrolled_gets_nothing(running):
    hub = running.hub()
    ca = json.loads(running.card.read_text())["ca"]
    with Link(hub.link.url, ca, SigningKey.generate("mallory")) as stranger, pytest.raises(Refused):
        stranger.documents("dataset")


def test_the_doctor_finds_a_healthy_node_healthy(running):
    command = [sys.executable, "-c", "from federated.cli import main; main()", "node", "doctor", "--home", str(running.home("north"))]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "jail tier" in seen.stdout


def written(rows, path):
    pq.write_table(rows, path)
    return f"parquet://{path}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop_columns(["dose"]), "has no column dose"),
        (lambda t: t.set_column(1, "age", pa.array([[1.0]] * t.num_rows)), "column age"),
        (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "a person key repeats"),
        (lambda t: pa.concat_tables([t] * 600), "more rows than"),
    ],
)
def test_a_table_that_does_not_fit_the_registered_form_is_not_served(running, data, tmp_path, change, says):
    before = desk.data(running.home("south"))
    with pytest.raises(UsageError, match=says):
        desk.add_data(running.home("south"), "cohort", written(change(data["south"]), tmp_path / "other.parquet"))
    assert desk.data(running.home("south")) == before
    assert not list((running.home("south") / "snapshots").glob("*.draft"))


def test_a_dataset_that_is_not_registered_or_held_is_not_added(running, tmp_path, data):
    with pytest.raises(UsageError, match="no dataset other"):
        desk.add_data(running.home("south"), "other", written(data["south"], tmp_path / "t.parquet"))


def test_a_holder_that_does_not_serve_the_registered_form_refuses(fresh):
    journal = Home.open(fresh.home("east")).journal()
    with journal.transaction() as t:
        t.put("catalogue cohort", "0" * 64)  # as after a new version of the dataset was published
    journal.close()
    with pytest.raises(Refused) as refusal:
        run(fresh, DESCRIBE)
    assert refusal.value.code == "policy.dataset"


def test_a_job_without_a_node_ends_at_its_deadline(fresh):
    fresh.kill("north")
    with pytest.raises(Unavailable) as late:
        run(fresh, DESCRIBE, deadline="3s")
    assert late.value.code == "job.deadline"
    assert fresh.hub().link.jobs()[-1].phase == "expired"


def test_a_cancelled_job_is_over_everywhere(fresh):
    fresh.kill("north")
    hub = fresh.hub()
    job = hub.submit(hub.prepare(DESCRIBE, {"dataset": "cohort", "deadline": "60s"}))
    until(lambda: hub.status(job).waiting_for == ("north",))
    hub.link.cancel(job)
    assert hub.status(job).phase == "cancelled"
    with pytest.raises(Refused, match="cancelled"):
        hub.result(job)
    until(lambda: all(desk.jobs(fresh.home(name))[-1]["phase"] == "cancelled" for name in ("south", "east", "west")))


def test_empty_and_one_sided_holders_take_part_without_an_error(tmp_path, data):
    """An empty hospital and one without a single event: masked zeros, no refusal; what concerns one holder shows nowhere."""
    healthy = data["south"].set_column(4, "ill", pa.array(["no"] * data["south"].num_rows))
    with federations.federation(tmp_path, {**data, "south": healthy, "west": data["west"].slice(0, 0)}) as federation:
        released = run(federation, MODEL)
        y, _ = complete({**data, "south": healthy, "west": data["west"].slice(0, 0)})
        assert released.value.outcome["n"] == len(y)
        assert released.value.outcome["events"] == int(y.sum())


def nearly(age, name):
    """An outcome that age decides but for one person in thirty, so that in the estimate fewer than min_cell weigh at a holder."""
    rng, age = np.random.default_rng(len(name)), age.to_numpy()
    chance = rng.random(len(age)) < 0.5
    return pa.array(np.where(np.where(np.abs(age - 60) < 1.2, chance, age > 60), "yes", "no"))


def weight_limit(home):
    with closing(Home.open(home).journal()) as journal, journal.transaction() as t:
        kept = read_snapshot(t.get("snapshot cohort"), home)
        return history.limit(t, "cohort", kept.id)


def test_what_a_holder_tells_of_weight_is_counted_over_all_jobs(tmp_path):
    """Regressions that run close to separation use up the noes of the holders; then none is opened over these rows, and other methods are."""
    data = {name: t.set_column(4, "ill", nearly(t["age"], name)) for name, t in federations.tables().items()}
    with federations.federation(tmp_path, data) as federation:
        separated, open_to_all = fed.LogisticRegression("ill", ("age",)), fed.LogisticRegression("sex", ("dose",))
        assert "coef" in run(federation, open_to_all).value.outcome["terms"][0]
        noes = [0] * 4
        while sorted(noes)[-2] < MOST_NOES:  # two that say no to everything are too many for three of four
            before = sum(noes)
            failed = run(federation, separated).value.outcome["failed"]
            noes = [weight_limit(federation.home(name)).noes for name in federations.HOLDERS]
            assert (failed == WEIGHTLESS and before + 2 <= sum(noes) <= before + 4) or (failed == SEPARATION and sum(noes) <= before + 1)
        assert run(federation, open_to_all).value.outcome["failed"] == WEIGHTLESS
        assert run(federation, DESCRIBE).value.outcome["columns"][0]["n"]


def test_a_snapshot_keeps_its_min_cell_whatever_later_licences_say(fresh):
    """How many holders reach one min_cell after another would count the persons of one of them."""
    run(fresh, DESCRIBE)
    hub = fresh.hub()
    other = fresh.authority.licence(str(hub.key.public), dataset="cohort", columns=fresh.columns, purposes=("bisection",),
                                    methods=("describe@1",), min_cell=11, uses=9, days=1, plan=fresh.plan)  # fmt: skip
    fresh.publish(other)
    with pytest.raises(Refused) as refusal:
        run(fresh, DESCRIBE, purpose="bisection")
    assert refusal.value.code == "policy.min_cell"
    assert "10" in refusal.value.text("zh")


def test_a_licence_revoked_while_a_person_decides_is_not_used(fresh):
    desk.policy(fresh.home("east"), {"approval": "person"})
    hub = fresh.hub()
    job = hub.submit(hub.prepare(DESCRIBE, {"dataset": "cohort", "deadline": "60s"}))
    until(lambda: desk.waiting(fresh.home("east")))
    fresh.publish(fresh.authority.revocations(*dict(hub.link.documents("licence"))))
    desk.decide(fresh.home("east"), job[:12], "approve", "")
    with pytest.raises(Refused) as refusal:
        hub.result(job)
    assert refusal.value.code == "licence.revoked"
    assert "revoked" in refusal.value.text("en")
    journal = Home.open(fresh.home("east")).journal()
    with journal.view() as t:
        kept = notes.read(t.note("revocations", "current")).document(Revocations)
    journal.close()
    assert kept.version == 2, "the refusal must not undo what the node has learnt"


def test_a_holder_that_comes_with_another_key_is_refused(fresh):
    """As after somebody used a stolen join token of another holder."""
    journal = Home.open(fresh.home("east")).journal()
    with journal.transaction() as t:
        t.put_note("peer", "south", str(SigningKey.generate("south").public))
    journal.close()
    with pytest.raises(Refused, match="another key") as refusal:
        run(fresh, DESCRIBE)
    assert refusal.value.code == "integrity"


def test_a_stranger_cannot_write_under_a_published_licence(running):
    hub = running.hub()
    (name, text), *_ = hub.link.documents("licence")
    size = len(hub.link.entries())
    stranger = SigningKey.generate("stranger")
    for _ in range(2):
        running.publish(str(notes.read(text).signed_by(stranger)))
    assert dict(hub.link.documents("licence"))[name] == text
    assert len(hub.link.entries()) == size
    run(running, DESCRIBE).verify()


def test_a_title_that_a_terminal_would_obey_is_not_signed(running):
    with pytest.raises((UsageError, DecodeError)):
        run(running, DESCRIBE, title="harmless\x1b[8m")


def test_a_disease_and_then_the_disease_without_a_few(tmp_path, data):
    """The first answer stands; the second, less two women, is suppressed, and so is what three answers would leave over. Others pass."""
    frames = {name: rows.to_pandas() for name, rows in data.items()}
    few = {name: (f.ill == "yes") & (f.sex == "female") & (f.age < 40) for name, f in frames.items()}
    kept = {name: f[~few[name] | (f.index.isin(f.index[few[name]][:2]) & (name == "north"))] for name, f in frames.items()}
    ages = fed.Describe(columns=("age",))
    with federations.federation(tmp_path, {name: pa.Table.from_pandas(f, preserve_index=False) for name, f in kept.items()}) as federation:
        assert run(federation, ages, where="ill == 'yes' and sex == 'female'").to_pandas().loc["age", "n"] > 0
        second = run(federation, ages, where="ill == 'yes' and sex == 'female' and age >= 40")
        assert second.value.outcome == {"failed": SUPPRESSED}
        assert run(federation, ages, where="age_band != 'young' and ill != 'no' and sex != 'male'").value.outcome == {"failed": SUPPRESSED}
        for analysis, where in (
            (MODEL, ""),
            (fed.Crosstab("sex", "ill"), ""),
            (ages, "ill == 'yes'"),
            (ages, "ill == 'yes' and sex == 'female'"),
        ):
            assert "failed" not in run(federation, analysis, where=where).value.outcome
        assert run(federation, ages, where="ill == 'yes' and age >= 40 and sex == 'female'").value.outcome == {"failed": SUPPRESSED}
