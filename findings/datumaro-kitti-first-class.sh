#!/usr/bin/env bash
# Datumaro's export to KITTI segmentation gives the first class the value 0 in its masks, which is that of pixels without a label,
# unless the first class is called background. Objects of that class are not to be seen any more; nothing says so.
# Put a class "background" first before exporting, and count the pixels of every class afterwards.
# Why it matters: All defects of one class become good surface.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check datumaro==1.13.12
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import importlib.metadata
import pathlib

import datumaro as dm
import numpy as np
from PIL import Image

print("datumaro", importlib.metadata.version("datumaro"))


def drawn(left: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[10:20, left : left + 10] = True
    return mask


objects = [dm.Mask(drawn(5 + 20 * label), label=label, id=label + 1, group=label + 1) for label in (0, 1)]
picture = dm.Image.from_numpy(np.full((40, 60, 3), 90, np.uint8))
item = dm.DatasetItem("part", subset="train", media=picture, annotations=objects)
dm.Dataset.from_iterable([item], categories=["scratch", "dent"]).export("kitti", "kitti_segmentation", save_media=True)
(path,) = pathlib.Path("kitti").glob("train/semantic/*.png")
values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
print("values of the mask and their pixels:", dict(zip(values.tolist(), counts.tolist())))
assert dict(zip(values.tolist(), counts.tolist())) == {0: 2300, 1: 100}  # 100 pixels of "scratch" are among the 2300
PYTHON
