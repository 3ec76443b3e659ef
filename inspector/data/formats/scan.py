"""The content of a data folder, listed once, so that names in annotation files are only looked up and never followed."""

import codecs
import json
import os
import posixpath
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree

import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.imaging.files import DAMAGE, FOREIGN_SUFFIXES, IMAGE_SUFFIXES, NO_FOLDERS, read_image
from inspector.imaging.headers import has_pages

Answer = TypeVar("Answer")

_DEEPEST = 32
_LARGEST_TEXT = 512 << 20
_LARGEST_SMALL_TEXT = 4 << 20
_LARGE_TEXT = 1 << 20  # letters of a JSON file from which it is decoded in pieces
_DECODER = json.JSONDecoder()
_PEEK = 8192
_TRIED = 50
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["'][^>]*\?>""")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as PowerShell and Excel write text
_SUB_IFDS = 330  # TIFF tag: where subordinate pages are
_ORIENTATION = 274  # EXIF: which side of the stored rows is up


class Folder:
    """The files under a folder by their relative path, with forward slashes.

    Hidden files and folders are skipped. A link is followed only if its target is inside the folder, and each real folder is
    listed once. A link to other places on the disk therefore never gets into a split, a report or a bundle. `problems`: a
    sentence for each link not followed, each unreadable folder and each name that cannot be written down.
    """

    def __init__(self, root: Path, *, cancelled: Callable[[], bool] | None = None) -> None:
        """List the folder. Raises ConfigError if it does not exist or cannot be listed."""
        if not root.is_dir():
            raise ConfigError("There is no folder {folder}.", remedy="Check the path of the data.", folder=root)
        self.root = root
        self.files: dict[str, Path] = {}
        self.folders: set[str] = set()
        self.problems: list[Message] = []
        self._real = os.path.realpath(root)
        self._outside: list[str] = []
        self._parsed: dict[str, object] = {}
        self._known: dict[Hashable, Any] = {}
        waiting: deque[tuple[Path, str, int]] = deque([(root, "", 0)])
        seen: set[tuple[int, int]] = set()
        while waiting and not (cancelled is not None and cancelled()):
            place, prefix, depth = waiting.popleft()
            try:
                status = place.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders, links = self._list(place, prefix, depth)
                waiting.extendleft((place / name, f"{prefix}{name}/", depth + 1) for name in folders)
                # Links come last, so that a folder is listed under its own name.
                waiting.extend((place / name, f"{prefix}{name}/", depth + 1) for name in links)
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
        if self._outside:
            self.problems.append(
                message(
                    "{count} {count:|file is a link that leads|files are links that lead} out of {folder}; "
                    "{count:|it is|they are} not followed ({file} is the first).",
                    count=len(self._outside),
                    folder=root,
                    file=min(self._outside),
                )
            )

    def _list(self, place: Path, prefix: str, depth: int) -> tuple[list[str], list[str]]:
        """Add the files of one folder; return the names of its subfolders still to be listed, real folders and links.

        Raises OSError.
        """
        deeper: list[str] = []
        links: list[str] = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _unwritable(entry.name):
                    self.problems.append(
                        message("{file} has a name with characters that cannot be used; rename it.", file=printable(entry.path))
                    )
                elif entry.is_symlink() and not self._leads_inside(entry):
                    continue
                elif entry.is_dir():
                    if entry.name.lower() in NO_FOLDERS:
                        continue
                    self.folders.add(f"{prefix}{entry.name}")
                    if depth < _DEEPEST:
                        (links if entry.is_symlink() else deeper).append(entry.name)
                    else:
                        self.problems.append(message("{folder} is too deep inside to be looked at.", folder=entry.path))
                elif entry.is_file():
                    self.files[f"{prefix}{entry.name}"] = self.root / f"{prefix}{entry.name}"
        return deeper, links

    def _leads_inside(self, link: os.DirEntry[str]) -> bool:
        """Return whether the target of a link is inside this folder; a link to elsewhere is noted as a problem."""
        target = os.path.realpath(link.path)
        if target == self._real or target.startswith(f"{self._real.rstrip(os.sep)}{os.sep}"):
            return True
        if link.is_dir():
            self.problems.append(
                message(
                    "{folder} is a link that leads out of the data folder; it is not followed. Copy what it leads to, if it "
                    "belongs to the data.",
                    folder=link.path,
                )
            )
        elif link.is_file():
            self._outside.append(link.path)
        return False

    def once(self, question: Hashable, answer: Callable[[], Answer]) -> Answer:
        """Return what `answer` returned when this question about all names was first asked; several layouts ask the same."""
        if question not in self._known:
            self._known[question] = answer()
        found: Answer = self._known[question]
        return found

    @cached_property
    def by_suffix(self) -> dict[str, list[str]]:
        """Files sorted by name, by their suffix in lower case with its dot."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self.files):
            dot = name.rfind(".")
            groups.setdefault(name[dot:].lower() if dot > name.rfind("/") else "", []).append(name)
        return groups

    @cached_property
    def images(self) -> list[str]:
        """The image files, sorted by name."""
        return sorted(name for suffix, names in self.by_suffix.items() if suffix in IMAGE_SUFFIXES for name in names)

    @cached_property
    def foreign(self) -> str:
        """The pictures of kinds that are not read, counted by kind: "12 .heic, 1 .dcm"; "" if there are none."""
        counts = {suffix: len(names) for suffix, names in self.by_suffix.items() if suffix in FOREIGN_SUFFIXES}
        return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))

    @cached_property
    def images_set(self) -> frozenset[str]:
        """The image files as a set, for lookup."""
        return frozenset(self.images)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Files by their path without suffix."""
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

    @cached_property
    def _by_any_case(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.images:
            found.setdefault(name.casefold(), []).append(name)
            if "/" in name:
                found.setdefault(name.rpartition("/")[2].casefold(), []).append(name)
        return found

    @cached_property
    def _composed(self) -> dict[str, str]:
        """Names on disk by their composed form, if the two differ: macOS decomposes "ガ" and "é"."""
        taken_apart = (name for name in self.files if not unicodedata.is_normalized("NFC", name))
        return {unicodedata.normalize("NFC", name): name for name in taken_apart}

    def exact(self, name: str) -> str | None:
        """Return the file of this name, however its accents are encoded."""
        if name in self.files:
            return name
        composed = unicodedata.normalize("NFC", name)
        return composed if composed in self.files else self._composed.get(composed)

    def under(self, prefix: str) -> list[str]:
        """Return the images in a folder and its subfolders."""
        return [name for name in self.images if name.startswith(f"{prefix}/")] if prefix else self.images

    def with_suffix(self, suffix: str, prefix: str = "") -> list[str]:
        """Return the files with a suffix (".json") in a folder and its subfolders, sorted by name."""
        start = f"{prefix}/" if prefix else ""
        return [name for name in self.by_suffix.get(suffix, ()) if name.startswith(start)]

    def json(self, name: str) -> object:
        """Return the content of a .json in this folder, cached since the layout was recognised. Raises ConfigError."""
        if name not in self._parsed:
            self._parsed[name] = read_json(self.files[name])
        return self._parsed[name]

    @cached_property
    def json_by_owner(self) -> tuple[list[str], list[str]]:
        """The .json files that are not named as an image, and those that are."""
        alone: list[str] = []
        own: list[str] = []
        if names := self.with_suffix(".json"):
            stems = {without_suffix(name.rpartition("/")[2]) for name in self.images}
            for name in names:
                (own if without_suffix(name.rpartition("/")[2]) in stems else alone).append(name)
        return alone, own

    def documents(self, fits: Callable[[bytes], bool]) -> Iterator[tuple[str, object]]:
        """Yield each .json whose ends (see `peek`) fit, with its content; a file that cannot be read is passed over.

        Of files named as an image, which may be thousands, a few are looked at first; if none of these fits, no other does.
        """
        for names in self.json_by_owner:
            few = names[:: max(1, len(names) // _TRIED)]
            if len(few) < len(names) and not any(fits(peek(self.files[name])) for name in few):
                continue
            for name in names:
                if fits(peek(self.files[name])):
                    try:
                        content = self.json(name)
                    except ConfigError:
                        continue
                    yield name, content

    def find(self, said: str, *near: str) -> str | None:
        """Return the image that an annotation refers to as `said`, also written as in an address ("part%201.png?key=1")."""
        if "://" in said:
            said = said.partition("://")[2].partition("?")[0]
        found = self._found(said, *near)
        return self._found(unquote(said), *near) if found is None and "%" in said else found

    def _found(self, said: str, *near: str) -> str | None:
        """Return the image that an annotation refers to as `said`.

        Tried in order: relative to a folder of `near` or to this folder; the image whose path ends in it; the only image of
        that name. An absolute path counts if it leads into this folder, or if its last folder and file name are found here.
        """
        path = PurePosixPath(said.replace("\\", "/"))
        if path.is_absolute() and path.is_relative_to(self.root.absolute().as_posix()):
            path = path.relative_to(self.root.absolute().as_posix())
        elsewhere = path.is_absolute() or (path.parts[:1] and path.parts[0].endswith(":"))
        if not elsewhere:
            for place in (*near, ""):
                candidate = self.exact(posixpath.normpath(f"{place}/{path}".lstrip("/")))
                if candidate in self.images_set:
                    return candidate
        pieces = [piece for piece in path.parts if piece not in ("/", "..") and not piece.endswith(":")]
        for start in range(len(pieces) - 1):
            candidate = self.exact("/".join(pieces[start:]))
            if candidate in self.images_set:
                return candidate
        if elsewhere or ".." in path.parts:
            return None
        same = self._by_last_name.get(path.name, [])
        if not same:  # written under Windows, which takes capitals for small letters
            same = self._by_any_case.get(path.as_posix().casefold()) or self._by_any_case.get(path.name.casefold(), [])
        inside = [name for name in same if any(place and name.startswith(f"{place}/") for place in near)]
        return (inside or same)[0] if len(inside or same) == 1 else None


def without_suffix(name: str) -> str:
    """Return a path without its suffix: "a/b.c.png" -> "a/b.c"."""
    folder, slash, last = name.rpartition("/")
    stem, dot, _ = last.rpartition(".")
    return f"{folder}{slash}{stem}" if dot and stem else name


def _unwritable(text: str) -> bool:
    """Return whether no label file and no message can hold a name.

    Such a name has half a character of another encoding, a line break or a control code.
    """
    return any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text)


def printable(path: str) -> str:
    """Return a path that can be shown and sent; unencodable characters become escapes."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(one.encode("unicode_escape").decode("ascii") if _unwritable(one) else one for one in shown)


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as `read_image` returns it, mostly without decoding. Raises ConfigError."""
    return image_header(path)[0]


def image_header(path: Path) -> tuple[tuple[int, int], bool]:
    """Return (width, height) as `read_image` returns it, and whether it rotates the stored image upright.

    Raises ConfigError.
    """
    seen = _header_without_decoding(path)
    if seen is not None:
        return seen
    shape = read_image(path).pixels.shape  # or the sentence saying what is wrong with the file
    return (shape[1], shape[0]), False


def _header_without_decoding(path: Path) -> tuple[tuple[int, int], bool] | None:
    """Return what `image_header` returns, or None if the file must be decoded for it.

    This concerns kinds of TIFF that Pillow does not know, damaged files, and radiometric files, whose temperatures have a size
    of their own.
    """
    try:
        with PIL.Image.open(path) as picture:
            parts: list[tuple[str, bytes]] = getattr(picture, "applist", [])  # of a JPEG
            if any(kind == "APP1" and body.startswith(b"FLIR\0") for kind, body in parts):
                return None
            if picture.format == "TIFF" and (has_pages(path) or _SUB_IFDS in getattr(picture, "tag_v2", ())):
                return None  # the first may be a thumbnail
            width, height = picture.size
            side = picture.getexif().get(_ORIENTATION, 1)
            sideways = side in (5, 6, 7, 8) and picture.format != "TIFF"  # Pillow itself turns those
            return ((height, width) if sideways else (width, height)), side in range(2, 9)
    except DAMAGE:
        return None


def read_text(path: Path, *, limit: int = _LARGEST_SMALL_TEXT) -> str:
    """Return the content of a text file. Raises ConfigError."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise ValueError(f"it has {size >> 20} MB, more than the {limit >> 20} MB that are read")
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "{file} is not a text in UTF-8 (byte {place} does not fit).",
            remedy="Save it again with the encoding UTF-8.",
            file=path,
            place=error.start + 1,
        ) from error
    except (OSError, ValueError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=detail) from error


def read_json(path: Path, *, limit: int = _LARGEST_TEXT) -> object:
    """Return the content of a JSON file. Raises ConfigError, also for a file that is too large or too deeply nested."""
    try:
        text = read_text(path, limit=limit)
        return _in_pieces(text) if len(text) > _LARGE_TEXT else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError("{file} is not JSON that can be read ({detail}).", file=path, detail=error) from error


def read_xml(path: Path, *, limit: int = _LARGEST_SMALL_TEXT) -> ElementTree.Element:
    """Return the root element of an XML file, in the encoding that it declares, its names without namespaces.

    Raises ConfigError.
    """
    try:
        root = ElementTree.fromstring(_xml_text(path, limit))
    except (OSError, ValueError, LookupError, ElementTree.ParseError, RecursionError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError("The annotation {file} cannot be read ({detail}).", file=path, detail=detail) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _xml_text(path: Path, limit: int) -> str:
    """Return the text of an XML file. Raises ConfigError, OSError, ValueError or LookupError."""
    declared = _DECLARED.match(peek(path))
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    if declared is None or encoding.startswith(("utf-8", "utf-16", "ascii", "us-ascii")):
        return read_text(path, limit=limit)
    if path.stat().st_size > limit:
        raise ValueError(f"it has more than {limit >> 20} MB")
    return path.read_bytes()[declared.end() :].decode(codecs.lookup(encoding).name)


def _in_pieces(text: str) -> object:
    """Parse JSON like `json.loads`, but an object of lists one element at a time.

    Decoding tens of megabytes at once would block every other thread for as long as it takes. Raises ValueError or
    RecursionError.
    """
    try:
        at = _after_blanks(text, 0)
        if text[at] != "{":
            return json.loads(text)
        found: dict[str, object] = {}
        at = _after_blanks(text, at + 1)
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _after_blanks(text, at)
            if not isinstance(key, str) or text[at] != ":":
                return json.loads(text)
            at = _after_blanks(text, at + 1)
            found[key], at = _elements(text, at) if text[at] == "[" else _DECODER.raw_decode(text, at)
            at = _next_item(text, at, "}")
        if _after_blanks(text, at + 1) != len(text):
            return json.loads(text)
    except (ValueError, IndexError):
        return json.loads(text)  # says what is wrong, and where
    return found


def _elements(text: str, at: int) -> tuple[list[object], int]:
    """Return the list that begins at `at`, and the offset after it."""
    found: list[object] = []
    at = _after_blanks(text, at + 1)
    while text[at] != "]":
        element, at = _DECODER.raw_decode(text, at)
        found.append(element)
        at = _next_item(text, at, "]")
    return found, at + 1


def _next_item(text: str, at: int, end: str) -> int:
    """Return the offset of the next item, or of the `end` character."""
    at = _after_blanks(text, at)
    if text[at] == end:
        return at
    behind = _after_blanks(text, at + 1)
    if text[at] != "," or text[behind] == end:
        raise ValueError("no comma, or nothing behind it")
    return behind


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at


def peek(path: Path) -> bytes:
    """Return the beginning and the end of a file; empty if the file cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PEEK)
            stream.seek(max(len(head), path.stat().st_size - _PEEK))
            ends = head + stream.read(_PEEK)
            return ends.decode("utf-16", "replace").encode("utf-8", "replace") if ends.startswith(_UTF16) else ends
    except OSError:
        return b""
