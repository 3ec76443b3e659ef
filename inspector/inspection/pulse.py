"""A sign of life of a thread: what it has begun, and when. Written by that thread, read by whoever watches over it."""

import time
from typing import Literal, NamedTuple


class Doing(NamedTuple):
    """What a thread has begun and not finished. `patience_s`: how long that may take."""

    what: str
    since: float  # monotonic seconds
    patience_s: float

    def silent_s(self, now: float) -> float:
        """Seconds beyond the patience, not more than 0 while there is some left."""
        return now - self.since - self.patience_s


class Pulse:
    """Costs one assignment at the beginning and one at the end of what is watched."""

    __slots__ = ("doing",)

    def __init__(self) -> None:
        self.doing: Doing | None = None

    def during(self, what: str, patience_s: float) -> "_During":
        """Say that this is being done, as long as the `with` lasts."""
        return _During(self, Doing(what, time.monotonic(), patience_s))

    def renew(self) -> None:
        """Count what is being done from now: there was a sign of life in between."""
        if self.doing is not None:
            self.doing = self.doing._replace(since=time.monotonic())

    def hangs(self, now: float) -> Doing | None:
        """Return what has lasted longer than its patience, or None."""
        doing = self.doing
        return doing if doing is not None and doing.silent_s(now) > 0 else None


class _During:
    """A context; written out, because a generator costs five times as much."""

    __slots__ = ("_before", "_doing", "_pulse")

    def __init__(self, pulse: Pulse, doing: Doing) -> None:
        self._pulse, self._doing, self._before = pulse, doing, pulse.doing

    def __enter__(self) -> None:
        self._pulse.doing = self._doing

    def __exit__(self, *_reason: object) -> Literal[False]:
        self._pulse.doing = self._before
        return False
