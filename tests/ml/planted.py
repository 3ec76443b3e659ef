"""A SimpleCNN that does harm in the middle of a training: which, and at which step, the environment says.

The harm is real: what a worker process says of it, and what the system does to it, is what would happen on a line. `plant`
makes the workers that this process starts know it; `PLANTED` is a whole `inspector` command whose workers do.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

HARM, STEP, PLACE = "PLANTED_HARM", "PLANTED_STEP", "PLANTED_PLACE"

_WORKER = """
import dataclasses, sys
from inspector.core import registry
known = dict(registry.NETWORKS)
known["simple_cnn"] = dataclasses.replace(known["simple_cnn"], target="tests.ml.planted:build")
registry.NETWORKS = known
from inspector.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
_COMMAND = """
import sys
from inspector.workers import process
from tests.ml.planted import worker_command
process.worker_command = worker_command
from inspector.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
PLANTED = (sys.executable, "-c", _COMMAND)


def worker_command(kind: str) -> list[str]:
    """In place of `process.worker_command`."""
    return [sys.executable, "-c", _WORKER, "worker", kind]


def plant(patch: pytest.MonkeyPatch, harm: str, *, step: int, place: Path | None = None) -> None:
    """Let workers started from now on come to `harm` in this training step."""
    patch.setattr("inspector.workers.process.worker_command", worker_command)
    for name, value in planted(harm, step=step, place=place).items():
        patch.setenv(name, value)


def planted(harm: str, *, step: int, place: Path | None = None) -> dict[str, str]:
    """The environment of a worker that comes to `harm` in this training step."""
    return {HARM: harm, STEP: str(step), PLACE: str(place or "")}


def build(**options: Any) -> Any:
    """The network, with what it does before each training step."""
    from inspector.ml.networks import simple_cnn

    network = simple_cnn.build(**options)
    network.register_forward_pre_hook(_Harm())
    return network


class _Harm:
    def __init__(self) -> None:
        self._steps = 0

    def __call__(self, network: Any, inputs: Any) -> None:
        self._steps += bool(network.training)
        if self._steps == int(os.environ[STEP]) and network.training:
            HARMS[os.environ[HARM]](*inputs)


def _use_up_memory(frames: Any) -> None:
    """The process may have 64 MB more, and asks for gigabytes as a too large batch does."""
    import resource

    import psutil

    most = psutil.Process().memory_info().vms + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    frames.repeat(1 << 18, 1, 1, 1)


def _be_ended_for_memory(_frames: Any) -> None:
    """In a control group with little memory the system ends what takes more."""
    (Path(os.environ[PLACE]) / "cgroup.procs").write_text(str(os.getpid()), "ascii")
    taken = [bytearray(b"x") * (1 << 24) for _ in range(64)]
    raise AssertionError(f"{len(taken)} blocks were given")


def _break_the_card(_frames: Any) -> None:
    raise RuntimeError(
        "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some "
        "other API call, so the stacktrace below might be incorrect."
    )


def _use_up_the_card(_frames: Any) -> None:
    import torch

    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.12 GiB is free."
    )


def _fill_the_disk(_frames: Any) -> None:
    with (Path(os.environ[PLACE]) / "ballast").open("wb", buffering=0) as stream:
        try:
            while stream.write(b"x" * 65536):
                pass
        except OSError:
            return


def _close_the_folder(_frames: Any) -> None:
    """Nothing new can be made in it from now on."""
    Path(os.environ[PLACE]).chmod(0o555)


HARMS: Mapping[str, Callable[[Any], object]] = {
    "memory": _use_up_memory,
    "ended for memory": _be_ended_for_memory,
    "segmentation fault": lambda _frames: ctypes.string_at(0),
    "broken card": _break_the_card,
    "full card": _use_up_the_card,
    "full disk": _fill_the_disk,
    "closed folder": _close_the_folder,
}
