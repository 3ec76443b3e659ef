"""Losses against torch's and torchvision's own, and the detection loss by its parts and by what it learns."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, Boxes, Region
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.base import task_of
from tests.tasks.making import blank, boxes, card, look

torch = pytest.importorskip("torch")

from inspector.tasks.detection import candidates  # noqa: E402
from inspector.tasks.losses import grid, segmentation  # noqa: E402 - needs torch
from inspector.tasks.losses.classification import ClassificationLoss  # noqa: E402
from inspector.tasks.losses.overlap import complete_iou, corners  # noqa: E402
from inspector.tasks.losses.thermal import ThermalLoss  # noqa: E402

SPEC = InputSpec(width=64, height=48)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """These tensors are small: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _random(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_classification_is_cross_entropy() -> None:
    out, label = _random(8, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    loss = ClassificationLoss()
    plain = loss.loss(out, {"label": label}, card("classification", ("a", "b", "c")))
    assert plain.item() == pytest.approx((-out.log_softmax(1)[range(8), label]).mean().item(), rel=1e-5)
    own = card("classification", ("a", "b", "c"), training={"class_weights": "1,2,0.5", "label_smoothing": 0.1})
    want = torch.nn.functional.cross_entropy(out, label, torch.tensor([1, 2, 0.5]), label_smoothing=0.1)
    assert loss.loss(out, {"label": label}, own).item() == pytest.approx(want.item())
    weight = torch.tensor([1.0] + [0.0] * 7)
    one = loss.loss(out, {"label": label, "weight": weight}, card("classification", ("a", "b", "c")))
    assert one.item() == pytest.approx(-out.log_softmax(1)[0, 0].item() / 8, rel=1e-5)
    torch.testing.assert_close(loss.activation(out, own), torch.softmax(out, 1))


def test_a_label_that_two_of_three_experts_gave_counts_two_thirds() -> None:
    out, label = _random(6, 2), torch.tensor([0, 1, 0, 1, 1, 0])
    sure = torch.tensor([1.0, 2 / 3, 2 / 3, 1.0, 0.5, 1.0])
    own = card("classification", ("a", "b"))
    told, logs = ClassificationLoss().loss(out, {"label": label, "confidence": sure}, own), out.log_softmax(1)
    expected = -(sure * logs[range(6), label] + (1 - sure) * logs[range(6), 1 - label]).mean()
    assert told.item() == pytest.approx(expected.item(), rel=1e-5)
    weighted = card("classification", ("a", "b"), training={"class_weights": "1,3", "label_smoothing": 0.1})
    plain = ClassificationLoss().loss(out, {"label": label}, weighted)
    certain = ClassificationLoss().loss(out, {"label": label, "confidence": torch.ones(6)}, weighted)
    assert certain.item() == pytest.approx(plain.item(), rel=1e-5)


@pytest.mark.parametrize("text", ["1,2", "1,x,3"])
def test_class_weights_must_fit(text: str) -> None:
    own = card("classification", ("a", "b", "c"), training={"class_weights": text})
    with pytest.raises(ConfigError, match="3 classes"):
        ClassificationLoss().loss(_random(2, 3), {"label": torch.tensor([0, 1])}, own)


def test_focal_agrees_with_torchvision() -> None:
    ops = pytest.importorskip("torchvision.ops")
    out, truth = _random(2, 3, 9, 8), (_random(2, 3, 9, 8, seed=1) > 0.8).float()
    want = ops.sigmoid_focal_loss(out, truth, alpha=0.25, gamma=2.0, reduction="mean")
    torch.testing.assert_close(segmentation.focal_loss(out, truth), want)


def test_dice_is_the_coefficient() -> None:
    truth = torch.zeros(2, 1, 10, 10)
    truth[0, 0, :5] = 1
    assert segmentation.dice_loss((truth * 2 - 1) * 50, truth).item() == pytest.approx(0, abs=1e-6)
    assert segmentation.dice_loss((1 - truth * 2) * 50, truth).item() == pytest.approx(1 - 1 / 201, abs=1e-6)
    half = torch.full_like(truth, -50.0)
    half[0, 0, :5, :5] = 50
    assert segmentation.dice_loss(half, truth).item() == pytest.approx(1 - (2 * 25 + 1) / (25 + 50 + 1), abs=1e-6)
    assert segmentation.dice_loss(torch.full_like(truth, -50.0), torch.zeros_like(truth)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["", *segmentation.SEGMENTATION_LOSSES])
def test_segmentation_losses_fall_with_the_error(name: str) -> None:
    own = card("segmentation", training={"loss": name})
    mask = torch.zeros(2, 2, 16, 16, dtype=torch.uint8)
    mask[:, 0, 3:9, 3:9] = 255
    truth = mask.float() / 255
    loss = segmentation.SegmentationLoss()
    values = [loss.loss((truth * 2 - 1) * scale, {"mask": mask}, own).item() for scale in (-2.0, 0.0, 2.0, 12.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.1 * values[0]
    assert loss.activation(_random(1, 2, 4, 4), own).amax() < 1


def test_classes_absent_from_a_batch_leave_dice_to_the_other_term() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    truth[0, 1, 2:5, 2:5] = 1
    out = _random(2, 3, 8, 8).requires_grad_()
    loss = segmentation.present_dice_loss(out, truth)
    torch.testing.assert_close(loss, segmentation.dice_loss(out[:, 1:2], truth[:, 1:2]))
    loss.backward()
    assert out.grad is not None
    assert out.grad[:, 1].abs().sum() > 0
    assert out.grad[:, [0, 2]].abs().sum() == 0
    assert segmentation.present_dice_loss(out, torch.zeros_like(truth)) == 0


@pytest.mark.parametrize("name", list(segmentation.SEGMENTATION_LOSSES))
def test_ignored_pixels_play_no_part(name: str) -> None:
    """The loss is that of the other pixels alone, laid out in a row."""
    own = card("segmentation", training={"loss": name})
    out = _random(2, 2, 9, 8).requires_grad_()
    mask = ((_random(2, 2, 9, 8, seed=1) > 0.3) * 255).to(torch.uint8)
    ignore = ((_random(2, 1, 9, 8, seed=2) > 0.4) * 90).to(torch.uint8)
    loss = segmentation.SegmentationLoss().loss(out, {"mask": mask, "ignore": ignore}, own)
    known = ignore[:, 0] == 0
    left = [values.detach().permute(0, 2, 3, 1)[known].T.reshape(1, 2, 1, -1) for values in (out, mask)]
    torch.testing.assert_close(loss, segmentation.SegmentationLoss().loss(left[0], {"mask": left[1]}, own))
    loss.backward()
    assert out.grad is not None
    assert (out.grad.abs().sum(1)[~known] == 0).all()
    assert (out.grad.abs().sum(1)[known] > 0).any()
    everything = torch.full_like(ignore, 255)
    nothing = segmentation.SegmentationLoss().loss(out, {"mask": mask, "ignore": everything}, own)
    assert torch.isfinite(nothing)


def test_unknown_losses_are_named() -> None:
    own = card("segmentation", training={"loss": "hinge"})
    with pytest.raises(ConfigError, match=r"'hinge' for segmentation.*bce_dice"):
        segmentation.SegmentationLoss().loss(_random(1, 2, 4, 4), {"mask": torch.zeros(1, 2, 4, 4)}, own)


def test_thermal_is_scaled() -> None:
    own = card("thermal", ())
    out, truth = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[320.0, 300.0, 288.0]])
    loss = ThermalLoss()
    torch.testing.assert_close(loss.activation(out, own), truth)
    assert loss.loss(out, {"temperatures": truth}, own).item() == 0
    assert loss.loss(out, {"temperatures": truth + 5}, own).item() == pytest.approx((0.125 + 0.5 + 2.0) / 3)
    squared = card("thermal", (), training={"loss": "mse"})
    assert loss.loss(out, {"temperatures": truth + 5}, squared).item() == pytest.approx((0.25 + 1 + 6.25) / 3)
    with pytest.raises(ConfigError, match="target_mean"):
        loss.activation(out, own.model_copy(update={"target_std": ()}))


def test_ciou_agrees_with_torchvision() -> None:
    ops = pytest.importorskip("torchvision.ops")
    low = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 50
    first = torch.cat((low, low + 1 + _random(50, 2).abs() * 20), dim=1)
    second = first + _random(50, 4, seed=3)
    iou, complete = complete_iou(first, second)
    torch.testing.assert_close(1 - complete, ops.complete_box_iou_loss(first, second), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(iou, ops.box_iou(first, second).diagonal())


def _target(own: Any, spec: InputSpec, truths: list[Boxes]) -> dict[str, Any]:
    view = look(Region(0, 0, spec.width, spec.height), spec)
    rows = [task_of("detection").encode(Annotation(boxes=truth), own, view) for truth in truths]
    return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in ("boxes", "classes")}


def _assigned(truths: list[Boxes], *, count: int = 2) -> set[tuple[int, int, int, int, int]]:
    """(image, row, column, box, class) of every assignment on a 3 x 4 grid of 16 x 16 pixels."""
    own = card("detection", spec=SPEC, network_options={"boxes": count})
    target = _target(own, SPEC, truths)
    real = corners(target["boxes"] * torch.tensor([64.0, 48.0, 64.0, 48.0]))
    mine = grid._boxes(_random(len(truths), 3, 4, count, 4)) * torch.tensor([64.0, 48.0, 64.0, 48.0])
    centres = target["boxes"][..., :2] * torch.tensor([4.0, 3.0])
    got = grid.assign(mine, real, centres, target["classes"])
    kinds = target["classes"][got.image, got.object]
    return {tuple(row) for row in torch.stack((*got[:4], kinds), dim=1).tolist()}


def test_objects_go_to_the_cell_of_their_centre_and_its_neighbours() -> None:
    truths = [Boxes.empty(), boxes([[16, 18, 24, 24]], [1])]  # centre (20, 21): cell 1, 1, in its left upper quarter
    got = _assigned(truths)
    assert {(image, row, column) for image, row, column, _, _ in got} == {(1, 1, 1), (1, 1, 0), (1, 0, 1)}
    assert {kind for *_, kind in got} == {1}
    corner = _assigned([boxes([[0, 0, 4, 4]], [0])])
    assert {place[:3] for place in corner} == {(0, 0, 0)}


def test_objects_of_one_cell_go_to_different_boxes() -> None:
    both = boxes([[20, 20, 28, 28], [18, 22, 34, 26]], [0, 1])  # both centres in cell 1, 1
    got = [place for place in _assigned([both]) if place[1:3] == (1, 1)]
    assert {(place[3], place[4]) for place in got} in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})
    crowd = boxes([[20, 20, 28, 28], [18, 22, 34, 26], [22, 18, 26, 30]], [0, 1, 1])
    assert len([place for place in _assigned([crowd]) if place[1:3] == (1, 1)]) == 2


def test_an_object_in_its_own_cell_comes_before_a_neighbours() -> None:
    pair = boxes([[27, 20, 35, 28], [36, 20, 44, 28]], [0, 1])  # centres at 31 (cell 1) and 40 (cell 2)
    got = _assigned([pair], count=1)
    assert {(place[2], place[4]) for place in got if place[1] == 1} >= {(1, 0), (2, 1)}


def test_activation_is_what_the_definition_says() -> None:
    """Against loops over the cells: offset, side, confidence times class, as the module's text has it."""
    own = card("detection", ("a", "b", "c"), spec=SPEC, network_options={"boxes": 2})
    out = _random(2, 3, 4, 13) * 3
    got = grid.GridLoss().activation(out, own)
    p = out.sigmoid().tolist()
    want = []
    for n in range(2):
        for row in range(3):
            for column in range(4):
                cell = p[n][row][column]
                for x, y, w, h, confidence in (cell[:5], cell[5:10]):
                    cx, cy = (column + 2 * x - 0.5) / 4, (row + 2 * y - 0.5) / 3
                    w, h = min((1.1 * w) ** 2, 1), min((1.1 * h) ** 2, 1)
                    box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                    want.append([*box, *(confidence * kind for kind in cell[10:])])
    np.testing.assert_allclose(got.numpy().reshape(-1, 7), want, rtol=1e-5, atol=1e-6)
    frame, xyxy, scores, classes = candidates(got.numpy(), 0.2)
    assert len(frame) == sum(score >= 0.2 for row in want for score in row[4:])
    first = next(row for row in want if max(row[4:]) >= 0.2)
    np.testing.assert_allclose(xyxy[0], first[:4], atol=1e-6)
    assert scores[0] == pytest.approx(first[4 + classes[0]], rel=1e-5)


def test_calibration_divides_the_logits() -> None:
    out, names = _random(4, 3) * 3, ("a", "b", "c")
    loss, label = ClassificationLoss(), {"label": torch.tensor([0, 1, 2, 0])}
    plain, warm = (card("classification", names, training=extra) for extra in ({}, {"temperature": 2.5}))
    torch.testing.assert_close(loss.activation(out, warm), torch.softmax(out / 2.5, 1))
    assert torch.equal(loss.loss(out, label, warm), loss.loss(out, label, plain))
    with pytest.raises(ConfigError, match="above 0"):
        loss.activation(out, card("classification", names, training={"temperature": 0.0}))


def test_a_perfect_answer_costs_little_and_confidence_follows_the_overlap() -> None:
    spec = InputSpec(width=64, height=64)
    own = card("detection", ("a",), spec=spec, network_options={"boxes": 1})
    truth = boxes([[20, 20, 28, 30]], [0])  # centre (24, 25): cell 1, 1
    target = _target(own, spec, [truth])
    good, bad = torch.full((1, 4, 4, 6), -12.0), torch.full((1, 4, 4, 6), -12.0)
    side = [math.sqrt(size) / 1.1 for size in (8 / 64, 10 / 64)]
    for row, column in ((1, 1), (1, 2), (2, 1)):
        offset = [(24 / 16 - column + 0.5) / 2, (25 / 16 - row + 0.5) / 2]
        values = torch.tensor([*offset, *side]).clamp(1e-4, 1 - 1e-4)
        good[0, row, column] = torch.cat((torch.logit(values), torch.tensor([12.0, 12.0])))
        bad[0, row, column] = torch.tensor([0.0, 0.0, 3.0, -3.0, 12.0, -12.0])
    loss = grid.GridLoss()
    assert loss.loss(good, target, own).item() < 0.01
    assert loss.loss(bad, target, own).item() > 5
    nothing = _target(own, spec, [Boxes.empty()])
    assert loss.loss(torch.full((1, 4, 4, 6), -12.0), nothing, own).item() == pytest.approx(0, abs=1e-6)
    assert loss.loss(good, nothing, own).item() > 1


def test_detection_learns_boxes_of_every_shape() -> None:
    """A bare tensor of logits, driven by the loss alone, must reproduce thin, small, full-size and touching boxes."""
    torch.manual_seed(0)
    spec = InputSpec(width=128, height=96)
    own = card("detection", ("a", "b"), spec=spec, network_options={"boxes": 2})
    truths = [
        boxes([[0, 0, 128, 96]], [0]),
        boxes([[10, 40, 120, 44], [60, 30, 66, 36], [64, 70, 100, 90]], [0, 1, 1]),
        boxes([[20, 20, 28, 28], [18, 22, 34, 26]], [1, 1]),  # one cell, two boxes
        Boxes.empty(),
    ]
    out = torch.zeros(4, 6, 8, 12)
    out[..., [4, 9]] = -4.6
    out.requires_grad_()
    optimizer = torch.optim.Adam([out], lr=0.1)
    task = task_of("detection")
    for _ in range(300):
        optimizer.zero_grad()
        task.loss(out, _target(own, spec, truths), own).backward()
        optimizer.step()
    raw = task.activation(out.detach(), own).numpy()
    view = look(Region(0, 0, 128, 96), spec)
    found = task.decode(raw, own, [view] * 4, [blank(128, 96)] * 4)
    metrics = task.metrics(own)
    for prediction, truth in zip(found, truths, strict=True):
        metrics.update(prediction, Annotation(boxes=truth))
    got = metrics.compute()
    assert got["map50"] == pytest.approx(1.0)
    assert got["map50_95"] > 0.9
    assert got["precision"] == got["recall"] == 1.0
