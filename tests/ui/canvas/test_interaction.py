"""Geometry of the canvas, checked by its own inverse and by hand-worked places."""

import itertools

import numpy as np
import pytest

from inspector.core.types import HotSpot
from inspector.ui.canvas.interaction import (
    FIT,
    Placement,
    Viewport,
    held,
    hit_box,
    hit_spot,
    look_at,
    overlap,
    panned,
    pixel_at,
    place,
    place_labels,
    visible,
    zoomed,
)


def test_fit_shows_the_whole_frame_in_the_middle() -> None:
    placement = place(FIT, (800, 600), (400.0, 400.0))
    assert placement == Placement(0.5, 0.0, 50.0)
    assert placement.to_view(800, 600) == (400.0, 350.0)


def test_a_viewport_and_its_placement_are_inverse() -> None:
    viewport = Viewport(120.5, 77.25, 3.0)
    placement = place(viewport, (800, 600), (640.0, 480.0))
    assert placement.to_view(120.5, 77.25) == pytest.approx((320.0, 240.0))
    back = look_at(placement, (640.0, 480.0))
    assert (back.x, back.y, back.scale) == pytest.approx((120.5, 77.25, 3.0))


@pytest.mark.parametrize("factor", [0.5, 1.25, 3.0, 1000.0])
def test_zoom_keeps_the_point_under_the_cursor(factor: float) -> None:
    before = place(FIT, (800, 600), (640.0, 480.0))
    at = (123.0, 321.0)
    after = zoomed(before, factor, at, 0.1)
    assert after.to_frame(*at) == pytest.approx(before.to_frame(*at))
    assert 0.1 <= after.scale <= 64.0


def test_pan_moves_by_view_pixels_and_a_frame_cannot_be_lost() -> None:
    placement = panned(Placement(2.0, 10.0, 20.0), 5.0, -7.0)
    assert (placement.left, placement.top) == (15.0, 13.0)
    assert held(Viewport(-50.0, 900.0, 2.0), (800, 600)) == Viewport(0.0, 600.0, 2.0)


def test_the_pixel_under_a_point() -> None:
    placement = Placement(4.0, 100.0, 50.0)
    assert pixel_at(placement, (100.0, 50.0), (20, 10)) == (0, 0)
    assert pixel_at(placement, (103.9, 57.9), (20, 10)) == (0, 1)
    assert pixel_at(placement, (99.9, 55.0), (20, 10)) is None
    assert pixel_at(placement, (180.0, 55.0), (20, 10)) is None


def test_only_pixels_in_sight_are_visible() -> None:
    assert visible(Placement(2.0, -10.0, 0.0), (100, 100), (20.0, 10.0)) == (5, 0, 16, 6)
    assert visible(Placement(2.0, 500.0, 0.0), (100, 100), (20.0, 10.0)) is None


def test_the_smallest_box_under_the_cursor_is_hit() -> None:
    boxes = [(0.0, 0.0, 100.0, 100.0), (10.0, 10.0, 20.0, 20.0), (50.0, 50.0, 60.0, 60.0)]
    assert hit_box(boxes, 15.0, 15.0) == 1
    assert hit_box(boxes, 30.0, 30.0) == 0
    assert hit_box(boxes, 101.0, 50.0) is None
    assert hit_box(boxes, 101.0, 50.0, margin=2.0) == 0


def test_the_nearest_hot_spot_within_reach_is_hit() -> None:
    spots = [HotSpot(10, 10, 350.0, 4.0), HotSpot(14, 10, 340.0, 4.0)]
    assert hit_spot(spots, 13.0, 10.5, 5.0) == 1
    assert hit_spot(spots, 11.0, 10.5, 5.0) == 0
    assert hit_spot(spots, 30.0, 30.0, 5.0) is None


def test_labels_of_crowded_boxes_do_not_cover_each_other() -> None:
    anchors = [(100.0 + 4 * n, 100.0, 140.0 + 4 * n, 130.0) for n in range(4)]
    places = place_labels(anchors, [(60.0, 18.0)] * 4, (400.0, 300.0))
    assert all(overlap(a, b) == 0 for a, b in itertools.combinations(places, 2))


def test_labels_stay_in_sight() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(-20, 380, (30, 2))
    anchors = [(float(x), float(y), float(x) + 30, float(y) + 30) for x, y in corners]
    for left, top, right, bottom in place_labels(anchors, [(60.0, 18.0)] * 30, (400.0, 300.0)):
        assert left >= 0
        assert top >= 0
        assert right <= 400
        assert bottom <= 300


def test_labels_keep_off_what_is_to_be_seen() -> None:
    anchors = [(100.0, 100.0, 120.0, 120.0)]
    (free,) = place_labels(anchors, [(60.0, 18.0)], (400.0, 300.0))
    assert free[3] == 100.0  # above
    (moved,) = place_labels(anchors, [(60.0, 18.0)], (400.0, 300.0), avoid=[(110.0, 80.0, 150.0, 100.0)])
    assert overlap(moved, (110.0, 80.0, 150.0, 100.0)) == 0
