"""The question of what happens to running trainings when the window is closed, asked once inside the window."""

from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from inspector.training.state import LIVE, RunState
from inspector.ui.training.page import TrainPage
from inspector.ui.widgets.question import Answer, Question

BACKGROUND: Final = "background"
CANCEL: Final = "cancel_all"
STAY: Final = "stay"


class Leaving(QObject):
    """Asks about running trainings. `settled` is emitted when the window may be closed."""

    settled = Signal()

    def __init__(self, page: TrainPage, question: Question, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._page, self.question = page, question
        self._asking = self._ending = False
        question.answered.connect(self._on_answer)

    def may_close(self) -> bool:
        """Return whether the window may close: nothing trains, or the question is settled.

        Otherwise ask; `settled` may follow.
        """
        bridge = self._page.bridge
        if not bridge.isRunning():
            return True
        if self._ending:
            return False
        live = [info for info in self._page.runs if info.state in LIVE]
        app = QGuiApplication.instance()
        if not live or (isinstance(app, QGuiApplication) and app.isSavingSession()):
            return True  # a shutdown must not wait for an answer
        if not self._asking:
            self._asking = True
            waiting = sum(info.state is RunState.WAITING for info in self._page.runs)
            text = self.tr("{name} goes on by itself if you like, and is here again when the window is opened the next time.")
            said = [text.format(name=", ".join(info.name for info in live))]
            if waiting:
                said.append(self.tr("What waits ({count}) begins then.").format(count=waiting))
            answers = (
                Answer(BACKGROUND, self.tr("Go on in the background"), "start", leading=True),
                Answer(CANCEL, self.tr("Cancel the training"), "close"),
                Answer(STAY, self.tr("Stay")),
            )
            self.question.ask(self.tr("A training is running"), " ".join(said), answers)
        return False

    def _on_answer(self, answer: str) -> None:
        if not self._asking:
            return
        self._asking = False
        if answer == STAY:
            return
        self._ending = True
        cancel = answer == CANCEL
        title = self.tr("Cancelling the training") if cancel else self.tr("Leaving the training to itself")
        self.question.wait(title, self.tr("The window closes in a moment."))
        self._page.bridge.finished.connect(self._on_finished)
        self._page.bridge.close(cancel=cancel)

    def _on_finished(self) -> None:
        self.question.uncover(False)
        self.settled.emit()
