"""The reading thread, with a capture whose frames the test hands out one by one."""

import queue
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.cameras.capture import Grabbed, Reader, to_frame
from inspector.core.errors import CameraError, InspectorError

HICCUP = -1  # the computer is busy for a moment


class _Capture:
    """A Capture: `put(value)` lets one frame of that grey through, `put(None)` ends."""

    buffers = True
    in_opencv = False

    def __init__(self, *, opened: bool = True, rate: float = 25.0) -> None:
        self.waiting: queue.Queue[int | None] = queue.Queue()
        self.opened, self.rate, self.value, self.released = opened, rate, 0, threading.Event()
        self.may_open = threading.Event()
        self.may_open.set()

    def open(self) -> bool:
        self.may_open.wait(10)
        return self.opened

    def interrupt(self) -> None:
        """It cannot be interrupted."""

    def grab(self) -> bool:
        value = self.waiting.get()
        if value == HICCUP:
            time.sleep(0.05)
            value = 0
        self.value = value or 0
        return value is not None

    def retrieve(self) -> NDArray[np.uint8] | InspectorError:
        return np.full((4, 6, 3), self.value, np.uint8)

    def release(self) -> None:
        self.released.set()


def _open(capture: _Capture) -> Reader:
    return Reader("test", capture).start()


def _frames(reader: Reader, stop: threading.Event | None = None, timeout: float = 0.5) -> Iterator[Grabbed]:
    return reader.frames(stop or threading.Event(), open_timeout=1.0, timeout=timeout, source="the camera")


def _grey(grabbed: Grabbed) -> int:
    assert not isinstance(grabbed.picture, InspectorError)
    return int(grabbed.picture[0, 0, 0])


def _live(capture: _Capture, value: int) -> None:
    """Hand out frames that had to be waited for, as live ones."""
    for _ in range(5):
        time.sleep(0.06)
        capture.waiting.put(value)


def test_frames_buffered_before_the_connection_are_dropped() -> None:
    capture = _Capture()
    for value in range(1, 31):
        capture.waiting.put(value)
        if value == 10:
            capture.waiting.put(HICCUP)
    reader = _open(capture)
    _live(capture, 99)
    assert _grey(next(_frames(reader))) == 99
    capture.waiting.put(None)
    reader.close()
    assert capture.released.is_set()


def test_only_the_newest_frame_is_given_and_only_once() -> None:
    capture = _Capture()
    reader = _open(capture)
    frames = _frames(reader)
    _live(capture, 1)
    assert _grey(next(frames)) == 1
    for value in (2, 3, 4):
        capture.waiting.put(value)
    time.sleep(0.1)
    begun = time.monotonic()
    newest = next(frames)
    assert _grey(newest) == 4
    assert newest.missed >= 2, "frames that were overwritten are counted"
    assert time.monotonic() - begun < 0.04, "a frame that is there is not waited for"
    assert 0.05 < time.monotonic() - newest.grabbed < 0.5
    with pytest.raises(CameraError, match="no frame"):
        next(frames)
    capture.waiting.put(None)
    reader.close()


def test_a_frame_that_grew_old_is_not_given() -> None:
    capture = _Capture()
    reader = _open(capture)
    frames = _frames(reader, timeout=0.2)
    _live(capture, 1)
    time.sleep(0.4)
    with pytest.raises(CameraError, match="no frame"):
        next(frames)
    capture.waiting.put(None)
    reader.close()


def test_an_end_and_a_camera_that_does_not_open() -> None:
    capture = _Capture()
    reader = _open(capture)
    capture.waiting.put(None)
    with pytest.raises(CameraError, match="lost") as caught:
        next(_frames(reader))
    assert caught.value.retryable
    reader.close()
    closed = _Capture(opened=False)
    reader = _open(closed)
    with pytest.raises(CameraError, match="cannot be opened"):
        next(_frames(reader))
    reader.close()
    assert closed.released.is_set()


def test_opening_that_hangs_and_a_stop_meanwhile() -> None:
    capture = _Capture()
    capture.may_open.clear()
    reader = Reader("test", capture).start()
    begun = time.monotonic()
    with pytest.raises(CameraError, match="cannot be opened"):
        next(_frames(reader))
    assert 0.9 < time.monotonic() - begun < 1.6
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    assert list(_frames(reader, stop)) == []
    assert time.monotonic() - begun < 0.8
    reader.close()  # does not wait for the opening
    capture.may_open.set()
    assert capture.released.wait(2), "a camera that opens too late is closed again"


def test_colour_and_grey() -> None:
    bgr = np.zeros((2, 3, 3), np.uint8)
    bgr[..., 2] = 200
    np.testing.assert_array_equal(to_frame(bgr)[0, 0], [200, 0, 0])
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(to_frame(grey), grey)
    np.testing.assert_array_equal(to_frame(grey[..., None]), grey)
    deep = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(to_frame(deep[..., None]), deep)
