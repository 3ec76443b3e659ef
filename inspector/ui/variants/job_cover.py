"""What lies over a page while a worker process does something for it: begun, watched, cancelled, ended."""

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QLabel, QProgressBar, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.core.message import Message
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.cover import Cover
from inspector.workers.jobs import Job
from inspector.workers.messages import Progress, WorkerMessage
from inspector.workers.outcome import End, Outcome
from inspector.workers.process import WorkerProcess

_NONE = Progress(phase="")  # nothing has been said yet


class RunningJob(Protocol):
    """What is needed here of a `WorkerProcess`."""

    def cancel(self) -> None: ...
    def close(self) -> Outcome: ...


class JobFactory(Protocol):
    """Starts a job: `WorkerProcess`, or what a test puts in its place."""

    def __call__(
        self, job: Job, *, listener: Callable[[WorkerMessage], None], ended: Callable[[Outcome], None]
    ) -> RunningJob: ...


class JobCover(Cover):
    """One job at a time. A subclass begins it, and shows what there is in `_show` whenever that changes.

    `_finished` is called with how a job ended, before `_show`.
    """

    _told = Signal(object)
    _ended = Signal(object)

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.start_job: JobFactory = WorkerProcess
        self._job: RunningJob | None = None
        self._outcome: Outcome | None = None
        self._phase = _NONE
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        self._told.connect(self._on_message, Qt.ConnectionType.QueuedConnection)
        self._ended.connect(self._on_end, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether the job is under way."""
        return self._job is not None

    def cancel(self) -> None:
        """Stop the job; what was there stays as it is."""
        if self._job is not None:
            self._job.cancel()

    def leave(self) -> None:
        """Go back to the page."""
        self.uncover(False)

    def close_workers(self) -> None:
        """End the worker process."""
        job, self._job = self._job, None
        if job is not None:
            job.close()

    def _card(self) -> QVBoxLayout:
        """Return the card that fills the cover, for its contents."""
        card = QFrame()
        card.setProperty("role", "card")
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 2,) * 4)
        box.setSpacing(theme.SPACING)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 2,) * 4)
        whole.addWidget(card)
        return box

    def _begin(self, job: Job) -> None:
        """Start the job; that it cannot be started is how it ends."""
        self._outcome, self._phase = None, _NONE
        try:
            self._job = self.start_job(job, listener=self._told.emit, ended=self._ended.emit)
        except InspectorError as error:
            self._outcome = Outcome(End.FAILED, problem=error.problem, remedy=error.remedy)
        self._show()

    def _on_message(self, message: WorkerMessage) -> None:
        if isinstance(message, Progress) and self._job is not None:
            self._phase = message
            self._show()

    def _on_end(self, outcome: Outcome) -> None:
        job = self._job
        if job is None:
            return
        self._job, self._outcome = None, outcome
        QTimer.singleShot(0, self, lambda: _close(job))
        self._finished(outcome)
        self._show()

    def _finished(self, outcome: Outcome) -> None:
        """The job has ended so."""

    def _show(self) -> None:
        """Bring everything in line with what is known now; a subclass adds its own."""
        self.progress.setVisible(self.busy)
        self.progress.setRange(0, self._phase.steps)
        self.progress.setValue(self._phase.step)


def wrapped(label: QLabel) -> QLabel:
    """Return the label for sentences, which can be selected and copied."""
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def in_words(outcome: Outcome) -> str:
    """Return what was wrong and what to do."""
    return sentences(outcome.problem, outcome.remedy)


def sentences(*told: Message | None) -> str:
    """Those there are, one after the other, in the window's language."""
    return " ".join(translate(one) for one in told if one is not None)


def _close(job: RunningJob) -> None:
    """It has ended; its threads are waited for, outside of its own callback."""
    job.close()
