"""Heat maps of whole frames from a trained graph, for a report."""

import torch

from inspector.core.types import Floats, Frame
from inspector.imaging.preprocessing import prepare, view, whole
from inspector.ml.explain import explain
from inspector.ml.graph import Graph
from inspector.ml.reports.images import Heat
from inspector.workers.messages import ExplainRequest


def graph_heat(graph: Graph) -> Heat:
    """Return a Grad-CAM function for a graph on the CPU. The heat is cut to the part of the input that shows the frame."""
    spec = graph.card.input

    def heat(frame: Frame, class_index: int | None) -> Floats | None:
        pixels = torch.from_numpy(prepare(frame.pixels, spec, bits=frame.bits))[None]
        found = explain(graph, pixels, ExplainRequest(class_index=class_index)).heat
        content = view(whole(frame.pixels), spec).content(spec)
        part = found[content.y : content.bottom, content.x : content.right]
        return part if part.max() > 0 else None

    return heat
