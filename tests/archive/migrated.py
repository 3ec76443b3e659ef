"""What is checked of the tables' revisions, for SQLite and a server alike."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, insert, text

from inspector.archive.store.database import Database, take_back
from inspector.archive.store.migrations import NEWEST, migrate, revision_of
from inspector.archive.store.models import Base, SchemaVersion

_TABLES = tuple(Base.metadata.tables)


def check_back_and_forward(database: Database) -> None:
    """Lead a filled database back to the first revision and forward again: nothing is lost or differs from new ones."""
    with database.read() as connection:
        before = {name: _rows(connection, name) for name in _TABLES}
    take_back(database, "0001")
    with database.write() as connection:
        assert revision_of(connection) == "0001"
        old = _reflected(connection)
        assert "tally" not in old.tables
        assert "score" not in old.tables["result"].columns
        shared = [name for name in _TABLES if name in old.tables and name not in ("result", "run", "alembic_version")]
        assert {name: _rows(connection, name) for name in shared} == {name: before[name] for name in shared}
        migrate(connection, "0001")
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert {name: _rows(connection, name) for name in _TABLES} == before


def check_first_revision(database: Database) -> None:
    """The first revision as it was, made anew, is what one comes back to."""
    take_back(database, "0001")
    with database.write() as connection:
        led_back = _shape(connection)
        _reflected(connection).drop_all(connection)
        migrate_from_nothing(connection)
        assert _shape(connection) == led_back
        migrate(connection, "0001", NEWEST)


def migrate_from_nothing(connection: Connection) -> None:
    """Make the tables of the first revision."""
    from alembic.operations import Operations

    from inspector.archive.store.migrations import r0001

    with Operations.context(MigrationContext.configure(connection)):
        r0001.upgrade()
    connection.execute(insert(SchemaVersion).values(version_num="0001"))


def _reflected(connection: Connection) -> MetaData:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata


def _shape(connection: Connection) -> dict[str, object]:
    tables = _reflected(connection).tables
    return {
        name: (
            sorted((column.name, str(column.type), column.nullable) for column in table.columns),
            sorted((str(index.name), [column.name for column in index.columns]) for index in table.indexes),
        )
        for name, table in tables.items()
    }


def _rows(connection: Connection, name: str) -> list[tuple[object, ...]]:
    columns = ", ".join(f'"{column.name}"' for column in Base.metadata.tables[name].columns)
    return sorted((tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {name}"))), key=repr)
