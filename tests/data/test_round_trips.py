"""Data sets written in one layout and read back: nothing is lost but what the layout cannot hold."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE, Annotation, Boxes, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.formats.scan import image_size
from inspector.data.formats.write import Format, write_dataset
from inspector.data.outlines import Outline, components, decode_runs, polygon_of, run_lengths
from inspector.data.samples import PARTS, Dataset, DrawnMask, MaskFile, Part, Sample

# Its compiled part is older than numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
KINDS = ("scratch", "dent", "größer 1")
SIZES = ((40, 30), (17, 64), (100, 100))  # width, height


def picture(path: Path, size: tuple[int, int], rng: np.random.Generator) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 255, (size[1], size[0]), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def blobs(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Ragged areas of each class, some with holes; never two areas of a class that touch at a corner only."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    for value in rng.permutation(len(KINDS))[: rng.integers(0, 4)].tolist():
        noise = cv2.GaussianBlur(rng.normal(size=mask.shape), (0, 0), 2.5)
        mask[noise > 0.09] = value + 1
    return mask


def parts(brought: bool, index: int) -> Part | None:
    return PARTS[index % 3] if brought else None


def boxed(folder: Path, seed: int, *, brought: bool = False) -> Dataset:
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(9):
        size = SIZES[index % 3]
        low = rng.uniform(0, np.array(size) - 3, (rng.integers(0, 5) if index else 3, 2))
        high = low + rng.uniform(1, np.array(size) - low)
        xyxy = np.hstack([low, high]).astype(np.float32)
        kinds = np.arange(3) if not index else rng.integers(0, 3, len(xyxy))
        truth = Annotation(boxes=Boxes(xyxy, np.ones(len(xyxy), np.float32), kinds.astype(np.int64)))
        path = picture(folder / "sub" / f"{index:02}.png", size, rng)
        samples.append(Sample(f"sub/{index:02}.png", path, str(index), "", truth, part=parts(brought, index)))
    return Dataset(folder, "detection", KINDS, tuple(samples))


def masked(folder: Path, seed: int, *, brought: bool = False) -> Dataset:
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(9):
        size = SIZES[index % 3]
        mask = blobs(size, rng)
        if not index:
            mask[:4, :4], mask[6:9, :5], mask[12:15, 5:9] = 1, 2, 3  # every class occurs
        path = picture(folder / f"{index:02}.png", size, rng)
        drawn = folder / f"{index:02}-mask.png"
        assert cv2.imwrite(str(drawn), mask)
        samples.append(Sample(path.name, path, str(index), "", Annotation(), MaskFile(drawn), parts(brought, index)))
    return Dataset(folder, "segmentation", KINDS, tuple(samples))


def masks_of(dataset: Dataset) -> dict[str, NDArray[np.uint8]]:
    """Mask by stem, with classes named so that their order does not matter."""
    found = {}
    for sample in dataset.samples:
        width, height = image_size(sample.path)
        assert sample.mask is not None
        mask = sample.mask.read(height, width)
        table = np.full(256, IGNORE, np.uint8)
        table[: len(dataset.classes) + 1] = [0, *(KINDS.index(name) + 1 for name in dataset.classes)]
        found[sample.path.stem] = table[mask]
    return found


def boxes_of(dataset: Dataset) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    found = {}
    for sample in dataset.samples:
        boxes = sample.truth.boxes
        assert boxes is not None
        pairs = zip(boxes.classes.tolist(), boxes.xyxy.tolist(), strict=True)
        found[sample.path.stem] = [(dataset.classes[kind], tuple(box)) for kind, box in pairs]
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("to", "precision"), [("coco", 1e-3), ("yolo", 1e-4), ("voc", 0.51)])
def test_boxes(tmp_path: Path, to: Format, precision: float, seed: int) -> None:
    data = boxed(tmp_path / "in", seed)
    count, problems = write_dataset(data, tmp_path / "out", to)
    assert (count, problems) == (9, [])
    back = read_dataset(tmp_path / "out", "detection")
    assert not back.problems
    assert set(back.classes) == set(KINDS)
    before, after = boxes_of(data), boxes_of(back)
    assert before.keys() == after.keys()
    for stem in before:
        assert [name for name, _ in before[stem]] == [name for name, _ in after[stem]]
        for (_, one), (_, other) in zip(before[stem], after[stem], strict=True):
            # Pascal VOC holds whole pixels; one thinner than a pixel becomes a pixel.
            np.testing.assert_allclose(one, other, atol=precision if to != "voc" else 1.0)
    by_name = {sample.path.name: sample.path.read_bytes() for sample in data.samples}
    assert all(sample.path.read_bytes() == by_name[sample.path.name] for sample in back.samples)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("to", ["coco", "masks", "yolo"])
def test_masks_are_the_same_to_the_pixel(tmp_path: Path, to: Format, seed: int) -> None:
    data = masked(tmp_path / "in", seed)
    assert write_dataset(data, tmp_path / "out", to) == (9, [])
    back = read_dataset(tmp_path / "out", "segmentation")
    assert not back.problems
    before, after = masks_of(data), masks_of(back)
    assert before.keys() == after.keys()
    for stem, mask in before.items():
        np.testing.assert_array_equal(mask, after[stem])


@pytest.mark.parametrize("make", [boxed, masked])
@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "masks", "folders"])
def test_a_split_that_the_data_brings_along_is_kept(tmp_path: Path, to: Format, make: Callable[..., Dataset]) -> None:
    data = make(tmp_path / "in", 0, brought=True)
    if to == "folders":
        samples = (
            Sample(s.name, s.path, s.group, "", Annotation(label=i % 2), part=s.part) for i, s in enumerate(data.samples)
        )
        data = Dataset(data.folder, "classification", ("good", "bad"), tuple(samples))
    held = {"voc": "detection", "masks": "segmentation"}.get(to, data.task)
    if held != data.task:
        with pytest.raises(ConfigError, match="does not hold labels for"):
            write_dataset(data, tmp_path / "out", to)
        return
    write_dataset(data, tmp_path / "out", to)
    back = read_dataset(tmp_path / "out", data.task)
    assert {s.path.stem: s.part for s in back.samples} == {s.path.stem: s.part for s in data.samples}
    assert {s.path.stem: s.truth.label for s in back.samples}.keys() == {s.path.stem for s in data.samples}


@pytest.mark.parametrize(
    ("first", "second"), [("coco", "yolo"), ("yolo", "coco"), ("coco", "masks"), ("yolo", "masks"), ("masks", "coco")]
)
def test_from_layout_to_layout(tmp_path: Path, first: Format, second: Format) -> None:
    data = masked(tmp_path / "in", 7)
    write_dataset(data, tmp_path / "one", first)
    write_dataset(read_dataset(tmp_path / "one", "segmentation"), tmp_path / "two", second)
    before, after = masks_of(data), masks_of(read_dataset(tmp_path / "two", "segmentation"))
    for stem, mask in before.items():
        np.testing.assert_array_equal(mask, after[stem])


def test_class_folders(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ("a", "b/c", "..")
    paths = [picture(tmp_path / "in" / str(index) / "same.png", (8, 6), rng) for index in range(6)]
    samples = tuple(Sample(f"{index}/same.png", path, "", "", Annotation(label=index % 3)) for index, path in enumerate(paths))
    write_dataset(Dataset(tmp_path, "classification", names, samples), tmp_path / "out", "folders")
    back = read_dataset(tmp_path / "out", "classification")
    assert back.classes == ("a", "b_c", "class")
    assert sorted(sample.path.read_bytes() for sample in back.samples) == sorted(path.read_bytes() for path in paths)
    with pytest.raises(ConfigError, match="is not an empty folder"):
        write_dataset(Dataset(tmp_path, "classification", names, samples), tmp_path / "out", "folders")


def test_coco_as_pycocotools_reads_it(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    data = masked(tmp_path / "in", 3)
    write_dataset(data, tmp_path / "out", "coco")
    (file,) = (tmp_path / "out").rglob("*.json")
    theirs = coco.COCO(str(file))
    before = masks_of(data)
    for image in theirs.loadImgs(theirs.getImgIds()):
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in theirs.loadAnns(theirs.getAnnIds(imgIds=image["id"])):
            drawn = theirs.annToMask(annotation)
            mask[drawn > 0] = annotation["category_id"]
            assert int(drawn.sum()) == annotation["area"]
        np.testing.assert_array_equal(mask, before[Path(image["file_name"]).stem])


def test_run_lengths_as_pycocotools_writes_them() -> None:
    codec = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for size in SIZES:
        mask = blobs(size, rng) > 0
        text = cast("bytes", codec.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]).decode()
        assert decode_runs(text) == run_lengths(mask)
        drawn = np.zeros(mask.shape, np.uint8)
        Outline((), decode_runs(text), mask.shape).paint(drawn, 1)
        np.testing.assert_array_equal(drawn > 0, mask)


def test_polygons_cover_what_pycocotools_says() -> None:
    codec = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    for _ in range(30):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(12, 40, 9)
        points = np.stack([50.3 + radius * np.cos(angles), 45.1 + radius * np.sin(angles)], 1).ravel()
        theirs = codec.decode(codec.merge(codec.frPyObjects([points.tolist()], 90, 100)))
        ours = np.zeros((90, 100), np.uint8)
        Outline((tuple(points.tolist()),)).paint(ours, 1)
        overlap = (ours & theirs).sum() / (ours | theirs).sum()
        assert overlap > 0.97
        for value, box, area in components(ours):
            again = np.zeros_like(ours)
            Outline((polygon_of(area, box[0], box[1]),)).paint(again, value)
            whole = np.zeros_like(ours)
            whole[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])][area] = value
            np.testing.assert_array_equal(again, whole)


def test_outlines_stay_as_they_were_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    polygon = (3.25, 4.5, 20.0, 6.125, 11.0, 22.75)
    path = picture(tmp_path / "in" / "a.png", (40, 30), rng)
    sample = Sample("a.png", path, "a", "dent", Annotation(), DrawnMask(path, ((Outline((polygon,)), 1),)))
    tasks: tuple[TaskName, ...] = ("segmentation", "detection")
    formats: tuple[Format, ...] = ("coco", "yolo")
    for to in formats:
        write_dataset(Dataset(tmp_path, "segmentation", ("dent",), (sample,)), tmp_path / to, to)
        one, two = (read_dataset(tmp_path / to, task).samples[0] for task in tasks)
        assert isinstance(one.mask, DrawnMask)
        np.testing.assert_allclose(one.mask.outlines[0][0].polygons[0], polygon, atol=1e-4)
        assert two.truth.boxes is not None
        np.testing.assert_allclose(two.truth.boxes.xyxy, [[3.25, 4.5, 20, 22.75]], atol=1e-4)
    assert json.loads((tmp_path / "coco" / "images" / "_annotations.coco.json").read_text())["images"][0]["width"] == 40


def test_regions_that_are_ignored_are_kept_or_named(tmp_path: Path) -> None:
    data = masked(tmp_path / "in", 1)
    mask = np.zeros((SIZES[0][1], SIZES[0][0]), np.uint8)
    mask[5:20, 5:20], mask[8:15, 8:15] = IGNORE, 2
    drawn = tmp_path / "in" / "open.png"
    assert cv2.imwrite(str(drawn), mask)
    first = replace(data.samples[0], mask=MaskFile(drawn, ignores=True))
    data = replace(data, samples=(first, *data.samples[1:]))
    assert write_dataset(data, tmp_path / "masks", "masks") == (9, [])
    np.testing.assert_array_equal(masks_of(read_dataset(tmp_path / "masks", "segmentation"))["00"], mask)
    formats: tuple[Format, ...] = ("coco", "yolo")
    for to in formats:
        count, problems = write_dataset(data, tmp_path / to, to)
        assert count == 8
        assert "00.png has regions that are ignored, which this layout cannot hold" in problems[0].text


@pytest.mark.parametrize("brought", [False, True])
def test_a_yolo_export_has_what_ultralytics_asks_for(tmp_path: Path, brought: bool) -> None:
    """A data.yaml without train and val, or with folders that are not there, is refused by it."""
    data = boxed(tmp_path / "in", 0, brought=brought)
    write_dataset(data, tmp_path / "out", "yolo")
    config = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text("utf-8"))
    for part in ("train", "val", *(["test"] if brought else [])):
        assert any((tmp_path / "out" / config[part]).iterdir())
    assert config["names"] == dict(enumerate(KINDS))
    back = read_dataset(tmp_path / "out", "detection")
    assert {sample.part for sample in back.samples} == ({"train", "val", "test"} if brought else {"train"})
    utils = pytest.importorskip("ultralytics.data.utils")
    theirs = utils.check_det_dataset(str(tmp_path / "out" / "data.yaml"), autodownload=False)
    assert theirs["names"] == dict(enumerate(KINDS))


@pytest.mark.parametrize("brought", [False, True])
def test_a_voc_export_lists_its_images(tmp_path: Path, brought: bool) -> None:
    data = boxed(tmp_path / "in", 0, brought=brought)
    write_dataset(data, tmp_path / "out", "voc")
    lists = {path.stem: path.read_text().split() for path in (tmp_path / "out" / "ImageSets" / "Main").glob("*.txt")}
    assert sorted(lists) == (["test", "train", "trainval", "val"] if brought else ["train", "trainval"])
    assert len(lists["trainval"]) == (6 if brought else 9)
    listed = (tmp_path / "out" / "labelmap.txt").read_text("utf-8").splitlines()[1:]
    assert listed[:2] == ["background:0,0,0::", f"{data.classes[0]}:128,0,0::"]
    back = read_dataset(tmp_path / "out", "detection")
    assert {sample.part for sample in back.samples} == ({"train", "val", "test"} if brought else {None})


@pytest.mark.parametrize(("to", "known"), [("voc", "voc"), ("coco", "roboflow_coco"), ("yolo", "yolo")])
def test_boxes_as_datumaro_reads_them(tmp_path: Path, to: Format, known: str) -> None:
    datumaro = pytest.importorskip("datumaro")
    data = boxed(tmp_path / "in", 0, brought=True)
    write_dataset(data, tmp_path / "out", to)
    items = {item.id: item for item in datumaro.Dataset.import_from(str(tmp_path / "out"), known)}
    assert len(items) == len(data.samples)
    for name, own in boxes_of(data).items():
        found = sorted(tuple(one.get_bbox()) for one in items[Path(name).stem].annotations if one.type.name == "bbox")
        left_top = sorted((box[0], box[1], box[2] - box[0], box[3] - box[1]) for _, box in own)
        np.testing.assert_allclose(found, left_top, atol=2 if to == "voc" else 0.01)


@pytest.mark.parametrize("to", ["yolo", "voc", "coco"])
def test_boxes_as_supervision_reads_them(tmp_path: Path, to: Format) -> None:
    reader = pytest.importorskip("supervision").DetectionDataset
    data = boxed(tmp_path / "in", 0)
    out = tmp_path / "out"
    write_dataset(data, out, to)
    theirs = {
        "yolo": lambda: reader.from_yolo(str(out / "images" / "train"), str(out / "labels" / "train"), str(out / "data.yaml")),
        "voc": lambda: reader.from_pascal_voc(str(out / "JPEGImages"), str(out / "Annotations")),
        "coco": lambda: reader.from_coco(str(out / "images"), str(out / "images" / "_annotations.coco.json")),
    }[to]()
    before = boxes_of(data)
    for path, _, found in theirs:
        expected = before[Path(path).stem]
        assert sorted(theirs.classes[kind] for kind in found.class_id) == sorted(name for name, _ in expected)
        for box in found.xyxy:
            assert min(float(np.abs(np.subtract(box, other)).max()) for _, other in expected) <= (2.0 if to == "voc" else 1.0)
