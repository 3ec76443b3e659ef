"""The process that feeds the database while the line runs, started, watched and ended from here.

A process of its own, because Python's interpreter lock is the line's and the window's. It needs nothing but the journals: what
it has not fed when it ends, however it ends, is fed by whoever feeds next.
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
_AGAIN_S: Final = 2.0  # from the end of a process to the start of the next
_GRACE_S: Final = 0.25  # for one that was cancelled, and for one that was terminated: nothing is lost by killing it

log = logging.getLogger(__name__)


class FeederProcess:
    """Has a database fed from the journals under `archive`, until it is stopped.

    A process that ends by itself, is killed or suspended is followed by another. At the end this process feeds the rest: a line
    that has stopped needs no time, and a process of low priority might get none. `problem`: why the database cannot be fed, or
    nothing can be deleted, at the moment; None if all is well.
    """

    def __init__(self, archive: Path, url: str = "") -> None:
        """`url`: of a database server; "": the database in the archive's folder."""
        self._job = FeedJob(
            archive=archive.absolute(), url=url, first_keep_s=FIRST_KEEP_S, keep_s=KEEP_S, low_priority=LOW_PRIORITY
        )
        self._problem: InspectorError | None = None
        self._was_well = True  # whether the newest process could feed: one that is killed once is not worth a word
        self._worker: WorkerProcess | None = None
        self._stop = threading.Event()
        self._changed = threading.Event()  # a process has ended, or is to be ended
        self._until = 0.0  # monotonic seconds
        self._thread = threading.Thread(target=self._run, name="archive-feeder", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> InspectorError | None:
        return self._problem

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
            try:
                worker = self._worker = WorkerProcess(self._job, listener=self._hear, ended=self._ended, grace=_GRACE_S)
            except InspectorError as error:
                self._problem = error
                self._stop.wait(_AGAIN_S)
                continue
            if not self._stop.is_set():
                self._changed.wait()
            worker.close()
            self._worker = None
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
