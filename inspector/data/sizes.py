"""Sizes of images, and of the objects in them: how much of the image an object spans, and how wide it is at its thinnest.

A crack fills a large box and is a few pixels wide. A network sees it only if these few pixels are left in its input.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE
from inspector.data.formats.names import spread
from inspector.data.samples import Sample
from inspector.imaging.files import read_image

HEADERS = 2000  # maximum number of images whose size is read
_DECODED = 96  # maximum number of images whose pixels or masks are measured
_BOXES = 12  # maximum number of objects measured in one image
_ORIENTATION, _LYING = 0x0112, 5  # key of EXIF, and the first of its values for an image that lies on its side
_SPECK = 4  # pixels; smaller areas of a mask are noise of drawing
_WIDTHS = (3, 5, 7, 9, 13, 17, 25, 33)  # sides of the structuring elements in pixels
_MARGIN = 24  # pixels around a box that show its surroundings
_NOISE = 2.5  # the brightest pixels of a texture have so many times its median
_QUARTER = 25  # percentile
_SEVERAL = 5  # objects of a class that say something about it
_BRIGHTEST = 99  # percentile; a thin crack covers a hundredth of its box
Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ObjectSizes:
    """Sizes of the labelled objects, over the longer side of their image where nothing else is said.

    `share`: median area of the box over the area of the image. `span`: side of the square with the area of the box, of small
    objects. `usual`: the span that half of the objects exceed; `largest`: the one that 5 % exceed. `width`: how wide objects
    are where they are thin, of thin objects; None if unknown. Small and thin are those of which a quarter of all objects, or
    half of the objects of one class, are smaller: a class of small defects counts as much as the large ones that are more
    frequent. `most`: objects in the fullest image.
    """

    share: float
    span: float
    usual: float
    largest: float
    width: float | None = None
    most: int = 0


def header(path: Path) -> tuple[int, int, str] | None:
    """Return (width, height, depth in words) of the upright image without decoding; None if unknown."""
    try:
        with PIL.Image.open(path) as picture:
            mode, (width, height) = picture.mode, picture.size
            # That of the class for PNG would decode the image.
            if PIL.Image.Image.getexif(picture).get(_ORIENTATION, 1) >= _LYING:
                width, height = height, width
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    bits = "float" if mode == "F" else "16-bit" if mode.startswith("I") else "8-bit"
    return width, height, f"{bits} {'grey' if mode in ('1', 'L', 'LA', 'F') or mode.startswith('I') else 'colour'}"


def object_sizes(samples: Sequence[Sample], *, decode: bool, cancelled: Callable[[], bool]) -> ObjectSizes | None:
    """Return the sizes of the labelled objects; None if there are none, or if they can only be known by decoding masks.

    `decode`: also read masks and pixels, of at most `_DECODED` images. Once `cancelled()`, what is known so far is returned.
    """
    found = _Found()
    boxed = [sample for sample in samples if sample.truth.boxes is not None and len(sample.truth.boxes)]
    for sample in spread(boxed, HEADERS):
        size = header(sample.path)
        if size is not None and sample.truth.boxes is not None:
            found.add_boxes(sample.truth.boxes.xyxy, sample.truth.boxes.classes.tolist(), size[0], size[1])
    masked = [sample for sample in samples if sample.mask is not None]
    for sample in spread(masked or boxed, _DECODED) if decode else ():
        if cancelled():
            break
        try:
            _measure(sample, found)
        except ConfigError:  # named where the data set is read
            continue
    return found.sizes()


class _Found:
    """Collects the sizes of single objects."""

    def __init__(self) -> None:
        self._shares: list[float] = []
        self._spans: dict[int, list[float]] = {}  # by class
        self._widths: dict[int, list[float | None]] = {}
        self._most = 0

    def add_boxes(self, xyxy: NDArray[np.float32], classes: Sequence[int], width: int, height: int) -> None:
        """Add the boxes [N, 4] of an image of this size."""
        areas = np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0), axis=1, dtype=np.float64)
        self._shares += (areas / (width * height)).tolist()
        for kind, span in zip(classes, (np.sqrt(areas) / max(width, height)).tolist(), strict=True):
            self._spans.setdefault(kind, []).append(span)
        self._most = max(self._most, len(xyxy))

    def add_width(self, kind: int, width: float | None, side: int) -> None:
        """Add a width in pixels in an image whose longer side is `side`; None if it could not be measured."""
        self._widths.setdefault(kind, []).append(None if width is None else width / side)

    def sizes(self) -> ObjectSizes | None:
        if not self._spans:
            return None
        usual, largest = np.percentile([span for spans in self._spans.values() for span in spans], [50, 95]).tolist()
        # Where most objects of a class do not stand out from their surroundings, the others are chance.
        known = {kind: [one for one in found if one is not None] for kind, found in self._widths.items()}
        known = {kind: widths for kind, widths in known.items() if 2 * len(widths) > len(self._widths[kind])}
        width = _small(known) if known else None
        return ObjectSizes(float(np.median(self._shares)), _small(self._spans), usual, largest, width, self._most)


def _small(by_class: Mapping[int, Sequence[float]]) -> float:
    """Return the size of small objects, see `ObjectSizes`."""
    everything = float(np.percentile([size for sizes in by_class.values() for size in sizes], _QUARTER))
    return min([everything, *(float(np.median(sizes)) for sizes in by_class.values() if len(sizes) >= _SEVERAL)])


def _measure(sample: Sample, found: _Found) -> None:
    """Add the sizes of a mask's areas, or the widths of what is in the boxes. Raises ConfigError."""
    pixels = read_image(sample.path).pixels
    (height, width), side = pixels.shape[:2], max(pixels.shape[:2])
    boxes = sample.truth.boxes
    if sample.mask is not None:
        areas = mask_areas(sample.mask.read(height, width))
        if areas:
            found.add_boxes(np.array([one.box for one in areas], np.float32), [one.kind for one in areas], width, height)
        for one in areas:
            found.add_width(one.kind, one.width, side)
    elif boxes is not None:
        grey = np.asarray(pixels, np.float32) if pixels.ndim == 2 else np.asarray(pixels, np.float32).mean(axis=2)
        for box, kind in spread(list(zip(boxes.xyxy.tolist(), boxes.classes.tolist(), strict=True)), _BOXES):
            found.add_width(kind, thinnest(grey, box), side)


@dataclass(frozen=True, slots=True)
class MaskArea:
    """A connected area of a mask: its value, its box (left, top, right, bottom) and its mean width in pixels."""

    kind: int
    box: tuple[int, int, int, int]
    width: float


def mask_areas(mask: NDArray[np.uint8]) -> list[MaskArea]:
    """Return the connected areas of every class. Across a strip of width w the distance to the edge is w / 4 on average."""
    found = []
    for value in sorted(set(np.unique(mask).tolist()) - {0, IGNORE}):
        plane = np.asarray(mask == value, np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
        distance = cv2.distanceTransform(np.pad(plane, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        sums = np.bincount(labels.ravel(), distance.ravel(), count)
        for total, (x, y, width, height, area) in zip(sums[1:].tolist(), stats[1:].tolist(), strict=True):
            if area >= _SPECK:
                found.append(MaskArea(value, (x, y, x + width, y + height), max(1.0, 4 * (total / area - 0.5))))
    return found


def thinnest(grey: Grey, box: Sequence[float]) -> float | None:
    """Return about how many pixels wide the structure in a box is that tells it from its surroundings; None if none does.

    `grey` [H, W]; `box`: left, top, right, bottom. Openings and closings with a growing disc (granulometry: Serra, Image
    Analysis and Mathematical Morphology, 1982) remove what is narrower than it. The width is that of the first disc which
    removes half of what the largest does, beyond what it removes of the texture around the box.
    """
    left, top = (max(0, int(value) - _MARGIN) for value in box[:2])
    patch = grey[top : int(box[3]) + _MARGIN, left : int(box[2]) + _MARGIN]
    inside = np.zeros(patch.shape, bool)
    inside[int(box[1]) - top : int(np.ceil(box[3])) - top, int(box[0]) - left : int(np.ceil(box[2])) - left] = True
    if not inside.any() or inside.all():
        return None
    sides = [side for side in _WIDTHS if side <= min(box[2] - box[0], box[3] - box[1]) + _WIDTHS[0]] or list(_WIDTHS[:1])
    contrasts, noise = [], 0.0
    for side in sides:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        removed = np.maximum(*(cv2.morphologyEx(patch, how, kernel) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)))
        noise = _NOISE * float(np.median(removed[~inside]))
        contrasts.append(float(np.percentile(removed[inside], _BRIGHTEST)) - noise)
    if max(contrasts) <= noise:
        return None
    return next(side for side, contrast in zip(sides, contrasts, strict=True) if contrast >= max(contrasts) / 2) - 1.5
