"""Detection at points of several scales, without anchor boxes: the loss of FPN detectors.

The network's output is [N, A, 4 + C]: for the points of the grids of STRIDES, finest first and row by row, four numbers of the
box and one logit per class. Numbers (x, y, w, h): the sides are exp(w) and exp(h) strides long; the box's centre lies x and y
sides away from the point. The offsets are therefore independent of the box's size, and a point outside a box thinner than the
grid can still describe it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.tasks.losses.overlap import complete_iou, corners, pairwise_iou
from inspector.tasks.losses.settings import Box, Explained, Targets, box_target

STRIDES = (8, 16, 32)
_MOST = 5.0  # largest exponent of a side: 148 strides, longer than any input
_TINY = 1e-9


class Matched(NamedTuple):
    """Assignment of points to objects, with target quality.

    `object` int64 [N, A], -1: none. `quality` float32 [N, A]: 0 where there is no object.
    """

    object: Tensor
    quality: Tensor


class PointsLoss:
    """Task-aligned learning (TOOD: Feng et al., ICCV 2021, sections 3.2 and 3.3).

    Each object is assigned to the `candidates` points with the best alignment: score to the power of `alpha` times IoU to the
    power of `beta`. The target score of these points is the alignment, scaled so that the best reaches the best IoU; that of
    all others is 0. Boxes: 1 - CIoU, weighted with the target score. Every term is divided by the sum of the target scores.
    """

    candidates = 10
    alpha = 1.0
    beta = 6.0
    box_weight = 2.5
    class_weight = 1.0

    def loss(self, out: Tensor, target: Targets, card: Card) -> Tensor:
        """Return the loss of output [N, A, 4 + C] against `boxes` [N, M, 4] and `classes` [N, M] (-1: none).

        `boxes` are centre and size as fractions of the input.
        """
        out = out.float()
        size = out.new_tensor([card.input.width, card.input.height])
        points, strides = points_of(card.input.height, card.input.width, device=out.device)
        mine, logits = boxes_of(out[..., :4], points, strides), out[..., 4:]
        most = max(1, int((target["classes"] >= 0).sum(dim=1).max()))
        classes = target["classes"][:, :most]
        real = corners(target["boxes"][:, :most].float() * size.repeat(2))
        matched = self.match(logits.detach().sigmoid(), mine.detach(), points, real, classes)
        image, point = torch.nonzero(matched.object >= 0, as_tuple=True)
        which, quality = matched.object[image, point], matched.quality[image, point]
        total = quality.sum().clamp(min=1.0)
        wanted = torch.zeros_like(logits)
        wanted[image, point, classes[image, which]] = quality
        kind = self.entropy(logits, wanted) / total
        _, complete = complete_iou(mine[image, point], real[image, which])
        box = ((1 - complete) * quality).sum() / total
        return self.class_weight * kind + self.box_weight * box

    def entropy(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Return the cross entropy of all scores against their targets, both [N, A, C], summed up."""
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")

    def match(self, scores: Tensor, mine: Tensor, points: Tensor, real: Tensor, classes: Tensor) -> Matched:
        """Assign points to every object.

        `scores` [N, A, C]; `mine` [N, A, 4] and `real` [N, M, 4]: corners in pixels; `points` [A, 2] in pixels; `classes` [N,
        M], -1: none. A point that suits several objects takes the one with the largest overlap.
        """
        exists = (classes >= 0)[..., None]
        near = exists & _near(points, real)
        overlap = pairwise_iou(real, mine) * near  # [N, M, A]
        said = scores.transpose(1, 2).gather(1, classes.clamp(min=0)[..., None].expand(-1, -1, scores.shape[1]))
        # Before any box overlaps, the points near an object are still the best candidates.
        alignment = (said**self.alpha * (overlap + 1e-4) ** self.beta) * near
        best = alignment.topk(min(self.candidates, alignment.shape[2]), dim=2).indices
        chosen = torch.zeros_like(near).scatter_(2, best, value=True) & near
        owner = torch.where(chosen, overlap + _TINY, 0.0).max(dim=1)
        chosen &= owner.indices[:, None] == torch.arange(real.shape[1], device=real.device)[:, None]
        alignment, overlap = alignment * chosen, overlap * chosen
        top, reached = alignment.amax(dim=2, keepdim=True), overlap.amax(dim=2, keepdim=True)
        quality = (alignment / top.clamp(min=1e-30) * reached).amax(dim=1)
        return Matched(torch.where(owner.values > 0, owner.indices, -1), quality)

    def mirrored_back(self, out: Tensor, axes: Sequence[int], card: Card) -> Tensor:
        """Return output [N, A, 4 + C] for frames mirrored along `axes` (1: rows, 2: columns) as it lies on the frames.

        Every point takes the numbers of its mirror image, whose box lies on the other side. The input's sides are multiples of
        the coarsest stride.
        """
        if not axes:
            return out
        sign = out.new_ones(out.shape[2])
        for axis in axes:
            sign[2 - axis] = -1.0  # x along columns, y along rows
        grids, begin = [], 0
        for stride in STRIDES:
            rows, columns = card.input.height // stride, card.input.width // stride
            grid = out[:, begin : begin + rows * columns].reshape(-1, rows, columns, out.shape[2])
            grids.append(grid.flip(list(axes)).flatten(1, 2))
            begin += rows * columns
        return torch.cat(grids, dim=1) * sign

    def cam_target(self, raw: Tensor, card: Card, *, class_index: int | None, box: Box | None) -> Explained:
        """Return the score of the given box, or the sum over all boxes of the class."""
        return box_target(self.activation(raw, card)[0], card, class_index=class_index, box=box)

    def activation(self, out: Tensor, card: Card) -> Tensor:
        """Convert output [N, A, 4 + C] to corners as fractions of the input and scores 0..1."""
        points, strides = points_of(card.input.height, card.input.width, device=out.device)
        size = out.new_tensor([card.input.width, card.input.height] * 2)
        return torch.cat((boxes_of(out[..., :4], points, strides) / size, out[..., 4:].sigmoid()), dim=-1)


def points_of(height: int, width: int, *, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the centres (x, y) [A, 2] of the cells of all scales in pixels, and their strides [A, 1], float32."""
    points, strides = [], []
    for stride in STRIDES:
        y = (torch.arange(math.ceil(height / stride), device=device) + 0.5) * stride
        x = (torch.arange(math.ceil(width / stride), device=device) + 0.5) * stride
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack((columns, rows), dim=-1).reshape(-1, 2))
        strides.append(torch.full((points[-1].shape[0], 1), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def boxes_of(numbers: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Convert the network's four numbers [..., A, 4] to corners in pixels."""
    sides = numbers[..., 2:].clamp(max=_MOST).exp() * strides
    return corners(torch.cat((points + numbers[..., :2] * sides, sides), dim=-1))


def _near(points: Tensor, real: Tensor) -> Tensor:
    """Return which points [A, 2] may learn which boxes [N, M, 4], as bool [N, M, A].

    Points inside a box may; for boxes thinner than the finest grid also points within half its stride of the box's middle.
    """
    centre, half = (real[..., :2] + real[..., 2:]) / 2, (real[..., 2:] - real[..., :2]) / 2
    reach = half.clamp(min=STRIDES[0] / 2)
    near: Tensor = ((points - centre[..., None, :]).abs() <= reach[..., None, :]).all(dim=-1)
    return near
