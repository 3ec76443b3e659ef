"""Our pipeline beside the naive one, side by side on the same frames, weights and machine."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Condition, Event
from types import TracebackType
from typing import Any, Self

import numpy as np

from inspector.bench.frames import frames
from inspector.cameras.base import Camera
from inspector.core.bundle import Bundle
from inspector.core.errors import JobError
from inspector.core.images import prepare
from inspector.core.types import Frame
from inspector.engines.base import open_engine
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import Recipe
from inspector.station.events import Event as StationEvent
from inspector.station.events import Inspected
from inspector.station.station import Station

_PATIENCE = 120.0  # seconds for one round, and for the engines to open


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds; `ratio` and `overhead` are medians of what was measured in the same round."""

    baseline_fps: float
    ours_fps: float
    ratio: float
    engine_only_fps: float
    overhead: float


def bench_pipeline(
    network: str = "simple_cnn",
    *,
    engine: str = "openvino",
    size: int = 224,
    batch: int = 8,
    rounds: int = 5,
    count: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Measure `rounds` rounds of `count` frames each through both pipelines and through the engine alone.

    The three take turns, so that a busy machine slows all of them. Both pipelines get batches of up to `batch` frames of
    640 x 480 pixels as fast as they take them. Raises JobError if the naive pipeline's process fails.
    """
    with tempfile.TemporaryDirectory(prefix="inspector-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / network
        with _Naive(folder, network, size=size, batch=batch) as naive:
            recipe = recipe_for([folder], "bench", engine=engine).model_copy(update={"max_batch": batch})
            with _Ours(recipe) as ours, _EngineOnly(folder, engine, batch) as alone:
                measured = []
                for done in range(rounds + 1):
                    progress(done, rounds + 1)
                    measured.append((naive.round(count), ours.round(count), alone.round(count)))
    del measured[0]  # caches and clocks warm up
    return Result(
        baseline_fps=median(row[0] for row in measured),
        ours_fps=median(row[1] for row in measured),
        ratio=median(row[1] / row[0] for row in measured),
        engine_only_fps=median(row[2] for row in measured),
        overhead=median(1 - row[1] / row[2] for row in measured),
    )


class _Naive:
    """The naive pipeline's process."""

    def __init__(self, folder: Path, network: str, *, size: int, batch: int) -> None:
        command = [sys.executable, "-P", "-m", "inspector.bench.naive", str(folder), network, str(size), str(batch)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def round(self, count: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"count": count}) + "\n")
        self._process.stdin.flush()
        return float(self._answer()["fps"])

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise JobError(
                "The pipeline to compare with ended: {detail}",
                remedy="It needs PyTorch: run packaging/run.sh --with train (Windows: run.ps1) in the program's folder.",
                detail=(said.strip().splitlines() or ["without a word"])[-1],
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _BenchCamera(Camera):
    """Gives so many frames as fast as they are taken, whenever it is asked for a round."""

    live = False

    def __init__(self, name: str) -> None:
        super().__init__(name, "bench", {})
        self._pictures = frames(32)
        self._asked = 0
        self._changed = Condition()
        self.started = 0.0

    def ask(self, count: int) -> None:
        with self._changed:
            self._asked = count
            self._changed.notify_all()

    def frames(self, stop: Event) -> Iterator[Frame]:
        while not stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._asked > 0, 0.1)
                count, self._asked = self._asked, 0
            self.started = time.monotonic() if count else self.started
            for number in range(count):
                yield self.frame(self._pictures[number % len(self._pictures)])


class _Ours:
    """The station, headless: cameras, edges, gate, batching, engine, decoding, verdict and events."""

    def __init__(self, recipe: Recipe) -> None:
        self._camera = _BenchCamera(CAMERA)
        self._seen = self._wanted = 0
        self._changed = Condition()
        self._station = Station(recipe, listeners=[self._hear], cameras=lambda name, source, options: self._camera)
        self._station.start()

    def round(self, count: int) -> float:
        with self._changed:
            self._seen, self._wanted = 0, count
        self._camera.ask(count)
        with self._changed:
            if not self._changed.wait_for(lambda: self._seen >= count, _PATIENCE):
                raise self._station.failure or JobError("The station gave no verdicts.")
        return count / (time.monotonic() - self._camera.started)

    def _hear(self, event: StationEvent) -> None:
        if isinstance(event, Inspected):
            with self._changed:
                self._seen += 1
                if self._seen >= self._wanted:
                    self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._station.stop()


class _EngineOnly:
    """The same engine on batches that are ready: what no pipeline can surpass."""

    def __init__(self, folder: Path, engine: str, batch: int) -> None:
        bundle = Bundle.open(folder)
        self._engine = open_engine(engine, bundle)
        pictures = frames(batch)
        self._batch = np.stack([prepare(picture, bundle.card.input) for picture in pictures])

    def round(self, count: int) -> float:
        batches = max(1, round(count / len(self._batch)))
        started = time.monotonic()
        for _ in range(batches):
            self._engine.infer(self._batch)
        return batches * len(self._batch) / (time.monotonic() - started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._engine.close()
