"""Data sets as the tools of the field write them, small, each with what is right for it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE
from inspector.data.annotations import candidates, read_dataset
from inspector.data.formats.record import NO_DEFECT
from inspector.data.formats.scan import Folder
from inspector.data.samples import Dataset
from inspector.data.split import split_samples
from inspector.data.survey import survey
from tests.data.test_layouts import boxes, coco, image, mask, said, write

CASES = Path(__file__).parent / "cases"


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
