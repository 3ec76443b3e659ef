"""`inspector bench`: measurements on this machine."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from inspector.cli.benches.archive import archive
from inspector.cli.benches.explaining import explain
from inspector.cli.benches.faults import faults, restart, watched
from inspector.cli.benches.line import COMMANDS
from inspector.cli.benches.peers import peers
from inspector.cli.benches.rejudging import rejudge
from inspector.cli.benches.thermal import hot_spots, thermal
from inspector.cli.benches.window import dialog, gallery, start, window
from inspector.cli.support.bench_output import AS_JSON, progress, rounded
from inspector.cli.support.terminal import progress_bar
from inspector.core.registry import ENGINES, NETWORKS, TASKS, find
from inspector.runs.settings import parse_size

_NETWORKS = [name for name, entry in NETWORKS.items() if "classification" in entry.tasks]


@click.group()
def bench() -> None:
    """Measure how fast this machine is."""


@bench.command()
@click.option("--data", type=click.Path(path_type=Path), help="Labelled images; by default pictures of the demo line.")
@click.option("--task", type=click.Choice(list(TASKS)), help="Only this task; needed with --data.")
@click.option("--network", type=click.Choice(list(NETWORKS)), help="Only this network.")
@click.option("--size", default=None, metavar="N|WxH", help="Input size in pixels; by default the task's.")
@click.option("--images", type=click.IntRange(8), default=128, show_default=True, help="At most so many.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Loader and training step in turn.")
@AS_JSON
def loading(
    data: Path | None, task: str | None, network: str | None, size: str | None, images: int, rounds: int, as_json: bool
) -> None:
    """Measure images a second of the loader over images a second of the training step, from files and from memory.

    2 or more: training does not wait for its images.
    """
    from inspector.bench.loading import CASES, bench_loading, demo_folders

    if data is not None and task is None:
        raise click.UsageError("--data needs --task.")
    cases = [case for case in CASES if task in (None, case[0]) and network in (None, case[1])]
    if network is not None and not cases and task in (None, *NETWORKS[network].tasks):
        cases = [(NETWORKS[network].tasks[0], network)]
    if not cases:
        raise click.UsageError(f"{network} is not a network for {task}.")
    measured = []
    with progress_bar() as bar, ExitStack() as stack:
        shown = bar.add_task("demo line", total=images)
        demo = demo_folders(images, lambda done, total: bar.update(shown, completed=done))
        folder = stack.enter_context(demo) if data is None else None
        for number, case in enumerate(cases):
            bar.update(shown, description=case[1], total=len(cases), completed=number)
            source = folder(case[0]) if folder is not None else data
            assert source is not None
            given = None if size is None else parse_size(size)
            measured.append(bench_loading(*case, source, rounds=rounds, size=given, limit=images))
    if as_json:
        click.echo(json.dumps({"loading": [rounded(asdict(result)) for result in measured]}))
        return
    for result in measured:
        click.echo(
            f"{result.network:20} {result.width} x {result.height}: step {result.step_ips:7.1f} images/s; "
            f"loader {result.files_ratio:.1f} times as many from files, {result.memory_ratio:.1f} from memory"
        )


@bench.command()
@click.option("--network", "networks", type=click.Choice(list(NETWORKS)), multiple=True, help="Default: all; may be repeated.")
@click.option(
    "--size",
    "sides",
    type=click.IntRange(32, 1024),
    multiple=True,
    default=(128, 224),
    show_default=True,
    help="Input in pixels; may be repeated.",
)
@click.option("--batch", type=click.IntRange(2, 64), default=8, show_default=True, help="Images a training step.")
@click.option("--engine", default="openvino", show_default=True, help=f"One of {', '.join(ENGINES)}.")
@AS_JSON
def costs(networks: tuple[str, ...], sides: tuple[int, ...], batch: int, engine: str, as_json: bool) -> None:
    """Measure milliseconds an image of training and inspection: the table behind the time estimates."""
    from inspector.bench.steps import bench_network

    find(ENGINES, engine, "engine")
    cases = [(network, side) for network in networks or NETWORKS for side in sides]
    measured = []
    with progress_bar() as bar:
        shown = bar.add_task("", total=len(cases))
        for network, side in cases:
            bar.update(shown, description=f"{network} {side}")
            measured.append(bench_network(network, side=side, batch=batch, engine=engine))
            bar.advance(shown)
    if as_json:
        click.echo(json.dumps({"costs": [rounded(asdict(row)) for row in measured]}))
        return
    for row in measured:
        click.echo(
            f"{row.network:20} {row.side:4} px  train {row.step_ms:7.1f} ms  inspect {row.infer_ms:7.1f} ms an image; "
            f"with still first stages {100 * row.still:.0f} % of a training step"
        )


@bench.command("beside-training")
@click.option(
    "--network", type=click.Choice(_NETWORKS), default="simple_cnn", show_default=True, help="Inspects, at full size."
)
@click.option("--training", type=click.Choice(_NETWORKS), default="efficientnet_lite0", show_default=True, help="Is trained.")
@click.option("--engine", default="openvino", show_default=True, help=f"One of {', '.join(ENGINES)}.")
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Each with the training at rest and at work."
)
@click.option("--seconds", type=click.FloatRange(1), default=8.0, show_default=True, help="Of each measurement.")
@AS_JSON
def beside_training(network: str, training: str, engine: str, rounds: int, seconds: float, as_json: bool) -> None:
    """Measure parts a second of the line with a training over parts a second without one, and the number of lost parts."""
    from inspector.bench.line.beside import bench_beside

    find(ENGINES, engine, "engine")
    with progress(f"{network} beside {training}") as tell:
        result = bench_beside(network, training=training, engine=engine, rounds=rounds, seconds=seconds, progress=tell)
    if as_json:
        click.echo(json.dumps(rounded(asdict(result))))
        return
    click.echo(f"training at rest   {result.before_fps:7.1f} parts/s")
    click.echo(f"training at work   {result.during_fps:7.1f} parts/s, {100 * result.ratio:.0f} %; {result.lost} parts lost")
    click.echo(f"a live camera at   {result.live_fps:7.1f} parts/s; {result.live_lost} parts lost")
    click.echo(f"the training keeps {100 * result.train_share:.0f} % of its speed beside the line")


for command in (
    *(*COMMANDS, archive, rejudge, window, dialog, gallery, start),
    *(faults, restart, watched, thermal, hot_spots, explain, peers),
):
    bench.add_command(command)
