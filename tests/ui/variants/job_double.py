"""A worker job that a test ends, for panels that start one; real jobs are run in the same files' last tests."""

from collections.abc import Callable

from inspector.ui.variants.job_cover import JobCover
from inspector.workers.jobs import Job
from inspector.workers.messages import WorkerMessage
from inspector.workers.outcome import End, Outcome


class JobDouble:
    """The contract of `WorkerProcess`; counts how often it was cancelled and closed."""

    def __init__(self, job: Job, *, listener: Callable[[WorkerMessage], None], ended: Callable[[Outcome], None]) -> None:
        self.job, self.told, self.ended = job, listener, ended
        self.cancelled = self.closed = 0

    def cancel(self) -> None:
        self.cancelled += 1

    def close(self) -> Outcome:
        self.closed += 1
        return Outcome(End.CANCELLED)


def give_doubles(panel: JobCover, jobs: list[JobDouble]) -> None:
    """Every job that the panel starts from now on is a double, which comes into `jobs`."""

    def start(job: Job, *, listener: Callable[[WorkerMessage], None], ended: Callable[[Outcome], None]) -> JobDouble:
        jobs.append(JobDouble(job, listener=listener, ended=ended))
        return jobs[-1]

    panel.start_job = start
