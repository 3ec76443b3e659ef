"""`inspector bench rejudge`: how soon archived images are judged again."""

import json
from dataclasses import asdict

import click

from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.cli.support.terminal import progress_bar
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

    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        here, there = bench_rejudging(
            find_bundle(model),
            images=images,
            rounds=rounds,
            cluster=cluster,
            progress=lambda text: bar.update(task, description=text),
        )
    if as_json:
        figures = {"rejudge": rounded(asdict(here)), **({} if there is None else {"cluster": rounded(asdict(there))})}
        click.echo(json.dumps(figures))
        return
    click.echo(f"{here.images} images: {here.rejudge_per_s:.0f}/s judged again, {here.predict_per_s:.0f}/s by predict")
    click.echo(f"  {here.ratio:.2f} times as many by the clock (aim 1.5), {here.cpu_ratio:.2f} by processor time")
    if there is not None:
        click.echo(f"two dask workers {there.two_per_s:.0f}/s, one {there.one_per_s:.0f}/s")
        click.echo(f"  {there.ratio:.2f} times as many (aim 1.7)")
