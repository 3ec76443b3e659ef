"""A colour of a thermal picture means the same temperature in every frame, and a bar says which."""

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from inspector.core.types import KELVIN_AT_0_C, Frame, Verdict
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.canvas.painting import SCALE_WIDTH
from inspector.ui.canvas.rendering import Display
from inspector.ui.canvas.thermal_scale import AT_START, ThermalScale, limits_of
from inspector.ui.inspect.feed import Feed
from inspector.ui.shell.main_window import MainWindow
from tests.ui.line_double import Conductor
from tests.ui.making import make_frame, picture_of


def celsius(*rows: list[float]) -> Frame:
    return make_frame(np.array(rows, np.float32) + np.float32(KELVIN_AT_0_C), camera="thermal", unit="kelvin")


def shown(scale: ThermalScale, frame: Frame, *limits: float) -> tuple[float, float]:
    low, high = scale.range_for(frame, [limit + KELVIN_AT_0_C for limit in limits])
    return round(low - KELVIN_AT_0_C, 3), round(high - KELVIN_AT_0_C, 3)


def test_a_healthy_motor_is_not_white() -> None:
    """With a limit of 90 degrees, 45 degrees are the hottest of the frame and still in the lower half of the colours."""
    scale = ThermalScale()
    low, high = shown(scale, celsius([22, 25], [30, 45]), 80.0, 90.0)
    assert (low, high) == (20.0, 110.0)
    assert (45 - low) / (high - low) < 0.5
    assert shown(scale, celsius([22, 25], [30, 140]), 80.0, 90.0) == (20.0, 110.0)  # too hot is white, and stays so


def test_without_limits_the_range_only_grows() -> None:
    scale = ThermalScale()
    assert shown(scale, celsius([24, 31])) == (20.0, 70.0)
    assert shown(scale, celsius([24, 83])) == (20.0, 90.0)
    assert shown(scale, celsius([8, 30])) == (0.0, 90.0)
    assert shown(scale, celsius([24, 31])) == (0.0, 90.0)
    assert shown(scale, celsius([24, 31]), 60.0) == (20.0, 70.0)  # another recipe begins anew


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_without_a_temperature_change_nothing(value: float) -> None:
    scale = ThermalScale()
    assert scale.range_for(celsius([value, value])) == AT_START
    assert shown(scale, celsius([24, value], [31, 40])) == (20.0, 70.0)


def recipe(*rules: Rule) -> Recipe:
    return Recipe(
        name="heat",
        cameras={"thermal": CameraModel(source="usb:0"), "visible": CameraModel(source="usb:1", mm_per_px=1.0)},
        inspect=(InspectModel(bundle="heat", camera="thermal"), InspectModel(bundle="boxes", camera="visible")),
        rules=rules,
    )


def test_limits_are_those_of_the_cameras_temperatures() -> None:
    rules = (
        Rule(bundle="heat", quantity="temperature_max", limit=90.0, review=80.0),
        Rule(bundle="heat", quantity="temperature_max", limit=12.0, baseline_parts=10),  # kelvin above the last good parts
        Rule(bundle="heat", quantity="hot_spots", limit=3),
        Rule(bundle="boxes", quantity="count", limit=2),
    )
    assert limits_of(recipe(*rules), "thermal") == (80.0 + KELVIN_AT_0_C, 90.0 + KELVIN_AT_0_C)
    assert limits_of(recipe(*rules), "visible") == ()
    assert limits_of(None, "thermal") == ()


def test_a_limit_of_a_place_belongs_to_the_camera_that_sees_it() -> None:
    """Two cameras with the same bundle: a limit of the motor's place must not stretch the colours of the bearing's camera."""
    given = Recipe(
        name="heat",
        cameras={"left": CameraModel(source="usb:0"), "right": CameraModel(source="usb:1")},
        inspect=(
            InspectModel(bundle="heat", camera="left", place="motor"),
            InspectModel(bundle="heat", camera="right", place="bearing"),
        ),
        rules=(
            Rule(bundle="heat", quantity="temperature_max", limit=120.0, place="motor"),
            Rule(bundle="heat", quantity="temperature_max", limit=60.0, place="bearing"),
            Rule(bundle="heat", quantity="temperature_mean", limit=150.0),
        ),
    )
    found = {camera: [round(one - KELVIN_AT_0_C) for one in limits_of(given, camera)] for camera in given.cameras}
    assert found == {"left": [120, 150], "right": [60, 150]}


def test_the_same_temperature_has_the_same_colour_in_two_frames(qtbot: QtBot) -> None:
    feed = Feed(ViewLink())
    qtbot.addWidget(feed)
    feed.resize(640, 480)
    feed.set_cameras(("thermal",))
    feed.show()
    from dataclasses import replace

    from tests.ui.line_double import inspection

    given = recipe(Rule(bundle="heat", quantity="temperature_max", limit=90.0))
    part = inspection(0, Verdict.OK)
    colors = []
    for hottest in (41.0, 88.0):
        frame = celsius([40.0] * 8, [40.0] * 7 + [hottest])
        feed.set_inspection(replace(part, frames={"thermal": frame}, predictions=()), given)
        canvas = feed.canvases["thermal"]
        x, y = canvas.placement().to_view(1.5, 0.5)
        colors.append(picture_of(canvas)[round(y), round(x)].tolist())
    assert colors[0] == colors[1]


def test_the_bar_stands_beside_the_picture_and_not_on_it(qtbot: QtBot) -> None:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    canvas.set_scale_shown(True)
    canvas.set_display(Display(290.0, 370.0))
    canvas.show_frame(celsius([20.0, 90.0], [30.0, 40.0]))
    right = canvas.placement().to_view(2.0, 1.0)[0]
    assert right <= 400 - SCALE_WIDTH
    column = picture_of(canvas)[:, 400 - 12].astype(int).sum(axis=1)
    assert 30 < column.argmax() < 120  # the brightest end is the upper one
    canvas.show_frame(make_frame())
    assert canvas.placement().to_view(80.0, 30.0)[0] == pytest.approx(400)  # none beside a colour frame


def test_the_window_shows_the_bar(window: MainWindow, qtbot: QtBot, conductor: Conductor) -> None:
    window.inspect.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and window.inspect.running)
    seen = []
    for index in range(4):
        done = conductor.station.judge(index, Verdict.OK)
        qtbot.waitUntil(lambda done=done: window.inspect.feed.inspection is done)
        display = window.inspect.feed.canvases["thermal"].display
        seen.append((display.low, display.high))
    lows, highs = zip(*seen, strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
