"""The figures of a selection of inspections, and the selection as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.store.models import journal_of, result_id, sequence_of
from inspector.archive.store.query import every, facet, facets, journal_names, page, reasons_of, runs, shown_time
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
_SHOWN: Final = 6  # images
_SEARCHED: Final = 50  # newest inspections in which an image is searched


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """The figures of a selection. `yield_`: share of OK among the inspected parts, and its 95 % interval.

    `reasons`: rules that rejected, the most frequent first. `uninspected`: why parts got no verdict, likewise. `stops`: ends of
    the runs, when the station went on (None: not yet), and why. `worst`: the inspections nearest to a limit. `shown`: for each
    of the most frequent reasons the newest rejected inspection with an image.
    """

    chosen: Mapping[str, Any]
    parts: int
    verdicts: Mapping[str, int]
    yield_: tuple[float, float, float] | None
    reasons: Mapping[str, int]
    uninspected: Mapping[str, int]
    corrections: Mapping[str, int]
    stops: Sequence[Mapping[str, Any]]
    worst: Sequence[Mapping[str, Any]]
    shown: Sequence[Mapping[str, Any]]


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
    """Count a selection; simulated parts only if they are chosen, because they never count. Raises StorageError."""
    database = archive.database
    if filters.simulated is None:
        filters = replace(filters, simulated=False)
    names = journal_names(database)
    verdicts = facet(database, filters, "verdict")
    inspected = sum(verdicts.values()) - verdicts.get(Verdict.NOT_INSPECTED, 0)
    good = verdicts.get(Verdict.OK, 0)
    rejected = {name: count for name, count in facets(database, filters, ("rule",))["rule"].items() if name}
    worst = page(database, filters, order="margin", limit=_MOST).rows
    return ArchiveReport(
        chosen=filters.described(),
        parts=sum(verdicts.values()),
        verdicts=verdicts,
        yield_=(good / inspected, *wilson(good, inspected)) if inspected else None,
        reasons=rejected,
        uninspected=reasons_of(database, replace(filters, verdict=Verdict.NOT_INSPECTED)),
        corrections={name: count for name, count in facet(database, filters, "human_verdict").items() if name},
        stops=_stops(runs(database, filters)),
        worst=[facts_of(row, names) for row in worst],
        shown=[facts_of(row, names) | {"id": row["id"]} for row in _shown(archive, filters, rejected)],
    )


def pareto(counts: Mapping[str, int], total: int) -> list[tuple[str, int, float, float]]:
    """Return each value with its count, its share of `total`, and the share of it and all before it."""
    before, rows = 0, []
    for name, number in counts.items():
        before += number
        rows.append((name, number, number / total, before / total))
    return rows


def _stops(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the ends of runs, newest first, each with the next start of the same station."""
    stops = []
    following: dict[str, int] = {}
    for run in found:
        if run["ended"] is not None:
            cause = run["cause"] or ("The station ended without a word." if run["interrupted"] else "stopped")
            where = {"station": run["station"], "lot": run["lot"], "started": run["creation_time"], "stopped": run["ended"]}
            stops.append({**where, "went_on": following.get(run["station"]), "cause": cause})
        following[run["station"]] = run["creation_time"]
    return stops


def _shown(archive: Archive, filters: Filters, rejected: Mapping[str, int]) -> Iterator[Mapping[str, Any]]:
    for rule in list(rejected)[:_SHOWN]:
        rows = page(archive.database, replace(filters, rule=rule), limit=_SEARCHED).rows
        yield from [row for row in rows if row["images"]][:1]
