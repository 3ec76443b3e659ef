"""What comes next for pictures that nothing judges yet: train on them, or open a recipe."""

from typing import Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.types import KELVIN_AT_0_C
from inspector.ui.shell import theme
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

_HOTTEST: Final = 5000.0
_USUAL: Final = 60.0  # degrees Celsius that the field begins with
STEPS: Final = {"train": "train", "recipe": "open"}


class NextStep(Themed, QFrame):
    """A strip that says why there is no verdict. `wanted` carries a name of `STEPS`, `limit_wanted` degrees Celsius."""

    wanted = Signal(str)
    limit_wanted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("next_step")
        self.setProperty("role", "card")
        self._title, self._text = QLabel(), QLabel()
        self._title.setProperty("role", "strong")
        self._text.setProperty("role", "muted")
        for label in (self._title, self._text):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        words = plain(QVBoxLayout(), 0)
        words.addWidget(self._title)
        words.addWidget(self._text)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING * 2, theme.SPACING)
        row.setSpacing(theme.SPACING)
        row.addLayout(words, 1)
        self.buttons = {name: QPushButton() for name in STEPS}
        for name, button in self.buttons.items():
            button.setObjectName(f"next_{name}")
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
        self.buttons["train"].setProperty("role", "primary")
        self._temperatures = False
        self.limit = NumberField(-KELVIN_AT_0_C, _HOTTEST)
        self.limit.field.setObjectName("temperature_limit")
        self.limit.field.setSuffix(" °C")
        self.limit.setValue(_USUAL)
        self.set_limit = QPushButton()
        self.set_limit.setObjectName("set_temperature_limit")
        self.set_limit.setProperty("role", "primary")
        self.set_limit.setMinimumHeight(theme.TOUCH)
        self.set_limit.clicked.connect(lambda: self.limit_wanted.emit(self.limit.value()))
        row.addWidget(self.limit)
        row.addWidget(self.set_limit)
        self.retranslate()

    def show_for(self, *, temperatures: bool) -> None:
        """Set whether the pictures are temperatures, which need a limit and no network."""
        if temperatures != self._temperatures:
            self._temperatures = temperatures
            self.retranslate()

    def retranslate(self) -> None:
        if self._temperatures:
            self._title.setText(self.tr("No limit is set"))
            self._text.setText(self.tr("Temperatures are measured. A part is NG if its hottest place has more than the limit."))
        else:
            self._title.setText(self.tr("Nothing judges these pictures yet"))
            self._text.setText(
                self.tr("The shipped networks know only the demo line. Train a bundle on these pictures, or open your recipe.")
            )
        for widget in (self.limit, self.set_limit):
            widget.setVisible(self._temperatures)
        self.buttons["train"].setVisible(not self._temperatures)
        self.limit.set_texts(self.tr("NG above"), self.tr("less"), self.tr("more"))
        self.set_limit.setText(self.tr("Judge with this limit"))
        self.set_limit.setAccessibleName(self.tr("Judge with this limit"))
        self.setAccessibleName(f"{self._title.text()} {self._text.text()}")
        texts = {"train": self.tr("Train on this folder"), "recipe": self.tr("Open a recipe…")}
        for name, text in texts.items():
            self.buttons[name].setText(text)
            self.buttons[name].setAccessibleName(text)
        self.restyle()

    def restyle(self) -> None:
        for name, icon in STEPS.items():
            self.buttons[name].setIcon(theme.icon(icon, "on_accent" if name == "train" else "text"))
