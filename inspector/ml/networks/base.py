"""The base class of networks: a torch module with its Grad-CAM layers and normalisation.

To add a network: one file with `build(*, outputs, channels, height, width, **options) -> Network`, one line in
`core.registry.NETWORKS`. `height` and `width` are the input's. `filters`, the channels of the first layer, determines a
network's width. Input is float32 [N, channels, height, width], normalised. Output is raw (logits): classification [N, C];
detection as defined by its loss (`Entry.loss`); segmentation [N, K, height, width]; thermal [N, 3] scaled.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Self

import torch
from torch import nn

from inspector.core.errors import ConfigError
from inspector.imaging.preprocessing import InputSpec

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]

# ImageNet statistics (as in torchvision's weights), on the 0..255 scale of the array that prepare() makes.
_IMAGENET: Normalisation = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
HALF: Normalisation = ((127.5,) * 3, (127.5,) * 3)  # normalisation of EfficientNet-Lite's weights


class Network(nn.Module):
    """A network of the registry. `normalisation` is the (mean, std) per channel for input on the scale 0..255."""

    normalisation: Normalisation = _IMAGENET
    _still = 0  # number of stages with fixed batch-normalisation statistics

    def stages(self) -> list[list[nn.Parameter]]:
        """Return every parameter once, in groups from input to output. The last group is the untrained head.

        A single group means that nothing was pretrained. The groups before the last are the backbone.
        """
        return [list(self.parameters())]

    def freeze_backbone(self, stages: int | None = None, *, still: int | None = None) -> None:
        """Freeze the parameters of the first `stages` stages (default: the whole backbone); later stages learn.

        The batch-normalisation statistics of the first `still` stages (default: the same) are fixed too.
        """
        every = self.stages()
        frozen = len(every) - 1 if stages is None else stages
        self._still = frozen if still is None else still
        for number, stage in enumerate(every):
            for parameter in stage:
                parameter.requires_grad_(number >= frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode as torch does, but keep frozen stages in evaluation mode."""
        super().train(mode)
        if mode and self._still:
            still = {id(parameter) for stage in self.stages()[: self._still] for parameter in stage}
            for module in self.modules():
                own = list(module.parameters())
                if own and all(id(parameter) in still for parameter in own):
                    module.eval()
        return self

    @abstractmethod
    def cam_layers(self) -> dict[str, nn.Module]:
        """Return the layers with output [N, C, h, w] for class activation maps, by name; the first is the default."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = super().__call__(x)
        return out


def normalisation_for(network: Network, spec: InputSpec) -> Normalisation:
    """Return mean and std, one number per channel, for `Card.mean` and `Card.std`.

    Grey inputs get the mean over the colours.
    """
    mean, std = network.normalisation
    if spec.channels == len(mean):
        return mean, std
    return (sum(mean) / len(mean),) * spec.channels, (sum(std) / len(std),) * spec.channels


def parameters_of(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return the parameters of several modules in one list."""
    return [parameter for module in modules for parameter in module.parameters()]


def as_colour(x: torch.Tensor) -> torch.Tensor:
    """Convert [N, 1 or 3, H, W] to [N, 3, H, W]: grey is repeated for weights trained on colour images."""
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def conv_block(inputs: int, outputs: int, kernel: int, activation: nn.Module, *, stride: int = 1) -> nn.Sequential:
    """Return a convolution ("same" padding), batch normalisation and activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2), nn.BatchNorm2d(outputs), activation
    )


def check_head(head: str, allowed: tuple[str, ...], network: str) -> None:
    """Raise ConfigError if the network does not have this head."""
    if head not in allowed:
        raise ConfigError(
            "{network} has no head called {head!r}.",
            remedy="Choose one of: {names}.",
            network=network,
            head=head,
            names=", ".join(allowed),
        )


def check_size(network: str, height: int, width: int, smallest: int) -> None:
    """Raise ConfigError if the input is too small for the network's pooling layers."""
    if min(height, width) < smallest:
        raise ConfigError(
            "An input of {width} x {height} pixels is too small for {network}.",
            remedy="Use at least {smallest} pixels a side.",
            network=network,
            width=width,
            height=height,
            smallest=smallest,
        )
