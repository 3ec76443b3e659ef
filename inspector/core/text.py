"""External text as lines that another program can read and that nobody can forge.

File names may hold bytes that are not UTF-8 (Python keeps them as lone surrogates), newlines, and control codes that a terminal
obeys.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import to_json

_DIRECTIONS = "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # controls that change the display order of the rest of a line
_BYTES = re.compile("[\udc80-\udcff]+")  # how `os.fsdecode` keeps undecodable bytes
_LONE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}\ud800-\udfff]")


def utf8(text: str) -> str:
    r"""Return the text with each byte that is no UTF-8 written as `\xff`, so that it can be encoded."""
    return _LONE.sub(_escaped, _BYTES.sub(_decoded, text))


def one_line(text: str) -> str:
    r"""Return the text as one line: newlines, control codes and bytes that are no UTF-8 are written as `\n`, `\x1b`, `\xff`."""
    return _UNSAFE.sub(_escaped, _BYTES.sub(_decoded, text))


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)  # made once: it costs as much as a short line


def json_line(value: object) -> bytes:
    """Return one line of UTF-8 JSON with its newline, for any texts and numbers. NaN and infinity become null."""
    with suppress(ValueError):  # for what is not plain; a fifth of the time for what is
        data = to_json(value, inf_nan_mode="null")
        if data.isascii() and b"\x7f" not in data:  # as most are: every other control code of ASCII is escaped in JSON
            return data + b"\n"
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        text = _ENCODER.encode(_finite(value))
    text = _BYTES.sub(lambda match: _decoded(match).replace("\\", "\\\\"), text)
    return _UNSAFE.sub(_in_json, text).encode() + b"\n"


def _decoded(match: re.Match[str]) -> str:
    return match[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _in_json(match: re.Match[str]) -> str:
    return f"\\{_escaped(match)}" if _LONE.match(match[0]) else f"\\u{ord(match[0]):04x}"


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class LineWriter:
    """Appends whole lines to an unbuffered file or pipe. A line cut off by a full disk is terminated before the next line."""

    def __init__(self, write: Callable[[bytes], int | None]) -> None:
        """Keep `write`, which returns the number of bytes written, as `os.write` does."""
        self._write = write
        self._torn = False

    def write(self, line: bytes) -> None:
        """Write one line. Raises OSError."""
        rest = b"\n" + line if self._torn else line
        while rest:
            written = self._write(rest)
            if not written:
                raise BlockingIOError("nothing more is taken at the moment")
            rest = rest[written:]
            self._torn = bool(rest)
