"""Data that could be misread without a word: it is read right, or named and left out."""

import base64
import errno
import io
import os
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError, StorageError
from inspector.core.types import Annotation, Boxes
from inspector.data.annotations import read_dataset
from inspector.data.formats.scan import Folder, image_size
from inspector.data.formats.write import Format, write_dataset
from inspector.data.masks import read_mask
from inspector.data.outlines import Outline
from inspector.data.samples import PARTS, Dataset, DrawnMask, Sample
from inspector.data.survey import survey
from inspector.imaging.files import read_image
from tests.data.test_layouts import boxes, coco, image, mask, said, write

TURNED = {1: (20, 10), 3: (20, 10), 6: (10, 20), 8: (10, 20)}  # by EXIF orientation: size of 20 x 10 px once upright


def turned(path: Path, side: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (20, 10), (90, 90, 90))
    about = picture.getexif()
    about[274] = side
    picture.save(path, exif=about)
    return path


def spot(value: int, width: int = 20, height: int = 10) -> NDArray[np.uint8]:
    drawn = np.zeros((height, width), np.uint8)
    drawn[2:4, 5:9] = value
    return drawn


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("side", list(TURNED))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_size_of_a_turned_picture_is_that_of_its_pixels(tmp_path: Path, suffix: str, side: int) -> None:
    path = turned(tmp_path / f"a{suffix}", side)
    found = read_image(path)
    assert image_size(path) == (found.pixels.shape[1], found.pixels.shape[0]) == TURNED[side]
    assert [note.text for note in found.notes] == ["It was turned upright as the camera noted."] * (side > 1)


def test_the_size_of_a_radiometric_file_is_that_of_its_temperatures(real_data: Path) -> None:
    for path in sorted((real_data / "thermal").glob("*.jpg")):
        try:
            height, width = read_image(path).pixels.shape[:2]
        except ConfigError:
            continue
        assert image_size(path) == (width, height), path.name


def test_labels_of_turned_pictures_are_named(tmp_path: Path) -> None:
    turned(tmp_path / "a.jpg", 6)
    turned(tmp_path / "b.jpg", 6)
    shapes = [{"label": "dent", "shape_type": "rectangle", "points": [[1, 1], [4, 19]]}]
    write(tmp_path / "a.json", {"shapes": shapes, "imageWidth": 10, "imageHeight": 20})
    write(tmp_path / "b.json", {"shapes": shapes, "imageWidth": 20, "imageHeight": 10})  # drawn on the picture as stored
    dataset = read_dataset(tmp_path, "detection")
    assert boxes(dataset) == {"a.jpg": [[1, 1, 4, 19]]}
    assert "a.jpg is turned upright, as its camera noted" in said(dataset)
    assert "b.json is for an image of 20 x 10 px, but b.jpg has 10 x 20 px" in said(dataset)


def test_a_turned_mask_is_turned_as_its_image(tmp_path: Path) -> None:
    picture = Image.fromarray(spot(255))
    about = picture.getexif()
    about[274] = 6
    picture.save(tmp_path / "mask.png", exif=about)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.rot90(spot(255), -1))


def test_masks_that_mean_nothing_are_left_out(tmp_path: Path) -> None:
    red = np.dstack([spot(255), spot(0), spot(0)])
    seen_through = np.dstack([np.full((10, 20, 3), 255, np.uint8), spot(255)])
    noise = np.random.default_rng(0).integers(0, 255, (10, 20), np.uint8)
    for name, pixels in {
        "red": red,
        "transparent": seen_through,
        "photograph": noise,
        "zero-and-one": spot(1),
        "good": spot(255),
        "small": spot(255, 18, 9),
    }.items():
        image(tmp_path / "crack" / f"{name}.jpg")
        save(tmp_path / "crack" / f"{name}.png", pixels)
    dataset = read_dataset(tmp_path, "segmentation")
    assert {sample.name: int(mask(sample).sum()) for sample in dataset.samples} == {
        "crack/good.jpg": 8,
        "crack/transparent.jpg": 8,
    }
    for sentence in (
        "red.png is in colours, which name no class",
        "photograph.png has too many shades of grey",
        "zero-and-one.png has values above 0, but no white",
        "small.png is 18 x 9 px, its image 20 x 10 px",
    ):
        assert sentence in said(dataset)


def test_a_mask_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    began = time.process_time()
    with pytest.raises(ConfigError, match="12000 x 12000 px, more than 120 million"):
        read_mask(tmp_path / "bomb.png")
    assert time.process_time() - began < 1


def test_names_that_no_label_file_can_hold(tmp_path: Path) -> None:
    image(tmp_path / "good" / "全角　空白 é.png")
    for name in ("line\nbreak.png", os.fsdecode(b"latin-\xe9.png"), "tab\t.png"):
        image(tmp_path / "good" / name)
    image(tmp_path / "bad\r" / "a.png")
    dataset = read_dataset(tmp_path, "classification")
    assert [sample.name for sample in dataset.samples] == ["good/全角　空白 é.png"]
    for shown in (r"line\nbreak.png", r"latin-\xe9.png", r"tab\t.png", r"bad\r"):
        assert f"{shown} has a name with characters that cannot be used" in said(dataset)
    said(dataset).encode()
    dataset.fingerprint()


def test_accents_may_be_written_either_way(tmp_path: Path) -> None:
    name = "ガラス-é.png"
    image(tmp_path / unicodedata.normalize("NFD", name))
    about = [{"id": 1, "file_name": unicodedata.normalize("NFC", name), "width": 20, "height": 10}]
    write(tmp_path / "labels.json", coco(about, [{"image_id": 1, "category_id": 0, "bbox": [1, 1, 5, 5]}], ["x"]))
    assert len(read_dataset(tmp_path, "detection").samples) == 1


def test_folders_that_cannot_be_looked_into_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "good" / "a.png")
    image(tmp_path / "locked" / "b.png")
    (tmp_path / "/".join("d" * 40)).mkdir(parents=True)
    scan = os.scandir

    def scandir(place: Path) -> object:
        if place.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", scandir)  # root may list everything
    dataset = read_dataset(tmp_path, "classification")
    assert "locked cannot be read (Permission denied); nothing in it is used" in said(dataset)
    assert "is too deep inside to be looked at" in said(dataset)


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    image(tmp_path / "good" / "a.png")
    os.mkfifo(tmp_path / "good" / "pipe.png")
    (tmp_path / "good" / "zero.png").symlink_to("/dev/zero")
    assert Folder(tmp_path).images == ["good/a.png"]


def test_class_names_are_kept_as_they_are_written(tmp_path: Path) -> None:
    for number in range(4):
        image(tmp_path / "images" / f"{number}.png")
        write(tmp_path / "labels" / f"{number}.txt", f"{number} 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "data.yaml", 'names: [no, 010, 1.10, "a, b/c\\n*&欠陥"]\n')
    assert read_dataset(tmp_path, "detection").classes == ("no", "010", "1.10", "a, b/c *&欠陥")


def test_key_points_are_no_polygon(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.4 0.45 0.45 2 0.55 0.55 1\n")
    write(tmp_path / "data.yaml", "names: [part]\nkpt_shape: [2, 3]\n")
    np.testing.assert_allclose(boxes(read_dataset(tmp_path, "detection"))["images/a.png"], [[8, 3, 12, 7]], atol=1e-5)


def test_notes_beside_images_are_no_labels(tmp_path: Path) -> None:
    for kind in ("good", "bad"):
        image(tmp_path / kind / "a.png")
        (tmp_path / kind / "a.txt").write_bytes("傷 3 つ、再検査 が 必要 です 。\n".encode("cp932"))
    write(tmp_path / "project.xml", "<project><name>line 2</name></project>")
    assert read_dataset(tmp_path, "classification").classes == ("bad", "good")


def test_coco_that_contradicts_itself(tmp_path: Path) -> None:
    for name in "abcd":
        image(tmp_path / f"{name}.png")
    about = [{"id": at, "file_name": f"{name}.png", "width": 20, "height": 10} for at, name in enumerate("abcd")]
    crowd = {"size": [10, 20], "counts": [0, 200]}
    objects = [
        {"image_id": 0, "category_id": 0, "bbox": [2, 2, 6, 6], "segmentation": [[2, 2, 8, 2, 8, 8]]},
        {"image_id": 0, "category_id": 0, "bbox": [0, 0, 20, 10], "iscrowd": 1, "segmentation": crowd},
        # Corners instead of width and height; run lengths of another size; beside the image.
        {"image_id": 1, "category_id": 0, "bbox": [10, 6, 12, 9], "segmentation": [[10, 6, 12, 6, 12, 9, 10, 9]]},
        {"image_id": 2, "category_id": 0, "bbox": [1, 1, 5, 5], "segmentation": {"size": [20, 10], "counts": [0, 200]}},
        {"image_id": 3, "category_id": 0, "bbox": [-9, -9, 5, 5]},
    ]
    write(tmp_path / "labels.json", coco(about, objects, ["dent"]))
    dataset = read_dataset(tmp_path, "detection")
    assert boxes(dataset) == {"a.png": [[2, 2, 8, 8]]}
    for sentence in (
        "1 annotations are of crowds",
        "labels of b.png are wrong (a bbox and a segmentation are in different places)",
        "labels of c.png are wrong (run lengths are for 10 x 20 px",
        "d.png: the box of 'dent' is empty or outside the image",
        "d.png: none of its objects can be used, so its image is not used",
    ):
        assert sentence in said(dataset)
    about[1]["id"] = 0
    write(tmp_path / "labels.json", coco(about, objects, ["dent"]))
    with pytest.raises(ConfigError, match="two images have the id 0"):
        read_dataset(tmp_path, "detection")


def test_images_found_by_their_names_alone_are_told(tmp_path: Path) -> None:
    image(tmp_path / "train" / "000.png")
    about = [{"id": 1, "file_name": "val/000.png", "width": 20, "height": 10}]
    objects = [{"image_id": 1, "category_id": 0, "bbox": [1, 1, 5, 5]}]
    write(tmp_path / "labels.json", coco(about, objects, ["x"]))
    assert "1 image is not in the folders that" in said(read_dataset(tmp_path, "detection"))


def test_labelme_masks(tmp_path: Path) -> None:
    drawn = io.BytesIO()
    Image.fromarray(np.full((3, 4), 255, np.uint8)).save(drawn, "PNG")
    shape = {
        "label": "dent",
        "shape_type": "mask",
        "points": [[5, 2], [9, 5]],
        "mask": base64.b64encode(drawn.getvalue()).decode(),
    }
    image(tmp_path / "a.png")
    write(tmp_path / "a.json", {"shapes": [shape, {**shape, "points": [[18, 9]]}], "imageWidth": 20, "imageHeight": 10})
    image(tmp_path / "b.png")
    write(tmp_path / "b.json", {"shapes": [{**shape, "mask": "bm90IGEgcGljdHVyZQ=="}]})
    (sample,) = read_dataset(tmp_path, "segmentation").samples
    expected = np.zeros((10, 20), np.uint8)
    expected[2:5, 5:9] = expected[9:, 18:] = 1
    np.testing.assert_array_equal(mask(sample), expected)
    detected = read_dataset(tmp_path, "detection")
    assert boxes(detected)["a.png"] == [[5, 2, 9, 5], [18, 9, 20, 10]]
    assert "b.json is not a labelme file (a mask that cannot be read" in said(detected)


def test_parts_of_a_split_in_capitals_or_alone(tmp_path: Path) -> None:
    for part in ("Train", "Test"):
        for kind in ("good", "bad"):
            image(tmp_path / "two" / part / kind / "a.png")
            image(tmp_path / "one" / "train" / kind / "a.png")
    both = read_dataset(tmp_path / "two", "classification")
    assert both.classes == read_dataset(tmp_path / "one", "classification").classes == ("bad", "good")
    assert {sample.part for sample in both.samples} == {"train", "test"}


def test_several_mvtec_data_sets_are_not_one(tmp_path: Path) -> None:
    for kind in ("bottle", "cable"):
        image(tmp_path / kind / "train" / "good" / "0.png")
        image(tmp_path / kind / "test" / "crack" / "0.png")
    with pytest.raises(ConfigError, match=r"holds several data sets: bottle, cable\. Choose the folder of one"):
        read_dataset(tmp_path, "classification")
    assert read_dataset(tmp_path / "bottle", "classification").classes == ("crack", "good")


def test_classes_that_differ_in_capitals_only_are_asked_about(tmp_path: Path) -> None:
    for kind in ("Good", "good", "_draft"):
        image(tmp_path / kind / "a.png")
    dataset = read_dataset(tmp_path, "classification")
    assert "The classes Good, good differ in capital letters only" in said(dataset)
    assert "_draft is no class" in said(dataset)


def test_a_table_from_this_machine_and_from_a_spreadsheet(tmp_path: Path) -> None:
    for name in "ab":
        image(tmp_path / f"{name}.png")
    write(tmp_path / "labels.csv", f"path,label\n{tmp_path / 'a.png'},良品\n/elsewhere/b.png,bad\n")
    dataset = read_dataset(tmp_path, "classification")
    assert [sample.stratum for sample in dataset.samples] == ["良品"]
    assert "/elsewhere/b.png is listed" in said(dataset)
    (tmp_path / "labels.csv").write_bytes("path,label\na.png,良品\n".encode("cp932"))
    with pytest.raises(ConfigError, match=r"labels\.csv is not a text in UTF-8 .*Save it again with the encoding UTF-8"):
        read_dataset(tmp_path, "classification")


def test_temperatures_that_are_listed_twice_or_in_celsius(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / f"{name}.png")
    rows = ["a.png,80,60,50", "b.png,80,60,50", "b.png,90,60,50", "c.png,inf,60,50"]
    write(tmp_path / "temperatures.csv", "\n".join(["file,maximum,mean,minimum", *rows, rows[0]]))
    dataset = read_dataset(tmp_path, "thermal")
    assert [sample.name for sample in dataset.samples] == ["a.png"]
    assert "b.png is listed with different temperatures" in said(dataset)
    assert "line 5: not three temperatures in kelvin" in said(dataset)
    assert "are they in kelvin?" in said(dataset)


def test_what_a_training_would_refuse_is_known_before(tmp_path: Path) -> None:
    for kind in "abc":
        image(tmp_path / "few" / kind / "1.png")  # the same number, but three parts
        for part in ("train", "test"):
            for number in range(3):
                if (kind, part) != ("c", "train"):
                    image(tmp_path / "split" / part / kind / f"{number}.png")
    blocked = survey(tmp_path / "few").tasks["classification"].blocked
    assert blocked is not None
    assert "3 samples in 3 groups are too few" in blocked.text
    problems = [problem.text for problem in survey(tmp_path / "split").tasks["classification"].problems]
    assert "c is in no training image of the data's own split, so it cannot be learnt." in problems


def test_a_survey_is_given_up_while_labels_are_read(tmp_path: Path) -> None:
    for number in range(300):
        image(tmp_path / "images" / f"{number}.png")
        save(tmp_path / "masks" / f"{number}.png", spot(255))
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 20

    found = survey(tmp_path, cancelled=cancelled)
    assert (found.complete, found.images, dict(found.tasks)) == (False, 0, {})
    assert calls < 30


def labelled(folder: Path, names: tuple[str, ...], kinds: tuple[str, ...]) -> Dataset:
    samples = []
    for number, name in enumerate(names):
        path = image(folder / name)
        kind = number % len(kinds)
        box = np.array([[2, 2, 9, 8]], np.float32)
        truth = Annotation(kind, Boxes(box, np.ones(1, np.float32), np.array([kind])))
        outline = Outline(((2.0, 2.0, 9.0, 2.0, 9.0, 8.0, 2.0, 8.0),))
        samples.append(
            Sample(name, path, name, kinds[kind], truth, DrawnMask(path, ((outline, kind + 1),)), part=PARTS[number % 2 * 2])
        )
    return Dataset(folder, "classification", kinds, tuple(samples))


HARD_NAMES = (
    "img 1.png",
    "image -1.png",
    "classes.png",
    "日本 語, &*'\".png",
    "-rf.png",
    "sub/same.png",
    "other/same.png",
    f"{'long' * 15}/{'長い' * 30}.png",
    f"{'長い' * 40}.png",
)
HARD_KINDS = ("a, b/c", "a, b_c", "train", "no", "Ünï: [x] #1", "きず")


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "masks", "folders"])
def test_hard_names_survive_a_round_trip(tmp_path: Path, to: Format) -> None:
    task = {"coco": "segmentation", "yolo": "detection", "voc": "detection", "masks": "segmentation"}.get(to, "classification")
    data = labelled(tmp_path / "in", HARD_NAMES, HARD_KINDS)
    if task == "segmentation":
        data = replace(data, samples=tuple(replace(sample, truth=Annotation()) for sample in data.samples))
    else:
        data = replace(data, samples=tuple(replace(sample, mask=None) for sample in data.samples))
    data = replace(data, task=task)
    assert write_dataset(data, tmp_path / "out", to) == (len(HARD_NAMES), [])
    back = read_dataset(tmp_path / "out", task)
    assert not back.problems
    by_bytes = {sample.path.read_bytes(): sample for sample in data.samples}
    assert len(by_bytes) == len(back.samples) == len(HARD_NAMES)
    for sample in back.samples:
        before = by_bytes[sample.path.read_bytes()]
        assert sample.part == before.part
        if to == "folders":
            kinds = ("a, b_c", "a, b_c-2", "train-2", "no", "Ünï_ [x] #1", "きず")
            assert sample.stratum == kinds[HARD_KINDS.index(before.stratum)]
        else:
            assert sample.stratum == before.stratum
    again = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    with pytest.raises(ConfigError, match="is not an empty folder"):
        write_dataset(data, tmp_path / "out", to)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == again


@pytest.mark.parametrize("exists", [False, True])
def test_a_data_set_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool) -> None:
    data = labelled(tmp_path / "in", ("a.png", "b.png"), ("x", "y"))
    if exists:
        (tmp_path / "out" / ".unfinished").mkdir(parents=True)  # of a program that was killed

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", full)
        with pytest.raises(StorageError, match="No space left on device"):
            write_dataset(data, tmp_path / "out", "folders")
    assert (list((tmp_path / "out").iterdir()) if exists else (tmp_path / "out").exists()) in ([], False)
    assert write_dataset(data, tmp_path / "out", "folders") == (2, [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test", "train"]


def test_depths_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(6):
        eight = rng.integers(0, 256, (40, 60)).astype(np.uint8)
        save(tmp_path / "good" / f"{index}.png", eight)
        save(tmp_path / "bad" / f"{index}.png", eight.astype(np.uint16) << (4 if index < 4 else 8))
    found = [problem.text for problem in survey(tmp_path).problems]
    assert "The images use values of different depths (6 x 8 bits, 4 x 12 bits, 2 x 16 bits)." in " ".join(found)
    for index in range(6):
        (tmp_path / "bad" / f"{index}.png").unlink()
        save(tmp_path / "bad" / f"{index}.png", rng.integers(0, 256, (40, 60)).astype(np.uint8))
    assert not survey(tmp_path).problems


def test_a_jpeg_that_was_cut_and_closed_is_found_without_decoding_all_of_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("good", "bad"):
        for index in range(4):
            (tmp_path / kind).mkdir(exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (48, 64)).astype(np.uint8))
            coarse.resize((1280, 960)).save(tmp_path / kind / f"{index}.jpg")
    path = tmp_path / "bad" / "2.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"\xff\xd9")
    tasks = survey(tmp_path).tasks
    assert any("2.jpg is damaged" in problem.text for problem in tasks["classification"].problems)
