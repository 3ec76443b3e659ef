"""One camera on its own thread: opened, read, and opened again when it fails.

Policy. A failure that cannot mend itself (no such file) is a FAULT at once. Otherwise the camera is LOST and opened again
after a pause that grows with the failures of the last minute (0.5, 1, 2, 4, then 5 s). A live camera is tried for ever,
because its cable may be plugged in again after an hour; a camera that is not live (a file on a share) becomes a FAULT
after five failures within a minute, because trying again would start it from its beginning.
"""

import logging
import threading
import time
from collections.abc import Callable

from inspector.cameras.base import Camera
from inspector.core.errors import CameraError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame
from inspector.inspection.analysis import RESTARTS, Budget
from inspector.inspection.events import CameraChanged, CameraState

log = logging.getLogger(__name__)

PAUSES = (0.5, 1.0, 2.0, 4.0, 5.0)


class Feed:
    """Supervises one camera. Its callbacks run on its thread."""

    def __init__(
        self,
        camera: Camera,
        *,
        wanted: Callable[[str, threading.Event], bool],
        deliver: Callable[[Frame], None],
        unreadable: Callable[[str, str, InspectorError], None],
        lost: Callable[[int], None],
        report: Callable[[CameraChanged], None],
    ) -> None:
        """`wanted(name, stop)` blocks until the next frame is of use; `deliver` takes it; `report` is told of changes.

        `unreadable(name, part, error)` takes a part that its source has no frame for; `lost(count)` is told of frames that
        newer ones replaced inside the camera.
        """
        self.camera = camera
        camera.on_problem = self._skipped
        camera.on_lost = lost
        self._unreadable = unreadable
        self._skips = 0
        self._wanted = wanted
        self._deliver = deliver
        self._report = report
        self._stop = threading.Event()
        self._state: CameraState | None = None
        self._failures = Budget(limit=10_000)
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.name}", daemon=True)

    @property
    def name(self) -> str:
        return self.camera.name

    @property
    def done(self) -> bool:
        """Whether no more frames will come."""
        return self._state in (CameraState.ENDED, CameraState.FAULT)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Returns at once; `join` waits."""
        self._stop.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread, at most `timeout` seconds; False if the camera hangs in a read that nothing can end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._change(CameraState.CONNECTING)
        while not self._stop.is_set():
            try:
                self._read()
            except InspectorError as error:
                if not self._recover(error):
                    return
            except Exception as error:
                log.exception("The camera %s failed", self.name)
                problem = "Internal error in the camera {camera}: {detail}"
                if not self._recover(CameraError(problem, camera=self.name, detail=f"{type(error).__name__}: {error}")):
                    return
            else:
                if not self._stop.is_set():
                    self._change(CameraState.ENDED)
                return

    def _read(self) -> None:
        """Hand on frames until the source ends or the station stops."""
        frames = self.camera.frames(self._stop)
        try:
            while self._wanted(self.name, self._stop):
                self._skips = 0
                frame = next(frames, None)
                if frame is None or self._stop.is_set():
                    return
                self._change(CameraState.STREAMING)
                # A part that could not be read took the place that this frame was asked for.
                if self._skips and not self._wanted(self.name, self._stop):
                    return
                self._deliver(frame)
        finally:
            close: Callable[[], None] | None = getattr(frames, "close", None)
            if close is not None:
                close()

    def _skipped(self, part: str, error: InspectorError) -> None:
        self._change(CameraState.STREAMING)
        if not self._skips or self._wanted(self.name, self._stop):
            self._unreadable(self.name, part, error)
        self._skips += 1

    def _recover(self, error: InspectorError) -> bool:
        """Pause after a failure; False if the camera is given up or the station stops."""
        now = time.monotonic()
        self._failures.spend(now)
        failures = self._failures.recent(now)
        retryable = isinstance(error, CameraError) and error.retryable
        if not retryable or (not self.camera.live and failures > RESTARTS):
            self._change(CameraState.FAULT, error.problem, error.remedy)
            return False
        self._change(CameraState.LOST, error.problem, error.remedy)
        return not self._stop.wait(PAUSES[min(failures, len(PAUSES)) - 1])

    def _change(self, state: CameraState, problem: Message | None = None, remedy: Message | None = None) -> None:
        if state is not self._state or problem is not None:
            self._state = state
            self._report(CameraChanged(self.name, state, problem, remedy))


def hangs(camera: str) -> Message:
    """Return what is said of a camera that cannot be stopped."""
    return message("The camera {camera} does not stop: it hangs in its driver.", camera=camera)
