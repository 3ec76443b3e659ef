"""Multipart answers as cameras write them, cut into pieces anywhere."""

import pytest

from inspector.cameras.network.multipart import Part, Parts

A = b"\xff\xd8 first --frame \r\n-- \xff\xd9"
B = b"\xff\xd8 second \n--fra \xff\xd9"
C = b"\xff\xd8 third, longer than the others \xff\xd9"
PICTURES = [A, B, C]


def _read(answer: bytes, boundary: str | None, piece: int) -> list[Part]:
    left = bytearray(answer)

    def read() -> bytes:
        data = bytes(left[:piece])
        del left[:piece]
        return data

    parts, found = Parts(read, boundary), []
    while (part := parts.next()) is not None:
        found.append(part)
    return found


def _answer(
    boundary: bytes, *, newline: bytes = b"\r\n", length: int | None = 0, between: bytes = b"\r\n", kind: bytes = b"image/jpeg"
) -> bytes:
    """`length`: what is added to the true Content-Length; None: there is none."""
    answer = b""
    for picture in PICTURES:
        head = b"Content-Type: image/jpeg" + newline
        head += b"" if length is None else b"Content-length:%d" % (len(picture) + length) + newline
        answer += boundary + newline + head + newline + picture + between
    return answer + boundary + b"--" + newline


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize(
    ("answer", "boundary"),
    [
        (_answer(b"--frame"), "frame"),
        (_answer(b"--frame", length=None), "frame"),
        (_answer(b"--frame", newline=b"\n", between=b"\n", length=None), '"frame"'),
        (_answer(b"--frame"), "--frame"),
        (_answer(b"frame"), "frame"),
        (_answer(b"----frame"), "--frame"),
        (_answer(b"--frame"), None),
        (_answer(b"--frame", between=b""), "frame"),
        (_answer(b"--frame", between=b"", length=None), "frame"),
        (_answer(b"--frame", between=b"\r\n\r\n"), "frame"),
        (_answer(b"--frame", length=2), "frame"),
        (_answer(b"--frame", length=-5), "frame"),
        (_answer(b"--frame", length=17), "frame"),
        (b"some words first\r\n\r\n" + _answer(b"--frame"), "frame"),
    ],
)
def test_every_picture_once_however_it_is_written(answer: bytes, boundary: str | None, piece: int) -> None:
    found = _read(answer, boundary, piece)
    assert [part.body.rstrip(b"\r\n") for part in found] == PICTURES
    assert all(part.kind == "image/jpeg" and part.whole for part in found)


def test_parts_that_are_no_pictures_have_their_own_kind() -> None:
    found = _read(b"--f\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi\r\n--f\r\n\r\n" + A + b"\r\n--f--", "f", 5)
    assert [(part.kind, part.body) for part in found] == [("text/plain", b"hi"), ("", A)]


@pytest.mark.parametrize("piece", [1, 4096])
def test_bytes_that_are_missing_are_known_from_a_camera_that_counts(piece: int) -> None:
    def part(body: bytes, length: int) -> bytes:
        return b"--frame\r\nContent-Length: %d\r\n\r\n" % length + body + b"\r\n"

    answer = part(A, len(A)) + part(C[:9] + C[19:], len(C)) + part(B, len(B)) + b"--frame--\r\n"
    assert [(found.body, found.whole) for found in _read(answer, "frame", piece)] == [
        (A, True),
        (C[:9] + C[19:], False),
        (B, True),
    ]


def test_an_end_in_the_middle() -> None:
    answer = _answer(b"--frame")
    for end in range(len(answer)):
        found = _read(answer[:end], "frame", 64)
        assert [part.body for part in found[:-1]] == PICTURES[: max(0, len(found) - 1)]
        assert not found or PICTURES[len(found) - 1].startswith(found[-1].body.rstrip(b"\r\n"))
