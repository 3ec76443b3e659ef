"""`inspector bench faults | restart | watched`: what faults cost, and how soon there are verdicts."""

import json
import os
from dataclasses import asdict
from importlib.util import find_spec

import click

from inspector.cli.gui import no_display
from inspector.cli.support.bench_output import AS_JSON, progress, rounded
from inspector.cli.support.terminal import progress_bar
from inspector.recipes.locate import find_bundle

_MODEL = click.option("--model", default="window-state", show_default=True, metavar="BUNDLE", help="A small one is quick.")


@click.command()
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated.  [default: all]")
@_MODEL
@AS_JSON
def faults(*, names: tuple[str, ...], model: str, as_json: bool) -> int:
    """Provoke every fault for real: lost parts, doubled parts, and parts that are OK without a true frame. All must be 0.

    Exit code 1: one is not.
    """
    from inspector.bench.faults.table import FAULTS, provoke

    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise click.UsageError(f"There is no fault {unknown[0]!r}. Choose one of: {'; '.join(FAULTS)}.")
    bundle, rows = find_bundle(model), []
    with progress_bar() as bar:
        shown = bar.add_task("", total=len(names or FAULTS))
        for name in names or FAULTS:
            bar.update(shown, description=name)
            rows.append(provoke(name, bundle))
            bar.advance(shown)
    if as_json:
        listed = [{"fault": row.fault, **asdict(row.cost), "seconds": row.seconds} for row in rows]
        click.echo(json.dumps({"faults": [rounded(row) for row in listed]}))
    else:
        click.echo(f"{'fault':42} {'parts':>6} {'lost':>6} {'doubled':>8} {'silently OK':>12}")
        for row in rows:
            cost = row.cost
            numbers = f"{cost.parts:6} {cost.lost:6} {cost.doubled:8} {cost.silent_ok:12}"
            click.echo(f"{row.fault:42} {cost.skipped or numbers}")
    return 0 if all(row.cost.clean for row in rows) else 1


@click.command()
@_MODEL
@click.option("--kills", type=click.IntRange(1), default=3, show_default=True, help="Of the station, a start after each.")
@AS_JSON
def restart(*, model: str, kills: int, as_json: bool) -> None:
    """Measure the time from a kill of the window to its next verdict, with the pause of its service before it starts again."""
    from inspector.bench.faults.restart import bench_restart

    if find_spec("PySide6") is None:
        raise click.UsageError("Qt is not installed here.")
    if no_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with progress(f"{kills} kills") as tell:
        result = bench_restart(find_bundle(model), kills=kills, progress=tell)
    if as_json:
        click.echo(json.dumps(rounded(asdict(result))))
        return
    each = ", ".join(f"{seconds:.1f}" for seconds in result.seconds)
    click.echo(f"from kill -9 to the next verdict: {each} s, of which {result.pause_s:.0f} s are the pause of the service")
    click.echo(f"same recipe and mode: {'yes' if result.same else 'NO'}")


@click.command()
@_MODEL
@click.option("--files", type=click.IntRange(0), default=100_000, show_default=True, help="In the folder from the start.")
@click.option("--arrivals", type=click.IntRange(10), default=200, show_default=True, help="One every tenth of a second.")
@AS_JSON
def watched(*, model: str, files: int, arrivals: int, as_json: bool) -> None:
    """Measure the time from a file's arrival in a full watched folder to its verdict."""
    from inspector.bench.watched import bench_watched

    with progress(f"{files} files") as tell:
        result = bench_watched(find_bundle(model), files=files, arrivals=arrivals, progress=tell)
    if as_json:
        click.echo(json.dumps(rounded(asdict(result))))
        return
    click.echo(f"{result.arrivals} files into a folder of {result.files}, settling time {result.settle_ms:.0f} ms")
    click.echo(f"arrival to verdict: p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms, most {result.max_ms:.0f} ms")
    click.echo(f"ready {result.starting_s:.1f} s after the start")
