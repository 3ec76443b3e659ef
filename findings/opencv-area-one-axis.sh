#!/usr/bin/env bash
# cv2.resize with INTER_AREA averages only while both sides shrink. If one side keeps growing by a single pixel, the other is
# sampled: a thin line fades, stands out or vanishes depending on the column in which it lies.
# Line cameras and non-square pixels need exactly such a scaling. Scale each axis by itself: shrink with INTER_AREA first.
# Why it matters: Whether a scratch is seen depends on where on the part it lies; line cameras and non-square pixels need just
# such a scaling.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import cv2
import numpy as np

print("opencv", cv2.__version__)
both, one, apart = [], [], []
for column in range(40, 44):
    picture = np.zeros((100, 100), np.uint8)
    picture[:, column] = 255  # a scratch, one pixel wide
    both.append(int(cv2.resize(picture, (25, 99), interpolation=cv2.INTER_AREA).max()))
    one.append(int(cv2.resize(picture, (25, 101), interpolation=cv2.INTER_AREA).max()))
    narrow = cv2.resize(picture, (25, 100), interpolation=cv2.INTER_AREA)
    apart.append(int(cv2.resize(narrow, (25, 101), interpolation=cv2.INTER_LINEAR).max()))
print("brightest pixel of a line of 255 in column 40, 41, 42, 43 of 100 x 100 pixels")
print("  to  25 wide,  99 high:", both)
print("  to  25 wide, 101 high:", one)
print("  the same, axis by axis:", apart)
assert min(both) == max(both) == 64 and min(apart) == max(apart) == 64
assert one[2] == one[3] == 0 and max(one) > 64
PYTHON
