"""Classification, segmentation and thermal: encode and decode; mask helpers against OpenCV and by hand."""

import cv2
import numpy as np
import pytest

from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE, Annotation, Masks, Region, Scores, Temperatures
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.classification import Classification
from inspector.tasks.masks import areas, class_map
from inspector.tasks.segmentation import Segmentation, to_bytes
from inspector.tasks.thermal import Thermal, hot_spots
from tests.tasks.making import blank, card, frame, look, predicted

SPEC = InputSpec(width=64, height=48)
WHOLE = Region(0, 0, 64, 48)


def test_classification() -> None:
    own, view = card("classification", ("good", "bad")), look(WHOLE, SPEC)
    assert Classification().outputs(own) == 2
    assert Classification().encode(Annotation(label=1), own, view)["label"] == 1
    raw = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    first, second = Classification().decode(raw, own, [view, look(Region(1, 2, 3, 4), SPEC)], [blank(), blank()])
    raw[:] = 0  # engines reuse their output memory
    assert first.expect(Scores).values.tolist() == [0.25, 0.75]
    assert (first.bundle, first.camera, first.classes) == ("bundle", "camera", ("good", "bad"))
    assert second.region == Region(1, 2, 3, 4)


@pytest.mark.parametrize("label", [None, 2, -1])
def test_a_label_must_be_one_of_the_classes(label: int | None) -> None:
    with pytest.raises(ConfigError, match="good, bad"):
        Classification().encode(Annotation(label=label), card("classification", ("good", "bad")), look(WHOLE, SPEC))


def test_segmentation_targets_are_shares() -> None:
    own, region = card("segmentation", spec=SPEC), Region(10, 20, 128, 96)
    mask = np.zeros((200, 200), np.uint8)
    mask[20:116, 30] = 2  # one pixel wide: half of each input pixel
    mask[30:50, 60:80] = 1
    target = Segmentation().encode(Annotation(mask=mask), own, look(region, SPEC))["mask"]
    assert target.shape == (2, 48, 64)
    assert target.dtype == np.uint8
    assert set(np.unique(target[1])) == {0, 128}
    assert (target[1].sum() / 255) == pytest.approx(96 / 4, rel=0.01)
    assert (target[0] == 255).sum() == 100
    with pytest.raises(ConfigError, match="no mask"):
        Segmentation().encode(Annotation(label=0), own, look(region, SPEC))


def test_what_is_ignored_is_encoded_and_comes_back() -> None:
    own = card("segmentation", spec=InputSpec(width=16, height=16), training={"ignored": True})
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 4:12] = 2
    mask[16:21, 8:16] = IGNORE  # the last of these rows is half of an input pixel
    target = Segmentation().encode(Annotation(mask=mask), own, look(Region(0, 0, 32, 32), own.input))
    assert (target["mask"].shape, target["ignore"].shape) == ((2, 16, 16), (1, 16, 16))
    back = Segmentation().truth(target, own.input).mask
    assert back is not None
    expected = np.zeros((16, 16), np.uint8)
    expected[2:6, 2:6] = 2
    expected[8:11, 4:8] = IGNORE
    np.testing.assert_array_equal(back, expected)
    plain = card("segmentation", spec=InputSpec(width=16, height=16))
    assert list(Segmentation().encode(Annotation(mask=mask), plain, look(Region(0, 0, 32, 32), plain.input))) == ["mask"]


def test_segmentation_letterbox_is_cut_off() -> None:
    spec = InputSpec(width=64, height=64, fit="letterbox")
    own, region = card("segmentation", ("a",), spec=spec), Region(0, 0, 128, 64)
    mask = np.ones((64, 128), np.uint8)
    view = look(region, spec)
    target = Segmentation().encode(Annotation(mask=mask), own, view)["mask"]
    assert target[0, 16:48].min() == 255
    assert target[0, :16].max() == target[0, 48:].max() == 0
    (prediction,) = Segmentation().decode(target[None].astype(np.float32) / 255, own, [view], [blank(128, 64)])
    assert prediction.expect(Masks).planes.shape == (1, 32, 64)
    np.testing.assert_array_equal(class_map(prediction), mask)


def test_probabilities_become_bytes() -> None:
    raw = np.random.default_rng(0).random((3, 2, 17, 19)).astype(np.float32)
    raw[0, 0, 0, :3] = [0.0, 1.0, 0.5]
    got = to_bytes(raw)
    np.testing.assert_array_equal(got, np.rint(raw * 255).astype(np.uint8))
    np.testing.assert_array_equal(to_bytes(raw[:, :, ::2, ::2]), got[:, :, ::2, ::2])


def test_class_map_takes_the_likeliest_class_above_the_threshold() -> None:
    planes = np.array([[[200, 100, 120, 0]], [[180, 140, 119, 255]]], np.uint8)
    prediction = predicted("segmentation", Region(5, 5, 4, 1), answer=Masks(planes))
    assert class_map(prediction, 0.5).tolist() == [[1, 2, 0, 2]]
    assert class_map(prediction, 0.45).tolist() == [[1, 2, 1, 2]]
    assert class_map(prediction, 0.9).tolist() == [[0, 0, 0, 2]]
    single = predicted("segmentation", Region(0, 0, 4, 1), ("a",), answer=Masks(planes[:1]))
    assert class_map(single, 0.4).tolist() == [[1, 0, 1, 0]]
    assert class_map(single, 0.0).tolist() == [[1, 1, 1, 0]]  # a threshold of 0 does not turn nothing into a defect
    with pytest.raises(TypeError, match="Scores, not Masks"):
        class_map(predicted("classification", WHOLE, answer=Scores(np.array([0.5, 0.5], np.float32))))


def test_class_map_has_the_regions_size() -> None:
    rng = np.random.default_rng(0)
    planes = cv2.GaussianBlur(rng.integers(0, 256, (24, 32, 2), np.uint8), (7, 7), 3).transpose(2, 0, 1).copy()
    got = class_map(predicted("segmentation", Region(7, 9, 100, 60), answer=Masks(planes)), 0.5)
    big = cv2.resize(planes.transpose(1, 2, 0), (100, 60), interpolation=cv2.INTER_LINEAR)
    want = np.where(big.max(axis=2) >= 128, big.argmax(axis=2) + 1, 0)
    np.testing.assert_array_equal(got, want)


def test_areas_are_in_frame_pixels_largest_first() -> None:
    mask = np.zeros((2, 40, 50), np.uint8)
    mask[0, 2:6, 3:10] = 255  # 28
    mask[0, 6, 10] = 255  # touches at a corner: the same area
    mask[0, 20, 20] = 255
    mask[1, 30:35, 0:20] = 255  # 100
    prediction = predicted("segmentation", Region(100, 200, 50, 40), answer=Masks(mask))
    found = areas(prediction)
    assert [(area.class_index, area.area_px) for area in found] == [(1, 100.0), (0, 29.0), (0, 1.0)]
    assert found[0].bbox == Region(100, 230, 20, 5)
    assert found[0].centroid == (109.5, 232.0)
    assert found[1].bbox == Region(103, 202, 8, 5)
    assert [area.area_px for area in areas(prediction, 0.5, 0)] == [29.0, 1.0]
    assert [area.area_px for area in areas(prediction, min_area_px=10)] == [100.0, 29.0]
    assert areas(predicted("segmentation", Region(0, 0, 50, 40), answer=Masks(np.zeros((2, 40, 50), np.uint8)))) == []


def _heat() -> np.ndarray:
    pixels = np.full((60, 80), 300.0, np.float32)
    pixels[10:13, 20:25] = 360.0
    pixels[11, 22] = 371.5
    pixels[40, 70] = 350.0
    pixels[50, 5] = 280.0
    return pixels


def test_radiometric_frames_are_measured() -> None:
    own = card("thermal", (), thresholds={"hot_celsius": 60.0})
    pixels, region = _heat(), Region(15, 5, 60, 40)
    (prediction,) = Thermal().decode(
        np.array([[330.0, 310.0, 290.0]], np.float32), own, [look(region, SPEC)], [frame(pixels, "kelvin")]
    )
    got = prediction.expect(Temperatures)
    assert got is not None
    assert (got.source, got.predicted) == ("measured", (330.0, 310.0, 290.0))
    patch = pixels[5:45, 15:75]
    assert (got.maximum, got.minimum) == (371.5, 300.0)
    assert got.mean == pytest.approx(patch.mean(dtype=np.float64))
    assert [(s.x, s.y, s.kelvin, s.area_px) for s in got.hot_spots] == [(22, 11, 371.5, 15.0), (70, 40, 350.0, 1.0)]


def test_other_frames_are_predicted_and_say_so() -> None:
    own = card("thermal", (), thresholds={"hot_celsius": 60.0})
    (prediction,) = Thermal().decode(np.array([[400.0, 310.0, 290.0]], np.float32), own, [look(WHOLE, SPEC)], [blank()])
    got = prediction.expect(Temperatures)
    assert got is not None
    assert (got.maximum, got.mean, got.minimum, got.source) == (400.0, 310.0, 290.0, "predicted")
    assert got.hot_spots == ()
    assert got.predicted is None


def test_dead_pixels_are_left_out() -> None:
    pixels = _heat()
    pixels[0, 0], pixels[11, 22] = np.nan, np.inf
    own = card("thermal", (), thresholds={"hot_celsius": 60.0})
    raw = np.zeros((2, 3), np.float32)
    dead = np.full((60, 80), np.nan, np.float32)
    views = [look(Region(0, 0, 80, 60), SPEC)] * 2
    alive, nothing = Thermal().decode(raw, own, views, [frame(pixels, "kelvin"), frame(dead, "kelvin")])
    assert (alive.expect(Temperatures).maximum, alive.expect(Temperatures).minimum) == (360.0, 280.0)
    assert alive.expect(Temperatures).hot_spots[0].kelvin == 360.0
    assert np.isnan(nothing.expect(Temperatures).maximum)
    assert np.isnan(nothing.expect(Temperatures).mean)


def test_hot_spots_find_the_hottest_pixel_inside_a_concave_area() -> None:
    patch = np.full((9, 9), 300.0, np.float32)
    patch[0, :] = patch[:, 0] = 350.0  # an L ...
    patch[0, 8] = 355.0
    patch[4:6, 4:6] = 390.0  # ... whose bounding box holds a hotter spot
    found = hot_spots(patch, 340.0, Region(10, 20, 9, 9))
    assert [(s.x, s.y, s.kelvin, s.area_px) for s in found] == [(14, 24, 390.0, 4.0), (18, 20, 355.0, 17.0)]
    assert hot_spots(patch, 400.0, Region(0, 0, 9, 9)) == ()


def test_thermal_truth_is_needed() -> None:
    own, view = card("thermal", ()), look(WHOLE, SPEC)
    assert Thermal().outputs(own) == 3
    np.testing.assert_allclose(
        Thermal().encode(Annotation(temperatures=(320.0, 300.5, 290.0)), own, view)["temperatures"], [320.0, 300.5, 290.0]
    )
    with pytest.raises(ConfigError, match="no temperatures"):
        Thermal().encode(Annotation(label=0), own, view)
