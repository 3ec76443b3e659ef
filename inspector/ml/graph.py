"""The whole computation of a bundle as one torch module: from frames as returned by `prepare()` to activated outputs."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError
from inspector.core.registry import NETWORKS, find
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared
from inspector.tasks.base import task_of

Options = Mapping[str, int | float | str | bool]
_VIEWS = ((), (2,), (1,), (1, 2))  # axes of [N, H, W, C] to flip


class Graph(nn.Module):
    """Normalisation, network and activation of the task.

    With `card.training["mirrored"]` the logits of a class, pixel or point are averaged over the frame and its three mirror
    images, for parts without a fixed orientation. Input [N, height, width, channels] uint8, or float32 on the same scale;
    output [N, ...] float32, the argument of `Task.decode`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, card: Card) -> None:
        super().__init__()
        mean, std = normalisation(card)
        if mean.shape != (card.input.channels,) or std.shape != mean.shape or not (std > 0).all():
            raise ConfigError(
                "The card of {bundle} needs {channels} values of mean and of std, and std above 0.",
                remedy="Train it again.",
                bundle=card.name,
                channels=card.input.channels,
            )
        self.network = network
        self.card = card
        self._task = task_of(card.task)
        self._mirrored = bool(card.training.get("mirrored", False)) and self._task.may_mirror(card)
        self.register_buffer("mean", torch.from_numpy(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.from_numpy(std).view(1, -1, 1, 1), persistent=False)

    def raw(self, frames: Tensor) -> Tensor:
        """Return the network's own output before the activation, for losses and Grad-CAM."""
        pixels = frames.permute(0, 3, 1, 2).to(torch.float32)
        out: Tensor = self.network((pixels - self.mean) / self.std)
        return out

    def activate(self, raw: Tensor) -> Tensor:
        """Apply the task's activation to the result of `raw`."""
        return self._task.activation(raw, self.card)

    def forward(self, frames: Tensor) -> Tensor:
        if not self._mirrored:
            return self.activate(self.raw(frames))
        views = torch.cat([_flipped(frames, axes) for axes in _VIEWS])
        logits = self.raw(views)
        each = logits.reshape(len(_VIEWS), -1, *logits.shape[1:])
        each = torch.stack([self._task.mirrored_back(raw, axes, self.card) for raw, axes in zip(each, _VIEWS, strict=True)])
        return self.activate(each.mean(0))


def _flipped(values: Tensor, axes: Sequence[int]) -> Tensor:
    return values.flip(list(axes)) if axes else values  # ONNX cannot flip along no axis


def build_network(card: Card, *, pretrained: bool = True) -> nn.Module:
    """Return a new network as described by the card. `pretrained=False` skips loading start weights.

    Raises ConfigError for an unknown network, an unknown option, or an unsupported input.
    """
    entry = find(NETWORKS, card.network, "network")
    options: dict[str, int | float | str | bool] = dict(card.network_options)
    if not pretrained and "pretrained" in options:
        options["pretrained"] = ""
    build = entry.load()
    try:
        network: nn.Module = build(
            outputs=task_of(card.task).outputs(card),
            channels=card.input.channels,
            height=card.input.height,
            width=card.input.width,
            **options,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "The network {network} cannot be built with these options: {options} ({detail}).",
            remedy="Check the card's network_options and input size.",
            network=card.network,
            options=", ".join(f"{key}={value}" for key, value in options.items()) or "none",
            detail=error,
        ) from error
    return network


def load_network(bundle: Bundle) -> nn.Module:
    """Return the bundle's network with its trained weights, in evaluation mode.

    Raises ConfigError if the weights are not a safetensors file or belong to another network.
    """
    if bundle.card.family:
        raise ConfigError(
            "The bundle {bundle} was imported as a graph: it has no weights to train, or to write another graph from.",
            bundle=bundle.folder,
        )
    weights = bundle.weights()
    shapes = {name: tuple(array.shape) for name, array in weights.items()}
    # Build on the meta device first: a card that describes a huge network must not be able to fill the memory.
    with torch.device("meta"):
        state = build_network(bundle.card, pretrained=False).state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if shapes != expected:
        raise ConfigError(
            "The weights of the bundle {bundle} do not fit its network {network} ({detail}).",
            remedy="Copy the bundle again from where it was trained, or train it again.",
            bundle=bundle.folder,
            network=bundle.card.network,
            detail=_difference(shapes, expected),
        )
    network = build_network(bundle.card, pretrained=False)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()


def load_graph(bundle: Bundle) -> Graph:
    """Return the bundle's graph, ready for inference. Raises ConfigError."""
    return Graph(load_network(bundle), bundle.card).eval()


def example_batch(card: Card, size: int, seed: int = 0) -> Tensor:
    """Return random inputs [size, height, width, channels] like those of `prepare`."""
    generator = torch.Generator().manual_seed(seed)
    shape = (size, *card.input.shape)
    if card.input.kind == "uint8":
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return 255 * torch.rand(shape, generator=generator)


def as_tensor(batch: Prepared) -> Tensor:
    """Return a batch as a tensor that shares its memory (read-only arrays are copied first)."""
    return torch.from_numpy(batch if batch.flags.writeable and batch.flags.c_contiguous else batch.copy())


def _difference(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str:
    for name, shape in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != shape:
            return f"{name} is {list(found[name])}, not {list(shape)}"
    return f"{next(name for name in found if name not in expected)} is unknown"


def normalisation(card: Card) -> tuple[Floats, Floats]:
    """Return the card's mean and std as float32 [C]."""
    return np.asarray(card.mean, np.float32), np.asarray(card.std, np.float32)
