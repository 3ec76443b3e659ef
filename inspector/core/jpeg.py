"""Whether a JPEG is whole. Its decoder (libjpeg, in Pillow) fills up with grey what is missing, and its warnings are lost.

A picture of one scan is decoded from its coded data alone, without the end mark: a decoder that is short of data asks for
more instead of filling up, and one that is done before the data are was given others than were written. Restart marks are
counted. Several scans (progressive) have to be complete together, and are decoded a second time with other bytes before their
end marks: where these bytes show in the picture, data were missing.
Terms and marker codes: ITU-T T.81 (1992), annex B.
"""

import io
import re
from dataclasses import dataclass

import PIL.Image

from inspector.core.headers import jpeg_segments

_MARK = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # baseline, extended and progressive; of the lossless ones none
_MULTI = frozenset({0xC2, 0xCA})
_SPARE = 16  # bytes that a decoder may look ahead
_STUFFING = b"\x55" * 64


@dataclass(frozen=True, slots=True)
class Frame:
    """What the header of a picture says. `sampling`: (horizontal, vertical) of each component."""

    process: int
    bits: int
    width: int
    height: int
    components: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    interval: int  # units between restart marks; 0: none

    @property
    def refused(self) -> str:
        """Why no decoder here reads it; empty: they do."""
        if self.process not in _READ:
            return "lossless or hierarchical JPEG"
        return f"JPEG of {self.bits} bits a value" if self.bits != 8 else ""

    @property
    def units(self) -> int:
        """Smallest coded units of a scan of all components."""
        wide, high = (8 * max(pair[axis] for pair in self.sampling) for axis in (0, 1))
        if len(self.sampling) == 1:
            wide = high = 8
        return -(-self.width // wide) * -(-self.height // high)


class Fed(io.BytesIO):
    """Bytes that are given out up to `border` first; whether more was asked for then tells how far a decoder came."""

    border = 0
    stuffed = b""  # of several scans: the same with other bytes before their end marks

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        if at < self.border and size is not None and size >= 0:
            size = min(size, self.border - at)
        return super().read(size)

    @property
    def asked(self) -> bool:
        """Whether bytes beyond the border were read."""
        return self.tell() > self.border


def frame_of(jpeg: bytes) -> Frame | None:
    """Return the header of a picture; None: it has none."""
    interval = 0
    for kind, body in jpeg_segments(jpeg):
        if kind == 0xDD and len(body) >= 2:
            interval = int.from_bytes(body[:2], "big")
        if kind in _FRAMES and len(body) >= 6 and len(body) >= 6 + 3 * body[5] and body[5]:
            components = tuple(body[6 + 3 * k] for k in range(body[5]))
            sampling = tuple((body[7 + 3 * k] >> 4 or 1, body[7 + 3 * k] & 15 or 1) for k in range(body[5]))
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            return Frame(kind, body[0], width, height, components, sampling, interval or _interval(jpeg))
    return None


def _interval(jpeg: bytes) -> int:
    """Return the restart interval where it stands behind the header."""
    bodies = [body for kind, body in jpeg_segments(jpeg) if kind == 0xDD and len(body) >= 2]
    return int.from_bytes(bodies[-1][:2], "big") if bodies else 0


def strict(jpeg: bytes, frame: Frame) -> Fed:
    """Return a stream to decode a whole picture from; `check_decoded` says afterwards whether it was whole. Raises
    ValueError.
    """
    _, begin = _scan(jpeg, 2)
    first = _MARK.search(jpeg, begin)
    if first is None:
        raise ValueError("the file ends before its end mark")
    if frame.process not in _MULTI and first.group(1) == b"\xd9":
        coded = jpeg[: first.start()]
        _check_restarts(jpeg, begin, first.start(), frame)
        fed = Fed(coded + bytes(_SPARE))
        fed.border = max(begin, len(coded.rstrip(b"\0")) - _SPARE)
        return fed
    return _several(jpeg, frame)


def check_decoded(fed: Fed, picture: PIL.Image.Image) -> None:
    """Check the picture that was loaded from `strict`. Raises ValueError."""
    if not fed.stuffed:
        if not fed.asked:
            raise ValueError("its coded data do not fit the picture")
        return
    with PIL.Image.open(io.BytesIO(fed.stuffed), formats=("JPEG",)) as other:
        other.load()
        if other.tobytes() != picture.tobytes():
            raise ValueError("its coded data end too soon")


def _scan(jpeg: bytes, at: int) -> tuple[int, int]:
    """Begin and end of the header of the next scan; its coded data follow. Raises ValueError."""
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] == 0xFF:
            at += 1
            continue
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2:
            break
        if jpeg[at + 1] == 0xDA:
            return at + 4, at + 2 + length
        at += 2 + length
    raise ValueError("it has no picture data")


def _check_restarts(jpeg: bytes, begin: int, end: int, frame: Frame) -> None:
    if not frame.interval:
        return
    marks = [found.group(1)[0] & 7 for found in _RESTART.finditer(jpeg, begin, end)]
    expected = -(-frame.units // frame.interval) - 1
    # A mark behind the last unit is against the standard, but some encoders write it.
    if len(marks) not in (expected, expected + 1) or marks != [k % 8 for k in range(len(marks))]:
        raise ValueError("a part of its coded data is missing")


def _several(jpeg: bytes, frame: Frame) -> Fed:
    """Return a picture of several scans up to its end mark. Raises ValueError where a coefficient is never completed."""
    missing = {component: [1] * 64 for component in frame.components}
    stuffed, copied, at = [], 0, 2
    while True:
        head, begin = _scan(jpeg, at)
        _take(jpeg[head:begin], missing)
        mark = _MARK.search(jpeg, begin)
        if mark is None:
            raise ValueError("the file ends before its end mark")
        # Complete scans end where they end, whatever stands behind them; incomplete ones take it for picture.
        stuffed += [jpeg[copied : mark.start()], _STUFFING]
        copied, at = mark.start(), mark.end() - 2
        if mark.group(1) == b"\xd9":
            break
    if any(any(bits) for bits in missing.values()):
        raise ValueError("some of its scans are missing")
    fed = Fed(jpeg[: mark.end()])
    fed.stuffed = b"".join(stuffed) + b"\xff\xd9"
    return fed


def _take(header: bytes, missing: dict[int, list[int]]) -> None:
    """Note what a scan brings: `header` is the number of components, two bytes each, then the range and the bits."""
    count = header[0]
    low, high, bits = header[1 + 2 * count], min(63, header[2 + 2 * count]), header[3 + 2 * count] & 15
    for k in range(count):
        left = missing.setdefault(header[1 + 2 * k], [1] * 64)
        left[low : high + 1] = [bits] * (high + 1 - low)
