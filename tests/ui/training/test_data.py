"""The dialog on folders that are wrong: a sentence before anything is trained, and a window that stays awake."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from inspector.core.types import IGNORE, Annotation
from inspector.ui.shell.settings import Settings
from inspector.ui.shell.strings import translate
from inspector.ui.training.data.sample_view import drawn_labels
from inspector.ui.training.new.dialog import TrainingDialog
from inspector.ui.training.new.wiring import training_dialog

RNG = np.random.default_rng(0)
COUNT = 12


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> Iterator[TrainingDialog]:
    made = training_dialog(Settings(tmp_path / "window.toml"), tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    yield made
    made.end()


def picture(path: Path, width: int = 64, height: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), RNG.integers(0, 255, (height, width, 3), dtype=np.uint8))


def pictures(folder: Path, *places: str) -> None:
    for index in range(COUNT):
        picture(folder / places[index % len(places)] / f"{index}.png")


def boxes(folder: Path, *, box: tuple[int, int, int, int] = (5, 5, 20, 20), of: int = COUNT, images: int = COUNT) -> None:
    for index in range(images):
        picture(folder / "JPEGImages" / f"{index}.png")
    (folder / "Annotations").mkdir(parents=True)
    for index in range(COUNT):
        corners = box if index < of else (5, 5, 20, 20)
        names = "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        text = f"<annotation><object><name>s</name><bndbox>{names}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{index}.xml").write_text(text)


def masks(folder: Path, side: tuple[int, int], *, wrong: int, drawn: bool = True) -> None:
    for index in range(COUNT):
        picture(folder / "images" / f"{index}.png")
        mask = np.zeros(side if index < wrong else (48, 64), np.uint8)
        mask[4:9, 4:9] = int(drawn)
        (folder / "masks").mkdir(exist_ok=True)
        assert cv2.imwrite(str(folder / "masks" / f"{index}.png"), mask)


def empty(folder: Path) -> None:
    folder.mkdir()


def one_class(folder: Path) -> None:
    pictures(folder, "good")


def one_image_a_class(folder: Path) -> None:
    for name in "abcdef":
        picture(folder / name / "1.png")


def labels_without_images(folder: Path) -> None:
    boxes(folder, images=0)


def all_boxes_outside(folder: Path) -> None:
    boxes(folder, box=(100, 100, 120, 120))


def empty_masks(folder: Path) -> None:
    masks(folder, (48, 64), wrong=0, drawn=False)


def masks_of_another_size(folder: Path) -> None:
    masks(folder, (20, 20), wrong=COUNT)


def unreadable_coco(folder: Path) -> None:
    pictures(folder, "")
    (folder / "annotations.json").write_text('{"images": [')


def table_without_columns(folder: Path) -> None:
    pictures(folder, "")
    (folder / "labels.csv").write_bytes(b"x;y\nleft;right\n")


def damaged_images(folder: Path) -> None:
    for index in range(COUNT):
        place = folder / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.png").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (empty, "There are no images in"),
        (one_class, "There is only the class good"),
        (one_image_a_class, "too few for training, validation and test"),
        (labels_without_images, "There are no images that can be read in"),
        (all_boxes_outside, "reach out of their images"),
        (empty_masks, "No image has anything labelled in it"),
        (masks_of_another_size, "0.png is 20 x 20 px, its image 64 x 48 px"),
        (unreadable_coco, "annotations.json is not JSON that can be read"),
        (table_without_columns, "labels.csv is not understood as a table of labels"),
        (damaged_images, "is not an image that can be read"),
    ],
)
def test_what_cannot_be_trained_is_said_and_leads_no_further(
    qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / "data")
    dialog.set_folder(tmp_path / "data")

    def told() -> str:
        page = dialog.data
        return page.empty.trouble or (page.found.blocked if page.survey is not None and page.survey.complete else "")

    qtbot.waitUntil(lambda: bool(told()), timeout=30_000)
    assert said in told()
    assert not dialog.next.isEnabled()
    assert not dialog.steps["start"].isEnabled()


@pytest.mark.parametrize(
    ("make", "said", "left"),
    [
        (lambda folder: boxes(folder, box=(-10, -10, 500, 500), of=2), "reaches out of the image; it is clipped", COUNT),
        (lambda folder: boxes(folder, box=(100, 100, 120, 120), of=2), "none of its objects can be used", COUNT - 2),
        (lambda folder: boxes(folder, images=COUNT - 2), "has no image", COUNT - 2),
        (lambda folder: masks(folder, (20, 20), wrong=2), "is 20 x 20 px, its image 64 x 48 px", COUNT - 2),
    ],
)
def test_what_is_doubtful_is_listed_and_not_used(
    qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path, make: Callable[[Path], None], said: str, left: int
) -> None:
    make(tmp_path / "data")
    dialog.set_folder(tmp_path / "data")
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=30_000)
    survey, task = dialog.data.survey, dialog.draft.task
    assert survey is not None
    assert task is not None
    assert any(said in translate(problem) for problem in survey.tasks[task].problems)
    assert said in dialog.data.found.problems.as_text()
    assert survey.tasks[task].total == left
    assert survey.tasks[task].images.get("(none)", 0) == 0  # an image whose labels are wrong is not one without a defect


def test_another_layout_is_chosen_and_images_without_labels_are_good(
    qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path
) -> None:
    pictures(tmp_path / "data", "good", "bad")
    for path in sorted((tmp_path / "data" / "bad").glob("*.png")):
        path.with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.2\n")
    page, found = dialog.data, dialog.data.found

    def layout() -> str:
        complete = page.survey is not None and page.survey.complete
        return page.survey.layouts[0].name if complete and page.survey is not None else ""

    dialog.set_folder(tmp_path / "data")
    qtbot.waitUntil(lambda: layout() == "yolo", timeout=30_000)
    assert [found.layouts.itemData(place) for place in range(found.layouts.count())] == ["yolo", "folders"]
    assert found.layouts.isVisible()
    dialog.draft.set(backgrounds=True)
    qtbot.waitUntil(lambda: layout() == "yolo" and page.survey.tasks["detection"].total == COUNT, timeout=30_000)
    found.layouts.setCurrentIndex(1)
    found.layouts.activated.emit(1)
    qtbot.waitUntil(lambda: layout() == "folders", timeout=30_000)
    assert page.survey is not None
    assert page.survey.tasks["classification"].images == {"bad": COUNT // 2, "good": COUNT // 2}
    assert dialog.draft.values()["layout"] == "folders"
    pictures(tmp_path / "other", "good", "bad")
    dialog.set_folder(tmp_path / "other")
    qtbot.waitUntil(lambda: layout() == "folders", timeout=30_000)
    assert dialog.draft.value("layout") == ""  # it was said of the other folder
    assert not found.layouts.isVisible()


def test_objects_of_an_unknown_category_do_not_make_a_good_image(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    pictures(tmp_path / "data", "")
    data = {
        "images": [{"id": at, "file_name": f"{at}.png", "width": 64, "height": 48} for at in range(COUNT)],
        "categories": [{"id": 1, "name": "s"}],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 9 if at == 0 else 1, "bbox": [2, 2, 9, 9]} for at in range(COUNT)
        ],
    }
    (tmp_path / "data" / "annotations.json").write_text(json.dumps(data))
    dialog.set_folder(tmp_path / "data")
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=30_000)
    assert dialog.data.survey is not None
    assert dialog.data.survey.tasks["detection"].images == {"s": COUNT - 1}
    assert "such images are not used" in dialog.data.found.problems.as_text()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    pictures(tmp_path / "data", "a", "b")
    (tmp_path / "data").chmod(0)
    try:
        dialog.set_folder(tmp_path / "data")
        qtbot.waitUntil(lambda: bool(dialog.data.empty.trouble), timeout=20_000)
        assert "Give this user permission" in dialog.data.empty.trouble
    finally:
        (tmp_path / "data").chmod(0o755)


def test_a_trouble_is_gone_with_the_next_folder(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pictures(tmp_path / "data", "good", "b")
    dialog.set_folder(tmp_path / "empty")
    qtbot.waitUntil(lambda: bool(dialog.data.empty.trouble), timeout=20_000)
    dialog.set_folder(tmp_path / "data")
    assert not dialog.data.empty.trouble
    qtbot.waitUntil(lambda: dialog.data.ready, timeout=20_000)


def test_the_window_stays_awake_while_many_files_are_looked_at(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    """Twenty thousand files, most of them no images, so that the test is quick; the listing is what used to stop the window."""
    for name in ("a", "b"):
        place = tmp_path / "data" / name
        place.mkdir(parents=True)
        for index in range(10_000):
            (place / f"{index}.png").write_bytes(b"")
    beats = [time.monotonic()]
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(5)
    dialog.set_folder(tmp_path / "data")
    qtbot.waitUntil(lambda: dialog.data.survey is not None or bool(dialog.data.empty.trouble), timeout=60_000)
    timer.stop()
    gaps = np.diff(beats)
    assert len(gaps) > 20
    assert float(np.percentile(gaps, 99)) < 0.25  # processor time of others is in it; alone it is a tenth of that


def test_regions_that_nobody_labelled_are_drawn_in_no_class() -> None:
    mask = np.array([[0, 1, IGNORE], [2, IGNORE, 0]], np.uint8)
    (layer,) = drawn_labels(Annotation(mask=mask), ("a", "b"), words=False).layers
    np.testing.assert_array_equal(layer.class_map, [[0, 1, 0], [2, 0, 0]])
