"""Auto-tune in the window: what is shown before, while and after it measures, and that it leaves a running line alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.inspection.run_request import RunRequest
from inspector.recipes.automatic import recipe_for
from inspector.training.state import RunState
from inspector.tuning.plan import Judged, Machine, Plan, Tuning, Use
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.variants.tune_panel import TunePanel
from inspector.workers.jobs import TuneJob
from inspector.workers.messages import Progress
from inspector.workers.outcome import End, Outcome
from tests.ui.line_double import RECIPE, Conductor
from tests.ui.pressing import press
from tests.ui.training.results_making import finished_run
from tests.ui.variants.job_double import JobDouble, give_doubles


def _plan(precision: Any, p99: float, accuracy: float) -> Plan:
    use = Use(bundle="a", engine="openvino", precision=precision)
    return Plan(uses=(use,), threads=1, batch=1, p50_ms=p99 * 0.8, p99_ms=p99, cpu_ms=p99, accuracy=accuracy)


PLANS = (_plan("fp32", 80, 1.0), _plan("int8", 20, 0.99), _plan("bf16", 90, 0.995))
TUNING = Tuning(
    recipe=RECIPE.name,
    revision=1,
    takt_ms=120,
    machine=Machine(processor="P", cores=2),
    bundles={"a": "0"},
    judged=(
        Judged(
            bundle="a",
            engine="onnxruntime",
            precision="int8",
            accepted=False,
            images=40,
            flips=9,
            reason=sentence(message("The bundle {bundle} is too old.", bundle="a")),
        ),
        Judged(bundle="a", engine="tensorrt", precision="fp16", accepted=False, reason=sentence(message("It is not here."))),
    ),
    plans=PLANS,
    chosen=PLANS[1],
    state="kept",
    created=datetime.now(UTC),
)


@pytest.fixture
def jobs(window: MainWindow) -> list[JobDouble]:
    made: list[JobDouble] = []
    give_doubles(window.inspect.tune, made)
    return made


def _open(window: MainWindow, qtbot: QtBot) -> TunePanel:
    window.inspect.takt.set_open(True)
    press(window, qtbot, "Auto-tune")
    return window.inspect.tune


def test_measure_watch_and_read_what_was_chosen(window: MainWindow, qtbot: QtBot, jobs: list[JobDouble]) -> None:
    panel = _open(window, qtbot)
    assert "about three minutes" in panel.state.text()
    panel.takt.setValue(120)
    press(panel, qtbot, "Measure")
    (job,) = jobs
    assert isinstance(job.job, TuneJob)
    assert (job.job.takt_ms, job.job.recipe["name"], job.job.export) == (120, RECIPE.name, True)
    assert not panel.start_button.isEnabled()
    job.told(Progress(phase="variants", step=3, steps=12, what="plates: openvino int8, 1"))
    qtbot.waitUntil(lambda: "plates: openvino int8, 1" in panel.state.text())
    assert (panel.progress.value(), panel.progress.maximum()) == (3, 12)
    job.ended(Outcome(End.SUCCEEDED, {"tuning": TUNING.model_dump(mode="json")}))
    qtbot.waitUntil(lambda: not panel.busy)
    assert "openvino int8 on 1 threads is the cheapest" in panel.reason.text()
    assert "a, onnxruntime int8: The bundle a is too old." in panel.state.text()
    assert "Not exported, or not on this computer: tensorrt fp16" in panel.state.text()
    texts = [[panel.table.item(row, column).text() for column in (0, 3, 6)] for row in range(panel.table.rowCount())]
    assert texts == [
        ["openvino int8", "20.0", "chosen, front"],
        ["openvino fp32", "80.0", "front"],
        ["openvino bf16", "90.0", ""],
    ]
    plot = panel.plot.currentWidget()
    assert plot is not None
    assert [plan.p99_ms for plan in plot.front] == [20, 80]  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: job.closed == 1)
    press(panel, qtbot, "Close")
    assert not panel.isVisible()


def test_a_running_line_is_not_disturbed_and_starting_it_ends_the_measuring(
    window: MainWindow, qtbot: QtBot, conductor: Conductor, jobs: list[JobDouble]
) -> None:
    page = window.inspect
    panel = _open(window, qtbot)
    press(panel, qtbot, "Measure")
    page.start()
    qtbot.waitUntil(lambda: jobs[0].cancelled >= 1)
    jobs[0].ended(Outcome(End.CANCELLED))
    qtbot.waitUntil(lambda: not panel.busy)
    assert not panel.start_button.isEnabled()
    assert panel.state.text().startswith("Stop the line first")
    panel.start()
    assert len(jobs) == 1
    page.stop()
    qtbot.waitUntil(panel.start_button.isEnabled)
    assert panel.state.text() == "Cancelled; nothing was changed."


def test_nothing_is_measured_beside_a_training(window: MainWindow, qtbot: QtBot, jobs: list[JobDouble], tmp_path: Path) -> None:
    panel = _open(window, qtbot)
    press(panel, qtbot, "Measure")
    run = replace(finished_run(tmp_path, "a"), state=RunState.RUNNING)
    window.train.list.runs.set_runs((run,))
    window.train.bridge.news.emit()
    qtbot.waitUntil(lambda: jobs[0].cancelled >= 1)
    jobs[0].ended(Outcome(End.CANCELLED))
    qtbot.waitUntil(lambda: not panel.busy)
    assert not panel.start_button.isEnabled()
    assert panel.state.text().startswith("A training runs")
    window.train.list.runs.set_runs((replace(run, state=RunState.PAUSED),))
    window.train.bridge.news.emit()
    qtbot.waitUntil(panel.start_button.isEnabled)


def test_what_went_wrong_is_said(window: MainWindow, qtbot: QtBot, jobs: list[JobDouble]) -> None:
    panel = _open(window, qtbot)
    press(panel, qtbot, "Measure")
    problem = message("The file {file} is missing.", file="model.onnx")
    jobs[0].ended(Outcome(End.FAILED, problem=problem, remedy=message("Copy the bundle again from where it was trained.")))
    qtbot.waitUntil(lambda: not panel.busy)
    assert panel.state.text() == "The file model.onnx is missing. Copy the bundle again from where it was trained."
    assert panel.start_button.isEnabled()


def test_the_window_says_which_variant_judges_and_what_became_of_the_choice(
    window: MainWindow, qtbot: QtBot, conductor: Conductor
) -> None:
    page = window.inspect
    page.takt.set_open(True)
    press(window, qtbot, "Start")
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.tile.text == "WAITING")
    reason = message("{variants}, as the recipe says; it was not tuned on this computer.", variants="openvino fp32")
    conductor.station.judging(reason, message("{problem} {variants} judges instead.", problem="It is slow.", variants="x"))
    qtbot.waitUntil(lambda: page.takt.panel.why_label.text() == reason.text)
    assert page.takt.panel.why_label.isVisible()
    assert page.banners.problems() == {"tuned": "It is slow. x judges instead."}
    conductor.station.judging(reason)
    qtbot.waitUntil(lambda: not page.banners.problems())


def test_a_real_measurement_ends_in_a_choice(
    window: MainWindow, qtbot: QtBot, demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.ui.variants.tune_panel.BUDGET_S", 5.0)
    recipe = recipe_for([demo_bundles["window-state"]], "simulated:visible", name="measured")
    window.open_choice(RunRequest(recipe), None)
    panel = _open(window, qtbot)
    panel.takt.setValue(20_000)
    panel.export.setChecked(False)
    press(panel, qtbot, "Measure")
    qtbot.waitUntil(lambda: not panel.busy, timeout=110_000)
    assert "keeps the takt of 20000 ms" in panel.reason.text()
    assert panel.table.rowCount() >= 1
