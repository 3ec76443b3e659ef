"""The time line of a review: a slider whose groove shows every verdict by colour, height and symbol."""

from typing import Final

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.core.types import SEVERITY, Verdict
from inspector.ui.inspect.panels.verdict_tile import paint_badge
from inspector.ui.shell import theme
from inspector.ui.widgets.inputs import Slider
from inspector.ui.widgets.themed import Themed

_ORDER: Final = tuple(sorted(SEVERITY, key=lambda verdict: SEVERITY[verdict]))  # code k + 1 is _ORDER[k]; 0: not inspected yet
_HEIGHT: Final = {Verdict.OK: 0.35, Verdict.REVIEW: 0.6, Verdict.NOT_INSPECTED: 0.75, Verdict.NG: 1.0}


class TimeLine(Themed, Slider):
    """A slider over the parts. Where several parts share a pixel, the worst verdict is shown, so that no NG part is hidden."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._codes = np.zeros(0, np.uint8)
        self.setFixedHeight(theme.TOUCH)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_count(0)

    def set_count(self, count: int) -> None:
        """Start over with this number of parts, none of them inspected."""
        self._codes = np.zeros(count, np.uint8)
        self.setRange(0, max(0, count - 1))
        self.setEnabled(count > 0)
        self.update()

    def set_verdict(self, index: int, verdict: Verdict) -> None:
        self._codes[index] = _ORDER.index(verdict) + 1
        self.update()

    def verdict(self, index: int) -> Verdict | None:
        code = int(self._codes[index])
        return _ORDER[code - 1] if code else None

    def sizeHint(self) -> QSize:
        return QSize(theme.SPACING * 40, theme.TOUCH)

    def index_at(self, x: float) -> int:
        """Return the part at a point."""
        room = self._room()
        share = (x - room.left()) / max(room.width(), 1.0)
        return min(max(int(share * len(self._codes)), 0), max(len(self._codes) - 1, 0))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and len(self._codes):
            self.setValue(self.index_at(event.position().x()))
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and len(self._codes):
            self.setValue(self.index_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dress, room = theme.current(), self._room()
        painter.fillRect(room, dress.color("idle"))
        count = len(self._codes)
        if count:
            cell = room.width() / count
            if cell >= theme.SPACING:
                self._paint_cells(painter, room, cell)
            else:
                self._paint_columns(painter, room)
            self._paint_marker(painter, room, cell)
        if self.hasFocus():
            painter.setPen(QPen(dress.color("accent"), theme.SPACING / 4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _room(self) -> QRectF:
        space = theme.SPACING
        return QRectF(self.rect()).adjusted(space, space, -space, -space)

    def _paint_cells(self, painter: QPainter, room: QRectF, cell: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, code in enumerate(self._codes.tolist()):
            if code:
                verdict, left, width = _ORDER[code - 1], room.left() + index * cell, max(cell - 1, 1.0)
                side = min(cell - theme.SPACING / 4, theme.SPACING * 2.5)
                if side < theme.SPACING * 1.5:  # too narrow for a symbol: the height shows the verdict
                    painter.fillRect(_bar(room, left, width, verdict), theme.current().verdict(verdict))
                    continue
                rect = QRectF(left, room.top(), width, room.height())
                painter.fillRect(rect, theme.current().verdict(verdict))
                box = QRectF(rect.center().x() - side / 2, rect.center().y() - side / 2, side, side)
                paint_badge(painter, verdict, box)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_columns(self, painter: QPainter, room: QRectF) -> None:
        columns = max(1, int(room.width()))
        starts = np.arange(columns) * len(self._codes) // columns
        worst = np.maximum.reduceat(self._codes, starts)
        for column in np.flatnonzero(worst).tolist():
            verdict = _ORDER[int(worst[column]) - 1]
            painter.fillRect(_bar(room, room.left() + column, 1.0, verdict), theme.current().verdict(verdict))

    def _paint_marker(self, painter: QPainter, room: QRectF, cell: float) -> None:
        width = max(cell, theme.SPACING / 2)
        centre = room.left() + (self.value() + 0.5) * cell
        painter.setPen(QPen(theme.current().color("text"), theme.SPACING / 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(centre - width / 2, room.top() - theme.SPACING / 2, width, room.height() + theme.SPACING))


def _bar(room: QRectF, left: float, width: float, verdict: Verdict) -> QRectF:
    height = room.height() * _HEIGHT[verdict]
    return QRectF(left, room.bottom() - height, width, height)
