"""The process that feeds the database while the line runs, started, watched and ended from here.

A process of its own, because Python's interpreter lock is the line's and the window's. It needs nothing but the journals: what
it has not fed when it ends, however it ends, is fed by whoever feeds next. Once it has caught up it takes only what a busy line
leaves of the processor. One that then falls behind is replaced by another, which takes a little more until it has caught up.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Final

from inspector.core.errors import InspectorError, JobError, StorageError
from inspector.workers.jobs import FeedJob
from inspector.workers.messages import Condition, Suspended, WorkerMessage
from inspector.workers.outcome import End, Outcome
from inspector.workers.process import WorkerProcess

FIRST_KEEP_S: Final = 60.0  # from the start until retention runs first,
KEEP_S: Final = 3600.0  # and between two runs
START_S: Final = 2.0  # from the start of the line, which needs the processor for its engines, to that of the process
LOW_PRIORITY: Final = True  # the line comes first
BEHIND_S: Final = 15.0  # since everything was fed, until a process that had caught up is replaced,
LATE_S: Final = 120.0  # and until a person is told
_LOOK_S: Final = 1.0  # interval of looking at that
_AGAIN_S: Final = 2.0  # from the end of a process to the start of the next
_GRACE_S: Final = 0.25  # for one that was cancelled, and for one that was terminated: nothing is lost by killing it

log = logging.getLogger(__name__)


class FeederProcess:
    """Has a database fed from the journals under `archive`, until it is stopped.

    A process that ends by itself, is killed or suspended is followed by another. At the end this process feeds the rest: a line
    that has stopped needs no time, and a process of low priority might get none.
    """

    def __init__(self, archive: Path, url: str = "", *, beside: Path | None = None) -> None:
        """`url`: of a database server; "": the database in the archive's folder. `beside`: see FeedJob."""
        self._job = FeedJob(
            archive=archive.absolute(),
            url=url,
            beside=None if beside is None else beside.absolute(),
            first_keep_s=FIRST_KEEP_S,
            keep_s=KEEP_S,
            low_priority=LOW_PRIORITY,
        )
        self._problem: InspectorError | None = None
        self._current = time.monotonic()  # when everything was fed last, as far as is known
        self._caught_up = False  # whether the process that feeds now was current once
        self._was_well = True  # whether the newest process could feed: one that is killed once is not worth a word
        self._worker: WorkerProcess | None = None
        self._stop = threading.Event()
        self._changed = threading.Event()  # a process has ended, or is to be ended
        self._until = 0.0  # monotonic seconds
        self._thread = threading.Thread(target=self._run, name="archive-feeder", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> InspectorError | None:
        """Why the database is not fed, or not soon enough, or nothing can be deleted, at the moment; None if all is well."""
        behind = self.behind_s
        if self._problem is not None or behind < LATE_S or self._stop.is_set():
            return self._problem
        return StorageError(
            "The database is {minutes} min behind the line, because the processor is busy: the newest parts are not found yet.",
            remedy="None is lost: they are in the journal, and come when the line rests. If it never does, give each part more "
            "time, or the station a faster processor.",
            minutes=int(behind // 60),
        )

    @property
    def behind_s(self) -> float:
        """For how many seconds the newest records may not be in the database."""
        return time.monotonic() - self._current

    @property
    def pid(self) -> int | None:
        """The process that feeds now; None if there is none."""
        worker = self._worker
        return None if worker is None else worker.pid

    def stop(self, patience: float) -> None:
        """End the process and feed what is left, for at most `patience` seconds; the rest is fed at the next start."""
        self._until = time.monotonic() + patience
        self._stop.set()
        self._changed.set()
        self._thread.join(patience)

    def _run(self) -> None:
        self._stop.wait(START_S)
        while not self._stop.is_set():
            self._changed.clear()
            self._caught_up = False
            try:
                worker = self._worker = WorkerProcess(self._job, listener=self._hear, ended=self._ended, grace=_GRACE_S)
            except InspectorError as error:
                self._problem = error
                self._stop.wait(_AGAIN_S)
                continue
            replaced = False
            while not (replaced or self._stop.is_set() or self._changed.wait(_LOOK_S)):
                replaced = self._caught_up and self._problem is None and self.behind_s > BEHIND_S
            worker.close()
            self._worker = None
            if not replaced:
                self._stop.wait(_AGAIN_S)
        self._feed_the_rest()

    def _feed_the_rest(self) -> None:
        from inspector.archive.recording.feeder_work import Feeding  # with the database's library

        feeding = Feeding(self._job)
        self._problem = feeding.go_on(lambda: time.monotonic() > self._until, keep=False)
        feeding.close()

    def _hear(self, message: WorkerMessage) -> None:
        if isinstance(message, Condition):
            self._problem = _error(message)
            self._was_well = self._problem is None
            if message.current:
                self._current, self._caught_up = time.monotonic(), True
        elif isinstance(message, Suspended):  # it may hold the database against all others
            self._problem = JobError(
                "The process that feeds the archive's database was suspended from outside; another follows."
            )
            self._changed.set()

    def _ended(self, outcome: Outcome) -> None:
        if outcome.end not in (End.SUCCEEDED, End.CANCELLED) and not self._stop.is_set():
            log.debug("the feeder has ended: %s\n%s", outcome.problem, outcome.details)
            self._problem = None if self._was_well else outcome.error()
            self._was_well = False
        self._changed.set()


def _error(told: Condition) -> InspectorError | None:
    """Return what keeps the database from being fed as an error of this process."""
    if told.problem is None:
        return None
    problem, remedy = told.problem.message, None if told.remedy is None else told.remedy.message
    values = {**({} if remedy is None else remedy.values), **problem.values}
    return StorageError(problem.template, remedy="" if remedy is None else remedy.template, **values)
