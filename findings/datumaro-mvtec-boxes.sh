#!/usr/bin/env bash
# Datumaro's exports in the layout of MVTec AD (mvtec, mvtec_detection) turn a box into a mask whose width and height are
# exchanged, and one pixel longer each way: a scratch of 20 x 4 px becomes an area of 5 x 21 px beside it. No word is said.
# Convert boxes to masks or polygons before exporting (they keep their place), and lay a mask over its picture afterwards.
# Why it matters: A network that learns from these masks marks good surface, and its score against them looks like a score.
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


def place(of: dm.Annotation) -> tuple[list[int], list[int]]:
    """The columns and rows, first and last, that an object covers in the exported mask."""
    picture = dm.Image.from_numpy(np.full((60, 80, 3), 90, np.uint8))
    item = dm.DatasetItem("part", subset="test", media=picture, annotations=[of])
    folder = pathlib.Path(type(of).__name__)
    dm.Dataset.from_iterable([item], categories=["scratch"]).export(str(folder), "mvtec", save_media=True)
    (path,) = folder.glob("ground_truth/**/*.png")
    rows, columns = np.nonzero(np.asarray(Image.open(path).convert("L")))
    return [int(columns.min()), int(columns.max())], [int(rows.min()), int(rows.max())]


drawn = np.zeros((60, 80), bool)
drawn[10:14, 30:50] = True
as_mask, as_box = place(dm.Mask(drawn, label=0)), place(dm.Bbox(30, 10, 20, 4, label=0))
print("columns and rows of a scratch of 20 x 4 px: drawn as a mask", as_mask, "| as a box", as_box)
assert as_mask == ([30, 49], [10, 13]), as_mask
assert as_box == ([30, 34], [10, 30]), as_box
PYTHON
