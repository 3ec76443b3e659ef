"""Heat maps are those of pytorch-grad-cam and of Captum, from the same weights. Runs where these are installed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 - after the check that torch is there

from inspector.bench.steps import card_of  # noqa: E402
from inspector.core.registry import NETWORKS  # noqa: E402
from inspector.core.types import Floats  # noqa: E402
from inspector.ml.explain import cam_layers, explain  # noqa: E402
from inspector.ml.graph import Graph, build_network, example_batch  # noqa: E402
from inspector.tasks.base import loss_of  # noqa: E402
from inspector.workers.messages import ExplainRequest  # noqa: E402

SIZE = 64
_LARGE = 1e6  # an untrained network's gradients are as small as the number that pytorch-grad-cam adds to a map's peak
NARROW = {"simple_cnn", "simple_yolo", "fpn_lite0", "unet", "unet_effnet", "thermal_cnn"}  # those that have a width
QUESTIONS = {
    "classification": (ExplainRequest(class_index=1),),
    "detection": (ExplainRequest(class_index=0), ExplainRequest(class_index=1, box=(12.0, 10.0, 40.0, 44.0))),
    "segmentation": (ExplainRequest(class_index=0),),
    "thermal": tuple(ExplainRequest(output=output) for output in range(3)),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Raw(nn.Module):
    """A graph before its activation, of pictures [N, C, height, width]."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, pixels: Tensor) -> Tensor:
        return self.graph.raw(pixels.permute(0, 2, 3, 1))


def built(network: str, seed: int) -> Graph:
    task = NETWORKS[network].tasks[0]
    card = card_of(task, network, SIZE, SIZE, ("a", "b", "c"))
    changes: dict[str, Any] = {"network_options": {"filters": 4}} if network in NARROW else {}
    if task == "thermal":
        changes["network_options"] = {"filters": 4, "head": "stats"}  # else all is written over, in place
        changes |= {"target_mean": (330.0, 300.0, 290.0), "target_std": (15.0, 8.0, 5.0)}
    card = card.model_copy(update={**changes, "created": datetime(2026, 1, 1, tzinfo=UTC)})
    torch.manual_seed(seed)
    return Graph(build_network(card, pretrained=False).eval(), card)


def number_of(graph: Graph, asked: ExplainRequest, *, times: float = 1.0) -> Callable[[Tensor], Tensor]:
    """Return the function from the raw output for one frame to the number that is explained, `times` a factor."""
    loss = loss_of(graph.card.task, graph.card).load()()

    def number(raw: Tensor) -> Tensor:
        if asked.output is not None:
            return loss.activation(raw[None], graph.card)[0, asked.output] * times
        return loss.cam_target(raw[None], graph.card, class_index=asked.class_index, box=asked.box)[0] * times

    return number


def stretched(heat: Floats) -> Floats:
    """From 0 to 1, as pytorch-grad-cam scales a map."""
    return (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_maps_are_those_of_pytorch_grad_cam(network: str) -> None:
    """Class, box, mask and temperature, at every preset layer."""
    peer = pytest.importorskip("pytorch_grad_cam")
    kinds = {"gradcam": peer.GradCAM, "layercam": peer.LayerCAM}
    compared = 0
    for seed in (0, 1):
        graph = built(network, seed)
        frames = example_batch(graph.card, 1, seed)
        pixels = frames.permute(0, 3, 1, 2).float()
        for asked in QUESTIONS[graph.card.task]:
            for name, layer in cam_layers(graph).items():
                if _written_over(graph, frames, layer):
                    continue  # that package then reads what the next layer has written
                for method, kind in kinds.items():
                    ours = explain(graph, frames, asked.model_copy(update={"layer": name, "method": method})).heat
                    if not ours.any():
                        continue
                    cam = kind(model=Raw(graph), target_layers=[layer])
                    theirs = cam(input_tensor=pixels, targets=[number_of(graph, asked, times=_LARGE)])[0]
                    np.testing.assert_allclose(stretched(ours), theirs, atol=1e-4, err_msg=f"{asked} {name} {method}")
                    compared += 1
    assert compared >= 2


def _written_over(graph: Graph, frames: Tensor, layer: nn.Module) -> bool:
    """Whether what comes after a layer writes into its output."""
    kept: list[tuple[Tensor, Tensor]] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append((output, output.clone())))
    with torch.no_grad():
        graph.raw(frames)
    handle.remove()
    return not torch.equal(*kept[0])


def test_grad_cam_plus_plus_is_that_of_pytorch_grad_cam() -> None:
    """With gradients so large that the small number in that package's divisor counts for nothing."""
    peer = pytest.importorskip("pytorch_grad_cam")
    graph = built("simple_cnn", 1)
    with torch.no_grad():
        last = [module for module in graph.network.modules() if isinstance(module, nn.Linear)][-1]
        last.weight *= 1e4
    frames = example_batch(graph.card, 1)
    for index in range(3):
        asked = ExplainRequest(layer="block2", class_index=index, method="gradcam++")
        ours, layer = explain(graph, frames, asked).heat, cam_layers(graph)["block2"]
        cam = peer.GradCAMPlusPlus(model=Raw(graph), target_layers=[layer])
        theirs = cam(input_tensor=frames.permute(0, 3, 1, 2).float(), targets=[number_of(graph, asked)])[0]
        assert ours.any()
        np.testing.assert_allclose(stretched(ours), theirs, atol=1e-4)


def test_grad_cam_is_that_of_captum() -> None:
    attr = pytest.importorskip("captum.attr")
    compared = 0
    for seed in (0, 1):
        graph = built("simple_cnn", seed)
        frames = example_batch(graph.card, 1, seed)
        for name in ("block1", "block2", "block3"):
            for index in range(3):
                ours = explain(graph, frames, ExplainRequest(layer=name, class_index=index)).heat
                cam = attr.LayerGradCam(Raw(graph), cam_layers(graph)[name])
                coarse = cam.attribute(frames.permute(0, 3, 1, 2).float(), target=index, relu_attributions=True)[0, 0]
                if ours.any():
                    theirs = cv2.resize(coarse.detach().numpy(), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
                    np.testing.assert_allclose(ours, theirs / theirs.max(), atol=1e-4)
                    compared += 1
    assert compared >= 6
