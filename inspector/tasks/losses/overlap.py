"""Boxes as tensors: corners, IoU, complete IoU."""

import math

import torch
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """Convert (centre, size) [..., 4] to (left, top, right, bottom)."""
    half = boxes[..., 2:] / 2
    return torch.cat((boxes[..., :2] - half, boxes[..., :2] + half), dim=-1)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU [..., n, m] of boxes [..., n, 4] and [..., m, 4]."""
    a, b = first[..., :, None, :], second[..., None, :, :]
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    union = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1) - both
    return both / union.clamp(min=1e-7)


def complete_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and complete IoU of boxes [P, 4], pair by pair (Zheng et al., AAAI 2020, equations 7 to 11)."""
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
