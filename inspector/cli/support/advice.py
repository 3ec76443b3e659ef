"""The recommended training on the command line: printed by `data check`, followed by `train`."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspector.cli.support.terminal import progress_bar
from inspector.core.message import Message
from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.data.survey import Survey, survey
from inspector.runs.settings import TrainSettings
from inspector.tasks.base import task_of
from inspector.training.alternatives import Advice
from inspector.training.costs import busy_since, estimate_minutes, this_machine
from inspector.training.recommend import recommend, too_short
from inspector.workers.load import Load

# Who gives one of these chooses the network; nothing is recommended then.
OWN_CHOICE = frozenset({"network", "width", "height", "options", "pretrained"})


class Surveying:
    """A survey with a progress bar, and the load of the machine meanwhile."""

    def __init__(self) -> None:
        self._before = Load.now()

    def run(self, folder: Path, *, group: str, layout: str, backgrounds: bool) -> Survey:
        """Survey a folder, as `data.survey` does."""
        with progress_bar() as bar:
            task = bar.add_task("Looking", total=None)
            return survey(
                folder,
                group=group,
                layout=layout,
                backgrounds=backgrounds,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    def busy(self) -> Message | None:
        """Return a sentence if other programs keep the machine busy."""
        return busy_since(self._before)


def advise(found: Survey, task: TaskName, *, takt_ms: float | None = None, time_s: float | None = None) -> Advice:
    """Return what is recommended on this machine, as the window does."""
    return recommend(found, task, takt_s=takt_ms / 1000 if takt_ms else None, hardware=this_machine(), time_s=time_s or None)


def as_command(task: TaskName, settings: Mapping[str, Any], given: Sequence[str]) -> str:
    """Return the options of `inspector train` that mean these settings, for a shell. `given`: options that come first."""
    options = ["--task", task, *given, "--network", str(settings["network"])]
    options += ["--size", f"{settings['width']}x{settings['height']}"]
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if name in ("network", "width", "height") or value in ("", None, {}):
            continue
        if name == "options":
            options += [word for key, one in value.items() for word in ("--option", f"{key}={one}")]
        elif isinstance(value, bool):
            options.append(flag if value else f"--no-{flag[2:]}")
        else:
            options += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(options)


def advice_lines(task: TaskName, advice: Advice) -> Iterator[str]:
    """Yield advice as lines of text: its reasons, what stands in its way, and the options of `train` that mean the same."""
    busy = f" ({advice.processor_minutes:.0f} of processor time)" if advice.processor_minutes else ""
    yield (
        f"Recommended for {TASKS[task].label}, about {advice.minutes:.0f} minutes{busy} on a machine like this one when it is "
        "idle:"
    )
    yield from (f"- {reason.text}" for reason in advice.reasons)
    yield from (f"! {problem.text}" for problem in advice.problems)
    yield f"In full: {as_command(task, advice.settings, ())}"


def advice_json(task: TaskName, advice: Advice) -> dict[str, object]:
    """Return advice as JSON."""
    return {
        "settings": dict(advice.settings),
        "reasons": [reason.text for reason in advice.reasons],
        "problems": [problem.text for problem in advice.problems],
        "minutes": round(advice.minutes, 1),
        "processor_minutes": round(advice.processor_minutes, 1),
        "ms": round(advice.ms, 2),
        "options": as_command(task, advice.settings, ()),
    }


def time_problem(settings: TrainSettings, images: int) -> Message | None:
    """Return a sentence if the time limit of these settings is too short for one epoch."""
    values = {**settings.model_dump(), "time_limit": 0}
    hardware, fewest = this_machine(), task_of(settings.task).sizing.epochs[0]
    first, needed = (estimate_minutes({**values, "epochs": epochs}, images, hardware) for epochs in (1, fewest))
    if not settings.time_limit or first * 60 <= settings.time_limit:
        return None
    return too_short(settings.time_limit / 60, first, needed=needed)
