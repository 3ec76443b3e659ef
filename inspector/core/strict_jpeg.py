"""Decode JPEG pictures, and refuse damaged ones: what is missing in a picture must never look like a part.

libjpeg fills what is missing with grey or repeats what came before, and only counts a warning, which neither Pillow nor
OpenCV passes on. Damage is therefore looked for before the pixels are used:

- the marker segments have to follow each other up to an end-of-image marker, with no other marker inside the scan, and
  restart markers have to count up (ITU-T T.81, B.1 and B.2.1);
- simplejpeg, where it is installed, takes libjpeg's warnings for errors;
- elsewhere the entropy decoder has to use the scan up to its last byte, and nothing beyond it. A cut scan makes it ask for
  more; a garbled one often makes it finish early or late. That misses about a third of what simplejpeg finds garbled.

A picture whose wrong bytes form a valid scan of the right length cannot be told from a true one by any decoder.
"""

import importlib.util
import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

_strict: Any = importlib.import_module("simplejpeg") if importlib.util.find_spec("simplejpeg") else None

_RST0, _SOI, _EOI, _SOS, _DRI = 0xD0, 0xD8, 0xD9, 0xDA, 0xDD
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ONE_SCAN = (0xC0, 0xC1)  # baseline and extended sequential, Huffman coded
# libjpeg fetches up to 7 bytes more than it needs. These are ones, which no Huffman code consists of (T.81, Annex C): a
# decoder that goes on to decode them uses them up at once and asks for more, which there is not.
_BEYOND = b"\xff\x00" * 7


class JpegDamage(ValueError):
    """The picture is damaged or cut short; the text says how, in English, to follow "damaged: "."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the frame header says, and where the scan is. `scan` is None where there are several (progressive)."""

    width: int
    height: int
    components: int
    scan: tuple[int, int] | None  # first byte of the entropy-coded data, and the first behind it


def decode_jpeg(data: bytes, *, header: JpegHeader | None = None) -> NDArray[np.uint8]:
    """Decode a whole and undamaged JPEG as it is stored, grey [H, W] or RGB [H, W, 3]. Raises JpegDamage.

    `header`: as `read_header` gave it, where it was asked already.
    """
    header = header or read_header(data)
    if header.components not in (1, 3):
        raise JpegDamage(f"{header.components} colour components are not read")
    if _strict is not None:
        return _without_warnings(data, "GRAY" if header.components == 1 else "RGB")
    if header.scan is not None:
        _check_length(data, header.scan[1])
    kind = cv2.IMREAD_GRAYSCALE if header.components == 1 else cv2.IMREAD_COLOR_RGB
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise JpegDamage("it cannot be decoded")
    return np.asarray(pixels, np.uint8)


def check_jpeg(data: bytes) -> JpegHeader:
    """Look for damage without keeping pixels. Raises JpegDamage.

    Without simplejpeg only the markers of a picture in several scans are checked.
    """
    header = read_header(data)
    if _strict is not None and header.components in (1, 3):
        _without_warnings(data, "GRAY")
    elif header.scan is not None:
        _check_length(data, header.scan[1])
    return header


def read_header(data: bytes) -> JpegHeader:
    """Walk the marker segments up to the end of the image. Raises JpegDamage."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise JpegDamage("it does not begin as a JPEG")
    at, size, single, restarts = 2, None, False, False
    scans: list[tuple[int, int]] = []
    while True:
        marker, at = _next_marker(data, at)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            raise JpegDamage("another picture begins inside it" if marker == _SOI else "its segments are out of order")
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise JpegDamage("it is cut short in its header")
        if marker in _FRAME_HEADERS:
            if size is not None or length < 8:
                raise JpegDamage("its header is not valid")
            height, width = int.from_bytes(data[at + 3 : at + 5], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
            size, single = (width, height, data[at + 7]), marker in _ONE_SCAN
        restarts = restarts or marker == _DRI
        at += length
        if marker == _SOS:
            end = _end_of_scan(data, at, restarts=restarts)
            scans.append((at, end))
            at = end
    if size is None or not scans:
        raise JpegDamage("it holds no picture")
    return JpegHeader(*size, scan=scans[0] if single and len(scans) == 1 else None)


def _without_warnings(data: bytes, colours: str) -> NDArray[np.uint8]:
    try:
        pixels: NDArray[np.uint8] = _strict.decode_jpeg(data, colours, strict=True)
    except ValueError as error:
        raise JpegDamage(str(error)) from error
    return pixels[..., 0] if colours == "GRAY" else pixels


def _check_length(data: bytes, end: int) -> None:
    """Check that the only scan, which ends at `end`, holds the picture exactly. Raises JpegDamage."""
    source = _InSteps(data[:end] + _BEYOND, end)
    try:
        with PIL.Image.open(source, formats=("JPEG",)) as picture:
            picture.draft("L", (1, 1))  # an eighth of the size, in grey: the whole scan is read, little is calculated
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise JpegDamage("it is cut short or garbled") from error
    if source.tell() < end:
        raise JpegDamage("it is garbled")


class _InSteps(io.BytesIO):
    """Bytes that are handed out in one piece up to the last one before `end`, and from there one by one.

    So where the reader stops is where it had enough.
    """

    def __init__(self, data: bytes, end: int) -> None:
        super().__init__(data)
        self._whole = end - 1

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._whole - self.tell()
        wanted = left if size is None or size < 0 else size
        return super().read(max(1, min(wanted, left)))


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at`, and where its segment goes on. Fill bytes before it are skipped."""
    begun = at
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise JpegDamage("it is cut short")
    if at == begun or data[at] == 0:
        raise JpegDamage("its segments are out of order")
    return data[at], at + 1


def _end_of_scan(data: bytes, start: int, *, restarts: bool) -> int:
    """Return where the entropy-coded data ends: at the first marker that is none of its own."""
    scan = np.frombuffer(data, np.uint8)[start:]
    marked = np.flatnonzero(scan[:-1] == 0xFF)
    codes = scan[marked + 1]
    own = (codes >= _RST0) & (codes < _RST0 + 8)
    others = np.flatnonzero(~own & (codes != 0) & (codes != 0xFF))
    if not len(others):
        raise JpegDamage("it is cut short")
    numbers = codes[: others[0]][own[: others[0]]] - _RST0
    if (len(numbers) and not restarts) or not np.array_equal(numbers, np.arange(len(numbers)) % 8):
        raise JpegDamage("pieces of it are missing")
    end = start + int(marked[others[0]])
    while data[end - 1] == 0xFF:  # fill bytes belong to the marker
        end -= 1
    return end
