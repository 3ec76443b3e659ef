"""anomalib: a map of how unusual each pixel is, and one number for the picture, both 0..1 with 0.5 at the limit."""

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np

from inspector.adapters import heads
from inspector.adapters.base import UNIT, Adapter, Arrays, Plan, Wishes, normalisation, square_input
from inspector.adapters.graph import ForeignGraph, real_outputs
from inspector.adapters.nodes import Nodes
from inspector.adapters.runtime import Seen
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, Masks, Scores

_MAP, _SCORE = "anomaly_map", "pred_score"
_GOOD, _BAD = "good", "anomaly"


class Anomalib(Adapter):
    """A graph that `Engine.export(export_type="onnx")` wrote; it holds all steps but the resizing."""

    family: ClassVar[str] = "anomalib"

    def __init__(self, graph: ForeignGraph, plan: Plan, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(graph, plan)
        self._shapes = shapes

    @classmethod
    def recognise(cls, graph: ForeignGraph, wishes: Wishes) -> "Anomalib | None":
        if graph.output(_MAP, _SCORE) is None:
            return None
        spec = square_input(graph, wishes)
        shapes = real_outputs(graph, spec)
        task = wishes.task or ("segmentation" if _MAP in shapes else "classification")
        if task not in ("classification", "segmentation") or (_MAP if task == "segmentation" else _SCORE) not in shapes:
            raise ConfigError("{file} cannot be used for {task}; {found}.", file=graph.file, task=task, found=graph.described)
        usual = (_BAD,) if task == "segmentation" else (_GOOD, _BAD)
        classes = wishes.classes or usual
        if len(classes) != len(usual):
            raise ConfigError(
                "{file} tells apart what is usual and what is not: {count} names were given, it takes {needed}.",
                file=graph.file,
                count=len(classes),
                needed=len(usual),
            )
        mean, std = normalisation(wishes, spec.channels, UNIT)
        good = classes[:1] if task == "classification" else ()
        thresholds = {"mask": 0.5} if task == "segmentation" else {"score": 0.5}
        return cls(graph, Plan(task, classes, spec, mean, std, ok_classes=good, thresholds=thresholds), shapes)

    def head(self, nodes: Nodes, outputs: Mapping[str, str]) -> str:
        spec = self.plan.input
        if self.plan.task == "classification":
            score = nodes.shaped(outputs[_SCORE], -1, 1)
            return nodes.joined(nodes.add("Sub", nodes.constant(np.float32(1)), score), score)
        high, wide = self._shapes[_MAP][-2:]
        return heads.resized(nodes, nodes.shaped(outputs[_MAP], -1, 1, high, wide), (high, wide), spec)

    def answer(self, outputs: Arrays, seen: Seen) -> Answer:
        values = np.asarray(outputs[_MAP if self.plan.task == "segmentation" else _SCORE], np.float32)
        if not -0.01 <= float(values.min()) <= float(values.max()) <= 1.01:
            raise ConfigError(
                "{file} gives values from {low:.3g} to {high:.3g} where 0 to 1 is expected: nothing says where the limit is.",
                remedy="Export it with a post-processor that normalises, after it was validated.",
                file=self.graph.file,
                low=float(values.min()),
                high=float(values.max()),
            )
        if self.plan.task == "classification":
            score = float(values.reshape(-1)[0])
            return Scores(np.array([1 - score, score], np.float32))
        height, width = seen.pixels.shape[:2]
        plane = cv2.resize(values.reshape(values.shape[-2:]), (width, height), interpolation=cv2.INTER_LINEAR)
        return Masks(seen.content(np.rint(plane[None] * 255).clip(0, 255).astype(np.uint8)))
