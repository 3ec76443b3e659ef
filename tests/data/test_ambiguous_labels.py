"""Labels whose numbers fit two readings: the right one, or a refusal that says what they look like."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as pycoco

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.outlines import Outline, run_lengths
from tests.data.test_cases import spot
from tests.data.test_layouts import boxes, image, mask, said, write

BOXES = ((5, 2, 9, 5), (10, 1, 19, 8), (4, 5, 16, 9), (11, 3, 18, 9), (3, 4, 17, 10))  # corners, in images of 20 x 10 px


def _table(folder: Path, titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with (folder / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([titles, *rows])


def _corner_list(folder: Path) -> None:
    _table(folder, ["image", "label", "bbox"], [[f"{at}.png", "dent", list(box)] for at, box in enumerate(BOXES)])


def _percent(folder: Path) -> None:
    rows = [[f"{at}.png", "dent", 5 * a, 10 * b, 5 * (c - a), 10 * (d - b)] for at, (a, b, c, d) in enumerate(BOXES)]
    _table(folder, ["image", "label", "x", "y", "w", "h"], rows)


def _coco(folder: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    about = [{"id": at, "file_name": f"{at}.png"} for at in range(len(BOXES))]
    items = [
        change({"id": at + 1, "image_id": at, "category_id": 1, "bbox": [a, b, c - a, d - b], "area": 1, "iscrowd": 0})
        for at, (a, b, c, d) in enumerate(BOXES)
    ]
    write(folder / "coco.json", {"images": about, "annotations": items, "categories": [{"id": 1, "name": "dent"}]})


def _larger(folder: Path) -> None:
    _coco(folder, lambda item: {**item, "bbox": [2 * value for value in item["bbox"]]})  # type: ignore[attr-defined]


def _fractions(folder: Path) -> None:
    def change(item: dict[str, object]) -> dict[str, object]:
        a, b, width, height = item["bbox"]  # type: ignore[misc]
        return {**item, "bbox": [a / 20, b / 10, width / 20, height / 10]}

    _coco(folder, change)


def _other_images(folder: Path) -> None:
    _coco(folder, lambda item: item)
    text = (folder / "coco.json").read_text()
    (folder / "coco.json").write_text(text.replace(".png", ".tif"))


def _yolo(folder: Path, line: Callable[[float, float, float, float], Sequence[float]]) -> None:
    for at, (a, b, c, d) in enumerate(BOXES):
        numbers = line(a / 20, b / 10, c / 20, d / 10)
        write(folder / f"{at}.txt", " ".join(["0", *(f"{value:.6f}" for value in numbers)]) + "\n")


def _yolo_corners(folder: Path) -> None:
    _yolo(folder, lambda a, b, c, d: (a, b, c, d))


def _yolo_points(folder: Path) -> None:
    _yolo(folder, lambda a, b, c, d: ((a + c) / 2, (b + d) / 2, c - a, d - b, a + 0.01, b + 0.01, c - 0.01, d - 0.01))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_corner_list, "are corners"),
        (_percent, "reach out of their images"),
        (_larger, "reach out of their images"),
        (_fractions, "fractions of the image, and not pixels"),
        (_other_images, "0.tif is listed in"),
        (_yolo_corners, "reach out of their images"),
        (_yolo_points, "boxes with key points"),
    ],
)
def test_numbers_that_mean_something_else(tmp_path: Path, make: Callable[[Path], None], sentence: str) -> None:
    for at in range(len(BOXES)):
        image(tmp_path / f"{at}.png")
    make(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        read_dataset(tmp_path, "detection")


def test_a_few_boxes_that_reach_out_are_clipped(tmp_path: Path) -> None:
    for at in range(len(BOXES)):
        image(tmp_path / f"{at}.png")
    _coco(tmp_path, lambda item: {**item, "bbox": [12, 2, 12, 6]} if item["id"] in (1, 2) else item)
    dataset = read_dataset(tmp_path, "detection")
    assert boxes(dataset)["0.png"] == [[12, 2, 20, 8]]
    assert "reaches out of the image; it is clipped" in said(dataset)


def _runs(order: str) -> list[int]:
    flat = (spot(1) > 0).ravel(order)  # type: ignore[call-overload]
    return list(run_lengths(flat.reshape(20, 10).T))


def test_run_lengths_along_the_rows_do_not_pass_beside_a_box(tmp_path: Path) -> None:
    image(tmp_path / "0.png")
    about = {"images": [{"id": 1, "file_name": "0.png"}], "categories": [{"id": 1, "name": "dent"}]}
    for order, passes in (("F", True), ("C", False)):
        runs = {"size": [10, 20], "counts": _runs(order)}
        item = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 2, 4, 3], "segmentation": runs, "iscrowd": 0}
        write(tmp_path / "coco.json", {**about, "annotations": [item]})
        if passes:
            np.testing.assert_array_equal(mask(read_dataset(tmp_path, "segmentation").samples[0]), spot(1))
        else:
            with pytest.raises(ConfigError, match="bbox and a segmentation are in different places"):
                read_dataset(tmp_path, "segmentation")


def test_bounds_of_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(1)
    for density in (0.0, 0.02, 0.3, 0.98, 1.0):
        for _ in range(20):
            drawn = rng.random((7, 11)) < density
            found = Outline((), run_lengths(drawn), (7, 11)).bounds()
            x, y, width, height = pycoco.toBbox(pycoco.encode(np.asfortranarray(drawn.astype(np.uint8))))
            assert found == ((x, y, x + width, y + height) if drawn.any() else None)


def test_a_box_that_was_not_written_beside_an_outline(tmp_path: Path) -> None:
    for at in range(len(BOXES)):
        image(tmp_path / f"{at}.png")

    def change(item: dict[str, object]) -> dict[str, object]:
        a, b, width, height = item["bbox"]  # type: ignore[misc]
        corners = [a, b, a + width, b, a + width, b + height, a, b + height]
        return {**item, "bbox": [0, 0, 0, 0], "segmentation": [corners]}

    _coco(tmp_path, change)
    found = boxes(read_dataset(tmp_path, "detection"))
    assert found == {f"{at}.png": [list(map(float, box))] for at, box in enumerate(BOXES)}


def test_segments_with_the_same_number_are_not_read(tmp_path: Path) -> None:
    image(tmp_path / "images" / "0.jpg")
    (tmp_path / "panoptic").mkdir()
    Image.fromarray(np.dstack([spot(1), spot(0), spot(0)])).save(tmp_path / "panoptic" / "0.png")
    segments = [{"id": 1, "category_id": kind, "iscrowd": 0, "area": 12, "bbox": [5, 2, 4, 3]} for kind in (1, 2)]
    about = {
        "images": [{"id": 1, "file_name": "0.jpg", "width": 20, "height": 10}],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "pore"}],
    }
    for listed in (segments[:1], segments):
        entry = {"image_id": 1, "file_name": "0.png", "segments_info": listed}
        write(tmp_path / "panoptic.json", {**about, "annotations": [entry]})
        if len(listed) == 1:
            assert read_dataset(tmp_path, "segmentation", layout="panoptic").classes == ("dent",)
        else:
            with pytest.raises(ConfigError, match="two segments have the same number"):
                read_dataset(tmp_path, "segmentation", layout="panoptic")


def test_run_lengths_without_a_class_and_images_without_an_object(tmp_path: Path) -> None:
    for at in range(3):
        image(tmp_path / f"{at}.png")
    _table(tmp_path, ["ImageId", "EncodedPixels"], [["0.png", "53 3 63 3 73 3 83 3"], ["1.png", "-1"], ["2.png", ""]])
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("object",)
    drawn = [mask(sample) for sample in dataset.samples]
    np.testing.assert_array_equal(drawn[0], spot(1))
    assert len(drawn) == 3
    assert not drawn[1].any()
    assert not drawn[2].any()


def test_good_parts_of_create_ml_with_a_file_for_each_image(tmp_path: Path) -> None:
    for at in range(4):
        image(tmp_path / f"{at}.png")
        drawn = [{"label": "dent", "coordinates": {"x": 7, "y": 3.5, "width": 4, "height": 3}}] if at < 2 else []
        write(tmp_path / f"{at}.json", [{"image": f"{at}.png", "verified": False, "annotations": drawn}])
    found = boxes(read_dataset(tmp_path, "detection"))
    assert found == {f"{at}.png": [[5, 2, 9, 5]] if at < 2 else [] for at in range(4)}


def test_columns_of_classes_with_decimals(tmp_path: Path) -> None:
    for at in range(3):
        image(tmp_path / f"{at}.png")
    _table(tmp_path, ["filename", "ok", "ng"], [[f"{at}.png", float(at > 1), float(at <= 1)] for at in range(3)])
    dataset = read_dataset(tmp_path, "classification")
    assert [dataset.classes[sample.truth.label or 0] for sample in dataset.samples] == ["ng", "ng", "ok"]


def test_folders_inside_those_of_the_classes_are_named(tmp_path: Path) -> None:
    for at in range(8):
        image(tmp_path / "DW"[at % 2] / ("CU"[at // 4] + "DW"[at % 2]) / f"{at}.jpg")
    assert "CD, CW, UD, UW inside those of the classes are not taken for classes; choose one of D, W" in said(
        read_dataset(tmp_path, "classification")
    )


@pytest.mark.parametrize("name", ["labels.odgt", "train_bbx_gt.txt"])
def test_label_files_of_one_unknown_kind_are_named(tmp_path: Path, name: str) -> None:
    for at in range(3):
        image(tmp_path / "Images" / f"{at}.jpg")
    write(tmp_path / name, json.dumps({"ID": "0"}))
    with pytest.raises(ConfigError, match=f"its 1 {Path(name).suffix} files are in no layout"):
        read_dataset(tmp_path, "detection")
