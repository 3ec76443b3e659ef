"""Steps after the best epoch: calibration, the decision threshold, and the measurement for the report.

The trainer calls, in this order: `settle` with the validation part, which completes the card; then, with the graph of that
card, `examine` with the test part; then `ml.reports.report.write_report`. Needs no torch: a graph is any function of arrays.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.message import Message
from inspector.core.sentence import sentence
from inspector.core.types import Annotation, Frame, Prediction
from inspector.data.samples import Sample
from inspector.ml.evaluate import Infer, Item, predict_items, rounded, sample_items
from inspector.runs.report import Calibration, Threshold
from inspector.tasks.base import Metrics, Task, card_threshold, task_of
from inspector.tasks.calibration import (
    brier_score,
    calibration_error,
    chance_error,
    fit_temperature,
    reliability,
    scaled,
    surprise,
)
from inspector.tasks.metrics import ClassificationMetrics, DetectionMetrics
from inspector.tasks.statistics.mistakes import Mistake
from inspector.tasks.statistics.thresholds import Choice, Rated, choose, measure_threshold

WORST = 12  # most wrong answers in a report


def _nothing() -> None:
    """Do nothing: the default of `tick`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The card with its temperature and threshold, and how these were found. `problems`: unreadable files."""

    card: Card
    choice: Choice
    allowed: float = 0.0
    not_calibrated: Message | None = None
    problems: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Wrong:
    """A wrong answer with everything needed to draw it."""

    mistake: Mistake
    sample: str
    frame: Frame
    prediction: Prediction
    truth: Annotation


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """All measurements of one pass over labelled samples.

    `images`, `groups`: number of readable images, and of their groups.
    """

    metrics: Metrics
    images: int
    groups: int
    rated: tuple[Rated, ...] = ()
    worst: tuple[Wrong, ...] = ()
    problems: tuple[Message, ...] = ()
    calibration: Calibration | None = None
    threshold: Threshold | None = None


@dataclass(slots=True, eq=False)
class _Pass:
    """One pass over samples. Predictions are evaluated one by one; only the worst are kept."""

    card: Card
    task: Task
    metrics: Metrics
    rated: list[Rated] = field(default_factory=list)
    worst: list[tuple[float, int, Wrong]] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)
    images: int = 0

    def take(self, item: Item, prediction: Prediction, *, keep: int) -> None:
        self.images += 1
        self.groups.add(item.group)
        self.metrics.update(prediction, item.truth, group=item.group)
        rated = self.task.rate(prediction, item.truth, self.card, group=item.group)
        if rated is not None:
            self.rated.append(rated)
        found = self.task.mistake(prediction, item.truth, self.card) if keep else None
        if found is not None:
            wrong = Wrong(found, item.name, item.frame, prediction, item.truth)
            entry = (found.severity, -self.images, wrong)
            (heapq.heappush if len(self.worst) < keep else heapq.heappushpop)(self.worst, entry)


def settle(
    infer: Infer,
    card: Card,
    samples: Sequence[Sample],
    *,
    score: float = 0.0,
    false_reject: float = 0.0,
    calibrate: bool = True,
    batch: int = 16,
    tick: Callable[[], None] = _nothing,
) -> Settled:
    """Calibrate the scores and choose the threshold on the validation samples, at the frames' own size.

    `infer` is the graph with a temperature of 1 (`card.training` must not contain another). `score`: a threshold chosen by a
    person, 0: none. `false_reject`: allowed share of rejected good parts, 0: no limit. `tick` is called once per sample and may
    raise. The returned card has `training["temperature"]` (classification; left out if 1) and its threshold.
    """
    seen = _look(infer, card, samples, batch=batch, tick=tick, keep=0)
    training, reason, rated = dict(card.training), None, seen.rated
    metrics = seen.metrics
    if isinstance(metrics, ClassificationMetrics) and calibrate:
        temperature, reason = fit_temperature(metrics.answers(), metrics.labels())
        if temperature != 1.0:
            training["temperature"] = temperature
            rated = _rescored(metrics, seen, temperature)
    choice = _choice(card, metrics, rated, score=score, false_reject=false_reject)
    thresholds = dict(card.thresholds)
    if task_of(card.task).threshold_key:
        thresholds[task_of(card.task).threshold_key] = choice.score
    done = card.model_copy(update={"training": training, "thresholds": thresholds})
    return Settled(done, choice, false_reject, reason, tuple(seen.problems))


def examine(
    infer: Infer,
    card: Card,
    samples: Sequence[Sample],
    *,
    settled: Settled | None = None,
    worst: int = WORST,
    batch: int = 16,
    tick: Callable[[], None] = _nothing,
) -> Examined:
    """Measure the graph of a settled card on samples it has not learnt from.

    `settled`: the result of `settle` in the same run; None for a bundle from elsewhere. `tick` as in `settle`.
    """
    seen = _look(infer, card, samples, batch=batch, tick=tick, keep=worst)
    choice, allowed = (Choice(card_threshold(card), "given"), 0.0) if settled is None else (settled.choice, settled.allowed)
    threshold = measure_threshold(seen.rated, choice, allowed=allowed) if seen.rated else _bare(card, choice, allowed)
    calibration = None
    if isinstance(seen.metrics, ClassificationMetrics) and seen.images:
        calibration = _calibration(seen.metrics, card, None if settled is None else settled.not_calibrated)
    ranked = [wrong for _, _, wrong in sorted(seen.worst, key=lambda entry: entry[:2], reverse=True)]
    return Examined(
        metrics=seen.metrics,
        images=seen.images,
        groups=len(seen.groups),
        rated=tuple(seen.rated),
        worst=tuple(ranked),
        problems=tuple(seen.problems),
        calibration=calibration,
        threshold=threshold,
    )


def measured(card: Card, examined: Examined) -> Card:
    """Return the card with the test part's numbers."""
    return card.model_copy(update={"metrics": rounded(examined.metrics.compute())})


def _look(infer: Infer, card: Card, samples: Sequence[Sample], *, batch: int, tick: Callable[[], None], keep: int) -> _Pass:
    seen = _Pass(card, task_of(card.task), task_of(card.task).metrics(card))
    items = sample_items(samples, card, problems=seen.problems, tick=tick)
    for item, prediction in predict_items(infer, card, items, batch=batch):
        seen.take(item, prediction, keep=keep)
    return seen


def _rescored(metrics: ClassificationMetrics, seen: _Pass, temperature: float) -> list[Rated]:
    """Return the frames as scored by the calibrated graph. The most likely class stays the same; only scores change."""
    best = scaled(metrics.answers(), temperature).max(axis=1).tolist()
    return [
        Rated(old.good, new if old.reject >= 0 else old.reject, new if old.keep >= 0 else old.keep, old.group)
        for old, new in zip(seen.rated, best, strict=False)
    ]


def _choice(card: Card, metrics: Metrics, rated: Sequence[Rated], *, score: float, false_reject: float) -> Choice:
    if score:
        return Choice(score, "given")
    default = Choice(card_threshold(card), "default")
    if isinstance(metrics, DetectionMetrics):
        default = Choice(round(float(np.clip(metrics.best_score(), 0.1, 0.9)), 2), "best_f1")
    task = task_of(card.task)
    if not false_reject or not task.threshold_key:
        return default
    return choose(rated, false_reject, default=default, lowest=task.lowest)


def _bare(card: Card, choice: Choice, allowed: float) -> Threshold | None:
    """Return a threshold without rates, for tasks in which no class is good."""
    if not task_of(card.task).threshold_key:
        return None
    refused = None if choice.refused is None else sentence(choice.refused)
    return Threshold(score=choice.score, allowed=allowed, refused=refused, needed=choice.needed, how=choice.how)


def _calibration(metrics: ClassificationMetrics, card: Card, reason: Message | None) -> Calibration:
    temperature = float(card.training.get("temperature", 1.0))
    after, labels = metrics.answers(), metrics.labels()
    before = scaled(after, 1 / temperature)
    return Calibration(
        temperature=temperature,
        before=calibration_error(before, labels),
        after=calibration_error(after, labels),
        bins=reliability(after, labels),
        bins_before=reliability(before, labels),
        refused=None if reason is None else sentence(reason),
        chance=chance_error(after),
        likelihood=float(surprise(after, labels).mean()),
        likelihood_before=float(surprise(before, labels).mean()),
        brier=brier_score(after, labels),
        brier_before=brier_score(before, labels),
        gain=metrics.mean_interval(surprise(before, labels) - surprise(after, labels)),
    )
