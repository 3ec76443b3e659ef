"""Time of a training step and of one frame through an engine: the figures in the table of `training.costs`."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import numpy as np

from inspector import __version__
from inspector.bundles.bundle import Card
from inspector.core.registry import NETWORKS, STILL_STAGES
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Annotation, Boxes, TaskName
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import InputSpec
from inspector.ml.export.network import write_trained_bundle
from inspector.ml.graph import Graph, build_network
from inspector.ml.memory import keep_freed_memory
from inspector.ml.networks.base import Network
from inspector.ml.train.loading.dataset import Batch, InputSample, collate
from inspector.tasks.base import task_of
from inspector.tasks.statistics.truth import input_view

_CLASSES = ("a", "b", "c", "d", "e", "f")
_LEAST = 3

# float32 matrix products of 1024 x 1024 on the machine of the table, in 10^9 operations a second.
REFERENCE_GFLOPS = 190.0
_SIDE = 1024
_BENCHMARK_S = 0.5


@dataclass(frozen=True, slots=True)
class StepCost:
    """Milliseconds an image on this machine, and `speed`: this machine's speed over that of the table in `training.costs`.

    `still`: time of a step with the first stages frozen over that of a full step; 1 for a network without start weights.
    """

    network: str
    side: int
    batch: int
    step_ms: float
    infer_ms: float
    still: float
    speed: float


def card_of(task: TaskName, network: str, width: int, height: int, classes: tuple[str, ...] = _CLASSES) -> Card:
    """Return the card of an untrained network: weights do not affect the cost."""
    channels = 1 if task == "thermal" else 3
    found = task in ("detection", "segmentation")
    return Card(
        name=network,
        task=task,
        network=network,
        classes=() if task == "thermal" else classes,
        input=InputSpec(width=width, height=height, channels=channels, levels=(280, 400) if task == "thermal" else None),
        mean=(127.5,) * channels,
        std=(127.5,) * channels,
        target_mean=(310.0, 300.0, 290.0) if task == "thermal" else (),
        target_std=(10.0, 5.0, 2.0) if task == "thermal" else (),
        thresholds={"score": 0.5, "floor": 0.05, "nms_iou": 0.5, "mask": 0.5} if found else {},
        created=datetime.now(UTC),
        software=__version__,
    )


def some_batch(card: Card, size: int) -> Batch:
    """Return `size` synthetic samples of the card's task."""
    rng, spec = np.random.default_rng(0), card.input
    mask = np.zeros((spec.height, spec.width), np.uint8)
    mask[: spec.height // 2, : spec.width // 4] = 1
    box = np.array([[1, 1, spec.width / 2, spec.height / 3]], np.float32)
    truth = Annotation(0, Boxes(box, np.ones(1, np.float32), np.zeros(1, np.int64)), mask, (320.0, 300.0, 290.0))
    target = task_of(card.task).encode(truth, card, input_view(spec))
    return collate([InputSample(rng.integers(0, 256, spec.shape, np.uint8), target) for _ in range(size)])


def stepper(card: Card, batch: Batch, *, still: int = 0) -> Callable[[], None]:
    """Return a function that runs one training step on this batch: forward, backward, update.

    `still`: number of frozen stages, counted from the input.
    """
    import torch

    keep_freed_memory()  # as training does
    torch.manual_seed(0)
    network = build_network(card, pretrained=False)
    assert isinstance(network, Network)
    if still:
        network.freeze_backbone(still)
    graph = Graph(network.to(memory_format=torch.channels_last), card).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-6)
    task, (frames, target) = task_of(card.task), batch

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(graph.raw(frames), target, card))
        optimizer.step()

    return step


def seconds(work: Callable[[], None], *, least: float) -> float:
    """Return the median time of `work` in seconds, over at least `least` seconds after one warm-up call."""
    work()
    times, end = list[float](), time.monotonic() + least
    while len(times) < _LEAST or time.monotonic() < end:
        began = time.monotonic()
        work()
        times.append(time.monotonic() - began)
    return median(times)


def bench_network(network: str, *, side: int, batch: int, engine: str = "openvino", least: float = 1.0) -> StepCost:
    """Return one row of the table."""
    card = card_of(NETWORKS[network].tasks[0], network, side, side)
    some = some_batch(card, batch)
    step = seconds(stepper(card, some), least=least)
    still = seconds(stepper(card, some, still=STILL_STAGES), least=least) / step if NETWORKS[network].pretrained else 1.0
    with temporary_folder() as name:
        bundle = write_trained_bundle(name / "bundle", card, build_network(card, pretrained=False).eval())
        frame = np.zeros((1, *card.input.shape), np.uint8)
        with open_engine(engine, bundle) as opened:
            infer = seconds(lambda: _discard(opened.infer(frame)), least=least)
    return StepCost(network, side, batch, 1000 * step / batch, 1000 * infer, still, processor_speed())


@functools.cache
def processor_speed() -> float:
    """Return the speed of this processor over the table's, measured: the best rate of many matrix products, so that other load
    counts little.
    """
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    best, end = float("inf"), time.monotonic() + _BENCHMARK_S
    while time.monotonic() < end:
        began = time.monotonic()
        np.matmul(matrix, matrix)
        best = min(best, time.monotonic() - began)
    return 2 * _SIDE**3 / max(best, 1e-6) / 1e9 / REFERENCE_GFLOPS


def _discard(value: object) -> None:
    del value
