"""One line of the tables in `inspector/ml/train/EXPERIMENTS.md`: fpn_lite0 trained on a folder, one thing changed.

`python -m tests.ml.experiment FOLDER --size 320 --epochs 6 --change former --seed 0`; --change may be repeated. An epoch prints
its losses, mAP50 on validation, the processor seconds so far and the positive weights of the class layer; the last line is the
test part's.
"""

import argparse
import dataclasses
import math
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspector.core import registry
from inspector.ml.networks import fpn_lite0
from inspector.ml.train import trainer
from inspector.runs.settings import train_settings
from inspector.tasks.losses.points import PointsLoss
from inspector.workers.messages import EpochDone
from tests.ml.making import Told

CHANGES: list[str] = []
BUILT: list[fpn_lite0.FpnLite0] = []


def former_scores(network: fpn_lite0.FpnLite0) -> None:
    """Every score starts at 0.01, whatever the points and classes."""
    assert network.classes.last.bias is not None
    nn.init.constant_(network.classes.last.bias, math.log(0.01 / 0.99))


def former_weights(network: fpn_lite0.FpnLite0) -> None:
    """The weights of the class layer start at a tenth of torch's usual size."""
    nn.init.normal_(network.classes.last.weight, std=0.01)


def leaky(network: fpn_lite0.FpnLite0) -> None:
    """A leaky activation in the head."""

    def through(branch: fpn_lite0.Branch) -> Callable[[Tensor, int], Tensor]:
        def forward(x: Tensor, scale: int) -> Tensor:
            norms: Any = branch.norms[scale]
            for depthwise, pointwise, norm in zip(branch.depthwise, branch.pointwise, norms, strict=True):
                x = functional.leaky_relu(norm(pointwise(depthwise(x))), 0.1)
            out: Tensor = branch.last(x)
            return out

        return forward

    for branch in (network.boxes, network.classes):
        branch.forward = through(branch)  # type: ignore[method-assign]


NETWORK_CHANGES: Mapping[str, tuple[Callable[[fpn_lite0.FpnLite0], None], ...]] = MappingProxyType(
    {
        "former": (former_scores, former_weights),
        "former-scores": (former_scores,),
        "former-weights": (former_weights,),
        "leaky": (leaky,),
    }
)


def build(**options: Any) -> fpn_lite0.FpnLite0:
    """fpn_lite0 with the changes asked for."""
    network = fpn_lite0.build(**options)
    for name in CHANGES:
        for change in NETWORK_CHANGES.get(name, ()):
            change(network)
    BUILT[:] = [network]
    return network


class Loss(PointsLoss):
    """The loss with the changes asked for: quality focal (Li et al., NeurIPS 2020) or varifocal (Zhang et al., CVPR 2021)."""

    def entropy(self, logits: Tensor, wanted: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        if "focal" in CHANGES:
            each = each * (logits.sigmoid() - wanted) ** 2
        elif "varifocal" in CHANGES:
            each = each * torch.where(wanted > 0, wanted, 0.75 * logits.sigmoid().detach() ** 2)
        return each.sum()


LOSS_CHANGES = ("focal", "varifocal")


class Lines(Told):
    """Prints an epoch in a line."""

    def metric(self, message: EpochDone) -> None:
        super().metric(message)
        weights = BUILT[0].classes.last.weight.detach().flatten(1)
        numbers = {"loss": message.loss, "val_loss": message.val_loss, "value": message.value}
        shown = " ".join(f"{name} {number:.3f}" for name, number in numbers.items() if number is not None)
        write(f"epoch {message.epoch} {shown} cpu {cpu():.0f} s alive {(weights > 0).sum(1).tolist()}")


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--change", action="append", default=[], choices=[*NETWORK_CHANGES, *LOSS_CHANGES])
    for name, kind, default in (
        ("size", int, 320),
        ("epochs", int, 6),
        ("seed", int, 0),
        ("batch", int, 8),
        ("lr", float, 1e-3),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--share", type=float, default=0.15, help="of the images, for validation and for the test each")
    asked = parser.parse_args()
    CHANGES[:] = asked.change
    here = sys.modules[__name__].__spec__
    assert here is not None
    networks = dict(registry.NETWORKS)
    networks["fpn_lite0"] = dataclasses.replace(networks["fpn_lite0"], target=f"{here.name}:build")
    losses = dict(registry.LOSSES)
    losses["detection_points"] = dataclasses.replace(losses["detection_points"], target=f"{here.name}:Loss")
    sys.modules[here.name] = sys.modules[__name__]
    for module in [one for name, one in list(sys.modules.items()) if name.startswith("inspector")]:
        for name, table in (("NETWORKS", networks), ("LOSSES", losses)):
            if hasattr(module, name):
                setattr(module, name, table)
    with tempfile.TemporaryDirectory() as out:
        settings = {
            "task": "detection",
            "network": "fpn_lite0",
            "data": asked.folder,
            "out": Path(out) / "bundle",
            "width": asked.size,
            "height": asked.size,
            **{name: getattr(asked, name) for name in ("seed", "epochs", "batch", "lr")},
            **{"val": asked.share, "test": asked.share},
            **{
                "pretrained": "imagenet",
                "freeze_stages": 3,
                "backbone_rate": 0.5,
                "ema": 0.99,
                "augment": "surface",
                "threads": 1,
            },
        }
        card = trainer.train(train_settings(settings), Lines()).card  # type: ignore[arg-type] # has the methods of Report
    shown = {name: round(value, 3) for name, value in card.metrics.items() if name.startswith(("map50", "ap50/"))}
    write(f"test {shown} best epoch {card.training['best_epoch']} cpu {cpu():.0f} s")


if __name__ == "__main__":
    main()
