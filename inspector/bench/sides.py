"""The systems under comparison: the naive pipeline in its process, the station, and the engine alone."""

import json
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Condition, Event
from types import TracebackType
from typing import Any, Self

import numpy as np

from inspector.bench.frames import PICTURES, Picture, frames
from inspector.bundles.bundle import Bundle
from inspector.cameras.base import Camera
from inspector.core.errors import JobError
from inspector.core.types import Floats, Frame, Inspection, Precision
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import prepare
from inspector.recipes.automatic import CAMERA
from inspector.recipes.recipe import Recipe
from inspector.results.sink import Sink
from inspector.station.station import Station

PATIENCE = 300.0  # seconds for one round, and for the engines to open


class Side(ABC):
    """A system under comparison, closed at the end of its `with` block."""

    @abstractmethod
    def close(self) -> None:
        """Stop the system and release what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Asked(Side):
    """A process of this program that answers questions: a line of JSON each. Its first answer says that it is ready."""

    def __init__(self, module: str, *words: str | Path) -> None:
        """Start the module, and wait until it is ready. Raises the error of `lost` if it ends."""
        command = [sys.executable, "-P", "-m", module, *map(str, words)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def lost(self, said: str) -> JobError:
        """Return the error for the process that has ended with this output."""
        return JobError("A side of the comparison ended: {detail}", detail=_last_line(said))

    def _ask(self, question: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise self.lost(said)
        answer: dict[str, Any] = json.loads(line)
        return answer


class Naive(Asked):
    """The naive pipeline's process, running a bundle from disk."""

    def __init__(self, folder: Path, *, batch: int) -> None:
        super().__init__("inspector.bench.line.naive", folder, str(batch))

    def round(self, count: int, *, rate: float = 0.0) -> dict[str, Any]:
        """Feed a number of frames; return `fps`, the `latency_ms` of each frame, and `reading`: the share of time spent on
        outputs.
        """
        return self._ask({"count": count, "rate": rate})

    def demo(self, count: int, seed: int) -> list[bool]:
        """Return, for each of the demo line's parts, whether the naive pipeline calls it good."""
        return [bool(ok) for ok in self._ask({"demo": count, "seed": seed})["ok"]]

    def lost(self, said: str) -> JobError:
        return needs_torch(said)


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["without a word"])[-1]


def needs_torch(said: str) -> JobError:
    """Return the error for a process of this program that ended with this output."""
    return JobError(
        "The pipeline to compare with ended: {detail}",
        remedy="It needs PyTorch: run packaging/run.sh --with train (Windows: run.ps1) in the program's folder.",
        detail=_last_line(said),
    )


class BenchCamera(Camera):
    """A camera that delivers a requested number of frames, as fast as they are taken or at a fixed rate."""

    live = False

    def __init__(self, pictures: Sequence[Picture]) -> None:
        super().__init__(CAMERA, "bench", {})
        self._pictures = pictures
        self._asked = (0, 0.0)
        self._changed = Condition()
        self.started = 0.0

    def ask(self, count: int, rate: float) -> None:
        with self._changed:
            self._asked = (count, rate)
            self._changed.notify_all()

    def frames(self, stop: Event) -> Iterator[Frame]:
        while not stop.is_set():
            self.alive()
            with self._changed:
                self._changed.wait_for(lambda: self._asked[0] > 0, 0.1)
                (count, rate), self._asked = self._asked, (0, 0.0)
            self.started = time.monotonic() if count else self.started
            for number in range(count):
                due = self.started + number / rate if rate > 0 else time.monotonic()
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                # The grab time is the due time, so that a station which delays its camera does not look faster.
                yield self.frame(self._pictures[number % len(self._pictures)], grabbed=due)


class Taken(Sink):
    """A sink that counts inspections, and keeps them on request."""

    name = "bench"

    def __init__(self) -> None:
        self.seen: list[Inspection] = []
        self.count = 0
        self._keep = False
        self._wanted = 0
        self._changed = Condition()

    def want(self, count: int, *, keep: bool = False) -> None:
        """Restart the count at 0, and wake the waiting thread at the given count."""
        with self._changed:
            self.seen, self.count, self._wanted, self._keep = [], 0, count, keep

    def wait(self, count: int, timeout: float) -> bool:
        """Return whether the count is reached within `timeout` seconds."""
        with self._changed:
            self._wanted = count
            return self._changed.wait_for(lambda: self.count >= count, timeout)

    def take(self, inspection: Inspection) -> None:
        with self._changed:
            self.count += 1
            if self._keep:
                self.seen.append(inspection)
            if self.count >= self._wanted:
                self._changed.notify_all()


class Ours(Side):
    """The station without a window: camera, gate, edge, batching, engine, decoding, verdict and a sink."""

    def __init__(
        self,
        recipe: Recipe,
        pictures: Sequence[Picture] | None = None,
        *,
        taken: Taken | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Start it. `taken` counts the verdicts; `sinks` come beside it."""
        self._camera = BenchCamera(frames(PICTURES) if pictures is None else pictures)
        self._taken = taken or Taken()
        self.station = Station(recipe, sinks=[*sinks, self._taken], cameras=lambda name, source, options: self._camera)
        self.station.start()

    def round(self, count: int, *, rate: float = 0.0, keep: bool = True) -> tuple[float, list[Inspection]]:
        """Inspect the given number of frames; return the verdicts a second, and the inspections in order if they are kept.

        Raises JobError, or the error that kept the station from starting.
        """
        self._taken.want(count, keep=keep)
        self._camera.ask(count, rate)
        patience = PATIENCE + (count / rate if rate else 0)
        while not self._taken.wait(count, min(1.0, patience)):
            patience -= 1.0
            failure = self.station.status.failure
            if failure is not None:
                raise failure
            if patience <= 0:
                raise JobError("The station gave {count} of {wanted} verdicts.", count=self._taken.count, wanted=count)
        return count / (time.monotonic() - self._camera.started), self._taken.seen

    def close(self) -> None:
        self.station.stop()


class EngineAlone(Side):
    """The same engine on ready batches: the upper bound for any pipeline."""

    def __init__(self, folder: Path, engine: str, precision: Precision, batch: int) -> None:
        bundle = Bundle.open(folder)
        self._engine = open_engine(engine, bundle, precision=precision)
        self._others = self._engine.side_by_side() if batch > 1 else 0
        prepared = np.stack([prepare(picture, bundle.card.input) for picture in frames(batch)])
        self._batches = [prepared.copy() for _ in range(1 + self._others)]

    def round(self, count: int) -> float:
        """Return the frames a second over about the given number of frames, one batch after the other."""
        return self._timed(count, 0)

    def side_by_side(self, count: int) -> float:
        """Return the frames a second with as many batches in flight as the engine takes."""
        return self._timed(count, self._others)

    def paced(self, count: int, rate: float) -> list[float]:
        """Run batches that are due at `rate` a second; return the ms from each due time until the engine finished the batch."""
        taken: list[float] = []
        started = time.monotonic()
        for number in range(count):
            due = started + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            self._engine.infer(self._batches[0])
            taken.append((time.monotonic() - due) * 1000)
        return taken

    def _timed(self, count: int, others: int) -> float:
        size = len(self._batches[0])
        number = max(1, round(count / size))
        under_way: deque[Callable[[], Floats]] = deque()
        started = time.monotonic()
        for index in range(number):
            under_way.append(self._engine.start(self._batches[index % len(self._batches)], beside=others > 0))
            if len(under_way) > others:
                under_way.popleft()()
        while under_way:
            under_way.popleft()()
        return number * size / (time.monotonic() - started)

    def close(self) -> None:
        self._engine.close()
