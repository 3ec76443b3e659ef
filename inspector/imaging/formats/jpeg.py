"""Decode intact JPEG images and refuse damaged ones: missing data in an image must never look like a part.

libjpeg fills what is missing with grey or repeats what came before, and only counts a warning, which neither Pillow nor
OpenCV passes on. simplejpeg makes errors of these warnings. Of some damage libjpeg does not even warn; it is looked for in
the markers (ITU-T T.81, annex B):

- the marker segments have to follow each other up to an end-of-image marker, with no other marker inside a scan, and restart
  markers have to count up;
- the scans of a picture (several, where it is progressive) have to bring every bit of every coefficient;
- the tables before the scans may hold only what the standard allows: libjpeg decodes with any others, to another picture.

A picture whose wrong bytes form a valid scan of the right length cannot be told from a true one by any decoder.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_RST0, _SOI, _EOI, _SOS, _DQT, _DRI, _DHT = 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xC4
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_READ = frozenset({0xC0, 0xC1, _PROGRESSIVE})  # baseline, extended and progressive, Huffman coded
_ARITHMETIC = frozenset({0xC9, 0xCA})
_LS = 0xF7  # SOF55 of JPEG-LS (T.87)
_COEFFICIENTS = 64


class JpegDamage(ValueError):
    """The image is damaged, cut short or of an unsupported kind; the text says how, in English, after "damaged: "."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The contents of the frame header. `process`: its marker code. `end`: the offset of the end-of-image marker."""

    process: int
    bits: int
    width: int
    height: int
    components: int
    end: int

    @property
    def refused(self) -> str:
        """Why this kind of JPEG is not read, intact or not; empty if it is read."""
        if self.process == _LS:
            return "JPEG-LS"
        if self.process in _ARITHMETIC:
            return "JPEG with arithmetic coding, in which damage cannot be found"
        if self.process not in _READ:
            return "lossless or hierarchical JPEG"
        if self.bits != 8:
            return f"JPEG of {self.bits} bits a value"
        return "" if self.components in (1, 3, 4) else f"JPEG of {self.components} components"


def decode_jpeg(data: bytes, *, header: JpegHeader | None = None) -> NDArray[np.uint8]:
    """Decode an intact JPEG as it is stored, grey [H, W] or RGB [H, W, 3].

    Raises JpegDamage. `header`: the result of `read_header`, if it is already known.
    """
    header = header or read_header(data)
    return _decode(data, header, "GRAY" if header.components == 1 else "RGB")


def decode_reduced(data: bytes, side: int, *, header: JpegHeader) -> NDArray[np.uint8]:
    """Decode in grey at the smallest size, from an eighth upwards, with at least `side` rows and columns.

    Raises JpegDamage. Damage is found as at full size, in much less time.
    """
    return _decode(data, header, "GRAY", side)


def read_header(data: bytes) -> JpegHeader:
    """Follow the marker segments up to the end of the image and return the header. Raises JpegDamage."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise JpegDamage("it does not begin as a JPEG")
    at, frame, process, restarts = 2, b"", 0, False
    scans: list[bytes] = []
    valid = True
    while True:
        marker, at = _next_marker(data, at)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            raise JpegDamage("another picture begins inside it" if marker == _SOI else "its segments are out of order")
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise JpegDamage("it is cut short in its header")
        body = data[at + 2 : at + length]
        if marker == _LS and len(body) >= 6:  # its coded data follow other rules
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            return JpegHeader(_LS, body[0], width, height, body[5], end=len(data))
        if marker in _FRAME_HEADERS:
            if frame or len(body) < 6 or len(body) < 6 + 3 * body[5]:
                raise JpegDamage("its header is not valid")
            frame, process = body, marker
        if marker in (_DQT, _DHT):
            valid = valid and _tables_valid(marker, body)
        restarts = restarts or marker == _DRI
        at += length
        if marker == _SOS:
            scans.append(body)
            at = _end_of_scan(data, at, restarts=restarts)
    if not frame or not scans:
        raise JpegDamage("it holds no picture")
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    header = JpegHeader(process, frame[0], width, height, frame[5], end=at - 2)
    if not header.refused:
        if not valid:
            raise JpegDamage("its tables are not valid")
        _check_complete(frame, scans, progressive=process == _PROGRESSIVE)
    return header


@lru_cache(maxsize=64)  # a camera sends the same ones with every picture
def _tables_valid(marker: int, body: bytes) -> bool:
    """Return whether a segment holds tables of quantization (T.81, B.2.4.1) or of Huffman codes (B.2.4.2), and nothing else."""
    at = 0
    while at < len(body):
        kind, number = body[at] >> 4, body[at] & 15
        at += 1
        if kind > 1 or number > 3:
            return False
        if marker == _DQT:
            table = np.frombuffer(body[at : at + 64 * (kind + 1)], ">u2" if kind else np.uint8)
            valid, size = len(table) == 64 and bool(table.all()), 64 * (kind + 1)
        else:
            lengths = body[at : at + 16]
            symbols = body[at + 16 : at + 16 + sum(lengths)]
            codes = sum(count << (16 - length) for length, count in enumerate(lengths, start=1))
            # A length in bits up to 11 of a difference, up to 10 of a coefficient behind a run of zeros.
            allowed = all(symbol <= 11 for symbol in symbols) if kind == 0 else all(symbol & 15 <= 10 for symbol in symbols)
            whole = len(lengths) == 16 and len(symbols) == sum(lengths)
            valid, size = whole and codes <= 1 << 16 and allowed and len(set(symbols)) == len(symbols), 16 + len(symbols)
        if not valid:
            return False
        at += size
    return True


def coded_part(data: bytes) -> bytes:
    """Return the image data from the first scan on, without the metadata that cameras write before it (time, counter, name)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == _SOS:
            return data[at:]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data


def _decode(data: bytes, header: JpegHeader, colours: str, side: int = 0) -> NDArray[np.uint8]:
    import simplejpeg

    if header.refused:
        raise JpegDamage(header.refused)
    data = _known_revision(data)

    def decoded(candidate: bytes) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = simplejpeg.decode_jpeg(candidate, colours, min_height=side, min_width=side, strict=True)
        return found

    unpadded = _unpadded(data, header)
    try:
        pixels = decoded(unpadded)
    except ValueError as error:
        if unpadded == data:
            raise JpegDamage(str(error)) from error
        try:
            pixels = decoded(data)  # what looks like padding was data
        except ValueError:
            raise JpegDamage(str(error)) from error
    return pixels[..., 0] if colours == "GRAY" else pixels


def _known_revision(data: bytes) -> bytes:
    """Replace an unknown JFIF revision, which libjpeg warns of."""
    return data[:11] + b"\1" + data[12:] if data[6:11] == b"JFIF\0" and data[11:12] != b"\1" else data


def _unpadded(data: bytes, header: JpegHeader) -> bytes:
    """Remove zeros before the end, which libjpeg warns of if they are padding; they may be codes of even areas, too."""
    end = header.end
    if data[end - 2 : end] != b"\0\0":  # padded bits are ones (T.81, F.1.2.3), if need be with a zero stuffed behind them
        return data
    coded = data[:end].rstrip(b"\0")
    return coded + (b"\0" if coded[-1] == 0xFF else b"") + bytes((0xFF, _EOI))


def _check_complete(frame: bytes, scans: list[bytes], *, progressive: bool) -> None:
    """Check that the scans bring every bit of every coefficient. Raises JpegDamage."""
    missing = {frame[6 + 3 * k]: [1] * _COEFFICIENTS for k in range(frame[5])}
    for scan in scans:
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            raise JpegDamage("its header is not valid")
        low, high, bits = scan[1 + 2 * count], min(63, scan[2 + 2 * count]), scan[3 + 2 * count] & 15
        if not progressive:
            low, high, bits = 0, 63, 0
        for k in range(count):
            left = missing.get(scan[1 + 2 * k])
            if left is None:
                raise JpegDamage("its header is not valid")
            left[low : high + 1] = [bits] * (high + 1 - low)
    if any(any(left) for left in missing.values()):
        raise JpegDamage("some of its scans are missing")


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at` and the offset after its segment. Fill bytes before the marker are skipped."""
    begun = at
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise JpegDamage("it is cut short")
    if at == begun or data[at] == 0:
        raise JpegDamage("its segments are out of order")
    return data[at], at + 1


def _end_of_scan(data: bytes, start: int, *, restarts: bool) -> int:
    """Return where the entropy-coded data ends: at the first marker that is not part of these data."""
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
