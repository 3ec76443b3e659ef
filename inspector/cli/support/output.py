"""What `run` and `predict` print."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationStatus, Stats
from inspector.inspection.takt import headroom_ms, measured
from inspector.results.records import record, summary
from inspector.results.sink import Sink

_COLOURS: Final = {Verdict.OK: "green", Verdict.NG: "red", Verdict.REVIEW: "yellow", Verdict.NOT_INSPECTED: "bright_black"}


class PrintingSink(Sink):
    """Prints a line a part, and at the end the summary. Ends quietly when nobody reads any more."""

    name = "output"

    def __init__(self, *, as_json: bool, stages: bool = True) -> None:
        """`stages`: say on stderr what each stage took, where that was measured."""
        self._as_json = as_json
        self._stages = stages
        self.closed = False  # nobody reads stdout any more
        self.failed = False  # something could not be printed

    def take(self, inspection: Inspection) -> None:
        """Print one part."""
        if self._as_json:
            self._echo(json.dumps(record(inspection), ensure_ascii=False, allow_nan=False))
            return
        verdict = click.style(f"{inspection.verdict.value:<13}", fg=_COLOURS[inspection.verdict], bold=True)
        why = "; ".join(reason.text for reason in inspection.reasons)
        name = Path(inspection.source).name or inspection.source
        label = name if inspection.part in name else f"{inspection.part} {name}"
        self._echo(f"{verdict} {label}  {inspection.latency_ms:.0f} ms  {why}".rstrip())

    def close(self, status: StationStatus) -> None:
        """Print the summary, where the station ran."""
        if status.failure is None:
            self.summarise(status.stats)

    def summarise(self, stats: Stats) -> None:
        """Print the summary of what was shown."""
        if self._as_json:
            self._echo(json.dumps(summary(stats)))
            return
        self._echo(
            f"{stats.parts} parts: {stats.ok} OK, {stats.ng} NG, {stats.review} review, "
            f"{stats.not_inspected} not inspected, {stats.dropped} dropped, in {stats.seconds:.1f} s"
        )
        if self._stages and stats.parts:
            click.echo("\n".join(_stages(stats)), err=True)

    def _echo(self, line: str) -> None:
        if self.closed:
            return
        try:
            click.echo(line)
            sys.stdout.flush()
        except BrokenPipeError:
            self.closed = True
            # Python flushes stdout once more at exit, which must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:  # a file on a full disk, as a rule; what is saved goes on
            if not self.failed:
                click.echo(f"inspector: The output cannot be written ({error.strerror or error}).", err=True)
            self.failed = True


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
