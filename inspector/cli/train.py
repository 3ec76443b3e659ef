"""`inspector train`: from labelled files to a bundle, in a worker process."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from inspector.cameras.demo_data import write_demo_data
from inspector.cli.demo_bundles import DEMO_BUNDLES, GOOD, PARTS, SEED
from inspector.cli.signals import stop_signals
from inspector.cli.train_output import TrainOutput
from inspector.core.annotations import read_dataset
from inspector.core.bundle import CARD
from inspector.core.errors import ConfigError, JobError
from inspector.core.registry import NETWORKS, TASKS, find
from inspector.core.training import TASK_DEFAULTS, TrainSettings, parse_option, parse_size, train_settings
from inspector.station.jobs import End, Job, Outcome

_POLL = 0.2  # seconds
_GRACE = 15.0  # seconds that a cancelled training may take to end by itself
_GRACE_KEEP = 600.0  # the same where it still measures and exports its best epoch
_SETTINGS = TrainSettings.model_fields


def _default(name: str) -> str:
    field = _SETTINGS[name]
    if not field.is_required():
        return f"  [default: {field.default}]"
    by_value: dict[object, list[str]] = {}
    for task, values in TASK_DEFAULTS.items():
        by_value.setdefault(values[name], []).append(task)
    phrases = [f"{value} for {', '.join(tasks)}" for value, tasks in by_value.items()]
    return f"  [default: {'; '.join(phrases)}]"


def _setting(name: str, help_text: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # noqa: ANN401 - click's own
    """An option that is passed on under its name only if it is given; the default is the setting's own."""
    return click.option(f"--{name.replace('_', '-')}", name, default=None, help=help_text + _default(name), **kwargs)


@click.command()
@click.option("--task", type=click.Choice(list(TASKS)), help="What is to be learnt.")
@click.option("--network", type=click.Choice(list(NETWORKS)), help="By default the task's own small network.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder with labelled images; its layout is recognised.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the new bundle (--demo: of the bundles)."
)
@click.option("--name", default=None, help="Name of the bundle; by default the folder's.")
@click.option("--size", default=None, metavar="N|WxH", help="Input size in pixels.  [default: 224; thermal 160x120]")
@click.option(
    "--fit", type=click.Choice(["stretch", "letterbox"]), default=None, help="How frames of another shape are fitted in."
)
@click.option("--channels", type=click.Choice(["1", "3"]), default=None, help="Grey or colour input.  [default: 3; thermal 1]")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the network, e.g. filters=16; may be repeated."
)
@click.option("--pretrained", default=None, metavar="imagenet|FILE", help="Weights to start from.")
@click.option("--one-class", metavar="NAME", help="Detection, segmentation: every class of the data counts as this one.")
@click.option("--ok", "ok_classes", multiple=True, metavar="CLASS", help="A class of good parts; may be repeated.")
@click.option("--loss", default=None, help="Of the task, e.g. dice or focal; default: the task's own.")
@_setting("epochs", "Passes over the training images.", type=int)
@_setting("batch", "Images a step.", type=int)
@_setting("lr", "Learning rate.", type=float)
@_setting("optimizer", "How steps are taken.", type=click.Choice(["adam", "adamw", "sgd"]))
@_setting("weight_decay", "Pull of the weights towards 0.", type=float)
@_setting("schedule", "Of the learning rate; step: a tenth every 7 epochs.", type=click.Choice(["cosine", "step", "constant"]))
@_setting("seed", "Of split, start weights, order and augmentation.", type=int)
@_setting("val", "Share that chooses the best epoch.", type=float)
@_setting("test", "Share that is only measured at the end.", type=float)
@click.option("--group", default=None, metavar="REGEX", help="Finds the part or lot in a file's name; it is never split.")
@_setting(
    "augment",
    "How training images are varied.",
    type=click.Choice(["none", "standard", "surface", "part", "window", "strong"]),
)
@_setting("time_limit", "Seconds; then the epoch is finished and the best one kept.", type=float)
@_setting("threads", "CPU threads; 0: one a core.", type=int)
@_setting("precision", "Of the arithmetic.", type=click.Choice(["32", "bf16", "16"]))
@click.option("--keep-best", is_flag=True, default=None, help="Cancelled: still make a bundle of the best epoch so far.")
@click.option("--demo", is_flag=True, help="Train the shipped bundles on the demo line.")
@click.option("--parts", type=click.IntRange(20), default=PARTS, show_default=True, help="--demo: how many parts to render.")
@click.option("--only", multiple=True, type=click.Choice(list(DEMO_BUNDLES)), help="--demo: only this bundle; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and nothing else on stdout.")
def train(*, out: Path, demo: bool, parts: int, only: tuple[str, ...], as_json: bool, **given: Any) -> int:  # noqa: ANN401
    """Train a network and write a bundle with its test metrics.

    The data is split by part into training, validation and test images. Exit code 1: it failed or was cancelled.
    """
    values = _values(given)
    if demo:
        if values.keys() - {"epochs", "time_limit"}:
            raise click.UsageError("--demo takes only --out, --parts, --only, --epochs, --time-limit and --json.")
        names = only or tuple(DEMO_BUNDLES)
        _check_out([out / name for name in names])
        with _demo_data(parts) as folder:
            return _run(
                [_demo_settings(name, folder, out, values) for name in names], as_json=as_json, at_once=os.cpu_count() or 1
            )
    if only:
        raise click.UsageError("--only is for --demo.")
    if "task" not in values or "data" not in values:
        raise click.UsageError("Give --task and --data (or --demo).")
    _check_out([out])
    settings = train_settings({**values, "out": out.resolve()})
    # Says what is wrong before torch takes its seconds.
    read_dataset(settings.data, settings.task, group=settings.group, one_class=settings.one_class)
    return _run([settings], as_json=as_json, at_once=1)


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as settings."""
    values = {key: value for key, value in given.items() if value is not None and value != ()}
    if "size" in values:
        values["width"], values["height"] = parse_size(values.pop("size"))
    if "channels" in values:
        values["channels"] = int(values["channels"])
    if "options" in values:
        values["options"] = dict(parse_option(text) for text in values["options"])
    if "data" in values:
        values["data"] = values["data"].resolve()
    if "pretrained" in values and values["pretrained"] != "imagenet":
        values["pretrained"] = str(Path(values["pretrained"]).resolve())
    if "group" in values:
        try:
            re.compile(values["group"])
        except re.error as error:
            raise click.BadParameter(f"{error}", param_hint="--group") from error
    return values


def _check_out(folders: Sequence[Path]) -> None:
    """Raise ConfigError now rather than after training if a bundle could not be written."""
    for folder in folders:
        if folder.exists() and not (folder / CARD).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                "{folder} exists and is not a bundle.", remedy="Choose another folder for the bundle.", folder=folder
            )


@contextmanager
def _demo_data(parts: int) -> Iterator[Path]:
    """Rendered parts of the demo line in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="inspector-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "data"
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Rendering the demo line", total=parts)
            write_demo_data(
                folder, parts=parts, seed=SEED, good=GOOD, progress=lambda done, total: bar.update(task, completed=done)
            )
        yield folder


def _demo_settings(name: str, folder: Path, out: Path, values: Mapping[str, Any]) -> TrainSettings:
    chosen = DEMO_BUNDLES[name]
    places = {"name": name, "data": folder / chosen.data, "out": (out / name).resolve()}
    return train_settings({**chosen.settings, **values, **places})


def _run(runs: Sequence[TrainSettings], *, as_json: bool, at_once: int) -> int:
    """Train them all, `at_once` at a time, until the end or Ctrl-C. Raises the first failure when all have ended."""
    for settings in runs:
        find(NETWORKS, settings.network, "network")
    waiting, ended = list(runs), list[Outcome]()
    active: list[tuple[TrainOutput, Job]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar, stop_signals() as interrupted:
        try:
            while (waiting or active) and not interrupted.is_set():
                while waiting and len(active) < at_once:
                    active.append(_start(waiting.pop(0), TrainOutput(bar, as_json=as_json)))
                active[0][1].wait(_POLL)
                done = [pair for pair in active if pair[1].outcome is not None]
                active = [pair for pair in active if pair not in done]
                ended += [_end(*pair) for pair in done]
        finally:
            for _, job in active:
                job.cancel()
            for pair in active:
                ended.append(_end(*pair))
    for outcome in ended:
        if outcome.end in (End.FAILED, End.CRASHED):
            raise outcome.error()
    if waiting or any(outcome.end is End.CANCELLED for outcome in ended):
        raise JobError("The training was cancelled.")
    return 0


def _start(settings: TrainSettings, output: TrainOutput) -> tuple[TrainOutput, Job]:
    output.begin(settings)
    fields = {"settings": settings.model_dump(mode="json")}
    grace = _GRACE_KEEP if settings.keep_best else _GRACE
    return output, Job("train", fields, listener=output.hear, low_priority=False, grace=grace)


def _end(output: TrainOutput, job: Job) -> Outcome:
    outcome = job.wait()
    assert outcome is not None
    job.close()
    output.end(outcome)
    return outcome
