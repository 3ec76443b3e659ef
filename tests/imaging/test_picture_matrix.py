"""Every combination that a header can say: read twice and equal to the array that was written, or refused by its name."""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from inspector.core.errors import ConfigError
from inspector.imaging.files import read_image

HEIGHT, WIDTH = 39, 45
Whole = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class Kind:
    """Colours, samples, and how the extra samples are marked; `read`: whether such a picture is read at all."""

    photometric: str
    samples: int
    extra: tuple[str, ...] = ()
    read: bool = True

    @property
    def colours(self) -> int:
        return {"rgb": 3, "separated": 4, "ycbcr": 3, "cielab": 3}.get(self.photometric, 1)


KINDS = (
    Kind("minisblack", 1),
    Kind("miniswhite", 1),
    Kind("rgb", 3),
    Kind("rgb", 4, ("unassalpha",)),
    Kind("rgb", 4, ("assocalpha",)),
    Kind("rgb", 4, ("unspecified",)),
    Kind("rgb", 5, ("unspecified", "unassalpha")),
    Kind("minisblack", 2, ("unassalpha",)),
    Kind("separated", 4),
    Kind("minisblack", 5, ("unspecified",) * 4, read=False),
    Kind("cielab", 3, read=False),
    Kind("cfa", 1, read=False),
)
# Lossless ones that tifffile writes by imagecodecs.
COMPRESSIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("none", {}),
    ("packbits", {}),
    ("lzw", {}),
    ("adobe_deflate", {}),
    ("deflate", {}),
    ("zstd", {}),
    ("lzma", {}),
    ("lerc", {}),
    ("png", {}),
    ("jpeg2000", {"reversible": True, "level": 0}),
    ("jpegxl", {"lossless": True}),
    ("webp", {"lossless": True}),
    ("jpegxr", {"level": 1.0}),
)
PREDICTED = ("lzw", "adobe_deflate", "zstd", "lzma")


def _written(kind: Kind, bits: int, seed: int) -> NDArray[Any]:
    """Values of all the bits, as they are stored."""
    dtype = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    values = np.random.default_rng(seed).integers(0, 1 << bits, (HEIGHT, WIDTH, kind.samples), dtype=np.uint64).astype(dtype)
    return values[..., 0] if kind.samples == 1 else values


def _expected(kind: Kind, bits: int, stored: NDArray[Any]) -> Whole:
    """What the specification makes of the values: by plain arithmetic, a sample at a time."""
    full = (1 << bits) - 1
    values = stored.reshape(HEIGHT, WIDTH, kind.samples).astype(np.int64)
    if kind.photometric == "miniswhite":
        values = full - values
    if bits < 8:
        values, full = np.rint(values * 255 / full).astype(np.int64), 255
    colour = values[..., : kind.colours]
    if kind.photometric == "separated":
        colour = ((full - values[..., :3]) * (full - values[..., 3:4]) * 2 + full) // (2 * full)
    if "unassalpha" in kind.extra:
        alpha = values[..., kind.colours + kind.extra.index("unassalpha")][..., None]
        full, alpha = (full, alpha) if bits <= 8 else (65535, alpha * 65535 // full)
        colour = (colour * alpha * 2 + full) // (2 * full)
    shaped = colour[..., 0] if kind.colours == 1 else colour
    return shaped.astype(np.uint8 if bits <= 8 else np.uint16)


def _check(path: Path, expected: Whole | None, *, near: int = 0) -> str:
    """Read twice. The sentence of a refusal."""
    if expected is None:
        sentences = []
        for _ in range(2):
            with pytest.raises(ConfigError) as refused:
                read_image(path)
            sentences.append(str(refused.value))
        assert sentences[0] == sentences[1]
        assert not any(word in sentences[0] for word in ("damaged", "<", "0x")), sentences[0]
        return sentences[0]
    images = [read_image(path) for _ in range(2)]
    np.testing.assert_array_equal(images[0].pixels, images[1].pixels, err_msg=path.name)
    assert images[0].pixels.dtype == expected.dtype, path.name
    assert images[0].pixels.shape == expected.shape, path.name
    apart = np.abs(images[0].pixels.astype(np.int64) - expected).max()
    assert apart <= near, f"{path.name}: {apart} apart"
    return ""


def _tiff(path: Path, stored: NDArray[Any], kind: Kind, bits: int, **how: Any) -> bool:
    """Whether tifffile can write it."""
    apart = how.pop("apart")
    values = np.ascontiguousarray(np.moveaxis(stored, -1, 0)) if apart else stored
    if kind.samples > 1:
        how["planarconfig"] = "separate" if apart else "contig"
    if bits not in (8, 16, 32):
        how["bitspersample"] = bits
    if kind.extra:
        how["extrasamples"] = kind.extra
    try:
        tifffile.imwrite(path, values, photometric=kind.photometric, metadata=None, **how)
    except (ValueError, RuntimeError, TypeError, KeyError, NotImplementedError, tifffile.TiffFileError):
        return False
    return True


def _ways(kind: Kind) -> Iterator[dict[str, Any]]:
    """Planes, strips and tiles, and byte orders; every other one is a BigTIFF."""
    ways = itertools.product((False, True) if kind.samples > 1 else (False,), ({"rowsperstrip": 8}, {"tile": (16, 16)}), "<>")
    for index, (apart, pieces, order) in enumerate(ways):
        yield {"apart": apart, **pieces, "byteorder": order, "bigtiff": bool(index % 3 == 1)}


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_compressions(tmp_path: Path, bits: int) -> None:
    """Each kind in each compression, in a quarter of the ways in turn."""
    count, turn = 0, 0
    for kind in KINDS:
        stored = _written(kind, bits, kind.samples)
        expected = _expected(kind, bits, stored) if kind.read else None
        for (compression, options), way in itertools.product(COMPRESSIONS, _ways(kind)):
            turn += 1
            if turn % 4:
                continue
            if compression == "jpeg2000" and bits == 16 and way["byteorder"] == ">":
                continue  # tifffile hands its encoder the bytes the wrong way round
            for predictor in (False, True) if compression in PREDICTED else (False,):
                path = tmp_path / f"{kind.photometric}{kind.samples}-{bits}-{compression}-{predictor}-{count}.tif"
                if predictor and (way["apart"] or compression == "none"):
                    continue
                how = {**way, "predictor": True} if predictor else way
                how = (
                    how if compression == "none" else {**how, "compression": compression, "compressionargs": dict(options)}
                )  # tifffile writes into it
                if _tiff(path, stored, kind, bits, **how):
                    count += 1
                    _check(path, expected)
                    path.unlink()
    assert count > 150


def _packed(stored: NDArray[Any], bits: int) -> bytes:
    """Rows of values as a stream of bits, the highest first; each row ends at a whole byte (TIFF 6.0, FillOrder 1)."""
    spread = (stored.reshape(len(stored), -1)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(len(stored), -1).astype(np.uint8), axis=1).tobytes()


def _by_hand(
    path: Path, stored: NDArray[Any], kind: Kind, bits: int, *, order: str, big: bool, apart: bool, tiled: bool
) -> None:
    """A TIFF as its specification has it, without a library."""
    planes = [stored.reshape(HEIGHT, WIDTH, -1)]
    if apart:
        planes = [planes[0][..., index : index + 1] for index in range(kind.samples)]
    pieces: list[bytes] = []
    for plane in planes:
        if tiled:
            full = np.zeros((-(-HEIGHT // 16) * 16, -(-WIDTH // 16) * 16, plane.shape[2]), plane.dtype)
            full[:HEIGHT, :WIDTH] = plane
            places = itertools.product(range(0, len(full), 16), range(0, full.shape[1], 16))
            pieces += [_packed(full[y : y + 16, x : x + 16], bits) for y, x in places]
        else:
            pieces += [_packed(plane[top : top + 8], bits) for top in range(0, HEIGHT, 8)]
    marks = {"unspecified": 0, "assocalpha": 1, "unassalpha": 2}
    colours = {"miniswhite": 0, "minisblack": 1, "rgb": 2, "separated": 5, "cielab": 8, "cfa": 32803}
    tags: dict[int, list[int]] = {256: [WIDTH], 257: [HEIGHT], 258: [bits] * kind.samples, 259: [1]}
    tags |= {262: [colours[kind.photometric]], 277: [kind.samples], 284: [2 if apart else 1]}
    tags |= {338: [marks[name] for name in kind.extra]} if kind.extra else {}
    tags |= {322: [16], 323: [16]} if tiled else {278: [8]}
    offsets, counts = (324, 325) if tiled else (273, 279)
    head = 16 if big else 8
    tags |= {offsets: [head + sum(map(len, pieces[:index])) for index in range(len(pieces))], counts: [*map(len, pieces)]}
    body = b"".join(pieces)
    at = head + len(body)
    entry, inline, wide = (20, 8, "Q") if big else (12, 4, "I")
    outside = at + (8 if big else 2) + entry * len(tags) + inline
    directory = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    spilled = b""
    for tag, numbers in sorted(tags.items()):
        values = struct.pack(f"{order}{len(numbers)}I", *numbers)
        field = values.ljust(inline, b"\0") if len(values) <= inline else struct.pack(f"{order}{wide}", outside + len(spilled))
        spilled += values if len(values) > inline else b""
        directory += struct.pack(f"{order}HH{wide}", tag, 4, len(numbers)) + field
    start = (b"II" if order == "<" else b"MM") + (
        struct.pack(f"{order}HHHQ", 43, 8, 0, at) if big else struct.pack(f"{order}HI", 42, at)
    )
    path.write_bytes(start + body + directory + bytes(inline) + spilled)


_TURNS = (  # tiles, BigTIFF, big-endian
    ((False, False, False), (True, True, True)),
    ((True, False, False), (False, True, True)),
    ((False, True, False), (True, False, True)),
    ((False, False, True), (True, True, False)),
)


def test_tiff_bits(tmp_path: Path) -> None:
    """Packed values of 1 to 32 bits; of more than 16 they are refused by their name."""
    count, path = 0, tmp_path / "bits.tif"
    for bits, kind in itertools.product((*range(1, 16), 17, 20, 24, 31), KINDS):
        stored = _written(kind, bits, bits)
        read = kind.read and bits <= 16
        expected = _expected(kind, bits, stored) if read else None
        for apart, tiled, order, big in itertools.product((False, True), (False, True), "<>", (False, True)):
            if not (apart and kind.samples == 1) and (tiled, big, order == ">") in _TURNS[bits % 4]:
                _by_hand(path, stored, kind, bits, order=order, big=big, apart=apart, tiled=tiled)
                said = _check(path, expected)
                count += 1
                if bits > 16 and kind.read:
                    assert f"{bits}-bit integers" in said
    assert count > 400


def test_declared_bits_stand_beside_the_picture(tmp_path: Path) -> None:
    for bits in (8, 10, 12, 14, 16):
        stored = _written(KINDS[0], bits, bits)
        how = {} if bits in (8, 16) else {"bitspersample": bits}
        tifffile.imwrite(tmp_path / "bits.tif", stored, photometric="minisblack", metadata=None, **how)
        assert read_image(tmp_path / "bits.tif").bits == (None if bits == 16 else bits)


def test_bits_declared_in_other_tags_than_their_number(tmp_path: Path) -> None:
    path = tmp_path / "bits.tif"
    stored = _written(KINDS[0], 12, 1).astype(np.uint16)
    for values, how, bits in (
        (stored, {"metadata": None, "extratags": [(281, "H", 1, 4095, True)]}, 12),
        (stored, {"metadata": None, "extratags": [(281, "H", 1, 4000, True)]}, None),  # the largest value, not the depth
        (stored * 16, {"metadata": None, "extratags": [(281, "H", 1, 4095, True)]}, None),  # values beyond
        (stored, {"ome": True, "metadata": {"axes": "YX", "SignificantBits": 12}}, 12),
    ):
        tifffile.imwrite(path, values, photometric="minisblack", **how)
        assert read_image(path).bits == bits, how


def test_tiff_of_other_values(tmp_path: Path) -> None:
    refused = {
        "signed": (np.zeros((8, 8), np.int16), "8-bit integers with sign"),
        "floats": (np.zeros((8, 8, 3), np.float32), "3 x 32-bit floating point"),
        "complex": (np.zeros((8, 8), np.complex64), "complex"),
    }
    for name, (values, said) in refused.items():
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack", metadata=None)
        assert said.split("-bit ")[-1] in _check(path, None), name


def test_tiff_palette_and_bilevel(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for bits, order, tiled in itertools.product((1, 2, 4, 8), "<>", (False, True)):
        table = rng.integers(0, 65536, (3, 1 << bits), np.uint16)
        stored = rng.integers(0, 1 << bits, (HEIGHT, WIDTH), np.uint8)
        path = tmp_path / "palette.tif"
        how: dict[str, Any] = {"tile": (16, 16)} if tiled else {"rowsperstrip": 7}
        how |= {} if bits == 8 else {"bitspersample": bits}
        try:
            tifffile.imwrite(path, stored, photometric="palette", colormap=table, byteorder=order, metadata=None, **how)
        except ValueError:
            continue
        _check(path, (table >> 8).astype(np.uint8).T[stored])
    for photometric, compression, order, tiled in itertools.product(
        ("minisblack", "miniswhite"), (None, "packbits", "adobe_deflate", "zstd"), "<>", (False, True)
    ):
        bilevel = rng.integers(0, 2, (HEIGHT, WIDTH)).astype(bool)
        path, how = tmp_path / "bilevel.tif", {"tile": (16, 16)} if tiled else {"rowsperstrip": 7}
        tifffile.imwrite(path, bilevel, photometric=photometric, compression=compression, byteorder=order, metadata=None, **how)
        _check(path, np.where(bilevel ^ (photometric == "miniswhite"), 255, 0).astype(np.uint8))


@pytest.mark.parametrize("photometric", ["minisblack", "rgb", "ycbcr"])
def test_jpeg_in_tiff_is_close_and_a_cut_one_is_damaged(tmp_path: Path, photometric: str) -> None:
    y, x = np.mgrid[0:64, 0:96]
    stored = np.stack([x * 2, y * 3, x + y], axis=2).astype(np.uint8)
    stored = stored[..., 0] if photometric == "minisblack" else stored
    path = tmp_path / "jpeg.tif"
    if photometric == "ycbcr":
        how: dict[str, Any] = {"photometric": "ycbcr", "compressionargs": {"level": 95}, "subsampling": (2, 2)}
        written = np.asarray(Pillow.fromarray(stored).convert("YCbCr"))
    else:
        how, written = {"photometric": photometric, "compressionargs": {"level": 95}}, stored
    tifffile.imwrite(path, written, compression="jpeg", metadata=None, rowsperstrip=64, **how)
    _check(path, stored, near=12)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    whole = path.read_bytes()
    scan = whole.index(b"\xff\xda", start) + 40
    middle = (scan + start + count) // 2
    for missing in (b"\xff\xd9" + bytes(start + count - middle - 2), bytes(60)):  # cut and closed; a hole
        path.write_bytes(whole[:middle] + missing + whole[middle + len(missing) :])
        with pytest.raises(ConfigError, match="damaged"):
            read_image(path)


def _png(path: Path, stored: NDArray[Any], colour: int, bits: int, chunks: tuple[tuple[bytes, bytes], ...] = ()) -> Path:
    """A PNG as its specification has it, by hand."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = io.BytesIO()
    for row in stored.reshape(len(stored), -1):
        rows.write(b"\0")
        if bits == 16:
            rows.write(row.astype(">u2").tobytes())
        elif bits == 8:
            rows.write(row.astype(np.uint8).tobytes())
        else:
            spread = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
            rows.write(np.packbits(spread.astype(np.uint8).reshape(-1)).tobytes())
    header = struct.pack(">IIBBBBB", stored.shape[1], stored.shape[0], bits, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(kind, body) for kind, body in chunks)
        + chunk(b"IDAT", zlib.compress(rows.getvalue()))
        + chunk(b"IEND", b"")
    )
    return path


def _laid(colour: NDArray[Any], alpha: NDArray[Any], full: int) -> NDArray[Any]:
    product = colour.astype(np.int64) * (alpha[..., None] if colour.ndim == 3 else alpha)
    return ((product * 2 + full) // (2 * full)).astype(colour.dtype)


def test_png_of_every_colour_type_and_depth(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    path = tmp_path / "a.png"

    def values(bits: int, channels: int) -> NDArray[Any]:
        shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
        return rng.integers(0, 1 << bits, shape).astype(np.uint16 if bits == 16 else np.uint8)

    for bits in (1, 2, 4, 8, 16):
        grey = values(bits, 1)
        spread = grey if bits >= 8 else np.rint(grey * (255 / ((1 << bits) - 1))).astype(np.uint8)
        _check(_png(path, grey, 0, bits), spread)
        key = int(grey[0, 0])
        seen = np.where(grey == key, 0, spread).astype(spread.dtype)
        _check(_png(path, grey, 0, bits, ((b"tRNS", struct.pack(">H", key)),)), seen)
    for bits in (8, 16):
        full, colour = (1 << bits) - 1, values(bits, 3)
        _check(_png(path, colour, 2, bits), colour)
        key = colour[5, 6]
        seen = np.where((colour == key).all(axis=2, keepdims=True), 0, colour).astype(colour.dtype)
        _check(_png(path, colour, 2, bits, ((b"tRNS", struct.pack(">3H", *map(int, key))),)), seen)
        both = values(bits, 4)
        _check(_png(path, both, 6, bits), _laid(both[..., :3], both[..., 3], full))
        two = values(bits, 2)
        _check(_png(path, two, 4, bits), _laid(two[..., 0], two[..., 1], full))
        both[..., 3] = 0
        _check(_png(path, both, 6, bits), both[..., :3])
        both[..., 3] = full
        _check(_png(path, both, 6, bits), both[..., :3])
    for bits in (1, 2, 4, 8):
        table = rng.integers(0, 256, (1 << bits, 3), np.uint8)
        indices = values(bits, 1)
        _check(_png(path, indices, 3, bits, ((b"PLTE", table.tobytes()),)), table[indices])
        alpha = rng.integers(0, 256, 1 << bits, np.uint8)
        chunks = ((b"PLTE", table.tobytes()), (b"tRNS", alpha.tobytes()))
        _check(_png(path, indices, 3, bits, chunks), _laid(table[indices], alpha[indices], 255))


def test_png_significant_bits(tmp_path: Path) -> None:
    """The chunk sBIT: stored as they are, or in the high bits as the specification has it."""
    rng, path = np.random.default_rng(5), tmp_path / "bits.png"
    for bits in (10, 12, 14):
        low = rng.integers(0, 1 << bits, (HEIGHT, WIDTH)).astype(np.uint16)
        high = (low << (16 - bits)).astype(np.uint16)
        filled = high | (low >> (2 * bits - 16))
        chunk = ((b"sBIT", bytes([bits])),)
        for stored, expected in ((low, bits), (high, 16), (filled, 16), (high // 64 // 64 << (16 - bits), 16)):
            image = read_image(_png(path, stored, 0, 16, chunk))
            assert image.bits == expected
            np.testing.assert_array_equal(image.pixels, stored)
        assert read_image(_png(path, low, 0, 16)).bits is None


def test_netpbm_of_every_kind_and_maxval(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for kind, maxval in itertools.product((2, 3, 5, 6), (1, 3, 100, 255, 256, 1000, 1023, 4095, 16383, 65535)):
        shape = (HEIGHT, WIDTH, 3) if kind in (3, 6) else (HEIGHT, WIDTH)
        stored = rng.integers(0, maxval + 1, shape)
        head = f"P{kind}\n# a comment\n{WIDTH} {HEIGHT}\n# another\n{maxval}\n".encode()
        if kind < 4:
            body = b"\n".join(b" ".join(str(value).encode() for value in row) for row in stored.reshape(-1, 9))
            body = body.replace(b"\n", b" # not a value 7\n", 1)
        else:
            body = stored.astype(">u2" if maxval > 255 else np.uint8).tobytes()
        path = tmp_path / f"p{kind}.pnm"
        path.write_bytes(head + body)
        full = 255 if maxval <= 255 else 65535
        expected = np.floor(stored * full / maxval + 0.5).astype(np.uint8 if full == 255 else np.uint16)
        _check(path, expected)
    stored = rng.integers(0, 2, (HEIGHT, WIDTH))
    (tmp_path / "p4.pbm").write_bytes(f"P4 {WIDTH} {HEIGHT}\n".encode() + np.packbits(stored, axis=1).tobytes())
    (tmp_path / "p1.pbm").write_bytes(f"P1 {WIDTH} {HEIGHT}\n".encode() + "".join(map(str, stored.flat)).encode())
    for name in ("p4.pbm", "p1.pbm"):
        _check(tmp_path / name, np.where(stored, 0, 255).astype(np.uint8))


def test_netpbm_beyond_its_header_is_damaged(tmp_path: Path) -> None:
    for body in (b"P5 2 2 100\n\x01\x02\x03\xc8", b"P2 2 2 100\n1 2 3 200", b"P5 2 2 255\n\x01\x02\x03", b"P2 2 2 255\n1 2 3"):
        (tmp_path / "odd.pgm").write_bytes(body)
        with pytest.raises(ConfigError, match="damaged"):
            read_image(tmp_path / "odd.pgm")
    (tmp_path / "a.pam").write_bytes(b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\0")
    with pytest.raises(ConfigError, match="not read"):
        read_image(tmp_path / "a.pam")


def test_jpeg_2000(tmp_path: Path) -> None:
    import imagecodecs

    rng, path = np.random.default_rng(7), tmp_path / "a.jp2"
    for bits, colour, codec in itertools.product((8, 10, 12, 16), (False, True), ("jp2", "j2k")):
        stored = rng.integers(0, 1 << bits, (HEIGHT, WIDTH, 3) if colour else (HEIGHT, WIDTH))
        stored = stored.astype(np.uint8 if bits == 8 else np.uint16)
        data = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, bitspersample=bits, codecformat=codec)
        path.write_bytes(data)
        _check(path, stored)
        assert read_image(path).bits == (None if bits == 16 else bits)
        for cut in (data[: len(data) // 2], data[: len(data) // 2] + b"\xff\xd9"):
            path.write_bytes(cut)
            with pytest.raises(ConfigError, match="damaged"):
                read_image(path)
