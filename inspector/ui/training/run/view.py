"""The view of a run: progress, curves, current predictions, log, and commands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.training.state import LIVE, RunInfo, RunState
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.controls import Choice
from inspector.ui.training.run.bridge import SamplePicture
from inspector.ui.training.run.curves import Curves
from inspector.ui.training.run.history import RunHistory
from inspector.ui.training.run.labels import (
    best_text,
    facts,
    images_per_second,
    kind_text,
    left_text,
    outcome_sentence,
    phase_word,
    share_done,
    sign_of,
    state_word,
)
from inspector.ui.training.run.log import RunLog
from inspector.ui.training.run.sample_strip import SampleStrip
from inspector.ui.widgets.boxes import leave_out_icons, plain
from inspector.ui.widgets.inputs import CarefulButton
from inspector.ui.widgets.themed import Themed
from inspector.workers.messages import WorkerMessage
from inspector.workers.outcome import Cause

if TYPE_CHECKING:
    from inspector.ui.training.results.page import ResultsView

_ICONS: Final = {
    "pause": "pause",
    "resume": "start",
    "stop": "save",
    "cancel": "close",
    "resume_interrupted": "retry",
    "again": "train",
    "details": "copy",
    "folder": "open",
    "remove": "trash",
}
_CAREFUL: Final = ("stop", "cancel", "remove")


_UNDER_WAY: Final = ("cancel", "stop", "pause")  # commands that take the run some seconds
_LEADING: Final = ("resume_interrupted",)  # the recommended command


class RunView(Themed, QWidget):
    """Shows a run.

    `wanted` carries the requested command: a key of `_ICONS`. `failed` carries an InspectorError. The others carry the folder
    of the run's bundle: `use_wanted` to use it in a recipe, `judge_wanted` to judge its pictures, `variants_wanted` to see its
    variants. `train_wanted` carries the settings of a training that is advised.
    """

    wanted = Signal(str)
    failed = Signal(object)
    use_wanted = Signal(object)
    judge_wanted = Signal(object)
    variants_wanted = Signal(object)
    train_wanted = Signal(object)

    def __init__(self, over: QWidget, parent: QWidget | None = None) -> None:
        """Create the view. `over`: the widget that an enlarged picture covers."""
        super().__init__(parent)
        self.setObjectName("run_view")
        self._info: RunInfo | None = None
        self._turn = 0
        self._asked: tuple[RunInfo, str] | None = None  # the run as it was when a command was given to it
        self._history = RunHistory()
        self._name, self._sign, self._state, self._kind, self._how, self._best = (QLabel() for _ in range(6))
        self._name.setProperty("role", "title")
        self._state.setProperty("role", "strong")
        self._kind.setProperty("role", "muted")
        self._kind.setWordWrap(True)
        self._kind.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for label in (self._name, self._kind, self._how):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._best.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self.buttons = {name: CarefulButton() if name in _CAREFUL else QPushButton() for name in _ICONS}
        self.outcome = OutcomeCard()
        self.curves = Curves()
        self.curves.failed.connect(self.failed)
        self.samples = SampleStrip(over)
        self.log = RunLog()
        self.part = Choice(("results", "course"))
        self.part.chosen.connect(self._show_part)
        self.results: ResultsView | None = None  # made for the first finished run
        self._arrange()
        self.retranslate()

    def _arrange(self) -> None:
        head = plain(QHBoxLayout())
        for widget in (self._name, self._sign, self._state):
            head.addWidget(widget)
        head.addWidget(self._kind, 1)
        row = plain(QHBoxLayout())
        for name, button in self.buttons.items():
            button.setObjectName(f"run_{name}")
            button.setProperty("role", "primary" if name in _LEADING else "")
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.part)
        figures = plain(QHBoxLayout())
        figures.addWidget(self._how, 1)
        figures.addWidget(self._best)
        lower = QWidget()
        below = plain(QVBoxLayout(lower))
        below.addWidget(self.samples)
        below.addWidget(self.log, 1)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setHandleWidth(theme.SPACING)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.curves)
        splitter.addWidget(lower)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        self.body = QStackedWidget()
        self.body.addWidget(splitter)
        box = plain(QVBoxLayout(self), theme.SPACING)
        box.addLayout(head)
        box.addWidget(self.outcome)
        box.addLayout(row)
        box.addLayout(figures)
        box.addWidget(self._bar)
        box.addWidget(self.body, 1)

    @property
    def info(self) -> RunInfo | None:
        """The run on display."""
        return self._info

    @property
    def history(self) -> RunHistory:
        return self._history

    def show_run(self, info: RunInfo, turn: int) -> None:
        """Show the current state of a run. `turn`: its position among the waiting runs."""
        before = self._info
        if before is None or before.folder != info.folder:
            self.show_history(RunHistory())
        self._info, self._turn = info, turn
        self._tell()
        done = info.state is RunState.DONE
        if before is None or (before.folder, before.state) != (info.folder, info.state):
            self.part.setVisible(done)
            self.part.set_current("results" if done else "course")
            self._show_part(self.part.current())

    def begin(self, command: str) -> None:
        """Show at once that a command was given to the run; its state follows when its process has heard of it."""
        if self._info is not None and command in _UNDER_WAY:
            self._asked = self._info, command
            self._tell()

    def _under_way(self, info: RunInfo) -> str:
        """Return what a command that was given is doing, until the run's state is another one."""
        if self._asked is None:
            return ""
        asked, command = self._asked
        if (asked.folder, asked.state) != (info.folder, info.state):
            self._asked = None
            return ""
        words = {
            "cancel": self.tr("Cancelling…"),
            "stop": self.tr("Stopping; the best epoch is being measured…"),
            "pause": self.tr("Pausing…"),
        }
        return words[command]

    def _show_part(self, part: str) -> None:
        """Show the results of a finished run, or its training view."""
        if part == "course" or self._info is None:
            self.body.setCurrentIndex(0)
            return
        if self.results is None:
            from inspector.ui.training.results.page import ResultsView

            self.results = ResultsView()
            self.results.use_in_recipe.connect(self.use_wanted)
            self.results.judge_wanted.connect(self.judge_wanted)
            self.results.variants_wanted.connect(self.variants_wanted)
            self.results.train_wanted.connect(self.train_wanted)
            self.body.addWidget(self.results)
        self.results.show_run(self._info)
        self.body.setCurrentWidget(self.results)

    def close_workers(self) -> None:
        """End what is being done with the run's bundle."""
        if self.results is not None:
            self.results.where.end()

    def show_history(self, history: RunHistory) -> None:
        """Show the complete history of the run."""
        self._history = history
        self.samples.show_pictures(())
        self._draw()

    def take(self, messages: Sequence[WorkerMessage]) -> None:
        """Add the run's new messages."""
        for message in messages:
            self._history.take(message)
        self._draw()

    def show_samples(self, pictures: Sequence[SamplePicture]) -> None:
        """Show the newest pictures of its predictions."""
        self.samples.show_pictures(pictures)

    def _draw(self) -> None:
        self.curves.show_history(self._history)
        self.log.show_log(self._history)

    def _tell(self) -> None:
        info = self._info
        if info is None:
            return
        sign = sign_of(info)
        self._name.setText(info.name)
        self._sign.setPixmap(theme.icon(sign.icon, sign.color).pixmap(QSize(theme.ICON, theme.ICON)))
        under_way = self._under_way(info)
        self._state.setText(under_way or state_word(info, self._turn))
        self._kind.setText(f"{kind_text(info)} · {facts(info.record.settings)}")
        rate = images_per_second(info) if info.state is RunState.RUNNING else None
        said = (
            phase_word(info),
            left_text(info),
            "" if rate is None else self.tr("{rate} images/s").format(rate=f"{rate:.3g}"),
        )
        self._how.setText("  ·  ".join(part for part in said if part))
        best = best_text(info)
        self._best.setText(self.tr("Best: {value}").format(value=best) if best else "")
        for label in (self._how, self._best):
            label.setVisible(info.state is not RunState.DONE and bool(label.text()))
        share = share_done(info)
        self._bar.setValue(round(1000 * (share or 0.0)))
        self._bar.setVisible(info.state in LIVE)
        self._bar.setAccessibleName(f"{self._how.text()}, {100 * (share or 0.0):.0f} %")
        self.outcome.show_outcome(info)
        for name, button in self.buttons.items():
            button.setVisible(name in _offered(info))
            button.setEnabled(not under_way or name not in _UNDER_WAY)
        self.buttons["cancel"].setText(self._cancel_word())
        self.buttons["cancel"].setAccessibleName(self._cancel_word())

    def _cancel_word(self) -> str:
        waits = self._info is not None and self._info.state is RunState.WAITING
        return self.tr("Take out of the queue") if waits else self.tr("Cancel training")

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Training"))
        words = {
            "pause": self.tr("Pause"),
            "resume": self.tr("Go on"),
            "stop": self.tr("Stop and keep the best"),
            "cancel": self._cancel_word(),
            "resume_interrupted": self.tr("Go on"),
            "again": self.tr("Train again"),
            "details": self.tr("Copy details"),
            "folder": self.tr("Open folder"),
            "remove": self.tr("Remove"),
        }
        tips = {
            "pause": self.tr("It uses no processor then, but keeps its memory"),
            "stop": self.tr("End now; the best epoch so far is measured and becomes a bundle"),
            "resume_interrupted": self.tr("From the last epoch"),
            "again": self.tr("With the same settings, which can be changed first"),
        }
        self.part.set_texts({"results": self.tr("Results"), "course": self.tr("Curves and log")})
        for name, button in self.buttons.items():
            button.setText(words[name])
            button.setAccessibleName(words[name])
            button.setToolTip(tips.get(name, ""))
        self._dress()
        self._tell()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        leave_out_icons(self.buttons.values(), self.width())

    def _dress(self) -> None:
        for name, button in self.buttons.items():
            button.setIcon(theme.icon(_ICONS[name], "on_accent" if name in _LEADING else "text"))

    def restyle(self) -> None:
        self._dress()
        self._tell()


class OutcomeCard(QFrame):
    """The outcome of the run in one sentence, and the remedy. Hidden until the run ends."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._sign, self._text = QLabel(), QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self)
        row.setContentsMargins(*(theme.SPACING * 2, theme.SPACING) * 2)
        row.setSpacing(theme.SPACING * 2)
        row.addWidget(self._sign)
        row.addWidget(self._text, 1)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence on display; "" if there is none."""
        return "" if self.isHidden() else self._text.text()

    def show_outcome(self, info: RunInfo) -> None:
        """Show the outcome of this run."""
        problem = outcome_sentence(info)
        self.setVisible(problem is not None)
        if problem is None:
            return
        good = info.state in (RunState.DONE, RunState.CANCELLED) and not info.warnings
        name = "" if good else "banner"
        if self.objectName() != name:
            self.setObjectName(name)
            self.setProperty("role", "card" if good else "")
            for widget in (self, self._sign, self._text):
                widget.style().unpolish(widget)
                widget.style().polish(widget)
        remedy = "" if good or info.remedy is None else translate(info.remedy)
        more = [translate(warning) for warning in info.warnings[1:]]
        self._text.setText(" ".join(filter(None, (translate(problem), *more, remedy))))
        self.setAccessibleName(self._text.text())
        sign = sign_of(info)
        self._sign.setPixmap(theme.icon(sign.icon, sign.color).pixmap(QSize(theme.ICON, theme.ICON)))


def _offered(info: RunInfo) -> tuple[str, ...]:
    """Return the commands available for a run in this state."""
    if info.state is RunState.RUNNING:
        return ("pause", "stop", "cancel")
    if info.state is RunState.PAUSED:
        return ("resume", "stop", "cancel")
    if info.state is RunState.SUSPENDED:
        return ("cancel",)
    if info.state is RunState.WAITING:
        return ("cancel", "folder")
    first = ("resume_interrupted",) if info.resumable else ()
    details = ("details",) if info.outcome is not None and info.outcome.cause in (Cause.CRASH, Cause.INTERNAL) else ()
    return (*first, "again", *details, "folder", "remove")
