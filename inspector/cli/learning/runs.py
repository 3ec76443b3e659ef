"""`inspector runs`: active, finished and queued trainings, also on a computer without a screen."""

from collections.abc import Mapping
from pathlib import Path

import click

from inspector.cli.support.lines import say, say_json
from inspector.cli.support.train_output import summary
from inspector.core.errors import ConfigError, InspectorError, JobError
from inspector.core.types import Json
from inspector.runs.folder import find_runs, remove_run, runs_folder
from inspector.training.state import LIVE, RunInfo, RunState, command_run, run_info
from inspector.workers.messages import Packet, Wish

_FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default=None, help="Folder of the runs; by default the window's."
)
_RUN = click.argument("run", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else.")


@click.group()
def runs() -> None:
    """List trainings, show, pause, resume, stop, cancel or remove a training.

    RUN is a run folder, or the name of a run in the window's folder of runs.
    """


@runs.command("list")
@_FOLDER
@_JSON
def list_runs(*, folder: Path | None, as_json: bool) -> int:
    """List all runs, one a line: state, name, progress."""
    for path in find_runs(folder or runs_folder()):
        try:
            info = run_info(path)
        except InspectorError as error:
            say(f"inspector: {error}", err=True)
            continue
        if as_json:
            say_json(_facts(info))
        else:
            say(f"{info.state.value:<12} {path.name:<24} {_how_far(info)}".rstrip())
    return 0


@runs.command()
@_RUN
@_FOLDER
@_JSON
def show(*, run: Path, folder: Path | None, as_json: bool) -> int:
    """Show one run: its settings, its progress, how it ended."""
    info = _find(run, folder)
    if as_json:
        say_json({**_facts(info), "settings": info.record.settings})
        return 0
    say(f"{info.folder}: {info.state.value}")
    settings = info.record.settings
    say(f"{settings.get('task')}, {settings.get('network')}, data {settings.get('data')}")
    if info.record.alive():
        say(f"process {info.record.pid}")
    for text in (_how_far(info), *(str(sentence) for sentence in (info.sentence, info.remedy) if sentence)):
        if text:
            say(text)
    if info.bundle:
        say(f"bundle {info.bundle}")
    if info.resumable:
        say(f"Go on from the last epoch: inspector train --resume {info.folder}")
    return 0


def _command(name: Wish, what: str) -> None:
    @runs.command(name, help=what)
    @_RUN
    @_FOLDER
    def command(*, run: Path, folder: Path | None) -> int:
        info = _find(run, folder)
        waits = info.state is RunState.WAITING and name == "cancel"
        if info.state not in LIVE and not waits:
            raise JobError("The training in {folder} does not run: it is {state}.", folder=info.folder, state=info.state.value)
        command_run(info, name)
        return 0


_command("pause", "Let a run rest: it uses no processor, but keeps its memory.")
_command("resume", "Go on after a pause.")
_command("stop", "End a run now and keep its best epoch as a bundle.")
_command("cancel", "End a run, or take it out of the queue; it leaves no bundle.")


@runs.command()
@_RUN
@_FOLDER
def remove(*, run: Path, folder: Path | None) -> int:
    """Delete a finished run with everything in its folder."""
    remove_run(_find(run, folder).folder)
    return 0


def _find(run: Path, folder: Path | None) -> RunInfo:
    """Return the run at this path, or of this name in the folder of runs. Raises ConfigError."""
    named = (folder or runs_folder()) / run
    try:
        return run_info(run.absolute())
    except ConfigError:
        if not named.is_dir():
            raise
        return run_info(named.absolute())


def _how_far(info: RunInfo) -> str:
    phrases = []
    if info.metric is not None:
        phrases.append(f"epoch {info.metric.epoch}/{info.metric.epochs}")
    if info.best is not None:
        phrases.append(f"best {summary({info.best.name: info.best.value or 0.0})}")
    if info.seconds_left is not None:
        phrases.append(f"{info.seconds_left / 60:.0f} min left")
    return ", ".join(phrases)


def _facts(info: RunInfo) -> Mapping[str, Json]:
    outcome = info.outcome
    said: Mapping[str, Packet | None] = {"progress": info.progress, "metric": info.metric, "best": info.best}
    return {
        "folder": str(info.folder),
        "name": info.name,
        "state": info.state.value,
        "created": info.record.created.isoformat(),
        **{name: {} if told is None else told.fields() for name, told in said.items()},
        "bundle": str(info.bundle) if info.bundle else None,
        "resumable": info.resumable,
        "cause": outcome.cause.value if outcome else None,
        "problem": str(info.sentence) if info.sentence else None,
        "remedy": str(info.remedy) if info.remedy else None,
    }
