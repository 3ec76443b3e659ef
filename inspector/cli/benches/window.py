"""`inspector bench window | dialog | start`: responsiveness of the window under load, and its start-up time."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import click
import cv2

from inspector.cli.gui import no_display
from inspector.cli.support.bench_output import AS_JSON, rounded
from inspector.cli.support.terminal import progress_bar
from inspector.core.errors import JobError
from inspector.core.storage.temporary import temporary_folder
from inspector.recipes.locate import demo_recipe

_MEASURE = "inspector.ui.shell.diagnostics.measure"
_SCROLLING = "inspector.ui.shell.diagnostics.scrolling"
_PATIENCE = 240.0  # seconds
_MOMENTS = {
    "window": "this window",
    "picture": "the first picture in it",
    "page": "the page with the frame to be judged",
    "verdict": "the verdict",
}


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="How long the event loop is watched."
)
@AS_JSON
def window(*, seconds: float, as_json: bool) -> None:
    """Measure how long the window keeps a person waiting while the demo line is inspected at full speed.

    The same window before the line starts is measured for comparison. Without a display, the window is drawn into memory.
    """
    with temporary_folder() as name:
        apart = {**os.environ, "XDG_DATA_HOME": str(name)}  # the parts are recorded as usual, but not in the user's archive
        result = _said_by("-m", _MEASURE, "stall", str(seconds), environment=apart, patience=_PATIENCE + 2 * seconds)
    if as_json:
        click.echo(json.dumps(rounded(result)))
        return
    click.echo(f"at rest         p50 {result['rest_p50_ms']:6.2f} ms, p99 {result['rest_p99_ms']:6.2f} ms")
    click.echo(
        f"while inspecting p50 {result['p50_ms']:5.2f} ms, p99 {result['p99_ms']:6.2f} ms, longest {result['max_ms']:.1f} ms"
    )
    click.echo(f"{result['parts_per_s']:.1f} parts/s on {100 * result['load']:.0f} % of the processor")


@click.command()
@click.option("--files", type=click.IntRange(100), default=100_000, show_default=True, help="Images in the folder.")
@AS_JSON
def dialog(*, files: int, as_json: bool) -> None:
    """Measure how long the dialog for a new training keeps a person waiting while it reads a folder of very many images.

    The same dialog before the folder is chosen is measured for comparison. Most of the files are links to a few thousand.
    """
    from inspector.bench.many_files import write_many

    columns = progress_bar()
    with temporary_folder() as name, columns as bar:
        task = bar.add_task("images", total=files)
        write_many(name / "images", files, tick=lambda done: bar.update(task, completed=done))
        bar.update(task, description="looking", total=None)
        looking = ("-m", _MEASURE, "looking", str(name / "images"))
        result = _said_by(*looking, patience=_PATIENCE + files / 50)
    if as_json:
        click.echo(json.dumps(rounded(result)))
        return
    click.echo(f"at rest       p50 {result['rest_p50_ms']:6.2f} ms, p99 {result['rest_p99_ms']:6.2f} ms")
    click.echo(
        f"while looking p50 {result['p50_ms']:6.2f} ms, p99 {result['p99_ms']:6.2f} ms, longest {result['max_ms']:.1f} ms"
    )
    click.echo(f"{result['images']} images were looked through in {result['seconds']:.1f} s")


@click.command()
@click.option("--inspections", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Parts in the archive.")
@AS_JSON
def gallery(*, inspections: int, as_json: bool) -> None:
    """Measure how long the gallery of a large archive keeps a person waiting while it scrolls from end to end, and its memory.

    The same page at rest is measured for comparison. NG and REVIEW parts have pictures of the demo line.
    """
    from inspector.archive.store.database import open_database
    from inspector.bench.archiving.generated import fill
    from inspector.bench.archiving.pictures import add_pictures

    with temporary_folder() as name:
        with closing(open_database(name)) as database:
            fill(database, inspections)
            pictures = add_pictures(name, database)
        result = dict(_said_by("-m", _SCROLLING, str(name), patience=_PATIENCE * 4))
    result["pictures"] = pictures
    if as_json:
        click.echo(json.dumps(rounded(result)))
        return
    click.echo(f"at rest         p50 {result['rest_p50_ms']:6.2f} ms, p99 {result['rest_p99_ms']:6.2f} ms")
    click.echo(
        f"while scrolling p50 {result['p50_ms']:6.2f} ms, p99 {result['p99_ms']:6.2f} ms, longest {result['max_ms']:.1f} ms"
    )
    click.echo(f"{result['parts']} parts, {result['memory_mb']:.0f} MB above the start")


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Both windows in turn.")
@AS_JSON
def start(*, rounds: int, as_json: bool) -> None:
    """Measure from the start of `inspector gui --open PICTURE` to the picture in the window, compared with a bare Qt window.

    Also measures what follows: the review page with the inspected frame, and that frame's verdict. Both programs have their
    compiled bytecode, as an installed program has from its second start on.
    """
    bare: list[float] = []
    ours: dict[str, list[float]] = {name: [] for name in (*_MOMENTS, "held")}
    torch = False
    with temporary_folder() as folder:
        picture, settings = folder / "picture.png", folder / "window.toml"
        _write_picture(picture)
        started = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        started["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        judge = ("--recipe", str(demo_recipe()))
        command = ("-m", "inspector", "gui", "--open", str(picture), *judge, "--settings", str(settings), "--timed")
        for _ in range(rounds + 1):
            began = time.monotonic()
            bare.append(_said_by("-m", _MEASURE, "bare", str(picture), environment=started)["shown"] - began)
            began = time.monotonic()
            said = _said_by(*command, environment=started)
            torch = torch or bool(said["torch"])
            for name in _MOMENTS:
                ours[name].append(said[name] - began)
            ours["held"].append(said["held"])
    for row in (bare, *ours.values()):
        del row[0]  # the first run reads from the disk, compiles the files and writes the settings
    result = {"bare_s": median(bare)}
    for name in _MOMENTS:
        result[f"{name}_s"] = median(ours[name])
        result[f"{name}_ratio"] = median(own / beside for own, beside in zip(ours[name], bare, strict=True))
    result["held_s"] = median(ours["held"])
    if as_json:
        click.echo(json.dumps({**{key: round(value, 3) for key, value in result.items()}, "torch": torch}))
        return
    click.echo(f"bare window of Qt with a picture      {result['bare_s']:.2f} s")
    for name, words in _MOMENTS.items():
        click.echo(f"{words:37} {result[f'{name}_s']:.2f} s, {result[f'{name}_ratio']:.2f} times as long")
    click.echo(f"longest wait of the window after that {result['held_s']:.2f} s")
    click.echo(f"PyTorch is {'' if torch else 'not '}loaded")


def _write_picture(path: Path) -> None:
    from inspector.bench.frames import frames

    path.write_bytes(cv2.imencode(".png", frames(1)[0])[1].tobytes())


def _said_by(*arguments: str, environment: Mapping[str, str] = os.environ, patience: float = _PATIENCE) -> Mapping[str, Any]:
    """Run Python with these arguments and return the last line of its output, parsed as JSON. Raises JobError."""
    offscreen = {"QT_QPA_PLATFORM": "offscreen"} if no_display() else {}
    command = [sys.executable, "-P", *arguments]
    try:
        done = subprocess.run(
            command,
            env={**environment, **offscreen},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=patience,
            check=False,
        )
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
        raise JobError(
            "The window could not be measured ({detail}).",
            remedy="Look whether it opens: inspector gui.",
            detail=(str(error).splitlines() or [type(error).__name__])[0],
        ) from error
    return said
