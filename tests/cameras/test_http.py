"""Cameras that speak HTTP: what they send, damaged or not, slowly or not, behind a password or not."""

import base64
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.cameras.base import Camera, open_camera
from inspector.core.errors import CameraError, InspectorError
from inspector.core.types import Frame
from inspector.imaging.formats.jpeg import decode_jpeg
from inspector.inspection.quality import FrozenWatch
from inspector.recipes.recipe import Gate
from tests.cameras.http_camera import MULTIPART, HttpCamera, digest_is_right, jpeg, part, whole


def _scene(seed: int, size: tuple[int, int] = (120, 160)) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)


@contextmanager
def _playing(camera: Camera) -> Iterator[Iterator[Frame]]:
    stop = threading.Event()
    frames: Any = camera.frames(stop)
    with closing(frames):
        yield frames
    stop.set()


def _once(*pieces: bytes) -> Iterator[bytes]:
    """The pieces, and then silence until the client goes."""
    yield from pieces
    while True:
        time.sleep(0.05)
        yield b""


class _Source:
    """Sends one picture after the other, each when the one before has been seen; damaged or old ones among them."""

    def __init__(self, count: int) -> None:
        self.rng = np.random.default_rng(7)
        self.count = count
        self.seen = threading.Semaphore(0)
        self.true: set[int] = set()
        """Checksums of the true pictures that were sent and not judged yet."""
        self.faults: dict[str, int] = {}

    def answer(self, path: str, headers: dict[str, str]) -> Iterator[bytes]:
        yield MULTIPART
        sent: list[bytes] = []
        for number in range(1, self.count + 1):
            fresh = jpeg(_scene(number))
            fault = str(self.rng.choice(["none", "none", "cut", "closed", "missing", "stale", "old", "size", "joined"]))
            fault = fault if sent else "none"
            yield self._faulty(fault, fresh, sent)
            self.faults[fault] = self.faults.get(fault, 0) + 1
            sent = [*sent[-8:], fresh] if fault == "none" else sent
            if fault != "cut":  # which is known to be one when the next part begins
                self.seen.acquire(timeout=0.05)

    def _faulty(self, fault: str, fresh: bytes, sent: list[bytes]) -> bytes:
        at = int(self.rng.integers(4, len(fresh) - 20))
        if fault == "cut":
            return part(fresh[:at])
        if fault == "closed":
            return part(fresh[:at] + b"\xff\xd9")
        if fault == "missing":
            return part(fresh[:at] + fresh[at + 12 :], length=len(fresh))
        if fault == "stale":
            return part(sent[-1])
        if fault == "old":
            return part(sent[int(self.rng.integers(len(sent)))])
        if fault == "size":
            return part(jpeg(_scene(int(self.rng.integers(9999)), (96, 128))))
        if fault == "joined":
            return part(fresh[:at] + fresh)
        self.true.add(zlib.crc32(decode_jpeg(fresh).data))
        return part(fresh)


def test_no_faulty_picture_is_ever_judged() -> None:
    source = _Source(2000)
    watch, refused, judged, wrong = FrozenWatch(), 0, 0, 0
    with HttpCamera(source.answer) as server:
        camera = open_camera("top", f"http://{server.address}/video", {"timeout": 20, "size": "160x120"})
        lost = []

        def skipped(part: str, error: InspectorError) -> None:
            nonlocal refused
            refused += 1
            source.seen.release()

        camera.on_problem = skipped
        camera.on_lost = lost.append
        with _playing(camera) as frames:
            for frame in frames:
                if watch.observe(frame, Gate()) is not None:
                    refused += 1
                else:
                    judged += 1
                    checksum = zlib.crc32(frame.pixels.data)
                    wrong += checksum not in source.true
                    source.true.discard(checksum)
                source.seen.release()
                if judged + refused + sum(lost) >= source.count - 50:
                    break
    assert wrong == 0
    assert judged > 0.15 * source.count
    assert refused > 0.5 * source.count
    assert min(source.faults.values()) > 0.05 * source.count
    assert len(source.faults) == 8


def _dated(file: bytes, date: int) -> bytes:
    """The same picture with a comment, as cameras write the time into it."""
    return file[:2] + b"\xff\xfe\0\x0a" + b"%08d" % date + file[2:]


def test_a_picture_that_was_sent_before_is_no_frame_also_on_a_new_connection() -> None:
    connections = iter(range(100))
    files = [_dated(jpeg(_scene(number)), number) for number in range(60)]

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        begin = 20 * next(connections)
        yield MULTIPART
        for number in range(begin, begin + 20):
            yield part(files[number])
            time.sleep(0.02)
            if number >= 5:
                yield part(_dated(jpeg(_scene(number - 5)), 1000 + number))
                time.sleep(0.02)
        raise OSError("the connection goes")

    with HttpCamera(answer) as server:
        camera = open_camera("top", f"http://{server.address}/video")
        repeated: list[str] = []
        camera.on_problem = lambda part, error: repeated.append(str(error))
        shown: list[bytes] = []
        for _ in range(2):
            with _playing(camera) as frames, pytest.raises(CameraError, match="was lost"):
                shown.extend(frame.pixels.tobytes() for frame in frames)
    assert len(shown) == len(set(shown)) > 10
    assert len(repeated) > 10
    assert all("has sent a picture a second time" in text for text in repeated)


@pytest.mark.parametrize("kind", ["stream", "snapshots"])
def test_equal_pictures_are_frames_where_they_are_allowed(kind: str) -> None:
    file = jpeg(_scene(1))

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        if kind == "snapshots":
            return iter([whole(file)])
        return _slowly([MULTIPART], (part(file) for _ in range(1000)))

    with (
        HttpCamera(answer) as server,
        _playing(open_camera("top", f"http://{server.address}/s", {"allow_repeats": True})) as frames,
    ):
        assert len({frame.pixels.tobytes() for frame in islice(frames, 4)}) == 1


def test_a_snapshot_address_that_goes_back_to_an_old_picture() -> None:
    order = iter([1, 2, 3, 2, 4, *[4] * 1000])
    with HttpCamera(lambda path, headers: [whole(jpeg(_scene(next(order))))]) as server:
        camera = open_camera("top", f"http://{server.address}/s", {"timeout": 0.5, "rate": 10})
        repeated: list[str] = []
        camera.on_problem = lambda part, error: repeated.append(str(error))
        with _playing(camera) as frames:
            shown = [frame.pixels.tobytes() for frame in islice(frames, 4)]
    assert shown == [decode_jpeg(jpeg(_scene(number))).tobytes() for number in (1, 2, 3, 4)]
    assert len(repeated) == 1


def _first(answer: Any, path: str = "/snap.jpg", **options: Any) -> tuple[Frame, HttpCamera]:
    with HttpCamera(answer) as server, _playing(open_camera("top", f"http://{server.address}{path}", options)) as frames:
        return next(frames), server


def test_a_snapshot_address_is_asked_again_and_again() -> None:
    made = iter(range(1000))

    def answer(path: str, headers: dict[str, str]) -> Iterable[bytes]:
        return [whole(jpeg(_scene(next(made) // 2)))]  # each picture is there twice: the second time it is no new one

    with HttpCamera(answer) as server, _playing(open_camera("top", f"http://{server.address}/snap.jpg?token=abc")) as frames:
        shown = list(islice(frames, 6))
        connections = len(set(server.requests))
    assert connections == 1
    scenes = [decode_jpeg(jpeg(_scene(k))) for k in range(200)]
    numbers = [next(k for k, scene in enumerate(scenes) if np.array_equal(scene, frame.pixels)) for frame in shown]
    assert numbers == sorted(set(numbers))
    assert shown[0].source == f"http://{server.address}/snap.jpg?token=***"


def test_a_camera_that_closes_the_connection_after_each_snapshot_without_a_word() -> None:
    numbers = iter(range(1000))
    with (
        HttpCamera(lambda path, headers: _cut(whole(jpeg(_scene(next(numbers)))))) as server,
        _playing(open_camera("top", f"http://{server.address}/s")) as frames,
    ):
        assert len(list(islice(frames, 5))) == 5


def test_a_snapshot_that_stands_still_is_silence() -> None:
    with (
        HttpCamera(lambda path, headers: [whole(jpeg(_scene(1)))]) as server,
        _playing(open_camera("top", f"http://{server.address}/s", {"timeout": 0.5})) as frames,
    ):
        next(frames)
        with pytest.raises(CameraError, match=r"no frame for 0\.5 s"):
            next(frames)


def test_a_cut_snapshot_is_no_frame() -> None:
    file = jpeg(_scene(1))
    cut = [whole(file)[:-900], whole(file[:-900]), whole(file[:-900] + b"\xff\xd9")]
    for data in cut:
        with HttpCamera(lambda path, headers, data=data: _cut(data)) as server:
            camera = open_camera("top", f"http://{server.address}/s")
            with _playing(camera) as frames, pytest.raises(CameraError, match="is damaged"):
                next(frames)


def _cut(data: bytes) -> Iterator[bytes]:
    yield data
    raise OSError("the connection goes")


@pytest.mark.parametrize("gap", [0.6, 1.2])
def test_frames_that_come_slowly_are_no_loss(gap: float) -> None:
    gone = threading.Event()

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        yield MULTIPART
        for number in range(1000):
            yield part(jpeg(_scene(number)))
            if gone.wait(gap):
                return

    with HttpCamera(answer) as server:
        with _playing(open_camera("top", f"http://{server.address}/v", {"timeout": gap + 0.4})) as frames:
            times = [frame.monotonic for frame in islice(frames, 3)]
        gone.set()
    assert np.diff(times) == pytest.approx(gap, abs=0.3)


def test_silence_lasts_as_long_as_the_time_out_says() -> None:
    with (
        HttpCamera(lambda path, headers: _once(MULTIPART, part(jpeg(_scene(1))))) as server,
        _playing(open_camera("top", f"http://{server.address}/v", {"timeout": 1.5})) as frames,
    ):
        begun = time.monotonic()
        with pytest.raises(CameraError, match="no frame"):
            next(frames)
        assert 1.4 < time.monotonic() - begun < 2.5


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_user_and_password(kind: str) -> None:
    password = "p#a/s?s@w:rd"
    asked = {"basic": 'Basic realm="cam"', "digest": 'Digest realm="cam", nonce="17", qop="auth,auth-int", algorithm=MD5'}[kind]

    def answer(path: str, headers: dict[str, str]) -> Iterable[bytes]:
        given = headers.get("authorization", "")
        basic = given == "Basic " + base64.b64encode(f"op:{password}".encode()).decode()
        if basic if kind == "basic" else given and digest_is_right(given, "op", password, path):
            return [whole(jpeg(_scene(len(path))))]
        return [f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {asked}\r\nContent-Length: 5\r\n\r\nlogin".encode()]

    with HttpCamera(answer) as server:
        for typed in (password, password.replace("#", "%23").replace("/", "%2F").replace("?", "%3f")):
            with _playing(open_camera("top", f"http://op:{typed}@{server.address}/s?channel=1")) as frames:
                assert next(frames).source == f"http://{server.address}/s?channel=1"
        with (
            _playing(open_camera("top", f"http://op:wr#ng@{server.address}/s")) as frames,
            pytest.raises(CameraError, match="refuses the user or the password") as caught,
        ):
            next(frames)
        assert "ng" not in str(caught.value).replace("RTSP", "").partition(" refuses")[0].partition("127")[0]


def test_what_is_no_camera_is_named() -> None:
    page = whole(b"<html>log in</html>", b"text/html")
    with (
        HttpCamera(lambda path, headers: [page]) as server,
        _playing(open_camera("top", f"http://{server.address}/s?t=k")) as frames,
        pytest.raises(CameraError, match=r"/s\?t=\*\*\* gives text/html, which is neither"),
    ):
        next(frames)
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with (
        HttpCamera(lambda path, headers: [gone]) as server,
        _playing(open_camera("top", f"http://{server.address}/s")) as frames,
        pytest.raises(CameraError, match="answers with the error 404"),
    ):
        next(frames)


@pytest.mark.parametrize("head", [b"", b"Content-Type: application/octet-stream\r\n", b"Content-Type: text/plain\r\n"])
def test_what_a_camera_gives_is_known_by_its_first_bytes_where_it_does_not_say(head: bytes) -> None:
    file = jpeg(_scene(1))
    begin = b"HTTP/1.0 200 OK\r\n" + head
    frame, _ = _first(lambda path, headers: [begin + b"Content-Length: %d\r\n\r\n" % len(file) + file])
    np.testing.assert_array_equal(frame.pixels, decode_jpeg(file))
    frames = (part(jpeg(_scene(number))) for number in range(1000))
    stream = ([begin, b"\r\n"], frames)
    frame, _ = _first(lambda path, headers: _slowly(*stream))
    assert frame.pixels.shape == (120, 160, 3)


def _slowly(head: Iterable[bytes], pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield from head
    for piece in pieces:
        yield piece
        time.sleep(0.02)


def test_a_redirection_is_followed_on_the_same_camera_only() -> None:
    def answer(path: str, headers: dict[str, str]) -> Iterable[bytes]:
        there = {"/a": "/b", "/away": "http://example.invalid/x"}.get(path)
        if there is None:
            return [whole(jpeg(_scene(1)))]
        return [f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()]

    frame, _ = _first(answer, "/a")
    assert frame.pixels.shape == (120, 160, 3)
    with pytest.raises(CameraError, match="error 302"):
        _first(answer, "/away")


def _transport_stream(folder: Path) -> bytes:
    """150 frames of MPEG-2 video."""
    av = pytest.importorskip("av")
    file = folder / "video.ts"
    with av.open(str(file), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height = 160, 120
        for number in range(150):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_scene(number), format="rgb24")))
        container.mux(stream.encode(None))
    return file.read_bytes()


def _live(data: bytes) -> Iterator[bytes]:
    """The bytes, as slowly as a camera makes them, and then silence."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"
    for at in range(0, len(data), len(data) // 150):
        yield data[at : at + len(data) // 150]
        time.sleep(0.04)
    yield from _once()


def test_another_video_is_read_by_ffmpeg(tmp_path: Path) -> None:
    data = _transport_stream(tmp_path)
    key = "Basic " + base64.b64encode(b"op:p#a/s?s").decode()

    def answer(path: str, headers: dict[str, str]) -> Iterable[bytes]:
        if headers.get("authorization") == key:
            return _live(data)
        return [b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="cam"\r\nContent-Length: 0\r\n\r\n']

    with HttpCamera(answer) as server, _playing(open_camera("top", f"http://op:p#a/s?s@{server.address}/video.ts")) as frames:
        assert next(frames).pixels.shape == (120, 160, 3)


_ENDS_WHILE_READING = """
import sys, threading, time
from inspector.cameras.base import open_camera

class Late:
    def __del__(self):
        time.sleep(2.5)  # the interpreter takes its time to go

late = Late()
frames = open_camera("top", sys.argv[1], {"timeout": 1.0}).frames(threading.Event())
next(frames)
time.sleep(1.0)  # into the silence
frames.close()
print("done", flush=True)
"""


def test_a_process_that_ends_while_ffmpeg_waits_ends_well(tmp_path: Path) -> None:
    data = _transport_stream(tmp_path)
    with HttpCamera(lambda path, headers: _live(data[: len(data) // 2])) as server:
        command = [sys.executable, "-c", _ENDS_WHILE_READING, f"http://{server.address}/video.ts"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_a_picture_of_another_size_is_no_frame_until_the_camera_is_set_up_anew() -> None:
    size = [(120, 160)]
    numbers = iter(range(10_000))

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        yield MULTIPART
        while True:
            yield part(jpeg(_scene(next(numbers), size[0])))
            time.sleep(0.02)

    with HttpCamera(answer) as server:
        address = f"http://{server.address}/v"
        camera = open_camera("top", address)
        with _playing(camera) as frames:
            assert next(frames).pixels.shape == (120, 160, 3)
            size[0] = (96, 128)
            with pytest.raises(CameraError, match="has 128 x 96 pixels instead of 160 x 120"):
                list(frames)
        with _playing(camera) as frames, pytest.raises(CameraError, match="instead of 160 x 120"):
            next(frames)  # a new connection is no acceptance
        with _playing(open_camera("top", address)) as frames:
            assert next(frames).pixels.shape == (96, 128, 3)
        with (
            _playing(open_camera("top", address, {"size": "160x120"})) as frames,
            pytest.raises(CameraError, match="instead of"),
        ):
            next(frames)
