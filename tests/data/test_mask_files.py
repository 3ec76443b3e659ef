"""Masks in the files that libraries write: the values that were meant, or a refusal that names why they are not known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.masks import read_mask
from tests.data.test_cases import save, spot
from tests.data.test_layouts import image, mask, said, write

TWO = spot(1) + spot(2, left=12)
SPOT = spot(255)
SET = spot(1) > 0


def _tif(values: NDArray[Any], **how: Any) -> Callable[[Path], object]:
    return lambda folder: tifffile.imwrite(folder / "mask.tif", values, **how)


def _palette(indices: NDArray[np.uint8], colours: list[int], name: str = "mask.png") -> Callable[[Path], object]:
    def write_it(folder: Path) -> None:
        picture = Image.fromarray(indices).convert("P")
        picture.putdata(indices.ravel().tolist())
        picture.putpalette(colours)
        picture.save(folder / name)

    return write_it


def _layers(colour: int, alpha: NDArray[np.uint8], mode: str) -> Callable[[Path], object]:
    bands = [Image.fromarray(np.full_like(alpha, colour))] * (len(mode) - 1)
    return lambda folder: Image.merge(mode, [*bands, Image.fromarray(alpha)]).save(folder / "mask.png")


def _netpbm(name: str, head: bytes, values: NDArray[np.uint8]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(head + values.tobytes())


READ: dict[str, tuple[Callable[[Path], object], NDArray[np.uint8]]] = {
    # tifffile writes a boolean array as "white is zero" and reads it back as it was.
    "boolean": (_tif(SET), SPOT),
    "boolean, black is zero": (_tif(SET, photometric="minisblack"), SPOT),
    "boolean, packed": (_tif(SET, compression="zlib"), SPOT),
    "255, white is zero": (_tif(SPOT, photometric="miniswhite"), SPOT),
    "ImageJ's inverted table": (_tif(SPOT, photometric="miniswhite", metadata=None, software="ImageJ 1.54"), SPOT),
    "fax": (lambda folder: Image.fromarray(SPOT).convert("1").save(folder / "mask.tif", compression="group4"), SPOT),
    **{f"classes, {kind}": (_tif(TWO.astype(kind)), TWO) for kind in ("i1", "u2", ">u2", "i4", "i8", "u8", "f2", "f4", "f8")},
    "65535": (_tif(SET.astype(np.uint16) * 65535), SPOT),
    "PNG inside TIFF": (_tif(TWO, compression="png"), TWO),
    "zstd": (_tif(TWO, compression="zstd"), TWO),
    "RGB": (_tif(np.dstack([SPOT] * 3), photometric="rgb"), SPOT),
    "palette of black and white": (_palette(spot(1), [0, 0, 0, 255, 255, 255]), SPOT),
    "palette of white and black": (_palette(1 - spot(1), [255, 255, 255, 0, 0, 0]), SPOT),
    "the same as BMP": (_palette(1 - spot(1), [255, 255, 255, 0, 0, 0], "mask.bmp"), SPOT),
    "palette of classes": (_palette(TWO, [0, 0, 0, 128, 0, 0, 0, 128, 0]), TWO),
    "GIF of a picture in colours": (lambda folder: Image.fromarray(SPOT).convert("RGB").save(folder / "mask.gif"), SPOT),
    "white on transparency": (_layers(255, SPOT, "RGBA"), SPOT),
    "an empty layer": (_layers(0, spot(0), "RGBA"), spot(0)),
    "portable map of 0 and 1": (_netpbm("mask.pgm", b"P5 20 10 255\n", spot(1)), spot(1)),
    "portable map whose largest value is 1": (_netpbm("mask.pgm", b"P5 20 10 1\n", spot(1)), SPOT),
    "portable map whose largest value is 2": (_netpbm("mask.pgm", b"P5 20 10 2\n", TWO), TWO),
    "portable bitmap, whose 1 is black": (_netpbm("mask.pbm", b"P4 20 10\n", np.packbits(~SET, axis=1)), SPOT),
}


@pytest.mark.parametrize("kind", list(READ))
def test_masks_that_are_read(tmp_path: Path, kind: str) -> None:
    make, expected = READ[kind]
    make(tmp_path)
    np.testing.assert_array_equal(read_mask(next(tmp_path.iterdir())), expected)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "white is zero, and nobody says who wrote it": (_tif(SET, metadata=None, software=False), "0 is white in it"),
    "below 0": (_tif(np.where(SET, 1, 0).astype(np.int32) - spot(1, left=12)), "values down to -1"),
    "-1 of a boolean": (_tif(-SET.astype(np.int8)), "values down to -1"),
    "shares": (_tif(SET * np.float32(0.9)), "fractions (up to 0.9)"),
    "not a number": (_tif(np.where(SET, np.nan, 0).astype(np.float32)), "fractions"),
    "a page a class": (_tif(np.stack([SPOT, spot(255, left=12)]), photometric="minisblack"), "2 pictures in one file"),
    "a band a class": (
        _tif(np.dstack([SPOT, spot(255, left=12)]), photometric="minisblack", planarconfig="contig"),
        "2 bands",
    ),
    "black on transparency": (_layers(0, SPOT, "RGBA"), "only its transparency"),
    "grey and black on transparency": (_layers(0, SPOT, "LA"), "only its transparency"),
    "palette whose black is not the background": (_palette(TWO, [9, 9, 200, 0, 0, 0, 0, 128, 0]), "1 is black, and 0 is not"),
    "animation": (
        lambda folder: Image.fromarray(SPOT).save(
            folder / "mask.gif", save_all=True, append_images=[Image.fromarray(spot(255, left=12))]
        ),
        "several pictures",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_masks_that_can_be_taken_in_two_ways(tmp_path: Path, kind: str) -> None:
    """None of them leaves its image among the good parts."""
    make, sentence = REFUSED[kind]
    for at in range(2):
        image(tmp_path / "images" / f"{at}.jpg")
    save(tmp_path / "masks" / "0.png", SPOT)
    make(tmp_path)
    (odd,) = (path for path in tmp_path.iterdir() if path.is_file())
    odd.rename(tmp_path / "masks" / f"1{odd.suffix}")
    dataset = read_dataset(tmp_path, "segmentation")
    assert [sample.name for sample in dataset.samples] == ["images/0.jpg"]
    assert sentence in said(dataset)


def test_an_area_of_grey_is_no_soft_edge(tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(SPOT, (3, 3), 0)
    soft[spot(1) > 0] = 255
    for name, drawn in (("soft", soft), ("two", np.maximum(SPOT, spot(127, left=12))), ("line", SPOT // 2 + SPOT)):
        image(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "masks" / f"{name}.png", np.asarray(drawn, np.uint8))
    dataset = read_dataset(tmp_path, "segmentation")
    assert {sample.name for sample in dataset.samples} == {"images/soft.jpg"}
    assert "two.png has an area of the value 127" in said(dataset)


def test_a_folder_of_masks_for_each_class(tmp_path: Path) -> None:
    for at in range(4):
        image(tmp_path / "images" / f"{at}.jpg")
    for at in range(3):
        save(tmp_path / "masks" / "dent" / f"{at}.png", spot(255 if at != 2 else 0))
    save(tmp_path / "masks" / "Pore" / "1_mask.png", spot(255, left=12))
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("Pore", "dent")
    drawn = {sample.name: mask(sample) for sample in dataset.samples}
    np.testing.assert_array_equal(drawn["images/0.jpg"], spot(2))
    np.testing.assert_array_equal(drawn["images/1.jpg"], spot(2) + spot(1, left=12))
    assert not drawn["images/2.jpg"].any()
    assert "images/3.jpg" not in drawn
    assert "3.jpg has no label" in said(dataset)


def test_folders_of_masks_that_show_the_same_are_not_classes(tmp_path: Path) -> None:
    for at in range(2):
        image(tmp_path / "images" / f"{at}.jpg")
        for rater in ("first", "second"):
            save(tmp_path / "masks" / rater / f"{at}.png", spot(255))
    with pytest.raises(ConfigError, match="show the same under several classes"):
        read_dataset(tmp_path, "segmentation")


def test_masks_of_camvid_and_their_void(tmp_path: Path) -> None:
    for at in range(2):
        image(tmp_path / "images" / f"{at}.png")
        save(tmp_path / "labels" / f"{at}_L.png", spot(1)[..., None] * np.array([128, 0, 0], np.uint8))
    write(tmp_path / "class_dict.csv", "name,r,g,b\nVoid,0,0,0\ndent,128,0,0\n")
    dataset = read_dataset(tmp_path, "segmentation")
    assert dataset.classes == ("dent",)
    np.testing.assert_array_equal(mask(dataset.samples[0]), spot(1))
