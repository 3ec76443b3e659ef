"""Which classes are good is guessed from their names and asked; a bundle that calls everything NG is made on purpose only."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.ui.shell.settings import Settings
from inspector.ui.training.new.dialog import TrainingDialog
from tests.ui.pressing import press


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> Iterator[TrainingDialog]:
    made = TrainingDialog(Settings(tmp_path / "window.toml"), runs=tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    yield made
    made.end()


def look_at(qtbot: QtBot, dialog: TrainingDialog, folder: Path, *classes: str) -> None:
    rng = np.random.default_rng(1)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(12):
            assert cv2.imwrite(str(folder / name / f"{index}.png"), rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)


def ticked(dialog: TrainingDialog) -> list[str]:
    return [name for name, check in dialog.data.found.classes.checks.items() if check.isChecked()]


def test_a_good_class_is_guessed_shown_and_corrected(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    look_at(qtbot, dialog, tmp_path / "data", "MT_Free", "MT_Crack", "odd")
    classes = dialog.data.found.classes
    assert ticked(dialog) == ["MT_Free"]
    assert "guessed from their names" in classes._hint.text()
    assert dialog.next.isEnabled()
    press(dialog, qtbot, "odd: good part")
    assert ticked(dialog) == ["MT_Free", "odd"]
    assert "guessed" not in classes._hint.text()
    dialog.show_step("start")
    assert set(dialog.settings().ok_classes) == {"MT_Free", "odd"}


def test_without_an_answer_it_does_not_go_on(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    look_at(qtbot, dialog, tmp_path / "data", "scratch", "dent")
    assert ticked(dialog) == []
    assert not dialog.next.isEnabled()
    assert not dialog.steps["start"].isEnabled()
    assert dialog._why_not.text() == "Say which classes show good parts."
    press(dialog, qtbot, "dent: good part")
    assert dialog.next.isEnabled()
    press(dialog, qtbot, "dent: good part")  # taken back: the question is open again
    assert not dialog.next.isEnabled()
    press(dialog, qtbot, "No class shows good parts")
    assert dialog.next.isEnabled()
    assert dialog.settings().ok_classes == ()
    dialog.show_step("start")
    assert any("every part will be NG" in text for _, text in dialog.start._rows())
    dialog.show_step("data")
    qtbot.mouseClick(dialog.data.found.classes.none_good, Qt.MouseButton.LeftButton)
    assert not dialog.next.isEnabled()


def test_another_folder_is_asked_anew(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    look_at(qtbot, dialog, tmp_path / "one", "ok", "ng")
    assert dialog.next.isEnabled()
    look_at(qtbot, dialog, tmp_path / "two", "a", "b")
    assert ticked(dialog) == []
    assert not dialog.next.isEnabled()
    assert "Tick them" in dialog.data.found.classes._hint.text()
