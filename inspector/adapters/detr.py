"""Detectors of the DETR kind: RF-DETR, and D-FINE, DEIM and RT-DETR as their repositories or transformers export them.

Outputs, Q queries, C classes:
dets, labels (, masks)       RF-DETR: boxes [1, Q, 4] as fractions, logits [1, Q, C + 1] of which the last is no object, masks
pred_boxes, logits           transformers: boxes [1, Q, 4] as fractions; logits [1, Q, C]
labels, boxes, scores        with the size of the picture as a second input: classes [1, Q], boxes [1, Q, 4] in pixels of it

A box is centre x, y, width, height, except in the last form: left, top, right, bottom. Nothing is suppressed.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from inspector.adapters import heads
from inspector.adapters.base import (
    IMAGENET,
    UNIT,
    Adapter,
    Arrays,
    Plan,
    Wishes,
    classes_of,
    normalisation,
    square_input,
    wrong_count,
)
from inspector.adapters.graph import ForeignGraph, real_outputs
from inspector.adapters.nodes import Nodes
from inspector.adapters.runtime import Seen, boxes_in_frame, drawn
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, Floats, Masks

Form = Literal["rf-detr", "transformers", "deployed"]
_BOXES = {"rf-detr": "dets", "transformers": "pred_boxes", "deployed": "boxes"}
_SCORES = {"rf-detr": "labels", "transformers": "logits", "deployed": "scores"}
_SIZES = ("orig_target_sizes", "orig_target_size")
_SCORE, _FLOOR = 0.5, 0.05


class Detr(Adapter):
    """A graph whose queries are objects."""

    family: ClassVar[str] = "DETR"

    def __init__(self, graph: ForeignGraph, plan: Plan, form: Form, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(graph, plan)
        self._form, self._shapes = form, shapes

    @classmethod
    def recognise(cls, graph: ForeignGraph, wishes: Wishes) -> "Detr | None":
        form = _form(graph)
        if form is None:
            return None
        spec = square_input(graph, wishes, resample="linear" if form == "rf-detr" else "antialias")
        mean, std = normalisation(wishes, spec.channels, IMAGENET if form == "rf-detr" else UNIT)
        constants = {}
        if form == "deployed":
            constants[graph.inputs[1].name] = np.array([[spec.width, spec.height]], np.int64)
        shapes = real_outputs(graph, spec, constants)
        columns = shapes[_SCORES[form]][-1] if form != "deployed" else None
        classes = classes_of(graph, wishes, count=None if columns is None else columns - (form == "rf-detr"))
        if not classes:
            raise ConfigError(
                "{file} names none of its classes; {found}.",
                remedy="Give their names, one a line, in the order that the network was trained with: --classes FILE.",
                file=graph.file,
                found=graph.described,
            )
        if columns is not None and columns - len(classes) not in ((0, 1) if form == "rf-detr" else (0,)):
            raise wrong_count(graph, classes, columns)
        task = wishes.task or ("segmentation" if "masks" in shapes and form == "rf-detr" else "detection")
        if task not in ("detection", "segmentation") or (task == "segmentation" and "masks" not in shapes):
            raise ConfigError("{file} cannot be used for {task}; {found}.", file=graph.file, task=task, found=graph.described)
        thresholds = {"score": _SCORE, "floor": _FLOOR, "nms_iou": 1.0} if task == "detection" else {"mask": _SCORE}
        plan = Plan(task, classes, spec, mean, std, thresholds=thresholds, constants=constants)
        return cls(graph, plan, form, shapes)

    def head(self, nodes: Nodes, outputs: Mapping[str, str]) -> str:
        spec, count = self.plan.input, len(self.plan.classes)
        boxes, scores = outputs[_BOXES[self._form]], outputs[_SCORES[self._form]]
        if self._form == "deployed":
            boxes = nodes.scaled(boxes, heads.fractions(spec))
            queries = self._shapes["scores"][1]
            kinds = nodes.one_hot(nodes.shaped(outputs["labels"], 0, queries, 1), range(count))
            scores = nodes.add("Mul", nodes.shaped(scores, 0, queries, 1), kinds)
        else:
            boxes = nodes.corners(boxes)
            scores = nodes.add("Sigmoid", nodes.part(scores, 0, count))
        if self.plan.task == "detection":
            return heads.detections(nodes, boxes, scores)
        _, queries, high, wide = self._shapes["masks"]
        masks = nodes.shaped(outputs["masks"], 0, queries, high * wide)
        found = heads.Objects(nodes.scaled(boxes, heads.pixels(spec)), scores, masks, queries)
        return heads.planes(nodes, found, spec, count, (high, wide), cut=False)

    def answer(self, outputs: Arrays, seen: Seen) -> Answer:
        spec, count = self.plan.input, len(self.plan.classes)
        boxes = np.asarray(outputs[_BOXES[self._form]][0], np.float64)
        given: Floats = np.asarray(outputs[_SCORES[self._form]][0], np.float32)
        size = np.array([spec.width, spec.height] * 2, np.float32)
        if self._form == "deployed":
            scores, classes, query = given.astype(np.float64), np.asarray(outputs["labels"][0], np.int64), np.arange(len(given))
            likely = (scores > _FLOOR) & (classes < count)
            scores, classes, query = scores[likely], classes[likely], query[likely]
        else:
            every = 1 / (1 + np.exp(-given.astype(np.float64)))
            query, classes = np.nonzero(every[:, :count] > _FLOOR)
            scores = every[query, classes]
            half = boxes[:, 2:] / 2
            boxes = np.hstack([boxes[:, :2] - half, boxes[:, :2] + half]) * size
        order = np.argsort(-scores, kind="stable")[:300]
        found, scores, classes = boxes[query[order]], scores[order], classes[order]
        if self.plan.task == "detection":
            return boxes_in_frame(np.asarray(found, np.float32), np.asarray(scores, np.float32), classes, seen)
        masks = np.asarray(outputs["masks"][0], np.float32)[query[order]]
        return Masks(drawn(masks, np.asarray(scores, np.float32), classes, count, seen, None))


def _form(graph: ForeignGraph) -> Form | None:
    names = {one.name for one in graph.outputs}
    if {"dets", "labels"} <= names:  # MMDeploy has the same names, for boxes with their score and classes as numbers
        boxes, scores = graph.output("dets"), graph.output("labels")
        alike = boxes is not None and scores is not None and len(scores.shape) == 3 and boxes.shape[-1] == 4
        return "rf-detr" if alike else None
    if {"pred_boxes", "logits"} <= names:
        return "transformers"
    if {"labels", "boxes", "scores"} <= names and len(graph.inputs) == 2 and graph.inputs[1].name in _SIZES:
        return "deployed"
    return None
