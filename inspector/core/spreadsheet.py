"""Tables for a spreadsheet, in which no text is taken for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), also in the wide forms of Japanese keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[-+]|[-+][\d.,\u00a0\u202f']*\d[\d.,\u00a0\u202f']*(?:[eE][-+]?\d+)?[ \u00a0]?(?:[^\W\d_]{0,3}|%)")
# A spreadsheet that is set up for another separator than the file's begins cells in the middle of ours, and rows at newlines.
_LATER = re.compile(r"(?<=[;\t\r\n])[^;\t\r\n]+")


def table_text(rows: Iterable[Sequence[object]], *, separator: str = ",", end: str = "\n") -> str:
    """Return the rows as lines of cells. Texts that would be formulas get a leading apostrophe; numbers stay unchanged."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: object) -> object:
    return _LATER.sub(lambda found: _text(found[0]), _text(cell)) if isinstance(cell, str) else cell


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell
