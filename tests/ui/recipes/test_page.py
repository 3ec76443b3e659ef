"""A recipe is made and changed on the recipes page, without a word of TOML, with the picture and its verdict in view."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from inspector.core.storage.paths import user_data
from inspector.core.types import Judgement, Region, Verdict
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule, load_recipe
from inspector.recipes.revisions import list_revisions
from inspector.ui.recipes.draft import RecipeDraft
from inspector.ui.recipes.page import RecipesPage
from inspector.ui.recipes.rules_panel import RulesPanel
from inspector.ui.recipes.trial_thread import Trial
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


def write_recipe(path: Path, source: Path, *lines: str) -> Path:
    """A recipe whose camera "camera" is a folder, judged by the bundle of brightness."""
    head = (f'name = "{path.stem}"', "[cameras.camera]", f'source = "folder:{source.as_posix()}"')
    step = ("[[inspect]]", 'bundle = "zz-brightness"', 'camera = "camera"')
    path.write_text("\n".join((*head, *step, *lines, "")), encoding="utf-8")
    return path


RULE = ("[[rules]]", 'bundle = "zz-brightness"', 'quantity = "score"', 'class_name = "bad"')


def test_a_recipe_that_cannot_be_read_is_not_the_one_that_is_chosen(
    qtbot: QtBot, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    page.open_recipe(write_recipe(tmp_path / "good.toml", parts))
    broken = user_data() / "recipes" / "broken.toml"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("name = [", encoding="utf-8")
    try:
        page._fill_list()
        item = next(page.list.item(row) for row in range(page.list.count()) if page.list.item(row).text() == "broken")
        qtbot.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=page.list.visualItemRect(item).center())
        assert "broken.toml" in page.banners.problems()["recipe"]
        assert page.list.currentItem().text() == "good"
        assert page.draft.values["name"] == "good"
    finally:
        broken.unlink()


def test_the_list_is_there_though_the_station_s_recipe_cannot_be_read_any_more(
    qtbot: QtBot, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    damaged = tmp_path / "damaged.toml"
    damaged.write_text("name = [", encoding="utf-8")
    page = RecipesPage(current=lambda: damaged)
    qtbot.addWidget(page)
    page.show()
    assert "damaged.toml" in page.banners.problems()["recipe"]
    assert page.list.count() > 0
    assert page.draft.values["name"] == "New recipe"
    page.close_workers()


def test_the_form_of_a_rule_does_not_stay_for_another_recipe(
    page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    page.open_recipe(write_recipe(tmp_path / "one.toml", parts, *RULE, "limit = 0.25"))
    rules = page.editor.rules
    rules.table.picked.emit(0)
    assert rules.form is not None
    page.open_recipe(write_recipe(tmp_path / "other.toml", parts, *RULE, "limit = 0.75"))
    assert rules.form is None
    rules.table.picked.emit(0)
    assert rules.form is not None
    assert rules.form.values()["limit"] == 0.75


def test_what_was_measured_or_is_to_be_drawn_belongs_to_the_camera_on_the_picture(
    qtbot: QtBot, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    second = ("[cameras.second]", f'source = "folder:{parts.as_posix()}"')
    page.open_recipe(write_recipe(tmp_path / "two.toml", parts, *second))
    editor = page.editor
    editor.cameras.ask_length(40.0)
    assert not editor.cameras._length_row.isHidden()
    editor.cameras.show_camera("second")
    assert editor.cameras._length_row.isHidden()  # else the length would scale the pixels of another camera
    editor.bundles.draw.click()
    assert editor.cameras.current == "camera"  # the one that the bundle looks at
    assert editor.canvas.tool == "region"
    editor.cameras.show_camera("second")
    assert editor.canvas.tool == ""


def test_nothing_of_an_earlier_recipe_arrives_late(
    qtbot: QtBot, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path
) -> None:
    page.open_recipe(write_recipe(tmp_path / "here.toml", parts))
    editor = page.editor
    qtbot.waitUntil(lambda: editor.inspection is not None, timeout=20_000)
    recipe, frames, base = editor.draft.check.complete, dict(editor.frames), editor.draft.base
    assert recipe is not None
    editor.trial.look(Trial(recipe, base, frames))
    editor.reader.next_frame()
    page.open_recipe(write_recipe(tmp_path / "gone.toml", tmp_path / "nowhere"))
    qtbot.waitUntil(lambda: "nowhere" in editor.problems.text(), timeout=10_000)
    qtbot.wait(200)
    assert editor.inspection is None
    assert editor.canvas.frame is None
    assert editor.word.text() == ""


@pytest.mark.allow_logs("(FrameThread|TrialThread) failed")
def test_a_defect_of_a_camera_or_a_bundle_is_told_and_stays_told(
    qtbot: QtBot, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("boom")

    editor = page.editor
    with monkeypatch.context() as patched:
        patched.setattr("inspector.ui.recipes.frame_thread.open_camera", fail)
        page.open_recipe(write_recipe(tmp_path / "camera.toml", parts))
        qtbot.waitUntil(lambda: "ValueError: boom" in editor.problems.text(), timeout=10_000)
    with monkeypatch.context() as patched:
        patched.setattr("inspector.ui.recipes.trial_thread.PartInspector", fail)
        page.open_recipe(write_recipe(tmp_path / "bundle.toml", parts))
        qtbot.waitUntil(lambda: "ValueError: boom" in editor.problems.text(), timeout=20_000)
        editor.retranslate()
        assert "ValueError: boom" in editor.problems.text()
    page.open_recipe(write_recipe(tmp_path / "again.toml", parts))
    qtbot.waitUntil(lambda: editor.word.text() != "", timeout=20_000)
    assert editor.problems.text() == "The recipe would run."


def test_every_problem_is_said_while_the_recipe_is_made(page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path) -> None:
    second = ("[cameras.second]", f'source = "folder:{parts.as_posix()}"')
    page.open_recipe(write_recipe(tmp_path / "two.toml", parts, *second))
    assert page.editor.problems.text() == "No bundle looks at the camera second."
    page.draft.set_step(0, bundle="nowhere")
    page.draft.add_step("nowhere", "second")
    text = page.editor.problems.text()
    assert text.count("nowhere") == 1, text


@pytest.mark.parametrize("how", ["button", "key"])
def test_the_picture_goes_on_when_no_other_source_was_chosen(
    qtbot: QtBot, window: MainWindow, page: RecipesPage, tmp_path: Path, bundle: Path, parts: Path, how: str
) -> None:
    page.open_recipe(write_recipe(tmp_path / "here.toml", parts))
    editor = page.editor
    qtbot.waitUntil(lambda: editor.canvas.frame is not None, timeout=10_000)
    before = editor.canvas.frame
    press(window, qtbot, "Choose the source…")
    assert editor.sheet.isVisible()
    if how == "button":
        qtbot.mouseClick(editor.sheet.cancel, Qt.MouseButton.LeftButton)
    else:
        window.actions_by_name["leave"].trigger()
    assert not editor.sheet.isVisible()
    qtbot.waitUntil(lambda: editor.canvas.frame is not before, timeout=10_000)


def test_a_recipe_keeps_the_size_that_its_live_cameras_showed_while_it_was_set_up(qapp: QApplication) -> None:
    draft = RecipeDraft()
    cameras = {"live": CameraModel(source="usb:0"), "files": CameraModel(source="folder:parts")}
    draft.open(Recipe(name="plates", cameras=cameras, inspect=(InspectModel(bundle="b", camera="live"),)), None)
    for camera in ("live", "files"):
        draft.know_size(camera, (640, 480))
    saved = draft.with_sizes(Recipe.model_validate(draft.values))
    assert saved.cameras["live"].frame_size == (640, 480)
    assert saved.cameras["files"].frame_size is None
    draft.open(saved, None)
    draft.know_size("live", (640, 480))
    draft.set_camera("live", source="usb:1")
    assert "frame_size" not in draft.values["cameras"]["live"]
    changed = Recipe.model_validate(draft.values)
    assert draft.with_sizes(changed).cameras["live"].frame_size is None  # nothing was seen of the other camera


def test_beside_the_limit_of_a_comparison_stands_the_difference(qtbot: QtBot) -> None:
    draft = RecipeDraft()
    draft.open(
        Recipe(
            name="heat",
            cameras={"heat": CameraModel(source="simulated:thermal")},
            inspect=(InspectModel(bundle="equipment-temperature", camera="heat"),),
            rules=(Rule(bundle="equipment-temperature", quantity="temperature_max", limit=4.0, baseline_parts=10),),
        ),
        None,
    )
    panel = RulesPanel(draft)
    qtbot.addWidget(panel)
    at = Region(0, 0, 10, 10)
    for baseline, shown in ((57.5, "3"), (float("nan"), "")):
        known = Judgement(0, "b", "heat", at, "temperature_max", "-", 60.5, "above", 4.0, Verdict.OK, baseline=baseline)
        panel.show_judgements([known])
        item = panel.table.item(0, 2)
        assert item is not None
        assert item.text() == shown  # 60.5 > 4 would be no OK
