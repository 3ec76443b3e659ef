"""Wraps the network under validation as an array function and accumulates its validation loss."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from inspector.bundles.bundle import Card
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared
from inspector.ml.evaluate import Item
from inspector.ml.train.loading.dataset import Inputs
from inspector.runs.settings import TrainSettings
from inspector.tasks.base import Target, task_of
from inspector.tasks.statistics.truth import input_frame, input_view

_FORWARD = 1 / 3  # time of going forward over that of a step
_WORTH = 0.1  # of the time of training, which validation may take
_FEWEST = 10  # validations of a training, if it has as many epochs


def epochs_a_check(settings: TrainSettings, pixels: float) -> int:
    """Return after how many epochs one is validated. `pixels`: those of a validation over those that an epoch learns from.

    Validation sees whole inputs, also where training sees pieces of them, and would then take much of the time.
    """
    if settings.patience:  # counts epochs without a better one
        return 1
    return max(1, min(math.ceil(_FORWARD * pixels / _WORTH), settings.epochs // _FEWEST))


class Judge:
    """Maps prepared frames [N, H, W, C] to activated outputs [N, ...], as an engine does.

    One forward pass serves the metrics and the loss: `items` records the target of each sample it yields, and the next frames
    judged are taken to be these samples.
    """

    def __init__(
        self,
        raw: Callable[[Tensor], Tensor],
        card: Card,
        *,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[object]],
        tick: Callable[[], object],
    ) -> None:
        """`raw`: maps frames to the network's own output, before activation. `tick`: called before each batch; may raise."""
        self._raw, self._card, self._device, self._autocast, self._tick = raw, card, device, autocast, tick
        self._task = task_of(card.task)
        self._targets: deque[Target] = deque()
        self._total, self._count = 0.0, 0

    def __call__(self, frames: Prepared) -> Floats:
        self._tick()
        with torch.inference_mode():
            with self._autocast():
                raw = self._raw(torch.from_numpy(frames).to(self._device))
            if self._targets:
                self._add(raw, [self._targets.popleft() for _ in range(len(frames))])
            with self._autocast():
                out: Floats = self._task.activation(raw, self._card).float().cpu().numpy()
        return out

    def items(self, inputs: Inputs, wanted: Sequence[int] | None = None) -> Iterator[Item]:
        """Yield all samples, or those in `wanted`, as frames of the input's size. The loss includes all of them."""
        geometry = input_view(self._card.input)
        for index in range(len(inputs)) if wanted is None else wanted:
            sample = inputs.readable(index)
            if wanted is None:
                self._targets.append(sample.target)
            frame = input_frame(sample.pixels, self._card.input, index)
            yield Item(sample.pixels, geometry, frame, self._task.truth(sample.target, self._card.input))

    def loss(self) -> float:
        """Return the mean loss of the samples judged so far, weighted like the training loss; NaN before the first sample."""
        return self._total / self._count if self._count else math.nan

    def _add(self, raw: Tensor, targets: Sequence[Target]) -> None:
        target = {name: torch.from_numpy(np.stack([one[name] for one in targets])).to(self._device) for name in targets[0]}
        self._total += float(self._task.loss(raw, target, self._card)) * len(targets)
        self._count += len(targets)
