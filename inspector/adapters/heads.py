"""Parts of heads that several families share: boxes as detections, and the masks of single objects as planes of classes."""

from dataclasses import dataclass

import numpy as np

from inspector.adapters.nodes import Nodes
from inspector.imaging.preprocessing import InputSpec

CANDIDATES = 300  # objects that enter non-maximum suppression, best first
OBJECTS = 32  # objects of a picture whose masks are drawn, best first
_ROUNDS = 12  # longest chain of boxes of which each suppresses the next


def detections(nodes: Nodes, boxes: str, scores: str) -> str:
    """Return the output of detection from boxes [N, A, 4], left to bottom as fractions, and scores [N, A, C]."""
    return nodes.joined(boxes, scores)


def fractions(spec: InputSpec) -> list[float]:
    """Return the factors that convert (left, top, right, bottom) in input pixels to fractions."""
    return [1 / spec.width, 1 / spec.height] * 2


def pixels(spec: InputSpec) -> list[float]:
    """Return the factors that convert (left, top, right, bottom) as fractions to input pixels."""
    return [float(spec.width), float(spec.height)] * 2


def resized(nodes: Nodes, planes: str, size: tuple[int, int], spec: InputSpec) -> str:
    """Return planes [N, K, height, width] of this `size`, (height, width), interpolated to that of the input."""
    if size == (spec.height, spec.width):
        return planes
    scales = nodes.constant(np.array([1, 1, spec.height / size[0], spec.width / size[1]], np.float32))
    return nodes.add("Resize", planes, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")


@dataclass(frozen=True, slots=True)
class Objects:
    """Tensors of the objects found: boxes [N, A, 4] in input pixels, scores [N, A, C], `rest` [N, A, D]: what masks need."""

    boxes: str
    scores: str
    rest: str
    count: int


def suppressed(nodes: Nodes, found: Objects, overlap: float) -> Objects:
    """Apply greedy non-maximum suppression within each class; each object has one class.

    Repeats "an object stays unless one that stays and is better covers it", starting from all. That gives the greedy result as
    soon as it has been repeated as often as the longest chain is long (Zheng et al., "Enhancing Geometric Factors", 2020).
    """
    best = _best(nodes, found, CANDIDATES)
    left, top, right, bottom = (nodes.part(best.boxes, side, side + 1) for side in range(4))
    zero = nodes.constant(np.float32(0))
    sides = []
    for low, high in ((left, right), (top, bottom)):
        end = nodes.add("Min", high, nodes.transpose(high, 0, 2, 1))
        begin = nodes.add("Max", low, nodes.transpose(low, 0, 2, 1))
        sides.append(nodes.add("Max", nodes.add("Sub", end, begin), zero))
    both = nodes.add("Mul", *sides)
    area = nodes.add("Mul", nodes.add("Sub", right, left), nodes.add("Sub", bottom, top))
    union = nodes.add("Sub", nodes.add("Add", area, nodes.transpose(area, 0, 2, 1)), both)
    large = nodes.cast(nodes.add("Greater", both, nodes.scaled(union, overlap)))
    kind = nodes.cast(nodes.add("Greater", best.scores, zero))
    same = nodes.cast(nodes.add("Greater", nodes.add("MatMul", kind, nodes.transpose(kind, 0, 2, 1)), zero))
    better = nodes.constant(np.triu(np.ones((1, best.count, best.count), np.float32), k=1))
    covers = nodes.add("Mul", nodes.add("Mul", large, same), better)
    one = nodes.constant(np.float32(1))
    gone = nodes.largest(covers, 1)
    for _ in range(_ROUNDS):
        stays = nodes.transpose(nodes.add("Sub", one, gone), 0, 2, 1)
        gone = nodes.largest(nodes.add("Mul", covers, stays), 1)
    stays = nodes.transpose(nodes.add("Sub", one, gone), 0, 2, 1)
    return Objects(best.boxes, nodes.add("Mul", best.scores, stays), best.rest, best.count)


def planes(
    nodes: Nodes, found: Objects, spec: InputSpec, classes: int, size: tuple[int, int], *, prototypes: str = "", cut: bool
) -> str:
    """Return planes [N, classes, H, W]: at each pixel the score of the best object of the class that covers it.

    `size`: (height, width) of the masks. `rest` holds the mask logits of each object or, with `prototypes` [N, D, h, w], the
    factors of their sum. `cut`: masks end at the box.
    """
    best = _best(nodes, found, OBJECTS)
    height, width = size
    logits = best.rest
    if prototypes:
        logits = nodes.add("MatMul", best.rest, nodes.shaped(prototypes, 0, 0, -1))
    logits = resized(nodes, nodes.shaped(logits, 0, 0, height, width), size, spec)
    inside = nodes.cast(nodes.add("Greater", logits, nodes.constant(np.float32(0))))
    if cut:
        for side, shape in ((0, (1, 1, 1, spec.width)), (1, (1, 1, spec.height, 1))):
            places = nodes.constant(np.arange(max(shape), dtype=np.float32).reshape(shape))
            low, high = (nodes.shaped(nodes.part(best.boxes, at, at + 1), 0, 0, 1, 1) for at in (side, side + 2))
            inside = nodes.add("Mul", inside, nodes.cast(nodes.add("GreaterOrEqual", places, low)))
            inside = nodes.add("Mul", inside, nodes.cast(nodes.add("Less", places, high)))
    each = [nodes.shaped(nodes.part(best.scores, index, index + 1), 0, 0, 1, 1) for index in range(classes)]
    return nodes.joined(*(nodes.largest(nodes.add("Mul", inside, score), 1) for score in each), axis=1)


def _best(nodes: Nodes, found: Objects, most: int) -> Objects:
    """Return the objects with the highest scores, best first."""
    count = min(most, found.count)
    rank = nodes.largest(found.scores, -1, keep=False)
    number = nodes.constant(np.array([count], np.int64))
    order = nodes.add("TopK", rank, number, outputs=2, axis=-1, largest=1, sorted=1)
    places = nodes.shaped(f"{order}_1", 0, count, 1)
    boxes, scores, rest = (
        nodes.add("GatherND", value, places, batch_dims=1) for value in (found.boxes, found.scores, found.rest)
    )
    return Objects(boxes, scores, rest, count)
