"""Training data of the demo line as files, in the same folder layouts as a person's data."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from inspector.cameras.demo.line import PLATE, PLATE_CLASSES, WINDOW, WINDOW_CLASSES, DemoLine
from inspector.cameras.demo.noise import Bytes
from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, Floats, Region
from inspector.data.formats.place import new_folder
from inspector.data.formats.write import voc_xml


def write_demo_data(
    folder: Path, *, parts: int, seed: int, good: float = 0.5, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write `parts` parts of `DemoLine(seed, good=good)` as four labelled sets.

    window/CLASS/*.png: crops of the vessel's window. plate-boxes/JPEGImages/*.png with Annotations/*.xml: crops of the plate
    with boxes as in Pascal VOC (first pixel 1, corners inclusive). plate-masks/images/*.png with masks/*.png (0 background,
    k+1 the class on line k of classes.txt). thermal/*.tiff: float32 kelvin, with temperatures.csv (file,maximum,mean,minimum).

    `progress(done, total)` after each part. Raises ConfigError if the folder is in use, StorageError if writing fails.
    """
    if parts < 1:
        raise ConfigError("At least one part is needed, not {parts}.", remedy="Ask for more parts.", parts=parts)
    with new_folder(folder) as place:
        _write(place, DemoLine(seed, good=good), parts, progress)


def _write(folder: Path, line: DemoLine, parts: int, progress: Callable[[int, int], None] | None) -> None:
    window, boxes, masks, thermal = (folder / name for name in ("window", "plate-boxes", "plate-masks", "thermal"))
    for name in WINDOW_CLASSES:
        (window / name).mkdir(parents=True)
    for place in (boxes / "JPEGImages", boxes / "Annotations", masks / "images", masks / "masks", thermal):
        place.mkdir(parents=True)
    (masks / "classes.txt").write_text("".join(f"{name}\n" for name in PLATE_CLASSES), encoding="utf-8")
    with (thermal / "temperatures.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("file", "maximum", "mean", "minimum"))
        for index in range(parts):
            part, stem = line.part(index), f"P{index:06d}"
            truth = part.truth_visible
            if truth.label is None or truth.boxes is None or truth.mask is None or part.truth_thermal.temperatures is None:
                raise AssertionError("the demo line knows the whole truth")
            _write_png(window / WINDOW_CLASSES[truth.label] / f"{stem}.png", _crop(part.visible, WINDOW))
            plate = _encode_png(_crop(part.visible, PLATE))
            (boxes / "JPEGImages" / f"{stem}.png").write_bytes(plate)
            (boxes / "Annotations" / f"{stem}.xml").write_bytes(_voc(f"{stem}.png", truth.boxes))
            (masks / "images" / f"{stem}.png").write_bytes(plate)
            _write_png(masks / "masks" / f"{stem}.png", _crop(truth.mask, PLATE))
            _write_kelvin(thermal / f"{stem}.tiff", part.thermal)
            table.writerow((f"{stem}.tiff", *(f"{value:.3f}" for value in part.truth_thermal.temperatures)))
            if progress is not None:
                progress(index + 1, parts)


def _crop(pixels: Bytes, region: Region) -> Bytes:
    return pixels[region.y : region.bottom, region.x : region.right]


def _encode_png(pixels: Bytes) -> bytes:
    swapped = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(swapped))[1].tobytes()


def _write_png(path: Path, pixels: Bytes) -> None:
    path.write_bytes(_encode_png(pixels))


def _write_kelvin(path: Path, kelvin: Floats) -> None:
    import tifffile

    tifffile.imwrite(path, kelvin, photometric="minisblack", description="temperatures in kelvin", metadata=None)


def _voc(name: str, boxes: Boxes) -> bytes:
    """Return the boxes, given in pixels of the whole frame, as a Pascal VOC file about the crop of the plate."""
    found = [
        (PLATE_CLASSES[kind], (left - PLATE.x, top - PLATE.y, right - PLATE.x, bottom - PLATE.y))
        for (left, top, right, bottom), kind in zip(boxes.xyxy.tolist(), boxes.classes.tolist(), strict=True)
    ]
    return voc_xml(name, (PLATE.width, PLATE.height), found)
