"""The first step: choose a folder, see what can be trained on it and what is wrong, and how it is split."""

import logging
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QLabel, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.core.registry import TASKS
from inspector.core.storage.paths import user_data
from inspector.core.types import TaskName
from inspector.data.collector import look_again
from inspector.data.good_classes import guess_good_classes
from inspector.data.samples import Dataset
from inspector.data.survey import Survey, TaskSurvey, UnlabelledError
from inspector.ui.shell import theme
from inspector.ui.shell.settings import Settings
from inspector.ui.training.data.dataset_threads import Picture, SampleThread, SurveyThread, Wanted
from inspector.ui.training.data.dataset_view import FoundView
from inspector.ui.training.data.empty_view import EmptyView
from inspector.ui.training.data.folder_bar import FolderBar
from inspector.ui.training.data.labelling.view import LabelView
from inspector.ui.training.data.sample_view import PAGE, SIDE
from inspector.ui.training.labels import DEMO_FOLDER
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

log = logging.getLogger(__name__)


class DataPage(Themed, QWidget):
    """The data page. `survey_changed` carries the newest Survey of the chosen folder, or None while there is none."""

    survey_changed = Signal(object)

    def __init__(self, draft: Draft, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.survey: Survey | None = None
        self._folder: Path | None = None
        self._read = ("", False)  # how the folder's labels were last read
        self._job = 0
        self._wanted_task: TaskName | None = None
        self.samples_known = False  # whether the chosen data's labels were read or are known to be unreadable
        self.bar = FolderBar(settings)
        self.empty, self.found, self.labelling = EmptyView(), FoundView(draft), LabelView()
        self._busy_text, self._busy_bar = QLabel(), QProgressBar()
        self.stack = QStackedWidget()
        for page in (self.empty, self._make_busy(), self.found, self.labelling):
            self.stack.addWidget(page)
        box = plain(QVBoxLayout(self), theme.SPACING * 2)
        box.addWidget(self.bar)
        box.addWidget(self.stack, 1)
        self.surveyor, self.sampler = SurveyThread(self), SampleThread(self)
        self.setAcceptDrops(True)
        self._connect()
        self.retranslate()

    def _make_busy(self) -> QWidget:
        self._busy_bar.setTextVisible(False)
        self._busy_bar.setRange(0, 0)
        made = QWidget()
        box = plain(QVBoxLayout(made), theme.SPACING * 2)
        box.addStretch(1)
        box.addWidget(self._busy_text)
        box.addWidget(self._busy_bar)
        box.addStretch(2)
        return made

    def _connect(self) -> None:
        self.bar.chosen.connect(self.choose)
        self.empty.demo_wanted.connect(self.choose_demo)
        self.empty.retry.connect(self._again)
        self.found.task_chosen.connect(self._choose_task)
        self.found.layout_chosen.connect(lambda name: self._draft.set(layout=name))
        self.found.label_wanted.connect(self.label)
        self.labelling.done.connect(self._on_labelled)
        self._draft.changed.connect(self._on_draft)
        self.surveyor.progressed.connect(self._on_progress)
        self.surveyor.previewed.connect(self._on_survey)
        self.surveyor.surveyed.connect(self._on_survey)
        self.surveyor.troubled.connect(self._on_trouble)
        found, sampler = self.found, self.sampler
        found.samples.page_wanted.connect(lambda first: sampler.want_page(first, PAGE, SIDE))
        found.samples.whole_wanted.connect(sampler.want_whole)
        found.problems.image_wanted.connect(sampler.want_whole)
        found.split.wanted.connect(sampler.want_split)
        sampler.opened.connect(self._on_opened)
        sampler.pictured.connect(found.samples.show_picture)
        sampler.shown.connect(self._on_shown)
        sampler.divided.connect(found.split.show_division)
        sampler.troubled.connect(self._on_sample_trouble)

    # Actions of the person

    def choose(self, folder: Path, *, demo: bool = False, task: TaskName | None = None) -> None:
        """Survey this folder. `task`: the task to select if the data supports it; by default the most informative one."""
        self._folder, self._wanted_task = folder, task
        self.survey = None
        self.survey_changed.emit(None)
        self.sampler.open(None, None)
        look_again()
        self.empty.show_trouble(None)
        self._draft.set_folder(folder)
        self.bar.show_folder(folder)
        self.stack.setCurrentIndex(1)
        self._busy_bar.setRange(0, 0)
        self.retranslate()
        self._read = self._reading()
        self._job = self.surveyor.look(self._wanted(folder, demo=demo))

    def _reading(self) -> tuple[str, bool]:
        return str(self._draft.value("layout")), bool(self._draft.value("backgrounds"))

    def _wanted(self, folder: Path, *, demo: bool = False) -> Wanted:
        layout, backgrounds = self._reading()
        return Wanted(folder, demo=demo, layout=layout, backgrounds=backgrounds)

    def _on_draft(self, names: frozenset[str]) -> None:
        """Read the labels again, in the draft's new way."""
        if names & {"layout", "backgrounds"} and self.survey is not None and self._reading() != self._read:
            self._again()

    def choose_demo(self, name: str) -> None:
        """Choose the images of the demo line, which are written first if they do not exist."""
        self.choose(user_data() / DEMO_FOLDER / name, demo=True)

    def label(self) -> None:
        """Have the images of the chosen folder sorted into classes."""
        if self._folder is not None:
            self._job = -1  # a survey that goes on would come before the pictures
            self.survey = None
            self.sampler.open(None, None)
            self.labelling.open(self._folder)
            self.stack.setCurrentWidget(self.labelling)
            self.survey_changed.emit(None)

    def leave(self) -> bool:
        """Leave the labelling, with the labels given so far; return False where nothing is being labelled."""
        if self.stack.currentWidget() is not self.labelling:
            return False
        if self.labelling.leave():
            return True
        if self.labelling.done_button.isEnabled():
            self.labelling.finish()
        else:
            self.stack.setCurrentWidget(self.empty)
        return True

    def _on_labelled(self) -> None:
        self._draft.set(layout="")
        self._again()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        folder = _dropped(event)
        if folder is not None:
            event.acceptProposedAction()
            self.choose(folder)

    def _again(self) -> None:
        if self._folder is not None:
            self.choose(self._folder, task=self._wanted_task)

    def _choose_task(self, task: TaskName) -> None:
        if self.survey is not None and task in self.survey.tasks and task != self._draft.task:
            self._draft.set_task(task)
            self._guess_good()
            self._open_samples()
            self.survey_changed.emit(self.survey)

    # Results of the threads

    def _on_progress(self, job: int, done: int, total: int) -> None:
        if job == self._job:
            self._busy_bar.setRange(0, total)
            self._busy_bar.setValue(done)
            self.found.show_progress(done, total)

    def _on_survey(self, job: int, found: Survey) -> None:
        if job != self._job:
            return
        first = self.survey is None
        self.survey = found
        usable = [task for task, offered in found.tasks.items() if offered.blocked is None]
        if first or self._draft.task not in found.tasks:
            wanted = self._wanted_task if self._wanted_task in found.tasks else None
            self._draft.set_task(wanted or next(iter(usable or found.tasks)))
        self._guess_good()
        if first:
            self._open_samples()
        self.found.show_survey(found)
        self.stack.setCurrentWidget(self.found)
        self.survey_changed.emit(found)

    def _on_trouble(self, job: int, trouble: InspectorError) -> None:
        if job != self._job:
            return
        if isinstance(trouble, UnlabelledError):
            self.label()
            return
        self.survey = None
        self.sampler.open(None, None)
        self.empty.show_trouble(trouble)
        self.stack.setCurrentWidget(self.empty)
        self.survey_changed.emit(None)

    def _guess_good(self) -> None:
        """Take classes as good whose names say so, where an image has one class."""
        offered = self._offered()
        self._draft.guess_good(guess_good_classes(offered.classes) if offered is not None and _asks_good(offered) else ())

    def _offered(self) -> TaskSurvey | None:
        return self.survey.tasks.get(self._draft.task) if self.survey and self._draft.task else None

    def _open_samples(self) -> None:
        self.found.samples.show_samples(0, ())
        self.found.split.show_division(None)
        self.samples_known = False
        self.sampler.open(self._wanted(self._folder) if self._folder is not None else None, self._draft.task)

    def _on_opened(self, dataset: Dataset) -> None:
        if (dataset.folder, dataset.task) == (self._folder, self._draft.task):
            self.samples_known = True
            self.found.samples.show_samples(len(dataset.samples), dataset.classes)
            self.found.split.ask()

    def _on_shown(self, picture: Picture) -> None:
        self.found.show_problem_image()
        self.found.samples.show_whole(picture)

    def _on_sample_trouble(self, trouble: InspectorError) -> None:
        self.samples_known = True
        log.info("samples cannot be shown: %s", trouble.problem)

    @property
    def ready(self) -> bool:
        """Whether there is data on which the chosen task can be trained, and its good classes are known."""
        offered = self._offered()
        return offered is not None and offered.blocked is None and not self.asks_good

    @property
    def asks_good(self) -> bool:
        """Whether a person must say which classes are good."""
        offered = self._offered()
        return offered is not None and offered.blocked is None and _asks_good(offered) and not self._draft.knows_good

    def end(self) -> None:
        """End the threads and drop their answers."""
        self._job = -1
        self.surveyor.end()
        self.sampler.end()
        self.labelling.end()
        look_again()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Data"))
        name = self._folder.name if self._folder is not None else ""
        self._busy_text.setText(self.tr("Looking at {folder}").format(folder=name))
        self._busy_bar.setAccessibleName(self._busy_text.text())


def _asks_good(offered: TaskSurvey) -> bool:
    """Return whether the verdict depends on which classes are good: where an image has one class."""
    return TASKS[offered.task].labels == "label"


def _dropped(event: QDropEvent) -> Path | None:
    """Return the dropped folder, or the folder of the dropped file."""
    for url in event.mimeData().urls():
        path = Path(url.toLocalFile()) if url.isLocalFile() else None
        if path is not None and path.exists():
            return path if path.is_dir() else path.parent
    return None
