#!/usr/bin/env bash
# COCO files often number annotations from 0. pycocotools uses the number of the matched annotation as "is matched", so the
# annotation with the number 0 counts as missed: a perfect detector scores less than 1, much less on a small set.
# Number annotations from 1 when you write COCO files, and renumber those you are given before evaluating.
# Why it matters: A detector is accepted or rejected by this figure, and a perfect one looks half as good.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 pycocotools==2.0.11
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import contextlib
import importlib.metadata
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", importlib.metadata.version("pycocotools"))


def perfect(first):
    """(AP, AR) of a detector that finds each of four boxes exactly."""
    boxes = [
        {"id": first + i, "image_id": i + 1, "category_id": 1, "bbox": [10 * i, 5, 20, 20], "area": 400, "iscrowd": 0}
        for i in range(4)
    ]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i + 1, "width": 100, "height": 100} for i in range(4)],
        "categories": [{"id": 1, "name": "scratch"}],
        "annotations": boxes,
    }
    truth.createIndex()
    found = truth.loadRes([{key: box[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9} for box in boxes])
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return round(float(evaluation.stats[0]), 3), round(float(evaluation.stats[8]), 3)


with contextlib.redirect_stdout(io.StringIO()):
    from_zero, from_one = perfect(0), perfect(1)
print("four boxes, all found: AP and AR with annotations 0 to 3:", from_zero, "- with 1 to 4:", from_one)
assert from_one == (1.0, 1.0) and from_zero[0] < 0.6 and from_zero[1] == 0.75
PYTHON
