"""What `run` and `predict` print, and the folder they save to."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from inspector.cli.support.lines import ResultLines, say
from inspector.core.errors import StorageError
from inspector.core.text import one_line
from inspector.core.types import Inspection, Verdict
from inspector.inspection.events import Stats
from inspector.inspection.takt import headroom_ms, measured
from inspector.recipes.recipe import Recipe
from inspector.results.records import record, summary
from inspector.results.saving import Saver
from inspector.station.counters import Counters

_COLOURS = {Verdict.OK: "green", Verdict.NG: "red", Verdict.REVIEW: "yellow", Verdict.NOT_INSPECTED: "bright_black"}


class Output:
    """Prints and saves inspections, and counts what it printed."""

    def __init__(self, *, as_json: bool, folder: Path | None) -> None:
        """Save in a new folder under `folder`, if one is given. Raises StorageError if nothing can be saved there."""
        self._as_json = as_json
        self._lines = ResultLines()
        self._saver = None if folder is None else Saver(folder)
        if self._saver is not None:
            say(f"Saving to {self._saver.folder}", err=True)
        self._counters = Counters()
        self._refused: set[str] = set()
        self.parts = 0  # inspections shown
        self._unsaved = False

    @property
    def closed(self) -> bool:
        """Whether nobody reads stdout any more and nothing is saved either, so that there is no use in going on."""
        return self._lines.gone and self._saver is None

    @property
    def failed(self) -> bool:
        """Whether something could not be saved or printed."""
        return self._unsaved or self._lines.failed

    def show(self, inspection: Inspection, recipe: Recipe) -> None:
        """Print one part, then save it."""
        self.parts += 1
        self._counters.part(inspection)
        if self._as_json:
            self._lines.json(record(inspection, recipe))
        else:
            verdict = click.style(f"{inspection.verdict.value:<13}", fg=_COLOURS[inspection.verdict], bold=True)
            why = "; ".join(told.text for told in (*inspection.reasons, *inspection.notes))
            name = Path(inspection.source).name or inspection.source
            label = name if inspection.part in name else f"{inspection.part} {name}"
            self._lines.text(f"{verdict} {one_line(f'{label}  {inspection.latency_ms:.0f} ms  {why}').rstrip()}")
        if self._saver is not None:
            began = time.monotonic()
            try:
                self._saver.save(inspection, recipe)
            except StorageError as error:
                self._complain(error)
            self._counters.spent("save", (time.monotonic() - began) * 1000)

    def finish(self, recipe: Recipe, *, line: Stats | None = None, seconds: float | None = None) -> None:
        """Print the summary of what was shown, and write the report.

        `line`: what the station counted, where there was one; else `seconds` is how long it took.
        """
        stats = self._stats(line, seconds)
        if self._as_json:
            self._lines.json(summary(stats))
        else:
            self._lines.text(
                f"{stats.parts} parts: {stats.ok} OK, {stats.ng} NG, {stats.review} review, "
                f"{stats.not_inspected} not inspected, {stats.dropped} dropped, in {stats.seconds:.1f} s"
            )
            if line is not None and stats.parts:
                for stage in _stages(stats):
                    say(stage, err=True)
        if self._saver is not None:
            try:
                report = self._saver.finish(stats, recipe)
            except StorageError as error:
                self._complain(error)
            else:
                say(f"Report: {report}", err=True)

    def _stats(self, line: Stats | None, seconds: float | None) -> Stats:
        self._counters.end(seconds)
        shown = self._counters.stats({})
        if line is None:
            return shown
        stages = {**line.stages, **shown.stages}
        return replace(shown, dropped=line.dropped, seconds=line.seconds, takt=line.takt, stages=stages)

    def _complain(self, error: StorageError) -> None:
        """Say once per cause what could not be saved; the verdicts go on."""
        self._unsaved = True
        detail = str(error.problem.values.get("detail", error.problem.text))
        if detail not in self._refused:
            self._refused.add(detail)
            say(f"inspector: {error}", err=True)


def _stages(stats: Stats) -> Iterator[str]:
    """Yield what each stage took, and the takt, a line each."""
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
