#!/usr/bin/env bash
# supervision makes boxes from masks with the last pixel included (20..179), but measures boxes as if it were excluded. A
# horizontal scratch one pixel high so gets a box without area, whose IoU with itself is 0: a perfect detector scores mAP 0.
# Add 1 to the right and lower side of such boxes before any IoU, or compare masks.
# Why it matters: Thin scratches are what surface inspection is for, and the evaluation says that none was found.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93 supervision==0.31.2
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import numpy as np
import supervision
from supervision.metrics import MeanAveragePrecision

print("supervision", supervision.__version__)
seen = {}
for name, rows in (("1 pixel", slice(100, 101)), ("2 pixels", slice(100, 102))):
    mask = np.zeros((1, 200, 200), bool)
    mask[0, rows, 20:180] = True
    box = supervision.mask_to_xyxy(mask)
    scratch = supervision.Detections(xyxy=box.astype(float), class_id=np.array([0]), confidence=np.array([0.9]))
    metric = MeanAveragePrecision()
    metric.update([scratch], [scratch])
    seen[name] = float(supervision.box_iou_batch(box, box)[0, 0]), round(float(metric.compute().map50_95), 3)
    print(f"scratch, 160 pixels wide, {name} high: {mask.sum()} pixels, box {box[0].tolist()} of area {scratch.box_area[0]:g}, "
          f"IoU with itself {seen[name][0]:g}, mAP of a perfect detector {seen[name][1]:g}")
shifted = box.astype(float) + [0, 0, 1, 1]
assert (shifted[0, 2] - shifted[0, 0]) * (shifted[0, 3] - shifted[0, 1]) == mask.sum()
assert seen["1 pixel"] == (0.0, 0.0) and seen["2 pixels"] == (1.0, 1.0)
PYTHON
