"""Video of fields (interlaced) is known by its own headers, of every codec and container that cameras and recorders write."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest

from inspector.cameras.base import open_camera
from inspector.cameras.bitstream import fields
from inspector.cameras.bitstream.bits import units_of
from inspector.cameras.network.rtp import Interlaced, Track, announces_fields
from inspector.core.errors import CameraError
from tests.cameras.http_camera import HttpCamera

av = pytest.importorskip("av")

FIELDS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"x264-params": "tff=1"},
    "libx265": {"x265-params": "log-level=none:interlace=tff"},
    "mpeg2video": {"flags": "+ildct+ilme"},
    "mpeg4": {"flags": "+ildct+ilme"},
}
PROGRESSIVE: Mapping[str, Mapping[str, str]] = {**{codec: {} for codec in FIELDS}, "libx265": {"x265-params": "log-level=none"}}
NAMES = {"libx264": fields.H264, "libx265": fields.H265, "mpeg2video": fields.MPEG2, "mpeg4": fields.MPEG4}
KINDS = [
    (codec, kind)
    for codec in FIELDS
    for kind in ("mp4", "matroska", "mov", "mpegts", "avi")
    if (codec, kind) not in {("libx265", "avi"), ("mpeg4", "mpegts")}
]


def _write(path: Path, codec: str, kind: str, options: Mapping[str, str]) -> Path:
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((128, 160), 60 + 20 * number, np.uint8), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _announced(path: Path) -> bool:
    packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    tag = int(packets.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").strip("\0 ")
    found = fields.announced(packets, tag, pictures=6)
    packets.release()
    return found


@pytest.mark.parametrize(("codec", "kind"), KINDS)
def test_headers_tell_fields_from_frames(tmp_path: Path, codec: str, kind: str) -> None:
    assert _announced(_write(tmp_path / "fields", codec, kind, FIELDS[codec]))
    assert not _announced(_write(tmp_path / "frames", codec, kind, PROGRESSIVE[codec]))


@pytest.mark.parametrize("codec", FIELDS)
def test_damaged_headers_say_nothing(tmp_path: Path, codec: str) -> None:
    """Whatever the bytes are: an answer, never another error."""
    with av.open(str(_write(tmp_path / "fields", codec, "matroska", FIELDS[codec]))) as container:
        packet = next(bytes(packet) for packet in container.demux(video=0) if packet.size)
    chance = np.random.default_rng(0)
    for length in range(0, min(len(packet), 200), 3):
        noise = bytearray(packet[:length])
        for at in chance.integers(0, max(1, length), 4 if length else 0):
            noise[at] = chance.integers(256)
        for name in NAMES.values():
            assert fields.announces_fields(name, bytes(noise)) in (True, False)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_fields_over_http_are_refused_by_name(tmp_path: Path, codec: str) -> None:
    file = _write(tmp_path / "fields.ts", codec, "mpegts", FIELDS[codec]).read_bytes()

    def answer(_path: str, _headers: dict[str, str]) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + file

    with HttpCamera(answer) as server:
        frames = open_camera("top", f"http://{server.address}/video.ts").frames(Event())
        with closing(frames), pytest.raises(CameraError, match="sends interlaced video") as caught:  # type: ignore[type-var]
            next(frames)
    assert not caught.value.retryable


def _headers(tmp_path: Path, codec: str, options: Mapping[str, str]) -> bytes:
    path = _write(tmp_path / "one", codec, "mpegts" if codec != "mpeg4" else "avi", options)
    with av.open(str(path)) as container:
        return next(bytes(packet) for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize("options", [FIELDS, PROGRESSIVE])
def test_a_session_description_announces_fields(tmp_path: Path, options: Mapping[str, Mapping[str, str]]) -> None:
    of = {codec: _headers(tmp_path, codec, options[codec]) for codec in FIELDS}
    sets = b",".join(base64.b64encode(unit) for unit in units_of(of["libx264"]) if unit[0] & 0x1F in (7, 8))
    sps = b",".join(base64.b64encode(unit) for unit in units_of(of["libx265"]) if unit[0] >> 1 == 33)
    header = of["mpeg4"][: of["mpeg4"].index(b"\0\0\1\xb6")].hex().encode()
    for line in (b"sprop-parameter-sets=" + sets, b"sprop-sps=" + sps, b"profile-level-id=1; config=" + header.upper()):
        assert announces_fields(b"v=0\r\na=fmtp:96 " + line + b"\r\n") == (options is FIELDS)


def test_a_camera_that_sends_mpeg2_of_fields(tmp_path: Path) -> None:
    def sent(data: bytes) -> None:
        track = Track({32: "MPV"})
        for number, begin in enumerate(range(0, len(data), 900)):
            head = bytes((0x80, 32)) + number.to_bytes(2, "big") + bytes(4) + b"ssrc" + bytes(4)
            track.take(head + data[begin : begin + 900])
        track.take(bytes((0x80, 32)) + (number + 1).to_bytes(2, "big") + b"\0\0\0\1" + b"ssrc" + bytes(4))

    sent(_headers(tmp_path, "mpeg2video", PROGRESSIVE["mpeg2video"]))
    with pytest.raises(Interlaced):
        sent(_headers(tmp_path, "mpeg2video", FIELDS["mpeg2video"]))
