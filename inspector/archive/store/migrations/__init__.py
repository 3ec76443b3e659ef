"""The revisions of the tables, oldest first: each leads from the one before to itself and back, with what is in the tables.

The modules are revisions of Alembic; the connection's transaction is ours, so that one that fails changes nothing.
"""

from importlib import import_module
from typing import Final

from sqlalchemy import Connection, select, update

from inspector.archive.store.models import SchemaVersion

KNOWN: Final = ("0001", "0002", "0003", "0004")  # each is the module with its name
NEWEST: Final = KNOWN[-1]


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables; None if it is missing."""
    return connection.execute(select(SchemaVersion.version_num)).scalar_one_or_none()


def migrate(connection: Connection, found: str, wanted: str = NEWEST) -> None:
    """Lead the tables from one known revision to another."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    here, there = KNOWN.index(found), KNOWN.index(wanted)
    with Operations.context(MigrationContext.configure(connection)):
        for name in KNOWN[here + 1 : there + 1]:
            import_module(f"{__name__}.r{name}").upgrade()
        for name in reversed(KNOWN[there + 1 : here + 1]):
            import_module(f"{__name__}.r{name}").downgrade()
    connection.execute(update(SchemaVersion).values(version_num=wanted))
