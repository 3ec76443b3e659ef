"""HTML pages that need no other file, no network and not this program: one look for all, light and dark, printed on A4.

Every text from outside is escaped here; what the functions return is HTML.
"""

import base64
import html
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Final

from inspector import __version__
from inspector.core.storage.paths import resources

LONG: Final = 30  # rows; a longer table may be parted over several sheets of paper


def html_page(
    title: str,
    body: str,
    *,
    kicker: str = "",
    about: str = "",
    note: str = "",
    style: str = "",
    language: str = "en",
    files: bool = False,
) -> str:
    """Return the whole page.

    `body`: HTML. `kicker`: what kind of page it is, `about`: what it is about, `note`: what stands at its end. `style`: more
    CSS. `files`: it shows pictures that lie beside it; others than these and those inside it are not loaded.
    """
    shown = "data: file: 'self'" if files else "data:"
    policy = f"default-src 'none'; img-src {shown}; style-src 'unsafe-inline'"
    head = f'<p class="kicker">{escaped(kicker)}</p>' if kicker else ""
    said = f'<p class="muted">{escaped(about)}</p>' if about else ""
    end = f"<p>{escaped(note)}</p>" if note else ""
    return (
        f'<!doctype html>\n<html lang="{escaped(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escaped(title)}</title>\n'
        f"<style>\n{_style()}{style}</style></head>\n<body><main>\n"
        f"<header>{head}<h1>{escaped(title)}</h1>{said}</header>\n{body}\n"
        f'<footer class="muted">{end}<p>inspector {escaped(__version__)}</p></footer>\n</main></body></html>\n'
    )


@cache
def _style() -> str:
    return (resources() / "report" / "page.css").read_text("utf-8")


def escaped(text: object) -> str:
    """Return a text as HTML."""
    return html.escape(str(text))


def card(body: str, *, heading: str = "", long: bool = False) -> str:
    """Return a framed section. `body`: HTML. `long`: it may be parted over several sheets of paper."""
    head = f"<h2>{escaped(heading)}</h2>" if heading else ""
    return f'<section class="card{" long" if long else ""}">{head}{body}</section>\n'


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, bar: int = -1) -> str:
    """Return a table of texts. `bar`: the column with shares, like "12.5%", that are drawn as bars besides; -1 for none."""
    return table_of(map(escaped, head), ([escaped(cell) for cell in row] + _bar(row, bar) for row in rows), bar=bar >= 0)


def table_of(head: Iterable[str], rows: Iterable[Iterable[str]], *, bar: bool = False) -> str:
    """Return a table whose cells are HTML. `bar`: the last cell of each row has no head."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head) + ("<th></th>" if bar else "")
    lines = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>\n{lines}\n</tbody></table></div>'


def _bar(row: Sequence[object], column: int) -> list[str]:
    if column < 0:
        return []
    return [f'<div class="share" style="width: {2 * float(str(row[column]).rstrip("%")):.0f}px"></div>']


def counts(numbers: Iterable[tuple[str, object]]) -> str:
    """Return large numbers with their names."""
    items = "".join(f"<li>{escaped(name)}<b>{escaped(number)}</b></li>" for name, number in numbers)
    return f'<ul class="counts">{items}</ul>'


def notes(sentences: Collection[str], *, kind: str = "note") -> str:
    """Return sentences that must not be overlooked. `kind`: "note", or "simulation"."""
    return "".join(f'<p class="{kind}">{escaped(sentence)}</p>\n' for sentence in sentences)


def embedded(data: bytes, kind: str, *, alt: str = "", whole: bool = False) -> str:
    """Return an image inside the page. `kind`: "png" or "jpeg". `whole`: as large as there is room, its pixels unsmoothed."""
    look = ' class="whole"' if whole else ""
    return f'<img{look} alt="{escaped(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode("ascii")}">'


def figures(pictures: Iterable[tuple[str, str]]) -> str:
    """Return images with captions. `pictures`: the image as HTML, and its caption."""
    shown = "".join(f"<figure>{picture}<figcaption>{escaped(caption)}</figcaption></figure>\n" for picture, caption in pictures)
    return f'<div class="pictures">\n{shown}</div>' if shown else ""


def verdict_text(verdict: str) -> str:
    """Return a verdict with its symbol and its colour."""
    symbol = {"OK": "●", "NG": "✕", "REVIEW": "▲", "NOT_INSPECTED": "▬"}[verdict]
    return f'<span class="v {verdict}">{symbol} {verdict.replace("_", " ")}</span>'
