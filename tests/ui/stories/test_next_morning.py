"""The same station next morning: what it ran is open again, and damage never ends in a running demo line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.recipes.adopt import own_path
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe, known_recipes, own_recipes
from inspector.recipes.recipe import CameraModel, load_recipe
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell.app import Options, prepare
from inspector.ui.shell.main_window import FIRST_SIZE, MainWindow
from inspector.ui.shell.settings import NO_RECIPE, Settings
from inspector.ui.widgets.hold_button import HoldButton
from tests.ui.line_double import Conductor
from tests.ui.pressing import press

SMALL_PANEL = (1024, 700)  # 768 lines less the title and a task bar
Open = Callable[..., MainWindow]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "window.toml"


@pytest.fixture
def opened(qtbot: QtBot, conductor: Conductor, file: Path) -> Iterator[Open]:
    """The window as the program opens it, with the settings of that file."""
    made: list[MainWindow] = []

    def make(**options: object) -> MainWindow:
        settings = Settings(file)
        settings.override(language="en", theme="light")
        window = MainWindow(settings, StationWorker(factory=conductor))
        made.append(window)
        window.worker.start()
        window.resize(1366, 768)
        window.show()
        prepare(window, Options(**options))  # type: ignore[arg-type]  # of the test
        return window

    yield make
    for window in made:
        window.close_now()
        window.deleteLater()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A recipe of the user's own with a real camera, where the program keeps such recipes."""
    demo = load_recipe(demo_recipe())
    cameras = {name: CameraModel(source="usb:0", mm_per_px=0.5) for name in demo.cameras}
    path = own_path("Own line")
    save_recipe(demo.model_copy(update={"name": "Own line", "cameras": cameras}), path)
    yield path
    path.unlink()


def power_cut(window: MainWindow) -> None:
    """The window is gone without having been closed; what it wrote until then is all there is."""
    window.hide()


def test_what_ran_is_open_again_after_a_power_cut(opened: Open, own: Path, qtbot: QtBot, conductor: Conductor) -> None:
    window = opened()
    assert window.inspect.recipe_file == demo_recipe()
    assert window.inspect.tile.simulated
    window.inspect.open_recipe(own)
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations))
    press(window, qtbot, "Stop")
    qtbot.waitUntil(lambda: window.inspect.tile.text == "STOPPED")
    power_cut(window)

    again = opened()
    assert again.inspect.recipe_file == own
    press(again, qtbot, "Start")  # one click next morning
    qtbot.waitUntil(lambda: len(conductor.stations) == 2)
    assert conductor.station.recipe.name == "Own line"
    assert not again.inspect.tile.simulated


def test_the_source_comes_back_and_a_password_is_asked_for(opened: Open, own: Path, file: Path, qtbot: QtBot) -> None:
    window = opened(recipe=own)
    assert window.inspect.use_source("rtsp://10.0.0.7/line?channel=2")
    power_cut(window)
    again = opened()
    assert again.inspect.source_chooser.currentText() == "rtsp://10.0.0.7/line?channel=2"
    assert {camera.source for camera in again.inspect.choice.recipe.cameras.values()} == {  # type: ignore[union-attr]  # open
        "rtsp://10.0.0.7/line?channel=2"
    }
    assert again.inspect.use_source("rtsp://user:geheim@10.0.0.7/line")
    power_cut(again)
    assert "geheim" not in file.read_text("utf-8")
    third = opened(start=True)
    assert any("password" in told for told in third.inspect.banners.problems().values())
    assert third.inspect.tile.text == "STOPPED"
    press(third, qtbot, "Start")  # refused until the whole address is typed
    assert third.inspect.tile.text == "STOPPED"
    assert "geheim" not in third.inspect.source_chooser.currentText()


@pytest.mark.allow_logs("starts with its defaults")
@pytest.mark.parametrize("content", [b"\0" * 400, b"[layout]\nrecipe = 7\n"])
def test_damaged_settings_are_said_and_no_demo_line_runs(
    opened: Open, file: Path, conductor: Conductor, content: bytes, own: Path, qtbot: QtBot
) -> None:
    file.write_bytes(content)
    for _ in range(2):  # a person who closes the window mends nothing by that
        window = opened(start=True)
        assert window.inspect.choice is None
        assert window.inspect.tile.text == "NO RECIPE"
        assert not window.inspect.start_button.isEnabled()
        window.close()
    assert conductor.stations == []
    assert file.with_name("window.toml.damaged").read_bytes() == content

    file.write_bytes(content)
    window = opened(start=True)
    (told,) = window.inspect.banners.problems().values()
    assert "damaged" in told
    assert "window.toml.damaged" in told
    window.inspect.open_recipe(own)
    assert window.inspect.start_button.isEnabled()
    power_cut(window)
    assert opened().inspect.recipe_file == own


def test_a_recipe_that_has_gone_is_said_and_nothing_takes_its_place(opened: Open, own: Path, conductor: Conductor) -> None:
    copy = own.with_name("gone.toml")
    copy.write_bytes(own.read_bytes())
    power_cut(opened(recipe=copy))
    copy.unlink()
    window = opened(start=True)
    assert window.inspect.choice is None
    assert any("gone.toml" in told for told in window.inspect.banners.problems().values())
    assert conductor.stations == []


def test_own_recipes_have_a_home_that_every_chooser_lists(opened: Open, own: Path, tmp_path: Path, qtbot: QtBot) -> None:
    assert own.parent == own_recipes()
    assert own in known_recipes()
    window = opened()
    later = own.with_name("later.toml")  # written while the window is open
    later.write_bytes(own.read_bytes().replace(b"Own line", b"Later line"))
    try:
        chooser = window.inspect.recipe_chooser
        chooser.showPopup()
        names = [chooser.itemText(index) for index in range(chooser.count())]
        chooser.hidePopup()
        assert {"Demo line", "Own line", "Later line"} <= set(names)
        assert chooser.currentText() == "Demo line"
        window.show_page("settings")
        start = window.settings_page.choosers["recipe"]
        assert {"What was open last", "Demo line", "Own line", "Later line"} <= {
            start.itemText(index) for index in range(start.count())
        }
        window.show_page("review")
        reviewed = window.review.open_bar.chooser
        assert "Own line" in {reviewed.itemText(index) for index in range(reviewed.count())}
    finally:
        later.unlink()


def test_the_first_window_fits_a_small_screen(opened: Open) -> None:
    """The offscreen screen has 800 x 800 pixels."""
    window = opened()
    window.resize(*SMALL_PANEL)
    QApplication.processEvents()
    assert (window.width(), window.height()) == SMALL_PANEL
    fresh = MainWindow(Settings(Path("/nonexistent/window.toml")), StationWorker(factory=Conductor()))
    free = fresh.screen().availableGeometry().size()
    assert fresh.height() <= min(free.height(), FIRST_SIZE.height())
    assert fresh.width() <= max(free.width(), fresh.minimumWidth())
    fresh.open_window()
    assert fresh.isMaximized()
    fresh.close()
    fresh.deleteLater()


# ---- closing --------------------


def test_closing_the_window_over_a_running_line_wants_to_be_held(opened: Open, qtbot: QtBot, conductor: Conductor) -> None:
    window = opened(start=True)
    window.activateWindow()
    qtbot.waitActive(window)
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.running)
    window.close()
    assert window.isVisible()
    question = window.line_closing.question
    assert "running" in question.text
    assert question.buttons["keep_line"].hasFocus() or not window.isActiveWindow()
    stop = question.buttons["close_line"]
    assert isinstance(stop, HoldButton)
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    assert window.isVisible()
    window.actions_by_name["leave"].trigger()
    assert question.text == ""
    assert window.inspect.running
    assert conductor.station.stopped == 0

    window.close()
    with qtbot.waitSignal(stop_of(window).held, timeout=5000):
        qtbot.mousePress(stop_of(window), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert conductor.station.stopped == 1


def stop_of(window: MainWindow) -> HoldButton:
    button = window.line_closing.question.buttons["close_line"]
    assert isinstance(button, HoldButton)
    return button


def test_a_window_over_a_line_that_stands_closes_at_once(opened: Open) -> None:
    window = opened()
    window.close()
    assert not window.isVisible()
    assert NO_RECIPE not in {str(path) for path in known_recipes()}
