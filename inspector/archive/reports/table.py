"""A report as rows of a spreadsheet."""

from collections.abc import Iterator, Sequence

from inspector.archive.reports.figures import ArchiveReport
from inspector.archive.reports.sections import chosen_text, sections


def report_rows(report: ArchiveReport) -> Iterator[Sequence[object]]:
    """Yield each section: its title, its head, its rows, an empty row."""
    yield "Inspections", chosen_text(report)
    for section in sections(report):
        if section.rows:
            yield ()
            yield (section.title,)
            yield section.head
            yield from section.rows
