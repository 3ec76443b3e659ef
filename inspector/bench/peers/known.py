"""The peers that can be compared with, and what is compared. Imports none of them."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from inspector.core.errors import ConfigError
from inspector.core.types import TaskName


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program's training of one task. `module`: what its process runs; `packages`: what must be installed for it."""

    name: str
    module: str
    packages: Mapping[str, str]  # imported name: name to install


PEERS: Mapping[TaskName, Peer] = MappingProxyType(
    {
        "detection": Peer("ultralytics YOLO11n", "inspector.bench.peers.boxes", {"ultralytics": "ultralytics"}),
        "segmentation": Peer(
            "segmentation_models_pytorch U-Net",
            "inspector.bench.peers.masks",
            {"segmentation_models_pytorch": "segmentation-models-pytorch"},
        ),
    }
)
# The figures that are compared, the most important first.
FIGURES: Mapping[TaskName, Sequence[str]] = MappingProxyType(
    {
        "detection": ("map50", "map50_95"),
        "segmentation": ("defect_iou", "iou", "mean_iou", "image_recall", "image_false_reject"),
    }
)
EACH: Mapping[TaskName, str] = MappingProxyType({"detection": "ap50", "segmentation": "iou"})  # for every class


def check_installed(task: TaskName) -> None:
    """Raise ConfigError if the peer of a task is not installed."""
    missing = [name for module, name in PEERS[task].packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            "{peer} is not installed, so there is nothing to compare with.",
            remedy="For this measurement, install {packages} with pip in a copy of the program's environment, not in the one "
            "that inspects.",
            peer=PEERS[task].name,
            packages=" ".join(missing),
        )
