"""U-Net on a pretrained encoder: EfficientNet-Lite0 features and a light decoder."""

import torch
from torch import nn
from torch.nn import functional

from inspector.ml.networks.base import HALF, Network, check_size, conv_block, parameters_of
from inspector.ml.networks.lite0 import WIDTHS, Lite0Encoder

_STRIDE = 32
_DECODER = (6, 4, 3, 2)  # widths at strides 16, 8, 4 and 2, times `filters`
_LOGIT_AT_START = -2.0  # defects cover little of a part: start at a probability of 12 %, not 50 %


class Up(nn.Module):
    """Doubles the resolution, concatenates the encoder's features of that size, and applies two 3x3 convolutions."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.mix = conv_block(inputs + skip, outputs, 3, nn.ReLU(inplace=True))
        self.refine = conv_block(outputs, outputs, 3, nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        out: torch.Tensor = self.refine(self.mix(torch.cat((x, skip), dim=1)))
        return out


class UNetEffNet(Network):
    """An encoder of five scales, and a decoder of 6f, 4f, 3f, 2f channels up to half the input's size.

    The last step to full size also uses the input itself, so that edges are accurate to a pixel. Inputs whose sides are not
    multiples of 32 are padded by repeating the edge, and the output is cropped.
    """

    normalisation = HALF

    def __init__(self, *, outputs: int, channels: int, filters: int, pretrained: str) -> None:
        super().__init__()
        self.encoder = Lite0Encoder(pretrained)
        widths = [factor * filters for factor in _DECODER]
        self.ups = nn.ModuleList(
            Up(inputs, skip, width)
            for inputs, skip, width in zip([WIDTHS[-1], *widths[:-1]], WIDTHS[-2::-1], widths, strict=True)
        )
        self.last = conv_block(widths[-1] + channels, filters, 3, nn.ReLU(inplace=True))
        self.head = nn.Conv2d(filters, outputs, 1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, _LOGIT_AT_START)

    def stages(self) -> list[list[nn.Parameter]]:
        return [*self.encoder.stages(), parameters_of((self.ups, self.last, self.head))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, 1 or 3, H, W] to logits [N, outputs, H, W]."""
        height, width = int(x.shape[2]), int(x.shape[3])
        below, right = -height % _STRIDE, -width % _STRIDE
        if below or right:
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        *skips, deep = self.encoder(x)
        for up in self.ups:
            deep = up(deep, skips.pop())
        full = functional.interpolate(deep, scale_factor=2.0, mode="bilinear", align_corners=False)
        out: torch.Tensor = self.head(self.last(torch.cat((full, x), dim=1)))
        return out[:, :, :height, :width] if below or right else out

    def cam_layers(self) -> dict[str, nn.Module]:
        layers: dict[str, nn.Module] = {f"decoder{4 - index}": self.ups[3 - index] for index in range(4)}
        return {"last": self.last, **layers}


def build(*, outputs: int, channels: int, height: int, width: int, filters: int = 16, pretrained: str = "") -> UNetEffNet:
    """Return a U-Net on EfficientNet-Lite0 for inputs of at least 32 pixels a side. Raises ConfigError."""
    check_size("U-Net on EfficientNet-Lite0", height, width, _STRIDE)
    return UNetEffNet(outputs=outputs, channels=channels, filters=filters, pretrained=pretrained)
