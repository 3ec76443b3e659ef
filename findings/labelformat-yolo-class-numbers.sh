#!/usr/bin/env bash
# YOLO numbers classes from 0 without gaps; COCO categories may have any number. labelformat copies the COCO numbers: with
# categories 5 and 9 the label files name classes 5 and 9 while data.yaml announces two classes (nc: 2).
# A trainer that checks the range leaves such pictures out and goes on with the rest. Renumber the categories from 0 before
# converting, and compare the largest class number in the label files with nc.
# Why it matters: Every defect of such a class is missing from training, so the line passes it.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check labelformat==0.1.17
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import importlib.metadata
import json
import pathlib
import subprocess
import sys

print("labelformat", importlib.metadata.version("labelformat"))
boxes = [(1, 5), (2, 9)]
pathlib.Path("coco.json").write_text(json.dumps({
    "images": [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 100} for i in (1, 2)],
    "categories": [{"id": 5, "name": "scratch"}, {"id": 9, "name": "dent"}],
    "annotations": [
        {"id": i, "image_id": i, "category_id": category, "bbox": [50, 20, 100, 60], "area": 6000, "iscrowd": 0}
        for i, category in boxes
    ],
}))
subprocess.run(
    [pathlib.Path(sys.executable).with_name("labelformat"), "convert", "--task", "object-detection"]
    + ["--input-format", "coco", "--input-file", "coco.json"]
    + ["--output-format", "yolov8", "--output-file", "yolo/data.yaml", "--output-split", "train"],
    check=True,
    capture_output=True,
)
described = pathlib.Path("yolo/data.yaml").read_text()
labels = {path.name: path.read_text() for path in sorted(pathlib.Path("yolo/labels").glob("*.txt"))}
print("data.yaml:", described.split())
print("labels:", labels)
assert "nc: 2" in described
assert [int(text.split()[0]) for text in labels.values()] == [5, 9]
PYTHON
