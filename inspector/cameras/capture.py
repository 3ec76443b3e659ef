"""OpenCV's video capture, made quiet, and read on a thread of its own so that nothing else ever waits for a device."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import CameraError

# FFmpeg and OpenCV write their own words to stderr; what matters of them is in the errors raised here.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_LEAVE = 0.5  # seconds that closing waits for the reading thread; a read that hangs ends by its own time-out
_BURST = 2.0  # seconds at most that frames from before the connection are dropped
_LIVE_READS = 3  # reads in a row that had to wait for a frame


def to_frame(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """OpenCV's BGR or grey picture as RGB [H, W, 3] or grey [H, W], uint8."""
    shaped = np.asarray(pixels, np.uint8)
    if shaped.ndim == 3 and shaped.shape[2] == 3:
        return np.asarray(cv2.cvtColor(shaped, cv2.COLOR_BGR2RGB), np.uint8)
    return np.ascontiguousarray(shaped[..., 0] if shaped.ndim == 3 else shaped)


@dataclass(slots=True)
class _Newest:
    number: int = 0
    pixels: NDArray[np.uint8] | None = None
    grabbed: float = 0.0


class Reader:
    """Opens a capture, reads it and keeps the newest frame. One Reader lives from one opening to one failure."""

    def __init__(self, name: str, open_capture: Callable[[], cv2.VideoCapture]) -> None:
        """`open_capture` may block, but not for ever. `name` is for the thread."""
        self._open_capture = open_capture
        self._changed = threading.Condition()
        self._newest = _Newest()
        self._opened = False
        self._ended = False
        self._leave = Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)
        self._thread.start()

    def frames(
        self, stop: Event, *, open_timeout: float, timeout: float, source: str
    ) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """Yield (RGB or grey pixels, time of grabbing) of the newest frame, again and again, each at most once.

        Ends when `stop` is set. Raises CameraError (retryable) when the source cannot be opened within `open_timeout`
        seconds, gives no frame for `timeout` seconds, or ends.
        """
        seen, deadline = 0, time.monotonic() + open_timeout
        opened = False
        while not stop.is_set():
            with self._changed:
                if self._newest.number == seen and not self._ended:
                    self._changed.wait(0.05)
                newest, now_opened, ended = self._newest, self._opened, self._ended
            now = time.monotonic()
            if newest.number != seen and newest.pixels is not None and now - newest.grabbed < timeout:
                seen, deadline = newest.number, newest.grabbed + timeout
                yield newest.pixels, newest.grabbed
            elif ended:
                raise _lost(source) if now_opened else _closed(source)
            elif now_opened and not opened:
                opened, deadline = True, now + timeout
            elif now > deadline:
                raise _silent(source, timeout) if now_opened else _closed(source)

    def close(self) -> None:
        """Let the thread go; it closes the capture when its read ends."""
        self._leave.set()
        self._thread.join(_LEAVE)

    def _run(self) -> None:
        capture = self._open_capture()
        try:
            if capture.isOpened() and not self._leave.is_set():
                with self._changed:
                    self._opened = True
                    self._changed.notify_all()
                self._read(capture)
        finally:
            capture.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read(self, capture: cv2.VideoCapture) -> None:
        rate = capture.get(cv2.CAP_PROP_FPS)
        # A stream begins with what its server had buffered. Such frames come at once; live ones have to be waited for, each
        # time: a single late one may be the computer's own doing.
        late = 0.5 / rate if 1.0 <= rate <= 240.0 else 0.01
        needed = 1 if 1.0 <= rate < 5.0 else _LIVE_READS
        waited, burst_ends = 0, time.monotonic() + _BURST
        while not self._leave.is_set():
            asked = time.monotonic()
            if not capture.grab():
                return
            grabbed = time.monotonic()
            if waited < needed and grabbed < burst_ends:
                waited = waited + 1 if grabbed - asked >= late else 0
                if waited < needed:
                    continue
            good, pixels = capture.retrieve()
            if not good:
                return
            frame = to_frame(pixels)
            with self._changed:
                self._newest = _Newest(self._newest.number + 1, frame, grabbed)
                self._changed.notify_all()


def _closed(source: str) -> CameraError:
    return CameraError(
        "{source} cannot be opened.",
        remedy="Check that it is switched on and connected, its address, user and password, and that no other program uses it.",
        source=source,
    )


def _silent(source: str, timeout: float) -> CameraError:
    return CameraError(
        "{source} has given no frame for {timeout:g} s.",
        remedy="Check its power, cable and network.",
        source=source,
        timeout=timeout,
    )


def _lost(source: str) -> CameraError:
    return CameraError("The connection to {source} was lost.", remedy="Check its power, cable and network.", source=source)
