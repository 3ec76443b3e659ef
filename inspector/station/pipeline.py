"""The threads between cameras and verdicts: one per camera, one that inspects, one that supervises."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from inspector.cameras.base import Camera
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection, Origin
from inspector.inspection.parts import FrameCapture, Life, Part, PartResult, capture_of
from inspector.inspection.program import Program
from inspector.inspection.quality import FrozenWatch, SizeWatch
from inspector.inspection.status import CameraStatus, Mode, StageStats
from inspector.station.camera_runner import CameraRunner, hangs
from inspector.station.counters import Counters
from inspector.station.edge import Edge
from inspector.station.inspection_thread import InspectionThread
from inspector.station.outputs import PATIENCE
from inspector.station.part_assembler import PartAssembler
from inspector.station.part_register import PartRegister
from inspector.station.supervisor import Supervisor

CAPACITY = 256 * 1024 * 1024  # most bytes of waiting frames
POLL = 0.05  # seconds between checks for expired parts
STOP_SECONDS = 3.0  # how long a camera, and then the engine, may take to stop
TRIGGER = "trigger"


class Owner(Protocol):
    """Receiver of a pipeline's events in the station. Called on the pipeline's threads."""

    def report(self, where: str, problem: Message | None, remedy: Message | None) -> None: ...
    def camera_is(self, name: str, status: CameraStatus) -> None: ...
    def part_opened(self, sequence: int, part: str) -> None: ...
    def part_forgotten(self, sequence: int) -> None: ...
    def judged(self, inspections: Sequence[Inspection], wait: bool) -> None: ...
    def look(self, now: float) -> None: ...
    def through(self, pipeline: "Pipeline") -> None: ...


class Pipeline:
    """Cameras, the edge behind them, and the thread that inspects with one program at a time."""

    def __init__(
        self,
        program: Program,
        cameras: Mapping[str, Camera],
        *,
        mode: Mode,
        owner: Owner,
        counters: Counters,
        limit: int | None = None,
        issue: Callable[[], str] | None = None,
    ) -> None:
        """Starts nothing. `limit`: most parts to judge. `issue`: see `PartAssembler`."""
        recipe = program.recipe
        live = {name: camera.live for name, camera in cameras.items()}
        waits = mode == "triggered" or not any(live.values())
        self.mode: Mode = mode
        self.program = program
        self._owner = owner
        self._counters = counters
        self.register = PartRegister(owner, limit=limit)
        self._assembler = PartAssembler(
            live,
            mode=mode,
            join_s=recipe.join_ms / 1000,
            trigger_s=recipe.trigger_ms / 1000,
            opened=self.register.open,
            issue=issue,
        )
        self._edge: Edge[Part] = Edge(
            max(2, recipe.max_batch), drop="never" if waits else "oldest", capacity=CAPACITY, weigh=Part.weight
        )
        self._watches = {name: FrozenWatch() for name in cameras}
        self._sizes = {name: SizeWatch() for name in cameras}
        self._runners = [self._runner(camera) for camera in cameras.values()]
        self._stopping = threading.Event()
        self._supervisor = Supervisor(self, owner.report)
        self._inspecting: InspectionThread | None = None
        self._opening: InspectionThread | None = None  # replaces one that hangs
        self._hiring = threading.Lock()
        self._jammed = False
        self.busy = False  # parts arrive as fast as they are judged

    def _runner(self, camera: Camera) -> CameraRunner:
        return CameraRunner(
            camera,
            wanted=self._assembler.wanted,
            deliver=self._arrived,
            unreadable=self._unreadable,
            lost=self._lost,
            report=self._camera_changed,
            fault=self._owner.report,
            silence_s=self.program.recipe.silence_s,
        )

    def start(self, inspecting: InspectionThread) -> None:
        """Use a thread with open engines for inspection from now on. The first one starts the cameras."""
        first = self._inspecting is None
        self._inspecting = inspecting
        self._take_over(inspecting.program)
        self._supervisor.follow(inspecting)
        if first:
            self._supervisor.start()
            for runner in self._runners:
                runner.start()

    def adopt(self, program: Program) -> bool:
        """Use another program from the next batch on, if the open engines can run it."""
        inspecting = self._inspecting
        if inspecting is None or not inspecting.adopt(program):
            return False
        self._take_over(program)
        return True

    def _take_over(self, program: Program) -> None:
        self.program = program
        self._assembler.deadline_s = program.recipe.deadline_s(self.mode)
        self._counters.follow(self._assembler.arrivals, program.recipe.takt_ms)

    def serves(self, thread: InspectionThread) -> bool:
        """Return whether this is (still) the inspecting thread."""
        return self._inspecting is thread and not self._stopping.is_set()

    def trigger(self, name: str) -> str:
        """Request one frame of a new part from every camera."""
        if len(self._assembler) + len(self._edge) >= self._edge.size or self._inspecting is None:
            part = self._assembler.refused(name)
            self._jam(part)
            return part.name
        self._clear_jam()
        return self._assembler.trigger(name).name

    def next_parts(self, *, under_way: bool) -> list[Part]:
        """Return parts to inspect. Waits briefly for them, unless others are `under_way`. Called by the inspecting thread."""
        parts = self._assembler.expired()
        if parts:  # older complete parts come first
            parts = sorted(self._edge.take(self._edge.size, timeout=0) + parts, key=lambda part: part.sequence)
        else:
            # Wait for further parts only if they arrive as fast as they are judged; a single part goes at once.
            recipe = self.program.recipe
            linger = recipe.max_wait_ms / 1000 if self.busy else 0
            parts = self._edge.take(recipe.max_batch, timeout=linger if under_way else POLL, linger=linger)
            self.busy = len(parts) >= recipe.max_batch > 1  # with max_batch 1 the latency of each part counts
        if not parts and not under_way:
            self._check_end()
        parts = [part for part in parts if part.life is Life.OPEN]
        for part in parts:
            part.begun = True
        return parts

    def _check_end(self) -> None:
        """Tell the owner when every source has ended and every part has its verdict."""
        ended = self.register.full or all(runner.done for runner in self._runners)
        if ended and not len(self.register):
            self._owner.through(self)

    def conclude(self, found: Sequence[tuple[Part, PartResult]], program: Program) -> None:
        """Judge the parts of a batch and deliver the verdicts, except of parts whose deadline passed before."""
        if all(part.deadline_s is None for part, _ in found):
            self.register.decide_all(found, program)  # the sinks are woken once
            return
        for part, result in found:
            self.register.decide(part, result, program)

    def edges(self) -> dict[str, StageStats]:
        """Return depth and drops of the edges."""
        return {"frames": StageStats(depth=len(self._edge), drops=self._edge.drops)}

    # ---- called by the supervisor --------------------

    def look(self, now: float) -> None:
        """Check for hanging cameras and sinks, and for the end of all sources."""
        for runner in self._runners:
            runner.look(now)
        self._owner.look(now)
        self._check_end()

    def answer(self, part: Part, problem: Message) -> None:
        """Answer a part with NOT_INSPECTED, wherever it is now. Never waits."""
        self._assembler.withdraw(part)
        self._edge.withdraw(part)
        self.register.decide(part, PartResult(failures=[problem]), self.program, wait=False)

    def begun(self) -> list[Part]:
        """Return the undecided parts in an engine."""
        return [part for part in self.register.parts() if part.begun]

    def waiting(self) -> list[Part]:
        """Return the parts that wait for an engine."""
        return [part for part in self._assembler.expired() + self._edge.take(self._edge.size, timeout=0) if not part.begun]

    def hire(self) -> InspectionThread:
        """Open the engines anew on another thread, which inspects as soon as they are open."""
        with self._hiring:
            self._opening = InspectionThread(self.program, self, report=self._owner.report, ready=self._hired)
            return self._opening

    def _hired(self, thread: InspectionThread, error: InspectorError | None) -> None:
        with self._hiring:
            wanted = self._opening is thread and not self._stopping.is_set()
            self._opening = None if wanted else self._opening
        if wanted and error is None:
            self.start(thread)
        elif wanted and error is not None:
            self._supervisor.could_not_restart(error)

    # ---- the end --------------------

    def stop(self) -> None:
        """End every thread within a bounded time. A camera that hangs in its driver is abandoned and reported."""
        self._stopping.set()
        for runner in self._runners:
            runner.ask_to_stop()
        self._edge.close()
        until = time.monotonic() + STOP_SECONDS
        for runner in self._runners:
            if not runner.join(max(0.0, until - time.monotonic())):
                problem = message("Unplug the camera, then restart the program.")
                self._owner.report(runner.name, hangs(runner.name), problem)
        for thread in (self._inspecting, self._opening):
            if thread is None or thread.join(STOP_SECONDS):
                continue
            # The thread may be waiting for a sink, which is no fault of the engine.
            if thread.computing or not thread.join(PATIENCE):
                self._owner.report("engine", message("The engine does not stop."), message("Restart the program."))
        self._supervisor.stop()
        self.register.close(self.program)

    def _camera_changed(self, name: str, status: CameraStatus) -> None:
        self._assembler.camera_is(name, status.state, status.problem)
        self._owner.camera_is(name, status)

    def _arrived(self, frame: Frame, origin: Origin | None) -> None:
        """Handle a frame, on its camera's thread."""
        program, name = self.program, frame.camera
        self._counters.frame(name)
        live = self._assembler.live(name)
        model = program.recipe.cameras[name]
        problem = self._sizes[name].observe(frame, model.frame_size, live=live)
        if live:
            problem = self._watches[name].observe(frame, model.gate) or problem
        self._admit(name, capture_of(frame, name, program, problem=problem, live=live, origin=origin))

    def _unreadable(self, camera: str, part: str, error: InspectorError, origin: Origin | None) -> None:
        """Handle a part without a frame, on its camera's thread."""
        values = error.problem.values
        source = str(values.get("file", values.get("source", part)))
        self._admit(camera, FrameCapture(None, error.problem, source, part=part, origin=origin))

    def _lost(self, count: int) -> None:
        """Count overwritten frames of a live camera. Frames between two triggers are not needed and not counted."""
        if self.mode == "free":
            self._counters.drop(count)

    def _admit(self, camera: str, capture: FrameCapture) -> None:
        assembled = self._assembler.add(camera, capture)
        self._counters.drop(assembled.replaced)
        for part in assembled.ready:
            if self.mode == "triggered":
                if self._edge.put(part, timeout=0) and not self._edge.closed:
                    self._jam(part)
                continue
            self._assembler.held_up(camera, True)
            lost = self._edge.put(part)
            self._assembler.held_up(camera, False)
            if not self._edge.closed:
                self._counters.drop(len(lost))
                self.register.forget(lost)

    def _jam(self, part: Part) -> None:
        """Answer a triggered part for which there is no room, and report a fault."""
        problem = message("The station is behind: {count} {count:|part waits|parts wait} already.", count=self._edge.size)
        if not self._jammed:
            self._jammed = True
            self._owner.report(TRIGGER, problem, message("Trigger more slowly, or use a faster engine."))
        self.register.decide(part, PartResult(failures=[problem]), self.program, wait=False)

    def _clear_jam(self) -> None:
        if self._jammed and not len(self._edge):
            self._jammed = False
            self._owner.report(TRIGGER, None, None)
