"""Counts that are kept, what is written on the part, class and value apart, and selections that are judged again."""

import hashlib
import json
from typing import Final

import sqlalchemy as sa
from alembic import op

from inspector.archive.store.migrations.r0001 import INDICES as INDICES_BEFORE

revision = "0002"
down_revision = "0001"

_HOUR_US: Final = 3_600_000_000
_AT_ONCE: Final = 1000
_BIG, _TEXT, _WORD = sa.BigInteger(), sa.Text(), sa.String(16)
_CATEGORY: Final = (
    "product_id",
    "internal_configuration_id",
    "station",
    "shift",
    "operator",
    "lot",
    "rule",
    "class_name",
    "is_simulated",
)
_IDENTIFIED: Final = ("serial_number", "material", "lot", "job_id")
_COLUMNS: Final = ("serial_number", "material", "class_name", "score", "category_id")
_TIMED: Final = ("product_id", "internal_configuration_id", "lot", "shift", "operator", "rule", "class_name", "verdict")
_COUNTED: Final = ("category_id", "verdict", "human_verdict")
_INDICES: Final[dict[str, list[str]]] = {
    **{f"ix_result_{name}": [name, "creation_time"] for name in _TIMED},
    **{f"ix_result_{name}": [name] for name in ("part_id", "serial_number")},
    "ix_result_creation_time": ["creation_time", *_COUNTED],
    **{f"ix_result_{name}": [name, "creation_time", *_COUNTED] for name in ("margin", "score", "brightness")},
}
_NEW: Final = sa.MetaData()
_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_category: Final = sa.Table(
    "category",
    _NEW,
    sa.Column("id", _KEY, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Boolean() if name == "is_simulated" else _TEXT, nullable=False) for name in _CATEGORY),
)
_tally: Final = sa.Table(
    "tally",
    _NEW,
    sa.Column("category_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("verdict", _WORD, primary_key=True),
    sa.Column("human_verdict", _WORD, primary_key=True),
    sa.Column("hour", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("number", _BIG, nullable=False),
    sqlite_with_rowid=False,
)
sa.Table(
    "rejudgement",
    _NEW,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("creation_time", _BIG, nullable=False),
    sa.Column("who", _TEXT, nullable=False),
    sa.Column("selection", _TEXT, nullable=False),
    sa.Column("recipe", sa.String(64), nullable=False),
    sa.Column("bundles", _TEXT, nullable=False),
    sa.Column("last", _BIG, nullable=False),
    sa.Column("ended", _BIG),
)
sa.Table(
    "rejudged",
    _NEW,
    sa.Column("rejudgement_id", sa.String(64), primary_key=True),
    sa.Column("result_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("verdict", _WORD, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("margin", sa.Float(53)),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    connection = op.get_bind()
    for name, (table, _) in INDICES_BEFORE.items():
        op.drop_index(name, table)
    for name in ("serial_number", "material", "class_name"):
        op.add_column("result", sa.Column(name, _TEXT, nullable=False, server_default=""))
    op.add_column("result", sa.Column("score", sa.Float(53)))
    op.add_column("result", sa.Column("category_id", _BIG, nullable=False, server_default="0"))
    op.add_column("run", sa.Column("cause", _TEXT, nullable=False, server_default=""))
    _NEW.create_all(connection)
    result = sa.Table("result", sa.MetaData(), autoload_with=connection)
    judgement = sa.Table("judgement", sa.MetaData(), autoload_with=connection)
    _fill_identified(connection, result)
    _fill_causes(connection)
    _fill_judged(connection, result, judgement)
    _fill_counts(connection, result)
    for name, columns in _INDICES.items():
        op.create_index(name, "result", columns)
    corrected, fired = sa.text("human_verdict IS NOT NULL"), sa.text("verdict IN ('NG', 'REVIEW')")
    op.create_index("ix_result_corrected", "result", ["creation_time"], sqlite_where=corrected, postgresql_where=corrected)
    op.create_index("ix_judgement_fired", "judgement", ["quantity", "result_id"], sqlite_where=fired, postgresql_where=fired)


def downgrade() -> None:
    op.drop_index("ix_judgement_fired", "judgement")
    for name in (*_INDICES, "ix_result_corrected"):
        op.drop_index(name, "result")
    _NEW.drop_all(op.get_bind())
    for name in _COLUMNS:
        op.drop_column("result", name)
    op.drop_column("run", "cause")
    for name, (table, columns) in INDICES_BEFORE.items():
        op.create_index(name, table, list(columns))


def _fill_identified(connection: sa.Connection, result: sa.Table) -> None:
    """Fill in what a code on the part says: a record of a later version may have been fed to the tables of an earlier one."""
    record = sa.Table("record", sa.MetaData(), autoload_with=connection)
    wanted = sa.literal(b'"identification"', sa.LargeBinary())
    is_sqlite = connection.dialect.name == "sqlite"
    found = sa.func.instr(record.c.payload, wanted) if is_sqlite else sa.func.position(wanted.op("IN")(record.c.payload))
    query = sa.select(record.c.id, record.c.payload).where(record.c.kind == "result", found > 0)
    after = 0
    while rows := connection.execute(query.where(record.c.id > after).order_by(record.c.id).limit(_AT_ONCE)).all():
        after = rows[-1].id
        for row in rows:
            said = json.loads(row.payload).get("identification", {})
            values = {name: str(said[name])[:500] for name in _IDENTIFIED if said.get(name)}
            if values:
                connection.execute(result.update().where(result.c.id == row.id).values(values))


def _fill_causes(connection: sa.Connection) -> None:
    """Fill in why runs ended, which their last record says in words."""
    record, run = (sa.Table(name, sa.MetaData(), autoload_with=connection) for name in ("record", "run"))
    ends = sa.select(record.c.id, record.c.payload).where(record.c.kind == "run_ended")
    for end in connection.execute(ends).all():
        if cause := json.loads(end.payload).get("cause"):
            begun = sa.select(sa.func.max(run.c.id)).where(run.c.id < end.id).scalar_subquery()
            connection.execute(run.update().where(run.c.id == begun).values(cause=str(cause)[:500]))


def _fill_judged(connection: sa.Connection, result: sa.Table, judgement: sa.Table) -> None:
    """Fill in the class of the rule that decided, and the value nearest to its limit."""
    space = sa.func.instr(result.c.rule, " ") if connection.dialect.name == "sqlite" else sa.func.strpos(result.c.rule, " ")
    value, limit = judgement.c.compared, judgement.c.limit
    larger = sa.case((sa.func.abs(value) > sa.func.abs(limit), sa.func.abs(value)), else_=sa.func.abs(limit))
    nearest = (
        sa.select(value)
        .where(judgement.c.result_id == result.c.id, value.is_not(None), larger > 0)
        .order_by(sa.func.abs(limit - value) / larger, value)
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(result.update().values(class_name=sa.func.substr(result.c.rule, space + 1), score=nearest))


def _fill_counts(connection: sa.Connection, result: sa.Table) -> None:
    """Fill in the categories, which inspection is of which, and how many there are of each in each hour."""
    rows = connection.execute(sa.select(*(result.c[name] for name in _CATEGORY)).distinct()).all()
    if not rows:
        return
    made = [dict(zip(_CATEGORY, row, strict=True)) for row in rows]
    connection.execute(_category.insert(), [{"id": _key_of(values), **values} for values in made])
    op.create_index("ix_category_lot", "category", ["lot", "rule"])  # for this only
    same = [_category.c[name] == result.c[name] for name in _CATEGORY]
    connection.execute(result.update().values(category_id=sa.select(_category.c.id).where(*same).scalar_subquery()))
    op.drop_index("ix_category_lot", "category")
    hour = result.c.creation_time // _HOUR_US
    keys = result.c.category_id, result.c.verdict, sa.func.coalesce(result.c.human_verdict, ""), hour
    counts = sa.select(*keys, sa.func.count()).group_by(*keys)
    connection.execute(_tally.insert().from_select([column.name for column in _tally.columns], counts))


def _key_of(values: dict[str, object]) -> int:
    text = json.dumps([bool(values[name]) if name == "is_simulated" else values[name] for name in _CATEGORY])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
