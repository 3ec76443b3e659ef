"""The parts of a multipart/x-mixed-replace answer, as cameras really write them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32

LIMIT = 64 << 20  # bytes of one part
_LINE = 16_384  # bytes of headers, or of what stands between two parts before it is given up
_LINE_ENDS = 4  # bytes that some count as well
_EOI = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Part:
    """Content type ("" where it has none) and bytes of one part. `whole`: no bytes of it are known to miss."""

    kind: str
    body: bytes
    whole: bool


class Parts:
    """Reads one part after the other.

    A Content-Length is believed as far as the picture bears it out, so that a picture is there as soon as its last byte is;
    without one, a part ends where the boundary is found. A camera whose lengths were right once and are not any more has lost
    bytes. The boundary is found with as many dashes as there are, because some
    cameras count them into its name and others do not.
    """

    def __init__(self, read: Callable[[], bytes], boundary: str | None) -> None:
        """`read` gives the next bytes, b"" at the end. `boundary`: as the Content-Type names it."""
        self._read = read
        self._buffer = bytearray()
        self._boundary = (boundary or "").strip().strip('"').strip("-").encode("latin-1", "replace")
        self._between = self._pattern()
        self._counts = False  # its lengths are right

    def next(self) -> Part | None:
        """Return the next part, or None at the end."""
        while self._skip_to_part():
            head = self._headers()
            if head is None:
                return None
            fields = BytesParser(policy=compat32).parsebytes(head, headersonly=True)
            length = (fields.get("Content-Length") or "").strip()
            announced = int(length) if length.isdecimal() and 0 < int(length) <= LIMIT else 0
            body = self._sized(announced) if announced else self._until_boundary()
            if body is None:
                continue
            fits = not announced or 0 <= announced - len(body) <= _LINE_ENDS
            self._counts = self._counts or (announced > 0 and fits)
            kind = fields.get_content_type() if "Content-Type" in fields else ""
            return Part(kind, body, whole=fits or not self._counts)
        return None

    def _more(self) -> bool:
        found = self._read()
        self._buffer += found
        return bool(found)

    def _skip_to_part(self) -> bool:
        """Go to the line behind the next boundary."""
        skipped = 0
        while skipped < LIMIT:
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > _LINE:
                    skipped += len(self._buffer) - 256
                    del self._buffer[:-256]
                if not self._more():
                    return False
                continue
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            skipped += end + 1
            if self._is_boundary(line):
                return True
        return False

    def _is_boundary(self, line: bytes) -> bool:
        if not line.startswith(b"-") and line != self._boundary:
            return False
        name = line.strip(b"-")
        if not self._boundary and line.startswith(b"--"):
            self._boundary = name
            self._between = self._pattern()
        return bool(name) and name == self._boundary

    def _headers(self) -> bytes | None:
        """Return the lines up to an empty one."""
        seen = 0
        while True:
            while (end := self._buffer.find(b"\n", seen)) >= 0:
                if self._buffer[seen:end].strip() == b"":
                    head = bytes(self._buffer[:end])
                    del self._buffer[: end + 1]
                    return head
                seen = end + 1
            if len(self._buffer) > _LINE or not self._more():
                return None

    def _sized(self, length: int) -> bytes | None:
        while len(self._buffer) < length:
            if not self._more():
                return self._rest()
        body = bytes(self._buffer[:length])
        swallowed = self._between.search(body)
        if swallowed is not None:  # it counts more than the picture
            return self._take(swallowed)
        if not body.rstrip(b"\0\r\n").endswith(_EOI):  # it counts less, or the picture is cut: the boundary tells
            return self._until_boundary()
        del self._buffer[:length]
        return body

    def _until_boundary(self) -> bytes | None:
        looked = 0
        while len(self._buffer) <= LIMIT:
            found = self._between.search(self._buffer, looked)
            if found is not None:
                return self._take(found)
            looked = max(0, len(self._buffer) - len(self._boundary) - 16)
            if not self._more():
                return self._rest()
        self._buffer.clear()
        return None

    def _take(self, boundary: re.Match[bytes]) -> bytes:
        """Return the part in front of a boundary."""
        begin = boundary.start("boundary")
        body = bytes(self._buffer[:begin])
        del self._buffer[:begin]
        return body.removesuffix(b"\n").removesuffix(b"\r")

    def _pattern(self) -> re.Pattern[bytes]:
        """Return a boundary at the beginning of a line, or right behind a picture."""
        return re.compile(rb"(?:\n|\xff\xd9\0{0,8})(?P<boundary>--+" + re.escape(self._boundary) + rb")")

    def _rest(self) -> bytes | None:
        """Return what had come when the connection ended: a picture that is cut, unless nothing had."""
        found = self._between.search(self._buffer)
        if found is not None:
            return self._take(found)
        body = bytes(self._buffer)
        self._buffer.clear()
        return body or None
