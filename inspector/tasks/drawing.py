"""Drawing of answers on pictures for files: boxes, areas, class names, temperatures. The window has its own drawing."""

from functools import lru_cache
from typing import assert_never

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from inspector.core.storage.paths import resources
from inspector.core.types import KELVIN_AT_0_C, Boxes, Masks, Prediction, Region, Scores, Temperatures
from inspector.imaging.visible import CLASS_COLOURS, Colour, Picture
from inspector.tasks.masks import class_map

WHITE: Colour = (255, 255, 255)
_TINT = 0.45  # opacity of an area
_QUALITY = 88


class Pen:
    """Draws in frame pixels on a picture enlarged by `scale`."""

    def __init__(self, image: PIL.Image.Image, scale: float) -> None:
        self.image = image
        self.draw = PIL.ImageDraw.Draw(image)
        self.size = max(13, image.height // 40)
        self._scale = scale

    def rectangle(self, region: Region, colour: Colour, *, width: int) -> None:
        """Draw the outline of a region."""
        x, y = round(region.x * self._scale), round(region.y * self._scale)
        right, bottom = round(region.right * self._scale) - 1, round(region.bottom * self._scale) - 1
        self.draw.rectangle((x, y, max(x, right), max(y, bottom)), outline=colour, width=width)

    def label(self, x: int, y: int, text: str, colour: Colour) -> None:
        """Draw dark text on a coloured background above the point, kept inside the picture."""
        used = font(self.size)
        left, top, right, bottom = self.draw.textbbox((0, 0), text, font=used)
        width, height = right - left + 6, bottom - top + 4
        px = min(max(0, round(x * self._scale)), max(0, self.image.width - round(width)))
        py = min(max(0, round(y * self._scale) - round(height)), max(0, self.image.height - round(height)))
        self.draw.rectangle((px, py, px + width, py + height), fill=colour)
        self.draw.text((px + 3 - left, py + 2 - top), text, font=used, fill=(0, 0, 0))

    def cross(self, x: int, y: int, text: str) -> None:
        """Draw a cross at a point, with a text."""
        cx, cy, arm = int((x + 0.5) * self._scale), int((y + 0.5) * self._scale), 6
        self.draw.line((cx - arm, cy, cx + arm, cy), fill=WHITE, width=2)
        self.draw.line((cx, cy - arm, cx, cy + arm), fill=WHITE, width=2)
        self.label(x, y, text, WHITE)


def draw_prediction(pen: Pen, prediction: Prediction, threshold: float, *, scores: bool = True) -> None:
    """Draw the class, the boxes that reach the threshold, or the temperatures.

    `tint` draws areas. `scores`: include numbers.
    """
    region, answer = prediction.region, prediction.answer
    match answer:
        case Scores():
            best, score = answer.best, float(answer.values[answer.best])
            pen.label(region.x, region.y, _named(prediction, best, score, scores=scores), _colour(best))
        case Boxes():
            kept = answer.at_least(threshold)
            for xyxy, score, index in zip(kept.xyxy.tolist(), kept.scores.tolist(), kept.classes.tolist(), strict=True):
                left, top, right, bottom = (round(value) for value in xyxy)
                box = Region(max(0, left), max(0, top), max(1, right - left), max(1, bottom - top))
                pen.rectangle(box, _colour(index), width=2)
                pen.label(box.x, box.y, _named(prediction, index, score, scores=scores), _colour(index))
        case Temperatures():
            for spot in answer.hot_spots:
                pen.cross(spot.x, spot.y, f"{spot.kelvin - KELVIN_AT_0_C:.1f} °C")
            low, high = answer.minimum - KELVIN_AT_0_C, answer.maximum - KELVIN_AT_0_C
            source = f" ({answer.source})" if scores else ""
            pen.label(region.x, region.bottom, f"{low:.1f} - {high:.1f} °C{source}", WHITE)
        case Masks():
            pass
        case _:
            assert_never(answer)


def tint(picture: Picture, prediction: Prediction, threshold: float) -> None:
    """Colour the areas of a mask in a picture of the frame's size."""
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


def fitted(picture: Picture, *, shortest: int, longest: int) -> tuple[Picture, float]:
    """Return the picture scaled so that its longer side lies between these limits, and the scale factor."""
    side = max(picture.shape[:2])
    scale = min(1.0, longest / side) if side > shortest else shortest / side
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8), scale


def jpeg(picture: Picture) -> bytes:
    """Encode RGB uint8 [H, W, 3] as JPEG."""
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert encoded
    found: NDArray[np.uint8] = np.asarray(data, np.uint8)
    return found.tobytes()


@lru_cache(maxsize=8)
def font(size: int) -> PIL.ImageFont.FreeTypeFont:
    """Return the shipped font, which covers Japanese for class names."""
    return PIL.ImageFont.truetype(str(resources() / "fonts" / "NotoSansCJKjp-Regular.otf"), size)


def _named(prediction: Prediction, index: int, score: float, *, scores: bool) -> str:
    return f"{prediction.classes[index]} {score:.2f}" if scores else prediction.classes[index]


def _colour(index: int) -> Colour:
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]
