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
