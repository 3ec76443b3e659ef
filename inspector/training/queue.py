"""The window's training runs: one at a time, the others wait. Runs outlive the window and are found again."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from inspector.core.errors import ConfigError, InspectorError, JobError, StorageError
from inspector.runs.folder import RUN, create_run, find_runs, new_run_path, read_messages, remove_run, unwritable
from inspector.runs.settings import TrainSettings
from inspector.training.state import (
    LIVE,
    Follower,
    RunInfo,
    RunState,
    SignsOfLife,
    command_run,
    end_frozen,
    end_run,
    kill_run,
    queue_again,
    settle_run,
    still_going,
    writing,
)
from inspector.workers.jobs import TrainJob
from inspector.workers.messages import Wish, WorkerMessage
from inspector.workers.outcome import Cause, End, Outcome
from inspector.workers.process import WorkerProcess

__all__ = ["LIVE", "RunInfo", "RunState", "TrainingQueue"]

log = logging.getLogger(__name__)

_TICK_S = 0.5
_GRACE_S = 15.0  # time for a cancelled training to end by itself
_GRACE_KEEP_S = 600.0  # the same where it still measures and exports its best epoch
_LEADER = ".leader.lock"


class TrainingQueue:
    """The runs in one folder, started by the constructor.

    It finds the runs of earlier windows and those still live. Several windows may share the folder. The first of them starts
    waiting runs; each shows and controls all runs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listener: Callable[[Path, WorkerMessage], None] | None = None,
        changed: Callable[[RunInfo], None] | None = None,
        removed: Callable[[Path], None] | None = None,
    ) -> None:
        """Find the runs in the folder and start the queue.

        `listener` gets every message of live runs; `changed` gets each run that is new or whose state or outcome changed. Both
        are called on a thread of this object and must return quickly. Raises StorageError if the folder cannot be created.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        self.folder = folder
        self._listener, self._changed, self._removed = listener, changed, removed
        self._lock = threading.RLock()
        self._runs: dict[Path, Follower] = {}
        self._infos: dict[Path, RunInfo] = {}
        self._told: dict[Path, tuple[RunState, Outcome | None]] = {}
        self._cancelled: dict[Path, float] = {}
        self._leader = FileLock(folder / _LEADER, thread_local=False)
        self._signs = SignsOfLife()
        self._wake = threading.Event()
        self._closing = False
        self._refresh()
        self._thread = threading.Thread(target=self._run, name="training-queue", daemon=True)
        self._thread.start()

    def add(self, settings: TrainSettings) -> Path:
        """Append a run to the queue and return its folder: `settings.run`, or a new folder named after the bundle.

        Without `settings.run` the bundle goes into the run folder. Raises StorageError, ConfigError or JobError.
        """
        if settings.run is None:
            with self._lock:
                run = new_run_path(self.folder, settings.bundle_name)
                name = settings.bundle_name
                settings = settings.model_copy(update={"run": run, "out": run / "bundle", "name": name})
                folder = create_run(settings, queued=True)
        else:
            folder = create_run(settings, queued=True)
        self._look_at(folder)
        self._wake.set()
        return folder

    def runs(self) -> list[RunInfo]:
        """Return all runs, the oldest first."""
        with self._lock:
            return sorted(self._infos.values(), key=lambda info: (info.record.created, info.folder))

    def run(self, folder: Path) -> RunInfo:
        """Return one run. Raises ConfigError if it does not exist."""
        with self._lock:
            info = self._infos.get(folder)
        if info is None:
            raise ConfigError("{folder} is not a training run.", remedy="Choose a folder with a run.json.", folder=folder)
        return info

    def messages(self, folder: Path) -> list[WorkerMessage]:
        """Return all messages of a run so far, for a view that opens later."""
        return read_messages(folder)

    def pause(self, folder: Path) -> None:
        """Pause a running run: it uses no processor, but its memory stays in use."""
        self._command(folder, "pause")

    def resume(self, folder: Path) -> None:
        """Continue a run after `pause`."""
        self._command(folder, "resume")

    def stop(self, folder: Path) -> None:
        """End a run now and keep its best epoch, which is measured and written as a bundle."""
        self._command(folder, "stop")

    def cancel(self, folder: Path) -> None:
        """End a run, or remove it from the queue; it leaves no bundle, unless its settings have `keep_best`."""
        self._command(folder, "cancel")
        with self._lock:
            self._cancelled.setdefault(folder, time.monotonic())

    def remove(self, folder: Path) -> None:
        """Delete a finished run with everything in its folder. Raises ConfigError, JobError or StorageError."""
        with self._lock:
            if self.run(folder).state in LIVE:
                raise still_going(folder)
            remove_run(folder)
        self._wake.set()

    def resume_interrupted(self, folder: Path) -> None:
        """Put an interrupted run back into the queue, to continue from its last complete epoch.

        Without a checkpoint it starts over. Raises JobError if the run is still live, ConfigError or StorageError.
        """
        with self._lock:
            queue_again(self.run(folder))
        self._look_at(folder)
        self._wake.set()

    def close(self, *, detach: bool) -> None:
        """Close the queue.

        `detach`: a run started here continues in the background; otherwise it is cancelled. Waiting runs keep waiting.
        """
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join()
        for run in self._runs.values():
            job = run.job
            if job is None or job.outcome is not None:
                continue
            if detach and job.detach():
                run.job = None  # no longer owned by this window
            else:
                job.close()
        with suppress(InspectorError):
            self._collect()
        self._leader.release()

    def _command(self, folder: Path, command: Wish) -> None:
        info = self.run(folder)
        with self._lock:
            job = self._runs[folder].job
        if job is not None and job.outcome is None:
            {"pause": job.pause, "resume": job.resume, "stop": job.stop, "cancel": job.cancel}[command]()
        else:
            command_run(info, command)
        self._look_at(folder)
        self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._refresh()
                self._collect()
                self._end_cancelled()
                self._end_silent()
                self._start_next()
                self._tell()
            except InspectorError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the training queue failed")
            self._wake.wait(_TICK_S)
            self._wake.clear()

    def _refresh(self) -> None:
        """Update every run in the folder, and added runs elsewhere."""
        with self._lock:
            found = {*find_runs(self.folder), *(folder for folder in self._runs if (folder / RUN).is_file())}
            for folder in [folder for folder in self._runs if folder not in found]:
                del self._runs[folder]
                self._infos.pop(folder, None)
        for folder in sorted(found):
            self._look_at(folder)

    def _look_at(self, folder: Path) -> None:
        with self._lock:
            try:
                self._infos[folder] = self._runs.setdefault(folder, Follower(folder)).look()
            except ConfigError:
                log.debug("%s is not followed", folder, exc_info=True)

    def _collect(self) -> None:
        """Record the end of this window's processes that could not record it themselves."""
        with self._lock:
            for folder, run in self._runs.items():
                outcome = run.job.outcome if run.job is not None else None
                if run.job is None or outcome is None:
                    continue
                run.job.close()
                run.ended, run.job = outcome, None
                try:
                    settle_run(folder, outcome)
                except StorageError as error:
                    log.warning("%s", error)
                self._look_at(folder)

    def _end_cancelled(self) -> None:
        """End cancelled runs of an earlier window that do not respond, or cannot because they are suspended."""
        with self._lock:
            waiting = [(self._infos.get(folder), since) for folder, since in self._cancelled.items()]
        for info, since in waiting:
            if info is not None and info.state in LIVE:
                waits = info.state is not RunState.SUSPENDED and time.monotonic() - since < _grace(info)
                if waits or self._runs[info.folder].job is not None:
                    continue
                try:
                    kill_run(info)
                except JobError as error:
                    log.error("%s", error)
                    with self._lock:
                        self._cancelled.pop(info.folder, None)  # reported once
                self._look_at(info.folder)
        with self._lock:
            for folder in list(self._cancelled):
                if folder not in self._infos or self._infos[folder].state not in LIVE:
                    del self._cancelled[folder]

    def _end_silent(self) -> None:
        """End runs of other windows, or of none, whose process is frozen. Those of this window are watched by their job."""
        with self._lock:
            others = [info for info in self._infos.values() if info.state in LIVE and self._runs[info.folder].job is None]
        for info, seconds in self._signs.silent(others):
            end_frozen(info, seconds)
            self._look_at(info.folder)

    def _start_next(self) -> None:
        """Start the run that has waited longest, if no run is live and no other window starts runs."""
        with self._lock:
            infos = list(self._infos.values())
            waiting = [info for info in infos if info.state is RunState.WAITING]
            busy = any(info.state in LIVE for info in infos) or any(run.job is not None for run in self._runs.values())
            if busy or not waiting or self._closing or not self._leads():
                return
            info = min(waiting, key=lambda info: (info.record.queued or info.record.created, info.folder))
            try:
                settings = info.record.train_settings().model_copy(update={"run": info.folder})
                job = TrainJob(settings=settings.model_dump(mode="json"), low_priority=True)
                self._runs[info.folder].job = WorkerProcess(job, ended=self._ended, grace=_grace(info))
            except InspectorError as error:
                kind = type(error) if isinstance(error, ConfigError) else JobError
                with writing(info.folder):
                    end_run(
                        info.folder,
                        Outcome(End.FAILED, problem=error.problem, remedy=error.remedy, kind=kind, cause=Cause.DATA),
                    )
            self._infos[info.folder] = self._runs[info.folder].look()

    def _ended(self, _outcome: Outcome) -> None:
        self._wake.set()

    def _leads(self) -> bool:
        if not self._leader.is_locked:
            with suppress(Timeout, OSError):
                self._leader.acquire(timeout=0)
        return self._leader.is_locked

    def _tell(self) -> None:
        """Call the listeners with everything new."""
        with self._lock:
            news = [(folder, packet) for folder, run in sorted(self._runs.items()) for packet in run.news]
            for run in self._runs.values():
                run.news = []
            infos = list(self._infos.values())
            gone = [folder for folder in self._told if folder not in self._infos]
        for folder, packet in news:
            if self._listener is not None:
                self._listener(folder, packet)
        for info in infos:
            if self._told.get(info.folder) != (info.state, info.outcome):
                self._told[info.folder] = (info.state, info.outcome)
                if self._changed is not None:
                    self._changed(info)
        for folder in gone:
            del self._told[folder]
            if self._removed is not None:
                self._removed(folder)


def _grace(info: RunInfo) -> float:
    return _GRACE_KEEP_S if info.record.settings.get("keep_best") else _GRACE_S
