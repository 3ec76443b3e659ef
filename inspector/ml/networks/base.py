"""What every network is: a torch module that says where Grad-CAM may look and which normalisation it wants.

To add a network: one file with `build(*, outputs, channels, height, width, **options) -> Network`, one line in
`core.registry.NETWORKS`. `height` and `width` are the input's; how wide a network is goes by `filters`, the channels of its
first layer. Input is float32 [N, channels, height, width], normalised; output is raw (logits):
classification [N, C]; detection as its loss says (`Entry.loss`); segmentation [N, K, height, width]; thermal [N, 3] scaled.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Self

import torch
from torch import nn

from inspector.core.errors import ConfigError
from inspector.core.images import InputSpec

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]

# ImageNet statistics (as in torchvision's weights), on the 0..255 scale of the array that prepare() makes.
_IMAGENET: Normalisation = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
HALF: Normalisation = ((127.5,) * 3, (127.5,) * 3)  # what the weights of EfficientNet-Lite expect


class Network(nn.Module):
    """A network of the registry. `normalisation` is the (mean, std) a channel of the 0..255 input it wants."""

    normalisation: Normalisation = _IMAGENET
    _still = 0  # stages whose batch-normalisation statistics stay as they are

    def stages(self) -> list[list[nn.Parameter]]:
        """Return every parameter once, in groups from the input to the output; the last group is what is new, the head.

        One group: nothing of it was learnt elsewhere. Groups before the last are the backbone.
        """
        return [list(self.parameters())]

    def freeze_backbone(self, stages: int | None = None, *, still: int | None = None) -> None:
        """Keep the first `stages` stages (by default the whole backbone) as they are while training; those after them learn.
        Of the first `still` stages, by default the same, the batch-normalisation statistics stay too.
        """
        every = self.stages()
        frozen = len(every) - 1 if stages is None else stages
        self._still = frozen if still is None else still
        for number, stage in enumerate(every):
            for parameter in stage:
                parameter.requires_grad_(number >= frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As torch's, but frozen stages stay in evaluation mode."""
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
        """Layers whose output [N, C, h, w] a class activation map can be made of, by name; the first is the default."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = super().__call__(x)
        return out


def normalisation_for(network: Network, spec: InputSpec) -> Normalisation:
    """Mean and std, one number a channel, for `Card.mean` and `Card.std`.

    Grey inputs take the mean over the colours.
    """
    mean, std = network.normalisation
    if spec.channels == len(mean):
        return mean, std
    return (sum(mean) / len(mean),) * spec.channels, (sum(std) / len(std),) * spec.channels


def parameters_of(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return the parameters of several modules in one list."""
    return [parameter for module in modules for parameter in module.parameters()]


def as_colour(x: torch.Tensor) -> torch.Tensor:
    """[N, 1 or 3, H, W] -> [N, 3, H, W]: grey is repeated, as weights learnt on colour pictures expect."""
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def conv_block(inputs: int, outputs: int, kernel: int, activation: nn.Module, *, stride: int = 1) -> nn.Sequential:
    """Convolution ("same" padding), batch normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2), nn.BatchNorm2d(outputs), activation
    )


def check_head(head: str, allowed: tuple[str, ...], network: str) -> None:
    """Raise ConfigError unless `head` is one the network has."""
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
