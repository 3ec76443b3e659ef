"""The review page with a real bundle on real files: step, play, next NG, bad files, exports."""

import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from pytestqt.qtbot import QtBot

from inspector.cameras.demo.line import DemoLine
from inspector.core.errors import StorageError
from inspector.core.types import Verdict
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import load_recipe
from inspector.ui.review.chooser import With
from inspector.ui.review.page import ReviewPage
from inspector.ui.review.source import DemoParts, Material, open_parts
from inspector.ui.review.table import Column
from inspector.ui.review.timeline import TimeLine
from tests.ui.making import picture_of, pixels_of, write_brightness_bundle

BRIGHT, DARK = 220, 40  # the bundle says "bad" of what is bright


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    return write_brightness_bundle(tmp_path_factory.mktemp("review") / "brightness")


def write(path: Path, level: int, *, dtype: type = np.uint8, size: tuple[int, int] = (60, 80)) -> None:
    noise = np.random.default_rng(level).integers(-20, 20, (*size, 3))
    pixels = np.clip((level + noise) * (257 if dtype == np.uint16 else 1), 0, np.iinfo(dtype).max).astype(dtype)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight files: dark (OK) but for 3 and 6, which are bright (NG), and 4, which is broken."""
    for number in range(8):
        write(tmp_path / f"part{number}.png", BRIGHT if number in (3, 6) else DARK)
    (tmp_path / "part4.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    return tmp_path


@pytest.fixture
def page(qtbot: QtBot, bundle: Path) -> Iterator[ReviewPage]:
    page = ReviewPage()
    page.resize(1200, 800)
    qtbot.addWidget(page)
    page.show()
    page.open_bar.chooser.show_choice(With("bundle", bundle))
    yield page
    page.close_workers()


def inspected(page: ReviewPage, count: int) -> Callable[[], bool]:
    return lambda: page.model.count_inspected() == count


def open_all(qtbot: QtBot, page: ReviewPage, path: Path, count: int) -> None:
    page.open_path(path)
    qtbot.waitUntil(inspected(page, count), timeout=30_000)
    qtbot.waitUntil(lambda: page.outcome.badge.isVisible(), timeout=5_000)


def test_the_empty_page_teaches_the_next_step(page: ReviewPage) -> None:
    assert page.empty.isVisible()
    assert {button.text() for button in page.empty.buttons.values()} == {"Image", "Folder", "Video", "Demo line"}
    assert not page.open_bar.buttons["table"].isEnabled()


def test_a_folder_is_inspected_ahead(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    assert len(page) == 8
    qtbot.waitUntil(lambda: page.outcome.note.text() == "openvino fp32")  # which variant judged, and why
    assert "as the recipe says" in page.outcome.note.toolTip()
    found = [page.player.time_line.verdict(index) for index in range(8)]
    expected = [Verdict.OK] * 8
    expected[3] = expected[6] = Verdict.NG
    expected[4] = Verdict.NOT_INSPECTED
    assert found == expected
    assert page.outcome.word.text() == "OK"


def test_a_bad_file_is_listed_with_its_sentence_and_the_rest_goes_on(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    reason = page.model.index(4, Column.REASON).data()
    assert "part4.png" in reason
    page.go_to(4)
    assert page.outcome.word.text() == "NOT INSPECTED"
    assert "part4.png" in page.outcome.reason.text()
    picture_of(page)
    page.step(1)
    assert page.analysis.current().canvas.frame is not None


def test_next_and_previous_ng(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    canvas = page.analysis.current().canvas
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert page.index == 3
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert page.index == 6
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert page.index == 6
    assert page.outcome.note.text() == "No further NG part."
    qtbot.keyClick(canvas, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert page.index == 3


def test_next_ng_waits_for_parts_not_inspected_yet(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    page.open_path(folder)
    qtbot.waitSignal(page.opened).wait()
    page.seek_ng(1)
    qtbot.waitUntil(lambda: page.index == 3, timeout=30_000)
    page.seek_ng(1)
    qtbot.waitUntil(lambda: page.index == 6, timeout=30_000)
    qtbot.waitUntil(lambda: page.outcome.word.text() == "NG", timeout=5_000)


def test_keys_step_and_the_frame_follows(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    canvas = page.analysis.current().canvas
    for key, index in (
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_Right, 2),
        (Qt.Key.Key_Left, 1),
        (Qt.Key.Key_End, 7),
        (Qt.Key.Key_Home, 0),
    ):
        qtbot.keyClick(canvas, key)
        assert page.index == index
        assert page.player.time_line.value() == index
        frame = canvas.frame
        assert frame is not None
        assert frame.source.endswith(f"part{index}.png")
    assert page.player.position.text() == "1 / 8"


def test_play_shows_every_part_and_stops_at_the_end(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    seen: list[int] = []
    page.player.speed.setCurrentIndex(4)
    original = page.go_to
    page.go_to = lambda index: (seen.append(index), original(index))[1]  # type: ignore[method-assign]
    started = time.monotonic()
    qtbot.keyClick(page.analysis.current().canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.index == 7 and not page._clock.isActive(), timeout=10_000)
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert time.monotonic() - started >= 7 / 30


def test_the_time_line_and_the_list_jump(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    line = page.player.time_line
    x = next(x for x in range(line.width()) if line.index_at(x) == 5) + 3
    qtbot.mouseClick(line, Qt.MouseButton.LeftButton, pos=QPoint(x, line.height() // 2))
    assert page.index == 5
    page.table.selectRow(2)
    assert page.index == 2


def test_the_list_sorts_and_filters(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    open_all(qtbot, page, folder, 8)
    shown = page.shown_parts
    page.table.sortByColumn(Column.VERDICT, Qt.SortOrder.DescendingOrder)
    assert [shown.index(row, Column.VERDICT).data() for row in range(3)] == ["NG", "NG", "NOT INSPECTED"]
    page.filter.setCurrentIndex(1)
    assert page.filter.currentText() == "NG"
    assert {shown.index(row, Column.NAME).data() for row in range(shown.rowCount())} == {"part3.png", "part6.png"}
    page.filter.setCurrentIndex(0)
    assert shown.rowCount() == 8


def test_sixteen_bit_files_keep_their_depth(qtbot: QtBot, page: ReviewPage, tmp_path: Path) -> None:
    write(tmp_path / "deep.png", DARK, dtype=np.uint16)
    open_all(qtbot, page, tmp_path / "deep.png", 1)
    frame = page.analysis.current().canvas.frame
    assert frame is not None
    assert frame.pixels.dtype == np.uint16
    assert frame.pixels.max() > 255


def test_a_video_is_stepped_by_frame(qtbot: QtBot, page: ReviewPage, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for number in range(5):
        noise = np.random.default_rng(number).integers(-20, 20, (60, 80, 3))
        writer.write(np.clip((BRIGHT if number == 4 else DARK) + noise, 0, 255).astype(np.uint8))
    writer.release()
    open_all(qtbot, page, path, 5)
    page.seek_ng(1)
    assert page.index == 4
    assert page.outcome.part.text()


def test_the_table_is_exported(qtbot: QtBot, page: ReviewPage, folder: Path, tmp_path: Path) -> None:
    open_all(qtbot, page, folder, 8)
    target = tmp_path / "out" / "review.csv"
    page.save_table(target)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["verdict"] for row in rows] == ["OK", "OK", "OK", "NG", "NOT_INSPECTED", "OK", "NG", "OK"]
    assert rows[3]["reasons"].startswith("bad (score 0.8")
    assert rows[0]["name"] == "part0.png"


def test_the_picture_is_exported_at_full_size(qtbot: QtBot, page: ReviewPage, folder: Path, tmp_path: Path) -> None:
    open_all(qtbot, page, folder, 8)
    target = tmp_path / "picture"  # no suffix: still a PNG
    page.save_picture(target)
    saved = QImage(str(target))
    assert (saved.width(), saved.height()) == (80, 60)
    with pytest.raises(StorageError, match="cannot be written"):
        page.save_picture(tmp_path / "no" / "folder.png")
    frame = page.analysis.current().canvas.frame
    assert frame is not None
    assert (pixels_of(saved)[30, 40] == frame.pixels[30, 40]).all()


def test_what_cannot_be_opened_is_said_in_the_page(qtbot: QtBot, page: ReviewPage, tmp_path: Path) -> None:
    page.open_path(tmp_path / "nothing-here")
    qtbot.waitUntil(lambda: bool(page.banners.problems()), timeout=5_000)
    assert "nothing-here" in page.banners.problems()["open"]


def test_without_its_bundle_the_frames_can_still_be_looked_at(
    qtbot: QtBot, page: ReviewPage, folder: Path, bundle: Path
) -> None:
    page.open_bar.chooser.show_choice(With("bundle", bundle.parent / "missing"))
    page.open_path(folder)
    qtbot.waitUntil(lambda: bool(page.banners.problems()), timeout=10_000)
    assert "missing" in page.banners.problems()["open"]
    page.step(1)
    canvas = page.analysis.current().canvas
    qtbot.waitUntil(lambda: canvas.frame is not None and canvas.frame.source.endswith("part1.png"), timeout=5_000)
    assert page.outcome.word.text() == "NOT INSPECTED"
    page.use(With("bundle", bundle))  # the remedy: all is inspected, the problem is gone
    qtbot.waitUntil(inspected(page, 8), timeout=30_000)
    assert page.banners.problems() == {}


def test_opening_something_else_drops_what_was_under_way(qtbot: QtBot, page: ReviewPage, folder: Path, tmp_path: Path) -> None:
    page.open_path(folder)
    qtbot.waitSignal(page.opened).wait()
    write(tmp_path / "other.jpg", BRIGHT)
    open_all(qtbot, page, tmp_path / "other.jpg", 1)
    assert len(page) == 1
    qtbot.waitUntil(lambda: page.outcome.word.text() == "NG", timeout=5_000)
    assert page.model.rowCount() == 1


def test_files_are_dropped_on_the_page(qtbot: QtBot, page: ReviewPage, folder: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    page.dropEvent(event)
    qtbot.waitUntil(inspected(page, 8), timeout=30_000)


def test_the_demo_line_has_both_cameras_and_its_truth() -> None:
    recipe = load_recipe(demo_recipe())
    parts, same = open_parts(Material(None, recipe))
    assert isinstance(parts, DemoParts)
    assert same is recipe
    frames = parts.frames(3)
    assert frames["thermal"].unit == "kelvin"
    seed = int(recipe.cameras["visible"].options["seed"])
    assert (frames["visible"].pixels == DemoLine(seed).visible(3)[0]).all()
    assert frames["visible"].truth is not None


def test_files_take_the_camera_of_the_recipe_that_fits(tmp_path: Path, bundle: Path) -> None:
    write(tmp_path / "a.png", DARK)
    recipe_file = tmp_path / "two.toml"
    lines = ['name = "two"']
    for camera in ("left", "right"):
        lines += [f"[cameras.{camera}]", 'source = "folder:x"']
        lines += ["[[inspect]]", f'bundle = "{bundle.as_posix()}"', f'camera = "{camera}"']
    recipe_file.write_text("\n".join(lines), encoding="utf-8")
    parts, recipe = open_parts(Material(tmp_path / "a.png", load_recipe(recipe_file), tmp_path))
    assert list(recipe.cameras) == ["left"]
    assert list(parts.frames(0)) == ["left"]
    parts.close()


def test_no_ng_part_is_hidden_where_many_share_a_pixel(qtbot: QtBot) -> None:
    line = TimeLine()
    line.resize(216, 44)
    qtbot.addWidget(line)
    line.set_count(20_000)
    for index in range(20_000):
        line._codes[index] = 1
    clean = picture_of(line)
    line.set_verdict(12_345, Verdict.NG)
    assert (picture_of(line) != clean).any()


def test_parts_of_an_earlier_source_are_not_listed_when_another_cannot_be_opened(
    qtbot: QtBot, page: ReviewPage, folder: Path
) -> None:
    open_all(qtbot, page, folder, 8)
    page.open_path(folder / "nowhere")
    qtbot.waitUntil(lambda: "open" in page.banners.problems(), timeout=10_000)
    assert len(page) == 0  # stepping would show one part's picture under another one's name
    assert page.empty.isVisible()
    assert not page.open_bar.buttons["table"].isEnabled()
    open_all(qtbot, page, folder, 8)
    assert len(page) == 8


@pytest.mark.allow_logs("ReviewThread failed")
def test_a_defect_while_parts_are_opened_is_told_and_the_next_source_is_reviewed(
    qtbot: QtBot, page: ReviewPage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(material: Material) -> None:
        raise ValueError("boom")

    with monkeypatch.context() as patched:
        patched.setattr("inspector.ui.review.thread.open_parts", fail)
        page.open_path(folder)
        qtbot.waitUntil(lambda: "open" in page.banners.problems(), timeout=10_000)
    assert "ValueError: boom" in page.banners.problems()["open"]
    open_all(qtbot, page, folder, 8)
