"""JPEG pictures that are whole are decoded exactly; damaged ones are refused."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.core.strict_jpeg import JpegDamage, check_jpeg, decode_jpeg, read_header

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
        assert (check_jpeg(data).height, check_jpeg(data).width) == size


def test_grey_progressive_and_bytes_behind_the_end() -> None:
    grey = _scene(1)[..., 0]
    data = _jpeg(grey)
    np.testing.assert_array_equal(decode_jpeg(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    progressive = _jpeg(_scene(2), progressive=1)
    assert read_header(progressive).scan is None
    assert decode_jpeg(progressive).shape == (117, 203, 3)
    np.testing.assert_array_equal(decode_jpeg(data + b"\0\0\r\n"), decode_jpeg(data))
    filled = data[:-2] + b"\xff\xff\xff\xd9"  # fill bytes before the end marker, as some encoders write them
    np.testing.assert_array_equal(decode_jpeg(filled), decode_jpeg(data))


@pytest.mark.parametrize("restart", [0, 3])
def test_a_cut_picture_is_refused_closed_or_not(restart: int) -> None:
    data = _jpeg(_scene(3), restart=restart)
    scan = read_header(data).scan
    assert scan is not None
    start, end = scan
    for at in [*range(4, start, 17), *range(start, end - 12, 7)]:
        for piece in (data[:at], data[:at] + b"\xff\xd9"):
            with pytest.raises(JpegDamage):
                decode_jpeg(piece)
    with pytest.raises(JpegDamage):
        decode_jpeg(data[:end])  # complete but for the end marker: nobody knows


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


@pytest.mark.parametrize(
    ("fault", "found"), [(_begins_again, 1.0), (_torn, 0.8), (_missing, 0.7), (_repeated, 0.7), (_noise, 0.6)]
)
def test_a_garbled_picture_is_refused_as_often_as_it_can_be_known(
    fault: Callable[[bytes, bytes, int], bytes], found: float
) -> None:
    refused = tried = 0
    for seed in range(6):
        data, other = _jpeg(_scene(seed)), _jpeg(_scene(seed + 100))
        scan = read_header(data).scan
        assert scan is not None
        for at in range(scan[0] + 400, min(scan[1], len(other)) - 700, 450):
            tried += 1
            try:
                decode_jpeg(fault(data, other, at))
            except JpegDamage:
                refused += 1
    assert tried > 40
    assert refused >= found * tried


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
        with pytest.raises(JpegDamage):
            check_jpeg(data)


def test_restart_markers_count() -> None:
    data = _jpeg(_scene(4), restart=2)
    for code in (b"\xff\xd1", b"\xff\xd4"):
        at = data.index(code)
        with pytest.raises(JpegDamage, match="missing"):
            decode_jpeg(data[:at] + data[at + 2 :])
