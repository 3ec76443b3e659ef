"""A station that a test conducts: the contract of `station.Station`, with real frames of the demo line and no engines.

The window's own behaviour (what it shows when a camera goes, a verdict is late, a part is held) is tested with it, event by
event; that the real station behaves so is tested in tests/station, and both together in test_app_line.py.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from inspector.cameras.demo.line import PLATE, PLATE_CLASSES, WINDOW, WINDOW_CLASSES, DemoLine, DemoPart
from inspector.core.message import ClassName, Message, message
from inspector.core.types import Boxes, Frame, Inspection, Prediction, Region, Scores, Temperatures, Verdict
from inspector.inspection.status import (
    CameraState,
    CameraStatus,
    Fault,
    Judging,
    Mode,
    StationState,
    StationStatus,
    Stats,
    TaktStats,
)
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.results.sink import Sink
from inspector.ui.inspect.station_worker import Listener

RECIPE = Recipe(
    name="Demo line",
    cameras={
        "visible": CameraModel(source="simulated:visible", mm_per_px=0.5),
        "thermal": CameraModel(source="simulated:thermal"),
    },
    inspect=(
        InspectModel(bundle="plates", camera="visible"),
        InspectModel(bundle="window", camera="visible"),
        InspectModel(bundle="heat", camera="thermal"),
    ),
    rules=(Rule(bundle="plates", quantity="count", limit=0),),
)
_DEMO = DemoLine(seed=0)
_REASONS = {
    Verdict.OK: (),
    Verdict.NG: (message("{name} (score {score:.2f})", name="scratch", score=0.97),),
    Verdict.REVIEW: (message("{name} (score {score:.2f})", name=ClassName("mild"), score=0.55),),
    Verdict.NOT_INSPECTED: (message("The bundle {bundle} gave no prediction.", bundle="plates"),),
}


@lru_cache(maxsize=64)
def _part(index: int) -> DemoPart:
    return _DEMO.part(index)


def inspection(index: int, verdict: Verdict, *, reasons: Sequence[Message] | None = None) -> Inspection:
    """A part of the demo line whose predictions are its truth."""
    part = _part(index)
    now, utc = time.monotonic(), datetime.now(UTC)
    name = f"P{index:06d}"
    frames = {
        "visible": Frame(part.visible, "visible", index, now, utc, part=name, is_simulated=True),
        "thermal": Frame(part.thermal, "thermal", index, now, utc, "kelvin", part=name, is_simulated=True),
    }
    return Inspection(
        part=name,
        sequence=index,
        verdict=verdict,
        reasons=tuple(_REASONS[verdict] if reasons is None else reasons),
        frames=frames,
        predictions=_predictions(index),
        recipe=RECIPE.name,
        revision=1,
        latency_ms=12.0,
    )


def _predictions(index: int) -> tuple[Prediction, ...]:
    part = _part(index)
    boxes = part.truth_visible.boxes or Boxes.empty()
    label = part.truth_visible.label or 0
    scores = np.full(len(WINDOW_CLASSES), 0.02, np.float32)
    scores[label] = 1.0 - 0.02 * (len(WINDOW_CLASSES) - 1)
    high, mean, low = part.truth_thermal.temperatures or (300.0, 290.0, 280.0)
    heat = Temperatures(high, mean, low, "measured")
    whole = Region(0, 0, part.thermal.shape[1], part.thermal.shape[0])
    return (
        Prediction("plates", "detection", "visible", PLATE_CLASSES, PLATE, boxes),
        Prediction("window", "classification", "visible", WINDOW_CLASSES, WINDOW, Scores(scores)),
        Prediction("heat", "thermal", "thermal", (), whole, heat),
    )


class ConductedStation:
    """Does what the test says. `started`, `stopped`: how often; `triggers`: the parts asked for; `applied`: recipes.

    `through`: as the real one when all sources have ended and everything is judged. `load`: of the takt.
    """

    def __init__(
        self,
        recipe: Recipe,
        base: Path | None,
        sinks: Sequence[Sink],
        listeners: Sequence[Listener],
        lot: Callable[[Inspection], str],
    ) -> None:
        self.recipe, self.base, self.sinks, self._listeners, self._lot = recipe, base, sinks, listeners, lot
        self.mode: Mode | None = None
        self.status = StationStatus(recipe=recipe)
        self.applied: list[Recipe] = []
        self.through = False
        self.load: float | None = None
        self.started = self.stopped = 0
        self.triggers: list[str] = []
        self.run_at_start = True
        self._counts = dict.fromkeys(Verdict, 0)
        self._lock = threading.Lock()

    def start(self, mode: Mode | None = None) -> None:
        self.mode = mode
        self.started += 1
        self.tell(state=StationState.STARTING, mode=mode or self.recipe.mode)
        if self.run_at_start:
            self.run()

    def run(self) -> None:
        """The engines are ready and the cameras stream."""
        self.tell(state=StationState.RUNNING)
        for camera in self.recipe.cameras:
            self.camera(camera, CameraState.STREAMING)

    def stop(self) -> None:
        self.stopped += 1
        self.tell(state=StationState.STOPPED)

    def apply(self, recipe: Recipe, *, base: Path | None = None) -> None:
        self.applied.append(recipe)
        self.recipe = recipe
        self.tell(recipe=recipe)

    def wait(self, timeout: float | None = None) -> bool:
        return self.through

    def trigger(self, part: str = "") -> str:
        self.triggers.append(part)
        return part

    def stats(self) -> Stats:
        with self._lock:
            c = self._counts
            return Stats(
                parts=sum(c.values()),
                ok=c[Verdict.OK],
                ng=c[Verdict.NG],
                review=c[Verdict.REVIEW],
                not_inspected=c[Verdict.NOT_INSPECTED],
                verdicts_per_s=4.0,
                camera_fps=dict.fromkeys(self.recipe.cameras, 4.0),
                latency_p50_ms=12.0,
                latency_p99_ms=20.0,
                takt=TaktStats(load=self.load),
            )

    def tell(self, **changes: object) -> None:
        """Publish the status with these changes."""
        self.status = replace(self.status, **changes)
        for listener in self._listeners:
            listener(self.status)

    def camera(self, name: str, state: CameraState, problem: Message | None = None, remedy: Message | None = None) -> None:
        now = CameraStatus(state, problem, remedy, seen=True, since=time.monotonic())
        self.tell(cameras={**self.status.cameras, name: now})

    def fault(self, where: str, problem: Message | None) -> None:
        """Something is wrong there; None: no more."""
        others: Mapping[str, Fault] = {name: fault for name, fault in self.status.faults.items() if name != where}
        self.tell(faults=others if problem is None else {**others, where: Fault(problem)})

    def judging(self, why: Message, note: Message | None = None) -> None:
        self.tell(judging=Judging(why, note))

    def judge(self, index: int, verdict: Verdict) -> Inspection:
        """A part comes through."""
        done = inspection(index, verdict)
        done = replace(done, lot=self._lot(done))
        with self._lock:
            self._counts[verdict] += 1
        for sink in self.sinks:
            sink.take(done)
        return done


class Conductor:
    """A factory for the worker that keeps the stations it made."""

    def __init__(self) -> None:
        self.stations: list[ConductedStation] = []

    def __call__(
        self,
        recipe: Recipe,
        *,
        base: Path | None,
        sinks: Sequence[Sink],
        listeners: Sequence[Listener],
        lot: Callable[[Inspection], str],
    ) -> ConductedStation:
        self.stations.append(ConductedStation(recipe, base, sinks, listeners, lot))
        return self.stations[-1]

    @property
    def station(self) -> ConductedStation:
        return self.stations[-1]
