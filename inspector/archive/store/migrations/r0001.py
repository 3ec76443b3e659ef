"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_metadata = sa.MetaData()


def _table(name: str, *columns: sa.schema.SchemaItem, rowid: bool = True) -> sa.Table:
    return sa.Table(name, _metadata, *columns, sqlite_with_rowid=rowid)


def _key(name: str, kind: sa.types.TypeEngine[int] = _KEY) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _columns(kind: sa.types.TypeEngine[Any], *names: str, null: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=null) for name in names]


_BIG, _INT, _SMALL, _REAL, _BOOL = sa.BigInteger(), sa.Integer(), sa.SmallInteger(), sa.Float(53), sa.Boolean()
_TEXT, _WORD, _NAME, _HASH, _BLOB = sa.Text(), sa.String(16), sa.String(32), sa.String(64), sa.LargeBinary()
_SEAL = _columns(_BLOB, "seal", null=True)

_table("alembic_version", sa.Column("version_num", sa.String(32), primary_key=True))
_table(
    "journal",
    sa.Column("id", _INT, primary_key=True),
    sa.Column("name", _HASH, unique=True, nullable=False),
    *_columns(_HASH, "public_key"),
    *_columns(_TEXT, "station"),
    *_columns(_BIG, "fed", "pruned"),
    *_columns(_BLOB, "pruned_digest", null=True),
)
_table(
    "record", _key("id"), *_columns(_WORD, "kind"), *_columns(_BLOB, "payload", "digest"), *_columns(_BLOB, "seal", null=True)
)
_table(
    "run",
    _key("id"),
    *_columns(_BIG, "creation_time"),
    *_columns(_BIG, "ended", null=True),
    *_columns(_BOOL, "interrupted"),
    *_columns(_TEXT, "station", "line", "shift", "operator", "lot", "job_id"),
)
result = _table(
    "result",
    _key("id"),
    *_columns(_BIG, "run_id", null=True),
    *_columns(_SMALL, "result_state", "utc_offset", "result_evaluation", "images"),
    *_columns(_BOOL, "is_partial", "is_simulated"),
    *_columns(_BIG, "creation_time"),
    *_columns(_TEXT, "part_id", "product_id", "internal_configuration_id", "job_id"),
    *_columns(_TEXT, "station", "line", "shift", "operator", "lot", "rule", "reason"),
    *_columns(_INT, "recipe_version"),
    *_columns(_HASH, "internal_recipe_id"),
    *_columns(_WORD, "verdict"),
    *_columns(_WORD, "told", "human_verdict", null=True),
    *_columns(_REAL, "monotonic", "margin", "brightness", "latency_ms", null=True),
)
judgement = _table(
    "judgement",
    sa.Column("result_id", _BIG, sa.ForeignKey("result.id", ondelete="CASCADE"), primary_key=True),
    _key("number", _SMALL),
    *_columns(_SMALL, "rule"),
    *_columns(_TEXT, "bundle", "camera", "class_name"),
    *_columns(_NAME, "quantity"),
    *_columns(_BOOL, "wrong", "above"),
    *_columns(_REAL, "value", "compared", null=True),
    *_columns(_REAL, "limit"),
    *_columns(_WORD, "verdict"),
    rowid=False,
)
image = _table(
    "image",
    _key("result_id", _BIG),
    sa.Column("camera", _TEXT, primary_key=True),
    *_columns(_TEXT, "path"),
    *_columns(_HASH, "sha256"),
    *_columns(_BIG, "bytes", "creation_time"),
    *_columns(_WORD, "keeps", "codec"),
    *_columns(_BIG, "deleted", null=True),
    rowid=False,
)
_table("document", sa.Column("digest", sa.String(128), primary_key=True), *_columns(_TEXT, "text"))
_table("configuration", sa.Column("id", _TEXT, primary_key=True))
_table(
    "gap",
    sa.Column("journal_id", _INT, sa.ForeignKey("journal.id"), primary_key=True),
    _key("first", _BIG),
    *_columns(_BIG, "last"),
    *_columns(_BOOL, "damaged"),
)
correction = _table(
    "correction",
    _key("id"),
    *_columns(_BIG, "result_id", "creation_time"),
    *_columns(_TEXT, "who", "class_name", "reason", "note"),
    *_columns(_WORD, "verdict", null=True),
    *_columns(_BIG, "undone", null=True),
)
_table("event", _key("id"), *_columns(_BIG, "creation_time"), *_columns(_NAME, "what"), *_columns(_TEXT, "who", "detail"))
_table("hold", sa.Column("lot", _TEXT, primary_key=True), *_columns(_TEXT, "who", "reason"), *_columns(_BIG, "creation_time"))
sa.Index("ix_image_age", image.c.deleted, image.c.keeps, image.c.creation_time)
sa.Index("ix_correction_result", correction.c.result_id)

_TIMED = ("product_id", "internal_configuration_id", "lot", "shift", "operator", "rule", "human_verdict")
INDICES = {
    **{f"ix_result_{name}": ("result", (name, "creation_time", "verdict")) for name in _TIMED},
    "ix_result_verdict": ("result", ("verdict", "creation_time")),
    "ix_result_time": ("result", ("creation_time", "verdict")),
    "ix_result_part": ("result", ("part_id", "verdict")),
    "ix_result_margin": ("result", ("margin", "verdict")),
    "ix_result_brightness": ("result", ("brightness", "verdict")),
    "ix_judgement_rule": ("judgement", ("quantity", "rule")),
}


def upgrade() -> None:
    _metadata.create_all(op.get_bind())
    for name, (table, columns) in INDICES.items():
        op.create_index(name, table, list(columns))


def downgrade() -> None:
    _metadata.drop_all(op.get_bind())
