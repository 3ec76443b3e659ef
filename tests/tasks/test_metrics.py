"""Metrics against scikit-learn, torchmetrics and pycocotools on random predictions."""

import cv2
import numpy as np
import pytest

from inspector.core.types import IGNORE, Annotation, Boxes, Masks, Region, Scores, Temperatures
from inspector.imaging.preprocessing import InputSpec, view, whole
from inspector.tasks.metrics import (
    ClassificationMetrics,
    DetectionMetrics,
    SegmentationMetrics,
    TemperatureMetrics,
)
from inspector.tasks.segmentation import Segmentation
from tests.tasks.making import boxes, card, predicted, softmaxed, some_boxes
from tests.tasks.oracles import coco_numbers

NAMES = ("a", "b", "c", "d")
REGION = Region(0, 0, 200, 200)


@pytest.mark.parametrize("seed", range(3))
def test_classification_agrees_with_scikit_learn(seed: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(0, 3, 200), softmaxed(rng, (200, 4))
    metrics = ClassificationMetrics(NAMES)
    for label, row in zip(truth, scores, strict=True):
        metrics.update(predicted("classification", REGION, NAMES, answer=Scores(row)), Annotation(label=int(label)))
    said, got = scores.argmax(axis=1), metrics.compute()
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(truth, said))
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro", zero_division=0))
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, said, labels=range(4), zero_division=0)
    for index, name in enumerate(NAMES):
        assert got[f"precision/{name}"] == pytest.approx(precision[index])
        assert got[f"recall/{name}"] == pytest.approx(recall[index])
        assert got[f"f1/{name}"] == pytest.approx(f1[index])
    np.testing.assert_array_equal(metrics.confusion, sk.confusion_matrix(truth, said, labels=range(4)))


@pytest.mark.parametrize("seed", range(4))
def test_detection_agrees_with_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths = [some_boxes(rng, int(rng.integers(0, 6)), 3) for _ in range(30)]
    founds = []
    for truth in truths:  # jittered copies of the truth, some with another class, and boxes from nowhere
        noise = rng.normal(0, 6, truth.xyxy.shape).astype(np.float32)
        other = np.where(rng.random(len(truth)) < 0.2, rng.integers(0, 3, len(truth)), truth.classes)
        stray = some_boxes(rng, int(rng.integers(0, 8)), 3)
        xyxy = np.concatenate((np.clip(truth.xyxy + noise, 0, 200), stray.xyxy))
        xyxy[:, 2:] = np.maximum(xyxy[:, 2:], xyxy[:, :2] + 1)
        scores = np.concatenate((np.round(rng.uniform(0.3, 1, len(truth)), 2).astype(np.float32), stray.scores))
        founds.append(Boxes(xyxy, scores, np.concatenate((other, stray.classes))))
    metrics = DetectionMetrics(NAMES, score=0.5)
    for truth, found in zip(truths, founds, strict=True):
        metrics.update(predicted("detection", REGION, NAMES, answer=found), Annotation(boxes=truth))
    got, want = metrics.compute(), coco_numbers(truths, founds, NAMES)
    assert {key: got[key] for key in want} == pytest.approx(want, abs=1e-9)
    assert 0.1 < got["map50"] < 0.95


def test_detection_counts_at_the_decision_threshold() -> None:
    metrics = DetectionMetrics(("a", "b"), score=0.5)
    truth = boxes([[0, 0, 10, 10], [50, 50, 70, 70]], [0, 1])
    found = boxes([[0, 0, 10, 9], [20, 20, 30, 30], [50, 50, 70, 70]], [0, 0, 1], [0.9, 0.6, 0.4])
    metrics.update(predicted("detection", REGION, answer=found), Annotation(boxes=truth))
    got = metrics.compute()
    assert (got["precision"], got["recall"], got["f1"]) == (0.5, 0.5, 0.5)
    assert metrics.best_score() == pytest.approx(0.4)  # all three boxes: F1 = 2*2/(3+2) = 0.8
    assert got["map50"] == pytest.approx(1.0)


def test_a_threshold_never_divides_equal_scores() -> None:
    """Two boxes of 0.6, the first of them right: the best threshold takes neither of them, or both."""
    metrics = DetectionMetrics(("a", "b"), score=0.5)
    truth = boxes([[0, 0, 10, 10], [50, 50, 70, 70], [100, 100, 120, 120]], [0, 0, 0])
    strays = [[20 + 3 * index, 130, 30 + 3 * index, 140] for index in range(9)]
    found = boxes([[0, 0, 10, 10], [50, 50, 70, 70], *strays], [0] * 11, [0.9, *[0.6] * 10])
    metrics.update(predicted("detection", REGION, answer=found), Annotation(boxes=truth))
    assert metrics.best_score() == pytest.approx((0.9 + 0.6) / 2)  # F1 0.5; with all of 0.6 it is 2 * 2 / (11 + 3) = 0.29


def test_detection_counts_only_what_the_region_shows() -> None:
    metrics = DetectionMetrics(("a", "b"), score=0.5)
    truth = boxes([[95, 0, 120, 20], [150, 150, 190, 190]], [0, 0])
    found = boxes([[100, 0, 120, 20]], [0], [0.9])
    metrics.update(predicted("detection", Region(100, 0, 50, 50), answer=found), Annotation(boxes=truth))
    assert metrics.compute()["recall"] == 1.0
    assert metrics.compute()["map50_95"] == 1.0


def test_ignored_pixels_count_for_nothing() -> None:
    """Against scikit-learn on the pixels that are known."""
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    metrics = SegmentationMetrics(("a", "b"))
    real, said = [], []
    for _ in range(4):
        truth = rng.integers(0, 3, (20, 30)).astype(np.uint8)
        truth[rng.random(truth.shape) < 0.3] = IGNORE
        planes = np.zeros((2, 20, 30), np.uint8)
        answer = rng.integers(0, 3, truth.shape)
        for index in range(2):
            planes[index][answer == index + 1] = 255
        prediction = predicted("segmentation", Region(0, 0, 30, 20), ("a", "b"), answer=Masks(planes))
        metrics.update(prediction, Annotation(mask=truth))
        real.append(truth[truth != IGNORE])
        said.append(answer[truth != IGNORE])
    got, known, told = metrics.compute(), np.concatenate(real), np.concatenate(said)
    for index, name in enumerate(("a", "b"), start=1):
        assert got[f"iou/{name}"] == pytest.approx(sk.jaccard_score(known, told, labels=[index], average="macro"))
        assert got[f"precision/{name}"] == pytest.approx(sk.precision_score(known, told, labels=[index], average="macro"))
        assert got[f"recall/{name}"] == pytest.approx(sk.recall_score(known, told, labels=[index], average="macro"))
    table = metrics.confusion_table()
    assert table is not None
    np.testing.assert_array_equal(table.counts, sk.confusion_matrix(known, told, labels=[1, 2, 0]))


@pytest.mark.parametrize("side", [128, 160, 320])
def test_a_perfect_mask_of_thin_defects_is_perfect_at_the_networks_resolution(side: int) -> None:
    """Lines of 2 to 4 px in 320 px, seen by a network of fewer pixels, which answers with what it was taught."""
    task, names = Segmentation(), ("a", "b")
    own = card("segmentation", names, spec=InputSpec(width=side, height=side))
    metrics, rng = task.metrics(own), np.random.default_rng(3)
    for index in range(6):
        mask = np.zeros((320, 320), np.uint8)
        for width in (2, 3, 4):
            start, end = rng.integers(10, 310, (2, 2)).tolist()
            cv2.line(mask, start, end, 1 + index % 2, width)
        mask[:20] = IGNORE
        seen = view(whole(mask), own.input)
        target = task.encode(Annotation(mask=mask), own, seen)["mask"]
        (answer,) = task.decode(target[None].astype(np.float32) / 255, own, [seen], [])
        metrics.update(answer, Annotation(mask=mask))
    assert [curve.area for curve in metrics.curves()] == [pytest.approx(1.0), pytest.approx(1.0)]


def test_what_is_found_where_nobody_knows_is_no_false_reject() -> None:
    region = Region(0, 0, 40, 40)
    truth = np.zeros((40, 40), np.uint8)
    truth[:20] = IGNORE
    for rows, found in ((slice(0, 20), 0.0), (slice(20, 40), 1.0)):
        metrics = SegmentationMetrics(("a",))
        plane = np.zeros((1, 40, 40), np.uint8)
        plane[0, rows] = 255
        prediction = predicted("segmentation", region, ("a",), answer=Masks(plane))
        metrics.update(prediction, Annotation(mask=truth))
        assert metrics.compute()["image_false_reject"] == found
        own = card("segmentation", ("a",))
        assert (Segmentation().mistake(prediction, Annotation(mask=truth), own) is not None) == bool(found)
        rated = Segmentation().rate(prediction, Annotation(mask=truth), own)
        assert rated is not None
        assert (rated.good, rated.reject > 0.9) == (True, bool(found))


def test_segmentation_agrees_with_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    names, region = ("a", "b", "c"), Region(10, 5, 40, 30)
    metrics = SegmentationMetrics(names, threshold=0.5)
    said, real = [], []
    for _ in range(8):
        planes = (rng.random((3, 30, 40)) ** 2 * 255).astype(np.uint8)
        truth = rng.choice(4, size=(50, 60), p=[0.55, 0.25, 0.15, 0.05]).astype(np.uint8)
        metrics.update(predicted("segmentation", region, names, answer=Masks(planes)), Annotation(mask=truth))
        said.append(np.where(planes.max(axis=0) >= 128, planes.argmax(axis=0) + 1, 0))
        real.append(truth[5:35, 10:50])
    got = metrics.compute()
    first, second = (torch.from_numpy(np.stack(part).astype(np.int64)).ravel() for part in (said, real))
    iou = functional.jaccard_index(first, second, task="multiclass", num_classes=4, average="none")
    f1 = functional.classification.multiclass_f1_score(first, second, num_classes=4, average="none")
    for index, name in enumerate(names):
        assert got[f"iou/{name}"] == pytest.approx(float(iou[index + 1]), abs=1e-6)
        assert got[f"dice/{name}"] == pytest.approx(float(f1[index + 1]), abs=1e-6)
    pooled = functional.classification.multiclass_f1_score(first, second, num_classes=4, average="micro", ignore_index=None)
    assert got["macro_dice"] == pytest.approx(float(f1[1:].mean()), abs=1e-6)
    assert got["mean_iou"] == pytest.approx(float(iou[1:].mean()), abs=1e-6)
    assert got["dice"] != pytest.approx(float(pooled))  # background is no class: pooling leaves it out
    both = ((first == second) & (first > 0)).sum()
    assert got["dice"] == pytest.approx(float(2 * both / ((first > 0).sum() + (second > 0).sum())))
    assert got["iou"] == pytest.approx(got["dice"] / (2 - got["dice"]))


def test_temperature_error_is_the_networks_own() -> None:
    rng = np.random.default_rng(2)
    metrics, said, real = TemperatureMetrics(), rng.normal(300, 5, (20, 3)), rng.normal(300, 5, (20, 3))
    for index, (mine, truth) in enumerate(zip(said.tolist(), real.tolist(), strict=True)):
        measured = index % 2 == 0
        temperatures = (
            Temperatures(*truth, source="measured", predicted=tuple(mine))
            if measured
            else Temperatures(*mine, source="predicted")
        )
        metrics.update(predicted("thermal", REGION, (), answer=temperatures), Annotation(temperatures=tuple(truth)))
    got = metrics.compute()
    assert got["mae_kelvin"] == pytest.approx(np.abs(said - real).mean())
    assert got["mae_kelvin/minimum"] == pytest.approx(np.abs(said - real)[:, 2].mean())
    assert got[TemperatureMetrics.primary] == -got["mae_kelvin"]


def test_nothing_seen_and_nothing_there() -> None:
    empty = [
        ClassificationMetrics(NAMES),
        DetectionMetrics(NAMES, score=0.5),
        SegmentationMetrics(NAMES),
        TemperatureMetrics(),
    ]
    for metrics in empty:
        got = metrics.compute()
        assert got[metrics.primary] == 0
        assert all(np.isfinite(list(got.values())))
    mask = np.zeros((2, 20, 20), np.uint8)
    good = SegmentationMetrics(("a", "b"))
    good.update(
        predicted("segmentation", Region(0, 0, 20, 20), answer=Masks(mask)), Annotation(mask=np.zeros((20, 20), np.uint8))
    )
    assert good.compute()["dice"] == 1.0
    nothing = DetectionMetrics(("a", "b"), score=0.5)
    nothing.update(predicted("detection", REGION, answer=Boxes.empty()), Annotation(boxes=Boxes.empty()))
    assert nothing.compute()["map50"] == 0.0
    assert nothing.best_score() == 0.5


def test_frames_without_truth_are_left_out() -> None:
    metrics = DetectionMetrics(("a", "b"), score=0.5)
    metrics.update(predicted("detection", REGION, answer=boxes([[0, 0, 9, 9]], [0])), Annotation(label=1))
    assert metrics.compute()["precision"] == 0.0
    truth = boxes([[0, 0, 9, 9]], [0])
    metrics.update(predicted("detection", REGION, answer=boxes([[0, 0, 9, 9]], [0])), Annotation(boxes=truth))
    assert metrics.compute()["precision"] == 1.0
