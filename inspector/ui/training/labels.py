"""Texts about training that several pages share."""

from typing import Final

from PySide6.QtCore import QCoreApplication

from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.ui.shell.strings import class_name

DEMO_FOLDER: Final = "demo-data"  # of the user's data: pictures of the demo line to train on


def task_word(task: TaskName) -> str:
    """Return the display name of a task."""
    return QCoreApplication.translate("tasks", TASKS[task].label)


def task_sentence(task: TaskName) -> str:
    """Return a sentence on what the task learns."""
    return QCoreApplication.translate("tasks", TASKS[task].about)


def minutes_text(minutes: float) -> str:
    """Return the time as text, with the precision of an estimate: "about 12 min", "about 2.5 h"."""
    if minutes < 1:
        return QCoreApplication.translate("training", "less than a minute")
    if minutes < 90:
        return QCoreApplication.translate("training", "about {minutes} min").format(minutes=round(minutes))
    return QCoreApplication.translate("training", "about {hours} h").format(hours=f"{minutes / 60:.1f}")


def depth_word(depth: str) -> str:
    """Return the survey's image depth in the window's language."""
    words = {
        "8-bit grey": QCoreApplication.translate("training", "8-bit grey"),
        "8-bit colour": QCoreApplication.translate("training", "8-bit colour"),
        "16-bit grey": QCoreApplication.translate("training", "16-bit grey"),
        "16-bit colour": QCoreApplication.translate("training", "16-bit colour"),
        "float grey": QCoreApplication.translate("training", "float grey"),
        "float colour": QCoreApplication.translate("training", "float colour"),
    }
    return words.get(depth, depth)


def label_word(label: str) -> str:
    """Return the label of a class in a confusion matrix; "(none)": nothing was labelled, or nothing was found."""
    return QCoreApplication.translate("results", "(none)") if label == "(none)" else class_name(label)
