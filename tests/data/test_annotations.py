"""Labelled folders: each layout, what is wrong in it, and the split."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.formats.record import NO_DEFECT
from inspector.data.masks import read_mask
from inspector.data.samples import Dataset, Sample, group_of
from inspector.data.split import SPLIT, read_split, split_samples


def save(path: Path, pixels: NDArray[np.uint8] | None = None, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((6, 8), 90, np.uint8) if pixels is None else pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def spot(value: int, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    mask[1:3, 2:5] = value
    return mask


def said(dataset: Dataset) -> list[str]:
    return [problem.text for problem in dataset.problems]


def voc(path: Path, objects: str, size: str = "<size><width>8</width><height>6</height></size>") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{size}{objects}</annotation>")


def box(name: str, *corners: int) -> str:
    tags = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><bndbox>{tags}</bndbox></object>"


def test_class_folders(tmp_path: Path) -> None:
    save(tmp_path / "scratched" / "b.png")
    save(tmp_path / "scratched" / "deep" / "a.jpg")
    save(tmp_path / "good" / "c.BMP")
    save(tmp_path / "stray.png")
    save(tmp_path / ".hidden" / "d.png")
    (tmp_path / "good" / "notes.txt").write_text("not an image")
    dataset = read_dataset(tmp_path, "classification")
    assert dataset.classes == ("good", "scratched")
    assert [(sample.name, sample.truth.label, sample.stratum) for sample in dataset.samples] == [
        ("good/c.BMP", 0, "good"),
        ("scratched/b.png", 1, "scratched"),
        ("scratched/deep/a.jpg", 1, "scratched"),
    ]
    assert said(dataset) == [f"{tmp_path / 'stray.png'} has no label and is not used."]


def test_classes_of_a_bundle_keep_their_order(tmp_path: Path) -> None:
    save(tmp_path / "good" / "a.png")
    dataset = read_dataset(tmp_path, "classification", classes=("scratched", "good"))
    assert dataset.classes == ("scratched", "good")
    assert dataset.samples[0].truth.label == 1
    with pytest.raises(ConfigError, match="has the class 'good', which is not one of scratched, dented"):
        read_dataset(tmp_path, "classification", classes=("scratched", "dented"))


def test_class_folders_with_masks(tmp_path: Path) -> None:
    soft = spot(127)
    soft[5, 7] = 128  # the only pixel that is drawn: the others are its soft edge
    for folder, name, mask in (
        ("crack", "a", spot(255)),
        ("crack", "b", soft),
        ("crack", "e", spot(0)),
        ("hole", "c", spot(128)),
        ("hole", "f", spot(127)),
        ("free", "d", spot(0)),
    ):
        save(tmp_path / folder / f"{name}.jpg")
        save(tmp_path / folder / f"{name}.png", mask)
    save(tmp_path / "hole" / "unmasked.jpg")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("crack", "hole")  # nothing is drawn in "free"
    masks = {sample.name: sample.annotation(6, 8).mask for sample in dataset.samples}
    drawn = {name: None if mask is None else np.bincount(mask.ravel()).tolist() for name, mask in masks.items()}
    assert drawn == {
        "crack/a.jpg": [42, 6],
        "crack/b.jpg": [47, 1],
        "crack/e.jpg": [48],
        "free/d.jpg": [48],
        "hole/c.jpg": [42, 0, 6],
    }
    assert said(dataset) == [
        f"{tmp_path / 'hole' / 'f.png'} has values above 0, but no white (128 or more); it is not used.",
        f"{tmp_path / 'hole' / 'unmasked.jpg'} has no mask (a .png of the same name).",
        f"{tmp_path / 'crack' / 'e.jpg'} is of crack, but nothing is drawn in its mask; it counts as free of defects.",
    ]
    labels = read_dataset(tmp_path, "classification")
    assert labels.classes == ("crack", "free", "hole")
    assert len(labels.samples) == 7  # masks are not images


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "crack" / "a.jpg")
    save(tmp_path / "crack" / "a.png", spot(255, 7, 8))
    with pytest.raises(ConfigError, match=r"a\.png is 8 x 7 px, its image 8 x 6 px"):
        read_dataset(tmp_path, "segmentation")
    save(tmp_path / "crack" / "b.jpg")
    save(tmp_path / "crack" / "b.png", spot(255))
    dataset = read_dataset(tmp_path, "segmentation")  # known before anything is trained
    assert [sample.name for sample in dataset.samples] == ["crack/b.jpg"]
    assert "a.png is 8 x 7 px, its image 8 x 6 px" in said(dataset)[0]
    save(tmp_path / "crack" / "b.png", spot(255, 7, 8))  # changed while it is used
    with pytest.raises(ConfigError, match=r"b\.png is 8 x 7 px, its image 8 x 6 px"):
        dataset.samples[0].annotation(6, 8)


def test_images_and_masks_with_class_values(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").parent.mkdir(exist_ok=True)
    (tmp_path / "classes.txt").write_text("scratch\nstain\n")
    for name, value in (("a", 1), ("b", 2), ("c", 0), ("d", 7)):
        save(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "masks" / f"{name}.png", spot(value))
    save(tmp_path / "images" / "e.jpg")
    save(tmp_path / "images" / "f.jpg")
    (tmp_path / "masks" / "f.png").write_bytes(b"no mask")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("scratch", "stain")
    assert [(sample.name, sample.stratum) for sample in dataset.samples] == [
        ("images/a.jpg", "scratch"),
        ("images/b.jpg", "stain"),
        ("images/c.jpg", NO_DEFECT),
    ]
    mask = dataset.samples[1].annotation(6, 8).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, spot(2))
    problems = "\n".join(said(dataset))
    assert "e.jpg has no label" in problems
    assert "d.png has values above the number of classes" in problems
    assert "f.png cannot be read" in problems


def test_images_and_black_and_white_masks(tmp_path: Path) -> None:
    soft = spot(255)
    soft[3, 3] = 100  # an anti-aliased edge
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", soft)
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("defect",)
    mask = dataset.samples[0].annotation(6, 8).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, spot(1))


def test_a_palette_mask_is_read_by_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(spot(2)).convert("P")
    image.putdata(spot(2).ravel().tolist())
    image.putpalette([0, 0, 0, 200, 10, 10, 10, 10, 200])
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), spot(2))


def test_every_class_may_count_as_one(tmp_path: Path) -> None:
    for kind, value in (("crack", 255), ("hole", 200)):
        save(tmp_path / "folders" / kind / "1.jpg")
        save(tmp_path / "folders" / kind / "1.png", spot(value))
    save(tmp_path / "values" / "images" / "1.png")
    save(tmp_path / "values" / "masks" / "1.png", spot(2))
    (tmp_path / "values" / "classes.txt").write_text("crack\nhole\n")
    for folder in ("folders", "values"):
        apart = read_dataset(tmp_path / folder, "segmentation")
        assert apart.classes == ("crack", "hole")
        dataset = read_dataset(tmp_path / folder, "segmentation", one_class="defect")
        assert dataset.classes == ("defect",)
        for sample in dataset.samples:
            np.testing.assert_array_equal(sample.annotation(6, 8).mask, spot(1))
        assert dataset.fingerprint() != apart.fingerprint()
    voc(tmp_path / "boxes" / "1.xml", box("crack", 1, 1, 3, 3) + box("hole", 4, 2, 6, 5))
    save(tmp_path / "boxes" / "1.png")
    (sample,) = read_dataset(tmp_path / "boxes", "detection", one_class="defect").samples
    assert sample.truth.boxes is not None
    assert sample.truth.boxes.classes.tolist() == [0, 0]
    with pytest.raises(ConfigError, match="not for classification"):
        read_dataset(tmp_path / "folders", "classification", one_class="defect")


@pytest.mark.parametrize("flat", [False, True])
def test_pascal_voc(tmp_path: Path, flat: bool) -> None:
    images, marks = (tmp_path, tmp_path) if flat else (tmp_path / "JPEGImages", tmp_path / "Annotations")
    for name in ("a", "b", "c", "lonely"):
        save(images / f"{name}.png")
    voc(marks / "a.xml", box("stain", 1, 1, 8, 6) + box("dent", 3, 2, 4, 4) + box("dent", 5, 2, 6, 4))
    voc(marks / "b.xml", box("dent", 6, 4, 12, 6) + box("dent", 20, 20, 30, 30))
    voc(marks / "c.xml", "")
    voc(marks / "gone.xml", "")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("dent", "stain")
    first, second, third = (sample.truth.boxes for sample in dataset.samples)
    assert first is not None
    assert second is not None
    assert third is not None
    # VOC counts pixels from 1 and includes the last one.
    np.testing.assert_array_equal(first.xyxy, [[0, 0, 8, 6], [2, 1, 4, 4], [4, 1, 6, 4]])
    np.testing.assert_array_equal(first.classes, [1, 0, 0])
    np.testing.assert_array_equal(second.xyxy, [[5, 3, 8, 6]])
    assert len(third) == 0
    assert [sample.shows for sample in dataset.samples] == [("dent", "stain"), ("dent",), (NO_DEFECT,)]
    assert [sample.stratum for sample in dataset.samples] == ["stain", "dent", NO_DEFECT]  # the rarest that each shows
    assert dataset.counts() == {"dent": 2, "stain": 1, NO_DEFECT: 1}
    problems = "\n".join(said(dataset))
    assert "b.xml: a box of 'dent' reaches out of the image; it is clipped." in problems
    assert "b.xml: the box of 'dent' is empty or outside the image; it is left out." in problems
    assert "lonely.png has no label" in problems
    assert "gone.xml has no image" in problems
    labels = read_dataset(tmp_path, "classification")
    assert [sample.truth.label for sample in labels.samples] == [0, 0]  # the most frequent object; c has none


def test_voc_files_with_namespaces_are_read_and_other_xml_files_are_named(tmp_path: Path) -> None:
    for name in "abcde":
        save(tmp_path / f"{name}.png")
        voc(tmp_path / f"{name}.xml", box("dent", 1, 1, 3, 3))
    plain = (tmp_path / "a.xml").read_text()
    (tmp_path / "b.xml").write_text(plain.replace("<annotation>", '<annotation xmlns="http://example.com/voc">'))
    prefixed = re.sub(r"<(/?)", r"<\1v:", plain).replace("<v:annotation>", '<v:annotation xmlns:v="urn:voc">')
    (tmp_path / "c.xml").write_text(prefixed)
    (tmp_path / "d.xml").write_text("<project/>")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.counts() == {"dent": 4}
    assert said(dataset) == [f"The annotation {tmp_path / 'd.xml'} cannot be read (<project>)."]


def test_broken_voc_files_are_named_and_not_used(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        save(tmp_path / f"{name}.png")
    voc(tmp_path / "a.xml", box("dent", 1, 1, 3, 3))
    (tmp_path / "b.xml").write_text("<annotation><object>")
    voc(tmp_path / "c.xml", "", "<size><width>80</width><height>60</height></size>")
    voc(tmp_path / "d.xml", box("dent", 1, 1, 3, 3).replace("<xmax>3", "<xmax>wide"))
    dataset = read_dataset(tmp_path, "detection")
    assert [sample.name for sample in dataset.samples] == ["a.png"]
    problems = "\n".join(said(dataset))
    assert "b.xml cannot be read" in problems
    assert "c.xml is for an image of 80 x 60 px, but c.png has 8 x 6 px" in problems
    assert "d.xml: bndbox/xmax is 'wide', not a number" in problems


def test_thermal(tmp_path: Path) -> None:
    rows = ["file,maximum,mean,minimum", "a.tiff,350,300.5,290", "b.tiff,20,30,10", "c.tiff,350,,290", "gone.tiff,3,2,1"]
    rows.append("../outside.tiff,350,300,290")
    save(tmp_path.parent / "outside.tiff")
    (tmp_path / "temperatures.csv").write_text("\n".join(rows))
    for name in ("a", "b", "c", "unlisted"):
        save(tmp_path / f"{name}.tiff")
    dataset = read_dataset(tmp_path, "thermal")
    assert [(sample.name, sample.truth.temperatures) for sample in dataset.samples] == [("a.tiff", (350.0, 300.5, 290.0))]
    problems = "\n".join(said(dataset))
    assert "temperatures.csv line 3: not three temperatures in kelvin" in problems
    assert "temperatures.csv line 4" in problems
    assert "gone.tiff is listed in temperatures.csv but is not there" in problems
    assert "outside.tiff is listed in temperatures.csv but is not there" in problems
    assert "unlisted.tiff has no label" in problems


def test_thermal_without_the_columns(tmp_path: Path) -> None:
    (tmp_path / "temperatures.csv").write_text("file,max\na.tiff,3\n")
    with pytest.raises(ConfigError, match=r"temperatures\.csv lacks columns.*file,maximum,mean,minimum"):
        read_dataset(tmp_path, "thermal")


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
def test_a_folder_without_labels_says_what_is_expected(tmp_path: Path, task: TaskName) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=f"holds nothing labelled for {task}.*Expected: "):
        read_dataset(tmp_path, task)
    with pytest.raises(ConfigError, match="There is no folder"):
        read_dataset(tmp_path / "missing", task)


def test_group_of() -> None:
    assert group_of("crack/exp1_num_5.jpg", "") == "exp1_num_5"
    assert group_of("crack/exp1_num_5.jpg", r"num_\d+") == "num_5"
    assert group_of("crack/exp1_num_5.jpg", r"num_(\d+)") == "5"
    assert group_of("crack/other.jpg", r"num_(\d+)") == "other"
    with pytest.raises(ConfigError, match="not a regular expression"):
        group_of("a", "(")


def samples(count: int, *, classes: int = 3, views: int = 1) -> list[Sample]:
    return [
        Sample(f"{index}-{view}.png", Path(), f"part {index}", f"class {index % classes}", Annotation(label=index % classes))
        for index in range(count)
        for view in range(views)
    ]


def test_a_split_keeps_shares_groups_and_strata() -> None:
    split = split_samples(samples(200, views=2), val=0.2, test=0.1, seed=3)
    parts = {"train": split.train, "val": split.val, "test": split.test}
    assert {name: len(part) for name, part in parts.items()} == {"train": 280, "val": 80, "test": 40}
    groups = [{sample.group for sample in part} for part in parts.values()]
    assert sum(len(group) for group in groups) == 200
    assert set.union(*groups) == {f"part {index}" for index in range(200)}
    for part, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        for stratum in ("class 0", "class 1", "class 2"):
            count = sum(sample.stratum == stratum for sample in parts[part])
            assert count == pytest.approx(share * 400 / 3, abs=4)


def test_a_split_depends_on_its_seed_only() -> None:
    several = samples(60)
    first = split_samples(several, val=0.2, test=0.2, seed=1)
    again = split_samples(list(reversed(several)), val=0.2, test=0.2, seed=1)
    other = split_samples(several, val=0.2, test=0.2, seed=2)
    assert {name: sorted(part) for name, part in first.names().items()} == {
        name: sorted(part) for name, part in again.names().items()
    }
    assert first.names() != other.names()


def test_every_class_trains() -> None:
    rare = [*samples(40, classes=1), Sample("rare.png", Path(), "rare", "rare", Annotation(label=1))]
    for seed in range(10):
        assert "rare.png" in split_samples(rare, val=0.3, test=0.3, seed=seed).names()["train"]


def test_too_few_samples() -> None:
    with pytest.raises(ConfigError, match="2 samples in 2 groups are too few"):
        split_samples(samples(2), val=0.15, test=0.15, seed=0)


def test_read_split(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not say which samples it was tested on"):
        read_split(tmp_path)
    (tmp_path / SPLIT).write_text('{"train": ["a"], "val": [], "test": ["b", "c"]}')
    assert read_split(tmp_path)["test"] == ("b", "c")
    (tmp_path / SPLIT).write_text('{"train": ["a"]}')
    with pytest.raises(ConfigError, match=r"split\.json cannot be read"):
        read_split(tmp_path)


def test_the_fingerprint_follows_labels_and_masks(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", spot(255))
    before = read_dataset(tmp_path, "segmentation").fingerprint()
    assert read_dataset(tmp_path, "segmentation").fingerprint() == before
    moved = np.roll(spot(255), 1, axis=1)
    save(tmp_path / "masks" / "a.png", moved)
    assert read_dataset(tmp_path, "segmentation").fingerprint() != before


def test_real_folders(real_data: Path) -> None:
    tiles = read_dataset(real_data / "magnetic-tile", "segmentation")
    assert tiles.classes == ("MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Uneven")
    assert len(tiles.samples) == 681
    empty = [problem.text for problem in tiles.problems]
    assert len(empty) == 2
    assert all("MT_Uneven, but nothing is drawn in its mask" in text for text in empty)
    steel = read_dataset(real_data / "neu-det", "detection")
    assert len(steel.samples) == 1454
    assert len(steel.classes) == 6
    assert read_dataset(real_data / "neu-det", "classification").counts()["crazing"] == 244
