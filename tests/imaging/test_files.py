"""Reading image files: depth and colour kept, and one clear sentence for every hostile file."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from inspector.core.errors import ConfigError
from inspector.imaging.files import IMAGE_SUFFIXES, MAX_PIXELS, read_image


@pytest.fixture
def colour() -> NDArray[np.uint8]:
    """An RGB picture without any symmetry."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([x * 4, y * 6, (x + y) * 2], axis=2).astype(np.uint8)


def _png16(path: Path, pixels: NDArray[np.uint16]) -> Path:
    path.write_bytes(cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes())
    return path


def _refused(path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_image(path)
    assert capfd.readouterr() == ("", ""), "a library wrote to the terminal"
    assert str(path) in str(caught.value)
    assert caught.value.remedy is not None
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


def test_lossless_colour_is_rgb(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    for suffix in (".png", ".bmp", ".tif", ".tiff", ".ppm", ".webp"):
        path = tmp_path / f"colour{suffix}"
        Pillow.fromarray(colour).save(path, **({"lossless": True} if suffix == ".webp" else {}))
        image = read_image(path)
        assert image.unit == "intensity"
        np.testing.assert_array_equal(image.pixels, colour, err_msg=suffix)
        assert image.notes == ()


def test_grey_stays_one_channel(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    for suffix in (".png", ".bmp", ".tif", ".pgm"):
        Pillow.fromarray(colour[..., 0]).save(tmp_path / f"grey{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"grey{suffix}").pixels, colour[..., 0])


def test_jpeg_is_close_to_what_was_saved(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    Pillow.fromarray(colour).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - colour).mean() < 3


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png_keeps_its_depth(tmp_path: Path, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), np.uint16)
    deep = deep[..., 0] if channels == 1 else deep
    image = read_image(_png16(tmp_path / "deep.png", deep))
    assert image.pixels.dtype == np.uint16
    np.testing.assert_array_equal(image.pixels, deep)


@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_tiff_keeps_its_depth(tmp_path: Path, channels: int, compression: str | None) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), np.uint16)
    deep = deep[..., 0] if channels == 1 else deep
    path = tmp_path / "deep.tif"
    if compression == "lzw":  # tifffile alone cannot write it
        bgr = deep[..., ::-1] if channels == 3 else deep
        path.write_bytes(cv2.imencode(".tif", np.ascontiguousarray(bgr), [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes())
    else:
        tifffile.imwrite(path, deep, compression=compression, photometric="rgb" if channels == 3 else "minisblack")
    image = read_image(path)
    assert image.pixels.dtype == np.uint16
    np.testing.assert_array_equal(image.pixels, deep)


def test_16_bit_pnm_keeps_its_depth(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    grey, colour = tmp_path / "deep.pgm", tmp_path / "deep.ppm"
    grey.write_bytes(b"P5 30 20 65535\n" + deep[..., 0].astype(">u2").tobytes())
    colour.write_bytes(b"P6 30 20 65535\n" + deep.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(grey).pixels, deep[..., 0])
    np.testing.assert_array_equal(read_image(colour).pixels, deep)


def test_palette_cmyk_and_bilevel_become_plain(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    picture = Pillow.fromarray(colour)
    palette = picture.quantize(16)
    for suffix in (".png", ".gif", ".tif"):
        palette.save(tmp_path / f"palette{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"palette{suffix}").pixels, np.asarray(palette.convert("RGB")))
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "cmyk.jpg").pixels.astype(int) - colour).mean() < 6
    picture.convert("CMYK").save(tmp_path / "cmyk.tif")
    assert read_image(tmp_path / "cmyk.tif").pixels.shape == colour.shape
    bilevel = picture.convert("1")
    bilevel.save(tmp_path / "bilevel.png")
    bilevel.save(tmp_path / "bilevel.tif")
    for suffix in ("png", "tif"):
        np.testing.assert_array_equal(read_image(tmp_path / f"bilevel.{suffix}").pixels, np.asarray(bilevel.convert("L")))


def test_transparent_parts_are_shown_on_black_and_said(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    alpha = np.full(colour.shape[:2], 255, np.uint8)
    Pillow.fromarray(np.dstack([colour, alpha])).save(tmp_path / "opaque.png")
    opaque = read_image(tmp_path / "opaque.png")
    np.testing.assert_array_equal(opaque.pixels, colour)
    assert opaque.notes == ()
    alpha[:, :30], alpha[:, 30:40] = 0, 128
    Pillow.fromarray(np.dstack([colour, alpha])).save(tmp_path / "holes.png")
    Pillow.fromarray(np.dstack([colour, alpha])).save(tmp_path / "holes.tif")
    for suffix in ("png", "tif"):
        holes = read_image(tmp_path / f"holes.{suffix}")
        np.testing.assert_array_equal(holes.pixels, np.rint(colour * (alpha[..., None] / 255.0)))
        assert "black" in holes.notes[0].text


def test_first_frame_of_an_animation_is_used_and_said(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    first, second = Pillow.fromarray(colour).quantize(16), Pillow.fromarray(255 - colour).quantize(16)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    frames = [first.convert("RGB"), second.convert("RGB")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    for suffix in ("gif", "png", "tif"):
        image = read_image(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(image.pixels, np.asarray(frames[0]), err_msg=suffix)
        assert "first" in image.notes[0].text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, colour: NDArray[np.uint8], orientation: int) -> None:
    from PIL import ImageOps

    exif = Pillow.Exif()
    exif[274] = orientation
    stored = Pillow.fromarray(colour)
    stored.save(tmp_path / "a.png", exif=exif.tobytes())
    stored.save(tmp_path / "a.jpg", exif=exif.tobytes(), quality=100)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    with Pillow.open(tmp_path / "a.png") as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    for suffix in ("png", "jpg", "tif"):
        pixels = read_image(tmp_path / f"a.{suffix}").pixels
        assert pixels.shape == expected.shape, suffix
        assert np.abs(pixels.astype(int) - expected).mean() < 3, suffix
    deep = read_image(_with_exif(_png16(tmp_path / "deep.png", colour.astype(np.uint16) * 257), exif.tobytes())).pixels
    np.testing.assert_array_equal(deep, expected.astype(np.uint16) * 257)


def _with_exif(path: Path, exif: bytes) -> Path:
    """Insert an eXIf chunk after the header of a PNG."""
    data, body = path.read_bytes(), exif.removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


def test_floating_point_tiff_is_kelvin(tmp_path: Path) -> None:
    kelvin = np.random.default_rng(0).uniform(280, 480, (12, 16)).astype(np.float32)
    for name, values in (("single.tif", kelvin), ("double.tif", kelvin.astype(np.float64))):
        tifffile.imwrite(tmp_path / name, values, photometric="minisblack")
        image = read_image(tmp_path / name)
        assert image.unit == "kelvin"
        assert image.pixels.dtype == np.float32
        np.testing.assert_array_equal(image.pixels, kelvin)


@pytest.mark.parametrize("worst", [np.inf, 1e9])
def test_floating_point_tiff_that_is_not_kelvin_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], worst: float
) -> None:
    values = np.full((12, 16), 300.0, np.float32)
    values[3, 4] = worst
    tifffile.imwrite(tmp_path / "celsius.tif", values, photometric="minisblack")
    assert "kelvin" in _refused(tmp_path / "celsius.tif", capfd)


@pytest.mark.parametrize("worst", [20.0, 0.0, np.nan, -5.0])
def test_a_dead_pixel_of_a_thermal_picture_is_masked_and_said(tmp_path: Path, worst: float) -> None:
    values = np.full((12, 16), 300.0, np.float32)
    values[3, 4] = worst
    tifffile.imwrite(tmp_path / "dead.tif", values, photometric="minisblack")
    image = read_image(tmp_path / "dead.tif")
    values[3, 4] = np.nan
    np.testing.assert_array_equal(image.pixels, values)
    assert [note.text for note in image.notes] == ["Pixels without a temperature are left out: 1."]


def test_names_outside_ascii(tmp_path: Path, colour: NDArray[np.uint8]) -> None:
    folder = tmp_path / "検査 画像 Ü"
    folder.mkdir()
    Pillow.fromarray(colour).save(folder / "部品😀.png")
    np.testing.assert_array_equal(read_image(folder / "部品😀.png").pixels, colour)
    _png16(folder / "深い.png", colour.astype(np.uint16))
    assert read_image(folder / "深い.png").pixels.dtype == np.uint16


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".gif", ".webp", ".ppm"])
def test_cut_short(tmp_path: Path, colour: NDArray[np.uint8], capfd: pytest.CaptureFixture[str], suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Pillow.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in _refused(path, capfd)


def test_cut_short_16_bit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (200, 200, 3), np.uint16)
    png = _png16(tmp_path / "cut.png", noise)
    tif = tmp_path / "cut.tif"
    tif.write_bytes(cv2.imencode(".tif", noise)[1].tobytes())
    for path in (png, tif):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "damaged" in _refused(path, capfd)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_one_wrong_bit_in_a_png_is_found(
    tmp_path: Path, colour: NDArray[np.uint8], capfd: pytest.CaptureFixture[str], depth: type
) -> None:
    path = tmp_path / "flipped.png"
    path.write_bytes(cv2.imencode(".png", colour.astype(depth))[1].tobytes())
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 60] ^= 4
    path.write_bytes(bytes(data))
    assert "damaged" in _refused(path, capfd)


def _write(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("nothing.png", _write(b""), "is empty"),
        ("word.png", _write(b"this is not a picture at all\n" * 20), "not an image"),
        ("program.jpg", _write(b"\x7fELF" + bytes(4000)), "not an image"),
        ("script.svg", _write(b"<svg onload='x'/>"), "not an image"),
        ("start.jpg", _write(b"\xff\xd8\xff\xe0"), ""),
        ("start.tif", _write(b"II*\0"), ""),
        ("loop.tif", _write(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"), ""),
        ("zero.ppm", _write(b"P6 0 0 255\n"), ""),
        ("folder.png", Path.mkdir, "folder"),
        ("missing.png", lambda path: None, "There is no file"),
        ("eps.eps", _write(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"), "not an image"),
    ],
)
def test_what_is_no_image(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, make: Callable[[Path], None], says: str
) -> None:
    make(tmp_path / name)
    assert says in _refused(tmp_path / name, capfd)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_does_not_hang(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a file" in _refused(tmp_path / "pipe.png", capfd)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path, colour: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]) -> None:
    Pillow.fromarray(colour).save(tmp_path / "secret.png")
    (tmp_path / "secret.png").chmod(0)
    assert "may not be read" in _refused(tmp_path / "secret.png", capfd)


def test_permission_error_is_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "may not be read" in _refused(path, capfd)


def test_20000_pixels_wide_is_read(tmp_path: Path) -> None:
    line_scan = np.zeros((1000, 20_000), np.uint8)
    line_scan[:, -1] = 200
    tifffile.imwrite(tmp_path / "wide.tif", line_scan, photometric="minisblack")
    Pillow.fromarray(line_scan).save(tmp_path / "wide.png", compress_level=1)
    for name in ("wide.tif", "wide.png"):
        pixels = read_image(tmp_path / name).pixels
        assert pixels.shape == (1000, 20_000)
        assert pixels[500, -1] == 200


def _bomb_png(width: int, height: int) -> bytes:
    """A few bytes that claim to be a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_decompression_bombs_are_refused_before_decoding(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bomb.png").write_bytes(_bomb_png(20_000, 20_000))
    (tmp_path / "strip.png").write_bytes(_bomb_png(2_000_000_000, 1))
    (tmp_path / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n" + bytes(100))
    tifffile.imwrite(tmp_path / "bomb.tif", np.zeros((8, 8), np.uint8), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "bomb.tif", mode="r+") as bomb:
        for tag in ("ImageWidth", "ImageLength"):
            bomb.pages.first.tags[tag].overwrite(20_000)
    for name in ("bomb.png", "strip.png", "bomb.ppm", "bomb.tif"):
        assert f"{MAX_PIXELS // 1_000_000} million" in _refused(tmp_path / name, capfd)


def test_kinds_of_pixels_that_are_not_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "signed.tif", np.zeros((8, 8), np.int16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "long.tif", np.zeros((8, 8), np.uint32), photometric="minisblack")
    tifffile.imwrite(tmp_path / "floats.tif", np.zeros((8, 8, 3), np.float32), photometric="rgb")
    for name in ("signed.tif", "long.tif", "floats.tif"):
        assert "not read" in _refused(tmp_path / name, capfd)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".gif", ".webp", ".bmp", ".ppm"])
def test_random_damage_gives_a_picture_or_a_sentence(
    tmp_path: Path, colour: NDArray[np.uint8], capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(colour).save(stream, format={".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:]))
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(150):
        data = np.frombuffer(stream.getvalue(), np.uint8).copy()
        places = rng.integers(0, len(data) if rng.random() < 0.5 else min(len(data), 200), rng.integers(1, 6))
        data[places] = rng.integers(0, 256, len(places))
        path = tmp_path / f"odd{suffix}"
        path.write_bytes(data.tobytes())
        try:
            assert read_image(path).pixels.size <= 3 * MAX_PIXELS
        except ConfigError:
            refused += 1
    assert capfd.readouterr() == ("", ""), "a library wrote to the terminal"
    assert refused > 0 or suffix in (".bmp", ".ppm")


def test_every_suffix_is_lower_case() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)
