"""Every engine, precision, batch and number of threads for one bundle, and the field's own tools where they are installed."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from inspector.bench.frames import PICTURES, frames
from inspector.core.bundle import GRAPH, Bundle
from inspector.core.errors import InspectorError
from inspector.core.images import Prepared, prepare
from inspector.core.registry import ENGINES
from inspector.core.variants import Precision
from inspector.engines.base import open_engine

PEER = "benchmark_app"
_LEAST = 5  # calls


@dataclass(frozen=True, slots=True)
class Row:
    """`ms`: of one frame, in batches of `batch`, the median; 0 with `problem`: why it does not run here.

    `threads` 0: the engine's own choice.
    """

    engine: str
    precision: str
    batch: int
    threads: int
    ms: float
    fps: float
    problem: str = ""


def bench_engines(
    bundle: Bundle, *, batches: Sequence[int] = (1, 8), threads: Sequence[int] = (0, 1), least: float = 1.0, peers: bool = True
) -> Iterator[Row]:
    """Every row as soon as it is measured, each over at least `least` seconds. A variant that was not exported has one row."""
    spec = bundle.card.input
    pictures = frames(PICTURES) if spec.kind == "uint8" else None
    made = [np.zeros(spec.shape, spec.dtype)] if pictures is None else [prepare(picture, spec) for picture in pictures]
    sizes = sorted({min(batch, bundle.card.max_batch) for batch in batches})
    ready = [np.stack([made[row % len(made)] for row in range(size)]) for size in sizes]
    for engine, entry in ENGINES.items():
        for precision in entry.precisions:
            for count in threads:
                try:
                    yield from _rows(bundle, engine, precision, ready, count, least)
                except InspectorError as error:
                    yield Row(engine, precision, 0, 0, 0.0, 0.0, error.problem.text)
                    break
    if peers:
        for size in sizes:
            yield from _peer(bundle.path(GRAPH), spec.shape, size, least)


def _rows(
    bundle: Bundle, engine: str, precision: Precision, ready: Sequence[Prepared], threads: int, least: float
) -> Iterator[Row]:
    with open_engine(engine, bundle, precision=precision, threads=threads) as opened:
        for batch in ready:
            opened.infer(batch)
            times, end = list[float](), time.monotonic() + least
            while len(times) < _LEAST or time.monotonic() < end:
                began = time.monotonic()
                opened.infer(batch)
                times.append(time.monotonic() - began)
            seconds = median(times) / len(batch)
            yield Row(engine, precision, len(batch), threads, 1000 * seconds, 1 / seconds)


def _peer(graph: Path, shape: tuple[int, int, int], batch: int, least: float) -> Iterator[Row]:
    """OpenVINO's own tool on the same graph, synchronous with its latency hint as the station runs it, if it is installed."""
    tool = shutil.which(PEER, path=str(Path(sys.executable).parent)) or shutil.which(PEER)
    if tool is None:
        return
    sizes = ",".join(str(side) for side in (batch, *shape))
    command = [tool, "-m", str(graph), "-d", "CPU", "-api", "sync", "-hint", "latency", "-infer_precision", "f32"]
    command += ["-shape", f"[{sizes}]", "-t", str(max(1, round(least)))]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    found = re.search(r"Throughput:\s*([\d.]+)", done.stdout)
    if found is None:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        yield Row(PEER, "fp32", batch, 0, 0.0, 0.0, (said or ["It said nothing."])[-1])
        return
    fps = float(found[1])
    yield Row(PEER, "fp32", batch, 0, 1000 / fps, fps)
