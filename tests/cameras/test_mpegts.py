"""The video inside a transport stream: what is put together of it, and how much at most."""

from collections.abc import Iterable

from inspector.cameras.bitstream import fields
from inspector.cameras.network.mpegts import TransportStream

MAP, VIDEO = 0x100, 0x200  # numbers of packets


def _packet(number: int, content: bytes, *, begins: bool = True) -> bytes:
    """A packet of 188 bytes, filled up by an adaptation field."""
    room = 184 - len(content)
    filled = b"" if not room else bytes((room - 1,)) + (b"\0" + b"\xff" * (room - 2) if room > 1 else b"")
    return bytes((0x47, begins << 6 | number >> 8, number & 0xFF, 0x30 if room else 0x10)) + filled + content


def _section(table: int, head: bytes, entries: bytes) -> bytes:
    rest = head + entries + b"crc!"
    return b"\0" + bytes((table,)) + (0xB000 | len(rest)).to_bytes(2, "big") + rest


def _tables(videos: Iterable[int]) -> bytes:
    programs = b"\0\1" + (0xE000 | MAP).to_bytes(2, "big")
    streams = b"".join(b"\x1b" + (0xE000 | number).to_bytes(2, "big") + b"\xf0\0" for number in videos)
    of_programs = _packet(0, _section(0, b"\0\1\xc1\0\0", programs))
    return of_programs + _packet(MAP, _section(2, b"\0\1\xc1\0\0\xe1\0\xf0\0", streams))


def _piece(number: int, data: bytes) -> bytes:
    return _packet(number, b"\0\0\1\xe0\0\0\x80\0\0" + data)


def test_a_piece_ends_where_the_next_begins() -> None:
    stream = TransportStream()
    assert list(stream.take(_tables([VIDEO]) + _piece(VIDEO, b"one ") + _packet(VIDEO, b"goes on", begins=False))) == []
    assert list(stream.take(_piece(VIDEO, b"two"))) == [(fields.H264, b"one goes on")]


def test_no_more_videos_are_kept_than_a_camera_sends() -> None:
    """Else a stream that names thousands would fill the memory, a few megabytes each."""
    stream, numbers = TransportStream(), range(VIDEO, VIDEO + 30)
    twice = b"".join(_piece(number, b"x") for _ in range(2) for number in numbers)
    assert len(list(stream.take(_tables(numbers) + twice))) == 8
