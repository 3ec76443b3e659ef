"""The window on a line that the test conducts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.inspection.run_request import RunRequest
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import strings, theme
from inspector.ui.shell.app import application
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Preferences, Settings
from tests.ui.line_double import RECIPE, Conductor

OFFSCREEN = r"plugin does not support (propagateSizeHints|raise|grabbing the keyboard)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The offscreen platform says these of every window with a smallest size, and of every list that opens."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore(OFFSCREEN, extend=True))


@pytest.fixture(scope="session")
def qapp() -> Iterator[object]:
    """The program's own application: its fonts and style."""
    app = application()
    theme.apply(app, "light")
    yield app
    app.setStyleSheet("")


class HoldingBot(QtBot):
    """A QtBot that keeps its widgets until they are closed.

    The one of pytest-qt knows them weakly. When the test function has returned nothing else holds them, and the collector may
    then delete a window inside a slot of one of its children, which reads what is gone.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.held: list[QWidget] = []

    def addWidget(self, widget: QWidget, *, before_close_func: Callable[[QWidget], None] | None = None) -> None:
        super().addWidget(widget, before_close_func=before_close_func)
        self.held.append(widget)


@pytest.fixture
def qtbot(qapp: object, request: pytest.FixtureRequest) -> Iterator[QtBot]:
    """pytest-qt's, but that a widget stays until it is closed."""
    bot = HoldingBot(request)
    yield bot
    bot.held.clear()


@pytest.fixture
def conductor() -> Conductor:
    return Conductor()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "window.toml", preferences=Preferences(language="en", theme="light", archive="off"))


@pytest.fixture
def window(qtbot: QtBot, conductor: Conductor, settings: Settings) -> Iterator[MainWindow]:
    """The main window at 1366x768 with the demo line's cameras, ready to start."""
    made = MainWindow(settings, StationWorker(factory=conductor))
    made.worker.start()
    made.resize(1366, 768)
    made.open_choice(RunRequest(RECIPE), None)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_now()
    made.deleteLater()
    strings.set_language("en")
