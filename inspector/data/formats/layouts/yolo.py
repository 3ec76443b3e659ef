"""YOLO: a .txt per image with one line per object, given as fractions of the image.

A line is class, centre x, centre y, width, height, or class and the points of a polygon. Labels lie in labels/ if the images
lie in images/, or next to the images. A .yaml names the classes and the folders (or lists of files) of train, val and test.
Without it classes.txt, obj.names, notes.json or the numbers name the classes, and folders named train, val or test are the
parts.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.layouts.coco import bounds
from inspector.data.formats.layouts.mask_classes import class_list
from inspector.data.formats.names import LABELS, holds, pair_once, part_of_folder, part_of_image, spread
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim, class_name, inside, labelled_size, usable
from inspector.data.formats.scan import Folder, peek, read_text
from inspector.data.formats.shapes import Shape, number
from inspector.data.outlines import Outline
from inspector.data.samples import Part

TITLE = message("YOLO")
EXPECTED = message("images/ and labels/ with a YOLO .txt of the same name for each image")
_WEIGHT = 1.0
_LOOKED_AT = 20
_SEVERAL = 4  # polygons of which it can be told whether all are something else
_NO_LABELS = ("classes.txt", "readme", "train.txt", "val.txt", "test.txt", "requirements.txt", "license", "notes.txt")
_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "labels.txt", "class_names.txt")
_CONFIGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LARGEST = 1 << 20
_ROUNDED = 1e-3
_MOST = 1.5  # a fraction of the image beyond which nobody has drawn


def look(folder: Folder) -> Claim | None:
    """Recognise images that have a .txt of objects."""
    marks = _marks(folder)
    if not marks:
        return None
    pairs = pair_once(folder, folder.images, marks)
    seen = spread(sorted(set(pairs.values())), _LOOKED_AT)
    kinds = [_kind(folder, name) for name in seen]
    if not kinds.count("lines") and kinds.count("text"):
        return None
    if not kinds.count("lines"):  # labels without any object, if nothing says that they are meant
        lists = _config_name(folder) is not None or any(holds(name.rpartition("/")[0], ("labels",)) for name in seen)
        kinds = ["lines" if kind == "empty" and lists else "text" for kind in kinds]
    used = len(pairs) * sum(kind != "text" for kind in kinds) / max(1, len(kinds))
    return claim(
        _WEIGHT, used, len(folder.images), message("{count} {count:|image has|images have} a YOLO .txt", count=round(used))
    )


def _kind(folder: Folder, name: str) -> str:
    """Return whether a text file has a line of an object ("lines"), no line at all ("empty"), or something else ("text")."""
    head = peek(folder.files[name])
    first = next((line for line in head.splitlines() if line.strip()), None)
    if first is None:
        return "empty"
    labels = holds(name.rpartition("/")[0], ("labels",))  # the place says it; the line may be damaged
    return "lines" if _is_line(first) or (labels and first[:1].isdigit()) else "text"


def _is_line(line: bytes) -> bool:
    try:
        values = [number(word) for word in line.decode("utf-8-sig").split()]
    except ValueError:
        return False
    return len(values) >= 5 and values[0] == int(values[0])


def _marks(folder: Folder) -> list[str]:
    return [
        name
        for name in folder.with_suffix(".txt")
        if holds(name.rpartition("/")[0], LABELS) or not name.rpartition("/")[2].lower().startswith(_NO_LABELS)
    ]


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the objects of every label file; images are opened for their size only."""
    found = Listing(TITLE)
    config = _config(folder)
    names = _names(folder, config)
    parts = _parts(folder, config)
    marks = _marks(folder)
    pairs = pair_once(folder, folder.images, marks)
    highest = -1
    raw: list[tuple[str, list[tuple[int, Shape]]]] = []
    outlines: list[list[float]] = []
    for name in folder.images:
        tick()
        label = pairs.get(name)
        if label is None:
            found.missing.append(name)
            continue
        try:
            shapes = _shapes(folder, name, label, found, outlines, points="kpt_shape" in config)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        raw.append((name, shapes))
        highest = max([highest, *(index for index, _ in shapes)])
    if len(outlines) >= _SEVERAL and len(set(map(len, outlines))) == 1 and all(map(_box_and_points, outlines)):
        raise ConfigError(
            "The lines in the label files of {folder} look like boxes with key points, and no .yaml has a kpt_shape.",
            remedy="Add kpt_shape to data.yaml, or export boxes or polygons.",
            folder=folder.root,
        )
    if not names:
        names = [f"class {index}" for index in range(highest + 1)] if highest < 10_000 else []
    if names and highest == len(names) and all(index for _, shapes in raw for index, _ in shapes):
        raise ConfigError(
            "The class numbers in the label files of {folder} count from 1; those of YOLO count from 0.",
            remedy="Count the classes in the label files from 0, or name a class for 0.",
            folder=folder.root,
        )
    for name, shapes in raw:
        wrong = [index for index, _ in shapes if index >= len(names)]
        if wrong:
            found.problems.append(
                message("{file} has the class number {number}, which has no name.", file=folder.files[name], number=wrong[0])
            )
            continue
        named = tuple(Shape(names[index], shape.box, shape.outline) for index, shape in shapes)
        found.records.append(Record(name, folder.files[name], shapes=named, part=parts.get(name) or part_of_image(name)))
    used = set(pairs.values())
    for name in marks:
        if name not in used and holds(name.rpartition("/")[0], ("labels",)) and not name.lower().endswith("classes.txt"):
            found.skip("{file} has no image.", folder.files[name])
    seen = {shape.name for record in found.records for shape in record.shapes or ()}
    found.classes = tuple(name for name in names if name in seen)
    return found


def _shapes(
    folder: Folder, name: str, label: str, found: Listing, outlines: list[list[float]], *, points: bool
) -> list[tuple[int, Shape]]:
    """Return the shapes of a label file, and append the numbers of each polygon to `outlines`.

    `points`: key points follow the box of each object; they are not used.
    """
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
        found.measure(shape.box, size)
        if shape.outline is not None:
            outlines.append([number(word) for word in words[1:]])
        # Half a pixel: fractions are rounded to a few digits.
        shapes.append(inside(Shape(str(index), shape.box, shape.outline), size, path, found.problems, slack=1.0))
    return [(int(shape.name), shape) for shape in usable(shapes, path)]


def _line(words: list[str], size: tuple[int, int]) -> tuple[int, Shape]:
    """Parse one line. Raises ValueError."""
    values = [number(word) for word in words]
    if values[0] != int(values[0]) or values[0] < 0:
        raise ValueError(f"{words[0]!r} is not a class number")
    width, height = size
    if len(values) > 1 and not 1 - _MOST <= min(values[1:]) <= max(values[1:]) <= _MOST:
        raise ValueError("its numbers are no fractions of the image")
    if len(values) == 5:
        x, y, w, h = values[1] * width, values[2] * height, values[3] * width, values[4] * height
        return int(values[0]), Shape("", (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    if len(values) < 7 or len(values) % 2 == 0:
        raise ValueError(f"{len(values) - 1} numbers")
    if _key_points(values):
        raise ValueError("key points, and no .yaml with a kpt_shape")
    points = tuple(value * (height if at % 2 else width) for at, value in enumerate(values[1:]))
    return int(values[0]), Shape("", bounds((points,)), Outline((points,)))


def _key_points(values: list[float]) -> bool:
    """Return whether a line holds a box and then points inside it, each with a flag (0, 1) that tells whether it is visible."""
    flags, (x, y, width, height) = values[7::3], values[1:5]
    if (len(values) - 5) % 3 or not flags or not set(flags) <= {0.0, 1.0}:
        return False
    if not _is_box(x, y, width, height):
        return False  # the outline of a whole image is of zeros and ones as well
    seen = [point for *point, flag in zip(values[5::3], values[6::3], flags, strict=True) if flag]
    return all(_inside(x, y, width, height, across, down) for across, down in seen)


def _box_and_points(values: list[float]) -> bool:
    """Return whether the numbers of a polygon may be a box and then points of two numbers inside it, or 0 where not visible."""
    (x, y, width, height), points = values[:4], list(zip(values[4::2], values[5::2], strict=True))
    if not _is_box(x, y, width, height):
        return False
    return all(_inside(x, y, width, height, *point) for point in points if point != (0.0, 0.0))


def _is_box(x: float, y: float, width: float, height: float) -> bool:
    sides = ((x, width), (y, height))
    return width > 0 and height > 0 and all(abs(at - 0.5) + side / 2 <= 0.5 + _ROUNDED for at, side in sides)


def _inside(x: float, y: float, width: float, height: float, across: float, down: float) -> bool:
    return abs(across - x) <= width / 2 + _ROUNDED and abs(down - y) <= height / 2 + _ROUNDED


def _config_name(folder: Folder) -> str | None:
    """Return data.yaml, dataset.yaml or another .yaml that names classes, at the top or in a subfolder."""
    near = [name for suffix in (".yaml", ".yml") for name in folder.with_suffix(suffix) if name.count("/") <= 1]
    usual = [name for wanted in _CONFIGS for name in near if name.rpartition("/")[2].lower() == wanted]
    if usual:
        return min(usual, key=lambda name: name.count("/"))
    others = [
        name for name in near[:_LOOKED_AT] if any(line.startswith(b"names:") for line in peek(folder.files[name]).splitlines())
    ]
    return others[0] if others else None


def _config(folder: Folder) -> Mapping[str, object]:
    """Return the content of the .yaml, or an empty mapping. Raises ConfigError."""
    name = _config_name(folder)
    if name is None:
        return _darknet(folder)
    path = folder.files[name]
    try:
        text = read_text(path, limit=_LARGEST)
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


def _darknet(folder: Folder) -> dict[str, str]:
    """Return the settings of a .data file of Darknet, which names the lists of images; empty if there is none.

    Raises ConfigError.
    """
    listed = folder.with_suffix(".data")
    lines = read_text(folder.files[listed[0]]).splitlines() if len(listed) == 1 else []
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip() in ("train", "valid", "test")}


def _names(folder: Folder, config: Mapping[str, object]) -> list[str]:
    said = config.get("names")
    if isinstance(said, list):
        names = [class_name(name) for name in said]
    elif isinstance(said, Mapping) and all(str(key).isdecimal() for key in said) and len(said) <= 10_000:
        numbered = {int(key): class_name(name) for key, name in said.items()}
        highest = max(numbered, default=-1)
        names = [numbered.get(index, f"class {index}") for index in range(min(highest, 10_000) + 1)]
    else:
        names = next((listed for file in _LISTS if (listed := _class_file(folder, file))), []) or _names_of_notes(folder)
    if len(set(names)) != len(names):
        raise ConfigError("{file} names a class twice.", remedy="Write every class once.", file=folder.root / "data.yaml")
    return names


def _class_file(folder: Folder, file: str) -> list[str]:
    """Return a list of classes, whatever its suffix. Raises ConfigError."""
    if file.endswith(".txt"):
        return class_list(folder, file)
    suffix = file[file.rindex(".") :]
    listed = next((name for name in folder.with_suffix(suffix) if name.rpartition("/")[2] == file or suffix == ".names"), None)
    return (
        [] if listed is None else [name for line in read_text(folder.files[listed]).splitlines() if (name := class_name(line))]
    )


def _names_of_notes(folder: Folder) -> list[str]:
    """Return the categories of Label Studio's notes.json, by their number."""
    listed = next((name for name in folder.with_suffix(".json") if name.rpartition("/")[2] == "notes.json"), None)
    try:
        data = folder.json(listed) if listed is not None else {}
        items = data.get("categories") if isinstance(data, Mapping) else None
        numbered = {int(item["id"]): class_name(item["name"]) for item in items or []}
    except (ConfigError, TypeError, KeyError, ValueError):
        return []
    return [numbered.get(index, f"class {index}") for index in range(min(max(numbered, default=-1), 10_000) + 1)]


def _parts(folder: Folder, config: Mapping[str, object]) -> dict[str, Part]:
    """Map images to parts, from the folders and lists that the .yaml names.

    Paths that lead out of the folder are ignored. An image named for both training and validation gets no part.
    """
    wanted: tuple[tuple[str, Part], ...] = (("train", "train"), ("val", "val"), ("valid", "val"), ("test", "test"))
    entries: dict[str, Part] = {}
    for key, part in wanted:
        said = config.get(key)
        for entry in said if isinstance(said, list) else [said]:
            if isinstance(entry, str):
                entries.setdefault(entry, part)
    found: dict[str, Part] = {}
    for entry, part in entries.items():
        found.update(dict.fromkeys(_named_images(folder, entry), part))
    if set(found.values()) == {"train"}:
        return {name: part for name, part in found.items() if any(map(part_of_folder, name.split("/")[:-1]))}
    return found


def _named_images(folder: Folder, entry: str) -> Iterator[str]:
    """Yield the images of a folder or of a list of files."""
    place = "/".join(piece for piece in PurePosixPath(entry.replace("\\", "/")).parts if piece not in ("..", ".", "/"))
    if place.endswith(".txt"):
        place = next((tail for tail in (place, *_tails(place)) if tail in folder.files), "")
        if place:
            lines = read_text(folder.files[place], limit=64 << 20).splitlines()
            listed = (folder.find(line.strip().removeprefix("./")) for line in lines if line.strip())
            yield from (name for name in listed if name is not None)
        return
    # Written on another machine: the last folders of the path are what is here.
    place = next((tail for tail in (place, *_tails(place)) if tail in folder.folders), "")
    if place:
        yield from folder.under(place)


def _tails(place: str) -> list[str]:
    pieces = place.split("/")
    return ["/".join(pieces[start:]) for start in range(1, len(pieces))]
