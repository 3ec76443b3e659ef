"""Bundles for the comparison: untrained at the network's full size, or shipped, in the requested precision.

An untrained bundle needs torch, which must not be loaded in the measured process. A separate process writes it: `python -m
inspector.bench.making FOLDER NETWORK SIZE`.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspector.bench.frames import frames
from inspector.bench.sides import needs_torch
from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import REFERENCE, Reference, pack_reference
from inspector.bundles.variants import VariantMade
from inspector.core.registry import NETWORKS
from inspector.core.types import Precision, TaskName
from inspector.imaging.preprocessing import prepare
from inspector.recipes.locate import find_bundle
from inspector.workers.jobs import VariantJob
from inspector.workers.process import WorkerProcess

if TYPE_CHECKING:
    from torch import nn

CLASSES = {"classification": 3, "detection": 1, "segmentation": 1}  # as in the first sketches of these networks
SHIPPED = {"classification": "window-state", "detection": "plate-defects", "segmentation": "plate-mask"}
_SELDOM = -4.0  # logit
_REFERENCE = 8  # images to calibrate with, and as many to judge


def make(folder: Path, network: str, *, size: int) -> None:
    """Write an untrained bundle to `folder` in a separate process. Raises JobError."""
    command = [sys.executable, "-P", "-m", "inspector.bench.making", str(folder), network, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise needs_torch(done.stderr)


def shipped(task: TaskName) -> Path:
    """Return the folder of the shipped bundle for a task."""
    return find_bundle(SHIPPED[task])


def exported(bundle: Path, engine: str, precision: Precision, *, out: Path) -> Path:
    """Return the folder that holds this variant of a bundle.

    The folder is the bundle itself, or a copy at `out` that a worker process exports. Raises JobError, or the export's error if
    the variant is refused or cannot be made here.
    """
    if precision == "fp32" or Bundle.open(bundle).variant(engine, precision) is not None:
        return bundle
    job = WorkerProcess(VariantJob(bundle=bundle, engine=engine, precision=precision, out=out))
    try:
        job.result(VariantMade)
    finally:
        job.close()
    return out


def write_untrained(folder: Path, network: str, *, size: int) -> Bundle:
    """Write and return a bundle of the network at full size with random weights, which do not affect its speed.

    The mask output is biased to be nearly empty, as for good parts: an untrained network would mark half of the pixels as
    defects.
    """
    import torch

    from inspector.bench.steps import card_of, some_batch
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import build_network

    torch.manual_seed(0)
    task = NETWORKS[network].tasks[0]
    card = card_of(task, network, size, size, tuple(f"class {index}" for index in range(CLASSES[task])))
    card = card.model_copy(update={"name": folder.name, "ok_classes": card.classes[:1] if task == "classification" else ()})
    built = build_network(card, pretrained=False).eval()
    if task == "segmentation":
        _seldom(built)
    shown = np.stack([prepare(picture, card.input) for picture in frames(2 * _REFERENCE)])
    targets = {name: values.numpy() for name, values in some_batch(card, len(shown))[1].items()}
    reference = pack_reference(Reference(shown, targets, _REFERENCE))
    return write_trained_bundle(folder, card, built, extra={REFERENCE: reference})


def _seldom(network: "nn.Module") -> None:
    from torch import nn

    last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    assert last.bias is not None
    nn.init.constant_(last.bias, _SELDOM)


if __name__ == "__main__":
    write_untrained(Path(sys.argv[1]), sys.argv[2], size=int(sys.argv[3]))
