"""The revisions of a recipe: who wrote which one when, what differs, and the step back."""

from pathlib import Path

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.addresses import hide_secrets
from inspector.core.errors import ConfigError
from inspector.recipes.difference import Difference, differences
from inspector.recipes.revisions import Revision, list_revisions
from inspector.ui.shell import theme
from inspector.ui.shell.strings import time_text
from inspector.ui.tabs.base import caption
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed


class RevisionsPanel(Themed, QWidget):
    """Shows the revisions, the newest first. `back_wanted`: the one before the present is to be written again."""

    back_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._revisions: list[Revision] = []
        self.table, self.differences = ValueTable(), ValueTable()
        for table in (self.table, self.differences):
            table.set_whole()
            table.setSortingEnabled(False)
            table.horizontalHeader().setSectionsClickable(False)
        self._title = caption(QLabel())
        self._none = QLabel()
        self._none.setWordWrap(True)
        self.back = QPushButton()
        self.back.setObjectName("step_back")
        self.back.setIconSize(QSize(theme.ICON, theme.ICON))
        self.back.clicked.connect(self.back_wanted)
        self.table.picked.connect(lambda _: self._compare())
        box = QVBoxLayout(self)
        box.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        box.setSpacing(theme.SPACING)
        for widget in (self._none, self.table, self.back, self._title, self.differences):
            box.addWidget(widget)
        box.addStretch(1)
        self.retranslate()

    def open(self, path: Path | None) -> None:
        """Show the revisions of this recipe."""
        self._revisions = list_revisions(path) if path is not None else []
        self._fill()

    def _fill(self) -> None:
        rows = [
            Row(
                place,
                (
                    Cell(str(one.number)),
                    Cell(one.who or "–"),
                    Cell(time_text(one.utc)),
                ),
            )
            for place, one in enumerate(self._revisions)
        ]
        self.table.set_rows(rows)
        several = len(rows) > 1
        self._none.setVisible(not rows)
        for widget in (self.table, self._title, self.differences):
            widget.setVisible(bool(rows))
        self.back.setVisible(several)
        self._compare()

    def _compare(self) -> None:
        """Show what the chosen revision, or the newest, changed in the one before it."""
        place = self.table.selected_key() or 0
        found: tuple[Difference, ...] = ()
        if place + 1 < len(self._revisions):
            try:
                found = differences(self._revisions[place + 1].load(), self._revisions[place].load())
            except ConfigError:
                found = ()
        rows = [Row(at, (Cell(one.where), Cell(_text(one.before)), Cell(_text(one.after)))) for at, one in enumerate(found)]
        self.differences.set_rows(rows)
        number = self._revisions[place].number if self._revisions else 0
        text = self.tr("What revision {number} changed") if found else self.tr("Revision {number} changed no value")
        self._title.setText(text.format(number=number))

    def retranslate(self) -> None:
        self.table.set_titles([self.tr("Revision"), self.tr("Who"), self.tr("When")])
        self.table.setAccessibleName(self.tr("Revisions"))
        self.differences.set_titles([self.tr("Value"), self.tr("Before"), self.tr("After")])
        self.differences.setAccessibleName(self.tr("Differences"))
        self._none.setText(self.tr("Revisions are kept from the first save on this page."))
        self.back.setText(self.tr("One step back"))
        self.back.setAccessibleName(self.tr("One step back"))
        self._fill()
        self.restyle()

    def restyle(self) -> None:
        self.back.setIcon(theme.icon("retry"))


def _text(value: object) -> str:
    return "–" if value is None else hide_secrets(str(value))
