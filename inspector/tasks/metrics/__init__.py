"""Quality in numbers: accuracy and F1, average precision, Dice and IoU, temperature error. numpy only.

`compute()` gives one flat table; a number for one class is called "dice/scratch". Every number is 0 when no frame was seen.
"""

from inspector.tasks.metrics.classification import ClassificationMetrics
from inspector.tasks.metrics.detection import DetectionMetrics
from inspector.tasks.metrics.segmentation import SegmentationMetrics
from inspector.tasks.metrics.thermal import TemperatureMetrics

__all__ = ["ClassificationMetrics", "DetectionMetrics", "SegmentationMetrics", "TemperatureMetrics"]
