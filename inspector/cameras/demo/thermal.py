"""The demo line's thermal scene: a pump set (motor, coupling, pump, pipes) seen by a radiometric camera, in kelvin."""

from functools import lru_cache

import cv2
import numpy as np

from inspector.cameras.demo.noise import blurred, cloud
from inspector.core.types import Floats

HEIGHT, WIDTH = 120, 160
HOT_KELVIN = 363.15  # 90 C: only a fault is hotter than this
_PAD = 8
_NOISE = 0.1  # K, the NETD of a good uncooled camera
# Where equipment fails: motor bearing, winding, coupling, pump bearing, flange, valve; (x, y) in pixels.
_SPOTS = ((44, 66), (27, 60), (75, 69), (90, 69), (118, 40), (134, 30), (108, 78), (40, 80))


@lru_cache(maxsize=1)
def _bodies() -> tuple[Floats, ...]:
    """Return the visibility of each body in each pixel, 0..1, [136, 176] (with a margin for shifts of the camera)."""

    def shape(draw: list[tuple[str, tuple[int, ...]]], sigma: float) -> Floats:
        canvas = np.zeros((HEIGHT + 2 * _PAD, WIDTH + 2 * _PAD), np.uint8)
        for kind, numbers in draw:
            x, y = numbers[0] + _PAD, numbers[1] + _PAD
            if kind == "box":
                cv2.rectangle(canvas, (x, y), (numbers[2] + _PAD, numbers[3] + _PAD), 255, -1)
            else:
                cv2.ellipse(canvas, (x, y), (numbers[2], numbers[3]), 0, 0, 360, 255, -1)
        return blurred(canvas, sigma) / 255.0

    motor = shape([("box", (12, 46, 60, 90)), ("round", (12, 68, 6, 20)), ("box", (26, 36, 44, 48))], 1.0)
    rows = np.arange(HEIGHT + 2 * _PAD, dtype=np.float32)[:, None]
    motor = np.asarray(motor * (0.9 + 0.1 * np.sin(rows * (2.0 * np.pi / 5.0))), np.float32)  # cooling fins
    coupling = shape([("box", (60, 63, 84, 75))], 0.8)
    pump = shape([("round", (106, 70, 23, 24)), ("box", (84, 60, 96, 78))], 1.0)
    pipe = shape([("box", (112, 8, 124, 50)), ("box", (112, 18, 159, 30)), ("box", (126, 14, 133, 34))], 1.0)
    feed = shape([("box", (126, 66, 159, 77))], 1.0)
    frame = shape([("box", (6, 92, 138, 99)), ("box", (16, 99, 24, 119)), ("box", (120, 99, 128, 119))], 0.9)
    return motor, coupling, pump, pipe, feed, frame


@lru_cache(maxsize=1)
def _walls() -> tuple[Floats, ...]:
    rng = np.random.default_rng(20_31)
    rows = np.linspace(1.0, -1.0, HEIGHT + 2 * _PAD, dtype=np.float32)[:, None]
    return tuple(
        np.asarray(0.7 * rows + 0.5 * cloud(rng, HEIGHT + 2 * _PAD, WIDTH + 2 * _PAD, 40.0), np.float32) for _ in range(4)
    )


def render(rng: np.random.Generator, hot_spots: int) -> Floats:
    """Return the scene with this number of hot spots (peaks of about 370 to 480 K), float32 kelvin [120, 160]."""
    ambient = rng.uniform(292.0, 302.0)
    scene = ambient + rng.uniform(0.5, 1.5) * _walls()[int(rng.integers(4))]
    load = rng.uniform(0.0, 1.0)
    warm = (18.0 + 20.0 * load, 8.0 + 12.0 * load, 10.0 + 14.0 * load, 8.0 + 26.0 * rng.random(), 4.0 * rng.random(), 3.0)
    bodies = [body * np.float32(rise + rng.normal(0.0, 1.0)) for body, rise in zip(_bodies(), warm, strict=True)]
    scene += np.maximum.reduce(bodies)
    top, left = rng.integers(_PAD - 3, _PAD + 4, 2).tolist()
    scene = scene[top : top + HEIGHT, left : left + WIDTH].copy()
    places = rng.choice(len(_SPOTS), hot_spots, replace=False).tolist()
    spots = [
        (_SPOTS[k][0] + _PAD - left + rng.uniform(-3.0, 3.0), _SPOTS[k][1] + _PAD - top + rng.uniform(-2.0, 2.0))
        for k in places
    ]
    scene = np.maximum.reduce([scene, *(_heated(rng, scene, x, y) for x, y in spots)])
    scene = blurred(scene, 0.8)  # blur of the lens
    scene += np.float32(_NOISE) * rng.standard_normal((HEIGHT, WIDTH), np.float32)
    scene += np.float32(0.4 * _NOISE) * rng.standard_normal((1, WIDTH), np.float32)  # column noise of the detector
    return scene


def _heated(rng: np.random.Generator, scene: Floats, x: float, y: float) -> Floats:
    """Return the scene raised to a peak at (x, y): a hot core on a wider warm halo."""
    columns, rows = np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)[:, None]
    distance = (columns - np.float32(x)) ** 2 + ((rows - np.float32(y)) * np.float32(rng.uniform(0.8, 1.25))) ** 2
    sigma = rng.uniform(2.8, 6.0)
    rise = rng.uniform(376.0, 480.0) - float(scene[round(y), round(x)])
    core = np.exp(distance * np.float32(-0.5 / sigma**2))
    halo = np.exp(distance * np.float32(-0.5 / (2.6 * sigma) ** 2))
    return np.asarray(scene + np.float32(rise) * (np.float32(0.86) * core + np.float32(0.14) * halo), np.float32)
