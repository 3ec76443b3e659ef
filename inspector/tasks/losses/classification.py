"""Cross entropy and calibrated probabilities."""

import torch
from torch import Tensor
from torch.nn import functional

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError
from inspector.tasks.losses.settings import Targets, number


class ClassificationLoss:
    """Cross entropy.

    `card.training`: `label_smoothing` (0..1) and `class_weights` ("1,2.5,4": one number a class). A target `weight` [N], if
    there is one, weighs the frames. `temperature` divides the logits of the activation, so that a score is a probability
    (Guo et al., ICML 2017); the loss knows nothing of it.
    """

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Logits [N, C] against `label` [N]."""
        weights = _class_weights(card)
        losses = functional.cross_entropy(
            out.float(),
            target["label"],
            weight=None if weights is None else out.new_tensor(weights, dtype=torch.float32),
            label_smoothing=number(card, "label_smoothing", 0.0),
            reduction="none" if "weight" in target else "mean",
        )
        return (losses * target["weight"]).mean() if "weight" in target else losses

    def activation(self, out: Tensor, card: Card) -> Tensor:
        """Logits -> probabilities. Raises ConfigError if the card's temperature is not above 0."""
        temperature = number(card, "temperature", 1.0)
        if not temperature > 0:
            raise ConfigError(
                "The training setting {key} is {value}; it must be above 0.", key="temperature", value=temperature
            )
        return (out / temperature).softmax(dim=1)


def _class_weights(card: Card) -> list[float] | None:
    """`class_weights` of the card's training settings as numbers. Raises ConfigError."""
    text = str(card.training.get("class_weights", ""))
    if not text:
        return None
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != len(card.classes):
        raise ConfigError(
            "The training setting class_weights is {value!r}.",
            remedy="Give one number for each of the {count} classes, with commas between.",
            value=text,
            count=len(card.classes),
        )
    return weights
