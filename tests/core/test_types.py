"""Plain data refuses to be wrong."""

import pickle
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspector.core.errors import CameraError, ConfigError
from inspector.core.message import message
from inspector.core.types import (
    SEVERITY,
    Annotation,
    Boxes,
    ClassLabel,
    Frame,
    MaskLabel,
    Masks,
    Prediction,
    Region,
    Scores,
    TemperatureLabel,
    Verdict,
)
from inspector.inspection.status import Stats


def _frame(pixels: np.ndarray, unit: str = "intensity") -> Frame:
    return Frame(pixels, "cam", 0, time.monotonic(), datetime.now(UTC), unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "dtype", "unit"),
    [
        ((4, 5, 4), np.uint8, "intensity"),
        ((0, 5), np.uint8, "intensity"),
        ((4, 5), np.int32, "intensity"),
        ((4, 5), np.float32, "intensity"),
        ((4, 5), np.uint16, "kelvin"),
        ((4, 5, 3), np.float32, "kelvin"),
    ],
)
def test_frame_refuses_what_the_station_cannot_judge(shape: tuple[int, ...], dtype: type, unit: str) -> None:
    with pytest.raises(ValueError, match=r"a frame|a kelvin frame"):
        _frame(np.zeros(shape, dtype), unit)


def test_frame_keeps_native_depth() -> None:
    frame = _frame(np.full((4, 5), 4095, np.uint16))
    assert (frame.width, frame.height, frame.pixels.max()) == (5, 4, 4095)


def test_an_answer_fits_its_classes() -> None:
    region = Region(0, 0, 4, 4)
    with pytest.raises(ValueError, match="2 classes"):
        Prediction("b", "classification", "cam", ("a", "b"), region, Scores(np.ones(3, np.float32)))
    with pytest.raises(ValueError, match="2 classes"):
        Prediction("b", "segmentation", "cam", ("a", "b"), region, Masks(np.zeros((1, 4, 4), np.uint8)))


def test_an_answer_of_another_kind_than_expected_is_an_error() -> None:
    prediction = Prediction("b", "detection", "cam", ("a",), Region(0, 0, 4, 4), Boxes.empty())
    assert len(prediction.expect(Boxes)) == 0
    with pytest.raises(TypeError, match="Boxes, not Masks"):
        prediction.expect(Masks)


def test_an_annotation_lists_every_label_it_has() -> None:
    mask = np.ones((2, 2), np.uint8)
    known = Annotation(label=0, boxes=Boxes.empty(), mask=mask, temperatures=(3.0, 2.0, 1.0))
    kinds = [type(label) for label in known.labels]
    assert kinds == [ClassLabel, Boxes, MaskLabel, TemperatureLabel]
    assert Annotation().labels == ()


def test_boxes_are_cut_by_score_without_losing_their_class() -> None:
    boxes = Boxes(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0.2, 0.9, 0.5], np.float32), np.array([0, 1, 2]))
    kept = boxes.at_least(0.5)
    assert kept.classes.tolist() == [1, 2]
    assert kept.xyxy[0].tolist() == [4, 5, 6, 7]
    with pytest.raises(ValueError, match="boxes"):
        Boxes(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), np.zeros(2, np.int64))


def test_region_must_lie_in_the_frame() -> None:
    assert Region(2, 3, 4, 5).fits(6, 8)
    assert not Region(2, 3, 4, 5).fits(5, 8)
    with pytest.raises(ValueError, match="not a region"):
        Region(-1, 0, 4, 4)


def test_a_seen_defect_outranks_everything_and_nothing_ranks_below_ok() -> None:
    assert max(Verdict, key=SEVERITY.__getitem__) is Verdict.NG
    assert min(Verdict, key=SEVERITY.__getitem__) is Verdict.OK
    assert SEVERITY[Verdict.NOT_INSPECTED] > SEVERITY[Verdict.REVIEW]


def test_an_error_is_a_sentence_a_remedy_and_its_values() -> None:
    error = CameraError("{camera} is silent.", remedy="Check the cable of {camera}.", retryable=False, camera="left {x}")
    assert str(error) == "left {x} is silent. Check the cable of left {x}."
    assert not error.retryable
    assert str(ConfigError("{file} is empty.", file="a.png")) == "a.png is empty."
    assert message("{a:.1f}", a=1.26).text == "1.3"


def test_yield_counts_only_inspected_parts() -> None:
    assert Stats().yield_share is None
    assert Stats(parts=10, ok=6, ng=2, not_inspected=2).yield_share == pytest.approx(0.75)


def test_an_error_says_the_same_in_another_process() -> None:
    error = ConfigError("There is no {name}.", remedy="Use {known}.", name=Path("a"), known="b")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problem, again.remedy) == ("There is no a. Use b.", error.problem, error.remedy)
