"""The keyboard reaches every control, leaves every control, and never lands on something hard to undo by itself."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from inspector.core.types import Verdict
from inspector.ui.shell.main_window import PAGES, MainWindow
from inspector.ui.widgets.inputs import CarefulButton
from tests.ui.line_double import Conductor

VIEWS = ("live", "classification", "detection", "segmentation", "thermal", "gradcam")
MOST = 150  # steps


def reachable(window: MainWindow) -> set[QWidget]:
    """What a person may want to reach by Tab."""
    return {
        widget
        for widget in window.findChildren(QWidget)
        if widget.isVisible() and widget.isEnabled() and widget.focusProxy() is None and _by_tab(widget)
    }


def _by_tab(widget: QWidget) -> bool:
    if isinstance(widget, QAbstractButton) and widget.group() is not None and widget.group().exclusive():
        return widget.isChecked()  # the arrow keys go to the others of its group
    return bool(widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)


def walk(window: MainWindow, key: Qt.Key) -> list[QWidget]:
    """The widgets that this key visits until it comes round."""
    seen: list[QWidget] = []
    for _ in range(MOST):
        QTest.keyClick(QApplication.focusWidget() or window, key)
        now = QApplication.focusWidget()
        if now is None or now in seen:
            break
        seen.append(now)
    return seen


def test_tab_visits_every_control_of_every_page_and_comes_round(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    window.activateWindow()
    qtbot.waitActive(window)
    page = window.inspect
    page.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.running)
    conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: page.filmstrip.thumbs[0].inspection is not None)
    missed: dict[str, list[str]] = {}

    def look(place: str) -> None:
        QApplication.processEvents()
        wanted = reachable(window)
        assert wanted, place
        for key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            gone = wanted - set(walk(window, key))
            missed[f"{place} {key.name}"] = [f"{type(widget).__name__} {widget.accessibleName()}" for widget in gone]

    for view in VIEWS:
        page.choose_tab(view)
        look(view)
    for name in PAGES:
        window.show_page(name)
        look(name)
    window.toggle_operator_view()
    look("operator")
    assert {place: widgets for place, widgets in missed.items() if widgets} == {}


def test_the_focus_of_a_button_that_goes_away_is_left_to_the_page(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    """Start is disabled by its own press; the next one in line would be Stop."""
    window.activateWindow()
    qtbot.waitActive(window)
    page = window.inspect
    page.start_button.setFocus()
    QTest.keyClick(page.start_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.running and not page.start_button.isEnabled())
    assert not isinstance(QApplication.focusWidget(), QPushButton)
    page.stop_button.setFocus()
    page.buttons.hide()
    assert not isinstance(QApplication.focusWidget(), QPushButton)


def test_a_careful_button_is_reached_by_a_person_only(window: MainWindow, qtbot: QtBot) -> None:
    """Qt gives the focus to the first control of a page that comes in front."""
    window.activateWindow()
    qtbot.waitActive(window)
    pages = QStackedWidget()
    first, second = QPushButton("Go"), QWidget()
    careful, other = CarefulButton("Cancel"), QPushButton("Help")
    column = QVBoxLayout(second)
    for widget in (QLabel("Running"), careful, other):
        column.addWidget(widget)
    pages.addWidget(first)
    pages.addWidget(second)
    window.pages.addWidget(pages)
    window.pages.setCurrentWidget(pages)
    first.setFocus()
    qtbot.waitUntil(first.hasFocus)
    pages.setCurrentWidget(second)
    QApplication.processEvents()
    assert not careful.hasFocus()
    other.setFocus()
    QTest.keyClick(other, Qt.Key.Key_Backtab)
    assert careful.hasFocus()
    other.setFocus()
    qtbot.mouseClick(careful, Qt.MouseButton.LeftButton)
    assert careful.hasFocus()
