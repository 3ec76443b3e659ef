"""Pascal VOC annotations: one XML file an image, boxes in 1-based inclusive pixels."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, UnidentifiedImageError

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Boxes

_LARGEST_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class VocFile:
    """The objects of one annotation file: names and boxes (left, top, right, bottom) in pixels from 0, right and bottom
    exclusive. `problems`: a sentence for every box that was clipped or left out.
    """

    names: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    problems: tuple[Message, ...]

    def boxes_of(self, index: dict[str, int]) -> Boxes:
        """As `Boxes` with score 1 and the class indices given."""
        xyxy = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        classes = np.asarray([index[name] for name in self.names], np.int64)
        return Boxes(xyxy, np.ones(len(xyxy), np.float32), classes)

    def main_class(self) -> str:
        """The most frequent name (the first of them, if several are), or "" without objects."""
        return Counter(self.names).most_common(1)[0][0] if self.names else ""


def read_voc(path: Path, image: Path) -> VocFile:
    """Read one annotation file. Raises ConfigError if it or the image's header cannot be read, or their sizes differ."""
    root = _parse(path)
    width, height = _image_size(image)
    said = (_number(root, "size/width", path), _number(root, "size/height", path))
    if all(said) and said != (width, height):
        raise ConfigError(
            "{file} is for an image of {said_width:.0f} x {said_height:.0f} px, but {image} has {width} x {height} px.",
            remedy="Label the image again, or bring the one it was drawn on.",
            file=path,
            image=image.name,
            said_width=said[0],
            said_height=said[1],
            width=width,
            height=height,
        )
    names, boxes, problems = [], [], []
    for entry in root.iter("object"):
        name = (entry.findtext("name") or "").strip()
        corners = [_number(entry, f"bndbox/{key}", path) for key in ("xmin", "ymin", "xmax", "ymax")]
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
        inside = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
        if not name or inside[2] - inside[0] < 1 or inside[3] - inside[1] < 1:
            problems.append(
                message("{file}: the box of {name!r} is empty or outside the image; it is left out.", file=path, name=name)
            )
            continue
        # One pixel too far is the usual slip between counting from 0 and from 1, and not worth a word.
        if any(abs(a - b) > 1 for a, b in zip(box, inside, strict=True)):
            problems.append(message("{file}: a box of {name!r} reaches out of the image; it is clipped.", file=path, name=name))
        names.append(name)
        boxes.append(inside)
    return VocFile(tuple(names), tuple(boxes), tuple(problems))


def _parse(path: Path) -> ElementTree.Element:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("the file is too large")
        return ElementTree.fromstring(path.read_bytes())
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise ConfigError("The annotation {file} cannot be read ({detail}).", file=path, detail=error) from error


def _number(element: ElementTree.Element, key: str, path: Path) -> float:
    text = element.findtext(key)
    try:
        value = float(text) if text is not None else 0.0
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ConfigError("{file}: {key} is {text!r}, not a number.", file=path, key=key, text=text)
    return value


def _image_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ConfigError("The image {file} cannot be read ({detail}).", file=path, detail=error) from error
