"""Words of training that several pages use."""

from PySide6.QtCore import QCoreApplication

from inspector.core.types import TaskName


def task_word(task: TaskName) -> str:
    """What a person calls a task."""
    words: dict[TaskName, str] = {
        "classification": QCoreApplication.translate("training", "Classification"),
        "detection": QCoreApplication.translate("training", "Detection"),
        "segmentation": QCoreApplication.translate("training", "Segmentation"),
        "thermal": QCoreApplication.translate("training", "Temperatures"),
    }
    return words[task]


def task_sentence(task: TaskName) -> str:
    """What is learnt by it."""
    words: dict[TaskName, str] = {
        "classification": QCoreApplication.translate("training", "Which class a whole image is of"),
        "detection": QCoreApplication.translate("training", "Where objects are, as boxes, and of which class"),
        "segmentation": QCoreApplication.translate("training", "Which pixels are a defect, and of which class"),
        "thermal": QCoreApplication.translate("training", "The hottest, mean and coldest temperature"),
    }
    return words[task]


def minutes_text(minutes: float) -> str:
    """ "about 12 min", "about 2.5 h": no more precise than an estimate is."""
    if minutes < 1:
        return QCoreApplication.translate("training", "less than a minute")
    if minutes < 90:
        return QCoreApplication.translate("training", "about {minutes} min").format(minutes=round(minutes))
    return QCoreApplication.translate("training", "about {hours} h").format(hours=f"{minutes / 60:.1f}")
