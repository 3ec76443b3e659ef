"""RTSP streams of which packets are lost: no picture that the decoder made up comes out."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.cameras.base import open_camera
from inspector.core.errors import CameraError, InspectorError
from inspector.core.types import Frame

SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVER = Path(__file__).with_name("rtsp_server.py")
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server(*login: str) -> Iterator[int]:
    missing = not SYSTEM_PYTHON.exists() or subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True).returncode != 0
    if missing:
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    port = _free_port()
    command = [SYSTEM_PYTHON, SERVER, str(port), *login]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield port
        process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a running RTSP server."""
    yield from _server()


@pytest.fixture
def locked_server() -> Iterator[int]:
    """One that asks for a password."""
    yield from _server("operator:S3/cr#t")


class LossyProxy:
    """Passes RTSP on, without some of the interleaved packets of the camera."""

    def __init__(self, port: int, share: float, secure: ssl.SSLContext | None = None) -> None:
        self._camera = ("127.0.0.1", port)
        self._rng = np.random.default_rng(3)
        self.share = share
        self._secure = secure
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone already
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._secure is not None:
                near = self._secure.wrap_socket(near, server_side=True)
            far = socket.create_connection(self._camera)
            self._ends += [near, far]
            for work in (lambda n=near, f=far: self._pass(n, f), lambda n=near, f=far: self._pass_some(f, n)):
                self._threads.append(threading.Thread(target=work))
                self._threads[-1].start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _pass_some(self, camera: socket.socket, sink: socket.socket) -> None:
        buffer = b""
        try:
            while data := camera.recv(65536):
                buffer += data
                while buffer:
                    if buffer[:1] != b"$":
                        end = buffer.find(b"$\0") if b"$\0" in buffer else len(buffer)
                        sink.sendall(buffer[:end])
                    else:
                        end = 4 + int.from_bytes(buffer[2:4], "big")
                        if len(buffer) < max(4, end):
                            break
                        if buffer[1] == 0 and self._rng.random() < self.share:
                            self.lost += 1
                        else:
                            sink.sendall(buffer[:end])
                    buffer = buffer[end:]
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def number_of(frame: Frame) -> int | None:
    """The number of a picture of the server, or None where it is none: a mixture, or grey."""
    grey = frame.pixels[..., 1] if frame.pixels.ndim == 3 else frame.pixels
    bars = grey.reshape(15, 16, 16, 20)[:, 3:13, :, 4:16].mean(axis=(1, 3))
    if ((bars > 75) & (bars < 175)).any() or (bars > 128).any(axis=0).tolist() != (bars > 128).all(axis=0).tolist():
        return None
    code = int("".join("1" if bright else "0" for bright in bars[0] > 128), 2)
    return code >> 8 if (code >> 8) * 167 + 13 & 0xFF == code & 0xFF else None


def _watch(address: str, seconds: float, *, least: int = 1) -> tuple[list[int | None], list[str]]:
    """The numbers of the frames that come, and what is said of those that must not be judged. At `least` so many frames."""
    camera = open_camera("line", address, {"timeout": 15.0, "open_timeout": 30.0})
    problems: list[str] = []

    def skipped(part: str, error: InspectorError) -> None:
        problems.append(str(error))

    camera.on_problem = skipped
    stop = threading.Event()
    frames: Any = camera.frames(stop)
    numbers = []
    with closing(frames):
        numbers.append(number_of(next(frames)))
        until = time.monotonic() + seconds
        for frame in frames:
            numbers.append(number_of(frame))
            if time.monotonic() > until and len(numbers) >= least:
                break
    return numbers, problems


@pytest.mark.parametrize("codec", ["h264", "h265", "jpeg"])
def test_a_clean_stream_is_seen_whole(server: int, codec: str) -> None:
    for _attempt in range(4):  # of a live camera the newest picture is taken: a machine that has no time for it misses some
        numbers, problems = _watch(f"rtsp://127.0.0.1:{server}/numbered/{codec}", 1.5, least=21)
        assert None not in numbers
        assert problems == []
        steps = [(after - before) % 256 for before, after in pairwise(numbers)]  # type: ignore[operator]
        if sum(steps) <= len(steps) + 5:
            return
    pytest.fail(f"pictures were missing four times: {numbers}")


@pytest.mark.parametrize("codec", ["h264", "h265", "jpeg"])
@pytest.mark.parametrize("share", [0.003, 0.01])
def test_no_picture_that_was_made_up_comes_out(server: int, codec: str, share: float) -> None:
    proxy = LossyProxy(server, share)
    try:
        numbers, problems = _watch(f"rtsp://127.0.0.1:{proxy.port}/numbered/{codec}", 3.5)
    finally:
        proxy.close()
    assert proxy.lost > 0
    assert problems
    assert all("lost on the way" in problem for problem in problems)
    assert None not in numbers


@pytest.mark.parametrize("path", ["fields", "fields265", "fields-transport", "fields265-transport"])
def test_pictures_of_two_fields_are_refused_by_name(server: int, path: str) -> None:
    with pytest.raises(CameraError, match=rf"numbered/{path} sends interlaced video"):
        _watch(f"rtsp://127.0.0.1:{server}/numbered/{path}", 0.5)


def test_frames_in_a_transport_stream_are_not_taken_for_fields(server: int) -> None:
    numbers, problems = _watch(f"rtsp://127.0.0.1:{server}/numbered/transport", 1.0, least=6)
    assert None not in numbers
    assert problems == []


def test_a_password_with_signs_in_it(locked_server: int) -> None:
    numbers, _ = _watch(f"rtsp://operator:S3/cr#t@127.0.0.1:{locked_server}/numbered/h264", 0.2)
    assert None not in numbers
    with pytest.raises(CameraError, match="refuses the user or the password") as caught:
        _watch(f"rtsp://operator:wr/ng#@127.0.0.1:{locked_server}/numbered/h264", 0.2)
    assert "ng" not in str(caught.value).partition(" refuses")[0]


def test_a_camera_that_encrypts(server: int, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=camera", "-days", "2"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    proxy = LossyProxy(server, 0.0, context)
    try:
        numbers, problems = _watch(f"rtsps://127.0.0.1:{proxy.port}/numbered/h264", 1.5, least=11)
    finally:
        proxy.close()
    assert None not in numbers
    assert problems == []
