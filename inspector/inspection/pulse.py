"""Heartbeat of a thread: its current operation and when that began. Written by the thread, read by its supervisor."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple


class Doing(NamedTuple):
    """An operation in progress. `patience_s`: the longest time it may take."""

    what: str
    since: float  # monotonic seconds
    patience_s: float

    def silent_s(self, now: float) -> float:
        """Return the seconds beyond the patience; not positive while the operation is in time."""
        return now - self.since - self.patience_s


class Pulse:
    """The current operation of a thread. Costs one assignment at the beginning and one at the end of an operation."""

    __slots__ = ("doing",)

    def __init__(self) -> None:
        self.doing: Doing | None = None

    def during(self, what: str, patience_s: float) -> "_During":
        """Return a context that marks this operation as in progress."""
        return _During(self, Doing(what, time.monotonic(), patience_s))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the current operation wait for others, whose time is not its own; its clock restarts afterwards."""
        doing, self.doing = self.doing, None
        try:
            yield
        finally:
            self.doing = doing
            self.renew()

    def renew(self) -> None:
        """Restart the clock of the current operation after a sign of life."""
        if self.doing is not None:
            self.doing = self.doing._replace(since=time.monotonic())

    def hangs(self, now: float) -> Doing | None:
        """Return the operation that has exceeded its patience, or None."""
        doing = self.doing
        return doing if doing is not None and doing.silent_s(now) > 0 else None


class _During:
    """A context manager as a class, because a generator costs five times as much."""

    __slots__ = ("_before", "_doing", "_pulse")

    def __init__(self, pulse: Pulse, doing: Doing) -> None:
        self._pulse, self._doing, self._before = pulse, doing, pulse.doing

    def __enter__(self) -> None:
        self._pulse.doing = self._doing

    def __exit__(self, *_reason: object) -> Literal[False]:
        self._pulse.doing = self._before
        return False
