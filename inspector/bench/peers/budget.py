"""Processor time of a process with all its descendants, and the share of a core that a process gets."""

import time

import psutil

_LOOK_S = 2.0  # over which the share of a core is measured
_SMALLEST = 0.02


class ProcessorTime:
    """User and system time of a process and of all its descendants, those that have ended included (Windows: while alive)."""

    def __init__(self, pid: int) -> None:
        """`pid`: of the process; it may end at any time."""
        self._seconds = 0.0
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.Error:
            self._process = None

    def seconds(self) -> float:
        """Return the seconds so far; of a process that has ended, those of the last call before."""
        try:
            family = [] if self._process is None else [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            family = []
        total = 0.0
        for process in family:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            # A parent's time of children holds those that have ended and were waited for, so none counts twice.
            total += times.user + times.system + times.children_user + times.children_system
        self._seconds = max(self._seconds, total)
        return self._seconds


def core_share() -> float:
    """Return the share of a core that one busy thread of this process gets beside all others, measured; at most 1."""
    began, used = time.monotonic(), time.thread_time()
    while time.monotonic() - began < _LOOK_S:
        pass
    return min(1.0, max(_SMALLEST, (time.thread_time() - used) / (time.monotonic() - began)))
