"""The revisions of a recipe, kept in a folder beside it: what each one held, who wrote it, and when."""

import getpass
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError
from inspector.recipes.recipe import Recipe, load_recipe

_LIST = "revisions.jsonl"


@dataclass(frozen=True, slots=True)
class Revision:
    """One content of the recipe's file. `who` is "" and `utc` the time of the file where nobody noted it."""

    number: int
    who: str
    utc: datetime
    path: Path

    def load(self) -> Recipe:
        """Return the recipe as it was. Raises ConfigError."""
        return load_recipe(self.path)


def revisions_folder(path: Path) -> Path:
    """Return the folder of a recipe's revisions; it may not exist yet."""
    return path.with_name(f"{path.stem}.revisions")


def keep_revision(path: Path, content: bytes, number: int, *, noted: bool = True) -> Path:
    """Keep a content of the recipe's file, and return where.

    `noted`: note the user of this computer and the time; not for a content that was found. The same content is kept once.
    Raises StorageError.
    """
    folder, digest = revisions_folder(path), hashlib.sha256(content).hexdigest()
    kept = folder / f"r{number:04d}-{digest[:8]}.toml"
    if not kept.exists():
        write_atomically(kept, content)
    if noted:
        line = {
            "revision": number,
            "file": kept.name,
            "who": user_name(),
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(folder / _LIST, _content(folder / _LIST) + json.dumps(line).encode() + b"\n")
    return kept


def list_revisions(path: Path) -> list[Revision]:
    """Return the kept revisions of a recipe, the newest first."""
    folder = revisions_folder(path)
    notes = {note["file"]: note for note in _notes(folder / _LIST)}
    found = [one for file in folder.glob("r*.toml") if (one := _revision(file, notes.get(file.name, {}))) is not None]
    return sorted(found, key=lambda one: (one.number, one.utc), reverse=True)


def _revision(file: Path, note: dict[str, Any]) -> Revision | None:
    try:
        number = int(file.stem[1:].partition("-")[0])
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (ValueError, OSError):  # a file of somebody else's
        return None
    return Revision(number, str(note.get("who", "")), _noted_time(note) or changed, file)


def _noted_time(note: dict[str, Any]) -> datetime | None:
    """Return the time in a note; None if it holds none, as after somebody edited it."""
    try:
        return datetime.fromisoformat(str(note.get("utc"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def previous(path: Path, *, other_bundles: bool = False) -> Revision:
    """Return the revision before the recipe's present one; `other_bundles`: the newest that has other bundles.

    Raises ConfigError if there is none.
    """
    present = load_recipe(path)
    earlier = (one for one in list_revisions(path) if one.number < present.revision and _content(one.path) != _content(path))
    for one in earlier:
        if not other_bundles or _bundles(one.load()) != _bundles(present):
            return one
    if other_bundles:
        raise ConfigError("There is no earlier revision of {file} with other bundles.", file=path)
    raise ConfigError("There is no earlier revision of {file}.", file=path)


def _bundles(recipe: Recipe) -> set[tuple[str, str]]:
    return {(step.bundle, step.camera) for step in recipe.inspect}


def _notes(path: Path) -> Iterator[dict[str, Any]]:
    for line in _content(path).decode(errors="replace").splitlines():
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if isinstance(note, dict) and isinstance(note.get("file"), str):
            yield note


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def user_name() -> str:
    """Return the name of the user of this computer, "" if it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name; Windows then looks for a module it does not have
        return ""
