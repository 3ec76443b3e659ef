"""The window: a rail of page buttons on the left, the current page, keys for everything, and a remembered layout."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QWidget

from inspector.core.errors import InspectorError, defect
from inspector.ui.shell import theme
from inspector.ui.shell.actions import make_actions
from inspector.ui.shell.operator_keys import OperatorKeys
from inspector.ui.shell.pages import Pages
from inspector.ui.shell.rail import PAGES, Rail
from inspector.ui.shell.settings import NO_RECIPE, Layout, Preferences, Settings
from inspector.ui.shell.strings import set_language, system_language
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:  # what the pages are made of is imported when they are made
    from inspector.inspection.run_request import RunRequest
    from inspector.ui.archive.page import ArchivePage
    from inspector.ui.inspect.page import InspectPage
    from inspector.ui.inspect.recipe_change import RecipeChange
    from inspector.ui.inspect.station_worker import StationWorker
    from inspector.ui.manual.helper import Helper
    from inspector.ui.recipes.page import RecipesPage
    from inspector.ui.review.page import ReviewPage
    from inspector.ui.shell.handover import Handover
    from inspector.ui.shell.line_closing import LineClosing
    from inspector.ui.shell.settings_page import SettingsPage
    from inspector.ui.tabs.tabs import AnalysisTabs
    from inspector.ui.training.close_question import Leaving
    from inspector.ui.training.page import TrainPage

FIRST_SIZE: Final = QSize(1440, 900)  # or the screen, if that is smaller
SMALLEST_SIZE: Final = QSize(960, 640)
QUEUE_MS: Final = 1500  # after the window is shown, trainings are looked for: the first picture comes before


class MainWindow(Themed, QMainWindow):
    """Owns the pages and the station worker, and closes the worker when the window is closed.

    A page is made on first use, in the current language and colours. Call `load()` before the window is shown: the window
    appears first, its pages load afterwards, and then `loaded` is emitted.
    """

    loaded = Signal()

    def __init__(self, settings: Settings, worker: "StationWorker | None" = None, *, runs: Path | None = None) -> None:
        """Create the window.

        `worker` None: a new worker, started when a page needs it. `runs`: folder of the trainings, by default the user's.
        """
        super().__init__()
        self.setObjectName("main")
        self._settings = settings
        self._worker, self._runs = worker, runs
        self._resting = False  # the line needs the processor
        self._path: Path | None = None  # to be reviewed as soon as that page is there
        self._asked: Path | None = None  # the recipe that judges it, if one was named
        self._loading = self._forced = False
        self.rail = Rail()
        self.pages = Pages(
            {
                "inspect": lambda: self.inspect,
                "review": lambda: self.review,
                "archive": lambda: self.archive,
                "train": lambda: self.train,
                "recipes": lambda: self.recipes,
                "settings": lambda: self.settings_page,
            }
        )
        body = QWidget()
        body.setObjectName("body")  # not "page": a sheet that lies over a page leaves the rail free
        row = QHBoxLayout(body)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self.pages, 1)
        self.setCentralWidget(body)
        self.actions_by_name = make_actions(self)
        self._operator_keys = OperatorKeys(
            self.actions_by_name, lambda: self.inspect.operator.held_by_keys, leave=self._leave_overlay
        )
        for name, button in self.rail.buttons.items():
            button.clicked.connect(lambda _checked=False, name=name: self.show_page(name))
        self._settings.changed.connect(self._use)
        self.setMinimumSize(SMALLEST_SIZE)
        self._recall(settings.layout)
        self.retranslate()
        self._use(settings.preferences)

    # ---- what is made when it is needed first --------------------

    def _has(self, name: str) -> bool:
        """Return whether this cached property has been made."""
        return name in vars(self)

    @cached_property
    def worker(self) -> "StationWorker":
        worker = self._worker
        if worker is None:
            from inspector.station.part_ids import station_folder
            from inspector.ui.inspect.station_worker import StationWorker

            worker = StationWorker(counts=station_folder())
            worker.start()
        worker.news.connect(self._tell_of_line, Qt.ConnectionType.QueuedConnection)
        return worker

    @cached_property
    def inspect(self) -> "InspectPage":
        from inspector.ui.inspect.page import InspectPage

        page = InspectPage(self.worker)
        self.pages.addWidget(page)
        page.fullscreen_wanted.connect(self.toggle_operator_view)
        page.help_wanted.connect(lambda: self.help.open())
        page.resting.connect(self._rest)
        layout = self._settings.layout
        if layout.feed:
            page.splitter.restoreState(QByteArray.fromBase64(layout.feed.encode()))
        page.choose_tab(layout.tab)
        page.choose_camera(layout.camera)
        page.takt.set_open(layout.takt)
        page.use_preferences(self._settings.preferences)
        page.choice_changed.connect(self._remember_choice)
        damage = self._settings.damage
        if damage is not None:
            page.banners.show_problem("settings", damage.problem, damage.remedy, retryable=False)
        return page

    @cached_property
    def review(self) -> "ReviewPage":
        from inspector.ui.review.page import ReviewPage

        page = ReviewPage(judge=self.handover.judge)
        self.pages.addWidget(page)
        page.settled.connect(self.pages.arrived)
        page.train_wanted.connect(self.handover.train_on)
        page.recipe_written.connect(self.handover.record_recipe)
        page.recipe_written.connect(lambda path: self.recipe_change.offer(path))
        page.analysis.set_unit(self._settings.preferences.temperature)
        page.analysis.set_resting(self._resting)
        if self._asked is not None:
            from inspector.ui.review.chooser import With

            page.use(With("recipe", self._asked))
        if self._path is not None:
            page.open_path(self._path)
        return page

    @cached_property
    def archive(self) -> "ArchivePage":
        from inspector.ui.archive.page import ArchivePage

        page = ArchivePage(self._settings, recipe=lambda: self.inspect.recipe_file)
        self.pages.addWidget(page)
        page.train_wanted.connect(self.handover.train_on)
        page.recipe_written.connect(self.handover.take_recipe)
        page.record.analysis.set_unit(self._settings.preferences.temperature)
        page.record.analysis.set_resting(self._resting)
        return page

    @cached_property
    def train(self) -> "TrainPage":
        from inspector.runs.folder import runs_folder
        from inspector.ui.training.page import TrainPage

        page = TrainPage(self._settings, self._runs or runs_folder(), recipe=lambda: self.inspect.recipe_file)
        self.pages.addWidget(page)
        page.recipe_written.connect(self.handover.record_recipe)
        page.recipe_written.connect(lambda path: self.recipe_change.offer(path))
        page.inspect_wanted.connect(lambda _path: self.show_page("inspect"))
        page.review_wanted.connect(self.handover.review_with)
        page.bridge.news.connect(self._tell_of_trainings, Qt.ConnectionType.QueuedConnection)  # after the page
        return page

    @cached_property
    def recipes(self) -> "RecipesPage":
        from inspector.ui.recipes.page import RecipesPage

        page = RecipesPage(current=lambda: self.inspect.recipe_file)
        self.pages.addWidget(page)
        page.recipe_written.connect(self.handover.take_recipe)
        page.recipe_written.connect(self.handover.record_recipe)
        page.inspect_wanted.connect(self.handover.inspect_with)
        return page

    @cached_property
    def settings_page(self) -> "SettingsPage":
        from inspector.ui.shell.settings_page import SettingsPage

        page = SettingsPage(self._settings, unheeded=lambda: self.worker.unheeded if self._has("worker") else ())
        self.pages.addWidget(page)
        page.failed.connect(self.show_error)
        page.server.saved.connect(self.handover.reopen_archive)
        return page

    @cached_property
    def leaving(self) -> "Leaving":
        from inspector.ui.training.close_question import Leaving
        from inspector.ui.widgets.question import Question

        leaving = Leaving(self.train, Question(self), self)
        leaving.settled.connect(self.close)
        return leaving

    @cached_property
    def line_closing(self) -> "LineClosing":
        from inspector.ui.shell.line_closing import LineClosing
        from inspector.ui.widgets.question import Question

        closing = LineClosing(Question(self), self)
        closing.settled.connect(self.close)
        return closing

    @cached_property
    def recipe_change(self) -> "RecipeChange":
        from inspector.ui.inspect.recipe_change import RecipeChange
        from inspector.ui.widgets.question import Question

        return RecipeChange(self.inspect, Question(self), self)

    @cached_property
    def handover(self) -> "Handover":
        from inspector.ui.shell.handover import Handover

        return Handover(self, self._has)

    @cached_property
    def help(self) -> "Helper":
        from inspector.ui.manual.helper import Helper

        return Helper(self)

    def _tell_of_line(self) -> None:
        """Tell the settings page that the line may have started or stopped."""
        if self._has("settings_page") and self.settings_page.isVisible():
            self.settings_page.show_notes()

    def _tell_of_trainings(self) -> None:
        """Tell what measures on this computer whether a training runs beside it."""
        from inspector.training.state import RunState

        self.inspect.tune.set_training(any(info.state is RunState.RUNNING for info in self.train.runs))

    def load(self, then: Callable[[], None]) -> None:
        """Schedule the imports that the pages need for the time after the first paint.

        Call it before the window is shown. `then`: called as soon as the inspect page can be made.
        """

        def on_loaded(name: str) -> None:
            if name == "inspect":
                then()
            if all(self.pages.has(page) for page in PAGES):
                self._loading = False
                self._look_for_trainings()
                self.loaded.emit()

        self._loading = True
        self.pages.loaded.connect(on_loaded)
        self.pages.load()

    def _look_for_trainings(self) -> None:
        """Look for trainings a little later, so that visible pages are made first."""
        QTimer.singleShot(QUEUE_MS, self, lambda: self.train.bridge.begin() if self.isVisible() else None)

    @property
    def settings(self) -> Settings:
        return self._settings

    # ---- pages --------------------

    @property
    def page(self) -> str:
        """Name of the current page."""
        return self.pages.name

    def open_window(self) -> None:
        """Show the window; at the first start on a small screen it takes all of the screen that is free."""
        free = self.screen().availableGeometry().size()
        if not self._settings.layout.geometry and free != free.expandedTo(FIRST_SIZE):
            self.showMaximized()
        else:
            self.show()

    def show_page(self, name: str) -> None:
        """Show a page."""
        if self.operator_view and name != "inspect":
            self.toggle_operator_view()
        self.rail.buttons[name].setChecked(True)
        self.pages.want(name)
        self.pages.settle()

    def open_choice(self, choice: "RunRequest", path: Path | None) -> None:
        """Inspect with this recipe from now on, on both pages."""
        self.inspect.set_choice(choice, path)
        if self._has("review"):
            self.review.follow()

    def open_first(self) -> None:
        """Open the initial recipe of the window: the chosen one, else what was open last with its source.

        After damage of the settings none is opened, because the demo line would be mistaken for the line that ran before.
        """
        from inspector.recipes.locate import demo_recipe

        chosen, layout = self._settings.preferences.recipe, self._settings.layout
        if chosen:
            self.inspect.open_recipe(Path(chosen))
        elif layout.recipe != NO_RECIPE:
            self.inspect.reopen(Path(layout.recipe) if layout.recipe else demo_recipe(), layout.source)

    def _remember_choice(self) -> None:
        """Keep what is open at once, so that the station opens it again after a power cut."""
        from inspector.recipes.locate import demo_recipe

        file = self.inspect.recipe_file
        if file is not None:
            recipe = "" if file == demo_recipe() else str(file.resolve())
            self._settings.remember(replace(self._settings.layout, recipe=recipe, source=self.inspect.source))

    def open_path(self, path: Path, *, recipe: Path | None = None) -> None:
        """Show an image, folder or video on the review page. `recipe`: judged by this one, by default the open one."""
        self._asked = recipe
        if self.pages.has("review") or self._has("review"):
            self.show_page("review")
            self.review.open_path(path)
        else:
            self._path = path
            self.pages.look_at(path, until="review")
            self.show_page("review")

    def browse(self, what: str) -> None:
        """Ask for an image, a folder or a video to review."""
        self.review.browse(what, self.open_path)

    def step_tab(self, by: int) -> None:
        """Show the next (1) or previous (-1) view of the inspect page."""
        bar = self.inspect.tab_bar
        order = [(bar.currentIndex() + by * step) % bar.count() for step in range(1, bar.count())]
        bar.setCurrentIndex(next((index for index in order if bar.isTabVisible(index)), bar.currentIndex()))

    # ---- operator view, help --------------------

    @property
    def operator_view(self) -> bool:
        return self.rail.isHidden()

    def toggle_operator_view(self) -> None:
        """Toggle the operator view: feed, verdict, reasons and counters on the whole screen, or the whole window."""
        on = not self.operator_view
        if on:
            self.show_page("inspect")
        self.rail.setVisible(not on)
        self._operator_keys.use(on)
        self.inspect.set_operator_view(on)
        self.setWindowState(
            self.windowState() | Qt.WindowState.WindowFullScreen
            if on
            else self.windowState() & ~Qt.WindowState.WindowFullScreen
        )

    def leave(self) -> None:
        """Close the topmost overlay: a question, the help, the operator view, or an overlay of the current page."""
        if self._leave_overlay():
            return
        if self.operator_view:
            self.toggle_operator_view()
        elif self.page == "review" and self._has("review"):
            self.review.analysis.leave()
        elif self.page in ("archive", "train", "recipes") and self._has(self.page):
            getattr(self, self.page).leave()

    def _leave_overlay(self) -> bool:
        """Close a question, the help, or what lies over the inspect page; return whether there was one."""
        for name in ("leaving", "line_closing", "recipe_change"):
            if self._has(name) and (question := getattr(self, name).question).isVisible():
                question.escape()
                return True
        if self._has("help") and self.help.leave():
            return True
        return self._has("inspect") and self.inspect.isVisible() and self.inspect.leave()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._operator_keys.press(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not self._operator_keys.release(event):
            super().keyReleaseEvent(event)

    # ---- settings, errors, layout --------------------

    def _use(self, preferences: Preferences) -> None:
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            raise RuntimeError("the window needs the application")
        if not app.styleSheet() or theme.choose(preferences.theme) is not theme.current():
            theme.apply(app, preferences.theme)
        set_language(preferences.language or system_language())
        if self._has("inspect"):
            self.inspect.use_preferences(preferences)
        for analysis in self._analyses():
            analysis.set_unit(preferences.temperature)

    def _rest(self, resting: bool) -> None:
        """Tell the pages that the line started or stopped needing the processor."""
        self._resting = resting
        for analysis in self._analyses():
            analysis.set_resting(resting)

    def _analyses(self) -> "list[AnalysisTabs]":
        """Return the tabs of the pages that show single parts."""
        made = [self.review.analysis] if self._has("review") else []
        return [*made, self.archive.record.analysis] if self._has("archive") else made

    @property
    def usable(self) -> bool:
        """Whether there is a page that can show a problem."""
        return self._has("inspect")

    def show_error(self, error: InspectorError) -> None:
        """Show a problem that belongs to no page as a banner on the inspect page."""
        self.inspect.banners.show_problem("window", error.problem, error.remedy, retryable=False)

    def show_defect(self, error: BaseException) -> None:
        """Show an unexpected error, so that it is reported; the line goes on."""
        problem = defect(error)
        self.inspect.banners.show_problem("defect", problem.problem, problem.remedy, retryable=False)

    def _recall(self, layout: Layout) -> None:
        self.resize(FIRST_SIZE.boundedTo(self.screen().availableGeometry().size()))
        if layout.geometry:
            self.restoreGeometry(QByteArray.fromBase64(layout.geometry.encode()))
        name = layout.page if layout.page in PAGES else "inspect"
        self.rail.buttons[name].setChecked(True)
        self.pages.want(name)

    def _layout(self) -> Layout:
        layout = replace(self._settings.layout, geometry=bytes(self.saveGeometry().toBase64().data()).decode(), page=self.page)
        if not self._has("inspect"):
            return layout
        return replace(
            layout,
            feed=bytes(self.inspect.splitter.saveState().toBase64().data()).decode(),
            tab=self.inspect.tab,
            camera=self.inspect.camera,
            takt=self.inspect.takt.open,
        )

    def retranslate(self) -> None:
        self.setWindowTitle(self.tr("Inspector"))
        self.setAccessibleName(self.tr("Inspector"))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.pages.settle()
        if not self._loading:
            self._look_for_trainings()

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Move the focus for a person; if Qt looks for another widget because one was disabled or hidden, leave it to the page.

        The next widget may be one whose action is hard to undo, and the next key press is meant for the one that has gone.
        """
        now = self.focusWidget()
        if now is not None and not (now.isEnabled() and now.isVisible()):
            (self.pages.currentWidget() or self).setFocus()
            return True
        return super().focusNextPrevChild(forward)

    def close_now(self) -> None:
        """Close without a question; the line is stopped, trainings go on in the background."""
        self._forced = True
        if self._has("train"):
            self.train.close_workers()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the line, wait for the threads and save the layout; ask first if a line or a training runs."""
        if not self._forced and self._has("inspect") and not self.line_closing.may_close(running=self.inspect.running):
            event.ignore()
            return
        if self._has("train") and not self.leaving.may_close():
            event.ignore()
            return
        if self.operator_view:
            self.toggle_operator_view()
        self._settings.remember(self._layout())
        self.pages.close_workers()
        for name in ("help", "inspect", "review", "archive", "train", "recipes", "settings_page", "handover"):
            if self._has(name):
                getattr(self, name).close_workers()
        if self._has("worker"):
            self.worker.close()
        super().closeEvent(event)
