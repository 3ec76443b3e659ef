"""The training page: the list of runs, the selected run, and a new training."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPoint, QSize, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import fill
from inspector.core.storage.paths import is_shipped
from inspector.runs.settings import TrainSettings
from inspector.training.state import LIVE, RunInfo, RunState
from inspector.ui.shell import theme
from inspector.ui.shell.settings import Settings
from inspector.ui.training.run.bridge import News, TrainingBridge
from inspector.ui.training.run.list import RunList
from inspector.ui.training.run.pictures import own_pictures
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.question import Answer, Question
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:
    from inspector.ui.training.new.dialog import TrainingDialog
    from inspector.ui.training.results.compare import CompareView
    from inspector.ui.training.results.recipe_panel import RecipePanel
    from inspector.ui.training.run.view import RunView
    from inspector.ui.variants.panel import VariantsPanel

_LIST_WIDTH: Final = theme.SPACING * 42  # in pixels; on a narrow panel a quarter of the page
DEMO: Final = "window"  # demo data for a first training
_QUEUE: Final = "queue"


class TrainPage(Themed, QWidget):
    """The training page.

    `recipe_written` carries the file of a recipe to which a bundle was added, or from which it was removed; `inspect_wanted` a
    recipe to inspect with; `review_wanted` a folder to review with the bundle that learnt from it.
    """

    recipe_written = Signal(object)
    inspect_wanted = Signal(object)
    review_wanted = Signal(object, object)

    def __init__(
        self, settings: Settings, runs: Path, parent: QWidget | None = None, *, recipe: Callable[[], Path | None] = lambda: None
    ) -> None:
        """Create the page.

        `runs`: folder of the runs; nothing is read before the page is shown or its bridge begins. `recipe`: returns the file of
        the station's recipe.
        """
        super().__init__(parent)
        self.setObjectName("page")
        self._settings, self._recipe = settings, recipe
        self._shown: Path | None = None  # the selected run
        self._drawn: Path | None = None  # the run whose history is drawn
        self._told = False  # whether the list of runs is known
        self._wanted: Path | None = None  # the run to show as soon as it exists
        self._about: Path | None = None  # the run that the open question concerns
        self.bridge = TrainingBridge(runs, self)
        self.list = RunList()
        self.new = QPushButton()
        self.new.setObjectName("new_training")
        self.new.setProperty("role", "primary")
        self.new.setIconSize(QSize(theme.ICON, theme.ICON))
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self.empty = EmptyRuns()
        self.dialog: TrainingDialog | None = None
        self.view: RunView | None = None
        self.comparison: CompareView | None = None
        self.panel: RecipePanel | None = None
        self.variants: VariantsPanel | None = None
        self.compare = QPushButton()
        self.compare.setObjectName("compare_runs")
        self.compare.setCheckable(True)
        self.compare.setIconSize(QSize(theme.ICON, theme.ICON))
        self.detail = QStackedWidget()
        self.detail.addWidget(self.empty)
        self.banners = Banners(self)
        self.question = Question(self)
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        self._aside = QFrame()
        self._aside.hide()  # while there are no runs
        side = plain(QVBoxLayout(self._aside), theme.SPACING * 2)
        side.addWidget(self._title)
        side.addWidget(self.new)
        side.addWidget(self.list, 1)
        side.addWidget(self.compare)
        self._body = QWidget()
        row = QHBoxLayout(self._body)
        row.setContentsMargins(*(theme.SPACING * 2,) * 4)
        row.setSpacing(theme.SPACING * 2)
        row.addWidget(self._aside)
        row.addWidget(self.detail, 1)
        self.main = QStackedWidget()
        self.main.addWidget(self._body)
        plain(QVBoxLayout(self)).addWidget(self.main)

    def _connect(self) -> None:
        self.new.clicked.connect(lambda: self.open_dialog())
        self.empty.new_wanted.connect(lambda: self.open_dialog())
        self.empty.demo_wanted.connect(self.open_demo)
        self.list.chosen.connect(self.show_run)
        self.list.several.connect(self._compare)
        self.compare.toggled.connect(self._on_compare)
        self.bridge.news.connect(self._on_news)
        self.bridge.failed.connect(self._on_failure)
        self.bridge.added.connect(self._on_added)
        self.banners.retry.connect(self._retry)
        self.banners.resized.connect(self._place_banners)
        self.question.answered.connect(self._on_answer)

    # New trainings

    def open_dialog(self, settings: TrainSettings | None = None) -> "TrainingDialog":
        """Open the dialog for a new training, with the settings of an earlier run if given."""
        from inspector.ui.training.new.wiring import training_dialog

        if self.dialog is None:
            self.dialog = training_dialog(self._settings, self.bridge.folder, self)
            self.dialog.accepted.connect(self._on_accepted)
            self.dialog.rejected.connect(self.close_dialog)
            self.main.addWidget(self.dialog)
        self.dialog.set_waiting(any(info.state in (*LIVE, RunState.WAITING) for info in self.runs))
        self.main.setCurrentWidget(self.dialog)
        if settings is not None:
            self.dialog.open_with(settings)
        return self.dialog

    def open_demo(self) -> None:
        """Open the dialog for a new training with the images of the demo line."""
        self.open_dialog().data.choose_demo(DEMO)

    def close_dialog(self) -> None:
        """Return to the runs and discard the draft."""
        if self.dialog is not None:
            self.main.setCurrentWidget(self._body)
            self.main.removeWidget(self.dialog)
            self.dialog.end()
            self.dialog.deleteLater()
            self.dialog = None

    def _on_accepted(self, settings: TrainSettings) -> None:
        self.bridge.add(settings)
        self.close_dialog()

    def _on_added(self, folder: Path) -> None:
        self._wanted = folder

    # The runs

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """All runs in list order."""
        return tuple(self.list.runs.runs)

    @property
    def run(self) -> RunInfo | None:
        """The selected run."""
        return self._info(self._shown)

    @property
    def calm(self) -> bool:
        """Whether everything known about the runs is on the screen."""
        return self._told and (self.view is None or self._shown is None or self._drawn == self._shown)

    def show_run(self, folder: Path) -> None:
        """Show this run."""
        info = self._info(folder)
        if info is None:
            self._wanted = folder
            return
        if folder != self._shown:
            self._shown = folder
            self.bridge.watch(folder)
        self.list.choose(folder)
        view = self._run_view()
        view.show_run(info, self.list.runs.turn(folder))
        if self.panel is None:
            self.detail.setCurrentWidget(view)

    def _run_view(self) -> "RunView":
        if self.view is None:
            from inspector.ui.training.run.view import RunView  # its charts take longer to import than the rest of the window

            self.view = RunView(self)
            self.view.wanted.connect(self._on_wish)
            self.view.failed.connect(self._on_failure)
            self.view.use_wanted.connect(self.open_panel)
            self.view.judge_wanted.connect(self.judge_pictures)
            self.view.variants_wanted.connect(self.open_variants)
            self.view.train_wanted.connect(self.open_dialog)
            self.detail.addWidget(self.view)
        return self.view

    def _on_compare(self, on: bool) -> None:
        """Choose runs to compare, or return to a single run."""
        self.list.set_choosing(on)
        self.restyle()
        if on:
            self._compare(self.list.folders)
        elif self.runs:
            self.show_run(next(iter(self.list.folders), self.runs[0].folder))

    def _compare(self, folders: list[Path]) -> None:
        if self.comparison is None:
            from inspector.ui.training.results.compare import CompareView

            self.comparison = CompareView()
            self.detail.addWidget(self.comparison)
        chosen = [self._info(folder) for folder in folders]
        self.comparison.show_runs([info for info in chosen if info is not None])
        self.detail.setCurrentWidget(self.comparison)

    # Use of a bundle

    def open_panel(self, bundle: Path) -> "RecipePanel":
        """Open the panel that adds this bundle to a recipe."""
        from inspector.ui.training.results.recipe_panel import RecipePanel

        self.close_panel()
        self.panel = RecipePanel()
        self.panel.applied.connect(self.recipe_written)
        self.panel.inspect_wanted.connect(self.inspect_wanted)
        self.panel.left.connect(self.close_panel)
        folder = own_pictures(self.run)
        self.panel.show_bundle(bundle, self._recipe(), source="" if folder is None else f"folder:{folder}")
        self.detail.addWidget(self.panel)
        self.detail.setCurrentWidget(self.panel)
        self._aside.setEnabled(False)  # one panel at a time
        return self.panel

    def judge_pictures(self, bundle: Path) -> None:
        """Review the pictures of the run with its bundle. Without a recipe of one's own, it also gets a new one."""
        folder, current = own_pictures(self.run), self._recipe()
        if folder is None:
            self.open_panel(bundle)
        elif current is None or is_shipped(current):
            panel = self.open_panel(bundle)
            panel.applied.connect(lambda _: self.review_wanted.emit(folder, None))
            panel.apply.click()
        else:
            self.review_wanted.emit(folder, bundle)

    def open_variants(self, bundle: Path) -> "VariantsPanel":
        """Show the variants of this bundle."""
        if self.variants is None:
            from inspector.ui.variants.panel import VariantsPanel

            self.variants = VariantsPanel(self)
        self.variants.open(None, first=bundle)
        return self.variants

    def close_panel(self) -> None:
        """Return to the run."""
        if self.panel is not None:
            self.detail.removeWidget(self.panel)
            self.panel.end()
            self.panel.deleteLater()
            self.panel = None
            self._aside.setEnabled(True)
            if self.view is not None:
                self.detail.setCurrentWidget(self.view)

    def _info(self, folder: Path | None) -> RunInfo | None:
        row = self.list.runs.row_of(folder)
        return self.list.runs.runs[row] if row >= 0 else None

    def _on_news(self) -> None:
        news = self.bridge.take()
        self._told = True
        if news.runs is not None:
            self._take_runs(news.runs)
        if news.watched is not None and news.watched == self._shown and self.view is not None:
            self._take_messages(self.view, news)

    def _take_runs(self, runs: tuple[RunInfo, ...]) -> None:
        self.banners.clear(_QUEUE)
        self.list.runs.set_runs(runs)
        self._aside.setVisible(bool(runs))
        self.compare.setVisible(sum(info.state is RunState.DONE for info in runs) > 1 or self.compare.isChecked())
        if self.compare.isChecked():
            return  # the chosen runs stay on the screen
        wanted = self._info(self._wanted)
        if wanted is not None:
            self._wanted = None
            self.show_run(wanted.folder)
            return
        if self.run is not None:
            self.show_run(self.run.folder)
        elif runs:
            self.show_run(self.runs[0].folder)
        else:
            self._shown = None
            self.bridge.watch(None)
            self.detail.setCurrentWidget(self.empty)

    def _take_messages(self, view: "RunView", news: News) -> None:
        if news.history is not None:
            view.show_history(news.history)
            self._drawn = self._shown
        if news.messages:
            view.take(news.messages)
        if news.samples is not None:
            view.show_samples(news.samples)

    # Commands

    def _on_wish(self, wish: str) -> None:
        info = self.run
        if info is None:
            return
        if wish in ("pause", "resume", "stop", "resume_interrupted"):
            self._command(wish, info.folder)
        elif wish == "cancel":
            self._cancel(info)
        elif wish == "remove":
            self._remove(info)
        elif wish == "again":
            self._again(info)
        elif wish == "folder":
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(info.folder)))
        elif wish == "details" and info.outcome is not None:
            QGuiApplication.clipboard().setText("\n\n".join(filter(None, (str(info.sentence), info.outcome.details))))

    def _cancel(self, info: RunInfo) -> None:
        """Cancel a run; ask first if an epoch is done, because its work would be lost."""
        if info.metric is None or info.state is RunState.WAITING:
            self._command("cancel", info.folder)
            return
        text = self.tr(
            "What {name} has learnt in {epochs} {epochs:|epoch|epochs} is lost. Stopped instead, its best epoch is kept."
        )
        answers = (
            Answer("cancel", self.tr("Cancel training"), "close"),
            Answer("stop", self.tr("Stop and keep the best"), "save"),
            Answer("stay", self.tr("Let it go on"), "start", leading=True),
        )
        self._ask(self.tr("Cancel this training?"), fill(text, name=info.name, epochs=info.metric.epoch), answers, info)

    def _remove(self, info: RunInfo) -> None:
        text = self.tr("Everything in {folder} is deleted, its curves and its bundle too.").format(folder=info.folder)
        answers = (Answer("remove", self.tr("Remove"), "trash"), Answer("stay", self.tr("Keep it"), leading=True))
        self._ask(self.tr("Remove {name}?").format(name=info.name), text, answers, info)

    def _ask(self, title: str, text: str, answers: tuple[Answer, ...], info: RunInfo) -> None:
        self._about = info.folder
        self.question.ask(title, text, answers)

    def _on_answer(self, answer: str) -> None:
        if answer in ("cancel", "stop", "remove") and self._about is not None:
            self._command(answer, self._about)

    def _command(self, name: str, folder: Path) -> None:
        self.bridge.command(name, folder)  # type: ignore[arg-type]  # it is one of its commands
        if self.view is not None and folder == self._shown:
            self.view.begin(name)

    def _again(self, info: RunInfo) -> None:
        try:
            self.open_dialog(info.record.train_settings())
        except ConfigError as error:
            self._on_failure(error)

    # Problems

    def _on_failure(self, error: InspectorError) -> None:
        lost = not self.bridge.isRunning() or self.bridge.isFinished()
        self.banners.show_problem(_QUEUE if lost else "run", error.problem, error.remedy, retryable=lost)

    def _retry(self, key: str) -> None:
        self.banners.clear(key)
        self.bridge.begin()

    def leave(self) -> None:
        """Close the topmost overlay: a question, a large picture, the dialog."""
        if self.question.isVisible():
            self.question.escape()
        elif self.variants is not None and self.variants.isVisible():
            self.variants.leave()
        elif self.view is not None and self.view.samples.large.isVisible():
            self.view.samples.large.uncover(False)
        elif self.dialog is not None:
            self.dialog.leave()
        elif self.panel is not None:
            self.close_panel()
        else:
            self.compare.setChecked(False)

    def close_workers(self) -> None:
        """End the background threads; trainings go on unless the person decided otherwise."""
        self.close_dialog()
        self.close_panel()
        for view in (self.variants, self.view):
            if view is not None:
                view.close_workers()
        self.bridge.end()

    # Theme and language

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Train"))
        self._title.setText(self.tr("Trainings"))
        self.new.setText(self.tr("New training"))
        self.new.setAccessibleName(self.tr("New training"))
        self.compare.setText(self.tr("Compare"))
        self.compare.setAccessibleName(self.tr("Compare trainings"))
        self.compare.setToolTip(self.tr("Choose those that are to stand side by side"))
        self.restyle()

    def restyle(self) -> None:
        self.new.setIcon(theme.icon("plus", "on_accent"))
        self.compare.setIcon(theme.icon("compare", "on_accent" if self.compare.isChecked() else "text"))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.bridge.begin()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._aside.setFixedWidth(min(_LIST_WIDTH, self.width() // 4))
        self._place_banners()

    def _place_banners(self) -> None:
        corner = self.detail.mapTo(self, QPoint(0, 0))
        width = self.detail.width()
        self.banners.setGeometry(corner.x(), corner.y(), width, max(self.banners.heightForWidth(width), 0))
        self.banners.raise_()


class EmptyRuns(Themed, QWidget):
    """The first steps, shown while there are no runs."""

    new_wanted = Signal()
    demo_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign, self._title, self._text, self._steps = (QLabel() for _ in range(4))
        self._title.setProperty("role", "title")
        for label in (self._text, self._steps):
            label.setWordWrap(True)
        self.new, self.demo = QPushButton(), QPushButton()
        self.new.setObjectName("empty_new")
        self.new.setProperty("role", "primary")
        self.demo.setObjectName("empty_demo")
        for button, wanted in ((self.new, self.new_wanted), (self.demo, self.demo_wanted)):
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(wanted)
        card = QFrame()
        card.setProperty("role", "card")
        card.setMaximumWidth(theme.SPACING * 88)
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 4,) * 4)
        box.setSpacing(theme.SPACING * 2)
        for widget in (self._sign, self._title, self._text, self._steps):
            box.addWidget(widget)
        row = plain(QHBoxLayout(), theme.SPACING * 2)
        row.addWidget(self.new)
        row.addWidget(self.demo)
        row.addStretch(1)
        box.addLayout(row)
        whole = QVBoxLayout(self)
        whole.addStretch(1)
        across = plain(QHBoxLayout())
        across.addStretch(1)
        across.addWidget(card, 8)
        across.addStretch(1)
        whole.addLayout(across)
        whole.addStretch(1)
        self.retranslate()

    def retranslate(self) -> None:
        self._title.setText(self.tr("Bring a folder of images, leave with a bundle"))
        self._text.setText(
            self.tr("A training learns from images of your own parts. The line goes on being inspected meanwhile.")
        )
        steps = (
            self.tr("Choose the folder: the program shows what it understands. Images without labels are sorted into classes."),
            self.tr("Take the network that is recommended, or another one."),
            self.tr("Watch the curves, and use the bundle in your recipe."),
        )
        self._steps.setText("\n".join(f"{number}.  {step}" for number, step in enumerate(steps, start=1)))
        self.new.setText(self.tr("New training"))
        self.new.setAccessibleName(self.tr("Begin a new training"))
        self.demo.setText(self.tr("Try it with demo data"))
        self.demo.setAccessibleName(self.tr("Try it with demo data"))
        self.restyle()

    def restyle(self) -> None:
        self._sign.setPixmap(theme.icon("train", "accent").pixmap(QSize(theme.TOUCH, theme.TOUCH)))
        self.new.setIcon(theme.icon("plus", "on_accent"))
        self.demo.setIcon(theme.icon("start"))
