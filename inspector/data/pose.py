"""Whether the images of a data set have an up and down, which decides how far they may be rotated in training.

Sheet, tiles, fabric and cells look alike from every side; a part in a fixture does not. Images without a common layout may be
rotated. Otherwise the mean image shows the layout, and whether it is mirror-symmetric. In sets of real photographs two images
correlate by 0.01 (rolled steel), 0.33 (magnetic tiles) and 0.57 (solar cells), and the mean image with its mirror images by
0.76 and 0.98 in the last two sets. Networks trained on rotated and mirrored images did better on all three.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.data.duplicates import Look, nothing

_FEWEST = 20  # minimum number of images
_FLAT = 2.0  # grey levels of standard deviation below which a picture shows nothing
_PIECE = 512  # pictures at a time
_APART = 0.1  # correlation below which pictures have nothing in common but their subject
_SAME = 0.7  # correlation from which a mirrored mean picture is the same


@dataclass(frozen=True, slots=True)
class Pose:
    """How uniformly the images are oriented.

    `common`: the mean correlation of two images, 0 to 1. `mirrored`: the lowest correlation of the mean image with itself
    mirrored left to right, mirrored top to bottom, and rotated by 180 degrees, -1 to 1.
    """

    common: float
    mirrored: float

    @property
    def any_direction(self) -> bool:
        """Whether mirrored and rotated images look like images that the line could produce."""
        return self.common < _APART or self.mirrored >= _SAME


def pose_of(looks: Sequence[Look | None], *, tick: Callable[[], None] = nothing) -> Pose | None:
    """Return the pose of these images; None if too few show anything. `tick` is called now and then and may raise."""
    known = [one for one in looks if one is not None]
    total, count = np.zeros(known[0].small.shape if known else (1, 1)), 0
    for start in range(0, len(known), _PIECE):
        tick()
        pictures = np.stack([one.small for one in known[start : start + _PIECE]]).astype(np.float32)
        pictures -= pictures.mean((1, 2), keepdims=True)
        spread = pictures.std((1, 2), keepdims=True)
        shown = spread[:, 0, 0] >= _FLAT
        total += (pictures[shown] / spread[shown]).sum(0, dtype=np.float64)
        count += int(shown.sum())
    if count < _FEWEST:
        return None
    mean = total / count
    # The mean of n pictures of standard deviation 1 that correlate by c has the variance c + (1 - c) / n.
    common = (float(mean.var()) - 1 / count) / (1 - 1 / count)
    turned = (mean[:, ::-1], mean[::-1], mean[::-1, ::-1])
    return Pose(min(max(common, 0.0), 1.0), min(_correlation(mean, other) for other in turned))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    norm = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / norm if norm else 1.0
