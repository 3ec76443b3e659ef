"""Parser for multipart/x-mixed-replace answers, tolerant of the deviations of real cameras."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32

LIMIT = 64 << 20  # largest size of one part in bytes
_LINE = 16_384  # largest size in bytes of headers, and of data between two parts
_LINE_ENDS = 4  # bytes of line ends that some cameras include in the length
_EOI = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Part:
    """Content type ("" if missing) and bytes of one part. `whole`: no bytes are known to be missing."""

    kind: str
    body: bytes
    whole: bool


class Parts:
    """Reads one part after the other.

    A Content-Length is trusted if the picture confirms it, so that a picture is available as soon as its last byte arrives.
    Without a length, a part ends at the boundary. A camera whose lengths were right at first and then are not has lost bytes.
    The boundary is matched with any number of leading dashes, because some cameras include them in its name and others do not.
    """

    def __init__(self, read: Callable[[], bytes], boundary: str | None) -> None:
        """`read` returns the next bytes, b"" at the end. `boundary`: as named by the Content-Type."""
        self._read = read
        self._buffer = bytearray()
        self._boundary = (boundary or "").strip().strip('"').strip("-").encode("latin-1", "replace")
        self._between = self._pattern()
        self._counts = False  # whether its lengths are right

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
        """Skip to the line after the next boundary."""
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
        """Return the lines up to an empty line."""
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
        if swallowed is not None:  # the length includes more than the picture
            return self._take(swallowed)
        # the length is too small, or the picture is truncated: search for the boundary
        if not body.rstrip(b"\0\r\n").endswith(_EOI):
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
        """Return the part before a boundary."""
        begin = boundary.start("boundary")
        body = bytes(self._buffer[:begin])
        del self._buffer[:begin]
        return body.removesuffix(b"\n").removesuffix(b"\r")

    def _pattern(self) -> re.Pattern[bytes]:
        """Return the pattern of a boundary at the beginning of a line or right after a picture."""
        return re.compile(rb"(?:\n|\xff\xd9\0{0,8})(?P<boundary>--+" + re.escape(self._boundary) + rb")")

    def _rest(self) -> bytes | None:
        """Return the bytes received before the connection ended, a truncated picture; None if there are none."""
        found = self._between.search(self._buffer)
        if found is not None:
            return self._take(found)
        body = bytes(self._buffer)
        self._buffer.clear()
        return body or None
