"""The gate before inference: what cannot be judged is said, and everything else passes."""

import time
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.core.types import Frame
from inspector.inspection.quality import FrozenWatch, check_age, check_quality
from inspector.recipes.recipe import Gate


def _frame(pixels: NDArray[np.uint8 | np.uint16 | np.float32], *, kelvin: bool = False, age: float = 0.0) -> Frame:
    unit = "kelvin" if kelvin else "intensity"
    return Frame(pixels, "top", 0, time.monotonic() - age, datetime.now(UTC), unit=unit)  # type: ignore[arg-type]


def _textured(height: int = 300, width: int = 400, *, colour: bool = True) -> NDArray[np.uint8]:
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(0).integers(30, 200, shape).astype(np.uint8)


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "mono"])
@pytest.mark.parametrize("deep", [True, False], ids=["16 bit", "8 bit"])
def test_an_ordinary_frame_passes(colour: bool, deep: bool) -> None:
    pixels = _textured(colour=colour)
    assert check_quality(_frame(pixels.astype(np.uint16) * 257 if deep else pixels), Gate()) is None


@pytest.mark.parametrize("scale", [1, 257], ids=["8 bit", "16 bit"])
def test_a_black_frame_is_named(scale: int) -> None:
    pixels = np.full((60, 80), 3 * scale, np.uint16 if scale > 1 else np.uint8)
    problem = check_quality(_frame(pixels), Gate())
    assert problem is not None
    assert problem.text == "The frame of top is black (mean 3.0 of 255)."
    assert check_quality(_frame(pixels), Gate(black_mean=0)) is None


def test_the_levels_of_the_bundle_say_what_black_is() -> None:
    twelve_bits = (_textured(colour=False).astype(np.uint16) * 4).astype(np.uint16)
    assert check_quality(_frame(twelve_bits), Gate()) is not None
    assert check_quality(_frame(twelve_bits), Gate(), levels=(0, 1023)) is None


def test_an_over_exposed_frame_is_named_with_its_share() -> None:
    pixels = _textured()
    pixels[:240] = 255
    problem = check_quality(_frame(pixels), Gate())
    assert problem is not None
    assert "over-exposed (80 %" in problem.text
    assert check_quality(_frame(pixels), Gate(white_share=1)) is None
    assert check_quality(_frame(pixels), Gate(white_share=0.85)) is None


def test_one_saturated_channel_is_a_colour_and_not_over_exposure() -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[..., 0] = 255
    assert check_quality(_frame(pixels), Gate()) is None


def test_a_blurred_frame_is_named_once_there_is_a_limit() -> None:
    sharp = _textured()
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 6), np.uint8)
    assert check_quality(_frame(blurred), Gate()) is None
    assert check_quality(_frame(sharp), Gate(blur=50)) is None
    problem = check_quality(_frame(blurred), Gate(blur=50))
    assert problem is not None
    assert "blurred" in problem.text


def test_of_temperatures_only_the_missing_ones_count() -> None:
    cold = np.full((20, 30), 0.5, np.float32)
    assert check_quality(_frame(cold, kelvin=True), Gate()) is None
    cold[3, 4] = np.nan
    assert check_quality(_frame(cold, kelvin=True), Gate()) is None, "a dead pixel is masked"
    cold[3, :8] = np.nan
    problem = check_quality(_frame(cold, kelvin=True), Gate())
    assert problem is not None
    assert "without a temperature" in problem.text


def test_an_old_frame_is_stale() -> None:
    assert check_age(_frame(_textured(), age=1.0), Gate()) is None
    problem = check_age(_frame(_textured(), age=3.0), Gate())
    assert problem is not None
    assert "stale (3" in problem.text


def test_a_picture_that_stands_still_is_frozen_until_it_moves() -> None:
    watch, gate = FrozenWatch(), Gate(frozen_frames=3)
    same, other, new = _frame(_textured()), _frame(_textured()[::-1].copy()), _frame(_textured()[:, ::-1].copy())
    found = [watch.observe(frame, gate) is not None for frame in (other, same, same, same, same, new, same)]
    assert found == [False, False, False, True, True, False, False]
    off = FrozenWatch()
    assert all(off.observe(same, Gate(frozen_frames=0)) is None for _ in range(20))


@pytest.mark.parametrize("old", [1, 2, 3, 16])
def test_a_camera_that_alternates_between_old_frames_is_frozen(old: int) -> None:
    noise = np.random.default_rng(0)
    watch, gate = FrozenWatch(), Gate(frozen_frames=2)
    frames = [_frame(noise.integers(60, 190, (48, 64, 3), np.uint8)) for _ in range(40)]
    assert all(watch.observe(frame, gate) is None for frame in frames)
    repeated = [watch.observe(_frame(frames[-1 - k % old].pixels.copy()), gate) is not None for k in range(20)]
    assert all(repeated)
    assert watch.observe(_frame(noise.integers(60, 190, (48, 64, 3), np.uint8)), gate) is None


def test_the_check_is_cheap_on_a_large_frame() -> None:
    frame = _frame(np.full((3000, 4000, 3), 90, np.uint8))
    check_quality(frame, Gate())
    started = time.thread_time()
    check_quality(frame, Gate())
    assert time.thread_time() - started < 0.05
