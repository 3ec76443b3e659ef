"""A recorded part is read as it was inspected, and its corrections become labels."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.corrections import correct
from inspector.archive.dataset import WrittenBoxes, write_boxes
from inspector.archive.evidence import write_evidence
from inspector.archive.filters import Filters
from inspector.archive.reading import read_part
from inspector.archive.store.query import keys_of_part
from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, HotSpot, Prediction, Region, Scores, Temperatures
from inspector.results.overlays import draw
from tests.archive.recorded import record_run

WHOLE = Region(0, 0, 64, 48)
BOXES = Boxes(
    np.array([[4, 6, 20, 30], [30.5, 8, 60, 20], [1, 1, 3, 3]], np.float32),
    np.array([0.9, 0.75, 0.2], np.float32),
    np.array([1, 0, 1], np.int64),
)
PREDICTIONS = (
    Prediction("finder", "detection", "top", ("dent", "scratch"), WHOLE, BOXES, "openvino", "fp32"),
    Prediction("states", "classification", "top", ("good", "bad"), WHOLE, Scores(np.array([0.25, 0.75], np.float32))),
    Prediction(
        "heat", "thermal", "top", (), WHOLE, Temperatures(350.0, 320.5, 300.0, "measured", (HotSpot(3, 4, 350.0, 9.0),))
    ),
)


def test_a_part_is_read_as_it_was_inspected(tmp_path: Path) -> None:
    made = record_run(tmp_path / "archive", "L1", "P{}", predictions=PREDICTIONS)
    with opened_archive(tmp_path / "archive") as archive:
        read = read_part(archive, keys_of_part(archive.database, "P7")[0])
        unkept = read_part(archive, keys_of_part(archive.database, "P1")[0])
    inspection, before = read.inspection, made[7]
    assert np.array_equal(inspection.frames["top"].pixels, before.frames["top"].pixels)
    assert inspection.judgements == before.judgements
    assert [reason.text for reason in inspection.reasons] == [reason.text for reason in before.reasons]
    assert abs((inspection.utc - before.utc).total_seconds()) < 1e-5
    finder, states, heat = inspection.predictions
    assert (finder.engine, finder.precision, finder.region) == ("openvino", "fp32", WHOLE)
    boxes, scores, warm = finder.expect(Boxes), states.expect(Scores), heat.expect(Temperatures)
    assert np.array_equal(boxes.xyxy, BOXES.xyxy[:2])  # those at the threshold in force
    assert [finder.classes[kind] for kind in boxes.classes] == ["scratch", "dent"]
    assert scores.values.tolist() == [0.25, 0.75]
    assert (warm.maximum, warm.mean, warm.hot_spots[0].x) == (pytest.approx(350.0), pytest.approx(320.5), 3)
    assert set(read.classes) == {"scratch", "dent", "good", "bad"}
    assert unkept.inspection.frames == {}
    assert "No picture of this part was kept" in unkept.problems[0].text


def test_a_simulated_part_stays_one(tmp_path: Path) -> None:
    for lot, is_simulated in (("real", False), ("demo", True)):
        record_run(tmp_path / "archive", lot, lot + "{}", count=1, is_simulated=is_simulated)
    with opened_archive(tmp_path / "archive") as archive:
        for part, is_simulated in (("real0", False), ("demo0", True)):
            read = read_part(archive, keys_of_part(archive.database, part)[0])
            assert read.inspection.is_simulated is is_simulated


def test_the_overlay_of_an_evidence_pack_is_drawn_like_that_of_a_run(tmp_path: Path) -> None:
    record_run(tmp_path / "archive", "L1", "P{}", count=8, predictions=PREDICTIONS, is_simulated=True)
    with opened_archive(tmp_path / "archive") as archive:
        key = keys_of_part(archive.database, "P7")[0]
        drawn = draw(read_part(archive, key).inspection)["top"]
        bag = write_evidence(archive, [key], tmp_path / "bag")
    (file,) = bag.glob("data/*/top-overlay.png")
    picture = cv2.imread(str(file))
    assert picture is not None
    assert np.array_equal(picture[..., ::-1], drawn)
    assert picture[-1, 0].tolist() == [66, 228, 240]  # the mark of a simulation


def _correct(archive: Archive, part: str, verdict: str) -> None:
    correct(archive, keys_of_part(archive.database, part), who="Ann", verdict=verdict)


def test_corrections_become_boxes_that_start_from_what_was_found(tmp_path: Path) -> None:
    record_run(tmp_path / "archive", "L1", "P{}", predictions=PREDICTIONS)
    with opened_archive(tmp_path / "archive") as archive:
        with pytest.raises(ConfigError, match="None of these parts"):
            write_boxes(archive, Filters(), tmp_path / "none", "coco")
        for part, verdict in (("P7", "NG"), ("P14", "OK"), ("P9", "NG")):  # P9 passed as OK, its picture shows nothing found
            _correct(archive, part, verdict)
        assert write_boxes(archive, Filters(), tmp_path / "coco", "coco") == WrittenBoxes(images=2, left_out=0)
        kept = [
            row for row in ("P5", "P6", "P10") if read_part(archive, keys_of_part(archive.database, row)[0]).inspection.frames
        ]
        for part in kept:
            _correct(archive, part, "NG")
        assert write_boxes(archive, Filters(), tmp_path / "yolo", "yolo") == WrittenBoxes(images=2, left_out=len(kept))
        with pytest.raises(ConfigError, match="does not hold labels"):
            write_boxes(archive, Filters(), tmp_path / "masks", "masks")
    (file,) = (tmp_path / "coco").rglob("*.json")
    data = json.loads(file.read_text("utf-8"))
    names = {one["id"]: one["name"] for one in data["categories"]}
    found = [(names[one["category_id"]], one["bbox"]) for one in data["annotations"]]
    assert found == [("scratch", [4.0, 6.0, 16.0, 24.0]), ("dent", [30.5, 8.0, 29.5, 12.0])]
    image = cv2.imread(str(next((tmp_path / "coco").rglob("*.png"))))
    assert image is not None
    assert image.shape == (48, 64, 3)
    labels = sorted(path.read_text("utf-8").count("\n") for path in (tmp_path / "yolo" / "labels").rglob("*.txt"))
    assert labels == [0, 2]
