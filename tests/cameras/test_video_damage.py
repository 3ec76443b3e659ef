"""H.264 and H.265 with holes: no picture is handed out that was not sent, and none of a whole video is held back."""

import random
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.cameras import capture  # noqa: F401 - makes FFmpeg quiet before OpenCV starts it
from inspector.cameras.bitstream.damage import Damage, retrieved
from inspector.cameras.bitstream.h264 import H264
from inspector.cameras.bitstream.h265 import H265
from inspector.cameras.video import RandomAccess, VideoFile
from inspector.core.errors import ConfigError
from inspector.core.types import Pixels

av = pytest.importorskip("av")

COUNT = 36
STREAMS: Mapping[str, tuple[str, str, str, dict[str, str]]] = {
    "h264 mp4": ("libx264", "mp4", "mp4", {"g": "12", "bf": "2", "preset": "veryfast"}),
    "h264 slices mkv": ("libx264", "mkv", "matroska", {"g": "18", "bf": "3", "slices": "4", "preset": "fast"}),
    "h264 open ts": ("libx264", "ts", "mpegts", {"g": "12", "bf": "3", "x264opts": "open-gop=1", "preset": "fast"}),
    "h264 cavlc mov": ("libx264", "mov", "mov", {"tune": "zerolatency", "preset": "ultrafast", "qp": "0"}),
    "h264 cavlc ts": ("libx264", "ts", "mpegts", {"g": "12", "bf": "0", "preset": "ultrafast"}),
    "h264 cavlc mp4": ("libx264", "mp4", "mp4", {"g": "6", "preset": "ultrafast", "crf": "30"}),
    "h265 faint mp4": ("libx265", "mp4", "mp4", {"crf": "40", "x265-params": "keyint=18:log-level=none"}),
    "h265 hrd mp4": (
        "libx265",
        "mp4",
        "mp4",
        {"x265-params": "hrd=1:bitrate=300:vbv-maxrate=300:vbv-bufsize=300:hash=1:log-level=none"},
    ),
    "h265 open mp4": ("libx265", "mp4", "mp4", {"x265-params": "keyint=12:min-keyint=12:bframes=3:log-level=none"}),
    "h265 slices mkv": ("libx265", "mkv", "matroska", {"x265-params": "keyint=18:slices=2:log-level=none"}),
    "h265 headers ts": ("libx265", "ts", "mpegts", {"x265-params": "repeat-headers=1:open-gop=0:log-level=none"}),
}


def _write(path: Path, codec: str, kind: str, options: dict[str, str]) -> None:
    """Encode a view that moves over a blurred pattern, in which every picture differs from all others."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 320, 3), np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for number in range(COUNT):
            pixels = np.ascontiguousarray(scene[number : number + 128, 2 * number : 2 * number + 160])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def _read(path: Path) -> list[tuple[float, Pixels | None]]:
    """Return the time of every picture and its pixels, None if it is held back."""
    video, read = VideoFile(path), list[tuple[float, Pixels | None]]()
    while (pixels := video.read()) is not None:
        assert not isinstance(pixels, ConfigError) or "is damaged (data of it, or of a picture that it depends on" in str(
            pixels
        )
        read.append((video.time, None if isinstance(pixels, ConfigError) else pixels))
    video.close()
    return read


def _whole(folder: Path, name: str) -> tuple[Path, bytes, list[bytes], dict[float, Pixels | None]]:
    """Write a video; return a place for a damaged one, its bytes, its packets, and its pictures by time."""
    codec, suffix, kind, options = STREAMS[name]
    path = folder / f"whole.{suffix}"
    _write(path, codec, kind, options)
    return folder / f"damaged.{suffix}", path.read_bytes(), _packets(path), dict(_read(path))


def _held_back(damaged: Path, whole: Mapping[float, Pixels | None], place: int) -> int:
    """Return how many pictures of a damaged video are held back. All others are those of the whole one."""
    read = _read(damaged)
    for time, pixels in read:
        assert pixels is None or np.array_equal(pixels, np.asarray(whole[time])), (place, time)
    return sum(pixels is None for _, pixels in read)


def _rewritten(source: Path, path: Path, kind: str, change: Callable[[int, bytes], bytes | None]) -> Path:
    """Write the video again with changed packets, or without them."""
    with av.open(str(source)) as given, av.open(str(path), "w", format=kind) as made:
        track = given.streams.video[0]
        copy = made.add_stream_from_template(track)
        for number, packet in enumerate(one for one in given.demux(track) if one.dts is not None):
            data = change(number, bytes(packet))
            if data is not None:
                new: Any = av.Packet(data)
                new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.dts, packet.time_base, copy
                new.is_keyframe = packet.is_keyframe
                made.mux(new)
    return path


def _without_last_slice(data: bytes) -> bytes:
    """Return an access unit without its last slice, as a recorder writes it that lost the end."""
    at, last = 0, 0
    while at + 4 <= len(data):
        at, last = at + 4 + int.from_bytes(data[at : at + 4], "big"), at
    return data[:last] or data


@pytest.mark.parametrize("name", STREAMS)
def test_of_an_undamaged_video_nothing_is_held_back(tmp_path: Path, name: str) -> None:
    codec, suffix, kind, options = STREAMS[name]
    path = tmp_path / f"whole.{suffix}"
    _write(path, codec, kind, options)
    read = _read(path)
    assert len(read) == COUNT
    assert all(pixels is not None for _, pixels in read)


@pytest.mark.parametrize("name", ["h264 mp4", "h264 slices mkv", "h265 open mp4", "h265 slices mkv"])
def test_a_hole_in_the_data_is_never_concealed(tmp_path: Path, name: str) -> None:
    damaged, data, packets, whole = _whole(tmp_path, name)
    choose = random.Random(name)
    held = 0
    for place in range(25):
        packet = choose.choice(packets)
        size = min(choose.choice((64, 128, 512)), len(packet))
        begin = data.index(packet) + choose.randrange(len(packet) - size + 1)
        damaged.write_bytes(data[:begin] + (b"\0" if place % 2 else b"\xff") * size + data[begin + size :])
        held += _held_back(damaged, whole, place)
    assert held > 25  # with the pictures that depend on them


@pytest.mark.parametrize("name", ["h264 cavlc mp4", "h265 faint mp4"])
def test_a_hole_of_a_few_bytes_at_the_end_of_a_picture_is_never_concealed(tmp_path: Path, name: str) -> None:
    """Where the data are so few that decoders reach the end of a slice without them."""
    damaged, data, packets, whole = _whole(tmp_path, name)
    held = 0
    for place, packet in enumerate(packets[3:21]):
        size, end = 1 + place % 4, data.index(packet) + len(packet)
        damaged.write_bytes(data[: end - size] + b"\0" * size + data[end:])
        held += _held_back(damaged, whole, place)
    assert held > 18


@pytest.mark.parametrize("name", ["h264 slices mkv", "h265 slices mkv"])
def test_nor_is_one_at_the_end_of_a_slice_in_the_middle_of_a_picture(tmp_path: Path, name: str) -> None:
    damaged, data, packets, whole = _whole(tmp_path, name)
    held = 0
    for place, packet in enumerate(packets[3:21]):
        ends = [0]
        while ends[-1] < len(packet):  # each unit behind its length
            ends.append(ends[-1] + 4 + int.from_bytes(packet[ends[-1] : ends[-1] + 4], "big"))
        size, end = 2 + place % 3, data.index(packet) + ends[-2]
        damaged.write_bytes(data[: end - size] + b"\0" * size + data[end:])
        held += _held_back(damaged, whole, place)
    assert held > 18


def test_behind_a_hole_in_codes_of_whole_bits_nothing_is_believed(tmp_path: Path) -> None:
    """What FFmpeg decodes then is wrong by some levels, without a word, although a key picture begins anew."""
    codec, suffix, kind, options = STREAMS["h264 cavlc mp4"]
    path, damaged = tmp_path / f"whole.{suffix}", tmp_path / f"damaged.{suffix}"
    _write(path, codec, kind, options)
    data, packets, whole = path.read_bytes(), _packets(path), dict(_read(path))
    for packet in packets[1:18]:
        for share in (1 / 2, 2 / 3):
            begin = data.index(packet) + int(len(packet) * share)
            damaged.write_bytes(data[:begin] + bytes(8) + data[begin + 8 :])
            for time, pixels in _read(damaged):
                assert pixels is None or np.array_equal(pixels, np.asarray(whole[time])), time


@pytest.mark.parametrize("name", ["h264 mp4", "h264 slices mkv", "h265 open mp4", "h265 slices mkv"])
def test_what_a_recorder_lost_is_never_concealed(tmp_path: Path, name: str) -> None:
    codec, suffix, kind, options = STREAMS[name]
    path, choose = tmp_path / f"whole.{suffix}", random.Random(name)
    _write(path, codec, kind, options)
    copy = _rewritten(path, tmp_path / f"copy.{suffix}", kind, lambda number, packet: packet)
    whole, count = dict(_read(copy)), len(_packets(copy))
    assert all(pixels is not None for pixels in whole.values())
    changes: tuple[Callable[[bytes], bytes | None], ...] = (
        lambda packet: None,
        lambda packet: packet[: len(packet) // 2],
        _without_last_slice,
    )
    for place in range(12):
        victim, change = choose.randrange(1, count - 1), changes[place % len(changes)]

        def damage(number: int, packet: bytes, victim: int = victim, change: Any = change) -> bytes | None:
            return change(packet) if number == victim else packet

        damaged = _rewritten(path, tmp_path / f"damaged.{suffix}", kind, damage)
        for time, pixels in _read(damaged):
            assert pixels is None or np.array_equal(pixels, np.asarray(whole[time])), (place, time)


def test_by_number_a_damaged_picture_is_no_picture_either(tmp_path: Path) -> None:
    codec, suffix, kind, options = STREAMS["h264 mp4"]
    path = tmp_path / f"whole.{suffix}"
    _write(path, codec, kind, options)
    packet = _packets(path)[14]
    path.write_bytes(path.read_bytes().replace(packet[20:], bytes(len(packet) - 20)))
    access = RandomAccess(path)
    refused = set()
    for number in range(len(access.index)):
        try:
            access.read(number)
        except ConfigError:
            refused.add(number)
    access.close()
    # From the damaged picture to the next key picture, of 12 each, less those that the decoder leaves out.
    assert refused
    assert refused <= set(range(12, 24))


def test_an_even_view_in_simple_code_is_no_hole(tmp_path: Path) -> None:
    """Without arithmetic coding every block of an even area is the same few bits."""
    path = tmp_path / "even.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(np.zeros((1080, 1920), np.uint8), format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read = _read(path)
    assert [pixels is None for _, pixels in read] == [False] * 4


def test_a_change_to_fewer_slices_is_not_a_loss_for_ever(tmp_path: Path) -> None:
    """A recorder that begins again with other settings, in a file that it goes on writing."""
    packets: list[bytes] = []
    for slices in ("4", "1"):
        path = tmp_path / f"{slices}.ts"
        _write(
            path, "libx264", "mpegts", {"g": "12", "bf": "0", "x264opts": f"slices={slices}:sliced-threads=0", "preset": "fast"}
        )
        packets += _packets(path)
    damage = Damage(H264)
    spoilt = [damage.spoils(packet) for packet in packets]
    assert not any(spoilt[:COUNT])
    assert not any(spoilt[COUNT + 12 :])


def test_a_hole_of_megabytes_is_found_at_once() -> None:
    """Not after hours: what looks for it must not begin anew at each of its zeros."""
    begun = b"\0\0\0\1\x65\x88\x84"
    for behind in (b"\xff", b"\1", b"\0\0\1\x09\x10", b""):
        packet = begun + bytes(4_000_000) + behind
        damage = Damage(H264)
        damage.expect([packet, begun + b"\x80"])
        assert damage.spoils(packet)


def test_a_hole_behind_times_that_repeat_is_not_concealed(tmp_path: Path) -> None:
    """A recorder that begins again counts its times from the beginning, too."""
    path = tmp_path / "whole.ts"
    _write(path, *STREAMS["h264 open ts"][::2], STREAMS["h264 open ts"][3])
    packet = max(_packets(path)[20:], key=len)
    data = path.read_bytes()
    whole = [pixels for _, pixels in _read(path)]
    place = data.index(packet[100:150])
    path.write_bytes(data + data[:place] + b"\xff" * 60 + data[place + 60 :])
    read = [pixels for _, pixels in _read(path)]
    assert len(read) == 2 * COUNT
    assert all(pixels is None or np.array_equal(pixels, whole[n % COUNT]) for n, pixels in enumerate(read))


@pytest.mark.parametrize("slices", [1, 2])
def test_it_is_known_where_slices_of_h265_begin(tmp_path: Path, slices: int) -> None:
    """Where a slice ends after so many bytes, their number changes, and is no sign of a loss."""
    path, follower = tmp_path / "whole.mkv", H265()
    _write(path, "libx265", "matroska", {"x265-params": f"keyint=18:slices={slices}:ctu=16:repeat-headers=1:log-level=none"})
    packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    begins = set()
    while packets.grab():
        units = [unit for unit in re.split(rb"\x00\x00\x00?\x01", retrieved(packets)) if unit]
        begins.add(follower.take(units).begins)
    packets.release()
    assert begins == {(0,) if slices == 1 else (0, 4 * 10)}  # of 10 x 8 blocks


@pytest.mark.parametrize("filled", ["four bytes", "words", "a constant rate"])
@pytest.mark.parametrize("name", ["h264 open ts", "h264 cavlc ts", "h265 headers ts"])
def test_zeros_behind_pictures_are_no_holes(tmp_path: Path, name: str, filled: str) -> None:
    """As encoders write them that fill up (trailing_zero_8bits). A hole that ends a picture is found nevertheless."""
    codec, suffix, kind, options = STREAMS[name]
    path = tmp_path / f"whole.{suffix}"
    _write(path, codec, kind, options)

    def zeros(number: int, packet: bytes) -> bytes:
        count = {"four bytes": 4, "words": -len(packet) % 32, "a constant rate": max(0, 4000 - len(packet))}[filled]
        return packet + bytes(count)

    copy = _rewritten(path, tmp_path / f"copy.{suffix}", kind, zeros)
    whole = [pixels for _, pixels in _read(path)]
    read = [pixels for _, pixels in _read(copy)]
    assert len(read) == COUNT
    assert all(
        pixels is not None and np.array_equal(pixels, np.asarray(true)) for pixels, true in zip(read, whole, strict=True)
    )

    def hole(number: int, packet: bytes) -> bytes:
        data = zeros(number, packet)
        return packet[: len(packet) // 2] + bytes(len(data) - len(packet) // 2) if number == 20 else data

    damaged = _rewritten(path, tmp_path / f"damaged.{suffix}", kind, hole)
    if filled != "a constant rate":  # there a hole at the end looks as all pictures do
        true, held = dict(_read(copy)), _read(damaged)
        assert any(pixels is None for _, pixels in held)
        assert all(pixels is None or np.array_equal(pixels, np.asarray(true[time])) for time, pixels in held)


@pytest.mark.parametrize(
    ("codec", "options", "least"),
    [
        ("libx264", {"g": "12", "bf": "2", "preset": "veryfast"}, 0.5),
        ("libx264", {"g": "12", "bf": "0", "preset": "ultrafast"}, 0.5),
        ("libx265", {"x265-params": "keyint=12:min-keyint=12:bframes=2:hash=1:log-level=none"}, 0.8),
    ],
)
def test_errors_that_the_decoder_flags_are_no_frames(tmp_path: Path, codec: str, options: dict[str, str], least: float) -> None:
    """A bit that is another one inside a slice: found where the code has redundancy, or the stream checksums (x265's hash)."""
    path, damaged, choose = tmp_path / "whole.mkv", tmp_path / "damaged.mkv", random.Random(0)
    _write(path, codec, "matroska", options)
    data, packets, whole = path.read_bytes(), _packets(path), dict(_read(path))
    assert len(whole) == COUNT
    assert all(pixels is not None for pixels in whole.values())
    noticed = changed = 0
    for _ in range(30):
        packet = choose.choice(packets)
        place = data.index(packet) + choose.randrange(min(40, len(packet) // 2), len(packet))
        damaged.write_bytes(data[:place] + bytes((data[place] ^ 1 << choose.randrange(8),)) + data[place + 1 :])
        read = _read(damaged)
        wrong = [pixels for time, pixels in read if pixels is not None and not np.array_equal(pixels, np.asarray(whole[time]))]
        held = sum(pixels is None for _, pixels in read)
        changed += bool(wrong or held)
        noticed += not wrong and held > 0
    assert noticed >= least * changed, (noticed, changed)


@pytest.mark.parametrize("name", STREAMS)
def test_a_video_without_its_beginning_shows_no_picture_that_was_not_sent(tmp_path: Path, name: str) -> None:
    codec, suffix, kind, options = STREAMS[name]
    path, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    _write(path, codec, kind, options)
    true = {np.asarray(pixels).tobytes() for _, pixels in _read(path)}
    for first in (1, 3):
        _rewritten(path, cut, kind, lambda number, packet, first=first: packet if number >= first else None)  # type: ignore[misc]
        assert {pixels.tobytes() for _, pixels in _read(cut) if pixels is not None} <= true
