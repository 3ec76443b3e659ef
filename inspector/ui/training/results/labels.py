"""Formatting of a report's numbers."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication

from inspector.core.registry import TASKS
from inspector.core.sentence import Sentence
from inspector.runs.measures import MEASURES, measure_of
from inspector.runs.report import Interval, TrainReport
from inspector.runs.settings import TrainSettings, shown_settings
from inspector.ui.shell.strings import translate
from inspector.ui.training.labels import task_word
from inspector.ui.widgets.setting_fields import in_words, number_text

_MINUS = "minus_mae_kelvin"  # training maximises this value; people see the error itself
# Settings that hold a location, and do not describe the training.
_PLACES = frozenset({"out", "run", "name"})


def primary_name(report: TrainReport) -> str:
    """Return the name of the primary metric in `report.metrics`."""
    return "mae_kelvin" if report.primary == _MINUS else report.primary


def primary_sign(report: TrainReport) -> float:
    """Return the factor from the value that training maximises to the displayed value."""
    return -1.0 if report.primary == _MINUS else 1.0


def larger_is_better(name: str) -> bool:
    """Return whether a larger value of this measure is better."""
    return name.partition("/")[0] not in ("mae_kelvin", "image_false_reject")


def measure_word(name: str) -> str:
    """Return the display name of "recall" or "recall/scratch"."""
    known = measure_of(name)
    return QCoreApplication.translate("measures", known.label) if known is not None else name


def measure_help(name: str) -> str:
    """Return the explanation of a measure."""
    known = measure_of(name)
    return QCoreApplication.translate("measures", known.help) if known is not None else ""


def unit_of(name: str) -> str:
    """Return the unit: "K", or empty for shares."""
    return MEASURES[name].unit if name in MEASURES else ""


def value_text(value: float, unit: str = "") -> str:
    """Return the value with three digits; a dash if it is not a number."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return f"{text} {unit}" if unit else text


def range_text(interval: Interval) -> str:
    """Return the interval as "0.814 to 0.901"; a dash if it is unknown."""
    if interval.low == interval.high:
        return "–"
    words = QCoreApplication.translate("results", "{low} to {high}")
    return words.format(low=value_text(interval.low), high=value_text(interval.high))


def interval_text(interval: Interval, unit: str = "") -> str:
    """Return value and interval as "0.861 (0.814 to 0.901)"; the value alone if the interval is unknown."""
    value = value_text(interval.value, unit)
    if interval.low == interval.high:
        return value
    words = QCoreApplication.translate("results", "{value} ({low} to {high})")
    return words.format(value=value, low=value_text(interval.low), high=value_text(interval.high))


def part_word(part: str) -> str:
    """Return the name of the measured subset."""
    words = {
        "train": QCoreApplication.translate("results", "training"),
        "val": QCoreApplication.translate("results", "validation"),
        "test": QCoreApplication.translate("results", "test"),
        "all": QCoreApplication.translate("results", "all"),
    }
    return words.get(part, part)


def said(sentence: Sentence) -> str:
    """Return a sentence of a report in the window's language."""
    return translate(sentence.message)


def setting_word(name: str) -> str:
    """Return the display name of a setting."""
    shown = shown_settings().get(name)
    if shown is not None:
        return in_words(shown.label)
    words = {
        "task": QCoreApplication.translate("results", "What is learnt"),
        "network": QCoreApplication.translate("results", "Network"),
        "options": QCoreApplication.translate("results", "Options of the network"),
        "data": QCoreApplication.translate("results", "Data"),
        "keep_best": QCoreApplication.translate("results", "Keep the best when cancelled"),
    }
    return words.get(name, name)


def setting_text(name: str, value: object) -> str:
    """Return the display text of a setting's value."""
    if value is None or value == "" or value == () or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return QCoreApplication.translate("SettingRow", "on") if value else QCoreApplication.translate("SettingRow", "off")
    shown = shown_settings().get(name)
    unit = f" {in_words(shown.unit)}" if shown is not None and shown.unit else ""
    if isinstance(value, int | float):
        return number_text(value) + unit
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number_text(one) if isinstance(one, int | float) else str(one) for one in value)
    if name == "task" and value in TASKS:
        return task_word(value)
    if name == "data":
        return Path(str(value)).name
    return (in_words(str(value)) if name in shown_settings() else str(value)) + unit


def told_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that describe how a run was trained, in the order of their declaration."""
    return {name: settings[name] for name in TrainSettings.model_fields if name in settings and name not in _PLACES}
