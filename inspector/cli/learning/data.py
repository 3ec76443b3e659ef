"""`inspector data`: makes, checks and converts data sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
from rich.table import Table

from inspector.cameras.demo.data import write_demo_data
from inspector.cli.bundles.tune import Milliseconds
from inspector.cli.support.advice import Surveying, advice_json, advice_lines, advise
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import PlainConsole, progress_bar
from inspector.core.errors import ConfigError
from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.data.annotations import LAYOUTS, read_dataset
from inspector.data.formats.benchmarks.elpv import write_elpv
from inspector.data.formats.write import HOLDS, Format, write_dataset
from inspector.data.samples import Dataset
from inspector.data.survey import Survey, TaskSurvey


def _reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that control how labels are read."""
    layout = click.option(
        "--layout",
        type=click.Choice(list(LAYOUTS)),
        help="How the labels are stored.  [default: what is recognised]",
    )
    backgrounds = click.option(
        "--backgrounds", is_flag=True, help="Images without a label file count as good, where labels are objects."
    )
    return layout(backgrounds(command))


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
    with progress_bar() as bar:
        task = bar.add_task("Rendering", total=parts)
        write_demo_data(
            out, parts=parts, seed=seed, good=good, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    say(f"{parts} parts written to {out}")


@data.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
def elpv(out: Path) -> None:
    """Write the solar cells of the optional package elpv-dataset as class folders: defective/ and functional/."""
    with progress_bar() as bar:
        task = bar.add_task("Writing", total=None)
        count = write_elpv(out, progress=lambda done, total: bar.update(task, completed=done, total=total))
    say(f"{count} pictures written to {out}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(list(TASKS)), help="Only what this task can be taught.")
@click.option("--group", default="", help="Regular expression; its match in a file's name is the part or lot it shows.")
@_reading
@click.option("--takt", type=Milliseconds(), help="What the line gives each part, for example 120ms: limits the network.")
@click.option(
    "--time-limit", type=click.FloatRange(0), default=0.0, help="Seconds that a training may take.  [default: an hour]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")
def check(
    folder: Path,
    task: str | None,
    group: str,
    layout: str | None,
    backgrounds: bool,
    takt: float | None,
    time_limit: float,
    as_json: bool,
) -> int:
    """Check a folder before training: layout, counts, sizes, depths, imbalance, every problem in it, and what is recommended.

    Each layout that matches the folder is listed with the evidence; the first is read, and --layout reads another. The
    recommendation is what `inspector train` follows. Exit code 1: nothing can be trained from the folder, for the requested
    task or for any.
    """
    look = Surveying()
    found = look.run(folder, group=group, layout=layout or "", backgrounds=backgrounds)
    tasks = {name: one for name, one in found.tasks.items() if task in (None, name)}
    if not tasks:
        raise ConfigError(
            "{folder} holds nothing labelled for {task}; it could teach {others}.",
            remedy="Choose another task, or label the images for this one.",
            folder=folder,
            task=task,
            others=", ".join(found.tasks),
        )
    taught = [name for name, one in tasks.items() if one.blocked is None]
    advice = {name: advise(found, name, takt_ms=takt, time_s=time_limit) for name in taught}
    if as_json:
        said = _as_json(found, tasks)
        said["advice"] = {name: advice_json(name, one) for name, one in advice.items()}
        say_json(said)
    else:
        _print_survey(found, tasks)
        for name, one in advice.items():
            for line in ("", *advice_lines(name, one)):
                say(line)
        busy = look.busy() if advice else None
        if busy is not None:
            say(busy.text)
    return 0 if taught else 1


def _as_json(found: Survey, tasks: Mapping[TaskName, TaskSurvey]) -> dict[str, object]:
    return {
        "layout": found.layout.text,
        "layouts": [
            {"name": one.name, "title": one.title.text, "sure": round(one.sure, 3), "why": one.why.text}
            for one in found.layouts
        ],
        "images": found.images,
        "sizes": [{"width": width, "height": height, "images": count} for (width, height), count in found.sizes.items()],
        "depths": dict(found.depths),
        "looked_at": found.looked_at,
        "duplicates": [list(group) for group in found.duplicates],
        "problems": [problem.text for problem in found.problems],
        "tasks": {
            name: {
                "classes": list(one.classes),
                "total": one.total,
                "images": dict(one.images),
                "objects": dict(one.objects),
                "groups": one.groups,
                "split": dict(one.parts),
                "imbalance": round(one.imbalance, 2),
                "object_share": None if one.sizes is None else one.sizes.share,
                "object_sizes": None if one.sizes is None else asdict(one.sizes),
                "problems": [problem.text for problem in one.problems],
                "blocked": None if one.blocked is None else one.blocked.text,
            }
            for name, one in tasks.items()
        },
    }


_SHOWN = 20


def _print_survey(found: Survey, tasks: Mapping[TaskName, TaskSurvey]) -> None:
    console = PlainConsole()
    sizes = ", ".join(f"{width} x {height} ({count})" for (width, height), count in list(found.sizes.items())[:3])
    more = f" and {len(found.sizes) - 3} more" if len(found.sizes) > 3 else ""
    console.print(f"{found.layout.text}: {found.images} images")
    for place, layout in enumerate(found.layouts):
        how = "Read as" if not place else "It may also be"
        console.print(f"{how} {layout.name} ({layout.sure:.0%}): {layout.why.text}.")
    console.print(f"Sizes: {sizes}{more}. Depth: {', '.join(f'{name} ({count})' for name, count in found.depths.items())}.")
    said: set[str] = set()
    for name, one in tasks.items():
        table = Table(title=TASKS[name].label, title_justify="left")
        table.add_column("class")
        table.add_column("images", justify="right")
        table.add_column("objects", justify="right")
        for kind, count in one.images.items():
            table.add_row(kind, str(count), str(one.objects.get(kind, "")))
        console.print(table)
        split = f"; its own split: {', '.join(f'{part} {count}' for part, count in one.parts.items())}" if one.parts else ""
        share = "" if one.sizes is None else f"; an object covers {one.sizes.share:.2%} of its image (median)"
        console.print(f"{one.total} images in {one.groups} groups{split}{share}")
        if one.blocked is not None:
            console.print(one.blocked.text, style="red")
        said.update(problem.text for problem in one.problems)
    problems = [problem.text for problem in found.problems] + sorted(said)
    for text in problems[:_SHOWN]:
        console.print(f"- {text}")
    if len(problems) > _SHOWN:
        console.print(f"... and {len(problems) - _SHOWN} more; --json lists all of them.")


@data.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(list(HOLDS)), required=True, help="Layout to write.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
@click.option("--task", type=click.Choice(list(TASKS)), help="Which labels to write; by default the fullest the layout holds.")
@_reading
def convert(source: Path, to: str, out: Path, task: str | None, layout: str | None, backgrounds: bool) -> int:
    """Write labelled data in another layout. Images are copied as they are.

    Exit code 1: some images were left out; each is named on stderr.
    """
    form = cast("Format", to)
    taught = [name for kind in HOLDS[form] for name, entry in TASKS.items() if entry.labels == kind]
    dataset = _fullest(source, (task,) if task else taught, layout=layout or "", backgrounds=backgrounds)
    with progress_bar() as bar:
        running = bar.add_task("Writing", total=len(dataset.samples))
        count, problems = write_dataset(dataset, out, form, progress=lambda done, _: bar.update(running, completed=done))
    for problem in (*dataset.problems, *problems):
        say(f"inspector: {problem.text}", err=True)
    say(f"{count} images with labels for {dataset.task} written to {out}")
    return 1 if dataset.problems or problems else 0


def _fullest(source: Path, tasks: Sequence[TaskName], *, layout: str, backgrounds: bool) -> Dataset:
    """Return the data set for the first task that the data has labels for. Raises ConfigError."""
    first: ConfigError | None = None
    for one in tasks:
        try:
            return read_dataset(source, one, layout=layout, backgrounds=backgrounds)
        except ConfigError as error:
            first = first or error
    raise first or AssertionError("every layout holds some task")
