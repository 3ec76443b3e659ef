"""From labelled files to batches: prepared once, kept in memory where they fit, augmented anew every epoch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.files import read_image
from inspector.core.images import InputSpec, Prepared, View, prepare, view, whole
from inspector.core.message import Message
from inspector.core.samples import Sample
from inspector.core.types import Annotation, Boxes
from inspector.ml.transforms import Augmentation, augment
from inspector.tasks.base import Target, Task

Batch = tuple[torch.Tensor, dict[str, torch.Tensor]]

# Of the memory that is free when training starts; the rest is for the network's own activations and for the station.
_SHARE_OF_MEMORY = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class InputSample:
    """A sample as the network takes it: `pixels` from `prepare()`, `target` from `Task.encode()`, both of the input's size."""

    pixels: Prepared
    target: Target

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes + sum(array.nbytes for array in self.target.values())


class Inputs:
    """The samples of one part of the split, in the order given. Those that cannot be read are left out, with a sentence."""

    def __init__(self, samples: Sequence[Sample], task: Task, card: Card, *, memory: int) -> None:
        """`memory`: bytes that may be used to keep prepared samples; the others are prepared again each time."""
        self.samples: list[Sample] = []
        self.problems: list[Message] = []
        self._task, self._card, self._memory = task, card, memory
        self._cache: dict[int, InputSample] = {}
        self._candidates = samples

    def load(self, tick: Callable[[], None]) -> None:
        """Read every sample once, calling `tick` after each."""
        for sample in self._candidates:
            try:
                loaded = load_sample(sample, self._task, self._card)
            except ConfigError as error:
                self.problems.append(error.problem)
            else:
                if self._memory >= loaded.nbytes:
                    self._memory -= loaded.nbytes
                    self._cache[len(self.samples)] = loaded
                self.samples.append(sample)
            tick()

    @property
    def memory_left(self) -> int:
        return self._memory

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> InputSample:
        cached = self._cache.get(index)
        return cached if cached is not None else load_sample(self.samples[index], self._task, self._card)


def free_memory() -> int:
    """Bytes that prepared samples may take."""
    return int(psutil.virtual_memory().available * _SHARE_OF_MEMORY)


def load_sample(sample: Sample, task: Task, card: Card) -> InputSample:
    """Read, prepare and encode one sample. Raises ConfigError if its image or mask cannot be used."""
    pixels = read_image(sample.path).pixels
    geometry = view(whole(pixels), card.input)
    truth = sample.annotation(pixels.shape[0], pixels.shape[1])
    return InputSample(prepare(pixels, card.input), task.encode(truth, card, geometry))


def truth_of(target: Target, spec: InputSpec) -> Annotation:
    """An encoded truth as the annotation of a frame that is the network's input."""
    label = int(target["label"]) if "label" in target else None
    temperatures, boxes, mask = None, None, None
    if "temperatures" in target:
        high, mean, low = (float(value) for value in target["temperatures"])
        temperatures = (high, mean, low)
    if "boxes" in target:
        used = target["classes"] >= 0
        fractions, classes = target["boxes"][used], target["classes"][used]
        size = np.array([spec.width, spec.height] * 2, np.float32)
        xyxy = np.hstack([fractions[:, :2] - fractions[:, 2:] / 2, fractions[:, :2] + fractions[:, 2:] / 2]) * size
        boxes = Boxes(xyxy.astype(np.float32), np.ones(len(xyxy), np.float32), classes.astype(np.int64))
    if "mask" in target:
        planes = target["mask"]
        mask = np.where(planes.max(axis=0) >= 128, planes.argmax(axis=0) + 1, 0).astype(np.uint8)
    return Annotation(label, boxes, mask, temperatures)


def input_view(spec: InputSpec) -> View:
    """The view of a frame that is the network's input itself."""
    return view(whole(np.empty((spec.height, spec.width), np.uint8)), spec)


def batches(inputs: Inputs, *, size: int, seed: int, epoch: int, how: Augmentation | None) -> Iterator[Batch]:
    """One epoch in random order: frames [N, H, W, C] as prepared, and targets by name.

    The next batch is made while the network works on the last one. What an epoch holds depends on `seed` and `epoch` only.
    A last batch of one sample is left out, because batch normalisation has nothing to normalise with.
    """
    order = np.random.default_rng((seed, epoch)).permutation(len(inputs))
    pieces: list[list[int]] = [order[start : start + size].tolist() for start in range(0, len(order), size)]
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces.pop()

    def make(piece: list[int]) -> Batch:
        return collate([_one(inputs[index], how, (seed, epoch, index)) for index in piece])

    with ThreadPoolExecutor(1, thread_name_prefix="data") as pool:
        pending = pool.submit(make, pieces[0]) if pieces else None
        for following in [*pieces[1:], None]:
            if pending is None:
                return
            ready = pending.result()
            pending = None if following is None else pool.submit(make, following)
            yield ready


def batch_count(samples: int, size: int) -> int:
    """How many batches `batches` gives."""
    full, rest = divmod(samples, size)
    return full + (rest > 1 or (rest == 1 and full == 0))


def _one(sample: InputSample, how: Augmentation | None, seed: tuple[int, int, int]) -> InputSample:
    if how is None:
        return sample
    return InputSample(*augment(sample.pixels, sample.target, how, np.random.default_rng(seed)))


def collate(samples: Sequence[InputSample]) -> Batch:
    """Stack samples into tensors."""
    frames = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    names: Mapping[str, object] = samples[0].target
    return frames, {name: torch.from_numpy(np.stack([sample.target[name] for sample in samples])) for name in names}
