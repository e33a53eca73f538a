"""``keyong demo``: an authority, a coordinator, hospital nodes and an operator as real processes, on real records of four hospitals."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

from federated import accounts, records
from federated.authority import read_root
from federated.cli.records import folder_of
from federated.client import Hub, Released
from federated.language import said
from federated.local import Federation
from federated.progress import place
from federated.stage import Stage
from federated.verify import as_dict
from governance import notes
from governance.details import in_chinese
from governance.errors import KeyongError, Refused, Unavailable
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.messages import Status

CHECKOUTS = (Path(__file__).resolve().parent.parent, Path.cwd())  # an installed package has no examples beside it
EXAMPLES = next((c for c in CHECKOUTS if (c / "examples" / "data").exists()), CHECKOUTS[0]) / "examples"
PURPOSE = "chronic-disease-research"
HOSPITALS = {
    "cleveland": ("Cleveland Clinic Foundation", "cleveland.csv"), "budapest": ("Hungarian Institute of Cardiology", "hungarian.csv"),
    "zurich": ("University Hospitals Zurich and Basel", "switzerland.csv"), "long-beach": ("V.A. Medical Center Long Beach", "va.csv"),
}  # fmt: skip
UNLICENSED = "fbs"
FEATURES = ("age", "sex", "thalach", "exang", "oldpeak")
TRIES = 3
PATIENCE = 20.0  # seconds that a hospital is waited for: a slow machine is not a hospital that is away


class Demo:
    """The demo's steps, in order; each reports what it saw."""

    def __init__(self, stage: Stage, *, holders: int = 4, keep: Path | None = None, serve: bool = False) -> None:
        self.stage, self.keep, self.serve_on = stage, keep, serve
        self.names = list(HOSPITALS)[:holders]
        self.steps: list[dict[str, Any]] = []
        self.bundle: Released | None = None
        self._told = ""

    def play(self) -> dict[str, Any]:
        """Run all steps; return the report that ``--json`` prints."""
        if not (EXAMPLES / "data").exists():
            raise Unavailable("the demo's data lie in examples/data of the source; run it in the source's folder")
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
            said("keyong 可用: usable, never visible", "keyong 可用：数据可用不可见"),
            said(
                f"{len(self.names)} hospitals keep their records; a licensed operator gets aggregates of them, and nothing else leaves.\n"
                "Every party is a process of its own on this machine; the records are the UCI heart-disease data.\n"
                "原始数据不出域，数据可用不可见。",
                f"{'三四'[len(self.names) - 3]}家医院各自保管病历；持有授权的运营单位只得到汇总结果，\n其余数据一概不出域。\n"
                "每一方都是本机上的独立进程；病历为 UCI 心脏病数据集的真实记录。",
            ),
        )

    def _federation(self, folder: Path) -> Federation:
        entry = yaml.safe_load((EXAMPLES / "heart" / "dataset.yaml").read_text())
        entry |= {"holders": self.names, "consent": "opt_out"}  # nobody has objected
        data = EXAMPLES / "data" / "heart-disease"
        columns = [name for name in entry["columns"] if name != UNLICENSED]
        return Federation(
            folder, yaml.safe_dump(entry, allow_unicode=True, sort_keys=False), {n: f"csv://{data / HOSPITALS[n][1]}" for n in self.names},
            columns=columns, purpose=PURPOSE, organisations={n: HOSPITALS[n][0] for n in self.names}, patience=PATIENCE,
        )  # fmt: skip

    def _scenes(self, federation: Federation, pooled: _Background) -> None:
        texts = (
            "authority, coordinator, enrolments, asset, snapshots, price, licence, nodes",
            "授权主体、协调方、登记、资产、快照、价格、授权书、节点",
        )
        with self._step("founding", "组建联邦", texts) as step:
            federation.found()
            n = len(federation.processes)
            self._outcome(step, f"{n} processes; each node dials out only", f"{n} 个进程；各节点只向外连接")
        hub = federation.hub()
        self._describe(hub)
        self._regression(hub, pooled)
        self._crosstab(hub)
        self._refused(hub)
        self._killed(federation, hub)
        self._verify()
        self._settled(federation)

    @contextmanager
    def _step(self, name: str, chinese: str, texts: tuple[str, str]) -> Iterator[dict[str, Any]]:
        self.stage.begin(said(name, chinese), said(*texts))
        step: dict[str, Any] = {"name": name}
        start = time.perf_counter()
        yield step
        step["seconds"] = round(time.perf_counter() - start, 3)
        self.steps.append(step)
        self.stage.end(step["seconds"], self._told)

    def _outcome(self, step: dict[str, Any], english: str, chinese: str) -> None:
        """What came out of *step*: in English in the report, in the reader's language on the stage."""
        step["outcome"], self._told = english, said(english, chinese)

    def _run(self, hub: Hub, analysis: Any, title: str, **more: Any) -> Released:
        return hub.run(
            analysis, dataset="heart-disease", purpose=PURPOSE, deadline="2m", title=title, **{"progress": self.stage.progress, **more}
        )

    def _describe(self, hub: Hub) -> None:
        texts = ("mean and spread of five columns over all hospitals", "全部医院五个字段的均值与离散程度")
        with self._step("describe", "描述统计", texts) as step:
            analysis = Describe(("age", "trestbps", "chol", "thalach", "oldpeak"))
            released = self._run(hub, analysis, "baseline 基线特征")
            self._table(released)
            n = step["n"] = released.value.outcome["columns"][0]["n"]
            self._outcome(
                step, f"{n} persons; no hospital's own number was seen by anybody", f"{n} 人；没有任何人看到过某一家医院自己的数字"
            )

    def _regression(self, hub: Hub, pooled: _Background) -> None:
        formula = "disease ~ " + " + ".join(FEATURES)
        with self._step("logistic regression", "逻辑回归", (formula, formula)) as step:
            released = self._run(hub, LogisticRegression("disease", FEATURES), "risk model 风险模型")
            self._table(released)
            coef, se = pooled.result()
            terms = released.value.outcome["terms"]
            step["difference"] = max(
                max(abs(float(t["coef"]) - b), abs(float(t["se"]) - s)) for t, b, s in zip(terms, coef, se, strict=True)
            )
            off = f"{step['difference']:.1e}"
            self._outcome(step, f"equal to statsmodels on the pooled rows: largest difference {off}",
                          f"与汇集全部记录后用 statsmodels 计算的结果一致：最大差 {off}")  # fmt: skip
            self.bundle = released

    def _crosstab(self, hub: Hub) -> None:
        with self._step("crosstab", "交叉表", ("age band by sex, small cells suppressed", "年龄段与性别，小单元被抑制")) as step:
            released = self._run(hub, Crosstab("age_band", "sex"), "age by sex 年龄与性别")
            self._table(released)
            step["suppressed"] = list(released.value.suppressed)
            n = len(step["suppressed"])
            self._outcome(step, f"{n} cells have too little support (*) and were never opened", f"{n} 个单元人数不足（*），从未被打开")

    def _refused(self, hub: Hub) -> None:
        texts = (f"a job that asks for {UNLICENSED}, which the licence does not name", f"任务要用授权书未列出的字段 {UNLICENSED}")
        with self._step("refusal", "拒绝", texts) as step:
            try:
                self._run(hub, Crosstab(UNLICENSED, "disease"), "unlicensed 未授权字段")
            except Refused as error:
                step.update(code=error.code, en=error.text("en"), zh=error.text("zh"))
                self.stage.show(said(f"{step['en']}\n{step['zh']}", step["zh"]))
                self._outcome(step, f"refused: {error.code}", f"已拒绝：{error.code}")
            else:
                raise KeyongError("an unlicensed column was not refused")

    def _killed(self, federation: Federation, hub: Hub) -> None:
        texts = ("a node dies in mid-round and comes back from its journal", "一个节点在轮次中途被杀，凭节点库恢复")
        with self._step("kill -9", "kill -9", texts) as step:
            victim = self.names[-1]
            for _ in range(TRIES):
                step.update(self._kill_during(federation, hub, victim))
                if step["killed_at"]:
                    break
            at, n = step["killed_at"] or "accept", step["survivors"]
            self._outcome(step, f"{victim} was killed ({place(at, 'en')}) and came back; all {n} hospitals are in the released result",
                          f"{victim} 被杀（{place(at, 'zh')}）后恢复；发布的结果包含全部 {n} 家医院")  # fmt: skip

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
        texts = ("the regression's bundle, offline, with the authority's key root alone", "仅凭授权主体的密钥根，离线核验回归的结果包")
        with self._step("verify", "核验", texts) as step:
            if self.bundle is None:
                raise KeyongError("there is no bundle to verify")
            verified = self.bundle.verify()
            if self.keep is not None:
                self.bundle.save(self.keep / "bundle.json")
            self.stage.show("\n".join(said(check, in_chinese(check)) for check in verified.checks))
            step.update(as_dict(verified))
            self._outcome(step, "every signature and proof holds", "全部签名和证明均成立")

    def _settled(self, federation: Federation) -> None:
        texts = (
            "what the releases cost, computed from the ledger, and again from a copy elsewhere",
            "按账本结算各次发布的费用，再凭副本离线重算",
        )
        with self._step("settle", "结算", texts) as step:
            journal, key, roots = folder_of(federation.path / "coordinator")
            with closing(journal), journal.view() as t:
                copy = records.write(records.export(t, str(key.public), roots))
            here = accounts.statement(records.read(copy, roots.newest))
            signed = str(notes.write(here).signed_by(key))
            (federation.path / "statement.note").write_text(signed)
            (federation.path / "records.json").write_text(copy)
            pinned = read_root(federation.path / "authority" / "root.note")
            there = notes.write(accounts.check(signed, records.read((federation.path / "records.json").read_text(), pinned)))
            if there.text != notes.read(signed).text:
                raise KeyongError("the statement was computed otherwise from the copy")
            rows = [[name, accounts.yuan(fen)] for name, fen in here.due.items()]
            self.stage.show("", head=[said("organisation", "机构"), said("yuan", "元")], rows=rows)
            owed = accounts.yuan(sum(here.owed.values()))
            step.update(releases=len(here.lines), owed=dict(here.owed), due=dict(here.due))
            self._outcome(step, f"{len(here.lines)} releases, {owed} yuan, all of it divided; a copy of the ledger gives the same bytes",
                          f"发布 {len(here.lines)} 次，共 {owed} 元，已全部分配；凭账本副本重算，逐字节相同")  # fmt: skip

    def _table(self, released: Released) -> None:
        if released.failed:
            raise KeyongError(released.value.summary())
        head, rows = released.value.table()
        self.stage.show("", head=head, rows=rows)

    def _close(self, seconds: float) -> None:
        kept = (
            said(f"Keys, journals, logs and bundle are in {self.keep}.", f"密钥、节点库、日志和结果包在 {self.keep} 中。")
            if self.keep
            else said("No process and no file is left behind.", "没有留下任何进程和文件。")
        )
        limits = (
            said("With three holders no dropout is tolerated.", "三家持有方不容许任何一家掉线。")
            if len(self.names) == 3
            else said("Four holders tolerate one dropout, one colluding.", "四家持有方可容许一家掉线、一家合谋。")
        )
        self.stage.close(
            said(
                f"{seconds:.1f} s in all. {limits} {kept}\nNext: README.md, and `{command()} --help`.",
                f"共 {seconds:.1f} 秒。{limits}\n{kept}\n接下来：README.zh.md，以及 `{command()} --help`。",
            )
        )

    def _serve(self, federation: Federation) -> None:
        self.stage.close(
            said(
                f"The federation serves on https://127.0.0.1:{federation.port}; operator key in {federation.path}. Ctrl-C ends it.",
                f"联邦在 https://127.0.0.1:{federation.port} 上运行；运营单位密钥在 {federation.path} 中。按 Ctrl-C 结束。",
            )
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
            raise Unavailable("the pooled answer needs statsmodels: pip install statsmodels") from None
        rows = [row for name in self.names for row in _complete(EXAMPLES / "data" / "heart-disease" / HOSPITALS[name][1])]
        table = np.array(rows)
        fit = sm.Logit(table[:, 0], sm.add_constant(table[:, 1:], has_constant="add")).fit(disp=0, tol=1e-13, maxiter=100)
        return [float(b) for b in fit.params], [float(s) for s in fit.bse]


def command() -> str:
    """How to call keyong here: by its file, where it is not the one on the PATH."""
    file = Path(sys.argv[0])
    return str(file) if file.name == "keyong" and shutil.which("keyong") != str(file.absolute()) else "keyong"


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
