"""The window: a rail of pages on the left, the page beside it, keys for everything, and the layout it remembers."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.core.runs import runs_folder
from inspector.recipes.locate import demo_recipe
from inspector.station.choice import Choice
from inspector.ui import theme
from inspector.ui.choosers import IMAGES, VIDEOS
from inspector.ui.live import InspectPage
from inspector.ui.question import Question
from inspector.ui.review import ReviewPage
from inspector.ui.settings import Layout, Preferences, Settings
from inspector.ui.settings_page import SettingsPage
from inspector.ui.shortcuts import SHORTCUTS, HelpOverlay
from inspector.ui.strings import is_language_change, set_language, system_language
from inspector.ui.training.leaving import Leaving
from inspector.ui.training.page import TrainPage
from inspector.ui.worker import StationWorker

log = logging.getLogger(__name__)

PAGES: Final = ("inspect", "review", "train", "settings")
FIRST_SIZE: Final = QSize(1440, 900)
SMALLEST_SIZE: Final = QSize(1120, 680)
QUEUE_MS: Final = 1500  # after the window is shown, trainings are looked for: the first picture comes before


class Rail(QFrame):
    """The buttons of the pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(theme.RAIL)
        self.buttons: dict[str, QToolButton] = {}
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.SPACING, theme.SPACING * 2, theme.SPACING, theme.SPACING * 2)
        box.setSpacing(theme.SPACING)
        for page in PAGES:
            button = QToolButton()
            button.setObjectName(f"page_{page}")
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            if page == "settings":
                box.addStretch(1)
            box.addWidget(button)
            self.buttons[page] = button
            button.toggled.connect(self._dress)
        self.retranslate()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Pages"))
        texts = {
            "inspect": self.tr("Inspect"),
            "review": self.tr("Review"),
            "train": self.tr("Train"),
            "settings": self.tr("Settings"),
        }
        for page, button in self.buttons.items():
            button.setText(texts[page])
            button.setAccessibleName(texts[page])
        self._dress()

    def _dress(self) -> None:
        for page, button in self.buttons.items():
            button.setIcon(theme.icon(page, "on_accent" if button.isChecked() else "on_rail"))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self.retranslate()
        elif event.type() == QEvent.Type.StyleChange:
            self._dress()


class MainWindow(QMainWindow):
    """Owns the pages and the station worker; closes the worker when it is closed."""

    def __init__(self, settings: Settings, worker: StationWorker, *, runs: Path | None = None) -> None:
        """`runs`: the folder of the trainings, by default the user's."""
        super().__init__()
        self.setObjectName("main")
        self._settings = settings
        self.worker = worker
        self.inspect = InspectPage(worker)
        self.review = ReviewPage()
        self.train = TrainPage(settings, runs or runs_folder(), recipe=lambda: self.inspect.recipe_file)
        self.settings_page = SettingsPage(settings)
        self.rail = Rail()
        self.pages = QStackedWidget()
        pages = (self.inspect, self.review, self.train, self.settings_page)
        self._by_name: dict[str, QWidget] = dict(zip(PAGES, pages, strict=True))
        for page in self._by_name.values():
            self.pages.addWidget(page)
        body = QWidget()
        body.setObjectName("page")
        row = QHBoxLayout(body)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self.pages, 1)
        self.setCentralWidget(body)
        self.help = HelpOverlay(self)
        self.leaving = Leaving(self.train, Question(self), self)
        self.actions_by_name: dict[str, QAction] = {}
        self._make_actions()
        self._connect()
        self.setMinimumSize(SMALLEST_SIZE)
        self._recall(settings.layout)
        self.retranslate()
        self._use(settings.preferences)

    def _connect(self) -> None:
        for name, button in self.rail.buttons.items():
            button.clicked.connect(lambda _checked=False, name=name: self.show_page(name))
        self.inspect.fullscreen_wanted.connect(self.toggle_operator_view)
        self.inspect.help_wanted.connect(self.help.open)
        self.train.recipe_written.connect(self.inspect.open_recipe)
        self.leaving.settled.connect(self.close)
        self.inspect.resting.connect(self.review.analysis.set_resting)
        self.settings_page.failed.connect(self.show_error)
        self._settings.changed.connect(self._use)

    def _make_actions(self) -> None:
        page = self.inspect
        slots: dict[str, Callable[[], object]] = {
            "start": page.start_button.click,
            "stop": page.stop_button.click,
            "trigger": page.trigger_button.click,
            "live": page.back_to_live,
            "older_ng": lambda: page.filmstrip.step(1),
            "newer_ng": lambda: page.filmstrip.step(-1),
            "page_inspect": lambda: self.show_page("inspect"),
            "page_review": lambda: self.show_page("review"),
            "page_train": lambda: self.show_page("train"),
            "page_settings": lambda: self.show_page("settings"),
            "next_tab": lambda: self._step_tab(1),
            "previous_tab": lambda: self._step_tab(-1),
            "open_image": self._open_image,
            "open_folder": self._open_folder,
            "open_video": self._open_video,
            "open_recipe": page.recipe_chooser.browse,
            "fullscreen": self.toggle_operator_view,
            "leave": self.leave,
            "help": self._toggle_help,
            "quit": self.close,
        }
        for shortcut in SHORTCUTS:
            action = QAction(self)
            action.setObjectName(f"action_{shortcut.name}")
            action.setShortcut(QKeySequence(shortcut.keys))
            action.triggered.connect(lambda _checked=False, slot=slots[shortcut.name]: slot())
            self.addAction(action)
            self.actions_by_name[shortcut.name] = action

    # ---- pages --------------------

    @property
    def page(self) -> str:
        """The name of the page in sight."""
        return next(name for name, widget in self._by_name.items() if widget is self.pages.currentWidget())

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        if self.operator_view and name != "inspect":
            self.toggle_operator_view()
        self.rail.buttons[name].setChecked(True)
        self.pages.setCurrentWidget(self._by_name[name])

    def open_choice(self, choice: Choice, path: Path | None) -> None:
        """Inspect by this recipe from now on, on both pages."""
        self.inspect.set_choice(choice, path)

    def open_first(self) -> None:
        """The recipe the window opens with."""
        chosen = self._settings.preferences.recipe
        self.inspect.open_recipe(Path(chosen) if chosen else demo_recipe())

    def open_path(self, path: Path) -> None:
        """Show an image, folder or video on the review page."""
        self.show_page("review")
        self.review.open_path(path)

    def _open_image(self) -> None:
        kinds = self.tr("Images ({patterns})").format(patterns=IMAGES)
        name, _ = QFileDialog.getOpenFileName(self, self.tr("Review an image"), "", kinds)
        if name:
            self.open_path(Path(name))

    def _open_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Review a folder of images"))
        if name:
            self.open_path(Path(name))

    def _open_video(self) -> None:
        kinds = self.tr("Videos ({patterns})").format(patterns=VIDEOS)
        name, _ = QFileDialog.getOpenFileName(self, self.tr("Review a video"), "", kinds)
        if name:
            self.open_path(Path(name))

    def _step_tab(self, by: int) -> None:
        bar = self.inspect.tab_bar
        bar.setCurrentIndex((bar.currentIndex() + by) % bar.count())

    # ---- operator view, help --------------------

    @property
    def operator_view(self) -> bool:
        return self.rail.isHidden()

    def toggle_operator_view(self) -> None:
        """Feed, verdict, reasons and counters on the whole screen, or the whole window again."""
        on = not self.operator_view
        if on:
            self.show_page("inspect")
        self.rail.setVisible(not on)
        self.inspect.set_operator_view(on)
        self.setWindowState(
            self.windowState() | Qt.WindowState.WindowFullScreen
            if on
            else self.windowState() & ~Qt.WindowState.WindowFullScreen
        )

    def leave(self) -> None:
        """Close what lies on top: a question, the help, the operator view, what the page in sight has opened."""
        if self.leaving.question.isVisible():
            self.leaving.question.escape()
        elif self.help.isVisible():
            self.help.hide()
        elif self.operator_view:
            self.toggle_operator_view()
        elif self.page == "train":
            self.train.leave()
        else:
            self.inspect.leave()

    def _toggle_help(self) -> None:
        if self.help.isVisible():
            self.help.hide()
        else:
            self.help.open()

    # ---- settings, errors, layout --------------------

    def _use(self, preferences: Preferences) -> None:
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            raise RuntimeError("the window needs the application")
        if not app.styleSheet() or theme.choose(preferences.theme) is not theme.current():
            theme.apply(app, preferences.theme)
        set_language(preferences.language or system_language())
        self.inspect.use_preferences(preferences)
        self.review.analysis.set_unit(preferences.temperature)

    def show_error(self, error: InspectorError) -> None:
        """A problem that is nobody's page: told as a banner on the inspect page."""
        self.inspect.banners.show_problem("window", error.problem, error.remedy, retryable=False)

    def show_defect(self, error: BaseException) -> None:
        """An error nobody foresaw: said, so that it is reported; the line goes on."""
        problem = message("This program has a defect: {detail}.", detail=f"{type(error).__name__}: {error}")
        remedy = message("Please report it with the program's log.")
        self.inspect.banners.show_problem("defect", problem, remedy, retryable=False)

    def _recall(self, layout: Layout) -> None:
        self.resize(FIRST_SIZE)
        if layout.geometry:
            self.restoreGeometry(QByteArray.fromBase64(layout.geometry.encode()))
        if layout.feed:
            self.inspect.splitter.restoreState(QByteArray.fromBase64(layout.feed.encode()))
        self.show_page(layout.page if layout.page in PAGES else "inspect")
        self.inspect.choose_tab(layout.tab)
        self.inspect.choose_camera(layout.camera)
        self.inspect.takt.set_open(layout.takt)

    def _layout(self) -> Layout:
        return Layout(
            geometry=bytes(self.saveGeometry().toBase64().data()).decode(),
            feed=bytes(self.inspect.splitter.saveState().toBase64().data()).decode(),
            page=self.page,
            tab=self.inspect.tab,
            camera=self.inspect.camera,
            takt=self.inspect.takt.open,
            folders=self._settings.layout.folders,
        )

    def retranslate(self) -> None:
        self.setWindowTitle(self.tr("Inspector"))
        self.setAccessibleName(self.tr("Inspector"))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self.retranslate()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(QUEUE_MS, self, self.train.bridge.begin)

    def close_now(self) -> None:
        """Close without a question: what trains goes on in the background."""
        self.train.close_workers()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the line, wait for the threads, and remember the layout; where something trains, ask first."""
        if not self.leaving.may_close():
            event.ignore()
            return
        if self.operator_view:
            self.toggle_operator_view()
        self._settings.remember(self._layout())
        self.inspect.close_workers()
        self.review.close_workers()
        self.train.close_workers()
        self.worker.close()
        super().closeEvent(event)
