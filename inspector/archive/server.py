"""The plant's database server: where it is and how to log in, in a file that only this user can read."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from inspector.core.addresses import parse_address
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.paths import user_config
from inspector.core.untrusted import parse_toml, read_bounded

FILE: Final = "archive-server.toml"
PORT: Final = 5432

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A PostgreSQL server. `address`: host, port if it is not 5432, and database, like "server:5433/archive"; "" for none.

    `encrypted`: refuse a connection that is not encrypted. The password is in no text that is made of it.
    """

    address: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    encrypted: bool = False

    @property
    def url(self) -> str:
        """The URL with the password, "" for no server. Raises ConfigError for an address that is none."""
        if not self.address:
            return ""
        try:
            known = parse_address(f"postgresql://{self.address}")
        except ValueError:
            known = None
        if known is None or known.user or known.path.count("/") != 1 or not known.path.strip("/") or "?" in known.path:
            raise ConfigError(
                "{address} is no address of a database.",
                remedy="Give host and database, like server/archive or server:5433/archive.",
                address=self.address if "@" not in self.address else "That",
            )
        login = type(known)("postgresql", known.host, known.port or PORT, known.path, self.user, self.password)
        return f"{login.url}?sslmode={'require' if self.encrypted else 'prefer'}"


def load_server(path: Path | None = None) -> ServerSettings:
    """Return the kept settings; none if there is no file. Raises ConfigError if it is damaged."""
    file = path or user_config() / FILE
    try:
        values: dict[str, Any] = parse_toml(read_bounded(file))
        kinds = {"address": str, "user": str, "password": str, "encrypted": bool}
        return ServerSettings(**{name: kind(values[name]) for name, kind in kinds.items() if name in values})
    except FileNotFoundError:
        return ServerSettings()
    except (OSError, ValueError, TypeError):  # its text may hold a piece of the password
        raise ConfigError(
            "The settings of the archive's server in {file} cannot be read.",
            remedy="Enter them again on the Settings page.",
            file=file,
        ) from None


def save_server(settings: ServerSettings, path: Path | None = None) -> None:
    """Keep the settings; without an address nothing is kept. Raises StorageError."""
    import tomlkit

    file = path or user_config() / FILE
    if settings.address:
        values = {"address": settings.address, "user": settings.user, "password": settings.password}
        write_atomically(file, tomlkit.dumps({**values, "encrypted": settings.encrypted}).encode())  # 0600
        return
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("{file} cannot be deleted ({detail}).", file=file, detail=error.strerror or error) from error


def server_url() -> str:
    """Return the URL of the kept server, "" for none. Settings that cannot be read count as none; the journal keeps all."""
    try:
        return load_server().url
    except ConfigError as error:
        log.warning("%s", error)
        return ""
