"""What people read where the locale is Chinese: at a hospital, at an operator's, at the authority's. Machines read the same as ever."""

from __future__ import annotations

import json
import re
import time

import calls
import federations
import pytest

JOB = """
keyong: 1
title: 年龄段 by sex
purpose: research
licence: any
dataset: cohort
where: "sex == 'male'"
analysis: {method}
with: {given}
"""
CROSSTAB = JOB.format(method="crosstab", given="{index: age_band, columns: ill}") + "protect: threshold\n"
DESCRIBE = JOB.format(method="describe", given="{columns: [age, dose]}")


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("federation"), purpose="research") as federation:
        yield federation


@pytest.fixture
def keyong(running, capsys):
    """What a command printed on standard output, or on standard error where it failed."""

    def call(*arguments, code=0):
        printed = calls.keyong(capsys, *arguments, code=code)
        return printed.err if code else printed.out

    return call


@pytest.fixture
def job(running, tmp_path):
    def write(text):
        file = tmp_path / "job.yaml"
        file.write_text(text)
        return file

    return write


def waiting(keyong, home):
    """Until the running node has fetched the job and asks a person."""
    for _ in range(100):
        if found := json.loads(keyong("node", "approvals", "--home", home, "--json")):
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no job waits")


def test_a_hospital_decides_in_chinese(running, keyong, job):
    home, identity = running.home("north"), ("--identity", running.path / "operator.key")
    assert keyong("node", "approvals", "--home", home) == "没有待审核的任务\n"
    keyong("node", "policy", "--approval", "person", "--home", home)
    assert "已提交" in keyong("job", "submit", job(CROSSTAB), *identity)
    asked = waiting(keyong, home)
    assert asked["discloses"].startswith("the number of persons"), "machines read what they always read"
    told = keyong("node", "approvals", "--home", home)
    for words in (
        "年龄段 by sex", "运营单位 operator，用途 research，截止时间 20", "cohort 上的 crosstab@1：age_band（3 级）、ill（3 级）、sex（3 级）；条件 sex == 'male'",
        "至多打开 6 个数，2 轮，单元均不少于 10 人", "用 east, north 分发的密钥加密：它们合谋能读出本持有方的数", "公开内容：每个单元的人数，仅限至少 c + 1 家持有方各有 min_cell 人的单元；每个单元一个数",
    ):  # fmt: skip
        assert words in told
    assert not re.search("operator operator|opens|discloses|persons|grade", told)
    assert "待人工审核" in keyong("node", "status", "--home", home)
    assert "已受理" in keyong("job", "list", *identity)
    assert "已拒绝" in keyong("node", "deny", asked["job"][:12], "--home", home, "--reason", "尚未通过伦理审查")
    assert "尚未通过伦理审查" in keyong("job", "result", asked["job"][:12], *identity, code=3)
    told = keyong("node", "status", "--home", home)
    assert re.search("已拒绝 +本数据持有方人工审核未通过：尚未通过伦理审查；请修改任务，或与其协商  policy.denied", told)
    assert "已拒绝" in keyong("job", "list", *identity)
    keyong("node", "policy", "--approval", "automatic", "--home", home)


def test_an_operator_reads_plan_result_and_proof_in_chinese(running, keyong, job, tmp_path):
    identity, bundle = ("--identity", running.path / "operator.key"), tmp_path / "bundle.json"
    told = keyong("job", "plan", job(DESCRIBE), *identity)
    for words in (
        "年龄段 by sex：cohort 上的 describe@1，条件 sex == 'male'，用途 research", "读取字段  age（3 级）、dose（3 级）、sex（3 级）",
        "参与方    east, north, south, west：须全部接受，各按自己的规则；至少 3 家响应（其中 1 家可能合谋）", "公开内容  每个字段：有值的人数",
        "消耗      授权书 1000 次使用中的一次", "截止时间  20",
    ):  # fmt: skip
        assert words in told
    told = keyong("job", "submit", job(DESCRIBE), "--wait", "--out", bundle, *identity)
    assert "已抑制，并非零" in told
    assert "age 缺失" in told
    assert "missing" not in told
    released = json.loads(keyong("job", "list", *identity, "--json"))[-1]["job"]
    assert "此前已结束：已发布结果" in keyong("job", "cancel", released, *identity, code=2)
    told = keyong("verify", bundle, "--authority", running.path / "authority" / "root.note")
    for words in ("ok  授权主体已依密钥根版本 1 签署数据集、授权书和 6 份登记", "ok  全部 4 家数据持有方均已接受", "ok  账本第"):
        assert words in told
    told = keyong("operator", "licences", *identity)
    assert "cohort，有效\n  用途 research，方法 " in told
    assert "最小单元人数 10，授权 1000 次" in told
    told = keyong("catalogue", "show", "cohort", *identity)
    for words in (
        "cohort（cohort，版本 1）", "其中至多 1 家可能合谋", "每人一行，以字段 id 区分", "数值      3 级  18 至 100，超出者截到界上；切点 40, 60",
        "分类      3 级  female | male", "分段      3 级  young | middle | old  依据 age", "超出者按缺失计；切点 无",
    ):  # fmt: skip
        assert words in told
    assert "（4 家持有方）" in keyong("catalogue", "list", *identity)
    assert "公开：每个单元的人数" in keyong("method", "show", "crosstab")


def test_the_catalogue_is_asked_for_through_the_proxy(running, keyong, monkeypatch):
    monkeypatch.setenv("KEYONG_PROXY", "http://127.0.0.1:9")
    assert "没有应答" in keyong("catalogue", "list", "--identity", running.path / "operator.key", code=75)


def test_the_doctor_speaks_chinese(running, keyong):
    told = keyong("node", "doctor", "--home", running.home("north"))
    for name, words in (
        ("kernel", "级沙箱"), ("disk", "MiB 空闲"), ("key", "文件权限 600"), ("journal", "账本完整"), ("snapshots", "完整：cohort"),
        ("coordinator", "有应答，证书由令牌认定"), ("clock", "与协调方的时钟相差"), ("enrolment", "现有 0 个待处理的任务"),
        ("catalogue", "已登记 1 个数据集，其中 1 个在此以最新版本提供"),
    ):  # fmt: skip
        assert re.search(f"ok    {name} .*{words}", told), told


@pytest.mark.parametrize(("arguments", "says"), [
    (("authority", "licence", "KEY", "--dataset", "zzz", "--columns", "age"), "请修正调用：没有授权主体目录中的数据集 zzz；现有：cohort"),
    (("authority", "licence", "KEY", "--dataset", "cohort", "--columns", "agee"), "没有数据集 cohort 的字段 agee，是否指 age？现有："),
    (("node", "data", "add", "cohort", "/nowhere/x.csv", "--home", "NODE"), "没有文件 /nowhere/x.csv"),
    (("node", "data", "add", "cohort", "x.xyz", "--home", "NODE"), "x.xyz 的后缀看不出格式"),
    (("node", "data", "add", "cohort", "ftp://a/b.csv", "--home", "NODE"), "没有用于 ftp 的连接器"),
    (("node", "serve", "--home", "NODE"), "已有另一个进程在运行"),
    (("node", "join", "nonsense"), "加入令牌以 keyong-join-1. 开头"),
    (("authority", "init", "x", "--home", "AUTHORITY"), "中已有授权主体"),
    (("verify", "BUNDLE", "--authority", "BUNDLE"), "不是授权主体的 root.note"),
    (("ledger", "prove", "9999", "--home", "NODE"), "账本共有"),
])  # fmt: skip
def test_a_wrong_call_is_answered_in_chinese_throughout(running, keyong, tmp_path, arguments, says):
    (tmp_path / "bundle.json").write_text("{}")
    authority = ("--home", running.path / "authority", "--coordinator", running.home("coordinator") / "coordinator.json")
    places = {"NODE": running.home("north"), "AUTHORITY": running.path / "authority", "BUNDLE": tmp_path / "bundle.json"}
    more = (
        ("--purposes", "research", "--methods", "describe@1", "--plan", running.path / "plan.note", *authority)
        if arguments[1] == "licence"
        else ()
    )
    told = keyong(*(places.get(a, a) for a in arguments), *more, code=2)
    assert says in told
