"""A report as PDF on A4, with the shipped font embedded, so that every name is readable everywhere."""

import io
from collections.abc import Iterable
from typing import Any, Final

from inspector import __version__
from inspector.archive.reports.figures import ArchiveReport
from inspector.archive.reports.sections import ReportImage, Section, chosen_text, sections
from inspector.core.storage.paths import resources

_FONT: Final = "noto"
_SIZE: Final = 9.0  # points
_LONGEST: Final = 160  # letters of a cell
_BAR_MM: Final = 40.0
_BLUE: Final = (0, 114, 178)


def report_pdf(report: ArchiveReport, images: Iterable[ReportImage] = ()) -> bytes:
    """Return the report as a PDF file."""
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(_FONT, size=_SIZE)
            self.cell(text=f"inspector {__version__}    {self.page_no()} / {{nb}}")

    paper = Paper(format="A4")
    paper.set_auto_page_break(True, margin=18)
    paper.set_title("Inspections")
    paper.add_font(_FONT, fname=resources() / "fonts" / "NotoSansCJKjp-Regular.otf")
    paper.set_font(_FONT, size=18)
    paper.add_page()
    paper.cell(text="Inspections", new_x="LMARGIN", new_y="NEXT")
    paper.set_font(_FONT, size=_SIZE)
    paper.multi_cell(0, text=_plain(chosen_text(report)), new_x="LMARGIN", new_y="NEXT")
    for section in sections(report):
        if section.rows:
            _draw(paper, section)
    for image in images:
        paper.ln(4)
        paper.image(io.BytesIO(image.data), w=80)
        paper.multi_cell(0, text=_plain(image.caption), new_x="LMARGIN", new_y="NEXT")
    return bytes(paper.output())


def _draw(paper: Any, section: Section) -> None:  # noqa: ANN401 - of a module that is imported later
    paper.ln(4)
    paper.set_font(_FONT, size=13)
    paper.cell(text=section.title, new_x="LMARGIN", new_y="NEXT")
    paper.set_font(_FONT, size=_SIZE)
    widths = [min(60, max(len(str(cell)) for cell in column)) + 4 for column in zip(section.head, *section.rows, strict=True)]
    with paper.table(col_widths=tuple(widths), first_row_as_headings=False, borders_layout="HORIZONTAL_LINES") as table:
        for cells in (section.head, *section.rows):
            row = table.row()
            for cell in cells:
                row.cell(_plain(str(cell)))
    if section.bar >= 0:
        for cells in section.rows:
            share = float(str(cells[section.bar]).rstrip("%")) / 100
            paper.set_fill_color(*_BLUE)
            paper.rect(paper.l_margin, paper.get_y() + 1, max(0.3, _BAR_MM * share), 3, style="F")
            paper.set_x(paper.l_margin + _BAR_MM + 2)
            paper.cell(h=5, text=_plain(str(cells[0])), new_x="LMARGIN", new_y="NEXT")


def _plain(text: str) -> str:
    """Return a text without what a line of paper does not show."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST]
