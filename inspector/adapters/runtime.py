"""What the families' own runtimes do around a graph, written apart from ours: the reference that an import is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.core.types import Boxes, Floats
from inspector.imaging.preprocessing import InputSpec

Picture = NDArray[np.uint8]  # [H, W, 3], RGB


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture as the network sees it: float32 [height, width, channels], 0..255.

    input = frame * scale + (left, top). The content of the input begins at (left, top) and has the size `inner`, (width,
    height); around it is padding. `frame`: (width, height) of the picture.
    """

    pixels: Floats
    scale: tuple[float, float]
    left: float
    top: float
    inner: tuple[int, int]
    frame: tuple[int, int]

    def to_frame(self, boxes: Floats) -> Floats:
        """Convert boxes [N, 4] (left, top, right, bottom) from input pixels to the picture's, inside the picture."""
        out = np.array(boxes, np.float32).reshape(-1, 4)
        out[:, [0, 2]] = ((out[:, [0, 2]] - self.left) / self.scale[0]).clip(0, self.frame[0])
        out[:, [1, 3]] = ((out[:, [1, 3]] - self.top) / self.scale[1]).clip(0, self.frame[1])
        return out

    def content(self, planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut planes [K, height, width] of the input's size to the content."""
        left, top = max(0, round(self.left)), max(0, round(self.top))
        return planes[:, top : top + self.inner[1], left : left + self.inner[0]]


def see(picture: Picture, spec: InputSpec) -> Seen:
    """Fit a picture into the input as the families do that have this `fit` and `resample`.

    "letterbox" as Ultralytics: OpenCV's linear interpolation, padding 114 on both sides. "crop" as torchvision: the shorter
    side resized with Pillow, then the centre. "stretch": with Pillow as torchvision does, or linear in floating
    point without antialiasing as RF-DETR does.
    """
    height, width = picture.shape[:2]
    if spec.channels == 1:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    size = (width, height)
    if spec.fit == "letterbox":
        ratio = min(spec.height / height, spec.width / width)
        inner = (min(spec.width, max(1, round(width * ratio))), min(spec.height, max(1, round(height * ratio))))
        small = _resized(picture, inner, antialias=spec.resample == "antialias")
        beside, above = (spec.width - inner[0]) / 2, (spec.height - inner[1]) / 2
        left, top = round(beside - 0.1), round(above - 0.1)
        canvas = np.full((spec.height, spec.width, *small.shape[2:]), 114, np.float32)
        canvas[top : top + inner[1], left : left + inner[0]] = small
        return Seen(_layered(canvas), (inner[0] / width, inner[1] / height), left, top, inner, size)
    if spec.fit == "crop":
        ratio = max(spec.height / height, spec.width / width)
        whole = (max(spec.width, int(width * ratio)), max(spec.height, int(height * ratio)))
        small = _resized(picture, whole, antialias=spec.resample == "antialias")
        left, top = round((whole[0] - spec.width) / 2), round((whole[1] - spec.height) / 2)
        cut = small[top : top + spec.height, left : left + spec.width]
        return Seen(_layered(cut), (whole[0] / width, whole[1] / height), -left, -top, (spec.width, spec.height), size)
    target = (spec.width, spec.height)
    small = _resized(picture, target, antialias=spec.resample == "antialias", fractions=True)
    return Seen(_layered(small), (spec.width / width, spec.height / height), 0, 0, target, size)


def _resized(picture: Picture, size: tuple[int, int], *, antialias: bool, fractions: bool = False) -> Floats:
    if antialias:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR), np.float32)
    source = picture.astype(np.float32) if fractions else picture
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _layered(pixels: Floats) -> Floats:
    return pixels[..., None] if pixels.ndim == 2 else pixels


def greedy(boxes: Floats, scores: Floats, classes: NDArray[np.int64], overlap: float, *, most: int = 300) -> list[int]:
    """Return the indices of the boxes that non-maximum suppression leaves, best first; boxes of other classes do not count."""
    left = sorted(range(len(scores)), key=lambda index: -float(scores[index]))
    kept: list[int] = []
    while left and len(kept) < most:
        best = left.pop(0)
        kept.append(best)
        left = [one for one in left if classes[one] != classes[best] or _overlap(boxes[one], boxes[best]) <= overlap]
    return kept


def _overlap(one: Sequence[float] | Floats, other: Sequence[float] | Floats) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, float(width)) * max(0.0, float(height))
    areas = [float(box[2] - box[0]) * float(box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both + 1e-7)


def boxes_in_frame(boxes: Floats, scores: Floats, classes: NDArray[np.int64], seen: Seen) -> Boxes:
    """Return the boxes, in input pixels, in the picture; those without area are left out."""
    found = seen.to_frame(boxes)
    large = (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])
    return Boxes(found[large], np.asarray(scores, np.float32)[large], np.asarray(classes, np.int64)[large])


def drawn(
    masks: Floats, scores: Floats, classes: NDArray[np.int64], count: int, seen: Seen, boxes: Floats | None
) -> NDArray[np.uint8]:
    """Return planes uint8 [count, h, w] of the content: the score, times 255, of the best object that covers a pixel.

    `masks` [n, h, w] are logits of any size; above 0 is the object. `boxes` [n, 4] in input pixels cut the masks.
    """
    height, width = seen.pixels.shape[:2]
    planes = np.zeros((count, height, width), np.float32)
    for index, mask in enumerate(masks):
        inside = cv2.resize(np.asarray(mask, np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0
        if boxes is not None:
            x, y = np.arange(width)[None, :], np.arange(height)[:, None]
            left, top, right, bottom = boxes[index]
            inside &= (x >= left) & (x < right) & (y >= top) & (y < bottom)
        plane = planes[classes[index]]
        np.maximum(plane, np.where(inside, scores[index], 0), out=plane)
    return seen.content(np.rint(planes * 255).astype(np.uint8))
