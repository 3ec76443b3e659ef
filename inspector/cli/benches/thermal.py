"""`inspector bench thermal | hot-spots`: time that a frame of a radiometric camera takes, and what is found in it."""

import json
from dataclasses import asdict

import click

from inspector.cli.support.bench_output import AS_JSON, progress, rounded


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


@click.command("hot-spots")
@click.option("--parts", type=click.IntRange(1), default=300, show_default=True, help="Of the demo line.")
@click.option("--delta", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True, help="Kelvin over around.")
@AS_JSON
def hot_spots(*, parts: int, delta: float, as_json: bool) -> None:
    """Measure recall and precision of hot spots: of the demo line's faults, and of faint ones planted in its good parts."""
    from inspector.bench.hot_spots import measure_spots

    found = []
    for faint in (False, True):
        with progress("faint spots" if faint else "faults") as tell:
            found.append(measure_spots(parts, delta=delta, faint=faint, progress=tell))
    if as_json:
        click.echo(json.dumps({"hot_spots": [rounded(asdict(one)) for one in found]}))
        return
    for one in found:
        name = "faint spots, 6.5 to 12 K" if one.faint else "faults of the line"
        click.echo(
            f"{name:25} {one.spots:4} there, {one.found:4} found: recall {one.recall:.3f}, precision {one.precision:.3f}; "
            f"{one.ms:.1f} ms a frame"
        )
