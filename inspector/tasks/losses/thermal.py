"""Loss on temperatures, scaled by the card."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.tasks.losses.settings import Box, Explained, Targets, chosen

_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"smooth_l1": functional.smooth_l1_loss, "mse": functional.mse_loss}
)


class ThermalLoss:
    """Smooth L1 loss (squared error if `card.training["loss"]` is "mse") on temperatures scaled by the card."""

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Return the loss of scaled outputs [N, 3] against `temperatures` [N, 3] in kelvin."""
        mean, std = _scaling(out, card)
        scaled = (target["temperatures"].float() - mean) / std
        return chosen(card, _LOSSES, "smooth_l1")(out.float(), scaled)

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the highest temperature."""
        return self.activation(raw, card)[0, 0], None

    def activation(self, out: Tensor, card: Card) -> Tensor:
        mean, std = _scaling(out, card)
        return out * std + mean


def _scaling(out: Tensor, card: Card) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the targets, float32 [3]. Raises ConfigError if the card lacks them."""
    if len(card.target_mean) != out.shape[1] or len(card.target_std) != out.shape[1] or min(card.target_std) <= 0:
        raise ConfigError(
            "The card of {name} does not say how its temperatures are scaled (target_mean, target_std).",
            remedy="Train it again.",
            name=card.name,
        )
    return out.new_tensor(card.target_mean, dtype=torch.float32), out.new_tensor(card.target_std, dtype=torch.float32)
