"""A form for the settings of anything: built from the declarations of a pydantic model, nothing is written twice."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from inspector.core.config import FiniteModel
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.setting_fields import SettingRow
from inspector.ui.widgets.settings_draft import SettingsDraft


class SettingsForm(QWidget):
    """A row for each field of a model, with an editor for its type and the error of its value in a sentence.

    Fields without an editor (tables, nested models) have no row; they keep the value given for them. `changed`: a person
    changed a value, valid or not.
    """

    changed = Signal()

    def __init__(
        self,
        model: type[FiniteModel],
        values: Mapping[str, Any] = MappingProxyType({}),
        parent: QWidget | None = None,
        *,
        names: Sequence[str] | None = None,
        narrow: bool = False,
    ) -> None:
        """Create the form.

        `values`: what has been set already, as in a file. `names`: only these fields, in this order. `narrow`: for a panel at
        the side, where descriptions stand in the tool tips.
        """
        super().__init__(parent)
        self.draft = SettingsDraft(model, values, self)
        self.rows = {name: SettingRow(name, self.draft, narrow=narrow) for name in (names or self.draft.fields)}
        self._whole = QLabel()  # an error that concerns several fields
        self._whole.setObjectName("error_form")
        self._whole.setProperty("role", "error")
        self._whole.setWordWrap(True)
        self._whole.setTextFormat(Qt.TextFormat.PlainText)
        box = plain(QVBoxLayout(self), theme.SPACING)
        box.addWidget(self._whole)
        for row in self.rows.values():
            box.addWidget(row)
        self.draft.changed.connect(self._on_changed)
        self.check()

    def values(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, as for a file: `model(**form.values())` where there is no error."""
        return dict(self.draft.own)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show other values. `changed` is not emitted."""
        self.blockSignals(True)
        self.draft.replace(values)
        self.blockSignals(False)

    def errors(self) -> dict[str, str]:
        """Return the errors on display, by field; "" for one that concerns several fields."""
        labels = {"": self._whole} | {name: row.error for name, row in self.rows.items()}
        return {name: label.text() for name, label in labels.items() if label.text()}

    def check(self) -> None:
        """Show the errors of the values."""
        elsewhere = self.draft.model.model_fields.keys() - self.rows.keys()  # these are edited in another form
        errors = {name: text for name, text in self.draft.errors().items() if name not in elsewhere}
        self._whole.setText(show_errors(self.rows, errors))
        self._whole.setVisible(bool(self._whole.text()))

    def _on_changed(self) -> None:
        self.check()
        self.changed.emit()


def show_errors(rows: Mapping[str, SettingRow], errors: Mapping[str, str]) -> str:
    """Show each error at its row; return those that have no row, one a line."""
    for name, row in rows.items():
        row.show_error(errors.get(name, ""))
    return "\n".join(f"{name}: {text}" if name else text for name, text in errors.items() if name not in rows)
