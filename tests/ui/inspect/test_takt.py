"""The takt meter on the window, and a station that is really overloaded: what is left out, in which order, and what never."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from inspector.core.types import Frame, Inspection, Verdict
from inspector.inspection import program
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import StageStats, Stats, TaktStats
from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe
from inspector.results.sink import Sink
from inspector.station.load_shedding import Limits, Shed
from inspector.station.station import Station
from inspector.ui.canvas.overlays import NOTHING
from inspector.ui.inspect.page import InspectPage
from inspector.ui.inspect.panels.takt_waterfall import TOTAL, spans
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import strings
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.tabs.gradcam import GradCamTab
from tests.station.fakes import Behaviour, FakeCamera, fake_engine, opener, write_classifier
from tests.ui.line_double import Conductor
from tests.ui.pressing import press

STATS = Stats(
    parts=120,
    stages={
        "frames": StageStats(depth=1),
        "grab": StageStats(p50_ms=4, p99_ms=9),
        "wait": StageStats(p50_ms=6, p99_ms=20),
        "prepare": StageStats(p50_ms=2, p99_ms=3),
        "infer": StageStats(p50_ms=20, p99_ms=30),
        "decode": StageStats(p50_ms=1, p99_ms=2),
        "verdict": StageStats(p50_ms=0.5, p99_ms=1),
    },
    takt=TaktStats(takt_ms=100, source="recipe", busy_p50_ms=24, busy_p99_ms=40, late=7, load=0.24),
)


def test_the_meter_unfolds_over_the_picture_and_nothing_moves(window: MainWindow, qtbot: QtBot) -> None:
    page = window.inspect
    page.takt.set_stats(STATS)
    before = [widget.geometry() for widget in (page.tile, page.views, page.counters, page.filmstrip, page.status)]
    assert page.takt.label.text() == "Late 7  Takt 60 % free"
    assert not page.takt.panel.isVisible()
    press(window, qtbot, "Stages")
    assert page.takt.panel.isVisible()
    assert [widget.geometry() for widget in (page.tile, page.views, page.counters, page.filmstrip, page.status)] == before
    assert page.views.rect().contains(page.takt.panel.geometry())
    assert page.takt.panel.takt_label.text() == "Takt 100 ms, from the recipe"
    assert page.takt.panel.room_label.text() == "Head-room 60.0 ms (60 %)"
    assert page.takt.panel.late_label.text() == "Late parts: 7"
    window.toggle_operator_view()
    assert not page.takt.panel.isVisible()
    window.toggle_operator_view()
    assert page.takt.panel.isVisible()
    press(window, qtbot, "Stages")
    assert not page.takt.panel.isVisible()


def test_what_was_not_measured_is_not_shown_and_the_numbers_can_be_copied(window: MainWindow, qtbot: QtBot) -> None:
    page = window.inspect
    page.takt.set_stats(STATS)
    page.takt.set_open(True)
    assert list(page.takt.panel.waterfall.rows) == ["grab", "wait", "prepare", "infer", "decode", "verdict", TOTAL]
    press(window, qtbot, "Copy the numbers")
    copied = [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]
    assert ["Infer", "20.000", "30.000"] in copied
    assert ["takt (recipe)", "100.000", ""] in copied
    assert ["head-room", "", "60.000"] in copied
    assert not [line for line in copied if line[0] in ("Line", "Archive", "Display")]


def test_bars_follow_each_other_and_the_sum_begins_where_the_inspection_does(window: MainWindow) -> None:
    window.inspect.takt.set_stats(STATS)
    placed = spans(window.inspect.takt.rows())
    assert placed["grab"] == (0, 4, 9)
    assert placed["prepare"] == (10, 12, 13)
    assert placed["infer"] == (12, 32, 42)
    assert placed[TOTAL] == (10, 34, 50)


def test_a_source_that_waits_is_said_to_have_no_takt(window: MainWindow) -> None:
    page = window.inspect
    page.takt.set_open(True)
    page.takt.set_stats(Stats(parts=30, takt=TaktStats(waits=True, busy_p50_ms=5, busy_p99_ms=6)))
    assert page.takt.label.text() == "No takt"
    assert page.takt.panel.takt_label.text() == "No takt: the source waits for the inspection"


def test_too_slow_is_said_in_words(window: MainWindow) -> None:
    page = window.inspect
    page.takt.set_open(True)
    page.takt.set_stats(Stats(parts=30, takt=TaktStats(50, "arrivals", busy_p50_ms=60, busy_p99_ms=75, late=20, load=1.2)))
    assert page.takt.label.text() == "Late 20  Takt 50 % over"
    assert page.takt.panel.room_label.text() == "25.0 ms too slow (50 %)"


def test_the_display_is_timed_from_the_news_to_the_end_of_its_painting(
    window: MainWindow, qtbot: QtBot, conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = window.inspect
    canvas = page.feed.canvases["visible"]
    painted, planted = canvas._refresh, 0.04

    def slow(*arguments: Any) -> Any:
        time.sleep(planted)
        return painted(*arguments)

    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.tile.text == "WAITING")
    monkeypatch.setattr(canvas, "_refresh", slow)
    for index in range(6):
        conductor.station.judge(index, Verdict.OK)
        qtbot.waitUntil(lambda index=index: page.counters.total.value == str(index + 1))
        qtbot.wait(60)
    display = page.takt.clock.stage()
    assert display is not None
    assert display.p50_ms >= planted * 1000
    assert display.p50_ms < planted * 1000 + 60
    assert page.takt.rows()["display"] == display


class _Line(Sink):
    """The real station on the window: a live camera with a part every 40 ms, and an engine as slow as is told."""

    name = "line"

    def __init__(self, folder: Path, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        gate = Gate(frozen_frames=0)
        self.recipe = Recipe(
            name="line",
            takt_ms=40,
            max_batch=1,
            max_wait_ms=0,
            cameras={"camera": CameraModel(source="fake", gate=gate)},
            inspect=(InspectModel(bundle=str(write_classifier(folder / "states")), camera="camera"),),
        )
        self.judged: list[tuple[float, Inspection]] = []

    def __call__(self, recipe: Recipe, *, base: Path | None, sinks: Any, listeners: Any, lot: Any) -> Station:
        def script(camera: FakeCamera, stop: Event) -> Iterator[Frame]:
            while not stop.wait(0.04):
                yield camera.grab()

        camera = FakeCamera("camera", script, live=True)
        cameras = opener({"camera": camera})
        return Station(recipe, base=base, sinks=[self, *sinks], listeners=listeners, lot=lot, cameras=cameras)

    def take(self, inspection: Inspection) -> None:
        self.judged.append((time.monotonic(), inspection))

    def rate(self, begin: float, end: float) -> float:
        """Verdicts a second in this time."""
        return len([at for at, _ in self.judged if begin <= at < end]) / (end - begin)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Line:
    behaviour = Behaviour()
    monkeypatch.setattr(program, "open_engine", fake_engine(behaviour))
    return _Line(tmp_path, behaviour)


def _note_levels(page: InspectPage, seen: list[tuple[float, Shed]]) -> None:
    def note(_parts: int) -> None:
        if not seen or seen[-1][1] is not page.shed:
            seen.append((time.monotonic(), page.shed))

    page.parts_seen.connect(note)


def test_an_overloaded_line_leaves_out_display_never_verdicts(qtbot: QtBot, settings: Settings, line: _Line) -> None:
    window = MainWindow(settings, StationWorker(factory=line, limits=Limits(enter_s=1.0, leave_s=0.8)))
    window.worker.start()
    window.show()
    page, seen = window.inspect, []
    _note_levels(page, seen)
    gradcam = page.analysis.tabs["gradcam"]
    reviewed = window.review.analysis.tabs["gradcam"]
    assert isinstance(gradcam, GradCamTab)
    assert isinstance(reviewed, GradCamTab)
    try:
        line.behaviour.seconds = 0.07  # a part comes every 40 ms
        window.open_choice(RunRequest(line.recipe), None)
        page.start()
        qtbot.waitUntil(lambda: page.shed is Shed.GRADCAM, timeout=20_000)
        before = time.monotonic()
        assert page.notice.isVisible()
        assert page.notice.text == "Display reduced: the line needs the processor (no heat maps)"
        assert gradcam._resting
        assert reviewed._resting  # the page that nobody looks at would take the processor just the same
        qtbot.waitUntil(lambda: page.shed is Shed.OVERLAYS, timeout=10_000)
        qtbot.waitUntil(lambda: page.shed is Shed.RATE, timeout=10_000)
        reached = time.monotonic()
        qtbot.waitUntil(lambda: page.feed.canvases["camera"].overlays is NOTHING, timeout=5_000)
        pictures: set[int] = set()
        verdicts = len(line.judged)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            qtbot.wait(20)
            if page.feed.inspection is not None:
                pictures.add(page.feed.inspection.sequence)
        assert 2 <= len(pictures) <= 7  # two a second, while
        assert len(line.judged) - verdicts >= 20  # every part has its verdict
        after = time.monotonic()
        assert line.rate(reached, after) >= 0.9 * line.rate(before, reached)
        assert page.tile.verdict is Verdict.OK
        line.behaviour.seconds = 0.005
        qtbot.waitUntil(lambda: page.shed is Shed.NOTHING, timeout=30_000)
        qtbot.waitUntil(lambda: page.feed.canvases["camera"].overlays is not NOTHING, timeout=5_000)
        assert not page.notice.isVisible()
        assert not gradcam._resting
        assert not reviewed._resting
        levels = [level for _, level in seen]
        up = [Shed.NOTHING, Shed.GRADCAM, Shed.OVERLAYS, Shed.RATE]
        assert levels == [*up, *reversed(up[:-1])]
        sequences = [inspection.sequence for _, inspection in line.judged]
        assert all(before < after for before, after in pairwise(sequences))
        assert all(inspection.verdict is Verdict.OK for _, inspection in line.judged)
        assert page.takt._stats.takt.late > 20
    finally:
        window.close_now()
        window.deleteLater()


def test_a_held_part_keeps_its_marks_while_the_line_sheds(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    page = window.inspect
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.tile.text == "WAITING")
    bad = conductor.station.judge(1, Verdict.NG)
    qtbot.waitUntil(lambda: page.filmstrip.thumbs[0].inspection is bad)
    conductor.station.load = 1.5
    qtbot.waitUntil(lambda: page.shed is Shed.RATE)
    press(window, qtbot, "NG part P000001")
    assert page.feed.canvases["visible"].overlays is not NOTHING
    assert not page.analysis.current().canvas.plain
    page.back_to_live()
    assert page.analysis.current().canvas.plain


def test_the_notice_and_the_meter_speak_japanese(window: MainWindow, qtbot: QtBot) -> None:
    page = window.inspect
    page.takt.set_open(True)
    page.takt.set_stats(STATS)
    page.notice.show_level(Shed.RATE)
    english = page.notice.text, page.takt.panel.takt_label.text(), page.takt.label.text()
    strings.set_language("ja")
    qtbot.waitUntil(lambda: page.notice.text not in english)
    japanese = page.notice.text, page.takt.panel.takt_label.text(), page.takt.label.text()
    assert not set(english) & set(japanese)
    assert page.notice.geometry().bottom() <= page.takt.panel.geometry().top()
    assert page.views.rect().contains(page.notice.geometry())
