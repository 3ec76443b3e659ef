"""Whether video is of fields (interlaced), as its own headers say."""

import re
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.cameras.bitstream import h264, h265
from inspector.cameras.bitstream.bits import Bits, units_of
from inspector.cameras.bitstream.damage import retrieved

H264, H265, MPEG2, MPEG4 = "H.264", "H.265", "MPEG-2", "MPEG-4"
# Four-letter codes, and the types of MPEG transport streams.
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("avc1", "avc3", "h264", "x264", "davc", "\x1b"), H264),
    **dict.fromkeys(("hev1", "hvc1", "hevc", "h265", "x265", "$"), H265),
    **dict.fromkeys(("mpg2", "mpeg", "mp2v", "m2v1", "em2v", "mpg1", "\x02", "\x01"), MPEG2),
    **dict.fromkeys(("mp4v", "fmp4", "xvid", "divx", "dx50", "mp4s", "3iv2", "\x10"), MPEG4),
}
_PICTURE_CODING = re.compile(rb"\x00\x00\x01\xb5[\x80-\x8f]....", re.DOTALL)
_LAYER = re.compile(rb"\x00\x00\x01[\x20-\x2f]")
_RECTANGLE = 0
_SQUARE_OR_LISTED = range(15)


def codec_of(tag: str) -> str:
    """Return the codec that a four-letter code means; the code itself where its headers are not read."""
    if re.fullmatch(r"(?i)[hm]x[0-9][pn]|xd[0-9v].|hdv[0-9]", tag):  # MPEG-2 of camcorders in MOV
        return MPEG2
    return _NAMES.get(tag.lower(), tag)


def announces_fields(codec: str, data: bytes) -> bool:
    """Return whether a packet or a header of video says that pictures may be of fields. False where the codec's is not read.

    `data`: of H.264 and H.265 an Annex B byte stream, of MPEG-2 and MPEG-4 a piece of the elementary stream.
    """
    return _ANNOUNCES[codec](data) if codec in _ANNOUNCES else False


def announced(packets: cv2.VideoCapture, tag: str, *, pictures: int) -> bool:
    """Return whether video says that its pictures may be of fields: in its header, or in its first packets.

    `packets`: the video, opened to read packets instead of pictures; `tag`: its four-letter code. MPEG-2 says it of each
    picture, of which so many are looked at.
    """
    codec = codec_of(tag)
    if codec not in _ANNOUNCES or not packets.isOpened():
        return False
    header = int(packets.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX))
    good = packets.grab()
    if good and header >= 0 and _ANNOUNCES[codec](_header(packets, header)):
        return True
    for _ in range(pictures if codec == MPEG2 else 1):
        if not good:
            return False
        if _ANNOUNCES[codec](retrieved(packets)):
            return True
        good = packets.grab()
    return False


def _header(packets: cv2.VideoCapture, index: int) -> bytes:
    """Return what the container holds of the codec's headers."""
    data: NDArray[np.generic] | None = packets.retrieve(flag=index)[1]
    return b"" if data is None else data.tobytes()


def _h264(data: bytes) -> bool:
    return any(unit[:1] and unit[0] & 0x1F == 7 and h264.has_fields(unit) for unit in units_of(data))


def _h265(data: bytes) -> bool:
    return any(unit[:1] and unit[0] >> 1 & 0x3F == 33 and h265.has_fields(unit) for unit in units_of(data))


def _mpeg2(data: bytes) -> bool:
    """progressive_frame of picture_coding_extension() (ITU-T H.262, 6.2.3.1); MPEG-1 has neither it nor fields."""
    return any(not found.group()[8] & 0x80 for found in _PICTURE_CODING.finditer(data))


def _mpeg4(data: bytes) -> bool:
    """interlaced of VideoObjectLayer() (ISO/IEC 14496-2, 6.2.3)."""
    found = _LAYER.search(data)
    if found is None:
        return False
    bits, version = _Plain(data[found.end() : found.end() + 64]), 1
    try:
        bits.take(9)
        if bits.flag():
            version = bits.take(4)
            bits.take(3)
        if bits.take(4) not in _SQUARE_OR_LISTED:
            bits.take(16)
        if bits.flag():
            bits.take(3)
            bits.take(79 * bits.flag())
        if bits.take(2) != _RECTANGLE or version > 2:
            return False
        bits.take(1)
        ticks = bits.take(16)
        bits.take(1)
        if bits.flag():
            bits.take(max(1, (ticks - 1).bit_length()))
        bits.take(29)  # width and height between marks
        return bits.flag()
    except ValueError:
        return False


class _Plain(Bits):
    """Bits of a stream without emulation prevention."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(b"")
        self._value, self._left = int.from_bytes(payload, "big"), 8 * len(payload)


_ANNOUNCES: Mapping[str, Callable[[bytes], bool]] = {H264: _h264, H265: _h265, MPEG2: _mpeg2, MPEG4: _mpeg4}
