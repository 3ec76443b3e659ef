"""Data sets as other tools write them, and folders that mean harm."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.formats.scan import Folder, _in_pieces
from inspector.data.samples import Dataset, Sample
from inspector.data.split import split_samples
from inspector.data.survey import Survey, survey

RNG = np.random.default_rng(0)


def image(path: Path, width: int = 20, height: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, (height, width), np.uint8)).save(path)
    return path


def write(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
    return path


def said(dataset: Dataset | Survey) -> str:
    return "\n".join(problem.text for problem in dataset.problems)


def boxes(dataset: Dataset) -> dict[str, list[list[float]]]:
    found = {}
    for sample in dataset.samples:
        assert sample.truth.boxes is not None
        found[sample.name] = sample.truth.boxes.xyxy.tolist()
    return found


def mask(sample: Sample, height: int = 10, width: int = 20) -> NDArray[np.uint8]:
    found = sample.annotation(height, width).mask
    assert found is not None
    return found


def coco(images: Sequence[object], annotations: Sequence[object], names: Sequence[str]) -> dict[str, object]:
    return {
        "images": list(images),
        "annotations": list(annotations),
        "categories": [{"id": index, "name": name} for index, name in enumerate(names)],
    }


def test_coco_with_folders_for_its_parts(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        image(tmp_path / part / "a.jpg")  # the same name in each
        about = [{"id": 7, "file_name": "a.jpg", "width": 20, "height": 10}]
        objects = [{"image_id": 7, "category_id": 2, "bbox": [2, 3, 4, 5], "segmentation": [[2, 3, 6, 3, 6, 8, 2, 8]]}]
        write(tmp_path / part / "_annotations.coco.json", coco(about, objects, ["defects", "unused", "dent"]))
    image(tmp_path / "train" / "stray.jpg")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("dent",)
    assert boxes(dataset) == {f"{part}/a.jpg": [[2, 3, 6, 8]] for part in ("test", "train", "valid")}
    assert [sample.part for sample in dataset.samples] == ["test", "train", "val"]
    assert "stray.jpg has no label" in said(dataset)
    drawn = mask(read_dataset(tmp_path, "segmentation").samples[0])
    assert drawn.sum() == drawn[3:8, 2:6].sum() == 20


def test_coco_run_lengths_and_files_elsewhere(tmp_path: Path) -> None:
    image(tmp_path / "val2017" / "1.png", 3, 2)
    objects = [{"image_id": 1, "category_id": 0, "bbox": [1, 0, 1, 2], "segmentation": {"size": [2, 3], "counts": [2, 2, 2]}}]
    about = [
        {"id": 1, "file_name": "1.png", "width": 3, "height": 2},
        {"id": 2, "file_name": "gone.png", "width": 3, "height": 2},
    ]
    write(tmp_path / "annotations" / "instances_val2017.json", coco(about, objects, ["hole"]))
    dataset = read_dataset(tmp_path, "segmentation")
    np.testing.assert_array_equal(mask(dataset.samples[0], 2, 3), [[0, 1, 0], [0, 1, 0]])
    assert "gone.png is listed in" in said(dataset)
    assert read_dataset(tmp_path, "classification").counts() == {"hole": 1}


def test_yolo_with_data_yaml(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        image(tmp_path / part / "images" / f"{part}.jpg")
        write(tmp_path / part / "labels" / f"{part}.txt", "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.5 0.1 0.5 0.9\n")
    image(tmp_path / "valid" / "images" / "none.jpg")
    write(tmp_path / "valid" / "labels" / "none.txt", "")
    write(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 3\nnames: [a, b, unused]\n")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("a", "b")
    found = boxes(dataset)
    np.testing.assert_allclose(found["train/images/train.jpg"], [[8, 3, 12, 7], [2, 1, 10, 9]], atol=1e-5)
    assert found["valid/images/none.jpg"] == []
    assert {sample.name: sample.part for sample in dataset.samples} == {
        "train/images/train.jpg": "train",
        "valid/images/none.jpg": "val",
        "valid/images/valid.jpg": "val",
    }
    drawn = mask(read_dataset(tmp_path, "segmentation").samples[0])
    assert set(np.unique(drawn)) == {0, 1, 2}


def test_yolo_without_names(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.txt", "1 0.5 0.5 1.5 0.4\n")
    image(tmp_path / "images" / "b.png")
    write(tmp_path / "labels" / "b.txt", "1 0.5 0.5 nan 0.4\n")
    write(tmp_path / "labels" / "alone.txt", "1 0.5 0.5 0.1 0.4\n")
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("class 1",)
    assert boxes(dataset) == {"images/a.png": [[0, 3, 20, 7]]}
    assert "a box of '1' reaches out of the image" in said(dataset)
    assert "b.txt line 1 is not a label ('nan' is not a number)" in said(dataset)
    assert "alone.txt has no image" in said(dataset)


def test_labelme(tmp_path: Path) -> None:
    shapes = [
        {"label": "hole", "shape_type": "circle", "points": [[10, 5], [13, 5]]},
        {"label": "dent", "shape_type": "rectangle", "points": [[6, 8], [2, 3]]},
        {"label": "hole", "shape_type": "polygon", "points": [[0, 0], [4, 0], [4, 2], [0, 2]]},
        {"label": "crack", "shape_type": "linestrip", "points": [[0, 0], [4, 0]]},
    ]
    image(tmp_path / "a.png")
    write(tmp_path / "a.json", {"shapes": shapes, "imageWidth": 20, "imageHeight": 10})
    image(tmp_path / "b.png")
    write(tmp_path / "b.json", {"shapes": [{"label": "x", "points": "here"}]})
    dataset = read_dataset(tmp_path, "detection")
    assert dataset.classes == ("dent", "hole")
    assert boxes(dataset) == {"a.png": [[7, 2, 13, 8], [2, 3, 6, 8], [0, 0, 4, 2]]}
    assert "a shape without area" in said(dataset)
    assert "b.json is not a labelme file" in said(dataset)
    drawn = mask(read_dataset(tmp_path, "segmentation").samples[0])
    assert drawn[:2, :4].tolist() == [[2] * 4] * 2
    assert int((drawn == 1).sum()) == 20
    x, y = np.meshgrid(np.arange(20) + 0.5, np.arange(10) + 0.5)
    np.testing.assert_array_equal(drawn[:, 7:13] == 2, np.hypot(x - 10, y - 5)[:, 7:13] < 3)


def test_mvtec(tmp_path: Path) -> None:
    for name in ("000", "001", "002"):
        image(tmp_path / "train" / "good" / f"{name}.png")
    image(tmp_path / "test" / "good" / "000.png")
    for kind in ("crack", "hole"):
        image(tmp_path / "test" / kind / "000.png")
        drawn = np.zeros((10, 20), np.uint8)
        drawn[2:4, 5:9] = 255
        place = tmp_path / "ground_truth" / kind
        place.mkdir(parents=True)
        Image.fromarray(drawn).save(place / "000_mask.png")
    labels = read_dataset(tmp_path, "classification")
    assert labels.counts() == {"crack": 1, "good": 4, "hole": 1}
    assert len({sample.group for sample in labels.samples}) == 6  # 000.png is another part in each folder
    assert {sample.part for sample in labels.samples} == {None}
    assert "good parts only" in said(labels)
    masks = read_dataset(tmp_path, "segmentation")
    assert masks.classes == ("crack", "hole")
    sums = {sample.name: int(mask(sample).sum()) for sample in masks.samples}
    assert sums["test/crack/000.png"] == 8
    assert sums["test/hole/000.png"] == 16
    assert sums["train/good/000.png"] == 0
    assert boxes(read_dataset(tmp_path, "detection"))["test/hole/000.png"] == [[5, 2, 9, 4]]


def test_a_table(tmp_path: Path) -> None:
    for name in "abcdefg":
        image(tmp_path / "pictures" / f"{name}.png")
    rows = [
        "Filename;Label;Lot;Split",
        "pictures/a.png;ok;L1;train",
        "b.png;bad;L1;valid",
        r"pictures\c.png;ok;L2;test",
        "d.png;;;",
    ]
    rows += ["e.png;ok;L3;tomorrow", "gone.png;ok;;", "../../secret.png;ok;;", "f.png;ok;;", "f.png;bad;;"]
    write(tmp_path / "labels.csv", "\n".join(rows))
    dataset = read_dataset(tmp_path, "classification")
    assert [(s.name, s.stratum, s.group, s.part) for s in dataset.samples] == [
        ("pictures/a.png", "ok", "L1", "train"),
        ("pictures/b.png", "bad", "L1", "val"),
        ("pictures/c.png", "ok", "L2", "test"),
    ]
    for sentence in (
        "d.png has no label",
        "line 6: 'tomorrow'",
        "gone.png is listed",
        "secret.png is listed",
        "f.png is listed with different",
        "g.png has no label",
    ):
        assert sentence in said(dataset)


def test_a_table_may_say_how_sure_its_labels_are(tmp_path: Path) -> None:
    for name in "abcdef":
        image(tmp_path / f"{name}.png")
    rows = [
        "path,label,confidence",
        "a.png,ok,0.6667",
        "b.png,bad,1",
        "c.png,ok,",
        "d.png,ok,1.5",
        "e.png,ok,0",
        "f.png,ok,high",
    ]
    write(tmp_path / "labels.csv", "\n".join(rows))
    dataset = read_dataset(tmp_path, "classification")
    sure = {sample.name: sample.truth.confidence for sample in dataset.samples}
    assert sure == {"a.png": 0.6667, "b.png": 1.0, "c.png": 1.0}
    for sentence in ("line 5: the confidence '1.5'", "line 6: the confidence '0'", "line 7: the confidence 'high'"):
        assert sentence in said(dataset)
    before = dataset.fingerprint()
    write(tmp_path / "labels.csv", "\n".join(rows).replace("0.6667", "0.9"))
    assert read_dataset(tmp_path, "classification").fingerprint() != before


def test_spots_and_radiometric_files(tmp_path: Path, real_data: Path) -> None:
    image(tmp_path / "a.png")
    write(tmp_path / "temperatures.csv", "file,spot 1,spot 2\na.png,300,310\n")
    assert read_dataset(tmp_path, "thermal").samples[0].truth.temperatures == (310, 305, 300)
    measured = read_dataset(real_data / "thermal", "thermal")
    celsius = {s.name: s.truth.temperatures for s in measured.samples}
    names = [name for name in celsius if "T640" in name]
    assert np.subtract(celsius[names[0]] or (), 273.15) == pytest.approx((97.9, 36.9, 25.5), abs=0.06)
    assert "DJI" in said(measured)


def test_class_folders_inside_parts(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for kind in ("good", "bad"):
            image(tmp_path / part / kind / f"{part}-{kind}.png")
    samples = read_dataset(tmp_path, "classification").samples
    split = split_samples(samples, val=0.1, test=0.1, seed=0)
    assert {part: sorted(names) for part, names in split.names().items()} == {
        part: [f"{part}/{kind}/{part}-{kind}.png" for kind in ("bad", "good")] for part in ("train", "val", "test")
    }


def test_parts_that_the_data_lacks_come_from_its_training_part() -> None:
    brought = [Sample(f"{i}", Path(), f"{i}", "a", Annotation(label=0), part="test" if i < 20 else "train") for i in range(100)]
    split = split_samples(brought, val=0.25, test=0.1, seed=0)
    assert [len(part) for part in (split.train, split.val, split.test)] == [58, 22, 20]
    assert {sample.name for sample in split.test} == {str(i) for i in range(20)}


HOSTILE: dict[str, Callable[[Path], object]] = {
    "deeply nested json": lambda folder: write(folder / "labels.json", '{"images":' + "[" * 100_000),
    "json of the wrong types": lambda folder: write(
        folder / "labels.json", {"images": [1], "annotations": {}, "categories": "x"}
    ),
    "json with another encoding": lambda folder: (folder / "labels.json").write_bytes(b'{"images": "\xff\xfe"}'),
    "huge numbers": lambda folder: write(
        folder / "labels.json",
        coco(
            [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
            [
                {
                    "image_id": 1,
                    "category_id": 0,
                    "bbox": [1e308, 1, 1e308, 1],
                    "segmentation": {"size": [9, 9], "counts": "\\\\\\"},
                }
            ],
            ["x"],
        ),
    ),
    "ids that are lists": lambda folder: write(folder / "labels.json", coco([{"id": [1], "file_name": "a.png"}], [], ["x"])),
    "a path out of the folder": lambda folder: write(
        folder / "labels.json",
        coco([{"id": 1, "file_name": "../secret.png"}], [{"image_id": 1, "category_id": 0, "bbox": [0, 0, 5, 5]}], ["x"]),
    ),
    "yaml with a class of python": lambda folder: write(
        folder / "data.yaml", "names: !!python/object/apply:os.system ['true']"
    ),
    "yaml that grows": lambda folder: write(
        folder / "data.yaml", "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nnames: [*c,*c,*c]"
    ),
    "yaml that is a list": lambda folder: write(folder / "data.yaml", "- 1\n- 2"),
    "xml that grows": lambda folder: write(
        folder / "a.xml",
        '<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {n} "{f"&{o};" * 10}">' for o, n in zip("abcdefghi", "bcdefghij", strict=True))
        + "]><annotation>&j;</annotation>",
    ),
    "xml that is deep": lambda folder: write(folder / "a.xml", "<a>" * 200_000),
    "a link to itself": lambda folder: (folder / "loop").symlink_to(folder),
    "a link to nothing": lambda folder: (folder / "gone.png").symlink_to("nothing"),
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_hostile_folders_end_in_a_sentence(tmp_path: Path, what: str) -> None:
    image(tmp_path / "secret.png")
    image(tmp_path / "data" / "a.png")
    HOSTILE[what](tmp_path / "data")
    started = time.process_time()
    tasks: tuple[TaskName, ...] = ("classification", "detection", "segmentation", "thermal")
    for task in tasks:
        with pytest.raises(ConfigError):
            read_dataset(tmp_path / "data", task)
    with pytest.raises(ConfigError):
        survey(tmp_path / "data")
    assert time.process_time() - started < 5


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    image(tmp_path / "private" / "a.png")
    image(tmp_path / "data" / "good" / "b.png")
    image(tmp_path / "data" / ".store" / "c.png")
    (tmp_path / "data" / "bad").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "good" / "a.png").symlink_to(tmp_path / "private" / "a.png")
    (tmp_path / "data" / "good" / "c.png").symlink_to(tmp_path / "data" / ".store" / "c.png")
    (tmp_path / "data" / "also").symlink_to(tmp_path / "data" / ".store")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    folder = Folder(tmp_path / "data")
    assert folder.images == ["also/c.png", "good/b.png", "good/c.png"]
    problems = "\n".join(problem.text for problem in folder.problems)
    assert f"{tmp_path / 'data' / 'bad'} is a link that leads out of the data folder; it is not followed" in problems
    assert f"1 file is a link that leads out of {tmp_path / 'data'}; it is not followed" in problems
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    assert Folder(tmp_path / "linked").images == folder.images  # the folder that was chosen may itself be a link


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1, "name": "ä]}"}, [], 3.5], "info": {"a": [1, {"b": null}]}, "empty": [], "last": true}',
        " { } ",
        "[1, 2, 3]",
        '{"a": [1, 2], "a": [3]}',
        '{"a" :\n[ 1 ,\t2 ] }\n',
    ],
)
def test_json_in_pieces_is_what_it_is_in_one(text: str) -> None:
    assert _in_pieces(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": [1, 2',
        '{"a": [1 2]}',
        '{"a": [1,]}',
        '{"a": 1,}',
        "{1: 2}",
        '{"a" 1}',
        '{"a": 1} x',
        '{"a": [nope]}',
        "{,}",
    ],
)
def test_broken_json_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises(ValueError) as whole:
        json.loads(text)
    with pytest.raises(ValueError) as pieces:
        _in_pieces(text)
    assert str(pieces.value) == str(whole.value)
