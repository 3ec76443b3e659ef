"""U-Net: pixel-wise segmentation (Ronneberger et al., MICCAI 2015)."""

import torch
from torch import nn
from torch.nn import functional

from inspector.ml.networks.base import Network, check_size

_LEVELS = 4
_LOGIT_AT_START = -2.0  # defects cover little of a part: start at a probability of 12 %, not 50 %


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Return two 3x3 convolutions, each with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class UNet(Network):
    """Four levels down from f to 16f channels and up again, with skip connections.

    31,043,521 parameters at 3 channels, 1 class and f = 64. Inputs whose sides are not multiples of 16 are padded by repeating
    the edge, and the output is cropped.
    """

    def __init__(self, *, outputs: int, channels: int, filters: int) -> None:
        super().__init__()
        widths = [filters << level for level in range(_LEVELS + 1)]
        self.encoders = nn.ModuleList(
            _double(inputs, width) for inputs, width in zip([channels, *widths[: _LEVELS - 1]], widths[:_LEVELS], strict=True)
        )
        self.bottleneck = _double(widths[_LEVELS - 1], widths[_LEVELS])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in reversed(widths[:_LEVELS]))
        self.decoders = nn.ModuleList(_double(2 * width, width) for width in reversed(widths[:_LEVELS]))
        self.head = nn.Conv2d(filters, outputs, 1)
        self.pool = nn.MaxPool2d(2, 2)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, _LOGIT_AT_START)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, channels, H, W] to logits [N, outputs, H, W]."""
        height, width = int(x.shape[2]), int(x.shape[3])
        below, right = -height % (1 << _LEVELS), -width % (1 << _LEVELS)
        if below or right:
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        skips: list[torch.Tensor] = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = self.pool(skips[-1])
        x = self.bottleneck(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat((up(x), skips.pop()), dim=1))
        out: torch.Tensor = self.head(x)
        return out[:, :, :height, :width] if below or right else out

    def cam_layers(self) -> dict[str, nn.Module]:
        return {
            "decoder4": self.decoders[3],
            "decoder3": self.decoders[2],
            "decoder2": self.decoders[1],
            "decoder1": self.decoders[0],
            "bottleneck": self.bottleneck,
        }


def build(*, outputs: int, channels: int, height: int, width: int, filters: int = 64) -> UNet:
    """Return a U-Net for inputs of at least 16 pixels a side. Raises ConfigError."""
    check_size("U-Net", height, width, 1 << _LEVELS)
    return UNet(outputs=outputs, channels=channels, filters=filters)
