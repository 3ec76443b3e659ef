"""A worker job that a test ends, for panels that start one; real jobs are run in the same files' last tests."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from inspector.workers.outcome import End, Outcome
from inspector.workers.protocol import Packet


class JobDouble:
    """The contract of `station.jobs.Job`; counts how often it was cancelled and closed."""

    def __init__(self, fields: Mapping[str, Any], told: Callable[[Packet], None], ended: Callable[[Outcome], None]) -> None:
        self.fields, self.told, self.ended = fields, told, ended
        self.cancelled = self.closed = 0

    def cancel(self) -> None:
        self.cancelled += 1

    def close(self) -> Outcome:
        self.closed += 1
        return Outcome(End.CANCELLED)


class _Panel(Protocol):
    _make_job: Any


def give_doubles(panel: _Panel, jobs: list[JobDouble]) -> None:
    """Every job that the panel starts from now on is a double, which comes into `jobs`."""

    def make(*arguments: Any) -> JobDouble:
        jobs.append(JobDouble(*arguments))
        return jobs[-1]

    panel._make_job = make
