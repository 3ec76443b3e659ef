"""Parts and lots by how their names begin, found and counted in an index."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INDEX = "ix_result_part_id"
_BEGINNINGS = (("result", "part_id"), ("result", "lot"), ("category", "lot"), ("hold", "lot"))


def upgrade() -> None:
    _collate("C")
    op.drop_index(_INDEX, "result")
    op.create_index(_INDEX, "result", ["part_id", "creation_time", "category_id", "verdict", "human_verdict"])


def downgrade() -> None:
    op.drop_index(_INDEX, "result")
    op.create_index(_INDEX, "result", ["part_id"])
    _collate("default")


def _collate(name: str) -> None:
    """Order names on a server by their bytes, as SQLite does, so that those with one beginning lie together."""
    if op.get_bind().dialect.name == "postgresql":
        for table, column in _BEGINNINGS:
            op.alter_column(table, column, type_=sa.Text(collation=name))
