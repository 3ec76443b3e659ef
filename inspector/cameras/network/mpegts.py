"""The video inside an MPEG transport stream (ISO/IEC 13818-1), as cameras send it over RTP (RFC 2250)."""

from collections.abc import Iterator

from inspector.cameras.bitstream import fields

_PACKET = 188  # bytes
_SYNC = 0x47
_PROGRAMS = 0  # number of the packets with the program association table
_ASSOCIATION, _MAP = 0, 2  # table_id
_CHECKSUM = 4  # bytes at the end of a section
_MOST = 1 << 22  # bytes of one piece of video; more is not collected
_STREAMS = 8  # most videos, and most program maps, that are followed: who sends more is no camera
_CODECS = {0x01: fields.MPEG2, 0x02: fields.MPEG2, 0x10: fields.MPEG4, 0x1B: fields.H264, 0x24: fields.H265}  # table 2-34


class TransportStream:
    """Puts the pieces of the video together, usually one for each picture."""

    def __init__(self) -> None:
        self._maps: set[int] = set()  # numbers of the packets with program maps
        self._codecs: dict[int, str] = {}  # by number of the packets
        self._pieces: dict[int, bytearray] = {}

    def take(self, payload: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the codec and the elementary stream of every piece of video that has ended. What is damaged is passed over."""
        for at in range(0, len(payload) - _PACKET + 1, _PACKET):
            packet = payload[at : at + _PACKET]
            if packet[0] == _SYNC:
                yield from self._packet(packet)

    def _packet(self, packet: bytes) -> Iterator[tuple[str, bytes]]:
        number, begins = int.from_bytes(packet[1:3], "big") & 0x1FFF, bool(packet[1] & 0x40)
        control = packet[3] >> 4 & 3
        content = packet[4 + (1 + packet[4] if control & 2 else 0) :] if control & 1 else b""
        if number == _PROGRAMS or number in self._maps:
            if begins and content:
                self._section(content[1 + content[0] :])
        elif number in self._codecs:
            before = self._pieces.get(number)
            if begins:
                self._pieces[number] = bytearray(content[9 + content[8] :] if len(content) > 9 else b"")
                if before:
                    yield self._codecs[number], bytes(before)
            elif before is not None and len(before) < _MOST:
                before += content

    def _section(self, section: bytes) -> None:
        """Read a program association table (2.4.4.3) or a program map (2.4.4.8)."""
        if len(section) < 12:
            return
        end = min(len(section), 3 + (int.from_bytes(section[1:3], "big") & 0x0FFF) - _CHECKSUM)
        if section[0] == _ASSOCIATION:
            for at in range(8, end - 3, 4):
                if section[at : at + 2] != b"\0\0" and len(self._maps) < _STREAMS:  # 0: of the network
                    self._maps.add(int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF)
        elif section[0] == _MAP:
            at = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
            while at + 5 <= end:
                if (codec := _CODECS.get(section[at])) is not None and len(self._codecs) < _STREAMS:
                    self._codecs[int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF] = codec
                at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0x0FFF)
