"""The detection tab: boxes with class and score, and an adjustable threshold."""

from typing import ClassVar

from PySide6.QtWidgets import QLabel, QWidget

from inspector.core.types import Answer, Boxes, Prediction, Scores
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.overlays import Overlays, RegionMark, box_marks, region_mark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.tabs.base import caption, headed, mm_per_px
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.tabs.threshold import ThresholdTab
from inspector.ui.widgets.tables import Cell, Row, ValueTable


class DetectionTab(ThresholdTab):
    """Boxes on the canvas and in a table; selecting a box in either selects it in both."""

    answer: ClassVar[type[Answer] | None] = Boxes

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.count = caption(QLabel())
        self.table = ValueTable()
        self.copy = CopyButton()
        self.copy.clicked.connect(self.table.copy)
        self.findings.addLayout(headed(self.count, self.copy))
        self.findings.addWidget(self.table)
        self.table.set_whole()
        self.panel.addStretch(1)
        self.table.picked.connect(self._on_picked)
        self.link.selection_changed.connect(self._on_selection)
        self.retranslate()

    def show_found(self, prediction: Prediction | None) -> None:
        marks = box_marks(prediction, self.threshold.value()) if prediction is not None else ()
        own = (RegionMark(prediction.region),) if prediction is not None else ()
        self.canvas.set_overlays(Overlays(boxes=marks, regions=own + self._classified()), key=self._key())
        self.count.setText(self.tr("Boxes: {count}").format(count=len(marks)))
        self.table.set_rows([_row(prediction, mark.index, self._scale(prediction)) for mark in marks] if prediction else [])
        self.table.select_key(self.link.selection(self._key()))
        self.copy.setEnabled(bool(marks))

    def missing(self) -> str:
        return self.tr("This recipe has no bundle that finds boxes.")

    def retranslate(self) -> None:
        super().retranslate()
        self.table.set_titles([self.tr("Class"), self.tr("Score"), self.tr("Size px"), self.tr("Size mm")])
        self.table.setAccessibleName(self.tr("Boxes"))

    def _scale(self, prediction: Prediction) -> float | None:
        scale = mm_per_px(self.recipe, prediction)
        self.table.setColumnHidden(3, scale is None)
        self.table.set_minor(None if scale is None else 2)
        return scale

    def _classified(self) -> tuple[RegionMark, ...]:
        """Return the classifiers' results for the regions of this frame."""
        frame, found = self.frame(), self.inspection.predictions if self.inspection is not None else ()
        camera = frame.camera if frame is not None else ""
        return tuple(
            region_mark(prediction)
            for prediction in found
            if isinstance(prediction.answer, Scores) and prediction.camera == camera
        )

    def _key(self) -> str:
        prediction = self.prediction()
        return f"boxes:{prediction.bundle}:{prediction.camera}" if prediction is not None else "boxes"

    def _on_picked(self, key: object) -> None:
        self.link.select(self._key(), key if isinstance(key, int) else None)

    def _on_selection(self) -> None:
        self.table.select_key(self.link.selection(self._key()))


def _mm(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _row(prediction: Prediction, index: int, mm: float | None) -> Row:
    boxes = prediction.expect(Boxes)
    left, top, right, bottom = (float(value) for value in boxes.xyxy[index])
    width, height, score = right - left, bottom - top, float(boxes.scores[index])
    kind = int(boxes.classes[index])
    cells = [
        Cell(class_name(prediction.classes[kind]), color=theme.current().class_color(kind)),
        Cell(f"{score:.2f}", score),
        Cell(f"{width:.0f}×{height:.0f}", width * height),
        Cell("" if mm is None else f"{_mm(width * mm)}×{_mm(height * mm)}", width * height),
    ]
    return Row(index, tuple(cells))
