"""ThermalCNN: regression of the maximum, mean and minimum temperature of a thermal frame."""

import torch
from torch import nn

from inspector.ml.networks.base import Network, check_head, check_size

_HIDDEN = 512


class GlobalStatistics(nn.Module):
    """Maximum, mean and minimum over the positions of every channel: [N, C, h, w] to [N, 3 C].

    A mean alone misses a small hot spot; a maximum alone misses the coldest place.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x.amax((2, 3)), x.mean((2, 3)), x.amin((2, 3))), dim=1)


class ThermalCNN(Network):
    """Three convolutions (5x5, 5x5, 3x3; f, 2f, 4f channels) with ReLU and max pooling, then a regressor.

    `head="flatten"`: all positions into a hidden layer of 512. `head="stats"`: global statistics of the features before their
    last pooling and without ReLU (which would remove everything cold), 64 hidden units; small, for any input size.
    """

    def __init__(self, *, outputs: int, channels: int, positions: int, head: str, filters: int, dropout: float) -> None:
        super().__init__()
        statistics = head == "stats"
        self.features = nn.Sequential(
            nn.Conv2d(channels, filters, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(filters, 2 * filters, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(2 * filters, 4 * filters, 3, padding=1),
            *(() if statistics else (nn.ReLU(inplace=True), nn.MaxPool2d(2, 2))),
        )
        if statistics:
            self.regressor = nn.Sequential(
                GlobalStatistics(), nn.Linear(12 * filters, 64), nn.ReLU(inplace=True), nn.Linear(64, outputs)
            )
        else:
            self.regressor = nn.Sequential(
                nn.Flatten(),
                nn.Linear(4 * filters * positions, _HIDDEN),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(_HIDDEN, outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, channels, H, W] to scaled temperatures [N, outputs]."""
        out: torch.Tensor = self.regressor(self.features(x))
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"conv3": self.features[6], "conv2": self.features[3], "conv1": self.features[0]}


def build(
    *,
    outputs: int,
    channels: int,
    height: int,
    width: int,
    head: str = "flatten",
    filters: int = 32,
    dropout: float = 0.5,
) -> ThermalCNN:
    """Return a ThermalCNN for inputs of `height` x `width`, at least 8 pixels a side. Raises ConfigError."""
    check_head(head, ("flatten", "stats"), "ThermalCNN")
    check_size("ThermalCNN", height, width, 8)
    positions = (height // 8) * (width // 8)
    return ThermalCNN(outputs=outputs, channels=channels, positions=positions, head=head, filters=filters, dropout=dropout)
