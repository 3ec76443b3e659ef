"""What lies in a data folder: listed once, so that names in annotation files are looked up and never followed."""

import json
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath

import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.files import IMAGE_SUFFIXES, read_image
from inspector.core.message import Message, message

_DEEPEST = 32
_LARGEST_TEXT = 512 << 20
_LARGEST_SMALL_TEXT = 4 << 20
_PEEK = 8192
_ORIENTATION = 274  # EXIF: which side of the stored rows is up
_DAMAGE = (OSError, ValueError, SyntaxError, ZeroDivisionError, PIL.Image.DecompressionBombError)


class Folder:
    """The files under a folder by their path relative to it, with forward slashes. Hidden files and folders are not looked at.

    Folders that are links are followed, each real folder once: a link to a folder above does not loop.
    """

    def __init__(self, root: Path, *, cancelled: Callable[[], bool] | None = None) -> None:
        """Raises ConfigError if there is no such folder or it cannot be listed."""
        if not root.is_dir():
            raise ConfigError("There is no folder {folder}.", remedy="Check the path of the data.", folder=root)
        self.root = root
        self.files: dict[str, Path] = {}
        self.problems: list[Message] = []  # folders in it that cannot be read
        self.folders: set[str] = set()
        waiting, seen = [(str(root), "", 0)], set()
        while waiting and not (cancelled is not None and cancelled()):
            place, prefix, depth = waiting.pop()
            try:
                status = Path(place).stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(place) as entries:
                    for entry in entries:
                        name = f"{prefix}{entry.name}"
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir():
                            self.folders.add(name)
                            if depth < _DEEPEST:
                                waiting.append((entry.path, f"{name}/", depth + 1))
                        elif entry.is_file():
                            self.files[name] = root / name
            except OSError as error:
                if prefix:
                    self.problems.append(
                        message(
                            "The folder {folder} cannot be read ({detail}); nothing in it is used.",
                            folder=place,
                            detail=error.strerror or error,
                        )
                    )
                    continue
                raise ConfigError(
                    "The folder {folder} cannot be read ({detail}).",
                    remedy="Give this user permission to read it.",
                    folder=root,
                    detail=error.strerror or error,
                ) from error

    @cached_property
    def images(self) -> list[str]:
        """The image files, by name."""
        return sorted(name for name in self.files if name[name.rfind(".") :].lower() in IMAGE_SUFFIXES)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Path without suffix -> files."""
        found: dict[str, list[str]] = {}
        for name in sorted(self.files):
            found.setdefault(without_suffix(name), []).append(name)
        return found

    @cached_property
    def _by_last_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.images:
            found.setdefault(name.rsplit("/", 1)[-1], []).append(name)
        return found

    def under(self, prefix: str) -> list[str]:
        """The images in a folder and those below it."""
        return [name for name in self.images if name.startswith(f"{prefix}/")] if prefix else self.images

    def with_suffix(self, suffix: str, prefix: str = "") -> list[str]:
        """The files of this kind (".json") in a folder and those below it, by name."""
        start = f"{prefix}/" if prefix else ""
        return sorted(name for name in self.files if name.lower().endswith(suffix) and name.startswith(start))

    def sibling(self, name: str, suffix: str) -> str | None:
        """The file beside `name` with another suffix."""
        other = without_suffix(name) + suffix
        return other if other in self.files else None

    def find(self, said: str, *near: str) -> str | None:
        """The image that an annotation means by `said`: relative to a folder of `near`, else the only one of that name."""
        asked = PurePosixPath(said.replace("\\", "/"))
        if asked.is_absolute() or ".." in asked.parts:
            return None
        for place in (*near, ""):
            candidate = str(PurePosixPath(place) / asked)
            if candidate in self.files:
                return candidate
        same = self._by_last_name.get(asked.name, [])
        inside = [name for name in same if any(place and name.startswith(f"{place}/") for place in near)]
        return (inside or same)[0] if len(inside or same) == 1 else None


def without_suffix(name: str) -> str:
    """ "a/b.c.png" -> "a/b.c"."""
    folder, slash, last = name.rpartition("/")
    stem, dot, _ = last.rpartition(".")
    return f"{folder}{slash}{stem}" if dot and stem else name


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) as `read_image` gives it, mostly without decoding. Raises ConfigError."""
    try:
        with PIL.Image.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
            return (height, width) if turned else (width, height)
    except _DAMAGE:
        shape = read_image(path).pixels.shape  # kinds of TIFF that Pillow does not know; or the sentence saying what is wrong
        return shape[1], shape[0]


def read_text(path: Path, *, limit: int = _LARGEST_SMALL_TEXT) -> str:
    """A text file. Raises ConfigError."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise ValueError(f"it has {size >> 20} MB")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error


def read_json(path: Path, *, limit: int = _LARGEST_TEXT) -> object:
    """What a JSON file holds. Raises ConfigError, also for one that is too large or too deeply nested."""
    try:
        return json.loads(read_text(path, limit=limit))
    except (ValueError, RecursionError) as error:
        raise ConfigError("{file} is not JSON that can be read ({detail}).", file=path, detail=error) from error


def peek(path: Path) -> bytes:
    """The beginning and the end of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PEEK)
            stream.seek(max(len(head), path.stat().st_size - _PEEK))
            return head + stream.read(_PEEK)
    except OSError:
        return b""
