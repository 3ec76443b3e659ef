"""The report of a run: report.json for the window, report.html for people, and pictures of the worst errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspector import __version__
from inspector.bundles.bundle import Card
from inspector.core.errors import StorageError
from inspector.core.message import ClassName, Message, message
from inspector.core.sentence import sentence
from inspector.core.storage.durable import replace_durably
from inspector.ml.reports.images import Heat, write_worst
from inspector.ml.reports.page import page
from inspector.ml.train.quality import Examined
from inspector.runs.folder import REPORT, REPORT_HTML
from inspector.runs.measures import MEASURES
from inspector.runs.report import ClassRow, Epoch, Folds, Interval, Learning, TrainReport, Worst
from inspector.tasks.base import card_threshold, percent, shares, task_of

_SHORT = {"f1": "F1", "ap50": "AP50", "iou": "IoU"}
_FEW_IMAGES = 100
_LONG = 8  # fewest epochs that show a trend
_SMOOTH = 3  # epochs averaged for a comparison
_RISEN = 1.15  # ratio to its minimum at which the validation loss counts as risen
_NEVER = 0.001  # a class with a smaller number counts as never found
_ENOUGH = 3  # fewest test samples of a class for that statement
_WEAK = 0.1  # smallest distance below the mean of all classes that makes a class weak


@dataclass(frozen=True, slots=True)
class Facts:
    """Contents of a report other than the measurements.

    `counts`: samples of each part. `part`: the part that was measured. `settings`: as set by a person, without machine paths.
    `history`: one row per epoch, as in curves.csv. `nothing_learnt`: the messages if nothing was learnt.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    part: str = "test"
    seconds: float = 0.0
    epochs: int = 0
    best_epoch: int = 0
    engine: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    problems: Sequence[Message] = ()
    folds: Folds | None = None
    learning: Learning | None = None
    nothing_learnt: Sequence[Message] = ()
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def write_report(folder: Path, card: Card, examined: Examined, facts: Facts, *, heat: Heat | None = None) -> TrainReport:
    """Write report.json, report.html and report/ into `folder`, which is created if missing.

    `heat` explains the worst errors (`ml.heat.graph_heat`); without it they have no heat maps. Raises StorageError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        worst = write_worst(folder, examined.worst, threshold=card_threshold(card), heat=heat)
        report = build_report(card, examined, facts, worst=worst)
        _write(folder / REPORT, report.model_dump_json(indent=1))
        _write(folder / REPORT_HTML, page(report, folder))
    except OSError as error:
        raise StorageError(
            "The report in {folder} cannot be written ({detail}).",
            remedy="Free some space, or choose another folder.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    return report


def build_report(card: Card, examined: Examined, facts: Facts, *, worst: Sequence[Worst] = ()) -> TrainReport:
    """Return the report as data."""
    metrics = examined.metrics
    intervals = metrics.intervals()
    classes = _rows(intervals, metrics.support())
    overall = {name: number for name, number in intervals.items() if "/" not in name}
    trials = tuple(sentence(line) for line in _trials(metrics.primary, facts))
    course = _course(metrics.primary, facts.history)
    learnt_by_heart = [sentence(line) for line in [by_heart(course, facts.best_epoch)] if line is not None]
    warnings = tuple(sentence(line) for line in _warnings(card, facts, classes))
    return TrainReport(
        task=card.task,
        network=card.network,
        name=card.name,
        created=facts.created,
        seconds=facts.seconds,
        epochs=facts.epochs,
        best_epoch=facts.best_epoch,
        counts=dict(facts.counts),
        primary=metrics.primary,
        metrics=overall,
        classes=classes,
        confusion=metrics.confusion_table(),
        curves=metrics.curves(),
        worst=tuple(worst),
        calibration=examined.calibration,
        threshold=examined.threshold,
        folds=() if facts.folds is None else facts.folds.values,
        cross_validation=facts.folds,
        learning=facts.learning,
        course=course,
        problems=tuple(sentence(problem) for problem in (*facts.problems, *examined.problems)),
        warnings=warnings,
        summary=(
            *warnings,
            *(sentence(line) for line in summarise(card, examined, overall, classes)),
            *learnt_by_heart,
            *trials,
        ),
        trials=trials,
        part=facts.part,
        images=examined.images,
        groups=examined.groups,
        data=str(card.dataset.get("name", "")),
        fingerprint=str(card.dataset.get("fingerprint", "")),
        engine=facts.engine,
        software=__version__,
        settings=dict(facts.settings),
    )


def _course(primary: str, history: Sequence[Mapping[str, float]]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(epoch=int(row["epoch"]), loss=row.get("loss"), val_loss=row.get("val_loss"), value=row.get(primary))
        for row in history
        if "epoch" in row
    )


def by_heart(course: Sequence[Epoch], best_epoch: int) -> Message | None:
    """Return a message about overfitting: the validation loss rose while the training loss kept falling; None if it did not."""
    known = [(one.epoch, one.loss, one.val_loss) for one in course if one.loss is not None and one.val_loss is not None]
    if len(known) < max(_LONG, 2 * _SMOOTH):
        return None
    pieces = [known[at : at + _SMOOTH] for at in range(len(known) - _SMOOTH + 1)]
    means = [(sum(part[1] for part in piece) / _SMOOTH, sum(part[2] for part in piece) / _SMOOTH) for piece in pieces]
    lowest = min(range(len(means)), key=lambda at: means[at][1])
    (loss, low), (last_loss, last) = means[lowest], means[-1]
    if last < _RISEN * low or last_loss >= loss or low <= 0:
        return None
    return message(
        "From about epoch {epoch} on the loss on validation images rose, from {low} to {last}, while that on training images "
        "fell: the network learns those by heart. More images or stronger augmentation would help; the weights of epoch {best} "
        "were kept.",
        epoch=known[lowest + _SMOOTH // 2][0],
        low=f"{low:.3g}",
        last=f"{last:.3g}",
        best=best_epoch,
    )


def summarise(card: Card, examined: Examined, numbers: Mapping[str, Interval], classes: Sequence[ClassRow]) -> list[Message]:
    """Return the result in plain words, most important first."""
    lines = [task_of(card.task).headline(numbers, examined.images)]
    lines += _decision(examined)
    weakest = _weakest(card, classes)
    if weakest is not None:
        lines.append(weakest)
    calibration = examined.calibration
    if calibration is not None and calibration.temperature != 1.0:
        lines.append(
            message(
                "Scores were calibrated: they are off by {after} points of 100 on average, {before} before; "
                "by chance alone it can be {chance}.",
                after=percent(calibration.after),
                before=percent(calibration.before),
                chance=percent(calibration.chance),
            )
        )
    if examined.images < _FEW_IMAGES:
        lines.append(
            message(
                "Only {count} {count:|image was|images were} tested: the intervals say how far the truth may be from "
                "these numbers.",
                count=examined.images,
            )
        )
    return lines


def _trials(primary: str, facts: Facts) -> list[Message]:
    """Return messages about the trainings before the final one."""
    kelvin = primary == "minus_mae_kelvin"
    label = MEASURES["mae_kelvin" if kelvin else primary].label
    lines = []
    if facts.folds is not None:
        low, high = sorted(abs(number) for number in (facts.folds.pooled.low, facts.folds.pooled.high))
        lines.append(
            message(
                "Cross-validation in {folds} folds: {name} {value} (95 % confidence: {low} to {high}).",
                folds=len(facts.folds.values),
                name=label,
                value=f"{abs(facts.folds.pooled.value):.3f}",
                low=f"{low:.3f}",
                high=f"{high:.3f}",
            )
        )
    learning = facts.learning
    if learning is not None and learning.gain is not None:
        scale = 1 if kelvin else 100
        gain = {name: f"{getattr(learning.gain, name) * scale:+.1f}" for name in ("value", "low", "high")}
        text = "With {more} more training images expect {value} points of {name} (95 % confidence: {low} to {high})."
        if kelvin:
            text = "With {more} more training images expect {value} K (95 % confidence: {low} to {high}) less error."
        lines.append(message(text, more=learning.more, name=label, **gain))
    elif learning is not None and learning.refused is not None:
        lines.append(learning.refused.message)
    return lines


def _decision(examined: Examined) -> list[Message]:
    threshold, lines = examined.threshold, []
    if threshold is None:
        return []
    if threshold.false_reject is not None:
        lines.append(
            message(
                "At the threshold {score}, {value} % of {count} good {count:|image is|images are} rejected (95 % "
                "confidence: {low} to {high} %).",
                score=f"{threshold.score:.2f}",
                count=threshold.good,
                **shares(threshold.false_reject),
            )
        )
    if threshold.miss is not None:
        lines.append(
            message(
                "{value} % of {count} defective {count:|image passes|images pass} as good (95 % confidence: {low} to "
                "{high} %).",
                count=threshold.bad,
                **shares(threshold.miss),
            )
        )
    if threshold.review is not None and threshold.review.value > 0:
        lines.append(message("{value} % of all images are left for a person to review.", value=percent(threshold.review.value)))
    if threshold.refused is not None:
        lines.append(threshold.refused.message)
    return lines


def _warnings(card: Card, facts: Facts, classes: Sequence[ClassRow]) -> list[Message]:
    """Return the reasons why the bundle should not judge parts: nothing was learnt, or a class is never found."""
    if facts.nothing_learnt:
        return list(facts.nothing_learnt)
    kind = task_of(card.task).class_measure
    return [
        message(
            "{name} is never found: {kind} is 0, with {count} tested. Add images of it, use a larger input, or train longer.",
            name=row.name,
            kind=MEASURES[kind].label,
            count=row.support,
        )
        for row in classes
        if row.support >= _ENOUGH and kind in row.numbers and row.numbers[kind].value < _NEVER
    ]


def _weakest(card: Card, classes: Sequence[ClassRow]) -> Message | None:
    """Return a message about the class that is worst by far, if there is one."""
    kind = task_of(card.task).class_measure
    known = [(row.numbers[kind].value, row) for row in classes if row.support and kind in row.numbers]
    if len(known) < 2 or min(known, key=lambda pair: pair[0])[0] < _NEVER:  # reported by `_warnings`
        return None
    value, row = min(known, key=lambda pair: pair[0])
    if sum(number for number, _ in known) / len(known) - value < _WEAK:
        return None
    name = _SHORT.get(kind, kind)
    return message(
        "The weakest class is {name}: {kind} {value}, with {count} tested.",
        name=ClassName(row.name),
        kind=name,
        value=f"{value:.2f}",
        count=row.support,
    )


def _rows(intervals: Mapping[str, Interval], support: Mapping[str, int]) -> tuple[ClassRow, ...]:
    """Return the numbers named "kind/class" as a table by class."""
    rows: dict[str, dict[str, Interval]] = {name: {} for name in support}
    for name, number in intervals.items():
        kind, slash, owner = name.partition("/")
        if slash:
            rows.setdefault(owner, {})[kind] = number
    return tuple(ClassRow(name=name, support=support.get(name, 0), numbers=numbers) for name, numbers in rows.items())


def _write(path: Path, text: str) -> None:
    """Write the whole file or nothing. Raises OSError."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, "utf-8")
        replace_durably(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
