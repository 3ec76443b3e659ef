"""`inspector bench rejudge`: how soon archived images are judged again."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import Progress

from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.recipes.locate import find_bundle


@click.command()
@click.option("--model", default="window-state", show_default=True, metavar="BUNDLE", help="That judges.")
@click.option("--images", type=click.IntRange(2), default=512, show_default=True, help="In the archive.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Each measures all sides in turn.")
@click.option("--cluster/--no-cluster", default=True, show_default=True, help="Also two dask workers beside one.")
@AS_JSON
def rejudge(*, model: str, images: int, rounds: int, cluster: bool, as_json: bool) -> None:
    """Measure images judged again from the archive, beside `predict` on the same images, and two workers beside one."""
    from inspector.bench.archiving.rejudging import bench_rejudging

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        here, there = bench_rejudging(
            find_bundle(model),
            images=images,
            rounds=rounds,
            cluster=cluster,
            progress=lambda text: bar.update(task, description=text),
        )
    figures = {"rejudge": rounded(asdict(here)), **({} if there is None else {"cluster": rounded(asdict(there))})}
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, values in figures.items():
        click.echo(name)
        for figure, value in values.items():
            click.echo(f"  {figure:<20} {value}")
