"""One heat map beside pytorch-grad-cam's of the same layer and number.

It needs torch, which must not be loaded in the process that measures a line, so that it is a process of its own: `python -m
inspector.bench.cams NETWORK SIZE ROUNDS THREADS`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.bench.sides import needs_torch
from inspector.core.registry import NETWORKS
from inspector.core.types import Floats
from inspector.tasks.base import loss_of
from inspector.workers.messages import ExplainRequest
from inspector.workers.process import PASSIVE

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.ml.graph import Graph

    Target = Callable[[Tensor], Tensor]

_WARM = 2  # rounds that are not counted
_SEEDS = 20  # starts that are tried until a map is not empty

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class MapCost:
    """Medians over the rounds, in which both sides take turns.

    `about`: "class" or "box". `ms`, `other_ms`: time of one map, ours and pytorch-grad-cam's; `ratio`, `cpu_ratio`: ours over
    theirs in one round, of the time and of the processor time. `difference`: the largest between the two maps, 0 to 1. None
    where that package is not installed.
    """

    network: str
    size: int
    about: str
    method: str
    threads: int
    ms: float
    other_ms: float | None
    ratio: float | None
    cpu_ratio: float | None
    difference: float | None


def measure_map(network: str, *, size: int, rounds: int, threads: int) -> MapCost:
    """Measure an untrained network in a process of its own. Raises JobError if torch is missing."""
    words = [network, str(size), str(rounds), str(threads)]
    command = [sys.executable, "-P", "-m", "inspector.bench.cams", *words]
    environment = {**PASSIVE, **os.environ}  # as a worker has it that explains
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=environment)
    if done.returncode:
        raise needs_torch(done.stderr)
    return MapCost(**json.loads(done.stdout.splitlines()[-1]))


def _measure(network: str, size: int, rounds: int, threads: int) -> MapCost:
    import torch

    from inspector.ml.explain import explain

    torch.set_num_threads(threads)
    graph, frames, question, target = _case(network, size)
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    maps: dict[str, Floats] = {}
    sides: dict[str, Callable[[], Floats]] = {"ours": lambda: explain(graph, frames, question).heat}
    peer = _peer(graph, frames, question, target)
    if peer is not None:
        sides["theirs"] = peer
    for number in range(rounds + _WARM):
        for side, work in sides.items():
            began, used = time.perf_counter(), time.process_time()
            maps[side] = work()
            if number >= _WARM:
                found[side].append((time.perf_counter() - began, time.process_time() - used))
    pairs = list(zip(found["ours"], found["theirs"], strict=False))
    return MapCost(
        network=network,
        size=size,
        about="class" if question.box is None else "box",
        method=str(question.method),
        threads=threads,
        ms=1000 * median(one[0] for one in found["ours"]),
        other_ms=1000 * median(one[0] for one in found["theirs"]) if pairs else None,
        ratio=median(mine[0] / theirs[0] for mine, theirs in pairs) if pairs else None,
        cpu_ratio=median(mine[1] / theirs[1] for mine, theirs in pairs) if pairs else None,
        difference=float(np.abs(_stretched(maps["ours"]) - maps["theirs"]).max()) if pairs else None,
    )


def _case(network: str, size: int) -> "tuple[Graph, Tensor, ExplainRequest, Target]":
    """Return an untrained network, an input, what is asked, and the function of one raw output that gives the number asked for.

    An untrained network may find nothing that speaks for a class: then another start is taken.
    """
    import torch

    from inspector.bench.steps import card_of
    from inspector.ml.explain import cam_method, explain
    from inspector.ml.graph import Graph, build_network, example_batch

    task = NETWORKS[network].tasks[0]
    card = card_of(task, network, size, size)
    box: Box | None = (size / 4, size / 4, size / 2, size / 2) if task == "detection" else None
    question = ExplainRequest(class_index=0 if card.classes else None, box=box, method=cam_method(None, task))
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        graph, frames = Graph(build_network(card, pretrained=False).eval(), card), example_batch(card, 1, seed)
        if explain(graph, frames, question).heat.any():
            break
    loss = loss_of(task, card).load()()

    def target(raw: "Tensor") -> "Tensor":
        number: Tensor = loss.cam_target(raw[None], card, class_index=question.class_index, box=question.box)[0]
        return number

    return graph, frames, question, target


def _peer(graph: "Graph", frames: "Tensor", question: ExplainRequest, target: "Target") -> Callable[[], Floats] | None:
    """Return pytorch-grad-cam's way to the same map; None if it is not installed."""
    import importlib

    from torch import nn

    from inspector.ml.explain import cam_layers

    try:
        methods: Any = importlib.import_module("pytorch_grad_cam")
    except ImportError:
        return None

    class Raw(nn.Module):
        """The network with its normalisation, as that package takes it: pictures [N, C, height, width] to raw outputs."""

        def __init__(self) -> None:
            super().__init__()
            self.graph = graph

        def forward(self, pixels: "Tensor") -> "Tensor":
            return self.graph.raw(pixels.permute(0, 2, 3, 1))

    kind = {"gradcam": "GradCAM", "layercam": "LayerCAM"}[str(question.method)]
    cam = getattr(methods, kind)(model=Raw(), target_layers=[next(iter(cam_layers(graph).values()))])
    pixels = frames.permute(0, 3, 1, 2).float()
    return lambda: np.asarray(cam(input_tensor=pixels, targets=[target])[0], np.float32)


def _stretched(heat: Floats) -> Floats:
    """Return a map from 0 to 1, as that package scales it."""
    low, high = float(heat.min()), float(heat.max())
    return (heat - low) / max(high - low, 1e-12)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure(sys.argv[1], *map(int, sys.argv[2:5])))) + "\n")
