"""The log of a run: the worker's messages and the run's outcome, to read and copy; errors are marked."""

from typing import Final

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QResizeEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.training.run.history import LOG_LINES, LogLine, RunHistory
from inspector.ui.training.run.labels import measure_text
from inspector.ui.widgets.themed import Themed
from inspector.workers.messages import Done, EpochDone, Hello, Log, Paused, Resumed

_MARK: Final = "⚠ "
_NO_MARK: Final = "    "


class RunLog(Themed, QPlainTextEdit):
    """A log that follows the newest line unless a person has scrolled away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_log")
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setMaximumBlockCount(LOG_LINES + 1)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self._history: RunHistory | None = None
        self._at_end = True
        self._shown = 0  # number of the run's lines shown so far, including dropped ones
        self.retranslate()

    def show_log(self, history: RunHistory) -> None:
        """Show the log of this run; only new lines are written."""
        total = history.dropped + len(history.log)
        if history is not self._history or total < self._shown:
            self.clear()
            self._history, self._shown = history, 0
        new = list(history.log)[-(total - self._shown) :] if total > self._shown else []
        if not new:
            return
        if total - self._shown > len(new) and history.dropped:
            self._write(self.tr("… earlier lines are in the run's folder, in messages.jsonl."), problem=False)
        bar = self.verticalScrollBar()
        self._at_end = bar.value() >= bar.maximum() - self.fontMetrics().height()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()  # one layout for all lines
        for line in new:
            self._write(_words(line), problem=line.is_problem)
        cursor.endEditBlock()
        self._shown = total
        if self._at_end:
            bar.setValue(bar.maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._at_end:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _write(self, text: str, *, problem: bool) -> None:
        style = QTextCharFormat()
        style.setForeground(theme.current().color("text" if problem else "muted"))
        style.setFontWeight(theme.font("small", bold=problem).weight())
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        if not self.document().isEmpty():
            cursor.insertBlock()
        cursor.insertText((_MARK if problem else _NO_MARK) + text.replace("\n", " "), style)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Log"))
        self.setPlaceholderText(self.tr("Nothing has been said yet."))
        self._again()

    def _again(self) -> None:
        history, self._history = self._history, None
        if history is not None:
            self.show_log(history)

    def restyle(self) -> None:
        if self._history is not None:
            self._again()


def _words(line: LogLine) -> str:
    """Return a line in the window's language."""
    if line.outcome is not None and line.outcome.problem is not None:
        return translate(line.outcome.problem)
    match line.message:
        case Log(text=text):
            return text
        case EpochDone(epoch=epoch, name=name, value=value):
            text = QCoreApplication.translate("runs", "Epoch {epoch}: the best so far, {measure}.")
            return text.format(epoch=epoch, measure=measure_text(name, float("nan") if value is None else value))
        case Hello(pid=pid):
            return QCoreApplication.translate("runs", "Begun, in process {pid}.").format(pid=pid)
        case Paused():
            return QCoreApplication.translate("runs", "Paused.")
        case Resumed():
            return QCoreApplication.translate("runs", "Gone on.")
        case Done(status="cancelled"):
            return QCoreApplication.translate("runs", "Cancelled.")
        case Done():
            return QCoreApplication.translate("runs", "Done.")
    return line.message.type
