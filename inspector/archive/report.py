"""A selection of inspections as a report (counts, yield with its interval, reasons, corrections) and as a table."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inspector import __version__
from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.store.models import journal_of, result_id, sequence_of
from inspector.archive.store.query import every, facet, journal_names, page, runs, shown_time
from inspector.core.verdict import Verdict
from inspector.tasks.statistics.intervals import wilson

TABLE: Final = (
    "result_id",
    "creation_time",
    "part_id",
    "serial_number",
    "material",
    "lot",
    "verdict",
    "told",
    "human_verdict",
    "reason",
    "rule",
    "class_name",
    "score",
    "margin",
    "product_id",
    "recipe_version",
    "internal_recipe_id",
    "internal_configuration_id",
    "station",
    "line",
    "shift",
    "operator",
    "job_id",
    "is_simulated",
    "brightness",
    "latency_ms",
    "images",
)
_MOST: Final = 200  # inspections that a report lists
_STYLE: Final = """
body { font-family: system-ui, "Noto Sans CJK JP", sans-serif; margin: 32px; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; margin-bottom: 24px; }
td, th { padding: 6px 12px; text-align: left; vertical-align: top; border-top: 1px solid #ccc; }
"""


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """The figures of a selection. `yield_`: share of OK among the inspected parts, and its 95 % interval.

    `stops`: runs of these that ended without a word. `worst`: the inspections nearest to a limit.
    """

    chosen: Mapping[str, Any]
    parts: int
    verdicts: Mapping[str, int]
    yield_: tuple[float, float, float] | None
    reasons: Mapping[str, int]
    corrections: Mapping[str, int]
    stops: Sequence[Mapping[str, Any]]
    worst: Sequence[Mapping[str, Any]]


def table_rows(archive: Archive, filters: Filters) -> Iterator[Sequence[object]]:
    """Yield the head and a row for each inspection, for a spreadsheet."""
    yield TABLE
    names = journal_names(archive.database)
    for row in every(archive.database, filters):
        yield [facts_of(row, names)[name] for name in TABLE]


def facts_of(row: Mapping[str, Any], names: Mapping[int, str]) -> dict[str, Any]:
    """Return a row of `result` for people and programs: the name instead of the key, the time with its offset."""
    key = row["id"]
    named = {
        "result_id": result_id(names[journal_of(key)], sequence_of(key)),
        "creation_time": shown_time(row["creation_time"], row["utc_offset"]),
    }
    return {**row, **named}


def report_of(archive: Archive, filters: Filters) -> ArchiveReport:
    """Count a selection. Raises StorageError."""
    database = archive.database
    names = journal_names(database)
    verdicts = facet(database, filters, "verdict")
    inspected = sum(verdicts.values()) - verdicts.get(Verdict.NOT_INSPECTED, 0)
    good = verdicts.get(Verdict.OK, 0)
    rejected = {name: count for name, count in facet(database, filters, "rule").items() if name}
    worst = page(database, filters, order="margin", limit=_MOST).rows
    return ArchiveReport(
        chosen=filters.described(),
        parts=sum(verdicts.values()),
        verdicts=verdicts,
        yield_=(good / inspected, *wilson(good, inspected)) if inspected else None,
        reasons=rejected,
        corrections={name: count for name, count in facet(database, filters, "human_verdict").items() if name},
        stops=[run for run in runs(database, filters) if run["interrupted"]],
        worst=[facts_of(row, names) for row in worst],
    )


def report_html(report: ArchiveReport) -> str:
    """Return the report as one HTML page that needs no other file. Every text from outside is escaped."""
    chosen = ", ".join(f"{name}: {value}" for name, value in report.chosen.items()) or "all inspections"
    found = report.yield_
    share = "-" if found is None else f"{found[0]:.2%} (95 %: {found[1]:.2%} to {found[2]:.2%})"
    columns = ("part_id", "creation_time", "verdict", "human_verdict", "reason")
    listed = [[row[name] or "" for name in columns] for row in report.worst]
    stopped = [[shown_time(run["creation_time"]), run["station"], run["lot"]] for run in report.stops]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Inspections</title>'
        f"<style>{_STYLE}</style></head><body><h1>Inspections</h1><p>{html.escape(chosen)}</p>"
        + _html_table(["Parts", *report.verdicts, "Yield"], [[report.parts, *report.verdicts.values(), share]])
        + _section("Reasons", ["Rule", "Parts"], list(report.reasons.items()))
        + _section("Corrections", ["Truly", "Parts"], list(report.corrections.items()))
        + _section("Runs that ended without a word", ["Started (UTC)", "Station", "Lot"], stopped)
        + _section("Smallest margins", ["Part", "Time", "Verdict", "Truly", "Reason"], listed)
        + f"<p>inspector {html.escape(__version__)}</p></body></html>\n"
    )


def _section(title: str, head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    return f"<h2>{html.escape(title)}</h2>{_html_table(head, rows)}" if rows else ""


def _html_table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    heads = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in head)
    lines = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows)
    return f"<table><tr>{heads}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
