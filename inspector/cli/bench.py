"""`inspector bench`: measurements on this machine."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import Progress

from inspector.core.registry import ENGINES, find

_NETWORKS = ("simple_cnn", "resnet50", "efficientnet_b0", "efficientnet_lite0")


@click.group()
def bench() -> None:
    """Measure how fast this machine is."""


@bench.command()
@click.option("--network", type=click.Choice(_NETWORKS), default="simple_cnn", show_default=True, help="At its full size.")
@click.option("--precision", type=click.Choice(["fp32"]), default="fp32", show_default=True, help="Of the network's numbers.")
@click.option("--engine", default="openvino", show_default=True, help=f"One of {', '.join(ENGINES)}.")
@click.option("--size", type=click.IntRange(32, 1024), default=224, show_default=True, help="Input of the network in pixels.")
@click.option("--batch", type=click.IntRange(1, 16), default=8, show_default=True, help="Largest batch of both pipelines.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Each measures all three in turn.")
@click.option("--frames", type=click.IntRange(8), default=256, show_default=True, help="Frames a round.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")
def pipeline(network: str, precision: str, engine: str, size: int, batch: int, rounds: int, frames: int, as_json: bool) -> None:
    """Compare the station with a naive PyTorch pipeline and with its engine alone."""
    from inspector.bench.pipeline import bench_pipeline

    find(ENGINES, engine, "engine")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{network} {precision}", total=rounds + 1)
        result = bench_pipeline(
            network,
            engine=engine,
            size=size,
            batch=batch,
            rounds=rounds,
            count=frames,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        click.echo(json.dumps({key: round(value, 3) for key, value in asdict(result).items()}))
        return
    click.echo(f"naive pipeline  {result.baseline_fps:7.1f} frames/s")
    click.echo(f"this station    {result.ours_fps:7.1f} frames/s, {result.ratio:.2f} times as many")
    click.echo(f"engine alone    {result.engine_only_fps:7.1f} frames/s; the rest takes {100 * result.overhead:.0f} %")
