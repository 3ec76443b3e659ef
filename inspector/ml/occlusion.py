"""Where a network without gradients looked: pieces of the frame are covered in turn (Zeiler and Fergus, ECCV 2014)."""

from typing import assert_never

import cv2
import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, Floats, Masks, Prediction, Scores, Temperatures
from inspector.imaging.preprocessing import Prepared
from inspector.ml.evaluate import Infer
from inspector.tasks.base import card_threshold, task_of
from inspector.tasks.boxes import box_iou
from inspector.tasks.statistics.truth import input_frame, input_view
from inspector.workers.messages import ExplainRequest

LAYER = "occlusion"  # in place of a layer's name
_GRID = 12  # places along a side
_COVERED = 2  # places along a side that are covered at once
_ALIKE = 0.5  # smallest IoU with the box that is explained


def occlusion(infer: Infer, card: Card, frame: Prepared, question: ExplainRequest) -> tuple[Floats, int, float]:
    """Return the heat map float32 [height, width], 0..1, the class that it explains and its number for the whole frame.

    A place is the hotter, the more the number falls where it is covered with the frame's mean colour. The number is the score
    of a class, the sum of the scores of its boxes or of one box, or the sum of its mask. Raises ConfigError for a wrong
    question.
    """
    if question.layer not in (None, LAYER) or question.method is not None:
        raise ConfigError(
            "{bundle} was imported as a graph: it has no layers, and is explained by covering pieces of the frame.",
            remedy="Leave out the layer and the method.",
            bundle=card.name,
        )
    count, box = len(card.classes), question.box
    if question.class_index is not None and not 0 <= question.class_index < count:
        raise ConfigError("There is no class number {index}; there are {count}.", index=question.class_index, count=count)
    whole = answers_of(infer, card, frame[None])[0]
    if box is not None and not isinstance(whole.answer, Boxes):
        raise ConfigError("Only boxes of a detection bundle can be explained one by one.")
    kind = explained_class(whole, card) if question.class_index is None else question.class_index
    target = explained_number(whole, kind, box)
    starts = [(y, x) for y in range(_GRID - _COVERED + 1) for x in range(_GRID - _COVERED + 1)]
    fallen, times = np.zeros((_GRID, _GRID), np.float32), np.zeros((_GRID, _GRID), np.float32)
    for begin in range(0, len(starts), card.max_batch):
        piece = starts[begin : begin + card.max_batch]
        for place, answer in zip(piece, answers_of(infer, card, np.stack([_without(frame, *at) for at in piece])), strict=True):
            window = tuple(slice(at, at + _COVERED) for at in place)
            fallen[window] += max(0.0, target - explained_number(answer, kind, box))
            times[window] += 1
    heat = np.asarray(
        cv2.resize(fallen / times, (card.input.width, card.input.height), interpolation=cv2.INTER_LINEAR), np.float32
    )
    peak = float(heat.max())
    return (heat / peak if peak > 0 else heat), kind, target


def _without(frame: Prepared, y: int, x: int) -> Prepared:
    """Return the frame with a window of the grid covered."""
    height, width = frame.shape[:2]
    covered = frame.copy()
    rows, columns = (slice(at * side // _GRID, (at + _COVERED) * side // _GRID) for at, side in ((y, height), (x, width)))
    covered[rows, columns] = np.rint(frame.mean(axis=(0, 1))).astype(frame.dtype)
    return covered


def answers_of(infer: Infer, card: Card, frames: Prepared) -> list[Prediction]:
    """Return the answer for each input [N, height, width, C], whose pixels count as the frame's."""
    pictures = [input_frame(frame, card.input, row) for row, frame in enumerate(frames)]
    return task_of(card.task).decode(infer(frames), card, [input_view(card.input)] * len(frames), pictures)


def explained_class(prediction: Prediction, card: Card) -> int:
    """Return the class that an answer is explained by: its best, of temperatures 0."""
    match prediction.answer:
        case Scores() as scores:
            return scores.best
        case Boxes() as boxes:
            return int(boxes.classes[int(boxes.scores.argmax())]) if len(boxes) else 0
        case Masks(planes):
            limit = round(card_threshold(card) * 255)
            return int((planes >= limit).sum(axis=(1, 2)).argmax())
        case Temperatures():
            return 0
        case answer:
            assert_never(answer)


def explained_number(prediction: Prediction, kind: int, box: tuple[float, float, float, float] | None) -> float:
    """Return the number that an explanation of class `kind` is about; see `occlusion`. Of temperatures it is the highest."""
    match prediction.answer:
        case Scores(values):
            return float(values[kind])
        case Masks(planes):
            return float(planes[kind].sum(dtype=np.float64)) / 255
        case Boxes() as boxes:
            wanted = boxes.classes == kind
            if box is None:
                return float(boxes.scores[wanted].sum())
            alike = box_iou(boxes.xyxy, np.asarray([box], np.float32))[:, 0] >= _ALIKE
            return float(boxes.scores[wanted & alike].max(initial=0.0))
        case Temperatures(maximum=maximum):
            return maximum
        case answer:
            assert_never(answer)
