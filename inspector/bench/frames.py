"""The frames that both pipelines get: no torch, so that either process can make them."""

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 480


def frames(count: int, *, seed: int = 0) -> list[NDArray[np.uint8]]:
    """`count` frames uint8 [480, 640, 3] of noise on a gradient, well exposed; the same for the same seed."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 180, WIDTH, dtype=np.float32)[None, :, None]
    made = []
    for _ in range(count):
        noise = rng.integers(0, 60, (HEIGHT, WIDTH, 3)).astype(np.float32)
        made.append((ramp + noise).astype(np.uint8))
    return made
