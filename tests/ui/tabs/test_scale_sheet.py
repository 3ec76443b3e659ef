"""What grey values of 16 bits are in degrees is said in the window: in a recipe, and for a folder without one."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from inspector.core.types import Inspection, Prediction, Region, Temperatures, Verdict
from inspector.imaging.known_scales import KNOWN_SCALES
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.tabs.instrument.scale_sheet import ScaleSheet
from inspector.ui.tabs.tabs import AnalysisTabs
from inspector.ui.tabs.thermal import ThermalTab
from tests.ui.making import make_frame
from tests.ui.pressing import press

CELSIUS = 20 + np.arange(80)[None, :] * 0.5 + np.arange(60)[:, None] * 0.25
KEYS = [one.key for one in KNOWN_SCALES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures as an Optris camera writes them: tenths of a degree above -100 °C."""
    (tmp_path / "parts").mkdir()
    for number in range(2):
        values = np.rint((CELSIUS + number + 100) * 10).astype(np.uint16)
        assert cv2.imwrite(str(tmp_path / "parts" / f"{number}.png"), values)
    return tmp_path / "parts"


def point(qtbot: QtBot, sheet: ScaleSheet, x: int, y: int) -> None:
    placement = sheet.preview.placement()
    at = QPoint(*(round(value) for value in placement.to_view(x + 0.5, y + 0.5)))
    qtbot.mouseClick(sheet.preview, Qt.MouseButton.LeftButton, pos=at)


def line(sheet: ScaleSheet, key: str) -> list[str]:
    """Return the texts of the table's line for a scale."""
    table = sheet.table
    for row in range(table.rowCount()):
        if table.item(row, 0).data(Qt.ItemDataRole.UserRole) == KEYS.index(key):
            return [table.item(row, column).text() for column in range(1, table.columnCount())]
    raise AssertionError(key)


def choose(sheet: ScaleSheet, key: str) -> None:
    sheet.table.select_key(KEYS.index(key))
    sheet.table.picked.emit(KEYS.index(key))


def test_a_recipe_s_camera_is_told_its_scale_at_a_known_point(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    window.open_first()
    window.show_page("recipes")
    page = window.recipes
    page.new_recipe(f"folder:{folder}")
    editor, sheet = page.editor, page.editor.degrees
    qtbot.waitUntil(lambda: editor.canvas.frame is not None, timeout=10_000)
    assert editor.canvas.frame is not None
    assert editor.canvas.frame.unit == "intensity"
    press(window, qtbot, "Grey values in degrees…")
    assert sheet.says.text() == ""  # nothing is known of the source before its first frame
    qtbot.waitUntil(lambda: sheet.preview.frame is not None, timeout=10_000)
    assert not sheet.use.isEnabled()  # nothing is chosen by the pixels
    assert sheet.table.selected_key() is None
    point(qtbot, sheet, 10, 20)
    assert line(sheet, "optris") == ["30.0", "20.0 … 74.2"]
    sheet.known.click()
    sheet.celsius.setValue(31.0)
    assert line(sheet, "optris") == ["30.0", "20.0 … 74.2", "-1.0"]
    choose(sheet, "centikelvin")
    assert "no temperatures of a scene" in sheet.says.text()
    assert not sheet.use.isEnabled()
    choose(sheet, "optris")
    assert sheet.says.text() == "0.1 * value - 100 °C: the point is 30.0 °C, the frame 20.0 to 74.2 °C."
    assert "Optris, Communication protocol" in sheet.document.text()
    choose(sheet, "infiray")
    assert "Found by users" in sheet.document.text()
    sheet.unit.setCurrentIndex(sheet.unit.findData("celsius"))  # as a manual says, number by number
    sheet.offset.setValue(-100)
    sheet.scale.setValue(0.1)
    assert sheet.table.selected_key() == KEYS.index("optris")
    press(window, qtbot, "Use it")
    qtbot.waitUntil(lambda: editor.canvas.frame is not None and editor.canvas.frame.unit == "kelvin", timeout=10_000)
    assert float(editor.canvas.frame.pixels[20, 10]) == pytest.approx(303.15, abs=1e-3)
    assert page.draft.cameras["camera"]["options"] == {"unit": "celsius", "scale": 0.1, "offset": -100.0}
    # Opened again it starts with what was said, on the values as they are stored.
    press(window, qtbot, "Grey values in degrees…")
    qtbot.waitUntil(lambda: sheet.preview.frame is not None, timeout=10_000)
    assert sheet.preview.frame is not None
    assert sheet.preview.frame.unit == "intensity"
    assert sheet.table.selected_key() == KEYS.index("optris")
    first = sheet.preview.frame
    press(sheet, qtbot, "Next frame")
    qtbot.waitUntil(lambda: sheet.preview.frame is not first, timeout=10_000)
    page.leave()
    assert not sheet.isVisible()
    page.close_workers()


def test_a_folder_without_a_recipe_is_measured_once_its_scale_is_said(qtbot: QtBot) -> None:
    tabs = AnalysisTabs()
    qtbot.addWidget(tabs)
    tabs.resize(1366, 700)
    tabs.show()
    values = np.rint((CELSIUS + 273.15) * 100).astype(np.uint16)

    def seen(number: int, source: str) -> Inspection:
        grey = make_frame(values + np.uint16(100 * number), camera="camera")
        frame = replace(grey, sequence=number, part=f"P{number}", source=source)
        return Inspection(f"P{number}", number, Verdict.NOT_INSPECTED, (), {"camera": frame}, (), "", 0, 1.0)

    tabs.set_inspection(seen(0, "/a/0.png"), None)
    assert tabs.offered == ("picture",)
    press(tabs, qtbot, "Grey values in degrees…")
    assert tabs.degrees is not None
    assert tabs.leave()
    assert not tabs.degrees.isVisible()
    assert not tabs.leave()
    press(tabs, qtbot, "Grey values in degrees…")
    choose(tabs.degrees, "centikelvin")
    tabs.degrees.use.click()
    assert tabs.offered == ("thermal",)
    tab = tabs.tabs["thermal"]
    assert isinstance(tab, ThermalTab)
    assert tab.values["maximum"].text() == "74.2 °C"
    qtbot.waitUntil(lambda: tab.histogram is not None)
    tabs.set_inspection(seen(3, "/a/3.png"), None)
    assert tab.values["maximum"].text() == "77.2 °C"
    assert tab.degrees.isVisibleTo(tab)
    tabs.set_inspection(seen(3, "/b/3.png"), None)  # another folder: nobody said what it is
    assert tabs.offered == ("picture",)
    tabs.set_inspection(seen(0, "/a/0.png"), None)
    tab.degrees.click()
    assert tabs.degrees.table.selected_key() == KEYS.index("centikelvin")
    choose(tabs.degrees, "hundredths-above-minus-100")
    tabs.degrees.use.click()
    assert tab.values["maximum"].text() == f"{74.25 + 273.15 - 100:.1f} °C"


def test_each_of_two_cameras_with_grey_values_is_told_its_own_scale(qtbot: QtBot) -> None:
    """The sheet is for the camera whose answer is shown; where no bundle looks, for the first that nobody has told yet."""
    tabs = AnalysisTabs()
    qtbot.addWidget(tabs)
    tabs.resize(1366, 700)
    tabs.show()
    light = make_frame(np.zeros((60, 80), np.uint8), camera="visible")
    kelvin, tenths = np.rint((CELSIUS + 273.15) * 100).astype(np.uint16), np.rint((CELSIUS + 100) * 10).astype(np.uint16)
    frames = {"visible": light, "left": make_frame(kelvin, camera="left"), "right": make_frame(tenths, camera="right")}
    tabs.set_inspection(Inspection("P0", 0, Verdict.NOT_INSPECTED, (), frames, (), "", 0, 1.0), None)
    for camera, scale in (("left", "centikelvin"), ("right", "optris")):
        press(tabs, qtbot, "Grey values in degrees…")
        assert tabs.degrees is not None
        assert tabs.degrees.accessibleName() == f"What the values are in degrees: {camera}"
        choose(tabs.degrees, scale)
        tabs.degrees.use.click()
        tab = tabs.tabs["thermal"]
        assert tab.inspection is not None
        shown = tab.inspection.frames[camera]
        assert shown.unit == "kelvin"
        assert float(shown.pixels.max()) == pytest.approx(74.25 + 273.15, abs=0.1)
    answer = Prediction("heat", "thermal", "right", (), Region(0, 0, 80, 60), Temperatures(340.0, 310.0, 290.0, "predicted"))
    told = Inspection("P1", 1, Verdict.NOT_INSPECTED, (), frames, (answer,), "", 0, 1.0)
    tabs.set_inspection(told, None)
    press(tabs, qtbot, "Grey values in degrees…")
    assert tabs.degrees is not None
    assert tabs.degrees.accessibleName() == "What the values are in degrees: right"
    assert tabs.degrees.table.selected_key() == KEYS.index("optris")
