"""Views of a heat map beside its overlay: the original, the map alone, and the bar of its colours."""

from dataclasses import replace
from typing import Final

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from inspector.core.types import Floats, Frame
from inspector.imaging.colormaps import PALETTES, indices
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.canvas.overlays import HeatLayer
from inspector.ui.canvas.rendering import Display
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

PALETTE: Final = "inferno"


class HeatViews(Themed, QWidget):
    """The frame as it is, above its heat map; both move with the tab's own canvas."""

    def __init__(self, link: ViewLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.original, self.map = Canvas(self, link=link), Canvas(self, link=link)
        self.map.set_display(Display(0.0, 255.0, PALETTE))
        column = plain(QVBoxLayout(self), theme.SPACING // 2)
        column.addWidget(self.original)
        column.addWidget(self.map)
        self.retranslate()

    def show_heat(self, frame: Frame | None, layer: HeatLayer | None) -> None:
        """Show a frame and its heat map; without a map the lower view is empty."""
        self.original.show_frame(frame)
        if frame is None or layer is None:
            self.map.show_frame(None)
            return
        pixels, region = np.zeros((frame.height, frame.width), np.uint8), layer.region
        pixels[region.y : region.bottom, region.x : region.right] = indices(layer.values, 0.0, 1.0)
        self.map.show_frame(replace(frame, pixels=pixels, unit="intensity", bits=None))

    def retranslate(self) -> None:
        self.original.setAccessibleName(self.tr("Original"))
        self.original.set_hint(self.tr("Original"))
        self.map.setAccessibleName(self.tr("Heat map"))
        self.map.set_hint(self.tr("Heat map"))


class HeatBar(Themed, QWidget):
    """The colours of a heat map from none to most."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ends = ("", "")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.retranslate()

    def sizeHint(self) -> QSize:
        return QSize(theme.SPACING * 20, theme.SPACING * 5)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        bar = QRectF(0, 0, self.width(), theme.SPACING * 2)
        colors = QLinearGradient(bar.topLeft(), QPointF(bar.right(), 0))
        for step in range(0, 256, 5):
            colors.setColorAt(step / 255, QColor(*PALETTES[PALETTE][step].tolist()))
        painter.fillRect(bar, colors)
        painter.setFont(theme.font("small"))
        painter.setPen(theme.current().color("muted"))
        below = QRectF(0, bar.bottom(), self.width(), self.height() - bar.height())
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._ends[0])
        painter.drawText(below, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._ends[1])
        painter.end()

    def retranslate(self) -> None:
        self._ends = (self.tr("no heat"), self.tr("most heat"))
        self.setAccessibleName(self.tr("Colours of the heat map"))
        self.update()

    def restyle(self) -> None:
        self.update()


def clipped(values: Floats, share: float) -> Floats:
    """Return a heat map whose lowest and highest `share` (0..0.5) of pixels are cut off, stretched to 0..1 again."""
    if share <= 0 or not values.any():
        return values
    low, high = (float(end) for end in np.quantile(values, (share, 1 - share)))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0), np.float32)


def in_a_row(pictures: list[QImage]) -> QImage:
    """Return pictures of one height beside each other."""
    shown = [picture for picture in pictures if not picture.isNull()]
    row = QImage(sum(picture.width() for picture in shown), max(p.height() for p in shown), QImage.Format.Format_RGB32)
    painter, at = QPainter(row), 0
    for picture in shown:
        painter.drawImage(QPointF(at, 0), picture)
        at += picture.width()
    painter.end()
    return row
