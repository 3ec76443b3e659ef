"""EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`) as the encoder of networks that look at more than one scale."""

import torch
from torch import nn

from inspector.ml.networks.base import as_colour, parameters_of
from inspector.ml.networks.weights import initialise, lite0_parts, lite0_weights

WIDTHS = (16, 24, 40, 112, 320)  # channels at strides 2, 4, 8, 16 and 32
# Of the classifier, not of the features; a file of weights may hold them.
_TOP = ("conv_head.", "bn2.", "classifier.")


class Lite0Encoder(nn.Module):
    """Feature maps of [N, 1 or 3, H, W] at strides 2, 4, 8, 16 and 32, with WIDTHS channels.

    `pretrained` as in `ml.networks.weights`. Raises ConfigError if the start weights cannot be had.
    """

    def __init__(self, pretrained: str) -> None:
        import timm

        super().__init__()
        net = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True)
        initialise(net, "EfficientNet-Lite0", pretrained, lambda: lite0_weights(net), _TOP)
        self.net = net

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features: list[torch.Tensor] = self.net(as_colour(x))
        return features

    def stages(self) -> list[list[nn.Parameter]]:
        """Stem and seven stages, from the input on."""
        return [parameters_of(part) for part in lite0_parts(self.net)]
