"""A one-stage detector without anchor boxes: a feature pyramid (Lin et al., CVPR 2017) on EfficientNet-Lite0."""

import math

import torch
from torch import nn
from torch.nn import functional

from inspector.ml.networks.base import HALF, Network, check_size, conv_block, parameters_of
from inspector.ml.networks.lite0 import WIDTHS, Lite0Encoder
from inspector.tasks.losses.points import STRIDES

_SMALLEST = 32
_OBJECTS_AT_START = 5.0  # assumed objects per image; the same number as in YOLOv5 and its successors
_MOST_AT_START = 0.01  # upper limit of the initial score
_SIDE_AT_START = 3.0  # initial side of a box in strides
_DEPTH = 2  # separable convolutions in each branch of the head


def _separable(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Return a convolution of each channel by itself, then one across channels, normalised and activated."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Branch(nn.Module):
    """One branch of the head. All scales share its convolutions, but each has its own normalisation, because statistics differ
    between scales (EfficientDet: Tan et al., CVPR 2020).
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = nn.ModuleList(nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False) for _ in range(_DEPTH))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in range(_DEPTH))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(width) for _ in range(_DEPTH)) for _ in STRIDES)
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, x: torch.Tensor, scale: int) -> torch.Tensor:
        norms = self.norms[scale]
        assert isinstance(norms, nn.ModuleList)
        for depthwise, pointwise, norm in zip(self.depthwise, self.pointwise, norms, strict=True):
            x = functional.relu(norm(pointwise(depthwise(x))))
        out: torch.Tensor = self.last(x)
        return out


class FpnLite0(Network):
    """Strides 8, 16 and 32 with `width` channels each, merged from coarse to fine; light heads for boxes and classes."""

    normalisation = HALF

    def __init__(self, *, outputs: int, points: int, width: int, pretrained: str) -> None:
        super().__init__()
        self.encoder = Lite0Encoder(pretrained)
        self.laterals = nn.ModuleList(conv_block(inputs, width, 1, nn.ReLU(inplace=True)) for inputs in WIDTHS[2:])
        self.smooth = nn.ModuleList(_separable(width, width, 5) for _ in STRIDES)
        self.boxes = Branch(width, 4)
        self.classes = Branch(width, outputs - 4)
        self._start(points)

    def _start(self, points: int) -> None:
        """Initialise boxes to a moderate size and scores to low values: nearly all points hold no object (Lin et al., ICCV
        2017).

        All scores of an image together start at about the number of objects it holds. With higher scores the first steps would
        only lower them: every weight of the class layer would become negative, because its inputs are outputs of a ReLU. A
        class without a positive weight can only suppress its features where its objects are, and is never found again. For the
        same reason that layer's weights start at torch's usual size; with small weights a few steps would change all signs.
        """
        nn.init.normal_(self.boxes.last.weight, std=0.01)
        start = min(_OBJECTS_AT_START / (points * self.classes.last.out_channels), _MOST_AT_START)
        box, score = self.boxes.last.bias, self.classes.last.bias
        assert box is not None
        assert score is not None
        with torch.no_grad():
            box.zero_()
            box[2:] = math.log(_SIDE_AT_START)
            score.fill_(math.log(start / (1 - start)))

    def stages(self) -> list[list[nn.Parameter]]:
        return [*self.encoder.stages(), parameters_of((self.laterals, self.smooth, self.boxes, self.classes))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, 1 or 3, H, W] to [N, A, 4 + C], see `tasks.losses.points`."""
        features = [lateral(one) for lateral, one in zip(self.laterals, self.encoder(x)[2:], strict=True)]
        for fine in (1, 0):
            coarse = functional.interpolate(features[fine + 1], size=features[fine].shape[2:], mode="nearest")
            features[fine] = features[fine] + coarse
        found = []
        for scale, (smooth, feature) in enumerate(zip(self.smooth, features, strict=True)):
            own = smooth(feature)
            both = torch.cat((self.boxes(own, scale), self.classes(own, scale)), dim=1)
            found.append(both.flatten(2).transpose(1, 2))
        return torch.cat(found, dim=1)

    def cam_layers(self) -> dict[str, nn.Module]:
        layers = {f"stride{stride}": layer for stride, layer in zip(STRIDES, self.smooth, strict=True)}
        encoder = {name: self.encoder.get_submodule(f"net.blocks.{name[-1]}") for name in ("blocks4", "blocks6")}
        return {**encoder, **layers}


def build(*, outputs: int, channels: int, height: int, width: int, filters: int = 96, pretrained: str = "") -> FpnLite0:
    """Return a detector for inputs of at least 32 pixels a side.

    `outputs` is 4 + classes, `filters` the channels of the pyramid. Raises ConfigError.
    """
    check_size("FPN on EfficientNet-Lite0", height, width, _SMALLEST)
    points = sum(math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES)
    return FpnLite0(outputs=outputs, points=points, width=filters, pretrained=pretrained)
