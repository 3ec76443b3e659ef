"""As many computing threads as there are free cores: one that waits for its share of a busy core holds up all the others."""

import time
from dataclasses import dataclass

import psutil
import torch

from inspector.workers.process import usable_cores

_LOOK_S = 5.0  # seconds between two looks; the system counts in hundredths of a second


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds so far: the clock's, those that the usable cores were busy, and what this process had of that."""

    clock: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "Load":
        """Look at the cores that this process may use."""
        every, own = psutil.cpu_times(percpu=True), psutil.Process().cpu_times()
        cores = [every[core] for core in usable_cores() if core < len(every)]
        busy = sum(sum(core) - core.idle - getattr(core, "iowait", 0.0) - getattr(core, "guest", 0.0) for core in cores)
        return cls(time.monotonic(), busy, own.user + own.system)


def free_cores(before: Load, after: Load, cores: int) -> int:
    """Return how many of `cores` other processes left free between two looks, rounded; at least 1."""
    lasted = max(after.clock - before.clock, 1e-6)
    others = max((after.busy - before.busy) - (after.own - before.own), 0.0) / lasted
    return max(1, min(cores, int(cores - others + 0.5)))


class Threads:
    """The computing threads of a training. `fixed`: so many; 0: as many as cores are free, looked at while it goes on."""

    def __init__(self, fixed: int = 0) -> None:
        self._fixed, self._cores = fixed, len(usable_cores())
        self._before = Load.now()
        if fixed:
            torch.set_num_threads(fixed)

    def adapt(self, *, every: float = _LOOK_S) -> None:
        """Call it before each step; looks again where `every` seconds have passed since the last look."""
        if self._fixed or time.monotonic() - self._before.clock < every:
            return
        now = Load.now()
        free = free_cores(self._before, now, self._cores)
        self._before = now
        if free != torch.get_num_threads():
            torch.set_num_threads(free)
