"""Picture quality checks. A frame that fails gives no verdict, never OK."""

import math
import time
import zlib
from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message
from inspector.core.types import Frame, Pixels, Region
from inspector.imaging.preprocessing import white_of
from inspector.recipes.recipe import Gate

_SAMPLE = 80_000  # pixels sampled: enough for a share and a mean, and cheap at any size
_SATURATED = 250  # of 255; brighter pixels count as saturated
_REMEMBERED = 32  # different frames that a new one is compared with: more than a driver has buffers


def check_quality(frame: Frame, gate: Gate, *, levels: tuple[float, float] | None = None) -> Message | None:
    """Return the quality problem of the picture, or None.

    `levels`: the grey levels of black and white, by default the range of the frame's bits. A kelvin frame is only checked for
    pixels without a temperature.
    """
    if frame.unit == "kelvin":
        return check_masked(frame, gate)
    levels = levels or (0.0, white_of(frame.pixels, frame.bits))
    grey = _grey(_sample(frame.pixels), levels)
    mean = float(cv2.mean(grey)[0])
    if mean < gate.black_mean:
        return message("The frame of {camera} is black (mean {mean:.1f} of 255).", camera=frame.camera, mean=mean)
    if gate.white_share < 1 and mean >= _SATURATED * gate.white_share:  # a lower mean rules out that number of white pixels
        share = float(np.count_nonzero(grey >= _SATURATED)) / grey.size
        if share > gate.white_share:
            return message(
                "The frame of {camera} is over-exposed ({percent:.0f} % of it is white).",
                camera=frame.camera,
                percent=100 * share,
            )
    if gate.blur > 0:
        sharpness = _sharpness(frame.pixels, levels)
        if sharpness < gate.blur:
            return message(
                "The frame of {camera} is blurred (sharpness {sharpness:.1f}, needs {limit:.1f}).",
                camera=frame.camera,
                sharpness=sharpness,
                limit=gate.blur,
            )
    return None


def check_masked(frame: Frame, gate: Gate, region: Region | None = None) -> Message | None:
    """Return a problem if a thermal frame or region has more pixels without a temperature than a few dead ones."""
    patch = frame.pixels if region is None else frame.pixels[region.y : region.bottom, region.x : region.right]
    if cv2.checkRange(patch)[0]:
        return None
    dead = patch.size - int(np.count_nonzero(np.isfinite(patch)))
    share = dead / patch.size
    if dead <= max(1.0, gate.masked_share * patch.size) and dead < patch.size:
        return None
    return message(
        "The thermal frame of {camera} has pixels without a temperature ({percent:.1f} % of it).",
        camera=frame.camera,
        percent=100 * share,
    )


def check_age(frame: Frame, gate: Gate, *, now: float | None = None) -> Message | None:
    """Return a problem if a frame of a live camera is too old to show the current part."""
    age_ms = ((time.monotonic() if now is None else now) - frame.monotonic) * 1000
    if age_ms > gate.stale_ms:
        return message("The frame of {camera} is stale ({age:.0f} ms old).", camera=frame.camera, age=age_ms)
    return None


class FrozenWatch:
    """Detects a live camera that repeats itself. Real sensors have noise, so no two frames are equal.

    A frame equal to any recent one counts as old, which also detects a camera that alternates between a few old frames.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[int, Pixels] = OrderedDict()  # the last different frames by checksum, oldest first
        self._repeats = 1

    def observe(self, frame: Frame, gate: Gate) -> Message | None:
        """Add the next frame of the camera, in order. Returns a problem from the frame on that makes the camera frozen."""
        if not gate.frozen_frames:
            return None
        sample = np.ascontiguousarray(_sample(frame.pixels))
        if sample.dtype == np.float32:
            sample = sample.view(np.uint32)  # a dead pixel is NaN, which never equals itself
        checksum = zlib.crc32(sample.data)
        old = checksum in self._seen and np.array_equal(self._seen[checksum], sample)
        self._repeats = self._repeats + 1 if old else 1
        if not old:
            self._seen[checksum] = sample.copy()
        self._seen.move_to_end(checksum)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if self._repeats < max(2, gate.frozen_frames):
            return None
        return message(
            "The picture of {camera} is frozen ({count} identical frames).", camera=frame.camera, count=self._repeats
        )


class SizeWatch:
    """Detects frames of another size than the recipe was set up with, which would be judged at the wrong places and scale."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None

    def observe(self, frame: Frame, expected: tuple[int, int] | None, *, live: bool) -> Message | None:
        """Return the problem of a frame, if any. `expected`: width and height; None: those of a live camera's first frame."""
        size = (frame.width, frame.height)
        if expected is None and live:
            expected = self._first = self._first or size
        if expected is None or size == expected:
            return None
        return message(
            "The frames of {camera} are {width} x {height} pixels, and were {before}: set it back, or set up its recipe again.",
            camera=frame.camera,
            width=frame.width,
            height=frame.height,
            before=f"{expected[0]} x {expected[1]}",
        )


def _sample(pixels: Pixels) -> Pixels:
    """Return evenly spaced whole rows: copying rows is ten times as fast as copying single pixels."""
    return pixels[:: max(1, math.ceil(pixels.shape[0] * pixels.shape[1] / _SAMPLE))]


def _grey(pixels: Pixels, levels: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the luma (ITU-R BT.601) as uint8 [H, W]. Only a pixel with all channels high comes near 255."""
    eight = pixels  # OpenCV accepts spaced rows as well as a contiguous copy
    if pixels.dtype != np.uint8 or levels != (0.0, 255.0):
        low, high = levels
        scaled = (pixels.astype(np.float32) - low) * np.float32(255.0 / (high - low))
        eight = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.asarray(eight if eight.ndim == 2 else cv2.cvtColor(eight, cv2.COLOR_RGB2GRAY), np.uint8)


def _sharpness(pixels: Pixels, levels: tuple[float, float]) -> float:
    """Return the variance of the Laplacian of the grey picture at full resolution (Pech-Pacheco et al., ICPR 2000)."""
    return float(cv2.Laplacian(_grey(pixels, levels), cv2.CV_32F).var())
