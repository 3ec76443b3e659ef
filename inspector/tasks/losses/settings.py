"""What the losses share: settings read from a card, and what of a detector is explained."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from torch import Tensor

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.tasks.base import DEFAULT_THRESHOLD
from inspector.tasks.boxes import box_iou

Targets = Mapping[str, Tensor]
Loss = TypeVar("Loss", bound=Callable[..., Tensor])
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the input
Explained = tuple[Tensor, int | None]  # the number that a heat map explains, and the class it belongs to


def box_target(out: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
    """Return, of a detector's activated output [A, 4 + C], the score of the box asked for, or of all boxes of the class."""
    scores = out[:, 4:]
    known = scores.detach()
    if box is None:
        index = int(known.amax(0).argmax()) if class_index is None else class_index
        decisive = min(card.thresholds.get("score", DEFAULT_THRESHOLD), float(known[:, index].max()))
        return scores[known[:, index] >= decisive, index].sum(), index
    size = np.array([card.input.width, card.input.height] * 2, np.float32)
    xyxy = np.clip(out[:, :4].detach().numpy(), 0, 1) * size
    overlap = box_iou(xyxy, np.asarray([box], np.float32))[:, 0]
    place = int(overlap.argmax())
    index = int(known[place].argmax()) if class_index is None else class_index
    return scores[place, index], index


def number(card: Card, key: str, default: float) -> float:
    """Return a number among the card's training settings. Raises ConfigError if it is none."""
    value = card.training.get(key, default)
    try:
        return float(value)
    except ValueError:
        raise ConfigError("The training setting {key} is {value!r}, not a number.", key=key, value=value) from None


def chosen(card: Card, table: Mapping[str, Loss], default: str) -> Loss:
    """Return the loss named by the card's training settings. Raises ConfigError."""
    name = str(card.training.get("loss", "") or default)
    if name not in table:
        raise ConfigError(
            "There is no loss called {name!r} for {task}.",
            remedy="Choose one of: {names}.",
            name=name,
            task=card.task,
            names=", ".join(table),
        )
    return table[name]
