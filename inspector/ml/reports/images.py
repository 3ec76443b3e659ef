"""Pictures of wrong answers: the frame with truth and prediction, and its heat map."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import IGNORE, Boxes, Floats, Frame, Masks, Scores, Temperatures
from inspector.imaging.visible import Picture, visible
from inspector.ml.train.quality import Wrong
from inspector.runs.folder import REPORT_IMAGES
from inspector.runs.report import Worst
from inspector.tasks.drawing import fitted, jpeg
from inspector.tasks.masks import class_map

# The heat of a class in a frame: float32 [h, w] in 0..1 that covers the frame; None if there is none.
Heat = Callable[[Frame, int | None], Floats | None]

_LONGEST, _SHORTEST = 640, 320  # px of a picture's longer side
_TRUTH = (0, 158, 115)  # green: the truth
_SAID = (213, 94, 0)  # vermillion: the prediction


def write_worst(folder: Path, worst: Sequence[Wrong], *, threshold: float, heat: Heat | None = None) -> tuple[Worst, ...]:
    """Save a picture of each mistake, and one with its heat if `heat` is given, into `folder`/report. Raises OSError."""
    place = folder / REPORT_IMAGES
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("worst-*.jpg"):
        old.unlink(missing_ok=True)
    result = []
    for number, wrong in enumerate(worst, start=1):
        name = f"worst-{number:02d}.jpg"
        picture, scale = fitted(visible(wrong.frame), shortest=_SHORTEST, longest=_LONGEST)
        (place / name).write_bytes(jpeg(_marked(picture.copy(), wrong, scale, threshold)))
        found = None if heat is None else heat(wrong.frame, wrong.mistake.focus)
        warm = ""
        if found is not None:
            warm = f"worst-{number:02d}-heat.jpg"
            (place / warm).write_bytes(jpeg(heated(picture, found)))
        result.append(
            Worst(
                sample=wrong.sample,
                truth=wrong.mistake.truth,
                said=wrong.mistake.said,
                score=wrong.mistake.score,
                image=f"{REPORT_IMAGES}/{name}",
                heat=f"{REPORT_IMAGES}/{warm}" if warm else "",
            )
        )
    return tuple(result)


def _marked(picture: Picture, wrong: Wrong, scale: float, threshold: float) -> Picture:
    """Return the frame with truth in green and prediction in vermillion: boxes, or the outlines of areas."""
    answer, truth, region = wrong.prediction.answer, wrong.truth, wrong.prediction.region
    match answer:
        case Boxes():
            if truth.boxes is not None:
                _boxes(picture, truth.boxes, scale, _TRUTH, 3)
            _boxes(picture, answer.at_least(threshold), scale, _SAID, 1)
        case Masks():
            if truth.mask is not None:
                said = np.zeros(truth.mask.shape, np.uint8)
                said[region.y : region.bottom, region.x : region.right] = class_map(wrong.prediction, threshold)
                _outline(picture, np.where(truth.mask == IGNORE, np.uint8(0), truth.mask), _TRUTH, 3)
                _outline(picture, said, _SAID, 1)
        case Scores() | Temperatures():
            pass
        case _:
            assert_never(answer)
    return picture


def _boxes(picture: Picture, boxes: Boxes, scale: float, colour: tuple[int, int, int], width: int) -> None:
    for left, top, right, bottom in np.rint(boxes.xyxy * scale).astype(int).tolist():
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, width)


def _outline(picture: Picture, mask: NDArray[np.uint8], colour: tuple[int, int, int], width: int) -> None:
    size = (picture.shape[1], picture.shape[0])
    large = np.asarray(cv2.resize(np.asarray(mask > 0, np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8)
    outlines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, colour, width)


def heated(picture: Picture, heat: Floats) -> Picture:
    """Return the frame overlaid with the heat, more opaque where the heat is stronger."""
    size = (picture.shape[1], picture.shape[0])
    large = np.clip(np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32), 0, 1)
    coloured = cv2.cvtColor(cv2.applyColorMap((large * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = (0.25 + 0.5 * large)[:, :, None]
    mixed: NDArray[np.float32] = picture * (1 - opacity) + np.asarray(coloured, np.float32) * opacity
    return np.rint(mixed).astype(np.uint8)
