#!/usr/bin/env bash
# OpenCV's blur keeps a running sum: it adds what enters the window and takes away what leaves it. A pixel of -3.4e38, the usual
# "no data" of float TIFF files, leaves the sum without the digits of everything else, so the average stays wrong down to the lower
# edge of the picture, at places that the window no longer covers, and with values that look like measured ones: 100 K in a scene
# of 300 K. A NaN goes on as NaN. filter2D with the same equal weights is right up to 11 x 11; larger windows go by way of a
# Fourier transform, and then the whole picture is wrong. sepFilter2D and GaussianBlur change only the window around the pixel.
# Why it matters: A rule about the difference from the surroundings (a hot bearing, a dent in a height map) finds cold places in good
# parts, or misses hot ones. Replace pixels without data before any filter, or average with sepFilter2D.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
from collections.abc import Callable

import cv2
import numpy as np

print("opencv", cv2.__version__)
HEIGHT, WIDTH, ROW, COLUMN = 60, 80, 20, 30
scene = (300 + np.random.default_rng(0).random((HEIGHT, WIDTH))).astype(np.float32)


def beyond(smooth: Callable[[np.ndarray], np.ndarray], side: int, value: float) -> tuple[int, str]:
    """Return how many averages differ by more than 1 K outside the windows that hold the pixel, and one of those below it."""
    broken = scene.copy()
    broken[ROW, COLUMN] = value
    outside = np.ones(scene.shape, bool)
    outside[ROW - side // 2 : ROW + side // 2 + 1, COLUMN - side // 2 : COLUMN + side // 2 + 1] = False
    after = smooth(broken)
    wrong = outside & ~(np.abs(after - smooth(scene)) < 1)
    return int(wrong.sum()), f"{after[HEIGHT - 10, COLUMN]:.1f}"


def ways(side: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    flat, line = np.full((side, side), 1 / side**2, np.float32), np.full(side, 1 / side, np.float32)
    return {
        "blur": lambda picture: cv2.blur(picture, (side, side)),
        "filter2D": lambda picture: cv2.filter2D(picture, -1, flat),
        "sepFilter2D": lambda picture: cv2.sepFilter2D(picture, -1, line, line),
        "GaussianBlur": lambda picture: cv2.GaussianBlur(picture, (side, side), 0),
    }


seen = {}
for side in (3, 11, 31):
    for value in (float(np.finfo(np.float32).min), float("nan")):
        for name, smooth in ways(side).items():
            count, below = seen[name, side, np.isnan(value)] = beyond(smooth, side, value)
            print(f"{name:<12} {side:>2} x {side:<2} one pixel of {value:10.3g}: {count:>4} other averages wrong, far below it {below} K")

for side in (3, 31):
    for missing in (False, True):
        assert seen["blur", side, missing][0] >= side * (HEIGHT - ROW - side // 2 - 1) > 0
        assert seen["sepFilter2D", side, missing][0] == seen["GaussianBlur", side, missing][0] == 0
assert 50 < float(seen["blur", 3, False][1]) < 200  # a temperature that looks measured
assert seen["filter2D", 3, False][0] == seen["filter2D", 11, False][0] == 0
assert seen["filter2D", 31, False][0] == HEIGHT * WIDTH - 31 * 31
PYTHON
