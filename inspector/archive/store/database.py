"""Opening the database: its tables, what makes SQLite durable, and errors in one sentence."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from inspector.archive.store.migrations import KNOWN, NEWEST, migrate, revision_of
from inspector.archive.store.models import Base, SchemaVersion
from inspector.core.errors import ConfigError, StorageError

FILE = "archive.sqlite"
_LOCK: Final = 7_203_117  # of a server, while the tables are made
_WAIT_MS: Final = 5000  # how long one process waits for another's transaction


class Database:
    """The archive's database. `read` and `write` give connections; every error of theirs is a StorageError.

    `is_shared`: other stations may feed it too, whose images are on their own disks.
    """

    def __init__(self, engine: Engine, name: str, *, is_shared: bool) -> None:
        self.engine = engine
        self.name = name
        self.is_shared = is_shared

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database. Raises StorageError."""
        with _said(self.name), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction that is committed at the end, or not at all. Raises StorageError."""
        with _said(self.name), self.engine.connect() as connection:
            if self.is_sqlite:  # at once: a read that becomes a write later would fail beside another writer
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with _committed(connection):
                yield connection

    def close(self) -> None:
        if self.is_sqlite:  # learns how its indices are filled, as far as much has changed since; a server does so by itself
            with contextlib.suppress(SQLAlchemyError), self.engine.connect() as connection:
                for pragma in ("busy_timeout=100", "analysis_limit=1000", "optimize"):
                    connection.exec_driver_sql(f"PRAGMA {pragma}")
        self.engine.dispose()


def open_database(where: Path | str) -> Database:
    """Open the database in the archive's folder, or at a URL, and make its tables if there are none. Raises StorageError."""
    if isinstance(where, Path):
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                "The archive {file} cannot be opened ({detail}).", file=where, detail=error.strerror or error
            ) from error
        url, name = f"sqlite:///{where / FILE}", str(where / FILE)
    else:
        url, name = where, _server_name(where)
    database = Database(_engine(url, name), name, is_shared=not isinstance(where, Path))
    with database.write() as connection:
        _prepare(connection, name)
    return database


def _server_name(url: str) -> str:
    """Return the server and the database of a URL, without what only their users may know: it may stand in several places."""
    try:
        made = make_url(url)
    except (SQLAlchemyError, ValueError):
        return url.partition(":")[0]
    return (
        URL.create(made.drivername, host=made.host, port=made.port, database=made.database).render_as_string().split("://")[1]
    )


def _engine(url: str, name: str) -> Engine:
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
        of_url = isinstance(error, ValueError)  # its text is a piece of the URL
        raise ConfigError(
            "The database {name} cannot be used: {detail}",
            remedy="Give a URL like postgresql://user:password@server/archive, and install its driver.",
            name=name,
            detail="Could not parse the URL" if of_url else str(error).splitlines()[0],
        ) from (None if of_url else error)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a connection of the driver
    """Make commits durable, let readers and the writer work side by side, and leave transactions to us."""
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_WAIT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "cache_size=-65536",
        "temp_store=MEMORY",
        "mmap_size=0",  # a mapped file that is cut short, or whose disk or share fails, ends the process and the line with it
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _prepare(connection: Connection, name: str) -> None:
    """Make the tables, or lead them to the newest revision."""
    if connection.dialect.name == "postgresql":  # one station after the other
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not inspect(connection).has_table(SchemaVersion.__tablename__):
        Base.metadata.create_all(connection)
        connection.execute(insert(SchemaVersion).values(version_num=NEWEST))
        return
    found = revision_of(connection)
    if found not in KNOWN:
        raise StorageError(
            "The archive {name} has the schema {found}, this program knows {known}.",
            remedy="Use the version of this program that wrote it, or a newer one.",
            name=name,
            found=found,
            known=NEWEST,
        )
    if found != NEWEST:
        migrate(connection, found)


def take_back(database: Database, revision: str) -> None:
    """Lead the tables back to an earlier revision, for an earlier version of this program. Raises ConfigError.

    Whoever opens the database with this version leads them to the newest again.
    """
    if revision not in KNOWN:
        known = ", ".join(KNOWN)
        raise ConfigError("There is no schema {name}.", remedy="Use one of: {known}.", name=revision, known=known)
    with database.write() as connection:
        migrate(connection, NEWEST, revision)


@contextlib.contextmanager
def _committed(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _end(connection, "ROLLBACK")
        raise
    _end(connection, "COMMIT")


def _end(connection: Connection, how: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(how)
        connection.commit()
    elif how == "COMMIT":
        connection.commit()
    else:
        connection.rollback()


@contextlib.contextmanager
def _said(name: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        detail = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StorageError(
            "The archive {name} cannot be used: {detail}.",
            remedy="Check the disk or the server. Records wait in the journal meanwhile.",
            name=name,
            detail=detail,
        ) from error
