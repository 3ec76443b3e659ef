"""SimpleYOLO: an anchor-free detector on one grid (after Redmon et al., CVPR 2016)."""

import math

import torch
from torch import nn
from torch.nn import functional

from inspector.core.errors import ConfigError
from inspector.ml.networks.base import Network, check_size, conv_block

STRIDE = 16
_CONFIDENCE_AT_START = 0.01
_SIZES_AT_START = (0.08, 0.35)  # initial side of the first and the last box of a cell, as a fraction of the input


class Context(nn.Module):
    """A residual dilated 3x3 convolution that widens the receptive field of a cell by 2 `dilation` cells."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        inner = channels // 4
        self.body = nn.Sequential(
            conv_block(channels, inner, 1, nn.LeakyReLU(0.1)),
            nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(inner),
            nn.LeakyReLU(0.1),
            conv_block(inner, channels, 1, nn.LeakyReLU(0.1)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.body(x)
        return out


class SimpleYOLO(Network):
    """A backbone of f, 3f, 4f and 8f channels to a grid of one cell per 16 x 16 pixels, and a head of 16f channels.

    At 1 class, 2 boxes and f = 64 it has 6,084,811 parameters; an input of 448 x 448 gives a grid of 28 x 28. The receptive
    field of a cell is 77 x 77 pixels; `context` adds that number of dilated blocks (dilation 2, 4, 8, ...) for larger defects.
    """

    def __init__(self, *, outputs: int, channels: int, grid: tuple[int, int], boxes: int, filters: int, context: int) -> None:
        super().__init__()
        self.size = (grid[0] * STRIDE, grid[1] * STRIDE)
        f = filters
        self.backbone = nn.Sequential(
            conv_block(channels, f, 7, nn.LeakyReLU(0.1), stride=2),
            nn.MaxPool2d(2, 2),
            conv_block(f, 3 * f, 3, nn.LeakyReLU(0.1)),
            nn.MaxPool2d(2, 2),
            conv_block(3 * f, 4 * f, 1, nn.LeakyReLU(0.1)),
            conv_block(4 * f, 8 * f, 3, nn.LeakyReLU(0.1)),
            nn.MaxPool2d(2, 2),
        )
        self.context = nn.Sequential(*(Context(8 * f, 2 << i) for i in range(context)))
        self.neck = conv_block(8 * f, 16 * f, 3, nn.LeakyReLU(0.1))
        self.head = nn.Conv2d(16 * f, outputs, 1)
        self._start(boxes)

    def _start(self, boxes: int) -> None:
        """Initialise the confidence to low values, because nearly all boxes are empty (Lin et al., 2017).

        The boxes of a cell start at different sizes, so that each specialises on objects of its own size.
        """
        bias = self.head.bias
        assert bias is not None
        with torch.no_grad():
            bias.zero_()
            for box in range(boxes):
                share = box / (boxes - 1) if boxes > 1 else 0.5
                side = _SIZES_AT_START[0] ** (1 - share) * _SIZES_AT_START[1] ** share
                bias[box * 5 + 2 : box * 5 + 4] = _logit(math.sqrt(side))
                bias[box * 5 + 4] = _logit(_CONFIDENCE_AT_START)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, channels, H, W] to logits [N, gh, gw, B*5 + C]: B times (x, y, w, h, confidence), then the classes."""
        if (x.shape[2], x.shape[3]) != self.size:
            # Cells must tile the input exactly; otherwise boxes would drift from their cells towards the far edge.
            x = functional.interpolate(x, self.size, mode="bilinear", align_corners=False)
        out: torch.Tensor = self.head(self.neck(self.context(self.backbone(x))))
        return out.permute(0, 2, 3, 1)

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"neck": self.neck, "conv4": self.backbone[5], "conv2": self.backbone[2]}


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def build(
    *,
    outputs: int,
    channels: int,
    height: int,
    width: int,
    boxes: int = 2,
    filters: int = 64,
    context: int = 0,
) -> SimpleYOLO:
    """Return a SimpleYOLO with `boxes` boxes per cell; `outputs` is boxes * 5 + classes. Raises ConfigError.

    An input whose sides are not multiples of 16 is resized internally to the nearest multiples.
    """
    check_size("SimpleYOLO", height, width, STRIDE)
    if outputs <= boxes * 5 or boxes < 1:
        raise ConfigError(
            "SimpleYOLO with {boxes} {boxes:|box|boxes} a cell cannot have {outputs} outputs.",
            remedy="Give at least one class and one box.",
            boxes=boxes,
            outputs=outputs,
        )
    grid = (max(1, round(height / STRIDE)), max(1, round(width / STRIDE)))
    return SimpleYOLO(outputs=outputs, channels=channels, grid=grid, boxes=boxes, filters=filters, context=context)
