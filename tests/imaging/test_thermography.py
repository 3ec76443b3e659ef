"""Tools, isotherms and hot spots on temperatures whose values are known."""

import math

import numpy as np
import pytest

from inspector.bench.hot_spots import measure_spots
from inspector.core.errors import ConfigError
from inspector.core.types import Floats
from inspector.imaging.thermography import (
    Ellipse,
    Line,
    Polygon,
    Rectangle,
    Spot,
    SpotTracker,
    Tool,
    isotherm,
    local_spots,
    measure_tool,
    pixels_of,
    profile,
)

RAMP = (300 + np.arange(40)[None, :] + 100 * np.arange(30)[:, None]).astype(np.float32)  # 300 + x + 100 y


@pytest.mark.parametrize(
    ("tool", "minimum", "maximum", "mean", "pixels"),
    [
        (Spot(7, 3), 607, 607, 607, 1),
        (Line(2, 1, 12, 1), 402, 412, 407, 11),
        (Line(12, 1, 2, 1), 402, 412, 407, 11),
        (Line(0, 0, 4, 4), 300, 704, 502, 5),
        (Rectangle(10, 5, 3, 2), 810, 912, 861, 6),
        (Ellipse(10, 5, 1, 1), 810, 810, 810, 1),
        (Polygon(((10, 5), (12, 5), (12, 6), (10, 6))), 810, 912, 861, 6),
    ],
)
def test_the_values_under_a_tool(tool: Tool, minimum: float, maximum: float, mean: float, pixels: int) -> None:
    found = measure_tool(RAMP, tool)
    assert (found.minimum, found.maximum, found.pixels) == (minimum, maximum, pixels)
    assert found.mean == pytest.approx(mean)
    assert found.hottest is not None
    x, y = found.hottest
    assert RAMP[y, x] == maximum


def test_an_ellipse_has_the_area_of_an_ellipse_and_is_symmetric() -> None:
    rows, columns = pixels_of(Ellipse(3, 2, 30, 20), RAMP.shape)
    assert len(rows) == pytest.approx(math.pi * 15 * 10, rel=0.02)
    plane = np.zeros(RAMP.shape, bool)
    plane[rows, columns] = True
    inside = plane[2:22, 3:33]
    assert np.array_equal(inside, inside[::-1])
    assert np.array_equal(inside, inside[:, ::-1])


def test_pixels_without_a_temperature_count_nowhere() -> None:
    kelvin = RAMP.copy()
    kelvin[5, 10:12] = np.nan
    found = measure_tool(kelvin, Rectangle(10, 5, 3, 1))
    assert (found.minimum, found.maximum, found.pixels) == (812, 812, 1)
    nothing = measure_tool(kelvin, Spot(10, 5))
    assert nothing.pixels == 0
    assert nothing.hottest is None
    assert math.isnan(nothing.mean)
    assert not isotherm(kelvin, above=0)[5, 10]


@pytest.mark.parametrize(
    "tool",
    [Spot(40, 0), Line(0, 0, 0, 30), Rectangle(39, 0, 2, 1), Rectangle(0, 0, 0, 3), Polygon(((0, 0), (1, 1)))],
)
def test_a_tool_beyond_the_image_is_refused(tool: Tool) -> None:
    with pytest.raises(ConfigError, match=r"40 x 30|3 points"):
        measure_tool(RAMP, tool)


def test_profile_and_isotherm() -> None:
    assert profile(RAMP, Line(3, 2, 6, 2)).tolist() == [503, 504, 505, 506]
    between = isotherm(RAMP, above=500, below=503)
    assert np.argwhere(between).tolist() == [[2, 1], [2, 2]]


def test_a_hot_spot_on_a_slope_is_told_by_its_surroundings() -> None:
    rng = np.random.default_rng(0)
    kelvin = (300 + np.linspace(0, 60, 200)[None, :] + rng.normal(0, 0.1, (150, 200))).astype(np.float32)
    kelvin[40:44, 30:35] += 8.0  # colder than the bare slope on the right
    kelvin[0, 0] = np.nan
    (found,) = local_spots(kelvin, delta=5.0, radius=6, min_area=4)
    assert found.spot.area_px == 20
    assert 30 <= found.spot.x < 35
    assert 40 <= found.spot.y < 44
    assert found.delta == pytest.approx(8.0, abs=0.7)
    with pytest.raises(ConfigError, match="above 0 K"):
        local_spots(kelvin, delta=0.0, radius=6)


def test_a_spot_that_moves_and_grows_is_one_event() -> None:
    tracker = SpotTracker(reach=5.0, patience=1)
    rng = np.random.default_rng(0)

    def frame(number: int, *, shown: bool = True, second: bool = False) -> Floats:
        kelvin = (300 + rng.normal(0, 0.05, (80, 80))).astype(np.float32)
        if shown:
            kelvin[20:24, 20 + number : 24 + number] += 10 + 2 * number
        if second:
            kelvin[60:63, 60:63] += 20
        return kelvin

    for number in range(5):
        events = tracker.step(local_spots(frame(number, second=number == 3), delta=5, radius=5))
    (first, other) = events
    assert (first.number, first.seen) == (1, 5)
    assert first.trend == pytest.approx(2.0, abs=0.1)
    assert (other.number, other.missed) == (2, 1)
    gone = tracker.step(local_spots(frame(5, shown=False), delta=5, radius=5))
    assert [(event.number, event.missed) for event in gone] == [(1, 1)]
    assert tracker.step(()) == ()


def test_spots_of_5_kelvin_on_the_demo_line_are_found_and_warm_bodies_are_none() -> None:
    for faint in (False, True):
        quality = measure_spots(150, delta=5.0, faint=faint)
        assert quality.spots >= 30
        assert quality.recall >= 0.98
        assert quality.precision >= 0.98


def test_edges_corners_and_bars_are_no_spots_and_a_spot_at_the_border_is() -> None:
    rng = np.random.default_rng(0)
    kelvin = (300 + rng.normal(0, 0.1, (120, 160))).astype(np.float32)
    kelvin[20:70, 20:90] += 30  # a warm body
    kelvin[:, 120:126] += 15  # a pipe
    kelvin[85:90, :120] += 15  # another, which ends in it
    assert local_spots(kelvin, delta=5.0, radius=8, min_area=4) == ()
    for x, y in ((0, 0), (156, 116), (50, 40), (122, 10), (78, 60)):
        spot = kelvin.copy()
        spot[y : y + 4, x : x + 4] += 7
        (found,) = local_spots(spot, delta=5.0, radius=8, min_area=4)
        assert x <= found.spot.x < x + 4
        assert y <= found.spot.y < y + 4
        assert found.delta == pytest.approx(7, abs=0.6)
