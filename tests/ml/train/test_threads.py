"""Computing threads follow the cores that are free."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("torch")

import torch

from inspector.ml.train.machine.threads import Threads
from inspector.workers.load import Load, free_cores
from inspector.workers.process import usable_cores

SPIN = """
import time
print(flush=True)
while time.process_time() < 1: pass
print(flush=True)
while True: pass
"""


def _await_line(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("busy", "own", "cores", "free"),
    [
        (0.0, 0.0, 4, 4),
        (40.0, 40.0, 4, 4),  # all of it is ours
        (40.0, 10.0, 4, 1),
        (20.0, 10.0, 4, 3),
        (24.0, 10.0, 4, 3),
        (26.0, 10.0, 4, 2),
        (90.0, 0.0, 4, 1),
        (19.0, 20.0, 4, 4),  # the system counts roughly
    ],
)
def test_free_cores_are_those_that_others_leave(busy: float, own: float, cores: int, free: int) -> None:
    assert free_cores(Load(5.0, 100.0, 7.0), Load(15.0, 100.0 + busy, 7.0 + own), cores) == free


def test_a_fixed_number_stays() -> None:
    threads = Threads(3)
    threads.adapt(every=0.0)
    assert torch.get_num_threads() == 3


@pytest.mark.skipif(len(usable_cores()) < 2, reason="one core is never free of itself")
def test_beside_a_program_that_takes_every_core_one_thread_computes() -> None:
    cores = len(usable_cores())
    torch.set_num_threads(cores)
    others = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(cores)]
    try:
        _await_line(others)
        threads = Threads()
        _await_line(others)  # each had a second of a core since
        threads.adapt(every=0.0)
        assert torch.get_num_threads() == 1
    finally:
        for other in others:
            other.kill()
            other.communicate()
