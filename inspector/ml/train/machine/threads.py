"""Number of computing threads, matched to the free cores: a thread waiting for a busy core delays all the others."""

import time

import torch

from inspector.workers.load import Load, free_cores
from inspector.workers.process import usable_cores

_LOOK_S = 5.0  # seconds between measurements; the system's resolution is a hundredth of a second


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
