"""A question inside the window, over the widget it concerns; never a dialog, so that the line stays visible and goes on."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.hold_button import HoldButton


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its key, the text of its button, and its icon.

    `leading`: the recommended answer. `hold`: its button must be held, not only pressed.
    """

    key: str
    text: str
    icon: str = ""
    leading: bool = False
    hold: bool = False


class Question(Cover):
    """Asks one question at a time.

    `answered` carries the key of the answer; Escape gives the last answer, which changes nothing. Return in the field gives the
    first answer, if something was typed.
    """

    answered = Signal(str)

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("question")
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self._card.setMaximumWidth(theme.SPACING * 88)
        self._title, self._text = QLabel(), QLabel()
        self._title.setProperty("role", "title")
        for label in (self._title, self._text):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._busy = QProgressBar()
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._field_title, self.field = QLabel(), QLineEdit()
        self.field.setObjectName("question_field")
        self.field.setMinimumHeight(theme.TOUCH)
        self.field.returnPressed.connect(self._on_return)
        self._row = plain(QHBoxLayout())
        self.buttons: dict[str, QPushButton] = {}
        box = QVBoxLayout(self._card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        for widget in (self._title, self._text, self._field_title, self.field, self._busy):
            box.addWidget(widget)
        box.addLayout(self._row)
        whole = QVBoxLayout(self)
        whole.addStretch(1)
        across = plain(QHBoxLayout())
        across.addStretch(1)
        across.addWidget(self._card, 4)
        across.addStretch(1)
        whole.addLayout(across)
        whole.addStretch(1)

    @property
    def text(self) -> str:
        """The question; "" if there is none."""
        return "" if self.isHidden() else f"{self._title.text()} {self._text.text()}"

    def ask(self, title: str, text: str, answers: Sequence[Answer], *, field: str = "") -> None:
        """Ask a question; the last answer is the harmless one. `field`: what can be typed besides, "" for nothing."""
        self._show(title, text, busy=False)
        self._field_title.setText(field)
        self.field.setAccessibleName(field)
        self.field.clear()
        for widget in (self._field_title, self.field):
            widget.setVisible(bool(field))
        for answer in answers:
            button = HoldButton() if answer.hold else QPushButton()
            button.setText(answer.text)
            button.setObjectName(f"answer_{answer.key}")
            button.setAccessibleName(answer.text)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            if answer.leading:
                button.setProperty("role", "primary")
            if answer.icon:
                button.setIcon(theme.icon(answer.icon, "on_accent" if answer.leading else "text"))
            given = button.held if isinstance(button, HoldButton) else button.clicked
            given.connect(lambda *_, key=answer.key: self.answer(key))
            self._row.addWidget(button)
            button.show()
            self.buttons[answer.key] = button
        (self.field if field else self.buttons[answers[-1].key]).setFocus()

    def wait(self, title: str, text: str) -> None:
        """Show what is in progress, without answers."""
        self._show(title, text, busy=True)
        self.setFocus()

    def answer(self, key: str) -> None:
        """Give an answer and hide the question."""
        self.uncover(False)
        self.answered.emit(key)

    def escape(self) -> None:
        """Give the answer that changes nothing."""
        if self.buttons:
            self.answer(list(self.buttons)[-1])

    def _on_return(self) -> None:
        if self.buttons and self.field.text().strip():
            self.answer(next(iter(self.buttons)))

    def _show(self, title: str, text: str, *, busy: bool) -> None:
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = {}
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self._busy.setVisible(busy)
        for widget in (self._field_title, self.field):
            widget.hide()
        self.setAccessibleName(f"{title} {text}")
        self.uncover(True)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Keep the focus among the answers."""
        buttons: list[QWidget] = [*([] if self.field.isHidden() else [self.field]), *self.buttons.values()]
        if buttons:
            at = next((place for place, button in enumerate(buttons) if button.hasFocus()), 0)
            reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
            buttons[(at + (1 if forward else -1)) % len(buttons)].setFocus(reason)
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))
