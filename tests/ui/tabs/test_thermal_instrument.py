"""The thermal tab as an instrument: tools drawn and kept, isotherms, conditions, differences, hot spots, and what is saved."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from pytestqt.qtbot import QtBot

from inspector.core.storage.paths import user_config
from inspector.core.types import Frame, Inspection, Verdict
from inspector.imaging.files import read_page
from inspector.imaging.image import Reading, Scene
from inspector.imaging.measuring import PlacedTool, ToolHistory, ToolReading, parse_tool
from inspector.imaging.thermography import Ellipse, Line, Polygon, Rectangle, Spot, measure_tool, tool_text
from inspector.recipes.recipe import Recipe
from inspector.ui.canvas.overlays import ToolMark
from inspector.ui.tabs.instrument.kept import FILE, KeptTools
from inspector.ui.tabs.thermal import ThermalTab
from tests.imaging.test_radiometric import SCENE, fff, raw_values
from tests.ui.making import make_frame, make_kelvin, make_recipe


@pytest.fixture(autouse=True)
def _no_tools_left() -> Iterator[None]:
    """Tools are kept in the user's folder, which all tests of this process share."""
    yield
    (user_config() / FILE).unlink(missing_ok=True)


@pytest.fixture
def recipe() -> Recipe:
    return make_recipe()


@pytest.fixture
def tab(qtbot: QtBot, recipe: Recipe) -> ThermalTab:
    tab = ThermalTab()
    tab.resize(1200, 800)
    qtbot.addWidget(tab)
    tab.show()
    tab.set_inspection(seen(make_kelvin()), recipe)
    return tab


def mouse_move(to: QPoint) -> QMouseEvent:
    left = Qt.MouseButton.LeftButton
    return QMouseEvent(QEvent.Type.MouseMove, QPointF(to), QPointF(to), left, left, Qt.KeyboardModifier.NoModifier)


def seen(frame: Frame, *, part: str = "P") -> Inspection:
    return Inspection(part, 0, Verdict.OK, (), {frame.camera: frame}, (), "r", 1, 1.0)


def at(tab: ThermalTab, x: int, y: int) -> QPoint:
    return QPoint(*(round(value) for value in tab.canvas.placement().to_view(x + 0.5, y + 0.5)))


def drag(tab: ThermalTab, qtbot: QtBot, start: tuple[int, int], end: tuple[int, int]) -> None:
    qtbot.mousePress(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, *start))
    qtbot.mouseMove(tab.canvas, at(tab, *end))
    qtbot.mouseRelease(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, *end))


def drawn(tab: ThermalTab) -> list[object]:
    return [one.tool for one in tab.instrument.tools]


def test_every_tool_is_drawn_by_hand_and_measures_as_the_command_does(tab: ThermalTab, qtbot: QtBot, recipe: Recipe) -> None:
    buttons = tab.instrument.buttons.buttons
    buttons["spot"].click()
    qtbot.mouseClick(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, 21, 8))
    for kind, start, end in (("line", (2, 3), (30, 20)), ("rectangle", (30, 20), (10, 5)), ("ellipse", (4, 4), (20, 20))):
        buttons[kind].click()  # type: ignore[index]
        drag(tab, qtbot, start, end)
    buttons["polygon"].click()
    for corner in ((2, 2), (30, 4), (15, 25)):
        qtbot.mouseClick(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, *corner))
    qtbot.mouseDClick(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, 15, 25))
    expected = [
        Spot(21, 8),
        Line(2, 3, 30, 20),
        Rectangle(10, 5, 21, 16),
        Ellipse(4, 4, 17, 17),
        Polygon(((2, 2), (30, 4), (15, 25))),
    ]
    assert drawn(tab) == expected
    assert not any(button.isChecked() for button in buttons.values())
    panel, kelvin = tab.instrument.panel, np.asarray(make_kelvin().pixels, np.float32)
    for row, tool in enumerate(expected):
        value = measure_tool(kelvin, tool)
        texts = [panel.table.item(row, column).text() for column in (1, 2, 3)]
        assert texts == [f"{number - 273.15:.1f}" for number in (value.maximum, value.mean, value.minimum)]
    panel.choose(2)
    assert "Highest at 30, 20\nLowest at 10, 5" in panel.detail.text()
    assert [mark.label.partition(":")[0] for mark in tab.canvas.overlays.tools] == ["1", "2", "3", "4", "5"]
    # Kept for this recipe and camera, and for no other.
    other = ThermalTab()
    qtbot.addWidget(other)
    other.show()
    other.set_inspection(seen(make_kelvin()), recipe)
    assert drawn(other) == expected
    other.set_inspection(seen(make_kelvin()), recipe.model_copy(update={"name": "another"}))
    assert drawn(other) == []
    tab.instrument.panel.choose(0)
    tab.instrument.buttons.remove.click()
    assert drawn(tab) == expected[1:]
    assert [one.tool for one in KeptTools().read(recipe.name, "thermal")] == expected[1:]


def test_a_tool_is_drawn_with_keys_alone(tab: ThermalTab, qtbot: QtBot) -> None:
    tab.instrument.buttons.buttons["rectangle"].click()
    for key, modifier in (
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier),
    ):
        qtbot.keyClick(tab.canvas, key, modifier)
    assert drawn(tab) == [Rectangle(10, 15, 3, 2)]  # from the middle, 20, 15, ten to the left
    tab.instrument.buttons.buttons["line"].click()
    qtbot.keyClick(tab.canvas, Qt.Key.Key_Return)
    qtbot.keyClick(tab.canvas, Qt.Key.Key_Escape)
    assert drawn(tab) == [Rectangle(10, 15, 3, 2)]
    assert tab.instrument.drawing.kind is None


def test_only_the_tool_that_is_drawn_is_measured_while_it_moves(tab: ThermalTab, qtbot: QtBot) -> None:
    """A move of the mouse changes no other mark, and a burst of moves is shown once a displayed frame."""
    tab.instrument.set_tools([PlacedTool(Rectangle(0, 0, 5, 5))])
    isotherm = tab.instrument.isotherm
    isotherm.kind.setCurrentIndex(isotherm.kind.findData("above"))
    tab.instrument.buttons.buttons["rectangle"].click()
    qtbot.mousePress(tab.canvas, Qt.MouseButton.LeftButton, pos=at(tab, 2, 3))
    drafts, others = list[object](), list[object]()
    tab.instrument.draft_changed.connect(lambda: drafts.append(tab.canvas.overlays.tools[-1]))
    tab.instrument.changed.connect(lambda: others.append(None))
    before = tab.canvas.overlays
    for x in range(4, 38):
        tab.instrument.drawing.eventFilter(tab.canvas, mouse_move(at(tab, x, 20)))
    assert len(drafts) <= 2
    pixels = np.asarray(make_kelvin().pixels, np.float32)
    highest = measure_tool(pixels, Rectangle(2, 3, 36, 18)).maximum - 273.15
    qtbot.waitUntil(lambda: tab.canvas.overlays.tools[-1] == ToolMark(Rectangle(2, 3, 36, 18), f"{highest:.1f}"))
    assert others == []
    assert len(drafts) <= 3
    after = tab.canvas.overlays
    assert all(
        one is other for one, other in zip(before.layers + before.tools[:1], after.layers + after.tools[:1], strict=True)
    )
    small = make_frame(np.full((10, 10), 300, np.float32), camera="thermal", unit="kelvin")
    tab.set_inspection(seen(small), make_recipe())  # the tool reaches beyond it
    assert [mark.index for mark in tab.canvas.overlays.tools] == [0]


def test_units_isotherms_and_the_equalised_span(tab: ThermalTab) -> None:
    tab.instrument.set_tools([PlacedTool(Spot(0, 0))])
    tab.unit.buttons["F"].click()
    table = tab.instrument.panel.table
    assert table.item(0, 1).text() == f"{(300 - 273.15) * 9 / 5 + 32:.1f}"
    tab.unit.buttons["C"].click()
    isotherm, pixels = tab.instrument.isotherm, make_kelvin().pixels
    isotherm.kind.setCurrentIndex(isotherm.kind.findData("between"))
    isotherm.above.setValue(40.0)
    isotherm.below.setValue(50.0)
    inside = (pixels > 313.15) & (pixels < 323.15)
    assert isotherm.share.text() == f"{inside.mean():.1%}"
    (layer,) = tab.canvas.overlays.layers
    np.testing.assert_array_equal(layer.class_map > 0, inside)  # type: ignore[union-attr]
    tab.span.setCurrentIndex(tab.span.findData("equalised"))
    display = tab.canvas.display
    assert (display.equal, display.low, display.high) == (True, float(pixels.min()), float(pixels.max()))
    tab.span.setCurrentIndex(tab.span.findData("locked"))
    tab.set_inspection(seen(replace(make_kelvin(), pixels=pixels + np.float32(30))), None)
    assert tab.canvas.display.low == pytest.approx(300.0, abs=0.06)


def test_the_difference_to_a_reference_is_in_kelvin(tab: ThermalTab) -> None:
    tab.instrument.set_tools([PlacedTool(Rectangle(0, 0, 5, 5))])
    tab.unit.buttons["F"].click()
    tab.instrument.reference.click()
    later = replace(make_kelvin(), pixels=make_kelvin().pixels + np.float32(2.5), part="later")
    tab.set_inspection(seen(later), make_recipe())
    tab.instrument.compare.click()
    table = tab.instrument.panel.table
    assert [table.item(0, column).text() for column in (1, 2, 3)] == ["2.5", "2.5", "2.5"]
    assert tab.values["maximum"].text() == "2.5 K"
    assert (tab.canvas.display.low, tab.canvas.display.high) == (-2.5, 2.5)
    small = make_frame(np.full((10, 10), 300, np.float32), camera="thermal", unit="kelvin")
    tab.set_inspection(seen(small), make_recipe())
    assert "The reference is 40 x 30 pixels" in tab.instrument.problem.text()
    assert tab.values["maximum"].text() == f"{(300 - 273.15) * 9 / 5 + 32:.1f} °F"  # of the picture, which is no difference
    tab.instrument.compare.click()
    assert tab.values["maximum"].text() == f"{(300 - 273.15) * 9 / 5 + 32:.1f} °F"


def test_temperatures_over_time_are_plotted_and_saved(tab: ThermalTab, tmp_path: Path) -> None:
    tab.instrument.set_tools([PlacedTool(Spot(1, 0)), PlacedTool(Rectangle(0, 0, 2, 2))])
    first = make_kelvin()
    for number in range(4):
        pixels = first.pixels + np.float32(number)
        tab.set_inspection(seen(replace(first, pixels=pixels, sequence=number, part=f"P{number}")), make_recipe())
    assert tab.instrument.over_time is not None
    assert [len(curve.getData()[1]) for curve in tab.instrument.over_time.curves] == [5, 5]  # and the frame of the fixture
    assert "a minute" not in tab.instrument.panel.detail.text()
    tab.instrument.panel.choose(1)
    assert "a minute" in tab.instrument.panel.detail.text()
    tab.save.save("time", tmp_path / "time.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "time.csv").read_text("utf-8-sig"))))
    assert [float(row["maximum"]) for row in rows if row["tool"] == "spot 1,0"][-4:] == pytest.approx(
        [301 + n - 273.15 for n in range(4)], abs=1e-3
    )


def test_the_temperatures_along_a_line_are_plotted_found_in_the_picture_and_saved(
    tab: ThermalTab, qtbot: QtBot, tmp_path: Path
) -> None:
    instrument = tab.instrument
    assert instrument.line is None
    instrument.set_tools([PlacedTool(Spot(1, 1)), PlacedTool(Line(4, 2, 14, 2)), PlacedTool(Line(0, 0, 0, 9))])
    assert instrument.line is not None
    places, values = instrument.line.curve.getData()
    assert places.tolist() == list(range(11))
    assert values == pytest.approx([301 + 4 + n - 273.15 for n in range(11)], abs=1e-3)  # 300 + x + y / 2
    instrument.panel.choose(2)
    assert instrument.line.curve.getData()[1] == pytest.approx([300 + n / 2 - 273.15 for n in range(10)], abs=1e-3)
    instrument.panel.choose(0)  # no line: the first one
    assert len(instrument.line.curve.getData()[1]) == 11
    instrument.line.plot.view.setFocus()
    for _ in range(3):
        qtbot.keyClick(instrument.line.plot.view, Qt.Key.Key_Right)
    assert instrument.line.at == 2
    assert instrument.line.value.text() == f"Pixel 2: {301 + 6 - 273.15:.1f} °C"
    qtbot.waitUntil(lambda: tab.canvas.overlays.tools[-1].tool == Spot(6, 2))
    tab.save.save("line", tmp_path / "l.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "l.csv").read_text("utf-8-sig"))))
    assert [(row["x"], row["y"]) for row in rows] == [(str(x), "2") for x in range(4, 15)]
    assert [float(row["C"]) for row in rows] == pytest.approx(values, abs=1e-3)
    # Live: the next frame moves the curve, and the cursor stays.
    warmer = replace(make_kelvin(), pixels=make_kelvin().pixels + np.float32(5), sequence=1, part="P1")
    tab.set_inspection(seen(warmer), make_recipe())
    assert instrument.line.curve.getData()[1] == pytest.approx([values[n] + 5 for n in range(11)], abs=1e-3)
    assert tab.canvas.overlays.tools[-1].tool == Spot(6, 2)
    instrument.set_tools([PlacedTool(Spot(1, 1))])
    assert not instrument.line.isVisibleTo(instrument)
    assert [mark.index for mark in tab.canvas.overlays.tools] == [0]
    tab.save.save("line", tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text("utf-8-sig") == ""


def test_picture_numbers_and_report_are_saved(tab: ThermalTab, tmp_path: Path) -> None:
    tab.instrument.set_tools([PlacedTool(Rectangle(0, 0, 5, 5)), PlacedTool(Line(0, 0, 9, 9))])
    for what, name in (("picture", "p.png"), ("numbers", "n.csv"), ("report", "r.html")):
        tab.save.save(what, tmp_path / name)
    picture = cv2.imread(str(tmp_path / "p.png"))
    assert picture.shape[0] == 30 * 32
    numbers = (tmp_path / "n.csv").read_text("utf-8-sig")
    assert f"1 Box,{300 - 273.15:.1f},{306 - 273.15:.1f}" in numbers
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "data:image/png;base64," in page
    assert "<td>2 Line</td>" in page
    assert "measured by the camera" in page
    tab.save.failed.connect(lambda error: None)
    (tmp_path / "file").write_bytes(b"")
    tab.save.save("report", tmp_path / "file" / "r.html")
    assert tab.note.text()


def test_own_conditions_need_the_camera_s_raw_values(tab: ThermalTab, qtbot: QtBot, tmp_path: Path) -> None:
    tab.instrument.conditions.own.click()
    assert "does not hold a camera's raw values" in tab.instrument.problem.text()
    assert not tab.instrument.conditions.own.isChecked()
    file = tmp_path / "part.fff"
    file.write_bytes(fff(raw_values(0.0), SCENE, "<", png=False))
    image = read_page(file, 0)
    frame = make_frame(np.asarray(image.pixels), camera="thermal", unit="kelvin")
    tab.set_inspection(seen(replace(frame, source=str(file))), None)
    before = np.array(tab.canvas.frame.pixels)  # type: ignore[union-attr]
    tab.instrument.conditions.own.click()
    assert tab.instrument.problem.text() == ""
    np.testing.assert_array_equal(tab.canvas.frame.pixels, before)  # type: ignore[union-attr]  # nothing is changed yet
    tab.instrument.conditions.fields["emissivity"].setValue(0.5)
    expected = np.asarray(read_page(file, 0, Reading(scene=Scene(emissivity=0.5))).pixels)
    np.testing.assert_array_equal(tab.canvas.frame.pixels, expected)  # type: ignore[union-attr]
    tab.instrument.conditions.own.click()
    tab.instrument.set_tools([PlacedTool(Rectangle(0, 0, 2, 2), 0.5)])
    pixels = tab.canvas.frame.pixels  # type: ignore[union-attr]
    np.testing.assert_array_equal(pixels[:2, :2], expected[:2, :2])
    np.testing.assert_array_equal(pixels[2:, 2:], before[2:, 2:])


def test_conditions_that_nobody_set_are_those_of_the_picture_shown(tab: ThermalTab, tmp_path: Path) -> None:
    conditions = tab.instrument.conditions
    for name, emissivity in (("first", 0.9), ("second", 0.6)):
        file = tmp_path / f"{name}.fff"
        file.write_bytes(fff(raw_values(0.0), replace(SCENE, emissivity=emissivity), "<", png=False))
        frame = make_frame(np.asarray(read_page(file, 0).pixels), camera="thermal", unit="kelvin")
        tab.set_inspection(seen(replace(frame, source=str(file))), None)
        if name == "first":
            conditions.own.click()
            conditions.fields["humidity"].setValue(33.0)
        assert conditions.rows()[0] == ("Emissivity", f"{emissivity:.2f}")
        assert conditions.rows()[3][1].startswith("33")
        assert tab.instrument.shown.scene == Scene(humidity=0.33)


def test_hot_spots_over_their_surroundings_are_followed(qtbot: QtBot, recipe: Recipe) -> None:
    tab = ThermalTab()
    qtbot.addWidget(tab)
    tab.show()
    tab.instrument.hot_spots.on.click()
    for number in range(3):
        pixels = np.full((80, 100), 300, np.float32)
        pixels[40:44, 50:54] += 10 + 2 * number
        frame = make_frame(pixels, camera="thermal", unit="kelvin")
        tab.set_inspection(seen(replace(frame, sequence=number, part=f"P{number}")), recipe)
    assert tab.table.rowCount() == 1
    assert [tab.table.item(0, column).text() for column in (1, 3, 4)] == [f"{314 - 273.15:.1f}", "+14.0", "+2.00"]
    # Compared with a picture, the same frame has other temperatures, and no time has passed.
    tab.instrument.reference.click()
    tab.instrument.compare.click()
    assert tab.table.rowCount() == 0
    tab.instrument.compare.click()
    assert tab.table.item(0, 4).text() == "–"


def test_colours_that_are_no_temperatures_cannot_be_measured(qtbot: QtBot, recipe: Recipe) -> None:
    from tests.ui.tabs.test_tabs import make_inspection

    tab = ThermalTab()
    qtbot.addWidget(tab)
    tab.show()
    whole = make_inspection(recipe)
    colours = make_frame(camera="thermal")
    predicted = [
        replace(one, answer=replace(one.answer, source="predicted"))  # type: ignore[type-var, call-arg]
        for one in whole.predictions
        if one.task == "thermal"
    ]
    tab.set_inspection(replace(whole, frames={"thermal": colours}, predictions=tuple(predicted)), recipe)
    assert tab.values["source"].text() == "predicted, not measured"
    assert not tab.instrument.isEnabled()
    assert not tab.instrument.buttons.isEnabled()


def test_a_prediction_from_colours_is_shown_whatever_was_set_for_temperatures(tab: ThermalTab, recipe: Recipe) -> None:
    """Neither a tool's own emissivity nor a reference makes grey levels into temperatures."""
    from tests.ui.tabs.test_tabs import make_inspection

    tab.instrument.set_tools([PlacedTool(Spot(1, 1), 0.5)])
    tab.instrument.set_tools([PlacedTool(Spot(1, 1))])
    tab.instrument.reference.click()
    tab.instrument.compare.click()
    assert tab.values["maximum"].text().endswith(" K")
    whole = make_inspection(recipe)
    (one,) = [found for found in whole.predictions if found.task == "thermal"]
    one = replace(one, answer=replace(one.answer, source="predicted"))  # type: ignore[type-var, call-arg]
    colours = make_frame(camera="thermal")
    for tools in ((), (PlacedTool(Spot(1, 1), 0.5),)):
        tab.instrument.tools = tools
        tab.set_inspection(replace(whole, frames={"thermal": colours}, predictions=(one,)), recipe)
        assert tab.values["source"].text() == "predicted, not measured"
        assert tab.values["maximum"].text() == f"{one.answer.maximum - 273.15:.1f} °C"  # type: ignore[union-attr]
    tab.instrument.tools = ()
    tab.set_inspection(seen(make_kelvin()), recipe)
    assert tab.values["maximum"].text() == "0.0 K"


def test_limits_of_a_difference_are_in_kelvin(tab: ThermalTab) -> None:
    isotherm = tab.instrument.isotherm
    isotherm.kind.setCurrentIndex(isotherm.kind.findData("above"))
    isotherm.above.setValue(20.0)
    tab.instrument.reference.click()
    tab.instrument.compare.click()
    assert isotherm.labels["above"].text() == "Hotter than, K"
    assert isotherm.above.value() == pytest.approx(293.15, abs=0.06)
    isotherm.above.setValue(2.0)
    later = replace(make_kelvin(), pixels=make_kelvin().pixels + np.float32(2.5), part="later")
    tab.set_inspection(seen(later), make_recipe())
    assert isotherm.share.text() == "100.0%"
    tab.instrument.compare.click()
    assert isotherm.labels["above"].text() == "Hotter than, °C"


def test_a_part_that_is_held_does_not_mix_its_number_with_seconds(tab: ThermalTab) -> None:
    tab.instrument.set_tools([PlacedTool(Spot(1, 0))])
    first = make_kelvin()
    for number in range(3):
        tab.set_frozen(number == 2)
        tab.set_inspection(seen(replace(first, sequence=number, part=f"P{number}")), make_recipe())
    assert max(tab.instrument.history.course(0)[0]) < 60  # seconds
    assert tab.instrument.history.course(0, by_number=True)[0][-1] == 2


def test_tools_are_read_back_from_their_text_and_a_damaged_file_is_empty(tmp_path: Path) -> None:
    tools = [Spot(1, 2), Line(1, 2, 3, 4), Rectangle(1, 2, 3, 4), Ellipse(1, 2, 3, 4), Polygon(((1, 2), (3, 4), (5, 1)))]
    assert [parse_tool(tool_text(tool)) for tool in tools] == tools
    for text in ("spot 1", "box 1,2,3", "polygon 1,2 3,4", "ruler 1,2", "spot a,b"):
        with pytest.raises(ValueError, match=r"tool|invalid literal"):
            parse_tool(text)
    kept = KeptTools(tmp_path / "tools.json")
    (tmp_path / "tools.json").write_text("{")
    assert kept.read("r", "c") == ()
    (tmp_path / "tools.json").write_text(json.dumps({"r/c": [{"tool": "spot 1,2", "emissivity": 7}, {"tool": "spot 3,4"}, 5]}))
    assert kept.read("r", "c") == (PlacedTool(Spot(3, 4)),)


def test_the_rise_of_a_tool_is_per_minute() -> None:
    history, frame = ToolHistory(), make_kelvin()
    value = measure_tool(np.asarray(frame.pixels, np.float32), Spot(0, 0))
    assert history.rise(0) is None
    for number in range(5):
        reading = ToolReading(number, 10.0 * number, frame.utc, "", (replace(value, maximum=300 + 0.5 * number),))
        assert history.add(reading)
        assert not history.add(reading)
    assert history.rise(0) == pytest.approx(3.0)
