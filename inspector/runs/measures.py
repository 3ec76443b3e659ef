"""Names and explanations of the metrics for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """A short label, one sentence, and the unit: "" for numbers between 0 and 1 where larger is better."""

    label: str
    help: str
    unit: Literal["", "K"] = ""


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "accuracy": Measure("Accuracy", "share of the images whose class was recognised"),
        "balanced_accuracy": Measure("Balanced accuracy", "mean over the classes of the share that was recognised"),
        "macro_f1": Measure("Macro F1", "mean of the classes' F1: rare classes count as much as frequent ones"),
        "precision": Measure("Precision", "share of what was called so that is so"),
        "recall": Measure("Recall", "share of what is so that was called so"),
        "f1": Measure("F1", "harmonic mean of precision and recall"),
        "map50": Measure("mAP50", "average precision at an overlap (IoU) of 0.5, mean over the classes"),
        "map50_95": Measure("mAP50-95", "the same over overlaps from 0.50 to 0.95: boxes must lie exactly"),
        "ap50": Measure("AP50", "average precision at an overlap (IoU) of 0.5"),
        "ap50_95": Measure("AP50-95", "the same over overlaps from 0.50 to 0.95"),
        "dice": Measure("Dice", "overlap of pixels: twice the common ones over the sum of both"),
        "iou": Measure("IoU", "overlap of pixels: the common ones over those of either"),
        "macro_dice": Measure("Macro Dice", "mean of the classes' Dice"),
        "mean_iou": Measure("Mean IoU", "mean of the defect classes' IoU"),
        "defect_iou": Measure("Defect IoU", "IoU of any defect against background, whatever the class"),
        "image_recall": Measure("Images found", "share of the images with a defect in which something was found"),
        "image_false_reject": Measure("False alarms", "share of the good images in which something was found"),
        "mae_kelvin": Measure("Mean error", "mean absolute error of the temperatures", "K"),
    }
)


def measure_of(name: str) -> Measure | None:
    """Return the description of "recall" or "recall/scratch"; None for metrics not meant for people (`minus_mae_kelvin`)."""
    return MEASURES.get(name.partition("/")[0])
