"""Sentences of our own that stand inside a text as its detail, or as a result's reason: what they say in Chinese.

They are written in English where they are made, and signed and logged as such; the left side finds them again, the right side says the
same. What is in braces is taken over as it is (names, numbers, levels), except ``{own}``, which must be one more of our sentences. The
texts of the error codes are found again in the same way, and their ``{detail}``.
"""

from __future__ import annotations

import re
from functools import cache

SENTENCES: dict[str, str] = {
    # what a method discloses
    "the number of persons in each cell that at least c + 1 holders support with min_cell persons; one number a cell": (
        "每个单元的人数，仅限至少 c + 1 家持有方各有 min_cell 人的单元；每个单元一个数"
    ),
    "for each column: how many persons have a value, how many have none, and the sum and the squared deviations of the values; "
    "four numbers for each column, each over at least c + 1 holders with min_cell persons. Where too few holders have enough persons "
    "without a value in some column, persons without one are left out of the whole job, so that no two counts tell how many they are": (
        "每个字段：有值的人数、缺失的人数、各值之和、离差平方和；每个字段四个数，每个数都由至少 c + 1 家各有 min_cell 人的持有方合计。"
        "若某字段缺失的人数足够的持有方太少，则该字段缺失的人不计入整个任务，使任何两个人数相减都不会透露他们有多少"
    ),
    "the numbers of persons in both classes, and for each Newton step the score, the information matrix and the log-likelihood: with p "
    "terms p + p(p+1)/2 + 1 numbers a step, and in how many holders enough persons weigh in it. All this stays with the roster and the "
    "coordinator; a step in which too few weigh, in all or in some level or two levels of features, opens nothing and ends the job. "
    "The release holds coefficients, standard errors, log-likelihood and counts": (
        "两类各自的人数；牛顿迭代每一步的得分、信息矩阵和对数似然：p 项时每步 p + p(p+1)/2 + 1 个数，"
        "以及在多少家持有方有足够多的人在该步中起作用。以上内容只有各持有方和协调方看到；"
        "若在整体、某个特征取值或某两个特征取值中起作用的人太少，该步不打开任何数，任务随即结束。发布的结果含系数、标准误、对数似然和人数"
    ),
    # a suppressed cell
    "{name} known": "{name} 有值",
    "{name} missing": "{name} 缺失",
    # consent
    "line {number}: {own}; nothing was put down": "第 {number} 行：{own}；未记录任何内容",
    "not a FHIR Consent resource": "不是 FHIR Consent 资源",
    "{field}: a field is not understood here": "{field}：含有此处不支持的字段",
    "Consent.status: only active consents are understood": "Consent.status：只支持状态为 active 的同意",
    "Consent.provision.purpose: it was not said which purpose a code stands for": "Consent.provision.purpose：未说明代码对应哪种用途",
    "a person was forgotten here, and nothing is put down about them any more": "其中有人已在此删除，不再记录与其有关的内容",
    "the person was forgotten here, and with the records went what proves their use": "此人已在此删除，其使用证明已随记录一并销毁",
    "the person's identifier is empty": "人员标识为空",
    "the dataset {dataset} is registered as the asset {asset}; cancel that first": "数据集 {dataset} 已登记为资产 {asset}，请先注销",
    # columns and parameters
    "there is no column {name} in the dataset; it has {names}": "数据集中没有字段 {name}；现有字段：{names}",
    "{name} is a {own} column; a {own2} column is needed here": "字段 {name} 是{own}字段；此处需要{own2}字段",
    "number": "数值",
    "category": "分类",
    "band": "分段",
    "category or band": "分类或分段",
    "number or category or band": "数值、分类或分段",
    "{what} must be 1 to {most} different column names": "{what} 须为 1 至 {most} 个互不相同的字段名",
    "there is no method {name}; there are {names}": "没有方法 {name}；现有方法：{names}",
    "index and columns must be two different columns": "index 与 columns 须为两个不同的字段",
    "the table would have {size} cells; at most {most} are allowed": "该表将有 {size} 个单元；最多允许 {most} 个",
    "the target cannot be one of the features": "目标字段不能同时作为特征",
    "max_iter must be in {range}, got {given}": "max_iter 须在 {range} 之内，实为 {given}",
    "the target {name} must have two levels, it has {count}": "目标字段 {name} 须恰有两个取值，实有 {count} 个",
    "{level} is no level of {name}; those are {levels}": "{level} 不是 {name} 的取值；其取值为：{levels}",
    "the levels of target and features make {size} cells, two by two; at most {most} are allowed": (
        "目标与特征的取值两两组合成 {size} 个单元；最多允许 {most} 个"
    ),
    "two cells would have the same name; the levels must be renamed in the catalogue": "会有两个单元同名；须在目录中改名相关取值",
    "{method} takes {names}": "{method} 的参数为：{names}",
    # conditions
    "at most {most} comparisons joined by 'and' are allowed": "最多允许 {most} 个比较，以 and 连接",
    "comparisons are joined by 'and'; 'or' is not possible, a list of levels is: in ('a', 'b')": (
        "各比较之间用 and 连接；不支持 or，可以用取值列表：in ('a', 'b')"
    ),
    "cannot be read from position {at}": "自第 {at} 个字符起无法读取",
    "a comparison reads: column operator value": "比较的写法为：字段 运算符 值",
    "{word} is not a comparison; use one of {operators} or in": "{word} 不是比较运算符；请使用 {operators} 或 in",
    "a list of levels reads: in ('a', 'b')": "取值列表的写法为：in ('a', 'b')",
    "the number column {name} can be compared with < and >= only, at its cut points": "数值字段 {name} 只能在其切点处用 < 和 >= 比较",
    "{value} is no registered cut point of {name}; those are none": "{value} 不是 {name} 已登记的切点；该字段没有切点",
    "{value} is no registered cut point of {name}; those are {cuts}": "{value} 不是 {name} 已登记的切点；其切点为：{cuts}",
    "the number column {name} has no levels": "数值字段 {name} 没有登记的取值",
    "the levels of {name} have no order; use == or !=": "{name} 的取值没有顺序；请使用 == 或 !=",
    "{level} is no registered level of {name}; those are {levels}": "{level} 不是 {name} 已登记的取值；其取值为：{levels}",
    # why a result has no numbers
    "there are no numbers: {own}": "没有数值：{own}",
    "suppressed: too few holders have enough persons in the cohort, or in what sets it apart from the cohorts of earlier results": (
        "已抑制：该人群，或该人群与此前结果的人群之差，人数足够的持有方太少"
    ),
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
    "the job goes on with another set, without this node": "任务以另一组参与方继续，不含本节点",
    "{count} nodes computed this state, {least} must agree before it is used": "{count} 个节点算出该状态；须有 {least} 个一致方可使用",
    "the holders computed different states; {least} must agree": "各持有方算出的状态不一致；须有 {least} 家一致",
    "{count} members uploaded, {least} are needed": "{count} 方已上传；至少需要 {least} 方",
    "a data holder posts for itself only": "数据持有方只能以自己的名义提交",
    "{party} is enrolled already, with another key; ask the authority for a token under another name": (
        "{party} 已用另一密钥登记；请向授权主体索取另一名称的加入码"
    ),
    "the old key of {party} is not withdrawn here, or never was enrolled; ask the authority for a new token": (
        "{party} 的旧密钥在此处并未停用，或从未登记；请向授权主体索取新令牌"
    ),
    "the key of {party} was withdrawn before entry {index} of the ledger": "{party} 的密钥在账本第 {index} 条记录之前已停用",
    "this token brings a new key for {party}: keyong {command}": "此令牌用于为 {party} 换用新密钥：keyong {command}",
    "this token brings a first key for {party}: keyong {command}": "此令牌用于为 {party} 登记首个密钥：keyong {command}",
    "{path} holds no journal; a new key goes on with the one that others know: bring the folder back": (
        "{path} 中没有节点库；新密钥须沿用各方已知的节点库：请恢复原目录"
    ),
    "only the operator that submitted a job may cancel it": "任务只能由提交它的运营单位取消",
    "the licence was not in force when the job was made": "授权书在任务创建时未生效",
    "the licence is not known here; the authority must publish it": "此处没有该授权书；须由授权主体发布",
    # licences by hand
    "there is no file {file}, and no licence in {path} starts so; keyong operator licences fetches yours": (
        "没有文件 {file}，{path} 中也没有编号以此开头的授权书；keyong operator licences 可取回您的授权书"
    ),
    "{count} licences in {path} start with {start}; give more digits of one": (
        "{path} 中有 {count} 份授权书以 {start} 开头；请给出更多位数"
    ),
    "there is no file {file}": "没有文件 {file}",
    "the licence is another operator's": "该授权书属于另一运营单位",
    "whose licence it is must be known: give --authority root.note, or an --identity with its {name}": (
        "须指明授权书出自何处：请给出 --authority root.note，或带有 {name} 的 --identity"
    ),
    "the licence itself is valid until {end}: give fewer --days, or an earlier not_after in --terms": (
        "授权书本身有效期至 {end}：请减小 --days，或在 --terms 中写更早的 not_after"
    ),
    "nothing is settled, so nothing is written to {path}: give --set, or leave --out": (
        "没有认定任何级别，因此没有写入 {path}：请给出 --set，或去掉 --out"
    ),
    "a link can only narrow; the licence does not allow so much of: {names}": "下一级只能收窄；授权书在以下各项上没有这么宽：{names}",
    "{least} of the delegates' keys must sign, {count} are here": "须由 {least} 把受托方密钥签名，此处有 {count} 把",
    "a file of terms has: {names}": "条款文件可写：{names}",
    "a plan has: {names}": "预案包括：{names}",
    "the plan lacks: {names}": "预案缺少：{names}",
    "{name} must be a date such as 2027-01-31": "{name} 须为日期，如 2027-01-31",
    "{name} must be a number such as 0.5": "{name} 须为数字，如 0.5",
    "term": "条款",
    # an operator's calls
    "there is no {own} {name}, did you mean {near}? there are: {names}": "没有{own} {name}，是否指 {near}？现有：{names}",
    "there is no {own} {name}; there are: {names}": "没有{own} {name}；现有：{names}",
    "dataset": "数据集",
    "dataset in the authority's folder called": "授权主体目录中的数据集",
    "key in the key root called": "密钥根中的密钥",
    "column of {name} called": "数据集 {name} 的字段",
    "field of column {name} called": "字段 {name} 的填写项",
    "field": "填写项",
    "protection": "保护方式",
    "method": "方法",
    "enrolled data holder": "已登记的数据持有方",
    "there is no dataset {name} in the catalogue": "目录中没有数据集 {name}",
    "{count} of your licences fit this job; name one in it: {names}": "您有 {count} 份授权书适用于本任务；请在任务中写明一份：{names}",
    "{count} of your licences for {dataset} start with {start}; you hold {names2}": (
        "您有 {count} 份 {dataset} 的授权书以 {start} 开头；您持有：{names2}"
    ),
    "you hold no licence for {dataset} whose id starts with {start}; you hold {names2}": (
        "您没有编号以 {start} 开头的 {dataset} 授权书；您持有：{names2}"
    ),
    "a job under lic-{id} must be signed by {names2}, too: --sign {file}": ("依据 lic-{id} 的任务还须由 {names2} 签名：--sign {file}"),
    "there is no job whose id starts with {start}; see keyong job list": "没有以 {start} 开头的任务；见 keyong job list",
    "{count} jobs start with {start}; see keyong job list": "有 {count} 个任务以 {start} 开头；见 keyong job list",
    "this version releases under the rule exact, with a min_cell": "本版本只按 exact 规则发布，并须有 min_cell",
    "{name} is no part of release, it stands beside it: {name}: … in a job file, {name}=… in a call": (
        "{name} 不属于 release，应与它并列：任务文件中写 {name}: …，调用时写 {name}=…"
    ),
    "{name} is a part of release; write release: {given}": "{name} 属于 release；请写 release: {given}",
    "a simulation has no proof: this process played every party, so there is nothing to verify and no bundle to save; a federation's "
    "result, of hub.run, has both": "模拟没有证明：各方都由本进程扮演，无可核验，也没有结果包可保存；联邦的结果（hub.run）二者皆有",
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
    "{source} has no column {name}": "{source} 没有字段 {name}",
    "{source} has no column {name}, which {new} should be read from": "{source} 没有字段 {name}，而 {new} 应从该字段读取",
    "{word} {missing} of {rows} values missing, {unknown} unknown (not in the registered form)": (
        "{word} {rows} 个值中 {missing} 个缺失，{unknown} 个无法识别（不是登记的形式）"
    ),
    # files and data sources
    "there is no file {path}": "没有文件 {path}",
    "this account may not read {path}; give it read access": "本账户无权读取 {path}；请授予读权限",
    "{path} is not a file": "{path} 不是文件",
    "there is too little memory to read {path}": "内存不足，无法读取 {path}",
    "{path} could not be read, system error {error}": "无法读取 {path}，系统错误 {error}",
    "{path} cannot be read: {error}": "无法读取 {path}：{error}",
    "{path} cannot be written: {error}": "无法写入 {path}：{error}",
    "{path} is not text in UTF-8; save it as UTF-8 (not as GB18030, GBK or UTF-16)": (
        "{path} 不是 UTF-8 文本；请另存为 UTF-8（不要用 GB18030、GBK 或 UTF-16）"
    ),
    "{path} is not a whole snapshot": "{path} 不是完整的快照",
    "{path} is not a private key file": "{path} 不是私钥文件",
    "{path} is not {own}": "{path} 不是{own}",
    "a CSV file in {name} with a header line; older systems often write ?encoding=gb18030": (
        " {name} 编码且带标题行的 CSV 文件；较旧的系统常须写 ?encoding=gb18030"
    ),
    "a whole Parquet file": "完整的 Parquet 文件",
    "a whole Arrow IPC file or stream": "完整的 Arrow IPC 文件或流",
    "a DuckDB file": " DuckDB 文件",
    "a node's policy": "节点的规则文件",
    "the coordinator.json of a coordinator": "协调方的 coordinator.json",
    "the root.note of an authority, which holds its key root": "授权主体的 root.note（其中是它的密钥根）",
    "the suffix of {path} does not tell its format; write it as a URL, such as csv:///folder/file; there are {names2}": (
        "{path} 的后缀看不出格式；请写成网址形式，如 csv:///folder/file；可用的有：{names2}"
    ),
    "there is no connector for {name}; there are {names2}": "没有用于 {name} 的连接器；现有：{names2}",
    "{source}: there is no option {name}; {scheme} has {names2}": "{source}：没有选项 {name}；{scheme} 的选项为：{names2}",
    "{source}: an option is given twice": "{source}：有选项重复",
    "a data URL looks like csv:///folder/file.csv?option=value, with % codes for special characters": (
        "数据网址写作 csv:///folder/file.csv?option=value，特殊字符用 % 编码"
    ),
    "delimiter must be one ASCII character, such as ; or %09 for a tab": "delimiter 须为一个 ASCII 字符，如 ; 或表示制表符的 %09",
    "encoding must be the name of one for text, such as utf-8, gb18030, gbk or utf-16": (
        "encoding 须为文本编码的名称，如 utf-8、gb18030、gbk 或 utf-16"
    ),
    "{path}: a row is longer than {most} bytes, or a quotation mark is never closed": "{path}：有一行超过 {most} 字节，或有引号没有闭合",
    "{path}: a quotation mark is never closed; inside a value it is written twice, and the value quoted": (
        "{path}：有引号没有闭合；值中的引号须写两次，并用引号括住该值"
    ),
    "{path}: say which table, duckdb:///folder/file.duckdb?table=visits": "{path}：请指明表名，如 duckdb:///folder/file.duckdb?table=visits",
    "{path} has no readable table {name} in its schema {schema}": "{path} 的模式 {schema} 中没有可读的表 {name}",
    "{path} is in use by another program, or damaged": "{path} 正被其他程序使用，或已损坏",
    "{path}: columns {first} and {second} have the same name": "{path}：第 {first} 个与第 {second} 个字段同名",
    "column {name} of {source} is {type}; a person key needs text, numbers or bytes": (
        "{source} 的字段 {name} 类型为 {type}；人员标识须为文本、数字或字节"
    ),
    "the snapshot could not be written to {path}, system error {error}": "快照无法写入 {path}，系统错误 {error}",
    "the result cannot be written to {path}: {file} is no folder in which this account may write": (
        "结果无法写入 {path}：{file} 不是本账户可写的目录"
    ),
    # what the doctor finds
    "jail tier {tier}": "{tier} 级沙箱",
    "jail tier {tier}; {own}": "{tier} 级沙箱；{own}",
    "tier B: {path} is closed to other users, so a program can use only what was preloaded": (
        "B 级：其他用户不能进入 {path}，程序只能使用预先载入的内容"
    ),
    "jail tier {tier}; {reason}": "{tier} 级沙箱；{reason}",
    "no jail on this kernel": "本机内核不能建立沙箱",
    "no jail on this kernel{reason}": "本机内核不能建立沙箱{reason}",
    "{count} MiB free in {path}": "{path} 中有 {count} MiB 空闲",
    "no proxy in the environment": "环境变量中没有代理",
    "{names2} set; a node uses --proxy or KEYONG_PROXY only": "已设置 {names2}；节点只用 --proxy 或 KEYONG_PROXY",
    "{name}, file mode {mode}, fingerprint {given}": "{name}，文件权限 {mode}，指纹 {given}",
    "ledger of {count} entries is whole": "账本完整，共 {count} 条",
    "whole: {names2}": "完整：{names2}",
    "no data yet: keyong node data add DATASET URL": "尚无数据：keyong node data add DATASET URL",
    "{name}: {detail}; add the data again: keyong node data add {same} URL": (
        "{name}：{detail}；请重新登记数据：keyong node data add {same} URL"
    ),
    "{own}, certificate by {own2}": "{own}，证书由{own2}认定",
    "{url} answers": "{url} 有应答",
    "{own} through the proxy {name}": "{own}（经代理 {name}）",
    "version {version} is registered": "已登记版本 {version}",
    "{count} datasets registered, {served} served here in their newest version": (
        "已登记 {count} 个数据集，其中 {served} 个在此以最新版本提供"
    ),
    "the token": "令牌",
    "the system": "操作系统",
    "within {count} s of the coordinator's": "与协调方的时钟相差 {count} 秒以内",
    "this clock and the coordinator's differ by {count} s; set it by NTP": "本机与协调方的时钟相差 {count} 秒；请用 NTP 校时",
    "{count} of {all} other nodes have answered, and saw no more of this ledger than is here": (
        "其他 {all} 个节点中有 {count} 个已应答，所见本账本均不多于此处所有"
    ),
    "the ledger of {name} tells two histories, both signed: show the authority this node's journal": (
        "{name} 的账本有两种历史，均经其签名：请将本节点库交授权主体查看"
    ),
    "{count} data holders have spent the job, {least} are needed": "{count} 家数据持有方已为任务记账；至少需要 {least} 家",
    "has not shown that it spent the job": "未证明其已为任务记账",
    "{own}; {count} days left": "{own}；还有 {count} 天",
    "{own}; it is over, and jobs are refused": "{own}；已过期，任务会被拒绝",
    "version {version}, valid until {end}": "版本 {version}，有效期至 {end}",
    "list {version}, the next one is due {end}": "清单 {version}，下一份最迟 {end}",
    "the authority has published no revocation list yet: every job is refused": "授权主体尚未发布撤销清单：一切任务都会被拒绝",
    "no job has come with a contingency plan yet": "尚无任务附带应急预案",
    "the plan of {operator} must be practised by {end}": "{operator} 的应急预案最迟须在 {end} 前演练",
    "{count} jobs offered now": "现有 {count} 个待处理的任务",
    # folders, keys and tokens
    "another process serves {path} already; stop that one first": "已有另一个进程在运行 {path}；请先停止它",
    "a join token starts with {name}": "加入令牌以 {name} 开头",
    "this token is for {name}, in the role {role}; use it with: keyong {word}": (
        "此令牌是给 {name} 的，角色为 {role}；请用于：keyong {word}"
    ),
    "there is an authority in {path} already": "{path} 中已有授权主体",
    "there is a coordinator in {path} already": "{path} 中已有协调方",
    "{path} is no authority's folder; make one with: keyong authority init NAME --home {same}": (
        "{path} 不是授权主体的目录；请用以下命令创建：keyong authority init NAME --home {same}"
    ),
    "{path} is no coordinator's folder; make one with: keyong coordinator init TOKEN --home {same}": (
        "{path} 不是协调方的目录；请用以下命令创建：keyong coordinator init TOKEN --home {same}"
    ),
    "{file} lacks signatures, or is not for {name}, or its party joins otherwise than was said when it was made": (
        "{file} 缺少签名，或不是给 {name} 的，或加入方式与制作时不同"
    ),
    "there is a key called {name} in {path} already": "{path} 中已有名为 {name} 的密钥",
    "the role {name}: {detail}": "角色 {name}：{detail}",
    "the key root names nobody for the role {name}": "密钥根未为角色 {name} 指定任何人",
    "a key that was withdrawn stands in a role": "已撤回的密钥仍在某个角色中",
    "only keys of the suites {names2} are known here": "这里只认得以下算法套件的密钥：{names2}",
    "a key of the suite {name} is not accepted here": "此处不接受算法套件 {name} 的密钥",
    "SM2 needs the library libcrypto of OpenSSL 3 or later on this machine": "SM2 需要本机有 OpenSSL 3 或更新版本的 libcrypto 库",
    "the library libcrypto of this machine was built without SM2": "本机的 libcrypto 库编译时未包含 SM2",
    "ML-DSA-44 needs a newer version of the package cryptography on this machine": "ML-DSA-44 需要本机安装更新版本的 cryptography 包",
    "need distinct keys and a threshold in 1..{count}, got {given}": "密钥须互不相同，门限须在 1 至 {count} 之间；实为 {given}",
    "a verifier key reads name+hash+key": "公钥的写法为：名称+哈希+密钥",
    "the key id does not fit the key": "密钥编号与密钥不符",
    "a holder or an operator joins a coordinator (--coordinator coordinator.json); a coordinator joins none": (
        "持有方和运营单位须加入一个协调方（--coordinator coordinator.json）；协调方不加入任何一方"
    ),
    "{file} is missing; without it this node cannot know its rows again: bring it back from a backup": (
        "缺少 {file}；没有它，本节点无从辨认统计过的数据：请从备份中恢复"
    ),
    "the invitation has run out; ask the authority for a new one": "邀请已过期；请向授权主体申请新的",
    "not enrolled as data holders: {names2}": "以下名称未登记为数据持有方：{names2}",
    "data holders of one dataset must be distinct organisations with distinct keys": "同一数据集的各持有方须为不同的机构，密钥也各不相同",
    "{count} licences of this folder start with {start}; keyong authority licences lists them": (
        "本目录有 {count} 份授权书以 {start} 开头；可用 keyong authority licences 列出"
    ),
    "version {version} of the {own} is not newer than the one published": "{own}的版本 {version} 不比已发布的新",
    "revocations": "撤销清单",
    "listen on ADDRESS:PORT, got {given}": "监听地址写作 ADDRESS:PORT；实为 {given}",
    "cannot listen on {url}: {error}": "无法监听 {url}：{error}",
    "the certificate of {url} is not from the expected authority: {error}": "{url} 的证书不是由预期的机构签发：{error}",
    # a dataset file
    "a dataset file has: {names2}": "数据集文件须有：{names2}",
    "the dataset file lacks: {names}": "数据集文件缺少：{names}",
    "column {name}: {own}": "字段 {name}：{own}",
    "kind is number, category or band": "kind 须为 number、category 或 band",
    "a number column has low and high, a category levels, a band of, cuts and levels": (
        "number 字段须有 low 和 high，category 须有 levels，band 须有 of、cuts 和 levels"
    ),
    'write "no" and "yes" with quotes': 'no 和 yes 须加引号："no"、"yes"',
    "a number column has bounds low < high and says what happens outside": "数值字段须有 low < high，并写明超出时如何处理",
    "a number column has no levels": "数值字段没有登记的取值",
    "a category column has 2 to {most} distinct levels": "分类字段须有 2 至 {most} 个互不相同的取值",
    "a category column has one distinct code for each level, or none": "分类字段须为每个取值各给一个互不相同的编码，或都不给",
    "a category column has no bounds or cut points": "分类字段没有上下界或切点",
    "a band has a number column, cut points, and one distinct level for each interval": (
        "分段字段须有所依据的数值字段、切点，并为每个区间各给一个互不相同的取值"
    ),
    "a band has no bounds or codes": "分段字段没有上下界或编码",
    "cut points must rise": "切点须递增",
    "{of} is no number column of this schema": "{of} 不是其中的数值字段",
    "a schema has distinct columns, none of them the person key": "各字段须互不相同，且都不是人员标识",
    "{count} colluding holders need at least {least} in all": "可能合谋者为 {count} 家时，持有方至少须有 {least} 家",
    # what a bundle proves
    "authority signed dataset, licence and {count} enrolments, under version {version} of its key root": (
        "授权主体已依密钥根版本 {version} 签署数据集、授权书和 {count} 份登记"
    ),
    "operator {name} ({organisation}) signed the job; the licence covers it (use {use})": (
        "运营单位 {name}（{organisation}）已签署任务；授权书涵盖该任务（第 {use} 次使用）"
    ),
    "the dataset is registered as the asset {name}, and is not cancelled": "数据集已登记为资产 {name}，且未注销",
    "all {count} data holders accepted it": "全部 {count} 家数据持有方均已接受",
    "{count} of {all} data holders computed and signed this result; {least} are needed": (
        "{all} 家数据持有方中有 {count} 家复算并签署了该结果；至少需要 {least} 家"
    ),
    "each of them had spent the job in its own ledger, which {least} of {all} cosigned": (
        "他们各自已在本方账本中记账，并由 {all} 家中至少 {least} 家联署"
    ),
    "ledger entry {index} holds it, under a checkpoint of {name}": "账本第 {index} 条记录了该结果，由 {name} 的检查点覆盖",
    "operator {name} ({organisation}) signed the job": "运营单位 {name}（{organisation}）已签署任务",
    "{count} ledger entries about it are under a checkpoint of {name}, the last is {event} (entry {index})": (
        "有关该任务的 {count} 条账目由 {name} 的检查点覆盖，最后一条为 {event}（第 {index} 条）"
    ),
    "data holder {name} signed the refusal": "数据持有方 {name} 已签署拒绝",
    "the licence, judged again as of {start}, gives the same refusal": "按 {start} 的情形重新判定授权书，结论同为拒绝",
    "only {name} says that the document which this reason asks for was missing": "只有 {name} 称该理由所需的文件缺失",
    # why it proves nothing
    "the bundle was altered: {detail}": "结果包已被改动：{detail}",
    "signature by {name} does not verify": "{name} 的签名核验不通过",
    "{have} of the {need} trusted signatures needed are here": "受信任的签名须有 {need} 个，现有 {have} 个",
    "a signature is nobody's who could have signed there, or stands there twice": "有签名并非有权签署者所签，或重复出现",
    "these are versions of another key root than the one that is trusted": "这些版本属于另一密钥根，并非所信任的那一个",
    "there are two key roots of the same version: somebody with enough root keys made both": (
        "同一版本出现两个密钥根：有人以足够的根密钥各签了一个"
    ),
    "version {version} of the key root does not follow the version {old} that is known": (
        "密钥根的版本 {version} 不能接在已知的版本 {old} 之后"
    ),
    "the first version of the key root is missing": "缺少密钥根的第一个版本",
    "a purpose that begins with duo is one of duo-nres, duo-gru, duo-hmb, duo-poa, duo-ds-mondo-0000000": (
        "以 duo 开头的用途须为以下之一：duo-nres、duo-gru、duo-hmb、duo-poa、duo-ds-mondo-0000000"
    ),
    "a key that was withdrawn does not come back": "已撤回的密钥不能恢复",
    "too many keys of version {version} of the key root have been withdrawn since": "密钥根版本 {version} 的密钥此后被撤回过多",
    "the key root had expired when the job was admitted": "任务准入时密钥根已到期",
    "only {count} data holders signed the release": "只有 {count} 家数据持有方签署了该结果",
    "the release answers another question than the job's": "该结果回答的不是任务所提的问题",
    "the ledger entry is not about this release": "账本条目与该结果无关",
    "dataset and licence are not those that the job names": "数据集和授权书不是任务所指明的",
    "this is no bundle: it is not JSON": "这不是结果包：不是 JSON",
    "this is no bundle of a version that is understood here": "这不是本版本能读懂的结果包",
    "the ledger has {count} entries": "账本共有 {count} 条",
    # records, and what is computed from them
    "name a file of records, or a folder with --home": "请给出记录文件，或用 --home 指明目录",
    "a file of records is read with the authority's keys: --authority root.note": "读取记录文件须有授权主体的公钥：--authority root.note",
    "this is no file of records": "这不是记录文件",
    "the ledger is not one of a party that this authority enrolled": "该账本不属于该授权主体登记的任何一方",
    "the document of entry {index}, {event}, is missing": "缺少账本第 {index} 条（{event}）所指的文件",
    "the entries are not those under the checkpoint": "账目与检查点不符",
    "working hours read FROM-TO, such as 8-18, got {given}": "工作时间写作 起-止，如 8-18；实为 {given}",
    "a period reads 2026 or 2026-03, got {given}": "时期写作 2026 或 2026-03；实为 {given}",
    "{count} jobs in the ledger start with {start}; keyong records show lists them": (
        "账本中有 {count} 个任务以 {start} 开头；可用 keyong records show 列出"
    ),
    "{count} licences in the records start with {start}": "记录中有 {count} 份授权书以 {start} 开头",
    "the ledger has {count} entries; a range of them runs upwards": "账本共有 {count} 条；区间须由小到大",
    "the statement goes up to entry {index}, the records have {count}": "结算单截至第 {index} 条，记录只有 {count} 条",
    "the statement charges entry {index} otherwise than ledger and prices say": "结算单对第 {index} 条的计费与账本和价格不符",
    "the statement is about another range or another history of the ledger": "结算单针对的是另一区间或另一份账本历史",
    "the price is above the highest that may be asked": "价格高于收费标准上限",
    # evidence
    "the ledger says another reason than the data holder that refused": "账本所记理由与拒绝的数据持有方所述不同",
    "the documents do not give the reason in the ledger, {code}, but {given}": "依据文件得不出账本所记的理由 {code}，而是 {given}",
    "an entry is about another job": "有一条账目属于另一任务",
    # catalogues that come back, and the dataspace
    "line {number}: {own}": "第 {number} 行：{own}",
    "dataset {number}: {own}": "第 {number} 个数据集：{own}",
    "there are {count} cells instead of {most}": "有 {count} 个单元格，应为 {most} 个",
    "the first line names the columns: {columns}": "首行须依次为各列名称：{columns}",
    "the catalogue is not JSON": "目录不是 JSON",
    "the catalogue has no list of datasets": "目录中没有数据集列表",
    "{word} stands there twice": "{word} 出现两次",
    "the access right does not fit the openness": "访问权限与开放方式不符",
    "whether a licence is needed and may cost something does not fit the openness": "是否需要授权、能否收费与开放方式不符",
    "the negotiation is {state}; only a finalised agreement becomes a draft": "协商处于 {state} 状态；只有已完成的协议才能成为草稿",
    "the agreement is about an asset that is not registered now": "协议所涉资产目前未登记",
    "an agreement that becomes a licence is one permission, without prohibitions and obligations": (
        "成为授权书的协议须为单一许可，且不含禁止和义务"
    ),
    "an agreement that becomes a licence is a permission to use": "成为授权书的协议须为使用许可",
    "a condition of the agreement is not of three parts": "协议中有一项条件不是由三部分组成",
    "the agreement says otherwise of {name} than the register": "协议关于 {name} 的说法与登记不符",
    "the agreement says twice what {name} is": "协议两次规定了 {name}",
    "the condition {name} has an operator or a value that a licence cannot hold": "条件 {name} 的运算符或取值无法写入授权书",
    "without a --certificate it listens on this machine alone; put a proxy with TLS before it, or name one": (
        "不给 --certificate 时只能在本机监听；请在其前放置 TLS 代理，或给出证书"
    ),
    "a credential names Ed25519 keys alone, and {name} has another": "可验证凭证只能使用 Ed25519 密钥，而 {name} 的密钥属于其他类型",
    "the records know no such job": "记录中没有该任务",
    # incidents and complaints
    "an incident is {state} only with all three contents, which keyong incident notify gives; missing: {names2}": (
        "事件须以 keyong incident notify 写明全部三项内容，方可标记为 {state}；缺少：{names2}"
    ),
    "an incident begins with version 1 and the state open": "事件须从版本 1、状态 open 开始",
    "an incident goes from {state} to the next state, one version after the other, and stays closed": (
        "事件须由 {state} 依次进入下一状态、版本逐一递增，结案后不再变动"
    ),
    "a later version of an incident cannot change when it was known, or make it less grave": (
        "事件的后续版本不得更改知悉时间，也不得降低严重程度"
    ),
    "a complaint has 1 to {most} bytes": "投诉须有 1 至 {most} 个字节",
    "nobody could read the complaint: it must be sealed to a key of the authority's, and that takes one of the suite ed25519": (
        "无人能读取该投诉：投诉须密封给授权主体的密钥，且该密钥须属于 ed25519 套件"
    ),
    "the complaint was answered before": "该投诉此前已答复",
    "no more complaints are taken today": "今日不再受理投诉",
    "entry {index} of the ledger is not the complaint for which its owner gave a receipt": (
        "账本第 {index} 条并非其所有者出具回执的那件投诉"
    ),
}
WITH_SPACES = re.compile(
    "own2?|names2?|path|file|same|source|type|levels?|cuts|cells?|organisation|operators|word|given|error|detail|columns|allowed|peer|reason|"
    "start|end|next_update"
)
OWN = ("own", "own2")
LONGEST, MOST = 4096, 16  # characters of a sentence; sentences within sentences, those that turn out not to be ours included


def in_chinese(sentence: str) -> str:
    """What *sentence* says in Chinese, where it is one of ours; itself where it is not.

    Others may have written what stands in it: however that is made, `MOST` sentences are looked up, each in time linear in its length.
    """
    return _told(sentence, {}) if len(sentence) <= LONGEST else sentence


def _told(sentence: str, known: dict[str, str]) -> str:
    """The same; *known* are the sentences that were looked up before, each with what it says."""
    if sentence in known or len(known) == MOST:
        return known.get(sentence, sentence)
    known[sentence] = sentence
    for pattern, chinese in _patterns():
        if found := pattern.fullmatch(sentence):
            facts = found.groupdict()
            told = {name: _told(fact, known) if name in (*OWN, "detail") else fact for name, fact in facts.items()}
            if all(told[name] != facts[name] for name in facts if name in OWN):  # else it would be half in English
                known[sentence] = chinese.format_map(told)
                break
    return known[sentence]


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    from governance.texts import TEXTS  # noqa: PLC0415 - which fills its texts with what is said here

    return [(_pattern(english), chinese) for english, chinese in [*SENTENCES.items(), *TEXTS.values()]]


def _pattern(english: str) -> re.Pattern[str]:
    """A fact ends where the words that follow it stand for the first time, and no other end is tried: the groups are atomic.

    Facts with nothing but a space between them are one such group: where the last ends says where the first does.
    """
    first, *rest = re.split(r"\{(\w+)\}", english)
    made, group, seen = re.escape(first), "", set[str]()
    for name, words in zip(rest[::2], rest[1::2], strict=True):
        of = "." if WITH_SPACES.fullmatch(name) else "[^ ]"
        last = len({*seen, name}) == len(set(rest[::2]))
        group += f"(?P={name})" if name in seen else f"(?P<{name}>{of}+{'' if last else '?'})"
        group += re.escape(words)
        seen.add(name)
        if words != " ":
            made, group = made + (group if last else f"(?>{group})"), ""
    return re.compile(made + group, re.DOTALL)
