"""A canvas on which a region is drawn, or a distance measured."""

import math
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from inspector.recipes.recipe import RegionModel
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.shell import theme

Tool = Literal["", "region", "distance"]
_SMALLEST_PX = 4  # of a region; less is a press that slipped


class DrawingCanvas(Canvas):
    """With a tool in hand a drag draws; without one it moves the picture.

    `region_drawn` carries a RegionModel inside the frame, `distance_drawn` a length in pixels of the frame. `put_down`: the
    tool was used or laid aside with Escape.
    """

    region_drawn = Signal(object)
    distance_drawn = Signal(float)
    put_down = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tool: Tool = ""
        self._from: QPointF | None = None
        self._to = QPointF()

    @property
    def tool(self) -> Tool:
        return self._tool

    def take(self, tool: Tool) -> None:
        """Take a tool in hand; "": none."""
        self._tool, self._from = tool, None
        self.setCursor(Qt.CursorShape.CrossCursor if tool else Qt.CursorShape.ArrowCursor)
        if tool:
            self.setFocus()
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._tool and self.frame is not None and event.button() == Qt.MouseButton.LeftButton:
            self._from = self._to = event.position()
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._from is not None:
            self._to = event.position()
            self.update()
        else:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._from is None or self.frame is None:
            super().mouseReleaseEvent(event)
            return
        start, tool = self._from, self._tool
        self._to = event.position()
        placement = self.placement()
        x0, y0 = placement.to_frame(start.x(), start.y())
        x1, y1 = placement.to_frame(self._to.x(), self._to.y())
        self.take("")
        if tool == "distance":
            length = math.hypot(x1 - x0, y1 - y0)
            if length >= 1:
                self.distance_drawn.emit(length)
        else:
            region = _inside((x0, y0), (x1, y1), (self.frame.width, self.frame.height))
            if region is not None:
                self.region_drawn.emit(region)
        self.put_down.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._tool and event.key() == Qt.Key.Key_Escape:
            self.take("")
            self.put_down.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._from is None:
            return
        painter = QPainter(self)
        painter.setPen(QPen(theme.current().color("accent"), theme.SPACING / 4))
        if self._tool == "distance":
            painter.drawLine(self._from, self._to)
        else:
            painter.drawRect(QRectF(self._from, self._to).normalized())
        painter.end()


def _inside(one: tuple[float, float], other: tuple[float, float], frame: tuple[int, int]) -> RegionModel | None:
    """Return the rectangle between two points, cut to the frame; None if hardly anything is left."""
    left, right = sorted(min(max(round(x), 0), frame[0]) for x in (one[0], other[0]))
    top, bottom = sorted(min(max(round(y), 0), frame[1]) for y in (one[1], other[1]))
    if right - left < _SMALLEST_PX or bottom - top < _SMALLEST_PX:
        return None
    return RegionModel(x=left, y=top, width=right - left, height=bottom - top)
