"""Palettes, and the pictures made with them."""

import cv2
import numpy as np
import pyqtgraph
import pytest

from inspector.imaging.colormaps import PALETTES, indices, kelvin, packed, temperature, temperature_text, ticks
from inspector.ui.canvas.rendering import Display, classes, full_range, heat, picture, window
from tests.ui.making import make_frame, make_kelvin


def luminance(table: np.ndarray) -> np.ndarray:
    """ITU-R BT.709 of sRGB tables."""
    linear = (table / 255.0) ** 2.2
    return linear @ np.array([0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", ["iron", "grey", "inferno"])
def test_brightness_rises_all_the_way(name: str) -> None:
    assert (np.diff(luminance(PALETTES[name])) >= -1e-4).all()


def test_inferno_is_the_published_one() -> None:
    other = pyqtgraph.colormap.get("inferno").getLookupTable(0.0, 1.0, 256)
    assert np.abs(PALETTES["inferno"].astype(int) - other[:, :3].astype(int)).max() <= 2


def test_every_palette_has_256_different_steps_of_rgb() -> None:
    for table in PALETTES.values():
        assert table.shape == (256, 3)
        assert len(np.unique(table, axis=0)) > 200
        assert not table.flags.writeable


def test_indices_clip_and_survive_dead_pixels() -> None:
    values = np.array([270.0, 280.0, 290.0, 300.0, 310.0, np.nan], np.float32)
    assert indices(values, 280.0, 300.0).tolist() == [0, 0, 128, 255, 255, 0]
    assert indices(np.array([5.0], np.float32), 3.0, 3.0).tolist() == [255]


def test_packed_words_multiply_by_alpha() -> None:
    table = np.zeros((256, 3), np.uint8)
    table[1] = (200, 100, 50)
    alpha = np.full(256, 128, np.uint8)
    assert int(packed(table)[1]) == 0xFFC86432
    assert int(packed(table, alpha)[1]) == (128 << 24) | (100 << 16) | (50 << 8) | 25


def test_temperatures_in_both_units() -> None:
    assert temperature(300.0, "C") == pytest.approx(26.85)
    assert kelvin(temperature(311.3, "C"), "C") == pytest.approx(311.3)
    assert temperature_text(310.0, "K") == "310.0 K"
    assert temperature_text(310.0, "C") == "36.9 °C"


def test_ticks_are_round_and_inside() -> None:
    assert ticks(21.2, 187.5, 6) == [50.0, 100.0, 150.0]
    assert ticks(0.0, 1.0, 5) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0][:5])
    assert ticks(5.0, 5.0) == []


def test_rgb_at_its_own_size_is_unchanged() -> None:
    frame = make_frame()
    words = picture(frame, Display(), (0, 0, 80, 60), (80, 60))
    assert (words >> 16 & 255 == frame.pixels[..., 0]).all()
    assert (words >> 8 & 255 == frame.pixels[..., 1]).all()
    assert (words & 255 == 7).all()


def test_sixteen_bits_keep_their_depth() -> None:
    """Two levels that share their upper byte are told apart in a narrow window."""
    pixels = np.full((4, 8), 1000, np.uint16)
    pixels[:, 4:] = 1010
    frame = make_frame(pixels)
    assert full_range(frame) == (0.0, 1023.0)
    narrow = picture(frame, Display(1000.0, 1010.0), (0, 0, 8, 4), (8, 4)) & 255
    assert narrow[0].tolist() == [0] * 4 + [255] * 4
    assert window(frame, Display(low=500.0)) == (500.0, 1023.0)


@pytest.mark.parametrize(("largest", "top"), [(900, 1023), (3000, 4095), (16000, 16383), (40000, 65535)])
def test_the_depth_of_sixteen_bit_cameras_is_recognised(largest: int, top: int) -> None:
    assert full_range(make_frame(np.array([[0, largest]], np.uint16))) == (0.0, float(top))


def test_kelvin_is_shown_through_its_palette() -> None:
    frame = make_kelvin()
    words = picture(frame, Display(300.0, 353.5, "rainbow"), (0, 0, 40, 30), (40, 30))
    expected = packed(PALETTES["rainbow"])[np.rint((frame.pixels - 300.0) * (255 / 53.5)).astype(np.uint8)]
    assert (words == expected).all()


def test_shrinking_averages_the_measured_values() -> None:
    pixels = np.zeros((2, 2), np.float32)
    pixels[0] = (300.0, 320.0)
    pixels[1] = (310.0, 330.0)
    words = picture(make_frame(pixels, unit="kelvin"), Display(300.0, 330.0, "grey"), (0, 0, 2, 2), (1, 1))
    assert int(words[0, 0] & 255) == 128  # 315 is in the middle of 300..330


@pytest.mark.parametrize("width", [999, 800, 701, 640, 630, 510, 400, 333])
def test_a_scratch_of_one_pixel_is_in_sight_wherever_it_lies(width: int) -> None:
    """However much the frame is shrunk, the scratch keeps at least two fifths of what averaging would leave of it."""
    size = (width, 4)
    for column in range(300, 360):
        pixels = np.full((6, 1000, 3), 200, np.uint8)
        pixels[:, column] = 0
        shown = 200 - (picture(make_frame(pixels), Display(), (0, 0, 1000, 6), size) & 255).astype(int)
        assert shown[1].sum() >= 0.4 * 200 * width / 1000 - 2


def test_only_the_crop_is_drawn() -> None:
    words = picture(make_frame(), Display(), (10, 20, 30, 40), (20, 20))
    assert (words[0] >> 16 & 255).tolist() == list(range(10, 30))


def test_cold_is_clear_and_hot_is_opaque() -> None:
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    alpha = (heat(values, (0, 0, 3, 1), (3, 1)) >> 24)[0].tolist()
    assert alpha[0] == 0
    assert alpha[2] == 255
    assert 0 < alpha[1] < 255


def test_classes_have_their_colours_and_background_is_clear() -> None:
    colors = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    words = classes(np.array([[0, 1, 2]], np.uint8), colors, (0, 0, 3, 1), (3, 1))
    assert words[0].tolist() == [0, 0xFFFF0000, 0xFF00FF00]


def test_enlarging_a_mask_invents_no_class() -> None:
    colors = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    enlarged = classes(np.array([[1, 2]], np.uint8), colors, (0, 0, 2, 1), (31, 7))
    assert set(np.unique(enlarged)) == {0xFFFF0000, 0xFF00FF00}


def test_opencv_takes_what_it_is_given() -> None:
    """A frame that is a view with gaps in memory is drawn like a copy of it."""
    wide = np.random.default_rng(0).integers(0, 255, (60, 160, 3), np.uint8)
    view = make_frame(wide[:, ::2])
    copy = make_frame(cv2.resize(wide, (80, 60), interpolation=cv2.INTER_NEAREST))
    size = (50, 40)
    assert (picture(view, Display(), (0, 0, 80, 60), size) == picture(copy, Display(), (0, 0, 80, 60), size)).all()
