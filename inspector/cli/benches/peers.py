"""`inspector bench peers`: training beside other programs' training."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from inspector.bench.peers.known import PEERS, check_installed
from inspector.cli.support.advice import Surveying
from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.cli.support.terminal import PlainConsole, progress_bar
from inspector.core.errors import ConfigError
from inspector.core.types import Json, TaskName
from inspector.data.survey import Survey
from inspector.runs.report import Interval

if TYPE_CHECKING:
    from inspector.bench.peers.comparison import Comparison, Side


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(list(PEERS)), help="Only this one.  [default: all that the data can teach]")
@click.option(
    "--minutes", type=click.FloatRange(0.5), default=45.0, show_default=True, help="Of processor time, for learning, each side."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of split and start weights.")
@AS_JSON
def peers(*, data: Path, task: str | None, minutes: float, seed: int, as_json: bool) -> None:
    """Learn from the labelled images in DATA with ours and with a peer, and judge both on the same held-out images.

    Ours follows its advice for the time given. The peers keep their defaults: ultralytics YOLO11n for boxes, from random
    weights because none come with it, at our input size; for masks U-Net of segmentation_models_pytorch on the encoder,
    weights, input size and augmentation of ours. Both compute on one thread, so that their processor minutes are the same work.
    The packages are no part of this program.
    """
    from inspector.bench.peers.comparison import compare

    found = Surveying().run(data, group="", layout="", backgrounds=False)
    tasks = _tasks(found, task, data)
    for one in tasks:
        check_installed(one)
    with progress_bar() as bar:
        shown = bar.add_task("", total=None)

        def tell(text: str) -> None:
            bar.update(shown, description=text)

        done = [compare(data, found, one, minutes=minutes, seed=seed, tell=tell) for one in tasks]
    if as_json:
        click.echo(json.dumps({"peers": [_as_json(one) for one in done]}, ensure_ascii=False))
        return
    for comparison in done:
        _show(comparison)


def _tasks(found: Survey, task: str | None, data: Path) -> list[TaskName]:
    """Return the tasks to compare. Raises ConfigError if the data teaches none that has a peer."""
    known = [name for name in PEERS if task in (None, name) and name in found.tasks]
    able = [name for name in known if found.tasks[name].blocked is None]
    if able:
        return able
    if known:
        problem = found.tasks[known[0]].blocked
        assert problem is not None
        raise ConfigError(problem.template, remedy="inspector data check says what is missing.", **problem.values)
    raise ConfigError(
        "{folder} holds nothing labelled for {tasks}, for which there is a peer.",
        remedy="Give a folder with labelled boxes or masks.",
        folder=data,
        tasks=task or ", ".join(PEERS),
    )


def _as_json(one: "Comparison") -> dict[str, Json]:
    return {
        "task": one.task,
        "minutes": one.minutes,
        "seed": one.seed,
        "judged": one.judged,
        "classes": list(one.classes),
        "ahead": one.ahead,
        "over_budget": list(one.over_budget),
        "ours": _side_json(one.ours),
        "peer": _side_json(one.peer),
    }


def _side_json(side: "Side") -> dict[str, Json]:
    values = {name: getattr(side, name) for name in ("learning_min", "all_min", "images_s")}
    return {
        "name": side.name,
        "settings": dict(side.settings),
        "versions": dict(side.versions),
        "images": dict(side.images),
        "epochs": side.epochs,
        **rounded(values),
        "figures": {name: rounded(each.model_dump(), 4) for name, each in side.figures.items()},
    }


def _show(one: "Comparison") -> None:
    console = PlainConsole()
    table = Table(title=f"{one.task}, {one.minutes:g} processor minutes, {one.judged} test images", title_justify="left")
    for column in ("", "ours", one.peer.name):
        table.add_column(column)
    rows: Mapping[str, Callable[[Side], str]] = {
        "settings": lambda side: ", ".join(f"{name} {value}" for name, value in side.settings.items()),
        "versions": lambda side: ", ".join(f"{name} {value}" for name, value in side.versions.items()),
        "images learnt from, validated on": lambda side: f"{side.images['train']}, {side.images['val']}",
        "epochs": lambda side: str(side.epochs),
        "processor minutes until learnt": lambda side: f"{side.learning_min:.1f}",
        "with measuring and export": lambda side: f"{side.all_min:.1f}",
        "images a processor second (openvino; torch)": lambda side: f"{side.images_s:.1f}",
    }
    for name, text in rows.items():
        table.add_row(name, text(one.ours), text(one.peer))
    table.add_section()
    for name in one.ours.figures:
        table.add_row(name, _interval(one.ours.figures[name]), _interval(one.peer.figures[name]))
    console.print(table)
    click.echo(f"{one.task}: ours is {'ahead' if one.ahead else 'not ahead'}")
    for name in one.over_budget:
        click.echo(f"{one.task}: {name} learnt for more than its budget, so this comparison shows nothing; allow more minutes")


def _interval(value: Interval) -> str:
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
