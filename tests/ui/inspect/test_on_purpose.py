"""What is inspected changes on purpose only: not by the wheel, not by a stray key, and not behind a running line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from inspector.cameras.base import kind_of
from inspector.core.types import Verdict
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import load_recipe
from inspector.ui.shell.main_window import PAGES, MainWindow
from tests.ui.line_double import Conductor

NOTCH = 120
CHOOSERS = (QComboBox, QAbstractSpinBox, QAbstractSlider, QTabBar)


def wheel(widget: QWidget, *, up: bool) -> None:
    """One notch over the middle of a widget, as the window system sends it: to the innermost widget under the mouse."""
    middle = widget.rect().center()
    target = widget.childAt(middle) or widget
    where = QPointF(target.mapFrom(widget, middle))
    event = QWheelEvent(
        where,
        target.mapToGlobal(where),
        QPoint(),
        QPoint(0, NOTCH if up else -NOTCH),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,  # inverted
    )
    QApplication.sendEvent(target, event)


def state(widget: QWidget) -> object:
    if isinstance(widget, QComboBox):
        return widget.currentIndex(), widget.currentText()
    if isinstance(widget, QAbstractSpinBox):
        return widget.text()
    if isinstance(widget, QAbstractSlider):
        return widget.value()
    assert isinstance(widget, QTabBar)
    return widget.currentIndex()


def choosers(root: QWidget) -> Iterator[QWidget]:
    for widget in root.findChildren(QWidget):
        if isinstance(widget, CHOOSERS) and not isinstance(widget, QScrollBar):
            yield widget


def start(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    before = sum(station.started for station in conductor.stations)
    QTest.mouseClick(window.inspect.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: sum(station.started for station in conductor.stations) > before)
    qtbot.waitUntil(lambda: window.inspect.stop_button.isEnabled())


def stop(window: MainWindow, qtbot: QtBot) -> None:
    QTest.mouseClick(window.inspect.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.inspect.start_button.isEnabled())


@pytest.mark.parametrize("up", [True, False])
def test_no_control_of_any_page_takes_the_wheel_without_the_focus(window: MainWindow, qtbot: QtBot, up: bool) -> None:
    window.inspect.open_variants()
    window.inspect.open_tune()
    seen: set[str] = set()
    for page in PAGES:
        window.show_page(page)
        qtbot.waitUntil(lambda page=page: window.page == page)
        focus = QApplication.focusWidget()
        for widget in choosers(window):
            if widget.hasFocus():
                widget.clearFocus()
            before = state(widget)
            wheel(widget, up=up)
            assert state(widget) == before, widget.objectName()
            assert not widget.hasFocus()
            seen.add(type(widget).__name__)
        if focus is not None and not isinstance(focus, CHOOSERS):
            focus.setFocus()
    assert {"RecipeChooser", "SourceChooser", "CameraChooser", "TabBar", "ComboBox", "DoubleSpinBox", "TimeLine"} <= seen


def test_a_control_with_the_focus_takes_the_wheel(window: MainWindow, qtbot: QtBot) -> None:
    """The test above sends what Qt obeys."""
    window.show_page("settings")
    chooser = window.findChild(QComboBox, "setting_temperature")
    assert isinstance(chooser, QComboBox)
    window.activateWindow()
    chooser.setFocus()
    qtbot.waitUntil(chooser.hasFocus)
    before = chooser.currentIndex()
    wheel(chooser, up=False)
    assert chooser.currentIndex() == before + 1


def test_every_page_uses_the_inputs_that_know_this() -> None:
    folder = Path(__file__).parents[3] / "inspector" / "ui"
    kinds = "ComboBox|FontComboBox|SpinBox|DoubleSpinBox|Slider|Dial|TabBar|TabWidget|DateEdit|TimeEdit|DateTimeEdit"
    bare = re.compile(rf"(?<![\w.])Q({kinds})\(|\(Q({kinds})\):")
    found = [
        f"{file.name}: {line.strip()}"
        for file in sorted(folder.rglob("*.py"))
        if file.name != "inputs.py"
        for line in file.read_text("utf-8").splitlines()
        if bare.search(line)
    ]
    assert found == []


def test_no_chooser_has_the_focus_when_the_window_opens(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.waitActive(window)
    assert not isinstance(QApplication.focusWidget(), (*CHOOSERS, QLineEdit))


@pytest.mark.parametrize("chooser", ["recipe_chooser", "source_chooser"])
def test_a_running_line_goes_on_with_what_it_runs(window: MainWindow, qtbot: QtBot, conductor: Conductor, chooser: str) -> None:
    start(window, qtbot, conductor)
    widget = getattr(window.inspect, chooser)
    before = state(widget)
    for up in (True, False):
        for _ in range(3):
            wheel(widget, up=up)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_End, Qt.Key.Key_Return):
        QTest.keyClick(widget, key)
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    assert QApplication.activePopupWidget() is None
    assert QApplication.activeModalWidget() is None
    assert state(widget) == before
    assert not widget.isEnabled()
    assert widget.toolTip() == "Stop inspecting to change it."
    conductor.station.judge(0, Verdict.OK)
    qtbot.waitUntil(lambda: window.inspect.counters.total.value == "1")
    assert len(conductor.stations) == 1
    assert conductor.station.stopped == 0
    stop(window, qtbot)
    assert widget.isEnabled()
    assert widget.toolTip() != "Stop inspecting to change it."


def test_a_list_that_is_open_when_the_line_starts_is_closed(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    chooser = window.inspect.recipe_chooser
    chooser.showPopup()
    qtbot.waitUntil(lambda: chooser.view().isVisible())
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations))
    qtbot.waitUntil(lambda: not chooser.view().isVisible())


def test_the_key_for_a_recipe_opens_no_dialog_over_a_running_line(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    start(window, qtbot, conductor)
    window.actions_by_name["open_recipe"].trigger()
    assert QApplication.activeModalWidget() is None
    assert window.findChildren(QFileDialog) == []
    problem = "The recipe can be changed when the line has been stopped."
    assert any(problem in told for told in window.inspect.banners.problems().values())
    stop(window, qtbot)
    qtbot.waitUntil(lambda: window.inspect.banners.problems() == {})


def choose(window: MainWindow, kind: str) -> None:
    """Take an entry of the source list, as with keyboard and Enter in the open list."""
    chooser = window.inspect.source_chooser
    index = chooser.findData(kind)
    chooser.showPopup()
    chooser.view().setCurrentIndex(chooser.model().index(index, 0))
    QTest.keyClick(chooser.view(), Qt.Key.Key_Return)
    assert chooser.currentIndex() == index


def test_what_the_source_field_says_is_what_start_runs(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    window.inspect.open_recipe(demo_recipe())
    choose(window, "usb")
    assert window.inspect.source_chooser.currentText() == "usb:0"
    start(window, qtbot, conductor)
    assert {camera.source for camera in conductor.station.recipe.cameras.values()} == {"usb:0"}
    assert window.inspect.source_chooser.currentText() == "usb:0"
    stop(window, qtbot)

    line = window.inspect.source_chooser.lineEdit()
    assert line is not None
    line.selectAll()
    QTest.keyClicks(line, "rtsp://127.0.0.1:9/line")
    QTest.mouseClick(window.inspect.trigger_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: conductor.station.mode == "triggered")
    assert {camera.source for camera in conductor.station.recipe.cameras.values()} == {"rtsp://127.0.0.1:9/line"}
    qtbot.waitUntil(lambda: window.inspect.stop_button.isEnabled())
    stop(window, qtbot)

    line.clear()
    start(window, qtbot, conductor)
    assert {kind_of(camera.source)[0] for camera in conductor.station.recipe.cameras.values()} == {"simulated"}
    assert window.inspect.source_chooser.currentText() == "As the recipe says"


@pytest.mark.parametrize("text", ["pigeon:1", "no such thing", "USB camera"])
def test_start_refuses_a_source_that_is_none(window: MainWindow, qtbot: QtBot, conductor: Conductor, text: str) -> None:
    line = window.inspect.source_chooser.lineEdit()
    assert line is not None
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.mouseClick(window.inspect.start_button, Qt.MouseButton.LeftButton)
    assert any(text in told for told in window.inspect.banners.problems().values())
    assert conductor.stations == []
    assert window.inspect.start_button.isEnabled()
    assert window.inspect.source_chooser.currentText() == text


@pytest.mark.parametrize("answer", ["change_recipe", "keep_recipe", "escape"])
def test_a_recipe_that_was_written_is_asked_for_over_a_running_line(
    window: MainWindow, qtbot: QtBot, conductor: Conductor, tmp_path: Path, answer: str
) -> None:
    written = tmp_path / "own.toml"
    save_recipe(load_recipe(demo_recipe()).model_copy(update={"name": "Own"}), written)
    start(window, qtbot, conductor)
    window.show_page("train")
    window.train.recipe_written.emit(written)
    question = window.recipe_change.question
    assert "own.toml is saved" in question.text
    assert QApplication.activeModalWidget() is None
    assert [station.recipe.name for station in conductor.stations] == ["Demo line"]
    if answer == "escape":
        window.leave()
    else:
        QTest.mouseClick(question.buttons[answer], Qt.MouseButton.LeftButton)
    assert question.text == ""
    if answer == "change_recipe":
        qtbot.waitUntil(lambda: conductor.station.recipe.name == "Own")
    else:
        conductor.station.judge(0, Verdict.OK)
        qtbot.waitUntil(lambda: window.inspect.counters.total.value == "1")
        assert [station.recipe.name for station in conductor.stations] == ["Demo line"]


def test_a_recipe_that_was_written_is_opened_while_the_line_stands(window: MainWindow, tmp_path: Path) -> None:
    written = tmp_path / "own.toml"
    save_recipe(load_recipe(demo_recipe()).model_copy(update={"name": "Own"}), written)
    window.train.recipe_written.emit(written)
    assert window.inspect.recipe_file == written
    assert window.inspect.recipe_chooser.currentText() == "Own"
