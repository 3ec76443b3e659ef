"""Photographs without labels are sorted into classes on the page of a new training, and then trained on."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPointF, QSize, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from inspector.data.annotations import read_dataset
from inspector.data.formats.table import BY_HAND
from inspector.data.labelling import read_hand_labels
from inspector.ui.shell.settings import Settings
from inspector.ui.training.data.labelling.grid import LabelGrid
from inspector.ui.training.data.labelling.view import LabelView
from inspector.ui.training.new.dialog import TrainingDialog
from inspector.ui.training.new.wiring import training_dialog
from tests.ui.pressing import press

RNG = np.random.default_rng(0)
NAMES = [f"IMG_{index:04d}.jpg" for index in range(12)]


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> Iterator[TrainingDialog]:
    made = training_dialog(Settings(tmp_path / "window.toml"), tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.end()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in NAMES:
        assert cv2.imwrite(str(folder / name), RNG.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    return folder


def opened(qtbot: QtBot, dialog: TrainingDialog, folder: Path) -> LabelView:
    dialog.set_folder(folder)
    view = dialog.data.labelling
    qtbot.waitUntil(lambda: view.isVisible() and view.labels is not None, timeout=20_000)
    return view


def select(qtbot: QtBot, grid: LabelGrid, first: int, last: int) -> None:
    """Select pictures with the mouse, as with the shift key."""
    for row, modifier in ((first, Qt.KeyboardModifier.NoModifier), (last, Qt.KeyboardModifier.ShiftModifier)):
        middle = grid.visualItemRect(grid.item(row)).center()
        qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, modifier, middle)


def drop(grid: LabelGrid, onto: QWidget) -> None:
    """Drop the selected pictures, as Qt tells of it at the end of a drag."""
    data = grid.mimeData(grid.selectedItems())
    middle = QPointF(onto.rect().center())
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for event in (QDragEnterEvent(middle.toPoint(), *how), QDropEvent(middle, *how)):
        QApplication.sendEvent(onto, event)


def test_photographs_are_sorted_by_keys_and_by_pressing_and_become_a_training(
    qtbot: QtBot, dialog: TrainingDialog, photographs: Path
) -> None:
    before = {path.name: path.read_bytes() for path in photographs.iterdir()}
    view = opened(qtbot, dialog, photographs)
    grid = view.grid
    assert [grid.item(row).data(Qt.ItemDataRole.UserRole) for row in range(grid.count())] == NAMES
    assert list(view.buttons) == ["good", "defect", ""]
    assert not view.done_button.isEnabled()
    assert not dialog.next.isEnabled()
    blank = grid.item(0).icon().cacheKey()
    qtbot.waitUntil(lambda: grid.item(0).icon().cacheKey() != blank, timeout=10_000)
    assert grid.item(0).icon().pixmap(200, 200).size() == QSize(144, 108)

    select(qtbot, grid, 0, 4)
    assert view.place.text() == "5 selected"
    qtbot.keyClick(grid, Qt.Key.Key_1)
    assert view.buttons["good"].text() == "1  good  (5)"
    assert grid.chosen() == (NAMES[5],)  # the next without a label
    view.name.setText("scratch")
    qtbot.keyClick(view.name, Qt.Key.Key_Return)
    select(qtbot, grid, 5, 9)
    qtbot.keyClick(grid, Qt.Key.Key_3)
    select(qtbot, grid, 10, 11)
    press(view, qtbot, "Selected pictures: defect")
    assert view.labels is not None
    assert view.labels.counts() == {"good": 5, "defect": 2, "scratch": 5, "": 0}
    qtbot.keyClick(grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert view.labels.counts()["defect"] == 0
    press(view, qtbot, "Undo")
    assert view.labels.counts() == {"good": 5, "defect": 0, "scratch": 0, "": 7}
    select(qtbot, grid, 5, 11)
    qtbot.keyClick(grid, Qt.Key.Key_3)
    select(qtbot, grid, 11, 11)
    qtbot.keyClick(grid, Qt.Key.Key_Delete)
    view.filter.setCurrentIndex(view.filter.findData(""))
    assert [name for row, name in enumerate(NAMES) if not grid.item(row).isHidden()] == [NAMES[11]]

    press(view, qtbot, "Use these labels")
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    assert dialog.data.survey is not None
    assert dialog.data.survey.tasks["classification"].images == {"good": 5, "scratch": 6}
    assert dialog.draft.value("ok_classes") == ("good",)
    assert dialog.next.isEnabled()
    lines = (photographs / BY_HAND).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["path,label", f"{NAMES[0]},good"]
    assert len(lines) == 12
    assert {path.name: path.read_bytes() for path in photographs.iterdir() if path.name != BY_HAND} == before
    dataset = read_dataset(photographs, "classification")  # what a training reads
    assert {sample.name: sample.stratum for sample in dataset.samples} == {
        name: "good" if index < 5 else "scratch" for index, name in enumerate(NAMES[:11])
    }


def test_pictures_are_dragged_onto_a_class(qtbot: QtBot, dialog: TrainingDialog, photographs: Path) -> None:
    view = opened(qtbot, dialog, photographs)
    select(qtbot, view.grid, 2, 4)
    drop(view.grid, view.buttons["defect"])
    assert view.labels is not None
    assert [name for name in NAMES if view.labels.label(name) == "defect"] == NAMES[2:5]
    foreign = QMimeData()
    foreign.setText("anything")
    event = QDragEnterEvent(
        view.rect().center(), Qt.DropAction.CopyAction, foreign, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    event.ignore()
    QApplication.sendEvent(view.buttons["good"], event)
    assert event.type() == QEvent.Type.DragEnter
    assert not event.isAccepted()


def test_esc_goes_one_step_back_and_keeps_the_labels(qtbot: QtBot, dialog: TrainingDialog, photographs: Path) -> None:
    closed: list[bool] = []
    dialog.rejected.connect(lambda: closed.append(True))
    view = opened(qtbot, dialog, photographs)
    select(qtbot, view.grid, 0, 2)
    qtbot.keyClick(view.grid, Qt.Key.Key_1)
    select(qtbot, view.grid, 3, 5)
    qtbot.keyClick(view.grid, Qt.Key.Key_2)
    select(qtbot, view.grid, 7, 8)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert view.isVisible()
    assert view.grid.chosen() == ()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: dialog.data.survey is not None, timeout=20_000)
    assert read_hand_labels(photographs).counts() == {"good": 3, "defect": 3, "": 6}
    dialog.show_step("advanced")
    dialog.draft.set(epochs=7)
    for step in ("network", "data"):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        assert dialog.step == step
    assert (closed, dialog.draft.value("epochs")) == ([], 7)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert closed == [True]


def test_labels_stay_when_the_dialog_is_left_and_class_folders_are_a_beginning(
    qtbot: QtBot, dialog: TrainingDialog, photographs: Path, tmp_path: Path
) -> None:
    view = opened(qtbot, dialog, photographs)
    select(qtbot, view.grid, 0, 0)
    qtbot.keyClick(view.grid, Qt.Key.Key_2)
    dialog.end()  # at once
    assert read_hand_labels(photographs).label(NAMES[0]) == "defect"

    parts = tmp_path / "parts"
    for name in ("day 1", "day 2"):
        (parts / name).mkdir(parents=True)
    for index, name in enumerate(NAMES):
        (photographs / name).rename(parts / f"day {1 + index % 2}" / name)
    labels = read_hand_labels(parts)
    assert labels.counts() == {"day 1": 6, "day 2": 6, "": 0}
    assert labels.set([f"day 1/{NAMES[0]}", f"day 2/{NAMES[1]}"], "good")
    (parts / BY_HAND).write_bytes(labels.as_table())
    assert read_hand_labels(parts).counts() == {"day 1": 5, "day 2": 5, "good": 2, "": 0}  # the folders no longer count


def test_labels_that_cannot_be_written_are_said_and_kept(qtbot: QtBot, dialog: TrainingDialog, photographs: Path) -> None:
    view = opened(qtbot, dialog, photographs)
    (photographs / BY_HAND).mkdir()
    select(qtbot, view.grid, 0, 0)
    qtbot.keyClick(view.grid, Qt.Key.Key_1)
    qtbot.waitUntil(lambda: "cannot be written" in view.banners.problems().get("write", ""), timeout=10_000)
    press(view, qtbot, "Use these labels")  # tries again
    view.banners.clear_all()
    qtbot.waitUntil(lambda: "cannot be written" in view.banners.problems().get("write", ""), timeout=10_000)
    (photographs / BY_HAND).rmdir()
    press(view.banners, qtbot, "Retry")
    qtbot.waitUntil((photographs / BY_HAND).is_file, timeout=10_000)
    assert read_hand_labels(photographs).label(NAMES[0]) == "good"


def test_a_folder_that_is_still_looked_at_does_not_come_before_its_pictures(
    qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    for name in ("good", "R&D"):
        (parts / name).mkdir(parents=True)
        for index in range(6):
            assert cv2.imwrite(str(parts / name / f"{index}.png"), RNG.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    dialog.set_folder(parts)
    data = dialog.data
    with qtbot.waitSignal(data.surveyor.surveyed, timeout=20_000) as surveyed:
        pass
    data.label()
    data.surveyor.surveyed.emit(*surveyed.args)
    assert data.stack.currentWidget() is data.labelling
    view = data.labelling
    qtbot.waitUntil(lambda: "R&D" in view.buttons, timeout=20_000)
    assert view.buttons["R&D"].text() == "1  R&&D  (6)"  # a single & would be taken for a key


def test_a_long_class_hides_no_number(qtbot: QtBot, dialog: TrainingDialog, photographs: Path) -> None:
    view = opened(qtbot, dialog, photographs)
    name = "scratch beside the second hole, deeper than a tenth of a millimetre"
    view.name.setText(name)
    press(view, qtbot, "Add")
    rows = view.buttons["good"].parentWidget()
    assert rows is not None
    qtbot.waitUntil(lambda: rows.width() == view.done_button.width(), timeout=5_000)
    assert view.buttons[name].text().endswith("  (0)")
    assert view.buttons[name].toolTip() == name
