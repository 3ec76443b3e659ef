"""Which records have the heat maps of an inspection."""

import json
import re
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_AT_ONCE: Final = 500
_JOURNAL_BITS: Final = 40  # of a key: records of one journal
_NAME: Final = re.compile("([0-9A-Za-z]{1,64})-([0-9]{1,12})")
_heat: Final = sa.Table(
    "heat",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("result_id", sa.BigInteger(), nullable=False, index=True),
)


def upgrade() -> None:
    """Make the table, with what records of this version that were fed to the tables of an earlier one say."""
    connection = op.get_bind()
    _heat.create(connection)
    record, journal = (sa.Table(name, sa.MetaData(), autoload_with=connection) for name in ("record", "journal"))
    journals = {name: key for key, name in connection.execute(sa.select(journal.c.id, journal.c.name))}
    query = sa.select(record.c.id, record.c.payload).where(record.c.kind == "heat").order_by(record.c.id)
    after = 0
    while rows := connection.execute(query.where(record.c.id > after).limit(_AT_ONCE)).all():
        after = rows[-1].id
        found = [(row.id, _NAME.fullmatch(str(json.loads(row.payload).get("result_id")))) for row in rows]
        known = [
            {"id": key, "result_id": journals[name[1]] << _JOURNAL_BITS | int(name[2])}
            for key, name in found
            if name is not None and name[1] in journals
        ]
        if known:
            connection.execute(_heat.insert(), known)


def downgrade() -> None:
    _heat.drop(op.get_bind())
