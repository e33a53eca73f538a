"""Tables of a journal. The version is raised with every change to them."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = "1"

TABLES = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: INTEGER keys are the row id itself


def _counted(name: str) -> sa.Column[int]:
    return sa.Column(name, NUMBER, primary_key=True, autoincrement=False)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


meta = sa.Table("meta", TABLES, _text("name", key=True), _text("value"))

# the ledger
bundle = sa.Table("bundle", TABLES, _counted("first"), _bytes("hashes"), _bytes("entries"))
tile = sa.Table("tile", TABLES, _counted("place"), _bytes("hashes"))
head = sa.Table("head", TABLES, _counted("only"), _integer("size"), _text("note"))

# witnessing: what this party cosigned of others' ledgers, and who cosigned its own
seen = sa.Table("seen", TABLES, _text("origin", key=True), _integer("size"), _text("note"))
cosigned = sa.Table("cosigned", TABLES, _text("witness", key=True), _integer("size"), _integer("at"))

# documents and settings
note = sa.Table("note", TABLES, _text("kind", key=True), _text("name", key=True), _text("text"))
setting = sa.Table("setting", TABLES, _text("name", key=True), _text("value"))

# jobs
job = sa.Table(
    "job",
    TABLES,
    _counted("number"),
    sa.Column("job", sa.Text, nullable=False, unique=True),
    _text("phase"),
    _integer("deadline"),
    _text("detail"),
    _text("code"),
    _integer("version"),
    sa.Column("ended", sa.Boolean, nullable=False),
    _integer("created"),
)
decision = sa.Table("decision", TABLES, _text("job", key=True), _text("verdict"), _text("reason"), _integer("at"))

# values sealed under a key of their job
job_key = sa.Table("job_key", TABLES, _text("job", key=True), _bytes("key"))
sealed = sa.Table("sealed", TABLES, _text("job", key=True), _text("slot", key=True), _bytes("box"))

# what must not be counted twice
licence_use = sa.Table(
    "licence_use", TABLES, _text("licence", key=True), _counted("number"), _text("job"), sa.UniqueConstraint("licence", "job")
)
cohort = sa.Table(
    "cohort",
    TABLES,
    _counted("number"),
    _text("dataset"),
    _text("snapshot"),
    _text("kind"),
    _text("members"),
    sa.Index("cohort_of", "dataset", "snapshot", "kind"),
)

# what was spent: rows are only added; an account's last row holds its total
block = sa.Table("block", TABLES, _counted("number"), sa.Column("name", sa.Text, nullable=False, unique=True), _text("text"))
spend = sa.Table(
    "spend", TABLES, _counted("number"), sa.Column("job", sa.Text, nullable=False, unique=True), _text("query"), _text("text"),
    sa.Index("spend_of", "query"),
)  # fmt: skip
account = sa.Table("account", TABLES, _text("name", key=True), _counted("number"), _text("total"))

# consents: records by pseudonym, who was forgotten, and the sets of persons that jobs read
consent = sa.Table(
    "consent", TABLES, _counted("number"), _text("person"), _text("dataset"), _text("text"), _integer("entry"),
    sa.Index("consent_of", "dataset"), sa.Index("consent_by", "person"),
)  # fmt: skip
forgotten = sa.Table("forgotten", TABLES, _text("person", key=True))
consent_set = sa.Table(
    "consent_set", TABLES, _counted("number"), _text("dataset"), _text("snapshot"), _text("name"), _text("basis"), _bytes("named"),
    _bytes("persons"), _bytes("openings"), _bytes("leaves"), _bytes("upper"), sa.UniqueConstraint("dataset", "name"),
)  # fmt: skip
