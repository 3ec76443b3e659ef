"""What the window remembers between runs: a person's choices and the layout. One TOML file in the user's folder."""

import logging
import tomllib
from pathlib import Path
from typing import Final, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from PySide6.QtCore import QObject, Signal

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.paths import user_config
from inspector.ui.theme import Choice

log = logging.getLogger(__name__)

FILE: Final = "window.toml"
TemperatureUnit = Literal["C", "K"]


class Preferences(BaseModel):
    """What a person chooses on the settings page. `language` empty: the desktop's. `recipe` empty: the demo line."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    language: Literal["", "en", "ja"] = ""
    theme: Choice = "system"
    temperature: TemperatureUnit = "C"
    recipe: str = ""


class Layout(BaseModel):
    """Where things were when the window was closed. `geometry` and `feed` are Qt's own states, base64. `takt`: whether the
    takt meter is unfolded. `folders`: data folders that were chosen for training, the newest first."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    geometry: str = ""
    feed: str = ""
    page: str = "inspect"
    tab: str = "live"
    camera: str = ""
    takt: bool = False
    folders: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    preferences: Preferences = Field(default_factory=Preferences)
    layout: Layout = Field(default_factory=Layout)


class Settings(QObject):
    """The settings of this run. `changed` is emitted with the new preferences after a choice was made and written."""

    changed = Signal(object)

    def __init__(self, path: Path | None = None, *, preferences: Preferences | None = None) -> None:
        """Read `path` (default: the user's file). `preferences` given: used for this run, whatever the file says."""
        super().__init__()
        self._path = path or user_config() / FILE
        stored = _read(self._path)
        self.preferences = preferences or stored.preferences
        self.layout = stored.layout
        self._stored = stored.preferences

    def override(self, **values: object) -> None:
        """Use other preferences in this run without remembering them (command-line options)."""
        self.preferences = Preferences.model_validate(self.preferences.model_dump() | values)

    def choose(self, **values: object) -> None:
        """Change preferences and remember them. Raises StorageError after the change has taken effect."""
        self.preferences = Preferences.model_validate(self.preferences.model_dump() | values)
        self._stored = Preferences.model_validate(self._stored.model_dump() | values)
        self.changed.emit(self.preferences)
        self._write()

    def remember(self, layout: Layout) -> None:
        """Keep the layout for the next run; a layout that cannot be written is not worth a sentence to the operator."""
        self.layout = layout
        try:
            self._write()
        except StorageError as error:
            log.info("layout not kept: %s", error)

    def _write(self) -> None:
        data = _File(preferences=self._stored, layout=self.layout).model_dump()
        write_atomically(self._path, tomli_w.dumps(data).encode())


def _read(path: Path) -> _File:
    """The file, or the defaults where it is missing or was damaged: the window must open in any case."""
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return _File()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        log.warning("%s is not usable, so the window starts with its defaults (%s)", path, error)
        return _File()
