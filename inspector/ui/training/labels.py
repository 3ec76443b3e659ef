"""Words of training that several pages use."""

from PySide6.QtCore import QCoreApplication

from inspector.core.types import TaskName


def task_word(task: TaskName) -> str:
    """Return what a person calls a task."""
    words: dict[TaskName, str] = {
        "classification": QCoreApplication.translate("training", "Classification"),
        "detection": QCoreApplication.translate("training", "Detection"),
        "segmentation": QCoreApplication.translate("training", "Segmentation"),
        "thermal": QCoreApplication.translate("training", "Temperatures"),
    }
    return words[task]


def task_sentence(task: TaskName) -> str:
    """Return what is learnt by it."""
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


def depth_word(depth: str) -> str:
    """Return what a survey says of the depth of images, in the window's language."""
    words = {
        "8-bit grey": QCoreApplication.translate("training", "8-bit grey"),
        "8-bit colour": QCoreApplication.translate("training", "8-bit colour"),
        "16-bit grey": QCoreApplication.translate("training", "16-bit grey"),
        "16-bit colour": QCoreApplication.translate("training", "16-bit colour"),
        "float grey": QCoreApplication.translate("training", "float grey"),
        "float colour": QCoreApplication.translate("training", "float colour"),
    }
    return words.get(depth, depth)
