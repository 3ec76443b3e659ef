"""Where a network looked, by the output of one of its layers and the gradient of the explained number there.

Grad-CAM (Selvaraju et al., ICCV 2017), Grad-CAM++ (Chattopadhay et al., WACV 2018), LayerCAM (Jiang et al., IEEE TIP 2021),
and Eigen-CAM (Muhammad and Yeasin, IJCNN 2020), which asks for no class: it shows what the layer found remarkable.

The explained number depends on the task: the class score before the softmax; a box's score, or the sum of the scores of all
boxes of a class; the sum of a class's logits over the pixels where it was found (Seg-Grad-CAM, Vinogradova et al., AAAI 2020);
the maximum temperature, or the mean or minimum if asked for.
"""

from dataclasses import dataclass
from typing import Any, assert_never, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, Floats, Temperatures
from inspector.ml.graph import Graph
from inspector.tasks.base import loss_of, task_of
from inspector.workers.messages import CamMethod, ExplainMethod, ExplainRequest

_SMALL = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A heat map, and the class and number that it explains.

    `heat` float32 [height, width] of the input, 0..1 (all 0 if nothing contributed to the target). `class_index` is None for
    thermal bundles; `target` is the explained number.
    """

    heat: Floats
    layer: str
    class_index: int | None
    target: float


def cam_layers(graph: Graph) -> dict[str, nn.Module]:
    """Return the layers that can be explained, by name; the first is the default."""
    layers: dict[str, nn.Module] = cast(Any, graph.network).cam_layers()
    return layers


def explain(graph: Graph, frames: Tensor, question: ExplainRequest) -> Answer:
    """Explain the graph's output for one frame [1, height, width, channels]. Raises ConfigError for a wrong question."""
    name, layer = _layer(graph, question.layer)
    count = len(graph.card.classes)
    if question.class_index is not None and not 0 <= question.class_index < count:
        raise ConfigError("There is no class number {index}; there are {count}.", index=question.class_index, count=count)
    graph.eval()
    watch = _Watch(layer)
    try:
        with torch.no_grad():  # the watch turns gradients on behind the layer: nothing before it, and no weight, needs one
            target, class_index = _target(graph, graph.raw(frames), question)
    finally:
        watch.remove()
    activation, gradient = watch.taken(name, target)
    heat = _heat(
        activation, gradient, cam_method(question.method, graph.card.task), (graph.card.input.height, graph.card.input.width)
    )
    return Answer(heat, name, class_index, float(target.detach()))


def cam_method(asked: ExplainMethod | None, task: str) -> CamMethod:
    """Return the method of a request that looks into a layer; black-box methods are those of `ml.occlusion`."""
    match asked:
        case None:
            return task_of(task).cam
        case "occlusion" | "rise":
            raise ValueError(f"{asked} looks into no layer")
        case _:
            return asked


class _Watch:
    """Captures a layer's output, from which on gradients are recorded, and the gradient of a number there."""

    def __init__(self, layer: nn.Module) -> None:
        self._activation: Tensor | None = None
        self._handle = layer.register_forward_hook(self._forward)

    def _forward(self, module: nn.Module, inputs: object, output: object) -> object:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return output  # of a module that gives several tensors there is no map
        torch.set_grad_enabled(True)
        self._activation = output.detach().requires_grad_()
        return self._activation.clone()  # the next layer may write into its input; the captured tensor stays intact

    def taken(self, name: str, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return (activation, gradient of `target`), each [C, h, w]."""
        activation, gradient = self._activation, None
        if activation is not None and activation.ndim == 4 and target.requires_grad:
            (gradient,) = torch.autograd.grad(target, activation, allow_unused=True)
        if activation is None or gradient is None:
            raise ConfigError("The layer {layer} has no map that could be explained.", layer=name)
        return activation.detach()[0], gradient[0]

    def remove(self) -> None:
        self._handle.remove()


def _layer(graph: Graph, name: str | None) -> tuple[str, nn.Module]:
    """Return a layer: one of the network's presets, or any module of it by its path. Raises ConfigError."""
    layers = cam_layers(graph)
    if name is None:
        if not layers:
            raise ConfigError(
                "The network {network} has no layer with a map that could be explained.",
                remedy="Use the method occlusion or rise.",
                network=graph.card.network,
            )
        return next(iter(layers.items()))
    modules = dict(graph.network.named_modules())
    if name and name in modules and name not in layers:
        return name, modules[name]
    if name not in layers:
        raise ConfigError(
            "The network {network} has no layer called {layer!r}.",
            remedy="Choose one of: {names}, or the path of any other module.",
            network=graph.card.network,
            layer=name,
            names=", ".join(layers) or "none",
        )
    return name, layers[name]


def _heat(activation: Tensor, gradient: Tensor, method: CamMethod, size: tuple[int, int]) -> Floats:
    """Return the positive part of the map of a layer [C, h, w], enlarged to `size` and scaled to 0..1."""
    coarse = functional.relu(_map(activation, gradient, method))
    heat = np.asarray(cv2.resize(coarse.numpy(), (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    peak = float(heat.max())
    # Gradients may be tiny where a probability is saturated; only their pattern matters.
    scaled: Floats = np.clip(heat / peak, 0, 1) if peak > 0 and np.isfinite(peak) else np.zeros_like(heat)
    return scaled


def _map(activation: Tensor, gradient: Tensor, method: CamMethod) -> Tensor:
    """Return the map [h, w] that a method makes of a layer's output and the gradient there, each [C, h, w]."""
    match method:
        case "gradcam":
            return (gradient.mean((1, 2), keepdim=True) * activation).sum(0)
        case "gradcam++":
            # Equation 19 with the derivatives of the exponential of the explained number, divided by the squared gradient.
            divisor = 2 + activation.sum((1, 2), keepdim=True) * gradient
            alpha = torch.where((gradient != 0) & (divisor.abs() > _SMALL), 1 / divisor, torch.zeros_like(gradient))
            return ((functional.relu(gradient) * alpha).sum((1, 2), keepdim=True) * activation).sum(0)
        case "layercam":
            return (functional.relu(gradient) * activation).sum(0)
        case "eigencam":
            pixels = activation.flatten(1).T  # [h * w, C]
            centred = pixels - pixels.mean(0)
            _, _, axes = torch.linalg.svd(centred, full_matrices=False)
            projected: Tensor = (centred @ axes[0]).reshape(activation.shape[1:])
            # The sign of a principal axis is arbitrary: strong activation counts as remarkable, not weak.
            strength = activation.abs().mean(0)
            return projected if float((projected * (strength - strength.mean())).sum()) >= 0 else -projected
        case _:
            assert_never(method)


def _target(graph: Graph, raw: Tensor, question: ExplainRequest) -> tuple[Tensor, int | None]:
    """Return the number to explain and its class."""
    task = graph.card.task
    if question.box is not None and task_of(task).answer is not Boxes:
        raise ConfigError("Only boxes of a detection bundle can be explained one by one.")
    loss = loss_of(task, graph.card).load()()
    if question.output is not None:
        if task_of(task).answer is not Temperatures or question.output >= raw.shape[1]:
            raise ConfigError("Only the outputs 0, 1 and 2 of a thermal bundle can be explained by number.")
        return loss.activation(raw, graph.card)[0, question.output], None
    target: tuple[Tensor, int | None] = loss.cam_target(raw, graph.card, class_index=question.class_index, box=question.box)
    return target
