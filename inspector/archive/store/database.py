"""Opening the database: its tables, what makes SQLite durable, and errors in one sentence."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from inspector.archive.store.migrations import KNOWN, NEWEST, migrate, revision_of
from inspector.archive.store.models import Base, ResultRow, SchemaVersion
from inspector.archive.store.patience import ANSWER_S, CONNECT_S, MIGRATION_S, Patience
from inspector.core.errors import ConfigError, StorageError

FILE = "archive.sqlite"
_LOCK: Final = 7_203_117  # of a server, while the tables are made
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WAIT_MS: Final = 5000  # how long one process waits for another's transaction


class Database:
    """The archive's database. `read` and `write` give connections; every error of theirs is a StorageError.

    `is_shared`: other stations may feed it too, whose images are on their own disks.
    """

    def __init__(self, engine: Engine, name: str, *, is_shared: bool, patience: Patience | None = None) -> None:
        self.engine = engine
        self.name = name
        self.is_shared = is_shared
        self._patience = patience

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

    def lead(self, connection: Connection, found: str, wanted: str = NEWEST) -> None:
        """Lead the tables from one known revision to another, however long that takes."""
        with contextlib.nullcontext() if self._patience is None else self._patience.prolonged(MIGRATION_S):
            migrate(connection, found, wanted)

    def close(self) -> None:
        if self.is_sqlite:  # learns how its indices are filled, as far as much has changed since; a server does so by itself
            with contextlib.suppress(SQLAlchemyError), self.engine.connect() as connection:
                for pragma in ("busy_timeout=100", "analysis_limit=1000", "optimize"):
                    connection.exec_driver_sql(f"PRAGMA {pragma}")
        self.engine.dispose()
        if self._patience is not None:
            self._patience.close()


def open_database(where: Path | str, *, patience_s: float = ANSWER_S, called: Path | None = None) -> Database:
    """Open the database in the archive's folder, or at a URL, and make its tables if there are none. Raises StorageError.

    `patience_s`: after which a server that does not answer is given up. `called`: the file that errors name, of a copy.
    """
    if isinstance(where, Path):
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                "The archive {file} cannot be opened ({detail}).", file=where, detail=error.strerror or error
            ) from error
        url, name = f"sqlite:///{where / FILE}", str(called or where / FILE)
    else:
        url, name = where, _server_name(where)
    database = _database(url, name, is_shared=not isinstance(where, Path), patience_s=patience_s)
    try:
        with database.write() as connection:
            _prepare(database, connection)
    except BaseException:
        database.close()
        raise
    return database


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server that answered. `inspections`: in its archive; None where there is none yet."""

    version: str
    inspections: int | None


def try_server(url: str, *, patience_s: float = ANSWER_S) -> ServerFacts:
    """Ask a server whether it can hold the archive, and change nothing there. Raises ConfigError and StorageError."""
    name = _server_name(url)
    database = _database(url, name, is_shared=True, patience_s=patience_s)
    try:
        with database.read() as connection:
            version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
            if inspect(connection).has_table(SchemaVersion.__tablename__):
                _known_revision(connection, name)
                return ServerFacts(version, connection.execute(select(func.count()).select_from(ResultRow)).scalar_one())
            may = func.has_schema_privilege(func.current_schema(), "CREATE")
            if not database.is_sqlite and not connection.execute(select(may)).scalar_one():
                raise ConfigError(
                    "This user may make no tables in the database {name}.",
                    remedy="Have the administrator of the server grant it: GRANT CREATE ON SCHEMA public.",
                    name=name,
                )
            return ServerFacts(version, None)
    finally:
        database.close()


def _database(url: str, name: str, *, is_shared: bool, patience_s: float) -> Database:
    engine = _engine(url, name)
    watch = None if engine.dialect.name == "sqlite" else Patience(engine, patience_s)
    return Database(engine, name, is_shared=is_shared, patience=watch)


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
    served = url.startswith("postgresql")
    if served:  # its driver warns at every try of what it also raises
        logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_S} if served else {})
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


def _prepare(database: Database, connection: Connection) -> None:
    """Make the tables, or lead them to the newest revision."""
    if connection.dialect.name == "postgresql":  # one station after the other
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not inspect(connection).has_table(SchemaVersion.__tablename__):
        Base.metadata.create_all(connection)
        connection.execute(insert(SchemaVersion).values(version_num=NEWEST))
        return
    found = _known_revision(connection, database.name)
    if found != NEWEST:
        database.lead(connection, found)


def _known_revision(connection: Connection, name: str) -> str:
    """Return the schema of a database. Raises StorageError for one of a newer program."""
    found = revision_of(connection)
    if found is None or found not in KNOWN:
        raise StorageError(
            "The archive {name} has the schema {found}, this program knows {known}.",
            remedy="Use the version of this program that wrote it, or a newer one.",
            name=name,
            found=found,
            known=NEWEST,
        )
    return found


def take_back(database: Database, revision: str) -> None:
    """Lead the tables back to an earlier revision, for an earlier version of this program. Raises ConfigError.

    Whoever opens the database with this version leads them to the newest again.
    """
    if revision not in KNOWN:
        known = ", ".join(KNOWN)
        raise ConfigError("There is no schema {name}.", remedy="Use one of: {known}.", name=revision, known=known)
    with database.write() as connection:
        database.lead(connection, NEWEST, revision)


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
        detail = str(getattr(error, "orig", None) or error).splitlines()[0].rstrip(".")
        if getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise StorageError(
                "The archive {name} is damaged: {detail}.",
                remedy="Restore a back-up, or move this file away: it is then made anew from what the journals still hold.",
                name=name,
                detail=detail,
            ) from error
        raise StorageError(
            "The archive {name} cannot be used: {detail}.",
            remedy="Check the disk or the server. Records wait in the journal meanwhile.",
            name=name,
            detail=detail,
        ) from error
