"""The operator's screen: readable from five metres, worked with gloves, and nothing a sleeve can do ends it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QSize, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from inspector.core.message import message
from inspector.core.types import Judgement, Prediction, Region, Scores, Verdict
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import CameraState
from inspector.recipes.recipe import Alarm as AlarmModel
from inspector.ui.canvas import rendering
from inspector.ui.inspect.alarm import Alarm
from inspector.ui.inspect.evidence import class_of, evidence
from inspector.ui.inspect.operator_view import OperatorView, ReasonText
from inspector.ui.inspect.panels import filmstrip
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import strings, theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.widgets.hold_button import HOLD_MS, HoldButton
from tests.ui.line_double import RECIPE, Conductor, inspection
from tests.ui.making import (
    make_boxes,
    make_frame,
    make_inspection,
    make_kelvin,
    make_mask,
    make_recipe,
    make_temperatures,
    picture_of,
)
from tests.ui.pressing import press

SIZES = [(1024, 768), (1366, 768), (1920, 1080)]


def start(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.tile.text == "WAITING")


def enter(window: MainWindow, size: tuple[int, int] = (1366, 768)) -> OperatorView:
    """Open the operator view as on a screen of this size."""
    press_key(window, Qt.Key.Key_F11)
    window.setWindowState(Qt.WindowState.WindowNoState)
    window.resize(*size)
    QApplication.processEvents()
    return window.inspect.operator


def press_key(window: MainWindow, key: Qt.Key) -> None:
    QTest.keyClick(window, key)


def hold(button: QPushButton, qtbot: QtBot) -> None:
    assert isinstance(button, HoldButton)
    with qtbot.waitSignal(button.held, timeout=5000):
        qtbot.mousePress(button, Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(button, Qt.MouseButton.LeftButton)


def color_at(widget: QWidget, x: int, y: int) -> QColor:
    return widget.grab().toImage().pixelColor(QPoint(x, y))


@pytest.mark.parametrize("size", SIZES)
def test_the_verdict_is_the_border_and_everything_is_large(
    window: MainWindow, qtbot: QtBot, conductor: Conductor, size: tuple[int, int]
) -> None:
    start(window, qtbot, conductor)
    view = enter(window, size)
    for index, verdict in enumerate((Verdict.OK, Verdict.NG, Verdict.REVIEW, Verdict.NOT_INSPECTED)):
        conductor.station.judge(index, verdict)
        qtbot.waitUntil(lambda verdict=verdict: view.band.verdict is verdict)
        width, height = view.width(), view.height()
        for x, y in ((3, height // 2), (width - 4, height // 2), (width // 2, height - 4), (width // 2, 2)):
            assert color_at(view, x, y) == theme.current().verdict(verdict)
    assert (view.width(), view.height()) == size
    assert view.reasons.letters >= view.height() / 20
    assert view.figures.digits >= view.height() / 20
    assert view.band.height() >= view.height() / 5 - 1
    assert view.info.lines[0] == "Demo line"
    assert "Since" in view.info.lines[1]
    inside = [view.band, view.info, view.reasons, view.picture, view.figures, view.stop_button, view.leave_button, view.strip]
    for widget in inside:
        assert widget.isVisible(), widget.objectName()
        corner = widget.mapTo(view, QPoint(0, 0))
        assert view.rect().contains(corner), widget.objectName()
        assert view.rect().contains(corner + QPoint(widget.width() - 1, widget.height() - 1)), widget.objectName()
    assert sum(thumb.isVisible() for thumb in view.strip.thumbs) == 6
    for button in (view.stop_button, view.leave_button):
        assert min(button.width(), button.height()) >= theme.TOUCH
        needed = button.fontMetrics().horizontalAdvance(button.text()) + button.iconSize().width()
        assert needed <= button.width() - 2 * theme.SPACING


def test_the_counts_are_those_of_the_shift(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    view = enter(window)
    for index in range(8):
        conductor.station.judge(index, Verdict.NG if index == 3 else Verdict.OK)
    qtbot.waitUntil(lambda: window.inspect.counters.total.value == "8")
    figures = {caption: value for caption, value, _ in view.figures.rows()}
    assert figures == {"OK": "7", "NG": "1", "Yield": "87.5 %", "Total": "8", "Review": "0", "Not inspected": "0"}


def test_a_touched_ng_part_is_held_and_the_line_goes_on_beside_it(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    start(window, qtbot, conductor)
    view, page = enter(window), window.inspect
    bad = conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: view.strip.thumbs[0].inspection is bad)
    assert not view.live.isVisible()
    qtbot.mouseClick(view.strip.thumbs[0], Qt.MouseButton.LeftButton)
    for index in range(2, 5):
        conductor.station.judge(index, Verdict.OK)
    qtbot.waitUntil(lambda: view.live.verdict is Verdict.OK)
    assert page.held is bad
    assert page.feed.inspection is bad
    assert view.band.text == "HELD NG"
    assert view.band.accessibleDescription() == "P000001"
    assert "scratch" in view.reasons.text
    assert color_at(view, 3, view.height() // 2) == theme.current().color("held")
    assert view.live.width() < view.band.width() / 2
    assert [thumb.isChecked() for thumb in page.filmstrip.thumbs[:2]] == [True, False]  # one part is held, in both strips
    press(view, qtbot, "Back to live")
    assert page.held is None
    assert view.band.verdict is Verdict.OK
    assert not view.live.isVisible()


def test_leave_and_stop_want_to_be_held(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    view = enter(window)
    for button in (view.leave_button, view.stop_button):
        for _ in range(5):
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton, delay=20)
        QTest.keyClick(button, Qt.Key.Key_Space)
        QTest.keyClick(button, Qt.Key.Key_Return)
        qtbot.mousePress(button, Qt.MouseButton.LeftButton)  # a sleeve that slips off
        qtbot.mouseMove(button, QPoint(-40, -40))
        qtbot.wait(HOLD_MS + 200)
        qtbot.mouseRelease(button, Qt.MouseButton.LeftButton, pos=QPoint(-40, -40))
    assert window.operator_view
    assert conductor.station.stopped == 0
    hold(view.stop_button, qtbot)
    qtbot.waitUntil(lambda: view.start_button.isVisible() and view.start_button.isEnabled())
    assert conductor.station.stopped == 1
    assert not view.stop_button.isVisible()
    press(view, qtbot, "Start")
    qtbot.waitUntil(lambda: len(conductor.stations) == 2 and view.stop_button.isVisible())
    hold(view.leave_button, qtbot)
    assert not window.operator_view
    assert conductor.station.stopped == 0
    assert window.inspect.views.isVisible()
    assert window.inspect.tile.isVisible()


def test_no_key_leaves_or_stops_at_one_press(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    view, page = enter(window), window.inspect
    control, shift, none = (
        Qt.KeyboardModifier.ControlModifier,
        Qt.KeyboardModifier.ShiftModifier,
        Qt.KeyboardModifier.NoModifier,
    )
    leaving = [(Qt.Key.Key_F11, none), (Qt.Key.Key_Escape, none)]
    others = [(Qt.Key(Qt.Key.Key_0 + number), control) for number in range(1, 6)]
    for key, modifier in (*leaving, *others, (Qt.Key.Key_F5, shift), (Qt.Key.Key_R, control), (Qt.Key.Key_O, control)):
        for _ in range(3):
            QTest.keyClick(window, key, modifier)
        assert window.operator_view
        assert window.page == "inspect"
    assert conductor.station.stopped == 0
    assert window.findChildren(QDialog) == []

    held = conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: view.strip.thumbs[0].inspection is held)
    QTest.keyClick(window, Qt.Key.Key_Right, control)
    assert page.held is held
    QTest.keyClick(window, Qt.Key.Key_Escape)  # leaves the held part only
    assert page.held is None
    assert window.operator_view

    with qtbot.waitSignal(view.stop_button.held, timeout=5000):
        QTest.keyPress(window, Qt.Key.Key_F5, shift)
    QTest.keyRelease(window, Qt.Key.Key_F5, shift)
    qtbot.waitUntil(lambda: conductor.station.stopped == 1 and page.start_button.isEnabled())
    QTest.keyClick(window, Qt.Key.Key_F5)  # starting is no danger
    qtbot.waitUntil(lambda: len(conductor.stations) == 2)
    for key, _ in leaving:
        with qtbot.waitSignal(view.leave_button.held, timeout=5000):
            QTest.keyPress(window, key)
        QTest.keyRelease(window, key)
        assert not window.operator_view
        QTest.keyClick(window, Qt.Key.Key_2, control)  # outside, the keys act as before
        assert window.page == "review"
        enter(window)
    assert conductor.station.stopped == 0


def test_what_lies_on_several_keys_holds_only_the_last(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    view = enter(window)
    QTest.keyPress(window, Qt.Key.Key_F11)
    QTest.keyPress(window, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    assert not view.leave_button.isDown()
    assert view.stop_button.isDown()
    for key in (Qt.Key.Key_F11, Qt.Key.Key_F5):
        QTest.keyRelease(window, key)
    QTest.keyPress(window, Qt.Key.Key_F11)
    QApplication.sendEvent(window, QEvent(QEvent.Type.WindowDeactivate))  # where the key is lifted then is not told
    qtbot.wait(HOLD_MS + 200)
    assert window.operator_view
    assert conductor.station.stopped == 0


def test_a_single_part_is_triggered_from_the_operator_view(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    triggered = RECIPE.model_copy(update={"mode": "triggered"})
    window.open_choice(RunRequest(triggered), None)
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.tile.text == "WAITING")
    view = enter(window)
    qtbot.waitUntil(lambda: view.trigger_button.isVisible() and view.trigger_button.isEnabled())
    press(view, qtbot, "Trigger")
    qtbot.waitUntil(lambda: len(conductor.station.triggers) == 1)


def test_a_long_reason_is_cut_and_not_shrunk(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    view = enter(window)
    problem = message("{source} has given no frame for {timeout:g} s.", source="rtsp://" + "very-long-name/" * 30, timeout=5.0)
    conductor.station.camera("visible", CameraState.LOST, problem)
    qtbot.waitUntil(lambda: view.band.verdict is Verdict.NOT_INSPECTED)
    assert view.reasons.letters >= view.height() / 20
    assert view.reasons.shown().endswith("…")
    assert len(view.reasons.shown()) > 30


@pytest.mark.parametrize("operator", [False, True])
def test_three_problems_at_once_stay_readable(window: MainWindow, qtbot: QtBot, conductor: Conductor, operator: bool) -> None:
    start(window, qtbot, conductor)
    window.resize(1024, 768)
    if operator:
        enter(window, (1024, 768))
    remedy = message("Check its power, cable and network.")
    lost = message("{source} has given no frame for {timeout:g} s.", source="rtsp://192.168.0.17:554/axis-media", timeout=5.0)
    conductor.station.camera("visible", CameraState.LOST, lost, remedy)
    conductor.station.camera("thermal", CameraState.LOST, lost, remedy)
    conductor.station.fault("plates", message("The engine of {bundle} is closed.", bundle="plates"))
    banners = window.inspect.banners
    qtbot.waitUntil(lambda: len(banners.problems()) == 3)
    qtbot.waitUntil(lambda: all(row.isVisible() for row in banners.findChildren(QWidget, "banner")))
    QApplication.processEvents()
    assert banners.height() >= banners.heightForWidth(banners.width())
    rows = banners.findChildren(QWidget, "banner")
    for row in rows:
        assert row.height() >= row.heightForWidth(row.width())
    assert all(above.geometry().bottom() < below.geometry().top() for above, below in pairwise(rows))


# ---- alarms --------------------


class Bell:
    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


def test_flash_and_sound_are_for_the_recipe_to_say(qtbot: QtBot) -> None:
    bell = Bell()
    alarm = Alarm(sound=bell)
    phases: list[bool] = []
    alarm.flashed.connect(phases.append)
    alarm.ng(RECIPE)
    assert (bell.rung, phases) == (0, [])
    loud = RECIPE.model_copy(update={"alarm": AlarmModel(flash=True, sound=True)})
    for _ in range(5):
        alarm.ng(loud)
    assert bell.rung == 1  # one sound a second at most
    qtbot.waitUntil(lambda: phases == [True, False, True, False, False], timeout=5000)


def test_an_ng_part_flashes_on_the_screen(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    window.open_choice(RunRequest(RECIPE.model_copy(update={"alarm": AlarmModel(flash=True)})), None)
    start(window, qtbot, conductor)
    seen: list[bool] = []
    window.inspect.alarm.flashed.connect(seen.append)
    conductor.station.judge(0, Verdict.OK)
    qtbot.waitUntil(lambda: window.inspect.tile.verdict is Verdict.OK)
    assert seen == []
    conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: seen == [True])
    corner = color_at(window.inspect.tile, 20, window.inspect.tile.height() - 6)
    assert corner == theme.current().on_verdict(Verdict.NG)
    qtbot.waitUntil(lambda: len(seen) == 5)


# ---- what a simulation is called --------------------


def test_a_simulation_says_so_on_picture_tile_and_strip(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    start(window, qtbot, conductor)
    conductor.station.judge(1, Verdict.NG)
    page = window.inspect
    qtbot.waitUntil(lambda: page.filmstrip.thumbs[0].inspection is not None)
    yellow = np.array(QColor(theme.current().color("simulation")).getRgb()[:3])
    for widget in (page.feed.canvases["visible"], page.feed.canvases["thermal"], page.tile, page.filmstrip.thumbs[0]):
        top = picture_of(widget)[: max(widget.height() // 6, 20)]
        assert (np.abs(top.astype(int) - yellow).max(axis=-1) < 12).mean() > 0.1, widget.objectName()
    real = RECIPE.model_copy(
        update={"cameras": {name: model.model_copy(update={"source": "usb:0"}) for name, model in RECIPE.cameras.items()}}
    )
    assert page.tile.simulated
    page.stop()
    qtbot.waitUntil(lambda: page.tile.text == "STOPPED")
    window.open_choice(RunRequest(real), None)
    assert not page.tile.simulated
    assert page.counters.total.value == "0"  # what was simulated does not count for the shift


# ---- counters --------------------


def three_good_parts(window: MainWindow, qtbot: QtBot, conductor: Conductor, total: int) -> None:
    """Start, let three good parts come, wait until so many are counted, and stop."""
    page, before = window.inspect, len(conductor.stations)
    page.start()
    qtbot.waitUntil(lambda: len(conductor.stations) > before and page.tile.text == "WAITING")
    for index in range(3):
        conductor.station.judge(index, Verdict.OK)
    qtbot.waitUntil(lambda: page.counters.total.value == str(total))
    page.stop()
    qtbot.waitUntil(lambda: page.tile.text == "STOPPED")


@pytest.fixture
def restarted(qtbot: QtBot, settings: Settings, tmp_path: Path) -> Iterator[Callable[[Conductor], MainWindow]]:
    """Windows of one station, one after the other."""
    made: list[MainWindow] = []

    def make(conductor: Conductor) -> MainWindow:
        window = MainWindow(settings, StationWorker(factory=conductor, counts=tmp_path / "counts"))
        made.append(window)
        window.worker.start()
        window.resize(1366, 768)
        window.open_choice(RunRequest(RECIPE), None)
        window.show()
        return window

    yield make
    for window in made:
        window.close_now()
        window.deleteLater()


def test_counters_go_on_over_stop_start_and_restart(
    restarted: Callable[[Conductor], MainWindow], qtbot: QtBot, conductor: Conductor
) -> None:
    window = restarted(conductor)
    three_good_parts(window, qtbot, conductor, 3)
    three_good_parts(window, qtbot, conductor, 6)
    window.close()
    again = restarted(conductor)
    assert again.inspect.counters.total.value == "6"
    three_good_parts(again, qtbot, conductor, 9)


def test_counters_are_reset_by_a_button_that_asks(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    three_good_parts(window, qtbot, conductor, 3)
    counters, question = window.inspect.counters, window.inspect.shift_change.question
    press(window, qtbot, "New shift or lot: count from 0")
    assert "3 parts" in question.text
    assert QApplication.activeModalWidget() is None
    window.leave()  # Escape keeps the counters
    assert not question.isVisible()
    assert counters.total.value == "3"
    press(window, qtbot, "New shift or lot: count from 0")
    qtbot.mouseClick(question.buttons["reset_counters"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: counters.total.value == "0")
    three_good_parts(window, qtbot, conductor, 3)


def test_a_lot_is_named_by_scanning_it_and_every_part_carries_it(
    restarted: Callable[[Conductor], MainWindow], qtbot: QtBot, conductor: Conductor
) -> None:
    window = restarted(conductor)
    start(window, qtbot, conductor)
    page = window.inspect
    assert conductor.station.judge(0, Verdict.OK).lot == ""
    qtbot.waitUntil(lambda: page.counters.total.value == "1")
    press(window, qtbot, "New shift or lot: count from 0")
    assert QApplication.focusWidget() is page.shift_change.question.field
    QTest.keyClick(page.shift_change.question.field, Qt.Key.Key_Return)  # without a name
    assert page.shift_change.question.isVisible()
    QTest.keyClicks(page.shift_change.question.field, "A-4711")  # a scanner types, and ends with Return
    QTest.keyClick(page.shift_change.question.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.counters.total.value == "0")
    assert page.running
    assert page.counters.since.text().startswith("Lot A-4711 since ")
    assert conductor.station.judge(1, Verdict.NG).lot == "A-4711"
    late = replace(conductor.station.judge(2, Verdict.OK), lot="")  # judged before the lot began
    for sink in conductor.station.sinks:
        sink.take(late)
    qtbot.waitUntil(lambda: page.counters.total.value == "2")
    assert enter(window).info.lines[1].startswith("Lot A-4711 since ")
    window.close_now()
    again = restarted(conductor)
    assert again.inspect.counters.total.value == "2"
    assert again.inspect.counters.since.text().startswith("Lot A-4711 since ")


# ---- the strip --------------------


def fired(camera: str, region: Region, name: str, *, bundle: str) -> Judgement:
    return Judgement(0, bundle, camera, region, "count", name, 1.0, "above", 0.0, Verdict.NG)


def test_the_strip_shows_the_defect_that_fired_from_the_camera_that_fired(window: MainWindow, qtbot: QtBot) -> None:
    plain = make_inspection(make_recipe(), frames={"visible": make_frame(), "thermal": make_kelvin()})
    boxes, mask, heat = make_boxes(), make_mask(), make_temperatures()
    cases: Sequence[tuple[Judgement, tuple[int, int], str]] = (
        (fired("visible", boxes.region, "scratch", bundle="boxes"), (20, 15), "visible"),
        (fired("visible", boxes.region, "stain", bundle="boxes"), (55, 40), "visible"),
        (fired("visible", mask.region, "stain", bundle="areas"), (35, 40), "visible"),
        (fired("thermal", heat.region, "-", bundle="heat"), (37, 27), "thermal"),
    )
    for judgement, (x, y), camera in cases:
        part = replace(plain, verdict=Verdict.NG, judgements=(judgement,), predictions=(boxes, mask, heat))
        found = evidence(part, aspect=4 / 3)
        assert found is not None
        frame, place = found
        assert frame.camera == camera
        assert place.fits(frame.width, frame.height)
        assert place.x <= x < place.right
        assert place.y <= y < place.bottom
        assert place.width * place.height < frame.width * frame.height
        assert class_of(part) == ("" if judgement.name == "-" else judgement.name)
        strip = window.inspect.filmstrip
        strip.clear()
        strip.add([part])
        thumb = strip.thumbs[0]
        assert thumb.caption == (judgement.name if judgement.name != "-" else "P1")
        assert thumb.time in thumb.toolTip()
        ratio = thumb.picture.width() / thumb.picture.height()
        assert ratio == pytest.approx(place.width / place.height, rel=0.05)


def test_a_region_that_is_wrong_as_a_whole_fills_its_picture() -> None:
    region = Region(40, 10, 20, 20)
    found = Prediction("window", "classification", "visible", ("good", "bad"), region, Scores(np.array([0.1, 0.9], np.float32)))
    judgement = fired("visible", region, "bad", bundle="window")
    part = make_inspection(make_recipe(), frames={"visible": make_frame()})
    shown = evidence(replace(part, verdict=Verdict.NG, judgements=(judgement,), predictions=(found,)), aspect=4 / 3)
    assert shown is not None
    assert shown[1] == Region(35, 9, 29, 22)


def test_the_strip_is_divided_where_another_recipe_judged(window: MainWindow) -> None:
    strip = window.inspect.filmstrip
    parts = [inspection(index, Verdict.NG) for index in range(5)]
    other = [replace(part, recipe="Other" if index >= 3 else part.recipe) for index, part in enumerate(parts)]
    strip.add(parts[:2])
    assert [thumb.heading for thumb in strip.thumbs[:2]] == ["", ""]  # one recipe needs no name
    strip.add(other[2:])
    assert [thumb.heading for thumb in strip.thumbs[:5]] == ["Other", "", "Demo line", "", ""]


def test_the_strip_speaks_the_language_of_the_window(window: MainWindow) -> None:
    strip = window.inspect.filmstrip
    one = inspection(1, Verdict.NG)
    stain = Judgement(0, "plates", "visible", one.predictions[0].region, "count", "stain", 1.0, "above", 0.0, Verdict.NG)
    strip.add([replace(one, judgements=(stain,))])
    english = picture_of(strip.thumbs[0])
    strings.set_language("ja")
    QApplication.processEvents()
    assert strip.thumbs[0].caption == "汚れ"
    assert not np.array_equal(picture_of(strip.thumbs[0]), english)
    strings.set_language("en")
    QApplication.processEvents()
    assert np.array_equal(picture_of(strip.thumbs[0]), english)


def test_a_strip_that_is_not_seen_makes_no_pictures(
    window: MainWindow, qtbot: QtBot, conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[QSize] = []
    original = filmstrip.thumbnail

    def thumbnail(*args: Any, size: QSize, **named: Any) -> QImage:
        made.append(size)
        return original(*args, size=size, **named)

    monkeypatch.setattr(filmstrip, "thumbnail", thumbnail)
    start(window, qtbot, conductor)
    page = window.inspect
    bad = conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: page.filmstrip.thumbs[0].inspection is bad and bool(made))
    qtbot.wait(50)
    assert made == [filmstrip.PLACE]
    assert page.operator.strip.thumbs[0].inspection is None
    view = enter(window)
    assert view.strip.thumbs[0].inspection is bad
    qtbot.waitUntil(lambda: len(made) > 1)
    assert made[-1] == view.strip.thumbs[0].size()  # made for the size at which it is shown


def test_an_unseen_page_draws_nothing_and_shows_the_newest_part_when_it_is_seen(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    start(window, qtbot, conductor)
    page = window.inspect
    first = conductor.station.judge(1, Verdict.OK)
    qtbot.waitUntil(lambda: page.feed.inspection is first)
    window.show_page("settings")
    newest = conductor.station.judge(2, Verdict.NG)
    qtbot.waitUntil(lambda: page.tile.verdict is Verdict.NG)
    assert page.feed.inspection is first
    window.show_page("inspect")
    assert page.feed.inspection is newest


def test_a_number_in_the_reasons_is_whole_or_left_out(qtbot: QtBot) -> None:
    text = ReasonText()
    qtbot.addWidget(text)
    text.set_letters(30)
    text.set_reasons(["the largest dent has 12,345.678 mm2 and that is more than the 9.5 mm2 that are allowed here"])
    for width in range(120, 900, 7):
        text.resize(width, text.height())
        shown = text.shown()
        if shown.endswith("…"):
            rest = text.text.removeprefix(shown.removesuffix("…")).lstrip()
            assert not (rest[0] in "0123456789.," and shown[-2] in "0123456789.,"), shown


@pytest.mark.parametrize("brightest", [300, 1000, 4000, 40_000])
def test_a_small_picture_of_16_bits_is_as_bright_as_the_large_one(qapp: object, brightest: int) -> None:
    pixels = np.full((60, 80), brightest // 2, np.uint16)
    pixels[:, 40:] = brightest
    frame = make_frame(pixels)
    place = Region(0, 0, 80, 60)
    made = filmstrip.thumbnail(frame, place, size=filmstrip.PLACE, ranges=rendering.full_range)
    dark, bright = (made.pixelColor(made.width() * part // 4, made.height() // 2).red() for part in (1, 3))
    large = rendering.picture(frame, rendering.Display(), (0, 0, 80, 60), (80, 60))
    assert (dark, bright) == (large[30, 20] & 255, large[30, 60] & 255)
    assert bright > dark
