"""Detection at points: geometry, task-aligned assignment against plain loops, and what the loss teaches."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inspector.core.types import Annotation, Boxes, Region
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.base import task_of
from tests.tasks.making import blank, boxes, card, look

torch = pytest.importorskip("torch")

from inspector.tasks.losses.points import PointsLoss, boxes_of, points_of  # noqa: E402 - needs torch

SPEC = InputSpec(width=72, height=48)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _card(**fields: Any) -> Any:
    return card("detection", ("a", "b"), spec=SPEC, **fields).model_copy(update={"network": "fpn_lite0"})


def _random(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _target(truths: list[Boxes], spec: InputSpec = SPEC) -> dict[str, Any]:
    view = look(Region(0, 0, spec.width, spec.height), spec)
    own = _card().model_copy(update={"input": spec})
    rows = [task_of("detection").encode(Annotation(boxes=truth), own, view) for truth in truths]
    return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in ("boxes", "classes")}


def test_points_are_the_middles_of_their_cells() -> None:
    points, strides = points_of(48, 72)
    want = [
        (stride, (column + 0.5) * stride, (row + 0.5) * stride)
        for stride in (8, 16, 32)
        for row in range(math.ceil(48 / stride))
        for column in range(math.ceil(72 / stride))
    ]
    assert torch.cat((strides, points), dim=1).tolist() == [list(row) for row in want]


def test_activation_is_what_the_definition_says() -> None:
    points, strides = points_of(48, 72)
    out = _random(2, len(points), 6)
    got = PointsLoss().activation(out, _card())
    assert got.shape == out.shape
    for (x, y, w, h), (px, py), (stride,), box in zip(
        out[1, :, :4].tolist(), points.tolist(), strides.tolist(), got[1, :, :4].tolist(), strict=True
    ):
        width, height = math.exp(w) * stride, math.exp(h) * stride
        cx, cy = px + x * width, py + y * height
        want = [(cx - width / 2) / 72, (cy - height / 2) / 48, (cx + width / 2) / 72, (cy + height / 2) / 48]
        assert box == pytest.approx(want, rel=1e-4, abs=1e-5)
    torch.testing.assert_close(got[..., 4:], out[..., 4:].sigmoid())
    assert PointsLoss().activation(out * 1000, _card()).isfinite().all()


def _iou(a: list[float], b: list[float]) -> float:
    both = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / max(union, 1e-7)


def _match_in_loops(scores: Any, mine: Any, points: Any, real: Any, classes: list[int]) -> list[tuple[int, float]]:
    """One image's assignment as one would write it down: (object or -1, quality) of every point."""
    wanted: dict[int, list[tuple[float, int, float]]] = {}  # point -> (overlap, object, alignment)
    for m, (kind, box) in enumerate(zip(classes, real, strict=True)):
        if kind < 0:
            continue
        rows = []
        for a, (x, y) in enumerate(points):
            cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if abs(x - cx) <= max((box[2] - box[0]) / 2, 4) and abs(y - cy) <= max((box[3] - box[1]) / 2, 4):
                overlap = _iou(mine[a], box)
                rows.append((scores[a][kind] * (overlap + 1e-4) ** 6, a, overlap))
        for alignment, a, overlap in sorted(rows, reverse=True)[:10]:
            wanted.setdefault(a, []).append((overlap, m, alignment))
    owner = {a: max(offers, key=lambda offer: offer[0]) for a, offers in wanted.items()}
    result = []
    for a in range(len(points)):
        if a not in owner:
            result.append((-1, 0.0))
            continue
        _, m, alignment = owner[a]
        family = [offer for offer in owner.values() if offer[1] == m]
        result.append((m, alignment / max(offer[2] for offer in family) * max(offer[0] for offer in family)))
    return result


@pytest.mark.parametrize("seed", range(4))
def test_matching_is_what_the_loops_say(seed: int) -> None:
    points, strides = points_of(48, 72)
    numbers = _random(3, len(points), 4, seed=seed) * 0.4 + torch.tensor([0.0, 0.0, 0.5, 0.5])
    mine, scores = boxes_of(numbers, points, strides), _random(3, len(points), 2, seed=seed + 9).sigmoid()
    truths = [
        boxes([[4, 4, 60, 40], [20, 10, 40, 30], [30, 20, 33, 45]], [0, 1, 1]),
        Boxes.empty(),
        boxes([[0, 0, 72, 48], [10, 10, 12, 12]], [1, 0]),
    ]
    target = _target(truths)
    classes = target["classes"][:, :3]
    middle, side = target["boxes"][:, :3, :2], target["boxes"][:, :3, 2:]
    real = torch.cat((middle - side / 2, middle + side / 2), dim=2) * torch.tensor([72.0, 48.0] * 2)
    got = PointsLoss().match(scores, mine, points, real, classes)
    assigned = 0
    for n in range(3):
        want = _match_in_loops(scores[n].tolist(), mine[n].tolist(), points.tolist(), real[n].tolist(), classes[n].tolist())
        assert got.object[n].tolist() == [one[0] for one in want]
        assert got.quality[n].tolist() == pytest.approx([one[1] for one in want], rel=1e-3, abs=1e-6)
        assigned += sum(one[0] >= 0 for one in want)
        if n != 1:
            assert {one[0] for one in want} >= set(range(len(truths[n])))  # no object is left without a point
    assert assigned > 15


def test_empty_frames_only_teach_doubt() -> None:
    out = torch.zeros(1, len(points_of(48, 72)[0]), 6, requires_grad=True)
    task_of("detection").loss(out, _target([Boxes.empty()]), _card()).backward()
    assert out.grad is not None
    assert (out.grad[..., :4] == 0).all()
    assert (out.grad[..., 4:] > 0).all()


def test_boxes_of_every_shape_are_learnt() -> None:
    """A bare tensor, driven by the loss alone, must reproduce thin, small, full-size, touching and nested boxes."""
    spec = InputSpec(width=128, height=96)
    own = _card().model_copy(update={"input": spec})
    truths = [
        boxes([[0, 0, 128, 96]], [0]),
        boxes([[10, 40, 120, 43], [60, 30, 66, 36], [64, 70, 100, 90]], [0, 1, 1]),
        boxes([[20, 20, 30, 30], [18, 48, 74, 76], [40, 52, 64, 70]], [1, 1, 0]),
        Boxes.empty(),
    ]
    out = torch.zeros(4, len(points_of(96, 128)[0]), 6)
    out[..., 2:4], out[..., 4:] = 1.0, -4.6
    out.requires_grad_()
    optimizer = torch.optim.Adam([out], lr=0.05)
    task, target = task_of("detection"), _target(truths, spec)
    for _ in range(300):
        optimizer.zero_grad()
        task.loss(out, target, own).backward()
        optimizer.step()
    view = look(Region(0, 0, 128, 96), spec)
    found = task.decode(task.activation(out.detach(), own).numpy(), own, [view] * 4, [blank(128, 96)] * 4)
    metrics = task.metrics(own)
    for prediction, truth in zip(found, truths, strict=True):
        metrics.update(prediction, Annotation(boxes=truth))
    got = metrics.compute()
    assert got["map50"] == pytest.approx(1.0)
    assert got["map50_95"] > 0.9
    assert got["precision"] == got["recall"] == 1.0
