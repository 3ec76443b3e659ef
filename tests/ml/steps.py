"""What a training step costs, by its parts: a table in `inspector/ml/train/EXPERIMENTS.md`.

`python -m tests.ml.steps fpn_lite0 --size 224 --batch 8` prints processor milliseconds: forward and backward an image, the
optimizer and the weight average a step, each the median of some steps on one thread.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from inspector.core.registry import NETWORKS
from inspector.ml.memory import keep_freed_memory
from inspector.ml.networks.base import Network
from inspector.ml.train.optimisation import Average, optimizer_for
from inspector.runs.settings import train_settings


def milliseconds(work: Callable[[], object]) -> float:
    """Processor milliseconds of this process for `work`."""
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["fpn_lite0", "unet_effnet", "efficientnet_lite0"])
    for name, default in (("size", 224), ("batch", 8), ("still", 3), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    build = NETWORKS[asked.network].load()
    network: Network = build(outputs=10, channels=3, height=asked.size, width=asked.size, pretrained="imagenet")
    network.to(memory_format=torch.channels_last)
    network.freeze_backbone(asked.still)
    network.train()
    task = NETWORKS[asked.network].tasks[0]
    settings = {"task": task, "network": asked.network, "data": Path("data"), "out": Path("out")}
    optimizer = optimizer_for(train_settings(settings), network)
    average = Average(network, 0.99)
    average.update(network)
    frames = torch.rand(asked.batch, asked.size, asked.size, 3).permute(0, 3, 1, 2)
    rows: list[tuple[float, ...]] = []
    out = network(frames)
    for _ in range(asked.steps):

        def forward() -> None:
            nonlocal out
            out = network(frames)

        def backward() -> None:
            out.square().mean().backward()  # type: ignore[no-untyped-call] # of torch

        row = [milliseconds(forward) / asked.batch, milliseconds(backward) / asked.batch]
        row += [milliseconds(optimizer.step), milliseconds(lambda: average.update(network))]
        rows.append(tuple(row))
        optimizer.zero_grad()
    names = ("forward", "backward", "optimizer", "average")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        sys.stdout.write(f"{name} {statistics.median(values):.1f} ms\n")


if __name__ == "__main__":
    main()
