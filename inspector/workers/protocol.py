"""JSON-lines messages between the station and a worker process, the same at both ends.

The child speaks `hello`, then `progress`, `metric`, `log`, `artifact`, `paused`, `resumed` and `reply`, and exactly one `done`
or `failed` at the end. The parent speaks `cancel`, `pause`, `resume`, `stop` (end now and keep the best), `detach` or, to a
serving worker, `request`; the end of its stream means that it died, unless it sent `detach` before.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.core.errors import JobError

VERSION = 1
LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packet:
    """One message: its type and its fields (JSON values)."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """One line of UTF-8 JSON with its newline. NaN is not JSON: ValueError."""
        return json.dumps({"type": self.type, **self.fields}, allow_nan=False, ensure_ascii=False).encode() + b"\n"


class LineDecoder:
    """Bytes in any pieces -> packets. Splits on newlines before decoding, so a character may be cut between reads."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets completed by `data`. Raises JobError for a line that is not a message."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise JobError("The worker sent a line of more than {limit} bytes.", limit=LONGEST_LINE)
        for line in lines:
            if line.strip():
                yield _parse(line)


def _parse(line: bytes) -> Packet:
    try:
        fields = json.loads(line)
        return Packet(fields.pop("type"), fields)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise JobError(
            "The worker sent a line that is not a message: {line}.", line=line[:200].decode("utf-8", "replace")
        ) from error
