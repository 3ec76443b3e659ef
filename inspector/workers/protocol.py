"""Lines of JSON between a worker process and its parent: writing, splitting and validating them."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Annotated, Generic, TypeVar

from pydantic import BeforeValidator, ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError

from inspector.core.config import FiniteModel
from inspector.core.errors import JobError
from inspector.core.untrusted import parse_json

LONGEST_LINE = 16 * 1024 * 1024
_SURROGATE = b"\\ud"  # how JSON writes the bytes of a file name that is not UTF-8

M = TypeVar("M")


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]  # possibly NaN or infinite, which travels as null


class JsonLine(FiniteModel):
    """One line of JSON. Unknown fields from a later version are ignored; numbers are finite."""

    model_config = ConfigDict(extra="ignore")

    def line(self) -> bytes:
        """Return UTF-8 JSON with its newline, without fields that were not set. NaN in free-form values becomes null."""
        try:
            return self.model_dump_json(exclude_unset=True).encode() + b"\n"
        except PydanticSerializationError:  # a file name that is not UTF-8
            return json.dumps(self.model_dump(exclude_unset=True), default=str).encode() + b"\n"


def read_line(kind: TypeAdapter[M], line: bytes) -> M:
    """Parse and validate one line.

    Raises JobError for anything else, also if it is nested too deeply or a number is out of bounds.
    """
    try:
        if _SURROGATE in line:
            return kind.validate_python(parse_json(line))
        return kind.validate_json(line)
    except (ValueError, RecursionError) as error:
        raise JobError(
            "The worker sent a line that is not a message: {line}.", line=line[:200].decode("utf-8", "replace")
        ) from error


class LineDecoder(Generic[M]):
    """Converts bytes in arbitrary chunks to messages.

    Splits on newlines before decoding, so a chunk may end inside a character.
    """

    def __init__(self, read: Callable[[bytes], M]) -> None:
        """Keep `read`, which converts a line to a message or raises JobError."""
        self._read = read
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[M]:
        """Yield the messages completed by `data`. Raises JobError for an invalid line; that line is dropped."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
            raise JobError("The worker sent a line of more than {limit} bytes.", limit=LONGEST_LINE)
        for line in lines:
            if line.strip():
                yield self._read(line)
