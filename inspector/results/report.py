"""The report of a run: one HTML file with its pictures, readable without this program and without a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from inspector.core.page import LONG, card, counts, escaped, html_page, notes, table_of, verdict_text
from inspector.core.types import Inspection
from inspector.inspection.status import Stats

MOST_ROWS = 2000  # most parts listed; results.jsonl has all


@dataclass(frozen=True, slots=True)
class Row:
    """The entry of one part, without pixels."""

    sequence: int
    part: str
    source: str
    verdict: str
    reasons: tuple[str, ...]
    latency_ms: float
    utc: datetime
    pictures: tuple[str, ...]
    is_simulated: bool = False

    @classmethod
    def of(cls, inspection: Inspection, pictures: tuple[str, ...]) -> "Row":
        """Return the row of an inspection. `pictures`: paths relative to the report."""
        return cls(
            inspection.sequence,
            inspection.part,
            inspection.source,
            inspection.verdict.value,
            tuple(told.text for told in (*inspection.reasons, *inspection.notes)),
            inspection.latency_ms,
            inspection.utc,
            pictures,
            inspection.is_simulated,
        )


def write_report(recipe: str, rows: Sequence[Row], stats: Stats) -> str:
    """Return the whole page as text."""
    numbers = (
        ("Parts", stats.parts),
        ("OK", stats.ok),
        ("NG", stats.ng),
        ("Review", stats.review),
        ("Not inspected", stats.not_inspected),
        ("Dropped frames", stats.dropped),
        ("Seconds", f"{stats.seconds:.1f}"),
    )
    simulated = sum(row.is_simulated for row in rows)
    said = [f"SIMULATION: {simulated} of these parts were rendered by the demo line."] if simulated else []
    listed = table_of(("Part", "Verdict", "Why", "Source", "Latency", "Pictures"), map(_cells, rows))
    more = f"<p>The first {len(rows)} of {stats.parts} parts.</p>" if len(rows) < stats.parts else ""
    body = notes(said, kind="simulation") + card(counts(numbers)) + card(more + listed, long=len(rows) > LONG)
    return html_page(recipe, body, kicker="Report of a run", files=True)


def _cells(row: Row) -> Iterator[str]:
    yield escaped(row.part)
    mark = '<br><span class="simulation">SIMULATION</span>' if row.is_simulated else ""
    yield verdict_text(row.verdict) + mark
    yield "<br>".join(map(escaped, row.reasons))
    yield escaped(row.source)
    yield f"{row.latency_ms:.0f} ms"
    paths = [(escaped(path), escaped(row.part)) for path in row.pictures]
    yield " ".join(f'<a href="{path}"><img src="{path}" alt="{part}" loading="lazy"></a>' for path, part in paths)
