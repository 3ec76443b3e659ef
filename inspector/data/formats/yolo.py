"""YOLO: a .txt for each image, a line an object: class, then centre x, centre y, width, height, or the points of a polygon, all
as fractions of the image. Labels lie in labels/ where the images lie in images/, or beside them.

A data.yaml names the classes and the folders (or lists of files) of train, val and test; without it, classes.txt or the numbers
name the classes and folders called train, val or test the parts.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

import yaml

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.coco import bounds, part_of
from inspector.data.formats.mask_folders import class_list
from inspector.data.formats.record import Listing, Record, Shape, Tick, class_name, inside, labelled_size, number, usable
from inspector.data.formats.scan import Folder, peek, read_text
from inspector.data.outlines import Outline
from inspector.data.samples import Part

TITLE = message("YOLO")
EXPECTED = message("images/ and labels/ with a YOLO .txt of the same name for each image")
_NO_LABELS = ("classes.txt", "readme", "train.txt", "val.txt", "test.txt", "requirements.txt", "license", "notes.txt")


def matches(folder: Folder) -> bool:
    """Return whether there is a data.yaml, a folder of labels, or a .txt of an object beside an image."""
    if "data.yaml" in folder.files or "data.yml" in folder.files:
        return True
    found = 0
    for name in folder.images:
        label = label_of(folder, name)
        if label is not None:
            found += 1
            if "labels" in PurePosixPath(label).parts[:-1] or _is_line(peek(folder.files[label]).split(b"\n", 1)[0]):
                return True
        if found >= 5:
            break
    return False


def _is_line(line: bytes) -> bool:
    try:
        values = [number(word) for word in line.decode("utf-8-sig").split()]
    except ValueError:
        return False
    return len(values) >= 5 and values[0] == int(values[0])


def label_of(folder: Folder, name: str) -> str | None:
    """Return the label file of an image: images/ becomes labels/ (the last one in the path), or beside it."""
    parts = list(PurePosixPath(name).parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            there = folder.sibling("/".join([*parts[:index], "labels", *parts[index + 1 :]]), ".txt")
            if there is not None:
                return there
    beside = folder.sibling(name, ".txt")
    return beside if beside is not None and not beside.rsplit("/", 1)[-1].lower().startswith(_NO_LABELS) else None


def read(folder: Folder, tick: Tick) -> Listing:
    """Objects of every label file; images are opened for their size only."""
    found = Listing(TITLE)
    config = _config(folder)
    names = _names(folder, config)
    parts = _parts(folder, config)
    used: set[str] = set()
    highest = -1
    raw: list[tuple[str, list[tuple[int, Shape]]]] = []
    for name in folder.images:
        tick()
        label = label_of(folder, name)
        if label is None:
            found.unlabelled(folder, [name])
            continue
        used.add(label)
        try:
            shapes = _shapes(folder, name, label, found, points="kpt_shape" in config)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        raw.append((name, shapes))
        highest = max([highest, *(index for index, _ in shapes)])
    if not names:
        names = [f"class {index}" for index in range(highest + 1)] if highest < 10_000 else []
    for name, shapes in raw:
        wrong = [index for index, _ in shapes if index >= len(names)]
        if wrong:
            found.problems.append(
                message("{file} has the class number {number}, which has no name.", file=folder.files[name], number=wrong[0])
            )
            continue
        named = tuple(Shape(names[index], shape.box, shape.outline) for index, shape in shapes)
        found.records.append(Record(name, folder.files[name], shapes=named, part=parts.get(name) or part_of(name)))
    for name in folder.with_suffix(".txt"):
        if "labels" in PurePosixPath(name).parts[:-1] and name not in used:
            found.skip("{file} has no image.", folder.files[name])
    seen = {shape.name for record in found.records for shape in record.shapes or ()}
    found.classes = tuple(name for name in names if name in seen)
    return found


def _shapes(folder: Folder, name: str, label: str, found: Listing, *, points: bool) -> list[tuple[int, Shape]]:
    """`points`: behind the box of each object come key points, which are not used."""
    path = folder.files[label]
    text = read_text(path)
    size = labelled_size(folder.files[name], found.problems)
    shapes: list[Shape | None] = []
    for line, words in enumerate((line.split() for line in text.splitlines()), start=1):
        if not words:
            continue
        try:
            index, shape = _line(words[:5] if points else words, size)
        except ValueError as error:
            raise ConfigError(
                "{file} line {line} is not a label ({detail}).",
                remedy="Export the labels again.",
                file=path,
                line=line,
                detail=error,
            ) from None
        # Half a pixel: fractions are rounded to a few digits.
        shapes.append(inside(Shape(str(index), shape.box, shape.outline), size, path, found.problems, slack=1.0))
    return [(int(shape.name), shape) for shape in usable(shapes, path)]


def _line(words: list[str], size: tuple[int, int]) -> tuple[int, Shape]:
    """Raises ValueError."""
    values = [number(word) for word in words]
    if values[0] != int(values[0]) or values[0] < 0:
        raise ValueError(f"{words[0]!r} is not a class number")
    width, height = size
    if len(values) == 5:
        x, y, w, h = values[1] * width, values[2] * height, values[3] * width, values[4] * height
        return int(values[0]), Shape("", (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    if len(values) < 7 or len(values) % 2 == 0:
        raise ValueError(f"{len(values) - 1} numbers")
    points = tuple(value * (height if at % 2 else width) for at, value in enumerate(values[1:]))
    return int(values[0]), Shape("", bounds((points,)), Outline((points,)))


def _config(folder: Folder) -> Mapping[str, object]:
    """data.yaml, or an empty mapping. Raises ConfigError."""
    name = next((name for name in ("data.yaml", "data.yml") if name in folder.files), None)
    if name is None:
        return {}
    path = folder.files[name]
    try:
        text = read_text(path, limit=1 << 20)
        for event in yaml.parse(text, yaml.BaseLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has references")  # a few lines of them can stand for gigabytes
            tag = getattr(event, "tag", None)
            if tag is not None and tag != "!":
                raise ValueError(f"it has the tag {tag}")
        # Every word stays as it is written: a class called "no" or "010" is not False or 8.
        config = yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=detail) from error
    if not isinstance(config, Mapping):
        raise ConfigError("{file} is not a list of settings.", file=path)
    return config


def _names(folder: Folder, config: Mapping[str, object]) -> list[str]:
    said = config.get("names")
    if isinstance(said, list):
        names = [class_name(name) for name in said]
    elif isinstance(said, Mapping) and all(str(key).isdecimal() for key in said) and len(said) <= 10_000:
        numbered = {int(key): class_name(name) for key, name in said.items()}
        highest = max(numbered, default=-1)
        names = [numbered.get(index, f"class {index}") for index in range(min(highest, 10_000) + 1)]
    else:
        names = class_list(folder) or class_list(folder, "labels/classes.txt")
    if len(set(names)) != len(names):
        raise ConfigError("{file} names a class twice.", remedy="Write every class once.", file=folder.root / "data.yaml")
    return names


def _parts(folder: Folder, config: Mapping[str, object]) -> dict[str, Part]:
    """Image -> part, from the folders and lists that data.yaml names. Paths that lead out of the folder name nothing."""
    found: dict[str, Part] = {}
    wanted: tuple[tuple[str, Part], ...] = (("train", "train"), ("val", "val"), ("test", "test"))
    for key, part in wanted:
        said = config.get(key)
        for entry in said if isinstance(said, list) else [said]:
            if not isinstance(entry, str):
                continue
            place = "/".join(piece for piece in PurePosixPath(entry.replace("\\", "/")).parts if piece not in ("..", ".", "/"))
            if place.endswith(".txt"):
                if place in folder.files:
                    lines = read_text(folder.files[place]).splitlines()
                    listed = (folder.find(line.strip().removeprefix("./")) for line in lines if line.strip())
                    found.update({name: part for name in listed if name is not None})
                continue
            if place not in folder.folders:
                # Written on another machine: the last two folders of the path are what is here.
                place = next((tail for tail in _tails(place) if tail in folder.folders), "")
            if place:
                found.update(dict.fromkeys(folder.under(place), part))
    return found


def _tails(place: str) -> list[str]:
    pieces = place.split("/")
    return ["/".join(pieces[start:]) for start in range(1, len(pieces))]
