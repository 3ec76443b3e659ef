"""What the window remembers, and the settings page."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QFileDialog
from pytestqt.qtbot import QtBot

from inspector.core.errors import StorageError
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Layout, Preferences, Settings
from inspector.ui.shell.settings_page import SETTINGS
from tests.ui.line_double import Conductor


def test_choices_survive(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "window.toml"
    Settings(path).choose(language="ja", temperature="K")
    again = Settings(path)
    assert again.preferences == Preferences(language="ja", temperature="K")


def test_an_override_is_for_this_run_only(tmp_path: Path) -> None:
    path = tmp_path / "window.toml"
    settings = Settings(path)
    settings.override(language="ja")
    settings.choose(theme="dark")
    assert settings.preferences == Preferences(language="ja", theme="dark")
    assert Settings(path).preferences == Preferences(theme="dark")


@pytest.mark.allow_logs("starts with its defaults")
@pytest.mark.parametrize("text", ["", "nonsense =", '[preferences]\nlanguage = "xx"', "\x00"])
def test_a_damaged_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.toml"
    path.write_text(text)
    assert Settings(path).preferences == Preferences()


def test_a_disk_that_refuses_is_told_and_the_choice_holds(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings = Settings(tmp_path / "file" / "window.toml")
    with pytest.raises(StorageError):
        settings.choose(theme="dark")
    assert settings.preferences.theme == "dark"
    settings.remember(Layout(page="review"))  # a layout is not worth an error


def test_every_setting_says_what_why_and_the_default(window: MainWindow) -> None:
    assert {setting.field for setting in SETTINGS} == {field.name for field in fields(Preferences)}
    window.show_page("settings")
    for setting in SETTINGS:
        chooser = window.findChild(QComboBox, f"setting_{setting.field}")
        assert isinstance(chooser, QComboBox)
        assert chooser.isVisible()
        assert all(chooser.itemText(index) for index in range(chooser.count()))


def test_the_theme_changes_at_once(window: MainWindow) -> None:
    chooser = window.settings_page.choosers["theme"]
    before = window.grab().toImage().pixelColor(700, 700)
    chooser.activated.emit(chooser.findData("dark"))
    assert theme.current() is theme.DARK
    assert window.grab().toImage().pixelColor(700, 700).lightness() < before.lightness()
    chooser.activated.emit(chooser.findData("light"))
    assert theme.current() is theme.LIGHT


def test_the_temperature_unit_reaches_every_view(window: MainWindow) -> None:
    chooser = window.settings_page.choosers["temperature"]
    for unit in ("K", "C"):
        chooser.activated.emit(chooser.findData(unit))
        for tabs in (window.inspect.analysis, window.review.analysis):
            assert tabs.tabs["thermal"].unit.current() == unit  # type: ignore[attr-defined] - of the thermal tab


def test_the_layout_comes_back(qtbot: QtBot, settings: Settings, conductor: Conductor) -> None:
    for step in range(2):
        window = MainWindow(settings, StationWorker(factory=conductor))
        window.show()
        if step == 0:
            window.resize(1300, 720)
            window.show_page("settings")
            window.inspect.choose_tab("thermal")
        else:
            assert window.height() == 720  # the width is that of the offscreen screen
            assert window.page == "settings"
            assert window.inspect.tab == "thermal"
        window.close()
        window.deleteLater()


def test_a_folder_to_save_in_is_chosen_kept_and_used(
    window: MainWindow, conductor: Conductor, qtbot: QtBot, tmp_path: Path, settings: Settings
) -> None:
    """While a line runs: the dialog is no modal box, so that Stop and everything else can be reached beside it."""
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.running)
    window.show_page("settings")
    chooser = window.settings_page.choosers["save_to"]
    for accepts in (True, False):  # the second time the person thinks better of it
        chooser.activated.emit(chooser.findText("Choose a folder…"))
        (dialog,) = window.findChildren(QFileDialog)
        assert dialog.isVisible()
        assert QApplication.activeModalWidget() is None
        if accepts:
            assert chooser.currentText() == "Nowhere"
            dialog.setDirectory(str(tmp_path))
            dialog.selectFile(str(tmp_path))
            dialog.accept()
        else:
            dialog.reject()
        assert settings.preferences.save_to == str(tmp_path)
        assert chooser.currentText() == str(tmp_path)
        assert window.worker.save_to == tmp_path
        qtbot.waitUntil(lambda: window.findChildren(QFileDialog) == [])
    chooser.activated.emit(chooser.findText("Nowhere"))
    assert settings.preferences.save_to == ""
    assert window.worker.save_to is None


def test_no_dialog_of_the_window_is_a_modal_box(window: MainWindow, conductor: Conductor, qtbot: QtBot) -> None:
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.running)
    for action in ("open_image", "open_folder", "open_video"):
        window.actions_by_name[action].trigger()
        shown = [dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible()]
        assert len(shown) == 1  # a second question takes the place of the first
        assert QApplication.activeModalWidget() is None
    window.show_page("inspect")
    qtbot.mouseClick(window.inspect.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: conductor.station.stopped == 1)
    folder = Path(__file__).parents[3] / "inspector" / "ui"
    bare = re.compile(r"QFileDialog\.get|QMessageBox|QInputDialog|QColorDialog|setModal\(True\)|\.exec\(\)")
    allowed = {"app.py", "measure.py", "scrolling.py"}  # the event loop itself
    found = [file.name for file in sorted(folder.rglob("*.py")) if bare.search(file.read_text("utf-8"))]
    assert set(found) <= allowed


def test_a_running_line_that_does_not_follow_a_setting_says_so(
    window: MainWindow, conductor: Conductor, qtbot: QtBot, tmp_path: Path
) -> None:
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.running)
    window.show_page("settings")
    notes = window.settings_page.notes
    assert not any(note.isVisible() for note in notes.values())
    chooser = window.settings_page.choosers["archive"]
    chooser.setCurrentIndex(chooser.findData("on"))
    chooser.activated.emit(chooser.currentIndex())
    assert [name for name, note in notes.items() if note.isVisible()] == ["archive"]  # nothing is recorded yet
    assert "from its next start" in notes["archive"].text()
    chooser.setCurrentIndex(chooser.findData("off"))
    chooser.activated.emit(chooser.currentIndex())
    assert not notes["archive"].isVisible()
    window.settings.choose(save_to=str(tmp_path))
    window.settings_page.show_notes()
    assert notes["save_to"].isVisible()
    window.actions_by_name["stop"].trigger()
    qtbot.waitUntil(lambda: not notes["save_to"].isVisible())
