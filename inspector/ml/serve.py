"""Serving workers: answer requests about frames that lie in memory shared with the parent (see `workers.exchange`).

The job names the folder that holds the input, made by the parent: one batch as the bundle's input spec says. This end makes
the output once it knows the size of an answer. Only small messages go through the pipes.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Bundle
from inspector.core.errors import InspectorError
from inspector.core.images import Prepared
from inspector.core.registry import ENGINES, find
from inspector.core.types import Floats
from inspector.workers.exchange import INPUT, OUTPUT, make_map, open_map

if TYPE_CHECKING:
    from inspector.ml.worker import Channel

log = logging.getLogger(__name__)


class _Engine(Protocol):
    """What is needed here of `engines.base.Engine`, which lies above this layer."""

    def infer(self, batch: Prepared) -> Floats: ...

    def close(self) -> None: ...


def serve_engine(job: Mapping[str, Any], channel: "Channel") -> Mapping[str, object]:
    """Run a bundle with an engine of the registry. Requests: `count` frames are in the input; replies: `count` are out."""
    bundle = Bundle.open(Path(job["bundle"]))
    entry = find(ENGINES, str(job["engine"]), "engine")
    engine: _Engine = entry.load()(bundle, precision=job["precision"], threads=int(job["threads"]))
    folder = Path(job["folder"])
    frames = _map_input(folder, bundle, int(job["batch"]))
    first = engine.infer(frames[:1])
    output = make_map(folder / OUTPUT, (len(frames), *first.shape[1:]), np.float32)
    channel.send("reply", ready=True, shape=list(output.shape))
    try:
        for request in channel.requests():
            count = int(request.fields["count"])
            output[:count] = engine.infer(frames[:count])
            channel.send("reply", count=count)
    finally:
        engine.close()
    return {}


def serve_explain(job: Mapping[str, Any], channel: "Channel") -> Mapping[str, object]:
    """Explain predictions of a bundle. Requests: the fields of `explain.Question`; the frame is the first in the input."""
    bundle = Bundle.open(Path(job["bundle"]))
    from inspector.ml.explain import Question, cam_layers, explain
    from inspector.ml.graph import as_tensor, load_graph

    graph = load_graph(bundle)
    folder = Path(job["folder"])
    frames = _map_input(folder, bundle, 1)
    heat: NDArray[np.float32] = make_map(folder / OUTPUT, (bundle.card.input.height, bundle.card.input.width), np.float32)
    channel.send("reply", ready=True, shape=list(heat.shape), layers=list(cam_layers(graph)))
    for request in channel.requests():
        try:
            answer = explain(graph, as_tensor(frames[:1]), Question.from_fields(request.fields))
        except InspectorError as error:
            # A wrong question is not the end of the worker.
            channel.send("reply", **_refusal(error))
            continue
        heat[...] = answer.heat
        channel.send("reply", layer=answer.layer, class_index=answer.class_index, target=answer.target)
    return {}


def _map_input(folder: Path, bundle: Bundle, batch: int) -> NDArray[Any]:
    spec = bundle.card.input
    return open_map(folder / INPUT, (batch, *spec.shape), spec.dtype)


def _refusal(error: InspectorError) -> dict[str, object]:
    return {
        "problem": error.problem.template,
        "values": dict(error.problem.values),
        "remedy": error.remedy.template if error.remedy else "",
    }
