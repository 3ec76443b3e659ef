"""Optimisation: parameter groups with their own learning rates, the schedule, thawing, and the weight average."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from inspector.ml.networks.base import Network
from inspector.runs.settings import TrainSettings

_STEP_EPOCHS = 7  # step schedule: the learning rate drops to a tenth after each such number of epochs


def optimizer_for(settings: TrainSettings, network: Network) -> torch.optim.Optimizer:
    """Return the optimizer of every trainable parameter, with two groups per stage of the network.

    Weight decay applies to weights only, not to biases and the scales of batch normalisation. A group's `factor` is its share
    of the learning rate.
    """
    groups: list[dict[str, object]] = []
    for stage, factor in zip(network.stages(), stage_factors(settings, len(network.stages())), strict=True):
        learning = [parameter for parameter in stage if parameter.requires_grad]
        for chosen, decay in (
            ([parameter for parameter in learning if parameter.ndim > 1], settings.weight_decay),
            ([parameter for parameter in learning if parameter.ndim <= 1], 0.0),
        ):
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.lr, fused=True)  # a fifth of the time of a loop over the parameters


def stage_factors(settings: TrainSettings, count: int) -> list[float]:
    """Return each stage's share of the learning rate, from the input to the head, whose share is 1.

    The backbone learns at `backbone_rate` times the rate of the head, and each of its stages at `layer_decay` times the rate of
    the next one (Howard and Ruder, ACL 2018: discriminative rates).
    """
    return [settings.backbone_rate * settings.layer_decay ** (count - 1 - stage) for stage in range(count - 1)] + [1.0]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the head; the other groups follow by their factors."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def learning_rate(settings: TrainSettings, epochs: float, seconds: float = 0.0) -> float:
    """Return the factor of the learning rate after this (fractional) number of epochs.

    With a time limit, the cosine schedule also ends in time.
    """
    warm = min(1.0, (epochs + 0.02) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "constant":
        return warm
    if settings.schedule == "step":
        return warm * 0.1 ** (int(epochs) // _STEP_EPOCHS)
    share = epochs / settings.epochs
    if settings.time_limit:
        share = max(share, seconds / settings.time_limit)
    return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)


def frozen_stages(epoch: int, freeze_epochs: int, backbone: int) -> int:
    """Return how many stages of the backbone, from the input on, are frozen in this epoch (counted from 0).

    For the first half of `freeze_epochs` all are frozen; then they thaw one after the other, starting at the head.
    """
    if epoch >= freeze_epochs:
        return 0
    still = (freeze_epochs + 1) // 2
    if epoch < still:
        return backbone
    return math.ceil(backbone * (freeze_epochs - epoch) / (freeze_epochs - still + 1))


class Thaw:
    """Freezes a network's backbone and thaws it stage by stage, as `freeze_epochs` says.

    The first `freeze_stages` stay frozen, as does a network built with a frozen backbone. Batch-normalisation statistics stay
    fixed until all stages that may learn do so.
    """

    def __init__(self, network: Network, freeze_epochs: int, freeze_stages: int = 0) -> None:
        self._network, self._epochs = network, freeze_epochs
        stages = network.stages()
        self._backbone = len(stages) - 1
        self._always = min(freeze_stages, self._backbone)
        self._built_frozen = any(not parameter.requires_grad for stage in stages for parameter in stage)
        self._now: tuple[int, int] | None = None

    @property
    def used(self) -> bool:
        """Whether any stage is ever frozen."""
        return bool((self._epochs and self._backbone) or self._always) and not self._built_frozen

    def before(self, epoch: int) -> None:
        """Set the network up for this epoch, counted from 0."""
        if not self.used:
            return
        thawing = frozen_stages(epoch, self._epochs, self._backbone)
        frozen = max(thawing, self._always)
        now = (frozen, self._backbone if thawing else self._always)
        if now != self._now:
            self._now = now
            self._network.freeze_backbone(now[0], still=now[1])


class Average:
    """Exponential moving average of a network's weights and statistics (Polyak and Juditsky, 1992).

    The average often does better than the last weights. The decay grows from 0.1 to its full value, so that the start weights
    are soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        def mix(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
            now = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
            for mine, new in zip(averaged, current, strict=True):
                if mine.is_floating_point():
                    mine.lerp_(new, 1.0 - now)
                else:
                    mine.copy_(new)

        self._averaged = AveragedModel(module, multi_avg_fn=mix, use_buffers=True)
        self._averaged.requires_grad_(False)

    @property
    def module(self) -> nn.Module:
        """The module with the averaged weights."""
        return self._averaged.module

    def update(self, module: nn.Module) -> None:
        """Add the module's weights after a step."""
        self._averaged.update_parameters(module)

    def state_dict(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self._averaged.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._averaged.load_state_dict(state)
