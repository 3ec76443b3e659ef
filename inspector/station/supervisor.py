"""The thread that never blocks: it answers parts at their deadline, and in place of anything that hangs."""

import logging
import threading
import time
from typing import Protocol

from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.inspection.batch_inference import Budget
from inspector.inspection.parts import Part
from inspector.inspection.program import Program
from inspector.inspection.pulse import Doing
from inspector.inspection.status import Report
from inspector.station.camera_runner import MOST_LEFT, PAUSES
from inspector.station.inspection_thread import InspectionThread
from inspector.station.part_register import PartRegister

log = logging.getLogger(__name__)

LOOK_S = 0.25  # interval of checks for hangs
STALLED_S = 1.0  # a check this late shows that the whole process stood still
ENDING_S = 5.0  # how long an interrupted engine may take to notice


class Watched(Protocol):
    """The object under supervision. Called on the supervisor's thread, so no method may wait."""

    register: PartRegister

    @property
    def program(self) -> Program: ...
    def look(self, now: float) -> None: ...
    def answer(self, part: Part, problem: Message) -> None: ...
    def begun(self) -> list[Part]: ...
    def waiting(self) -> list[Part]: ...
    def hire(self) -> InspectionThread: ...


class Supervisor:
    """Runs from the first open engine to the end of its pipeline."""

    def __init__(self, watched: Watched, report: Report) -> None:
        self._watched = watched
        self._report = report
        self._inspecting: InspectionThread | None = None
        self._interrupted: tuple[Doing, float] | None = None  # the interrupted operation, and when
        self._left: list[InspectionThread] = []  # abandoned threads: they hang, or have returned and are ending
        self._restarts = Budget(limit=10_000)
        self._restart_at: float | None = None
        self._given_up: Message | None = None
        self._faults: set[str] = set()
        self._stop = threading.Event()
        self._looked = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="station-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; takes at most one interval."""
        self._stop.set()
        self._watched.register.wake()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(ENDING_S)

    def follow(self, inspecting: InspectionThread) -> None:
        """Supervise this thread, whose engines are open, from now on."""
        self._inspecting, self._restart_at, self._given_up = inspecting, None, None
        for where in sorted(self._faults):
            self._report(where, None, None)
        self._faults.clear()

    def could_not_restart(self, error: InspectorError) -> None:
        """Record that the engines cannot be opened again now; they are tried again after a pause."""
        self._tell("engine", error.problem, error.remedy)
        self._plan(time.monotonic())

    def _run(self) -> None:
        next_look = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            try:
                for part in self._watched.register.overdue(now):
                    self._watched.answer(part, _no_verdict_yet(part))
                if now >= next_look:
                    next_look = now + LOOK_S
                    self._look(now)
            except Exception:
                log.exception("The supervisor failed")
            self._watched.register.wait(next_look)

    def _look(self, now: float) -> None:
        stalled, self._looked = now - self._looked > STALLED_S, now
        if stalled:
            return  # the whole process stood still; a real hang will persist until the next check
        self._watched.look(now)
        inspecting = self._inspecting
        if inspecting is not None:
            hung = inspecting.hangs(now)
            if hung is not None:
                self._on_hung(inspecting, hung, now)
            else:
                self._interrupted = None
        self._left = [thread for thread in self._left if thread.alive]
        if self._given_up is not None:
            for part in self._watched.waiting():
                self._watched.answer(part, self._given_up)
            if len(self._left) <= MOST_LEFT:
                self._plan(now)
                self._given_up = None
        if self._restart_at is not None and now >= self._restart_at:
            self._restart_at = None
            self._watched.hire()

    def _on_hung(self, inspecting: InspectionThread, hung: Doing, now: float) -> None:
        """Answer the parts of an engine that hangs, then interrupt it or abandon its thread."""
        if self._interrupted is not None and self._interrupted[0] == hung:
            if now - self._interrupted[1] < ENDING_S:
                return
        else:
            problem = message(
                "The engine of {bundle} has not answered for {seconds:.1f} s.", bundle=hung.what, seconds=now - hung.since
            )
            self._tell(hung.what, problem, message("It is opened again. Choose another engine if it happens again."))
            for part in self._watched.begun():
                self._watched.answer(part, problem)
            if inspecting.interrupt(hung.what):
                self._interrupted = (hung, now)
                self._faults.discard(hung.what)  # the engine itself reports its recovery
                return
        self._leave_behind(inspecting, hung, now)

    def _leave_behind(self, inspecting: InspectionThread, hung: Doing, now: float) -> None:
        self._interrupted, self._inspecting = None, None
        self._left.append(inspecting)
        if len(self._left) > MOST_LEFT:
            self._given_up = message("The engine of {bundle} hangs again and again.", bundle=hung.what)
            self._tell(hung.what, self._given_up, message("Restart the program, or choose another engine."))
        else:
            self._plan(now)

    def _plan(self, now: float) -> None:
        self._restarts.spend(now)
        self._restart_at = now + PAUSES[min(self._restarts.recent(now), len(PAUSES)) - 1]

    def _tell(self, where: str, problem: Message, remedy: Message | None) -> None:
        self._faults.add(where)
        self._report(where, problem, remedy)


def _no_verdict_yet(part: Part) -> Message:
    return message("There was no verdict within the deadline of {limit:.0f} ms.", limit=(part.deadline_s or 0.0) * 1000)
