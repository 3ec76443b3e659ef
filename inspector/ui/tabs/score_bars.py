"""The scores of a classifier as bars, with the threshold across them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.core.spreadsheet import table_text
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

_ROW: Final = theme.SPACING * 4


@dataclass(frozen=True, slots=True)
class Score:
    """A class, its score 0..1, and whether it is a class of good parts."""

    name: str
    value: float
    good: bool


class ScoreBars(Themed, QWidget):
    """A row for each class: its name, a bar, its score. Good classes have a ring, all others a cross, beside their colours."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scores: tuple[Score, ...] = ()
        self._threshold: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_scores(self, scores: Sequence[Score], threshold: float | None) -> None:
        """Show these scores in this order; the threshold is the score that a bad class needs to be NG."""
        if len(scores) != len(self.scores):
            self.updateGeometry()
        self.scores, self._threshold = tuple(scores), threshold
        self.setAccessibleDescription(", ".join(f"{one.name} {one.value:.2f}" for one in self.scores))
        self.update()

    def copy(self) -> None:
        """Copy the scores to the clipboard, one line a class."""
        rows = [[self.tr("Class"), self.tr("Score")], *([one.name, f"{one.value:.4f}"] for one in self.scores)]
        QGuiApplication.clipboard().setText(table_text(rows, separator="\t"))

    def sizeHint(self) -> QSize:
        return QSize(theme.SPACING * 30, max(1, len(self.scores)) * _ROW)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.SPACING * 20, max(1, len(self.scores)) * _ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dress, metrics = theme.current(), QFontMetrics(theme.font("body"))
        widest = max((metrics.horizontalAdvance(one.name) for one in self.scores), default=0)
        names = min(widest, self.width() * 2 // 5) + theme.SPACING
        numbers = metrics.horizontalAdvance("0.00") + theme.SPACING
        room = QRectF(names + _ROW / 2, 0, max(1, self.width() - names - numbers - _ROW / 2), self.height())
        for row, one in enumerate(self.scores):
            top = row * _ROW
            painter.setFont(theme.font("body", bold=row == 0))
            painter.setPen(dress.color("text"))
            name = metrics.elidedText(one.name, Qt.TextElideMode.ElideMiddle, names - theme.SPACING)
            painter.drawText(QRectF(_ROW / 2, top, names, _ROW), Qt.AlignmentFlag.AlignVCenter, name)
            _paint_sign(painter, QRectF(0, top, _ROW / 2, _ROW), good=one.good)
            groove = QRectF(room.left(), top + _ROW / 4, room.width(), _ROW / 2)
            painter.fillRect(groove, dress.color("idle"))
            groove.setWidth(room.width() * one.value)
            painter.fillRect(groove, dress.color("ok" if one.good else "ng"))
            painter.setPen(dress.color("text"))
            right = QRectF(self.width() - numbers, top, numbers, _ROW)
            painter.drawText(right, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{one.value:.2f}")
        if self._threshold is not None and self.scores:
            x = room.left() + room.width() * self._threshold
            painter.setPen(QPen(dress.color("text"), theme.SPACING / 4, Qt.PenStyle.DashLine))
            painter.drawLine(round(x), 0, round(x), len(self.scores) * _ROW)
        if self.hasFocus():
            painter.setPen(dress.color("accent"))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


def _paint_sign(painter: QPainter, place: QRectF, *, good: bool) -> None:
    side = theme.SPACING
    box = QRectF(place.left(), place.center().y() - side / 2, side, side)
    painter.setPen(QPen(theme.current().color("ok" if good else "ng"), theme.SPACING / 4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if good:
        painter.drawEllipse(box)
    else:
        painter.drawLine(box.topLeft(), box.bottomRight())
        painter.drawLine(box.topRight(), box.bottomLeft())
