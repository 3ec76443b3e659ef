"""The list beside the picture: the parts, which of them are shown in which order, and the comparison with their folders."""

from typing import Final

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QToolButton, QVBoxLayout, QWidget

from inspector.core.types import Verdict
from inspector.ui.review.table import Column, PartsFilter, PartsModel, PartsTable
from inspector.ui.review.truth import Comparison, right_share
from inspector.ui.shell import theme
from inspector.ui.shell.strings import verdict_word
from inspector.ui.training.results.confusion_view import ConfusionView
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox, TabWidget
from inspector.ui.widgets.themed import Themed

FILTERS: Final = (None, Verdict.NG, Verdict.REVIEW, Verdict.NOT_INSPECTED, Verdict.OK)
_COMPARE_MS: Final = 300  # between two counts of the table of folders while parts are inspected


class Listing(Themed, QWidget):
    """The parts. `chosen` carries the index of a part that a person picked."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = PartsModel(self)
        self.shown_parts = PartsFilter(self)
        self.shown_parts.setSourceModel(self.model)
        self.table = PartsTable()
        self.table.setModel(self.shown_parts)
        self._dress_table()
        self.filter = ComboBox()
        self.filter.setMinimumHeight(theme.TOUCH)
        self.filter.addItems([""] * len(FILTERS))
        self.least_certain = QToolButton()
        self.least_certain.setObjectName("least_certain_first")
        self.least_certain.setCheckable(True)
        self.least_certain.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.least_certain.setIconSize(QSize(theme.ICON, theme.ICON))
        self.folders = ConfusionView()
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_COMPARE_MS)
        self._arrange()
        self._late.timeout.connect(self._compare)
        self.filter.currentIndexChanged.connect(lambda index: self.shown_parts.show_only(FILTERS[index]))
        self.least_certain.toggled.connect(self._sort)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.folders.picked.connect(self._on_cell)
        self.retranslate()

    def _dress_table(self) -> None:
        table = self.table
        table.setSortingEnabled(True)
        table.sortByColumn(Column.NUMBER, Qt.SortOrder.AscendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setAlternatingRowColors(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names often differ at their end
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(theme.TOUCH)
        table.horizontalHeader().setMinimumHeight(theme.TOUCH)
        table.horizontalHeader().setStretchLastSection(True)
        table.setColumnWidth(Column.NUMBER, theme.SPACING * 8)
        table.setColumnWidth(Column.VERDICT, theme.SPACING * 16)
        table.setColumnWidth(Column.MARGIN, theme.SPACING * 10)

    def _arrange(self) -> None:
        head = plain(QHBoxLayout())
        head.addWidget(self.filter, 1)
        head.addWidget(self.least_certain)
        parts = QWidget()
        column = plain(QVBoxLayout(parts))
        column.addLayout(head)
        column.addWidget(self.table, 1)
        self.tabs = TabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(parts, "")
        self.tabs.addTab(self.folders, "")
        self.tabs.tabBar().hide()  # until the folders say something
        plain(QVBoxLayout(self)).addWidget(self.tabs)

    def open(self, names: tuple[str, ...], truths: tuple[str, ...]) -> None:
        """Start over with these parts."""
        self.model.set_names(names, truths)
        self.tabs.setCurrentIndex(0)
        self._compare()

    def compare_later(self) -> None:
        """Count the table of folders again, once for the parts that come in a short time."""
        if not self._late.isActive():
            self._late.start()

    def select(self, index: int) -> None:
        """Select a part without a signal."""
        where = self.shown_parts.mapFromSource(self.model.index(index, 0))
        selection = self.table.selectionModel()
        with QSignalBlocker(selection):
            mode = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            selection.setCurrentIndex(where, mode)
        if where.isValid():
            self.table.scrollTo(where)
        self.table.viewport().update()

    def _sort(self, least_certain: bool) -> None:
        self.table.sortByColumn(Column.MARGIN if least_certain else Column.NUMBER, Qt.SortOrder.AscendingOrder)
        self.table.scrollToTop()
        self.restyle()

    def _compare(self) -> None:
        confusion = Comparison(self.model.outcomes()).confusion()
        self.folders.show_confusion(confusion)
        self.tabs.tabBar().setVisible(confusion is not None)
        if confusion is None:
            self.tabs.setCurrentIndex(0)
        else:
            self.tabs.setTabText(1, self.tr("Folders {share:.0f} %").format(share=100 * right_share(confusion)))

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        row = self.shown_parts.mapToSource(current).row()
        if row >= 0:
            self.chosen.emit(row)

    def _on_cell(self, truth: str, said: str) -> None:
        row = self.model.first_in(truth, said)
        if row is not None:
            self.chosen.emit(row)

    def retranslate(self) -> None:
        self.table.setAccessibleName(self.tr("Parts"))
        self.tabs.setAccessibleName(self.tr("Parts and folders"))
        self.tabs.setTabText(0, self.tr("Parts"))
        self.filter.setAccessibleName(self.tr("Show"))
        for index, verdict in enumerate(FILTERS):
            self.filter.setItemText(index, self.tr("All parts") if verdict is None else verdict_word(verdict))
        text = self.tr("Least certain first")
        self.least_certain.setToolTip(text)
        self.least_certain.setAccessibleName(text)
        self.restyle()
        self._compare()

    def restyle(self) -> None:
        self.least_certain.setIcon(theme.icon("sort", "on_accent" if self.least_certain.isChecked() else "text"))
