"""The demo line: the truth it tells is the truth of what it shows."""

import csv
import threading
import time
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree as Xml

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cameras.base import open_camera
from inspector.cameras.demo.data import write_demo_data
from inspector.cameras.demo.line import HEIGHT, PLATE, PLATE_CLASSES, WIDTH, WINDOW, WINDOW_CLASSES, DemoLine
from inspector.cli.learning.data import data
from inspector.core.errors import ConfigError, StorageError
from inspector.imaging.files import read_image

PARTS = 40


@pytest.fixture(scope="module")
def line() -> DemoLine:
    return DemoLine(7)


def test_a_part_is_a_function_of_seed_and_index(line: DemoLine) -> None:
    again = DemoLine(7)
    for index in (31, 4):
        one, other = line.part(index), again.part(index)
        np.testing.assert_array_equal(one.visible, other.visible)
        np.testing.assert_array_equal(one.thermal, other.thermal)
    assert (DemoLine(8).part(4).visible != line.part(4).visible).any()


def test_shapes_and_truth_of_every_part(line: DemoLine) -> None:
    for index in range(PARTS):
        part, plan = line.part(index), line.plan(index)
        assert part.visible.shape == (HEIGHT, WIDTH, 3)
        assert part.visible.dtype == np.uint8
        assert part.thermal.shape == (120, 160)
        assert part.thermal.dtype == np.float32
        truth = part.truth_visible
        assert truth.label == plan.window
        assert truth.mask is not None
        assert truth.boxes is not None
        assert len(truth.boxes) <= plan.defects
        assert (len(truth.boxes) > 0) == (plan.defects > 0) == bool(truth.mask.any())
        outside = truth.mask.copy()
        outside[PLATE.y : PLATE.bottom, PLATE.x : PLATE.right] = 0
        assert not outside.any()
        temperatures = part.truth_thermal.temperatures
        assert temperatures == pytest.approx((part.thermal.max(), part.thermal.mean(), part.thermal.min()), abs=1e-3)


def test_boxes_are_tight_around_the_mask(line: DemoLine) -> None:
    seen = 0
    for index in range(PARTS):
        truth = line.visible(index)[1]
        assert truth.mask is not None
        assert truth.boxes is not None
        for box, kind in zip(truth.boxes.xyxy.astype(int), truth.boxes.classes, strict=True):
            left, top, right, bottom = box
            inside = truth.mask[top:bottom, left:right] == kind + 1
            assert inside.sum() >= 60
            assert inside.any(axis=0)[[0, -1]].all()
            assert inside.any(axis=1)[[0, -1]].all()
            seen += 1
        areas = cv2.connectedComponents((truth.mask > 0).astype(np.uint8), connectivity=8)[0] - 1
        assert areas == len(truth.boxes), "defects do not touch each other"
    assert seen > 20


def test_a_labelled_defect_can_be_seen(line: DemoLine) -> None:
    """Inside a mask the plate differs from the same plate without defects, outside it does not (but for soft edges)."""
    contrasts = []
    for index in [index for index in range(200) if line.plan(index).defects][:20]:
        pixels, truth = line.visible(index)
        assert truth.mask is not None
        assert truth.boxes is not None
        plate = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
        plate = cv2.GaussianBlur(plate, (0, 0), 1.0)
        for (left, top, right, bottom), kind in zip(truth.boxes.xyxy.astype(int), truth.boxes.classes, strict=True):
            box = (slice(max(0, top - 12), bottom + 12), slice(max(0, left - 12), right + 12))
            mask = truth.mask[box]
            near = (cv2.dilate((mask > 0).astype(np.uint8), np.ones((9, 9))) == 0) & (mask == 0)
            normal = plate[box][near].mean(axis=0)
            contrasts.append(float(np.abs(plate[box][mask == kind + 1] - normal).sum(axis=1).mean()))
    assert min(contrasts) > 10


def test_about_half_the_parts_are_good_and_every_fault_comes(line: DemoLine) -> None:
    plans = [line.plan(index) for index in range(1000)]
    assert 0.45 < np.mean([plan.good for plan in plans]) < 0.55
    assert {plan.window for plan in plans} == {0, 1, 2}
    assert {plan.hot_spots for plan in plans} == {0, 1, 2, 3}
    kinds = [kind for index in range(60) for kind in line.visible(index)[1].boxes.classes.tolist()]  # type: ignore[union-attr] - known
    assert set(kinds) == set(range(len(PLATE_CLASSES)))
    assert all(DemoLine(1, good=1.0).plan(index).good for index in range(50))
    assert not any(DemoLine(1, good=0.0).plan(index).good for index in range(50))


def test_only_a_hot_spot_is_hot(line: DemoLine) -> None:
    for index in range(200):
        thermal, plan = line.thermal(index)[0], line.plan(index)
        assert 285 < thermal.min() < 305
        if plan.hot_spots:
            assert 363.15 < thermal.max() < 485
        else:
            assert thermal.max() < 345


def test_the_pair_sees_the_same_parts() -> None:
    options = {"seed": 3, "parts": 6}
    visible = list(open_camera("top", "simulated", options).frames(threading.Event()))
    thermal = list(open_camera("ir", "simulated:thermal", options).frames(threading.Event()))
    assert [frame.part for frame in visible] == [frame.part for frame in thermal] == [f"P{k:06d}" for k in range(6)]
    assert {frame.unit for frame in thermal} == {"kelvin"}
    part = DemoLine(3).part(5)
    np.testing.assert_array_equal(visible[5].pixels, part.visible)
    np.testing.assert_array_equal(thermal[5].pixels, part.thermal)
    assert visible[5].truth is not None
    assert visible[5].truth.label == part.truth_visible.label


def test_rate_stop_and_options() -> None:
    stop = threading.Event()
    camera = open_camera("ir", "simulated:thermal", {"rate": 50})
    begun = time.monotonic()
    assert len(list(islice(camera.frames(stop), 11))) == 11
    assert time.monotonic() - begun > 0.19
    stop.set()
    assert list(camera.frames(stop)) == []
    with pytest.raises(ConfigError, match="simulated:thermal"):
        open_camera("ir", "simulated:infrared")
    with pytest.raises(ConfigError, match="seed"):
        open_camera("ir", "simulated", {"seed": -1})


def test_rendering_keeps_up_with_the_line(line: DemoLine) -> None:
    line.part(0)
    begun = time.process_time()
    for index in range(20):
        line.part(index)
    assert (time.process_time() - begun) / 20 < 0.06  # about 12 ms on a quiet 2-core machine; this bound is for a busy one


def test_demo_data_as_files(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "demo", parts=12, seed=5, good=0.2)
    line, root = DemoLine(5, good=0.2), tmp_path / "demo"
    with (root / "thermal" / "temperatures.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert (root / "plate-masks" / "classes.txt").read_text("utf-8").split() == list(PLATE_CLASSES)
    for index, row in enumerate(rows):
        part, stem = line.part(index), f"P{index:06d}"
        truth = part.truth_visible
        assert truth.label is not None
        assert truth.boxes is not None
        assert truth.mask is not None
        window = read_image(root / "window" / WINDOW_CLASSES[truth.label] / f"{stem}.png").pixels
        np.testing.assert_array_equal(window, part.visible[WINDOW.y : WINDOW.bottom, WINDOW.x : WINDOW.right])
        plate = (slice(PLATE.y, PLATE.bottom), slice(PLATE.x, PLATE.right))
        for place in ("plate-boxes/JPEGImages", "plate-masks/images"):
            np.testing.assert_array_equal(read_image(root / place / f"{stem}.png").pixels, part.visible[plate])
        np.testing.assert_array_equal(read_image(root / "plate-masks" / "masks" / f"{stem}.png").pixels, truth.mask[plate])
        objects = Xml.parse(root / "plate-boxes" / "Annotations" / f"{stem}.xml").getroot().findall("object")
        assert [PLATE_CLASSES.index(item.findtext("name", "")) for item in objects] == truth.boxes.classes.tolist()
        for item, box in zip(objects, truth.boxes.xyxy, strict=True):
            corners = [int(item.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")]
            assert corners == [box[0] - 24 + 1, box[1] - 76 + 1, box[2] - 24, box[3] - 76]
        thermal = read_image(root / "thermal" / row["file"])
        assert thermal.unit == "kelvin"
        np.testing.assert_array_equal(thermal.pixels, part.thermal)
        told = [float(row[key]) for key in ("maximum", "mean", "minimum")]
        assert told == pytest.approx(part.truth_thermal.temperatures, abs=1e-3)
    assert len(rows) == 12


def test_demo_data_leaves_what_is_there_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="empty"):
        write_demo_data(tmp_path, parts=1, seed=0)
    with pytest.raises(StorageError, match=r"mine\.txt"):
        write_demo_data(tmp_path / "mine.txt" / "demo", parts=1, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_data_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["demo", "--out", str(tmp_path / "d"), "--parts", "2", "--seed", "1"])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "d" / "thermal").glob("*.tiff"))) == 2
