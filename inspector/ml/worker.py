"""The child's end of a worker process: its channel to the parent, and what it can do.

Importing this costs nothing: torch is imported by the work itself, after `hello`.
"""

import faulthandler
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout

from inspector import __version__
from inspector.core.bundle import Bundle
from inspector.core.errors import InspectorError, JobError, StorageError
from inspector.core.message import message
from inspector.core.outcome import KINDS, REMEDIES, Cause, End, Outcome, cause_of
from inspector.core.protocol import VERSION
from inspector.core.registry import EXPORTER
from inspector.core.report import read_report, sentence
from inspector.core.runs import (
    LOCK,
    NOTHING_LEARNT,
    REPORT,
    RUN,
    RunRecord,
    create_run,
    read_run,
    run_path,
    started,
    tidy,
    unwritable,
    write_run,
)
from inspector.core.variants import Precision
from inspector.ml.channel import Cancelled, Channel, Journal, Report

if TYPE_CHECKING:
    from inspector.ml.variants import Exporter

log = logging.getLogger(__name__)

__all__ = ["Cancelled", "Channel", "Report", "run"]
LOW_PRIORITY = 10  # niceness of training
_GROUP = Path("/proc/self/autogroup")


Work = Callable[[Mapping[str, Any], Channel], Mapping[str, object]]


def run(kind: str, job: Mapping[str, Any], *, work: Work | None = None) -> int:
    """Do the work called `kind` and return the exit code. Says hello first and exactly one `done` or `failed` last.

    `work`: what is done, where it is none of this package's.
    """
    channel = Channel(serving=kind in SERVING)
    faulthandler.enable(all_threads=False)  # a crash of native code leaves its traceback among the last words on stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it cancels
    signal.signal(signal.SIGTERM, lambda number, frame: channel.cancel(Cause.KILLED))
    if job.get("low_priority"):
        _be_nice()
    try:
        channel.send("hello", v=VERSION, software=__version__, pid=os.getpid())
        return _run(work or WORK[kind], job, channel)
    except Cancelled:
        log.debug("the parent is gone", exc_info=True)
        return 1


def _run(work: Work, job: Mapping[str, Any], channel: Channel) -> int:
    try:
        result = work(job, channel)
    except Cancelled:
        outcome = channel.end()
    except BaseException as error:  # noqa: BLE001 - process boundary: whatever went wrong is told to the parent
        outcome = diagnose(error)
    else:
        outcome = Outcome(End.SUCCEEDED, result)
    packet = outcome.packet()
    channel.send(packet.type, **packet.fields)
    return 1 if packet.type == "failed" else 0


def diagnose(error: BaseException) -> Outcome:
    """Any error as an outcome: the sentence it brings, or one for its kind of trouble."""
    cause = cause_of(error)
    if isinstance(error, InspectorError):
        # What was meant for a person stays; a remedy is added where the trouble beneath has a better one or it brings none.
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


def _train(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.core.registry import TRAINER
    from inspector.core.training import train_settings

    settings = train_settings(job["settings"])
    folder = run_path(settings)
    if not (folder / RUN).is_file():
        folder = create_run(settings)
    with take_run(folder) as record:
        channel.keep(Journal(folder))
        channel.send("hello", v=VERSION, software=__version__, pid=os.getpid())
        more = {"resume": True} if record.resume else {}
        bundle: Bundle = TRAINER.load()(settings.model_copy(update={"run": folder}), Report(channel), **more)
        warnings = [warning.model_dump() for warning in read_report(folder / REPORT).warnings]
        nothing = bool(bundle.card.training.get(NOTHING_LEARNT))
        return {"bundle": bundle.folder, **({"warnings": warnings, NOTHING_LEARNT: nothing} if warnings else {})}


def _rank(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    """One of several processes that train together, but not the first."""
    os.environ.update(job["environment"])
    from inspector.core.training import train_settings
    from inspector.ml.trainer import train_beside

    train_beside(train_settings(job["settings"]), Report(channel))
    return {}


@contextmanager
def take_run(folder: Path) -> Iterator[RunRecord]:
    """Hold the run as this process's own until it ends. Raises JobError if another process holds it, StorageError."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        tidy(folder)
        record = read_run(folder).model_copy(update={"pid": os.getpid(), "pid_started": started(os.getpid()), "queued": None})
        write_run(folder, record)
    except Timeout:
        raise JobError("The training in {folder} is still going on.", remedy="Wait, or stop it first.", folder=folder) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield record
    finally:
        lock.release()


def _export(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    """With `engine`: a variant (see `variants.Order`); with `variants`, a list of [engine, precision]: each of these. With
    neither: the ONNX graph anew, from the weights, as a bundle at `out`.
    """
    source = Bundle.open(Path(job["bundle"]))  # a wrong folder is told before the seconds that torch takes
    out = None if job.get("out") is None else Path(job["out"])
    if job.get("engine") is None and job.get("variants") is None:
        from inspector.ml.export import DIFFERENCE, export_bundle

        bundle = export_bundle(source, out or source.folder)
        channel.send("artifact", path=bundle.folder)
        return {"bundle": bundle.folder, "difference": bundle.card.training[DIFFERENCE]}
    exporter = EXPORTER.load()(source, Report(channel), out=out)
    if job.get("variants") is not None:
        return {"bundle": str(source.folder), "made": [_attempt(exporter, channel, *kind) for kind in job["variants"]]}
    from inspector.ml.variants import Order

    more = {name: job[name] for name in ("max_drop", "check", "threads") if job.get(name) is not None}
    folder = None if job.get("calibration") is None else Path(job["calibration"])
    variant = exporter.make(Order(str(job["engine"]), job["precision"], calibration=folder, **more))
    channel.send("artifact", path=exporter.bundle.folder)
    return {"bundle": exporter.bundle.folder, "variant": variant.model_dump(mode="json")}


def _attempt(exporter: "Exporter", channel: Channel, engine: str, precision: Precision) -> Mapping[str, object]:
    """Make one of several variants: that it cannot be had is an answer. `here`: whether this machine can compute so."""
    from inspector.ml.variants import Order, ensure_possible

    channel.send("progress", phase="variant", engine=engine, precision=precision, step=0, steps=0)
    told: dict[str, object] = {"engine": engine, "precision": precision, "here": False, "problem": None}
    try:
        ensure_possible(engine, precision)
        told["here"] = True
        exporter.make(Order(engine, precision))
    except StorageError:
        raise  # there is no room for the others either
    except InspectorError as error:
        told["problem"] = sentence(error.problem).model_dump()
    return told


def _infer(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.ml.serve import serve_engine

    return serve_engine(job, channel)


def _explain(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.ml.serve import serve_explain

    return serve_explain(job, channel)


SERVING = ("infer", "explain")
WORK: Mapping[str, Work] = MappingProxyType(
    {"train": _train, "rank": _rank, "infer": _infer, "explain": _explain, "export": _export}
)


def _be_nice() -> None:
    """Let the line go first: training shares the processor with a running inspection."""
    try:
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process = psutil.Process()
            process.nice(max(process.nice(), LOW_PRIORITY))
            _be_nice_as_a_group()
    except (psutil.Error, OSError):
        log.debug("the priority stays as it is", exc_info=True)


def _be_nice_as_a_group() -> None:
    """Linux with automatic groups, as most desktops have it, shares the processor between sessions first: niceness counts only
    within one, and a worker has a session of its own. Its group has a niceness of its own (sched(7), "The autogroup feature").
    Raises OSError.
    """
    if sys.platform == "linux" and os.getsid(0) == os.getpid() and _GROUP.exists():
        _GROUP.write_text(str(LOW_PRIORITY), "ascii")
