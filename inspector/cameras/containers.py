"""Properties of a video file's container that FFmpeg does not report: its end and its codec."""

from pathlib import Path
from typing import BinaryIO

_UNKNOWN = 1 << 60  # Matroska: a size left open by a recorder has all bits set


def ends_early(path: Path) -> bool:
    """Return whether the file ends before its container does: AVI, MP4 and MOV, MKV and WebM. False if unknown.

    The announced number of frames cannot tell: it is an estimate, or includes frames that an edit list cuts out.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            return 8 + int.from_bytes(head[4:8], "little") > size + 1  # some writers omit the last byte of padding
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _boxes_end(file, size) > size
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _segment_end(file) > size
    return False


def avi_codec(path: Path) -> str:
    """Return the four-letter codec name of an AVI file; "" for another file or if there is none."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"strf") if head[:4] == b"RIFF" else -1
    return head[at + 24 : at + 28].decode("latin-1").strip("\0 ") if at >= 0 else ""  # biCompression of BITMAPINFOHEADER


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return the end of the last box that begins in the file (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # extends to the end of the file
            return size
        if length < 8:
            return at
        at += length
    return at


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
