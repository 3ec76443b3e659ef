"""Files of several pictures: every page is a picture of its own, smaller copies are left out and named."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from inspector.core.errors import ConfigError
from inspector.data.formats.scan import image_size
from inspector.imaging.files import FOREIGN_SUFFIXES, label_masks, page_count, read_image, read_page, read_pages
from inspector.imaging.headers import has_pages


def _picture(seed: int, height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _read(path: Path) -> list[NDArray[np.uint8]]:
    images = list(read_pages(path))
    assert len(images) == page_count(path)
    found = []
    for index, image in enumerate(images):
        assert not isinstance(image, ConfigError)
        again = read_page(path, index)
        np.testing.assert_array_equal(image.pixels, again.pixels)
        found.append(np.asarray(image.pixels, np.uint8))
    return found


def test_every_page_of_a_tiff(tmp_path: Path) -> None:
    pictures = [_picture(seed) for seed in range(3)]
    path = tmp_path / "burst.tif"
    for order, big in (("<", False), (">", False), ("<", True), (">", True)):
        with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
            for picture in pictures:
                writer.write(picture, photometric="rgb", metadata=None)
        assert has_pages(path)
        for found, picture in zip(_read(path), pictures, strict=True):
            np.testing.assert_array_equal(found, picture)
    tifffile.imwrite(path, pictures[0], photometric="rgb", metadata=None)
    assert not has_pages(path)
    with pytest.raises(ConfigError, match="fewer pages"):
        read_page(path, 1)


@pytest.mark.parametrize("flagged", [True, False])
def test_a_thumbnail_is_left_out_and_named_also_where_it_comes_first(tmp_path: Path, flagged: bool) -> None:
    pictures = [_picture(1, 10, 15), _picture(2), _picture(3, 20, 30)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for picture in pictures:
            small = flagged and len(picture) < 40
            writer.write(picture, photometric="rgb", metadata=None, subfiletype=1 if small else 0)
    (found,) = _read(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, pictures[1])
    assert [note.text for note in read_image(tmp_path / "a.tif").notes] == [
        "Smaller copies of it (thumbnails) are left out: 2."
    ]


@pytest.mark.parametrize("flagged", [True, False])
def test_a_picture_below_its_thumbnail_is_the_one_that_is_read(tmp_path: Path, flagged: bool) -> None:
    path, picture = tmp_path / "a.tif", _picture(2)
    with tifffile.TiffWriter(path) as writer:
        writer.write(picture[::4, ::4], photometric="rgb", metadata=None, subifds=2, subfiletype=int(flagged))
        writer.write(picture, photometric="rgb", metadata=None)
        writer.write(picture[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    (found,) = _read(path)
    np.testing.assert_array_equal(found, picture)
    assert image_size(path) == (picture.shape[1], picture.shape[0])


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_every_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [Pillow.fromarray(_picture(seed)).quantize(32).convert("RGB") for seed in range(3)]
    how = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **how)
    assert has_pages(tmp_path / f"a.{suffix}")
    for found, frame in zip(_read(tmp_path / f"a.{suffix}"), frames, strict=True):
        assert np.abs(found.astype(int) - np.asarray(frame)).max() <= (0 if suffix == "png" else 8)


def test_every_picture_of_a_multi_picture_jpeg_without_its_preview(tmp_path: Path) -> None:
    y, x = np.mgrid[0:120, 0:160]
    both = [Pillow.fromarray(np.stack([x + 5 * k, y * 2, x // 2 + 40 * k], axis=2).astype(np.uint8)) for k in range(2)]
    preview = both[0].resize((40, 30))
    both[0].save(tmp_path / "pair.mpo", format="MPO", save_all=True, append_images=[both[1]])
    both[0].save(tmp_path / "one.jpg", format="MPO", save_all=True, append_images=[preview])
    for found, picture in zip(_read(tmp_path / "pair.mpo"), both, strict=True):
        assert np.abs(found.astype(int) - np.asarray(picture)).mean() < 5
    assert len(_read(tmp_path / "one.jpg")) == 1
    assert "thumbnails" in read_image(tmp_path / "one.jpg").notes[0].text
    data = (tmp_path / "pair.mpo").read_bytes()
    second = data.index(b"\xff\xd8\xff", 500)
    (tmp_path / "cut.mpo").write_bytes(data[: (second + len(data)) // 2 + 200] + b"\xff\xd9")
    pages = list(read_pages(tmp_path / "cut.mpo"))
    assert not isinstance(pages[0], ConfigError)
    assert isinstance(pages[1], ConfigError)


def test_a_gain_map_is_no_picture_of_its_own(tmp_path: Path) -> None:
    """As cameras of telephones write them: a second picture as large as the first, which tells how bright it is."""
    light = np.dstack([_picture(1).astype(np.float16) / 255, np.ones((40, 60, 1), np.float16)])
    coded = imagecodecs.ultrahdr_encode(light)
    (tmp_path / "telephone.jpg").write_bytes(coded)
    assert coded.count(b"\xff\xd8\xff") == 2
    assert len(_read(tmp_path / "telephone.jpg")) == 1
    assert "Maps of its brightness or depth are left out: 1." in [
        note.text for note in read_image(tmp_path / "telephone.jpg").notes
    ]


def test_jpegs_one_behind_the_other_are_refused_and_their_small_copies_are_not(tmp_path: Path) -> None:
    for seed, (height, width) in enumerate(((40, 60), (40, 60), (10, 15))):
        Pillow.fromarray(_picture(seed, height, width)).save(tmp_path / f"{seed}.jpg", quality=95)
    one, other, small = ((tmp_path / f"{seed}.jpg").read_bytes() for seed in range(3))
    (tmp_path / "both.jpg").write_bytes(one + other)
    with pytest.raises(ConfigError, match="one behind the other"):
        read_image(tmp_path / "both.jpg")
    for behind in (small, b"a maker's notes", other[:200]):
        (tmp_path / "more.jpg").write_bytes(one + behind)
        np.testing.assert_array_equal(read_image(tmp_path / "more.jpg").pixels, read_image(tmp_path / "0.jpg").pixels)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_on_pages_of_their_own_are_no_parts(tmp_path: Path, kind: str) -> None:
    path, planes = tmp_path / "channels.tif", np.moveaxis(_picture(1), 2, 0)
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "CYX"}, **{kind: True})
    with pytest.raises(ConfigError, match="3 channels in pages of their own"):
        read_image(path)
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "TYX"}, **{kind: True})
    assert len(_read(path)) == 3
    tifffile.imwrite(path, _picture(1), photometric="rgb", **{kind: True})
    np.testing.assert_array_equal(_read(path)[0], _picture(1))


def test_every_picture_of_a_raw_netpbm_file(tmp_path: Path) -> None:
    pictures = [_picture(seed) for seed in range(2)]
    body = b"".join(b"P6 60 40 255\n" + picture.tobytes() for picture in pictures)
    (tmp_path / "a.ppm").write_bytes(body)
    for found, picture in zip(_read(tmp_path / "a.ppm"), pictures, strict=True):
        np.testing.assert_array_equal(found, picture)


def test_a_stack_under_one_header_is_refused_by_its_name(tmp_path: Path) -> None:
    said = "ImageJ=1.53\nimages=5\nslices=5\n"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), photometric="minisblack", metadata=None, description=said)
    with pytest.raises(ConfigError, match="stack of 5 pictures under one header"):
        read_image(tmp_path / "a.tif")


def test_a_stack_of_which_only_the_first_has_a_header_is_refused_by_its_name(tmp_path: Path) -> None:
    stack = np.stack([_picture(seed)[..., 0] for seed in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", truncate=True)
    with pytest.raises(ConfigError, match="a stack of 3 pictures under one header"):
        read_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", stack, photometric="minisblack")
    np.testing.assert_array_equal(np.stack(_read(tmp_path / "b.tif")), stack)
    tifffile.imwrite(tmp_path / "c.tif", stack[0], photometric="minisblack", truncate=True)
    np.testing.assert_array_equal(_read(tmp_path / "c.tif")[0], stack[0])


def test_pictures_of_kinds_that_are_not_read_are_named(tmp_path: Path) -> None:
    for suffix, kind in FOREIGN_SUFFIXES.items():
        (tmp_path / f"a{suffix}").write_bytes(b"anything")
        with pytest.raises(ConfigError, match=re.escape(f"of the kind {kind}, which is not read")):
            read_image(tmp_path / f"a{suffix}")
    Pillow.fromarray(_picture(0)).save(tmp_path / "a.jpe", format="JPEG")
    assert read_image(tmp_path / "a.jpe").pixels.shape == (40, 60, 3)


def test_a_label_mask_is_one_by_its_content(tmp_path: Path) -> None:
    y, x = np.mgrid[0:120, 0:160]
    photograph = np.stack([x, y, (x + y) // 2], axis=2).astype(np.uint8)
    for name in ("photo", "mask", "soft", "palette", "colours", "small", "grey"):
        Pillow.fromarray(photograph).save(tmp_path / f"{name}.jpg")
    disc = (x - 80) ** 2 + (y - 60) ** 2 < 900
    edge = np.clip((900 - (x - 80.0) ** 2 - (y - 60.0) ** 2) / 60 * 128 + 128, 0, 255)
    Pillow.fromarray(photograph).save(tmp_path / "photo.png")
    Pillow.fromarray(disc.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    Pillow.fromarray(edge.astype(np.uint8)).save(tmp_path / "soft.png")
    Pillow.fromarray((disc * 2).astype(np.uint8)).convert("P").save(tmp_path / "palette.png")
    Pillow.fromarray(np.where(disc[..., None], (128, 0, 0), (0, 0, 0)).astype(np.uint8)).save(tmp_path / "colours.png")
    Pillow.fromarray(disc.astype(np.uint8)[::2, ::2]).save(tmp_path / "small.png")
    Pillow.fromarray(photograph[..., 0]).save(tmp_path / "grey.png")
    masks = sorted(path.name for path in label_masks(tmp_path.iterdir()))
    assert masks == ["colours.png", "mask.png", "palette.png", "soft.png"]


def test_a_bmp_whose_fourth_byte_is_unused_is_not_black(tmp_path: Path) -> None:
    picture = _picture(3, 6, 8)
    rows = np.dstack([picture[::-1, :, ::-1], np.zeros((6, 8), np.uint8)]).tobytes()
    masks = struct.pack("<4I", 0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 8, 6, 1, 32, 3, len(rows), 2835, 2835, 0, 0) + masks + b"BGRs" + bytes(48)
    head = b"BM" + struct.pack("<IHHI", 14 + len(header) + len(rows), 0, 0, 14 + len(header))
    (tmp_path / "a.bmp").write_bytes(head + header + rows)
    image = read_image(tmp_path / "a.bmp")
    np.testing.assert_array_equal(image.pixels, picture)
    assert "nothing of it is visible" in image.notes[0].text


def test_more_memory_than_there_may_be_is_refused_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    tifffile.imwrite(
        path, np.zeros((16, 16, 9), np.uint16), photometric="rgb", extrasamples=("unspecified",) * 6, metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength"):
            file.pages.first.tags[tag].overwrite(10_000)
    with pytest.raises(ConfigError, match="needs 1716 MB once it is decoded"):
        read_image(path)


_CHILD = """
import sys
from pathlib import Path
from inspector.data.formats.scan import image_size
from inspector.imaging.files import read_image
small, large = map(Path, sys.argv[1:])
read_image(small)
Path("/proc/self/clear_refs").write_text("5")
highest = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
before = highest()
print(read_image(large).pixels.nbytes, highest() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the highest memory use is known on Linux")
@pytest.mark.parametrize("kind", ["transparent", "palette", "planes", "plain"])
def test_decoding_takes_at_most_four_times_the_decoded_picture(tmp_path: Path, kind: str) -> None:
    side = 3000
    for name, size in (("small", 40), ("large", side)):
        picture = Pillow.fromarray(np.zeros((size, size, 3), np.uint8) + np.arange(size, dtype=np.uint8)[:, None, None])
        if kind == "transparent":
            picture.putalpha(Pillow.fromarray(np.full((size, size), 128, np.uint8)))
            picture.save(tmp_path / f"{name}.png")
        elif kind == "palette":
            picture.quantize(16).save(tmp_path / f"{name}.png", transparency=3)
        elif kind == "planes":
            planes = np.ascontiguousarray(np.moveaxis(np.asarray(picture), -1, 0))
            how = {"planarconfig": "separate", "compression": "lzw", "rowsperstrip": 8}
            tifffile.imwrite(tmp_path / f"{name}.png", planes, photometric="rgb", metadata=None, **how)
        else:
            picture.save(tmp_path / f"{name}.png", compress_level=1)
    files = [str(tmp_path / f"{name}.png") for name in ("small", "large")]
    said = subprocess.run([sys.executable, "-c", _CHILD, *files], capture_output=True, text=True, check=True).stdout
    decoded, peak = map(int, said.split())
    assert decoded == side * side * 3
    assert peak <= 4 * decoded
