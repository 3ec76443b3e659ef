"""Capture devices, each read on its own thread so that nothing else waits for a device."""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import CameraError, InspectorError
from inspector.core.types import Pixels

# FFmpeg and OpenCV log to stderr; relevant problems are raised here as errors.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_LEAVE = 0.5  # seconds that closing waits for the reading thread; a read that hangs ends by its own time-out
_BURST = 2.0  # longest time in seconds during which buffered frames from before the connection are dropped
_LIVE_READS = 3  # consecutive reads that had to wait for a frame
_SURELY_LIVE = 0.4  # a read that waited this many seconds returned an unbuffered frame
_AT_EXIT = 15.0  # seconds that the end of the process waits for reads; OpenCV gives up a silent USB camera after 10


Picture = Pixels | InspectorError
"""Pixels, RGB [H, W, 3] or grey [H, W], or why a picture must not be judged."""


class Capture(Protocol):
    """A capture device. Every method except `interrupt` is called on the reading thread only."""

    rate: float
    """Frames a second it announces, 0 where it does not; known once it is open."""

    buffers: bool
    """Whether a connection begins with frames from before it."""

    @property
    def in_opencv(self) -> bool:
        """Whether calls may block inside OpenCV. The process must not end during such a call."""

    def open(self) -> bool:
        """Connect; return False if that fails. Raises CameraError if the reason is known."""

    def grab(self) -> bool:
        """Wait for the next picture; return False at the end. Raises CameraError if the reason is known."""

    def retrieve(self) -> Picture | Callable[[], Picture]:
        """Return the picture grabbed last, or a function that decodes it on any thread."""

    def interrupt(self) -> None:
        """Make a blocked call return soon, if possible. May be called from any thread, at any time."""

    def release(self) -> None:
        """Release the device."""


class VideoCapture:
    """A `cv2.VideoCapture` as a Capture. Derived classes open it."""

    rate = 0.0
    buffers = True
    in_opencv = True

    def __init__(self) -> None:
        self._capture = cv2.VideoCapture()

    def open(self) -> bool:
        self._capture = self.make()
        self.rate = self._capture.get(cv2.CAP_PROP_FPS)
        return self._capture.isOpened()

    def make(self) -> cv2.VideoCapture:
        """Open the device or stream. May block, but not forever."""
        raise NotImplementedError

    def grab(self) -> bool:
        return self._capture.grab()

    def retrieve(self) -> Picture:
        good, pixels = self._capture.retrieve()
        return to_frame(pixels) if good else CameraError("A picture of the camera cannot be decoded.")

    def interrupt(self) -> None:
        """Do nothing: OpenCV cannot be interrupted, and a read ends by its time-out."""

    def release(self) -> None:
        self._capture.release()


def to_frame(pixels: NDArray[np.generic]) -> NDArray[np.uint8 | np.uint16]:
    """Convert OpenCV's BGR or grey picture to RGB [H, W, 3] or grey [H, W]; uint8, or uint16 for 16-bit grey."""
    if pixels.dtype == np.uint16:
        return np.ascontiguousarray(np.asarray(pixels[..., 0] if pixels.ndim == 3 else pixels, np.uint16))
    shaped = np.asarray(pixels, np.uint8)
    if shaped.ndim == 3 and shaped.shape[2] == 3:
        return np.asarray(cv2.cvtColor(shaped, cv2.COLOR_BGR2RGB), np.uint8)
    return np.ascontiguousarray(shaped[..., 0] if shaped.ndim == 3 else shaped)


@dataclass(frozen=True, slots=True)
class Grabbed:
    """The newest picture. `grabbed`: monotonic seconds. `missed`: number of pictures that it overwrote."""

    picture: Picture
    grabbed: float
    missed: int = 0


@dataclass(frozen=True, slots=True)
class _Newest:
    number: int = 0
    picture: Picture | Callable[[], Picture] | None = None
    grabbed: float = 0.0


class Reader:
    """Opens a capture, reads it and keeps the newest picture. A Reader lives from one opening to one failure."""

    def __init__(self, name: str, capture: Capture) -> None:
        """Starts nothing. `name`: name of the thread."""
        self._capture = capture
        self._changed = threading.Condition()
        self._newest = _Newest()
        self._opened = False
        self._ended = False
        self._failure: CameraError | None = None
        self._leave = Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    def start(self) -> "Reader":
        """Start the thread that opens and reads the capture."""
        _running.add(self)
        self._thread.start()
        return self

    def frames(self, stop: Event, *, open_timeout: float, timeout: float, source: str) -> Iterator[Grabbed]:
        """Yield the newest picture repeatedly, each picture at most once.

        Ends when `stop` is set. Raises CameraError (retryable) if the source cannot be opened within `open_timeout` seconds,
        gives no picture for `timeout` seconds, or ends.
        """
        seen, deadline = 0, time.monotonic() + open_timeout
        opened = False
        while not stop.is_set():
            with self._changed:
                if self._newest.number == seen and not self._ended:
                    self._changed.wait(0.05)
                newest, now_opened, ended = self._newest, self._opened, self._ended
            now = time.monotonic()
            if newest.number != seen and newest.picture is not None and now - newest.grabbed < timeout:
                missed, seen, deadline = newest.number - seen - 1, newest.number, newest.grabbed + timeout
                picture = newest.picture() if callable(newest.picture) else newest.picture
                yield Grabbed(picture, newest.grabbed, missed)
            elif ended:
                raise self._failure or (_lost(source) if now_opened else _closed(source))
            elif now_opened and not opened:
                opened, deadline = True, now + timeout
            elif now > deadline:
                raise _silent(source, timeout) if now_opened else _closed(source)

    def put(self, picture: Picture | Callable[[], Picture], grabbed: float) -> None:
        """Make this the newest picture."""
        with self._changed:
            self._newest = _Newest(self._newest.number + 1, picture, grabbed)
            self._changed.notify_all()

    def close(self) -> None:
        """Tell the thread to end; it closes the capture when its read ends."""
        self.leave()
        self._thread.join(_LEAVE)

    @property
    def in_opencv(self) -> bool:
        """Whether the thread may be inside OpenCV."""
        return self._capture.in_opencv

    def leave(self) -> None:
        """Tell the thread to end; return at once."""
        self._leave.set()
        self._capture.interrupt()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        capture = self._capture
        try:
            if capture.open() and not self._leave.is_set():
                with self._changed:
                    self._opened = True
                    self._changed.notify_all()
                self._read(capture)
        except CameraError as error:
            self._failure = error
        finally:
            capture.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            _running.discard(self)

    def _read(self, capture: Capture) -> None:
        # A stream begins with frames that its server had buffered. Buffered frames arrive at once; live frames have to be
        # waited for,
        # every time: a single frame that is a little late may be due to this computer.
        rate = capture.rate
        late = 0.5 / rate if 1.0 <= rate <= 240.0 else 0.01
        needed = 0 if not capture.buffers else 1 if 1.0 <= rate < 5.0 else _LIVE_READS
        waited, burst_ends = 0, time.monotonic() + _BURST
        while not self._leave.is_set():
            asked = time.monotonic()
            if not capture.grab():
                return
            grabbed = time.monotonic()
            if waited < needed and grabbed < burst_ends:
                took = grabbed - asked
                waited = needed if took >= _SURELY_LIVE else waited + 1 if took >= late else 0
                if waited < needed:
                    continue
            self.put(capture.retrieve(), grabbed)


_running: "weakref.WeakSet[Reader]" = weakref.WeakSet()


@atexit.register
def _leave_all() -> None:
    """Wait for every thread inside OpenCV before the interpreter ends.

    While the interpreter is finalised, Python ends a thread that returns from C code. Inside OpenCV this aborts the process
    ("terminate called without an active exception"), after all of its work has been done.
    """
    readers = list(_running)
    for reader in readers:
        reader.leave()
    until = time.monotonic() + _AT_EXIT
    for reader in readers:
        if reader.in_opencv:
            reader.join(max(0.0, until - time.monotonic()))


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
