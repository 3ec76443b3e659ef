"""A report as one HTML page that needs no other file."""

import base64
import html
from collections.abc import Iterable
from typing import Final

from inspector import __version__
from inspector.archive.report import ArchiveReport
from inspector.archive.reports.sections import ReportImage, Section, chosen_text, sections

_STYLE: Final = """
body { font-family: system-ui, "Noto Sans CJK JP", sans-serif; margin: 32px; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; margin-bottom: 24px; }
.bar { background: #0072b2; height: 12px; min-width: 1px; }
figure { display: inline-block; margin: 0 16px 16px 0; width: 240px; vertical-align: top; }
img { width: 240px; }
td, th { padding: 6px 12px; text-align: left; vertical-align: top; border-top: 1px solid #ccc; }
"""


def report_html(report: ArchiveReport, images: Iterable[ReportImage] = ()) -> str:
    """Return the page. Every text from outside is escaped."""
    body = "".join(_section(section) for section in sections(report) if section.rows)
    shown = "".join(_figure(image) for image in images)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Inspections</title>'
        f"<style>{_STYLE}</style></head><body><h1>Inspections</h1><p>{html.escape(chosen_text(report))}</p>"
        f"{body}{shown}<p>inspector {html.escape(__version__)}</p></body></html>\n"
    )


def _section(section: Section) -> str:
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in section.head) + ("<th></th>" if section.bar >= 0 else "")
    rows = ""
    for row in section.rows:
        bar = ""
        if section.bar >= 0:
            width = float(str(row[section.bar]).rstrip("%"))
            bar = f'<td><div class="bar" style="width: {2 * width:.0f}px"></div></td>'
        rows += "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + f"{bar}</tr>"
    return f"<h2>{html.escape(section.title)}</h2><table><tr>{heads}</tr>{rows}</table>"


def _figure(image: ReportImage) -> str:
    data = base64.b64encode(image.data).decode()
    caption = html.escape(image.caption)
    return f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>'
