"""Cross entropy and calibrated probabilities."""

import torch
from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.tasks.losses.settings import Box, Explained, Targets, number


class ClassificationLoss:
    """Cross entropy.

    `card.training`: `label_smoothing` (0..1) and `class_weights` ("1,2.5,4": one number per class). The optional target
    `confidence` [N] is the probability of the label; the other classes share the remainder. The optional target `weight` [N]
    weights the frames. `temperature` divides the logits in the activation, to calibrate the scores (Guo et al., ICML 2017); the
    loss ignores it.
    """

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Return the loss of logits [N, C] against `label` [N]: the mean over the frames, weighted by their class weights."""
        label, weights = target["label"], _class_weights(card)
        factors = None if weights is None else out.new_tensor(weights, dtype=torch.float32)
        losses = functional.cross_entropy(
            out.float(),
            _probabilities(label, target.get("confidence"), out.shape[1]),
            weight=factors,
            label_smoothing=number(card, "label_smoothing", 0.0),
            reduction="none",
        )
        if "weight" in target:
            return (losses * target["weight"]).mean()
        return losses.mean() if factors is None else losses.sum() / factors[label].sum()

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the score before the softmax of the named class, by default of the most likely one."""
        index = int(raw[0].argmax()) if class_index is None else class_index
        return raw[0, index], index

    def activation(self, out: Tensor, card: Card) -> Tensor:
        """Convert logits to probabilities. Raises ConfigError if the card's temperature is not above 0."""
        temperature = number(card, "temperature", 1.0)
        if not temperature > 0:
            raise ConfigError(
                "The training setting {key} is {value}; it must be above 0.", key="temperature", value=temperature
            )
        return (out / temperature).softmax(dim=1)


def _probabilities(label: Tensor, confidence: Tensor | None, classes: int) -> Tensor:
    """Return labels [N] unchanged, or as probabilities [N, classes] if their confidence is known."""
    if confidence is None or classes < 2:
        return label
    rest = ((1 - confidence) / (classes - 1))[:, None].expand(-1, classes)
    return rest.scatter(1, label[:, None], confidence[:, None])


def _class_weights(card: Card) -> list[float] | None:
    """Return `class_weights` of the card's training settings as numbers. Raises ConfigError if they are not valid."""
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
