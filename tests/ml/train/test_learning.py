"""The networks on an encoder learn a few pictures by heart; with the encoder frozen, the rest still learns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inspector.bundles.bundle import Card
from inspector.core.types import Annotation, Boxes, Frame, TaskName
from inspector.imaging.preprocessing import InputSpec
from inspector.tasks.base import task_of
from tests.ml.making import SIDE, blob
from tests.tasks.making import NOW

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from inspector.ml.graph import Graph, build_network  # noqa: E402
from inspector.ml.networks.base import Network  # noqa: E402
from inspector.tasks.statistics.truth import input_view  # noqa: E402 - needs torch

COUNT, SCALE = 6, 2
SPEC = InputSpec(width=SIDE * SCALE, height=SIDE * SCALE)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _card(task: TaskName, network: str) -> Card:
    return Card(
        name="small",
        task=task,
        network=network,
        network_options={"filters": 16},
        classes=("dark", "bright"),
        input=SPEC,
        mean=(127.5,) * 3,
        std=(127.5,) * 3,
        created=NOW,
        software="test",
    )


def _pictures() -> tuple[Any, list[Annotation]]:
    pictures, truths = [], []
    for index in range(COUNT):
        picture, mask, box = blob(index)
        corners = np.array([box], np.float32) * SCALE
        pictures.append(np.kron(picture, np.ones((SCALE, SCALE, 1), np.uint8)))
        boxes = Boxes(corners, np.ones(1, np.float32), np.array([index % 2], np.int64))
        truths.append(Annotation(boxes=boxes, mask=np.kron(mask, np.ones((SCALE, SCALE), np.uint8))))
    return torch.from_numpy(np.stack(pictures)), truths


@pytest.mark.parametrize(
    ("task", "network", "steps", "frozen"),
    [
        ("detection", "fpn_lite0", 65, False),
        ("segmentation", "unet_effnet", 30, False),
        ("segmentation", "unet_effnet", 40, True),
    ],
)
def test_a_few_pictures_are_learnt_by_heart(task: TaskName, network: str, steps: int, frozen: bool) -> None:
    torch.manual_seed(0)
    card, work, view = _card(task, network), task_of(task), input_view(SPEC)
    net = build_network(card)
    assert isinstance(net, Network)
    net.freeze_backbone(frozen)
    graph = Graph(net, card).train()
    frames, truths = _pictures()
    rows = [work.encode(truth, card, view) for truth in truths]
    target = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    optimizer = torch.optim.AdamW([value for value in net.parameters() if value.requires_grad], lr=3e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = work.loss(graph.raw(frames), target, card)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    with torch.inference_mode():
        out = graph(frames).numpy()  # still as in training: so few steps leave the running statistics behind
    shown = [Frame(np.asarray(frame), "data", index, 0.0, NOW) for index, frame in enumerate(frames.numpy())]
    metrics = work.metrics(card)
    for prediction, truth in zip(work.decode(out, card, [view] * COUNT, shown), truths, strict=True):
        metrics.update(prediction, truth)
    assert metrics.compute()[metrics.primary] > 0.9
