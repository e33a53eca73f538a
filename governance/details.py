"""Sentences of our own that stand inside a text as its detail, or as a result's reason: what they say in Chinese.

They are written in English where they are made, and signed and logged as such; the left side finds them again, the right side says the
same. What is in braces is taken over as it is (names, numbers, levels), except ``{own}``, which holds one more of our sentences.
"""

from __future__ import annotations

import re
from functools import cache

SENTENCES: dict[str, str] = {
    # columns and parameters
    "there is no column {name} in the dataset; it has {names}": "数据集中没有字段 {name}；现有字段：{names}",
    "{name} is a {own} column; a {own2} column is needed here": "字段 {name} 是{own}字段；此处需要{own2}字段",
    "number": "数值",
    "category": "类别",
    "band": "分段",
    "category or band": "类别或分段",
    "number or category or band": "数值、类别或分段",
    "{what} must be 1 to {most} different column names": "{what} 须为 1 至 {most} 个互不相同的字段名",
    "there is no method {name}; there are {names}": "没有方法 {name}；现有方法：{names}",
    "index and columns must be two different columns": "index 与 columns 须为两个不同的字段",
    "the table would have {size} cells; at most {most} are allowed": "该表将有 {size} 个单元；最多允许 {most} 个",
    "the target cannot be one of the features": "目标字段不能同时作为特征",
    "max_iter must be in {range}, got {given}": "max_iter 须在 {range} 之内，实为 {given}",
    "the target {name} must have two levels, it has {count}": "目标字段 {name} 须恰有两个水平，实有 {count} 个",
    "{level} is no level of {name}; those are {levels}": "{level} 不是 {name} 的水平；其水平为：{levels}",
    "the levels of target and features make {size} cells, two by two; at most {most} are allowed": (
        "目标与特征的水平两两组合成 {size} 个单元；最多允许 {most} 个"
    ),
    "two cells would have the same name; the levels must be renamed in the catalogue": "会有两个单元同名；须在目录中改名相关水平",
    "{method} takes {names}": "{method} 的参数为：{names}",
    # conditions
    "at most {most} comparisons joined by 'and' are allowed": "最多允许 {most} 个比较，以 and 连接",
    "comparisons are joined by 'and'; 'or' is not possible, a list of levels is: in ('a', 'b')": (
        "各比较之间用 and 连接；不支持 or，可以用取值列表：in ('a', 'b')"
    ),
    "cannot be read from position {at}": "自第 {at} 个字符起无法读取",
    "a comparison reads: column operator value": "比较的写法为：字段 运算符 值",
    "{word} is not a comparison; use one of {operators} or in": "{word} 不是比较运算符；请使用 {operators} 或 in",
    "a list of levels reads: in ('a', 'b')": "水平列表的写法为：in ('a', 'b')",
    "the number column {name} can be compared with < and >= only, at its cut points": "数值字段 {name} 只能在其切点处用 < 和 >= 比较",
    "{value} is no registered cut point of {name}; those are none": "{value} 不是 {name} 已登记的切点；该字段没有切点",
    "{value} is no registered cut point of {name}; those are {cuts}": "{value} 不是 {name} 已登记的切点；其切点为：{cuts}",
    "the number column {name} has no levels": "数值字段 {name} 没有水平",
    "the levels of {name} have no order; use == or !=": "{name} 的水平没有顺序；请使用 == 或 !=",
    "{level} is no registered level of {name}; those are {levels}": "{level} 不是 {name} 已登记的水平；其水平为：{levels}",
    # why a result has no numbers
    "there are no numbers: {own}": "没有数值：{own}",
    "suppressed: too few holders have enough persons in the cohort": "已抑制：人群中人数足够的持有方太少",
    "suppressed: too few holders have enough persons with {cells} and {count} more cells": (
        "已抑制：下列单元中人数足够的持有方太少：{cells}，另有 {count} 个单元"
    ),
    "suppressed: too few holders have enough persons with {cells}": "已抑制：下列单元中人数足够的持有方太少：{cells}",
    "suppressed: before an estimate was reached, too few holders had enough persons whose outcome is open, in all or in some level of a "
    "feature. Where features separate the classes it is so; after three such jobs over the same rows it is always so": (
        "已抑制：求解途中，在整体或某个特征取值中，拥有足够多结局尚未确定的人的持有方太少。特征可将两类分开时即如此；在同样的行上出现三次之后一律如此"
    ),
    "rank: some feature is a linear combination of the others": "秩亏：某个特征是其余特征的线性组合",
    "separation: the features tell the two classes apart exactly, so no finite estimate exists": (
        "完全分离：特征可将两类完全分开，不存在有限估计"
    ),
    "no convergence within {steps} steps": "{steps} 步之内未收敛",
    "limit: too many rounds": "限度：轮次过多",
    "limit: the next round would open more numbers than persons that honest holders are sure to have in {cell}": (
        "限度：下一轮打开的数字将多于诚实持有方在 {cell} 中必有的人数"
    ),
    # who is left, and who may
    "the job goes on with another set, without this node": "任务以另一存活集合继续，不含本节点",
    "{count} nodes computed this state, {least} must agree before it is used": "{count} 个节点算出该状态；须有 {least} 个一致方可使用",
    "the holders computed different states; {least} must agree": "各持有方算出的状态不一致；须有 {least} 家一致",
    "{count} members uploaded, {least} are needed": "{count} 方已上传；至少需要 {least} 方",
    "a data holder posts for itself only": "数据持有方只能以自己的名义提交",
    "{party} is enrolled already, with another key; ask the authority for a token under another name": (
        "{party} 已用另一密钥登记；请向授权主体索取另一名称的加入码"
    ),
    "only the operator that submitted a job may cancel it": "任务只能由提交它的运营单位取消",
    "the licence was not in force when the job was made": "授权书在任务创建时未生效",
    "the licence is not known here; the authority must publish it": "此处没有该授权书；须由授权主体发布",
    # an operator's calls
    "there is no {own} {name}, did you mean {near}? there are: {names}": "没有{own} {name}，是否指 {near}？现有：{names}",
    "there is no {own} {name}; there are: {names}": "没有{own} {name}；现有：{names}",
    "dataset": "数据集",
    "field": "填写项",
    "method": "方法",
    "enrolled data holder": "已登记的数据持有方",
    "there is no dataset {name} in the catalogue": "目录中没有数据集 {name}",
    "{count} of your licences fit this job; name one in it: {names}": "您有 {count} 份授权书适用于本任务；请在任务中写明一份：{names}",
    "{count} jobs start with {start}": "有 {count} 个任务以 {start} 开头",
    "this version releases under the rule exact, with a min_cell": "本版本只按 exact 规则发布，并须有 min_cell",
    "this version protects totals by secagg only": "本版本只以 secagg 保护合计",
    "the job was made for another entry of the dataset {name} in the catalogue": "任务所依据的是数据集 {name} 在目录中的另一版本",
    "min_cell is larger than the dataset may be": "最小单元人数大于该数据集可有的人数",
    "{own} is not YAML: {error}": "{own}不是 YAML：{error}",
    "the job file": "任务文件",
    "the dataset file": "数据集文件",
    "a job file starts with keyong: 1": "任务文件须以 keyong: 1 开头",
    "the job file lacks: {names}": "任务文件缺少：{names}",
    "the field {name} must be {own}": "填写项 {name} 须为{own}",
    "the field {name} of {own2} must be {own}": "{own2} 的填写项 {name} 须为{own}",
    "column {name}": "字段 {name}",
    "release": "发布规则 release",
    "text, in quotes if it looks like a number": "文本；形如数字时请加引号",
    "a whole number": "整数",
    "a list": "列表",
    "a map": "映射（名称: 取值）",
    "{what} must be at least {least}": "{what} 须不小于 {least}",
    "{what} must be at most {most}": "{what} 须不大于 {most}",
    "{what} must have at most {most} characters": "{what} 最多 {most} 个字符",
    "{what} must match {form}": "{what} 须符合格式 {form}",
    "a key name has 1 to 100 characters, none of them space or plus": "密钥名称须为 1 至 100 个字符，且不含空格和加号",
    "column {name}: low, high and cuts are numbers": "字段 {name}：low、high 和 cuts 须为数字",
    "parameter {name} must be a number, a text, or a list of texts": "参数 {name} 须为数字、文本或文本列表",
    "a deadline reads 90s, 10m, 2h or 7d at most, got {given}": "截止时间写作 90s、10m、2h，最长 7d；实为 {given}",
    "the job has no release (yet)": "任务（尚）无发布结果",
    "the coordinator did not end the job at its deadline": "协调方未在截止时间结束任务",
    "{url} does not answer ({error})": "{url} 没有应答（{error}）",
    "job {id} has ended before: it is {phase}": "任务 {id} 此前已结束：{phase}",
    "the join token is damaged; copy the whole line again": "加入令牌已损坏；请重新复制整行",
    "a coordinator serves https only: its --url reads https://host:port, got {url}": (
        "协调方只提供 https：--url 写作 https://host:port，实为 {url}"
    ),
    "{path} or {file} is missing; make them with: keyong operator join TOKEN --identity {same}": (
        "缺少 {path} 或 {file}；请用以下命令生成：keyong operator join TOKEN --identity {same}"
    ),
    "{file} is the key of {name}, the token is for {other}; name another folder (--home) or file (--identity)": (
        "{file} 是 {name} 的密钥，而令牌是给 {other} 的；请另指定目录（--home）或文件（--identity）"
    ),
    "there is no key file at {path}": "{path} 处没有密钥文件",
    "{file} can be read by others: chmod 600 it": "{file} 可被他人读取；请执行 chmod 600",
    # a data holder's
    "{path} is no node's folder; make one with: keyong node join TOKEN --home {same}": (
        "{path} 不是节点目录；请用以下命令创建：keyong node join TOKEN --home {same}"
    ),
    "{name} is not registered as a holder of {dataset}": "{name} 未登记为 {dataset} 的持有方",
    "{dataset} has one row for each person, but a person key repeats; bring it into that form first": (
        "{dataset} 须每人一行，但人员标识有重复；请先整理数据"
    ),
    "no job that starts with {start} waits for a person here; see keyong node status": (
        "没有以 {start} 开头、等待人工审核的任务；请用 keyong node status 查看"
    ),
    "{count} waiting jobs start with {start}; give at least 8 digits of one": (
        "有 {count} 个待审任务以 {start} 开头；请至少给出其中一个的前 8 位"
    ),
    "{source} has no column {names}; the dataset is registered with {names2}; {own}": (
        "{source} 没有字段 {names}；数据集登记的字段为：{names2}；{own}"
    ),
    "in the URL, column.{name}=NAME reads it from a column of another name": "可在地址中用 column.{name}=源字段名 从其他名称的字段读取",
    "is the delimiter another one? delimiter=%3B reads semicolons, delimiter=%09 tabs": (
        "是否用了其他分隔符？delimiter=%3B 表示分号，delimiter=%09 表示制表符"
    ),
    "{path} is a workbook, and those are not read; save the sheet as CSV UTF-8": (
        "{path} 是电子表格文件，无法读取；请将工作表另存为 CSV UTF-8"
    ),
    "column {name} of {source} is {type}; a {own} column needs {own2}": "{source} 的字段 {name} 类型为 {type}；{own}字段需要{own2}",
    "numbers, booleans, or text that holds numbers": "数字、布尔值或内容为数字的文本",
    "text, numbers or booleans": "文本、数字或布尔值",
    "{source} has no rows, but the snapshot of {name} has; nothing was changed": (
        "{source} 没有任何行，而 {name} 现有的快照有数据；未作任何更改"
    ),
    "{source} has more rows than the {most} that the dataset is registered with": "{source} 的行数超过数据集登记的 {most} 行",
    # what a bundle proves
    "the bundle is not signed by the authority whose trust.json was given": "结果包并非由所给 trust.json 的授权主体签署",
    "authority signed dataset, licence and {count} enrolments": "授权主体已签署数据集、授权书和 {count} 份登记",
    "operator {name} ({organisation}) signed the job; the licence covers it (use {use})": (
        "运营单位 {name}（{organisation}）已签署任务；授权书涵盖该任务（第 {use} 次使用）"
    ),
    "all {count} data holders accepted it": "全部 {count} 家数据持有方均已接受",
    "{count} of {all} data holders computed and signed this result; {least} are needed": (
        "{all} 家数据持有方中有 {count} 家复算并签署了该结果；至少需要 {least} 家"
    ),
    "ledger entry {index} holds it, under a checkpoint of {name}": "账本第 {index} 条记录了该结果，由 {name} 的检查点覆盖",
}
WITH_SPACES = re.compile("own2?|names2?|path|file|same|source|type|levels?|cuts|cells?|organisation|operators|word|given|error")
LONGEST = 4096


def in_chinese(sentence: str) -> str:
    """What *sentence* says in Chinese, where it is one of ours; itself where it is not."""
    for pattern, chinese in _patterns() if len(sentence) <= LONGEST else ():
        if found := pattern.fullmatch(sentence):
            facts = found.groupdict()
            return chinese.format_map({name: in_chinese(fact) if name.startswith("own") else fact for name, fact in facts.items()})
    return sentence


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.sub(r"\\\{(\w+)\\\}", _group, re.escape(english))), chinese) for english, chinese in SENTENCES.items()]


def _group(name: re.Match[str]) -> str:
    return f"(?P<{name[1]}>{'.' if WITH_SPACES.fullmatch(name[1]) else '[^ ]'}+?)"
