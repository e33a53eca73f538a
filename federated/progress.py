"""Progress of a job, round by round, for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from federated.language import language, padded, said
from sandbox.messages import Status

Progress = Callable[[Status], None]
WIDTH = 100  # of a line in a notebook, which is written over

STEPS = {
    "accept": ("the holders decide", "各持有方审核中"), "spent": ("witnesses confirm what is spent", "见证方确认已记账"),
    "deal": ("the dealers make keys", "分发方生成密钥"),
    "upload": ("local step and upload", "本地计算与上传"), "consent": ("agreeing who is in", "确认参与方"),
    "reveal": ("opening the total", "打开合计"), "decrypt": ("opening the total", "打开合计"),
    "state": ("checking and signing", "复算并签名"), "weigh": ("weighing the next state", "核对下一步的权重"),
    "abstain": ("starting the round again", "重新开始本轮"),
}  # fmt: skip
PHASES = {
    "judging": "核对中", "waiting": "待人工审核", "offered": "已受理", "running": "运行中", "released": "已发布结果", "refused": "已拒绝",
    "failed": "失败", "cancelled": "已取消", "expired": "已超时", "ended": "已结束",
    "open": "已受理",
}  # fmt: skip


def place(step: str, tongue: str | None = None) -> str:
    """The round and the step in it, in words."""
    number, _, kind = step.rpartition(".")
    where = number.partition(".")[0]
    return (said(f"round {where}, ", f"第 {where} 轮，", tongue) if number else "") + said(*STEPS[kind], tongue)


def phase(name: str, tongue: str | None = None) -> str:
    """Where a job stands, in one word."""
    return said(name, PHASES.get(name, name), tongue)


def line(status: Status, tongue: str | None = None) -> str:
    """One line that says where the job stands and who is awaited."""
    chinese = (tongue or language()) == "zh"
    stands = phase(status.phase, tongue)
    if status.ended:
        why = status.chinese if chinese else status.english
        return f"{status.job[:12]}  {stands}{('：' if chinese else ': ') + why if why else ''}"
    waiting = f"  ({'等待' if chinese else 'waiting for'} {', '.join(status.waiting_for)})" if status.waiting_for else ""
    return f"{status.job[:12]}  {stands}  {place(status.step, tongue)}{waiting}"


@contextmanager
def bar(*, silent: bool = False) -> Iterator[Progress | None]:
    """Shows each status as it comes, where somebody looks on: in a terminal or a notebook."""
    if silent or not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415

        with Console(stderr=True).status("…") as spinner:
            yield lambda status: spinner.update(line(status))
    else:
        try:
            yield lambda status: _over(line(status))
        finally:
            _over("")
            sys.stderr.write("\r")


def _over(text: str) -> None:
    """Write *text* over the line."""
    sys.stderr.write(f"\r{padded(text, WIDTH)}")
    sys.stderr.flush()
