"""Other people's implementations of the metrics, for the same predictions."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import pytest

from inspector.core.types import Boxes


def coco_numbers(truths: Sequence[Boxes], founds: Sequence[Boxes], names: Sequence[str]) -> dict[str, float]:
    """pycocotools' answer for the same boxes of equally many frames. Skips where it is not installed."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    sides = [{"id": i, "width": 200, "height": 200} for i in range(len(truths))]
    labels: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, (truth, found) in enumerate(zip(truths, founds, strict=True)):
        for target, source in ((labels, truth), (results, found)):
            for (x0, y0, x1, y1), score, index in zip(
                source.xyxy.astype(float).tolist(), source.scores.tolist(), source.classes.tolist(), strict=True
            ):
                entry = {"image_id": image, "category_id": index, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
                target.append(entry | {"id": len(target) + 1, "area": (x1 - x0) * (y1 - y0), "iscrowd": 0})
    with contextlib.redirect_stdout(io.StringIO()):
        real = coco.COCO()
        real.dataset = {
            "images": sides,
            "annotations": labels,
            "categories": [{"id": i, "name": n} for i, n in enumerate(names)],
        }
        real.createIndex()
        run = evaluation.COCOeval(real, real.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    table = run.eval["precision"][:, :, :, 0, 2]  # [iou, recall, class]
    answer = {"map50": float(run.stats[1]), "map50_95": float(run.stats[0])}
    for index, name in enumerate(names):
        own = table[:, :, index]
        answer[f"ap50/{name}"] = max(0.0, float(own[0].mean()))
        answer[f"ap50_95/{name}"] = max(0.0, float(own.mean()))
    return answer
