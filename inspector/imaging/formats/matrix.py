"""A table of temperatures as text (CSV), as thermal programs export it: one line a row of the image.

Numbers are separated by commas, semicolons, tabs or spaces; with semicolons or tabs a decimal comma is read too. Lines before
the first row may say what the file is, and its unit.
"""

import re
from pathlib import Path

import numpy as np

from inspector.core.message import Message
from inspector.core.types import Floats
from inspector.imaging.image import MAX_SIDE, Image, Reading, check_size, damaged
from inspector.imaging.temperature import scale_of, to_kelvin

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?|nan", re.I)
_HEAD = 100  # lines before the numbers, at most


class MatrixPages:
    """The one image of a file."""

    count = 1
    notes: tuple[Message, ...] = ()

    def __init__(self, path: Path, data: bytes, how: Reading) -> None:
        """Split the text. Raises ConfigError if it is no table of numbers."""
        self._path = path
        self._how = how
        try:
            encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
            self._head, self._rows = _split(data.decode(encoding, errors="replace"))
        except ValueError as error:
            raise damaged(path, error) from error
        check_size(path, len(self._rows[0]), len(self._rows), bytes_per_pixel=4)

    def read(self, index: int) -> Image:
        """Return the temperatures. Raises ConfigError."""
        del index
        widths = {len(row) for row in self._rows}
        if len(widths) > 1:
            raise damaged(self._path, ValueError(f"its lines have {min(widths)} to {max(widths)} numbers"))
        try:
            values: Floats = np.array(self._rows, np.float64).astype(np.float32)
        except ValueError as error:
            raise damaged(self._path, error) from error
        kelvin, notes = to_kelvin(self._path, values, scale_of(self._head, "", "", self._how))
        return Image(kelvin, "kelvin", notes)

    def close(self) -> None:
        """Do nothing: no file is open."""


def _split(text: str) -> tuple[str, list[list[str]]]:
    """Return the text before the numbers, and the numbers of every line. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines[:_HEAD]):
        if _cells(line, _separator(line)) is not None:
            separator = _separator(line)
            rows = [row for row in (_cells(one, separator) for one in lines[number:] if one) if row is not None]
            if len(rows) != sum(bool(one) for one in lines[number:]):
                raise ValueError("between its numbers are other texts")
            return "\n".join(lines[:number]), rows
    raise ValueError("it holds no table of numbers")


def _separator(line: str) -> str:
    return next((one for one in (";", "\t", ",") if one in line), " ")


def _cells(line: str, separator: str) -> list[str] | None:
    """Return the numbers of a line, at least two; None if something in it is no number."""
    line = line.rstrip(separator)
    cells = [cell.strip(' "') for cell in (line.split() if separator == " " else line.split(separator))]
    if not 2 <= len(cells) <= MAX_SIDE:
        return None
    numbers = [cell.replace(",", ".") if separator in ";\t" else cell for cell in cells]
    return numbers if all(_NUMBER.fullmatch(number) for number in numbers) else None
