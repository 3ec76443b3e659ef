#!/usr/bin/env bash
# Label Studio's export to YOLO writes an empty label file for an image whose defects were drawn with the brush, and only a log
# line says so. In YOLO an empty file means a picture without any object: every trainer takes it for a good part. In a project
# with boxes and brush strokes the other pictures keep their labels, so nothing looks wrong.
# Export such projects as JSON, and compare the number of empty label files with the number of tasks without a region.
# Why it matters: A part with a drawn defect teaches that the defect is good.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check label-studio-sdk==2.1.2
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import importlib.metadata
import json
import pathlib

import numpy as np
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import mask2rle
from label_studio_sdk.converter.converter import Format

print("label-studio-sdk", importlib.metadata.version("label-studio-sdk"))
CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="dent"/></RectangleLabels>
<BrushLabels name="brush" toName="image"><Label value="dent"/></BrushLabels></View>"""
about = {"to_name": "image", "original_width": 160, "original_height": 120, "image_rotation": 0}
mask = np.zeros((120, 160), np.uint8)
mask[30:60, 20:50] = 255
box = {"x": 12.5, "y": 25, "width": 18.75, "height": 25, "rotation": 0, "rectanglelabels": ["dent"]}
stroke = {"format": "rle", "rle": mask2rle(mask), "brushlabels": ["dent"]}
results = {
    "boxed": [{"id": "r", "from_name": "box", "type": "rectanglelabels", "value": box, **about}],
    "brushed": [{"id": "r", "from_name": "brush", "type": "brushlabels", "value": stroke, **about}],
    "good": [],
}
tasks = [
    {"id": at, "data": {"image": f"{name}.jpg"}, "annotations": [{"id": at, "result": result, "was_cancelled": False}]}
    for at, (name, result) in enumerate(results.items(), start=1)
]
pathlib.Path("tasks.json").write_text(json.dumps(tasks))
Converter(CONFIG, None, upload_dir=".", download_resources=False).convert("tasks.json", "yolo", Format.YOLO, is_dir=False)
labels = {path.stem.rpartition("__")[2]: path.read_text() for path in sorted(pathlib.Path("yolo/labels").glob("*.txt"))}
print("label files:", labels)
assert labels["boxed"].split()[0] == "0"
assert labels["brushed"] == labels["good"] == ""
PYTHON
