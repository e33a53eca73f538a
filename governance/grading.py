"""Grades of columns, 1 to 5: proposed by rules from what the catalogue declares, settled by a person's signature; the stricter wins.

Rules read names, titles, units, kinds, levels and bounds as registered, never a row. A column that no rule knows has the highest grade
until a person says what it is. A person may not go below what a rule found, nor may a licence's claim: grades only rise.
Source: GB/T 39725-2020 (five levels of health data; special diseases and identities highest), GB/T 43697-2024 (classes and levels; where
several apply the strictest does, 就高从严). The rules are our reading of these levels; they are a proposal, which a person settles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from governance import notes
from governance.catalogue import Column, Label, Schema, Slug
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError
from governance.keys import VerifyKey
from governance.parties import Seconds
from governance.registration import Grade, digest
from governance.rights import Digest

HIGHEST = 5
MANY_LEVELS = 64
WIDE = 10**6  # a whole number without unit in so wide a range may number persons

# Grade, reason in English and Chinese, words of a name or title, and pieces of Chinese ones.
WORDS: tuple[tuple[int, str, str, str, str], ...] = (
    (5, "identifies a person", "直接标识个人",
     "name surname forename idcard id ssn passport phone mobile telephone email address account "
     "licence plate wechat fingerprint face",
     "姓名 身份证 护照 手机 电话 邮箱 住址 地址 银行卡 账号 车牌 指纹 人脸 病历号 医保卡号"),
    (5, "special disease or genome", "特殊病种或基因",
     "hiv aids syphilis std psychiatric mental schizophrenia abortion gene genome genotype dna",
     "艾滋 梅毒 性病 精神 流产 基因 传染病"),
    (4, "diagnosis, treatment or sensitive personal information", "诊疗或敏感个人信息",
     "diagnosis diagnoses disease icd drug medication prescription surgery operation cancer tumor tumour stroke death "
     "birthdate dob birthday religion ethnicity race nationality income salary credit location latitude longitude",
     "诊断 疾病 用药 药物 处方 手术 肿瘤 癌 死亡 出生日期 宗教 民族 收入 工资 信用 轨迹 经度 纬度 病史"),
    (3, "health state or measurement of a person", "个人健康状况或检测值",
     "age bmi weight height pressure systolic diastolic bp cholesterol chol glucose sugar heart rate "
     "thalach pulse ecg ekg restecg angina pain cp smoking smoker alcohol creatinine hemoglobin haemoglobin temperature lab test admission "
     "discharge visit oldpeak slope vessels ca thal fbs exang trestbps pregnancy vaccine education marital occupation",
     "年龄 体重 身高 血压 血糖 胆固醇 心率 脉搏 心电 吸烟 饮酒 肌酐 血红蛋白 体温 检验 检查 入院 出院 就诊 妊娠 疫苗 学历 婚姻 职业"),
    (2, "coarse group of persons", "粗分的人群",
     "sex gender region city province district department ward insurance payer type class group",
     "性别 地区 城市 省 区县 科室 病区 医保类型 类别 分组"),
    (1, "about no person", "与个人无关",
     "year month weekday quarter season holiday weather calendar", "年份 月份 星期 季度 季节 节假日 天气"),
)  # fmt: skip
MEASURED = re.compile(r"(mm ?hg|mmol|µmol|umol|mg|g)\s*/?\s*(d?l|kg)?$|mm ?hg|bpm|/min|℃|°c|kg/m", re.IGNORECASE)
CODES = re.compile(r"^[A-Z][0-9]{2}(\.[0-9]+)?$")  # ICD-10


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that speaks of a column."""

    grade: int
    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the rules say of a column; without reasons it is unknown."""

    column: str
    declared: int
    reasons: tuple[Reason, ...]

    @property
    def floor(self) -> int:
        """The least that a person may settle on."""
        return max([self.declared, *(reason.grade for reason in self.reasons)])

    @property
    def grade(self) -> int:
        """The grade as long as no person settled it."""
        return self.floor if self.reasons else HIGHEST


@wire("keyong/grading/v1")
class Grading:
    """A person's word on the grades of a dataset's columns; signed with that person's key."""

    dataset: Slug
    schema: Digest
    person: Label
    at: Seconds
    grades: Annotated[tuple[Grade, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        names = [each.column for each in self.grades]
        if names != sorted(set(names)):
            raise DecodeError("graded columns are distinct and sorted")


def propose(schema: Schema) -> tuple[Proposal, ...]:
    """A proposal for each column, from its registered form alone."""
    return tuple(Proposal(c.name, c.grade, tuple(_reasons(c, schema))) for c in schema.columns)


def settled(schema: Schema, signed: Grading | None = None) -> tuple[Grade, ...]:
    """The grade of each column, sorted by name: the stricter of rules, catalogue and person; highest where none of them knows."""
    said = {} if signed is None else {each.column: each.grade for each in signed.grades}
    if signed is not None and signed.schema != digest(schema):
        raise IntegrityError("the grading is of other columns than these")
    found = [Grade(p.column, max(p.floor, said[p.column]) if p.column in said else p.grade) for p in propose(schema)]
    return tuple(sorted(found, key=lambda each: each.column))


def opened(raw: str | bytes, key: VerifyKey, schema: Schema) -> Grading:
    """A person's grading, verified with that person's key, of just these columns."""
    note = notes.read(raw)
    if not note.signers(key):
        raise IntegrityError(f"the grading is not signed by {key.name}")
    document = note.document(Grading)
    if document.schema != digest(schema) or not {each.column for each in document.grades} <= {c.name for c in schema.columns}:
        raise IntegrityError("the grading is of other columns than these")
    return document


def above(grades: Iterable[Grade], most: int, *, columns: Iterable[str]) -> tuple[str, ...]:
    """Those of *columns* whose grade is above *most*, or that have none: what a licence up to that grade does not reach."""
    known = {each.column: each.grade for each in grades}
    return tuple(name for name in columns if known.get(name, HIGHEST + 1) > most)


def _reasons(column: Column, schema: Schema) -> Iterator[Reason]:
    yield from _by_words(f"{column.name} {column.title}")
    if MEASURED.search(column.unit):
        yield Reason(3, f"measured in {column.unit}", f"以 {column.unit} 计的检测值")
    if column.of is not None:
        source = Proposal(column.of, 1, tuple(_reasons(schema[column.of], schema)))
        if source.reasons:
            yield Reason(max(2, source.grade - 1), f"band of {column.of}", f"{column.of} 的分段")
    for level in column.levels:
        yield from (reason for reason in _by_words(level) if reason.grade >= 4)
        if CODES.match(level):
            yield Reason(4, "levels are codes of diseases", "取值为疾病编码")
            break
    if len(column.levels) >= MANY_LEVELS:
        yield Reason(4, f"{len(column.levels)} levels single out persons", f"{len(column.levels)} 个取值，可识别到少数人")
    if column.kind == "number" and not column.unit and column.bounds[1] - column.bounds[0] >= WIDE:
        yield Reason(HIGHEST, "so wide a range may number persons", "取值范围过大，可能是个人编号")


def _by_words(text: str) -> Iterator[Reason]:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    words = set(re.findall(r"[a-z]+", spaced.lower()))
    for grade, english, chinese, latin, han in WORDS:
        if words & set(latin.split()) or any(piece in text for piece in han.split()):
            yield Reason(grade, english, chinese)
