"""One camera on its own thread: opened, read, and opened again when it fails or hangs.

Policy. A failure that cannot mend itself (no such file) is a FAULT at once. Otherwise the camera is LOST and opened again
after a pause that grows with the failures of the last minute (0.5, 1, 2, 4, then 5 s). A live camera and a watched folder are
tried for ever, because a cable may be plugged in again after an hour; any other camera (a video on a share) becomes a FAULT
after five failures within a minute, because trying again would start it from its beginning. A thread that hangs in its
driver is left behind and another one takes its place, as long as not too many are left.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inspector.cameras.base import Camera
from inspector.core.errors import CameraError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Origin
from inspector.inspection.batch_inference import RESTARTS, Budget
from inspector.inspection.pulse import Doing, Pulse
from inspector.inspection.status import CameraState, CameraStatus, Report

log = logging.getLogger(__name__)

PAUSES = (0.5, 1.0, 2.0, 4.0, 5.0)
NAMED_S = 4.0  # seconds without a sign of life after which a source that may take long is named
MOST_LEFT = 3  # threads of one kind that may hang at the same time; with more, nothing is retried


@dataclass(slots=True, eq=False)
class _Reading:
    """One thread that reads the camera. Once abandoned, its results are ignored."""

    thread: threading.Thread | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    pulse: Pulse = field(default_factory=Pulse)


class CameraRunner:
    """Supervises one camera. Its callbacks run on the reading thread."""

    def __init__(
        self,
        camera: Camera,
        *,
        wanted: Callable[[str, threading.Event], bool],
        deliver: Callable[[Frame, Origin | None], None],
        unreadable: Callable[[str, str, InspectorError, Origin | None], None],
        lost: Callable[[int], None],
        report: Callable[[str, CameraStatus], None],
        fault: Report,
        silence_s: float = 0.0,
    ) -> None:
        """`wanted(name, stop)` blocks until the next frame is needed; `deliver` takes it; `report` receives changes of state.

        `unreadable(name, part, error, origin)` takes a part whose frame cannot be read. `lost(count)` receives the number of
        frames overwritten inside the camera. `silence_s`: shortest time without a frame after which a live camera counts as
        hanging; the camera may ask for more (`Camera.patience_s`). `fault` receives a source without such a limit that
        does not answer.
        """
        self.camera = camera
        camera.on_problem = self._skipped
        camera.on_lost = lost
        camera.on_alive = self._alive
        self._unreadable = unreadable
        self._skips = 0
        self._wanted = wanted
        self._deliver = deliver
        self._report = report
        self._fault = fault
        self._patience_s = None if camera.patience_s is None else max(camera.patience_s, silence_s)
        self._named_s = max(NAMED_S, silence_s)
        self._named = False
        self._stopping = False
        self._status = CameraStatus()
        self._told = False
        self._failures = Budget(limit=10_000)
        self._reading = _Reading()
        self._left: list[threading.Thread] = []
        self._beginning = threading.Lock()

    @property
    def name(self) -> str:
        return self.camera.name

    @property
    def done(self) -> bool:
        """Whether no more frames will come."""
        return self._status.state in (CameraState.ENDED, CameraState.FAULT)

    def start(self) -> None:
        self._change(CameraState.CONNECTING)
        self._begin(0.0)

    def ask_to_stop(self) -> None:
        """Ask the camera to stop and return at once; `join` waits. No thread is begun afterwards."""
        with self._beginning:
            self._stopping = True
            self._reading.stop.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread, at most `timeout` seconds; return False if the camera hangs in an uninterruptible read."""
        thread = self._reading.thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def look(self, now: float) -> None:
        """Abandon a thread that hangs and read on another one. Called by the supervising thread."""
        reading = self._reading
        doing = reading.pulse.hangs(now)
        if self._patience_s is None:
            self._name(doing, now)
            return
        if doing is None or self._stopping:
            return
        reading.stop.set()
        self._left = [thread for thread in self._left if thread.is_alive()]
        if reading.thread is not None:
            self._left.append(reading.thread)
        problem = message(
            "The camera {camera} has given no frame for {seconds:.0f} s: it hangs in its driver.",
            camera=self.name,
            seconds=now - doing.since,
        )
        if len(self._left) > MOST_LEFT:
            self._reading = _Reading()
            self._change(CameraState.FAULT, problem, message("Unplug the camera, then restart the program."))
            return
        self._failures.spend(now)
        self._change(CameraState.LOST, problem, message("Check its power, cable and network."))
        self._begin(self._pause(now))

    def _name(self, doing: Doing | None, now: float) -> None:
        """Report a source that may take long (a file, a share) while it shows no sign of life. It cannot be opened twice."""
        if (doing is not None) == self._named or self._stopping:
            return
        self._named = doing is not None
        if doing is None:
            self._fault(self.name, None, None)
            return
        problem = message(
            "The camera {camera} has shown no sign of life for {seconds:.0f} s.",
            camera=self.name,
            seconds=now - doing.since,
        )
        remedy = message("Check its disk, the network to its share, and what else keeps this computer busy.")
        self._fault(self.name, problem, remedy)

    def _alive(self) -> None:
        self._reading.pulse.renew()

    def _begin(self, pause_s: float) -> None:
        with self._beginning:
            if self._stopping:
                return
            reading = _Reading()
            reading.thread = threading.Thread(
                target=self._run, args=(reading, pause_s), name=f"camera-{self.camera.name}", daemon=True
            )
            self._reading = reading
            reading.thread.start()

    def _run(self, reading: _Reading, pause_s: float) -> None:
        reading.stop.wait(pause_s)
        while not reading.stop.is_set():
            try:
                self._read(reading)
            except InspectorError as error:
                if reading is not self._reading or not self._recover(error, reading):
                    return
            except Exception as error:
                log.exception("The camera %s failed", self.name)
                problem = "Internal error in the camera {camera}: {detail}"
                failed = CameraError(problem, camera=self.name, detail=f"{type(error).__name__}: {error}")
                if reading is not self._reading or not self._recover(failed, reading):
                    return
            else:
                if not reading.stop.is_set():
                    self._change(CameraState.ENDED)
                return

    def _read(self, reading: _Reading) -> None:
        """Deliver frames until the source ends or the station stops."""
        stop = reading.stop
        frames = self.camera.frames(stop)
        try:
            while self._wanted(self.name, stop):
                self._skips = 0
                with reading.pulse.during(self.name, self._named_s if self._patience_s is None else self._patience_s):
                    frame = next(frames, None)
                if frame is None or stop.is_set():
                    return
                origin = self.camera.origin
                self._change(CameraState.STREAMING)
                # An unreadable part used up the request for this frame.
                if self._skips and not self._wanted(self.name, stop):
                    return
                self._deliver(frame, origin)
        finally:
            close: Callable[[], None] | None = getattr(frames, "close", None)
            if close is not None:
                close()

    def _skipped(self, part: str, error: InspectorError) -> None:
        self._change(CameraState.STREAMING)
        with self._reading.pulse.paused():  # an unreadable frame is a sign of life, too, and may have to wait for the others
            if not self._skips or self._wanted(self.name, self._reading.stop):
                self._unreadable(self.name, part, error, self.camera.origin)
        self._skips += 1

    def _recover(self, error: InspectorError, reading: _Reading) -> bool:
        """Pause after a failure; return False if the camera is given up or the station stops."""
        now = time.monotonic()
        self._failures.spend(now)
        retryable = isinstance(error, CameraError) and error.retryable
        if not retryable or (not self.camera.resumes and self._failures.recent(now) > RESTARTS):
            self._change(CameraState.FAULT, error.problem, error.remedy)
            return False
        self._change(CameraState.LOST, error.problem, error.remedy)
        return not reading.stop.wait(self._pause(now))

    def _pause(self, now: float) -> float:
        return PAUSES[min(self._failures.recent(now), len(PAUSES)) - 1]

    def _change(self, state: CameraState, problem: Message | None = None, remedy: Message | None = None) -> None:
        before = self._status
        if self._told and state is before.state and problem is None:
            return
        self._told = True
        failed = state in (CameraState.LOST, CameraState.FAULT)
        self._status = CameraStatus(
            state,
            problem,
            remedy,
            failures=before.failures + 1 if failed else 0,
            seen=before.seen or state in (CameraState.STREAMING, CameraState.ENDED),
            since=time.monotonic(),
        )
        self._report(self.name, self._status)


def hangs(camera: str) -> Message:
    """Return the message for a camera that cannot be stopped."""
    return message("The camera {camera} does not stop: it hangs in its driver.", camera=camera)
