"""Whether training keeps the memory it frees."""

import subprocess
import sys

import pytest

# Steps of a network whose activations are large blocks; the pages that the system has to give for four of them.
_STEPS = """
import resource, sys
import torch
from inspector.ml.memory import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
net = torch.nn.Sequential(*(layer for _ in range(2) for layer in (torch.nn.Conv2d(16, 16, 1), torch.nn.ReLU())))
frames = torch.rand(8, 16, 272, 272)
def step():
    net(frames).mean().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = [step() for _ in range(4)][-1]
print([step() for _ in range(4)][-1] - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="about the C library of Linux")
def test_a_training_step_uses_the_memory_of_the_last_one() -> None:
    pytest.importorskip("torch")

    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", _STEPS, how], capture_output=True, text=True, check=True, timeout=120)
        return int(done.stdout)

    usual = faults("leave")
    if usual < 20_000:
        pytest.skip("this C library keeps large blocks by itself")
    assert faults("keep") < usual / 2
