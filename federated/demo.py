"""``keyong demo``: an authority, a coordinator, hospital nodes and an operator as real processes, on real records of four hospitals."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from federated.client import Hub, Released
from federated.local import Federation
from federated.stage import Stage
from federated.verify import as_dict
from governance.errors import KeyongError, Refused, Unavailable
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.messages import Status

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PURPOSE = "chronic-disease-research"
HOSPITALS = {
    "cleveland": ("Cleveland Clinic Foundation", "cleveland.csv"), "budapest": ("Hungarian Institute of Cardiology", "hungarian.csv"),
    "zurich": ("University Hospitals Zurich and Basel", "switzerland.csv"), "long-beach": ("V.A. Medical Center Long Beach", "va.csv"),
}  # fmt: skip
UNLICENSED = "fbs"
FEATURES = ("age", "sex", "thalach", "exang", "oldpeak")
TRIES = 3


class Demo:
    """The demo's steps, in order; each reports what it saw."""

    def __init__(self, stage: Stage, *, holders: int = 4, keep: Path | None = None, serve: bool = False) -> None:
        self.stage, self.keep, self.serve_on = stage, keep, serve
        self.names = list(HOSPITALS)[:holders]
        self.steps: list[dict[str, Any]] = []
        self.bundle: Released | None = None

    def play(self) -> dict[str, Any]:
        """Run all steps; return the report that ``--json`` prints."""
        if not (EXAMPLES / "data").exists():
            raise Unavailable("the demo's data lie in examples/data of the source tree; run it from a checkout")
        signal.signal(signal.SIGTERM, _leave)  # so that the processes of the federation end with this one
        start = time.perf_counter()
        folder = self.keep or Path(tempfile.mkdtemp(prefix="keyong-demo-"))
        pooled = _Background(self._pooled)
        try:
            self._open()
            with self._federation(folder) as federation:
                self._scenes(federation, pooled)
                seconds = time.perf_counter() - start
                self._close(seconds)
                if self.serve_on:
                    self._serve(federation)
        finally:
            if self.keep is None:
                shutil.rmtree(folder, ignore_errors=True)
        difference = next(s["difference"] for s in self.steps if "difference" in s)
        return {
            "seconds": round(seconds, 2),
            "steps": self.steps,
            "pooled_difference": difference,
            "bundle_verified": self.bundle is not None,
        }

    def _open(self) -> None:
        self.stage.open(
            "keyong 可用: usable, never visible",
            f"{len(self.names)} hospitals keep their records; a licensed operator gets aggregates of them, and nothing else leaves.\n"
            "Every party is a process of its own on this machine; the records are the UCI heart-disease data.\n"
            "原始数据不出域，数据可用不可见。",
        )

    def _federation(self, folder: Path) -> Federation:
        entry = yaml.safe_load((EXAMPLES / "heart" / "dataset.yaml").read_text())
        entry["holders"] = self.names
        data = EXAMPLES / "data" / "heart-disease"
        columns = [name for name in entry["columns"] if name != UNLICENSED]
        return Federation(
            folder, yaml.safe_dump(entry, allow_unicode=True, sort_keys=False), {n: f"csv://{data / HOSPITALS[n][1]}" for n in self.names},
            columns=columns, purpose=PURPOSE, organisations={n: HOSPITALS[n][0] for n in self.names},
        )  # fmt: skip

    def _scenes(self, federation: Federation, pooled: _Background) -> None:
        with self._step("founding", "authority, coordinator, enrolments, frozen snapshots, licence, nodes") as step:
            federation.found()
            step["outcome"] = f"{len(federation.processes)} processes; each node dials out only"
        hub = federation.hub()
        self._describe(hub)
        self._regression(hub, pooled)
        self._crosstab(hub)
        self._refused(hub)
        self._killed(federation, hub)
        self._verify()

    @contextmanager
    def _step(self, name: str, text: str) -> Any:
        self.stage.begin(name, text)
        step: dict[str, Any] = {"name": name}
        start = time.perf_counter()
        yield step
        step["seconds"] = round(time.perf_counter() - start, 3)
        self.steps.append(step)
        self.stage.end(step["seconds"], step["outcome"])

    def _run(self, hub: Hub, analysis: Any, title: str, **more: Any) -> Released:
        return hub.run(
            analysis, dataset="heart-disease", purpose=PURPOSE, deadline="2m", title=title, **{"progress": self.stage.progress, **more}
        )

    def _describe(self, hub: Hub) -> None:
        with self._step("describe", "mean and spread of five columns over all hospitals") as step:
            analysis = Describe(("age", "trestbps", "chol", "thalach", "oldpeak"))
            released = self._run(hub, analysis, "baseline 基线特征")
            self._table(released)
            step["n"] = released.value.outcome["columns"][0]["n"]
            step["outcome"] = f"{step['n']} persons; no hospital's own number was seen by anybody"

    def _regression(self, hub: Hub, pooled: _Background) -> None:
        with self._step("logistic regression", "disease ~ " + " + ".join(FEATURES)) as step:
            released = self._run(hub, LogisticRegression("disease", FEATURES), "risk model 风险模型")
            self._table(released)
            coef, se = pooled.result()
            terms = released.value.outcome["terms"]
            step["difference"] = max(
                max(abs(float(t["coef"]) - b), abs(float(t["se"]) - s)) for t, b, s in zip(terms, coef, se, strict=True)
            )
            step["outcome"] = f"equal to statsmodels on the pooled rows: largest difference {step['difference']:.1e}"
            self.bundle = released

    def _crosstab(self, hub: Hub) -> None:
        with self._step("crosstab", "age band by sex, small cells suppressed") as step:
            released = self._run(hub, Crosstab("age_band", "sex"), "age by sex 年龄与性别")
            self._table(released)
            step["suppressed"] = list(released.value.suppressed)
            step["outcome"] = f"{len(step['suppressed'])} cells have too little support (*) and were never opened"

    def _refused(self, hub: Hub) -> None:
        with self._step("refusal", f"a job that asks for {UNLICENSED}, which the licence does not name") as step:
            try:
                self._run(hub, Crosstab(UNLICENSED, "disease"), "unlicensed 未授权字段")
            except Refused as error:
                step.update(code=error.code, en=error.text("en"), zh=error.text("zh"))
                self.stage.show(f"  {error.text('en')}\n  {error.text('zh')}")
                step["outcome"] = f"refused: {error.code}"
            else:
                raise KeyongError("an unlicensed column was not refused")

    def _killed(self, federation: Federation, hub: Hub) -> None:
        with self._step("kill -9", "a node dies in mid-round and comes back from its journal") as step:
            victim = self.names[-1]
            for _ in range(TRIES):
                step.update(self._kill_during(federation, hub, victim))
                if step["killed_at"]:
                    break
            step["outcome"] = f"{victim} was killed at step {step['killed_at']}, restarted, and the job ended: {step['phase']}"

    def _kill_during(self, federation: Federation, hub: Hub, victim: str) -> dict[str, Any]:
        """Kill *victim* as soon as the job is under way; None where the job was faster."""
        killed: list[str] = []

        def watch(status: Status) -> None:
            self.stage.progress(status)
            if not killed and status.step.endswith("upload") and not status.ended:
                federation.kill(victim)
                killed.append(status.step)
                federation.start_node(victim)

        released = self._run(hub, Describe(("age", "thalach")), "with a killed node 节点被杀", progress=watch)
        return {"killed_at": killed[0] if killed else None, "phase": "released", "survivors": len(released.value.provenance.survivors)}

    def _verify(self) -> None:
        with self._step("verify", "the regression's bundle, offline, with nothing but the authority's key") as step:
            if self.bundle is None:
                raise KeyongError("there is no bundle to verify")
            verified = self.bundle.verify()
            if self.keep is not None:
                self.bundle.save(self.keep / "bundle.json")
            self.stage.show("\n".join(f"  {check}" for check in verified.checks))
            step.update(as_dict(verified))
            step["outcome"] = "every signature and proof holds"

    def _table(self, released: Released) -> None:
        head, rows = released.value.table()
        self.stage.show("", head=head, rows=rows)

    def _close(self, seconds: float) -> None:
        kept = f"Keys, journals, logs and bundle are in {self.keep}." if self.keep else "No process and no file is left behind."
        limits = (
            "With three holders no dropout is tolerated." if len(self.names) == 3 else "Four holders tolerate one dropout, one colluding."
        )
        self.stage.close(f"{seconds:.1f} s in all. {limits} {kept}\nNext: README.md, and `keyong --help`.")

    def _serve(self, federation: Federation) -> None:
        self.stage.close(
            f"The federation serves on https://127.0.0.1:{federation.port}; operator key in {federation.path}. Ctrl-C ends it."
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return

    def _pooled(self) -> tuple[list[float], list[float]]:
        """What a statistician with all the rows would get: complete cases of the same columns."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        try:
            import numpy as np  # noqa: PLC0415
            import statsmodels.api as sm  # noqa: PLC0415
        except ImportError:
            raise Unavailable("the pooled answer needs statsmodels: pip install 'keyong[demo]'") from None
        rows = [row for name in self.names for row in _complete(EXAMPLES / "data" / "heart-disease" / HOSPITALS[name][1])]
        table = np.array(rows)
        fit = sm.Logit(table[:, 0], sm.add_constant(table[:, 1:], has_constant="add")).fit(disp=0, tol=1e-13, maxiter=100)
        return [float(b) for b in fit.params], [float(s) for s in fit.bse]


def _leave(_number: int, _frame: Any) -> None:
    raise SystemExit(143)


def _complete(path: Path) -> list[list[float]]:
    """Target and features of the rows that lack none, within the declared bounds."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if all(row[c] for c in ("num", *FEATURES))]
    return [[float(float(r["num"]) >= 1), *(float(r[c]) for c in FEATURES)] for r in rows]


@dataclasses.dataclass(slots=True)
class _Background:
    """Work in a thread beside the processes' start; its error surfaces where the result is asked for."""

    work: Callable[[], Any]
    _thread: threading.Thread = dataclasses.field(init=False)
    _made: list[Any] = dataclasses.field(init=False, default_factory=list)
    _error: list[BaseException] = dataclasses.field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        try:
            self._made.append(self.work())
        except BaseException as error:  # handed on by result()
            self._error.append(error)

    def result(self) -> Any:
        self._thread.join()
        if self._error:
            raise self._error[0]
        return self._made[0]
