"""Input fields for the fields of a model, generated from their declarations: type, limits, unit, description, default."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.config import FormField, bare_type
from inspector.ui.shell import theme
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.settings_draft import SettingsDraft
from inspector.ui.widgets.themed import Themed

CONTEXT: Final = "settings"  # translation context of labels, descriptions, units and choices of settings
_DECIMALS: Final = 6
_ROOM_FOR_WORDS: Final = theme.SPACING * 88  # width of a row from which its description stands beside the editor
_WIDEST: Final = 1e9  # upper limit of a setting that declares none


def in_words(text: str) -> str:
    """Return a label, description, unit or choice of the settings in the window's language."""
    return QCoreApplication.translate(CONTEXT, text) if text else ""


def number_text(value: float) -> str:
    """Return the number without superfluous digits: "0.0005", "30"."""
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def empty_text() -> str:
    """Return the word for a setting without a value."""
    return QCoreApplication.translate("SettingRow", "empty")


class _Number(DoubleSpinBox):
    """A spin box for numbers of any magnitude, without trailing zeros."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.setDecimals(0 if whole else _DECIMALS)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:
        return number_text(value)

    def valueFromText(self, text: str) -> float:
        bare = text.removesuffix(self.suffix()).strip()
        try:
            return float(bare)
        except ValueError:
            return super().valueFromText(text)


class Editor:
    """A widget for the value of a setting. `widget` is shown; `focus` is the part that takes the keyboard focus.

    `shows_unit`: whether the widget shows the setting's unit itself.
    """

    shows_unit = False

    def __init__(self, widget: QWidget, focus: QWidget, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self.widget, self.focus = widget, focus
        self.read, self.write = read, write

    def name(self, name: str) -> None:
        """Set the accessible name."""
        self.focus.setAccessibleName(name)

    def retranslate(self) -> None:
        """Set the texts inside the widget in the window's language."""


class _NumberEditor(Editor):
    shows_unit = True

    def __init__(self, field: FieldInfo, shown: FormField, edited: Callable[[], None], *, whole: bool) -> None:
        low, high = limits(field)
        spin = _Number(whole=whole)
        box = NumberField(-_WIDEST if low is None else low, _WIDEST if high is None else high, field=spin)
        box.valueChanged.connect(lambda _: edited())
        super().__init__(box, spin, lambda: int(box.value()) if whole else round(box.value(), _DECIMALS), box.setValue)
        self._box, self._spin, self._unit = box, spin, shown.unit

    def name(self, name: str) -> None:
        less, more = QCoreApplication.translate("Field", "less"), QCoreApplication.translate("Field", "more")
        self._box.set_texts(name, less, more)

    def retranslate(self) -> None:
        self._spin.setSuffix(f" {in_words(self._unit)}" if self._unit else "")


class _ChoiceEditor(Editor):
    """A list of values; `labels` has the text of those that are not shown as they are."""

    def __init__(self, values: tuple[Any, ...], labels: Mapping[str, str], edited: Callable[[], None]) -> None:
        box = ComboBox()
        box.setMinimumHeight(theme.TOUCH)
        for value in values:
            box.addItem("", value)
        box.currentIndexChanged.connect(lambda _: edited())
        super().__init__(box, box, box.currentData, self._show)
        self._box, self._labels = box, labels
        self.retranslate()

    def _show(self, value: object) -> None:
        if self._box.findData(value) < 0 and value is not None:  # a value from a file that is no choice here; its error says so
            self._box.addItem(str(value), value)
        self._box.setCurrentIndex(self._box.findData(value))

    def retranslate(self) -> None:
        for index in range(self._box.count()):
            value = self._box.itemData(index)
            text = in_words(self._labels.get(value, str(value)))
            self._box.setItemText(index, empty_text() if value in (None, "") else text)


def make_editor(name: str, draft: SettingsDraft, edited: Callable[[], None]) -> Editor:
    """Return the widget for the type of a setting; `edited` is called after each change by a person."""
    field, shown = draft.model.model_fields[name], draft.fields[name]
    kind, nothing = bare_type(field.annotation), draft.default(name) is None
    is_optional = kind is not field.annotation
    if shown.choices is not None or get_origin(kind) is Literal:
        labels = shown.choices() if shown.choices is not None else {}
        values = tuple(labels) or get_args(kind)
        return _ChoiceEditor((None, *values) if is_optional else values, labels, edited)
    if kind is bool:
        return _check_editor(edited)
    if kind in (int, float) and not nothing and not is_optional:
        return _NumberEditor(field, shown, edited, whole=kind is int)
    if kind in (int, float):
        return _text_editor(edited, read=_number, write=_written)
    if kind is str:
        return _text_editor(edited, read=lambda text: text.strip() or (None if nothing else ""), write=_written)
    if set(get_args(kind)) <= {str, Ellipsis}:
        return _text_editor(edited, read=lambda text: _names(text) or (None if nothing else ()), write=_written)
    return _text_editor(edited, read=_pair, write=_written)


def _check_editor(edited: Callable[[], None]) -> Editor:
    box = QCheckBox()
    box.toggled.connect(lambda _: edited())
    return Editor(box, box, box.isChecked, box.setChecked)


def limits(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the declared minimum and maximum of a setting; exclusive limits are returned unchanged."""
    low = high = None
    for item in field.metadata:
        if isinstance(item, annotated_types.Ge | annotated_types.Gt):
            low = getattr(item, "ge", getattr(item, "gt", None))
        elif isinstance(item, annotated_types.Le | annotated_types.Lt):
            high = getattr(item, "le", getattr(item, "lt", None))
    return low, high


def _text_editor(edited: Callable[[], None], *, read: Callable[[str], Any], write: Callable[[Any], str]) -> Editor:
    box = QLineEdit()
    box.setMinimumHeight(theme.TOUCH)
    box.textEdited.connect(lambda _: edited())

    def show(value: Any) -> None:  # noqa: ANN401 - as different as the settings are
        if read(box.text()) != value or not box.text():  # keep commas and blanks while typing
            box.setText(write(value))

    return Editor(box, box, lambda: read(box.text()), show)


def _written(value: object) -> str:
    """Return a value as a person would type it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(_written, value))
    return number_text(value) if isinstance(value, int | float) else str(value)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def _number(text: str) -> object:
    """Parse a number; return None for empty text, and other text unchanged, so that the settings report the error."""
    try:
        number = float(text)
    except ValueError:
        return text.strip() or None
    return int(number) if number.is_integer() else number


def _pair(text: str) -> object:
    """Parse numbers separated by commas or blanks; return None for empty text, and other text unchanged, so that the settings
    report the error.
    """
    parts = re.split(r"[,;\s]+", text.strip())
    if parts == [""]:
        return None
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        return text
    return numbers


class SettingRow(Themed, QWidget):
    """One field of a draft: label, editor, description, default, and a reset button.

    Changed settings are marked. `text`: the text that the search uses.
    """

    def __init__(self, name: str, draft: SettingsDraft, parent: QWidget | None = None, *, narrow: bool = False) -> None:
        """Create the row. `narrow`: the description and the default stand in the tool tip, an error below the editor."""
        super().__init__(parent)
        self.name = name
        self._narrow = narrow
        self._grid: QGridLayout | None = None  # of a row that is not narrow
        self._below: bool | None = None  # whether its description stands below the editor
        self._draft = draft
        self._field = draft.model.model_fields[name]
        self._shown = draft.fields[name]
        self._label, self._why, self._default, self.error = QLabel(), QLabel(), QLabel(), QLabel()
        self.editor = make_editor(name, draft, self._edit)
        self.editor.focus.setObjectName(f"setting_{name}")
        self.reset = QToolButton()
        self.reset.setObjectName(f"reset_{name}")
        self._arrange()
        self.reset.clicked.connect(self._reset)
        draft.changed.connect(self._on_changed)
        self.refresh()
        self.retranslate()

    def _arrange(self) -> None:
        for label in (self._why, self.error):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setBuddy(self.editor.focus)
        self._label.setWordWrap(True)
        self._default.setProperty("role", "small")
        self._default.setTextFormat(Qt.TextFormat.PlainText)
        self.error.setProperty("role", "error")
        self.error.setObjectName(f"error_{self.name}")
        self.reset.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.reset.setIconSize(QSize(theme.ICON, theme.ICON))
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing moves when a value is changed
        self.reset.setSizePolicy(policy)
        grid = QGridLayout(self)
        if self._narrow:
            self._arrange_narrow(grid)
            return
        self._words = words = plain(QVBoxLayout(), 0)
        words.addWidget(self._why)
        words.addWidget(self._default)
        words.addWidget(self.error)
        grid.setContentsMargins(0, theme.SPACING // 2, 0, theme.SPACING // 2)
        grid.setHorizontalSpacing(theme.SPACING * 2)
        top = Qt.AlignmentFlag.AlignTop
        self._label.setMinimumHeight(theme.TOUCH)
        self.editor.widget.setFixedWidth(theme.SPACING * 28)
        grid.addWidget(self._label, 0, 0, top)
        grid.addWidget(self.editor.widget, 0, 1, top)
        grid.addWidget(self.reset, 0, 2, top)
        grid.setColumnStretch(3, 1)
        self._grid = grid
        self._place_words(below=False)

    def _place_words(self, *, below: bool) -> None:
        """Put the description beside the editor, or below it where there is no room."""
        if self._grid is None or below == self._below:
            return
        self._below = below
        self._grid.removeItem(self._words)
        self._label.setFixedWidth(theme.SPACING * (18 if below else 22))
        if below:
            self._grid.addLayout(self._words, 1, 0, 1, 4)
        else:
            self._grid.addLayout(self._words, 0, 3)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_words(below=self.width() < _ROOM_FOR_WORDS)

    def _arrange_narrow(self, grid: QGridLayout) -> None:
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACING)
        grid.setVerticalSpacing(0)
        self._why.setParent(self)
        self._default.setParent(self)
        self._why.hide()
        self._default.hide()
        self._label.setMinimumHeight(theme.TOUCH)
        wide = isinstance(self.editor.widget, ComboBox)  # whose texts are read in whole
        self.editor.widget.setFixedWidth(theme.SPACING * (27 if wide else 21))
        grid.addWidget(self._label, 0, 0)
        grid.addWidget(self.editor.widget, 0, 1)
        grid.addWidget(self.reset, 0, 2)
        grid.addWidget(self.error, 1, 0, 1, 3)
        grid.setColumnStretch(0, 1)

    @property
    def text(self) -> str:
        return f"{self.name} {self._label.text()} {self._why.text()}"

    @property
    def is_changed(self) -> bool:
        """Whether the value is the person's own."""
        return bool(self._draft.value(self.name) != self._draft.default(self.name))

    def _edit(self) -> None:
        self._draft.set(**{self.name: self.editor.read()})

    def _reset(self) -> None:
        self.editor.focus.setFocus()
        self._draft.reset([self.name])

    def _on_changed(self, names: frozenset[str]) -> None:
        if self.name in names:
            self.refresh()

    def refresh(self) -> None:
        """Show the draft's value, and whether it differs from the default."""
        with QSignalBlocker(self.editor.widget), QSignalBlocker(self.editor.focus):
            self.editor.write(self._draft.value(self.name))
        self.reset.setVisible(self.is_changed)
        self._say()

    def show_error(self, text: str) -> None:
        """Show the error of the value; empty: none."""
        self.error.setText(text)
        self.error.setVisible(bool(text))

    def _say(self) -> None:
        label = in_words(self._shown.label)
        if self._shown.unit and not self.editor.shows_unit:
            label = f"{label} ({in_words(self._shown.unit)})"
        self._label.setText(f"<b>{label} *</b>" if self.is_changed else label)
        changed = self.tr("{name}, changed").format(name=label) if self.is_changed else label
        self.editor.name(changed)
        parts = (self._default_text(), self._limits())
        self._default.setText(" ".join(part for part in parts if part))
        if self._narrow:
            tip = "\n".join(part for part in (self._why.text(), self._default.text()) if part)
            self._label.setToolTip(tip)
            self.editor.focus.setToolTip(tip)

    def _default_text(self) -> str:
        default = self._draft.default(self.name)
        if default is None and self._field.is_required():
            return ""
        advised = self.name in self._draft.advised
        template = self.tr("Recommended: {value}") if advised else self.tr("Default: {value}")
        return template.format(value=self._value_text(default))

    def _value_text(self, value: object) -> str:
        if value is None or value == "" or value == ():
            return empty_text()
        if isinstance(value, bool):
            return self.tr("on") if value else self.tr("off")
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in value)
        unit = f" {in_words(self._shown.unit)}" if self._shown.unit else ""
        if isinstance(value, int | float):
            return number_text(value) + unit
        labels = self._shown.choices() if self._shown.choices is not None else {}
        return in_words(labels.get(str(value), str(value))) + unit

    def _limits(self) -> str:
        low, high = limits(self._field)
        if low is None:
            return ""
        if high is None:
            return self.tr("(from {low})").format(low=number_text(low))
        return self.tr("({low} to {high})").format(low=number_text(low), high=number_text(high))

    def retranslate(self) -> None:
        why = in_words(self._field.description or "")
        self._why.setText(why[:1].upper() + why[1:])
        self._why.setVisible(bool(why) and not self._narrow)
        self.reset.setIcon(theme.icon("retry"))
        text = self.tr("Back to the default: {name}").format(name=in_words(self._shown.label))
        self.reset.setAccessibleName(text)
        self.reset.setToolTip(text)
        self.editor.retranslate()
        self._say()

    def restyle(self) -> None:
        self.retranslate()
