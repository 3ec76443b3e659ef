"""Work in a worker process, with its progress on the terminal."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel
from rich.progress import Progress, TaskID

from inspector.cli.support.signals import stop_signals
from inspector.cli.support.terminal import progress_bar
from inspector.workers import messages
from inspector.workers.jobs import Job
from inspector.workers.messages import WorkerMessage
from inspector.workers.outcome import suspended
from inspector.workers.process import WorkerProcess

_POLL = 0.2  # seconds
Result = TypeVar("Result", bound=BaseModel)


def run_worker(job: Job, phases: Mapping[str, str], result: type[Result]) -> Result:
    """Do a job in a worker process and return its result; a signal that asks this program to end cancels it.

    `phases`: the words for the phases that the worker reports. Raises the error that the work failed with, or JobError.
    """
    with progress_bar() as bar, stop_signals() as interrupted:
        shown = bar.add_task("Starting", total=None)
        process = WorkerProcess(job, listener=lambda message: _hear(message, phases, bar, shown))
        try:
            while process.wait(_POLL) is None and not interrupted.is_set():
                pass
        finally:
            process.close()
        return process.result(result)


def _hear(message: WorkerMessage, phases: Mapping[str, str], bar: Progress, task: TaskID) -> None:
    if isinstance(message, messages.Progress):
        words = f"{phases.get(message.phase, message.phase)} {message.what}".strip()
        bar.update(task, description=words, completed=message.step, total=message.steps)
    elif isinstance(message, messages.Log):
        bar.console.print(f"inspector: {message.text}")
    elif isinstance(message, messages.Suspended):
        bar.console.print(f"inspector: {suspended(message.pid)}")
    elif isinstance(message, messages.Continued):
        bar.console.print("inspector: The worker process goes on.")
