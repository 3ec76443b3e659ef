"""One page with a picture and tables of values: HTML that can be read and printed without this program or a network."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from inspector import __version__

_STYLE = """
body { font-family: system-ui, "Noto Sans CJK JP", sans-serif; margin: 32px; color: #1b1b1b; background: #fff; }
img { max-width: 100%; max-height: 480px; image-rendering: pixelated; } h2 { font-size: 16px; margin: 16px 0 8px; }
table { border-collapse: collapse; } td, th { padding: 4px 16px 4px 0; text-align: left; border-top: 1px solid #ccc; }
td { font-variant-numeric: tabular-nums; }
.note { color: #8a5f00; font-weight: bold; } footer { color: #555; margin-top: 16px; }
@media print { body { margin: 0; } }
"""


@dataclass(frozen=True, slots=True)
class SheetTable:
    """A table with its heading; every row has a value for each column."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheet(title: str, png: bytes, tables: Sequence[SheetTable], *, notes: Sequence[str] = (), language: str = "en") -> str:
    """Return the page. `notes`: sentences that stand above the picture. Tables without rows are left out."""
    picture = base64.b64encode(png).decode("ascii")
    said = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
    return (
        f'<!doctype html>\n<html lang="{html.escape(language)}"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{said}"
        f'<img alt="" src="data:image/png;base64,{picture}">\n'
        + "\n".join(_table(table) for table in tables if table.rows)
        + f"<footer>inspector {__version__}</footer></body></html>\n"
    )


def _table(table: SheetTable) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<h2>{html.escape(table.heading)}</h2><table><tr>{heads}</tr>{rows}</table>"
