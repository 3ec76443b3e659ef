"""JPEG pictures that are whole are decoded exactly; damaged ones are refused: as bytes and as files."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from inspector.core.errors import ConfigError
from inspector.data.duplicates import look
from inspector.imaging.files import read_image
from inspector.imaging.formats.jpeg import JpegDamage, coded_part, decode_jpeg, decode_reduced, read_header

SUBSAMPLINGS = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def _scene(seed: int, size: tuple[int, int] = (117, 203)) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(cv2.normalize(blurred, blurred, 0, 255, cv2.NORM_MINMAX), np.uint8)


def _jpeg(pixels: NDArray[np.uint8], quality: int = 85, sampling: str = "420", restart: int = 0, progressive: int = 0) -> bytes:
    settings = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLINGS[sampling],
        cv2.IMWRITE_JPEG_RST_INTERVAL, restart,
        cv2.IMWRITE_JPEG_PROGRESSIVE, progressive,
    ]  # fmt: skip
    return cv2.imencode(".jpg", pixels, settings)[1].tobytes()


@pytest.mark.parametrize("sampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [10, 50, 85, 100])
@pytest.mark.parametrize("restart", [0, 1, 7])
def test_whole_pictures_are_decoded_as_libjpeg_does(sampling: str, quality: int, restart: int) -> None:
    for seed, size in enumerate([(117, 203), (16, 16), (1, 1), (8, 200)]):
        data = _jpeg(_scene(seed, size), quality, sampling, restart)
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(decode_jpeg(data), expected)
        header = read_header(data)
        assert (header.height, header.width) == size


def test_grey_progressive_and_bytes_behind_the_end() -> None:
    grey = _scene(1)[..., 0]
    data = _jpeg(grey)
    np.testing.assert_array_equal(decode_jpeg(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    progressive = _jpeg(_scene(2), progressive=1)
    expected = cv2.imdecode(np.frombuffer(progressive, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decode_jpeg(progressive), expected)
    np.testing.assert_array_equal(decode_jpeg(data + b"\0\0\r\n"), decode_jpeg(data))
    filled = data[:-2] + b"\xff\xff\xff\xd9"  # fill bytes before the end marker, as some encoders write them
    for oddity in (filled, data[:-2] + bytes(40) + data[-2:], data.replace(b"JFIF\0\1\1", b"JFIF\0\2\1")):
        assert oddity != data
        np.testing.assert_array_equal(decode_jpeg(oddity), decode_jpeg(data))


@pytest.mark.parametrize("restart", [0, 3])
def test_a_cut_picture_is_refused_closed_or_not(restart: int) -> None:
    data = _jpeg(_scene(3), restart=restart)
    start, end = _scan(data)
    for at in [*range(4, start, 17), *range(start, end - 12, 7)]:
        for piece in (data[:at], data[:at] + b"\xff\xd9"):
            with pytest.raises(JpegDamage):
                decode_jpeg(piece)
    with pytest.raises(JpegDamage):
        decode_jpeg(data[:end])  # complete but for the end marker: nobody knows


def _scan(data: bytes) -> tuple[int, int]:
    """First byte of the coded data, and the first behind it."""
    begin = len(data) - len(coded_part(data))
    return begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big"), read_header(data).end


def _torn(data: bytes, other: bytes, at: int) -> bytes:
    return data[:at] + other[at:]


def _missing(data: bytes, other: bytes, at: int) -> bytes:
    return data[:at] + data[at + 300 :]


def _repeated(data: bytes, other: bytes, at: int) -> bytes:
    return data[:at] + data[at - 300 : at] + data[at:]


def _begins_again(data: bytes, other: bytes, at: int) -> bytes:
    return data[:at] + other


def _noise(data: bytes, other: bytes, at: int) -> bytes:
    return data[:at] + np.random.default_rng(at).integers(0, 255, 300, np.uint8).tobytes() + data[at + 300 :]


@pytest.mark.parametrize("how", [{}, {"restart": 7}, {"progressive": 1}], ids=["plain", "restarts", "progressive"])
@pytest.mark.parametrize(
    ("fault", "found"), [(_begins_again, 1.0), (_torn, 0.8), (_missing, 0.7), (_repeated, 0.7), (_noise, 0.6)]
)
def test_a_garbled_picture_is_refused_as_often_as_it_can_be_known(
    fault: Callable[[bytes, bytes, int], bytes], found: float, how: dict[str, int]
) -> None:
    refused = tried = 0
    for seed in range(6):
        data, other = _jpeg(_scene(seed), **how), _jpeg(_scene(seed + 100), **how)
        start, end = _scan(data)
        for at in range(start + 400, min(end, len(other)) - 700, 450):
            tried += 1
            try:
                decode_jpeg(fault(data, other, at))
            except JpegDamage:
                refused += 1
    assert tried > 40
    assert refused >= found * tried


@pytest.mark.parametrize("how", [{}, {"restart": 7}, {"progressive": 1}], ids=["plain", "restarts", "progressive"])
def test_damage_before_the_first_scan_never_gives_another_picture(how: dict[str, int]) -> None:
    """libjpeg decodes with whatever quantization and Huffman tables there are."""
    data = _jpeg(_scene(7, (40, 48)), **how)
    whole, (start, _) = decode_jpeg(data), _scan(data)
    markers, refused = b"\xff\xc4\x00\x00\xff\xfe" * 4, 0
    for at in range(2, start):
        try:
            np.testing.assert_array_equal(decode_jpeg(data[:at] + markers + data[at + 24 :]), whole)
        except JpegDamage:
            refused += 1
    assert refused > 0.95 * start


def test_what_is_no_jpeg() -> None:
    for data in (
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n" * 9,
        b"\xff\xd8" + b"\xff" * 50,
        b"<html>",
    ):
        with pytest.raises(JpegDamage):
            decode_jpeg(data)


def test_restart_markers_count() -> None:
    data = _jpeg(_scene(4), restart=2)
    for code in (b"\xff\xd1", b"\xff\xd4"):
        at = data.index(code)
        with pytest.raises(JpegDamage, match="missing"):
            decode_jpeg(data[:at] + data[at + 2 :])


def _saved(picture: NDArray[np.uint8], **how: object) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(picture).save(stream, "JPEG", quality=90, **how)
    return stream.getvalue()


def _photo() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = Pillow.fromarray(rng.integers(40, 216, (30, 40, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((320, 240), Pillow.Resampling.BICUBIC))


@pytest.mark.parametrize(
    "how", [{}, {"progressive": True}, {"restart_marker_blocks": 7}], ids=["plain", "progressive", "restarts"]
)
def test_a_jpeg_cut_anywhere_and_closed_is_damaged(tmp_path: Path, how: dict[str, object]) -> None:
    data, path = _saved(_photo(), **how), tmp_path / "a.jpg"
    path.write_bytes(data)
    assert read_image(path).notes == ()
    begin = data.index(b"\xff\xda") + 20
    for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        path.write_bytes(data[: begin + int(share * (len(data) - begin - 40))] + b"\xff\xd9")
        for reader in (read_image, look):
            with pytest.raises(ConfigError, match="damaged"):
                reader(path)


def test_a_jpeg_with_a_hole_is_damaged(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.jpg", np.random.default_rng(1)
    for how in ({}, {"restart_marker_blocks": 7}):
        data = _saved(_photo(), **how)
        begin = data.index(b"\xff\xda") + 20
        for _ in range(20):
            place = int(rng.integers(begin, len(data) - 1200))
            path.write_bytes(data[:place] + data[place + 1000 :])
            with pytest.raises(ConfigError, match="damaged"):
                read_image(path)


def test_whole_jpegs_of_every_make_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for picture in (
        _photo(),
        np.zeros((17, 33, 3), np.uint8),
        np.full((9, 8, 3), 255, np.uint8),
        np.random.default_rng(5).integers(0, 256, (8, 8, 3)).astype(np.uint8),
    ):
        for how in ({}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"subsampling": 2}):
            for tail in (b"", b"\0" * 100, b"camera data"):
                path.write_bytes(_saved(picture, **how) + tail)
                assert read_image(path).pixels.shape == picture.shape
        path.write_bytes(_saved(picture[..., 0]))
        assert read_image(path).pixels.shape == picture.shape[:2]


def test_jpegs_that_are_not_read_are_named(tmp_path: Path) -> None:
    import imagecodecs

    deep = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
    (tmp_path / "deep.jpg").write_bytes(imagecodecs.jpeg8_encode(deep, bitspersample=12, lossless=False))
    (tmp_path / "lossless.jpg").write_bytes(imagecodecs.jpeg8_encode(deep.astype(np.uint8), lossless=True))
    with pytest.raises(ConfigError, match="not read: JPEG of 12 bits"):
        read_image(tmp_path / "deep.jpg")
    with pytest.raises(ConfigError, match="not read: lossless"):
        read_image(tmp_path / "lossless.jpg")
    arithmetic = _saved(_photo()).replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11")
    (tmp_path / "arithmetic.jpg").write_bytes(arithmetic)
    with pytest.raises(ConfigError, match="not read: JPEG with arithmetic coding"):
        read_image(tmp_path / "arithmetic.jpg")
    with pytest.raises(JpegDamage, match="arithmetic"):
        decode_jpeg(arithmetic)


def test_a_progressive_jpeg_without_its_last_scans_is_damaged() -> None:
    data = _saved(_photo(), progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans[1:]:
        with pytest.raises(JpegDamage, match="scans are missing"):
            decode_jpeg(data[:at] + b"\xff\xd9")


def test_cmyk_is_read_as_rgb_and_a_cut_one_is_damaged() -> None:
    stream = io.BytesIO()
    Pillow.fromarray(_photo()).convert("CMYK").save(stream, "JPEG", quality=98)
    data = stream.getvalue()
    assert np.abs(decode_jpeg(data).astype(int) - _photo()).mean() < 3
    with pytest.raises(JpegDamage):
        decode_jpeg(data[: len(data) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"keep_rgb": True}], ids=["plain", "progressive", "rgb"])
def test_damage_is_found_at_a_reduced_size(how: dict[str, object]) -> None:
    data = _saved(_photo(), **how)
    header = read_header(data)
    small = decode_reduced(data, 60, header=header)
    assert small.shape == (60, 80)
    grey = cv2.resize(cv2.cvtColor(_photo(), cv2.COLOR_RGB2GRAY), (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - grey).mean() < 3
    with pytest.raises(JpegDamage):
        decode_reduced(data[: len(data) * 2 // 3] + b"\xff\xd9", 60, header=header)


def test_a_scan_that_ends_in_zeros_is_whole() -> None:
    """Even areas may be coded as zeros up to the last bit of the last byte, which look like padding."""
    ends = 0
    for blocks in range(1, 80):
        pixels = np.full((8, 8 * blocks), 16, np.uint8)
        data = _saved(pixels, optimize=True)
        ends += data[-4:-2] == b"\0\0"
        np.testing.assert_array_equal(decode_jpeg(data), pixels)
    assert ends
