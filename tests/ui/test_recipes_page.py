"""A recipe is made and changed on the recipes page, without a word of TOML, with the picture and its verdict in view."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from inspector.core.paths import user_data
from inspector.recipes.recipe import load_recipe
from inspector.recipes.revisions import list_revisions
from inspector.ui.recipes.page import RecipesPage
from inspector.ui.shell.main_window import MainWindow
from tests.ui.making import write_brightness_bundle
from tests.ui.pressing import press


@pytest.fixture(scope="module")
def bundle() -> Path:
    """A bundle of the user's own: "bad" with the probability that is the brightness."""
    pytest.importorskip("onnx")
    return write_brightness_bundle(user_data() / "bundles" / "zz-brightness")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A picture whose left half is bright (bad) and whose right half is dark (good)."""
    folder = tmp_path / "parts"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 40, (60, 80, 3)).astype(np.uint8)
    pixels[:, :40] += 180
    assert cv2.imwrite(str(folder / "0.png"), pixels)
    return folder


@pytest.fixture
def page(window: MainWindow) -> Iterator[RecipesPage]:
    window.open_first()
    window.show_page("recipes")
    yield window.recipes
    window.recipes.close_workers()


def drag(qtbot: QtBot, page: RecipesPage, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag on the picture between two points of the frame."""
    canvas, placement = page.editor.canvas, page.editor.canvas.placement()
    one, other = (QPoint(*(round(part) for part in placement.to_view(*at))) for at in (start, end))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=one)
    qtbot.mouseMove(canvas, other)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=other)


def with_parts(qtbot: QtBot, window: MainWindow, page: RecipesPage, parts: Path) -> None:
    """Begin a new recipe whose camera is this folder."""
    press(window, qtbot, "New recipe")
    assert page.editor.problems.text() == "The recipe has no camera yet."
    press(window, qtbot, "Add a camera")
    sheet = page.editor.sheet
    press(window, qtbot, "Image folder")
    field = sheet.findChild(QLineEdit, "folder_path")
    assert field is not None
    field.setText(str(parts))
    assert not sheet.use.isEnabled()  # it is tried before it is used
    press(window, qtbot, "Test")
    qtbot.waitUntil(sheet.use.isEnabled, timeout=10_000)
    assert sheet._state.text() == "It gives frames of 80 × 60 px."
    press(window, qtbot, "Use it")
    qtbot.waitUntil(lambda: page.editor.canvas.frame is not None, timeout=10_000)


def test_a_recipe_is_made_from_a_folder_to_a_verdict(
    qtbot: QtBot, window: MainWindow, page: RecipesPage, parts: Path, bundle: Path
) -> None:
    editor = page.editor
    with_parts(qtbot, window, page, parts)
    assert editor.problems.text() == "The recipe has no bundle yet."
    assert not page.go.isEnabled()
    editor.tabs.setCurrentIndex(1)
    press(window, qtbot, "Add a bundle")
    assert editor.bundles.bundle.currentText() == "zz-brightness"
    qtbot.waitUntil(lambda: editor.word.text() != "", timeout=20_000)
    assert editor.problems.text() == "The recipe would run."

    press(window, qtbot, "Draw the region")  # the bright half
    drag(qtbot, page, (0, 0), (40, 60))
    region = editor.draft.steps[0]["region"]
    assert region == {"x": 0, "y": 0, "width": 40, "height": 60}
    qtbot.waitUntil(lambda: editor.word.text() == "NG", timeout=20_000)
    assert "bad" in editor.reasons.text()

    editor.tabs.setCurrentIndex(2)
    press(window, qtbot, "Add a rule")
    form = editor.rules.form
    assert form is not None
    before = editor.inspection
    limit = form.findChild(QLineEdit, "setting_limit")
    assert limit is not None
    qtbot.keyClicks(limit, "\b\b\b\b")
    limit.selectAll()
    qtbot.keyClicks(limit, "0.95")
    assert editor.draft.rules[0]["limit"] == 0.95
    assert editor.word.text() == "REVIEW"  # at once: the bundles need not look again
    assert editor.inspection is before
    assert editor.rules.table.item(0, 3).text() == "REVIEW"

    editor.tabs.setCurrentIndex(0)
    press(window, qtbot, "Measure a known length on the picture")
    drag(qtbot, page, (10, 30), (50, 30))
    editor.cameras.length.setValue(20.0)
    press(window, qtbot, "Set")
    assert editor.draft.cameras["camera"]["mm_per_px"] == pytest.approx(0.5, abs=0.02)

    press(window, qtbot, "Save the recipe")
    assert page.file is not None
    saved = load_recipe(page.file.path)
    assert saved.inspect[0].region is not None
    assert saved.rules[0].limit == 0.95
    press(window, qtbot, "Go to Inspect")
    assert window.page == "inspect"
    assert window.inspect.recipe_file == page.file.path


def test_revisions_say_who_and_lead_one_step_back(
    qtbot: QtBot, window: MainWindow, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    path = tmp_path / "line.toml"
    lines = ("# by hand", 'name = "Line"', "[cameras.top]", f'source = "folder:{parts.as_posix()}"', "[[inspect]]")
    path.write_text("\n".join((*lines, 'bundle = "zz-brightness"', 'camera = "top"', "")), encoding="utf-8")
    page.open_recipe(path)
    editor = page.editor
    editor.tabs.setCurrentIndex(3)
    takt = editor.line.findChild(QLineEdit, "setting_takt_ms")
    assert takt is not None
    qtbot.keyClicks(takt, "-5")
    assert not page.save.isEnabled()
    assert "takt_ms" in editor.problems.text()
    takt.selectAll()
    qtbot.keyClicks(takt, "1500")
    press(window, qtbot, "Save the recipe")
    assert (load_recipe(path).revision, load_recipe(path).takt_ms) == (2, 1500)
    assert path.read_text(encoding="utf-8").startswith("# by hand")
    editor.tabs.setCurrentIndex(4)
    kept = list_revisions(path)
    assert [one.number for one in kept] == [2, 1]
    assert kept[0].who
    rows = [[editor.revisions.differences.item(0, column).text() for column in range(3)]]
    assert rows == [["takt_ms", "–", "1500.0"]]
    press(window, qtbot, "One step back")
    assert (load_recipe(path).revision, load_recipe(path).takt_ms) == (3, None)
    assert path.read_text(encoding="utf-8").startswith("# by hand")


def test_a_login_is_used_and_never_shown(qtbot: QtBot, window: MainWindow, page: RecipesPage) -> None:
    sheet = page.editor.sheet
    sheet.open("rtsp://ada:secret@127.0.0.1:9/stream")
    assert sheet.kind == "rtsp"
    assert sheet.address.text() == "rtsp://127.0.0.1:9/stream"
    assert sheet.source() == "rtsp://ada:secret@127.0.0.1:9/stream"  # kept as it was
    assert sheet.password.echoMode() is QLineEdit.EchoMode.Password
    sheet.address.setText("rtsp://bob:other@127.0.0.1:9/stream")
    sheet.address.editingFinished.emit()
    assert (sheet.address.text(), sheet.user.text()) == ("rtsp://127.0.0.1:9/stream", "bob")
    assert sheet.source() == "rtsp://bob:other@127.0.0.1:9/stream"
    shown = [one.text() for one in sheet.findChildren(QPushButton)] + [sheet._state.text(), sheet.address.text()]
    assert not any("other" in text or "secret" in text for text in shown)
    window.actions_by_name["leave"].trigger()
    assert not sheet.isVisible()
