"""Help pages and wrong calls speak the reader's language, whatever the command."""

from __future__ import annotations

import dataclasses
import re

import click
import pytest
from calls import keyong

from federated.cli import GROUPS, main_group
from federated.cli.chinese import show, told
from sandbox.analyses import METHODS

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


def texts(command):
    """What a command, its options and its commands say of themselves."""
    yield command.help
    yield from (p.help for p in command.params if isinstance(p, click.Option))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from texts(command.get_command(context, name))


def test_every_help_text_has_one_in_chinese(chinese):
    said = {*texts(main_group), *GROUPS.values(), *(m.__doc__.strip().partition("\n")[0] for m in METHODS.values())}
    assert [text for text in said if not CHINESE.search(told(text))] == []


@pytest.mark.parametrize("command", ["", "job", "job plan", "node", "node approve", "authority licence", "verify", "demo"])
def test_a_page_of_help_is_chinese_throughout(chinese, capsys, command):
    page = keyong(capsys, *command.split(), "--help").out
    assert page.startswith(f"用法：{' '.join(['keyong', *command.split()])}")
    words = re.sub(r"示例：(.*\n?)+", "", page)
    for word in re.findall(r"(?<![\w./@<-])[a-z]{3,}(?![\w.\]/@|>])", words):
        assert word in {*GROUPS, *names(main_group), "keyong"}, page


def names(group):
    context = click.Context(group)
    for name in group.list_commands(context):
        yield name
        if isinstance(command := group.get_command(context, name), click.Group):
            yield from names(command)


def test_in_english_it_is_click_s(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    page = keyong(capsys, "job", "submit", "--help").out
    assert page.startswith("Usage: keyong job submit [OPTIONS] FILE\n\n  Sign a job file and submit it.\n\nOptions:\n")
    assert "Error: Missing argument 'FILE'." in keyong(capsys, "job", "plan", code=2).err


@pytest.mark.parametrize(("call", "says"), [
    ("job plan", "缺少参数 FILE"), ("verify .", "缺少选项 --authority"), ("job plam", "没有命令 plam；是否指 plan？"), ("zzz", "没有命令 zzz"),
    ("demo --holdes 3", "没有选项 --holdes；是否指 --holders？"), ("demo --zzz", "没有选项 --zzz"), ("demo --keep", "选项 --keep 须有取值"),
    ("demo a b", "多余的参数：a b"), ("demo --holders 7", "--holders 有误：7 不在 3<=x<=4 之内"),
    ("node policy --approval x", "--approval 有误：x 不在 'automatic', 'person' 之中"), ("authority init x --keys q", "--keys 有误：q 不是数字"),
])  # fmt: skip
def test_a_call_that_click_refuses_is_answered_in_chinese(chinese, capsys, call, says):
    told = keyong(capsys, *call.split(), code=2).err
    assert told.endswith(f"请修正调用：{says}\n")
    assert "Usage" not in told and "Error" not in told


def test_what_click_says_in_other_words_is_passed_on(chinese, capsys):
    show(click.ClickException("in words of its own"))
    assert capsys.readouterr().err == "请修正调用：in words of its own\n"


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_a_method_is_shown_in_chinese_with_all_its_parameters(chinese, capsys, method):
    told = keyong(capsys, "method", "show", method.name).out
    assert all(field.name in told for field in dataclasses.fields(method))
    assert not re.search("Parameters|persons|support", told)


def test_the_methods_are_listed_in_chinese(chinese, capsys):
    assert re.search("describe@1 +描述数值字段。", keyong(capsys, "method", "list").out)


@pytest.mark.parametrize(
    "language, says", [("en", "fix the call: there is no file nothing.yaml"), ("zh", "请修正调用：没有文件 nothing.yaml")]
)
def test_a_file_that_is_not_there_is_said_as_every_other_wrong_call(monkeypatch, capsys, language, says):
    monkeypatch.setenv("LC_ALL", language)
    assert keyong(capsys, "job", "plan", "nothing.yaml", code=2).err == f"keyong: {says}  [usage]\n"
