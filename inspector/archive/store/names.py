"""Texts of records as the tables have them: bounded, and of letters that every database takes."""

import hashlib
from typing import Final

from inspector.core.text import utf8

MOST_TEXT: Final = 500  # letters of a text in a column; the record has all of it


def text_of(value: object) -> str:
    """Return a text that fits a column and every database: bounded, and without the zero byte that PostgreSQL refuses."""
    return "" if value is None else str(value).replace("\0", "\\0")[:MOST_TEXT]


def identity_of(value: object) -> str:
    """Return a name by which something is found, as the tables have it: of two long ones that begin alike each stays itself."""
    text = "" if value is None else utf8(str(value)).replace("\0", "\\0")
    if len(text) <= MOST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: MOST_TEXT - 9]}~{digest[:8]}"
