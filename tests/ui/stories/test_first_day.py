"""The engineer's first day with photographs of one's own, on the real window: what judges them, and what comes next."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog
from pytestqt.qtbot import QtBot

from inspector.core.types import Verdict
from inspector.recipes.recipe import load_recipe
from inspector.runs.settings import TrainSettings
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.review.table import Column
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.tabs.classification import ClassificationTab
from tests.ui.line_double import Conductor
from tests.ui.making import write_brightness_bundle
from tests.ui.pressing import press
from tests.ui.training.results_making import finished_run

# Brightness of the pictures in each folder: the bundle says "bad" with this probability.
LEVELS = {"bad": np.linspace(220, 150, 10), "good": np.linspace(40, 110, 10)}
COUNT = 20


@pytest.fixture
def window(qtbot: QtBot, conductor: Conductor, settings: Settings, tmp_path: Path) -> Iterator[MainWindow]:
    """The window as on the first day: it opens the demo line, and there are no trainings."""
    made = MainWindow(settings, StationWorker(factory=conductor), runs=tmp_path / "runs")
    made.worker.start()
    made.resize(1366, 768)
    made.open_first()
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_now()
    made.deleteLater()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    return write_brightness_bundle(tmp_path_factory.mktemp("first day") / "brightness")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Ten pictures of bad parts and ten of good ones, each in the folder of that name."""
    folder, rng = tmp_path / "own parts", np.random.default_rng(0)
    for name, levels in LEVELS.items():
        (folder / name).mkdir(parents=True)
        for number, level in enumerate(levels):
            pattern = rng.integers(-30, 31, (6, 8, 3))
            pattern -= pattern.mean().round().astype(int)
            pixels = np.kron(pattern, np.ones((10, 10, 1), int)) + round(level)
            assert cv2.imwrite(str(folder / name / f"{number}.png"), np.clip(pixels, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture
def recipe(tmp_path: Path, bundle: Path) -> Path:
    path = tmp_path / "own.toml"
    lines = ("# my own line", 'name = "Own line"', "[cameras.top]", 'source = "folder:parts"', "[[inspect]]")
    path.write_text("\n".join((*lines, f'bundle = "{bundle.as_posix()}"', 'camera = "top"', "")), encoding="utf-8")
    return path


def inspected(window: MainWindow, count: int) -> Callable[[], bool]:
    return lambda: window.review.model.count_inspected() == count


def test_pictures_of_one_s_own_are_shown_not_judged_and_lead_to_a_training(
    qtbot: QtBot, window: MainWindow, photographs: Path
) -> None:
    window.open_path(photographs)
    page = window.review
    qtbot.waitUntil(lambda: len(page) == COUNT, timeout=10_000)
    qtbot.waitUntil(lambda: page.analysis.current().canvas.frame is not None, timeout=10_000)
    assert [page.model.index(row, Column.NAME).data() for row in (0, 10)] == ["bad/0.png", "good/0.png"]
    assert page.outcome.word.text() == "Not judged"
    assert not page.outcome.badge.isVisible()
    assert page.analysis.offered == ("picture",)
    assert page.model.count_inspected() == 0
    assert not page.player.buttons["next_ng"].isEnabled()
    qtbot.keyClick(page.analysis.current().canvas, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: page.analysis.current().canvas.frame.source.endswith("1.png"), timeout=10_000)  # type: ignore[union-attr]
    press(window, qtbot, "Train on this folder")
    assert window.page == "train"
    dialog = window.train.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    assert dialog.draft.value("ok_classes") == ("good",)
    assert dialog.next.isEnabled()


def test_the_open_recipe_judges_and_its_threshold_is_set_on_the_folder(
    qtbot: QtBot, window: MainWindow, photographs: Path, recipe: Path
) -> None:
    window.open_path(photographs)
    page = window.review
    qtbot.waitUntil(lambda: page.outcome.word.text() == "Not judged", timeout=10_000)
    window.show_page("inspect")
    window.inspect.open_recipe(recipe)
    window.show_page("review")  # the recipe was opened meanwhile: now it judges
    qtbot.waitUntil(inspected(window, COUNT), timeout=30_000)
    assert page.open_bar.chooser.currentText() == "The open recipe: Own line"
    assert not page.next_step.isVisible()
    assert page.analysis.offered == ("classification", "gradcam")
    verdicts = [page.player.time_line.verdict(row) for row in range(COUNT)]
    assert verdicts == [Verdict.NG] * 10 + [Verdict.OK] * 10
    qtbot.waitUntil(lambda: page.listing.tabs.tabText(1) == "Folders 100 %", timeout=5_000)
    press(window, qtbot, "Least certain first")
    shown = page.shown_parts
    assert [shown.index(row, Column.NAME).data() for row in range(2)] == ["good/9.png", "bad/9.png"]
    assert float(shown.index(0, Column.MARGIN).data()) == pytest.approx(1 - 2 * 110 / 255, abs=0.02)

    tab = page.analysis.current()
    assert isinstance(tab, ClassificationTab)
    page.go_to(9)
    qtbot.waitUntil(lambda: [one.name for one in tab.bars.scores] == ["bad", "good"], timeout=10_000)
    assert tab.bars.scores[0].value == pytest.approx(150 / 255, abs=0.02)
    assert "ahead of the next class" in tab.margin.text()
    assert tab.verdict_word.text() == "NG"
    tab.threshold.set_value(0.7)
    assert tab.verdict_word.text() == "REVIEW"
    qtbot.waitUntil(lambda: tab.effect.isVisible(), timeout=5_000)
    assert tab.effect.text() == "9 of 20 inspected parts change: REVIEW 9"
    press(window, qtbot, "Write the threshold to the recipe")
    written = load_recipe(recipe)
    assert (written.inspect[0].threshold, written.revision) == (0.7, 2)
    assert recipe.read_text(encoding="utf-8").startswith("# my own line")
    qtbot.waitUntil(lambda: page.player.time_line.verdict(9) is Verdict.REVIEW, timeout=30_000)
    assert page.index == 9
    assert window.inspect.choice is not None
    assert window.inspect.choice.recipe.revision == 2


def test_the_demo_line_is_judged_by_its_own_recipe(qtbot: QtBot, window: MainWindow) -> None:
    window.show_page("review")
    buttons = [one for one in window.review.empty.findChildren(QAbstractButton) if one.accessibleName() == "Demo line"]
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.review.model.count_inspected() >= 1, timeout=30_000)
    assert window.review.analysis.offered == ("classification", "detection", "segmentation", "thermal", "gradcam")


def test_a_folder_of_temperatures_asks_for_its_limit(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    folder = tmp_path / "motors"
    folder.mkdir()
    for number, hottest in enumerate((320.0, 345.0)):  # 46.9 and 71.9 degrees Celsius
        kelvin = np.full((120, 160), 300.0, np.float32)
        kelvin[40:60, 50:70] = hottest
        tifffile.imwrite(folder / f"{number}.tif", kelvin)
    window.open_path(folder)
    page = window.review
    qtbot.waitUntil(lambda: page.next_step.limit.isVisible(), timeout=10_000)
    assert page.analysis.offered == ("thermal",)
    assert "No limit is set" in page.next_step.accessibleName()
    page.next_step.limit.setValue(65.0)
    press(window, qtbot, "Judge with this limit")
    qtbot.waitUntil(inspected(window, 2), timeout=30_000)
    assert [page.player.time_line.verdict(row) for row in range(2)] == [Verdict.OK, Verdict.NG]
    assert not page.next_step.isVisible()
    assert window.inspect.choice is not None
    assert window.inspect.choice.recipe.rules[0].limit == 65.0
    assert window.inspect.choice.recipe.cameras["camera"].source == f"folder:{folder}"


def test_six_presses_from_the_first_start_to_a_verdict_of_one_s_own(
    qtbot: QtBot, window: MainWindow, photographs: Path, bundle: Path
) -> None:
    """The training itself is left out: its run is laid down where it would have ended."""
    presses = ["Review"]
    press(window, qtbot, "Review")
    presses += ["Folder", "Open, in the dialog"]
    qtbot.mouseClick(window.review.open_bar.buttons["folder"], Qt.MouseButton.LeftButton)
    (files,) = window.findChildren(QFileDialog)
    files.setDirectory(str(photographs.parent))
    files.selectFile(str(photographs))
    files.accept()
    qtbot.waitUntil(lambda: window.review.next_step.isVisible(), timeout=10_000)
    presses.append("Train on this folder")
    press(window, qtbot, presses[-1])
    dialog = window.train.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.quick.isEnabled(), timeout=20_000)
    dialog.accepted.disconnect()  # no worker is started
    taken: list[TrainSettings] = []
    dialog.accepted.connect(taken.append)
    presses.append("Quick look (3 min)")
    press(window, qtbot, presses[-1])
    qtbot.waitUntil(lambda: bool(taken), timeout=30_000)
    assert (taken[0].data, taken[0].ok_classes, taken[0].time_limit) == (photographs, ("good",), 180)

    window.train.close_dialog()
    info = finished_run(window.train.bridge.folder, "quick", told={"data": photographs}, bundle=bundle)
    window.train.bridge.begin()
    qtbot.waitUntil(lambda: window.train.run is not None and window.train.run.folder == info.folder, timeout=20_000)
    presses.append("Judge my pictures")
    press(window, qtbot, presses[-1])
    qtbot.waitUntil(inspected(window, COUNT), timeout=40_000)
    assert window.page == "review"
    assert window.review.player.time_line.verdict(0) is Verdict.NG
    assert len(presses) == 6

    # The next morning one press starts the line: the station has the recipe, and its own pictures.
    assert window.inspect.choice is not None
    assert [camera.source for camera in window.inspect.choice.recipe.cameras.values()] == [f"folder:{photographs}"]
    press(window, qtbot, "Inspect")
    assert window.inspect.start_button.isEnabled()
