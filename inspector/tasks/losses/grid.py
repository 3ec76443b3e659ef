"""Detection on one grid with B boxes per cell (after Redmon et al., CVPR 2016): the loss of SimpleYOLO.

The network's output is [N, gh, gw, B*5 + C] logits: B times (x, y, w, h, confidence), then the cell's classes. A box's centre
lies at cell + offset * (1 + 2 REACH) - REACH, in cells: in its own cell or within a margin of REACH around it, so that
neighbouring cells can find the object too. w and h are fractions of the input. The confidence is the expected IoU of the box
with the object. A box's score for a class is confidence times class probability.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.tasks.detection import boxes_per_cell
from inspector.tasks.losses.overlap import complete_iou, corners, pairwise_iou
from inspector.tasks.losses.settings import Box, Explained, Targets, box_target

REACH = 0.5


class Assignment(NamedTuple):
    """Assignment of boxes to objects: indices [P] of image, row, column, box and object."""

    image: Tensor
    row: Tensor
    column: Tensor
    box: Tensor
    object: Tensor


class GridLoss:
    """YOLO loss with IoU-aware confidence.

    Every object is assigned to the cell of its centre and the two nearest cells, in each to the free box with the best IoU.
    Several objects of a cell go to different boxes. A neighbouring cell learns only objects of its own class. Box: 1 - CIoU
    (Zheng et al., AAAI 2020). Confidence: quality focal loss towards the IoU reached (Li et al., NeurIPS 2020), towards 0
    elsewhere; a box that overlaps an object well without being assigned to it is not punished (Redmon and Farhadi, 2018).
    Classes: binary cross entropy in the cells with objects. Each term is divided by the number of assigned boxes or cells.
    """

    box_weight = 5.0
    confidence_weight = 1.0
    class_weight = 1.0
    ignore_iou = 0.5

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Return the loss of logits [N, gh, gw, B*5 + C] against `boxes` [N, M, 4] and `classes` [N, M] (-1: none).

        `boxes` are centre and size as fractions of the input.
        """
        out = out.float()
        count = boxes_per_cell(card)
        n, rows, columns, _ = out.shape
        raw = out[..., : count * 5].reshape(n, rows, columns, count, 5)
        size = out.new_tensor([card.input.width, card.input.height])
        mine = _boxes(raw[..., :4]) * size.repeat(2)
        classes = target["classes"]
        most = max(1, int((classes >= 0).sum(dim=1).max()))
        classes, real = classes[:, :most], corners(target["boxes"][:, :most].float() * size.repeat(2))
        centres = target["boxes"][:, :most, :2].float() * out.new_tensor([columns, rows])
        chosen = assign(mine.detach(), real, centres, classes)
        assigned = max(1, len(chosen.image))
        own = mine[chosen.image, chosen.row, chosen.column, chosen.box]
        theirs = real[chosen.image, chosen.object]
        iou, complete = complete_iou(own, theirs)
        box = (1 - complete).sum() / assigned
        confidence = self._confidence(raw[..., 4], mine.detach(), real, classes, chosen, iou.detach()) / assigned
        kind = _class_loss(out[..., count * 5 :], classes, chosen)
        return self.box_weight * box + self.confidence_weight * confidence + self.class_weight * kind

    def _confidence(
        self, logits: Tensor, mine: Tensor, real: Tensor, classes: Tensor, chosen: Assignment, iou: Tensor
    ) -> Tensor:
        """Return the quality focal loss summed over all boxes; logits [N, gh, gw, B]."""
        wanted, weight = torch.zeros_like(logits), torch.ones_like(logits)
        overlaps = pairwise_iou(mine.flatten(1, 3), real) * (classes >= 0)[:, None, :]
        weight[(overlaps.amax(dim=2) > self.ignore_iou).reshape(weight.shape)] = 0.0
        place = (chosen.image, chosen.row, chosen.column, chosen.box)
        wanted[place], weight[place] = iou.clamp(min=0.0), 1.0
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return (weight * (logits.sigmoid() - wanted).abs() ** 2 * entropy).sum()

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the score of the given box, or the sum over all boxes of the class."""
        return box_target(self.activation(raw, card)[0], card, class_index=class_index, box=box)

    def activation(self, out: Tensor, card: Card) -> Tensor:
        """Convert logits [N, gh, gw, B*5 + C] to boxes [N, gh*gw*B, 4 + C].

        The result holds corners as fractions, then confidence times class probability.
        """
        count, classes = boxes_per_cell(card), len(card.classes)
        raw = out[..., : count * 5].reshape(*out.shape[:3], count, 5)
        scores = raw[..., 4:].sigmoid() * out[..., None, count * 5 :].sigmoid()
        return torch.cat((_boxes(raw[..., :4], most=1.0), scores), dim=-1).reshape(out.shape[0], -1, 4 + classes)


def assign(mine: Tensor, real: Tensor, centres: Tensor, classes: Tensor) -> Assignment:
    """Assign every object to boxes of the cells around its centre.

    `mine` [N, gh, gw, B, 4] and `real` [N, M, 4]: corners in pixels; `centres` [N, M, 2] in cells; `classes` [N, M].
    """
    _, rows, columns, boxes, _ = mine.shape
    image, index = torch.nonzero(classes >= 0, as_tuple=True)
    image, row, column, index, home = _cells(image, index, centres[image, index], rows, columns)
    order = torch.sort((image * rows + row) * columns + column, stable=True).indices
    # A cell has one set of class probabilities: a neighbouring cell only takes objects of the class it already has.
    image, row, column, index, home = (part[order] for part in (image, row, column, index, home))
    kind, first = classes[image, index], _first((image * rows + row) * columns + column)
    fits = home | (kind == kind[first])
    image, row, column, index = (part[fits] for part in (image, row, column, index))
    key = (image * rows + row) * columns + column
    rank = torch.arange(len(key), device=key.device) - _first(key)
    iou = pairwise_iou(mine[image, row, column], real[image, index][:, None])[..., 0]
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
    """Return the position of the first element of each run in sorted keys [P]."""
    position = torch.arange(len(key), device=key.device)
    if not len(key):
        return position
    starts = torch.ones_like(key, dtype=torch.bool)
    starts[1:] = key[1:] != key[:-1]
    return torch.cummax(torch.where(starts, position, 0), dim=0).values


def _cells(
    image: Tensor, index: Tensor, centre: Tensor, rows: int, columns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the candidate cells of each object: its own cell, then the neighbours within REACH of its centre.

    Returns image, row, column, object, and whether the cell is the object's own.
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
    """Return the binary cross entropy [N, gh, gw, C], averaged over the cells with objects. A cell may hold several classes."""
    wanted = torch.zeros_like(logits)
    wanted[chosen.image, chosen.row, chosen.column, classes[chosen.image, chosen.object]] = 1.0
    cells = wanted.amax(dim=3) > 0
    entropy = functional.binary_cross_entropy_with_logits(logits[cells], wanted[cells], reduction="sum")
    return entropy / cells.sum().clamp(min=1)


def _side(probability: Tensor) -> Tensor:
    """Return the side of a box as a fraction of the input.

    The square gives small boxes finer steps, like the square roots in YOLO's loss. The factor makes the full input reachable
    with a moderate logit.
    """
    return (1.1 * probability) ** 2


def _boxes(raw: Tensor, *, most: float = math.inf) -> Tensor:
    """Convert logits [N, gh, gw, B, 4] to corners as fractions of the input; no side is longer than `most`."""
    rows, columns = raw.shape[1:3]
    probability = raw.sigmoid()
    y, x = torch.meshgrid(torch.arange(rows, device=raw.device), torch.arange(columns, device=raw.device), indexing="ij")
    cell = torch.stack((x, y), dim=-1)[None, :, :, None]
    centre = (cell + probability[..., :2] * (1 + 2 * REACH) - REACH) / raw.new_tensor([columns, rows])
    return corners(torch.cat((centre, _side(probability[..., 2:]).clamp(max=most)), dim=-1))
