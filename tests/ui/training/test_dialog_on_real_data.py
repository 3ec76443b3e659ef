"""The dialog on real photographs: who only presses Next trains with what the figures of FIGURES.md were reached with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.core.types import TaskName
from inspector.runs.settings import TrainSettings
from inspector.training.costs import Hardware
from inspector.ui.shell.settings import Settings
from inspector.ui.training.new.dialog import TrainingDialog
from inspector.ui.training.new.wiring import training_dialog

pytestmark = pytest.mark.timeout(600)
PATIENCE = 300_000  # milliseconds on a busy machine

COMMON = {"pretrained": "imagenet", "ema": 0.99, "augment": "surface", "fit": "stretch", "freeze_stages": 3}
# What FIGURES.md's commands say, and the range of what the advice works out by itself.
KNOWN: dict[tuple[str, TaskName], tuple[dict[str, object], range]] = {
    ("magnetic-tile", "segmentation"): (
        {"network": "unet_effnet", "one_class": "defect", "width": 256, "height": 256, "lr": 0.001, "backbone_rate": 0.5},
        range(30, 42),
    ),
    ("magnetic-tile", "classification"): (
        {"network": "efficientnet_lite0", "width": 224, "height": 224, "lr": 0.0005, "balance": "weights"},
        range(18, 30),
    ),
    ("neu-det", "detection"): (
        {"network": "fpn_lite0", "width": 320, "height": 320, "batch": 8, "lr": 0.002, "backbone_rate": 0.5},
        range(20, 32),
    ),
}


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingDialog]:
    machine = Hardware(cores=2, memory=8 << 30)  # the advice must not depend on where the test runs
    monkeypatch.setattr("inspector.ui.training.new.wiring.this_machine", lambda: machine)
    monkeypatch.setattr("inspector.training.costs.this_machine", lambda: machine)
    made = training_dialog(Settings(tmp_path / "window.toml"), tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    yield made
    made.end()


def press_next_to_the_end(qtbot: QtBot, dialog: TrainingDialog) -> TrainSettings:
    for step in ("network", "advanced", "start"):
        qtbot.waitUntil(dialog.next.isEnabled, timeout=PATIENCE)
        qtbot.mouseClick(dialog.next, Qt.MouseButton.LeftButton)
        assert dialog.step == step
    qtbot.waitUntil(dialog.next.isEnabled, timeout=PATIENCE)
    with qtbot.waitSignal(dialog.accepted, timeout=PATIENCE) as chosen:
        qtbot.mouseClick(dialog.next, Qt.MouseButton.LeftButton)
    assert chosen.args is not None
    settings = chosen.args[0]
    assert isinstance(settings, TrainSettings)
    return settings


@pytest.mark.parametrize(("data", "task"), KNOWN, ids=lambda value: str(value))
def test_pressing_next_gives_the_settings_that_are_known_to_work(
    qtbot: QtBot, dialog: TrainingDialog, real_data: Path, data: str, task: TaskName
) -> None:
    if not (real_data / data).is_dir():
        pytest.skip(f"no {data} at {real_data}")
    dialog.set_folder(real_data / data)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=PATIENCE)
    if dialog.draft.task != task:  # what is offered first needs no press
        qtbot.mouseClick(dialog.data.found.tasks[task], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.network.settled and bool(dialog.draft.advised), timeout=PATIENCE)
    settings = press_next_to_the_end(qtbot, dialog)
    expected, epochs = KNOWN[data, task]
    chosen = settings.model_dump()
    assert {name: chosen[name] for name in (COMMON | expected)} == COMMON | expected
    assert settings.task == task
    assert settings.epochs in epochs
    assert settings.folds == 0
