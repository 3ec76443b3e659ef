"""Ultralytics YOLO: detect, segment, semantic and classify, with suppression inside the graph or without; YOLOv5; RT-DETR.

Outputs, C classes, A places, D factors of a mask:
[1, 4 + C (+ D), A]      centre x, y, width, height in input pixels, then a score for each class
[1, A, 5 + C (+ D)]      YOLOv5: with a score of the object before those of the classes
[1, A, 4 + C]            RT-DETR until 2025: as fractions of the input
[1, A, 6]                RT-DETR since: centre x, y, width, height as fractions of the input, score, class
[1, 300, 6 (+ D)]        after suppression: left, top, right, bottom in input pixels, score, class
[1, D, h, w]             masks that the factors add up
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from inspector.adapters import heads
from inspector.adapters.base import UNIT, Adapter, Arrays, Plan, Wishes, classes_of, normalisation, square_input, wrong_count
from inspector.adapters.graph import ForeignGraph, real_outputs
from inspector.adapters.nodes import Nodes
from inspector.adapters.runtime import Seen, boxes_in_frame, drawn, greedy
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, Floats, Masks, Scores, TaskName

Form = Literal["places", "yolov5", "fractions", "chosen", "final", "class map", "scores"]
_TASKS: Mapping[str, tuple[TaskName, ...]] = {
    "detect": ("detection",),
    "segment": ("segmentation", "detection"),
    "semantic": ("segmentation",),
    "classify": ("classification",),
}
_SCORE, _OVERLAP, _OVERLAP_5, _FLOOR = 0.25, 0.7, 0.45, 0.05  # what `yolo predict` and YOLOv5's detect.py use
_FRACTIONS = 2.0  # pixels: boxes that all lie within are no boxes in pixels
_STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64))
_BACKGROUND = ("background", "_background_", "bg")


class Ultralytics(Adapter):
    """A graph that `yolo export format=onnx` wrote."""

    family: ClassVar[str] = "Ultralytics YOLO"

    def __init__(
        self, graph: ForeignGraph, plan: Plan, form: Form, shapes: Mapping[str, tuple[int, ...]], *, lowest: int = 0
    ) -> None:
        """`lowest`: the value of the first class in a class map."""
        super().__init__(graph, plan)
        self._form, self._shapes, self._lowest = form, shapes, lowest
        names = [one.name for one in graph.outputs]
        self._first = names[0]
        self._masks = names[1] if len(names) > 1 and len(shapes[names[1]]) == 4 else ""

    @classmethod
    def recognise(cls, graph: ForeignGraph, wishes: Wishes) -> "Ultralytics | None":
        kind = graph.metadata.get("task") or ("detect" if "stride" in graph.metadata and "names" in graph.metadata else "")
        known = graph.metadata.get("author") == "Ultralytics" or "stride" in graph.metadata
        if not known:
            kind = _kind_by_shape(graph)
        if not kind:
            return None
        if kind not in _TASKS:
            raise ConfigError(
                "{file} is an Ultralytics network for {kind}; it can be imported for {kinds}.",
                file=graph.file,
                kind=kind,
                kinds=", ".join(_TASKS),
            )
        size = graph.value("imgsz")
        square = (int(size[1]), int(size[0])) if isinstance(size, list) and len(size) == 2 else None
        cropped = kind == "classify"
        spec = square_input(
            graph,
            wishes,
            size=square,
            fit="crop" if cropped else "stretch" if _is_rt_detr(graph) else "letterbox",
            resample="antialias" if cropped else "linear",
        )
        mean, std = normalisation(wishes, spec.channels, UNIT)
        plan = Plan("detection", (), spec, mean, std)
        shapes = real_outputs(graph, spec)
        if kind == "detect" and len(graph.outputs) > 1 and len(shapes[graph.outputs[1].name]) == 4:
            kind = "segment"  # YOLOv5 names no task
        return cls._of(graph, wishes, plan, kind, shapes)

    @classmethod
    def _of(
        cls, graph: ForeignGraph, wishes: Wishes, plan: Plan, kind: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> "Ultralytics":
        first = shapes[graph.outputs[0].name]
        extra = shapes[graph.outputs[1].name][1] if kind == "segment" and len(graph.outputs) > 1 else 0
        form, count, classes = _form(graph, wishes, kind, first, extra)
        if count is not None and len(classes) != count:
            raise wrong_count(graph, classes, count)
        offered = _TASKS[kind]
        task = wishes.task or offered[0]
        if task not in offered:
            raise ConfigError(
                "{file} cannot be used for {task}: it is an Ultralytics network for {kind}.",
                file=graph.file,
                task=task,
                kind=kind,
            )
        overlap = 1.0 if form in ("final", "fractions", "chosen") else _overlap(form)
        thresholds: dict[str, float] = {
            "detection": {"score": _SCORE, "floor": _FLOOR, "nms_iou": overlap},
            "segmentation": {"mask": 0.5 if form == "class map" else _SCORE},
        }.get(task, {"score": 0.5})
        lowest = 0
        if form == "class map" and (len(classes) == 1 or classes[0].lower() in _BACKGROUND):
            classes, lowest = classes[1:] or classes, 1
        return cls(graph, replace(plan, task=task, classes=classes, thresholds=thresholds), form, shapes, lowest=lowest)

    def head(self, nodes: Nodes, outputs: Mapping[str, str]) -> str:
        first, spec, count = outputs[self._first], self.plan.input, len(self.plan.classes)
        if self._form == "scores":
            return first
        if self._form == "class map":
            numbers = nodes.shaped(first, 0, spec.height, spec.width, 1)
            return nodes.transpose(nodes.one_hot(numbers, range(self._lowest, self._lowest + count)), 0, 3, 1, 2)
        if self._form == "places":
            first = nodes.transpose(first, 0, 2, 1)
        width = {"places": 4 + count, "fractions": 4 + count, "yolov5": 5 + count, "final": 6, "chosen": 6}[self._form]
        if self._form in ("final", "chosen"):
            boxes = nodes.part(first, 0, 4)
            boxes = boxes if self._form == "final" else nodes.corners(boxes)
            scores = nodes.add("Mul", nodes.part(first, 4, 5), nodes.one_hot(nodes.part(first, 5, 6), range(count)))
        else:
            boxes = nodes.corners(nodes.part(first, 0, 4))
            scores = nodes.only_best(nodes.part(first, width - count, width))
            if self._form == "yolov5":
                scores = nodes.add("Mul", scores, nodes.part(first, 4, 5))
        if self.plan.task == "detection":
            shares = boxes if self._form in ("fractions", "chosen") else nodes.scaled(boxes, heads.fractions(spec))
            return heads.detections(nodes, shares, scores)
        _, depth, high, wide = self._shapes[self._masks]
        places = self._shapes[self._first][2 if self._form == "places" else 1]
        found = heads.Objects(boxes, scores, nodes.part(first, width, width + depth), places)
        if self._form != "final":
            found = heads.suppressed(nodes, found, _overlap(self._form))
        return heads.planes(nodes, found, spec, count, (high, wide), prototypes=outputs[self._masks], cut=True)

    def answer(self, outputs: Arrays, seen: Seen) -> Answer:
        spec, count = self.plan.input, len(self.plan.classes)
        rows: Floats = np.asarray(outputs[self._first][0], np.float32)
        if self._form == "scores":
            return Scores(rows)
        if self._form == "class map":
            numbers = rows.reshape(spec.height, spec.width)
            planes = np.stack([numbers == self._lowest + index for index in range(count)])
            return Masks(seen.content(planes.astype(np.uint8) * np.uint8(255)))
        if self._form in ("final", "chosen"):
            self._check_scores(rows[:, 4])
            rows = rows[rows[:, 4] > self.floor]
            boxes, scores, classes, factors = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), rows[:, 6:]
            if self._form == "chosen":
                boxes = _corners(boxes) * np.array([spec.width, spec.height] * 2, np.float32)
        else:
            rows = rows.T if self._form == "places" else rows
            begin = 5 if self._form == "yolov5" else 4
            self._check_scores(rows[:, begin : begin + count])
            each = rows[:, begin : begin + count] * (rows[:, 4:5] if begin == 5 else 1)
            likely = each.max(axis=1) > self.floor
            rows, each = rows[likely], each[likely]
            boxes = _corners(rows)
            scores, classes, factors = each.max(axis=1), each.argmax(axis=1), rows[:, begin + count :]
            if self._form == "fractions":
                boxes *= np.array([spec.width, spec.height] * 2, np.float32)
            else:
                left = greedy(boxes, scores, classes, _overlap(self._form))
                boxes, scores, classes, factors = boxes[left], scores[left], classes[left], factors[left]
        if len(boxes) and float(np.abs(boxes).max()) <= _FRACTIONS:
            raise ConfigError(
                "{file} gives boxes as fractions of the picture, where pixels of its input are expected.",
                remedy="Export it again: yolo export format=onnx.",
                file=self.graph.file,
            )
        if self.plan.task == "detection":
            return boxes_in_frame(boxes, scores, classes, seen)
        layers = np.asarray(outputs[self._masks][0], np.float32)
        masks = np.tensordot(factors, layers, axes=1)
        return Masks(drawn(masks, scores, classes, count, seen, boxes))

    def _check_scores(self, scores: Floats) -> None:
        """Raise ConfigError unless scores are 0 to 1: an angle or key points in their place look like those of a class."""
        low, high = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
        if not -0.01 <= low <= high <= 1.01:
            raise ConfigError(
                "{file} gives values from {low:.3g} to {high:.3g} where scores from 0 to 1 are expected.",
                remedy="Export it for detection, with its metadata: yolo export format=onnx.",
                file=self.graph.file,
                low=low,
                high=high,
            )

    @property
    def floor(self) -> float:
        """The lowest score that the reference keeps: masks of weaker objects count as soon as the threshold is lowered."""
        return self.plan.thresholds.get("floor", 0.01)


def _corners(rows: Floats) -> Floats:
    """Return left, top, right, bottom [N, 4] of rows that begin with centre x, y, width and height."""
    sides = [rows[:, side] + sign * rows[:, 2 + side] / 2 for sign in (-1, 1) for side in (0, 1)]
    return np.stack(sides, axis=1)


def _is_rt_detr(graph: ForeignGraph) -> bool:
    return graph.metadata.get("head") == "RTDETRDecoder"


def _joins_three(graph: ForeignGraph) -> bool:
    """Return whether the first output joins three parts (boxes, scores, class numbers) and not two (boxes, scores)."""
    makers = {name: node for node in graph.model.graph.node for name in node.output}
    node = makers.get(graph.outputs[0].name)
    while node is not None and node.op_type in ("Cast", "Identity"):
        node = makers.get(node.input[0])
    return node is not None and node.op_type == "Concat" and len(node.input) == 3


def _overlap(form: Form) -> float:
    return _OVERLAP_5 if form == "yolov5" else _OVERLAP


def _form(
    graph: ForeignGraph, wishes: Wishes, kind: str, first: tuple[int, ...], extra: int
) -> tuple[Form, int | None, tuple[str, ...]]:
    """Return the form of the output, the number of classes that it has (None: it does not show), and the classes."""
    if kind == "classify" and len(first) == 2:
        return "scores", first[1], classes_of(graph, wishes, count=first[1])
    if kind == "semantic" and len(first) in (3, 4):
        return "class map", None, classes_of(graph, wishes)
    if kind in ("detect", "segment") and len(first) == 3:
        high, wide = first[1] - extra, first[2] - extra
        named = classes_of(graph, wishes)
        if _is_rt_detr(graph) and wide == 6 and (len(named) != 2 or _joins_three(graph)):
            return "chosen", None, named or classes_of(graph, wishes, count=1)
        if _is_rt_detr(graph):
            return "fractions", wide - 4, classes_of(graph, wishes, count=wide - 4)
        if "task" not in graph.metadata and "stride" in graph.metadata and wide == 5 + len(named):
            return "yolov5", wide - 5, named
        if wide == 6 and first[1] <= 1000:
            return "final", None, named or classes_of(graph, wishes, count=1)
        if high > 4:
            return "places", high - 4, classes_of(graph, wishes, count=high - 4)
    raise ConfigError(
        "{file} is an Ultralytics network for {kind}, with an output that is not known; {found}.",
        remedy="Export it again: yolo export format=onnx.",
        file=graph.file,
        kind=kind,
        found=graph.described,
    )


def _kind_by_shape(graph: ForeignGraph) -> str:
    """Return "detect" or "segment" for a graph without metadata whose outputs have YOLO's shapes; otherwise ""."""
    first, shape = graph.outputs[0].shape, graph.image.shape
    if len(first) == 3 and first[1:] == (300, 6) and len(graph.outputs) == 1:
        return "detect"
    height, width = shape[2:]
    if len(first) != 3 or None in first or height is None or width is None:
        return ""
    places = [sum((height // step) * (width // step) for step in steps) for steps in _STRIDES]
    if first[2] in places and (first[1] or 0) > 4:
        return "segment" if len(graph.outputs) > 1 and len(graph.outputs[1].shape) == 4 else "detect"
    return ""
