"""The question of what happens to a running line when the window is closed, asked once inside the window."""

from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from inspector.ui.widgets.question import Answer, Question

CLOSE: Final = "close_line"
STAY: Final = "keep_line"


class LineClosing(QObject):
    """Asks before a running line is stopped by closing the window. `settled` is emitted when the window may be closed."""

    settled = Signal()

    def __init__(self, question: Question, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.question = question
        self._agreed = False
        question.answered.connect(self._on_answer)

    def may_close(self, *, running: bool) -> bool:
        """Return whether the window may close: no line runs, or the question is settled. Otherwise ask."""
        app = QGuiApplication.instance()
        if not running or self._agreed or (isinstance(app, QGuiApplication) and app.isSavingSession()):
            return True  # a shutdown of the computer must not wait for an answer
        if not self.question.isVisible():
            answers = (
                Answer(CLOSE, self.tr("Hold: stop inspecting and close"), "stop", hold=True),
                Answer(STAY, self.tr("Go on inspecting"), leading=True),
            )
            text = self.tr("Closing the window stops the inspection. Parts that pass afterwards get no verdict.")
            self.question.ask(self.tr("The line is running"), text, answers)
        return False

    def _on_answer(self, answer: str) -> None:
        if answer == CLOSE:
            self._agreed = True
            self.settled.emit()
