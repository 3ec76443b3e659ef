"""What a labelled image is, whatever layout it is stored in, and how that becomes a data set for one task."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Boxes
from inspector.data.formats.scan import Folder, image_header
from inspector.data.outlines import Outline
from inspector.data.samples import Part, group_of

Box = tuple[float, float, float, float]
NO_DEFECT = "(none)"  # the stratum of samples without box or mask


@dataclass(frozen=True, slots=True)
class Shape:
    """One labelled object: its class, box (left, top, right, bottom) in pixels from 0, right and bottom exclusive, and where it
    is known its outline.
    """

    name: str
    box: Box
    outline: Outline | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One image and all that is labelled about it.

    `name`: relative to the data folder. `label`: class of the image. `shapes`: its objects; None if nobody looked for any,
    empty if there are none. `mask`: file with a mask; `mask_class`: what its white half means, None where values are classes.
    `kelvin`: (maximum, mean, minimum). `confidence` (0..1]: how sure the label is.
    `part`: where the data puts it. `group`: the part or lot, "" to take it from the name.
    """

    name: str
    path: Path
    label: str | None = None
    shapes: tuple[Shape, ...] | None = None
    mask: Path | None = None
    mask_class: str | None = None
    kelvin: tuple[float, float, float] | None = None
    part: Part | None = None
    group: str = ""
    confidence: float = 1.0

    def group_by(self, pattern: str) -> str:
        """Return the part or lot: as the data says, else by `group_of`."""
        return self.group if self.group and not pattern else group_of(self.name, pattern)

    def main_class(self) -> str:
        """Return the most frequent class of its objects (the first of them, if several are), or "" without objects."""
        return Counter(shape.name for shape in self.shapes or ()).most_common(1)[0][0] if self.shapes else ""


@dataclass(slots=True)
class Listing:
    """What a reader found: records, a sentence for everything it left out, and the classes in the order the data gives them
    (empty: by name).
    """

    layout: Message
    records: list[Record] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)
    classes: tuple[str, ...] = ()

    def skip(self, sentence: str, path: Path) -> None:
        """Note that a file is not used; `sentence` has a {file}."""
        self.problems.append(message(sentence, file=path))

    def unlabelled(self, folder: Folder, names: Sequence[str]) -> None:
        """Note images without a label."""
        for name in names:
            self.skip("{file} has no label and is not used.", folder.files[name])


Tick = Callable[[], None]


def class_name(said: object) -> str:
    """Return a class as it is named in an annotation file, on one line: other files are lists of classes, one a line."""
    text = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in str(said))
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def labelled_size(image: Path, problems: list[Message]) -> tuple[int, int]:
    """Return (width, height) of an image whose labels are given in pixels or fractions of it. Raises ConfigError.

    A sentence goes to `problems` where a viewer that does not turn it would have shown the labels elsewhere.
    """
    size, turned = image_header(image)
    if turned:
        problems.append(
            message(
                "{file} is turned upright, as its camera noted; its labels count as drawn on the upright picture.", file=image
            )
        )
    return size


def boxes_of(shapes: Sequence[Shape], index: Mapping[str, int]) -> Boxes:
    """As `Boxes` with score 1 and the class indices given."""
    xyxy = np.asarray([shape.box for shape in shapes], np.float32).reshape(-1, 4)
    classes: NDArray[np.int64] = np.asarray([index[shape.name] for shape in shapes], np.int64)
    return Boxes(xyxy, np.ones(len(xyxy), np.float32), classes)


def inside(shape: Shape, size: tuple[int, int], file: Path, problems: list[Message], *, slack: float = 1.0) -> Shape | None:
    """Return the shape with its box cut at the edges of an image of `size` (width, height); None if nothing is left of it.

    A sentence about either goes to `problems`, unless the box reaches out by no more than `slack` pixels: the usual slip
    between counting from 0 and from 1 is not worth a word.
    """
    box = shape.box
    if not shape.name:
        problems.append(message("{file}: an object without a class is left out.", file=file))
        return None
    cut = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1])))
    # Not "< 1": a box of half a pixel is drawn by mistake, one of 0.99 is a rounded one of 1.
    if not all(np.isfinite(box)) or cut[2] - cut[0] < 0.5 or cut[3] - cut[1] < 0.5:
        problems.append(
            message("{file}: the box of {name!r} is empty or outside the image; it is left out.", file=file, name=shape.name)
        )
        return None
    if any(abs(a - b) > slack for a, b in zip(box, cut, strict=True)):
        problems.append(
            message("{file}: a box of {name!r} reaches out of the image; it is clipped.", file=file, name=shape.name)
        )
    return replace(shape, box=cut)


def usable(shapes: Sequence[Shape | None], file: Path) -> tuple[Shape, ...]:
    """Return those that `inside` left over.

    Raises ConfigError where it left none of several: an image whose labels are all wrong is no image without a defect.
    """
    left = tuple(shape for shape in shapes if shape is not None)
    if shapes and not left:
        raise ConfigError("{file}: none of its objects can be used, so its image is not used.", file=file)
    return left


def number(value: object) -> float:
    """Return a finite number from an annotation file. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        found = float("nan")
    if not np.isfinite(found) or abs(found) > 1e9:
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    return found


def check_size(said: tuple[float, float], size: tuple[int, int], file: Path, image: Path) -> None:
    """Raises ConfigError if an annotation is for an image of another size; (0, 0) says nothing."""
    if all(said) and said != size:
        raise ConfigError(
            "{file} is for an image of {said_width:.0f} x {said_height:.0f} px, but {image} has {width} x {height} px.",
            remedy="Label the image again, or bring the one it was drawn on.",
            file=file,
            image=image.name,
            said_width=said[0],
            said_height=said[1],
            width=size[0],
            height=size[1],
        )
