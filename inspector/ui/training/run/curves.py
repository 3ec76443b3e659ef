"""The two charts of a run (loss and quality), the choice of visible curves, and their export."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QBuffer, QIODevice, QSize, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.spreadsheet import table_text
from inspector.ui.shell import theme
from inspector.ui.training.run.chart import Chart, Series
from inspector.ui.training.run.history import LOSS, VAL_LOSS, RunHistory
from inspector.ui.training.run.labels import measure_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.file_dialogs import ask_new_file
from inspector.ui.widgets.themed import Themed

_AT_FIRST: Final = 3  # number of curves drawn until a person chooses


class Curves(Themed, QWidget):
    """The two charts. `failed` carries the StorageError of a file that could not be written."""

    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = RunHistory()
        self._shown: tuple[RunHistory, int] | None = None
        self._hidden: frozenset[str] | None = None  # curves that a person has hidden; None: no choice made
        self.loss, self.quality = Chart(), Chart()
        self.loss.setObjectName("chart_loss")
        self.quality.setObjectName("chart_quality")
        self.which, self.export = QToolButton(), QToolButton()
        for button in (self.which, self.export):
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.setMinimumWidth(theme.TOUCH)
            button.setMenu(QMenu(button))
            self.quality.head.addWidget(button)
        self.which.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.actions_: dict[str, QAction] = {}
        for name in ("picture", "table", "copy"):
            action = QAction(self)
            action.triggered.connect(lambda _=False, name=name: self._take_along(name))
            self.export.menu().addAction(action)
            self.actions_[name] = action
        row = plain(QHBoxLayout(self), theme.SPACING * 2)
        for chart in (self.loss, self.quality):
            row.addWidget(chart, 1)
            chart.pointed.connect(self._point)
        self.retranslate()

    def show_history(self, history: RunHistory) -> None:
        """Draw the curves of this run if they have changed."""
        if self._shown == (history, history.version):
            return
        self._history, self._shown = history, (history, history.version)
        self._draw()

    def table(self) -> str:
        """Return every number of every epoch as CSV with a header."""
        return table_text(self._history.as_rows())

    def save_picture(self, file: Path) -> None:
        """Save both charts as shown, as PNG. Raises StorageError."""
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self.grab().save(buffer, "PNG")
        write_atomically(file, bytes(buffer.data().data()))

    def save_table(self, file: Path) -> None:
        """Save `table()` as a file. Raises StorageError."""
        write_atomically(file, self.table().encode())

    def _draw(self) -> None:
        history, epochs = self._history, self._history.epochs
        losses = [Series(LOSS, self.tr("Training"), history.column(LOSS))]
        if VAL_LOSS in history.names:
            losses.append(Series(VAL_LOSS, self.tr("Validation"), history.column(VAL_LOSS)))
        self.loss.show_curves(epochs, losses, best=history.best_epoch)
        hidden = frozenset(history.measured[_AT_FIRST:]) if self._hidden is None else self._hidden
        series = [Series(name, measure_word(name), history.column(name)) for name in history.measured if name not in hidden]
        self.quality.show_curves(epochs, series, best=history.best_epoch)
        self._list_numbers(hidden)
        self.export.setEnabled(len(history) > 0)

    def _list_numbers(self, hidden: frozenset[str]) -> None:
        """Fill the menu with the available numbers."""
        menu, names = self.which.menu(), self._history.measured
        if [action.data() for action in menu.actions()] != list(names):
            menu.clear()
            for name in names:
                action = menu.addAction(measure_word(name))
                action.setData(name)
                action.setCheckable(True)
                action.setChecked(name not in hidden)
                action.toggled.connect(self._on_chosen)
        self.which.setEnabled(len(names) > 1)

    def _on_chosen(self) -> None:
        self._hidden = frozenset(str(action.data()) for action in self.which.menu().actions() if not action.isChecked())
        self._draw()

    def _point(self, epoch: float | None) -> None:
        for chart in (self.loss, self.quality):
            chart.point_at(epoch)

    def _take_along(self, what: str) -> None:
        if what == "copy":
            rows = self._history.as_rows()
            QGuiApplication.clipboard().setText("\n".join("\t".join(row) for row in rows) + "\n")
            return
        if what == "table":
            title, kinds, name = self.tr("Save table"), self.tr("Tables (*.csv)"), "curves.csv"
        else:
            title, kinds, name = self.tr("Save picture"), self.tr("Pictures (*.png)"), "curves.png"
        ask_new_file(self, title, lambda path: self._save_to(path, what), kinds=kinds, name=name)

    def _save_to(self, path: Path, what: str) -> None:
        try:
            (self.save_table if what == "table" else self.save_picture)(path)
        except StorageError as error:
            self.failed.emit(error)

    def retranslate(self) -> None:
        self.loss.set_title(self.tr("Loss"), self.tr("Loss"))
        self.quality.set_title(self.tr("Quality"), self.tr("On validation"))
        self.which.setText(self.tr("Numbers"))
        self.which.setAccessibleName(self.tr("Numbers to draw"))
        self.export.setAccessibleName(self.tr("Save the curves"))
        self.export.setToolTip(self.tr("Save the curves"))
        words = {"picture": self.tr("Picture (PNG)…"), "table": self.tr("Table (CSV)…"), "copy": self.tr("Copy table")}
        for name, action in self.actions_.items():
            action.setText(words[name])
        self.which.menu().clear()
        self._draw()
        self.restyle()

    def restyle(self) -> None:
        self.export.setIcon(theme.icon("save"))
