"""The alternatives to the recommendation: a sentence each, with its price, and a button that chooses it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.training.labels import minutes_text
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed


class Alternative(Protocol):
    """Values of `TrainSettings` to use instead, their benefit, and their price in minutes of training."""

    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def minutes(self) -> float: ...
    @property
    def trade(self) -> Message: ...


class Considered(Themed, QWidget):
    """The list of alternatives. `chosen` carries the settings of the alternative whose button was pressed."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._alternatives: tuple[Alternative, ...] = ()
        self._rows: list[tuple[QWidget, QLabel, QPushButton]] = []
        self._title = QLabel()
        self._title.setProperty("role", "strong")
        self._box = plain(QVBoxLayout(self), theme.SPACING)
        self._box.addWidget(self._title)
        self.show_alternatives(())

    @property
    def buttons(self) -> list[QPushButton]:
        """The buttons, one for each alternative, in order."""
        return [button for _, _, button in self._rows]

    def show_alternatives(self, alternatives: Sequence[Alternative]) -> None:
        """Show these alternatives."""
        if self._rows and tuple(alternatives) == self._alternatives:
            return
        self._alternatives = tuple(alternatives)
        for row, _, _ in self._rows:
            self._box.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows = [self._row(one) for one in self._alternatives]
        self.setVisible(bool(self._rows))
        self.retranslate()

    def _row(self, one: Alternative) -> tuple[QWidget, QLabel, QPushButton]:
        row, text, button = QWidget(), QLabel(), QPushButton()
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        button.setObjectName("choose_alternative")
        button.clicked.connect(lambda: self.chosen.emit(one.settings))
        line = plain(QHBoxLayout(row), theme.SPACING)
        line.addWidget(text, 1)
        line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        self._box.addWidget(row)
        return row, text, button

    def retranslate(self) -> None:
        self._title.setText(self.tr("Also considered"))
        for one, (_, text, button) in zip(self._alternatives, self._rows, strict=True):
            time = self.tr("Training takes {time}.").format(time=minutes_text(one.minutes))
            words = f"{translate(one.trade)} {time}"
            text.setText(words)
            button.setText(self.tr("Choose"))
            button.setAccessibleName(self.tr("Choose: {words}").format(words=words))
