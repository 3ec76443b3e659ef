"""No class dies: whatever the first steps show, each class is found where it is afterwards, and nowhere else."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from inspector.core.types import Annotation, Boxes, TaskName
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.base import task_of
from tests.ml.plates import CLASSES, plate
from tests.tasks.making import card

torch = pytest.importorskip("torch")

from inspector.ml.graph import Graph, build_network  # noqa: E402
from inspector.tasks.statistics.truth import input_view  # noqa: E402 - needs torch

SIDE, BATCH, BATCHES, CHECKED = 96, 4, 8, 16


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def graph_of(task: TaskName, network: str, options: Mapping[str, int], side: int = SIDE, classes: int = 3) -> Any:
    names = tuple(f"kind{number}" for number in range(classes)) if classes != 3 else CLASSES
    own = card(task, names, spec=InputSpec(width=side, height=side))
    own = own.model_copy(update={"network": network, "network_options": dict(options)})
    return Graph(build_network(own), own).train()


def examples(graph: Any, first: int, count: int, *, empty: bool = False) -> tuple[Any, dict[str, Any]]:
    """Plates from `first` on, and their targets. `empty`: good ones; for classification, of one class only."""
    task, view = task_of(graph.card.task), input_view(graph.card.input)
    frames, rows = [], []
    for index in range(first, first + count):
        if graph.card.task == "classification":
            kind = 0 if empty else index % len(CLASSES)
            one = plate(index, "crowded", SIDE, kinds=(kind,))
            truth = Annotation(label=kind)
        else:
            one = plate(index, "small", SIDE, empty=empty)
            corners = np.array(one.boxes, np.float32).reshape(-1, 4)
            boxes = Boxes(corners, np.ones(len(corners), np.float32), np.array(one.classes, np.int64))
            truth = Annotation(boxes=boxes, mask=one.mask)
        frames.append(np.repeat(one.pixels[..., None], 3, axis=2))
        rows.append(task.encode(truth, graph.card, view))
    target = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return torch.from_numpy(np.stack(frames)), target


def train(graph: Any, optimizer: Any, steps: int, *, empty: bool = False) -> None:
    task = task_of(graph.card.task)
    seen = [examples(graph, BATCH * number, BATCH, empty=empty) for number in range(BATCHES)]
    for step in range(steps):
        frames, target = seen[step % BATCHES]
        optimizer.zero_grad()
        task.loss(graph.raw(frames), target, graph.card).backward()
        torch.nn.utils.clip_grad_norm_(graph.parameters(), 10.0)
        optimizer.step()


def scores_of(graph: Any) -> list[tuple[float, float]]:
    """For each class its mean score where it is, and where it is not."""
    frames, target = examples(graph, 0, CHECKED)
    with torch.no_grad():
        out = graph(frames)  # still as in training: so few steps leave the running statistics behind
    found = []
    for kind in range(len(CLASSES)):
        if graph.card.task == "segmentation":
            here = target["mask"][:, kind] > 127
            found.append((float(out[:, kind][here].mean()), float(out[:, kind][~here].mean())))
        elif graph.card.task == "classification":
            here = target["label"] == kind
            found.append((float(out[here, kind].mean()), float(out[~here, kind].mean())))
        else:
            found.append((_at_objects(out, target, kind), float(out[..., 4 + kind].mean())))
    return found


def _at_objects(out: Any, target: Mapping[str, Any], kind: int) -> float:
    """Mean over the objects of this class of the best score among the boxes around it."""
    best = []
    for one, boxes, classes in zip(out, target["boxes"], target["classes"], strict=True):
        middles = (one[:, :2] + one[:, 2:4]) / 2
        for box in boxes[classes == kind]:
            near = (middles - box[:2]).norm(dim=1) < 6 / SIDE
            best.append(float(one[near, 4 + kind].max()) if near.any() else 0.0)
    return float(np.mean(best))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_class_of_the_pyramid_is_found(seed: int) -> None:
    """Started at 0.01 a point, no class had a positive weight after 20 of these steps, and after 60 all scored 0.009."""
    torch.manual_seed(seed)
    graph = graph_of("detection", "fpn_lite0", {"filters": 32})
    train(graph, torch.optim.AdamW(graph.parameters(), lr=3e-3), 60)
    weights = graph.network.classes.last.weight.detach().flatten(1)
    assert ((weights > 0).sum(dim=1) >= 5).all()
    for here, elsewhere in scores_of(graph):
        assert here > 0.1
        assert elsewhere < 0.02


@pytest.mark.parametrize(("side", "classes"), [(96, 1), (320, 6), (640, 3), (640, 40)])
def test_the_scores_of_an_image_start_at_about_as_many_as_it_may_hold_objects(side: int, classes: int) -> None:
    torch.manual_seed(0)
    graph = graph_of("detection", "fpn_lite0", {"filters": 16}, side, classes)
    frames = torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8)
    with torch.no_grad():
        total = float(graph(frames)[..., 4:].sum())
    assert 1.5 < total < 15


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("task", "network", "options", "lr"),
    [
        ("detection", "simple_yolo", {"filters": 16}, 2e-3),
        ("segmentation", "unet", {"filters": 8}, 2e-3),
        ("classification", "simple_cnn", {"filters": 8}, 1e-3),
    ],
)
def test_classes_are_learnt_after_steps_that_showed_none_of_them(
    task: TaskName, network: str, options: dict[str, int], lr: float
) -> None:
    torch.manual_seed(0)
    graph = graph_of(task, network, options)
    optimizer = torch.optim.AdamW(graph.parameters(), lr=lr)
    train(graph, optimizer, 25, empty=True)
    train(graph, optimizer, 60)
    for here, elsewhere in scores_of(graph):
        assert here > 0.2
        assert here > 4 * elsewhere


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("task", "network"),
    [
        ("segmentation", "unet_effnet"),
        ("classification", "efficientnet_lite0"),
        ("classification", "efficientnet_b0"),
        ("classification", "resnet50"),
    ],
)
def test_ten_steps_move_every_class(task: TaskName, network: str) -> None:
    """Networks with a backbone, from random weights: 0.70 at the class and 0.10 elsewhere (unet_effnet, first class)."""
    torch.manual_seed(0)
    graph = graph_of(task, network, {})
    train(graph, torch.optim.AdamW(graph.parameters(), lr=1e-3), 10)
    for here, elsewhere in scores_of(graph):
        assert here > 2 * elsewhere


def test_a_few_steps_move_every_temperature() -> None:
    """Maximum, mean and minimum of scenes with a hot part: each is told better than by its mean over all scenes."""
    torch.manual_seed(0)
    rng, scenes, rows = np.random.default_rng(0), [], []
    for _ in range(32):
        scene = np.full((48, 64, 1), rng.uniform(20, 120)) + rng.normal(0, 2, (48, 64, 1))
        scene[10:20, 10:30] += rng.uniform(20, 120)
        scenes.append(np.clip(np.rint(scene), 0, 255).astype(np.uint8))
        rows.append([float(280 + value * 120 / 255) for value in (scene.max(), scene.mean(), scene.min())])
    wanted = torch.tensor(rows)
    scaling = {"target_mean": tuple(wanted.mean(0).tolist()), "target_std": tuple(wanted.std(0).tolist())}
    own = card("thermal", (), spec=InputSpec(width=64, height=48, channels=1, levels=(280, 400), unit="kelvin"), **scaling)
    own = own.model_copy(update={"network": "thermal_cnn"})
    graph = Graph(build_network(own), own).train()
    frames, task = torch.from_numpy(np.stack(scenes)), task_of("thermal")
    optimizer = torch.optim.AdamW(graph.parameters(), lr=2e-3)
    for _ in range(30):
        optimizer.zero_grad()
        task.loss(graph.raw(frames), {"temperatures": wanted}, own).backward()
        optimizer.step()
    with torch.no_grad():
        wrong = (graph.eval()(frames) - wanted).abs().mean(0)
    assert (wrong < 0.7 * (wanted - wanted.mean(0)).abs().mean(0)).all()
