"""What the exporters of the field write: the same objects, in the layout of each."""

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
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.core.types import TaskName
from inspector.data.annotations import read_dataset
from inspector.data.formats.record import NO_DEFECT
from inspector.data.survey import survey
from tests.data.test_cases import layout_of, parts, save, spot
from tests.data.test_layouts import boxes, coco, image, mask, said, write


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
    "cognex.csv": "Image,Label,X,Y,Width,Height\na.png,dent,5,2,4,3\nb.png,dent,1,1,3,3\n",
    "halcon.csv": "ImageName;ClassName;Row1;Column1;Row2;Column2\na.png;dent;2;5;4;8\nb.png;dent;1;1;3;3\n",
    "decimal.csv": "sep=;\nFile Name;Class Name;X Min;Y Min;X Max;Y Max\na.png;dent;5,0;2,0;9,0;5,0\nb.png;dent;1,0;1,0;4;4\n",
    "centre.csv": "image,x_center,y_center,width,height,label\na.png,7,3.5,4,3,dent\nb.png,2.5,2.5,3,3,dent\n",
    "fractions.csv": "image,cx,cy,w,h,label\na.png,0.35,0.35,0.2,0.3,dent\nb.png,0.125,0.25,0.15,0.3,dent\n",
    "sized.csv": "image_width,image_height,id,bbox_x,bbox_y,bbox_w,bbox_h,kind\n20,10,a,5,2,4,3,dent\n20,10,b,1,1,3,3,dent\n",
    "japanese.csv": "画像,検査結果,xmin,ymin,xmax,ymax\na.png,dent,5,2,9,5\nb.png,dent,1,1,4,4\n",
    "good.csv": "image_id,class_name,class_id,xmin,ymin,xmax,ymax\na,dent,0,5,2,9,5\nb,dent,0,1,1,4,4\nc,No finding,14,,,,\n",
    "polygon.csv": 'name,class,points\na.png,dent,"[[5,2],[9,2],[9,5],[5,5]]"\nb.png,dent,"[1, 1, 4, 1, 4, 4, 1, 4]"\n',
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
    listed = name in ("retina.csv", "good.csv")
    assert (found.get("c.png"), "c.png has no label" in said(dataset)) == (([], False) if listed else (None, True))
    assert dataset.classes == ("class 1",) if name == "severstal.csv" else ("dent",)


def test_numbers_of_classes_tell_them_apart_where_their_names_are_not_written(tmp_path: Path) -> None:
    """As supervision's CSVSink writes detections that have no names."""
    image(tmp_path / "a.png")
    head = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,file_name,class_name"
    write(tmp_path / "boxes.csv", f"{head}\n5,2,9,5,0,0.9,,a.png,\n1,1,4,4,3,0.8,,a.png,\n")
    assert read_dataset(tmp_path, "detection").counts() == {"class 0": 1, "class 3": 1}


@pytest.mark.parametrize(
    "text",
    [
        "a.png,ng\nb.png,OK\nc.png,OK\n",
        "id,result\na,ng\nb,OK\nc,OK\n",
        "filename,ng,OK\na.png,1,0\nb.png,0,1\nc.png,0,1\n",
        "Image Path;Class Name\r\n/data/a.png;ng\r\n/data/b.png;OK\r\n/data/c.png;OK\r\n",
    ],
)
def test_tables_of_labels_whatever_their_columns_are_called(tmp_path: Path, text: str) -> None:
    """Also with one of Kaggle's examples of what is to be handed in, in which every label is the same."""
    for stem in "abc":
        image(tmp_path / "data" / f"{stem}.png")
    write(tmp_path / "labels.csv", text)
    write(tmp_path / "sample_submission.csv", "id,result\na,OK\nb,OK\nc,OK\n")
    assert read_dataset(tmp_path, "classification").counts() == {"OK": 2, "ng": 1}


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


def test_tracks_of_a_video_of_cvat(tmp_path: Path) -> None:
    """Frame 0 and 1 show the object, on 2 it is outside; a picture that is no frame of the video is not good for that."""
    for at in (*range(4), 77):
        image(tmp_path / "images" / f"frame_{at:06}.png")
    place = 'xtl="{x}" ytl="2" xbr="{right}" ybr="5" occluded="0"'
    frames = ((0, 5, 0), (1, 6, 0), (2, 6, 1))
    shapes = "".join(f'<box frame="{at}" outside="{out}" {place.format(x=x, right=x + 4)}/>' for at, x, out in frames)
    text = f'<meta><task><size>4</size></task></meta><track id="0" label="dent">{shapes}</track>'
    write(tmp_path / "annotations.xml", f"<annotations>{text}</annotations>")
    assert layout_of(tmp_path) == "cvat"
    found = {Path(name).stem[-1]: values for name, values in boxes(read_dataset(tmp_path, "detection")).items()}
    assert found == {"0": [BOX], "1": [[6, 2, 10, 5]], "2": [], "3": []}


def test_a_frame_of_cvat_that_no_video_has_is_passed_over(tmp_path: Path) -> None:
    """More digits than Python converts to a number."""
    image(tmp_path / "images" / "frame_000000.png")
    place = 'outside="0" xtl="5" ytl="2" xbr="9" ybr="5" occluded="0"'
    shapes = "".join(f'<box frame="{frame}" {place}/>' for frame in (0, "9" * 5000))
    write(tmp_path / "annotations.xml", f'<annotations><track id="0" label="dent">{shapes}</track></annotations>')
    assert layout_of(tmp_path) == "cvat"
    assert boxes(read_dataset(tmp_path, "detection")) == {"images/frame_000000.png": [BOX]}


def test_names_of_images_as_in_an_address(tmp_path: Path) -> None:
    image(tmp_path / "images" / "part 1.png")
    about = [{"id": 1, "file_name": "part%201.png", "width": 20, "height": 10}]
    write(tmp_path / "c.json", coco(about, [{"image_id": 1, "category_id": 0, "bbox": [5, 2, 4, 3]}], ["dent"]))
    assert boxes(read_dataset(tmp_path, "detection")) == {"images/part 1.png": [BOX]}


def test_masks_of_camvid(tmp_path: Path) -> None:
    """As CVAT writes them: default/ and defaultannot/, in colours."""
    colours = np.array([[0, 0, 0], [0, 128, 0]], np.uint8)
    for at in range(3):
        image(tmp_path / "default" / f"{at}.png")
        save(tmp_path / "defaultannot" / f"{at}.png", colours[spot(1)])
    write(tmp_path / "label_colors.txt", "0 0 0 background\n0 128 0 dent\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent",)
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(1))


def test_good_parts_without_a_mask_beside_those_with_one(tmp_path: Path) -> None:
    """Real-IAD: OK and NG, a folder for each part."""
    for at in range(3):
        image(tmp_path / "jack" / "OK" / f"S000{at}" / f"jack_OK_{at}.jpg")
        image(tmp_path / "jack" / "NG" / "AK" / f"S000{at}" / f"jack_NG_{at}.jpg")
        save(tmp_path / "jack" / "NG" / "AK" / f"S000{at}" / f"jack_NG_{at}.png", spot(255))
    assert survey(tmp_path).tasks["segmentation"].images == {NO_DEFECT: 3, "NG": 3}


@pytest.mark.parametrize(
    ("folder", "labels"),
    [
        ("image_2", {"label_2/{}.txt": "5,2,9,2,9,5,5,5,text\n"}),  # ICDAR
        ("img1", {"gt/gt.txt": "1,1,5,2,4,3,1,1,1.0\n"}),  # MOT
        ("imgsFine/leftImg8bit/default/city", {}),  # Cityscapes
        ("train_images", {"output.manifest": '{"source-ref": "s3://b/0.png"}\n'}),  # SageMaker
    ],
)
def test_places_of_unknown_layouts_are_no_classes(tmp_path: Path, folder: str, labels: Mapping[str, str]) -> None:
    for at in range(4):
        image(tmp_path / folder / f"{at}.png")
        for name, text in labels.items():
            write(tmp_path / name.format(at), text)
    with pytest.raises(ConfigError, match=r"understood|what they show"):
        survey(tmp_path)
