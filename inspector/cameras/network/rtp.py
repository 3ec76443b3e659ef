"""Detection of incomplete pictures in an RTP stream from the packets' numbers.

A decoder conceals lost data (it copies from the previous picture) and continues to predict from the result. Every picture from
a loss up to the next key frame therefore shows something that was never in front of the camera.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.cameras.bitstream import fields
from inspector.cameras.network.mpegts import TransportStream

_FIXED = 12  # bytes of an RTP header without extensions (RFC 3550, 5.1)
_RTPMAP = re.compile(rb"a=rtpmap:([0-9]+)\s+([A-Za-z0-9-]+)/", re.IGNORECASE)
# Parameter sets of H.264 (RFC 6184, 8.1) and H.265 (RFC 7798, 7.1), and the header of MPEG-4 (RFC 6416, 7.1).
_SETS = re.compile(rb"sprop-parameter-sets=([A-Za-z0-9+/=,]+)", re.IGNORECASE)
_SPS = re.compile(rb"sprop-sps=([A-Za-z0-9+/=,]+)", re.IGNORECASE)
_CONFIG = re.compile(rb"config=((?:[0-9a-f]{2})+)", re.IGNORECASE)
_START = b"\0\0\1"
_NAMES = {"H264": fields.H264, "H265": fields.H265, "MPV": fields.MPEG2, "MP4V-ES": fields.MPEG4}
_MPV_HEADER = 4  # bytes before the video in each packet (RFC 2250, 3.4)
_STATIC = {26: "JPEG", 32: "MPV", 33: "MP2T"}  # payload types that need no rtpmap (RFC 3551, 6)
_MOST = 1 << 14  # most packets of one picture


def codecs(description: bytes) -> dict[int, str]:
    """Return the codec of each payload type in a session description (RFC 8866)."""
    return _STATIC | {int(number): name.decode().upper() for number, name in _RTPMAP.findall(description)}


def announces_fields(description: bytes) -> bool:
    """Return whether a session description announces pictures of two fields (H.264, H.265, MPEG-4)."""
    for pattern, codec in ((_SETS, fields.H264), (_SPS, fields.H265)):
        sets = [_decoded(one) for found in pattern.findall(description) for one in found.split(b",")]
        if fields.announces_fields(codec, b"".join(_START + one for one in sets)):
            return True
    return any(fields.announces_fields(fields.MPEG4, bytes.fromhex(one.decode())) for one in _CONFIG.findall(description))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def _of_fields(codec: str, payloads: list[bytes]) -> bool:
    """Return whether a picture says that it is of two fields, or that pictures from it on may be."""
    if codec not in _NAMES:
        return False
    pieces = [payload[_MPV_HEADER:] for payload in payloads] if codec == "MPV" else payloads
    if codec in ("H264", "H265"):
        pieces = [_START + content for _, content in _formats(codec, payloads)]
    return fields.announces_fields(_NAMES[codec], b"".join(pieces))


@dataclass(frozen=True, slots=True)
class _Packet:
    number: int
    time: int
    last: bool
    kind: int
    payload: bytes


def _parse(data: bytes) -> _Packet | None:
    if len(data) < _FIXED or data[0] >> 6 != 2:
        return None
    begin = _FIXED + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:  # header extension
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    end = len(data) - (data[-1] if data[0] & 0x20 else 0)  # padding
    number, time = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
    return _Packet(number, time, bool(data[1] & 0x80), data[1] & 0x7F, data[begin:end])


@dataclass(slots=True)
class _Picture:
    time: int
    whole: bool  # no packet of it is known to be lost
    shows: bool = True  # contains picture data, not only parameters
    raw: list[bytes] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Arrived:
    """The result of a packet: packets to forward, and the number of spoilt pictures."""

    packets: tuple[bytes, ...] = ()
    spoilt: int = 0


class Unrecoverable(ValueError):
    """A loss or a change of format that only a new connection, which begins with a key frame, can repair."""


class Interlaced(Unrecoverable):
    """Pictures of two fields. OpenCV 5 cannot convert them, and returns what its memory held before."""


class Track:
    """The pictures of one video stream, from RTP packets in order of arrival."""

    def __init__(self, codecs: dict[int, str]) -> None:
        """`codecs`: codec by payload type."""
        self._codecs = codecs
        self._expected: int | None = None
        self._picture: _Picture | None = None
        self._waiting = False  # waits for a key frame
        self._marks = False  # the camera marks the last packet of a picture,
        self._marks_lie = False  # or every piece of a picture
        self._ended: _Picture | None = None  # the previous picture
        self._handed = 0  # number of the last forwarded packet
        self._leading = False  # also drop pictures that may refer to pictures before the key frame (H.265)
        self._formats: dict[int, bytes] = {}  # parameters that determine the picture size
        self._inside = TransportStream()  # of video that comes in one

    def take(self, data: bytes) -> Arrived:
        """Process one RTP packet. Raises Unrecoverable."""
        packet = _parse(data)
        if packet is None:
            return Arrived((data,))
        missing = 0 if self._expected is None else (packet.number - self._expected) & 0xFFFF
        if missing >= 0x8000:
            return Arrived()  # too late: its picture has been dropped
        whole = not missing or self._lose(packet, missing)
        self._expected = (packet.number + 1) & 0xFFFF
        handed: list[bytes] = []
        spoilt, picture = 0, self._picture
        if picture is not None and picture.time != packet.time:
            handed, spoilt = self._finish(picture, packet.kind)
            picture = None
        if picture is None:
            picture = self._picture = self._begin(packet, whole=whole)
        picture.raw.append(data)
        picture.payloads.append(packet.payload)
        self._marks = self._marks or packet.last
        if (packet.last and not self._marks_lie) or len(picture.raw) > _MOST:
            more, bad = self._finish(picture, packet.kind)
            handed, spoilt, self._picture = [*handed, *more], spoilt + bad, None
        return Arrived(tuple(self._renumbered(data) for data in handed), spoilt)

    def _begin(self, packet: _Packet, *, whole: bool) -> _Picture:
        """Return the picture that begins with this packet, or the continuation of a picture with a false end mark."""
        before = self._ended
        if before is not None and before.time == packet.time and before.shows:
            self._marks_lie = True
            whole = whole and before.whole
        return _Picture(packet.time, whole=whole)

    def _renumbered(self, data: bytes) -> bytes:
        """Return the packet with the next number: FFmpeg drops a packet after a large gap."""
        self._handed = (self._handed + 1) & 0xFFFF
        return data[:2] + self._handed.to_bytes(2, "big") + data[4:]

    def _lose(self, packet: _Packet, missing: int) -> bool:
        """Record the packets missing before this one; return whether the picture that begins here is complete nevertheless.

        The loss may be the end of the previous picture or the beginning of this one. A single lost packet was the end of the
        previous picture if that end is missing and the camera marks ends.
        """
        codec = self._codecs.get(packet.kind, "")
        if codec not in _KEYS:
            raise Unrecoverable(codec)
        self._waiting = codec != "JPEG"
        before = self._picture
        if before is None:
            return False
        before.whole = False
        return missing == 1 and self._marks and before.time != packet.time

    def _finish(self, picture: _Picture, kind: int) -> tuple[list[bytes], int]:
        """Return the packets to forward, and the number of spoilt pictures (0 or 1)."""
        self._ended = picture
        if not picture.whole:
            return [], 1
        codec = self._codecs.get(kind, "")
        self._check_format(codec, picture.payloads)
        units = _KEYS[codec](picture.payloads) if codec in _KEYS else frozenset()
        packets = _in_order(codec, picture)
        if units == {_OTHER}:  # parameters for the following pictures
            picture.shows = False
            return packets, 0
        if self._waiting and _KEY in units:
            self._waiting, self._leading = False, _OPEN in units
            return packets, 0
        if self._waiting or (self._leading and _LEADING in units):
            return [], 1
        self._leading = False
        return packets, 0

    def _check_format(self, codec: str, payloads: list[bytes]) -> None:
        """Raise Unrecoverable if the picture size changes: the decoder would scale the picture to the first size.

        Raises Interlaced for pictures of two fields.
        """
        inside = [piece for payload in payloads for piece in self._inside.take(payload)] if codec == "MP2T" else []
        if _of_fields(codec, payloads) or any(fields.announces_fields(*piece) for piece in inside):
            raise Interlaced(codec)
        for number, content in _formats(codec, payloads):
            if self._formats.setdefault(number, content) != content:
                raise Unrecoverable(codec)


_KEY, _OPEN, _LEADING, _OTHER, _PLAIN = "key", "open", "leading", "parameters", "plain"


def _units_264(payloads: list[bytes]) -> frozenset[str]:
    return frozenset(_264.get(unit[0] & 0x1F, _PLAIN) for unit, _ in _h264(payloads))


def _units_265(payloads: list[bytes]) -> frozenset[str]:
    found = set()
    for unit, _ in _h265(payloads):
        kind = unit[0] >> 1 & 0x3F
        if 16 <= kind <= 23:
            found |= {_KEY} if kind in (19, 20) else {_KEY, _OPEN}
        else:
            found.add(_OTHER if kind >= 32 else _LEADING if kind in (8, 9) else _PLAIN)
    return frozenset(found)


def _units_mpeg4(payloads: list[bytes]) -> frozenset[str]:
    begin = b"".join(payloads).find(b"\0\0\1\xb6")  # vop_start_code; then vop_coding_type, 0 is I (ISO/IEC 14496-2, 6.2.5)
    data = b"".join(payloads)[begin + 4 : begin + 5]
    return frozenset({_OTHER} if begin < 0 else {_KEY} if data and data[0] >> 6 == 0 else {_PLAIN})


def _units_jpeg(payloads: list[bytes]) -> frozenset[str]:
    return frozenset({_KEY})


def _in_order(codec: str, picture: _Picture) -> list[bytes]:
    """Return the packets without parameter sets inside the picture.

    Some encoders repeat the sets before every slice of a key frame, which is not allowed (H.264, 7.4.1.2.3). FFmpeg takes them
    for the beginning of the next picture and splits the picture into two, each half invented.
    """
    if codec not in ("H264", "H265"):
        return picture.raw
    kept, begun = [], False
    for raw, payload in zip(picture.raw, picture.payloads, strict=True):
        kinds = _KEYS[codec]([payload])
        if begun and kinds == {_OTHER}:
            continue
        begun = begun or bool(kinds - {_OTHER})
        kept.append(raw)
    return kept


_KEYS = {"H264": _units_264, "H265": _units_265, "MP4V-ES": _units_mpeg4, "JPEG": _units_jpeg}
_264 = {5: _KEY, 6: _OTHER, 7: _OTHER, 8: _OTHER, 9: _OTHER, 10: _OTHER, 11: _OTHER, 12: _OTHER, 13: _OTHER}


def _formats(codec: str, payloads: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the parameters that determine the picture size, with the number of their parameter set."""
    if codec == "JPEG":
        if payloads and len(payloads[0]) >= 8:
            yield 0, payloads[0][6:8]  # width and height in blocks (RFC 2435, 3.1)
    elif codec == "H264":
        # After profile and level: the set's number in Exp-Golomb code (7.3.2.1.1, 9.1).
        yield from ((_first_number(unit[4:8]), unit) for unit, whole in _h264(payloads) if whole and unit[0] & 0x1F == 7)
    elif codec == "H265":
        yield from ((0, unit) for unit, whole in _h265(payloads) if whole and unit[0] >> 1 & 0x3F == 33)


def _first_number(data: bytes) -> int:
    """Return the Exp-Golomb number at the beginning of the bits."""
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


def _h264(payloads: list[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield the units of a picture (RFC 6184): complete units (True), and the headers of fragmented units (False)."""
    for payload in payloads:
        kind = payload[0] & 0x1F if payload else 31
        if kind in (24, 25):
            yield from _several(payload, 1 if kind == 24 else 3)
        elif kind in (28, 29):
            if len(payload) > 1 and payload[1] & 0x80:
                yield bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)), False
        elif payload:
            yield payload, True


def _h265(payloads: list[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield the units of a picture as `_h264` does (RFC 7798)."""
    for payload in payloads:
        kind = payload[0] >> 1 & 0x3F if payload else 63
        if kind == 48:
            yield from _several(payload, 2)
        elif kind == 49:
            if len(payload) > 2 and payload[2] & 0x80:
                yield bytes((payload[0] & 0x81 | (payload[2] & 0x3F) << 1,)), False
        elif payload:
            yield payload, True


def _several(payload: bytes, at: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the units in one packet, each preceded by its length."""
    while at + 2 < len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        if length:
            yield payload[at + 2 : at + 2 + length], True
        at += 2 + length
