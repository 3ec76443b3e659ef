"""Pictures whose headers say more than decoders ask for, and formats that are named and not read."""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from inspector.core.errors import ConfigError
from inspector.imaging.files import image_files, read_image


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(path: Path, *, colour_type: int, before: bytes = b"", first: bytes = b"") -> Path:
    """A PNG of 3 x 2 pixels with the values 0 to 5."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, colour_type, 0, 0, 0))
    rows = bytes([0, 0, 1, 2, 0, 3, 4, 5])
    end = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + first + header + before + end)
    return path


def test_a_palette_that_lacks_a_colour_is_damage(tmp_path: Path) -> None:
    whole = _png(tmp_path / "whole.png", colour_type=3, before=_chunk(b"PLTE", bytes(range(10, 28))))
    np.testing.assert_array_equal(read_image(whole).pixels[1, 2], [25, 26, 27])
    with pytest.raises(ConfigError, match="colour 6 of a palette of 5"):
        read_image(_png(tmp_path / "short.png", colour_type=3, before=_chunk(b"PLTE", bytes(range(10, 25)))))


def test_a_critical_chunk_that_is_unknown_is_refused(tmp_path: Path) -> None:
    assert read_image(_png(tmp_path / "a.png", colour_type=0, before=_chunk(b"teSt", b"?"))).pixels[1, 2] == 5
    with pytest.raises(ConfigError, match="unknown kind CgBI"):
        read_image(_png(tmp_path / "b.png", colour_type=0, first=_chunk(b"CgBI", b"\x50\0\x20\6")))


@pytest.mark.parametrize("end", [b"255 # made by hand\n", b"255# made by hand\n", b"255# made by hand\n\n", b"255\n", b"255 "])
def test_a_comment_behind_the_last_number_of_a_portable_map(tmp_path: Path, end: bytes) -> None:
    """The specification lets it stand before the blank that ends the header; most programs write that blank first."""
    pixels = np.arange(20, 26, dtype=np.uint8).reshape(2, 3)
    (tmp_path / "a.pgm").write_bytes(b"P5\n3 2\n" + end + pixels.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm").pixels, pixels)


@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "a.svs", "a.irb", "a.is2", "a.x3f", "a.hobj", "a.fts"])
def test_formats_of_microscopes_and_cameras_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"II*\0" + bytes(64))
    assert [path.name for path in image_files(tmp_path)] == [name]
    with pytest.raises(ConfigError, match="is a picture of the kind"):
        read_image(tmp_path / name)


def _bmp(masks: tuple[int, ...], bits: int, data: bytes) -> bytes:
    """A BMP of 2 x 2 pixels whose channels are where the masks say."""
    head = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, bits, 3, len(data), 0, 0, 0, 0) + struct.pack("<III", *masks)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("grey16.bmp", _bmp((0xFFFF, 0xFFFF, 0xFFFF), 16, bytes(8)), "BMP bitfields layout"),
        ("turned.bmp", _bmp((0xFF, 0xFF00, 0xFF0000), 32, bytes(16)), "BMP bitfields layout"),
        ("lossless.jpg", imagecodecs.jpegls_encode(np.arange(64, dtype=np.uint8).reshape(8, 8)), "JPEG-LS"),
    ],
)
def test_a_valid_file_of_an_unknown_kind_is_not_called_damaged(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=f"a kind of pixels that is not read: {kind}"):
        read_image(tmp_path / name)
