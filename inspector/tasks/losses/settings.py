"""Helpers shared by the losses: settings from a card, and the explained number of a detector."""

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
Explained = tuple[Tensor, int | None]  # the number that a heat map explains, and its class


def box_target(out: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
    """Return the score of the given box, or of all boxes of the class, from a detector's activated output [A, 4 + C]."""
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
    """Return a number from the card's training settings. Raises ConfigError if the value is not a number."""
    value = card.training.get(key, default)
    try:
        return float(value)
    except ValueError:
        raise ConfigError("The training setting {key} is {value!r}, not a number.", key=key, value=value) from None


def chosen(card: Card, table: Mapping[str, Loss], default: str) -> Loss:
    """Return the loss named in the card's training settings. Raises ConfigError for an unknown name."""
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
