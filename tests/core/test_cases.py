"""Data sets as the tools of the field write them, small, each with what is right for it."""

import base64
import csv
import io
import json
import random
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.annotations import candidates, read_dataset
from inspector.core.datasets.record import NO_DEFECT
from inspector.core.datasets.scan import Folder
from inspector.core.errors import ConfigError
from inspector.core.samples import Dataset
from inspector.core.split import split_samples
from inspector.core.survey import survey
from inspector.core.types import IGNORE, TaskName
from tests.core.test_layouts import boxes, coco, image, mask, said, write

CASES = Path(__file__).parents[1] / "data" / "cases"


def parts(dataset: Dataset) -> dict[str, int]:
    """Samples by the part that the data puts them in."""
    found: dict[str, int] = {}
    for sample in dataset.samples:
        found[str(sample.part)] = found.get(str(sample.part), 0) + 1
    return found


def save(path: Path, pixels: NDArray[np.uint8], *, palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette:
        picture = Image.fromarray(pixels, "L").convert("P")
        picture.putdata(pixels.ravel().tolist())
        picture.putpalette([0, 0, 0, 128, 0, 0, *[7] * 759, 224, 224, 192])
    picture.save(path)
    return path


def spot(value: int, *, void: bool = False, top: int = 2, left: int = 5) -> NDArray[np.uint8]:
    """A mask [10, 20] with an object of 4 x 3 px, and perhaps a border of 255 around it."""
    drawn = np.zeros((10, 20), np.uint8)
    if void:
        drawn[top - 1 : top + 4, left - 1 : left + 5] = 255
    drawn[top : top + 3, left : left + 4] = value
    return drawn


def layout_of(folder: Path) -> str:
    return candidates(Folder(folder))[0].name


@pytest.mark.parametrize(
    ("case", "layout", "counts", "split"),
    [
        ("class-never-main", "yolo", {"pore": 20, "scratch": 20}, {"train": 12, "val": 4, "test": 4}),
        ("cvat-images-xml", "cvat", {"scratch": 6}, {"None": 6}),
        ("kaggle-neu-voc-split", "voc", {"crazing": 8, "scratches": 8}, {"train": 12, "val": 4}),
        ("labelme-json-in-other-folder", "labelme", {"scratch": 8}, {"None": 8}),
        ("labelstudio-yolo-notes", "yolo", {"dent": 4, "scratch": 4}, {"None": 8}),
        ("roboflow-voc-split", "voc", {"scratch": 12}, {"train": 8, "val": 2, "test": 2}),
        ("yolo-names-with-test", "yolo", {"pore": 12}, {"None": 12}),
        ("yolo-no-txt-for-good", "yolo", {"scratch": 5}, {"None": 5}),
        ("masks-tif-bmp", "masks", {"defect": 6}, {"None": 6}),
    ],
)
def test_exports_of_other_tools(case: str, layout: str, counts: Mapping[str, int], split: Mapping[str, int]) -> None:
    assert layout_of(CASES / case) == layout
    dataset = read_dataset(CASES / case, "detection")
    assert dataset.counts() == counts
    assert parts(dataset) == split


def test_classes_that_are_never_what_most_objects_are() -> None:
    found = survey(CASES / "class-never-main")
    detection = found.tasks["detection"]
    assert detection.images == {"scratch": 20, "pore": 20}
    assert detection.objects == {"scratch": 12 * 2 + 8, "pore": 12 + 8 * 2}
    assert (detection.total, detection.imbalance) == (20, 1.0)
    assert "cannot be learnt" not in " ".join(problem.text for task in found.tasks.values() for problem in task.problems)
    split = split_samples(read_dataset(CASES / "class-never-main", "detection").samples, val=0.15, test=0.15, seed=0)
    assert {kind for sample in split.train for kind in sample.kinds} == {"scratch", "pore"}


def test_images_without_a_txt_count_as_good_where_that_is_asked_for() -> None:
    folder = CASES / "yolo-no-txt-for-good"
    assert "5 images have no label file and are not used" in said(read_dataset(folder, "detection"))
    dataset = read_dataset(folder, "detection", backgrounds=True)
    assert dataset.counts() == {"scratch": 5, NO_DEFECT: 5}
    assert "5 images have no label file; they count as good" in said(dataset)
    assert survey(folder, backgrounds=True).tasks["detection"].total == 10


def test_boxes_of_the_cases_are_where_they_were_drawn() -> None:
    assert boxes(read_dataset(CASES / "cvat-images-xml", "detection"))["images/p0.jpg"] == [[119, 59, 136, 79]]
    assert boxes(read_dataset(CASES / "labelme-json-in-other-folder", "detection"))["images/p0.jpg"] == [[119, 59, 136, 79]]
    assert boxes(read_dataset(CASES / "roboflow-voc-split", "detection"))["train/t0.jpg"] == [[81, 28, 101, 41]]


@pytest.mark.parametrize("mixed", [False, True])
def test_objects_drawn_with_a_brush_are_no_crowds(tmp_path: Path, mixed: bool) -> None:
    """As CVAT and datumaro write them: run lengths with iscrowd 1, beside polygons with iscrowd 0."""
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("abc", start=1)]
    runs = {"size": [10, 20], "counts": [52, 3, 7, 3, 7, 3, 7, 3, 115]}  # rows 2 to 4, columns 5 to 8
    brush = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3], "iscrowd": 1, "segmentation": runs}
    drawn = {"id": 2, "image_id": 2, "category_id": 0, "bbox": [1, 1, 4, 4], "iscrowd": 0, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    for name in "abc":
        image(tmp_path / "images" / f"{name}.png")
    data = coco(about, [brush, drawn] if mixed else [brush], ["dent"])
    write(tmp_path / "annotations" / "instances_default.json", data)
    write(tmp_path / "annotations" / "stuff_default.json", data)  # datumaro writes the same once more
    dataset = read_dataset(tmp_path, "segmentation")
    assert said(dataset) == ""
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(1))
    assert boxes(read_dataset(tmp_path, "detection"))["images/a.png"] == [[5, 2, 9, 5]]
    assert dataset.counts() == ({"dent": 2, NO_DEFECT: 1} if mixed else {"dent": 1, NO_DEFECT: 2})


@pytest.mark.parametrize("own", [False, True])
def test_a_crowd_is_ignored_and_its_image_is_not_good(tmp_path: Path, own: bool) -> None:
    """In COCO's own data, or around other objects of its class."""
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("ab", start=1)]
    runs = {"size": [10, 20], "counts": [52, 3, 7, 3, 7, 3, 7, 3, 115]}
    place = 12 if own else 6
    objects = [
        {"image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3], "iscrowd": 1, "segmentation": runs},
        {
            "image_id": 1,
            "category_id": 0,
            "bbox": [place, 3, 2, 2],
            "segmentation": [[place, 3, place + 2, 3, place + 2, 5, place, 5]],
        },
    ]
    if own:
        objects.append({"image_id": 2, "category_id": 0, "bbox": [5, 2, 4, 3], "iscrowd": 1, "segmentation": runs})
    for name in "ab":
        image(tmp_path / f"{name}.png")
    write(
        tmp_path / "labels.json",
        {"info": {"description": "COCO 2017 Dataset" if own else ""}, **coco(about, objects, ["dent"])},
    )
    dataset = read_dataset(tmp_path, "segmentation")
    expected = spot(IGNORE)
    expected[3:5, place : place + 2] = 1
    np.testing.assert_array_equal(mask(dataset.samples[0]), expected)
    assert [sample.name for sample in dataset.samples] == (["a.png"] if own else ["a.png", "b.png"])
    assert ("b.png: none of its objects can be used, so its image is not used" in said(dataset)) == own


def test_boxes_and_masks_of_one_export_of_pascal_voc(tmp_path: Path) -> None:
    """As datumaro writes it: colours by the palette, which its labelmap.txt leaves out."""
    colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    for at in range(3):
        image(tmp_path / "JPEGImages" / f"{at}.jpg")
        save(tmp_path / "SegmentationClass" / f"{at}.png", colours[spot(2)])
        save(tmp_path / "SegmentationObject" / f"{at}.png", colours[spot(1)])
        corners = "<xmin>6</xmin><ymin>3</ymin><xmax>9</xmax><ymax>5</ymax>"
        box = f"<object><name>hole</name><bndbox>{corners}</bndbox></object>"
        write(tmp_path / "Annotations" / f"{at}.xml", f"<annotation>{box}</annotation>")
    write(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:::\ndent:::\nhole:::\n")
    assert boxes(read_dataset(tmp_path, "detection"))["JPEGImages/0.jpg"] == [BOX]
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent", "hole")
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(2))
    assert survey(tmp_path).tasks["segmentation"].images == {"hole": 3}


def test_a_list_of_images_does_not_make_them_good(tmp_path: Path) -> None:
    """As datumaro writes it: image_info_default.json comes before instances_default.json."""
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("abc", start=1)]
    objects = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 4, 5], "iscrowd": 0, "segmentation": []}]
    for name in "abc":
        image(tmp_path / "images" / f"{name}.png")
    write(tmp_path / "annotations" / "image_info_default.json", {"images": about, "categories": [], "annotations": []})
    listed = coco(about[:2], objects, ["other", "dent"])
    write(tmp_path / "annotations" / "instances_default.json", listed)
    dataset = read_dataset(tmp_path, "detection")
    assert boxes(dataset) == {"images/a.png": [[2, 3, 6, 8]], "images/b.png": []}
    assert "c.png has no label and is not used" in said(dataset)


def test_a_small_object_on_a_large_one_is_seen(tmp_path: Path) -> None:
    about = [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}]
    small = {"image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3], "segmentation": [[5, 2, 9, 2, 9, 5, 5, 5]]}
    large = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 16, 8], "segmentation": [[1, 1, 17, 1, 17, 9, 1, 9]]}
    image(tmp_path / "a.png")
    for order in ([small, large], [large, small]):
        write(tmp_path / "result.json", coco(about, order, ["pinhole", "rust"]))
        drawn = mask(read_dataset(tmp_path, "segmentation").samples[0])
        assert np.bincount(drawn.ravel(), minlength=3).tolist() == [200 - 128, 12, 128 - 12]
    assert survey(tmp_path).tasks["segmentation"].images == {"pinhole": 1, "rust": 1}


@pytest.mark.parametrize("kind", ["rotation", "oriented_rectangle", "quadrilateral"])
def test_turned_rectangles_are_polygons(tmp_path: Path, kind: str) -> None:
    shape = {"label": "dent", "shape_type": kind, "points": [[4, 1], [10, 4], [8, 8], [2, 5]], "direction": 0.4}
    image(tmp_path / "a.png")
    write(tmp_path / "a.json", {"shapes": [shape], "imagePath": "a.png", "imageWidth": 20, "imageHeight": 10})
    assert boxes(read_dataset(tmp_path, "detection")) == {"a.png": [[2, 1, 10, 8]]}
    assert 20 < int(mask(read_dataset(tmp_path, "segmentation").samples[0]).sum()) < 40


def test_an_image_with_a_shape_that_is_not_understood_is_not_good(tmp_path: Path) -> None:
    known = {"label": "dent", "shape_type": "rectangle", "points": [[1, 1], [5, 5]]}
    line = {"label": "crack", "shape_type": "linestrip", "points": [[10, 5], [16, 5]]}
    image(tmp_path / "a.png")
    image(tmp_path / "b.png")
    image(tmp_path / "c.png")
    write(tmp_path / "a.json", {"shapes": [known, line], "imagePath": "a.png"})
    write(tmp_path / "b.json", {"shapes": [line], "imagePath": "b.png"})
    write(tmp_path / "c.json", {"shapes": [{**known, "shape_type": "polygon", "points": [[1, 1], [5, 1], [5, 5]]}]})
    dataset = read_dataset(tmp_path, "segmentation")
    assert [sample.name for sample in dataset.samples] == ["a.png", "c.png"]
    assert "b.json: none of its objects can be used, so its image is not used" in said(dataset)
    drawn = mask(dataset.samples[0])
    assert (drawn[1:5, 1:5] == 1).all()
    assert (drawn[5, 10:16] == IGNORE).all()  # the crack is not taught as good material


def test_flags_of_labelme_are_classes(tmp_path: Path) -> None:
    for name, flags in {
        "a": {"ok": True, "ng": False},
        "b": {"ok": False, "ng": True},
        "c": {"ok": False, "ng": False},
    }.items():
        image(tmp_path / f"{name}.png")
        write(tmp_path / f"{name}.json", {"version": "5", "flags": flags, "shapes": [], "imagePath": f"{name}.png"})
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.counts() == {"ng": 1, "ok": 1}
    assert "c.png has 0 flags and is not used" in said(dataset)


@pytest.mark.parametrize("names", ["", "dent\n", "dent\nscratch\n", "__ignore__\n_background_\ndent\nscratch\n"])
def test_the_void_border_of_a_mask_is_ignored(tmp_path: Path, names: str) -> None:
    for at in range(3):
        image(tmp_path / "images" / f"{at}.png")
        save(tmp_path / "masks" / f"{at}.png", spot(1, void=True), palette=True)
    if names:
        write(tmp_path / "classes.txt", names)
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == (("dent", "scratch") if "scratch" in names else ("dent",) if names else ("defect",))
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(1, void=True))
    assert f"{3 * (6 * 5 - 12)} pixels of the masks have the value 255 and are ignored" in said(dataset)
    merged = read_dataset(tmp_path, "segmentation", one_class="any")
    np.testing.assert_array_equal(mask(merged.samples[0]), spot(1, void=True))
    assert boxes(read_dataset(tmp_path, "detection"))["images/0.png"] == [[5, 2, 9, 5]]


def test_a_mask_of_nothing_but_void_is_not_good(tmp_path: Path) -> None:
    for name, pixels in {"a": spot(1, void=True), "b": spot(255)}.items():
        image(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "masks" / f"{name}.png", pixels)
    write(tmp_path / "classes.txt", "dent\nscratch\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert [sample.name for sample in dataset.samples] == ["images/a.png"]
    assert "b.png has values above the number of classes" in said(dataset)


def test_masks_in_the_colours_of_a_labelmap(tmp_path: Path) -> None:
    """An export of Pascal VOC with masks, as CVAT and datumaro write it."""
    values = spot(2, void=True)
    colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], *[[1, 2, 3]] * 252, [224, 224, 192]], np.uint8)
    image(tmp_path / "JPEGImages" / "a.png")
    save(tmp_path / "SegmentationClass" / "a.png", colours[values])
    save(tmp_path / "SegmentationObject" / "a.png", colours[values])
    write(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndent:128,0,0::\nhole:0,128,0::\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent", "hole")
    np.testing.assert_array_equal(mask(dataset.samples[0]), values)


@pytest.mark.parametrize("place", ["{part}/images", "images/{part}", "{part}_images", "Images/{part}"])
@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "Validation", "Test"), ("train2017", "valid", "testing")]
)
def test_masks_and_their_split(tmp_path: Path, place: str, names: tuple[str, str, str]) -> None:
    for part in names:
        for at in range(2):
            folder = tmp_path / place.format(part=part)
            image(folder / f"{at}.jpg")
            masks = str(folder.relative_to(tmp_path)).replace("images", "masks").replace("Images", "Masks")
            save(tmp_path / masks / f"{at}.png", spot(255))
    assert layout_of(tmp_path) == "masks"
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("defect",)
    assert parts(dataset) == {"train": 2, "val": 2, "test": 2}


@pytest.mark.parametrize("name", ["a_mask.png", "a-mask.png", "a_label.bmp", "a_gt.tif"])
def test_masks_beside_their_images(tmp_path: Path, name: str) -> None:
    image(tmp_path / "a.jpg")
    save(tmp_path / name, spot(255))
    (sample,) = read_dataset(tmp_path, "segmentation").samples
    assert sample.name == "a.jpg"
    np.testing.assert_array_equal(mask(sample), spot(1))


def test_places_are_never_classes(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for place in ("images", "masks", "labels"):
            image(tmp_path / part / place / "a.png")
    image(tmp_path / "lonely" / "images" / "x.png")
    with pytest.raises(ConfigError):
        read_dataset(tmp_path / "lonely", "classification")
    for task in survey(tmp_path).tasks.values():
        assert not {"images", "masks", "labels"}.intersection(task.classes)


def test_class_folders_in_other_folders(tmp_path: Path) -> None:
    for kind in ("good", "bad"):
        for part in ("train", "test"):
            image(tmp_path / "one" / "data" / part / "images" / kind / f"{part}.png")
            image(tmp_path / "two" / kind / part / f"{part}.png")
    for folder in ("one", "two"):
        dataset = read_dataset(tmp_path / folder, "classification")
        assert dataset.classes == ("bad", "good")
        assert parts(dataset) == {"train": 2, "test": 2}


STRAYS: Mapping[str, object] = {
    "data.yaml": "names: [x]\n",
    "notes.json": {"categories": [{"id": 0, "name": "x"}], "info": {}},
    "labels.json": coco([{"id": 1, "file_name": "good/0.png", "width": 20, "height": 10}], [], ["x"]),
    "broken.json": '{"images": [{"file_name": ',
    "good/0.xml": "<annotation><size><width>20</width><height>10</height></size></annotation>",
    "good/0.txt": "0 0.5 0.5 0.1 0.1\n",
    "good/0.json": {"shapes": [], "imagePath": "0.png"},
    "list.csv": "filename,class\nelsewhere.png,x\n",
    "annotations.xml": "<annotations><image name='elsewhere.png'/></annotations>",
    "masks/other.png": "not a picture",
}


@pytest.mark.parametrize("stray", list(STRAYS))
def test_a_stray_file_leaves_a_good_folder_as_it_is(tmp_path: Path, stray: str) -> None:
    for at in range(60):
        for kind in ("good", "bad"):
            image(tmp_path / kind / f"{at}.png")
    write(tmp_path / stray, STRAYS[stray])
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.counts() == {"good": 60, "bad": 60}


def test_what_is_seen_is_named_and_can_be_chosen(tmp_path: Path) -> None:
    for kind in ("good", "bad"):
        for at in range(12):
            image(tmp_path / kind / f"{kind}{at}.png")
            if kind == "bad":
                corners = "<xmin>2</xmin><ymin>2</ymin><xmax>6</xmax><ymax>6</ymax>"
                box = f"<object><name>dent</name><bndbox>{corners}</bndbox></object>"
                write(tmp_path / "xml" / f"{kind}{at}.xml", f"<annotation>{box}</annotation>")
    found = survey(tmp_path)
    whys = {one.name: one.why.text for one in found.layouts}
    assert "12 .xml files look like Pascal VOC; 12 images have one" in whys["voc"]
    assert "24 images lie in 2 folders" in whys["folders"]
    assert read_dataset(tmp_path, "classification", layout="folders").counts() == {"good": 12, "bad": 12}
    assert read_dataset(tmp_path, "detection", layout="voc").counts() == {"dent": 12}
    assert survey(tmp_path, layout="folders").layouts[0].name == "folders"
    with pytest.raises(ConfigError, match="'vocs' is no layout"):
        read_dataset(tmp_path, "detection", layout="vocs")


def test_label_files_of_an_unknown_kind_are_named(tmp_path: Path) -> None:
    for at in range(3):
        image(tmp_path / f"{at}.png")
        write(tmp_path / f"{at}.xml", "<project/>")
    with pytest.raises(ConfigError, match=r"has 3 images, but its 3 \.xml files are in no layout that is understood"):
        survey(tmp_path)


# Exporters: each writes three images of 20 x 10 px, a with a box of "dent" at (5, 2, 9, 5), b with a polygon, c with nothing.
BOX = [5, 2, 9, 5]
TRIANGLE = [[10, 2], [16, 2], [16, 8]]


def label_studio(folder: Path) -> None:
    def task(name: str, value: dict[str, object] | None) -> object:
        result = (
            []
            if value is None
            else [{"id": "r", "type": "labels", "value": value, "original_width": 20, "original_height": 10}]
        )
        path = f"/data/upload/1/0a1b2c3d-{name}.png"
        return {"id": 1, "data": {"image": path}, "annotations": [{"result": result, "was_cancelled": False}]}

    box = {"x": 25, "y": 20, "width": 20, "height": 30, "rotation": 0, "rectanglelabels": ["dent"]}
    points = {"points": [[50, 20], [80, 20], [80, 80]], "polygonlabels": ["dent"]}
    write(folder / "project-1.json", [task("a", box), task("b", points), task("c", None)])


def cvat(folder: Path) -> None:
    points = ";".join(f"{x},{y}" for x, y in TRIANGLE)
    text = (
        '<annotations><image name="a.png" width="20" height="10"><box label="dent" xtl="5" ytl="2" xbr="9" ybr="5"/></image>'
        f'<image name="b.png" width="20" height="10"><polygon label="dent" points="{points}"/></image>'
        '<image name="c.png" width="20" height="10"/></annotations>'
    )
    write(folder / "annotations.xml", text)


def via(folder: Path) -> None:
    def entry(name: str, *shapes: object) -> object:
        regions = [{"shape_attributes": shape, "region_attributes": {"type": "dent"}} for shape in shapes]
        return {"filename": f"{name}.png", "size": 1, "regions": regions, "file_attributes": {}}

    rect = {"name": "rect", "x": 5, "y": 2, "width": 4, "height": 3}
    drawn = {"name": "polygon", "all_points_x": [x for x, _ in TRIANGLE], "all_points_y": [y for _, y in TRIANGLE]}
    entries = {"a.png1": entry("a", rect), "b.png1": entry("b", drawn), "c.png1": entry("c")}
    write(folder / "via_project.json", {"_via_settings": {}, "_via_img_metadata": entries})


def vott(folder: Path) -> None:
    def entry(name: str, *regions: object) -> object:
        return {"asset": {"name": f"{name}.png", "size": {"width": 20, "height": 10}, "state": 2}, "regions": list(regions)}

    rect = {"type": "RECTANGLE", "tags": ["dent"], "boundingBox": {"left": 5, "top": 2, "width": 4, "height": 3}}
    drawn = {"type": "POLYGON", "tags": ["dent"], "points": [{"x": x, "y": y} for x, y in TRIANGLE]}
    assets = {name: entry(name, *regions) for name, regions in {"a": [rect], "b": [drawn], "c": []}.items()}
    write(folder / "vott-json-export" / "p-export.json", {"name": "p", "assets": assets})


def supervisely(folder: Path) -> None:
    drawn = {"exterior": TRIANGLE, "interior": []}
    objects = {
        "a": [{"classTitle": "dent", "geometryType": "rectangle", "points": {"exterior": [[5, 2], [8, 4]], "interior": []}}],
        "b": [{"classTitle": "dent", "geometryType": "polygon", "points": drawn}],
        "c": [],
    }
    for name, items in objects.items():
        about = {"description": "", "tags": [], "size": {"height": 10, "width": 20}, "objects": items}
        write(folder / "ds" / "ann" / f"{name}.png.json", about)
        (folder / "ds" / "img").mkdir(exist_ok=True)
        (folder / f"{name}.png").rename(folder / "ds" / "img" / f"{name}.png")
    write(folder / "meta.json", {"classes": [{"title": "dent"}]})


def datumaro(folder: Path) -> None:
    flat = [value for point in TRIANGLE for value in point]
    annotations = {
        "a": [{"id": 0, "type": "bbox", "label_id": 0, "bbox": [5, 2, 4, 3], "attributes": {}}],
        "b": [{"id": 0, "type": "polygon", "label_id": 0, "points": flat}],
        "c": [],
    }
    items = [
        {"id": name, "annotations": found, "image": {"path": f"{name}.png", "size": [10, 20]}}
        for name, found in annotations.items()
    ]
    labels = {"label": {"labels": [{"name": "dent", "parent": ""}]}}
    write(
        folder / "annotations" / "default.json", {"dm_format_version": "1.0", "info": {}, "categories": labels, "items": items}
    )


def labelme(folder: Path) -> None:
    rect = {"label": "dent", "shape_type": "rectangle", "points": [[5, 2], [9, 5]]}
    drawn = {"label": "dent", "shape_type": "polygon", "points": TRIANGLE}
    for name, shapes in {"a": [rect], "b": [drawn], "c": []}.items():
        write(folder / "Annotations" / f"{name}.json", {"shapes": shapes, "imagePath": f"..\\{name}.png", "imageData": None})


def yolo(folder: Path) -> None:
    fractions = " ".join(f"{x / 20} {y / 10}" for x, y in TRIANGLE)
    for name, line in {"a": "0 0.35 0.35 0.2 0.3\n", "b": f"0 {fractions}\n", "c": ""}.items():
        write(folder / "obj_train_data" / f"{name}.txt", line)
        (folder / f"{name}.png").rename(folder / "obj_train_data" / f"{name}.png")
    write(folder / "obj.names", "dent\n")
    write(folder / "obj.data", "classes = 1\nnames = data/obj.names\n")
    write(folder / "train.txt", "".join(f"data/obj_train_data/{name}.png\n" for name in "abc"))


def coco_file(folder: Path) -> None:
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("abc", start=1)]
    flat = [value for point in TRIANGLE for value in point]
    objects = [
        {"image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3], "segmentation": []},
        {"image_id": 2, "category_id": 0, "bbox": [10, 2, 6, 6], "segmentation": [flat]},
    ]
    write(folder / "result.json", coco(about, objects, ["dent"]))


def via_csv(folder: Path) -> None:
    columns = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    rect = {"name": "rect", "x": 5, "y": 2, "width": 4, "height": 3}
    drawn = {"name": "polygon", "all_points_x": [x for x, _ in TRIANGLE], "all_points_y": [y for _, y in TRIANGLE]}
    with (folder / "via_export.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns.split(","))
        for name, shape in {"a": rect, "b": drawn, "c": {}}.items():
            kind = json.dumps({"defect": "dent"} if shape else {})
            table.writerow([f"{name}.png", 1, "{}", 1, 0, json.dumps(shape), kind])


def label_studio_min(folder: Path) -> None:
    def task(name: str, key: str, value: list[object]) -> object:
        return {"image": f"/data/local-files/?d=images/{name}.png", "id": 1, "annotator": 1, "annotation_id": 2, key: value}

    size = {"original_width": 20, "original_height": 10}
    box = {"x": 25, "y": 20, "width": 20, "height": 30, "rotation": 0, "rectanglelabels": ["dent"], **size}
    points = {"points": [[50, 20], [80, 20], [80, 80]], "closed": True, "polygonlabels": ["dent"], **size}
    write(folder / "min.json", [task("a", "box", [box]), task("b", "outline", [points]), task("c", "box", [])])


EXPORTERS: Mapping[str, Callable[[Path], None]] = {
    "label-studio": label_studio,
    "cvat": cvat,
    "via": via,
    "via.csv": via_csv,
    "label-studio.min": label_studio_min,
    "vott": vott,
    "supervisely": supervisely,
    "datumaro": datumaro,
    "labelme": labelme,
    "yolo": yolo,
    "coco": coco_file,
}


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_boxes_polygons_and_images_without_objects(tmp_path: Path, name: str) -> None:
    for stem in "abc":
        image(tmp_path / f"{stem}.png")
    EXPORTERS[name](tmp_path)
    assert layout_of(tmp_path) == name.partition(".")[0]
    dataset = read_dataset(tmp_path, "detection")
    assert said(dataset) == ""
    assert dataset.classes == ("dent",)
    found = {Path(stem).stem: values for stem, values in boxes(dataset).items()}
    np.testing.assert_allclose(found["a"], [BOX], atol=1e-5)
    np.testing.assert_allclose(found["b"], [[10, 2, 16, 8]], atol=1e-5)
    assert found["c"] == []
    drawn = {
        Path(sample.name).stem: int((mask(sample) == 1).sum()) for sample in read_dataset(tmp_path, "segmentation").samples
    }
    assert drawn["a"] == 12
    assert 15 <= drawn["b"] <= 21  # half of 36, and the pixels that its edge halves
    assert drawn["c"] == 0


JUNK: tuple[object, ...] = (None, [], {}, "x", -1, 1e308, True, [[]], {"a": 1}, "", [None], 3.5, "nan")


def damaged(value: object, rng: random.Random) -> object:
    """The same with some of its values replaced and some keys gone."""
    if rng.random() < 0.04:
        return rng.choice(JUNK)
    if isinstance(value, dict):
        left = {key: damaged(inner, rng) for key, inner in value.items() if rng.random() > 0.01}
        return left or value
    return [damaged(inner, rng) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_damaged_exports_end_in_sentences(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    for number in range(12):
        folder = tmp_path / str(number)
        for stem in "abc":
            image(folder / f"{stem}.png")
        EXPORTERS[name](folder)
        for path in sorted(folder.rglob("*")):
            if path.suffix == ".json":
                path.write_text(json.dumps(damaged(json.loads(path.read_text()), rng)))
            elif path.suffix in (".xml", ".csv", ".txt"):
                text = bytearray(path.read_bytes())
                for _ in range(min(3, len(text))):
                    text[rng.randrange(len(text))] = rng.choice(b'0129<>",;\n x-')
                path.write_bytes(text)
        tasks: tuple[TaskName, ...] = ("classification", "detection", "segmentation")
        for task in tasks:
            with suppress(ConfigError):
                read_dataset(folder, task)


BOX_TABLES = {
    "_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,20,10,dent,5,2,9,5\nb.png,20,10,dent,1,1,4,4\n",
    "retina.csv": "a.png,5,2,9,5,dent\nb.png,1,1,4,4,dent\nc.png,,,,,\n",
    "vott.csv": '"image","xmin","ymin","xmax","ymax","label"\n"a.png",5,2,9,5,"dent"\n"b.png",1,1,4,4,"dent"\n',
    "open-images.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\na,dent,0.25,0.45,0.2,0.5\nb,dent,0.05,0.2,0.1,0.4\n",
    "wheat.csv": 'image_id,width,height,bbox,class\na,20,10,"[5, 2, 4, 3]",dent\nb,20,10,"[1, 1, 3, 3]",dent\n',
    "severstal.csv": "ImageId,ClassId,EncodedPixels\na.png,1,53 3 63 3 73 3 83 3\nb.png,1,12 3 22 3 32 3\n",
}


@pytest.mark.parametrize("name", list(BOX_TABLES))
def test_tables_of_objects(tmp_path: Path, name: str) -> None:
    for stem in "abc":
        image(tmp_path / f"{stem}.png")
    write(tmp_path / name, BOX_TABLES[name])
    assert layout_of(tmp_path) == "objects"
    dataset = read_dataset(tmp_path, "detection")
    found = boxes(dataset)
    np.testing.assert_allclose(found["a.png"], [BOX], atol=1e-5)
    np.testing.assert_allclose(found["b.png"], [[1, 1, 4, 4]], atol=1e-5)
    assert (found.get("c.png"), "c.png has no label" in said(dataset)) == (([], False) if "retina" in name else (None, True))


def test_brush_strokes_of_label_studio(tmp_path: Path) -> None:
    """Packed by @thi.ng/rle-pack: here each run of equal bytes, as its own packer writes them."""
    pixels = np.zeros((10, 20, 4), np.uint8)
    pixels[2:5, 5:9] = 255
    flat = pixels.ravel()
    bits = f"{flat.size:032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    ends = [*(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    start = 0
    for end in ends:
        bits += "1" + "11" + f"{end - start - 1:016b}" + f"{int(flat[start]):08b}"
        start = end
    bits += "0" * (-len(bits) % 8)
    stroke = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    value = {"format": "rle", "rle": stroke, "brushlabels": ["dent"]}
    item = {"id": "r", "type": "brushlabels", "value": value, "original_width": 20, "original_height": 10}
    image(tmp_path / "a.png")
    write(tmp_path / "p.json", [{"data": {"image": "s3://bucket/a.png"}, "annotations": [{"result": [item]}]}])
    np.testing.assert_array_equal(mask(read_dataset(tmp_path, "segmentation").samples[0]), spot(1))


def test_masks_of_cvat_and_supervisely(tmp_path: Path) -> None:
    drawn = io.BytesIO()
    Image.fromarray(np.full((3, 4), 255, np.uint8)).save(drawn, "PNG")
    bitmap = {"data": base64.b64encode(zlib.compress(drawn.getvalue())).decode(), "origin": [5, 2]}
    item = {"classTitle": "dent", "geometryType": "bitmap", "bitmap": bitmap}
    image(tmp_path / "s" / "img" / "a.png")
    write(tmp_path / "s" / "ann" / "a.png.json", {"size": {"height": 10, "width": 20}, "tags": [], "objects": [item]})
    image(tmp_path / "c" / "a.png")
    text = '<mask label="dent" rle="0, 12" left="5" top="2" width="4" height="3"/>'
    write(tmp_path / "c" / "annotations.xml", f'<annotations><image name="a.png">{text}</image></annotations>')
    for folder in ("s", "c"):
        np.testing.assert_array_equal(mask(read_dataset(tmp_path / folder, "segmentation").samples[0]), spot(1))


def test_labels_of_whole_images(tmp_path: Path) -> None:
    for folder in ("cvat", "studio", "roboflow"):
        for name in "ab":
            image(tmp_path / folder / f"{name}.png")
    tags = "".join(f'<image name="{name}.png"><tag label="{kind}"/></image>' for name, kind in (("a", "good"), ("b", "bad")))
    write(tmp_path / "cvat" / "annotations.xml", f"<annotations>{tags}</annotations>")
    tasks = [
        {"data": {"image": f"{name}.png"}, "annotations": [{"result": [{"type": "choices", "value": {"choices": [kind]}}]}]}
        for name, kind in (("a", "good"), ("b", "bad"))
    ]
    write(tmp_path / "studio" / "p.json", tasks)
    write(tmp_path / "roboflow" / "_classes.csv", "filename, good, bad\na.png, 1, 0\nb.png, 0, 1\n")
    for folder in ("cvat", "studio", "roboflow"):
        assert read_dataset(tmp_path / folder, "classification").counts() == {"bad": 1, "good": 1}, folder


def anomaly(folder: Path, layout: str) -> None:
    good, bad = ("ok", "ko") if layout == "btad" else ("good", "bad")
    test = "test_public" if layout == "ad2" else "test"
    truth = "test_public/ground_truth" if layout == "ad2" else "ground_truth"
    ending = "" if layout == "btad" else "_mask"
    for at in range(4):
        image(folder / "train" / good / f"{at:03}.bmp")
        image(folder / test / good / f"{at:03}.bmp")
        image(folder / test / bad / f"{at:03}.bmp")
        save(folder / truth / bad / f"{at:03}{ending}.png", spot(255))
    if layout == "ad2":
        image(folder / "validation" / "good" / "000.bmp")
        image(folder / "test_private" / "000.bmp")


@pytest.mark.parametrize("layout", ["ad", "ad2", "btad"])
@pytest.mark.parametrize("deep", ["", "can/"])
def test_data_for_anomaly_detection(tmp_path: Path, layout: str, deep: str) -> None:
    anomaly(tmp_path / deep, layout)
    assert layout_of(tmp_path) == "mvtec"
    good, bad = ("ok", "ko") if layout == "btad" else ("good", "bad")
    labels = read_dataset(tmp_path, "classification")
    assert labels.counts() == {good: 8 + (layout == "ad2"), bad: 4}
    assert ("has no label" in said(labels)) == (layout == "ad2")
    masks = read_dataset(tmp_path, "segmentation")
    assert masks.counts() == {bad: 4, NO_DEFECT: 8 + (layout == "ad2")}
    assert sum(int(mask(sample).sum()) for sample in masks.samples) == 4 * 12


def test_dagm(tmp_path: Path) -> None:
    for part in ("Train", "Test"):
        folder = tmp_path / "Class1" / part
        for at in (1, 2):
            image(folder / f"000{at}.PNG")
        save(folder / "Label" / "0002_label.PNG", spot(255))
        write(folder / "Label" / "Labels.txt", "1\n0001\t0\t0001.PNG\t0\t0\n0002\t1\t0002.PNG\t1\t0002_label.PNG\n")
    assert layout_of(tmp_path) == "dagm"
    masks = read_dataset(tmp_path, "segmentation")
    assert masks.counts() == {"Class1": 2, NO_DEFECT: 2}
    assert parts(masks) == {"train": 2, "test": 2}


def test_visa(tmp_path: Path) -> None:
    folder = tmp_path / "candle"
    rows = ["image,label,mask"]
    for at in range(3):
        image(folder / "Data" / "Images" / "Normal" / f"{at:03}.JPG")
        image(folder / "Data" / "Images" / "Anomaly" / f"{at:03}.JPG")
        save(folder / "Data" / "Masks" / "Anomaly" / f"{at:03}.png", spot(3))
        rows.append(f"candle/Data/Images/Normal/{at:03}.JPG,normal,")
        rows.append(f"candle/Data/Images/Anomaly/{at:03}.JPG,wax melted,candle/Data/Masks/Anomaly/{at:03}.png")
    write(folder / "image_anno.csv", "\n".join(rows))
    for place in (tmp_path, folder):
        labels = read_dataset(place, "classification")
        assert labels.counts() == {"normal": 3, "wax melted": 3}
        masks = read_dataset(place, "segmentation")
        assert masks.counts() == {"wax melted": 3, NO_DEFECT: 3}
        assert sum(int(mask(sample).sum()) for sample in masks.samples) == 3 * 12


@pytest.mark.parametrize("name", ["dataset.yaml", "my-data.yml", "config/data.yaml"])
def test_class_names_in_any_yaml(tmp_path: Path, name: str) -> None:
    image(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.txt", "1 0.5 0.5 0.2 0.2\n")
    write(tmp_path / name, "path: .\ntrain: images\nval: images\nnames:\n  0: dent\n  1: hole\n")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("hole",)
    assert parts(dataset) == {"None": 1}  # what is both training and validation is no split


def test_a_word_in_a_file_name_is_no_split(tmp_path: Path) -> None:
    about = []
    for at, name in enumerate(("leak_test_001.png", "train_7.png", "val.png"), start=1):
        image(tmp_path / "images" / name)
        about.append({"id": at, "file_name": name, "width": 20, "height": 10})
    objects = [{"image_id": at, "category_id": 0, "bbox": [1, 1, 4, 4]} for at in (1, 2, 3)]
    write(tmp_path / "annotations" / "instances_default.json", coco(about, objects, ["x"]))
    assert parts(read_dataset(tmp_path, "detection")) == {"None": 3}


def test_folders_of_parts_with_masks_are_no_classes(tmp_path: Path) -> None:
    """KolektorSDD: a folder for each part."""
    for part in range(25):
        for view in range(2):
            image(tmp_path / f"kos{part:02}" / f"Part{view}.jpg")
            save(tmp_path / f"kos{part:02}" / f"Part{view}_label.bmp", spot(255 * (view == 0)))
    assert layout_of(tmp_path) == "masks"
    assert read_dataset(tmp_path, "segmentation").counts() == {"defect": 25, NO_DEFECT: 25}


def test_masks_with_a_table_of_values(tmp_path: Path) -> None:
    """Roboflow's export of masks."""
    for part in ("train", "valid"):
        image(tmp_path / part / f"{part}.jpg")
        save(tmp_path / part / f"{part}_mask.png", spot(2))
        write(tmp_path / part / "_classes.csv", "Pixel Value, Class\n0, background\n1, dent\n2, hole\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent", "hole")
    assert dataset.counts() == {"hole": 2}
    assert parts(dataset) == {"train": 1, "val": 1}


def test_what_labelme2voc_writes(tmp_path: Path) -> None:
    image(tmp_path / "JPEGImages" / "a.jpg")
    image(tmp_path / "SegmentationClassVisualization" / "a.jpg")
    save(tmp_path / "SegmentationClassPNG" / "a.png", spot(1), palette=True)
    write(tmp_path / "class_names.txt", "_background_\ndent\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert [(sample.name, sample.shows) for sample in dataset.samples] == [("JPEGImages/a.jpg", ("dent",))]


def test_drawings_in_a_table_are_no_class_names(tmp_path: Path) -> None:
    """Label Studio's .csv."""
    image(tmp_path / "a.png")
    write(tmp_path / "p.csv", 'image,id,label\na.png,1,"[{""x"": 25, ""rectanglelabels"": [""dent""]}]"\n')
    with pytest.raises(ConfigError, match=r"1 \.csv files are in no layout"):
        read_dataset(tmp_path, "classification")


def test_boxes_that_cvat_turned(tmp_path: Path) -> None:
    """Turned by a right angle about its middle, a box of 4 x 3 px is one of 3 x 4."""
    for name in ("coco", "voc", "datumaro", "cvat"):
        image(tmp_path / name / "a.png")
    about = [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}]
    turned = {"image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3], "segmentation": [], "attributes": {"rotation": 90.0}}
    write(tmp_path / "coco" / "labels.json", coco(about, [turned], ["dent"]))
    corners = "<bndbox><xmin>6</xmin><ymin>3</ymin><xmax>9</xmax><ymax>5</ymax></bndbox>"
    attributes = "<attributes><attribute><name>rotation</name><value>90.0</value></attribute></attributes>"
    write(tmp_path / "voc" / "a.xml", f"<annotation><object><name>dent</name>{corners}{attributes}</object></annotation>")
    box = {"type": "bbox", "label_id": 0, "bbox": [5, 2, 4, 3], "attributes": {"rotation": 90.0}}
    item = {"id": "a", "annotations": [box], "image": {"path": "a.png"}}
    labels = {"label": {"labels": [{"name": "dent"}]}}
    write(tmp_path / "datumaro" / "annotations" / "default.json", {"categories": labels, "items": [item]})
    text = '<box label="dent" xtl="5" ytl="2" xbr="9" ybr="5" rotation="90"/>'
    write(tmp_path / "cvat" / "annotations.xml", f'<annotations><image name="a.png">{text}</image></annotations>')
    for name in ("coco", "voc", "datumaro", "cvat"):
        dataset = read_dataset(tmp_path / name, "detection")
        np.testing.assert_allclose(boxes(dataset)["a.png"], [[5.5, 1.5, 8.5, 5.5]], atol=1e-5, err_msg=name)


def test_boxes_of_create_ml(tmp_path: Path) -> None:
    image(tmp_path / "train" / "a.png")
    box = {"label": "dent", "coordinates": {"x": 7, "y": 3.5, "width": 4, "height": 3}}
    write(tmp_path / "train" / "_annotations.createml.json", [{"image": "a.png", "annotations": [box]}])
    assert layout_of(tmp_path) == "createml"
    dataset = read_dataset(tmp_path, "detection")
    assert (boxes(dataset), parts(dataset)) == ({"train/a.png": [BOX]}, {"train": 1})


def test_polygons_beside_the_boxes_of_pascal_voc(tmp_path: Path) -> None:
    """As Roboflow and supervision write them."""
    image(tmp_path / "images" / "a.png")
    corners = "<bndbox><xmin>6</xmin><ymin>3</ymin><xmax>14</xmax><ymax>9</ymax></bndbox>"
    points = "".join(f"<x{at}>{x}</x{at}><y{at}>{y}</y{at}>" for at, (x, y) in enumerate(((6, 3), (14, 3), (14, 9)), start=1))
    text = f"<annotation><object><name>dent</name>{corners}<polygon>{points}</polygon></object></annotation>"
    write(tmp_path / "annotations" / "a.xml", text)
    assert boxes(read_dataset(tmp_path, "detection")) == {"images/a.png": [[5, 2, 14, 9]]}
    drawn = mask(read_dataset(tmp_path, "segmentation").samples[0])
    assert 20 <= int(drawn.sum()) <= 28  # half of 8 x 6 px
    assert drawn[2, 6:13].all()


def test_masks_that_are_jpeg_files(tmp_path: Path) -> None:
    drawn = np.zeros((60, 80), np.uint8)
    drawn[20:40, 30:60] = 255
    for at in range(3):
        image(tmp_path / "images" / f"{at}.png", 80, 60)
        save(tmp_path / "masks" / f"{at}.jpg", drawn)
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.counts() == {"defect": 3}
    assert "3 masks are JPEG files, whose values are not exact" in said(dataset)
    np.testing.assert_array_equal(mask(dataset.samples[0], 60, 80), drawn // 255)
