"""A report as one HTML page that needs no other file."""

from collections.abc import Iterable

from inspector.archive.reports.figures import ArchiveReport
from inspector.archive.reports.sections import ReportImage, chosen_text, sections
from inspector.core.page import LONG, card, embedded, figures, html_page, table


def report_html(report: ArchiveReport, images: Iterable[ReportImage] = ()) -> str:
    """Return the page. Every text from outside is escaped."""
    body = "".join(
        card(table(section.head, section.rows, bar=section.bar), heading=section.title, long=len(section.rows) > LONG)
        for section in sections(report)
        if section.rows
    )
    shown = figures((embedded(image.data, "jpeg", alt=image.caption), image.caption) for image in images)
    if shown:
        body += card(shown, heading="Rejected parts", long=True)
    return html_page("Inspections", body, kicker="Report of the archive", about=chosen_text(report))
