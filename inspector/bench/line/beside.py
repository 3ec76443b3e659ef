"""Cost of a training to a running line: parts a second before and during the training, and whether any part is lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

import psutil

from inspector.bench.frames import frames
from inspector.bench.sides import Taken
from inspector.cameras.base import Camera, Pace
from inspector.cameras.demo.data import write_demo_data
from inspector.core.errors import JobError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Frame
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.runs.settings import train_settings
from inspector.station.station import Station
from inspector.workers.jobs import TrainJob
from inspector.workers.messages import Hello, Paused, Progress, Resumed, WorkerMessage
from inspector.workers.process import WorkerProcess

_PATIENCE = 600.0  # seconds until engines are open, torch is loaded, or a starved training has made a step
_TRAINED_AT = {"width": 96, "height": 96, "batch": 8}  # steps so short that a few seconds hold many of them
_LIVE_SHARE = 0.5  # share of the station's maximum rate: a line with head-room
_PARTS = 160
_EPOCHS = 10_000  # never reached
_WRITE = """
import sys
from pathlib import Path
from inspector.bench.making import write_untrained
write_untrained(Path(sys.argv[1]), sys.argv[2], size=int(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True)
class Beside:
    """Medians over the rounds.

    `before_fps`, `during_fps`: parts a second the station inspects at full speed while the training is paused and while it
    runs; `ratio`: their ratio within one round. `lost`: parts without a verdict. `live_fps`, `live_lost`: the same while the
    training runs, for a camera that does not wait, at half of `before_fps`. `train_share`: training steps a second while the
    line runs over training steps a second while the line is at rest. `niceness`, `threads`: of the training process;
    `group_niceness`: of its process group, None where the system has no process groups.
    """

    before_fps: float
    during_fps: float
    ratio: float
    lost: int
    live_fps: float
    live_lost: int
    train_share: float
    niceness: int
    group_niceness: int | None
    threads: int


def bench_beside(
    network: str = "simple_cnn",
    *,
    training: str = "efficientnet_lite0",
    engine: str = "openvino",
    size: int = 224,
    rounds: int = 3,
    seconds: float = 8.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Beside:
    """Measure a line that runs an untrained `network` at full size while `training` is trained on images of the demo line.

    The training is paused and resumed, so the two compared measurements are seconds apart. Raises JobError if the training or
    the station does not start.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        _write_bundle(folder / network, network, size)
        write_demo_data(folder / "data", parts=_PARTS, seed=0)
        trainer = stack.enter_context(_Training(folder, training))
        rows, lost = [], 0
        with BenchLine(folder / network, engine, Source(CAMERA)) as line:
            for done in range(rounds + 1):
                progress(done, rounds + 2)
                trainer.pause()
                before = line.rate(seconds)
                trainer.resume()
                alone = trainer.rate(seconds, lambda: time.sleep(seconds))
                rates: list[float] = []
                beside = trainer.rate(seconds, lambda found=rates: found.append(line.rate(seconds)))  # type: ignore[misc]
                rows.append((before, rates[0], beside / alone))
            lost = line.lost()
        del rows[0]  # caches and clocks warm up
        progress(rounds + 1, rounds + 2)
        before = median(row[0] for row in rows)
        with BenchLine(folder / network, engine, _Live(CAMERA, before * _LIVE_SHARE)) as line:
            live, live_lost = line.rate(seconds), line.lost()
        niceness, group, threads = trainer.facts()
    return Beside(
        before_fps=before,
        during_fps=median(row[1] for row in rows),
        ratio=median(row[1] / row[0] for row in rows),
        lost=lost,
        live_fps=live,
        live_lost=live_lost,
        train_share=median(row[2] for row in rows),
        niceness=niceness,
        group_niceness=group,
        threads=threads,
    )


def _write_bundle(folder: Path, network: str, size: int) -> None:
    """Write an untrained bundle in a separate process, so that torch is never loaded in the measured process.

    Raises JobError.
    """
    command = [sys.executable, "-P", "-c", _WRITE, str(folder), network, str(size)]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if ended.returncode:
        raise JobError(
            "The bundle to inspect with cannot be made: {detail}",
            remedy="It needs PyTorch: run packaging/run.sh --with train (Windows: run.ps1) in the program's folder.",
            detail=(ended.stderr.strip().splitlines() or ["without a word"])[-1],
        )


class Source(Camera):
    """A camera that delivers frames as fast as they are taken while it is open, and waits for the station."""

    live = False

    def __init__(self, name: str, rate: float = 0.0) -> None:
        super().__init__(name, "bench", {})
        self._pictures = frames(32)
        self._rate = rate
        self.open = threading.Event()
        self.given = 0

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        pace = Pace(self._rate)
        while not stop.is_set():
            if self.open.wait(0.1) and pace.wait(stop) and self.open.is_set():
                self.given += 1
                yield self.frame(self._pictures[self.given % len(self._pictures)])


class _Live(Source):
    """A camera that delivers a fixed number of frames a second, whether or not the station is ready."""

    live = True


class BenchLine:
    """The station without a window."""

    def __init__(self, bundle: Path, engine: str, source: Source) -> None:
        self._source = source
        self._taken = Taken()
        recipe = recipe_for([bundle], "bench", engine=engine)
        self._station = Station(recipe, sinks=[self._taken], cameras=lambda name, source, options: self._source)
        self._station.start()

    def rate(self, seconds: float) -> float:
        """Return the parts a second over `seconds` after the first verdict. Raises JobError if there is no verdict."""
        self._source.open.set()
        first = self._taken.count + 1
        self._wait_for(first)
        began, from_ = time.monotonic(), self._taken.count
        time.sleep(seconds)
        found = (self._taken.count - from_) / (time.monotonic() - began)
        self._source.open.clear()
        self._wait_for(self._source.given, patience=10.0)
        return found

    def lost(self) -> int:
        """Return the number of delivered parts without a verdict."""
        return self._source.given - self._taken.count

    def _wait_for(self, parts: int, *, patience: float = _PATIENCE) -> None:
        if not self._taken.wait(parts, patience) and not self._taken.count:
            raise self._station.status.failure or JobError("The station gave no verdicts.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._station.stop()


class _Training:
    """A training started as the window starts one, which can be paused."""

    def __init__(self, folder: Path, network: str) -> None:
        self._pid = 0
        self._steps: list[tuple[float, int]] = []
        self._resting = False
        self._changed = threading.Condition()
        settings = train_settings(
            {
                "task": "classification",
                "network": network,
                "data": folder / "data" / "window",
                "out": folder / "bundle",
                "run": folder / "run",
                "epochs": _EPOCHS,
                **_TRAINED_AT,
            }
        )
        job = TrainJob(settings=settings.model_dump(mode="json"), low_priority=True)
        self._job = WorkerProcess(job, listener=self._hear, grace=2.0)
        try:
            self._until(lambda: bool(self._steps))
        except BaseException:
            self._job.close()
            raise

    def pause(self) -> None:
        """Pause the training and wait until it rests."""
        self._job.pause()
        self._until(lambda: self._resting)

    def resume(self) -> None:
        """Resume the training and wait for its next steps."""
        self._job.resume()
        done = len(self._steps)
        self._until(lambda: not self._resting and len(self._steps) > done)

    def rate(self, seconds: float, meanwhile: Callable[[], object]) -> float:
        """Return the training steps a second while `meanwhile` runs."""
        began, done = time.monotonic(), self._steps[-1][1]
        meanwhile()
        self._until(lambda: self._steps[-1][1] > done)
        return (self._steps[-1][1] - done) / max(self._steps[-1][0] - began, seconds)

    def facts(self) -> tuple[int, int | None, int]:
        """Return the niceness of the training process, the niceness of its process group, and its number of threads."""
        process, group = psutil.Process(self._pid), Path(f"/proc/{self._pid}/autogroup")
        said = group.read_text("ascii").split() if group.exists() else []
        return process.nice(), int(said[-1]) if said else None, process.num_threads()

    def _until(self, found: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: found() or self._job_ended(), _PATIENCE)
            if not found():
                raise JobError("The training to measure beside does not go on.")

    def _job_ended(self) -> bool:
        outcome = self._job.outcome
        if outcome is not None:
            raise outcome.error()
        return False

    def _hear(self, message: WorkerMessage) -> None:
        with self._changed:
            match message:
                case Hello(pid=pid):
                    self._pid = pid
                case Paused() | Resumed():
                    self._resting = isinstance(message, Paused)
                case Progress(phase="train", epoch=epoch, steps=steps, step=step):
                    self._steps.append((time.monotonic(), (epoch - 1) * steps + step))
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._job.close()
