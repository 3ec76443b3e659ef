"""What the losses read from a card."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError

Targets = Mapping[str, Tensor]
Loss = TypeVar("Loss", bound=Callable[..., Tensor])


def number(card: Card, key: str, default: float) -> float:
    """A number among the card's training settings. Raises ConfigError if it is none."""
    value = card.training.get(key, default)
    try:
        return float(value)
    except ValueError:
        raise ConfigError("The training setting {key} is {value!r}, not a number.", key=key, value=value) from None


def chosen(card: Card, table: Mapping[str, Loss], default: str) -> Loss:
    """The loss named by the card's training settings. Raises ConfigError."""
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
