"""`inspector bench thermal`: time that a frame of a radiometric camera takes."""

import json
from dataclasses import asdict

import click

from inspector.cli.support.bench_output import AS_JSON, rounded


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True, help="Each measures all sides in turn.")
@click.option("--frames", type=click.IntRange(1), default=16, show_default=True, help="Frames a round.")
@AS_JSON
def thermal(*, rounds: int, frames: int, as_json: bool) -> None:
    """Measure a frame of 640 x 512 raw counts: temperatures, four tools, an isotherm and the picture, on one core.

    Where flyr is installed, its conversion of the same counts is measured in the same run (pip install flyr).
    """
    from inspector.ui.shell.diagnostics.thermal_frames import bench_frames

    cost = bench_frames(rounds=rounds, frames=frames)
    if as_json:
        click.echo(json.dumps(rounded(asdict(cost), 6)))
        return
    click.echo(f"temperatures      {cost.convert_ms:6.2f} ms; with two emissivities of regions {cost.regions_ms:.2f} ms")
    click.echo(f"four tools        {cost.tools_ms:6.2f} ms")
    click.echo(f"isotherm          {cost.isotherm_ms:6.2f} ms")
    click.echo(f"picture           {cost.colours_ms:6.2f} ms")
    click.echo(f"the whole frame   {cost.frame_ms:6.2f} ms, of {1000 / 30:.1f} ms that 30 frames a second leave")
    click.echo(f"other conditions  {cost.setting_ms:6.2f} ms, once")
    if cost.flyr_ms is None:
        click.echo("flyr is not installed, so nothing is compared with it")
    else:
        click.echo(
            f"flyr {cost.flyr}        {cost.flyr_ms:6.2f} ms for the temperatures: {cost.ratio:.1f} times as long, "
            f"at most {cost.difference_k:.6f} K apart"
        )
