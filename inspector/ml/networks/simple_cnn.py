"""SimpleCNN: three convolution blocks and a small classifier."""

import torch
from torch import nn

from inspector.ml.networks.base import Network, check_head, check_size, conv_block

_HIDDEN = 512


class SimpleCNN(Network):
    """Three blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling, with f, 2f and 4f channels.

    `head="flatten"`: all positions into a hidden layer of 512 (51,475,971 parameters at 3 classes, f = 32 and 224 x 224).
    `head="gap"`: global average pooling; 94,083 parameters for any input size.
    """

    def __init__(self, *, outputs: int, channels: int, positions: int, head: str, filters: int, dropout: float) -> None:
        super().__init__()
        self.block1 = conv_block(channels, filters, 3, nn.ReLU(inplace=True))
        self.block2 = conv_block(filters, 2 * filters, 3, nn.ReLU(inplace=True))
        self.block3 = conv_block(2 * filters, 4 * filters, 3, nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(2, 2)
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(4 * filters * positions, _HIDDEN), nn.ReLU(inplace=True)]
        inputs = _HIDDEN
        if head == "gap":
            layers, inputs = [nn.AdaptiveAvgPool2d(1), nn.Flatten()], 4 * filters
        self.head = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(inputs, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, channels, H, W] to logits [N, outputs]."""
        for block in (self.block1, self.block2, self.block3):
            x = self.pool(block(x))
        out: torch.Tensor = self.head(x)
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"block3": self.block3, "block2": self.block2, "block1": self.block1}


def build(
    *,
    outputs: int,
    channels: int,
    height: int,
    width: int,
    head: str = "flatten",
    filters: int = 32,
    dropout: float = 0.5,
) -> SimpleCNN:
    """Return a SimpleCNN for inputs of `height` x `width`, at least 8 pixels a side. Raises ConfigError."""
    check_head(head, ("flatten", "gap"), "SimpleCNN")
    check_size("SimpleCNN", height, width, 8)
    positions = (height // 8) * (width // 8)
    return SimpleCNN(outputs=outputs, channels=channels, positions=positions, head=head, filters=filters, dropout=dropout)
