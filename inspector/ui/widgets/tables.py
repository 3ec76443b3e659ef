"""Tables whose numbers sort as numbers and can be copied."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QItemSelectionModel, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QGuiApplication, QIcon, QKeyEvent, QKeySequence, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from inspector.core.spreadsheet import table_text
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

KEY_ROLE = Qt.ItemDataRole.UserRole
SORT_ROLE = Qt.ItemDataRole.UserRole + 1
_FIRST = 3 * theme.TOUCH  # pixels of the first column that its texts get at least, if they need them


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, and the number it sorts by (None: its text)."""

    text: str
    sort: float | None = None
    color: QColor | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `key` is returned when the row is selected."""

    key: int
    cells: tuple[Cell, ...]


class _Item(QTableWidgetItem):
    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, theirs = self.data(SORT_ROLE), other.data(SORT_ROLE)
        if isinstance(mine, float) and isinstance(theirs, float):
            return mine < theirs
        return self.text() < other.text()


class ValueTable(Themed, QTableWidget):
    """Rows of values. Sorted by a click on a header; Ctrl+C copies what is selected, tab-separated with the headers."""

    picked = Signal(object)  # the key of the selected row, or None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 0, parent)
        self._minor: int | None = None
        self._whole = False
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSortingEnabled(True)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.TOUCH)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumHeight(theme.TOUCH)
        self.setMinimumHeight(theme.TOUCH * 4)
        self.itemSelectionChanged.connect(self._on_selection)

    def set_titles(self, titles: Sequence[str]) -> None:
        """Set the column headers."""
        self.setColumnCount(len(titles))
        self.setHorizontalHeaderLabels(list(titles))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(theme.TOUCH)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        first = self.horizontalHeaderItem(0)
        if first is not None:
            first.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Replace the rows; sort order and selected key are kept."""
        selected = self.selected_key()
        with QSignalBlocker(self):
            self.setSortingEnabled(False)
            self.setRowCount(len(rows))
            for number, row in enumerate(rows):
                for column, cell in enumerate(row.cells):
                    self.setItem(number, column, _item(row.key, cell))
            self.setSortingEnabled(True)
            self._pick(selected)
        self._fit_columns()
        self._fit_height()

    def set_whole(self) -> None:
        """Be as high as all rows, at least one: for a table inside a panel that scrolls itself."""
        self._whole = True
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._fit_height()

    def _fit_height(self) -> None:
        if self._whole:
            header, bar = self.horizontalHeader(), self.horizontalScrollBar()
            rows = max(1, self.rowCount()) * self.verticalHeader().defaultSectionSize()
            below = bar.sizeHint().height() if header.length() > self._width() else 0
            self.setFixedHeight(max(header.sizeHint().height(), header.minimumHeight()) + rows + below + 2 * self.frameWidth())

    def _width(self) -> int:
        """Return the width of all columns that needs no scrolling."""
        return self.width() - 2 * self.frameWidth()

    def set_minor(self, column: int | None) -> None:
        """Set the column that shrinks first when there is not enough room; it is still copied. None: no column."""
        self._minor = column
        self._fit_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()
        self._fit_height()

    def _fit_columns(self) -> None:
        """Fit number columns to their widest text; the first column takes the rest, or `_FIRST` if there is less."""
        if not self.columnCount():
            return
        for column in range(1, self.columnCount()):
            self.setColumnWidth(column, self._needed(column))
        if self._minor is not None:
            self.setColumnHidden(self._minor, False)
            needed = sum(self.columnWidth(column) for column in range(1, self.columnCount()))
            self.setColumnHidden(self._minor, needed + _FIRST > self.viewport().width())
        first = min(self._needed(0), _FIRST)
        others = sum(self.columnWidth(column) for column in range(1, self.columnCount()))
        mode = QHeaderView.ResizeMode
        fits = others + first <= self.viewport().width()
        self.horizontalHeader().setSectionResizeMode(0, mode.Stretch if fits else mode.Interactive)
        if not fits:
            self.setColumnWidth(0, first)

    def _needed(self, column: int) -> int:
        """Return the pixels of width that the texts of a column need."""
        metrics = QFontMetrics(theme.font("body", bold=True))
        texts = [self._title(column), *(self._text(row, column) for row in range(self.rowCount()))]
        lines = [line for text in texts for line in (text.splitlines() or [""])]
        return max(metrics.horizontalAdvance(line) for line in lines) + 3 * theme.SPACING

    def selected_key(self) -> int | None:
        rows = self.selectionModel().selectedRows()
        return None if not rows else int(rows[0].data(KEY_ROLE))

    def select_key(self, key: int | None) -> None:
        """Select the row of `key` without a signal; None selects nothing."""
        if key != self.selected_key():
            with QSignalBlocker(self):
                self._pick(key)

    def keys(self) -> list[int]:
        """Return the keys from top to bottom."""
        return [int(self.model().index(row, 0).data(KEY_ROLE)) for row in range(self.rowCount())]

    def as_text(self, *, separator: str = "\t", only_selected: bool = False) -> str:
        """Return the table as it is shown, with its headers, one line a row."""
        columns = range(self.columnCount())
        chosen = {index.row() for index in self.selectionModel().selectedRows()} if only_selected else set()
        rows = [row for row in range(self.rowCount()) if not chosen or row in chosen]
        lines = [[self._title(column) for column in columns]]
        lines += [[self._text(row, column) for column in columns] for row in rows]
        return table_text(lines, separator=separator)

    def copy(self) -> None:
        """Copy the selected row to the clipboard, or all rows if none is selected."""
        QGuiApplication.clipboard().setText(self.as_text(only_selected=True))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() == Qt.Key.Key_Escape:
            self.clearSelection()
        else:
            super().keyPressEvent(event)

    def restyle(self) -> None:
        self.verticalHeader().setDefaultSectionSize(theme.TOUCH)

    def _title(self, column: int) -> str:
        item = self.horizontalHeaderItem(column)
        return item.text() if item is not None else ""

    def _text(self, row: int, column: int) -> str:
        item = self.item(row, column)
        return item.text() if item is not None else ""

    def _pick(self, key: int | None) -> None:
        row = next((row for row, own in enumerate(self.keys()) if own == key), None) if key is not None else None
        if row is None:
            self.selectionModel().clearSelection()
            return
        mode = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().select(self.model().index(row, 0), mode)
        self.scrollTo(self.model().index(row, 0))
        self.viewport().update()

    def _on_selection(self) -> None:
        self.picked.emit(self.selected_key())


def _item(key: int, cell: Cell) -> QTableWidgetItem:
    item = _Item(cell.text)
    item.setData(KEY_ROLE, key)
    item.setToolTip(plain_tip(cell.text))
    if cell.sort is not None:
        item.setData(SORT_ROLE, float(cell.sort))
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if cell.color is not None:
        swatch = QPixmap(theme.SPACING * 2, theme.SPACING * 2)
        swatch.fill(cell.color)
        item.setIcon(QIcon(swatch))
    return item
