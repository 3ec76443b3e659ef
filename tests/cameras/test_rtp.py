"""Which pictures of an RTP stream may be shown, packet by packet."""

from collections.abc import Sequence

import pytest

from inspector.cameras.network.rtp import Track, Unrecoverable, codecs

SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 H265/90000\r\na=rtpmap:98 VP8/90000\r\n"
IDR, PLAIN, SPS, PPS = b"\x65 key", b"\x41 plain", b"\x67 size", b"\x68 more"
CRA, TRAIL, RASL, VPS = b"\x2a\x01 cra", b"\x02\x01 trail", b"\x12\x01 rasl", b"\x40\x01 vps"


def _packet(number: int, time: int, payload: bytes, *, last: bool = True, kind: int = 96) -> bytes:
    return bytes((0x80, kind | last << 7)) + (number & 0xFFFF).to_bytes(2, "big") + time.to_bytes(4, "big") + b"ssrc" + payload


def _shown(
    pictures: Sequence[Sequence[bytes]], lost: set[int], *, kind: int = 96, first: int = 65_530
) -> tuple[list[bytes], int]:
    """Payloads that come through of pictures given as payloads, and how many pictures are spoilt. `lost`: packets by place."""
    track, through, spoilt, place = Track(codecs(SDP)), [], 0, 0
    for time, payloads in enumerate(pictures):
        for at, payload in enumerate(payloads):
            if place not in lost:
                arrived = track.take(_packet(65_530 + place, time, payload, last=at == len(payloads) - 1, kind=kind))
                through += arrived.packets
                spoilt += arrived.spoilt
            place += 1
    numbers = [int.from_bytes(data[2:4], "big") for data in through]
    assert numbers == list(range(1, len(numbers) + 1)), "FFmpeg must not see a gap"
    return [data[12:] for data in through], spoilt


def test_codecs_of_a_description() -> None:
    assert codecs(SDP)[96] == "H264"
    assert codecs(b"m=video 0 RTP/AVP 26\r\n")[26] == "JPEG"


def test_what_arrives_whole_passes() -> None:
    pictures = [[SPS, PPS, IDR, IDR], [PLAIN, PLAIN], [PLAIN], [SPS, PPS, IDR]]
    assert _shown(pictures, set()) == ([payload for picture in pictures for payload in picture], 0)


@pytest.mark.parametrize(("lost", "spoilt"), [({4}, 3), ({5}, 3), ({6}, 1), ({8}, 1), ({4, 5}, 2), ({3}, 4), ({2}, 4)])
def test_after_a_loss_nothing_passes_until_the_next_key_frame(lost: set[int], spoilt: int) -> None:
    key = [SPS, PPS, IDR, IDR]
    through, count = _shown([key, [PLAIN, PLAIN], [PLAIN], [PLAIN, PLAIN], key, [PLAIN]], lost)
    assert count == spoilt
    assert through[-5:] == [*key, PLAIN]
    assert len(through) == 5 + (0 if min(lost) < 4 else 4 if min(lost) < 6 else 6 if min(lost) < 7 else 7)


def test_a_camera_that_marks_every_piece_of_a_picture() -> None:
    pieces = [SPS, PPS, IDR, IDR, IDR]

    def shown(lost: set[int]) -> list[bytes]:
        track, through, number = Track(codecs(SDP)), [], 0
        for time in range(4):
            for payload in pieces:
                if number not in lost:
                    through += track.take(_packet(number, time, payload)).packets
                number += 1
        return [data[12:] for data in through]

    assert shown(set()) == pieces * 3  # the last one is not known to be whole yet
    assert shown({12}) == pieces * 2
    assert shown({14}) == pieces * 2
    assert shown({7}) == pieces * 2


def test_parameters_inside_a_picture_are_left_out() -> None:
    assert _shown([[SPS, PPS, IDR, SPS, PPS, IDR]], set()) == ([SPS, PPS, IDR, IDR], 0)


def test_pictures_that_lean_on_those_before_a_key_frame_are_left_out_after_a_loss() -> None:
    pictures = [[VPS, CRA], [TRAIL], [TRAIL], [VPS, CRA], [RASL], [RASL], [TRAIL], [RASL]]
    assert _shown(pictures, set(), kind=97)[1] == 0
    through, spoilt = _shown(pictures, {2}, kind=97)
    assert through == [VPS, CRA, VPS, CRA, TRAIL, RASL]
    assert spoilt == 3


def test_another_size_and_a_loss_in_what_is_not_known_need_a_new_connection() -> None:
    with pytest.raises(Unrecoverable):
        _shown([[SPS, PPS, IDR], [b"\x67 other", PPS, IDR]], set())
    two = [[b"\x67\x42\0\x1e\x80 a", b"\x67\x42\0\x1e\x40 b", PPS, IDR], [b"\x67\x42\0\x1e\x40 b", PPS, IDR]]
    assert _shown(two, set())[1] == 0  # two parameter sets with numbers of their own
    assert _shown([[b"a"], [b"b"], [b"c"]], set(), kind=98)[1] == 0
    with pytest.raises(Unrecoverable):
        _shown([[b"a"], [b"b"], [b"c"]], {1}, kind=98)


def test_packets_that_are_none_and_old_ones() -> None:
    track = Track(codecs(SDP))
    assert track.take(b"short").packets == (b"short",)
    assert track.take(_packet(10, 1, IDR)).packets
    assert track.take(_packet(9, 1, IDR)).packets == ()
    assert track.take(_packet(11, 2, PLAIN)).packets
