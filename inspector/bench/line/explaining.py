"""Cost of explaining: one heat map beside pytorch-grad-cam, and NG parts explained beside a running line."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from inspector.bench.frames import frames
from inspector.bench.line.beside import BenchLine, Source
from inspector.bench.making import make
from inspector.core.errors import JobError
from inspector.core.types import Frame, Inspection, Judgement, Region, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import ArchiveModel
from inspector.station.heat_maps import HeatSink

_PATIENCE = 600.0  # seconds until the worker has made its first map
_COMPARE = """
import json, sys, time
from pathlib import Path
import numpy as np
import torch
from inspector.bundles.bundle import Bundle
from inspector.ml.explain import cam_layers, explain
from inspector.ml.graph import example_batch, load_graph
from inspector.workers.messages import ExplainRequest

torch.set_num_threads(int(sys.argv[3]))
graph = load_graph(Bundle.open(Path(sys.argv[1])))
frames, rounds = example_batch(graph.card, 1), int(sys.argv[2])
name, layer = next(iter(cam_layers(graph).items()))
ours = lambda: explain(graph, frames, ExplainRequest(layer=name, class_index=0, method="gradcam")).heat
try:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
except ImportError as error:
    cam = None
else:
    class Raw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.graph = graph

        def forward(self, pixels):
            return graph.raw(pixels.permute(0, 2, 3, 1))

    cam = GradCAM(model=Raw(), target_layers=[layer])
    pixels = frames.permute(0, 3, 1, 2).float()
    theirs = lambda: cam(input_tensor=pixels, targets=[ClassifierOutputTarget(0)])[0]
found = {"ours": [], "theirs": []}
difference = None
for number in range(rounds + 2):
    for side, work in (("ours", ours), ("theirs", theirs if cam else None)):
        if work is None:
            continue
        began = time.process_time()
        heat = work()
        if number > 1:
            found[side].append(1000 * (time.process_time() - began))
        if side == "ours":
            mine = heat
        else:
            difference = float(np.abs(heat / max(float(heat.max()), 1e-9) - mine).max())
medians = {side: float(np.median(times)) if times else None for side, times in found.items()}
print(json.dumps({**medians, "difference": difference}))
"""


@dataclass(frozen=True, slots=True)
class Explaining:
    """Medians over the rounds.

    `cam_ms`, `grad_cam_ms`: processor time of one map of one class, ours and pytorch-grad-cam's, whose maps differ by
    `difference`; `cam_ratio`: ours over theirs. None where that package is not installed. `before_fps`, `during_fps`: parts a
    second the station inspects at full speed with no part to be explained, and while parts are; `lost_share`: what that costs.
    `explained_fps`: parts explained a second meanwhile; `rest_fps`: the same while the line rests. `explained`: all of them.
    """

    cam_ms: float
    grad_cam_ms: float | None
    cam_ratio: float | None
    difference: float | None
    before_fps: float
    during_fps: float
    lost_share: float
    explained_fps: float
    rest_fps: float
    explained: int


def bench_explaining(
    network: str = "simple_cnn",
    *,
    engine: str = "openvino",
    size: int = 224,
    parts: int = 200,
    rounds: int = 3,
    seconds: float = 8.0,
    threads: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explaining:
    """Measure an untrained `network`. `parts`: NG parts to be explained in all; `threads`: of both sides of a single map.

    Raises JobError if torch is missing, or the worker makes no map.
    """
    with tempfile.TemporaryDirectory(prefix="inspector-bench-", ignore_cleanup_errors=True) as name:
        bundle = Path(name) / network
        make(bundle, network, size=size)
        compared = _compare(bundle, rounds=20, threads=threads)
        ours, theirs = compared["ours"], compared["theirs"]
        made: list[float] = []
        sink = HeatSink([lambda _inspection, _maps: made.append(time.monotonic())], base=bundle.parent)
        recipe = recipe_for([bundle], "bench", engine=engine)
        sink.open(StationStatus(recipe=recipe.model_copy(update={"archive": ArchiveModel(heat=True)})))
        rows = []
        try:
            with BenchLine(bundle, engine, Source(CAMERA)) as line:
                _ask(sink, bundle, 1)
                _until(lambda: len(made) >= 1, sink)
                for done in range(rounds):
                    progress(done, rounds + 1)
                    before = line.rate(seconds)
                    count = len(made)
                    _ask(sink, bundle, max(1, (parts - count) // (rounds - done)))
                    during = line.rate(seconds)
                    beside = (len(made) - count) / seconds
                    rested, count = time.monotonic(), len(made)
                    _until(lambda: not sink.waiting, sink)
                    rest = (len(made) - count) / max(time.monotonic() - rested, 1e-9)
                    rows.append((before, during, beside, rest))
        finally:
            sink.give_up()
    return Explaining(
        cam_ms=ours,
        grad_cam_ms=theirs,
        cam_ratio=None if theirs is None else ours / theirs,
        difference=compared["difference"],
        before_fps=median(row[0] for row in rows),
        during_fps=median(row[1] for row in rows),
        lost_share=1 - median(row[1] / row[0] for row in rows),
        explained_fps=median(row[2] for row in rows),
        rest_fps=median(row[3] for row in rows),
        explained=sink.made,
    )


def _compare(bundle: Path, *, rounds: int, threads: int) -> dict[str, Any]:
    """Time both sides in one process of their own, so that torch is never loaded in this one. Raises JobError."""
    command = [sys.executable, "-c", _COMPARE, str(bundle), str(rounds), str(threads)]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if ended.returncode:
        detail = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
        raise JobError("A single heat map cannot be measured: {detail}", detail=detail)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _ask(sink: HeatSink, bundle: Path, count: int) -> None:
    """Hand NG parts to be explained over, as a line does."""
    for number, pixels in enumerate(frames(count)):
        frame = Frame(pixels, CAMERA, number, time.monotonic(), datetime.now(UTC))
        where = Region(0, 0, frame.width, frame.height)
        judged = Judgement(0, str(bundle), CAMERA, where, "class", "-", 1.0, "above", 0.5, Verdict.NG)
        part = Inspection(f"P{number}", number, Verdict.NG, (), {CAMERA: frame}, (), "bench", 1, 1.0, judgements=(judged,))
        sink.take(part)


def _until(found: Callable[[], bool], sink: HeatSink) -> None:
    """Wait. Raises what keeps the sink from explaining, or JobError."""
    end = time.monotonic() + _PATIENCE
    while not found():
        if sink.problem is not None:
            raise sink.problem
        if time.monotonic() > end:
            raise JobError("No heat map was made in {seconds:.0f} s.", seconds=_PATIENCE)
        time.sleep(0.05)
