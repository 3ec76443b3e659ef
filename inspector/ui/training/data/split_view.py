"""The split into training, validation and test images, with a preview of the result while it is edited."""

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.data.samples import PARTS
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate
from inspector.ui.training.data.dataset_threads import Division, Shares
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.setting_fields import SettingRow
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed

FIELDS: Final = ("val", "test", "group", "seed")
_PAUSE_MS: Final = 200  # delay after the last key press


class SplitView(Themed, QWidget):
    """The split. `wanted` carries the Shares whose result `show_division` is to show; `told`: the result is known."""

    wanted = Signal(object)
    told = Signal()

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._division: Division | None = None
        self._why, self._examples, self._trouble = QLabel(), QLabel(), QLabel()
        for label in (self._why, self._examples, self._trouble):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._examples.setProperty("role", "small")
        self._trouble.setProperty("role", "error")
        self._trouble.setObjectName("split_trouble")
        self.table = ValueTable()
        self.table.setObjectName("split")
        self.table.setMinimumHeight(theme.TOUCH * 5)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as listed until a header is pressed
        self.rows = {name: SettingRow(name, draft, narrow=True) for name in FIELDS}
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(0, 0, theme.SPACING, 0)
        box.setSpacing(theme.SPACING)
        box.addWidget(self._why)
        box.addWidget(self.table)
        box.addWidget(self._trouble)
        for row in self.rows.values():
            box.addWidget(row)
        box.addWidget(self._examples)
        box.addStretch(1)
        area = scrolled(inside)
        plain(QVBoxLayout(self)).addWidget(area)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self.ask)
        draft.changed.connect(self._on_changed)
        self.retranslate()

    def ask(self) -> None:
        """Request the result of the split."""
        errors = self._say()
        if not errors.get("") and not any(name in errors for name in FIELDS):
            values = {name: self._draft.value(name) for name in FIELDS}
            self.wanted.emit(Shares(**values))

    def show_division(self, division: Division | None) -> None:
        """Show the requested result; None: the result is no longer known."""
        self._division = division
        self._say()
        self._fill()
        self.told.emit()

    @property
    def trouble(self) -> Message | None:
        """The reason the data cannot be split with these shares; None: it can, or the result is not known yet."""
        trouble = self._division.trouble if self._division is not None else None
        return trouble.problem if trouble is not None else None

    def _say(self) -> Mapping[str, str]:
        """Show errors next to the fields and below the table; return them by setting, with "" for
        errors that concern several.
        """
        errors = self._draft.errors()
        for name, row in self.rows.items():
            row.show_error(errors.get(name, ""))
        text = errors.get("") or (translate(self.trouble) if self.trouble is not None else "")
        self._trouble.setText(text)
        self._trouble.setVisible(bool(text))
        return errors

    def _on_changed(self, names: frozenset[str]) -> None:
        if names & {*FIELDS}:
            self._timer.start()

    def _fill(self) -> None:
        division = self._division
        if division is None:
            self.table.set_rows([])
            self._examples.clear()
            return
        self.table.set_titles(["", self.tr("Training"), self.tr("Validation"), self.tr("Test")])
        kinds = sorted({name for counts in division.classes.values() for name in counts})
        lines: list[tuple[str, Mapping[str, int]]] = [
            (self.tr("Images"), division.images),
            (self.tr("Groups"), division.groups),
        ]
        lines += [
            (class_name(kind), {part: counts.get(kind, 0) for part, counts in division.classes.items()}) for kind in kinds
        ]
        rows = []
        for key, (name, numbers) in enumerate(lines):
            counts = [numbers.get(part, 0) for part in PARTS]
            rows.append(Row(key, (Cell(name), *(Cell(f"{count:,}", count) for count in counts))))
        self.table.set_rows(rows)
        examples = [self.tr("{name} is of {group}").format(name=name, group=group) for name, group in division.examples]
        self._examples.setText("  ·  ".join(examples))

    def retranslate(self) -> None:
        self._why.setText(
            self.tr("Images of one part or lot stay together, so that the test shows only what training has never seen.")
        )
        self.table.setAccessibleName(self.tr("Split"))
        self._say()
        self._fill()
