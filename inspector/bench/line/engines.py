"""Benchmark of every engine, precision, batch and number of threads for one bundle, and of external tools where installed."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from inspector.bench.frames import PICTURES, Picture, frames
from inspector.bundles.bundle import GRAPH, Bundle
from inspector.core.errors import InspectorError
from inspector.core.registry import ENGINES
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Precision
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import Prepared, prepare

PEER = "benchmark_app"
ULTRALYTICS = "ultralytics predict"
_YOLO, _YOLO_NETWORK = "yolo", "yolov8n.yaml"  # ultralytics' tool and smallest network; untrained weights cost the same time
_YOLO_PICTURES = 40
_LEAST = 5  # calls


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    `ms`: median time of one frame, in batches of `batch`; 0 if `problem` says why the variant does not run here. `threads` 0:
    the engine's default.
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
    """Yield each row as soon as it is measured, over at least `least` seconds.

    A variant that was not exported has a single row.
    """
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
        if bundle.card.task == "detection" and pictures is not None:
            yield from _ultralytics(pictures, spec.height, spec.width)


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
    """Yield the time that OpenVINO's own benchmark tool measures for the same graph, if the tool is installed.

    Like the station, the tool runs synchronously with the latency hint.
    """
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


def _ultralytics(pictures: Sequence[Picture], height: int, width: int) -> Iterator[Row]:
    """Yield the time that ultralytics needs for a frame, from pixels to boxes, with its own network at the bundle's size.

    Runs only where ultralytics is installed, and in a separate process, because it is no part of this program. ultralytics
    reports means.
    """
    tool = shutil.which(_YOLO, path=str(Path(sys.executable).parent)) or shutil.which(_YOLO)
    if tool is None:
        return
    with temporary_folder() as folder:
        (folder / "pictures").mkdir()
        for number in range(_YOLO_PICTURES):
            cv2.imwrite(str(folder / "pictures" / f"{number:03}.png"), pictures[number % len(pictures)])
        command = [tool, "predict", f"model={_YOLO_NETWORK}", f"source={folder / 'pictures'}", f"imgsz={height},{width}"]
        command += ["device=cpu", "save=False", f"project={folder}"]
        environment = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            cwd=folder,
            env=environment,
        )
    said = done.stdout + done.stderr
    found = re.search(r"Speed: ([\d.]+)ms preprocess, ([\d.]+)ms inference, ([\d.]+)ms postprocess", said)
    if found is None:
        yield Row(ULTRALYTICS, "fp32", 1, 0, 0.0, 0.0, (said.strip().splitlines() or ["It said nothing."])[-1])
        return
    ms = sum(float(part) for part in found.groups())
    yield Row(ULTRALYTICS, "fp32", 1, 0, ms, 1000 / ms)
