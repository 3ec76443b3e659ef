"""Properties of a video file's container that FFmpeg does not report: its end and its codec."""

from pathlib import Path
from typing import BinaryIO

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # MP4 and MOV
_EBML = b"\x1a\x45\xdf\xa3"  # Matroska and WebM
_WITH_LENGTHS = (b"V_MPEG4/ISO/AVC", b"V_MPEGH/ISO/HEVC")  # Matroska's codecs H.264 and H.265
_HEAD = 64 * 1024  # bytes in which Matroska names its codecs
_MXF = b"\x06\x0e\x2b\x34"
_PACKETS = (188, 192)  # bytes; the longer ones begin with a time of 4 bytes
_UNKNOWN = 1 << 60  # Matroska: a size left open by a recorder has all bits set


def ends_early(path: Path) -> bool:
    """Return whether the file ends before its container does: AVI, MP4 and MOV, MKV and WebM, MXF, MPEG-TS. False if unknown.

    The announced number of frames cannot tell: it is an estimate, or includes frames that an edit list cuts out.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            return 8 + int.from_bytes(head[4:8], "little") > size + 1  # some writers omit the last byte of padding
        if head[4:8] in _BOXES:
            return _boxes_end(file, size) > size
        if head[:4] == _EBML:
            return _segment_end(file) > size
        if head[:4] == _MXF:
            return _footer(file) >= size
        for length in _PACKETS:  # a packet of a transport stream that is not whole
            if head[length - 188 :][:1] == b"G" and _all_begin(file, length, size):
                return size % length != 0
    return False


def units_have_lengths(path: Path) -> bool:
    """Return whether the container keeps units of H.264 and H.265 with their lengths, and not behind start codes."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head[4:8] in _BOXES or (head[:4] == _EBML and any(codec in head for codec in _WITH_LENGTHS))


def several_recordings(path: Path) -> bool:
    """Return whether an MP4 or MOV is followed by another one in the same file, which no player reads."""
    with path.open("rb") as file:
        file.seek(4)
        return file.read(4) == b"ftyp" and _boxes(file, path.stat().st_size).count(b"moov") > 1


def avi_codec(path: Path) -> str:
    """Return the four-letter codec name of an AVI file; "" for another file or if there is none."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"strf") if head[:4] == b"RIFF" else -1
    return head[at + 24 : at + 28].decode("latin-1").strip("\0 ") if at >= 0 else ""  # biCompression of BITMAPINFOHEADER


def _footer(file: BinaryIO) -> int:
    """Return where the footer of an MXF begins by its header partition (SMPTE ST 377-1, 7.1); 0 if that does not say."""
    file.seek(16)
    first = file.read(1)[0]
    file.seek(17 + (first & 0x7F if first & 0x80 else 0) + 24)
    return int.from_bytes(file.read(8), "big")


def _all_begin(file: BinaryIO, length: int, size: int) -> bool:
    """Return whether the first packets of a transport stream begin with their mark."""
    offsets = range(length - 188, min(size, 8 * length), length)
    marks = []
    for offset in offsets:
        file.seek(offset)
        marks.append(file.read(1))
    return len(marks) > 2 and set(marks) == {b"G"}


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return the end of the last box that begins in the file."""
    return _walk(file, size)[1]


def _boxes(file: BinaryIO, size: int) -> list[bytes]:
    """Return the kinds of the boxes of a file."""
    return _walk(file, size)[0]


def _walk(file: BinaryIO, size: int) -> tuple[list[bytes], int]:
    """Return the kinds of the boxes that begin in the file, and the end of the last one (ISO/IEC 14496-12, 4.2)."""
    at, kinds = 0, list[bytes]()
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length != 0 and length < 8:
            break
        kinds.append(head[4:8])
        if length == 0:  # extends to the end of the file
            return kinds, size
        at += length
    return kinds, at


def _segment_end(file: BinaryIO) -> int:
    """Return the end of the segment behind the EBML header (RFC 8794, 6); 0 if its length is unknown."""
    at = 0
    for _ in range(2):
        file.seek(at)
        head = file.read(12)
        if len(head) < 12 or not head[4]:
            return 0
        width = 9 - head[4].bit_length()
        length = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        if length == (1 << 7 * width) - 1 or length > _UNKNOWN:
            return 0
        at += 4 + width + length
    return at
