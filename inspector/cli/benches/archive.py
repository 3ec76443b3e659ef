"""`inspector bench archive`: what the archive costs the line, and how soon it answers."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import Progress

from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.recipes.locate import find_bundle


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
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        found = bench_archive(
            bundles,
            inspections=inspections,
            kills=kills,
            rounds=rounds,
            progress=lambda text: bar.update(task, description=text),
        )
    figures = {name: rounded(values) for name, values in asdict(found).items() if values is not None and name != "line"}
    figures |= {f"line with {name}": rounded(asdict(values)) for name, values in found.line.items()}
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, values in figures.items():
        click.echo(name)
        for figure, value in values.items():
            click.echo(f"  {figure:<20} {value}")
