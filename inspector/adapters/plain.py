"""Graphs without a family, as from torchvision and timm: the scores [N, C] of a classifier, the planes [N, C, h, w] of a mask.

Nothing in such a graph says how pictures are resized and normalised: they are stretched, and normalised with the statistics of
ImageNet, unless a person says otherwise.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import cv2
import numpy as np

from inspector.adapters import heads
from inspector.adapters.base import (
    IMAGENET,
    Adapter,
    Arrays,
    Plan,
    Wishes,
    classes_of,
    normalisation,
    square_input,
    wrong_count,
)
from inspector.adapters.graph import ForeignGraph, Session, real_outputs
from inspector.adapters.nodes import Nodes
from inspector.adapters.runtime import Seen
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, Floats, Masks, Scores
from inspector.imaging.preprocessing import InputSpec

_BACKGROUND = ("background", "__background__", "_background_", "bg")
_WHOLE = frozenset({2, 3, 4, 5, 6, 7, 9, 12, 13})  # onnx.TensorProto: integers and truth values
_KEEP = ("Identity", "Reshape", "Squeeze", "Flatten", "Cast", "Resize", "Transpose")  # values stay probabilities
Last = Literal["Softmax", "Sigmoid", ""]


class Plain(Adapter):
    """One output, which is a classifier's or a segmentation's."""

    family: ClassVar[str] = "ONNX"

    def __init__(self, graph: ForeignGraph, plan: Plan, shape: tuple[int, ...], *, skipped: int, last: Last) -> None:
        """`shape`: of the output; `skipped`: the number of classes before those of the plan (1: a background).

        `last`: what made the output.
        """
        super().__init__(graph, plan)
        self._shape, self._skipped, self._last = shape, skipped, last

    @classmethod
    def recognise(cls, graph: ForeignGraph, wishes: Wishes) -> "Plain | None":
        if not (len(graph.outputs) == 1 or graph.outputs[0].name == "out") or len(graph.inputs) != 1:
            return None
        if len(graph.outputs[0].shape) not in (2, 4):
            return None
        if graph.outputs[0].kind in _WHOLE:
            raise ConfigError(
                "{file} gives whole numbers, in which no score is left; {found}.",
                remedy="Export it without the last step, which chooses the best class.",
                file=graph.file,
                found=graph.described,
            )
        spec = square_input(graph, wishes)
        shape = real_outputs(graph, spec)[graph.outputs[0].name]
        task = "classification" if len(shape) == 2 else "segmentation"
        columns = shape[1]
        if wishes.task not in (None, task):
            raise ConfigError(
                "{file} cannot be used for {task}; {found}.", file=graph.file, task=wishes.task, found=graph.described
            )
        if task == "classification" and columns < 2:
            raise ConfigError("{file} has one output value, and a classifier has one for each class.", file=graph.file)
        last = _last(graph) or (_by_values(graph, spec) if task == "classification" else "")
        if task == "classification" and last == "Sigmoid":
            raise ConfigError(
                "{file} gives each class a score of its own; a classifier names one class for each picture.", file=graph.file
            )
        classes = classes_of(graph, wishes, count=columns)
        skipped = 0
        if task == "segmentation" and columns > 1 and len(classes) in (columns, columns - 1):
            skipped = int(len(classes) < columns or classes[0].lower() in _BACKGROUND)
            classes = classes[1:] if len(classes) == columns and skipped else classes
        if len(classes) + skipped != columns:
            raise wrong_count(graph, classes, columns)
        mean, std = normalisation(wishes, spec.channels, IMAGENET)
        thresholds = {"score": 0.5} if task == "classification" else {"mask": 0.5}
        return cls(graph, Plan(task, classes, spec, mean, std, thresholds=thresholds), shape, skipped=skipped, last=last)

    def head(self, nodes: Nodes, outputs: Mapping[str, str]) -> str:
        spec, value = self.plan.input, outputs[self.graph.outputs[0].name]
        if self.plan.task == "classification":
            return value if self._last == "Softmax" else nodes.add("Softmax", value, axis=-1)
        value = heads.resized(nodes, value, (self._shape[2], self._shape[3]), spec)
        if not self._last:
            value = nodes.add("Sigmoid", value) if self._shape[1] == 1 else nodes.add("Softmax", value, axis=1)
        return nodes.part(value, self._skipped, self._shape[1], axis=1)

    def answer(self, outputs: Arrays, seen: Seen) -> Answer:
        values: Floats = np.asarray(outputs[self.graph.outputs[0].name][0], np.float32)
        if self.plan.task == "classification":
            return Scores(values if self._last == "Softmax" else _shares(values))
        if not self._last and len(values) == 1 and float(values.min()) >= 0:
            raise ConfigError(
                "{file} gives values from {low:.3g} to {high:.3g}; those of a mask are below 0 where nothing is.",
                remedy="Export it with a Sigmoid as the last step, or with the post-processor of anomalib.",
                file=self.graph.file,
                low=float(values.min()),
                high=float(values.max()),
            )
        height, width = seen.pixels.shape[:2]
        large = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in values])
        if not self._last:
            large = 1 / (1 + np.exp(-large)) if len(large) == 1 else _shares(large)
        return Masks(seen.content(np.rint(large[self._skipped :] * 255).clip(0, 255).astype(np.uint8)))


def _shares(values: Floats) -> Floats:
    """Return the softmax along the first axis."""
    raised = np.exp(values.astype(np.float64) - values.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0), np.float32)


def _by_values(graph: ForeignGraph, spec: InputSpec) -> Last:
    """Return what made the output by its values for a few pictures of noise: shares of a whole, or scores of each class."""
    session, rng = Session(graph), np.random.default_rng(0)
    shape = (1, *spec.shape[2:], *spec.shape[:2]) if graph.channels_first else (1, *spec.shape)
    rows = [session.run(rng.standard_normal(shape, np.float32), {})[graph.outputs[0].name].astype(np.float64) for _ in range(3)]
    values = np.concatenate(rows)
    if not (values.min() >= 0 and values.max() <= 1):
        return ""
    return "Softmax" if np.allclose(values.sum(axis=-1), 1, atol=1e-2) else "Sigmoid"


def _last(graph: ForeignGraph) -> Last:
    """Return the operator that turned the output into probabilities."""
    makers = {name: node for node in graph.model.graph.node for name in node.output}
    name = graph.outputs[0].name
    for _ in range(len(_KEEP)):
        node = makers.get(name)
        if node is None:
            return ""
        if node.op_type in ("Softmax", "Sigmoid"):
            return "Softmax" if node.op_type == "Softmax" else "Sigmoid"
        if node.op_type not in _KEEP:
            return ""
        name = node.input[0]
    return ""
