"""ROAD: how well a heat map names what matters, by removing pixels without a trace (Rong et al., ICML 2022). Needs no torch.

Pixels are removed by solving for values between their neighbours, with a little noise, so that their outline tells nothing.
Removing the least relevant pixels first should keep the score, removing the most relevant first should lose it: ROAD is half
the difference of the two means, relative to the score of the whole frame. Noise, or a map of chance, has about 0.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared

REMOVED = (0.2, 0.4, 0.6, 0.8)  # shares of the pixels
NOISE = 0.01  # of the standard deviation that inputs are scaled with
_NEIGHBOURS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32) / np.float32(12)
_SMALL = 16  # side of the coarsest grid
_STEPS = 400  # most steps of the solver
_FINE = 128  # side of a grid from which a few steps polish what a coarser one has solved
_POLISH = 20
_CLOSE = 2e-5  # of the range of the values: residual at which it ends

Planes = NDArray[np.float32]  # [height, width, channels]


def imputed(frame: NDArray[np.generic], missing: NDArray[np.bool_]) -> Planes:
    """Return a frame [height, width, channels] whose missing pixels are the weighted mean of their eight neighbours.

    Weights are 1/6 beside and 1/12 across, and add up to 1 also at the border. Pixels are known somewhere.
    """
    values = np.asarray(frame, np.float32)
    return _solved(np.where(missing[..., None], np.float32(0), values), missing, float(np.ptp(values)) or 1.0)


def removals(card: Card, frame: Prepared, heat: Floats) -> Prepared:
    """Return inputs [2 * len(REMOVED), height, width, channels]: most relevant pixels removed first, then least relevant."""
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.permutation(heat.size), -heat.ravel()))  # pixels of equal heat come in no order
    scale = np.asarray(card.std, np.float32) * np.float32(NOISE)
    found = []
    for ranked in (order, order[::-1]):
        for share in REMOVED:
            chosen = np.zeros(heat.size, bool)
            chosen[ranked[: round(heat.size * share)]] = True
            missing = chosen.reshape(heat.shape)
            filled = imputed(frame, missing)
            filled[missing] += rng.standard_normal((int(missing.sum()), frame.shape[2]), np.float32) * scale
            whole = np.rint(np.clip(filled, 0, 255)).astype(np.uint8) if frame.dtype == np.uint8 else filled
            found.append(np.where(missing[..., None], whole, frame))
    return np.stack(found)


def road(relative: NDArray[np.float64]) -> float:
    """Return ROAD from the scores of `removals`, relative to the score of the whole frame."""
    most, least = relative[: len(REMOVED)], relative[len(REMOVED) :]
    return float(least.mean() - most.mean()) / 2


def _solved(known: Planes, missing: NDArray[np.bool_], scale: float) -> Planes:
    """Solve by conjugate gradients, from the solution of a grid half as fine."""
    values = known
    if min(missing.shape) > _SMALL:
        values = np.where(missing[..., None], _coarse(known, missing, scale), known)
    weight = (~missing).astype(np.float32)[..., None]
    free = np.float32(1) - weight
    sums = _of_neighbours(np.ones_like(weight))
    wanted = _of_neighbours(known * weight) * free
    values = values * free
    left = wanted - (sums * values - _of_neighbours(values)) * free
    along = left.copy()
    size = (left * left).sum(axis=(0, 1))
    for _ in range(_STEPS if min(missing.shape) <= _FINE else _POLISH):
        if float(np.abs(left).max()) <= _CLOSE * scale:
            break
        turned = (sums * along - _of_neighbours(along)) * free
        step = size / np.maximum((along * turned).sum(axis=(0, 1)), np.float32(1e-20))
        values = values + step * along
        left = left - step * turned
        before, size = size, (left * left).sum(axis=(0, 1))
        along = left + size / np.maximum(before, np.float32(1e-20)) * along
    return known * weight + values * free


def _coarse(known: Planes, missing: NDArray[np.bool_], scale: float) -> Planes:
    """Return the solution of a grid half as fine, enlarged."""
    height, width = missing.shape
    size = (width + 1) // 2, (height + 1) // 2
    weight = (~missing).astype(np.float32)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    means = _resized(known * weight[..., None], size, cv2.INTER_AREA)
    empty = share <= 1e-6
    values = np.where(empty[..., None], np.float32(0), means / np.maximum(share, np.float32(1e-6))[..., None])
    return _resized(_solved(values, empty, scale), (width, height), cv2.INTER_LINEAR)


def _resized(planes: Planes, size: tuple[int, int], how: int) -> Planes:
    return np.asarray(cv2.resize(planes, size, interpolation=how), np.float32).reshape(size[1], size[0], -1)


def _of_neighbours(planes: Planes) -> Planes:
    found = cv2.filter2D(planes, -1, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(found, np.float32).reshape(planes.shape)
