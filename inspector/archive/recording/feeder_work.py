"""What the process that feeds the database does, until it is told to end or its parent is gone."""

import logging
import time
from collections.abc import Callable
from typing import Final

from inspector.archive.archive import Archive
from inspector.archive.recording.folders import away, is_there
from inspector.archive.store.database import Database, open_database
from inspector.archive.store.feeder import Feeder
from inspector.core.errors import InspectorError, as_problem
from inspector.core.sentence import sentence
from inspector.results.record_file import refused
from inspector.workers.jobs import FeedJob
from inspector.workers.messages import Condition, Lasting
from inspector.workers.priority import LOWEST_PRIORITY, be_nice

PAUSE_S: Final = 1.0  # many records at a time cost half of what each alone would
AGAIN_S: Final = 2.0  # after the database refused

log = logging.getLogger(__name__)


def work(job: FeedJob, calls: Lasting) -> None:
    """Feed until told to end, and say every time that all is fed, or what is in the way."""
    feeding, caught_up = Feeding(job), False
    try:
        while not calls.cancelled():
            problem = feeding.go_on(calls.cancelled)
            if calls.cancelled():
                return
            calls.send(_condition(problem, current=feeding.is_current))
            if feeding.is_current and not caught_up:
                caught_up = True
                if job.low_priority:
                    be_nice(LOWEST_PRIORITY)  # and for good: only a new process may have a higher one
            calls.wait(PAUSE_S if problem is None else AGAIN_S)
    finally:
        feeding.close()


class Feeding:
    """A database that is fed, and from which retention deletes now and then, however often either fails.

    `is_current`: whether the last `go_on` fed all that there was.
    """

    def __init__(self, job: FeedJob) -> None:
        self.is_current = False
        self._job = job
        self._keep_at = time.monotonic() + job.first_keep_s
        self._database: Database | None = None
        self._feeder: Feeder | None = None
        self._defect = False
        self._keeping: InspectorError | None = None

    def go_on(self, enough: Callable[[], bool] = lambda: False, *, keep: bool = True) -> InspectorError | None:
        """Feed what is new, unless it is `enough`, and let retention delete when it is time; return what was in the way."""
        self.is_current = False
        try:
            archive = self._opened()
            archive.feeder.feed(enough)
            self.is_current = not enough()
            self._defect = False
            if keep and time.monotonic() >= self._keep_at:
                self._keep_at = time.monotonic() + self._job.keep_s
                self._keeping = self._keep(archive)
        except InspectorError as error:
            log.debug("the archive is not fed: %s", error)
            self.close()  # a file on a share that went away stays broken when the share is back
            return as_problem(error)
        except Exception as error:  # slot boundary: the journal keeps everything until it is mended
            if not self._defect:  # once, not at every try
                log.exception("The archive cannot be fed")
            self._defect = True
            self.close()
            return as_problem(error)
        return self._keeping

    def close(self) -> None:
        """Close the database; the next `go_on` opens it again."""
        database, self._database, self._feeder = self._database, None, None
        if database is not None:
            database.close()

    def _opened(self) -> Archive:
        if self._job.beside is not None and not is_there(self._job.beside):
            raise away(self._job.archive)
        if self._database is None:
            self._database = open_database(self._job.url or self._job.archive)
        if self._feeder is None:
            self._feeder = Feeder(self._job.archive, self._database)
        return Archive(self._job.archive, self._database, self._feeder)

    def _keep(self, archive: Archive) -> InspectorError | None:
        """Let retention delete; return what keeps it from that."""
        from inspector.archive.store.retention import load_policy, run_retention

        try:
            run_retention(archive, load_policy(archive.folder))
        except InspectorError as error:
            return as_problem(error)
        except OSError as error:
            return refused(archive.folder, error)
        return None


def _condition(problem: InspectorError | None, *, current: bool) -> Condition:
    if problem is None:
        return Condition(current=current)
    remedy = None if problem.remedy is None else sentence(problem.remedy)
    return Condition(problem=sentence(problem.problem), remedy=remedy, current=current)
