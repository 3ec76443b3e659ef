"""A walk through every page, tab, panel and sheet of the window, in every size, language and theme that it is made for.

With INSPECTOR_PICTURES=folder the walk leaves a picture of every place there, to be looked at by people.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from inspector.archive.contents import RunContext
from inspector.archive.recording.heat import heat_keepers
from inspector.archive.recording.journal import archive_folder
from inspector.archive.recording.sinks import archive_sinks
from inspector.bundles.bundle import fingerprint_of, read_card
from inspector.core.message import message
from inspector.core.sentence import Sentence
from inspector.core.storage.paths import models
from inspector.core.types import Inspection, Judgement, Verdict
from inspector.engines.explainer import HeatMap
from inspector.imaging.measuring import PlacedTool
from inspector.imaging.thermography import Line, Rectangle, Spot
from inspector.inspection.status import CameraState, StationStatus
from inspector.results.heat import PartHeat
from inspector.runs.trust import FIGURES, Advice, Trust, dump_trust, trust_folder
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.load_shedding import Shed
from inspector.station.outputs import Outputs
from inspector.training.state import RunState
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.manual.topics import TOPICS
from inspector.ui.shell import strings, theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.training.results.page import TABS
from inspector.workers.outcome import Cause, End, Outcome
from tests.ui.fitting import misfits, settle
from tests.ui.line_double import RECIPE, Conductor, inspection
from tests.ui.training.results_making import finished_run

SIZES = [(1024, 768), (1366, 768), (1920, 1080)]
LANGUAGES: tuple[strings.Language, ...] = ("en", "ja")
THEMES: tuple[theme.Choice, ...] = ("light", "dark")
PARTS = 12
LOST = message("Camera {camera}: no frame for {seconds:.1f} s.", camera="visible", seconds=2.0)
REMEDY = message("Check the cable.")
PLATES = "plates"


def judged(index: int, verdict: Verdict) -> Inspection:
    """A part with the judgements of two rules."""
    one = inspection(index, verdict)
    where = one.predictions[0].region
    count = Judgement(0, PLATES, "visible", where, "count", "scratch", float(verdict is Verdict.NG), "above", 0.0, verdict)
    warm = Judgement(1, "heat", "thermal", one.predictions[2].region, "temperature_max", "", 325.2, "above", 370.0, Verdict.OK)
    return replace(one, judgements=(count, warm), utc=datetime.now(UTC))


def recorded() -> None:
    """Record a run of the demo line in the archive of this user, with a heat map of its second part."""
    sinks = archive_sinks(RunContext(station="S1", lot="L1", shift="A", operator="Ann"), folder=archive_folder())
    outputs, status = Outputs(sinks, Counters(), lambda *_: None, Ledgers()), StationStatus(recipe=RECIPE)
    outputs.open(status)
    made = [judged(index, Verdict.NG if index % 3 == 1 else Verdict.OK) for index in range(PARTS)]
    for one in made:
        outputs.part_opened(one.sequence, one.part)
        outputs.put([one], wait=True)
    spot = cv2.GaussianBlur(np.pad(np.ones((4, 4), np.float32), 14), (0, 0), 4)
    region = next(one.region for one in made[1].predictions if one.bundle == PLATES)
    heat = HeatMap(cv2.resize(spot / spot.max(), (region.width, region.height)), region, "neck", "scratch", 0.9)
    outputs.close(lambda: status)
    for keep in heat_keepers(sinks):
        keep(made[1], [PartHeat("visible", PLATES, heat)])


def photographs(folder: Path) -> Path:
    """Three pictures of each of two classes."""
    rng = np.random.default_rng(0)
    for name, level in (("good", 90), ("bad", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.clip(rng.normal(level, 20, (240, 320, 3)), 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / name / f"{number}.png"), pixels)
    return folder


def trained(runs: Path) -> None:
    """Two finished trainings, and the report on where the second looks."""
    finished_run(runs, "first", accuracy=0.81)
    second = finished_run(runs, "second")
    card = read_card(models() / "window-state")
    facts = {"folder": "line", "task": "classification", "created": datetime.now(UTC), "data": "d", "images": 12}
    cover = Advice(
        change="cover",
        why=Sentence(template="Of the heat {share} lies on a place that is the same in all images.", values={"share": "40 %"}),
        settings={"cover": "0,0,20,20"},
    )
    found = [
        Trust(bundle="before", fingerprint="f0", right=0.5, inside_truth=0.3, lift=1.0, road=0.3, **facts),
        Trust(
            bundle="window-state",
            fingerprint=fingerprint_of(card),
            right=0.8,
            inside_truth=0.6,
            lift=2.0,
            road=0.1,
            advice=(cover,),
            **facts,
        ),
    ]
    folder = trust_folder(second.folder.parent, runs / "line")
    folder.mkdir(parents=True)
    (folder / FIGURES).write_bytes(dump_trust(found))


class Walk:
    """Goes through the window and notes what does not fit."""

    def __init__(self, window: MainWindow, qtbot: QtBot, conductor: Conductor, own: Path) -> None:
        self.window, self.qtbot, self.conductor, self.own = window, qtbot, conductor, own
        self.wrong: dict[str, list[str]] = {}
        self.seen: set[str] = set()
        self.combination = ""
        self._pictures = os.environ.get("INSPECTOR_PICTURES")

    def begin(self, size: tuple[int, int], language: strings.Language, colours: theme.Choice) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        strings.set_language(language)
        theme.apply(app, colours)
        self.window.resize(*size)
        settle()
        assert (self.window.width(), self.window.height()) == size
        self.combination = f"{size[0]}-{language}-{colours}"

    def look(self, place: str, root: QWidget | None = None) -> None:
        """Note what does not fit at this place. `root`: the sheet or panel that lies over all else."""
        settle()
        found = misfits(root or self.window)
        if found:
            self.wrong[f"{self.combination} {place}"] = found
        self.seen.add(place)
        if self._pictures:
            Path(self._pictures).mkdir(parents=True, exist_ok=True)
            assert self.window.grab().save(str(Path(self._pictures) / f"{place.replace(' ', '_')}-{self.combination}.png"))

    def wait(self, until: object) -> None:
        assert callable(until)
        self.qtbot.waitUntil(until, timeout=60_000)

    # ---- pages --------------------

    def inspect(self) -> None:
        page = self.window.inspect
        self.window.show_page("inspect")
        for view in ("live", *page.analysis.offered):
            page.choose_tab(view)
            self.look(f"inspect {view}")
        self._instrument()
        page.choose_tab("live")
        page.hold(page.filmstrip.thumbs[0].inspection)
        self.look("inspect held")
        page.back_to_live()
        page.takt.set_open(True)
        self.look("inspect takt")
        page.takt.set_open(False)
        page.notice.show_level(Shed.RATE)
        self.look("inspect shed")
        page.notice.show_level(Shed.NOTHING)
        self.conductor.station.camera("visible", CameraState.LOST, LOST, REMEDY)
        self.conductor.station.fault(PLATES, message("The engine of {bundle} is closed.", bundle=PLATES))
        self.wait(lambda: len(page.banners.problems()) == 2)
        self.look("inspect problems")
        self.window.toggle_operator_view()
        self.window.setWindowState(Qt.WindowState.WindowNoState)
        settle()
        self.look("operator problems")
        self.conductor.station.camera("visible", CameraState.STREAMING)
        self.conductor.station.fault(PLATES, None)
        self.wait(lambda: not page.banners.problems())
        self.look("operator")
        self.window.toggle_operator_view()
        page.open_tune()
        self.look("tune", page.tune)
        page.tune.leave()
        page.open_variants()
        self.look("variants", page.variants)
        page.leave()
        page.counters.reset_wanted.emit()
        self.look("shift question")
        page.shift_change.question.escape()

    def _instrument(self) -> None:
        """Tools on the thermal picture, with the profile of the line."""
        page = self.window.inspect
        page.choose_tab("thermal")
        tab = page.analysis.tabs["thermal"]
        tools = (Line(10, 40, 140, 60), Rectangle(20, 20, 60, 40), Spot(80, 60))
        tab.instrument.set_tools([PlacedTool(tool) for tool in tools])
        tab.instrument.panel.table.picked.emit(0)
        self.look("inspect thermal tools")
        bar = tab.side_scroll.verticalScrollBar()
        for share in (0.5, 1.0):
            bar.setValue(round(bar.maximum() * share))
            self.look(f"inspect thermal tools {share}")
        bar.setValue(0)
        tab.instrument.set_tools([])
        tab.register_wanted.emit()
        assert page.analysis.register is not None
        assert page.analysis.register.isVisible()
        self.look("inspect register", page.analysis.register)
        assert page.analysis.leave()

    def review(self) -> None:
        page = self.window.review
        self.window.show_page("review")
        if len(page):
            self.look("review")
            for name in page.analysis.offered:
                page.analysis.choose(name)
                self.look(f"review {name}")
        else:
            self.look("review empty")

    def archive(self) -> None:
        page = self.window.archive
        self.window.show_page("archive")
        self._calm()
        self.look("archive")
        page.filter_button.setChecked(False)
        self.look("archive unfiltered")
        page.filter_button.setChecked(True)
        page.what_ifs.offer()
        self.wait(page.what_if.isVisible)
        self.look("archive what if")
        page.what_ifs.close()
        page.approving.offer()
        self.wait(page.approving.panel.isVisible)
        self.look("archive approving")
        page.approving.close()
        self._calm()
        page.open_part(PARTS - 2)
        self._calm()
        for name in page.record.analysis.offered:
            page.record.analysis.choose(name)
            for side in range(page.record.side.count()):
                page.record.side.setCurrentIndex(side)
                self.look(f"archive part {name} {side}")
        page.record.side.setCurrentIndex(0)
        page.show_gallery()
        page.gallery.pick({page.gallery.parts.entry(row).key for row in (0, 1)})  # type: ignore[union-attr]
        self.look("archive picked")
        page.pair_button.click()
        self._calm()
        self.look("archive pair")
        page.show_gallery()
        page.gallery.pick(set())

    def _calm(self) -> None:
        page = self.window.archive
        self.wait(lambda: not page.busy and not page.counter.busy and not page.parts.pictures.busy)

    def train(self) -> None:
        page = self.window.train
        self.window.show_page("train")
        self.wait(lambda: len(page.runs) == 2)
        page.show_run(next(info.folder for info in page.runs if info.folder.name == "second"))
        view = page.view
        assert view is not None
        assert view.info is not None
        done = view.info
        crash = Outcome(End.CRASHED, problem=message("The worker process was killed (x)."), cause=Cause.CRASH)
        view.show_run(replace(done, state=RunState.CRASHED, outcome=crash, resumable=True), 0)
        self.look("train crashed")
        view.show_run(replace(done, state=RunState.RUNNING, outcome=None), 0)
        self.look("train running")
        view.show_run(done, 0)
        for part in ("course", "results"):
            view.part.buttons[part].click()
            self.look(f"train {part}")
        assert view.results is not None
        for at, name in enumerate(TABS):
            view.results.tabs.setCurrentIndex(at)
            self.look(f"train results {name}")
        view.results.tabs.setCurrentIndex(0)
        page.open_panel(models() / "window-state")
        self.look("train recipe")
        page.close_panel()
        variants = page.open_variants(models() / "window-state")
        self.look("train variants", variants)
        variants.leave()
        page.compare.setChecked(True)
        page.list.selectAll()
        self.look("train compare")
        page.compare.setChecked(False)
        dialog = page.open_dialog()
        self.look("new training empty")
        dialog.set_folder(self.own)
        self.wait(lambda: dialog.network.settled and dialog.data.samples_known)
        for step in dialog.steps:
            dialog.show_step(step)
            self.look(f"new training {step}")
        page.close_dialog()

    def recipes(self) -> None:
        page = self.window.recipes
        self.window.show_page("recipes")
        self.wait(lambda: page.editor.canvas.frame is not None)
        for at in range(page.editor.tabs.count()):
            page.editor.tabs.setCurrentIndex(at)
            self.look(f"recipes {at}")
        page.editor.tabs.setCurrentIndex(0)
        page.editor.sheet.open("rtsp://127.0.0.1:9/stream")
        self.look("recipes source", page.editor.sheet)
        page.editor.sheet.close_sheet()
        page.editor.degrees.open(page.editor.canvas.frame, steps=False)
        self.look("recipes degrees", page.editor.degrees)
        page.editor.degrees.leave()

    def settings(self) -> None:
        self.window.show_page("settings")
        page = self.window.settings_page
        self.look("settings")
        area = page.findChild(QScrollArea)
        assert isinstance(area, QScrollArea)
        bar = area.verticalScrollBar()
        for share in (0.5, 1.0):
            bar.setValue(round(bar.maximum() * share))
            self.look(f"settings {share}")
        bar.setValue(0)

    def help(self) -> None:
        self.window.show_page("inspect")
        for topic in TOPICS:
            self.window.help.manual.open(topic)
            self.look(f"help {topic}", self.window.help.manual)
        self.window.help.manual.hide()
        self.window.help.tour.open()
        self.look("tour", self.window.help.tour)
        self.window.help.tour.end()


@pytest.fixture
def walk(qtbot: QtBot, conductor: Conductor, settings: Settings, tmp_path: Path) -> Iterator[Walk]:
    """The window on a running line, with an archive, trainings and photographs of one's own."""
    recorded()
    trained(tmp_path / "runs")
    window = MainWindow(settings, StationWorker(factory=conductor), runs=tmp_path / "runs")
    window.worker.start()
    window.open_first()
    window.show()
    qtbot.waitExposed(window)
    made = Walk(window, qtbot, conductor, photographs(tmp_path / "own parts"))
    window.inspect.start()
    made.wait(lambda: bool(conductor.stations) and window.inspect.running)
    for index in range(6):
        conductor.station.judge(index, Verdict.NG)
    made.wait(lambda: window.inspect.counters.total.value == "6")
    yield made
    window.close_now()
    window.deleteLater()
    strings.set_language("en")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
def test_everything_fits_on_every_page(walk: Walk, size: tuple[int, int]) -> None:
    walk.begin(size, "en", "light")
    walk.review()  # empty
    walk.window.review.open_path(walk.own)
    walk.wait(lambda: len(walk.window.review) == 6)
    for language in LANGUAGES:
        for colours in THEMES:
            walk.begin(size, language, colours)
            for page in (walk.inspect, walk.review, walk.archive, walk.train, walk.recipes, walk.settings, walk.help):
                page()
    assert len(walk.seen) > 60
    assert not walk.wrong, "\n".join(f"{place}: {text}" for place, texts in walk.wrong.items() for text in texts)
