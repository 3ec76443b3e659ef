"""Where a network looked that is only asked for answers, without layers and gradients: pieces of the frame are covered."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
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
from inspector.workers.messages import BLACK_BOX, Explained, ExplainRequest

_GRID = 12  # places along a side
_COVERED = 2  # places along a side that are covered at once
_ALIKE = 0.5  # smallest IoU with the box that is explained
_MASKS = 256  # of RISE
_CELLS = 8  # along a side of a mask
_LITTLE = 1e-9  # of a number, below which it does not change
_SHOWN = 0.5  # share of the cells that a mask leaves

Numbers = Callable[[Iterable[Prepared]], Iterator[float]]  # from inputs to the explained number of each


def black_box(infer: Infer, card: Card, frame: Prepared, question: ExplainRequest) -> tuple[Floats, Explained]:
    """Return the heat map float32 [height, width], 0..1, of a network that is only asked for answers, and what it explains.

    The number that is explained is the score of a class, the sum of the scores of its boxes or of one box, the sum of its
    mask, or a temperature. Raises ConfigError for a wrong question.
    """
    method = question.method or (question.layer if question.layer in BLACK_BOX else "occlusion")
    if card.family and (method not in BLACK_BOX or question.layer not in (None, *BLACK_BOX)):
        raise ConfigError(
            "{bundle} was imported as a graph: it has no layers, and is explained by covering pieces of the frame.",
            remedy="Leave out the layer, and choose the method occlusion or rise.",
            bundle=card.name,
        )
    count, box = len(card.classes), question.box
    if question.class_index is not None and not 0 <= question.class_index < count:
        raise ConfigError("There is no class number {index}; there are {count}.", index=question.class_index, count=count)
    whole = answers_of(infer, card, frame[None])[0]
    if box is not None and not isinstance(whole.answer, Boxes):
        raise ConfigError("Only boxes of a detection bundle can be explained one by one.")
    if question.output is not None and (not isinstance(whole.answer, Temperatures) or question.output > 2):
        raise ConfigError("Only the outputs 0, 1 and 2 of a thermal bundle can be explained by number.")
    kind = explained_class(whole, card) if question.class_index is None else question.class_index
    output = question.output or 0

    def numbers(frames: Iterable[Prepared]) -> Iterator[float]:
        left = iter(frames)
        while some := list(islice(left, card.max_batch)):
            for answer in answers_of(infer, card, np.stack(some)):
                yield explained_number(answer, kind, box, output)

    target = explained_number(whole, kind, box, output)
    values = _occlusion(numbers, frame, target) if method == "occlusion" else _rise(numbers, frame)
    size = (card.input.width, card.input.height)
    heat = np.asarray(cv2.resize(np.maximum(values, 0), size, interpolation=cv2.INTER_LINEAR), np.float32)
    peak = float(heat.max())
    told = Explained(layer=method, class_index=kind if count else None, target=target)
    return (heat / peak if peak > 0 else heat), told


def _occlusion(numbers: Numbers, frame: Prepared, target: float) -> Floats:
    """Return how far the number falls where a place is covered with the frame's mean colour (Zeiler and Fergus, ECCV 2014)."""
    starts = [(y, x) for y in range(_GRID - _COVERED + 1) for x in range(_GRID - _COVERED + 1)]
    fallen, times = np.zeros((_GRID, _GRID), np.float32), np.zeros((_GRID, _GRID), np.float32)
    for place, number in zip(starts, numbers(_without(frame, *at) for at in starts), strict=True):
        window = tuple(slice(at, at + _COVERED) for at in place)
        fallen[window] += max(0.0, target - number)
        times[window] += 1
    return fallen / times


def _rise(numbers: Numbers, frame: Prepared) -> Floats:
    """Return how much larger the number is where random masks show a place (RISE, Petsiuk et al., BMVC 2018).

    A mask is a coarse grid of cells, half of which are shown, enlarged and moved by a random piece of a cell; where it hides,
    there is the frame's mean colour. The masks are the same for every frame. The numbers' own mean is taken off first, so that
    a place which some masks show more often by chance is not hot for that.
    """
    shape = frame.shape[:2]
    mean = frame.mean(axis=(0, 1), dtype=np.float64)

    def hidden(mask: Floats) -> Prepared:
        mixed = mean + (frame - mean) * mask[..., None]
        whole: Prepared = np.rint(mixed).astype(np.uint8) if frame.dtype == np.uint8 else mixed.astype(np.float32)
        return whole

    found = np.fromiter(numbers(map(hidden, _masks(shape))), np.float64, _MASKS)
    weights = found - found.mean()
    if float(np.abs(weights).max()) <= _LITTLE * max(1.0, float(np.abs(found).max())):
        return np.zeros(shape, np.float32)
    total = np.zeros(shape, np.float32)
    for weight, mask in zip(weights, _masks(shape), strict=True):
        total += np.float32(weight) * mask
    return total


def _masks(shape: tuple[int, int]) -> Iterator[Floats]:
    """Yield smooth random masks [height, width], 0..1, the same each time: kept, those of a large input would be a gigabyte."""
    height, width = shape
    tall, wide = -(-height // _CELLS), -(-width // _CELLS)
    rng = np.random.default_rng(0)
    for _ in range(_MASKS):
        cells = (rng.random((_CELLS + 1, _CELLS + 1)) < _SHOWN).astype(np.float32)
        large = cv2.resize(cells, (wide * (_CELLS + 1), tall * (_CELLS + 1)), interpolation=cv2.INTER_LINEAR)
        y, x = int(rng.integers(0, tall)), int(rng.integers(0, wide))
        yield np.ascontiguousarray(large[y : y + height, x : x + width], np.float32)


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


def explained_number(
    prediction: Prediction, kind: int, box: tuple[float, float, float, float] | None, output: int = 0
) -> float:
    """Return the number that an explanation of class `kind` is about; see `black_box`. `output`: which of the temperatures."""
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
        case Temperatures(maximum=maximum, mean=mean, minimum=minimum):
            return (maximum, mean, minimum)[output]
        case answer:
            assert_never(answer)
