"""Losses and output activations of the four tasks, in torch; reached through `core.registry.LOSSES` only.

Each class has `loss(out, target, card)`: the network's own output and the collated targets of `Task.encode` -> a scalar; and
`activation(out, card)`: what the exported graph ends with. Choices come from `card.training`.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError
from inspector.tasks.detection import REACH, boxes_per_cell

Targets = Mapping[str, Tensor]


class ClassificationLoss:
    """Cross entropy.

    `card.training`: `label_smoothing` (0..1) and `class_weights` ("1,2.5,4": one number a class). A target `weight` [N], if
    there is one, weighs the frames.
    """

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Logits [N, C] against `label` [N]."""
        weights = _class_weights(card)
        losses = functional.cross_entropy(
            out.float(),
            target["label"],
            weight=None if weights is None else out.new_tensor(weights, dtype=torch.float32),
            label_smoothing=_number(card, "label_smoothing", 0.0),
            reduction="none" if "weight" in target else "mean",
        )
        return (losses * target["weight"]).mean() if "weight" in target else losses

    def activation(self, out: Tensor, card: Card) -> Tensor:
        return out.softmax(dim=1)


class ThermalLoss:
    """Smooth L1 (or, with `card.training["loss"] = "mse"`, squared error) on temperatures scaled by the card."""

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Scaled outputs [N, 3] against `temperatures` [N, 3] in kelvin."""
        mean, std = _scaling(out, card)
        scaled = (target["temperatures"].float() - mean) / std
        function = _chosen(card, {"smooth_l1": functional.smooth_l1_loss, "mse": functional.mse_loss}, "smooth_l1")
        return function(out.float(), scaled)

    def activation(self, out: Tensor, card: Card) -> Tensor:
        mean, std = _scaling(out, card)
        return out * std + mean


class SegmentationLoss:
    """`card.training["loss"]`: "bce_dice" (if left out), "dice", "bce", "focal" or "focal_dice"."""

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Logits [N, K, h, w] against `mask` uint8 [N, K, h, w] (shares times 255)."""
        function = _chosen(card, SEGMENTATION_LOSSES, "bce_dice")
        return function(out.float(), target["mask"].float() / 255)

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
    """The Dice loss over the classes that occur in the batch; 0 if none does. For use beside a loss of every pixel.

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


class Assignment(NamedTuple):
    """Which box learns which object: indices [P] of image, row, column, box and object."""

    image: Tensor
    row: Tensor
    column: Tensor
    box: Tensor
    object: Tensor


class DetectionLoss:
    """YOLO loss with IoU-aware confidence.

    Every object is learnt by the cell of its centre and the two cells nearest to that centre, in each by the free box with
    the best IoU; several objects of a cell go to different boxes, and a neighbour learns only objects of its own class.
    Box: 1 - CIoU (Zheng et al., AAAI 2020). Confidence: quality focal loss towards the IoU reached (Li et al., NeurIPS
    2020), towards 0 elsewhere; a box that overlaps an object well without being assigned to it is not punished (Redmon
    and Farhadi, 2018). Classes: binary cross entropy in the cells with objects. Each term is divided by the number of
    assigned boxes or cells.
    """

    box_weight = 5.0
    confidence_weight = 1.0
    class_weight = 1.0
    ignore_iou = 0.5

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Logits [N, gh, gw, B*5 + C] against `boxes` [N, M, 4] (centre, size; fractions) and `classes` [N, M] (-1: none)."""
        out = out.float()
        count = boxes_per_cell(card)
        n, rows, columns, _ = out.shape
        raw = out[..., : count * 5].reshape(n, rows, columns, count, 5)
        size = out.new_tensor([card.input.width, card.input.height])
        mine = _boxes(raw[..., :4]) * size.repeat(2)
        classes = target["classes"]
        most = max(1, int((classes >= 0).sum(dim=1).max()))
        classes, real = classes[:, :most], _corners(target["boxes"][:, :most].float() * size.repeat(2))
        centres = target["boxes"][:, :most, :2].float() * out.new_tensor([columns, rows])
        chosen = assign(mine.detach(), real, centres, classes)
        assigned = max(1, len(chosen.image))
        own = mine[chosen.image, chosen.row, chosen.column, chosen.box]
        theirs = real[chosen.image, chosen.object]
        iou, complete = _ciou(own, theirs)
        box = (1 - complete).sum() / assigned
        confidence = self._confidence(raw[..., 4], mine.detach(), real, classes, chosen, iou.detach()) / assigned
        kind = _class_loss(out[..., count * 5 :], classes, chosen)
        return self.box_weight * box + self.confidence_weight * confidence + self.class_weight * kind

    def _confidence(
        self, logits: Tensor, mine: Tensor, real: Tensor, classes: Tensor, chosen: Assignment, iou: Tensor
    ) -> Tensor:
        """Quality focal loss summed over all boxes; logits [N, gh, gw, B]."""
        wanted, weight = torch.zeros_like(logits), torch.ones_like(logits)
        overlaps = _pairwise_iou(mine.flatten(1, 3), real) * (classes >= 0)[:, None, :]
        weight[(overlaps.amax(dim=2) > self.ignore_iou).reshape(weight.shape)] = 0.0
        place = (chosen.image, chosen.row, chosen.column, chosen.box)
        wanted[place], weight[place] = iou.clamp(min=0.0), 1.0
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return (weight * (logits.sigmoid() - wanted).abs() ** 2 * entropy).sum()

    def activation(self, out: Tensor, card: Card) -> Tensor:
        """Logits -> offsets, sizes, confidences and class probabilities, all in 0..1."""
        probability = out.sigmoid()
        numbers = boxes_per_cell(card) * 5
        is_size = torch.tensor([i < numbers and i % 5 in (2, 3) for i in range(out.shape[-1])], device=out.device)
        return torch.where(is_size, _side(probability).clamp(max=1.0), probability)


def assign(mine: Tensor, real: Tensor, centres: Tensor, classes: Tensor) -> Assignment:
    """Give every object to boxes of the cells around its centre.

    `mine` [N, gh, gw, B, 4] and `real` [N, M, 4] corners in pixels, `centres` [N, M, 2] in cells, `classes` [N, M].
    """
    _, rows, columns, boxes, _ = mine.shape
    image, index = torch.nonzero(classes >= 0, as_tuple=True)
    image, row, column, index, home = _cells(image, index, centres[image, index], rows, columns)
    order = torch.sort((image * rows + row) * columns + column, stable=True).indices
    # A cell has one set of class probabilities: objects that it only neighbours must be of the class it has already.
    image, row, column, index, home = (part[order] for part in (image, row, column, index, home))
    kind, first = classes[image, index], _first((image * rows + row) * columns + column)
    fits = home | (kind == kind[first])
    image, row, column, index = (part[fits] for part in (image, row, column, index))
    key = (image * rows + row) * columns + column
    rank = torch.arange(len(key), device=key.device) - _first(key)
    iou = _pairwise_iou(mine[image, row, column], real[image, index][:, None])[..., 0]
    taken = torch.zeros(mine.shape[:4], dtype=torch.bool, device=mine.device)
    box = torch.full_like(key, -1)
    for turn in range(boxes):
        now = rank == turn
        free = iou[now].masked_fill(taken[image[now], row[now], column[now]], -1.0)
        box[now] = free.argmax(dim=1)
        taken[image[now], row[now], column[now], box[now]] = True
    keep = box >= 0
    return Assignment(image[keep], row[keep], column[keep], box[keep], index[keep])


def _first(key: Tensor) -> Tensor:
    """For sorted keys [P]: the position of the first of each run of equal keys."""
    position = torch.arange(len(key), device=key.device)
    if not len(key):
        return position
    starts = torch.ones_like(key, dtype=torch.bool)
    starts[1:] = key[1:] != key[:-1]
    return torch.cummax(torch.where(starts, position, 0), dim=0).values


def _cells(
    image: Tensor, index: Tensor, centre: Tensor, rows: int, columns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The cells that may learn each object: its own first, then of the neighbours those its centre is within REACH of.

    Image, row, column, object, and whether the cell is the object's own.
    """
    last = centre.new_tensor([columns - 1, rows - 1])
    home = centre.floor().clamp(min=0).minimum(last)
    inside = centre - home
    moves = [centre.new_tensor(move) for move in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    near = [inside[:, 0] < REACH, inside[:, 0] > 1 - REACH, inside[:, 1] < REACH, inside[:, 1] > 1 - REACH]
    cells, which = [home], [torch.arange(len(image), device=image.device)]
    for move, close in zip(moves, near, strict=True):
        there = home + move
        use = close & (there >= 0).all(dim=1) & (there <= last).all(dim=1)
        cells.append(there[use])
        which.append(which[0][use])
    cell, who = torch.cat(cells).long(), torch.cat(which)
    own = torch.arange(len(who), device=image.device) < len(image)
    return image[who], cell[:, 1], cell[:, 0], index[who], own


def _class_loss(logits: Tensor, classes: Tensor, chosen: Assignment) -> Tensor:
    """Binary cross entropy [N, gh, gw, C] in the cells with objects, mean over those cells. A cell may hold several classes."""
    wanted = torch.zeros_like(logits)
    wanted[chosen.image, chosen.row, chosen.column, classes[chosen.image, chosen.object]] = 1.0
    cells = wanted.amax(dim=3) > 0
    entropy = functional.binary_cross_entropy_with_logits(logits[cells], wanted[cells], reduction="sum")
    return entropy / cells.sum().clamp(min=1)


def _side(probability: Tensor) -> Tensor:
    """Side of a box as a fraction of the input.

    The square gives small boxes finer steps (as the square roots of YOLO's loss do); the factor lets a box as large as
    the input be reached with a moderate logit.
    """
    return (1.1 * probability) ** 2


def _boxes(raw: Tensor) -> Tensor:
    """Logits [N, gh, gw, B, 4] -> corners as fractions of the input."""
    rows, columns = raw.shape[1:3]
    probability = raw.sigmoid()
    y, x = torch.meshgrid(torch.arange(rows, device=raw.device), torch.arange(columns, device=raw.device), indexing="ij")
    cell = torch.stack((x, y), dim=-1)[None, :, :, None]
    centre = (cell + probability[..., :2] * (1 + 2 * REACH) - REACH) / raw.new_tensor([columns, rows])
    return _corners(torch.cat((centre, _side(probability[..., 2:])), dim=-1))


def _corners(boxes: Tensor) -> Tensor:
    """(centre, size) [..., 4] -> (left, top, right, bottom)."""
    half = boxes[..., 2:] / 2
    return torch.cat((boxes[..., :2] - half, boxes[..., :2] + half), dim=-1)


def _pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of [..., n, 4] and [..., m, 4] -> [..., n, m]."""
    a, b = first[..., :, None, :], second[..., None, :, :]
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    union = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1) - both
    return both / union.clamp(min=1e-7)


def _ciou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and complete IoU of boxes [P, 4], pair by pair (Zheng et al., AAAI 2020, equations 7 to 11)."""
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    both = (high - low).clamp(min=0).prod(dim=1)
    size_1, size_2 = first[:, 2:] - first[:, :2], second[:, 2:] - second[:, :2]
    iou = both / (size_1.prod(dim=1) + size_2.prod(dim=1) - both).clamp(min=1e-7)
    hull = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    apart = ((first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]) ** 2).sum(dim=1) / 4
    shape = [torch.atan(size[:, 0] / size[:, 1].clamp(min=1e-7)) for size in (size_1, size_2)]
    aspect = (4 / math.pi**2) * (shape[0] - shape[1]) ** 2
    with torch.no_grad():
        trade = aspect / (1 - iou + aspect).clamp(min=1e-7)
    return iou, iou - apart / (hull**2).sum(dim=1).clamp(min=1e-7) - trade * aspect


def _number(card: Card, key: str, default: float) -> float:
    """A number among the card's training settings. Raises ConfigError if it is none."""
    value = card.training.get(key, default)
    try:
        return float(value)
    except ValueError:
        raise ConfigError("The training setting {key} is {value!r}, not a number.", key=key, value=value) from None


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


def _chosen(
    card: Card, table: Mapping[str, Callable[[Tensor, Tensor], Tensor]], default: str
) -> Callable[[Tensor, Tensor], Tensor]:
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


def _scaling(out: Tensor, card: Card) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the targets, float32 [3]. Raises ConfigError if the card lacks them."""
    if len(card.target_mean) != out.shape[1] or len(card.target_std) != out.shape[1] or min(card.target_std) <= 0:
        raise ConfigError(
            "The card of {name} does not say how its temperatures are scaled (target_mean, target_std).",
            remedy="Train it again.",
            name=card.name,
        )
    return out.new_tensor(card.target_mean, dtype=torch.float32), out.new_tensor(card.target_std, dtype=torch.float32)


classification = ClassificationLoss
detection = DetectionLoss
segmentation = SegmentationLoss
thermal = ThermalLoss
