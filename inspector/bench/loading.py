"""Whether training waits for its images: images a second of the loader over images a second of the training step."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from inspector.bench.steps import card_of, stepper
from inspector.bundles.bundle import Card
from inspector.cameras.demo.data import write_demo_data
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import TaskName
from inspector.data.annotations import read_dataset
from inspector.data.samples import Dataset
from inspector.ml.train.loading.dataset import Inputs, batches
from inspector.ml.train.loading.transforms import augmentation_for
from inspector.runs.settings import train_settings
from inspector.tasks.base import task_of

# The tasks' usual networks, and where the demo line's pictures for them lie.
CASES: Sequence[tuple[TaskName, str]] = (
    ("classification", "efficientnet_lite0"),
    ("classification", "simple_cnn"),
    ("detection", "fpn_lite0"),
    ("detection", "simple_yolo"),
    ("segmentation", "unet_effnet"),
    ("segmentation", "unet"),
    ("thermal", "thermal_cnn"),
)
_DEMO = {"classification": "window", "detection": "plate-boxes", "segmentation": "plate-masks", "thermal": "thermal"}
_MEMORY = 1 << 40
_STEPS = 2


@dataclass(frozen=True, slots=True)
class Loading:
    """Images a second, medians over the rounds.

    The loader is measured from files and from memory, both with augmentation, and compared with the training step. Each ratio
    is the median of ratios within one round.
    """

    task: TaskName
    network: str
    width: int
    height: int
    batch: int
    images: int
    files_ips: float
    memory_ips: float
    step_ips: float
    files_ratio: float
    memory_ratio: float


def bench_loading(
    task: TaskName, network: str, data: Path, *, rounds: int = 3, size: tuple[int, int] | None = None, limit: int = 128
) -> Loading:
    """Measure on at most `limit` of the labelled images in `data`.

    Loader and step take turns, so that a busy machine slows both equally. Raises ConfigError for data or a network that
    training would refuse.
    """
    given = {} if size is None else {"width": size[0], "height": size[1]}
    settings = train_settings({"task": task, "network": network, "data": data, "out": data, **given})
    dataset = read_dataset(data, task)
    card = card_of(task, network, settings.width, settings.height, dataset.classes)
    how = augmentation_for(task, settings.augment)
    inputs = [_inputs(dataset, card, memory, limit) for memory in (0, _MEMORY)]
    batch = min(settings.batch, len(inputs[0]))
    step = stepper(card, next(iter(batches(inputs[1], size=batch, seed=0, epoch=0, how=how))))
    step()

    def loader(number: int) -> float:
        began, shown = time.monotonic(), 0
        for frames, _ in batches(inputs[number], size=batch, seed=0, epoch=0, how=how):
            shown += len(frames)
        return shown / (time.monotonic() - began)

    def steps() -> float:
        began = time.monotonic()
        for _ in range(_STEPS):
            step()
        return _STEPS * batch / (time.monotonic() - began)

    measured = [(loader(0), loader(1), steps()) for _ in range(rounds)]
    files, memory, trained = (median(row[column] for row in measured) for column in range(3))
    ratios = [median(row[column] / row[2] for row in measured) for column in range(2)]
    return Loading(
        task, network, settings.width, settings.height, batch, len(inputs[0]), files, memory, trained, ratios[0], ratios[1]
    )


def _inputs(dataset: Dataset, card: Card, memory: int, limit: int) -> Inputs:
    inputs = Inputs(dataset.samples[:limit], task_of(card.task), card, memory=memory)
    inputs.load(lambda: None)
    return inputs


@contextmanager
def demo_folders(parts: int, progress: Callable[[int, int], None]) -> Iterator[Callable[[TaskName], Path]]:
    """Write images of the demo line to a temporary folder and yield a function from a task to its folder."""
    with temporary_folder() as name:
        folder = name / "data"
        write_demo_data(folder, parts=parts, seed=0, progress=progress)
        yield lambda task: folder / _DEMO[task]
