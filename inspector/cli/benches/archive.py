"""`inspector bench archive`: what the archive costs the line, and how soon it answers."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.cli.support.terminal import progress_bar
from inspector.recipes.locate import find_bundle

if TYPE_CHECKING:
    from inspector.bench.archiving.speed import ArchiveFigures


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("window-state", "plate-defects"),
    show_default=True,
    metavar="BUNDLE",
    help="Of the line. Can be repeated.",
)
@click.option("--line/--no-line", default=True, show_default=True, help="Measure the line with the archive and without.")
@click.option("--inspections", type=click.IntRange(0), default=200_000, show_default=True, help="To find and judge again.")
@click.option("--kills", type=click.IntRange(0), default=50, show_default=True, help="Of a station at random instants.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Each measures all sides in turn.")
@AS_JSON
def archive(*, models: tuple[str, ...], line: bool, inspections: int, kills: int, rounds: int, as_json: bool) -> None:
    """Measure records a second, the line beside it, queries, what-if, and what is there after kills."""
    from inspector.bench.archiving.speed import bench_archive

    bundles = [find_bundle(model) for model in models] if line else []
    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        found = bench_archive(
            bundles,
            inspections=inspections,
            kills=kills,
            rounds=rounds,
            progress=lambda text: bar.update(task, description=text),
        )
    if not as_json:
        for text in _lines(found):
            click.echo(text)
        return
    figures = {name: rounded(values) for name, values in asdict(found).items() if values is not None and name != "line"}
    figures |= {f"line with {name}": rounded(asdict(values)) for name, values in found.line.items()}
    click.echo(json.dumps(figures))


def _lines(found: "ArchiveFigures") -> Iterator[str]:
    """Yield what was measured, with what is aimed at, in words."""
    journal = found.journal
    yield f"a record is on the disk after {journal.p50_ms:.1f} ms, 99 of 100 within {journal.p99_ms:.1f} ms (aim 5)"
    yield f"{journal.records_per_s:,.0f} records/s, {journal.ratio:.2f} of bare SQLite's {journal.bare_per_s:,.0f} (aim 0.7)"
    for bundle, line in found.line.items():
        yield f"line with {bundle}, {line.ng_share:.0%} NG: {line.with_fps:.0f} parts/s, without {line.without_fps:.0f}"
        yield f"  by the clock {line.ratio:.2f}, by processor time {line.cpu_ratio:.2f} of the line without (aim 0.95)"
        yield f"  processor time of a part {line.cpu_ms:.2f} and {line.without_cpu_ms:.2f} ms{_fed(line.feeder_cpu_ms)}"
        yield f"  99 of 100 verdicts within {line.p99_ms:.0f} and {line.without_p99_ms:.0f} ms (aim 10 % more at most)"
        yield f"  {line.images} images kept; at most {line.behind} records behind in the database"
    if (queries := found.queries) is not None:
        yield f"{queries.inspections:,} inspections: first page and counts of the slowest filter, {queries.filter}:"
        yield f"  99 of 100 within {queries.p99_ms:.0f} ms (aim 100)"
        yield f"  without indices {queries.ratio:.1f} times as long or more (aim 20)"
    if (what_if := found.what_if) is not None:
        yield f"another limit for {what_if.inspections:,} inspections: {what_if.per_s:,.0f}/s (aim 200,000)"
        yield f"  {what_if.ratio:.0f} times as many as judged one by one, once they are read (aim 30)"
    if (kills := found.kills) is not None:
        yield f"{kills.kills} stations, {kills.feeders} feeders killed; {kills.told:,} told, {kills.interrupted} under way:"
        yield f"  {kills.missing} missing, {kills.doubled} doubled, {kills.broken} problems of the proof (aim 0, 0, 0)"


def _fed(cpu_ms: float | None) -> str:
    return "" if cpu_ms is None else f"; of the process that feeds the database {cpu_ms:.2f} ms"
