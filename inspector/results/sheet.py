"""One page with a picture and tables of values: HTML that can be read and printed without this program or a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.core.page import LONG, card, embedded, html_page, table
from inspector.core.page import notes as remarks


@dataclass(frozen=True, slots=True)
class SheetTable:
    """A table with its heading; every row has a value for each column."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheet(title: str, png: bytes, tables: Sequence[SheetTable], *, notes: Sequence[str] = (), language: str = "en") -> str:
    """Return the page. `notes`: sentences that stand above the picture. Tables without rows are left out."""
    body = remarks(notes) + card(embedded(png, "png", whole=True))
    body += "".join(
        card(table(one.columns, one.rows), heading=one.heading, long=len(one.rows) > LONG) for one in tables if one.rows
    )
    return html_page(title, body, language=language)
