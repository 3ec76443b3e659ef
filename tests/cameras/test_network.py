"""Network cameras against real servers on the loopback interface: playing, killed, frozen, silent, coming back."""

import http.server
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.cameras.base import Camera, open_camera
from inspector.cameras.network.rtsp import StreamCamera
from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame

TIMEOUT = 1.5
SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVER = Path(__file__).with_name("rtsp_server.py")
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _camera(source: str, timeout: float = TIMEOUT) -> Camera:
    return open_camera("line", source, {"timeout": timeout, "open_timeout": timeout + 0.5})


@contextmanager
def _playing(camera: Camera) -> Iterator[Iterator[Frame]]:
    stop = threading.Event()
    frames: Any = camera.frames(stop)
    with closing(frames):
        yield frames
    stop.set()


def _seconds_until_lost(frames: Iterator[Frame]) -> float:
    begun = time.monotonic()
    until_silent = (time.monotonic() - begun < 20 for _ in frames)
    with pytest.raises(CameraError) as caught:
        all(until_silent)
    assert caught.value.retryable
    assert caught.value.remedy is not None
    return time.monotonic() - begun


class _RtspServer:
    def __init__(self) -> None:
        self.port = _free_port()
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/h264"

    def start(self) -> None:
        command = [str(SYSTEM_PYTHON), str(SERVER), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def rtsp() -> Iterator[_RtspServer]:
    """A running RTSP server. Skips where GStreamer's is not installed."""
    missing = not SYSTEM_PYTHON.exists() or subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True).returncode != 0
    if missing:
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    server = _RtspServer()
    yield server
    server.kill()


@pytest.mark.parametrize("path", ["h264", "mjpeg"])
def test_rtsp_plays(rtsp: _RtspServer, path: str) -> None:
    with _playing(_camera(f"rtsp://127.0.0.1:{rtsp.port}/{path}", timeout=6)) as frames:
        first = next(frames)
        shown = list(islice(frames, 24))
    assert first.pixels.shape == (240, 320, 3)
    assert [frame.sequence for frame in shown] == list(range(1, 25))
    times = np.array([frame.monotonic for frame in shown])
    assert (np.diff(times) > 0).all()
    assert 0.6 < times[-1] - times[0] < 3  # 25 frames a second: 0.92 s; what the server had buffered comes within 0.3 s
    assert first.camera == "line"


def test_rtsp_killed_and_back(rtsp: _RtspServer) -> None:
    camera = _camera(rtsp.url)
    with _playing(camera) as frames:
        next(frames)
        rtsp.kill()
        assert _seconds_until_lost(frames) < TIMEOUT
    with _playing(camera) as frames:  # still down
        assert _seconds_until_lost(frames) < TIMEOUT + 1
    rtsp.start()
    with _playing(camera) as frames:
        assert next(frames).sequence > 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be frozen on this system")
def test_rtsp_frozen_and_back(rtsp: _RtspServer) -> None:
    camera = _camera(rtsp.url)
    with _playing(camera) as frames:
        next(frames)
        rtsp.signal(signal.SIGSTOP)
        try:
            lost = _seconds_until_lost(frames)
        finally:
            rtsp.signal(signal.SIGCONT)
        assert 0.5 * TIMEOUT < lost < TIMEOUT + 0.7
    with _playing(camera) as frames:
        assert len(list(islice(frames, 5))) == 5


def test_nobody_listens() -> None:
    with _playing(_camera(f"rtsp://127.0.0.1:{_free_port()}/x")) as frames:
        assert _seconds_until_lost(frames) < 1


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(5)
        with _playing(_camera(f"rtsp://127.0.0.1:{hole.getsockname()[1]}/x")) as frames:
            assert _seconds_until_lost(frames) < TIMEOUT + 1.5


def test_stop_is_noticed_while_a_connection_hangs() -> None:
    stop = threading.Event()
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(5)
        camera = _camera(f"rtsp://127.0.0.1:{hole.getsockname()[1]}/x", timeout=3)
        threading.Timer(0.3, stop.set).start()
        begun = time.monotonic()
        assert list(camera.frames(stop)) == []
        assert time.monotonic() - begun < 1.3


class _Mjpeg:
    """Motion JPEG over HTTP at 25 frames a second; each frame is as bright as its number modulo 256 says."""

    def __init__(self) -> None:
        outer = self
        self.number = 0
        self.stalled, self.ended, self.leave = threading.Event(), threading.Event(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.serve(self)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/video.mjpg"

    def serve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=f")
        request.end_headers()
        try:
            while not self.leave.wait(0.04) and not self.ended.is_set():
                if self.stalled.is_set():
                    continue
                self.number += 1
                picture = np.full((48, 64, 3), self.number % 256, np.uint8)
                jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
                head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                request.wfile.write(head + jpeg + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        self.leave.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mjpeg() -> Iterator[_Mjpeg]:
    server = _Mjpeg()
    yield server
    server.close()


def test_http_frames_are_fresh_for_a_slow_consumer(mjpeg: _Mjpeg) -> None:
    with _playing(_camera(mjpeg.url)) as frames:
        next(frames)
        for _ in range(5):
            time.sleep(0.4)  # ten frames pass meanwhile
            frame = next(frames)
            behind = (mjpeg.number - round(float(frame.pixels.mean()))) % 256
            assert behind <= 5  # 0.2 s
            assert time.monotonic() - frame.monotonic < 0.2
    assert frame.sequence == 5


def test_http_stall_end_and_back(mjpeg: _Mjpeg) -> None:
    camera = _camera(mjpeg.url)
    with _playing(camera) as frames:
        next(frames)
        mjpeg.stalled.set()
        assert 0.5 * TIMEOUT - 0.3 < _seconds_until_lost(frames) < TIMEOUT + 0.7
    mjpeg.stalled.clear()
    with _playing(camera) as frames:
        next(frames)
        mjpeg.ended.set()
        assert _seconds_until_lost(frames) < TIMEOUT + 0.7
    mjpeg.ended.clear()
    with _playing(camera) as frames:
        assert next(frames).pixels.shape == (48, 64, 3)


def test_a_password_is_shown_nowhere(mjpeg: _Mjpeg) -> None:
    address = mjpeg.url.replace("http://", "http://operator:secret@")
    with _playing(_camera(address)) as frames:
        assert "secret" not in next(frames).source
    closed = _camera(f"rtsp://operator:secret@127.0.0.1:{_free_port()}/x")
    with _playing(closed) as frames, pytest.raises(CameraError) as caught:
        next(frames)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("address", ["rtsp://", "http:///x", "rtsp://host:port/x", "rtsp://[::1/x"])
def test_an_address_without_host_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        StreamCamera("line", address, {})


def test_unknown_and_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="tiemout") as caught:
        open_camera("line", "rtsp://host/x", {"tiemout": 3})
    assert "timeout" in str(caught.value)
    with pytest.raises(ConfigError, match="timeout"):
        open_camera("line", "rtsp://host/x", {"timeout": 0})


def test_a_usb_camera_that_is_not_there_may_be_plugged_in_later(capfd: pytest.CaptureFixture[str]) -> None:
    if Path("/dev/video9").exists():
        pytest.skip("there is such a camera")
    with _playing(open_camera("line", "usb:9")) as frames, pytest.raises(CameraError) as caught:
        next(frames)
    assert caught.value.retryable
    assert "usb:9" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_usb_address_is_a_number_or_a_device() -> None:
    with pytest.raises(ConfigError):
        open_camera("line", "usb:front")
