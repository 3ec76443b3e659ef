"""The facts of a report outside its tables, as captions and texts."""

from typing import Final

from PySide6.QtCore import QCoreApplication

from inspector.core.message import fill
from inspector.runs.measures import measure_of
from inspector.runs.report import Calibration, Interval, Threshold, TrainReport
from inspector.ui.training.labels import minutes_text, task_word
from inspector.ui.training.results.labels import (
    interval_text,
    measure_word,
    part_word,
    primary_name,
    said,
    setting_text,
    setting_word,
    told_settings,
    unit_of,
    value_text,
)

_WIDE: Final = 0.2  # of an interval of a share
Facts = list[tuple[str, str]]


def headline(report: TrainReport) -> tuple[str, str]:
    """Return the primary metric with its interval, and the data it was measured on."""
    name = primary_name(report)
    number = report.metrics[name]
    unit = unit_of(name)
    low, high = value_text(number.low, unit), value_text(number.high, unit)
    interval = QCoreApplication.translate("ResultFacts", "{low} to {high} with 95 % confidence").format(low=low, high=high)
    images = QCoreApplication.translate("ResultFacts", "on {count} {part} {count:|image|images}")
    images = fill(images, count=f"{report.images:,}", part=part_word(report.part))
    return f"{measure_word(name)} {value_text(number.value, unit)}", f"{interval}, {images}"


def three_numbers(report: TrainReport) -> list[tuple[str, str, str]]:
    """Return up to three numbers that matter most as (value, caption, interval): the quality, and what it costs on the line."""
    name = primary_name(report)
    numbers = [(report.metrics[name], measure_word(name), unit_of(name))]
    if report.threshold is not None:
        costs = (("false_reject", report.threshold.false_reject), ("miss", report.threshold.miss))
        numbers += [(_percent(share), _caption(key), "%") for key, share in costs if share is not None]
    known = [key for key in report.metrics if key != name and measure_of(key) is not None]
    numbers += [(report.metrics[key], measure_word(key), unit_of(key)) for key in known]
    words = QCoreApplication.translate("ResultFacts", "{low} to {high}")
    return [
        (
            _shown(one.value, unit),
            caption,
            "" if one.low == one.high else words.format(low=_shown(one.low, unit), high=_shown(one.high, unit)),
        )
        for one, caption, unit in numbers[:3]
    ]


def doubt(report: TrainReport) -> str:
    """Return that the quality is hardly known, where its interval is wide; "" otherwise."""
    number = report.metrics[primary_name(report)]
    if unit_of(primary_name(report)) or number.high - number.low <= _WIDE:
        return ""
    text = QCoreApplication.translate(
        "ResultFacts",
        "{count} test {count:|image is|images are} too few to be sure: the true value may lie anywhere from {low} to {high}.",
    )
    return fill(text, count=report.images, low=value_text(number.low), high=value_text(number.high))


def _shown(value: float, unit: str) -> str:
    return f"{value:.1f} %" if unit == "%" else value_text(value, unit)


def _percent(share: Interval) -> Interval:
    return Interval(value=100 * share.value, low=100 * share.low, high=100 * share.high)


def decision(report: TrainReport) -> Facts:
    """Return the threshold and its cost, and how far scores can be trusted."""
    return [*_threshold(report.threshold), *_calibration(report.calibration)]


def _threshold(threshold: Threshold | None) -> Facts:
    if threshold is None:
        return []
    how = {
        "default": QCoreApplication.translate("ResultFacts", "the usual one"),
        "given": QCoreApplication.translate("ResultFacts", "as you set it"),
        "best_f1": QCoreApplication.translate("ResultFacts", "best on validation"),
        "false_reject": QCoreApplication.translate("ResultFacts", "for the allowed false rejects"),
    }
    facts = [(_caption("threshold"), f"{threshold.score:.3f} ({how[threshold.how]})")]
    counted: tuple[tuple[str, Interval | None, int], ...] = (
        ("false_reject", threshold.false_reject, threshold.good),
        ("miss", threshold.miss, threshold.bad),
        ("review", threshold.review, threshold.good + threshold.bad),
    )
    for name, share, count in counted:
        if share is not None:
            facts.append((_caption(name), _of(share, count)))
    if threshold.refused is not None:
        facts.append((_caption("refused"), said(threshold.refused)))
    return facts


def _calibration(calibration: Calibration | None) -> Facts:
    if calibration is None:
        return []
    if calibration.refused is not None:
        return [(_caption("calibration"), said(calibration.refused))]
    text = QCoreApplication.translate("ResultFacts", "temperature {temperature}; off by {after} on average, {before} before")
    values = {name: value_text(getattr(calibration, name)) for name in ("temperature", "after", "before")}
    return [(_caption("calibration"), text.format(**values))]


def _of(share: Interval, count: int) -> str:
    text = QCoreApplication.translate("ResultFacts", "{share} % ({low} to {high} %) of {count} {count:|image|images}")
    percent = {name: f"{100 * getattr(share, key):.1f}" for name, key in (("share", "value"), ("low", "low"), ("high", "high"))}
    return fill(text, count=count, **percent)


def _caption(name: str) -> str:
    words = {
        "threshold": QCoreApplication.translate("ResultFacts", "Threshold"),
        "false_reject": QCoreApplication.translate("ResultFacts", "Good parts rejected"),
        "miss": QCoreApplication.translate("ResultFacts", "Defects missed"),
        "review": QCoreApplication.translate("ResultFacts", "Left for review"),
        "refused": QCoreApplication.translate("ResultFacts", "Refused"),
        "calibration": QCoreApplication.translate("ResultFacts", "Calibration of the scores"),
    }
    return words[name]


def training(report: TrainReport) -> Facts:
    """Return the network, the data and the duration of the training."""
    counts = [f"{part_word(part)} {count:,}" for part, count in report.counts.items()]
    facts = [
        (QCoreApplication.translate("ResultFacts", "Data"), f"{report.data} ({', '.join(counts)})"),
        (QCoreApplication.translate("ResultFacts", "Fingerprint of the data"), report.fingerprint),
        (QCoreApplication.translate("ResultFacts", "What is learnt"), task_word(report.task)),
        (QCoreApplication.translate("ResultFacts", "Network"), report.network),
        (
            QCoreApplication.translate("ResultFacts", "Epochs"),
            QCoreApplication.translate("ResultFacts", "{epochs}, the best was {best}").format(
                epochs=report.epochs, best=report.best_epoch
            ),
        ),
        (QCoreApplication.translate("ResultFacts", "Time"), minutes_text(report.seconds / 60)),
        (QCoreApplication.translate("ResultFacts", "Measured with"), report.engine),
        (QCoreApplication.translate("ResultFacts", "Program"), report.software),
    ]
    if report.cross_validation is not None:
        name = primary_name(report)
        sign = -1.0 if name != report.primary else 1.0
        pooled = report.cross_validation.pooled
        ends = sorted((sign * pooled.low, sign * pooled.high))
        number = Interval(value=sign * pooled.value, low=ends[0], high=ends[1])
        text = QCoreApplication.translate("ResultFacts", "{count} folds, all answers together: {number}")
        told = text.format(count=len(report.cross_validation.values), number=interval_text(number, unit_of(name)))
        facts.append((QCoreApplication.translate("ResultFacts", "Cross-validation"), told))
    return [(caption, text) for caption, text in facts if text]


def settings(report: TrainReport) -> Facts:
    """Return the settings of the training."""
    return [(setting_word(name), setting_text(name, value)) for name, value in told_settings(report.settings).items()]
