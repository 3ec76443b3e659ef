"""The threads between cameras and verdicts: one a camera, one that inspects.

Inspecting is one thread on purpose: engines use every core without it. Where parts come as fast as they are judged, it keeps
several batches under way in an engine that takes them: while it prepares one and reads another, no core waits.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from inspector.cameras.base import Camera
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection
from inspector.inspection.analysis import Analyser, Flight
from inspector.inspection.events import CameraChanged, Cleared, Event, Fault, StageStats
from inspector.inspection.parts import Findings, Part, Shot, conclude, shoot
from inspector.inspection.program import Program
from inspector.inspection.quality import FrozenWatch
from inspector.station.counters import Counters
from inspector.station.edge import Edge
from inspector.station.feed import Feed, hangs
from inspector.station.intake import Intake

log = logging.getLogger(__name__)

Mode = Literal["free", "triggered"]
CAPACITY = 256 * 1024 * 1024  # bytes of frames that may wait
POLL = 0.05  # seconds between looks at parts whose time is up
STOP_SECONDS = 3.0  # how long a camera, and then the engine, may take to stop
TRIGGER = "trigger"


class Owner(Protocol):
    """What a pipeline tells the station. Called on the pipeline's threads."""

    def emit(self, event: Event) -> None: ...
    def judged(self, inspection: Inspection, program: Program) -> None: ...
    def through(self, pipeline: "Pipeline") -> None: ...


class Pipeline:
    """Cameras, the edge behind them, and the thread that inspects with one program at a time."""

    def __init__(
        self, program: Program, cameras: Mapping[str, Camera], *, mode: Mode, owner: Owner, counters: Counters
    ) -> None:
        """Starts nothing."""
        recipe = program.recipe
        live = {name: camera.live for name, camera in cameras.items()}
        waits = mode == "triggered" or not any(live.values())
        self.mode: Mode = mode
        self.program = program
        self._owner = owner
        self._counters = counters
        self._intake = Intake(live, mode=mode, join_s=recipe.join_ms / 1000, trigger_s=recipe.trigger_ms / 1000)
        self._edge: Edge[Part] = Edge(
            max(2, recipe.max_batch), drop="never" if waits else "oldest", capacity=CAPACITY, weigh=Part.weight
        )
        self._watches = {name: FrozenWatch() for name in cameras}
        self._feeds = [self._feed(camera) for camera in cameras.values()]
        self._stopping = threading.Event()
        self._worker: Worker | None = None
        self._jammed = False
        self.busy = False  # parts come as fast as they are judged

    def _feed(self, camera: Camera) -> Feed:
        return Feed(
            camera,
            wanted=self._intake.wanted,
            deliver=self._arrived,
            unreadable=self._unreadable,
            lost=self._lost,
            report=self._camera_changed,
        )

    def start(self, worker: "Worker") -> None:
        """Let `worker`, whose engines are open, inspect from now on; the first one starts the cameras."""
        first = self._worker is None
        self._worker = worker
        self._take_over(worker.program)
        if first:
            for feed in self._feeds:
                feed.start()

    def adopt(self, program: Program) -> bool:
        """Go on with another program from the next batch on, where the open engines can run it."""
        worker = self._worker
        if worker is None or not worker.adopt(program):
            return False
        self._take_over(program)
        return True

    def _take_over(self, program: Program) -> None:
        self.program = program
        self._counters.follow(self._intake.arrivals, program.recipe.takt_ms)

    def serves(self, worker: "Worker") -> bool:
        """Return whether this is (still) the worker that inspects."""
        return self._worker is worker and not self._stopping.is_set()

    def trigger(self, name: str) -> str:
        """Ask every camera for one frame of a new part."""
        if len(self._intake) + len(self._edge) >= self._edge.size or self._worker is None:
            part = self._intake.refused(name)
            self._jam(part)
            return part.name
        self._clear_jam()
        return self._intake.trigger(name).name

    def next_parts(self, *, under_way: bool) -> list[Part]:
        """Parts to inspect now; waits a moment for them, unless others are `under_way`. Called by the worker only."""
        ended = all(feed.done for feed in self._feeds)
        parts = self._intake.expired()
        if parts:  # those that were complete before come first
            parts = sorted(self._edge.take(self._edge.size, timeout=0) + parts, key=lambda part: part.sequence)
        else:
            # Company is waited for only while parts come as fast as they are judged; a lone one goes at once.
            recipe = self.program.recipe
            linger = recipe.max_wait_ms / 1000 if self.busy else 0
            parts = self._edge.take(recipe.max_batch, timeout=linger if under_way else POLL, linger=linger)
            self.busy = len(parts) >= recipe.max_batch > 1  # one at a time is asked for where the time of each counts
        if ended and not parts and not under_way and not len(self._intake):
            self._owner.through(self)
        return parts

    def conclude(self, part: Part, findings: Findings, program: Program) -> None:
        """Judge a part and tell of it."""
        inspection = conclude(part, findings, program.recipe)
        self._counters.part(inspection)
        self._owner.judged(inspection, program)

    def emit(self, event: Event) -> None:
        """Tell the station."""
        self._owner.emit(event)

    def edges(self) -> dict[str, StageStats]:
        """Depth and drops."""
        return {"frames": StageStats(depth=len(self._edge), drops=self._edge.drops)}

    def stop(self) -> None:
        """End every thread, within a bounded time. A camera that hangs in its driver is left behind and reported."""
        self._stopping.set()
        for feed in self._feeds:
            feed.ask_to_stop()
        self._edge.close()
        until = time.monotonic() + STOP_SECONDS
        for feed in self._feeds:
            if not feed.join(max(0.0, until - time.monotonic())):
                self.emit(Fault(feed.name, hangs(feed.name), message("Unplug the camera, then restart the program.")))
        worker = self._worker
        if worker is not None and not worker.join(STOP_SECONDS):
            self.emit(Fault("engine", message("The engine does not stop."), message("Restart the program.")))
        left = self._intake.abandon() + self._edge.take(self._edge.size, timeout=0)
        for part in left:
            if part.triggered:
                part.failures.append(message("The station was stopped before this part was inspected."))
                self.conclude(part, Findings(), self.program)

    def _camera_changed(self, event: CameraChanged) -> None:
        self._intake.camera_is(event.camera, event.state, event.problem)
        self.emit(event)

    def _arrived(self, frame: Frame) -> None:
        """A frame, on its camera's thread."""
        program, name = self.program, frame.camera
        self._counters.frame(name)
        live = self._intake.live(name)
        frozen = self._watches[name].observe(frame, program.recipe.cameras[name].gate) if live else None
        self._admit(name, shoot(frame, name, program, problem=frozen, live=live))

    def _unreadable(self, camera: str, part: str, error: InspectorError) -> None:
        """A part without a frame, on its camera's thread."""
        values = error.problem.values
        source = str(values.get("file", values.get("source", part)))
        self._admit(camera, Shot(None, error.problem, source, part=part))

    def _lost(self, count: int) -> None:
        """Frames that a live camera gave and nobody took. Between two triggers nobody wants them."""
        if self.mode == "free":
            self._counters.drop(count)

    def _admit(self, camera: str, shot: Shot) -> None:
        arrival = self._intake.add(camera, shot)
        self._counters.drop(arrival.replaced)
        for part in arrival.ready:
            if self.mode == "triggered":
                if self._edge.put(part, timeout=0) and not self._edge.closed:
                    self._jam(part)
                continue
            self._intake.held_up(camera, True)
            lost = self._edge.put(part)
            self._intake.held_up(camera, False)
            if not self._edge.closed:
                self._counters.drop(len(lost))

    def _jam(self, part: Part) -> None:
        """A triggered part that there is no room for: it gets its verdict now, and the line is told."""
        problem = message("The station is behind: {count} parts wait already.", count=self._edge.size)
        if not self._jammed:
            self._jammed = True
            self.emit(Fault(TRIGGER, problem, message("Trigger more slowly, or use a faster engine.")))
        part.failures.append(problem)
        self.conclude(part, Findings(), self.program)

    def _clear_jam(self) -> None:
        if self._jammed and not len(self._edge):
            self._jammed = False
            self.emit(Cleared(TRIGGER))


class Worker:
    """The thread that opens a program's engines and inspects with them."""

    def __init__(
        self, program: Program, pipeline: Pipeline, *, ready: Callable[["Worker", InspectorError | None], None]
    ) -> None:
        """`ready` is called on the thread when the engines are open, or with the reason why they are not."""
        self.program = program
        self._pipeline = pipeline
        self._ready = ready
        self._analyser = Analyser(program, report=pipeline.emit)
        self._next: Program | None = None
        self._under_way: deque[_Begun] = deque()
        self._thread = threading.Thread(target=self._run, name="station-inspect", daemon=True)
        self._thread.start()

    def adopt(self, program: Program) -> bool:
        if not self._analyser.can_follow(program):
            return False
        self._next = program
        return True

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Wait for the thread, at most `timeout` seconds; False if it still runs."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive() or self._thread is threading.current_thread()

    def _run(self) -> None:
        try:
            self._analyser.open(side_by_side=True)
        except InspectorError as error:
            self._ready(self, error)
            return
        except Exception as error:
            log.exception("The engines cannot be opened")
            self._ready(self, InspectorError("Internal error while opening the engines: {detail}", detail=error))
            return
        try:
            self._ready(self, None)
            while self._pipeline.serves(self):
                self._inspect(self._pipeline.next_parts(under_way=bool(self._under_way)))
        finally:
            while self._under_way:
                self._finish(self._under_way.popleft())
            self._analyser.close()

    def _inspect(self, parts: Sequence[Part]) -> None:
        """Begin with these parts, and finish those that are not to be under way any longer: all, if none came."""
        if self._next is not None:
            self.program, self._next = self._next, None
            self._analyser.follow(self.program)
        others = 0
        if parts:
            # More under way are judged faster together, and each of them later: not where a deadline counts.
            together = self._pipeline.busy and self.program.recipe.deadline_ms is None
            others = self._analyser.others if together else 0
            self._under_way.append(_Begun(parts, self.program))
            self._begin(self._under_way[-1], beside=others > 0)
        while len(self._under_way) > others:
            self._finish(self._under_way.popleft())
            if not parts:
                break  # look for parts again: the engine may be idle now

    def _begin(self, batch: "_Begun", *, beside: bool) -> None:
        try:
            batch.flight = self._analyser.begin(batch.parts, beside=beside)
        except Exception as error:  # noqa: BLE001 - thread boundary: the next batch must have its chance
            batch.problem = self._defect(error)

    def _finish(self, batch: "_Begun") -> None:
        findings: list[Findings] = []
        try:
            if batch.flight is not None:
                findings = self._analyser.finish(batch.flight)
        except Exception as error:  # noqa: BLE001 - thread boundary: as above
            batch.problem = self._defect(error)
        if batch.problem is not None:
            findings = [Findings(failures=[batch.problem]) for _ in batch.parts]
        for part, found in zip(batch.parts, findings, strict=True):
            self._pipeline.conclude(part, found, batch.program)

    def _defect(self, error: Exception) -> Message:
        log.error("A batch could not be inspected", exc_info=error)
        problem = message("Internal error while inspecting: {detail}", detail=f"{type(error).__name__}: {error}")
        self._pipeline.emit(Fault("inspection", problem))
        return problem


@dataclass(slots=True)
class _Begun:
    """Parts under way, with the program that judges them."""

    parts: Sequence[Part]
    program: Program
    flight: Flight | None = None
    problem: Message | None = None
