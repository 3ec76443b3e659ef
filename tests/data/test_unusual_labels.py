"""Labels that look like others and mean something else, and label files whose names or numbers are written another way."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.formats.record import NO_DEFECT
from inspector.data.survey import survey
from inspector.imaging.files import image_files
from tests.data.test_cases import layout_of, parts, save, spot
from tests.data.test_layouts import boxes, coco, image, mask, said, write

BOX = [5.0, 2.0, 9.0, 5.0]  # that `spot` draws in an image of 20 x 10 px


def _yolo(folder: Path, *lines: str) -> Path:
    write(folder / "data.yaml", "names: [dent, hole]\n")
    for at, line in enumerate(lines):
        image(folder / "images" / f"{at}.png")
        write(folder / "labels" / f"{at}.txt", line)
    return folder


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("0 7 3.5 4 3", "1 9 4 2 2"), "its numbers are no fractions of the image"),
        (("0 0.35 0.35 0.2 0.3 0.3 0.3 2 0.4 0.4 1",), "its numbers are no fractions of the image"),
        (("0 0.35 0.35 0.2 0.3 0.3 0.3 1 0.4 0.4 0",), "key points, and no .yaml with a kpt_shape"),
        (("2 0.35 0.35 0.2 0.3", "1 0.35 0.35 0.2 0.3"), "count from 1; those of YOLO count from 0"),
    ],
)
def test_numbers_of_yolo_that_mean_something_else(tmp_path: Path, lines: tuple[str, ...], sentence: str) -> None:
    """Pixels, key points of pose exports and class numbers from 1 never become boxes of a wrong place or class."""
    with pytest.raises(ConfigError) as error:
        read_dataset(_yolo(tmp_path, *lines), "detection")
    assert sentence in error.value.problem.text


def test_polygons_of_yolo_that_touch_the_border_are_polygons(tmp_path: Path) -> None:
    folder = _yolo(tmp_path, "0 0 0 1 0 1 1 0 1 0 0", "1 0.25 0.2 0.45 0.2 0.45 0.5 0.25 0.5", "0 1 0 1 1 0 1 0 0 1 0")
    found = {"images/0.png": [[0, 0, 20, 10]], "images/1.png": [BOX], "images/2.png": [[0, 0, 20, 10]]}
    assert boxes(read_dataset(folder, "detection")) == found


def test_coco_whose_boxes_are_corners_is_refused(tmp_path: Path) -> None:
    about = [{"id": at, "file_name": f"{at}.png", "width": 20, "height": 10} for at in range(4)]
    corners = [{"id": at + 1, "image_id": at, "category_id": 0, "bbox": [12, 4, 18, 9]} for at in range(4)]
    for at in range(4):
        image(tmp_path / f"{at}.png")
    write(tmp_path / "labels.json", coco(about, corners, ["dent"]))
    with pytest.raises(ConfigError, match="its boxes are corners"):
        read_dataset(tmp_path, "detection")


def test_coco_without_any_object_or_file_name(tmp_path: Path) -> None:
    """An export of nothing but categories teaches nothing; LVIS names an address in place of a file."""
    for at in range(3):
        image(tmp_path / f"{at}.png")
    about = [{"id": at, "coco_url": f"http://images.example/x/{at}.png", "width": 20, "height": 10} for at in range(3)]
    write(tmp_path / "labels.json", coco(about, [], ["dent", "hole"]))
    with pytest.raises(ConfigError, match="nothing labelled for detection"):
        read_dataset(tmp_path, "detection")
    write(tmp_path / "labels.json", coco(about, [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3]}], ["dent"]))
    assert boxes(read_dataset(tmp_path, "detection")) == {"0.png": [], "1.png": [BOX], "2.png": []}


def test_folders_that_are_no_classes(tmp_path: Path) -> None:
    """Of a file server, of an archive, of images without a label, and Supervisely's drawings beside its masks."""
    for place in ("dent", "good", "no_label", "unlabeled"):
        image(tmp_path / "a" / place / f"{place}.png")
    image(tmp_path / "a" / "@eaDir" / "dent.png" / "SYNOPHOTO_THUMB_XL.jpg")
    image(tmp_path / "a" / "__MACOSX" / "dent" / "x.png")
    dataset = read_dataset(tmp_path / "a", "classification")
    assert dataset.counts() == {"dent": 1, "good": 1}
    assert "no_label.png has no label" in said(dataset)
    assert len(image_files(tmp_path / "a", recursive=True)) == len(image_files(tmp_path / "a", pattern="**/*.png")) == 4
    for at in range(4):
        image(tmp_path / "b" / "img" / f"{at}.png")
        save(tmp_path / "b" / "masks_human" / f"{at}.png", np.dstack([spot(200)] * 3))
        save(tmp_path / "b" / "masks_machine" / f"{at}.png", spot(1 + at % 2))
    write(tmp_path / "b" / "obj_class_to_machine_color.json", {"dent": [1, 1, 1], "hole": [2, 2, 2]})
    dataset = read_dataset(tmp_path / "b", "segmentation")
    assert dataset.counts() == {"dent": 2, "hole": 2}
    np.testing.assert_array_equal(mask(dataset.samples[1]), spot(2))


@pytest.mark.parametrize(
    "names",
    [
        ("id2label.json", json.dumps({"0": "background", "1": "dent", "2": "hole"})),
        ("dataset.json", json.dumps({"labels": {"background": 0, "dent": 1, "hole": 2}, "numTraining": 4})),
        ("colours.json", json.dumps({"dent": [255, 0, 0], "hole": [0, 0, 255]})),
        ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ndent,255,0,0\nhole,0,0,255\n"),
    ],
)
def test_names_of_mask_values_in_json_and_tables(tmp_path: Path, names: tuple[str, str]) -> None:
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    coloured = names[0].startswith("c")
    for at in range(4):
        image(tmp_path / "images" / f"{at}.jpg")
        values = spot(1 + at % 2)
        save(tmp_path / "masks" / f"{at}.png", palette[values] if coloured else values)
    write(tmp_path / names[0], names[1])
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent", "hole")
    assert dataset.counts() == {"dent": 2, "hole": 2}
    np.testing.assert_array_equal(mask(dataset.samples[1]), spot(2))


@pytest.mark.parametrize("kitti", [False, True])
def test_masks_whose_first_class_is_the_background_are_refused(tmp_path: Path, kitti: bool) -> None:
    """As labelformat's Pascal VOC and datumaro's KITTI write them: objects of the first class are 0, like all that is good."""
    for at in range(4):
        image(tmp_path / "image_2" / f"{at}.png")
        save(tmp_path / ("semantic" if kitti else "masks") / f"{at}.png", spot(at % 2))
    if kitti:
        write(tmp_path / "label_colors.txt", " dent\n hole\n")
    else:
        write(tmp_path / "class_id_to_name.json", {"0": "dent", "1": "hole"})
    with pytest.raises(ConfigError, match="gives the class 'dent' the value 0"):
        read_dataset(tmp_path, "segmentation")


def test_good_parts_beside_masks_and_masks_that_look_inverted(tmp_path: Path) -> None:
    """As anomalib's folders are laid out: good parts have no mask."""
    for at in range(4):
        image(tmp_path / "a" / "abnormal" / f"{at}.png")
        image(tmp_path / "a" / "normal" / f"n{at}.png")
        save(tmp_path / "a" / "mask" / f"{at}.png", spot(255))
        image(tmp_path / "b" / "images" / f"{at}.png")
        save(tmp_path / "b" / "masks" / f"{at}.png", 255 - spot(255))
    assert read_dataset(tmp_path / "a", "segmentation").counts() == {NO_DEFECT: 4, "defect": 4}
    assert "invert the masks" in said(read_dataset(tmp_path / "b", "segmentation"))


def test_cityscapes(tmp_path: Path) -> None:
    for at, part in enumerate(["train", "train", "val"]):
        place = f"{part}/hall/{at:06d}"
        image(tmp_path / "leftImg8bit" / f"{place}_leftImg8bit.png")
        save(tmp_path / "gtFine" / f"{place}_gtFine_labelIds.png", spot(1))
        save(tmp_path / "gtFine" / f"{place}_gtFine_instanceIds.png", spot(1).astype(np.uint16) * 1000)
        save(tmp_path / "gtFine" / f"{place}_gtFine_color.png", np.dstack([spot(128)] * 3))
    dataset = read_dataset(tmp_path, "segmentation")
    assert (dataset.counts(), parts(dataset), said(dataset)) == ({"defect": 3}, {"train": 2, "val": 1}, "")
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(1))


def _google(folder: Path) -> None:
    write(
        folder / "import.csv",
        "TRAIN,gs://b/x/0.png,dent,0.25,0.2,,,0.45,0.5,,\nTEST,gs://b/x/1.png,hole,0.25,0.2,,,0.45,0.5,,\n",
    )


def _capitals(folder: Path) -> None:
    write(folder / "l.csv", "filename,class,xmin,ymin,xmax,ymax\nX/0.PNG,dent,5,2,9,5\n1.PNG,hole,5,2,9,5\n")


def _bars(folder: Path) -> None:
    write(folder / "l.tsv", "filename|class|xmin|ymin|xmax|ymax\nx/0.png|dent|5|2|9|5\nx/1.png|hole|5|2|9|5\n")


def _open_images(folder: Path) -> None:
    rows = "".join(f"{at},xclick,/m/0{at},1,0.25,0.45,0.2,0.5\n" for at in range(2))
    write(folder / "labels" / "detections.csv", f"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n{rows}")
    write(folder / "metadata" / "classes.csv", "/m/00,dent\n/m/01,hole\n")


@pytest.mark.parametrize("table", [_google, _capitals, _bars, _open_images])
def test_tables_written_in_other_ways(tmp_path: Path, table: Callable[[Path], None]) -> None:
    for at in range(2):
        image(tmp_path / "x" / f"{at}.png")
    table(tmp_path)
    assert layout_of(tmp_path) == "objects"
    dataset = read_dataset(tmp_path, "detection")
    assert (dataset.counts(), said(dataset)) == ({"dent": 1, "hole": 1}, "")
    assert [box for own in boxes(dataset).values() for box in own] == [pytest.approx(BOX, abs=1e-3)] * 2


def test_several_labels_in_one_cell_are_no_class(tmp_path: Path) -> None:
    kinds = ("dent", "hole", "dent hole", "missing hole")
    for at in range(4):
        image(tmp_path / f"{at}.png")
    write(tmp_path / "l.csv", "image,label\n" + "".join(f"{at}.png,{kind}\n" for at, kind in enumerate(kinds)))
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.counts() == {"dent": 1, "hole": 1, "missing hole": 1}
    assert "2.png has 2 labels" in said(dataset)


def test_what_is_seen_and_not_read_is_named(tmp_path: Path) -> None:
    for place in ("cam1", "cam2"):
        image(tmp_path / "a" / place / "0.png")
        write(tmp_path / "a" / place / "x.heic", "?")
    write(tmp_path / "a" / "labels.csv", "filename,class,xmin,ymin,xmax,ymax\n0.png,dent,5,2,9,5\n")  # of which camera?
    text = said(read_dataset(tmp_path / "a", "classification"))
    assert "Its 1 .csv files are in no layout that is understood" in text
    assert "Its 2 .heic files are pictures of kinds that are not read" in text
    write(tmp_path / "b" / "shard-000.tar", "?")
    write(tmp_path / "b" / "part.dcm", "?")
    with pytest.raises(ConfigError, match=r"1 \.tar, 1 \.dcm files"):
        survey(tmp_path / "b")
