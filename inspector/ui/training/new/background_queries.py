"""Background thread for slow questions: which settings suit the data, how long training takes, what would stop it."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import InspectorError
from inspector.ui.widgets.work_thread import WorkThread

Question = Callable[[], object]


class AskThread(WorkThread[tuple[str, int, Question]]):
    """Answers questions in the background; of each kind only the newest.

    `answered` carries the kind and the answer, `troubled` the kind and an InspectorError. A question is called on the thread:
    it must own its inputs and touch nothing that the window changes.
    """

    answered = Signal(str, object)
    troubled = Signal(str, object)
    _done = Signal(str, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asked: dict[str, tuple[int, Question]] = {}
        self._newest: dict[str, int] = {}  # number of the newest pending question of each kind
        self._number = 0
        self._done.connect(self._deliver)

    def ask(self, kind: str, question: Question) -> None:
        """Queue this question in place of any earlier one of its kind."""
        with self._telling():
            self._number += 1
            self._asked.pop(kind, None)
            self._asked[kind] = (self._number, question)
            self._newest[kind] = self._number

    def forget(self, kind: str) -> None:
        """Drop the question of this kind."""
        with self._telling(start=False):
            self._asked.pop(kind, None)
            self._newest.pop(kind, None)

    def waits(self, kind: str) -> bool:
        """Return whether the newest question of this kind is unanswered."""
        return kind in self._newest

    def _take(self) -> tuple[str, int, Question] | None:
        if not self._asked:
            return None
        kind = next(iter(self._asked))
        return kind, *self._asked.pop(kind)

    def _do(self, work: tuple[str, int, Question]) -> None:
        kind, number, question = work
        self._done.emit(kind, number, question())

    def _failed(self, work: tuple[str, int, Question], error: InspectorError) -> None:
        kind, number, _ = work
        self._done.emit(kind, number, error)

    def _deliver(self, kind: str, number: int, answer: object) -> None:
        """Emit an answer on the window's thread; the answer to an older question is dropped."""
        if self._newest.get(kind) != number:
            return
        del self._newest[kind]
        (self.troubled if isinstance(answer, InspectorError) else self.answered).emit(kind, answer)
