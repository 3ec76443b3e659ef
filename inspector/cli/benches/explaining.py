"""`inspector bench explain`: what a heat map takes, and what it costs a line to have its parts explained."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from inspector.cli.support.bench_output import AS_JSON, progress, rounded
from inspector.core.registry import ENGINES, NETWORKS

if TYPE_CHECKING:
    from inspector.bench.cams import MapCost

_NETWORKS = [name for name, entry in NETWORKS.items() if "classification" in entry.tasks]
_MAPS = ("simple_cnn", "efficientnet_lite0", "simple_yolo", "fpn_lite0")


@click.command()
@click.option(
    "--map",
    "maps",
    type=click.Choice(list(NETWORKS)),
    multiple=True,
    default=_MAPS,
    show_default=True,
    help="Networks of maps.",
)
@click.option("--line/--no-line", default=True, show_default=True, help="Measure a line, too.")
@click.option(
    "--network", type=click.Choice(_NETWORKS), default="simple_cnn", show_default=True, help="Of the line, at its full size."
)
@click.option("--size", type=click.IntRange(32, 1024), default=224, show_default=True, help="Input in pixels.")
@click.option("--engine", type=click.Choice(list(ENGINES)), default="openvino", show_default=True, help="Of the line.")
@click.option("--parts", type=click.IntRange(3), default=200, show_default=True, help="NG parts to be explained.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of the line alone and beside the work.")
@click.option("--seconds", type=click.FloatRange(1), default=8.0, show_default=True, help="Of each measurement.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Of a single map.")
@AS_JSON
def explain(
    *,
    maps: tuple[str, ...],
    line: bool,
    network: str,
    size: int,
    engine: str,
    parts: int,
    rounds: int,
    seconds: float,
    threads: int,
    as_json: bool,
) -> None:
    """Measure heat maps beside pytorch-grad-cam, and what explaining costs a line that runs at full speed.

    A map is of one class or, of networks that find boxes, of one box. Where grad-cam is installed, its map of the same layer
    and number is measured in turn with ours (pip install grad-cam).
    """
    from inspector.bench.cams import measure_map
    from inspector.bench.line.explaining import bench_explaining

    costs, beside = [], None
    with progress("heat maps") as tell:
        for done, name in enumerate(maps):
            tell(done, len(maps))
            costs.append(measure_map(name, size=size, rounds=10, threads=threads))
    if line:
        with progress(f"{network}: explaining beside the line") as tell:
            beside = bench_explaining(
                network, engine=engine, size=size, parts=parts, rounds=rounds, seconds=seconds, progress=tell
            )
    if as_json:
        told = None if beside is None else rounded(asdict(beside), 4)
        click.echo(json.dumps({"maps": [rounded(asdict(cost), 7) for cost in costs], "line": told}))
        return
    for cost in costs:
        click.echo(f"{cost.network:20} a {cost.about:5} {cost.ms:7.1f} ms{_compared(cost)}")
    if beside is None:
        return
    click.echo(f"line alone           {beside.alone_fps:7.1f} parts/s")
    click.echo(f"NG parts explained   {beside.maps_fps:7.1f} parts/s: {100 * beside.maps_lost:.1f} % lost")
    click.echo(f"  {beside.maps_beside:.1f} maps a second meanwhile, {beside.maps_alone:.1f} while the line rests")
    click.echo(f"a folder explained   {beside.report_fps:7.1f} parts/s: {100 * beside.report_lost:.1f} % lost")


def _compared(cost: "MapCost") -> str:
    if cost.other_ms is None or cost.ratio is None:
        return "; grad-cam is not installed, so nothing is compared"
    return (
        f", {cost.ratio:.2f} of pytorch-grad-cam's {cost.other_ms:.1f} ms (of its processor time {cost.cpu_ratio:.2f}); "
        f"at most {cost.difference:.1e} apart"
    )
