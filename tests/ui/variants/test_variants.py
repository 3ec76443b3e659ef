"""The variants of a bundle in the window: listed with their state, exported, checked again, removed."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.bundles.bundle import CARD, GRAPH, WEIGHTS, Bundle, sha256
from inspector.bundles.variants import Parity, Variant
from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.inspection.run_request import RunRequest
from inspector.recipes.automatic import recipe_for
from inspector.runs.folder import MESSAGES
from inspector.training.state import run_info
from inspector.ui.shell import strings
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.variants.panel import VariantsPanel
from inspector.workers.jobs import VariantJob
from inspector.workers.messages import Done, Progress
from inspector.workers.outcome import End, Outcome
from inspector.workers.process import WorkerProcess
from tests.ui.line_double import Conductor
from tests.ui.training.results_making import finished_run
from tests.ui.variants.job_double import JobDouble, give_doubles


def parity(bundle: Bundle, files: Mapping[str, str], **changes: Any) -> Parity:
    known = {name: bundle.card.files[name] for name in (WEIGHTS, GRAPH)}
    found: dict[str, Any] = {
        "images": 55,
        "unit": "score",
        "max_difference": 0.03,
        "mean_difference": 0.004,
        "flips": 1,
        "metric": "macro_f1",
        "before": 0.99,
        "after": 0.985,
        "max_drop": 0.01,
        "max_flips": 1,
        "max_mean": 0.05,
        "files": {**known, **files},
        "checked": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Parity(**{**found, **changes})


def add(bundle: Bundle, precision: Any, **changes: Any) -> Bundle:
    """The bundle with a variant for OpenVINO of these `changes` to a good parity; its file holds nothing that runs."""
    file = bundle.folder / f"openvino-{precision}-00000000.xml"
    file.write_text(precision)
    files = {file.name: sha256(file)}
    variant = Variant(
        engine="openvino",
        precision=precision,
        files=files,
        software={"openvino": "2026.4.1", "processor": "P"},
        calibration=40 if precision == "int8" else 0,
        parity=parity(bundle, files, **changes),
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return bundle.add_variant(variant)


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Bundle:
    """A copy of a shipped bundle: INT8 passed, bf16 was refused, the file of fp16 was changed since."""
    made = Bundle.open(shutil.copytree(demo_bundles["window-state"], tmp_path / "window-copy"))
    reason = message("it answers as the trained network does when red and blue are exchanged.")
    made = add(add(add(made, "int8"), "bf16", refused=sentence(reason), flips=30), "fp16")
    (made.folder / "openvino-fp16-00000000.xml").write_text("changed")
    return made


@pytest.fixture
def jobs() -> list[JobDouble]:
    return []


@pytest.fixture
def panel(window: MainWindow, qtbot: QtBot, bundle: Bundle, jobs: list[JobDouble]) -> Iterator[VariantsPanel]:
    """Opened from the takt panel, for a recipe with that bundle."""
    recipe = recipe_for([bundle.folder], "simulated:visible", name="one bundle")
    window.open_choice(RunRequest(recipe), None)
    window.inspect.takt.set_open(True)
    qtbot.mouseClick(window.inspect.takt.panel.variants_button, Qt.MouseButton.LeftButton)
    made = window.inspect.variants
    assert made is not None
    give_doubles(made, jobs)
    qtbot.waitUntil(lambda: made.table.rowCount() > 0)
    yield made
    strings.set_language("en")


def rows(panel: VariantsPanel) -> dict[str, list[str]]:
    texts = [[panel.table.item(row, column).text() for column in range(8)] for row in range(panel.table.rowCount())]
    return {text[0]: text[1:] for text in texts}


def pick(panel: VariantsPanel, name: str) -> None:
    (row,) = [row for row in range(panel.table.rowCount()) if panel.table.item(row, 0).text() == name]
    panel.table.selectRow(row)


def press(qtbot: QtBot, button: QPushButton) -> None:
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_each_variant_with_its_state_and_what_the_gate_found(panel: VariantsPanel, qtbot: QtBot, bundle: Bundle) -> None:
    assert panel.title.text() == "Variants of window-state"
    assert panel.folder == bundle.folder.resolve()
    assert {panel.bundle.itemText(index) for index in range(1, panel.bundle.count())} >= {"plate-mask", "window-state"}
    found = rows(panel)
    assert found["OpenVINO fp32"][-1] == "its own graph, judges now"
    assert found["OpenVINO int8"] == ["1 / 55", "0.0040", "0.990", "0.985", "Macro F1", "0.00", "passed"]
    assert found["OpenVINO bf16"][-1] == "refused"
    assert found["OpenVINO fp16"][-1] == "damaged"
    assert not panel.remove_button.isEnabled()
    pick(panel, "OpenVINO int8")
    assert "Other verdicts than the trained network's: 1 of 55 reference images (limit 1)." in panel.details.text()
    assert "Macro F1: 0.990 of the trained network, 0.985 of the variant" in panel.details.text()
    assert "Calibrated with 40 images." in panel.details.text()
    pick(panel, "OpenVINO bf16")
    assert panel.details.text().startswith("It is refused: it answers as the trained network does when red and blue")
    pick(panel, "OpenVINO fp16")
    assert "is missing, or not the one this variant was made with" in panel.details.text()
    strings.set_language("ja")
    qtbot.waitUntil(lambda: rows(panel)["OpenVINO int8"][-1] == "合格")
    assert panel.selected is not None
    assert panel.selected.precision == "fp16"


def test_what_a_newer_version_made_is_listed_and_can_only_be_left_alone(
    panel: VariantsPanel, qtbot: QtBot, bundle: Bundle
) -> None:
    unknown = {"engine": "accelerator", "precision": "int4"}
    richer = {"engine": "onnxruntime", "precision": "int8", "created": "2030-01-01T00:00:00Z", "sparsity": 0.5}
    later = [unknown, richer]
    card = json.loads((bundle.folder / CARD).read_text("utf-8"))
    (bundle.folder / CARD).write_text(json.dumps({**card, "variants": [*card["variants"], *later]}), "utf-8")
    panel._look()
    qtbot.waitUntil(lambda: "accelerator int4" in rows(panel))
    assert rows(panel)["OpenVINO int8"][-1] == "passed"
    for name in ("accelerator int4", "ONNX Runtime int8"):
        assert rows(panel)[name][-1] == "of a newer version"
        pick(panel, name)
        assert panel.details.text().endswith("was made by a newer version of this program.")
        assert not panel.check_button.isEnabled()
        assert not panel.remove_button.isEnabled()


def test_export_watch_and_read_what_came_of_it(
    panel: VariantsPanel, qtbot: QtBot, bundle: Bundle, jobs: list[JobDouble]
) -> None:
    assert panel.kind == ("openvino", "int8")
    panel.engine.setCurrentIndex(panel.engine.findData("onnxruntime"))
    panel._fill_precisions()
    assert [panel.precision.itemText(index) for index in range(panel.precision.count())] == ["fp32", "int8"]
    panel.engine.setCurrentIndex(panel.engine.findData("openvino"))
    panel._fill_precisions()
    panel.precision.setCurrentIndex(panel.precision.findData("fp16"))
    panel.drop.setValue(2.5)
    press(qtbot, panel.start_button)
    (job,) = jobs
    wanted = VariantJob(bundle=bundle.folder.resolve(), engine="openvino", precision="fp16", max_drop=0.025, low_priority=True)
    assert job.job == wanted
    assert not panel.start_button.isEnabled()
    job.told(Progress(phase="judge", step=16, steps=55))
    qtbot.waitUntil(lambda: panel.state.text() == "The variant judges the reference images")
    assert (panel.progress.value(), panel.progress.maximum()) == (16, 55)
    add(Bundle.open(bundle.folder), "fp16")  # what the worker writes
    job.ended(Outcome(End.SUCCEEDED, {}))
    qtbot.waitUntil(lambda: rows(panel)["OpenVINO fp16"][-1] == "passed")
    assert panel.state.text() == "Exported: it agrees and may be used."
    assert panel.selected is not None
    assert panel.selected.precision == "fp16"
    qtbot.waitUntil(lambda: job.closed == 1)
    press(qtbot, panel.check_button)
    assert jobs[1].job == wanted.model_copy(update={"check": True})
    reason = message("The {precision} variant is refused: {reason}", precision="fp16", reason="it is bad.")
    add(Bundle.open(bundle.folder), "fp16", refused=sentence(message("it is bad.")))
    remedy = message("Use the precision fp32.")
    jobs[1].ended(Outcome(End.FAILED, problem=reason, remedy=remedy))
    qtbot.waitUntil(lambda: rows(panel)["OpenVINO fp16"][-1] == "refused")
    assert panel.state.text() == "It may not be used. Use the precision fp32."
    assert panel.details.text().startswith("It is refused: it is bad.")


def test_what_cannot_be_had_is_one_sentence_and_the_others_stay(
    panel: VariantsPanel, qtbot: QtBot, jobs: list[JobDouble]
) -> None:
    before = rows(panel)
    press(qtbot, panel.start_button)
    problem = message("TensorRT is not on this machine.")
    jobs[0].ended(Outcome(End.FAILED, problem=problem, remedy=message("Use openvino.")))
    qtbot.waitUntil(lambda: not panel.busy and not panel.ask.waits("list"))
    assert panel.state.text() == "TensorRT is not on this machine. Use openvino."
    assert rows(panel) == before


def test_closing_it_ends_the_export(panel: VariantsPanel, window: MainWindow, qtbot: QtBot, jobs: list[JobDouble]) -> None:
    press(qtbot, panel.start_button)
    window.leave()  # Escape
    assert not panel.isVisible()
    assert jobs[0].cancelled == 1
    jobs[0].ended(Outcome(End.CANCELLED))
    qtbot.waitUntil(lambda: jobs[0].closed == 1)
    window.inspect.open_variants()
    qtbot.waitUntil(panel.start_button.isEnabled)


def test_removing_asks_once_and_deletes_the_files(
    panel: VariantsPanel, window: MainWindow, qtbot: QtBot, bundle: Bundle
) -> None:
    pick(panel, "OpenVINO int8")
    press(qtbot, panel.remove_button)
    assert panel.question.text.startswith("Remove openvino int8?")
    window.leave()  # Escape: the harmless answer
    assert panel.isVisible()
    assert "OpenVINO int8" in rows(panel)
    press(qtbot, panel.remove_button)
    press(qtbot, panel.question.buttons["remove"])
    qtbot.waitUntil(lambda: "OpenVINO int8" not in rows(panel))
    assert not (bundle.folder / "openvino-int8-00000000.xml").exists()
    assert "OpenVINO bf16" in rows(panel)
    assert panel.selected is None


def test_a_variant_that_judges_on_the_running_line_stays(
    panel: VariantsPanel, window: MainWindow, qtbot: QtBot, bundle: Bundle, conductor: Conductor
) -> None:
    recipe = recipe_for([bundle.folder], "simulated:visible", name="one bundle", precision="int8")
    window.open_choice(RunRequest(recipe), None)
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations))
    window.inspect.open_variants()
    qtbot.waitUntil(lambda: rows(panel)["OpenVINO int8"][-1] == "passed, judges now")
    pick(panel, "OpenVINO int8")
    assert not panel.remove_button.isEnabled()
    window.inspect.stop()
    qtbot.waitUntil(lambda: not window.inspect.running)
    panel._show()
    assert panel.remove_button.isEnabled()


def test_a_damaged_bundle_says_so(panel: VariantsPanel, qtbot: QtBot, bundle: Bundle) -> None:
    (bundle.folder / GRAPH).write_bytes(b"something else")
    panel._look()
    qtbot.waitUntil(lambda: "is not the one this bundle was made with" in panel.state.text())
    assert not panel.start_button.isEnabled()


def test_a_trained_bundle_is_really_exported_from_its_results(
    window: MainWindow, qtbot: QtBot, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    folder = finished_run(tmp_path, "first").folder
    shutil.copytree(demo_bundles["window-state"], folder / "bundle")
    (folder / MESSAGES).write_bytes(Done(status="ok", bundle=str(folder / "bundle")).line())
    window.show_page("train")
    view = window.train._run_view()
    view.show_run(run_info(folder), 0)
    window.train.detail.setCurrentWidget(view)
    results = view.results
    assert results is not None
    qtbot.mouseClick(results.variants, Qt.MouseButton.LeftButton)
    panel = window.train.variants
    assert panel is not None
    # At normal priority: a busy machine gives a worker that gives way no turn.
    panel.start_job = lambda job, **hear: WorkerProcess(job.model_copy(update={"low_priority": False}), **hear)
    assert panel.folder == (folder / "bundle").resolve()
    qtbot.waitUntil(lambda: panel.table.rowCount() > 0)
    panel.precision.setCurrentIndex(panel.precision.findData("fp16"))
    press(qtbot, panel.start_button)
    qtbot.waitUntil(lambda: not panel.busy, timeout=110_000)
    qtbot.waitUntil(lambda: "OpenVINO fp16" in rows(panel))
    assert rows(panel)["OpenVINO fp16"][-1] == "passed"
    assert panel.state.text() == "Exported: it agrees and may be used."
    assert Bundle.open(folder / "bundle").variant_file("openvino", "fp16", ".xml").is_file()
    window.train.leave()
    assert not panel.isVisible()
