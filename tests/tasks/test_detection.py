"""Detection: encode, decode against loops, suppression against torchvision."""

import numpy as np
import pytest

from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, Boxes, Floats, Region
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.base import task_of
from inspector.tasks.boxes import box_iou, suppress
from inspector.tasks.detection import MAX_OBJECTS, Detection, boxes_per_cell, candidates
from tests.tasks.making import blank, boxes, card, look, some_boxes

SPEC = InputSpec(width=64, height=48)
WHOLE = Region(0, 0, 64, 48)


def _raw(*boxes_of_frames: list[tuple[list[float], list[float]]], size: tuple[float, float] = (64, 48)) -> Floats:
    """Graph output with the given boxes (corners in input pixels, scores), filled up with boxes of score 0."""
    classes = len(boxes_of_frames[0][0][1]) if boxes_of_frames[0] else 1
    raw = np.zeros((len(boxes_of_frames), 7, 4 + classes), np.float32)
    raw[..., 2:4] = 0.5
    for frame, found in zip(raw, boxes_of_frames, strict=True):
        for row, (xyxy, scores) in zip(frame, found, strict=False):
            row[:] = [*np.divide(xyxy, size * 2), *scores]
    return raw


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_candidates_are_what_the_loops_say(classes: int) -> None:
    raw = np.random.default_rng(classes).random((3, 40, 4 + classes)).astype(np.float32)
    want = [
        (n, row[:4].tolist(), float(row[4 + k]), k)
        for n, frame in enumerate(raw)
        for row in frame
        for k in range(classes)
        if row[4 + k] >= 0.3
    ]
    n, xyxy, scores, kinds = candidates(raw, 0.3)
    assert len(want) > 30
    np.testing.assert_array_equal(n, [row[0] for row in want])
    np.testing.assert_allclose(xyxy, [row[1] for row in want])
    np.testing.assert_allclose(scores, [row[2] for row in want])
    np.testing.assert_array_equal(kinds, [row[3] for row in want])


@pytest.mark.parametrize("seed", range(5))
def test_suppression_agrees_with_torchvision(seed: int) -> None:
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(seed)
    found = some_boxes(rng, 150, 3)
    found = Boxes(found.xyxy, rng.permutation(150).astype(np.float32) / 150, found.classes)  # no ties: their order is free
    keep = ops.batched_nms(*(torch.from_numpy(part) for part in (found.xyxy, found.scores, found.classes)), 0.4).numpy()
    got = suppress(found, 0.4)
    np.testing.assert_array_equal(got.scores, found.scores[keep])
    np.testing.assert_array_equal(got.xyxy, found.xyxy[keep])
    np.testing.assert_array_equal(got.classes, found.classes[keep])
    assert 10 < len(got) < 150


def test_iou_agrees_with_torchvision() -> None:
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(0)
    first, second = some_boxes(rng, 20, 1).xyxy, some_boxes(rng, 30, 1).xyxy
    np.testing.assert_allclose(
        box_iou(first, second), ops.box_iou(torch.from_numpy(first), torch.from_numpy(second)), atol=1e-6
    )
    empty = np.array([[5, 5, 5, 5]], np.float32)
    assert box_iou(empty, empty)[0, 0] == 0


def test_what_is_encoded_can_be_decoded() -> None:
    spec = InputSpec(width=96, height=96, fit="letterbox")
    region = Region(20, 10, 120, 60)
    own = card("detection", ("a", "b", "c"), spec=spec, network_options={"boxes": 2})
    truth = boxes([[30, 20, 60, 40], [100, 30, 138, 66], [0, 0, 21, 11]], [2, 0, 1])
    view = look(region, spec)
    target = Detection().encode(Annotation(boxes=truth), own, view)
    assert target["boxes"].shape == (MAX_OBJECTS, 4)
    assert target["classes"].tolist()[:3] == [0, 2, -1]  # largest first; the third lies outside the region
    raw = np.zeros((1, 9, 7), np.float32)
    for row, ((cx, cy, w, h), index) in enumerate(
        zip(target["boxes"][:2].tolist(), target["classes"][:2].tolist(), strict=True)
    ):
        raw[0, 3 + row, :4] = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        raw[0, 3 + row, 4 + index] = 0.9
    (prediction,) = Detection().decode(raw, own, [view], [blank(160, 80)])
    order = np.argsort(prediction.expect(Boxes).classes)
    np.testing.assert_allclose(prediction.expect(Boxes).xyxy[order], truth.xyxy[[1, 0]], atol=1e-3)
    assert prediction.expect(Boxes).classes[order].tolist() == [0, 2]


def test_each_frame_gets_its_own_boxes_in_its_own_region() -> None:
    own = card("detection", ("a",), spec=SPEC)
    box = [17.6, 19.2, 30.4, 28.8]
    raw = _raw([], [(box, [0.8])], [], [(box, [0.8]), ([50.0, 5, 56, 9], [0.04])])  # the last one is below the floor
    views = [look(Region(64 * i, 0, 64, 48), SPEC) for i in range(4)]
    found = Detection().decode(raw, own, views, [blank(256, 48)] * 4)
    assert [len(p.expect(Boxes)) for p in found] == [0, 1, 0, 1]
    np.testing.assert_allclose(found[3].expect(Boxes).xyxy, [[192 + 24 - 6.4, 24 - 4.8, 192 + 24 + 6.4, 24 + 4.8]], atol=1e-3)
    low = Detection().decode(raw, own.model_copy(update={"thresholds": {"floor": 0.03}}), views, [blank(256, 48)] * 4)
    assert len(low[3].expect(Boxes)) == 2


def test_boxes_of_other_classes_do_not_suppress() -> None:
    own = card("detection", ("a", "b"), spec=SPEC)
    raw = _raw([([20.0, 20, 32, 30], [0.81, 0.63]), ([20.0, 20, 32, 30.5], [0.72, 0.56])])
    (prediction,) = Detection().decode(raw, own, [look(WHOLE, SPEC)], [blank()])
    np.testing.assert_allclose(prediction.expect(Boxes).scores, [0.81, 0.63], atol=1e-6)
    assert prediction.expect(Boxes).classes.tolist() == [0, 1]


def test_a_flood_of_boxes_is_bounded() -> None:
    own = card("detection", ("a",), spec=SPEC)
    rng = np.random.default_rng(0)
    raw = rng.random((2, 3200, 5)).astype(np.float32)
    raw[..., 2:4] = raw[..., :2] + 0.05 * raw[..., 2:4]
    for prediction in Detection().decode(raw, own, [look(WHOLE, SPEC)] * 2, [blank()] * 2):
        assert 0 < len(prediction.expect(Boxes)) <= 500
        assert (np.diff(prediction.expect(Boxes).scores) <= 0).all()


def test_more_objects_than_fit_keep_the_largest() -> None:
    own = card("detection", ("a",), spec=SPEC)
    count = MAX_OBJECTS + 20
    many = boxes([[0, 0, 5 + i * 0.05, 5] for i in range(count)], [0] * count)
    target = Detection().encode(Annotation(boxes=many), own, look(WHOLE, SPEC))
    assert (target["classes"] == 0).all()
    assert target["boxes"][:, 2].min() * 64 == pytest.approx(5 + 20 * 0.05, abs=1e-3)


def test_outputs_and_missing_truth() -> None:
    own = card("detection", ("a", "b", "c"), network_options={"boxes": 3})
    assert boxes_per_cell(own) == 3
    assert task_of("detection").outputs(own) == 18
    assert task_of("detection").outputs(card("detection", ("a",))) == 11
    assert task_of("detection").outputs(own.model_copy(update={"network": "fpn_lite0"})) == 7
    with pytest.raises(ConfigError, match="no list of boxes"):
        Detection().encode(Annotation(label=1), own, look(WHOLE, SPEC))
