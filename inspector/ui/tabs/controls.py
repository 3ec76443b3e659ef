"""Small controls shared by the tabs: a slider with its value, zoom buttons, a row of choices, a number."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.ui.canvas.canvas import Canvas
from inspector.ui.shell import theme
from inspector.ui.widgets.inputs import DoubleSpinBox, Slider
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip


class ShareSlider(Themed, QWidget):
    """A slider over 0..1 in steps of 0.01, with a title, its value, and optionally a button back to a given value.

    `one_line`: title and value stand beside the slider, not above it.
    """

    moved = Signal(float)

    def __init__(
        self, parent: QWidget | None = None, *, percent: bool = False, resettable: bool = False, one_line: bool = False
    ) -> None:
        super().__init__(parent)
        self._percent = percent
        self._origin: float | None = None
        self.title = QLabel()
        self.number = QLabel()
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.slider = Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setPageStep(5)
        self.title.setBuddy(self.slider)
        self.reset = QToolButton(self)  # without a parent it would briefly be a window of its own
        self.reset.setMinimumSize(theme.TOUCH, theme.TOUCH)
        self.reset.setIconSize(QSize(theme.ICON, theme.ICON))
        self.reset.setVisible(resettable)
        self.reset.setEnabled(False)
        upper, lower, layout = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        lower.setSpacing(theme.SPACING)
        (lower if one_line else upper).addWidget(self.title)
        lower.addWidget(self.slider, 1)
        (lower if one_line else upper).addWidget(self.number)
        lower.addWidget(self.reset)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(upper)
        layout.addLayout(lower)
        self.slider.valueChanged.connect(self._on_value)
        self.reset.clicked.connect(self._on_reset)
        self._show_number()

    def value(self) -> float:
        return self.slider.value() / 100

    def set_value(self, value: float) -> None:
        self.slider.setValue(round(value * 100))

    def set_origin(self, value: float) -> None:
        """Set this value without a signal, and use it as the target of the reset button."""
        self._origin = value
        with QSignalBlocker(self.slider):
            self.set_value(value)
        self._show_number()

    def set_texts(self, title: str, reset: str = "") -> None:
        self.title.setText(title)
        self.slider.setAccessibleName(title)
        self.reset.setToolTip(reset)
        self.reset.setAccessibleName(reset)
        self.restyle()

    def restyle(self) -> None:
        self.reset.setIcon(theme.icon("retry"))

    def _on_value(self) -> None:
        self._show_number()
        self.moved.emit(self.value())

    def _on_reset(self) -> None:
        if self._origin is not None:
            self.set_value(self._origin)

    def _show_number(self) -> None:
        value = self.value()
        self.number.setText(f"{value * 100:.0f} %" if self._percent else f"{value:.2f}")
        self.reset.setEnabled(self._origin is not None and self.slider.value() != round(self._origin * 100))


class CanvasTools(Themed, QWidget):
    """Buttons in a corner of a canvas: larger, smaller, fit."""

    def __init__(self, canvas: Canvas, direction: QBoxLayout.Direction = QBoxLayout.Direction.TopToBottom) -> None:
        super().__init__()
        self._actions: tuple[tuple[str, Callable[[], None]], ...] = (
            ("zoom-in", canvas.zoom_in),
            ("zoom-out", canvas.zoom_out),
            ("zoom-fit", canvas.fit),
        )
        self.buttons: dict[str, QToolButton] = {}
        layout = QBoxLayout(direction, self)
        layout.setContentsMargins(theme.SPACING, theme.SPACING, theme.SPACING, 0)
        layout.setSpacing(theme.SPACING)
        for name, act in self._actions:
            button = QToolButton()
            button.setMinimumSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the canvas has the keys for it
            button.clicked.connect(act)
            layout.addWidget(button)
            self.buttons[name] = button
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.retranslate()

    def retranslate(self) -> None:
        names = {"zoom-in": self.tr("Zoom in (+)"), "zoom-out": self.tr("Zoom out (-)"), "zoom-fit": self.tr("Fit (F)")}
        for name, button in self.buttons.items():
            button.setAccessibleName(names[name])
            button.setToolTip(plain_tip(names[name]))
            button.setIcon(theme.icon(name))

    def restyle(self) -> None:
        self.retranslate()


class Choice(QWidget):
    """A few buttons in a row, one of them pressed."""

    chosen = Signal(str)

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACING)
        for name in names:
            button = QPushButton()
            button.setCheckable(True)
            button.setMinimumHeight(theme.TOUCH)
            button.setChecked(not self.buttons)
            self._group.addButton(button)
            layout.addWidget(button)
            self.buttons[name] = button
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))

    def current(self) -> str:
        return next(name for name, button in self.buttons.items() if button.isChecked())

    def set_current(self, name: str) -> None:
        """Press a button without a signal."""
        self.buttons[name].setChecked(True)

    def set_texts(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            self.buttons[name].setText(text)
            self.buttons[name].setAccessibleName(text)


class NumberField(Themed, QWidget):
    """A number with a finger-sized button on either side; keys and typing work as in any number field."""

    valueChanged = Signal(float)

    def __init__(
        self, lowest: float, highest: float, parent: QWidget | None = None, *, field: QDoubleSpinBox | None = None
    ) -> None:
        """Create the field. `field`: a spin box to use in place of the one-decimal default."""
        super().__init__(parent)
        self.field = field or DoubleSpinBox()
        self.field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.field.setFrame(False)  # its line edit has one
        self.field.setDecimals(1 if field is None else field.decimals())
        self.field.setRange(lowest, highest)
        self.field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.field.setMinimumSize(theme.SPACING * 9, theme.TOUCH)
        self.less, self.more = QToolButton(), QToolButton()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACING // 2)
        for widget in (self.less, self.field, self.more):
            layout.addWidget(widget, int(widget is self.field))
        for button, step in ((self.less, self.field.stepDown), (self.more, self.field.stepUp)):
            button.setFixedSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.setAutoRepeat(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the field has the arrow keys for it
            button.clicked.connect(step)
        self.setFocusProxy(self.field)
        self.field.valueChanged.connect(self.valueChanged)
        self.restyle()

    def value(self) -> float:
        return self.field.value()

    def setValue(self, value: float) -> None:
        self.field.setValue(value)

    def set_texts(self, name: str, less: str, more: str) -> None:
        self.field.setAccessibleName(name)
        self.field.setToolTip(plain_tip(name))
        self.less.setAccessibleName(f"{name}: {less}")
        self.more.setAccessibleName(f"{name}: {more}")

    def restyle(self) -> None:
        self.less.setIcon(theme.icon("minus"))
        self.more.setIcon(theme.icon("plus"))


class CopyButton(Themed, QToolButton):
    """A button next to a table's heading that copies the table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._copy: Callable[[], None] | None = None
        self.setMinimumSize(theme.TOUCH, theme.TOUCH)
        self.setIconSize(QSize(theme.ICON, theme.ICON))
        self.retranslate()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Copy table"))
        self.setToolTip(self.tr("Copy table"))
        self.setIcon(theme.icon("copy"))

    def serve(self, view: QWidget, copy: Callable[[], None]) -> None:
        """Call `copy` when the button is pressed, and for the copy keys while `view` has the focus."""
        self._copy = copy
        self.clicked.connect(copy)
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        copies = isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Copy)
        if self._copy is None or not copies or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        self._copy()
        return True

    def restyle(self) -> None:
        self.retranslate()
