"""Preferences and window layout kept between runs, in one TOML file in the user's folder."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import StorageError
from inspector.core.storage.paths import user_config
from inspector.core.untrusted import parse_toml, read_bounded
from inspector.ui.shell.theme import Choice

log = logging.getLogger(__name__)

FILE: Final = "window.toml"
NO_RECIPE: Final = "-"
TemperatureUnit = Literal["C", "K"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices on the settings page.

    `language` empty: the desktop's. `recipe`: opened at the start, empty: what was open last. `save_to`: folder in which
    inspections are saved, empty: nothing is saved. `archive`: whether the archive records every part. Raises ValueError for an
    invalid value.
    """

    language: Literal["", "en", "ja"] = ""
    theme: Choice = "system"
    temperature: TemperatureUnit = "C"
    recipe: str = ""
    save_to: str = ""
    archive: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout when the window was closed, and what is inspected.

    `geometry` and `feed` are Qt states in base64. `takt`: whether the takt meter is unfolded. `folders`: data folders chosen
    for training, the newest first. `recipe`: the open recipe's file, empty for the demo line, `NO_RECIPE` for none. `source`:
    inspected instead of the recipe's own, without its secrets. `toured`: whether the tour of the first start was seen or
    skipped. `version`: of the program that ran last. `person`: who corrects in the archive. `filters`: those saved there, each
    its name, a line feed and its values as JSON. Raises ValueError.
    """

    geometry: str = ""
    feed: str = ""
    page: str = "inspect"
    tab: str = "live"
    camera: str = ""
    takt: bool = False
    folders: tuple[str, ...] = ()
    recipe: str = ""
    source: str = ""
    toured: bool = False
    version: str = ""
    person: str = ""
    filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class _File:
    preferences: Preferences = field(default_factory=Preferences)
    layout: Layout = field(default_factory=Layout)
    damage: StorageError | None = None


class Settings(QObject):
    """The settings of this run. `changed` carries the new preferences after a choice was made and written.

    `damage`: why the file could not be used; the settings are then the defaults, without a recipe.
    """

    changed = Signal(object)

    def __init__(self, path: Path | None = None, *, preferences: Preferences | None = None) -> None:
        """Read `path` (default: the user's file). `preferences`, if given, replace those of the file in this run."""
        super().__init__()
        self._path = path or user_config() / FILE
        stored = _read(self._path)
        self.preferences = preferences or stored.preferences
        self.layout = stored.layout
        self.damage = stored.damage
        self._stored = stored.preferences

    def override(self, **values: object) -> None:
        """Use other preferences in this run without saving them (command-line options)."""
        self.preferences = _made(Preferences, asdict(self.preferences) | values)

    def choose(self, **values: object) -> None:
        """Change preferences and save them. Raises StorageError after the change has taken effect."""
        self.preferences = _made(Preferences, asdict(self.preferences) | values)
        self._stored = _made(Preferences, asdict(self._stored) | values)
        self.changed.emit(self.preferences)
        self._write()

    def remember(self, layout: Layout) -> None:
        """Save the layout for the next run; a failure to write it is not reported to the operator."""
        self.layout = layout
        try:
            self._write()
        except StorageError as error:
            log.info("layout not kept: %s", error)

    def _write(self) -> None:
        import tomlkit

        from inspector.core.config import write_atomically  # with pydantic, which the window's first picture does not wait for

        data = {"preferences": asdict(self._stored), "layout": asdict(self.layout)}
        write_atomically(self._path, tomlkit.dumps(data).encode())


def _read(path: Path) -> _File:
    """Return the file's contents, or the defaults if it is missing or damaged: the window must open in any case."""
    try:
        data = read_bounded(path)
    except (FileNotFoundError, NotADirectoryError):
        return _File()
    except (OSError, ValueError) as error:
        return _defaults(path, error)
    try:
        if not data.strip(b"\0 \r\n\t"):
            raise ValueError("the file is empty")  # as a power cut leaves it; the program writes no such file
        tables = parse_toml(data)
        return _File(_made(Preferences, tables.get("preferences", {})), _made(Layout, tables.get("layout", {})))
    except ValueError as error:
        return _defaults(path, error)


def _defaults(path: Path, error: Exception) -> _File:
    """Keep the damaged file beside the new one. What ran is not known, so no recipe is opened, least of all the demo line."""
    log.warning("%s is not usable, so the window starts with its defaults (%s)", path, error)
    kept = path.with_name(f"{path.name}.damaged")
    with suppress(OSError):
        path.replace(kept)
    damage = StorageError(
        "The settings of the window in {file} are damaged ({detail}), so it starts with its defaults and without a recipe.",
        remedy="Open the recipe of this line, and look through Settings. The damaged file is kept as {kept}.",
        file=path,
        detail=error,
        kept=kept.name,
    )
    return _File(layout=Layout(recipe=NO_RECIPE), damage=damage)


Values = TypeVar("Values", Preferences, Layout)


def _made(kind: type[Values], table: object) -> Values:
    """Create an instance from a table of the file, ignoring unknown keys. Raises ValueError."""
    if not isinstance(table, Mapping):
        raise ValueError(f"{table!r} is not a table")
    found: dict[str, Any] = {value.name: table[value.name] for value in fields(kind) if value.name in table}
    for name, value in found.items():
        if isinstance(value, list):
            found[name] = tuple(value)
    return kind(**found)


def _check(values: Preferences | Layout) -> None:
    for name, kind in get_type_hints(type(values)).items():
        value = getattr(values, name)
        if get_origin(kind) is Literal:
            fits = value in get_args(kind)
        elif get_origin(kind) is tuple:
            fits = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
        else:
            fits = isinstance(value, kind)
        if not fits:
            raise ValueError(f"{name} cannot be {value!r}")
