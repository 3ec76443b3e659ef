"""A thermal and a visible camera are registered in the window: on a heated target, on points by hand, and again later."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from inspector.core.types import Frame, Inspection, Prediction, Region, Temperatures, Verdict
from inspector.imaging.registration import as_points, read_registration
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.tabs.instrument.register_sheet import RegisterSheet
from inspector.ui.tabs.tabs import AnalysisTabs
from tests.ui.making import make_frame
from tests.ui.pressing import press

TRUE = np.array([[4.1, 0.12, 22.0], [-0.08, 4.3, 15.0], [1e-4, -5e-5, 1.0]])  # from thermal to visible
SPOTS = as_points([(30 + 32 * column, 25 + 32 * row) for row in range(3) for column in range(4)])


def seen_at(points: np.ndarray, moved: float = 0.0) -> np.ndarray:
    return np.asarray(cv2.perspectiveTransform(points[None], TRUE)[0]) + moved


def target(moved: float = 0.0) -> dict[str, Frame]:
    """Warm spots, which are black in the visible picture. `moved`: pixels by which the visible camera was pushed since."""
    y, x = np.mgrid[0:120, 0:160]
    kelvin = np.full(x.shape, 300, np.float32)
    for u, v in SPOTS:
        kelvin += (15 - 15 * np.tanh(np.hypot(x - u, y - v) - 5)).astype(np.float32)
    shown = np.full((560, 720), 230, np.uint8)
    for u, v in seen_at(SPOTS, moved):
        cv2.circle(shown, (round(u * 8), round(v * 8)), 20 * 8, 20, -1, cv2.LINE_AA, 3)
    colour = np.repeat(shown[..., None], 3, axis=2)
    return {"warm": make_frame(kelvin, camera="warm", unit="kelvin"), "light": make_frame(colour, camera="light")}


RECIPE = Recipe(
    name="both",
    cameras={"warm": CameraModel(source="usb:0"), "light": CameraModel(source="usb:1", mm_per_px=0.25)},
    inspect=(InspectModel(bundle="heat", camera="warm"),),
    rules=(Rule(bundle="heat", quantity="temperature_max", limit=90.0),),
)


@pytest.fixture
def tabs(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnalysisTabs:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = AnalysisTabs()
    qtbot.addWidget(made)
    made.resize(1366, 700)
    made.show()
    return made


def show(tabs: AnalysisTabs, frames: dict[str, Frame]) -> None:
    heat = Prediction("heat", "thermal", "warm", (), Region(0, 0, 160, 120), Temperatures(330.0, 302.0, 300.0, "measured"))
    tabs.set_inspection(Inspection("P0", 0, Verdict.OK, (), frames, (heat,), "", 0, 1.0), RECIPE)
    tabs.choose("thermal")


def opened(tabs: AnalysisTabs, qtbot: QtBot) -> RegisterSheet:
    press(tabs, qtbot, "Align with the visible camera…")
    assert tabs.register is not None
    qtbot.waitUntil(tabs.register.isVisible)
    return tabs.register


def point(qtbot: QtBot, sheet: RegisterSheet, name: str, x: float, y: float) -> None:
    canvas = sheet.views[name]
    at = QPoint(*(round(value) for value in canvas.placement().to_view(x + 0.5, y + 0.5)))
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.skipif(sys.platform == "win32", reason="the user's folder is set by XDG_DATA_HOME")
def test_a_target_is_found_kept_and_noticed_when_a_camera_was_moved(qtbot: QtBot, tabs: AnalysisTabs, tmp_path: Path) -> None:
    show(tabs, target())
    sheet = opened(tabs, qtbot)
    assert not sheet.keep.isEnabled()
    assert sheet.side.value() == 0.25  # the recipe knows it
    press(sheet, qtbot, "Find the target")
    assert sheet.says.text().startswith("12 points: error 0.")
    assert " mm), at worst " in sheet.says.text()
    press(sheet, qtbot, "Keep it")
    file = tmp_path / "data" / "inspector" / "registrations" / "warm-light.json"
    assert sheet.says.text() == f"Kept in {file}."
    kept = read_registration(file)
    corners = as_points([(10, 10), (150, 10), (150, 110), (10, 110)])
    assert np.abs(kept.to_visible(corners) - seen_at(corners)).max() < 2.0
    assert kept.error_px is not None
    assert kept.error_mm == pytest.approx(kept.error_px * 0.25)
    assert tabs.leave()
    assert not sheet.isVisible()

    sheet = opened(tabs, qtbot)
    assert "Find the target again" in sheet.known.text()
    press(sheet, qtbot, "Find the target")
    assert "still holds" in sheet.known.text()
    tabs.leave()
    show(tabs, target(moved=9.0))
    sheet = opened(tabs, qtbot)
    press(sheet, qtbot, "Find the target")
    assert "no longer holds: a camera was moved" in sheet.known.text()


def test_points_by_hand_and_what_stands_in_their_way(qtbot: QtBot, tabs: AnalysisTabs) -> None:
    show(tabs, target())
    sheet = opened(tabs, qtbot)
    for number, (spot, there) in enumerate(zip(SPOTS[:4], seen_at(SPOTS[:4]), strict=True)):  # a row of the target
        point(qtbot, sheet, "thermal", 5, 5)  # beside the spot: pressed again, it is replaced
        point(qtbot, sheet, "thermal", *spot)
        point(qtbot, sheet, "visible", *there)
        if number == 2:
            assert sheet.says.text() == "Points in both pictures: 3. At least five are needed."
    assert "they lie in a line" in sheet.says.text()
    assert not sheet.keep.isEnabled()
    press(sheet, qtbot, "Undo the last point")
    assert len(sheet.points()[0]) == 3
    press(sheet, qtbot, "Remove all points")
    for place in (0, 3, 8, 11):
        point(qtbot, sheet, "thermal", *SPOTS[place])
        point(qtbot, sheet, "visible", *seen_at(SPOTS)[place])
    assert "Four points always fit" in sheet.says.text()
    assert not sheet.keep.isEnabled()
    point(qtbot, sheet, "visible", *seen_at(SPOTS)[5])  # in either order
    point(qtbot, sheet, "thermal", *SPOTS[5])
    assert sheet.says.text().startswith("5 points: error ")
    assert sheet.keep.isEnabled()
    before = sheet.views["visible"].frame
    sheet.over_it.click()
    after = sheet.views["visible"].frame
    assert before is not None
    assert after is not None
    assert (np.asarray(before.pixels) != np.asarray(after.pixels)).any()
    sheet.rows.setValue(7)
    press(sheet, qtbot, "Find the target")
    assert "does not show the target of 4 x 7 spots" in sheet.says.text()


def test_a_damaged_file_is_a_sentence_and_is_replaced(qtbot: QtBot, tabs: AnalysisTabs, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "warm-light.json").write_text("{}")
    sheet = RegisterSheet(tabs)
    frames = target()
    sheet.open(frames["warm"], (frames["light"],), folder=folder, sides={})
    assert "is not a registration" in sheet.says.text()
    press(sheet, qtbot, "Find the target")
    assert " mm)" not in sheet.says.text()  # nobody said how large a pixel is
    press(sheet, qtbot, "Keep it")
    assert read_registration(folder / "warm-light.json").points == 12


def test_without_light_there_is_nothing_to_align_with(tabs: AnalysisTabs) -> None:
    show(tabs, {"warm": target()["warm"]})
    tab = tabs.tabs["thermal"]
    assert tab.register.isHidden()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["inspect", "review"])
def test_the_sheet_fills_its_page_and_leaves_the_rail_free(qtbot: QtBot, window: MainWindow, name: str) -> None:
    window.show_page(name)
    page = {"inspect": lambda: window.inspect, "review": lambda: window.review}[name]()
    page.analysis.show()
    show(page.analysis, target())
    page.analysis.current().register_wanted.emit()
    sheet = page.analysis.register
    assert sheet is not None
    assert sheet.parentWidget() is page
    assert sheet.size() == page.size()
    assert not window.rail.geometry().intersects(sheet.rect().translated(sheet.mapTo(window, QPoint(0, 0))))
    assert page.analysis.leave()
