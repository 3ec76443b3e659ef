"""Layouts of public data sets, of Kaggle and of the less usual exporters: the same few objects in each."""

import json
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.formats.layouts import mask_folders
from inspector.data.formats.record import NO_DEFECT
from inspector.data.formats.scan import Folder
from inspector.data.masks import read_mask
from inspector.data.survey import survey
from tests.data.test_cases import layout_of, parts, save, spot
from tests.data.test_layouts import boxes, coco, image, mask, said, write

BOX = [5.0, 2.0, 9.0, 5.0]  # that `spot` draws
PLACES = (  # of images and of their masks
    ("img_dir/{part}/{stem}.jpg", "ann_dir/{part}/{stem}.png"),  # MMSegmentation
    ("imagesTr/{stem}_0000.png", "labelsTr/{stem}.png"),  # nnU-Net
    ("{part}_img/{stem}.jpg", "{part}_lab/{stem}.png"),  # DeepCrack
    ("Source Images/{stem}.bmp", "Ground truth/{stem}.png"),
    ("{part}/Image/image_{stem}.jpg", "{part}/Mask/mask_{stem}.png"),
    ("{part}/x/{stem}.png", "{part}/y/{stem}.png"),  # by their content alone
    ("入力/{stem}.png", "正解/{stem}.png"),
    ("データ/画像/{stem}.png", "データ/マスク/{stem}.png"),
)


@pytest.mark.parametrize(("photograph", "drawn"), PLACES)
def test_masks_in_folders_of_any_name(tmp_path: Path, photograph: str, drawn: str) -> None:
    for at in range(6):
        names = {"part": "train" if at < 4 else "val", "stem": f"{at:03d}"}
        image(tmp_path / photograph.format(**names))
        save(tmp_path / drawn.format(**names), spot(1) if at % 3 else np.zeros((10, 20), np.uint8))
    assert layout_of(tmp_path) == "masks"
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.counts() == {NO_DEFECT: 2, "defect": 4}
    split = {"train": 4, "val": 2} if "{part}" in photograph else {"train": 6} if "Tr" in photograph else {"None": 6}
    assert parts(dataset) == split
    for sample in dataset.samples:
        if sample.shows == ("defect",):
            np.testing.assert_array_equal(mask(sample), spot(1))


def test_photographs_in_two_folders_are_no_masks_of_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for at in range(6):
        image(tmp_path / "left" / f"{at}.png")
        save(tmp_path / "right" / f"{at}.png", rng.integers(0, 4096, (10, 20)).astype(np.uint16))
    assert layout_of(tmp_path) == "folders"


def test_a_mask_for_each_object(tmp_path: Path) -> None:
    """As in a nuclei contest on Kaggle: each image has a folder with the masks of all its objects."""
    for at in range(4):
        image(tmp_path / "stage1_train" / f"id{at}" / "images" / f"id{at}.png")
        for left in (2, 10)[: 1 + at % 2]:
            save(tmp_path / "stage1_train" / f"id{at}" / "masks" / f"{at}{left}.png", spot(255, left=left))
    dataset = read_dataset(tmp_path, "segmentation")
    assert [int(mask(sample).sum()) for sample in dataset.samples] == [12, 24, 12, 24]
    found = boxes(read_dataset(tmp_path, "detection"))
    assert found["stage1_train/id1/images/id1.png"] == [[2, 2, 6, 5], [10, 2, 14, 5]]


def test_mvtec_loco(tmp_path: Path) -> None:
    """A folder of masks for each image, whose values are the kinds of defects, none of them white."""
    for at in range(3):
        for place in ("train/good", "validation/good", "test/good", "test/logical_anomalies"):
            image(tmp_path / place / f"{at:03d}.png")
        for index, left in enumerate((2, 10)[: 1 + at % 2]):
            drawn = tmp_path / "ground_truth" / "logical_anomalies" / f"{at:03d}" / f"{index:03d}.png"
            save(drawn, spot(100 - index, left=left))
    assert survey(tmp_path).tasks["segmentation"].images == {NO_DEFECT: 9, "logical_anomalies": 3}
    sums = {sample.name: int(mask(sample).sum()) for sample in read_dataset(tmp_path, "segmentation").samples}
    assert [sums[f"test/logical_anomalies/{at:03d}.png"] for at in range(3)] == [12, 24, 12]


def test_parts_that_are_counted_are_no_classes(tmp_path: Path) -> None:
    for at in range(4):
        image(tmp_path / f"kos0{at}" / "Part0.jpg")
        save(tmp_path / f"kos0{at}" / "Part0_label.bmp", spot(255) if at % 2 else np.zeros((10, 20), np.uint8))
    assert read_dataset(tmp_path, "segmentation").counts() == {NO_DEFECT: 2, "defect": 2}


@pytest.mark.parametrize("names", [("WIDER_train", "WIDER_val"), ("obj_train_data", "obj_val_data"), ("train", "Valid")])
def test_folders_that_differ_in_their_part_only_are_no_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        for kind in ("ok", "ng"):
            for at in range(3):
                image(tmp_path / name / kind / f"{name}{at}.jpg")
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.counts() == {"ng": 6, "ok": 6}
    assert parts(dataset) == {"train": 6, "val": 6}


def kitti(folder: Path) -> None:
    care = "DontCare -1 -1 -10 12.00 1.00 18.00 4.00 -1 -1 -1 -1000 -1000 -1000 -10\n"
    for name, text in {"a": "dent 0.00 0 -1.57 5.00 2.00 9.00 5.00 1 1 1 0 0 0 0\n", "b": "", "c": care}.items():
        image(folder / "training" / "image_2" / f"{name}.png")
        write(folder / "training" / "label_2" / f"{name}.txt", text)


def dota(folder: Path) -> None:
    for name, text in {"a": "5 2 9 2 9 5 5 5 dent 0\n", "b": ""}.items():
        image(folder / "images" / f"{name}.png")
        write(folder / "labelTxt" / f"{name}.txt", f"imagesource:GoogleEarth\ngsd:0.1\n{text}")


def deep_pcb(folder: Path) -> None:
    for name, text in {"a": "5 2 9 5 3\n", "b": ""}.items():
        for kind in ("test", "temp"):
            image(folder / "group0" / "00001" / f"{name}_{kind}.jpg")
        write(folder / "group0" / "00001_not" / f"{name}.txt", text)
    write(folder / "trainval.txt", "group0/00001/a.jpg group0/00001_not/a.txt\n")
    write(folder / "test.txt", "group0/00001/b.jpg group0/00001_not/b.txt\n")


def panoptic(folder: Path) -> None:
    """With categories that fill the end of the file, and segments whose numbers take more than a byte."""
    annotations = []
    for at, name in enumerate("ab"):
        image(folder / "train" / f"{name}.png")
        colours = np.zeros((10, 20, 3), np.uint8)
        if name == "a":
            colours[2:5, 5:9] = (1, 2, 0)
        save(folder / "annotations" / "panoptic_train" / f"{name}.png", colours)
        segments = [{"id": 513, "category_id": 7, "iscrowd": 0, "bbox": [5, 2, 4, 3], "area": 12}]
        annotations.append({"image_id": at, "file_name": f"{name}.png", "segments_info": segments if name == "a" else []})
    images = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("ab")]
    kinds = [{"id": 7, "name": "dent", "isthing": 1}, *({"id": 100 + at, "name": "x" * 99, "isthing": 0} for at in range(90))]
    content = {"info": {"x": "y" * 9000}, "images": images, "annotations": annotations, "categories": kinds}
    write(folder / "annotations" / "panoptic_train.json", content)


def fiftyone(folder: Path) -> None:
    labels = {"a": [{"label": "dent", "bounding_box": [0.25, 0.2, 0.2, 0.3]}], "b": [], "c": None}
    for name in labels:
        image(folder / "data" / f"{name}.png")
    write(folder / "labels.json", {"classes": ["dent"], "labels": labels})


def fiftyone_samples(folder: Path) -> None:
    drawn = {"a": [{"_cls": "Detection", "label": "dent", "bounding_box": [0.25, 0.2, 0.2, 0.3]}], "b": []}
    samples = []
    for name, items in drawn.items():
        image(folder / "data" / f"{name}.png")
        field = {"_cls": "Detections", "detections": items}
        samples.append({"filepath": f"data/{name}.png", "tags": ["test"], "metadata": {"width": 20}, "ground_truth": field})
    write(folder / "samples.json", {"samples": samples})


@pytest.mark.parametrize(
    ("make", "kind", "layout"),
    [
        (kitti, "dent", "lines"),
        (dota, "dent", "lines"),
        (deep_pcb, "mousebite", "lines"),
        (panoptic, "dent", "panoptic"),
        (fiftyone, "dent", "fiftyone"),
        (fiftyone_samples, "dent", "fiftyone"),
    ],
)
def test_one_box_and_an_image_without(tmp_path: Path, make: Callable[[Path], None], kind: str, layout: str) -> None:
    make(tmp_path)
    assert layout_of(tmp_path) == layout
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == (kind,)
    found = {Path(name).stem.removesuffix("_test"): box for name, box in boxes(dataset).items()}
    np.testing.assert_allclose(found.pop("a"), [BOX], atol=1e-5)
    assert found == {"b": []}  # what is ignored, or was not labelled, is not good
    if make in (panoptic, dota):
        np.testing.assert_array_equal(mask(read_dataset(tmp_path, "segmentation").samples[0]), spot(1))
    if make is deep_pcb:
        assert parts(dataset) == {"train": 1, "test": 1}
        assert "Templates" in said(dataset)


def test_classes_of_fiftyone(tmp_path: Path) -> None:
    for name in "abcd":
        image(tmp_path / "data" / f"{name}.png")
    write(tmp_path / "labels.json", {"classes": ["ng", "ok"], "labels": {"a": 0, "b": 1, "c": "ok", "d": None}})
    assert read_dataset(tmp_path, "classification").counts() == {"ng": 1, "ok": 2}


@pytest.mark.parametrize(("kind", "classes"), [(1, ["stain", "dent"]), ("dent", None)])
def test_detections_of_fiftyone_by_the_number_of_their_class_or_by_its_name(
    tmp_path: Path, kind: object, classes: list[str] | None
) -> None:
    labels = {
        "a": [{"label": kind, "bounding_box": [0.25, 0.2, 0.2, 0.3]}],
        "b": [],
        "c": [{"label": 7, "bounding_box": [0, 0, 1, 1]}],
    }
    for name in labels:
        image(tmp_path / "data" / f"{name}.png")
    write(tmp_path / "labels.json", {"classes": classes, "labels": labels})
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("dent",)
    assert sorted(boxes(dataset)) == ["data/a.png", "data/b.png"]
    assert "an object without a class is left out" in said(dataset)


def test_classes_of_fiftyone_with_their_certainty(tmp_path: Path) -> None:
    for name in "ab":
        image(tmp_path / "data" / f"{name}.png")
    labels = {"a": {"label": 0, "confidence": 0.9}, "b": [{"label": 1}]}
    write(tmp_path / "labels.json", {"classes": ["ng", "ok"], "labels": labels})
    assert read_dataset(tmp_path, "classification").counts() == {"ng": 1, "ok": 1}


def test_panoptic_pictures_beside_instances_are_no_masks(tmp_path: Path) -> None:
    """As datumaro writes both: numbers of segments were taken for the values of classes."""
    panoptic(tmp_path)
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("ab")]
    objects = [{"id": 1, "image_id": 0, "category_id": 0, "bbox": [5, 2, 4, 3], "segmentation": [5, 2, 9, 2, 9, 5, 5, 5]}]
    write(tmp_path / "annotations" / "instances_train.json", coco(about, objects, ["dent"]))
    assert layout_of(tmp_path) == "coco"
    dataset = read_dataset(tmp_path, "segmentation")
    assert [int(mask(sample).sum()) for sample in dataset.samples] == [12, 0]


def test_many_files_of_a_single_image_each(tmp_path: Path) -> None:
    """LabelImg writes a Create ML file for each image."""
    for at in range(60):
        image(tmp_path / f"{at:02d}.png")
        box = {"x": 7, "y": 3.5, "width": 4, "height": 3}
        write(tmp_path / f"{at:02d}.json", [{"image": f"{at:02d}.png", "annotations": [{"label": "dent", "coordinates": box}]}])
    assert read_dataset(tmp_path, "detection").counts() == {"dent": 60}


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "gb2312", "shift_jis", "utf-8"])
def test_xml_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    name = {"gb2312": "划痕", "shift_jis": "傷"}.get(encoding, "Kratzör")
    corners = "<xmin>6</xmin><ymin>3</ymin><xmax>9</xmax><ymax>5</ymax>"
    box = f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"
    image(tmp_path / "images" / "a.jpg")
    (tmp_path / "annotations").mkdir()
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<annotation><path>C:\\{name}\\a.jpg</path>{box}</annotation>'
    (tmp_path / "annotations" / "a.xml").write_bytes(text.encode(encoding))
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == (name,)
    assert boxes(dataset) == {"images/a.jpg": [BOX]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_json_as_windows_writes_it(tmp_path: Path, encoding: str) -> None:
    image(tmp_path / "a.png")
    objects = [{"id": 1, "image_id": 0, "category_id": 0, "bbox": [5, 2, 4, 3]}]
    text = json.dumps(coco([{"id": 0, "file_name": "a.png"}], objects, ["傷"]), ensure_ascii=False)
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tmp_path / "labels.json").write_bytes(mark + text.encode(encoding))
    dataset = read_dataset(tmp_path, "detection")
    assert (dataset.classes, boxes(dataset)) == (("傷",), {"a.png": [BOX]})


@pytest.mark.parametrize("number", [str, float, int])
def test_numbers_of_coco_in_other_forms(tmp_path: Path, number: Callable[[int], object]) -> None:
    """Images whose numbers are words had no objects and counted as good."""
    for name in "ab":
        image(tmp_path / f"{name}.png")
    about = [{"id": str(at), "file_name": f"https://host/x/{name}.png?key=1"} for at, name in enumerate("ab")]
    objects = [{"id": 1, "image_id": number(0), "category_id": number(0), "bbox": [5, 2, 4, 3]}]
    write(tmp_path / "labels.json", coco(about, objects, ["dent"]))
    assert boxes(read_dataset(tmp_path, "detection")) == {"a.png": [BOX], "b.png": []}
    objects[0]["image_id"] = "part-77"
    write(tmp_path / "labels.json", coco(about, objects, ["dent"]))
    with pytest.raises(ConfigError, match="nothing labelled"):
        read_dataset(tmp_path, "detection")


def test_corners_taken_for_a_size_do_not_pass_beside_a_polygon(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 60, 40)
    polygon = [[8, 8, 24, 8, 24, 24, 8, 24]]
    objects = [{"id": 1, "image_id": 0, "category_id": 0, "bbox": [8, 8, 24, 24], "segmentation": polygon}]
    write(tmp_path / "labels.json", coco([{"id": 0, "file_name": "a.png"}], objects, ["dent"]))
    with pytest.raises(ConfigError, match="a bbox and a segmentation are in different places"):
        read_dataset(tmp_path, "detection")


def test_names_and_lists_of_darknet(tmp_path: Path) -> None:
    for at in range(4):
        image(tmp_path / "data" / "obj" / f"{at}.jpg")
        write(tmp_path / "data" / "obj" / f"{at}.txt", "0 0.35 0.35 0.2 0.3\n")
        with (tmp_path / "data" / ("train.txt" if at < 3 else "test.txt")).open("a") as stream:
            stream.write(f"data/obj/{at}.jpg\n")
    write(tmp_path / "data" / "any.names", "dent\nscratch\n")
    write(
        tmp_path / "data" / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/any.names\n"
    )
    dataset = read_dataset(tmp_path, "detection")
    assert (dataset.classes, parts(dataset)) == (("dent",), {"train": 3, "val": 1})


def test_choices_of_label_studio_under_any_name(tmp_path: Path) -> None:
    tasks = []
    for at, kind in enumerate(("ng", "ok", "ok")):
        image(tmp_path / f"0a1b2c3d-{at}.png")
        about = {"id": at, "annotation_id": at, "annotator": 1, "lead_time": 1.5, "created_at": "2026-01-01T00:00:00Z"}
        tasks.append({"image": f"/data/upload/1/0a1b2c3d-{at}.png", "verdict": kind, **about})
    write(tmp_path / "project-1.json", tasks)
    assert read_dataset(tmp_path, "classification").counts() == {"ng": 1, "ok": 2}


def test_regions_of_label_studio_with_the_same_id_are_several_where_their_places_differ(tmp_path: Path) -> None:
    """Programs that write its .json for pre-annotation often give every region the same id."""
    image(tmp_path / "a.png")
    size = {"original_width": 20, "original_height": 10}
    spots = [{"x": x, "y": 10, "width": 20, "height": 50, "rotation": 0} for x in (0, 50)]
    result = [{"id": "r", "type": "rectanglelabels", "value": {**spot, "rectanglelabels": ["dent"]}, **size} for spot in spots]
    again = {"id": "r", "type": "rectangle", "value": spots[0], **size}
    write(tmp_path / "project-1.json", [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": [*result, again]}]}])
    (sample,) = read_dataset(tmp_path, "detection").samples
    assert sample.truth.boxes is not None
    assert sample.truth.boxes.xyxy.tolist() == [[0, 1, 4, 6], [10, 1, 14, 6]]


def test_label_files_beside_class_folders_are_named(tmp_path: Path) -> None:
    for kind in ("crack", "fine"):
        for at in range(3):
            image(tmp_path / kind / f"{at}.jpg")
            write(tmp_path / kind / f"{at}.json", {"info": {"description": "another tool"}, "objects": []})
    write(tmp_path / "README.txt", "notes")
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.counts() == {"crack": 3, "fine": 3}
    assert "Its 6 .json files are in no layout that is understood; they are not used." in said(dataset)


def few_bits(bits: int, values: NDArray[np.uint8]) -> bytes:
    """A grey PNG of 2 or 4 bits, by its specification."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    spread = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = b"".join(b"\0" + np.packbits(row.astype(np.uint8).ravel()).tobytes() for row in spread)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    ends = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + ends


def test_values_of_masks_of_other_depths(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    for bits in (2, 4):
        drawn = spot(1) + spot(2, left=12)
        path.write_bytes(few_bits(bits, drawn))
        np.testing.assert_array_equal(read_mask(path), drawn)
        path.write_bytes(few_bits(bits, spot((1 << bits) - 1)))  # black and white
        np.testing.assert_array_equal(read_mask(path), spot(255))
    save(path, spot(1).astype(np.uint16) * 65535)
    np.testing.assert_array_equal(read_mask(path), spot(255))
    for values, why in (
        (spot(2).astype(np.uint16) * 256 + 1, "which are no classes"),
        (spot(1)[..., None] * [1, 0, 0], "in colours"),
    ):
        save(path, values.astype(np.uint16 if values.ndim == 2 else np.uint8))
        with pytest.raises(ConfigError, match=why):
            read_mask(path)


def test_a_table_without_rows_is_no_trouble(tmp_path: Path) -> None:
    """As pandas writes one: its first column counts the rows."""
    image(tmp_path / "a" / "x.png")
    image(tmp_path / "b" / "y.png")
    (tmp_path / "table.csv").write_text("0,path,a,b,c,d\n")
    assert layout_of(tmp_path) == "folders"


def test_many_masks_take_no_longer_each(tmp_path: Path) -> None:
    save(tmp_path / "mask.png", spot(1))
    folder = Folder(tmp_path)
    folder.files = {f"{place}/{at}.png": tmp_path / "mask.png" for place in ("images", "masks") for at in range(20_000)}
    start = time.process_time()
    claim = mask_folders.look(folder)
    assert claim is not None
    assert claim.why.text.startswith("20000")
    assert time.process_time() - start < 10


def test_a_column_named_as_an_image_is_still_a_header(tmp_path: Path) -> None:
    for stem in ("image", "b"):
        image(tmp_path / f"{stem}.png")
    write(tmp_path / "labels.csv", "image,label,group\nimage.png,ng,1\nb.png,ok,2\n")
    assert read_dataset(tmp_path, "classification").counts() == {"ng": 1, "ok": 1}
