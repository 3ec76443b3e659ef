"""Input fields for settings, generated from the settings' declarations: type, limits, unit, description, default."""

import re
from collections.abc import Callable
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt
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

from inspector.runs.settings import Shown, TrainSettings, shown_settings
from inspector.ui.shell import theme
from inspector.ui.tabs.controls import NumberField
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.themed import Themed

CONTEXT: Final = "train_settings"  # translation context of labels, descriptions, units and choices of `TrainSettings`
_DECIMALS: Final = 6
_WIDEST: Final = 1e9  # upper limit of a setting that declares none


def in_words(text: str) -> str:
    """Return a label, description, unit or choice of the settings in the window's language."""
    return QCoreApplication.translate(CONTEXT, text) if text else ""


def number_text(value: float) -> str:
    """Return the number without superfluous digits: "0.0005", "30"."""
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")


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
    """A widget for the value of a setting. `widget` is shown; `focus` is the part that takes the keyboard focus."""

    def __init__(self, widget: QWidget, focus: QWidget, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self.widget, self.focus = widget, focus
        self.read, self.write = read, write

    def name(self, name: str) -> None:
        """Set the accessible name."""
        if isinstance(self.widget, NumberField):
            less, more = QCoreApplication.translate("Field", "less"), QCoreApplication.translate("Field", "more")
            self.widget.set_texts(name, less, more)
        else:
            self.focus.setAccessibleName(name)


def make_editor(name: str, field: FieldInfo, shown: Shown, edited: Callable[[], None]) -> Editor:
    """Return the widget for the type of a setting; `edited` is called after each change by a person."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return _choice_editor(get_args(kind), edited)
    if kind is bool:
        return _check_editor(edited)
    if kind in (int, float):
        return _number_editor(field, shown, edited, whole=kind is int)
    if kind is str:
        return _text_editor(edited, read=str.strip, write=str)
    if get_origin(kind) is tuple:
        return _text_editor(edited, read=_names, write=", ".join)
    return _text_editor(edited, read=_pair, write=lambda value: "" if value is None else ", ".join(map(number_text, value)))


def _choice_editor(values: tuple[Any, ...], edited: Callable[[], None]) -> Editor:
    box = ComboBox()
    box.setMinimumHeight(theme.TOUCH)
    for value in values:
        box.addItem(in_words(str(value)), value)
    box.currentIndexChanged.connect(lambda _: edited())
    return Editor(box, box, box.currentData, lambda value: box.setCurrentIndex(box.findData(value)))


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


def _number_editor(field: FieldInfo, shown: Shown, edited: Callable[[], None], *, whole: bool) -> Editor:
    low, high = limits(field)
    spin = _Number(whole=whole)
    if shown.unit:
        spin.setSuffix(f" {in_words(shown.unit)}")
    box = NumberField(-_WIDEST if low is None else low, _WIDEST if high is None else high, field=spin)
    box.valueChanged.connect(lambda _: edited())
    return Editor(box, spin, lambda: int(box.value()) if whole else round(box.value(), _DECIMALS), box.setValue)


def _text_editor(edited: Callable[[], None], *, read: Callable[[str], Any], write: Callable[[Any], str]) -> Editor:
    box = QLineEdit()
    box.setMinimumHeight(theme.TOUCH)
    box.textEdited.connect(lambda _: edited())

    def show(value: Any) -> None:  # noqa: ANN401 - as different as the settings are
        if read(box.text()) != value or not box.text():  # keep commas and blanks while typing
            box.setText(write(value))

    return Editor(box, box, lambda: read(box.text()), show)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


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
    """One setting of a draft: label, field, description, default, and a reset button.

    Changed settings are marked. `text`: the text that the search uses.
    """

    def __init__(self, name: str, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._draft = draft
        self._field = TrainSettings.model_fields[name]
        self._shown = shown_settings()[name]
        self._label, self._why, self._default, self.error = QLabel(), QLabel(), QLabel(), QLabel()
        self.editor = make_editor(name, self._field, self._shown, self._edit)
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
        words = plain(QVBoxLayout(), 0)
        words.addWidget(self._why)
        words.addWidget(self._default)
        words.addWidget(self.error)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, theme.SPACING // 2, 0, theme.SPACING // 2)
        grid.setHorizontalSpacing(theme.SPACING * 2)
        top = Qt.AlignmentFlag.AlignTop
        self._label.setMinimumHeight(theme.TOUCH)
        self._label.setFixedWidth(theme.SPACING * 22)
        self.editor.widget.setFixedWidth(theme.SPACING * 28)
        grid.addWidget(self._label, 0, 0, top)
        grid.addWidget(self.editor.widget, 0, 1, top)
        grid.addWidget(self.reset, 0, 2, top)
        grid.addLayout(words, 0, 3)
        grid.setColumnStretch(3, 1)

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
        self._label.setText(f"<b>{label} *</b>" if self.is_changed else label)
        changed = self.tr("{name}, changed").format(name=label) if self.is_changed else label
        self.editor.name(changed)
        default = self._value_text(self._draft.default(self.name))
        advised = self.name in self._draft.advised
        template = self.tr("Recommended: {value}") if advised else self.tr("Default: {value}")
        self._default.setText(" ".join(part for part in (template.format(value=default), self._limits()) if part))

    def _value_text(self, value: object) -> str:
        if value is None or value == "" or value == ():
            return self.tr("empty")
        if isinstance(value, bool):
            return self.tr("on") if value else self.tr("off")
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in value)
        unit = f" {in_words(self._shown.unit)}" if self._shown.unit else ""
        return (number_text(value) if isinstance(value, int | float) else in_words(str(value))) + unit

    def _limits(self) -> str:
        low, high = limits(self._field)
        if low is None or get_origin(self._field.annotation) is Literal:
            return ""
        if high is None:
            return self.tr("(from {low})").format(low=number_text(low))
        return self.tr("({low} to {high})").format(low=number_text(low), high=number_text(high))

    def retranslate(self) -> None:
        why = in_words(self._field.description or "")
        self._why.setText(why[:1].upper() + why[1:])
        self._why.setVisible(bool(why))
        self.reset.setIcon(theme.icon("retry"))
        text = self.tr("Back to the default: {name}").format(name=in_words(self._shown.label))
        self.reset.setAccessibleName(text)
        self.reset.setToolTip(text)
        self._say()

    def restyle(self) -> None:
        self.retranslate()
