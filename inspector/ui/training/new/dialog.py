"""The dialog for a new training: data, network, further settings and start, inside the page."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message
from inspector.core.storage.paths import user_data
from inspector.data.survey import Survey
from inspector.runs.folder import BUNDLE
from inspector.runs.settings import TrainSettings, train_settings
from inspector.ui.shell import theme
from inspector.ui.shell.settings import Settings
from inspector.ui.training.data.page import DataPage
from inspector.ui.training.new.advanced import AdvancedPage
from inspector.ui.training.new.background_queries import AskThread
from inspector.ui.training.new.draft import Draft
from inspector.ui.training.new.network_page import Advisor, Busy, Estimator, NetworkPage
from inspector.ui.training.new.start_page import StartPage
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

QUICK_S: Final = 180.0  # seconds that a quick look trains
STEPS: Final = ("data", "network", "advanced", "start")
_UNFIT: Final = re.compile(r"[^\w.-]+")

Preflight = Callable[[TrainSettings], Sequence[Message]]


def folder_name(name: str) -> str:
    """Return the name reduced to characters that every file system accepts."""
    return _UNFIT.sub("-", name).strip("-. ")


class TrainingDialog(Themed, QWidget):
    """Configures a training.

    `accepted` carries its `TrainSettings`; `rejected`: the dialog was cancelled. `advisor` recommends settings, `estimator`
    estimates the time, `busy` says how much longer other programs make it, `preflight` returns what would stop a run before it
    begins, and `cards` counts the graphics cards. All are called on a thread of the dialog. Runs are created in `runs`.
    """

    accepted = Signal(object)
    rejected = Signal()

    def __init__(
        self,
        settings: Settings,
        parent: QWidget | None = None,
        *,
        advisor: Advisor | None = None,
        estimator: Estimator | None = None,
        busy: Busy | None = None,
        preflight: Preflight | None = None,
        cards: Callable[[], int] | None = None,
        runs: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.draft = Draft(self)
        self._preflight = preflight
        self._checked: TrainSettings | None = None  # the settings that `_found` belongs to
        self._found: tuple[Message, ...] | None = None  # None: not known yet
        self._runs = runs or user_data() / "runs"
        self._name = ""  # the typed name; empty: derived from data and network
        self._waiting = False
        self.ask = AskThread(self)
        self.data = DataPage(self.draft, settings)
        self.network = NetworkPage(self.draft, self.ask, advisor=advisor, estimator=estimator, busy=busy)
        self.advanced = AdvancedPage(self.draft)
        self.start = StartPage(self.draft)
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self.steps = self._make_steps()
        self.stack = QStackedWidget()
        for page in (self.data, self.network, self.advanced, self.start):
            self.stack.addWidget(page)
        self.cancel, self.quick, self.back, self.next = (QPushButton() for _ in range(4))
        self._quickly = False  # start as soon as nothing speaks against it
        self._why_not = QLabel()
        self._arrange()
        self._connect()
        self.advanced.offer("devices", False)
        if cards is not None:
            self.ask.ask("cards", cards)
        self.retranslate()
        self.show_step("data")

    def _make_steps(self) -> dict[str, QPushButton]:
        group = QButtonGroup(self)
        made = {}
        for name in STEPS:
            button = QPushButton()
            button.setObjectName(f"step_{name}")
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, name=name: self.show_step(name))
            group.addButton(button)
            made[name] = button
        return made

    def _arrange(self) -> None:
        head = plain(QHBoxLayout())
        head.addWidget(self._title)
        head.addStretch(1)
        for button in self.steps.values():
            head.addWidget(button)
        self.cancel.setObjectName("cancel")
        self.quick.setObjectName("quick_look")
        self.back.setObjectName("back")
        self.next.setObjectName("next")
        self.next.setProperty("role", "primary")
        self._why_not.setProperty("role", "muted")
        self._why_not.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._why_not.setTextFormat(Qt.TextFormat.PlainText)
        self._why_not.setWordWrap(True)
        foot = QFrame()
        row = plain(QHBoxLayout(foot))
        row.addWidget(self.cancel)
        row.addWidget(self._why_not, 1)
        row.addWidget(self.quick)
        row.addWidget(self.back)
        row.addWidget(self.next)
        for button in (self.cancel, self.quick, self.back, self.next):
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        box = QVBoxLayout(self)
        box.setContentsMargins(*(theme.SPACING * 2,) * 4)
        box.setSpacing(theme.SPACING * 2)
        box.addLayout(head)
        box.addWidget(self.stack, 1)
        box.addWidget(foot)

    def _connect(self) -> None:
        self.cancel.clicked.connect(self._reject)
        self.quick.clicked.connect(self._look_quickly)
        self.back.clicked.connect(lambda: self._go(-1))
        self.next.clicked.connect(self._forward)
        self.data.survey_changed.connect(self._on_survey)
        self.draft.changed.connect(self._refresh)
        self.network.told.connect(self._refresh)
        self.data.found.split.told.connect(self._refresh)
        self.ask.answered.connect(self._on_answer)
        self.ask.troubled.connect(self._on_trouble)
        self.start.renamed.connect(self._rename)
        self.start.setting_wanted.connect(self.show_setting)

    # Interface for the page

    def set_folder(self, folder: Path) -> None:
        """Start with this data."""
        self.show_step("data")
        self.data.choose(folder)

    def open_with(self, settings: TrainSettings) -> None:
        """Start with the settings of an earlier run, to train again with changes."""
        self.draft.take(settings)
        self._name = self._unused(settings.bundle_name)
        self.show_step("data")
        self.data.choose(settings.data, task=settings.task)

    def set_waiting(self, waiting: bool) -> None:
        """Set whether another run is active, so that this run would wait for its turn."""
        self._waiting = waiting
        self.retranslate()

    def end(self) -> None:
        """End the background work; called before the window closes."""
        self.data.end()
        self.ask.end()

    # Steps

    @property
    def step(self) -> str:
        return STEPS[self.stack.currentIndex()]

    def show_step(self, name: str) -> None:
        """Go to a step."""
        if self._quickly and name != "start":  # a person looks again before it begins
            self._quickly = False
            self.draft.reset(["time_limit"])
        self.stack.setCurrentIndex(STEPS.index(name))
        self.steps[name].setChecked(True)
        self._checked = None  # the disk may have changed since the last check
        self._refresh()
        self.retranslate()

    def show_setting(self, name: str) -> None:
        """Go to the field of a setting."""
        self.show_step("advanced")
        self.advanced.show_setting(name)

    def _go(self, step: int) -> None:
        self.show_step(STEPS[min(max(0, self.stack.currentIndex() + step), len(STEPS) - 1)])

    def _forward(self) -> None:
        if self.step != "start":
            self._go(1)
            return
        self._accept()

    def _look_quickly(self) -> None:
        """Start a training of a few minutes with what is recommended, as soon as that is known."""
        self.draft.set(time_limit=QUICK_S)
        self._quickly = True
        self.show_step("start")

    def _accept(self) -> None:
        try:
            settings = self.settings()
        except ConfigError as error:
            self.start.show_problems([error.problem], {})
            return
        self.accepted.emit(settings)

    def _reject(self) -> None:
        self.data.surveyor.give_up()
        self.rejected.emit()

    def leave(self) -> None:
        """Go one step back: from labels being given, from a later step; close the dialog at its first step only."""
        if self.step != "data":
            self._go(-1)
        elif not self.data.leave():
            self._reject()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            super().keyPressEvent(event)

    # The configured training

    @property
    def run_name(self) -> str:
        """The name of the run and its bundle."""
        if self._name:
            return self._name
        folder, network = self.draft.folder, str(self.draft.value("network"))
        data = folder_name(folder.name) if folder is not None else ""
        return self._unused(f"{data or 'training'}-{network}")

    def _unused(self, name: str) -> str:
        """Return the name, with a number appended if a run has this name."""
        taken, number = folder_name(name), 1
        while (self._runs / taken).exists():
            number += 1
            taken = f"{folder_name(name)}-{number}"
        return name if number == 1 else f"{name}-{number}"

    def settings(self) -> TrainSettings:
        """Return the current settings. Raises ConfigError naming what is wrong."""
        run = self._runs / folder_name(self.run_name)
        return train_settings({**self.draft.values(), "name": self.run_name, "run": run, "out": run / BUNDLE})

    def _name_error(self) -> str:
        if not folder_name(self.run_name):
            return self.tr("The name needs a letter or a digit.")
        if (self._runs / folder_name(self.run_name)).exists():
            return self.tr("There is a run of this name already.")
        return ""

    def _rename(self, name: str) -> None:
        self._name = name.strip()
        self._refresh()

    def _on_survey(self, found: Survey | None) -> None:
        self.network.show_survey(found)
        self._refresh()

    def _check(self, *, can: bool) -> None:
        """Check what would stop the run with these settings, unless that is known.

        `can`: no simpler reason prevents the run.
        """
        if self.step != "start" or self._preflight is None or not can:
            return
        settings, preflight = self.settings(), self._preflight
        if settings != self._checked:
            self._checked, self._found = settings, None
            self.ask.ask("preflight", lambda: tuple(preflight(settings)))

    def _on_answer(self, kind: str, answer: Any) -> None:  # noqa: ANN401 - whatever was asked for
        if kind == "preflight":
            self._found = answer
            self._refresh()
        elif kind == "cards":
            self.advanced.offer("devices", answer > 1)

    def _on_trouble(self, kind: str, trouble: InspectorError) -> None:
        if kind == "preflight":
            self._found = (trouble.problem,)
            self._refresh()

    def _refresh(self) -> None:
        ready = self.data.ready
        errors = dict(self.draft.errors())
        for name, button in self.steps.items():
            button.setEnabled(ready or name == "data")
        if not ready and self.step != "data" and self.data.survey is not None:
            self.show_step("data")
            return
        self.next.setEnabled(ready)
        self.quick.setEnabled(ready and self.network.can_train)
        if self.step == "start":
            self._refresh_start(errors, ready=ready)
        self._say_why_not(errors)

    def _refresh_start(self, errors: dict[str, str], *, ready: bool) -> None:
        can = ready and not errors and not self._name_error()
        self._check(can=can)
        split = self.data.found.split.trouble
        problems = [*((split,) if split is not None else ()), *(self._found or ())]
        survey, task = self.data.survey, self.draft.task
        images = survey.tasks[task].total if survey is not None and task is not None and task in survey.tasks else 0
        self.start.show_name(self._name or self.run_name, self._name_error())
        self.start.show_facts(images=images, minutes=self.network.minutes)
        self.start.show_problems(problems, errors)
        known = self._preflight is None or self._found is not None
        self.next.setEnabled(can and known and not problems and self.network.can_train and self.network.settled)
        if self._quickly and self.next.isEnabled():
            self._quickly = False
            QTimer.singleShot(0, self, self._accept)  # not inside what told that it is known
        elif self._quickly and (problems or errors):
            self._quickly = False  # a person must look at them

    def _say_why_not(self, errors: dict[str, str]) -> None:
        """Show at the buttons what is still missing."""
        text = ""
        if self.data.asks_good:
            text = self.tr("Say which classes show good parts.")
        elif self.data.survey is not None and not self.data.ready:
            text = self.data.found.blocked
        elif self.step == "start" and not self.network.can_train:
            text = self.network.missing.text()
        elif self.step == "start" and not self.network.settled:
            text = self.tr("Working out what suits this data…")
        elif self.step == "start" and self.ask.waits("preflight"):
            text = self.tr("Checking whether it can start…")
        elif errors and self.step != "start":
            text = self.tr("{count} settings are wrong; they are marked.").format(count=len(errors))
        self._why_not.setText(text)

    def retranslate(self) -> None:
        self._title.setText(self.tr("New training"))
        self.setAccessibleName(self.tr("New training"))
        titles = (self.tr("1  Data"), self.tr("2  Network"), self.tr("3  Advanced"), self.tr("4  Start"))
        for button, text in zip(self.steps.values(), titles, strict=True):
            button.setText(text)
            button.setAccessibleName(text)
        last = self.step == "start"
        go = (self.tr("Add to queue") if self._waiting else self.tr("Start training")) if last else self.tr("Next")
        quick = self.tr("Quick look (3 min)")
        self.quick.setVisible(not last)
        self.quick.setToolTip(self.tr("Trains for three minutes with what is recommended: enough to see whether it can work"))
        for button, text in (
            (self.cancel, self.tr("Cancel")),
            (self.quick, quick),
            (self.back, self.tr("Back")),
            (self.next, go),
        ):
            button.setText(text)
            button.setAccessibleName(text)
        self.back.setEnabled(self.step != "data")
        self.restyle()
        self._refresh()

    def restyle(self) -> None:
        self.cancel.setIcon(theme.icon("close"))
        self.quick.setIcon(theme.icon("clock"))
        self.back.setIcon(theme.icon("previous"))
        self.next.setIcon(theme.icon("start" if self.step == "start" else "next", "on_accent"))
