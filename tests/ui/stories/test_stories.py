"""User stories on the real window, with a line that the test conducts event by event."""

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from inspector.core.message import message
from inspector.core.types import Verdict
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import CameraState, StationState
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import theme
from inspector.ui.shell.main_window import PAGES, MainWindow
from inspector.ui.shell.settings import Settings
from tests.ui.line_double import RECIPE, Conductor
from tests.ui.pressing import press

LOST = message("{source} has given no frame for {timeout:g} s.", source="rtsp://cam", timeout=5.0)
REMEDY = message("Check its power, cable and network.")


def start(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.tile.text == "WAITING")


def test_start_counts_parts_and_stop_takes_the_verdict_away(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    assert page.tile.text == "STOPPED"
    start(window, qtbot, conductor)
    for index, verdict in enumerate([Verdict.OK, Verdict.NG, Verdict.REVIEW, Verdict.NOT_INSPECTED, Verdict.OK]):
        conductor.station.judge(index, verdict)
    qtbot.waitUntil(lambda: page.counters.total.value == "5")
    assert (page.counters.passed.value, page.counters.ng.value) == ("2", "1")
    assert (page.counters.review.value, page.counters.not_inspected.value) == ("1", "1")
    assert page.counters.yield_share.value == "50.0 %"
    assert page.tile.verdict is Verdict.OK
    assert page.tile.accessibleDescription() == "P000004"
    assert page.feed.canvases["visible"].frame is not None
    press(window, qtbot, "Stop")
    qtbot.waitUntil(lambda: page.tile.text == "STOPPED")
    assert page.tile.verdict is None
    assert page.veil.words
    assert conductor.station.stopped == 1
    assert page.counters.total.value == "5"


def test_a_lost_camera_brings_a_banner_and_no_stale_ok(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    conductor.station.judge(0, Verdict.OK)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK)
    before = page.tile.geometry()
    conductor.station.camera("thermal", CameraState.LOST, LOST, REMEDY)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.NOT_INSPECTED)
    assert page.reasons.text == LOST.text
    assert page.banners.problems() == {"camera:thermal": f"{LOST.text} {REMEDY.text}"}
    assert page.banners.isVisible()
    assert "thermal" in page.veil.words
    assert page.tile.geometry() == before  # nothing jumps
    conductor.station.judge(1, Verdict.OK)  # a late verdict must not look like a good part either
    qtbot.waitUntil(lambda: page.counters.total.value == "2")
    assert page.tile.verdict is Verdict.NOT_INSPECTED
    conductor.station.camera("thermal", CameraState.STREAMING)
    qtbot.waitUntil(lambda: not page.banners.isVisible())
    conductor.station.judge(2, Verdict.OK)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK and not page.veil.words)


def test_what_was_seen_before_the_loss_is_not_shown_again(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    conductor.station.judge(0, Verdict.OK)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK)
    conductor.station.camera("visible", CameraState.LOST, LOST, REMEDY)
    conductor.station.camera("visible", CameraState.STREAMING)
    qtbot.waitUntil(lambda: page.tile.text == "WAITING")
    assert page.veil.words


def test_retry_starts_the_line_anew(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    conductor.station.camera("visible", CameraState.FAULT, LOST, REMEDY)
    qtbot.waitUntil(lambda: window.inspect.banners.isVisible())
    press(window, qtbot, "Retry")
    qtbot.waitUntil(lambda: len(conductor.stations) == 2 and not window.inspect.banners.isVisible())
    assert conductor.stations[0].stopped == 1
    assert conductor.stations[1].started == 1


def test_another_recipe_is_taken_over_while_the_line_runs(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    seen = conductor.station.judge(0, Verdict.OK)
    page = window.inspect
    qtbot.waitUntil(lambda: page.feed.inspection is seen)
    other = RECIPE.model_copy(update={"revision": 2})
    window.open_choice(RunRequest(other), None)
    qtbot.waitUntil(lambda: conductor.station.applied == [other])
    assert len(conductor.stations) == 1
    assert conductor.station.stopped == 0
    assert page.tile.verdict is Verdict.OK  # nothing is veiled or forgotten


def test_a_dismissed_note_stays_away(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    why = message("{variants} judges.", variants="x")
    conductor.station.judging(why, message("It is slow."))
    qtbot.waitUntil(lambda: "tuned" in window.inspect.banners.problems())
    press(window, qtbot, "Dismiss")
    conductor.station.judge(0, Verdict.OK)
    qtbot.waitUntil(lambda: window.inspect.counters.total.value == "1")
    assert not window.inspect.banners.problems()


def test_what_the_last_run_ended_with_is_over_with_another_recipe(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    start(window, qtbot, conductor)
    conductor.station.fault("plates", message("The engine of {bundle} is closed.", bundle="plates"))
    press(window, qtbot, "Stop")
    qtbot.waitUntil(lambda: window.inspect.tile.text == "STOPPED")
    assert "fault:plates" in window.inspect.banners.problems()
    window.open_choice(RunRequest(RECIPE), None)
    assert not window.inspect.banners.problems()


def test_a_fault_is_a_banner_until_it_is_cleared(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    conductor.station.fault("plates", message("The engine of {bundle} is closed.", bundle="plates"))
    qtbot.waitUntil(lambda: "fault:plates" in window.inspect.banners.problems())
    conductor.station.fault("plates", None)
    qtbot.waitUntil(lambda: not window.inspect.banners.problems())


def test_a_held_ng_part_stays_while_the_line_goes_on(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    bad = conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: page.filmstrip.thumbs[0].inspection is bad)
    press(window, qtbot, "NG part P000001")
    conductor.station.judge(2, Verdict.OK)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK)
    assert page.feed.inspection is bad
    assert "P000001" in page.hold_strip.text
    assert "scratch" in page.hold_strip.text
    qtbot.waitUntil(lambda: page.counters.total.value == "2")
    press(window, qtbot, "Back to live")
    assert page.feed.inspection is not None
    assert page.feed.inspection.part == "P000002"
    assert not page.hold_strip.isVisible()


def test_the_filmstrip_keeps_the_newest_in_front(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    thumbs = window.inspect.filmstrip.thumbs
    start(window, qtbot, conductor)
    for index in range(len(thumbs) + 3):
        conductor.station.judge(index, Verdict.NG)
    newest = f"P{len(thumbs) + 2:06d}"
    qtbot.waitUntil(lambda: thumbs[0].inspection is not None and thumbs[0].inspection.part == newest)
    parts = [thumb.inspection.part for thumb in thumbs if thumb.inspection is not None]
    assert parts == sorted(parts, reverse=True)
    assert len(parts) == len(thumbs)
    qtbot.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert window.inspect.held is thumbs[0].inspection
    qtbot.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert window.inspect.held is thumbs[1].inspection
    qtbot.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert window.inspect.held is None


def test_a_single_trigger_starts_for_single_parts(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    press(window, qtbot, "Trigger")
    qtbot.waitUntil(lambda: bool(conductor.stations) and len(conductor.station.triggers) == 1)
    assert conductor.station.mode == "triggered"
    press(window, qtbot, "Trigger")
    qtbot.waitUntil(lambda: len(conductor.station.triggers) == 2)
    assert len(conductor.stations) == 1


def test_the_trigger_is_off_while_the_line_runs_freely(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    assert not window.inspect.trigger_button.isEnabled()
    assert not window.inspect.start_button.isEnabled()
    assert window.inspect.stop_button.isEnabled()


def test_the_language_changes_while_the_line_runs(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    conductor.station.judge(3, Verdict.REVIEW)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.REVIEW)
    window.show_page("settings")
    chooser = window.findChild(QComboBox, "setting_language")
    assert isinstance(chooser, QComboBox)
    chooser.setCurrentIndex(chooser.findData("ja"))
    chooser.activated.emit(chooser.currentIndex())
    qtbot.waitUntil(lambda: page.start_button.text() == "開始")
    assert page.tile.text == "要確認"
    assert page.reasons.text == "軽度異常（スコア 0.55）"
    assert window.rail.buttons["settings"].text() == "設定"
    assert page.recipe_chooser.itemText(page.recipe_chooser.count() - 1) == "レシピを開く…"
    assert page.running
    chooser.setCurrentIndex(chooser.findData("en"))
    chooser.activated.emit(chooser.currentIndex())
    qtbot.waitUntil(lambda: page.start_button.text() == "Start")
    assert page.tile.text == "REVIEW"


def test_full_screen_hides_all_else_and_a_held_escape_leaves(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    others = [window.rail, page.tools, page.tab_bar, page.tile, page.counters, page.filmstrip, page.status, page.buttons]
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    assert not any(widget.isVisible() for widget in others)
    assert page.operator.isVisible()
    assert page.feed.isVisible()
    with qtbot.waitSignal(page.operator.leave_button.held, timeout=5000):
        qtbot.keyPress(window, Qt.Key.Key_Escape)
    qtbot.keyRelease(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert all(widget.isVisible() for widget in others)


def test_keys_reach_every_page_view_and_command(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    for number, page in enumerate(PAGES, start=1):
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), control)
        assert window.page == page
    qtbot.keyClick(window, Qt.Key.Key_1, control)
    seen, offered = [], window.inspect.analysis.offered
    for _ in range(len(offered) + 1):
        seen.append(window.inspect.tab)
        window.actions_by_name["next_tab"].trigger()
    assert seen == ["live", *offered]
    qtbot.keyClick(window, Qt.Key.Key_F1)
    assert window.help.manual.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.help.manual.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: bool(conductor.stations) and conductor.station.started == 1)
    qtbot.keyClick(window, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: conductor.station.stopped == 1)


def test_the_tabs_show_the_same_part(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    done = conductor.station.judge(1, Verdict.NG)
    window.inspect.choose_tab("detection")
    tab = window.inspect.analysis.tabs["detection"]
    qtbot.waitUntil(lambda: tab.inspection is done)
    assert tab.isVisible()
    assert tab.canvas.frame is done.frames["visible"]


def test_a_slow_window_skips_pictures_and_holds_nothing_up(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    """200 parts come while the event loop is blocked: the line is not held up, and the window shows the last."""
    start(window, qtbot, conductor)
    shown: list[int] = []
    window.inspect.parts_seen.connect(shown.append)
    prepared = conductor.station
    began = time.monotonic()
    for index in range(200):
        prepared.judge(index % 4, Verdict.OK)
    assert time.monotonic() - began < 5.0
    qtbot.waitUntil(lambda: window.inspect.counters.total.value == "200")
    assert len(shown) < 20


def test_a_recipe_that_is_not_there_is_a_banner_and_the_old_one_stays(window: MainWindow, qtbot: QtBot) -> None:
    from pathlib import Path

    window.inspect.open_recipe(Path("no-such.toml"))
    (problem,) = window.inspect.banners.problems().values()
    assert "no-such.toml" in problem
    assert window.inspect.choice is not None
    assert window.inspect.choice.recipe.name == "Demo line"
    press(window, qtbot, "Dismiss")
    assert not window.inspect.banners.problems()


def test_a_station_that_cannot_be_made_is_a_banner(window: MainWindow, qtbot: QtBot) -> None:
    from inspector.core.errors import ConfigError

    def refuse(*arguments: object, **options: object) -> None:
        raise ConfigError("There is no bundle {bundle}.", remedy="Give the folder of a bundle.", bundle="plates")

    window.worker._factory = refuse  # type: ignore[assignment]
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(window.inspect.banners.problems()))
    assert window.inspect.tile.text == "STOPPED"
    assert window.inspect.start_button.isEnabled()


def test_closing_while_running_stops_the_line_and_its_thread(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    conductor.station.judge(0, Verdict.OK)
    window.close_now()
    assert window.worker.isFinished()
    assert conductor.station.stopped == 1


def test_everything_that_can_be_pressed_is_large_enough_and_named(window: MainWindow, qtbot: QtBot) -> None:
    for page in ("inspect", "settings"):
        window.show_page(page)
        widgets: list[QWidget] = [*window.findChildren(QPushButton), *window.findChildren(QComboBox)]
        widgets += window.findChildren(QAbstractButton)
        shown = [w for w in widgets if w.isVisible() and not w.objectName().startswith("qt_")]
        assert shown
        small = [w for w in shown if min(w.width(), w.height()) < theme.TOUCH]
        assert not small, [(type(w).__name__, w.objectName(), w.size()) for w in small]
        assert not [w for w in shown if not w.accessibleName()]


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
def test_feed_and_verdict_get_their_share(window: MainWindow, qtbot: QtBot, size: tuple[int, int]) -> None:
    window.resize(*size)
    QApplication.processEvents()
    page = window.inspect
    assert page.tile.height() >= size[1] / 5
    left, right = page.splitter.sizes()
    assert 1.8 <= left / right <= 2.2


def test_the_state_is_starting_until_the_engines_are_ready(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    original = Conductor.__call__

    def slow(recipe: object, **options: object) -> object:
        made = original(conductor, recipe, **options)  # type: ignore[arg-type]
        made.run_at_start = False
        return made

    window.worker._factory = slow  # type: ignore[assignment]
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations))
    assert window.inspect.tile.text == "STARTING"
    assert window.inspect.stop_button.isEnabled()
    conductor.station.run()
    qtbot.waitUntil(lambda: window.inspect.tile.text == "WAITING")
    assert window.worker.status.state is StationState.RUNNING


def test_on_the_tabs_the_picture_gets_the_room_and_the_verdict_stays(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.NG)
    page.choose_tab("detection")
    QApplication.processEvents()  # only now is it known what the parts can be looked at with
    for name in page.analysis.offered:
        tab = page.analysis.tabs[name]
        page.choose_tab(name)
        QApplication.processEvents()
        assert tab.canvas.width() >= 560, name
        assert tab.side_scroll.isVisible(), name
        assert page.tile.isVisible()
        assert page.tile.height() >= window.height() / 5
        assert page.stop_button.isVisible()
    page.choose_tab("live")
    assert page.counters.isVisible()
    page.choose_tab("thermal")
    window.toggle_operator_view()
    assert page.feed.isVisible()
    assert page.operator.figures.isVisible()
    window.toggle_operator_view()
    assert page.tab == "thermal"


def test_a_part_that_is_explained_is_held_until_back_to_live(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    first = conductor.station.judge(1, Verdict.NG)
    page.choose_tab("gradcam")
    tab = page.analysis.tabs["gradcam"]
    qtbot.waitUntil(lambda: tab.inspection is first)
    page.analysis.hold_wanted.emit(first)  # as the button Explain does
    assert page.held is first
    assert page.hold_strip.isVisible()
    second = conductor.station.judge(2, Verdict.OK)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK)
    assert tab.inspection is first
    press(window, qtbot, "Back to live")
    assert tab.inspection is second
    assert not page.hold_strip.isVisible()


def test_the_chosen_camera_is_remembered(window: MainWindow, qtbot: QtBot, settings: Settings) -> None:
    chooser = window.inspect.camera_chooser
    chooser.setCurrentIndex(chooser.findData("thermal"))
    chooser.activated.emit(chooser.currentIndex())
    assert window.inspect.feed.canvases["visible"].isHidden()
    window.close()
    assert settings.layout.camera == "thermal"
    again = MainWindow(settings, StationWorker(factory=Conductor()))
    qtbot.addWidget(again)
    again.worker.start()
    again.open_choice(RunRequest(RECIPE), None)
    again.show()
    assert again.inspect.camera_chooser.currentData() == "thermal"
    assert again.inspect.feed.canvases["visible"].isHidden()
    assert again.inspect.feed.canvases["thermal"].isVisible()


def test_numbers_beside_an_old_picture_are_greyed_with_it(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    start(window, qtbot, conductor)
    conductor.station.judge(1, Verdict.OK)
    page.choose_tab("thermal")
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.OK)
    assert page.veil.shade is not None
    assert not page.veil.shade.isVisible()
    before = page.analysis.panels.grab().toImage()
    conductor.station.camera("visible", CameraState.LOST, LOST, REMEDY)
    qtbot.waitUntil(lambda: page.veil.isVisible())
    assert page.veil.shade.isVisible()
    assert page.analysis.panels.grab().toImage() != before
    page.choose_tab("detection")
    assert page.analysis.panels.children()[-1] is page.veil.shade  # on top of the other tab's panel too
