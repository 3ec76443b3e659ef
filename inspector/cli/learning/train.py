"""`inspector train`: from labelled files to a bundle, in a worker process."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, TimeElapsedColumn

from inspector.cameras.demo.data import write_demo_data
from inspector.cli.support.advice import OWN_CHOICE, Surveying, advice_json, advice_lines, advise, time_problem
from inspector.cli.support.demo_bundles import DEMO_BUNDLES, GOOD, PARTS, SEED
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.signals import stop_signals
from inspector.cli.support.terminal import PlainColumn, progress_bar
from inspector.cli.support.train_options import chosen, setting_options
from inspector.cli.support.train_output import TrainOutput
from inspector.core.errors import ConfigError, InspectorError, JobError, StorageError
from inspector.core.message import Message
from inspector.core.registry import NETWORKS, TASKS, find
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import TaskName
from inspector.data.annotations import LAYOUTS, training_data
from inspector.data.good_classes import guess_good_classes
from inspector.runs.folder import create_run, read_run, resumable, run_path
from inspector.runs.report import NOTHING_LEARNT
from inspector.runs.settings import TrainSettings, parse_option, parse_size, train_settings
from inspector.training.preflight import preflight, preflight_places
from inspector.training.state import settle_run, still_going
from inspector.workers.jobs import RankJob, TrainJob
from inspector.workers.process import End, Outcome, WorkerProcess, rank

_POLL = 0.2  # seconds
_GRACE = 15.0  # seconds for a cancelled training to end by itself
_LEARNT_NOTHING = 3  # exit code
_GRACE_KEEP = 600.0  # the same if the training still measures and exports its best epoch


@click.command()
@click.option("--task", type=click.Choice(list(TASKS)), help="What is to be learnt.")
@click.option("--network", type=click.Choice(list(NETWORKS)), help="By default the recommended one.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder with labelled images; its layout is recognised.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new bundle (--demo: of the bundles).")
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the run.  [default: --out with .run after its name]")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run that broke off.")
@click.option("--name", default=None, help="Name of the bundle; by default the folder's.")
@click.option("--size", default=None, metavar="N|WxH", help="Input size in pixels.  [default: 224; thermal 160x120]")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the network, e.g. filters=16; may be repeated."
)
@click.option("--ok", "ok_classes", multiple=True, metavar="CLASS", help="A class of good parts; may be repeated.")
@click.option("--layout", type=click.Choice(list(LAYOUTS)), help="How the labels are stored.  [default: what is recognised]")
@setting_options
@click.option("--keep-best", is_flag=True, default=None, help="Cancelled: still make a bundle of the best epoch so far.")
@click.option("--demo", is_flag=True, help="Train the shipped bundles on the demo line.")
@click.option("--parts", type=click.IntRange(20), default=PARTS, show_default=True, help="--demo: how many parts to render.")
@click.option("--only", multiple=True, type=click.Choice(list(DEMO_BUNDLES)), help="--demo: only this bundle; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and nothing else on stdout.")
def train(
    *,
    out: Path | None,
    resume: Path | None,
    demo: bool,
    parts: int,
    only: tuple[str, ...],
    as_json: bool,
    **given: Any,  # noqa: ANN401 - whatever the settings declare
) -> int:
    """Train a network and write a bundle with its test metrics.

    The data is split by part into training, validation and test images. Exit code 1: the training failed or was cancelled; an
    interrupted run continues with --resume. Exit code 3: the training ended, but the bundle is no better than chance.

    Without --network, --size, --option and --pretrained, the recommendation of `inspector data check` is followed; other
    settings that are given go before it. With one of them, all settings left out have the defaults named here.
    """
    values = _values(given)
    if resume is not None:
        if out is not None or demo or values:
            raise click.UsageError("--resume takes only --json: the run's own settings hold.")
        return _resume(resume.absolute(), as_json=as_json)
    if out is None:
        raise click.UsageError("Give --out, or --resume.")
    if demo:
        if values.keys() - {"epochs", "time_limit"}:
            raise click.UsageError("--demo takes only --out, --parts, --only, --epochs, --time-limit and --json.")
        with temporary_folder() as name:
            runs = [_demo_settings(bundle, name, out, values) for bundle in only or tuple(DEMO_BUNDLES)]
            _check([problem for settings in runs for problem in preflight_places(settings)])
            _write_demo_data(name, parts)
            return _run(runs, as_json=as_json, at_once=os.cpu_count() or 1)
    if only:
        raise click.UsageError("--only is for --demo.")
    if "task" not in values or "data" not in values:
        raise click.UsageError("Give --task and --data (or --demo).")
    settings = _settings(values, out.resolve(), as_json=as_json)
    return _beside(settings) if rank() else _run([settings], as_json=as_json, at_once=1)


def _settings(values: Mapping[str, Any], out: Path, *, as_json: bool) -> TrainSettings:
    """Return the settings of a training: those given, and the recommended ones if the network is left open.

    Errors are reported before the slow import of torch.
    """
    settings = train_settings({**values, "out": out})
    find(NETWORKS, settings.network, "network")
    if not rank():
        _refuse_running(run_path(settings))
        _check(preflight(settings))
        dataset = training_data(settings)
        values = _with_good_classes(values, settings.task, dataset.classes)
        settings = train_settings({**values, "out": out})
    if values.keys() & OWN_CHOICE:
        problem = None if rank() else time_problem(settings, len(dataset.samples))
        if problem is not None:
            say(f"inspector: {problem.text}", err=True)
        return settings
    look = Surveying()
    found = look.run(settings.data, group=settings.group, layout=settings.layout, backgrounds=settings.backgrounds)
    advice = advise(found, settings.task, time_s=settings.time_limit)
    if not rank():
        for line in advice_lines(settings.task, advice):
            say(line, err=True)
        busy = look.busy()
        if busy is not None:
            say(busy.text, err=True)
        if as_json:
            say_json({"name": settings.bundle_name, "advice": advice_json(settings.task, advice)})
    return train_settings({**advice.settings, **values, "out": out})


def _with_good_classes(values: Mapping[str, Any], task: TaskName, classes: Sequence[str]) -> Mapping[str, Any]:
    """Return the values with the good classes guessed from their names, where the verdict needs them and none is named."""
    if "ok_classes" in values or TASKS[task].labels != "label":
        return values
    good = guess_good_classes(classes)
    if good:
        say(f"Good parts: {', '.join(good)} (guessed from the name; --ok names others)", err=True)
    else:
        say(f"No class counts as good, so every part will be NG. Name the good ones with --ok: {', '.join(classes)}", err=True)
    return {**values, "ok_classes": good}


def _beside(settings: TrainSettings) -> int:
    """Run as one of the later processes under `torchrun`: take part in training without output or files."""
    job = RankJob(settings=settings.model_copy(update={"run": None}).model_dump(mode="json"))
    with stop_signals() as interrupted:
        process = WorkerProcess(job, grace=_GRACE)
        while process.wait(_POLL) is None and not interrupted.is_set():
            pass
        outcome = process.close()
    if outcome.end is not End.SUCCEEDED:
        raise outcome.error()
    return 0


def _resume(folder: Path, *, as_json: bool) -> int:
    """Resume a run from its last whole epoch, with its original settings."""
    record = read_run(folder)
    _refuse_running(folder)
    if not resumable(folder):
        raise ConfigError(
            "The run {folder} has no saved state to go on from.", remedy="Start the training again.", folder=folder
        )
    settings = record.train_settings().model_copy(update={"run": folder})
    if rank():
        return _beside(settings)
    _check(preflight(settings))
    return _run([settings], as_json=as_json, at_once=1, resume=True)


def _refuse_running(folder: Path) -> None:
    """Raise JobError if the run is still active."""
    with suppress(ConfigError):  # no run, or a damaged record
        if read_run(folder).alive():
            raise still_going(folder)


def _check(problems: Sequence[Message]) -> None:
    """Raise ConfigError before training if a known problem would stop it."""
    for problem in problems:
        raise ConfigError(problem.template, remedy="Choose another folder, or make room, and start again.", **problem.values)


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options as settings."""
    values = {key: value for key, value in given.items() if value is not None and value != ()}
    if "size" in values:
        values["width"], values["height"] = parse_size(values.pop("size"))
    values = chosen(values)
    if "options" in values:
        values["options"] = dict(parse_option(text) for text in values["options"])
    for name in {"data", "run"} & values.keys():
        values[name] = values[name].resolve()
    if "pretrained" in values and values["pretrained"] != "imagenet":
        values["pretrained"] = str(Path(values["pretrained"]).resolve())
    if "group" in values:
        try:
            re.compile(values["group"])
        except re.error as error:
            raise click.BadParameter(f"{error}", param_hint="--group") from error
    return values


def _write_demo_data(folder: Path, parts: int) -> None:
    with progress_bar() as bar:
        task = bar.add_task("Rendering the demo line", total=parts)
        write_demo_data(
            folder / "data", parts=parts, seed=SEED, good=GOOD, progress=lambda done, total: bar.update(task, completed=done)
        )


def _demo_settings(name: str, folder: Path, out: Path, values: Mapping[str, Any]) -> TrainSettings:
    demo = DEMO_BUNDLES[name]
    places = {"data": folder / "data" / demo.data, "out": (out / name).resolve(), "run": folder / "runs" / name}
    return train_settings({**demo.settings, **values, "name": name, **places})


@dataclass(frozen=True, slots=True)
class _Active:
    """A training in progress."""

    folder: Path
    output: TrainOutput
    job: WorkerProcess


def _run(runs: Sequence[TrainSettings], *, as_json: bool, at_once: int, resume: bool = False) -> int:
    """Run all trainings, `at_once` at a time, until the end or Ctrl-C. Raises the first failure once all have ended."""
    waiting, ended = list(runs), list[Outcome]()
    active: list[_Active] = []
    columns = (PlainColumn("{task.description}"), BarColumn(), PlainColumn("{task.fields[text]}"), TimeElapsedColumn())
    with progress_bar(*columns, transient=False) as bar, stop_signals() as interrupted:
        try:
            while (waiting or active) and not interrupted.is_set():
                while waiting and len(active) < at_once:
                    active.append(_start(waiting.pop(0), TrainOutput(bar, as_json=as_json), resume=resume))
                active[0].job.wait(_POLL)
                done = [one for one in active if one.job.outcome is not None]
                active = [one for one in active if one not in done]
                ended += [_end(one) for one in done]
        finally:
            for one in active:
                one.job.cancel()
            ended += [_end(one) for one in active]
    again = run_path(runs[0]) if len(runs) == 1 and resumable(run_path(runs[0])) else None
    for outcome in ended:
        if outcome.end in (End.FAILED, End.CRASHED):
            raise outcome.error() if again is None else _with_way_on(outcome.error(), again)
    if waiting or any(outcome.end is End.CANCELLED for outcome in ended):
        cancelled = JobError("The training was cancelled.")
        raise cancelled if again is None else _with_way_on(cancelled, again)
    return _LEARNT_NOTHING if any(outcome.result.get(NOTHING_LEARNT) for outcome in ended) else 0


def _with_way_on(error: InspectorError, run: Path) -> InspectorError:
    """Return the same error with the command to resume from the last epoch added to its remedy."""
    remedy, values = (error.remedy.template, error.remedy.values) if error.remedy else ("", {})
    way = "To go on from the last epoch: inspector train --resume {run}"
    return type(error)(
        error.problem.template, remedy=f"{remedy} {way}".strip(), **{**values, **error.problem.values, "run": run}
    )


def _start(settings: TrainSettings, output: TrainOutput, *, resume: bool) -> _Active:
    output.begin(settings)
    folder = create_run(settings, resume=resume)
    job = TrainJob(settings=settings.model_copy(update={"run": folder}).model_dump(mode="json"))
    grace = _GRACE_KEEP if settings.keep_best else _GRACE
    return _Active(folder, output, WorkerProcess(job, listener=output.hear, grace=grace))


def _end(active: _Active) -> Outcome:
    outcome = active.job.wait()
    assert outcome is not None
    active.job.close()
    with suppress(StorageError):  # if the disk is full, the outcome is reported here
        settle_run(active.folder, outcome)
    active.output.end(outcome)
    return outcome
