"""The main program of a worker process: reads its job, runs the function named by the registry, and reports the outcome.

Importing this module is cheap: torch is imported by the job itself, after `Hello`.
"""

import faulthandler
import logging
import os
import signal
import traceback

from inspector import __version__
from inspector.core.errors import InspectorError, JobError, StorageError
from inspector.core.message import message
from inspector.core.registry import WORK
from inspector.ml.channel import Cancelled, Channel
from inspector.workers.jobs import Job
from inspector.workers.messages import VERSION, Done, Failed, Hello
from inspector.workers.outcome import KINDS, REMEDIES, Cause, End, Outcome, cause_of
from inspector.workers.priority import be_nice

log = logging.getLogger(__name__)


def run() -> int:
    """Run the job from stdin and return the exit code. Sends `Hello` first and exactly one `Done` or `Failed` last."""
    channel = Channel()
    faulthandler.enable(all_threads=False)  # a crash of native code writes its traceback to stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which cancels
    signal.signal(signal.SIGTERM, lambda number, frame: channel.cancel(Cause.KILLED))
    try:
        try:
            job = channel.job()
        except JobError as error:
            return _tell(diagnose(error), channel)
        if job.low_priority:
            be_nice(job.niceness)
        channel.send(hello())
        return _tell(_do(job, channel), channel)
    except Cancelled:
        log.debug("the parent is gone", exc_info=True)
        return 1


def hello() -> Hello:
    """Return the greeting with this process's identity."""
    return Hello(v=VERSION, software=__version__, pid=os.getpid())


def _do(job: Job, channel: Channel) -> Outcome:
    entry = WORK[job.kind]
    try:
        with entry.packages():
            result = entry.load()(job, channel)
        return Outcome(End.SUCCEEDED, {} if result is None else result.model_dump(mode="json"))
    except Cancelled:
        return channel.end()
    except BaseException as error:  # noqa: BLE001 - process boundary: whatever went wrong is told to the parent
        return diagnose(error)


def _tell(outcome: Outcome, channel: Channel) -> int:
    last: Done | Failed = outcome.packet()
    channel.send(last)
    return 1 if isinstance(last, Failed) else 0


def diagnose(error: BaseException) -> Outcome:
    """Convert any error to an outcome: its own message, or one for its kind."""
    cause = cause_of(error)
    if isinstance(error, InspectorError):
        # The error's own message is kept; a remedy is added if the underlying error has a better one or the message has none.
        remedy = error.remedy or (message(REMEDIES[cause]) if cause in REMEDIES else None)
        kind = next((KINDS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in KINDS), JobError)
        return Outcome(End.FAILED, problem=error.problem, remedy=remedy, kind=kind, cause=cause)
    text = "".join(traceback.format_exception(error))
    log.debug("%s", text)
    detail = (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__
    problems = {
        Cause.MEMORY: message("The memory was not enough ({detail}).", detail=detail),
        Cause.DISK: message("A file cannot be written or read ({detail}).", detail=detail),
        Cause.DEVICE: message("The graphics card or its driver failed ({detail}).", detail=detail),
    }
    internal = message("The work stopped with an internal error ({name}: {detail}).", name=type(error).__name__, detail=detail)
    return Outcome(
        End.FAILED,
        problem=problems.get(cause, internal),
        remedy=message(REMEDIES[cause if cause in REMEDIES else Cause.INTERNAL]),
        details=text,
        kind=StorageError if cause is Cause.DISK else JobError,
        cause=cause,
    )
