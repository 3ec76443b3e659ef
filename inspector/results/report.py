"""The report of a run: one HTML file with its pictures, readable without this program and without a network."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inspector import __version__
from inspector.core.types import Inspection
from inspector.inspection.status import Stats

MOST_ROWS = 2000  # most parts listed; results.jsonl has all

_STYLE = """
body { font-family: system-ui, "Noto Sans CJK JP", sans-serif; margin: 32px; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; } td, th { padding: 8px; text-align: left; vertical-align: top; border-top: 1px solid #ccc; }
.counts td, .counts th { border: 0; padding-right: 32px; } .counts td { font-size: 24px; font-weight: bold; }
img { width: 240px; } .v { font-weight: bold; white-space: nowrap; }
.simulation { background: #f0e442; border: 4px solid #1b1b1b; padding: 8px; font-weight: bold; }
.OK { color: #00734f; } .NG { color: #a84300; } .REVIEW { color: #8a5f00; } .NOT_INSPECTED { color: #555; }
"""
_SYMBOLS = {"OK": "●", "NG": "✕", "REVIEW": "▲", "NOT_INSPECTED": "▬"}


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
    counts = {
        "Parts": stats.parts,
        "OK": stats.ok,
        "NG": stats.ng,
        "Review": stats.review,
        "Not inspected": stats.not_inspected,
        "Dropped frames": stats.dropped,
        "Seconds": f"{stats.seconds:.1f}",
    }
    heads = "".join(f"<th>{name}</th>" for name in counts)
    cells = "".join(f"<td>{value}</td>" for value in counts.values())
    more = f"<p>The first {len(rows)} of {stats.parts} parts.</p>" if len(rows) < stats.parts else ""
    simulated = sum(row.is_simulated for row in rows)
    sentence = f"SIMULATION: {simulated} of these parts were rendered by the demo line."
    mark = f'<p class="simulation">{sentence}</p>' if simulated else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(recipe)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(recipe)}</h1>"
        f'{mark}<table class="counts"><tr>{heads}</tr><tr>{cells}</tr></table>{more}'
        "<table><tr><th>Part</th><th>Verdict</th><th>Why</th><th>Source</th><th>Latency</th><th>Pictures</th></tr>\n"
        + "\n".join(map(_row, rows))
        + f"</table><p>inspector {__version__}</p></body></html>\n"
    )


def _row(row: Row) -> str:
    reasons = "<br>".join(map(html.escape, row.reasons))
    pictures = " ".join(
        f'<a href="{html.escape(path)}"><img src="{html.escape(path)}" alt="{html.escape(row.part)}" loading="lazy"></a>'
        for path in row.pictures
    )
    verdict = f'<span class="v {row.verdict}">{_SYMBOLS[row.verdict]} {row.verdict.replace("_", " ")}</span>'
    mark = '<br><span class="simulation">SIMULATION</span>' if row.is_simulated else ""
    return (
        f"<tr><td>{html.escape(row.part)}</td><td>{verdict}{mark}</td><td>{reasons}</td><td>{html.escape(row.source)}</td>"
        f"<td>{row.latency_ms:.0f} ms</td><td>{pictures}</td></tr>"
    )
