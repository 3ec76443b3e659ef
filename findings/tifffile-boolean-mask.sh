#!/usr/bin/env bash
# tifffile writes a boolean array as "white is zero" and reads it back as it was. Pillow and OpenCV follow the tag and turn it
# over: a mask with a defect on 4 % of its pixels has one on 96 %. Which of the two a trainer sees depends on its library.
# Write masks as uint8 (mask.astype("uint8") * 255), or say photometric="minisblack"; count the pixels when reading.
# Why it matters: A network that learns from turned masks marks everything but the defect, and no number of the training is
# missing that would tell.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3 pillow==13.0.0 opencv-python-headless==5.0.0.93
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("tifffile", tifffile.__version__, "| pillow", PIL.__version__, "| opencv", cv2.__version__)
mask = np.zeros((40, 60), bool)
mask[10:20, 10:20] = True
share = mask.mean()


def shares(**how: str) -> dict[str, float]:
    tifffile.imwrite("mask.tif", mask, **how)
    return {
        "tifffile": (tifffile.imread("mask.tif") != 0).mean(),
        "Pillow": (np.asarray(Image.open("mask.tif")) != 0).mean(),
        "OpenCV": (cv2.imread("mask.tif", cv2.IMREAD_UNCHANGED) != 0).mean(),
    }


for how in ({}, {"photometric": "minisblack"}):
    found = shares(**how)
    print(how or "as it is", {name: f"{100 * value:.1f} %" for name, value in found.items()})
    turned = {} if how else {"Pillow", "OpenCV"}
    assert all(np.isclose(value, 1 - share if name in turned else share) for name, value in found.items()), found
PYTHON
