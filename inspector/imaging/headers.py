"""What the bytes of an image file tell before it is decoded.

No numpy: the window looks here before anything heavy is loaded.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

_DJI_THERMAL = (b"ZH20T", b"H20N", b"H30T", b"M30T", b"M3T", b"M3TD", b"M4T", b"MAVIC2-ENTERPRISE-ADVANCED", b"XT S")
_HEAD = 1 << 16
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def jpeg_segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Return the (marker, body) pairs before the image data; stops without an error where the file is broken."""
    found, at = [], 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2:
            break
        found.append((jpeg[at + 1], jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


def is_flir(jpeg: bytes) -> bool:
    """Return whether a JPEG carries FLIR's thermal data."""
    return any(kind == 0xE1 and body[:5] == b"FLIR\0" for kind, body in jpeg_segments(jpeg))


def is_dji(jpeg: bytes) -> bool:
    """Return whether a JPEG is a thermal image in DJI's own format: raw values in APP3, camera named in APP1."""
    bodies: dict[int, bytes] = {}
    for kind, body in jpeg_segments(jpeg):
        bodies.setdefault(kind, body)
    exif = bodies.get(0xE1, b"")
    return 0xE3 in bodies and 0xE4 in bodies and b"DJI" in exif and any(model in exif for model in _DJI_THERMAL)


def check_png(data: bytes) -> None:
    """Verify the checksums of a PNG's chunks, which Pillow skips for pixel data, and that no critical one is unknown.

    Raises ValueError. A critical chunk (a capital first letter) changes the meaning of the pixels: Apple's CgBI, for example,
    says that red and blue are exchanged.
    """
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        if zlib.crc32(body) != int.from_bytes(data[at + 8 + length : at + 12 + length], "big"):
            raise ValueError("a checksum is wrong")
        if body[:1].isupper() and body[:4] not in _CRITICAL:
            raise ValueError(f"it has a part of the unknown kind {body[:4].decode('latin-1')}")
        if body == b"IEND":
            return
        at += 12 + length
    raise ValueError("the file ends before its end mark")


def has_pages(path: Path) -> bool:
    """Return whether a file may hold more than one image, judged by its first bytes; False if it cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            if head[:2] in (b"II", b"MM"):
                return _tiff_goes_on(stream, head)
    except (OSError, ValueError, struct.error):
        return False
    if head[:3] == b"\xff\xd8\xff":
        return b"MPF\0" in head
    if head[:4] in (b"FFF\0", b"AFF\0"):
        return True
    if head[:4] == b"\x89PNG":
        return b"acTL" in head.partition(b"IDAT")[0]
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20:21] and head[20] & 2)
    return head[:3] == b"GIF" or (head[:1] == b"P" and head[1:2] in (b"4", b"5", b"6"))


def _tiff_goes_on(stream: BinaryIO, head: bytes) -> bool:
    """Return whether a second directory follows the first one. Raises struct.error."""
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    kind, entry, width = ("Q", 20, 8) if big else ("I", 12, 4)
    start = struct.unpack_from(f"{order}{kind}", head, 8 if big else 4)[0]
    stream.seek(start)
    (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", stream.read(8 if big else 2))
    stream.seek(start + (8 if big else 2) + entry * count)
    return bool(struct.unpack(f"{order}{kind}", stream.read(width))[0])
