"""The canvas as a person uses it: wheel, keys, drag, read-out, overlays, linked views."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from inspector.core.types import HotSpot, Region
from inspector.tasks.masks import class_map
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.canvas.interaction import FIT
from inspector.ui.canvas.overlays import NOTHING, ClassLayer, HeatLayer, Overlays, RegionMark, box_marks, spot_marks
from inspector.ui.canvas.rendering import Display
from inspector.ui.shell import theme
from tests.ui.making import INNER, make_boxes, make_frame, make_kelvin, make_mask, picture_of, pixels_of, wheel


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    canvas.resize(400, 300)  # a frame of 80 x 60 is shown at scale 5
    qtbot.addWidget(canvas)
    canvas.show()
    canvas.show_frame(make_frame())
    return canvas


def test_the_frame_fills_the_view_and_colours_are_right(canvas: Canvas) -> None:
    shown = picture_of(canvas)
    assert shown[12 * 5 + 2, 34 * 5 + 2].tolist() == [34, 12, 7]


def test_wheel_keeps_the_pixel_under_the_cursor(canvas: Canvas) -> None:
    at = (133.0, 71.0)
    before = canvas.placement().to_frame(*at)
    wheel(canvas, at, 3)
    assert canvas.placement().scale == pytest.approx(5 * 1.25**3)
    assert canvas.placement().to_frame(*at) == pytest.approx(before)
    wheel(canvas, at, -1)
    assert canvas.placement().to_frame(*at) == pytest.approx(before)


def test_keys_zoom_fit_and_move(canvas: Canvas, qtbot: QtBot) -> None:
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    assert canvas.placement().scale == pytest.approx(6.25)
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    assert canvas.placement().scale == pytest.approx(1.0 / canvas.devicePixelRatioF())
    qtbot.keyClick(canvas, Qt.Key.Key_F)
    assert canvas.link.viewport("visible") == FIT
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    left = canvas.placement().left
    qtbot.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.placement().left == pytest.approx(left - theme.SPACING * 8)


def test_double_click_fits_again(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.zoom_in()
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert canvas.placement().scale == pytest.approx(5.0)


def test_a_drag_moves_the_frame_and_selects_nothing(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_overlays(Overlays(boxes=box_marks(make_boxes(), 0.0)), key="boxes")
    canvas.zoom_in()
    left, top = canvas.placement().left, canvas.placement().top
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    qtbot.mouseMove(canvas, QPoint(215, 140))
    qtbot.mouseMove(canvas, QPoint(230, 130))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(230, 130))
    assert canvas.placement().left == pytest.approx(left + 30)
    assert canvas.placement().top == pytest.approx(top - 20)
    assert canvas.link.selection("boxes") is None


def test_the_read_out_is_exact(canvas: Canvas, qtbot: QtBot) -> None:
    qtbot.mouseMove(canvas, QPoint(34 * 5 + 2, 12 * 5 + 2))
    assert canvas.readout() == "x 34   y 12   RGB 34 12 7"
    grey = np.full((60, 80), 4321, np.uint16)
    canvas.show_frame(make_frame(grey))
    assert canvas.readout() == "x 34   y 12   grey 4321"


def test_the_cursor_temperature_is_exact_in_both_units(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_frame(make_kelvin())  # 40 x 30: scale 10
    qtbot.mouseMove(canvas, QPoint(21 * 10 + 5, 8 * 10 + 5))
    assert canvas.readout().endswith("51.9 °C")
    canvas.set_unit("K")
    assert canvas.readout().endswith("325.0 K")


def test_a_smaller_frame_under_the_cursor_does_not_break_the_read_out(canvas: Canvas, qtbot: QtBot) -> None:
    qtbot.mouseMove(canvas, QPoint(395, 295))
    canvas.show_frame(make_kelvin())
    canvas.show_frame(make_frame(np.zeros((2, 2), np.uint8)))
    picture_of(canvas)
    canvas.show_frame(None)
    picture_of(canvas)
    assert canvas.readout() == ""


def test_a_click_selects_the_box_and_elsewhere_nothing(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_overlays(Overlays(boxes=box_marks(make_boxes(), 0.0)), key="boxes")
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(55 * 5, 40 * 5))
    assert canvas.link.selection("boxes") == 1
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(75 * 5, 5 * 5))
    assert canvas.link.selection("boxes") is None


def test_the_selected_box_looks_different(canvas: Canvas) -> None:
    canvas.set_overlays(Overlays(boxes=box_marks(make_boxes(), 0.0)), key="boxes")
    plain = picture_of(canvas)
    canvas.link.select("boxes", 1)
    assert (picture_of(canvas) != plain).any()


def test_boxes_have_their_class_colour_at_any_zoom(canvas: Canvas) -> None:
    canvas.set_overlays(Overlays(boxes=box_marks(make_boxes(), 0.5)), key="boxes")
    color = theme.current().class_color(0)
    expected = [color.red(), color.green(), color.blue()]
    assert picture_of(canvas)[10 * 5 + 20, 10 * 5].tolist() == expected
    canvas.zoom_in()
    x, y = canvas.placement().to_view(10, 14)
    assert picture_of(canvas)[round(y), round(x)].tolist() == expected


def test_opacity_blends_the_mask(canvas: Canvas) -> None:
    mask = make_mask()
    canvas.set_overlays(Overlays(layers=(ClassLayer(INNER, class_map(mask, 0.5)),)))
    color = theme.current().class_color(0)
    x, y = INNER.x + 5, INNER.y + 4  # inside the scratch
    for opacity in (0.0, 0.25, 1.0):
        canvas.set_opacity(opacity)
        seen = picture_of(canvas)[y * 5 + 2, x * 5 + 2]
        mixed = (1 - opacity) * np.array([x, y, 7]) + opacity * np.array([color.red(), color.green(), color.blue()])
        assert np.abs(seen - mixed).max() <= 2
    outside = picture_of(canvas)[5 * 5 + 2, 5 * 5 + 2]
    assert outside.tolist() == [5, 5, 7]


def test_a_layer_lies_on_its_region_at_any_zoom(canvas: Canvas) -> None:
    values = np.zeros((30, 40), np.float32)
    values[10, 20] = 1.0
    canvas.set_opacity(1.0)
    canvas.set_overlays(Overlays(layers=(HeatLayer.of(values, INNER),)))
    for _ in range(3):
        canvas.zoom_in()
        x, y = canvas.placement().to_view(INNER.x + 20.5, INNER.y + 10.5)
        seen = picture_of(canvas).astype(int)[..., 0]
        around = seen[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean()
        assert around > 150  # the frame itself has a red of 30 there


def test_heat_of_any_size_is_brought_to_the_region() -> None:
    layer = HeatLayer.of(np.ones((7, 5), np.float32) * 1.5, INNER)
    assert layer.values.shape == (INNER.height, INNER.width)
    assert layer.values.max() == 1.0
    with pytest.raises(ValueError, match="class map"):
        ClassLayer(INNER, np.zeros((3, 3), np.uint8))


def test_linked_canvases_move_and_select_in_step(qtbot: QtBot) -> None:
    link = ViewLink()
    first, second = Canvas(link=link), Canvas(link=link)
    for canvas, width in ((first, 400), (second, 240)):
        canvas.resize(width, 300)
        qtbot.addWidget(canvas)
        canvas.show()
        canvas.show_frame(make_frame())
    wheel(first, (100.0, 100.0), 4)
    assert second.placement().scale == pytest.approx(first.placement().scale)
    middle = first.placement().to_frame(200, 150)
    assert second.placement().to_frame(120, 150) == pytest.approx(middle)
    second.show_frame(make_kelvin())  # another camera has a view of its own
    assert second.placement().scale == pytest.approx(6.0)


def test_export_has_the_frame_at_full_size_with_its_marks(canvas: Canvas) -> None:
    plain = pixels_of(canvas.render_whole())
    assert (plain == make_frame().pixels).all()
    canvas.set_overlays(Overlays(regions=(RegionMark(Region(0, 0, 40, 30)),)))
    assert (pixels_of(canvas.render_whole()) != plain).any()
    canvas.show_frame(None)
    assert canvas.render_whole().isNull()


def test_the_display_window_is_used(canvas: Canvas) -> None:
    canvas.show_frame(make_frame(np.full((60, 80), 1005, np.uint16)))
    canvas.set_display(Display(1000.0, 1010.0))
    assert picture_of(canvas)[150, 200].tolist() == [128] * 3


def test_hot_spots_are_marked_and_can_be_hit(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_frame(make_kelvin())
    plain = picture_of(canvas)
    marks = spot_marks((HotSpot(20, 10, 350.0, 9.0),), "C")
    assert marks[0].label == "1: 76.9 °C"
    canvas.set_overlays(Overlays(spots=marks), key="spots")
    assert (picture_of(canvas) != plain).any()
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(207, 103))
    assert canvas.link.selection("spots") == 0


def test_an_empty_canvas_says_what_to_do(qtbot: QtBot) -> None:
    canvas = Canvas()
    canvas.resize(400, 300)
    qtbot.addWidget(canvas)
    blank = picture_of(canvas)
    canvas.set_hint("Nothing yet", "Open something")
    canvas.set_overlays(NOTHING)
    assert (picture_of(canvas) != blank).any()
    assert canvas.accessibleName()


def test_an_unchanged_view_is_not_rendered_again(canvas: Canvas, monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.ui.canvas.canvas import rendering

    picture_of(canvas)
    calls: list[object] = []
    original = rendering.picture
    monkeypatch.setattr(rendering, "picture", lambda *args: calls.append(args) or original(*args))
    picture_of(canvas)
    assert calls == []
    canvas.zoom_in()
    picture_of(canvas)
    assert len(calls) == 1
