"""A .txt for each image with a line for each object, in pixels: KITTI, DOTA and DeepPCB.

KITTI     class, three numbers, left, top, right, bottom, seven numbers; regions of the class DontCare are ignored
DOTA      the corners x1, y1, ..., x4, y4, the class, whether it is difficult
DeepPCB   left, top, right, bottom, number of the class; in GROUP/NAME_not/PART.txt for GROUP/NAME/PART_test.jpg
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import LABELS, holds, pair_once, part_of_image, spread
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, peek, read_text, without_suffix
from inspector.data.formats.shapes import IGNORED, Shape, number, polygon
from inspector.data.samples import Part

TITLE = message("Lines of objects")
EXPECTED = message("a .txt of KITTI, DOTA or DeepPCB of the same name for each image")
_WEIGHT = 1.0
_LOOKED_AT = 20
_PLACES = LABELS | {"labeltxt"}
_DONT_CARE = "DontCare"
_HEADERS = ("imagesource:", "gsd:", "acquisition dates:")  # first lines of DOTA
_PCB = ("", "open", "short", "mousebite", "spur", "copper", "pin-hole")
_TESTED, _TEMPLATE, _LABELS_OF = "_test", "_temp", "_not"
_PARTS: Mapping[str, Part] = MappingProxyType({"trainval.txt": "train", "test.txt": "test"})
Words = list[str]


def _kitti(words: Words) -> Shape:
    box = [number(word) for word in words[4:8]]
    if len(words) not in (15, 16) or _is_number(words[0]) or len([number(word) for word in words[1:]]) < 14:
        raise ValueError(f"{len(words)} words")
    return Shape(IGNORED if words[0] == _DONT_CARE else class_name(words[0]), (box[0], box[1], box[2], box[3]))


def _dota(words: Words) -> Shape:
    if len(words) not in (9, 10) or _is_number(words[8]):
        raise ValueError(f"{len(words)} words")
    values = [number(word) for word in words[:8]]
    return polygon(class_name(words[8]), list(zip(values[::2], values[1::2], strict=True)))


def _pcb(words: Words) -> Shape:
    left, top, right, bottom, kind = (number(word) for word in " ".join(words).replace(",", " ").split())
    if kind not in range(1, len(_PCB)):
        raise ValueError(f"{kind:g} is not a class number")
    return Shape(_PCB[int(kind)], (left, top, right, bottom))


_FORMS: tuple[Callable[[Words], Shape], ...] = (_kitti, _dota)


def _is_number(word: str) -> bool:
    try:
        number(word)
    except ValueError:
        return False
    return True


def _lines(text: str) -> list[Words]:
    lines = [line.split() for line in text.splitlines() if not line.lower().startswith(_HEADERS)]
    return [words for words in lines if words]


def _form(text: str, forms: tuple[Callable[[Words], Shape], ...]) -> Callable[[Words], Shape] | None:
    """Return the form that the first line has; None if it has none of them."""
    for words in _lines(text)[:1]:
        for form in forms:
            try:
                form(words)
            except ValueError:
                continue
            return form
    return None


def _pairs(folder: Folder) -> tuple[Mapping[str, str], Callable[[Words], Shape] | None]:
    """Return a mapping from image to label file, and the form of its lines."""
    marks = folder.with_suffix(".txt")
    pcb = {name: mark for name in folder.images if (mark := _pcb_mark(folder, name)) is not None}
    if pcb and _seen(folder, pcb, (_pcb,)):
        return pcb, _pcb
    placed = [name for name in marks if holds(name.rpartition("/")[0], _PLACES)]
    pairs = pair_once(folder, folder.images, placed or marks)
    return pairs, _seen(folder, pairs, _FORMS)


def _pcb_mark(folder: Folder, name: str) -> str | None:
    """Return the label file of an image of DeepPCB."""
    place, _, last = name.rpartition("/")
    stem = without_suffix(last)
    return folder.exact(f"{place}{_LABELS_OF}/{stem.removesuffix(_TESTED)}.txt") if stem.endswith(_TESTED) else None


def _seen(
    folder: Folder, pairs: Mapping[str, str], forms: tuple[Callable[[Words], Shape], ...]
) -> Callable[[Words], Shape] | None:
    """Return the form of the first of these files that has one; None also if most files with lines have none."""
    heads = [
        peek(folder.files[name])[:4096].decode("utf-8-sig", "replace")
        for name in spread(sorted(set(pairs.values())), _LOOKED_AT)
    ]
    found = [_form(head, forms) for head in heads if _lines(head)]
    known = [form for form in found if form is not None]
    return known[0] if len(known) > len(found) / 2 else None


def look(folder: Folder) -> Claim | None:
    """Recognise images that have such a .txt."""
    if not folder.with_suffix(".txt"):
        return None
    pairs, form = _pairs(folder)
    total = sum(not without_suffix(name).endswith(_TEMPLATE) for name in folder.images) if form is _pcb else len(folder.images)
    used = len(pairs) if form is not None else 0
    return claim(
        _WEIGHT, used, total, message("{count} {count:|image has|images have} a .txt with a line for each object", count=used)
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the objects of every label file."""
    found = Listing(TITLE)
    pairs, form = _pairs(folder)
    parts = _parts(folder) if form is _pcb else {}
    if form is _pcb:
        found.problems.append(message("Templates (NAME_temp) are no parts to be judged and are not used."))
    for name in folder.images:
        tick()
        mark = pairs.get(name)
        if mark is not None:
            path = folder.files[mark]
            part = parts.get(mark) or part_of_image(name)
            add_objects(found, folder, name, path, lambda _, path=path: _objects(path, form or _kitti), part=part)  # type: ignore[misc]
        elif form is not _pcb or not without_suffix(name).endswith(_TEMPLATE):
            found.missing.append(name)
    return found


def _objects(path: Path, form: Callable[[Words], Shape]) -> Iterator[Shape | str]:
    """Yield the objects of a label file. Raises ConfigError."""
    for words in _lines(read_text(path)):
        try:
            yield form(words)
        except ValueError as error:
            raise ConfigError(
                "{file}: {line!r} is not a label ({detail}).", file=path, line=" ".join(words)[:80], detail=error
            ) from None


def _parts(folder: Folder) -> dict[str, Part]:
    """Return the parts of label files by the lists of DeepPCB, whose lines name an image and its label file."""
    found: dict[str, Part] = {}
    for name in folder.with_suffix(".txt"):
        above, _, last = name.rpartition("/")
        if last in _PARTS:
            for line in read_text(folder.files[name]).splitlines():
                said = line.split()[-1] if line.split() else ""
                mark = folder.exact(f"{above}/{said}".lstrip("/"))
                if mark is not None:
                    found[mark] = _PARTS[last]
    return found
