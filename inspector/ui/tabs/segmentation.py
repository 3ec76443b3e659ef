"""The segmentation tab: the mask over the frame, with the area of each class."""

from typing import ClassVar

from PySide6.QtWidgets import QCheckBox, QLabel, QWidget

from inspector.core.types import Answer, Masks, Prediction
from inspector.tasks.masks import Area, areas_of, class_map
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.overlays import BoxMark, ClassLayer, Overlays, RegionMark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.tabs.base import caption, headed, mm_per_px
from inspector.ui.tabs.controls import CopyButton, ShareSlider
from inspector.ui.tabs.threshold import ThresholdTab
from inspector.ui.widgets.tables import Cell, Row, ValueTable

LABELLED = 12  # number of the largest connected areas that get a label
SMALLEST_PX = 4.0  # smaller connected areas are invisible to a person


class SegmentationTab(ThresholdTab):
    """The mask with adjustable opacity, a legend with count and area of each class, and labels on the largest areas."""

    answer: ClassVar[type[Answer] | None] = Masks

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.opacity = ShareSlider(percent=True, one_line=True)
        self.opacity.set_value(self.canvas.opacity)
        self.opacity.moved.connect(self.canvas.set_opacity)
        self.labels = QCheckBox()
        self.labels.setChecked(True)
        self.labels.setMinimumHeight(theme.TOUCH)
        self.labels.toggled.connect(self._on_threshold)
        self.legend_title = caption(QLabel())
        self.legend = ValueTable()
        self.copy = CopyButton()
        self.copy.clicked.connect(self.legend.copy)
        self.findings.addLayout(headed(self.legend_title, self.copy))
        self.findings.addWidget(self.legend)
        self.legend.set_whole()
        self.panel.addWidget(self.opacity)
        self.panel.addWidget(self.labels)
        self.panel.addStretch(1)
        self.retranslate()

    def show_found(self, prediction: Prediction | None) -> None:
        if prediction is None:
            self.canvas.set_overlays(Overlays())
            self.legend.set_rows([])
            self.copy.setEnabled(False)
            return
        classes = class_map(prediction, self.threshold.value())
        found = areas_of(classes, prediction.region, min_area_px=SMALLEST_PX)
        scale = mm_per_px(self.recipe, prediction)
        marks = tuple(_mark(prediction, area, n, scale) for n, area in enumerate(found[:LABELLED]))
        layer, outline = ClassLayer(prediction.region, classes), RegionMark(prediction.region)
        shown = marks if self.labels.isChecked() else ()
        self.canvas.set_overlays(Overlays(boxes=shown, regions=(outline,), layers=(layer,)), key=f"areas:{prediction.bundle}")
        self.legend.setColumnHidden(3, scale is None)
        self.legend.set_minor(None if scale is None else 2)
        self.legend.set_rows([_row(prediction, index, found, scale) for index in range(len(prediction.classes))])
        self.copy.setEnabled(True)

    def missing(self) -> str:
        return self.tr("This recipe has no bundle that marks areas.")

    def retranslate(self) -> None:
        super().retranslate()
        self.opacity.set_texts(self.tr("Opacity"))
        self.labels.setText(self.tr("Outline and label areas"))
        self.labels.setAccessibleName(self.tr("Outline and label areas"))
        self.legend_title.setText(self.tr("Areas"))
        self.legend.set_titles([self.tr("Class"), self.tr("Count"), self.tr("px"), self.tr("mm²")])
        self.legend.setAccessibleName(self.tr("Areas"))


def _mark(prediction: Prediction, area: Area, number: int, mm: float | None) -> BoxMark:
    size = f"{area.area_px:.0f} px" if mm is None else f"{area.area_px * mm * mm:.1f} mm²"
    box = area.bbox
    label = f"{class_name(prediction.classes[area.class_index])} {size}"
    return BoxMark((box.x, box.y, box.right, box.bottom), area.class_index, label, number)


def _row(prediction: Prediction, index: int, found: list[Area], mm: float | None) -> Row:
    own = [area.area_px for area in found if area.class_index == index]
    total = sum(own)
    cells = [
        Cell(class_name(prediction.classes[index]), color=theme.current().class_color(index)),
        Cell(f"{len(own)}", len(own)),
        Cell(f"{total:.0f}", total),
        Cell("" if mm is None else f"{total * mm * mm:.1f}", total),
    ]
    return Row(index, tuple(cells))
