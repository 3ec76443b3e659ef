"""A cover over a page while a worker process does something for it: started, watched, cancelled, ended."""

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
from inspector.workers.messages import Continued, Progress, Suspended, WorkerMessage
from inspector.workers.outcome import End, Outcome, suspended
from inspector.workers.process import WorkerProcess

_NONE = Progress(phase="")  # no message yet


class RunningJob(Protocol):
    """The interface of `WorkerProcess` used here."""

    def cancel(self) -> None: ...
    def close(self) -> Outcome: ...


class JobFactory(Protocol):
    """A function that starts a job: `WorkerProcess`, or a test's replacement."""

    def __call__(
        self, job: Job, *, listener: Callable[[WorkerMessage], None], ended: Callable[[Outcome], None]
    ) -> RunningJob: ...


class JobCover(Cover):
    """Runs one job at a time.

    A subclass starts the job, and shows the state in `_show` whenever it changes. `_finished` is called with the job's outcome
    before `_show`.
    """

    _told = Signal(object)
    _ended = Signal(object)

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.start_job: JobFactory = WorkerProcess
        self._job: RunningJob | None = None
        self._outcome: Outcome | None = None
        self._phase = _NONE
        self._stalled: Message | None = None  # what keeps the job's process from going on
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        self._told.connect(self._on_message, Qt.ConnectionType.QueuedConnection)
        self._ended.connect(self._on_end, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether the job is running."""
        return self._job is not None

    def cancel(self) -> None:
        """Stop the job; earlier results stay unchanged."""
        if self._job is not None:
            self._job.cancel()

    def leave(self) -> None:
        """Return to the page."""
        self.uncover(False)

    def close_workers(self) -> None:
        """End the worker process."""
        job, self._job = self._job, None
        if job is not None:
            job.close()

    def _card(self) -> QVBoxLayout:
        """Return the card that fills the cover, for the subclass's contents."""
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
        """Start the job; a failure to start is handled as the job's outcome."""
        self._outcome, self._phase, self._stalled = None, _NONE, None
        try:
            self._job = self.start_job(job, listener=self._told.emit, ended=self._ended.emit)
        except InspectorError as error:
            self._outcome = Outcome(End.FAILED, problem=error.problem, remedy=error.remedy)
        self._show()

    def _on_message(self, message: WorkerMessage) -> None:
        if self._job is None:
            return
        if isinstance(message, Progress):
            self._phase = message
            self._show()
        elif isinstance(message, Suspended | Continued):
            self._stalled = suspended(message.pid) if isinstance(message, Suspended) else None
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
        """Handle the job's outcome."""

    def _show(self) -> None:
        """Match the widgets to the current state; a subclass adds its own."""
        self.progress.setVisible(self.busy)
        self.progress.setRange(0, self._phase.steps)
        self.progress.setValue(self._phase.step)


def wrapped(label: QLabel) -> QLabel:
    """Return the label set up for sentences that can be selected and copied."""
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def in_words(outcome: Outcome) -> str:
    """Return the error and its remedy as text."""
    return sentences(outcome.problem, outcome.remedy)


def sentences(*told: Message | None) -> str:
    """Return the given sentences joined, in the window's language."""
    return " ".join(translate(one) for one in told if one is not None)


def _close(job: RunningJob) -> None:
    """Handle the end of the job outside its own callback, and wait for its threads."""
    job.close()
