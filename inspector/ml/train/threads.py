"""Number of computing threads, matched to the free cores: a thread waiting for a busy core delays all the others."""

import time
from dataclasses import dataclass

import psutil
import torch

from inspector.workers.process import usable_cores

_LOOK_S = 5.0  # seconds between measurements; the system's resolution is a hundredth of a second


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds so far: of the clock, of busy usable cores, and of this process's share of that."""

    clock: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "Load":
        """Measure the cores that this process may use."""
        every, own = psutil.cpu_times(percpu=True), psutil.Process().cpu_times()
        cores = [every[core] for core in usable_cores() if core < len(every)]
        busy = sum(sum(core) - core.idle - getattr(core, "iowait", 0.0) - getattr(core, "guest", 0.0) for core in cores)
        return cls(time.monotonic(), busy, own.user + own.system)


def free_cores(before: Load, after: Load, cores: int) -> int:
    """Return how many of `cores` other processes left free between two measurements, rounded; at least 1."""
    lasted = max(after.clock - before.clock, 1e-6)
    others = max((after.busy - before.busy) - (after.own - before.own), 0.0) / lasted
    return max(1, min(cores, int(cores - others + 0.5)))


class Threads:
    """The computing threads of a training. `fixed`: their number; 0: as many as cores are free, measured continuously."""

    def __init__(self, fixed: int = 0) -> None:
        self._fixed, self._cores = fixed, len(usable_cores())
        self._before = Load.now()
        if fixed:
            torch.set_num_threads(fixed)

    def adapt(self, *, every: float = _LOOK_S) -> None:
        """Adapt the number of threads. Call before each step; measures again after `every` seconds."""
        if self._fixed or time.monotonic() - self._before.clock < every:
            return
        now = Load.now()
        free = free_cores(self._before, now, self._cores)
        self._before = now
        if free != torch.get_num_threads():
            torch.set_num_threads(free)
