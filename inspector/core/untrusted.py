"""Parse JSON and TOML that come from outside: bounded in size, in depth and in numbers.

The parsers of the standard library accept NaN and infinity, integers of any length, and nesting until the interpreter gives up.
Here each of these is a ValueError with one line of text.
"""

import json
import math
import tomllib
from pathlib import Path
from typing import Any, Final

LARGEST_FILE: Final = 256 * 1024  # bytes of a file that a person writes
DEEPEST: Final = 64  # lists and tables inside each other
LARGEST_INTEGER: Final = 2**53 - 1  # every JSON reader keeps such integers exactly
_MOST_DOTS: Final = 200  # in a line of TOML: the parser's memory grows with the square of a dotted key's length
_SHOWN: Final = 20


def read_bounded(file: Path, *, limit: int = LARGEST_FILE) -> bytes:
    """Return the bytes of a file. Raises OSError, and ValueError if the file exceeds `limit` bytes."""
    with file.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"the file is larger than {limit} bytes")
    return data


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text in UTF-8. Raises ValueError."""
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_number)
    except RecursionError:
        raise ValueError(f"lists or objects are nested more than {DEEPEST} deep") from None
    if text.count("{") + text.count("[") > DEEPEST:  # a text with fewer, as most are, cannot be too deep
        _check_depth(value)
    return value


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """Return the tables of a TOML text in UTF-8. Raises ValueError."""
    text = data if isinstance(data, str) else data.decode("utf-8")
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"a line holds more than {_MOST_DOTS} dots")
    try:
        tables = tomllib.loads(text, parse_float=_number)
    except RecursionError:
        raise ValueError(f"lists or tables are nested more than {DEEPEST} deep") from None
    _check_depth(tables)
    return tables


def _integer(text: str) -> int:
    if len(text) > _SHOWN or abs(value := int(text)) > LARGEST_INTEGER:
        raise ValueError(f"the integer {_short(text)} is too large")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{_short(text)} is not a finite number")
    return value


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _check_depth(value: object) -> None:
    """Raise ValueError if a value is nested too deeply or holds too large an integer (TOML has no hook for integers)."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"lists or tables are nested more than {DEEPEST} deep")
        inner: list[object] = []
        for found in level:
            if isinstance(found, dict):
                inner.extend(found.values())
            elif isinstance(found, list):
                inner.extend(found)
            elif isinstance(found, int) and abs(found) > LARGEST_INTEGER:
                raise ValueError(f"the integer {_short(str(found))} is too large")
        level, depth = inner, depth + 1
