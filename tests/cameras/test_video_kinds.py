"""Videos as recorders really write them: each readable frame once, by number the same ones, at their own depth or refused."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.cameras import capture  # noqa: F401 - makes FFmpeg quiet before OpenCV starts it
from inspector.cameras.base import open_camera
from inspector.cameras.sequence import open_sequence
from inspector.core.errors import CameraError, ConfigError, InspectorError

av = pytest.importorskip("av")

RATE = 25


def _bars(number: int) -> NDArray[np.uint8]:
    """8 bars, 20 pixels wide: a bright one is a 1, the first is the highest bit."""
    bits = [255 * (number >> (7 - bar) & 1) for bar in range(8)]
    return np.repeat(np.array(bits, np.uint8), 20)[None].repeat(120, axis=0)


def _number(pixels: NDArray[Any]) -> int:
    grey = pixels[..., 1] if pixels.ndim == 3 else pixels
    return int("".join("1" if bar.mean() > 128 else "0" for bar in np.split(grey[:, :160], 8, axis=1)), 2)


def _write(
    path: Path, codec: str, kind: str, *, numbers: range, times: Callable[[int], int] = lambda n: n, **more: str
) -> None:
    """Encode numbered pictures; `times` in 1/25 s by place."""
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=RATE, options=more)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(_bars(number), format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = times(place), Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _trim(source: Path, path: Path, first: int) -> None:
    """Cut by copying packets: what comes before `first` stays in the file, and an edit list leaves it out."""
    with (
        av.open(str(source)) as given,
        av.open(str(path), "w", format="mp4", options={"avoid_negative_ts": "disabled"}) as made,
    ):
        track = given.streams.video[0]
        copy = made.add_stream_from_template(track)
        shift = int(Fraction(first, RATE) / track.time_base)
        for packet in given.demux(track):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                made.mux(packet)


def _vfr(path: Path) -> list[int]:
    _write(path, "libx264", "matroska", numbers=range(60), times=lambda n: n if n < 30 else 30 + 8 * (n - 30), bf="2", g="30")
    return list(range(60))


def _jumping_clock(path: Path) -> list[int]:
    _write(path, "libx264", "matroska", numbers=range(60), times=lambda n: n if n < 20 else n + 90_000, bf="0", g="15")
    return list(range(60))


def _late_start(path: Path) -> list[int]:
    _write(path, "libx264", "mpegts", numbers=range(100), times=lambda n: n + 25 * 3600 * 20, bf="2", g="30")
    return list(range(100))


def _joined(path: Path) -> list[int]:
    for name, numbers in (("a", range(60)), ("b", range(60, 120))):
        _write(path.with_name(name), "libx264", "mpegts", numbers=numbers, bf="2", g="30")
    path.write_bytes(path.with_name("a").read_bytes() + path.with_name("b").read_bytes())
    return list(range(120))


def _trimmed(path: Path) -> list[int]:
    _write(path.with_name("whole.mp4"), "libx264", "mp4", numbers=range(60), bf="2", g="60")
    _trim(path.with_name("whole.mp4"), path, 15)
    return list(range(15, 60))


def _mpeg2(path: Path) -> list[int]:
    _write(path, "mpeg2video", "mpegts" if path.suffix == ".ts" else "mpeg", numbers=range(150), bf="2", g="15", q="2")
    return list(range(150))


def _long(path: Path) -> list[int]:
    _write(path, "libx264", "mpegts" if path.suffix == ".ts" else "mp4", numbers=range(200), bf="2", g="50")
    return list(range(200))


def _cut_from_a_longer_one(path: Path) -> list[int]:
    """No picture of it begins anew (IDR): open groups, or intra refresh, as of recorders that stop and go on by packets."""
    kind, first = (
        ("open-gop=1:keyint=20:min-keyint=20:scenecut=0", 40) if "open" in path.name else ("intra-refresh=1:keyint=20", 32)
    )
    whole = path.with_name("whole.ts")
    options = {"x264-params": f"{kind}:bframes={2 * ('open' in path.name)}"}
    _write(whole, "libx264", "mpegts", numbers=range(90), times=lambda n: n, **options)
    with av.open(str(whole)) as given, av.open(str(path), "w", format="mpegts") as made:
        track = given.streams.video[0]
        copy = made.add_stream_from_template(track)
        for packet in list(given.demux(track))[23:]:
            if packet.dts is not None:
                packet.stream = copy
                made.mux(packet)
    return list(range(first, 90))


def _wmv(path: Path) -> list[int]:
    _write(path, "wmv2", "asf", numbers=range(90), g="15", q="2")
    return list(range(90))


KINDS: dict[str, Callable[[Path], list[int]]] = {
    "vfr.mkv": _vfr,
    "clock.mkv": _jumping_clock,
    "late.ts": _late_start,
    "joined.ts": _joined,
    "trimmed.mp4": _trimmed,
    "mpeg2.ts": _mpeg2,
    "mpeg2.mpg": _mpeg2,
    "long.ts": _long,
    "long.mp4": _long,
    "wmv.wmv": _wmv,
    "cut-open.ts": _cut_from_a_longer_one,
    "cut-refresh.ts": _cut_from_a_longer_one,
}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_once_and_by_number_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    expected = KINDS[name](path)
    frames = list(open_camera("top", f"video:{path}").frames(threading.Event()))
    assert [_number(frame.pixels) for frame in frames] == expected
    sequence = open_sequence(path)
    try:
        assert [item.pixels.tobytes() for _, item in sequence.each() if not isinstance(item, InspectorError)] == [
            frame.pixels.tobytes() for frame in frames
        ]
        assert len(sequence) == len(expected)
        order = np.random.default_rng(1).permutation(len(expected))[:40]
        for index in [0, len(expected) - 1, *order.tolist(), 1, 0]:
            np.testing.assert_array_equal(sequence.frame(index).pixels, frames[index].pixels)
    finally:
        sequence.close()


def _deep(path: Path, codec: str, pixels: str) -> NDArray[np.uint16]:
    ramp = (np.arange(120 * 160, dtype=np.uint32) * 3 % 65536).astype(np.uint16).reshape(120, 160)
    kind = {".mkv": "matroska", ".avi": "avi", ".mov": "mov"}[path.suffix]
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 160, 120, pixels
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(ramp + np.uint16(number), format="gray16le")
            frame = frame if pixels == "gray16le" else frame.reformat(format=pixels)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return ramp


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "ffv1"), ("a.avi", "jpegls")])
def test_16_bit_grey_keeps_every_bit(tmp_path: Path, name: str, codec: str) -> None:
    ramp = _deep(tmp_path / name, codec, "gray16le")
    frames = list(open_camera("top", f"video:{tmp_path / name}").frames(threading.Event()))
    assert len(frames) == 3
    for number, frame in enumerate(frames):
        assert frame.pixels.dtype == np.uint16
        np.testing.assert_array_equal(frame.pixels, ramp + number)
    sequence = open_sequence(tmp_path / name)
    np.testing.assert_array_equal(sequence.frame(2).pixels, ramp + 2)
    np.testing.assert_array_equal(sequence.frame(1).pixels, ramp + 1)
    sequence.close()


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "said"),
    [
        ("a.avi", "rawvideo", "gray16le", "may be grey or colours"),
        ("a.mov", "rawvideo", "gray16le", "may be grey or colours"),
        ("a.mkv", "ffv1", "gray10le", "grey of 10 bits"),
        ("a.mkv", "ffv1", "gray12le", "grey of 12 bits"),
        ("a.mkv", "ffv1", "gbrp16le", "colours of 16 bits"),
        ("a.mov", "png", "gray16be", "grey of 16 bits with the high byte first"),
    ],
)
def test_depth_that_would_be_lost_is_refused_by_name(tmp_path: Path, name: str, codec: str, pixels: str, said: str) -> None:
    _deep(tmp_path / name, codec, pixels)
    with pytest.raises(CameraError, match=said) as caught:
        list(open_camera("top", f"video:{tmp_path / name}").frames(threading.Event()))
    assert not caught.value.retryable
    with pytest.raises(ConfigError, match=said):
        open_sequence(tmp_path / name)


def test_a_codec_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with ThreadPoolExecutor(1) as thread:  # this encoder makes the thread that calls it a real-time one, where it may
        thread.submit(_write, path, "libsvtav1", "mp4", numbers=range(5)).result()
    with pytest.raises(CameraError, match="AV01, which cannot be decoded"):
        list(open_camera("top", f"video:{path}").frames(threading.Event()))
    sequence = open_sequence(path)
    with pytest.raises(ConfigError, match="AV01, which cannot be decoded"):
        len(sequence)
    assert next(str(item) for _, item in sequence.each()).startswith(f"{path} holds video of the kind AV01")
    sequence.close()


def test_raw_pixels_that_ffmpeg_does_not_know_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    _deep(path, "rawvideo", "gray16le")
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8 + 16  # biCompression of its BITMAPINFOHEADER
    data[at : at + 4] = b"Y16 "
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="of the kind Y16, which cannot be decoded"):
        open_sequence(path)


def test_a_damaged_frame_of_motion_jpeg_is_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    _write(path, "mjpeg", "avi", numbers=range(10), strict="unofficial")
    data = bytearray(path.read_bytes())
    begins = [at for at in range(len(data)) if data[at : at + 3] == b"\xff\xd8\xff"]
    assert len(begins) == 10
    data[begins[4] + 700 : begins[5] - 24] = bytes(begins[5] - 24 - begins[4] - 700)
    path.write_bytes(data)
    camera = open_camera("top", f"video:{path}")
    bad: list[tuple[str, str]] = []
    camera.on_problem = lambda part, error: bad.append((part, str(error)))
    numbers = [_number(frame.pixels) for frame in camera.frames(threading.Event())]
    assert numbers == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert [part for part, _ in bad] == ["a-000004"]
    assert "Frame 4 of" in bad[0][1]
    sequence = open_sequence(path)
    assert len(sequence) == 10
    for index in (9, 4, 3, 4, 5):
        if index == 4:
            with pytest.raises(ConfigError, match="Frame 4 of"):
                sequence.frame(index)
        else:
            assert _number(sequence.frame(index).pixels) == index
    sequence.close()


@pytest.mark.parametrize(("name", "kind"), [("a.mkv", "matroska"), ("a.avi", "avi"), ("a.mp4", "mp4")])
def test_a_copy_that_stopped_half_way_is_said(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    more = {"movflags": "faststart"} if kind == "mp4" else {}
    with av.open(str(path), "w", format=kind, options=more) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_bars(number), format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    assert len(list(open_camera("top", f"video:{path}").frames(threading.Event()))) == 60
    path.write_bytes(whole[: int(len(whole) * 0.8)])
    shown: list[int] = []
    frames = open_camera("top", f"video:{path}").frames(threading.Event())
    with pytest.raises(CameraError, match="is cut short: it ends after"):
        shown.extend(_number(frame.pixels) for frame in frames)
    assert shown == list(range(len(shown)))
    assert len(shown) > 20
    *_, last = (item for _, item in open_sequence(path).each())
    assert "cut short" in str(last)


def test_video_of_fields_is_refused_by_name(tmp_path: Path) -> None:
    """OpenCV 5 does not convert interlaced frames, and returns what lay in its memory as if it were a picture."""
    path = tmp_path / "fields.ts"
    _write(path, "mpeg2video", "mpegts", numbers=range(1, 9), flags="+ildct+ilme", q="2")
    with pytest.raises(CameraError, match="holds interlaced video"):
        list(open_camera("top", f"video:{path}").frames(threading.Event()))


@pytest.mark.parametrize(("name", "kind"), [("cut.mxf", "mxf"), ("cut.ts", "mpegts")])
def test_a_broadcast_file_that_is_cut_is_said(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    _write(path, "mpeg2video", kind, numbers=range(40), g="10", q="2")
    seen = [item for _, item in open_sequence(path).each()]
    assert [_number(frame.pixels) for frame in seen if not isinstance(frame, ConfigError)] == list(range(40))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 1])
    *_, last = open_sequence(path).each()
    assert isinstance(last[1], ConfigError)
    assert "is cut short" in last[1].problem.text


def test_a_recording_behind_another_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "joined.mp4"
    _write(path, "libx264", "mp4", numbers=range(10))
    path.write_bytes(path.read_bytes() * 2)
    *frames, last = [item for _, item in open_sequence(path).each()]
    assert len(frames) == 10
    assert isinstance(last, ConfigError)
    assert "only the first was read, of 10 frames" in last.problem.text


@pytest.mark.parametrize(("codec", "kind"), [("mpeg2video", "mpegts"), ("libx264", "mp4")])
def test_large_video_of_fields_is_refused_too(tmp_path: Path, codec: str, kind: str) -> None:
    """For large frames OpenCV's memory is new and zero in a new process, as if all were black."""
    path = tmp_path / "fields.video"
    with av.open(str(path), "w", format=kind) as container:
        options = {
            "flags": "+ildct+ilme",
            **({"x264opts": "tff=1", "preset": "ultrafast"} if codec == "libx264" else {"q": "8"}),
        }
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((1080, 1920), 60 + 20 * number, np.uint8), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    program = (
        "import sys; from pathlib import Path; from inspector.cameras.video import VideoFile; VideoFile(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert "holds interlaced video" in done.stderr
