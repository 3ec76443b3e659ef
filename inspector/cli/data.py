"""`inspector data`: makes data sets, looks at them, and writes them in other layouts."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from inspector.cameras.demo_data import write_demo_data
from inspector.core.datasets.elpv import write_elpv


@click.group()
def data() -> None:
    """Make data sets, look at them, and write them in other layouts."""


@data.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
@click.option("--parts", type=click.IntRange(1), default=600, show_default=True, help="How many parts to render.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed renders other parts.")
@click.option("--good", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Share of parts without any fault.")
def demo(out: Path, parts: int, seed: int, good: float) -> None:
    """Render parts of the demo line with their labels: window/, plate-boxes/, plate-masks/ and thermal/."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Rendering", total=parts)
        write_demo_data(
            out, parts=parts, seed=seed, good=good, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    click.echo(f"{parts} parts written to {out}")


@data.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
def elpv(out: Path) -> None:
    """Write the solar cells of the optional package elpv-dataset as class folders: defective/ and functional/."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Writing", total=None)
        count = write_elpv(out, progress=lambda done, total: bar.update(task, completed=done, total=total))
    click.echo(f"{count} pictures written to {out}")
