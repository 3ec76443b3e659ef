"""Grad-CAM against its published formula, on networks whose answer can be worked out."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast, get_args

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 - after the check that torch is there
from torch.nn import functional  # noqa: E402

from inspector.bundles.bundle import Card  # noqa: E402
from inspector.core.errors import ConfigError  # noqa: E402
from inspector.core.registry import NETWORKS  # noqa: E402
from inspector.imaging.preprocessing import InputSpec  # noqa: E402
from inspector.ml.explain import cam_layers, explain  # noqa: E402
from inspector.ml.graph import Graph, build_network, example_batch  # noqa: E402
from inspector.ml.occlusion import _rise, black_box  # noqa: E402
from inspector.workers.messages import CamMethod, ExplainRequest  # noqa: E402

SIZE = 32
THERMAL = {"target_mean": (330.0, 300.0, 290.0), "target_std": (15.0, 8.0, 5.0)}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on images this small more threads only wait for each other
    yield
    torch.set_num_threads(threads)


def card(task: str, network: str = "none", *, classes: tuple[str, ...] = ("left", "right"), **changes: Any) -> Card:
    thermal = task == "thermal"
    return Card(
        name="test",
        task=cast(Any, task),
        network=network,
        classes=() if thermal else classes,
        input=InputSpec(
            width=SIZE,
            height=SIZE,
            channels=1 if thermal else 3,
            kind="float" if thermal else "uint8",
            unit="kelvin" if thermal else "intensity",
        ),
        mean=(120.0,) if thermal else (0.0,) * 3,
        std=(20.0,) if thermal else (255.0,) * 3,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
        **(THERMAL if thermal else {}),
        **changes,
    )


class Sides(nn.Module):
    """Class "left" sees red, class "right" sees green; an in-place ReLU follows the explained layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).view(2, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.avg_pool2d(self.relu(self.conv(x)), SIZE).flatten(1)
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"conv": self.conv, "relu": self.relu}


def red_and_green() -> Tensor:
    frames = torch.zeros((1, SIZE, SIZE, 3), dtype=torch.uint8)
    frames[0, 4:12, 2:10, 0] = 255
    frames[0, 20:30, 20:28, 1] = 200
    return frames


@pytest.mark.parametrize("layer", ["conv", "relu"])
@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_the_heat_lies_where_the_class_is(layer: str, method: Any) -> None:
    graph = Graph(Sides(), card("classification"))
    for index, (rows, columns) in enumerate([(slice(4, 12), slice(2, 10)), (slice(20, 30), slice(20, 28))]):
        answer = explain(graph, red_and_green(), ExplainRequest(layer=layer, class_index=index, method=method))
        expected = np.zeros((SIZE, SIZE), np.float32)
        expected[rows, columns] = 1
        np.testing.assert_allclose(answer.heat, expected, atol=1e-6)
        assert (answer.layer, answer.class_index) == (layer, index)


def test_the_named_class_is_explained_by_default() -> None:
    graph = Graph(Sides(), card("classification"))
    answer = explain(graph, red_and_green(), ExplainRequest())
    with torch.no_grad():
        logits = graph.raw(red_and_green())[0]
    assert answer.class_index == int(logits.argmax())
    assert answer.target == pytest.approx(float(logits.max()))


def published(graph: Graph, frames: Tensor, layer: nn.Module, class_index: int) -> np.ndarray:
    """Selvaraju et al. 2017, equations 1 and 2, with torch.autograd.grad and without hooks on gradients."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.enable_grad():
        score = graph.eval().raw(frames)[0, class_index]
    handle.remove()
    gradient = torch.autograd.grad(score, kept[0])[0][0]
    alpha = gradient.mean((1, 2))
    coarse = torch.relu((alpha[:, None, None] * kept[0][0]).sum(0)).detach().numpy()
    heat = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return heat / heat.max()


def test_it_is_the_published_formula() -> None:
    """On layers after which nothing is written in place, where the plain formula can be evaluated directly."""
    own = card("classification", "simple_cnn", network_options={"filters": 4})
    torch.manual_seed(1)
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    seen = 0
    for name in ("block1", "block2", "block3"):
        for index in (0, 1):
            answer = explain(graph, frames, ExplainRequest(layer=name, class_index=index))
            if answer.heat.any():
                np.testing.assert_allclose(answer.heat, published(graph, frames, cam_layers(graph)[name], index), atol=1e-5)
                seen += 1
    assert seen >= 3


def plus_plus(activation: Tensor, gradient: Tensor) -> np.ndarray:
    """Chattopadhay et al. 2018, equations 10 and 19, pixel by pixel as they are printed, in float64."""
    acts, grads = activation.double().numpy(), gradient.double().numpy()
    coarse = np.zeros(acts.shape[1:])
    for act, grad in zip(acts, grads, strict=True):
        weight = 0.0
        for row, column in np.argwhere(grad > 0):
            g = grad[row, column]
            weight += g**2 / (2 * g**2 + act.sum() * g**3) * g
        coarse += weight * act
    heat = cv2.resize(np.maximum(coarse, 0).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return heat / heat.max()


def layer_of(graph: Graph, frames: Tensor, layer: nn.Module, class_index: int) -> tuple[Tensor, Tensor]:
    """Return a layer's output and the gradient of a class score there."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.enable_grad():
        score = graph.eval().raw(frames)[0, class_index]
    handle.remove()
    return kept[0][0].detach(), torch.autograd.grad(score, kept[0])[0][0]


def test_the_other_methods_are_the_published_formulas() -> None:
    own = card("classification", "simple_cnn", network_options={"filters": 4})
    torch.manual_seed(1)
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    layer = cam_layers(graph)["block2"]
    activation, gradient = layer_of(graph, frames, layer, 1)
    found = explain(graph, frames, ExplainRequest(layer="block2", class_index=1, method="gradcam++")).heat
    np.testing.assert_allclose(found, plus_plus(activation, gradient), atol=1e-4)
    eigen = explain(graph, frames, ExplainRequest(layer="block2", method="eigencam")).heat
    pixels = activation.flatten(1).T.double().numpy()
    values, vectors = np.linalg.eigh(np.cov(pixels.T))
    projected = ((pixels - pixels.mean(0)) @ vectors[:, values.argmax()]).reshape(activation.shape[1:])
    maps = []
    for sign in (1, -1):
        coarse = np.maximum(sign * projected, 0).astype(np.float32)
        heat = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        maps.append(heat / heat.max())
    assert min(np.abs(eigen - other).max() for other in maps) < 1e-3


def test_other_weights_give_another_map() -> None:
    """A map that stays when the weights are shuffled shows the image, not the network (Adebayo et al., NeurIPS 2018)."""
    own = card("classification", "simple_cnn", network_options={"filters": 4})
    frames = example_batch(own, 1)
    heats: dict[str, list[np.ndarray]] = {}
    for seed in (1, 2):
        torch.manual_seed(seed)
        graph = Graph(build_network(own), own)
        for method in get_args(CamMethod):
            request = ExplainRequest(layer="block2", class_index=0, method=method)
            heats.setdefault(method, []).append(explain(graph, frames, request).heat)
    for method, (one, other) in heats.items():
        assert np.abs(one - other).max() > 0.1, method


def test_one_of_the_three_temperatures() -> None:
    own = card("thermal", "thermal_cnn", network_options={"filters": 4})
    torch.manual_seed(0)
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    with torch.no_grad():
        numbers = graph.eval()(frames)[0]
    for output in range(3):
        assert explain(graph, frames, ExplainRequest(output=output)).target == pytest.approx(float(numbers[output]), rel=1e-4)
    with pytest.raises(ConfigError, match="thermal"):
        explain(graph, frames, ExplainRequest(output=3))
    classes = card("classification", "simple_cnn", network_options={"filters": 4})
    with pytest.raises(ConfigError, match="thermal"):
        explain(Graph(build_network(classes), classes), example_batch(classes, 1), ExplainRequest(output=0))


TASK_OF = {
    "simple_yolo": "detection",
    "fpn_lite0": "detection",
    "unet": "segmentation",
    "unet_effnet": "segmentation",
    "thermal_cnn": "thermal",
}
SMALL = {"simple_cnn", "simple_yolo", "fpn_lite0", "unet", "unet_effnet", "thermal_cnn"}  # those that have a width


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_of_every_network_can_be_explained(network: str) -> None:
    own = card(TASK_OF.get(network, "classification"), network, network_options={"filters": 4} if network in SMALL else {})
    torch.manual_seed(0)
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    with torch.no_grad():
        output = graph.eval()(frames)
    layers = cam_layers(graph)
    assert layers
    heats = [explain(graph, frames, ExplainRequest(layer=name, method="gradcam")).heat for name in layers]
    heats.append(explain(graph, frames, ExplainRequest(method="layercam")).heat)
    for heat in heats:
        assert heat.shape == (SIZE, SIZE)
        assert heat.dtype == np.float32
        assert heat.min() >= 0
        assert heat.max() in (0, 1)
    assert any(heat.any() for heat in heats)
    # Explaining changes nothing and leaves no hook behind.
    with torch.no_grad():
        assert torch.equal(graph(frames), output)
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
    assert all(parameter.grad is None for parameter in graph.parameters())
    assert not any(layer._forward_hooks for layer in layers.values())
    # A map that stays when the weights are exchanged would show the image, not the network.
    for module in graph.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    others = [explain(graph, frames, ExplainRequest(layer=name, method="gradcam")).heat for name in layers]
    others.append(explain(graph, frames, ExplainRequest(method="layercam")).heat)
    assert max(float(np.abs(one - other).max()) for one, other in zip(heats, others, strict=True)) > 0.1


class Dense(nn.Module):
    """A network without any convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.out = nn.Linear(3 * SIZE * SIZE, 2)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.flat(x)))

    def cam_layers(self) -> dict[str, nn.Module]:
        return {}


def test_any_module_can_be_chosen_and_one_without_a_map_is_a_sentence() -> None:
    own = card("classification", "simple_cnn", network_options={"filters": 4})
    torch.manual_seed(1)
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    preset = cam_layers(graph)["block2"]
    path = next(name for name, module in graph.network.named_modules() if module is preset)
    for method in get_args(CamMethod):
        by_path = explain(graph, frames, ExplainRequest(layer=path, class_index=1, method=method))
        by_name = explain(graph, frames, ExplainRequest(layer="block2", class_index=1, method=method))
        np.testing.assert_array_equal(by_path.heat, by_name.heat)
    last = next(name for name, module in reversed(list(graph.network.named_modules())) if isinstance(module, nn.Linear))
    with pytest.raises(ConfigError, match=f"The layer {last} has no map"):
        explain(graph, frames, ExplainRequest(layer=last))
    dense = Graph(Dense(), card("classification"))
    with pytest.raises(ConfigError, match="has no layer with a map") as refused:
        explain(dense, red_and_green(), ExplainRequest())
    assert "occlusion or rise" in str(refused.value.remedy)
    with pytest.raises(ConfigError, match="The layer out has no map"):
        explain(dense, red_and_green(), ExplainRequest(layer="out"))
    infer = lambda batch: dense(torch.from_numpy(batch)).detach().numpy()  # noqa: E731
    heat, told = black_box(infer, dense.card, red_and_green()[0].numpy(), ExplainRequest(method="occlusion"))
    assert (heat.shape, told.layer) == ((SIZE, SIZE), "occlusion")
    assert heat.any()


def red_or_not(batch: np.ndarray) -> np.ndarray:
    """A network that knows "left" by the red in rows 4 to 12 and columns 2 to 10."""
    red = batch[:, 4:12, 2:10, 0].astype(np.float32).mean(axis=(1, 2)) / 255
    return np.stack([6 * red - 3, 0 * red], axis=1)


def test_rise_finds_what_a_closed_network_depends_on_and_always_the_same() -> None:
    frame = red_and_green()[0].numpy()
    request = ExplainRequest(method="rise", class_index=0)
    heat, told = black_box(red_or_not, card("classification"), frame, request)
    again, _ = black_box(red_or_not, card("classification"), frame, request)
    np.testing.assert_array_equal(heat, again)
    assert (told.class_index, heat.max()) == (0, 1.0)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 2 <= y < 14
    assert 0 <= x < 12
    assert heat[20:, 16:].mean() < 0.4 * heat[4:12, 2:10].mean()
    _, told = black_box(red_or_not, card("classification"), frame, ExplainRequest(layer="rise"))
    assert told.layer == "rise"  # as the window asks for it, which shows the ways of an imported graph among its layers
    flat, _ = black_box(lambda batch: np.tile(np.float32([1, 0]), (len(batch), 1)), card("classification"), frame, request)
    assert not flat.any()  # nothing that is hidden changes it


def test_rise_keeps_no_mask() -> None:
    frame = np.zeros((512, 512, 3), np.uint8)
    tracemalloc.start()
    _rise(lambda frames: (float(one[0, 0, 0]) for one in frames), frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * frame.size  # all 256 masks would be more than five times as much


class Cells(nn.Module):
    """A detector on a grid of 2 x 2 with one box a cell: confidence from red, class from green or blue, box fills its cell."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(SIZE // 2)

    def forward(self, x: Tensor) -> Tensor:
        grid = self.pool(x).permute(0, 2, 3, 1)
        box = torch.zeros_like(grid[..., :1])
        colour = 10 * (grid - 0.5)
        return torch.cat((box, box, box, box, colour), dim=3)

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"pool": self.pool}


def cells() -> Tensor:
    frames = torch.zeros((1, SIZE, SIZE, 3), dtype=torch.uint8)
    half = SIZE // 2
    frames[0, :half, :half] = torch.tensor([255, 255, 0], dtype=torch.uint8)  # a "left" at the top left
    frames[0, half:, half:] = torch.tensor([255, 0, 255], dtype=torch.uint8)  # a "right" at the bottom right
    frames[0, half:, :half] = torch.tensor([200, 255, 0], dtype=torch.uint8)  # another "left", less sure
    return frames


def quadrants(heat: np.ndarray) -> list[float]:
    half, quarter = SIZE // 2, SIZE // 4
    return [float(heat[row + quarter, column + quarter]) for row in (0, half) for column in (0, half)]


def test_a_detector_is_explained_by_class_and_by_box() -> None:
    graph = Graph(Cells(), card("detection", network_options={"boxes": 1}))
    everything = explain(graph, cells(), ExplainRequest(class_index=0))
    top_left, top_right, bottom_left, bottom_right = quadrants(everything.heat)
    assert min(top_left, bottom_left) > 0.1  # both boxes of the class, and nothing else
    assert max(top_right, bottom_right) < 0.05
    one = explain(graph, cells(), ExplainRequest(box=(0.0, 16.0, 16.0, 32.0)))
    top_left, top_right, bottom_left, bottom_right = quadrants(one.heat)
    assert bottom_left > 0.5
    assert max(top_left, top_right, bottom_right) < 0.05
    assert one.class_index == 0
    with torch.no_grad():
        out = graph(cells())[0, 2]  # row 1, column 0
    assert one.target == pytest.approx(float(out[4]))
    other = explain(graph, cells(), ExplainRequest(box=(16.0, 16.0, 32.0, 32.0)))
    assert other.class_index == 1
    assert quadrants(other.heat)[3] > 0.5


class Pixels(nn.Module):
    """A segmenter: "left" where it is red, "right" where it is green."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 10 * (self.same(x)[:, :2] - 0.5)
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return {"same": self.same}


def test_a_segmenter_is_explained_over_its_mask() -> None:
    graph = Graph(Pixels(), card("segmentation"))
    answer = explain(graph, red_and_green(), ExplainRequest(class_index=1))
    inside = np.zeros((SIZE, SIZE), bool)
    inside[20:30, 20:28] = True
    assert float(answer.heat[inside].min()) > 0.9
    assert float(answer.heat[~inside].max()) == 0
    assert explain(graph, red_and_green(), ExplainRequest()).class_index == 1  # the larger area
    nothing = explain(graph, torch.zeros((1, SIZE, SIZE, 3), dtype=torch.uint8), ExplainRequest(class_index=0))
    assert not nothing.heat.any()


def test_the_highest_temperature_is_what_is_explained() -> None:
    own = card("thermal", "thermal_cnn", network_options={"filters": 4})
    graph = Graph(build_network(own), own)
    frames = example_batch(own, 1)
    answer = explain(graph, frames, ExplainRequest())
    with torch.no_grad():
        assert answer.target == pytest.approx(float(graph(frames)[0, 0]))
    assert answer.class_index is None


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (ExplainRequest(layer="attic"), "Choose one of: conv, relu"),
        (ExplainRequest(class_index=2), "There is no class number 2"),
        (ExplainRequest(class_index=99), "There is no class number 99"),
        (ExplainRequest(box=(0, 0, 5, 5)), "detection"),
    ],
)
def test_wrong_questions_are_one_sentence(question: ExplainRequest, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        explain(Graph(Sides(), card("classification")), red_and_green(), question)
