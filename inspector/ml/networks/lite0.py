"""EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`) as the encoder of multi-scale networks."""

import torch
from torch import nn

from inspector.ml.networks.base import as_colour, parameters_of
from inspector.ml.networks.weights import initialise, lite0_parts, lite0_weights

WIDTHS = (16, 24, 40, 112, 320)  # channels at strides 2, 4, 8, 16 and 32
# Parameters of the classifier, not of the encoder; a weights file may contain them.
_TOP = ("conv_head.", "bn2.", "classifier.")


class Lite0Encoder(nn.Module):
    """Feature maps of [N, 1 or 3, H, W] at strides 2, 4, 8, 16 and 32, with WIDTHS channels.

    `pretrained` as in `ml.networks.weights`. Raises ConfigError if the start weights are not available.
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
        """Return the stem and the seven stages, from the input on."""
        return [parameters_of(part) for part in lite0_parts(self.net)]
