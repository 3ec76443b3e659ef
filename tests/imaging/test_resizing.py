"""Thin lines outlive resizing whatever the shape of the region, no network sees NaN, and depths are the bundle's."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.types import Annotation, Frame, Pixels, Unit
from inspector.imaging.preprocessing import InputSpec, prepare, view, whole, wrong_unit
from inspector.tasks.segmentation import Segmentation

REGIONS = ((1000, 1000), (1000, 500), (1500, 300), (2000, 200), (2000, 100), (120, 960), (640, 480), (700, 500), (250, 333))
LINES = (1, 3, 6)
BACKGROUND, CONTRAST = 100.0, 120.0


def _averaged(line: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A line of values averaged over `count` pieces of equal length, exactly."""
    sums = np.concatenate([[0.0], np.cumsum(line)])
    edges = np.interp(np.linspace(0, len(line), count + 1), np.arange(len(line) + 1), sums)
    return np.diff(edges) * (count / len(line))


def _places(size: int, width: int) -> range:
    """Every place in a stretch of the side, and others over the whole of it."""
    return range(0, size - width, max(1, (size - width) // 61))


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_a_thin_line_keeps_half_of_its_contrast(region: tuple[int, int], fit: str) -> None:
    spec = InputSpec(width=224, height=160, channels=1, kind="float", fit=fit)  # type: ignore[arg-type]
    for axis in (0, 1):
        # The other side is resized by itself: a tenth of it is as good, and quicker.
        for width in LINES:
            for place in _places(region[axis], width):
                pixels = np.full(region, BACKGROUND, np.uint8)
                pixels[(slice(place, place + width), slice(None))[:: 1 if axis == 0 else -1]] = int(BACKGROUND + CONTRAST)
                geometry = view(whole(pixels), spec).content(spec)
                shown = prepare(pixels, spec)[geometry.y : geometry.bottom, geometry.x : geometry.right, 0]
                kept = float(np.median(shown, axis=1 - axis).max()) - BACKGROUND
                line = np.zeros(region[axis])
                line[place : place + width] = CONTRAST
                exact = _averaged(line, shown.shape[axis]).max()
                assert kept >= 0.5 * min(exact, CONTRAST) - 0.5, f"{width} px at {place} of side {axis}: {kept} of {exact}"


def _card(**spec: object) -> Card:
    return Card.model_construct(classes=("scratch",), input=InputSpec(**spec))  # type: ignore[arg-type]


@pytest.mark.parametrize("region", [(2000, 200), (200, 2000), (500, 100), (640, 480)], ids=str)
def test_a_thin_defect_keeps_half_of_its_share_in_targets(region: tuple[int, int]) -> None:
    card = _card(width=224, height=224)
    for axis in (0, 1):
        for width in LINES:
            for place in list(_places(region[axis], width))[::7]:
                mask = np.zeros(region, np.uint8)
                mask[(slice(place, place + width), slice(None))[:: 1 if axis == 0 else -1]] = 1
                target = Segmentation().encode(Annotation(mask=mask), card, view(whole(mask), card.input))["mask"][0]
                line = np.zeros(region[axis])
                line[place : place + width] = 255
                assert np.median(target, axis=1 - axis).max() >= 0.5 * min(255, _averaged(line, 224).max()) - 1


@pytest.mark.parametrize("spec", [{"kind": "float", "levels": (280.0, 400.0)}, {"levels": (280.0, 400.0)}], ids=str)
def test_no_network_sees_what_is_no_number(spec: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    pixels = np.float32(300) + rng.uniform(0, 5, (120, 160)).astype(np.float32)
    clean = InputSpec(width=64, height=48, channels=1, **spec)  # type: ignore[arg-type]
    before = prepare(pixels, clean)
    for hole in (np.s_[5, 7], np.s_[40], np.s_[50:70, 60:90]):
        broken = pixels.copy()
        broken[hole] = np.nan
        found = prepare(broken, clean)
        assert np.isfinite(found.astype(np.float64)).all()
        assert np.abs(found.astype(np.float64) - before).max() <= 11 if "kind" in spec else True
    nothing = prepare(np.full((120, 160), np.nan, np.float32), clean)
    assert np.isfinite(nothing.astype(np.float64)).all()


def _frame(pixels: Pixels, *, bits: int | None = None, unit: Unit = "intensity") -> Frame:
    return Frame(pixels, "top", 0, time.monotonic(), datetime.now(UTC), unit, bits=bits)


def test_the_same_part_at_every_depth_gives_the_same_input_once_the_depth_is_known() -> None:
    spec = InputSpec(width=40, height=30, channels=1)
    share = np.random.default_rng(0).uniform(0.04, 0.76, (60, 80))
    eight = prepare(np.rint(share * 255).astype(np.uint8), spec)
    for bits in (10, 12, 14):
        values = np.rint(share * ((1 << bits) - 1)).astype(np.uint16)
        assert np.abs(prepare(values, spec, bits=bits).astype(int) - eight).max() <= 1
        assert wrong_unit(spec, _frame(values, bits=bits), "b") is None
        unknown = wrong_unit(spec, _frame(values), "b")
        assert unknown is not None
        assert f"values up to {values.max()} in 16 bits" in unknown.text
        hot = values.copy()
        hot[3, 3] = 65535
        hot[9, 9] = 65535 if hot.size > 100_000 else hot[9, 9]
    full = np.rint(share * 65535).astype(np.uint16)
    assert wrong_unit(spec, _frame(full), "b") is None
    assert np.abs(prepare(full, spec).astype(int) - eight).max() <= 1


def test_a_hot_pixel_does_not_make_12_bits_16() -> None:
    values = np.random.default_rng(0).integers(100, 4000, (200, 300)).astype(np.uint16)
    values[3, 3] = 65535
    spec = InputSpec(width=40, height=30, channels=1)
    assert wrong_unit(spec, _frame(values), "b") is not None
    assert wrong_unit(spec, _frame(values, bits=12), "b") is None, "it is the one dead pixel"
    values[:10] = 60_000
    said = wrong_unit(spec, _frame(values, bits=12), "b")
    assert said is not None
    assert "more than the 12 bits" in said.text


def test_another_depth_than_the_bundle_learnt_is_named() -> None:
    learnt = InputSpec(width=40, height=30, channels=1, kind="float", levels=(200.0, 3900.0))
    values = np.random.default_rng(0).integers(100, 4000, (200, 300)).astype(np.uint16)
    assert wrong_unit(learnt, _frame(values), "b") is None
    assert wrong_unit(learnt, _frame(values, bits=12), "b") is None
    for other, bits in ((values * 16, None), (values * 4, None), (values // 4, 10), ((values // 16).astype(np.uint8), None)):
        assert wrong_unit(learnt, _frame(other, bits=bits), "b") is not None


def test_values_that_could_be_temperatures_are_not_judged_as_grey_levels() -> None:
    values = np.random.default_rng(0).integers(30_000, 35_000, (60, 80)).astype(np.uint16)
    for spec in (InputSpec(width=40, height=30, channels=1), InputSpec(width=40, height=30, channels=1, kind="float")):
        said = wrong_unit(spec, _frame(values), "b")
        assert said is not None
        assert "26.8" in said.text or "26.9" in said.text
    assert wrong_unit(InputSpec(width=40, height=30, channels=1), _frame(values, bits=16), "b") is None
