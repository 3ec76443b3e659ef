"""Printed output of `run` and `predict`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from inspector.cli.support.lines import ResultLines, say
from inspector.core.text import one_line
from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationStatus, Stats
from inspector.inspection.takt import headroom_ms, measured
from inspector.results.records import record, summary
from inspector.results.sink import Sink

_COLOURS: Final = {Verdict.OK: "green", Verdict.NG: "red", Verdict.REVIEW: "yellow", Verdict.NOT_INSPECTED: "bright_black"}


class PrintingSink(Sink):
    """Prints a line a part, and the summary at the end. A failed print does not end the work."""

    name = "output"

    def __init__(self, *, as_json: bool, stages: bool = True) -> None:
        """Set up printing. `stages`: report on stderr the time of each stage, where it was measured."""
        self._as_json = as_json
        self._stages = stages
        self._lines = ResultLines()

    @property
    def closed(self) -> bool:
        """Whether stdout has no reader any more."""
        return self._lines.gone

    @property
    def failed(self) -> bool:
        """Whether a line could not be printed."""
        return self._lines.failed

    def take(self, inspection: Inspection) -> None:
        """Print one part."""
        if self._as_json:
            self._lines.json(record(inspection))
            return
        verdict = click.style(f"{inspection.verdict.value:<13}", fg=_COLOURS[inspection.verdict], bold=True)
        why = "; ".join(told.text for told in (*inspection.reasons, *inspection.notes))
        name = Path(inspection.source).name or inspection.source
        mark = "  SIMULATION" if inspection.is_simulated else ""
        label = name if inspection.part in name else f"{inspection.part} {name}"
        self._lines.text(f"{verdict} {one_line(f'{label}  {inspection.latency_ms:.0f} ms{mark}  {why}').rstrip()}")

    def close(self, status: StationStatus) -> None:
        """Print the summary if the station ran."""
        if status.failure is None:
            self.summarise(status.stats)

    def summarise(self, stats: Stats) -> None:
        """Print the summary of the printed parts."""
        if self._as_json:
            self._lines.json(summary(stats))
            return
        self._lines.text(
            f"{stats.parts} parts: {stats.ok} OK, {stats.ng} NG, {stats.review} review, "
            f"{stats.not_inspected} not inspected, {stats.dropped} dropped, in {stats.seconds:.1f} s"
        )
        if self._stages and stats.parts:
            for stage in _stages(stats):
                say(stage, err=True)


def _stages(stats: Stats) -> Iterator[str]:
    """Yield a line for the time of each stage and for the takt."""
    takt, room = stats.takt, headroom_ms(stats)
    yield f"{'stage':<10} {'p50 ms':>9} {'p99 ms':>9}"
    for name, stage in measured(stats).items():
        yield f"{name:<10} {stage.p50_ms:>9.2f} {stage.p99_ms:>9.2f}"
    if takt.busy_p50_ms is not None:
        yield f"{'inspection':<10} {takt.busy_p50_ms:>9.2f} {takt.busy_p99_ms:>9.2f}"
    if takt.takt_ms is None:
        yield "takt: not known" + (", the source waits for the inspection" if takt.waits else "")
        return
    source = "from the recipe" if takt.source == "recipe" else f"measured from {takt.source}"
    left = "" if room is None else f", head-room at p99 {room:.1f} ms ({room / takt.takt_ms:.0%})"
    yield f"takt {takt.takt_ms:.1f} ms {source}{left}, {takt.late} late"
