"""The list of reviewed parts: name, verdict and reason, with sorting, filter and export."""

import math
from enum import IntEnum
from typing import Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QIcon, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import QTableView

from inspector.core.spreadsheet import table_text
from inspector.core.types import SEVERITY, Verdict
from inspector.ui.inspect.panels.verdict_tile import paint_badge
from inspector.ui.review.thread import Line
from inspector.ui.review.truth import Comparison, Outcome
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.widgets.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex
NOWHERE: Final = QModelIndex()
NAME_WIDTH: Final = theme.SPACING * 19


class Column(IntEnum):
    NUMBER = 0
    NAME = 1
    VERDICT = 2
    MARGIN = 3
    REASON = 4


class PartsModel(QAbstractTableModel):
    """The table model, with a row for each part in order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._truths: tuple[str, ...] = ()
        self._lines: dict[int, Line] = {}

    def set_names(self, names: tuple[str, ...], truths: tuple[str, ...]) -> None:
        """Replace all rows with these parts; `truths`: what each is, by its folder."""
        self.beginResetModel()
        self._names, self._truths, self._lines = names, truths, {}
        self.endResetModel()

    def outcomes(self) -> list[Outcome]:
        """Return what every inspected part is and was said to be."""
        return [Outcome(self._truths[row], line.said, line.verdict) for row, line in self._lines.items()]

    def first_in(self, truth: str, said: str) -> int | None:
        """Return the first part that is this and was said to be that, in the words of the confusion table."""
        outcomes = self.outcomes()
        words = Comparison(outcomes).words
        return min((row for row, one in zip(self._lines, outcomes, strict=True) if words(one) == (truth, said)), default=None)

    def set_line(self, line: Line) -> None:
        """Set the outcome of a part."""
        self._lines[line.index] = line
        self.dataChanged.emit(self.index(line.index, Column.NUMBER), self.index(line.index, Column.REASON))

    def line(self, index: int) -> Line | None:
        return self._lines.get(index)

    def count_inspected(self) -> int:
        return len(self._lines)

    def rowCount(self, parent: Index = NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._names)

    def columnCount(self, parent: Index = NOWHERE) -> int:
        return 0 if parent.isValid() else len(Column)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        column, line = Column(index.column()), self._lines.get(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index.row(), column)
        if role == Qt.ItemDataRole.ToolTipRole and column != Column.NUMBER:
            return plain_tip(self._text(index.row(), column))
        if role == Qt.ItemDataRole.DecorationRole and column == Column.NUMBER and line is not None:
            return badge_icon(line.verdict)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return " ".join(self._text(index.row(), part) for part in Column)
        if role == Qt.ItemDataRole.UserRole:  # the sort key
            if column == Column.VERDICT:
                return SEVERITY[line.verdict] if line is not None else -1
            if column == Column.MARGIN:
                return line.margin if line is not None and line.margin is not None else math.inf
            return index.row() if column == Column.NUMBER else self._text(index.row(), column).casefold()
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return {
            Column.NUMBER: "#",
            Column.NAME: self.tr("Name"),
            Column.VERDICT: self.tr("Verdict"),
            Column.MARGIN: self.tr("Margin"),
            Column.REASON: self.tr("Reason"),
        }[Column(section)]

    def as_csv(self) -> str:
        """Return all parts as CSV: number, name, verdict, reasons, milliseconds, margin, folder and most likely class.

        Parts not inspected yet have no verdict.
        """
        rows: list[list[object]] = [["number", "name", "verdict", "reasons", "latency_ms", "margin", "folder", "class"]]
        for row, name in enumerate(self._names):
            line = self._lines.get(row)
            outcome = [line.verdict.value, self._reasons(line), f"{line.latency_ms:.1f}"] if line else ["", "", ""]
            near = _margin_text(line)
            rows.append([row + 1, name, *outcome, near, self._truths[row], line.said if line else ""])
        return table_text(rows, end="\r\n")

    def _text(self, row: int, column: Column) -> str:
        line = self._lines.get(row)
        if column == Column.NUMBER:
            return str(row + 1)
        if column == Column.NAME:
            return self._names[row]
        if line is None:
            return ""
        if column == Column.MARGIN:
            return _margin_text(line)
        return verdict_word(line.verdict) if column == Column.VERDICT else self._reasons(line)

    def _reasons(self, line: Line) -> str:
        return "; ".join(translate(reason) for reason in line.reasons)


def _margin_text(line: Line | None) -> str:
    return "" if line is None or line.margin is None else f"{line.margin:.2f}"


class PartsFilter(QSortFilterProxyModel):
    """The parts in sorted order, all or those with a given verdict."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._only: Verdict | None = None
        self.setSortRole(Qt.ItemDataRole.UserRole)
        self.setDynamicSortFilter(True)

    def show_only(self, verdict: Verdict | None) -> None:
        self._only = verdict
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        if self._only is None:
            return True
        model = self.sourceModel()
        line = model.line(row) if isinstance(model, PartsModel) else None
        return line is not None and line.verdict is self._only


def badge_icon(verdict: Verdict) -> QIcon:
    """Return a verdict's symbol in its colour, for lists."""
    pixmap = QPixmap(theme.ICON * 2, theme.ICON * 2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint_badge(painter, verdict, QRectF(pixmap.rect()))
    painter.end()
    return QIcon(pixmap)


class PartsTable(QTableView):
    """The list at the side of the picture. In a narrow list the name takes the full width, so that no column is cut off."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.viewport().width() - self.columnWidth(Column.NUMBER)
        both = NAME_WIDTH + self.columnWidth(Column.VERDICT)
        self.setColumnWidth(Column.NAME, NAME_WIDTH if room >= both else room)
