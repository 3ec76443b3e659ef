"""`inspector bench pipeline | latency | soak | engines`: speed of the inspection line."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table

from inspector.cli.support.bench_output import AS_JSON, progress, rounded
from inspector.cli.support.terminal import PlainConsole, progress_bar
from inspector.core.registry import ENGINES
from inspector.core.types import PRECISIONS, Precision
from inspector.recipes.locate import find_bundle

if TYPE_CHECKING:
    from inspector.bench.line.engines import Row
    from inspector.bench.line.pipeline import Verdicts

_NETWORKS = ("simple_cnn", "simple_yolo", "unet", "resnet50", "efficientnet_b0", "efficientnet_lite0")
_ENGINE = click.option(
    "--engine", type=click.Choice(list(ENGINES)), default="openvino", show_default=True, help="What runs it."
)


def _compared(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select what is compared with the naive pipeline."""
    for option in (
        click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Each measures all sides in turn."),
        click.option(
            "--size", type=click.IntRange(32, 1024), help="Input in pixels.  [default: simple_yolo 448, unet 256, else 224]"
        ),
        _ENGINE,
        click.option(
            "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Of its arithmetic."
        ),
        click.option(
            "--network", type=click.Choice(_NETWORKS), default="simple_cnn", show_default=True, help="At its full size."
        ),
        AS_JSON,
    ):
        command = option(command)
    return command


@click.command()
@_compared
@click.option("--batch", type=click.IntRange(1, 16), default=8, show_default=True, help="Largest batch of both pipelines.")
@click.option("--frames", type=click.IntRange(8), default=256, show_default=True, help="Frames a round.")
@click.option(
    "--parts", type=click.IntRange(0), default=400, show_default=True, help="Of the demo line, to compare verdicts on."
)
def pipeline(
    *,
    network: str,
    precision: Precision,
    engine: str,
    size: int | None,
    batch: int,
    rounds: int,
    frames: int,
    parts: int,
    as_json: bool,
) -> None:
    """Compare the station with a naive PyTorch pipeline and with its engine alone."""
    from inspector.bench.line.pipeline import bench_pipeline

    with progress(f"{network} {precision}") as tell:
        result = bench_pipeline(
            network,
            precision=precision,
            engine=engine,
            size=size,
            batch=batch,
            rounds=rounds,
            count=frames,
            parts=parts,
            progress=tell,
        )
    if as_json:
        click.echo(json.dumps(rounded(asdict(result))))
        return
    click.echo(
        f"naive pipeline  {result.baseline_fps:7.1f} frames/s, {100 * result.reading:.0f} % of it for reading the outputs"
    )
    click.echo(f"this station    {result.ours_fps:7.1f} frames/s, {result.ratio:.2f} times as many")
    click.echo(f"engine alone    {result.engine_only_fps:7.1f} frames/s; the station reaches {100 * result.share:.0f} % of it")
    click.echo(
        f"  side by side  {result.side_by_side_fps:7.1f} frames/s with several batches under way; the station reaches "
        f"{100 * result.side_by_side_share:.0f} % of it"
    )
    if result.verdicts is not None:
        _show_verdicts(result.verdicts, precision)


def _show_verdicts(verdicts: "Verdicts", precision: str) -> None:
    click.echo(f"verdicts of {verdicts.bundle} on {verdicts.parts} parts of the demo line:")
    click.echo(f"  {100 * verdicts.equal:.2f} % equal to those of the naive pipeline")
    click.echo(
        f"  right: naive {100 * verdicts.naive:.2f} %, fp32 {100 * verdicts.fp32:.2f} %, {precision} "
        f"{100 * verdicts.accuracy:.2f} % (drop {verdicts.drop:.2f} points)"
    )


@click.command()
@_compared
@click.option(
    "--load", type=click.FloatRange(0.05, 0.95), default=0.7, show_default=True, help="Share of what the engine can do."
)
@click.option("--parts", type=click.IntRange(20), default=200, show_default=True, help="Parts a round.")
def latency(
    *, network: str, precision: Precision, engine: str, size: int | None, load: float, rounds: int, parts: int, as_json: bool
) -> None:
    """Measure the time from frame to verdict while parts come at a share of the engine's rate for single frames."""
    from inspector.bench.line.latency import bench_latency

    with progress(f"{network} {precision}") as tell:
        result = bench_latency(
            network, precision=precision, engine=engine, size=size, load=load, rounds=rounds, count=parts, progress=tell
        )
    if as_json:
        click.echo(json.dumps(rounded(asdict(result))))
        return
    click.echo(f"engine alone, one frame   {result.engine_ms:7.2f} ms")
    for name, rate, p50, p99, ratio in (
        ("this station", result.rate, result.p50_ms, result.p99_ms, result.ratio),
        ("naive pipeline", result.naive_rate, result.naive_p50_ms, result.naive_p99_ms, result.naive_ratio),
    ):
        click.echo(
            f"{name:15} at {rate:6.1f} parts/s: p50 {p50:7.2f} ms, p99 {p99:7.2f} ms, {ratio:.2f} times the engine alone"
        )


@click.command()
@click.option("--model", default="window-state", show_default=True, metavar="BUNDLE", help="A small one makes the day short.")
@_ENGINE
@click.option("--parts", type=click.IntRange(100), default=100_000, show_default=True, help="10 a second of a line's time.")
@click.option("--save", is_flag=True, help="With a run folder and the archive.")
@AS_JSON
def soak(*, model: str, engine: str, parts: int, save: bool, as_json: bool) -> None:
    """Run a line's day in minutes: whether memory grows, and whether parts get lost."""
    from inspector.bench.line.soak import bench_soak

    with progress(f"{parts} parts") as tell:
        result = bench_soak(find_bundle(model), parts=parts, engine=engine, save=save, progress=tell)
    if as_json:
        click.echo(json.dumps(rounded(asdict(result), 5)))
        return
    click.echo(f"{result.parts} parts, {result.line_hours:.1f} h of a line of 10 a second, in {result.seconds:.0f} s")
    click.echo(f"without a verdict {result.lost}, dropped {result.dropped}, not inspected {result.not_inspected}")
    growth = f"{100 * result.growth:+.2f} %"
    click.echo(f"memory {result.memory_mb:.1f} MB after warming up, {result.memory_end_mb:.1f} MB at the end ({growth})")


@click.command()
@click.option("--model", required=True, metavar="BUNDLE", help="Folder of the bundle, or the name of a shipped one.")
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Parts at once; may be repeated.",
)
@click.option(
    "--threads", type=click.IntRange(0, 256), multiple=True, default=(0, 1), show_default=True, help="0: the engine's choice."
)
@click.option("--seconds", type=click.FloatRange(0.05), default=1.0, show_default=True, help="At least so long for each row.")
@click.option(
    "--peers/--no-peers",
    default=True,
    show_default=True,
    help="OpenVINO's benchmark_app and, for detection, ultralytics predict, too, where they are installed.",
)
@AS_JSON
def engines(
    *, model: str, batches: tuple[int, ...], threads: tuple[int, ...], seconds: float, peers: bool, as_json: bool
) -> None:
    """Measure every engine, precision, batch and number of threads for one bundle."""
    from inspector.bench.line.engines import bench_engines
    from inspector.bundles.bundle import Bundle

    bundle, rows = Bundle.open(find_bundle(model)), []
    with progress_bar() as bar:
        shown = bar.add_task(bundle.name, total=None)
        for row in bench_engines(bundle, batches=batches, threads=threads, least=seconds, peers=peers):
            rows.append(row)
            bar.update(shown, description=f"{row.engine} {row.precision}")
    if as_json:
        click.echo(json.dumps({"engines": [rounded(asdict(row)) for row in rows]}))
        return
    _show_rows(rows, bundle.name)


def _show_rows(rows: "list[Row]", title: str) -> None:
    table = Table("engine", "precision", "batch", "threads", "ms a frame", "frames/s", title=title)
    for row in rows:
        numbers = ("", "", row.problem, "") if row.problem else _numbers(row)
        table.add_row(row.engine, row.precision, *numbers)
    PlainConsole().print(table)


def _numbers(row: "Row") -> tuple[str, str, str, str]:
    return str(row.batch), str(row.threads or "its own"), f"{row.ms:.2f}", f"{row.fps:.1f}"


@click.command()
@_ENGINE
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Of our side's arithmetic.")
@click.option("--frames", type=click.IntRange(1), default=3, show_default=True, help="Of 4096 x 3072 pixels.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Both sides in turn.")
@click.option("--batch", type=click.IntRange(1, 16), default=8, show_default=True, help="Tiles in a batch, on both sides.")
@AS_JSON
def tiles(engine: str, precision: Precision, frames: int, rounds: int, batch: int, as_json: bool) -> None:
    """Compare large images in tiles with SAHI around ONNX Runtime: the same graph in fp32, the same tiles.

    The frames are full of plates of the demo line. Without SAHI (pip install sahi) only our side is measured.
    """
    from inspector.bench.line.tiles import bench_tiles

    with progress(f"tiles {precision}") as tell:
        cost = bench_tiles(engine=engine, precision=precision, frames=frames, rounds=rounds, batch=batch, progress=tell)
    if as_json:
        click.echo(json.dumps(rounded(asdict(cost))))
        return
    for name, side in (("this station", cost.ours), ("SAHI", cost.sahi)):
        if side is None:
            click.echo(f"{name} is not installed, so nothing is compared")
            continue
        click.echo(
            f"{name:12} {1 / side.seconds:6.2f} frames/s of {cost.tiles} tiles, {side.cpu_seconds:.2f} CPU-s a frame, "
            f"{side.memory_mb:.0f} MB, mAP50 {side.map50:.3f}"
        )
    if cost.speed is not None:
        click.echo(
            f"{cost.speed:.2f} times the frames a second ({cost.cpu_speed:.2f} by processor time), {cost.memory:.2f} of the "
            f"memory, mAP50 {cost.difference:+.3f}"
        )


COMMANDS = (pipeline, latency, soak, engines, tiles)
