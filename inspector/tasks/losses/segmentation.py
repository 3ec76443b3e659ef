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
        """Logits [N, K, h, w] against `mask` uint8 [N, K, h, w] (shares times 255)."""
        function = chosen(card, SEGMENTATION_LOSSES, "bce_dice")
        return function(out.float(), target["mask"].float() / 255)

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the class's logits, summed over the pixels where it was found, or the largest where it was not."""
        found = self.activation(raw.detach(), card)[0] >= card.thresholds.get("mask", MASK)
        index = int(found.sum((1, 2)).argmax()) if class_index is None else class_index
        logits = raw[0, index]
        where = found[index]
        return (logits[where].sum() if bool(where.any()) else logits.max()), index

    def activation(self, out: Tensor, card: Card) -> Tensor:
        return out.sigmoid()


def dice_loss(out: Tensor, truth: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - Dice coefficient of the probabilities, pooled over the batch for each class, then the mean of the classes.

    Logits and shares [N, K, h, w]. `smooth` keeps batches without defects well defined (Milletari et al., 3DV 2016).
    """
    probability = out.sigmoid()
    axes = (0, 2, 3)
    both = (probability * truth).sum(axes)
    dice = (2 * both + smooth) / (probability.sum(axes) + truth.sum(axes) + smooth)
    return (1 - dice).mean()


def focal_loss(out: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss, mean over all pixels (Lin et al., ICCV 2017, equation 5)."""
    probability = out.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(out, truth, reduction="none")
    right = probability * truth + (1 - probability) * (1 - truth)
    balance = alpha * truth + (1 - alpha) * (1 - truth)
    return (balance * (1 - right) ** gamma * entropy).mean()


def present_dice_loss(out: Tensor, truth: Tensor) -> Tensor:
    """Return the Dice loss over the classes that occur in the batch; 0 if none does. For use beside a loss of every pixel.

    With many rare classes most are absent from a small batch, and for those the smoothed Dice term only says "nowhere",
    thousands of times more strongly than a pixel's mean: the network then learns to predict nothing at all.
    """
    present = truth.sum((0, 2, 3)) > 0
    return dice_loss(out[:, present], truth[:, present]) if present.any() else out.sum() * 0.0


def _bce(out: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(out, truth)


SEGMENTATION_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "bce_dice": lambda out, truth: _bce(out, truth) + present_dice_loss(out, truth),
        "dice": dice_loss,
        "bce": _bce,
        "focal": focal_loss,
        # The focal term alone is tiny on mostly empty masks; this factor brings it beside the Dice term.
        "focal_dice": lambda out, truth: 20 * focal_loss(out, truth) + dice_loss(out, truth),
    }
)
