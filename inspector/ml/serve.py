"""Serving workers: answer requests about frames in memory shared with the parent (see `workers.exchange`).

The job names the folder with the shared input, made by the parent: one batch as defined by the bundle's input spec. This
process makes the shared output as soon as the size of an answer is known. Only small messages go through the pipes.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Bundle
from inspector.core.errors import InspectorError, JobError
from inspector.core.registry import ENGINES, find
from inspector.core.sentence import sentence
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared
from inspector.workers.exchange import INPUT, OUTPUT, make_map, open_map
from inspector.workers.jobs import ExplainJob, InferJob
from inspector.workers.messages import BLACK_BOX, Explained, ExplainRequest, Inferred, InferRequest, Ready, Refused

if TYPE_CHECKING:
    from inspector.ml.channel import Channel

log = logging.getLogger(__name__)


class _Engine(Protocol):
    """The part of `engines.base.Engine` used here; that class lies in a higher layer."""

    def infer(self, batch: Prepared) -> Floats: ...

    def close(self) -> None: ...


def serve_engine(job: InferJob, channel: "Channel") -> None:
    """Serve a bundle with an engine of the registry: frames are read from the input, answers are written to the output."""
    bundle = Bundle.open(job.bundle)
    entry = find(ENGINES, job.engine, "engine")
    engine: _Engine = entry.load()(bundle, precision=job.precision, threads=job.threads)
    frames = _map_input(job.folder, bundle, job.batch)
    first = engine.infer(frames[:1])
    output = make_map(job.folder / OUTPUT, (len(frames), *first.shape[1:]), np.float32)
    channel.send(Ready(shape=output.shape))
    try:
        for request in channel.requests():
            if not isinstance(request, InferRequest):
                raise JobError("The worker was asked for {type}, which it does not do.", type=request.type)
            output[: request.count] = engine.infer(frames[: request.count])
            channel.send(Inferred(count=request.count))
    finally:
        engine.close()


def serve_explain(job: ExplainJob, channel: "Channel") -> None:
    """Serve explanations of a bundle's predictions; the frame is the first in the input."""
    bundle = Bundle.open(job.bundle)
    if job.low_priority:
        import torch

        torch.set_num_threads(1)  # a second one would wait for the first, each behind the line
    frames = _map_input(job.folder, bundle, job.batch)
    heat: NDArray[np.float32] = make_map(job.folder / OUTPUT, (bundle.card.input.height, bundle.card.input.width), np.float32)
    layers, explained = _explainer(bundle)
    channel.send(Ready(shape=heat.shape, layers=layers))
    for request in channel.requests():
        if not isinstance(request, ExplainRequest):
            raise JobError("The worker was asked for {type}, which it does not do.", type=request.type)
        try:
            values, told = explained(frames[0], request)
        except InspectorError as error:
            # An invalid question does not end the worker.
            remedy = None if error.remedy is None else sentence(error.remedy)
            channel.send(Refused(problem=sentence(error.problem), remedy=remedy))
            continue
        heat[...] = values
        channel.send(told)


def _explainer(bundle: Bundle) -> tuple[tuple[str, ...], Callable[[Prepared, ExplainRequest], tuple[Floats, Explained]]]:
    """Return the layers that can be explained, and a function from a frame to its heat map and what it explains."""
    from inspector.ml.occlusion import black_box

    if bundle.card.family:
        engine: _Engine = find(ENGINES, "onnxruntime", "engine").load()(bundle)

        return BLACK_BOX, partial(black_box, engine.infer, bundle.card)
    import torch

    from inspector.ml.explain import cam_layers, explain
    from inspector.ml.graph import as_tensor, load_graph

    graph = load_graph(bundle)

    def infer(frames: Prepared) -> Floats:
        with torch.no_grad():
            return np.asarray(graph(as_tensor(frames)).numpy(), np.float32)

    def looked_into(frame: Prepared, request: ExplainRequest) -> tuple[Floats, Explained]:
        if request.method in BLACK_BOX:
            return black_box(infer, bundle.card, frame, request)
        answer = explain(graph, as_tensor(frame[None]), request)
        return answer.heat, Explained(layer=answer.layer, class_index=answer.class_index, target=answer.target)

    return tuple(cam_layers(graph)), looked_into


def _map_input(folder: Path, bundle: Bundle, batch: int) -> NDArray[Any]:
    spec = bundle.card.input
    return open_map(folder / INPUT, (batch, *spec.shape), spec.dtype)
