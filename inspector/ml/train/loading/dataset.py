"""From labelled files to batches: prepared once, cached in memory or on disk as far as possible, augmented anew every epoch.

Reading, preparing and augmenting run on one thread per core, because Pillow and OpenCV release the GIL in their loops.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from threading import Lock

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Frame
from inspector.data.samples import Sample
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import Prepared, prepare, view, whole, wrong_unit
from inspector.ml.train.loading.disk_cache import Spill
from inspector.ml.train.loading.transforms import Augmentation, Size, augment
from inspector.tasks.base import Target, Task
from inspector.workers.process import usable_cores

Batch = tuple[torch.Tensor, dict[str, torch.Tensor]]

# Share of the memory that is free at the start of training; the rest is for the network's activations and the station.
_SHARE_OF_MEMORY = 0.3
_PIXELS = "pixels"  # name of the pixels among the arrays on disk
_MOST_THREADS = 16
_AHEAD = 2  # batches that are ready or queued, in addition to those in the threads


@dataclass(frozen=True, slots=True, eq=False)
class InputSample:
    """A prepared sample: `pixels` from `prepare()`, `target` from `Task.encode()`, both of the input's size."""

    pixels: Prepared
    target: Target

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes + sum(array.nbytes for array in self.target.values())


class Inputs:
    """The samples of one part of the split, in the given order. Unreadable samples are left out with a message."""

    def __init__(
        self,
        samples: Sequence[Sample],
        task: Task,
        card: Card,
        *,
        memory: int,
        disk: Path | None = None,
        threads: int = 0,
    ) -> None:
        """`memory`: bytes available for prepared samples.

        Further samples are kept in a file in the folder `disk` if there is room, otherwise prepared again on each use.
        `threads`: number of threads that read and augment; 0: one per core.
        """
        self.samples: list[Sample] = []
        self.problems: list[Message] = []
        self.threads = threads or min(len(usable_cores()), _MOST_THREADS)
        self._task, self._card, self._memory, self._disk = task, card, memory, disk
        self._cache: dict[int, InputSample] = {}
        self._spill: Spill | None = None
        self._candidates = samples
        self._lost: set[int] = set()
        self._lock = Lock()

    def load(self, tick: Callable[[], None]) -> None:
        """Read every sample once.

        `tick` is called after each sample on the calling thread; an exception from `tick` ends the loading.
        """
        waiting: deque[tuple[list[Sample], Future[list[InputSample]]]] = deque()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="load")
        try:
            # The tiles of an image stand one after the other: it is decoded once for all of them.
            for _, same in groupby(self._candidates, lambda sample: (sample.path, None if sample.region else sample.name)):
                samples = list(same)
                waiting.append((samples, pool.submit(_load_all, samples, self._task, self._card)))
                if len(waiting) > 2 * self.threads:
                    self._take(*waiting.popleft(), tick)
            while waiting:
                self._take(*waiting.popleft(), tick)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, samples: Sequence[Sample], loading: "Future[list[InputSample]]", tick: Callable[[], None]) -> None:
        try:
            for sample, loaded in zip(samples, loading.result(), strict=True):
                self._keep(sample, loaded)
        except ConfigError as error:
            self.problems.append(error.problem)
        for _ in samples:
            tick()

    def _keep(self, sample: Sample, loaded: InputSample) -> None:
        index = len(self.samples)
        self.samples.append(sample)
        if self._memory >= loaded.nbytes:
            self._memory -= loaded.nbytes
            self._cache[index] = loaded
        elif self._disk is not None:
            self._put_on_disk(index, loaded, self._disk)

    def _put_on_disk(self, index: int, loaded: InputSample, folder: Path) -> None:
        if self._spill is None:
            try:
                self._spill = Spill(folder)
            except OSError:
                self._disk = None
                return
        if not self._spill.put(index, {_PIXELS: loaded.pixels, **loaded.target}):
            self._disk = None
            self.problems.append(
                message(
                    "Neither memory nor {folder} has room for more than {count} prepared images; the others are prepared anew "
                    "in every epoch, which takes longer.",
                    folder=folder,
                    count=self.kept,
                )
            )

    @property
    def memory_left(self) -> int:
        return self._memory

    @property
    def kept(self) -> int:
        """Number of samples in memory or on disk."""
        return len(self._cache) + (0 if self._spill is None else len(self._spill))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> InputSample:
        """Return the sample `index`. Raises ConfigError if it has to be read again and is no longer readable."""
        cached = self._cache.get(index)
        if cached is not None:
            return cached
        arrays = None if self._spill is None else self._spill.get(index)
        if arrays is not None:
            return InputSample(arrays.pop(_PIXELS), arrays)
        return load_sample(self.samples[index], self._task, self._card)

    def readable(self, index: int) -> InputSample:
        """Return the sample `index`, or the next one that is still readable.

        A file that vanishes during training is reported once in `problems`, and training continues. Raises ConfigError if no
        sample is left.
        """
        for step in range(len(self)):
            place = (index + step) % len(self)
            try:
                return self[place]
            except ConfigError as error:
                with self._lock:
                    if place not in self._lost:
                        self._lost.add(place)
                        self.problems.append(error.problem)
        raise ConfigError(
            "None of the {count} {count:|image|images} can be read any more.",
            remedy="Check the disk or the network drive they are on, and start again.",
            count=len(self),
        )

    def take_problems(self) -> list[Message]:
        """Return the problems found since the last call."""
        with self._lock:
            found, self.problems = self.problems, []
        return found


class Subset(Inputs):
    """A subset of other inputs, which keep the samples. Samples that those inputs could not read are left out."""

    def __init__(self, inputs: Sequence[Inputs], samples: Sequence[Sample], *, length: int = 0) -> None:
        """`length`: repeat the samples up to this number. Raises ConfigError if there is no sample."""
        first = inputs[0]
        super().__init__(samples, first._task, first._card, memory=0, threads=first.threads)
        known = {sample.name: (part, index) for part in inputs for index, sample in enumerate(part.samples)}
        found = [sample for sample in samples if sample.name in known]
        if not found:
            raise ConfigError("None of the {count} {count:|image|images} can be read.", count=len(samples))
        self.samples = [found[place % len(found)] for place in range(max(length, len(found)))]
        self._places = [known[sample.name] for sample in self.samples]

    def __getitem__(self, index: int) -> InputSample:
        part, place = self._places[index]
        return part[place]


def free_memory() -> int:
    """Return the bytes available for prepared samples."""
    return int(psutil.virtual_memory().available * _SHARE_OF_MEMORY)


def load_sample(sample: Sample, task: Task, card: Card) -> InputSample:
    """Read, prepare and encode one sample. Raises ConfigError if its image or mask cannot be used."""
    return _load_all([sample], task, card)[0]


def _load_all(samples: Sequence[Sample], task: Task, card: Card) -> list[InputSample]:
    """Do the same for a sample, or for the tiles of one image."""
    first = samples[0]
    image = read_image(first.path)
    pixels = image.pixels
    frame = Frame(pixels, "data", 0, 0.0, datetime.now(UTC), image.unit, bits=image.bits)
    problem = wrong_unit(card.input, frame, card.name, name=str(first.path))
    if problem is not None:
        raise ConfigError(problem.text)
    truth = first.annotation(pixels.shape[0], pixels.shape[1])
    regions = (sample.region or whole(pixels) for sample in samples)
    return [
        InputSample(prepare(pixels, card.input, region, bits=image.bits), task.encode(truth, card, view(region, card.input)))
        for region in regions
    ]


def batches(
    inputs: Inputs,
    *,
    size: int,
    seed: int,
    epoch: int,
    how: Augmentation | None,
    shard: tuple[int, int] = (0, 1),
    weights: NDArray[np.float64] | None = None,
    piece: Size | None = None,
    pin: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of one epoch in random order: frames [N, H, W, C] as prepared, and targets by name.

    The next batches are prepared while the network works on the last one. An epoch depends on `seed` and `epoch` only, not on
    the number of threads. `shard` (rank, processes): this process's share; all processes get equally many batches of equal
    sizes, for which some samples are used twice. `weights` [len(inputs)]: draw samples in proportion to these, with
    replacement, as many as there are. `piece`: width and height of the piece of each sample that is shown; None: the whole.
    `pin`: use page-locked memory for a GPU. A last batch of one sample is left out, because
    batch normalisation needs more than one. Raises ConfigError if no sample is readable any more.
    """
    pieces = _pieces(_order(len(inputs), seed, epoch, weights), size, shard)

    def make(drawn: Sequence[tuple[int, int]]) -> Batch:
        # A sample that is drawn again is augmented differently; its first occurrence is the same as without repetition.
        samples = [
            _one(inputs.readable(index), how, (seed, epoch, index, *((again,) if again else ())), piece)
            for index, again in drawn
        ]
        return collate(samples, pin=pin)

    pool = ThreadPoolExecutor(inputs.threads, thread_name_prefix="data")
    pending: deque[Future[Batch]] = deque()
    try:
        for drawn in pieces:
            pending.append(pool.submit(make, drawn))
            if len(pending) >= inputs.threads + _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batch_count(samples: int, size: int, processes: int = 1) -> int:
    """Return the number of batches per process that `batches` yields."""
    full, rest = divmod(-(-samples // processes), size)
    return full + (rest > 1 or (rest == 1 and full == 0))


def balanced_weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Return weights [N] with which `batches` shows every class equally often."""
    counts = Counter(sample.stratum for sample in samples)
    return np.array([1 / counts[sample.stratum] for sample in samples], np.float64)


def _order(count: int, seed: int, epoch: int, weights: NDArray[np.float64] | None) -> list[tuple[int, int]]:
    """Return the indices of an epoch in order, each with the number of its earlier occurrences in the epoch."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(count) if weights is None else rng.choice(count, count, p=weights / weights.sum())
    seen: Counter[int] = Counter()
    found = []
    for index in order.tolist():
        found.append((index, seen[index]))
        seen[index] += 1
    return found


def _pieces(order: list[tuple[int, int]], size: int, shard: tuple[int, int]) -> list[list[tuple[int, int]]]:
    rank, processes = shard
    missing = -len(order) % processes
    own = (order + [order[place % len(order)] for place in range(missing)])[rank::processes] if order else []
    pieces = [own[start : start + size] for start in range(0, len(own), size)]
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces.pop()
    return pieces


def _one(sample: InputSample, how: Augmentation | None, seed: tuple[int, ...], piece: Size | None) -> InputSample:
    if how is None and piece is None:
        return sample
    rng = np.random.default_rng(seed)
    return InputSample(*augment(sample.pixels, sample.target, how or Augmentation(), rng, piece=piece))


def collate(samples: Sequence[InputSample], *, pin: bool = False) -> Batch:
    """Stack samples into tensors."""
    frames = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    names: Mapping[str, object] = samples[0].target
    target = {name: torch.from_numpy(np.stack([sample.target[name] for sample in samples])) for name in names}
    if pin:
        return frames.pin_memory(), {name: tensor.pin_memory() for name, tensor in target.items()}
    return frames, target
