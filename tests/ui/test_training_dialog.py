"""The dialog that puts a training together, on a real folder."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6")

import cv2
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.core.training import NOT_YET, TrainSettings
from inspector.ui.settings import Settings
from inspector.ui.training.dialog import TrainingDialog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 different pictures in two classes, one of them a copy, and a file that is no image."""
    rng = np.random.default_rng(0)
    for index in range(30):
        place = tmp_path / "data" / ("bad" if index % 3 else "good")
        place.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place / f"{index:02d}.png"), rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    (tmp_path / "data" / "good" / "copy.png").write_bytes((tmp_path / "data" / "good" / "00.png").read_bytes())
    (tmp_path / "data" / "good" / "broken.png").write_bytes(b"no image")
    return tmp_path / "data"


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> object:
    made = TrainingDialog(Settings(tmp_path / "window.toml"), runs=tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    yield made
    made.end()


def press(qtbot: QtBot, dialog: TrainingDialog, name: str) -> None:
    button = dialog.findChild(QPushButton, name)
    assert button is not None
    assert button.isEnabled(), name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_from_a_folder_to_a_training(qtbot: QtBot, dialog: TrainingDialog, folder: Path, tmp_path: Path) -> None:
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    survey = dialog.data.survey
    assert survey is not None
    told = [problem.text for problem in (*survey.problems, *survey.tasks["classification"].problems)]
    assert any("broken.png" in text for text in told)
    assert any("copy.png" in text and "same image" in text for text in told)
    for step in ("network", "advanced", "start"):
        press(qtbot, dialog, "next")
        assert dialog.step == step
    with qtbot.waitSignal(dialog.accepted, timeout=5_000) as chosen:
        press(qtbot, dialog, "next")
    assert chosen.args is not None
    settings = chosen.args[0]
    assert isinstance(settings, TrainSettings)
    assert (settings.task, settings.data) == ("classification", folder)
    assert settings.run is not None
    assert settings.run.parent == tmp_path / "runs"
    assert settings.out.parent == settings.run
    assert all(getattr(settings, name) == TrainSettings.model_fields[name].default for name in NOT_YET)


def test_a_folder_without_labels_leads_no_further(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    dialog.set_folder(tmp_path / "empty")
    qtbot.waitUntil(lambda: bool(dialog.data.empty.trouble), timeout=10_000)
    following = dialog.findChild(QPushButton, "next")
    assert following is not None
    assert not following.isEnabled()


def test_giving_up_says_so(qtbot: QtBot, dialog: TrainingDialog) -> None:
    with qtbot.waitSignal(dialog.rejected, timeout=5_000):
        press(qtbot, dialog, "cancel")
