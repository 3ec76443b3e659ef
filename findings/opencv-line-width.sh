#!/usr/bin/env bash
# A line of thickness 3 is 5 pixels wide in OpenCV 5, one of 2 is 3, one of 5 is 7; diagonals are as wide or wider. Only 1 is kept,
# with `line` and `polylines` alike. Draw a mask of known width as a filled rectangle or polygon, and count before trusting a width.
# Why it matters: Cracks and scratches are labelled as lines with a width, and test pictures are drawn with them. A network that learns
# from masks two pixels too wide, or a limit in square millimetres checked on such pictures, is wrong by more than the defect's edge.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93
"$work/venv/bin/python" -I - <<'PYTHON'
import cv2
import numpy as np

print("opencv", cv2.__version__)
seen = {}
for thickness in range(1, 9):
    across, down, joined = (np.zeros((60, 60), np.uint8) for _ in range(3))
    cv2.line(across, (5, 30), (55, 30), 1, thickness)
    cv2.line(down, (30, 5), (30, 55), 1, thickness)
    cv2.polylines(joined, [np.array([[5, 30], [55, 30]], np.int32)], False, 1, thickness)
    seen[thickness] = (int(across[:, 30].sum()), int(down[30].sum()), int(joined[:, 30].sum()))
    print(f"thickness {thickness}: {seen[thickness][0]} pixels across, {seen[thickness][1]} down, {seen[thickness][2]} as polyline")
assert seen == {1: (1,) * 3, 2: (3,) * 3, 3: (5,) * 3, 4: (5,) * 3, 5: (7,) * 3, 6: (7,) * 3, 7: (9,) * 3, 8: (9,) * 3}, seen
PYTHON
