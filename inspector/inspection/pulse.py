"""A sign of life of a thread: what it has begun, and when. Written by that thread, read by whoever watches over it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


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

    @contextmanager
    def during(self, what: str, patience_s: float) -> Iterator[None]:
        """Say that this is being done."""
        before, self.doing = self.doing, Doing(what, time.monotonic(), patience_s)
        try:
            yield
        finally:
            self.doing = before

    def hangs(self, now: float) -> Doing | None:
        """What has lasted longer than its patience, or None."""
        doing = self.doing
        return doing if doing is not None and doing.silent_s(now) > 0 else None
