"""The state of a training run, read from its folder, whichever process trains."""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import psutil

from inspector.core.errors import ConfigError, JobError
from inspector.core.message import Message, message
from inspector.runs.folder import (
    ALIVE,
    CONTROL,
    MESSAGES,
    RUN,
    WORKER_LOG,
    RunRecord,
    append_packet,
    read_run,
    resumable,
    tail_messages,
    tidy,
    unwritable,
    write_run,
)
from inspector.workers.jobs import Trained
from inspector.workers.messages import (
    SILENT_S,
    Artifact,
    Command,
    Continued,
    Done,
    EpochDone,
    Failed,
    Hello,
    Paused,
    Progress,
    Resumed,
    Suspended,
    Wish,
    WorkerMessage,
)
from inspector.workers.outcome import REMEDIES, Cause, End, Outcome, crash_in, frozen, read_outcome, suspended
from inspector.workers.process import WorkerProcess, is_suspended

log = logging.getLogger(__name__)


class RunState(StrEnum):
    """The stage of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDED = "suspended"  # something outside has stopped its process
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"  # it reported an error
    CRASHED = "crashed"  # its process died
    INTERRUPTED = "interrupted"  # end not observed: power failure or computer crash


LIVE = (RunState.RUNNING, RunState.PAUSED, RunState.SUSPENDED)
_LAST_LINES = 80
_STALLED_S = 10.0  # a look this late shows that this process stood still
_KILLED_S = 2.0  # how long a killed process may take to be gone
_RECENT = 5  # epochs that tell how long the next one takes


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run in its current state.

    `progress`, `metric`, `best`: the last such message, and that of the best epoch. `samples`: the newest image of predictions.
    `outcome`: how the run ended, None before that. `resumable`: it can continue from its last epoch. `epoch_s`: mean seconds of
    the last few epochs without pauses; 0 before the first.
    """

    folder: Path
    record: RunRecord
    state: RunState
    progress: Progress | None = None
    metric: EpochDone | None = None
    best: EpochDone | None = None
    samples: Path | None = None
    outcome: Outcome | None = None
    resumable: bool = False
    epoch_s: float = 0.0
    stopped: int = 0  # process that something outside has suspended

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end of the last epoch; None if the run is not learning now, or no epoch is measured."""
        now, done = self.progress, self.metric
        if self.state is not RunState.RUNNING or not self.epoch_s or now is None or now.phase != "train" or done is None:
            return None
        # Progress of another epoch does not count for the next one.
        begun = now.step / max(now.steps, 1) if now.epoch == done.epoch + 1 else 0.0
        left = max(done.epochs - done.epoch - begun, 0.0) * self.epoch_s
        limited = now.eta_s if self.record.settings.get("time_limit") else None
        return left if limited is None else min(left, limited)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def bundle(self) -> Path | None:
        """The folder of the bundle, once there is one."""
        if self.outcome is None or not self.outcome.result:
            return None
        try:
            return self.outcome.read(Trained).bundle
        except JobError:
            log.debug("%s has no bundle", self.folder, exc_info=True)
            return None

    @property
    def warnings(self) -> tuple[Message, ...]:
        """Why the bundle of a finished training should not judge parts: nothing was learnt, or a class is never found."""
        told = self.outcome.result.get("warnings", ()) if self.outcome else ()
        return tuple(Message(str(one["template"]), dict(one["values"])) for one in told)

    @property
    def sentence(self) -> Message | None:
        """The problem, if there is one."""
        if self.state is RunState.SUSPENDED:
            return suspended(self.stopped)
        return self.outcome.problem if self.outcome else None

    @property
    def remedy(self) -> Message | None:
        """The remedy for the problem."""
        return self.outcome.remedy if self.outcome else None


def _last_lines(folder: Path) -> list[str]:
    """Return the last lines of a run's process on stderr, if it continued without its parent."""
    try:
        return (folder / WORKER_LOG).read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []


def _files(folder: Path) -> tuple[int, int]:
    """Return the time of a run's record and the size of its messages, which change when the run makes progress.

    A missing file counts as -1.
    """
    try:
        record = (folder / RUN).stat().st_mtime_ns
    except OSError:
        record = -1
    try:
        return record, (folder / MESSAGES).stat().st_size
    except OSError:
        return record, -1


class Follower:
    """Follows the record and the messages of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: WorkerProcess | None = None
        self.ended: Outcome | None = None  # as its process ended; told where the folder cannot tell it, on a full disk
        self._tail = tail_messages(folder)
        self._progress: Progress | None = None
        self._metric: EpochDone | None = None
        self._best: EpochDone | None = None
        self._seconds: deque[float] = deque(maxlen=_RECENT)
        self._samples: Path | None = None
        self._last: WorkerMessage | None = None
        self._paused = False
        self._companion = 0  # process that trains together with the run's own and was suspended
        self._record: RunRecord | None = None
        self._stamp = 0
        self.news: list[WorkerMessage] = []
        self._first = True
        self._over: tuple[tuple[int, int], RunInfo] | None = None  # how it ended, and the state of its files then

    def look(self) -> RunInfo:
        """Read new content; messages after the first call are appended to `news`.

        Raises ConfigError if the folder is no run.
        """
        now = _files(self.folder)
        if self._over is not None and self.job is None and self._over[0] == now:
            return self._over[1]  # a list of hundreds of runs is polled twice a second
        info = self._look()
        self._over = (now, info) if info.outcome is not None and self.job is None else None
        return info

    def _look(self) -> RunInfo:
        packets = list(self._tail.read())
        for packet in packets:
            self._take(packet)
        if not self._first:
            self.news += packets
        try:
            stamp = (self.folder / RUN).stat().st_mtime_ns
        except OSError:
            stamp = -1
        if self.job is not None:
            self.ended = self.job.outcome
        if self._record is None or stamp != self._stamp:
            self._record, self._stamp = read_run(self.folder), stamp
        self._first = False
        return self._info(self._record)

    def _take(self, message: WorkerMessage) -> None:
        match message:
            case Hello():
                self.ended = None  # it was started again
                self._paused, self._companion = False, 0
            case Progress():
                self._progress = message
            case EpochDone():
                self._metric = message
                self._seconds.append(message.seconds or 0.0)
                if message.best:
                    self._best = message
            case Artifact(what="samples"):
                self._samples = message.path
            case Paused():
                self._paused = True
            case Resumed():
                self._paused = False
            case Suspended():
                self._companion = message.pid
            case Continued():
                self._companion = 0
        self._last = message

    def _info(self, record: RunRecord) -> RunInfo:
        last = self._last
        outcome: Outcome | None = None
        stopped = 0
        if record.alive() and not isinstance(last, Done | Failed):
            live = RunState.PAUSED if self._paused else RunState.RUNNING
            stopped = next((pid for pid in (record.pid, self._companion) if pid and is_suspended(pid)), 0)
            state = RunState.SUSPENDED if stopped else live
        elif record.queued is not None:
            state = RunState.WAITING
        elif self.job is not None and self.job.outcome is None:
            state = RunState.RUNNING  # its process is starting, or ending
        elif isinstance(last, Done | Failed):
            outcome = read_outcome(last)
            state = _STATES[outcome.end]
        else:
            outcome = self.ended or crash_in(_last_lines(self.folder)) or _INTERRUPTED
            state = RunState.INTERRUPTED if self.ended is None else _STATES[self.ended.end]
        over = outcome is not None and state is not RunState.DONE
        return RunInfo(
            self.folder,
            record,
            state,
            self._progress,
            self._metric,
            self._best,
            self._samples,
            outcome,
            over and resumable(self.folder),
            sum(self._seconds) / max(len(self._seconds), 1),
            stopped,
        )


_STATES: Mapping[End, RunState] = MappingProxyType(
    {
        End.SUCCEEDED: RunState.DONE,
        End.CANCELLED: RunState.CANCELLED,
        End.FAILED: RunState.FAILED,
        End.CRASHED: RunState.CRASHED,
    }
)
_INTERRUPTED = Outcome(
    End.CRASHED,
    problem=message("The training was interrupted: its process was gone without a word."),
    remedy=message(REMEDIES[Cause.KILLED]),
    cause=Cause.KILLED,
)


def run_info(folder: Path) -> RunInfo:
    """Return the current state of the run in this folder. Raises ConfigError."""
    return Follower(folder).look()


def still_going(folder: Path) -> JobError:
    """Return the error for a request that only a finished run can fulfil."""
    return JobError("The training in {folder} is still going on.", remedy="Wait, or stop it first.", folder=folder)


def command_run(info: RunInfo, command: Wish) -> None:
    """Send `cancel`, `pause`, `resume` or `stop` to a live run, whoever started it.

    Raises StorageError. `cancel` removes a waiting run from the queue. A finished run is left alone.
    """
    with writing(info.folder):
        if info.state in LIVE:
            append_packet(info.folder / CONTROL, Command(type=command))
        elif info.state is RunState.WAITING and command == "cancel":
            end_run(info.folder, Outcome(End.CANCELLED))


def end_run(folder: Path, outcome: Outcome) -> None:
    """Record the end of a run whose process cannot do so any more, or never existed. Raises OSError or ConfigError."""
    append_packet(folder / MESSAGES, outcome.packet())
    write_run(folder, read_run(folder).model_copy(update={"queued": None, "pid": 0}))


def settle_run(folder: Path, outcome: Outcome) -> None:
    """Record how a run's process ended, if it did not do so itself and its folder still exists. Raises StorageError."""
    try:
        with writing(folder):
            if run_info(folder).state in (RunState.INTERRUPTED, RunState.WAITING):
                tidy(folder)
                end_run(folder, outcome)
    except ConfigError:
        log.debug("%s is no run any more", folder, exc_info=True)


def queue_again(info: RunInfo) -> None:
    """Put a finished run back into the queue, to continue from its last complete epoch, if there is one.

    Raises JobError if the run is still live, ConfigError or StorageError.
    """
    if info.state in (*LIVE, RunState.WAITING):
        raise still_going(info.folder)
    again = {"queued": datetime.now(UTC), "pid": 0, "resume": resumable(info.folder)}
    with writing(info.folder):
        write_run(info.folder, read_run(info.folder).model_copy(update=again))


def kill_run(info: RunInfo, *, grace: float = 2.0) -> None:
    """End the process of a run that does not respond, and record that the run was cancelled.

    The process is terminated, and killed after `grace` seconds. Raises JobError if it cannot be ended: it then still trains,
    and nothing is recorded.
    """
    if not info.record.alive():
        return
    try:
        process = psutil.Process(info.record.pid)
        process.terminate()
        try:
            process.wait(grace)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(grace)
    except psutil.Error as error:
        if info.record.alive():
            raise JobError(
                "The training in {folder} cannot be ended ({detail}).",
                remedy="End the process {pid} by hand.",
                folder=info.folder,
                detail=error,
                pid=info.record.pid,
            ) from error
    settle_run(info.folder, Outcome(End.CANCELLED))


class SignsOfLife:
    """What is seen of the signs of life of a run that another process follows, or nobody."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, float]] = {}  # time of modification, and when it was first seen
        self._looked = time.monotonic()

    def silent(self, infos: Iterable[RunInfo]) -> list[tuple[RunInfo, float]]:
        """Return those of these live runs whose process is frozen, and for how many seconds it was seen to be.

        Nothing is said of the time during which this process stood still itself, or of a run that leaves no signs.
        """
        now, before = time.monotonic(), self._looked
        self._looked = now
        seen, self._seen = self._seen, {}
        found = []
        for info in infos:
            try:
                stamp = (info.folder / ALIVE).stat().st_mtime_ns
            except OSError:
                continue
            earlier = seen.get(info.folder)
            known = earlier is not None and earlier[0] == stamp and now - before < _STALLED_S
            self._seen[info.folder] = (stamp, earlier[1] if known and earlier is not None else now)
            silent = now - self._seen[info.folder][1]
            if silent > SILENT_S:
                found.append((info, silent))
        return found


def end_frozen(info: RunInfo, seconds: float) -> None:
    """End the process of a run that has shown no sign of life for so many seconds; the run can be resumed."""
    if not info.record.alive():
        return
    try:
        process = psutil.Process(info.record.pid)
        process.kill()
        process.wait(_KILLED_S)
    except psutil.Error:
        log.debug("the process of %s is not ended", info.folder, exc_info=True)
        return  # its disk may hang; it is tried again
    settle_run(info.folder, frozen(seconds))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise OSError as StorageError."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error
