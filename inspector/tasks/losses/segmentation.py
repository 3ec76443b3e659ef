"""Masks: pixel-wise entropy, Dice and focal losses."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.tasks.losses.settings import Box, Explained, Targets, chosen
from inspector.tasks.masks import MASK


class SegmentationLoss:
    """`card.training["loss"]`: "bce_dice" (if left out), "dice", "bce", "focal" or "focal_dice"."""

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Return the loss of logits [N, K, h, w] against `mask` uint8 [N, K, h, w] (shares times 255).

        Pixels touched by `ignore` uint8 [N, 1, h, w] do not count.
        """
        function = chosen(card, SEGMENTATION_LOSSES, "bce_dice")
        known = (target["ignore"] == 0).float() if "ignore" in target else None
        return function(out.float(), target["mask"].float() / 255, known)

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the class's logits summed over the pixels where the class was found, or the largest logit if it was not."""
        found = self.activation(raw.detach(), card)[0] >= card.thresholds.get("mask", MASK)
        index = int(found.sum((1, 2)).argmax()) if class_index is None else class_index
        logits = raw[0, index]
        where = found[index]
        return (logits[where].sum() if bool(where.any()) else logits.max()), index

    def activation(self, out: Tensor, card: Card) -> Tensor:
        return out.sigmoid()


def dice_loss(out: Tensor, truth: Tensor, known: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """Return 1 - Dice coefficient of the probabilities, pooled over the batch for each class and averaged over the classes.

    Logits and shares [N, K, h, w]; `known` [N, 1, h, w]: 1 where pixels count, else 0. `smooth` keeps batches without defects
    well defined (Milletari et al., 3DV 2016).
    """
    probability = out.sigmoid()
    if known is not None:
        probability, truth = probability * known, truth * known
    axes = (0, 2, 3)
    both = (probability * truth).sum(axes)
    dice = (2 * both + smooth) / (probability.sum(axes) + truth.sum(axes) + smooth)
    return (1 - dice).mean()


def focal_loss(out: Tensor, truth: Tensor, known: Tensor | None = None, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss, averaged over all known pixels (Lin et al., ICCV 2017, equation 5)."""
    probability = out.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(out, truth, reduction="none")
    right = probability * truth + (1 - probability) * (1 - truth)
    balance = alpha * truth + (1 - alpha) * (1 - truth)
    return _mean(balance * (1 - right) ** gamma * entropy, known)


def present_dice_loss(out: Tensor, truth: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the Dice loss over the classes that occur in the batch; 0 if none does. To be combined with a pixel-wise loss.

    With many rare classes most are absent from a small batch. For absent classes the smoothed Dice term only pushes towards
    empty masks, thousands of times more strongly than the pixel-wise mean, and the network learns to predict nothing.
    """
    present = (truth if known is None else truth * known).sum((0, 2, 3)) > 0
    return dice_loss(out[:, present], truth[:, present], known) if present.any() else out.sum() * 0.0


def _bce(out: Tensor, truth: Tensor, known: Tensor | None = None) -> Tensor:
    if known is None:
        return functional.binary_cross_entropy_with_logits(out, truth)
    return _mean(functional.binary_cross_entropy_with_logits(out, truth, reduction="none"), known)


def _mean(values: Tensor, known: Tensor | None) -> Tensor:
    """Return the mean of values [N, K, h, w] over known pixels; 0 if there are none."""
    if known is None:
        return values.mean()
    return (values * known).sum() / (known.sum() * values.shape[1]).clamp(min=1)


SEGMENTATION_LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = MappingProxyType(
    {
        "bce_dice": lambda out, truth, known: _bce(out, truth, known) + present_dice_loss(out, truth, known),
        "dice": dice_loss,
        "bce": _bce,
        "focal": focal_loss,
        # The focal term alone is tiny on mostly empty masks; this factor balances it with the Dice term.
        "focal_dice": lambda out, truth, known: 20 * focal_loss(out, truth, known) + dice_loss(out, truth, known),
    }
)
