"""A recorded part is read as it was inspected, and its corrections become labels."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.corrections import correct
from inspector.archive.exports.dataset import write_corrected
from inspector.archive.exports.evidence import write_evidence
from inspector.archive.filters import Filters
from inspector.archive.reading import read_part
from inspector.archive.store.query import events, keys_of_part, names_of
from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, HotSpot, Masks, Prediction, Region, Scores, Temperatures
from inspector.data.annotations import read_dataset
from inspector.results.overlays import draw
from inspector.tasks.masks import class_map
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
            write_corrected(archive, Filters(), tmp_path / "none", "coco")
        for part, verdict in (("P7", "NG"), ("P14", "OK"), ("P9", "NG")):  # P9 passed as OK, its picture shows nothing found
            _correct(archive, part, verdict)
        made = write_corrected(archive, Filters(), tmp_path / "coco", "coco")
        assert (made.images, made.left_out, made.counts) == (2, 0, {"scratch": 1, "dent": 1})
        kept = [
            row for row in ("P5", "P6", "P10") if read_part(archive, keys_of_part(archive.database, row)[0]).inspection.frames
        ]
        for part in kept:
            _correct(archive, part, "NG")
        made = write_corrected(archive, Filters(), tmp_path / "yolo", "yolo")
        assert (made.images, made.left_out) == (2, len(kept))
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


def test_corrections_become_masks_that_start_from_what_was_found(tmp_path: Path) -> None:
    """A ring and a spot, with a hole and a bridge by one corner, come back pixel by pixel."""
    planes = np.zeros((2, 24, 32), np.uint8)
    cv2.circle(planes[0], (10, 12), 7, 230, 3)
    planes[1, 2:6, 22:30] = 200
    planes[1, 6:8, 30:32] = 200
    region = Region(16, 8, 32, 24)
    found = Prediction("areas", "segmentation", "top", ("ring", "spot"), region, Masks(planes), "openvino", "fp32")
    record_run(tmp_path / "archive", "L1", "P{}", count=15, predictions=(found,))
    with opened_archive(tmp_path / "archive") as archive:
        for part, verdict in (("P0", "OK"), ("P7", "NG")):
            _correct(archive, part, verdict)
        correct(archive, keys_of_part(archive.database, "P14"), who="Ann", verdict="NG", class_name="stain")
        read = read_part(archive, keys_of_part(archive.database, "P7")[0]).inspection.predictions[0]
        assert np.array_equal(class_map(read), class_map(found))
        made = write_corrected(archive, Filters(), tmp_path / "masks", "masks", who="Bob")
        assert (made.images, made.left_out, dict(made.counts)) == (3, 0, {"ring": 1, "spot": 1, "stain": 1})
        write_corrected(archive, Filters(), tmp_path / "coco", "coco")
        names = dict(zip(("P0", "P7", "P14"), names_of(archive.database, map(_key(archive), ("P0", "P7", "P14"))), strict=True))
        (event, *_) = (one for one in events(archive.database) if one["who"] == "Bob")
    assert json.loads(event["detail"])["fingerprint"] == read_dataset(tmp_path / "masks", "segmentation").fingerprint()
    whole = np.zeros((48, 64), np.uint8)
    whole[8:32, 16:48] = class_map(found)
    assert (tmp_path / "masks" / "classes.txt").read_text().split() == ["ring", "spot", "stain"]
    for part, mask in (("P0", whole * 0), ("P7", whole), ("P14", np.where(whole > 0, 3, 0))):  # a person named its class
        drawn = cv2.imread(str(tmp_path / "masks" / "masks" / f"{names[part]}-top.png"), cv2.IMREAD_UNCHANGED)
        assert drawn is not None
        assert np.array_equal(drawn, mask)
    data = read_dataset(tmp_path / "coco", "segmentation")
    (sample,) = (one for one in data.samples if names["P7"] in one.name)
    assert sample.annotation(48, 64).mask is not None
    assert np.array_equal(sample.annotation(48, 64).mask, whole)  # type: ignore[arg-type]


def _key(archive: Archive) -> Callable[[str], int]:
    return lambda part: keys_of_part(archive.database, part)[0]
