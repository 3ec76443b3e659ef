"""Cameras, engines and bundles whose every move a test decides, and a station that runs with them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np

from inspector.bundles.bundle import GRAPH, WEIGHTS, Bundle, Card, write_bundle
from inspector.cameras.base import Camera
from inspector.core.storage.paths import user_data
from inspector.core.types import Floats, Frame, Inspection, Precision
from inspector.engines.base import Engine
from inspector.imaging.preprocessing import InputSpec, Prepared
from inspector.inspection.status import CameraState, CameraStatus, Fault, StationState, StationStatus
from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe
from inspector.results.sink import Sink
from inspector.station.station import Station

CLASSES = ("good", "bad")


def frame(
    value: int = 100, *, camera: str = "camera", part: str = "", age: float = 0.0, size: tuple[int, int] = (48, 64)
) -> Frame:
    """A noisy grey frame whose mean is about `value`."""
    noise = np.random.default_rng(value).integers(-5, 6, (*size, 3))
    pixels = np.clip(value + noise, 0, 255).astype(np.uint8)
    return Frame(pixels, camera, 0, time.monotonic() - age, datetime.now(UTC), part=part)


def write_classifier(folder: Path, **changes: Any) -> Path:
    """A classification bundle with the right shape; its graph is never read, because the engine is a fake."""
    fields: dict[str, Any] = {
        "name": folder.name,
        "task": "classification",
        "network": "simple_cnn",
        "classes": CLASSES,
        "ok_classes": ("good",),
        "input": InputSpec(width=16, height=16),
        "mean": (0.0,) * 3,
        "std": (255.0,) * 3,
        "thresholds": {"score": 0.6},
        "created": datetime.now(UTC),
        "software": "test",
        "max_batch": 4,
        **changes,
    }

    def fill(temporary: Path) -> None:
        (temporary / WEIGHTS).write_bytes(b"weights")
        (temporary / GRAPH).write_bytes(b"graph")

    write_bundle(folder, Card(**fields), fill)
    return folder


@dataclass
class Behaviour:
    """What the fake engines do; `opened` counts them, `batches` their batch sizes (without the warm-up).

    `others`: how many batches they take beside the first; those read their frames only when they are waited for.
    """

    opened: int = 0
    closed: int = 0
    batches: list[int] = field(default_factory=list)
    before: Callable[[Prepared], None] = lambda batch: None
    open_error: Exception | None = None
    open_seconds: float = 0.0
    seconds: float = 0.0
    others: int = 0
    under_way: int = 0
    most_under_way: int = 0


def fake_engine(behaviour: Behaviour) -> Callable[..., Engine]:
    """An `open_engine` whose classifier says "bad" of bright frames (mean of 150 or more)."""

    class FakeEngine(Engine):
        def infer(self, batch: Prepared) -> Floats:
            mean = batch.reshape(len(batch), -1).mean(axis=1)
            if mean.any():
                behaviour.before(batch)
                behaviour.batches.append(len(batch))
                time.sleep(behaviour.seconds)
            bad = np.where(mean >= 150, 0.9, 0.1)
            return np.stack([1 - bad, bad], axis=1).astype(np.float32)

        def side_by_side(self) -> int:
            return behaviour.others

        def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
            if not beside:
                return super().start(batch)
            behaviour.under_way += 1
            behaviour.most_under_way = max(behaviour.most_under_way, behaviour.under_way)

            def wait() -> Floats:
                behaviour.under_way -= 1
                return self.infer(batch)

            return wait

        def close(self) -> None:
            behaviour.closed += 1

    def open_fake(name: str, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> Engine:
        if behaviour.open_error is not None:
            raise behaviour.open_error
        time.sleep(behaviour.open_seconds)
        behaviour.opened += 1
        return FakeEngine(bundle, precision=precision, threads=threads)

    return open_fake


Script = Callable[["FakeCamera", Flag], Iterator[Frame]]


class FakeCamera(Camera):
    """Yields what a script gives."""

    def __init__(self, name: str, script: Script, *, live: bool) -> None:
        super().__init__(name, "fake", {})
        self.live = live  # type: ignore[misc]  # each camera of a test is its own kind
        self._script = script
        self.opened = 0

    def frames(self, stop: Flag) -> Iterator[Frame]:
        self.opened += 1
        yield from self._script(self, stop)

    def grab(self, value: int = 100, *, part: str = "", seed: int | None = None) -> Frame:
        """A frame of that brightness; each has noise of its own unless `seed` is given."""
        generator = np.random.default_rng(self._sequence if seed is None else seed)
        noise = generator.integers(-5, 6, (48, 64, 3))
        return self.frame(np.clip(value + noise, 0, 255).astype(np.uint8), part=part)


def steady(count: int, *, value: int = 100, pause: float = 0.0, part: str = "") -> Script:
    """`count` frames, then the end (0: no end); `part` with {n} gives part ids."""

    def script(camera: FakeCamera, stop: Flag) -> Iterator[Frame]:
        n = 0
        while not stop.is_set() and (count == 0 or n < count):
            yield camera.grab(value, part=part.format(n=n))
            n += 1
            if pause:
                stop.wait(pause)

    return script


def opener(cameras: Mapping[str, Camera]) -> Callable[..., Camera]:
    """An `open_camera` that hands out these."""
    return lambda name, source, options: cameras[name]


class Recorder(Sink):
    """A listener that keeps every status, and a sink that keeps every inspection."""

    name = "recorder"

    def __init__(self) -> None:
        self.statuses: list[StationStatus] = []
        self.inspections: list[Inspection] = []

    def __call__(self, status: StationStatus) -> None:
        self.statuses.append(status)

    def take(self, inspection: Inspection) -> None:
        self.inspections.append(inspection)

    @property
    def status(self) -> StationStatus:
        """The newest."""
        return self.statuses[-1] if self.statuses else StationStatus()

    @property
    def states(self) -> list[StationState]:
        """The states that the station went through."""
        states = [status.state for status in list(self.statuses)]
        return [state for index, state in enumerate(states) if not index or state is not states[index - 1]]

    def cameras(self, name: str) -> list[CameraStatus]:
        """The statuses that a camera went through."""
        seen = [status.cameras[name] for status in list(self.statuses) if name in status.cameras]
        return [status for index, status in enumerate(seen) if not index or status is not seen[index - 1]]

    @property
    def faults(self) -> list[tuple[str, Fault | None]]:
        """Each fault as it came, and None for its place when it was over."""
        told: list[tuple[str, Fault | None]] = []
        before: Mapping[str, Fault] = {}
        for status in list(self.statuses):
            told += [(where, fault) for where, fault in status.faults.items() if before.get(where) != fault]
            told += [(where, None) for where in before if where not in status.faults]
            before = status.faults
        return told

    def wait_for(self, condition: Callable[["Recorder"], bool], seconds: float = 5.0) -> None:
        """Fail unless the condition comes true in time."""
        until = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < until, f"did not happen; {len(self.inspections)} parts, status: {self.status}"
            time.sleep(0.005)


def recipe_of(bundle: str, *cameras: str, gate: Gate | None = None, **changes: Any) -> Recipe:
    names = cameras or ("top",)
    return Recipe(
        name="test",
        cameras={name: CameraModel(source="fake", gate=gate or Gate()) for name in names},
        inspect=tuple(InspectModel(bundle=bundle, camera=name) for name in names),
        **{"max_batch": 4, "join_ms": 150, "trigger_ms": 300, **changes},
    )


@contextmanager
def running(recipe: Recipe, *cameras: FakeCamera, wait: bool = True) -> Iterator[tuple[Station, Recorder]]:
    recorder = Recorder()
    known: Mapping[str, Camera] = {camera.name: camera for camera in cameras}
    station = Station(recipe, sinks=[recorder], listeners=[recorder], cameras=opener(known))
    station.start()
    try:
        if wait:
            recorder.wait_for(lambda it: StationState.RUNNING in it.states)
        yield station, recorder
    finally:
        station.stop()


def states_of(recorder: Recorder, camera: str = "top") -> list[CameraState]:
    return [status.state for status in recorder.cameras(camera)]


def faults_of(recorder: Recorder) -> list[Fault]:
    return [fault for _, fault in recorder.faults if fault is not None]


class Planted(Engine):
    """The real engine, made slow or wrong."""

    def __init__(self, inner: Engine, *, pause: float = 0.0, wrong: bool = False) -> None:
        self._inner, self._pause, self._wrong = inner, pause, wrong
        self.bundle = inner.bundle

    def infer(self, batch: Prepared) -> Floats:
        time.sleep(self._pause)
        answers = self._inner.infer(batch)
        return answers[:, ::-1].copy() if self._wrong else answers

    def close(self) -> None:
        self._inner.close()


def tunings_folder() -> Path:
    """Where the user's tunings lie."""
    return user_data() / "tuned"
