"""How busy the processor cores are, and who keeps them busy."""

import time
from dataclasses import dataclass

import psutil

from inspector.workers.process import usable_cores


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


def busy_cores(before: Load, after: Load) -> float:
    """Return how many cores other processes kept busy between two measurements."""
    lasted = max(after.clock - before.clock, 1e-6)
    return max((after.busy - before.busy) - (after.own - before.own), 0.0) / lasted


def free_cores(before: Load, after: Load, cores: int) -> int:
    """Return how many of `cores` other processes left free between two measurements, rounded; at least 1."""
    return max(1, min(cores, int(cores - busy_cores(before, after) + 0.5)))
