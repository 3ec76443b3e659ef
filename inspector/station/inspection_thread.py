"""The thread that opens a program's engines and inspects with them.

There is a single one, because engines use every core by themselves. If parts arrive as fast as they are judged, several batches
are in flight in an engine that supports this: no core is idle while one batch is prepared and another is read.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.inspection.batch_inference import BatchInference, InFlightBatch
from inspector.inspection.parts import Part, PartResult
from inspector.inspection.program import Program
from inspector.inspection.pulse import Doing
from inspector.inspection.status import Report

log = logging.getLogger(__name__)


class Work(Protocol):
    """The source of parts and the destination of results. Called on the inspection thread."""

    @property
    def busy(self) -> bool: ...
    def serves(self, thread: "InspectionThread") -> bool: ...
    def next_parts(self, *, under_way: bool) -> list[Part]: ...
    def conclude(self, found: Sequence[tuple[Part, PartResult]], program: Program) -> None: ...


_AFTER_DEFECT_S = 0.05  # so that a defect that comes again at once does not keep a core busy
Ready = Callable[["InspectionThread", InspectorError | None], None]


class InspectionThread:
    """Runs from construction until it no longer serves the pipeline."""

    def __init__(self, program: Program, work: Work, *, report: Report, ready: Ready) -> None:
        """`ready` is called on the thread when the engines are open, or with the reason why they cannot be opened."""
        self.program = program
        self._work = work
        self._report = report
        self._ready = ready
        self._inference = BatchInference(program, report=report)
        self._next: Program | None = None
        self._in_flight: deque[_Begun] = deque()
        self._thread = threading.Thread(target=self._run, name="station-inspect", daemon=True)
        self._thread.start()

    def adopt(self, program: Program) -> bool:
        """Use another program from the next batch on; return False if that needs other engines."""
        if not self._inference.can_follow(program):
            return False
        self._next = program
        return True

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def hangs(self, now: float) -> Doing | None:
        """Return the bundle whose engine does not answer, and since when; None if all answer."""
        return self._inference.pulse.hangs(now)

    @property
    def computing(self) -> bool:
        """Whether the thread is using an engine, not waiting for parts or for room for verdicts."""
        return self._inference.pulse.doing is not None

    def interrupt(self, bundle: str) -> bool:
        """End the wait for the engine of a bundle; return False if it cannot be interrupted."""
        return self._inference.interrupt(bundle)

    def join(self, timeout: float) -> bool:
        """Wait for the thread, at most `timeout` seconds; return False if it still runs."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive() or self._thread is threading.current_thread()

    def _run(self) -> None:
        try:
            self._inference.open(side_by_side=True)
        except InspectorError as error:
            self._ready(self, error)
            return
        except Exception as error:
            log.exception("The engines cannot be opened")
            self._ready(self, InspectorError("Internal error while opening the engines: {detail}", detail=error))
            return
        try:
            self._ready(self, None)
            while self._work.serves(self):
                self._guarded(lambda: self._inspect(self._work.next_parts(under_way=bool(self._in_flight))))
        finally:
            while self._in_flight:
                batch = self._in_flight.popleft()
                self._guarded(lambda batch=batch: self._finish(batch))  # type: ignore[misc]
            self._inference.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work, and report a defect in what takes the verdicts: without this thread the line would be deaf."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - thread boundary: the next batch must have its chance
            self._defect(error)
            time.sleep(_AFTER_DEFECT_S)

    def _inspect(self, parts: Sequence[Part]) -> None:
        """Start these parts, and finish flights beyond the allowed number: all of them, if no parts came."""
        if self._next is not None:
            self.program, self._next = self._next, None
            self._inference.follow(self.program)
        others = 0
        if parts:
            # More flights raise the throughput and the latency of each: not with a deadline.
            together = self._work.busy and self.program.recipe.deadline_ms is None
            others = self._inference.others if together else 0
            self._in_flight.append(_Begun(parts, self.program))
            self._begin(self._in_flight[-1], beside=others > 0)
        while len(self._in_flight) > others:
            self._finish(self._in_flight.popleft())
            if not parts:
                break  # look for parts again: the engine may be idle now

    def _begin(self, batch: "_Begun", *, beside: bool) -> None:
        try:
            batch.flight = self._inference.begin(batch.parts, beside=beside)
        except Exception as error:  # noqa: BLE001 - thread boundary: the next batch must have its chance
            batch.problem = self._defect(error)

    def _finish(self, batch: "_Begun") -> None:
        results: list[PartResult] = []
        try:
            if batch.flight is not None:
                results = self._inference.finish(batch.flight)
        except Exception as error:  # noqa: BLE001 - thread boundary: as above
            batch.problem = self._defect(error)
        if batch.problem is not None:
            results = [PartResult(failures=[batch.problem]) for _ in batch.parts]
        self._work.conclude(list(zip(batch.parts, results, strict=True)), batch.program)

    def _defect(self, error: Exception) -> Message:
        log.error("A batch could not be inspected", exc_info=error)
        problem = message("Internal error while inspecting: {detail}", detail=f"{type(error).__name__}: {error}")
        self._report("inspection", problem, None)
        return problem


@dataclass(slots=True)
class _Begun:
    """Parts in flight, with the program that judges them."""

    parts: Sequence[Part]
    program: Program
    flight: InFlightBatch | None = None
    problem: Message | None = None
