"""Quality metrics: accuracy and F1, average precision, Dice and IoU, temperature error. numpy only.

`compute()` returns one flat table; a number for one class is named like "dice/scratch". Every number is 0 if no frame was
added.
"""

from inspector.tasks.metrics.classification import ClassificationMetrics
from inspector.tasks.metrics.detection import DetectionMetrics
from inspector.tasks.metrics.segmentation import SegmentationMetrics
from inspector.tasks.metrics.thermal import TemperatureMetrics

__all__ = ["ClassificationMetrics", "DetectionMetrics", "SegmentationMetrics", "TemperatureMetrics"]
