"""The page of the trainings, on the real window with real workers on tiny data."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6")
pytest.importorskip("torch")

import psutil
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from inspector.bundles.bundle import Bundle
from inspector.inspection.run_request import RunRequest
from inspector.recipes.locate import find_bundle
from inspector.runs.folder import read_run
from inspector.runs.settings import TrainSettings, shown_settings
from inspector.training.state import RunState, run_info
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from tests.ml.making import FOLDERS, tiny
from tests.ui.line_double import RECIPE, Conductor

LONG = 5_000  # epochs that nobody waits for
PATIENCE = 120_000  # milliseconds that a worker may take to start on a busy machine
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return FOLDERS["classification"](tmp_path / "data", 24)


@pytest.fixture
def windows(qtbot: QtBot, settings: Settings, tmp_path: Path) -> Iterator[Callable[[], MainWindow]]:
    """Windows on the same folder of runs, with the train page in front."""
    made: list[MainWindow] = []

    def make() -> MainWindow:
        window = MainWindow(settings, StationWorker(factory=Conductor()), runs=tmp_path / "runs")
        made.append(window)
        window.worker.start()
        window.resize(1366, 768)
        window.open_choice(RunRequest(RECIPE), None)
        window.show()
        window.show_page("train")
        qtbot.waitExposed(window)
        return window

    yield make
    for window in made:
        for info in window.train.runs:
            if info.record.alive():
                psutil.Process(info.record.pid).kill()
        window.close_now()
        window.deleteLater()


def press(window: MainWindow, qtbot: QtBot, name: str) -> None:
    """Press the visible button whose object's name is `name`."""
    found = [button for button in window.findChildren(QAbstractButton, name) if button.isVisible()]
    assert len(found) == 1, f"{len(found)} visible buttons called {name!r}"
    assert found[0].isEnabled(), f"{name!r} is disabled"
    assert min(found[0].height(), found[0].width()) >= theme.TOUCH
    qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)


def epoch(window: MainWindow) -> int:
    """The epoch up to which the curves in sight are drawn."""
    view = window.train.view
    epochs = view.curves.loss.epochs if view is not None else ()
    return int(epochs[-1]) if len(epochs) else 0


def state(window: MainWindow) -> RunState | None:
    info = window.train.run
    return None if info is None else info.state


def long_run(data: Path, name: str = "long", **changes: object) -> TrainSettings:
    return tiny("classification", data, data / "unused", name=name, **{"epochs": LONG, **changes})


def test_from_the_dialog_to_a_curve_that_rests_goes_on_and_is_cancelled(
    windows: Callable[[], MainWindow], qtbot: QtBot, data: Path
) -> None:
    window = windows()
    page = window.train
    press(window, qtbot, "empty_new")
    dialog = page.dialog
    assert dialog is not None
    dialog.set_folder(data)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=PATIENCE)
    wanted = long_run(data).model_dump(include={*shown_settings(), "network", "options"})
    dialog.draft.set(**wanted)
    dialog.show_step("start")
    qtbot.waitUntil(dialog.next.isEnabled, timeout=PATIENCE)
    press(window, qtbot, "next")
    qtbot.waitUntil(lambda: epoch(window) > 2, timeout=PATIENCE)
    view = page.view
    assert view is not None
    assert page.dialog is None
    assert window.focusWidget() not in (view.buttons["cancel"], view.buttons["stop"])
    assert view.curves.quality.series[0].name == "macro_f1"
    qtbot.waitUntil(lambda: "left" in view._how.text() and "images/s" in view._how.text(), timeout=PATIENCE)
    press(window, qtbot, "run_pause")
    qtbot.waitUntil(lambda: state(window) is RunState.PAUSED, timeout=PATIENCE)
    assert window.focusWidget() not in (view.buttons["cancel"], view.buttons["stop"])
    qtbot.wait(300)
    reached = epoch(window)
    qtbot.wait(1200)
    assert epoch(window) == reached
    assert "left" not in view._how.text()
    press(window, qtbot, "run_resume")
    qtbot.waitUntil(lambda: state(window) is RunState.RUNNING and epoch(window) > reached, timeout=PATIENCE)
    press(window, qtbot, "run_cancel")
    assert "is lost" in page.question.text
    press(window, qtbot, "answer_stay")
    assert state(window) is RunState.RUNNING
    press(window, qtbot, "run_cancel")
    press(window, qtbot, "answer_cancel")
    qtbot.waitUntil(lambda: state(window) is RunState.CANCELLED, timeout=PATIENCE)
    assert view.outcome.text == "The training was cancelled and left no bundle."
    press(window, qtbot, "run_remove")
    press(window, qtbot, "answer_remove")
    qtbot.waitUntil(lambda: not page.runs and page.empty.isVisible(), timeout=PATIENCE)


def test_one_waits_for_the_other_and_its_bundle_is_used(windows: Callable[[], MainWindow], qtbot: QtBot, data: Path) -> None:
    window = windows()
    page = window.train
    page.bridge.add(long_run(data, "first", epochs=3))
    page.bridge.add(long_run(data, "second"))
    qtbot.waitUntil(lambda: [info.state for info in page.runs] == [RunState.RUNNING, RunState.WAITING], timeout=PATIENCE)
    assert page.list.runs.turn(page.runs[1].folder) == 1
    page.show_run(page.runs[1].folder)
    press(window, qtbot, "run_cancel")  # nothing is lost by it
    qtbot.waitUntil(lambda: {info.state for info in page.runs} == {RunState.DONE, RunState.CANCELLED}, timeout=PATIENCE)
    first = next(info for info in page.runs if info.name == "first")
    page.show_run(first.folder)
    qtbot.waitUntil(lambda: epoch(window) == 3, timeout=PATIENCE)
    assert first.bundle is not None
    assert page.view is not None
    assert page.view.results is not None
    assert page.view.results.report is not None
    press(window, qtbot, "use_in_recipe")
    panel = page.panel
    assert panel is not None
    qtbot.waitUntil(panel.apply.isEnabled, timeout=PATIENCE)
    with qtbot.waitSignal(page.recipe_written, timeout=PATIENCE) as written:
        press(window, qtbot, "apply")
    assert written.args is not None
    assert window.inspect.recipe_file == written.args[0]
    choice = window.inspect.choice
    assert choice is not None
    used = [find_bundle(step.bundle, choice.base) for step in choice.recipe.inspect]
    assert [Bundle.open(folder).card.name for folder in used] == [first.name]
    press(window, qtbot, "leave")
    assert page.view.results.isVisible()


def test_closing_asks_once_and_the_next_window_finds_the_run(
    windows: Callable[[], MainWindow], qtbot: QtBot, data: Path
) -> None:
    window = windows()
    window.train.bridge.add(long_run(data))
    qtbot.waitUntil(lambda: epoch(window) > 2, timeout=PATIENCE)
    window.close()
    assert window.isVisible()
    press(window, qtbot, "answer_stay")
    assert not window.leaving.question.isVisible()
    window.close()
    press(window, qtbot, "answer_background")
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE)
    reached = epoch(window)
    again = windows()
    qtbot.waitUntil(lambda: epoch(again) > reached, timeout=PATIENCE)
    view = again.train.view
    assert view is not None
    assert list(view.curves.loss.epochs[:3]) == [1, 2, 3]
    assert state(again) is RunState.RUNNING
    again.close()
    press(again, qtbot, "answer_cancel_all")
    qtbot.waitUntil(lambda: not again.isVisible(), timeout=PATIENCE)
    folder = again.train.runs[0].folder
    qtbot.waitUntil(lambda: not read_run(folder).alive(), timeout=PATIENCE)
    assert run_info(folder).state is RunState.CANCELLED


def test_a_killed_training_is_told_and_goes_on_from_its_last_epoch(
    windows: Callable[[], MainWindow], qtbot: QtBot, data: Path
) -> None:
    window = windows()
    window.train.bridge.add(long_run(data))
    qtbot.waitUntil(lambda: epoch(window) > 2, timeout=PATIENCE)
    info, view = window.train.run, window.train.view
    assert info is not None
    assert view is not None
    os.kill(info.record.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: state(window) is RunState.CRASHED, timeout=PATIENCE)
    assert "was killed" in view.outcome.text
    assert "Go on from the last epoch" in view.outcome.text
    reached = epoch(window)
    press(window, qtbot, "run_resume_interrupted")
    qtbot.waitUntil(lambda: state(window) is RunState.RUNNING and epoch(window) > reached + 1, timeout=PATIENCE)
    epochs = list(view.curves.loss.epochs)
    assert epochs == list(range(1, len(epochs) + 1))
    assert view.outcome.text == ""
    press(window, qtbot, "run_stop")
    qtbot.waitUntil(lambda: state(window) is RunState.DONE, timeout=PATIENCE)
    assert "its best epoch was kept" in view.outcome.text
