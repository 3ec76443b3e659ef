"""Grad-CAM: the thread, and the tab with a real bundle and its worker process."""

import csv
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from inspector.bundles.bundle import Bundle
from inspector.core.errors import EngineError
from inspector.core.types import Boxes, Frame, Inspection, Prediction, Region, Scores, Verdict
from inspector.engines.explainer import HeatMap
from inspector.imaging.preprocessing import InputSpec
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe
from inspector.results.heat import PartHeat
from inspector.ui.canvas.overlays import HeatLayer
from inspector.ui.tabs.explain_thread import Answer, ExplainThread, Question
from inspector.ui.tabs.gradcam import GradCamTab, heat_share
from inspector.ui.tabs.heat_views import clipped
from tests.ui.making import INNER, WHOLE, make_boxes, make_frame, make_mask
from tests.untrained import write_untrained


class Slow:
    """An explainer that answers when the test lets it; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.classes: list[int | None] = []
        self.boxes: list[tuple[float, float, float, float] | None] = []
        self.layers_: list[str | None] = []
        self.go = threading.Semaphore(0)
        self.closed = 0
        self.error: Exception | None = None

    def layers(self) -> list[str]:
        return ["last", "first"]

    def explain(
        self,
        frame: Frame,
        *,
        region: Region | None = None,
        layer: str | None = None,
        class_index: int | None = None,
        box: tuple[float, float, float, float] | None = None,
        method: str | None = None,
    ) -> HeatMap:
        self.classes.append(class_index)
        self.boxes.append(box)
        self.layers_.append(layer)
        assert self.go.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        return HeatMap(np.ones((4, 4), np.float32), region or WHOLE, layer or "last", "scratch", float(class_index or 0))

    def abort(self) -> None:
        self.error = EngineError("aborted")
        self.go.release(100)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def thread(qtbot: QtBot, slow: Slow) -> Iterator[ExplainThread]:
    thread = ExplainThread(make=lambda folder: slow)
    yield thread
    slow.go.release(100)
    thread.end()


def question(kind: int | None, folder: str = "a") -> Question:
    return Question(Path(folder), make_frame(), WHOLE, class_index=kind)


def test_the_newest_question_wins(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    answers: list[Answer] = []
    thread.answered.connect(answers.append)
    thread.ask(question(0))
    qtbot.waitUntil(lambda: slow.classes == [0])
    for kind in (1, 2, 3):
        thread.ask(question(kind))
    with qtbot.waitSignal(thread.answered):
        slow.go.release(2)
    assert slow.classes == [0, 3]  # 1 and 2 were overtaken while waiting
    assert [answer.question.class_index for answer in answers] == [3]  # the answer to 0 came too late
    assert answers[0].layers == ("last", "first")


def test_a_forgotten_question_gets_no_answer(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    answers: list[Answer] = []
    thread.answered.connect(answers.append)
    thread.ask(question(0))
    qtbot.waitUntil(lambda: slow.classes == [0])
    thread.forget()
    slow.go.release()
    thread.ask(question(1))
    with qtbot.waitSignal(thread.answered):
        slow.go.release()
    assert [answer.question.class_index for answer in answers] == [1]


def test_a_refusal_is_told_in_its_sentence_and_the_next_question_works(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    slow.error = EngineError("No {what}.", remedy="Install {what}.", what="torch")
    slow.go.release()
    with qtbot.waitSignal(thread.refused) as refused:
        thread.ask(question(0))
    refusal = refused.args[0]
    assert isinstance(refusal, EngineError)
    assert (refusal.problem.text, refusal.remedy.text if refusal.remedy else "") == ("No torch.", "Install torch.")
    slow.error = None
    slow.go.release()
    with qtbot.waitSignal(thread.answered):
        thread.ask(question(1))


@pytest.mark.allow_logs("ExplainThread failed")
def test_a_defect_is_told_and_does_not_end_the_thread(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    slow.error = RuntimeError("boom")
    slow.go.release()
    with qtbot.waitSignal(thread.refused) as refused:
        thread.ask(question(0))
    assert str(refused.args[0]) == "This program has a defect: RuntimeError: boom. Please report it with the program's log."
    assert thread.isRunning()


def test_another_bundle_closes_the_first(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    slow.go.release(2)
    for folder in ("a", "b"):
        with qtbot.waitSignal(thread.answered):
            thread.ask(question(0, folder))
    assert slow.closed == 1
    thread.end()
    assert slow.closed == 2


def test_the_end_does_not_wait_for_an_answer_under_way(qtbot: QtBot, thread: ExplainThread, slow: Slow) -> None:
    answers: list[object] = []
    thread.answered.connect(answers.append)
    thread.refused.connect(answers.append)
    thread.ask(question(0))
    qtbot.waitUntil(lambda: slow.classes == [0])
    thread.end()  # nobody ever answers
    assert thread.isFinished()
    assert slow.closed == 1
    qtbot.wait(50)
    assert not answers


def test_what_is_given_up_has_no_answer_and_the_next_question_gets_another_explainer(qtbot: QtBot) -> None:
    first, second = Slow(), Slow()
    waiting = iter([first, second])
    thread = ExplainThread(make=lambda folder: next(waiting))
    replies: list[object] = []
    thread.answered.connect(replies.append)
    thread.refused.connect(replies.append)
    try:
        thread.ask(question(0))
        qtbot.waitUntil(lambda: first.classes == [0])
        thread.give_up()
        second.go.release()
        with qtbot.waitSignal(thread.answered, timeout=5000):
            thread.ask(question(1))
        assert (first.closed, first.classes, second.classes) == (1, [0], [1])
        assert len(replies) == 1
    finally:
        thread.end()


def test_heat_on_boxes_and_mask() -> None:
    values = np.zeros((60, 80), np.float32)
    values[12, 15] = 3.0  # in the box (10, 10, 30, 20)
    values[50, 75] = 1.0  # in no box
    assert heat_share(values, make_boxes(), 0.5) == pytest.approx(0.75)
    coarse = np.zeros((3, 4), np.float32)  # each cell covers 10 x 10 pixels of INNER
    coarse[1, 2], coarse[0, 3] = 1.0, 3.0  # the first is in the stain, the second in nothing
    assert heat_share(coarse, make_mask(), 0.5) == pytest.approx(0.25)
    assert heat_share(np.zeros((3, 4), np.float32), make_mask(), 0.5) is None
    assert heat_share(values, make_boxes(), 0.95) is None
    scores = Prediction("c", "classification", "visible", ("a", "b"), INNER, Scores(np.array([0.5, 0.5], np.float32)))
    assert heat_share(coarse, scores, 0.5) is None


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small detector with random weights, written by the real exporter."""
    return write_untrained(
        tmp_path_factory.mktemp("explain") / "small",
        task="detection",
        network="simple_yolo",
        network_options={"filters": 4, "boxes": 2},
        classes=("scratch", "stain"),
        ok_classes=(),
        input=InputSpec(width=48, height=48),
        max_batch=4,
    )


def inspected(bundle: Bundle) -> tuple[Inspection, Recipe]:
    name = str(bundle.folder)
    recipe = Recipe(
        name="r",
        cameras={"visible": CameraModel(source="folder:x")},
        inspect=(InspectModel(bundle=name, camera="visible", threshold=0.5),),
    )
    boxes = Boxes(np.array([[10, 10, 40, 40]], np.float32), np.array([0.9], np.float32), np.array([1], np.int64))
    prediction = Prediction(name, "detection", "visible", ("scratch", "stain"), WHOLE, boxes)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    frames = {"visible": make_frame(pixels)}
    return Inspection("P1", 0, Verdict.NG, (), frames, (prediction,), "r", 1, 1.0), recipe


@pytest.fixture
def tab(qtbot: QtBot) -> GradCamTab:
    tab = GradCamTab()
    tab.resize(1000, 700)
    qtbot.addWidget(tab, before_close_func=GradCamTab.close_workers)
    tab.show()
    return tab


def shown(tab: GradCamTab) -> Callable[[], bool]:
    return lambda: len(tab.canvas.overlays.layers) == 1


def _views_and_files(tab: GradCamTab, folder: Path) -> None:
    tab.beside_each_other.click()
    assert tab.views.isVisible()
    assert tab.views.original.frame is tab.canvas.frame
    heat = tab.views.map.frame
    assert heat is not None
    (layer,) = tab.canvas.overlays.layers
    assert isinstance(layer, HeatLayer)
    assert int(heat.pixels.max()) == round(255 * float(layer.values.max()))
    tab.clip.set_value(0.2)
    (harder,) = tab.canvas.overlays.layers
    assert isinstance(harder, HeatLayer)
    assert np.count_nonzero(harder.values == harder.values.max()) > np.count_nonzero(layer.values == layer.values.max())
    tab.save.save("picture", folder / "heat.png")
    picture = cv2.imread(str(folder / "heat.png"))
    assert picture.shape[:2] == (heat.height, 3 * heat.width)
    tab.save.save("numbers", folder / "heat.csv")
    rows = list(csv.reader(io.StringIO((folder / "heat.csv").read_text("utf-8-sig"))))
    assert ["Class", "stain"] in rows
    numbers = np.array([[float(value) for value in row] for row in rows if len(row) > 2])
    assert numbers.max() == pytest.approx(1.0)
    tab.clip.set_value(0.0)


def test_the_ends_of_a_map_are_cut_off() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, -1)
    cut = clipped(values, 0.1)
    assert (cut[0, :11] == 0).all()
    assert (cut[0, 90:] == 1).all()
    assert cut[0, 50] == pytest.approx(0.5)
    assert clipped(values, 0.0) is values


def test_a_real_bundle_is_explained_on_the_button(qtbot: QtBot, tab: GradCamTab, bundle: Bundle, tmp_path: Path) -> None:
    inspection, recipe = inspected(bundle)
    held: list[Inspection] = []
    tab.hold_wanted.connect(held.append)
    tab.set_inspection(inspection, recipe)
    assert not shown(tab)()
    qtbot.mouseClick(tab.button, Qt.MouseButton.LeftButton)
    assert tab.progress.isVisible()
    assert held == [inspection]  # the line goes on; the page is to keep the explained part in sight
    qtbot.waitUntil(shown(tab), timeout=60_000)
    assert not tab.progress.isVisible()
    layers = [tab.layer.itemData(index) for index in range(tab.layer.count())]
    assert tab.values["layer"].text() == layers[1]  # the first is "default"
    assert tab.values["class"].text() in ("scratch", "stain")
    tab.class_choice.setCurrentIndex(2)
    tab.class_choice.activated.emit(2)
    qtbot.waitUntil(lambda: tab.values["class"].text() == "stain", timeout=60_000)
    _views_and_files(tab, tmp_path)
    target = tab.values["target"].text()
    tab.method.setCurrentIndex(tab.method.findData("eigencam"))
    tab.method.activated.emit(4)
    qtbot.waitUntil(lambda: not tab.busy, timeout=60_000)
    assert tab.values["target"].text() == target  # the same class by another method
    tab.layer.setCurrentIndex(1)
    tab.method.setCurrentIndex(tab.method.findData("occlusion"))
    tab.method.activated.emit(5)
    assert not tab.layer.isVisible()  # it looks into none
    qtbot.waitUntil(lambda: not tab.busy, timeout=60_000)
    assert tab.values["layer"].text() == "occlusion"
    newer = replace(inspection, part="P2")
    tab.set_inspection(newer, recipe)
    assert not shown(tab)()


def test_a_held_part_is_explained_by_itself_but_not_behind_another_tab(
    qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle
) -> None:
    tab.thread_._make = lambda folder: slow
    slow.go.release(10)
    inspection, recipe = inspected(bundle)
    tab.set_frozen(True)
    tab.hide()
    tab.set_inspection(inspection, recipe)
    qtbot.wait(300)
    assert not tab.thread_.isRunning()
    tab.show()
    qtbot.waitUntil(shown(tab), timeout=5_000)
    assert slow.classes == [None]


def test_nothing_is_explained_while_the_line_needs_the_processor(
    qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle
) -> None:
    tab.thread_._make = lambda folder: slow
    tab.set_frozen(True)
    tab.set_inspection(*inspected(bundle))
    qtbot.waitUntil(lambda: len(slow.classes) == 1)
    tab.set_resting(True)
    assert not tab.busy
    assert not tab.button.isEnabled()
    assert tab.state.text() == "No heat maps now: the line needs the processor."
    tab.explain()
    tab.set_inspection(*inspected(bundle))
    qtbot.wait(400)
    assert len(slow.classes) == 1
    slow.error = None
    slow.go.release(5)
    tab.set_resting(False)  # the held part is explained by itself again
    qtbot.waitUntil(lambda: tab._answer is not None)
    assert tab.button.isEnabled()
    tab.close_workers()


def test_a_map_that_was_kept_is_shown_at_once_and_another_one_on_the_button(
    qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle
) -> None:
    tab.thread_._make = lambda folder: slow
    tab.set_frozen(True)
    inspection, recipe = inspected(bundle)
    heat = HeatMap(np.eye(8, dtype=np.float32), WHOLE, "neck", "stain", 0.9)
    tab.kept = (PartHeat("hidden", "small", heat), PartHeat("visible", "small", heat))
    tab.set_inspection(inspection, recipe)
    assert shown(tab)()
    assert (tab.values["layer"].text(), tab.values["class"].text()) == ("neck", "stain")
    assert tab.state.text().startswith("Kept when the part was inspected.")
    assert not tab.busy
    slow.go.release()
    with qtbot.waitSignal(tab.thread_.answered):
        tab.button.click()
    assert tab.values["layer"].text() == "last"
    tab.kept = ()
    tab.set_inspection(replace(inspection, part="P2"), recipe)  # has none, and is explained by itself
    assert not shown(tab)()
    qtbot.waitUntil(lambda: len(slow.classes) == 2)
    tab.close_workers()


def test_a_box_that_is_clicked_is_explained(qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle) -> None:
    tab.thread_._make = lambda folder: slow
    tab.set_frozen(True)
    tab.set_inspection(*inspected(bundle))
    slow.go.release()
    qtbot.waitUntil(shown(tab))
    x, y = tab.canvas.placement().to_view(25, 25)
    qtbot.mouseClick(tab.canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))
    slow.go.release()
    qtbot.waitUntil(lambda: len(slow.boxes) == 2)
    assert slow.boxes == [None, (10.0, 10.0, 40.0, 40.0)]
    tab.close_workers()


def test_only_what_a_method_heeds_can_be_chosen(qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle) -> None:
    """Occlusion and RISE look into no layer, Eigen-CAM asks for no class and no box: the chosen ones are not told to them."""
    tab.thread_._make = lambda folder: slow
    tab.set_frozen(True)
    tab.set_inspection(*inspected(bundle))
    slow.go.release()
    qtbot.waitUntil(shown(tab))
    layer = tab.layer.itemData(1)
    assert layer is not None
    tab.layer.setCurrentIndex(1)
    tab.class_choice.setCurrentIndex(1)
    seen = []
    for number, method in enumerate(("gradcam", "rise", "occlusion", "eigencam"), start=2):
        tab.method.setCurrentIndex(tab.method.findData(method))
        tab.explain()
        slow.go.release()
        qtbot.waitUntil(lambda number=number: len(slow.layers_) == number and not tab.busy)  # type: ignore[misc]
        seen.append((not tab.layer.isHidden(), slow.layers_[-1], tab.class_choice.isEnabled(), slow.classes[-1]))
    assert seen == [(True, layer, True, 0), (False, None, True, 0), (False, None, True, 0), (True, layer, False, None)]
    tab.close_workers()


def test_a_missing_bundle_is_one_sentence(qtbot: QtBot, tab: GradCamTab, bundle: Bundle) -> None:
    inspection, recipe = inspected(bundle)
    gone = replace(inspection.predictions[0], bundle="no-such-bundle")
    tab.set_inspection(replace(inspection, predictions=(gone,)), recipe)
    tab.button.click()
    assert "no-such-bundle" in tab.state.text()
    assert not tab.progress.isVisible()


def test_the_window_stays_alive_while_explaining(qtbot: QtBot, tab: GradCamTab, slow: Slow, bundle: Bundle) -> None:
    tab.thread_._make = lambda folder: slow
    inspection, recipe = inspected(bundle)
    tab.set_inspection(inspection, recipe)
    tab.button.click()
    qtbot.waitUntil(lambda: slow.classes == [None])
    tab.opacity.set_value(0.3)  # the event loop runs while the explainer does not
    assert tab.canvas.opacity == 0.3
    tab.hide()
    slow.go.release()
    qtbot.wait(100)
    assert not shown(tab)()
