"""The one preprocessing: geometry there and back, depth, channels, letterbox, and the same bytes every time."""

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from inspector.core.types import Region, Unit
from inspector.imaging.preprocessing import InputSpec, fits, prepare, view, whole

SPECS = [
    InputSpec(width=64, height=64),
    InputSpec(width=96, height=48, channels=1),
    InputSpec(width=64, height=64, fit="letterbox"),
    InputSpec(width=40, height=100, fit="letterbox"),
]
REGIONS = [Region(0, 0, 200, 120), Region(30, 20, 90, 90), Region(150, 3, 17, 101)]


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.width}x{spec.height}-{spec.fit}")
def test_boxes_go_to_the_input_and_back(spec: InputSpec, region: Region) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform((region.x, region.y), (region.x + region.width / 2, region.y + region.height / 2), (20, 2))
    high = rng.uniform(low, (region.right, region.bottom))
    boxes = np.hstack([low, high]).astype(np.float32)
    geometry = view(region, spec)
    inside = geometry.to_input(boxes)
    assert inside[:, 0::2].min() >= -1e-3
    assert inside[:, 0::2].max() <= spec.width + 1e-3
    assert inside[:, 1::2].min() >= -1e-3
    assert inside[:, 1::2].max() <= spec.height + 1e-3
    np.testing.assert_allclose(geometry.to_frame(inside), boxes, atol=1e-3)


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.width}x{spec.height}-{spec.fit}")
def test_pixels_land_where_the_geometry_says(spec: InputSpec, region: Region) -> None:
    """A bright rectangle's centre of mass in the input is where `to_input` puts its centre."""
    pixels = np.zeros((120, 200), np.uint8)
    left, top = region.x + region.width // 4, region.y + region.height // 3
    right, bottom = left + max(4, region.width // 3), top + max(4, region.height // 3)
    pixels[top:bottom, left:right] = 255
    geometry = view(region, spec)
    content = geometry.content(spec)
    prepared = prepare(pixels, spec, region)
    weight = np.zeros(prepared.shape[:2])
    inner = (slice(content.y, content.bottom), slice(content.x, content.right))
    weight[inner] = prepared[inner][..., 0]
    y, x = np.mgrid[0 : spec.height, 0 : spec.width] + 0.5
    centre = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
    box = geometry.to_input(np.array([[left, top, right, bottom]], np.float32))[0]
    assert centre == pytest.approx(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), abs=0.3)


def test_boxes_are_clipped_to_the_region() -> None:
    region = Region(30, 20, 90, 90)
    spec = InputSpec(width=64, height=64)
    found = view(region, spec).to_frame(np.array([[-50, -50, 500, 500]], np.float32))
    np.testing.assert_array_equal(found, [[30, 20, 120, 110]])


def test_letterbox_keeps_the_aspect_and_pads_with_grey() -> None:
    spec = InputSpec(width=64, height=64, fit="letterbox")
    prepared = prepare(np.full((60, 120, 3), 200, np.uint8), spec)
    assert (prepared[16:48] == 200).all()
    assert (prepared[:16] == 114).all()
    assert (prepared[48:] == 114).all()


def test_no_resizing_is_no_change() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    np.testing.assert_array_equal(prepare(pixels, InputSpec(width=64, height=48)), pixels)
    region = Region(10, 5, 32, 24)
    cropped = prepare(pixels, InputSpec(width=32, height=24), region)
    np.testing.assert_array_equal(cropped, pixels[5:29, 10:42])


def test_shrinking_averages_so_that_thin_lines_stay() -> None:
    pixels = np.zeros((256, 256), np.uint8)
    pixels[:, 101] = 255  # falls between the samples of a plain eightfold reduction
    small = prepare(pixels, InputSpec(width=32, height=32, channels=1))
    assert small[:, 101 // 8, 0].min() >= 31
    np.testing.assert_allclose(small.mean(), pixels.mean(), atol=1)


def test_channels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    grey = prepare(pixels, InputSpec(width=8, height=8, channels=1))[..., 0]
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    np.testing.assert_allclose(grey, luma, atol=0.51)
    spread = prepare(pixels[..., 0], InputSpec(width=8, height=8))
    assert (spread == pixels[..., :1]).all()


def test_levels() -> None:
    deep = np.array([[0, 100, 1000, 65535]], np.uint16)
    spec = InputSpec(width=4, height=1, channels=1)
    np.testing.assert_array_equal(prepare(deep, spec)[0, :, 0], np.rint(deep[0] / 257.0))
    narrow = InputSpec(width=4, height=1, channels=1, levels=(100, 1100))
    np.testing.assert_array_equal(prepare(deep, narrow)[0, :, 0], [0, 0, np.rint(900 * 0.255), 255])
    warm = InputSpec(width=2, height=1, channels=1, levels=(273.15, 373.15))
    seen = prepare(np.array([[273.15, 323.15]], np.float32), warm)
    assert seen.dtype == np.uint8
    assert seen[0, :, 0].tolist() in ([0, 127], [0, 128])


def test_temperatures_keep_their_depth() -> None:
    kelvin = np.random.default_rng(0).uniform(290, 480, (30, 40)).astype(np.float32)
    spec = InputSpec(width=40, height=30, channels=1, kind="float", levels=(280.0, 535.0), unit="kelvin")
    np.testing.assert_allclose(prepare(kelvin, spec)[..., 0] + 280, kelvin, rtol=1e-6)
    half = prepare(kelvin, spec.model_copy(update={"width": 20, "height": 15}))
    np.testing.assert_allclose(half.mean() + 280, kelvin.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("spec", "reads"),
    [
        (InputSpec(width=8, height=8, unit="intensity", channels=1, levels=(280.0, 480.0)), "intensity"),
        (InputSpec(width=8, height=8, unit="kelvin", channels=1), "kelvin"),
        # Cards of earlier versions do not say.
        (InputSpec(width=8, height=8), "intensity"),
        (InputSpec(width=8, height=8, channels=1, levels=(280.0, 484.0)), "kelvin"),
        (InputSpec(width=8, height=8, channels=1, levels=(200.0, 3900.0)), "intensity"),
        (InputSpec(width=8, height=8, levels=(1000.0, 1063.0)), "intensity"),
    ],
)
def test_an_input_says_what_frames_must_hold(spec: InputSpec, reads: Unit) -> None:
    other: Unit = "intensity" if reads == "kelvin" else "kelvin"
    assert fits(spec, reads)
    assert not fits(spec, other)


def test_same_input_same_bytes_with_and_without_a_row_to_write_in() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (123, 77, 3), np.uint8)
    for spec in SPECS:
        batch = np.full((2, *spec.shape), 7, spec.dtype)
        returned = prepare(pixels, spec, out=batch[1])
        assert returned.base is batch or returned is batch[1]
        np.testing.assert_array_equal(batch[1], prepare(pixels, spec))
        assert (batch[0] == 7).all()
    before = pixels.copy()
    view_of_it = pixels[::2, ::2]
    np.testing.assert_array_equal(prepare(view_of_it, SPECS[0]), prepare(np.ascontiguousarray(view_of_it), SPECS[0]))
    np.testing.assert_array_equal(pixels, before)


def test_resizing_is_opencv_s() -> None:
    """The oracle of the resize itself: nothing is done before or after it."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 80, 3), np.uint8)
    down = cv2.resize(pixels, (64, 60), interpolation=cv2.INTER_AREA)
    up = cv2.resize(pixels, (160, 120), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(prepare(pixels, InputSpec(width=64, height=60)), down)
    np.testing.assert_array_equal(prepare(pixels, InputSpec(width=160, height=120)), up)


@pytest.mark.parametrize("channels", [1, 3])
def test_halving_again_and_again_is_the_mean_of_every_block(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, channels), np.uint8)
    blocks = pixels.reshape(12, 8, 16, 8, channels).mean(axis=(1, 3))
    small = prepare(pixels if channels == 3 else pixels[..., 0], InputSpec(width=16, height=12, channels=channels))
    np.testing.assert_allclose(small, blocks, atol=1.5)  # rounded to whole grey levels three times, by half a level at most


@pytest.mark.parametrize("size", [(224, 224), (256, 192), (215, 161), (300, 220), (70, 50)], ids=str)
def test_shrinking_by_a_broken_factor_is_close_to_the_exact_average(size: tuple[int, int]) -> None:
    """Of a picture without detail finer than its samples the weights hardly matter; a shift or a wrong scale would."""
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    across, down = x * size[0] / 640 / 6, y * size[1] / 480 / 6
    pixels = (128 + 60 * np.sin(across) + 60 * np.cos(down)).astype(np.uint8)
    exact = _weights(480, size[1]) @ pixels.astype(np.float64) @ _weights(640, size[0]).T
    small = prepare(pixels, InputSpec(width=size[0], height=size[1], channels=1))[..., 0]
    np.testing.assert_allclose(small, exact, atol=3)
    assert np.abs(small - exact).mean() < 1


@pytest.mark.parametrize("side", [224, 256, 215, 170, 150], ids=str)
def test_a_line_one_pixel_wide_is_seen_wherever_it_lies(side: int) -> None:
    """Its brightness in the input, summed across, is at least half of what the exact average gives it."""
    spec = InputSpec(width=side, height=side, channels=1)
    for column in range(300, 340):
        pixels = np.zeros((480, 640), np.uint8)
        pixels[:, column] = 255
        row = prepare(pixels, spec)[side // 2, :, 0]
        assert row.sum() >= 0.5 * 255 * side / 640 - 2, column


def _weights(source: int, target: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """[target, source]: the share of each source pixel in each target pixel."""
    edges = np.arange(target + 1) * (source / target)
    low, high = np.maximum(edges[:-1, None], np.arange(source)), np.minimum(edges[1:, None], np.arange(1, source + 1))
    return np.clip(high - low, 0, None) / (source / target)


def test_whole_and_impossible_specs() -> None:
    assert whole(np.zeros((3, 5), np.uint8)) == Region(0, 0, 5, 3)
    for wrong in ({"width": 0}, {"width": 5000}, {"unit": "kelvin", "channels": 3}, {"levels": (5, 5)}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            InputSpec.model_validate({"width": 64, "height": 64, **wrong})
