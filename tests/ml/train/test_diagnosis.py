"""A training that learns nothing says so, keeps the epoch with the least loss on validation, and leaves a warning."""

import math
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from inspector.core.types import Annotation, Region, Scores
from inspector.ml.reports.report import Facts, build_report
from inspector.ml.train import trainer
from inspector.ml.train.checkpoint import Best
from inspector.ml.train.diagnosis import is_better, learnt, look_after, nothing_learnt
from inspector.ml.train.quality import Examined
from inspector.runs.folder import REPORT
from inspector.runs.report import NOTHING_LEARNT, read_report
from inspector.tasks.base import task_of
from inspector.tasks.metrics import ClassificationMetrics
from tests.ml.making import FOLDERS, Told, tiny
from tests.tasks.making import boxes, card, predicted

REGION = Region(0, 0, 64, 48)
LEARNING = MappingProxyType({"loss": 1.0, "val_loss": 1.0, "name": "map50", "value": 0.0})


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def best(value: float, loss: float) -> Best:
    return Best(1, value, {}, {}, loss)


@pytest.mark.parametrize(
    ("value", "loss", "before", "chance", "better"),
    [
        (0.0, 2.0, best(0.0, 3.0), 0.0, True),  # nothing found in either: the loss tells
        (0.0, 3.0, best(0.0, 2.0), 0.0, False),
        (0.3, 9.0, best(0.0, 2.0), 0.0, True),  # the first epoch that finds something
        (0.004, 1.0, best(0.006, 2.0), 0.0, True),  # both are as good as nothing
        (0.5, 1.0, best(0.6, 2.0), 0.0, False),
        (0.6, 1.0, best(0.6, 2.0), 0.0, False),
        (0.33, 1.0, best(0.50, 2.0), 0.5, True),  # two classes: always the same answer, or guessing
        (-9.0, 9.0, best(-10.0, 1.0), -10.0, True),  # kelvin
        (0.0, math.nan, best(0.0, 2.0), 0.0, False),
        (0.0, 2.0, best(0.0, math.nan), 0.0, True),
    ],
)
def test_the_best_epoch(value: float, loss: float, before: Best, chance: float, better: bool) -> None:
    assert is_better(value, loss, before, chance) is better


def test_what_counts_as_learnt() -> None:
    assert not learnt(0.0, 0.0)
    assert learnt(0.02, 0.0)
    assert not learnt(-9.9, -10.0)
    assert learnt(-5.0, -10.0)
    assert learnt(0.0, -math.inf)  # of an earlier version, which did not know
    assert [look_after(epochs) for epochs in (2, 10, 40, 100)] == [3, 3, 6, 10]


def test_chance_is_what_one_answer_for_all_reaches() -> None:
    metrics = ClassificationMetrics(("a", "b", "c"))
    for label in (0, 0, 0, 0, 0, 0, 1, 2):
        scores = np.array([0.8, 0.1, 0.1], np.float32)
        metrics.update(predicted("classification", REGION, metrics.classes, answer=Scores(scores)), Annotation(label=label))
    assert metrics.compute()["macro_f1"] == pytest.approx((2 * 6 / (8 + 6)) / 3)
    assert metrics.chance() == pytest.approx(1 / 3)  # guessing is better than that
    balanced = ClassificationMetrics(("a", "b"))
    for label in (0, 0, 0, 0, 0, 0, 0, 1):
        scores = np.array([0.9, 0.1], np.float32)
        balanced.update(predicted("classification", REGION, balanced.classes, answer=Scores(scores)), Annotation(label=label))
    assert balanced.chance() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("changes", "losses", "checked", "px", "said"),
    [
        ({}, (5.0, 4.9, 4.95), (5.0, 5.0, 5.0), 20.0, "The loss does not fall.*learning rate of 0.002"),
        ({}, (5.0, 4.9, 4.7), (5.0, 5.0, 5.0), 20.0, "The loss falls very slowly.*learning rate of 0.05"),
        ({}, (5.0, 3.0, 2.0), (5.0, 3.0, 2.0), 3.4, "narrower than 3.4 px in an input of 64 x 48 px"),
        ({}, (5.0, 3.0, 2.0), (5.0, 3.0, 4.0), 20.0, "learns its images by heart"),
        ({"network": "fpn_lite0"}, (5.0, 3.0, 2.0), (5.0, 3.0, 2.0), 20.0, "start weights: imagenet"),
        ({}, (5.0, 3.0, 2.0), (5.0, 3.0, 2.0), None, "train for more epochs"),
        ({}, (5.0,), (5.0,), 20.0, "too short to learn anything"),
        ({}, (5.0, 5.0), (5.0, 5.0), 20.0, "too short to learn anything"),
    ],
)
def test_the_likely_cause_is_said_with_the_next_step(
    tmp_path: Path, changes: dict[str, object], losses: tuple[float, ...], checked: tuple[float, ...], px: float, said: str
) -> None:
    settings = tiny("detection", tmp_path, tmp_path / "bundle", **changes)
    known = card("detection").model_copy(update={"network": settings.network})
    rows = enumerate(zip(losses, checked, strict=True), 1)
    curve = [{**LEARNING, "epoch": epoch, "loss": loss, "val_loss": other} for epoch, (loss, other) in rows]
    what, why = nothing_learnt(known, settings, curve, 0.0, px)
    epochs = "1 epoch" if len(losses) == 1 else f"{len(losses)} epochs"
    assert what.text == f"After {epochs} the network finds nothing in the validation images (mAP50 0)."
    assert re.search(said, why.text)


def test_a_training_that_learns_nothing_ends_with_a_warning_and_its_least_loss(tmp_path: Path) -> None:
    """A learning rate far too small: nothing is found in any epoch."""
    data, report = FOLDERS["detection"](tmp_path / "data", 24), Told()
    settings = tiny("detection", data, tmp_path / "bundle", run=tmp_path / "run", epochs=4, lr=2e-4)
    bundle = trainer.train(settings, report)  # type: ignore[arg-type] # has the methods of Report
    losses = [float(str(row["val_loss"])) for row in report.metrics]
    assert bundle.card.training["best_epoch"] == 1 + losses.index(min(losses))
    assert min(losses) < losses[0]
    assert bundle.card.training[NOTHING_LEARNT] is True
    written = read_report(tmp_path / "run" / REPORT)
    assert [line.text for line in written.warnings] == [line.text for line in written.summary[:2]]
    assert written.warnings[0].text == "After 4 epochs the network finds nothing in the validation images (mAP50 0)."
    assert report.logs[-2:] == [line.text for line in written.warnings]
    assert report.logs[-4].startswith("After 3 epochs the network finds nothing")


def test_a_class_that_is_never_found_is_named() -> None:
    known = card("detection", ("hole", "crack"))
    task = task_of("detection")
    metrics = task.metrics(known)
    for _ in range(4):
        truth = boxes([[10, 10, 30, 30], [40, 40, 60, 60]], [0, 1])
        found = boxes([[10, 10, 30, 30]], [0])
        metrics.update(predicted("detection", REGION, known.classes, answer=found), Annotation(boxes=truth))
    report = build_report(known, Examined(metrics, 4, 4), Facts())
    assert [line.text for line in report.warnings] == [
        "crack is never found: AP50 is 0, with 4 tested. Add images of it, use a larger input, or train longer."
    ]
    assert report.summary[0] == report.warnings[0]
    assert not any("weakest" in line.text for line in report.summary)
