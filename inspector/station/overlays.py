"""Pictures of an inspection for files: the frame with boxes, areas, regions, hot spots and the verdict drawn on it.

The window draws for itself; this needs no window.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from inspector.core.paths import resources
from inspector.core.pictures import CLASS_COLOURS, Colour, Picture, visible
from inspector.core.types import KELVIN_AT_0_C, Frame, Inspection, Prediction, Region, Verdict
from inspector.recipes.recipe import InspectModel, Recipe
from inspector.recipes.verdict import threshold_of
from inspector.tasks.masks import class_map

_VERDICTS: Mapping[Verdict, Colour] = MappingProxyType(
    {
        Verdict.OK: (0, 158, 115),
        Verdict.NG: (213, 94, 0),
        Verdict.REVIEW: (230, 159, 0),
        Verdict.NOT_INSPECTED: (120, 120, 120),
    }
)
_WHITE: Colour = (255, 255, 255)
_TINT = 0.45  # opacity of an area
_SMALLEST = 480  # a picture narrower than this is enlarged, so that its labels can be read


def draw(inspection: Inspection, recipe: Recipe) -> dict[str, Picture]:
    """RGB uint8 [H, W, 3] by camera name; small frames are enlarged by a whole factor."""
    return {camera: _draw_frame(inspection, frame, recipe, camera) for camera, frame in inspection.frames.items()}


def _draw_frame(inspection: Inspection, frame: Frame, recipe: Recipe, camera: str) -> Picture:
    picture = visible(frame)
    predictions = [prediction for prediction in inspection.predictions if prediction.camera == camera]
    steps = {step.bundle: step for step in recipe.inspect}
    for prediction in predictions:
        if prediction.mask is not None and prediction.bundle in steps:
            _tint(picture, prediction, threshold_of(steps[prediction.bundle]))
    scale = -(-_SMALLEST // picture.shape[1]) if picture.shape[1] < _SMALLEST else 1
    if scale > 1:
        picture = np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)
    image = PIL.Image.fromarray(picture)
    pen = _Pen(image, scale)
    for prediction in predictions:
        if prediction.bundle in steps:
            _draw_prediction(pen, prediction, steps[prediction.bundle], whole=(frame.width, frame.height))
    pen.banner(inspection)
    return np.asarray(image, np.uint8)


def _tint(picture: Picture, prediction: Prediction, threshold: float) -> None:
    region = prediction.region
    classes = class_map(prediction, threshold)
    patch = picture[region.y : region.bottom, region.x : region.right]
    for index in range(len(prediction.classes)):
        inside = classes == index + 1
        if inside.any():
            colour = np.array(_colour(index), np.float32)
            patch[inside] = (patch[inside] * (1 - _TINT) + colour * _TINT).astype(np.uint8)
            outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            line = np.ascontiguousarray(patch)
            cv2.drawContours(line, outlines, -1, _colour(index), 1)
            patch[...] = line


def _draw_prediction(pen: "_Pen", prediction: Prediction, step: InspectModel, *, whole: tuple[int, int]) -> None:
    region = prediction.region
    if (region.width, region.height) != whole:
        pen.rectangle(region, _WHITE, width=1)
    if prediction.scores is not None:
        best = int(prediction.scores.argmax())
        pen.label(region.x, region.y, f"{prediction.classes[best]} {float(prediction.scores[best]):.2f}", _colour(best))
    if prediction.boxes is not None:
        kept = prediction.boxes.at_least(threshold_of(step))
        for xyxy, score, index in zip(kept.xyxy.tolist(), kept.scores.tolist(), kept.classes.tolist(), strict=True):
            left, top, right, bottom = (round(value) for value in xyxy)
            box = Region(max(0, left), max(0, top), max(1, right - left), max(1, bottom - top))
            pen.rectangle(box, _colour(index), width=2)
            pen.label(box.x, box.y, f"{prediction.classes[index]} {score:.2f}", _colour(index))
    if prediction.temperatures is not None:
        found = prediction.temperatures
        for spot in found.hot_spots:
            pen.cross(spot.x, spot.y, f"{spot.kelvin - KELVIN_AT_0_C:.1f} °C")
        low, high = found.minimum - KELVIN_AT_0_C, found.maximum - KELVIN_AT_0_C
        pen.label(region.x, region.bottom, f"{low:.1f} - {high:.1f} °C ({found.source})", _WHITE)


class _Pen:
    """Draws in frame pixels on a picture that is `scale` times as large."""

    def __init__(self, image: PIL.Image.Image, scale: int) -> None:
        self._image = image
        self._draw = PIL.ImageDraw.Draw(image)
        self._scale = scale
        self._size = max(13, image.height // 40)

    def rectangle(self, region: Region, colour: Colour, *, width: int) -> None:
        x, y = region.x * self._scale, region.y * self._scale
        right, bottom = region.right * self._scale - 1, region.bottom * self._scale - 1
        self._draw.rectangle((x, y, right, bottom), outline=colour, width=width)

    def label(self, x: int, y: int, text: str, colour: Colour) -> None:
        """Dark text on the colour, standing on the point, inside the picture."""
        font = _font(self._size)
        left, top, right, bottom = self._draw.textbbox((0, 0), text, font=font)
        width, height = right - left + 6, bottom - top + 4
        px = min(max(0, x * self._scale), max(0, self._image.width - round(width)))
        py = min(max(0, y * self._scale - round(height)), max(0, self._image.height - round(height)))
        self._draw.rectangle((px, py, px + width, py + height), fill=colour)
        self._draw.text((px + 3 - left, py + 2 - top), text, font=font, fill=(0, 0, 0))

    def cross(self, x: int, y: int, text: str) -> None:
        cx, cy, arm = x * self._scale + self._scale // 2, y * self._scale + self._scale // 2, 6
        self._draw.line((cx - arm, cy, cx + arm, cy), fill=_WHITE, width=2)
        self._draw.line((cx, cy - arm, cx, cy + arm), fill=_WHITE, width=2)
        self.label(x, y, text, _WHITE)

    def banner(self, inspection: Inspection) -> None:
        """The verdict and its first reason along the top."""
        words = [inspection.verdict.value.replace("_", " "), *(reason.text for reason in inspection.reasons[:1])]
        font = _font(self._size)
        height = self._size + 8
        self._draw.rectangle((0, 0, self._image.width, height), fill=_VERDICTS[inspection.verdict])
        self._draw.text((6, 2), "  ".join(words), font=font, fill=_WHITE)


def _colour(index: int) -> Colour:
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


@lru_cache(maxsize=8)
def _font(size: int) -> PIL.ImageFont.FreeTypeFont:
    """The shipped font, which has Japanese: class names are a person's own words."""
    return PIL.ImageFont.truetype(str(resources() / "fonts" / "NotoSansCJKjp-Regular.otf"), size)
