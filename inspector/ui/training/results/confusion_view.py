"""The confusion matrix: a table whose cells are darker the larger their share of the row."""

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from inspector.core.spreadsheet import table_text
from inspector.runs.report import Confusion
from inspector.ui.shell import theme
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.training.labels import label_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_LEAST: Final = 0.06  # minimum opacity of a non-empty cell, so that it is visible


class ConfusionView(Themed, QWidget):
    """The matrix. `picked` carries (truth, said) of the pressed cell, as named in the report."""

    picked = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._confusion: Confusion | None = None
        self._title, self._hint = QLabel(), QLabel()
        self._title.setProperty("role", "strong")
        self._hint.setProperty("role", "small")
        self._hint.setWordWrap(True)
        self.copy_button = CopyButton()
        self.copy_button.setObjectName("copy_confusion")
        self.table = QTableWidget()
        self.copy_button.serve(self.table, self.copy)
        self.table.setObjectName("confusion")
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.verticalHeader().setDefaultSectionSize(theme.TOUCH)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.horizontalHeader().setMinimumHeight(theme.TOUCH)
        self.table.horizontalHeader().setMinimumSectionSize(theme.TOUCH * 2)
        self.table.cellClicked.connect(self._pick)
        self.table.cellActivated.connect(self._pick)
        head = plain(QHBoxLayout())
        head.addWidget(self._title, 1)
        head.addWidget(self.copy_button)
        box = plain(QVBoxLayout(self))
        box.addLayout(head)
        box.addWidget(self._hint)
        box.addWidget(self.table, 1)
        self.retranslate()

    def show_confusion(self, confusion: Confusion | None) -> None:
        """Show these counts; None: the task has none."""
        self._confusion = confusion
        self.retranslate()

    def _fill(self) -> None:
        confusion = self._confusion
        self.table.setVisible(confusion is not None)
        self.copy_button.setVisible(confusion is not None)
        if confusion is None:
            self.table.setRowCount(0)
            return
        words = [label_word(label) for label in confusion.labels]
        self.table.setRowCount(len(words))
        self.table.setColumnCount(len(words))
        self.table.setHorizontalHeaderLabels(words)
        self.table.setVerticalHeaderLabels(words)
        for row, counts in enumerate(confusion.counts):
            whole = max(sum(counts), 1)
            for column, count in enumerate(counts):
                self.table.setItem(row, column, self._cell(words[row], words[column], count, count / whole, row == column))
        self.table.resizeColumnsToContents()

    def _cell(self, truth: str, said: str, count: int, share: float, right: bool) -> QTableWidgetItem:
        item = QTableWidgetItem(f"{count:,}" if count else "·")
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        dress = theme.current()
        strength = max(share, _LEAST) if count else 0.0
        ground = _mixed(dress.color("surface"), dress.color("ok" if right else "ng"), strength)
        item.setBackground(ground)
        item.setForeground(_on(ground))
        text = self.tr("{truth}, said to be {said}: {count} ({share:.0f} % of the row)")
        text = text.format(truth=truth, said=said, count=f"{count:,}", share=100 * share)
        item.setToolTip(plain_tip(text))
        item.setData(Qt.ItemDataRole.AccessibleTextRole, text)
        return item

    def _pick(self, row: int, column: int) -> None:
        if self._confusion is not None:
            self.picked.emit(self._confusion.labels[row], self._confusion.labels[column])

    def as_text(self, separator: str = "\t") -> str:
        """Return the counts with their labels, one line a row."""
        rows: list[list[object]] = []
        if self._confusion is not None:
            rows.append(["", *self._confusion.labels])
            rows += [[label, *counts] for label, counts in zip(self._confusion.labels, self._confusion.counts, strict=True)]
        return table_text(rows, separator=separator)

    def copy(self) -> None:
        """Copy the counts to the clipboard."""
        QGuiApplication.clipboard().setText(self.as_text())

    def retranslate(self) -> None:
        self._title.setText(self.tr("What was taken for what"))
        confusion = self._confusion
        units = {"images": self.tr("images"), "objects": self.tr("objects"), "pixels": self.tr("pixels")}
        text = self.tr("Rows: what it is. Columns: what the network said. Counted are {unit}. Press a cell to see its images.")
        none = self.tr("There is no such table for this task.")
        self._hint.setText(text.format(unit=units[confusion.unit]) if confusion is not None else none)
        self.table.setAccessibleName(self.tr("What was taken for what"))
        self.copy_button.setIcon(theme.icon("copy"))
        self._fill()

    def restyle(self) -> None:
        self.retranslate()


def _on(ground: QColor) -> QColor:
    """Return black or white, whichever has more contrast to the background (WCAG 2, relative luminance)."""
    light = 0.2126 * ground.redF() ** 2.2 + 0.7152 * ground.greenF() ** 2.2 + 0.0722 * ground.blueF() ** 2.2
    return QColor(Qt.GlobalColor.white if light < 0.179 else Qt.GlobalColor.black)


def _mixed(ground: QColor, color: QColor, share: float) -> QColor:
    pairs = ((ground.red(), color.red()), (ground.green(), color.green()), (ground.blue(), color.blue()))
    parts = (round(one * (1 - share) + other * share) for one, other in pairs)
    return QColor(*parts)
