"""The demo line's vessel: a round observation window in a bolted flange, with liquid and foam in three states."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.cameras.demo.noise import Bytes, blurred, cloud, disc
from inspector.core.types import Floats

SIZE = 240
CLASSES = ("normal", "mild", "severe")
_RADIUS = 84.0
_RIM = 114.0
_CENTRE = (119.5, 119.5)
_BOLTS = 10
_GLASS = slice(34, 206)  # rows, and columns, of the glass


@lru_cache(maxsize=1)
def _flange() -> tuple[Floats, Floats, Floats]:
    """Return the flange around the glass, RGB [240, 240, 3]; its visibility, 0..1; and its shadow on the wall, 0..1."""
    rng = np.random.default_rng(20_21)
    metal = 148.0 + 4.0 * cloud(rng, SIZE, SIZE, 2.0) + 5.0 * cloud(rng, SIZE, SIZE, 70.0)
    for radius, strength in ((_RIM, 60.0), (_RADIUS + 2.0, -70.0)):
        soft = blurred(disc(SIZE, SIZE, _CENTRE, radius), 2.0) / 255.0
        metal += strength * (soft - np.roll(soft, (3, 3), (0, 1)))
    for k in range(_BOLTS):
        turn = 2.0 * np.pi * (k + 0.5) / _BOLTS
        x, y = _CENTRE[0] + 100.0 * np.cos(turn), _CENTRE[1] + 100.0 * np.sin(turn)
        head = disc(SIZE, SIZE, (x, y), 8.0).astype(np.float32) / 255.0
        slope = blurred(head, 1.4)
        metal = metal * (1.0 - 0.5 * (np.roll(slope, (2, 2), (0, 1)))) + 62.0 * head
        metal += 60.0 * (slope - np.roll(slope, (2, 2), (0, 1)))
        metal -= 50.0 * disc(SIZE, SIZE, (x, y), 3.4).astype(np.float32) / 255.0
    ring = disc(SIZE, SIZE, _CENTRE, _RIM)
    shadow = 0.5 * np.roll(blurred(ring, 4.0), (3, 3), (0, 1)) / 255.0
    pixels = np.clip(cv2.merge([metal * 0.98, metal, metal * 1.03]), 0, 255).astype(np.float32)
    cover = (ring.astype(np.float32) - disc(SIZE, SIZE, _CENTRE, _RADIUS)) / 255.0
    return pixels, cover[..., None], np.asarray(shadow * (ring == 0), np.float32)[..., None]


@lru_cache(maxsize=1)
def _foams() -> tuple[Floats, ...]:
    """Return foam textures [360, 360] around 1: packed bubbles with bright rims and dark centres."""
    rng = np.random.default_rng(20_22)
    return tuple(_foam(rng) for _ in range(3))


def _foam(rng: np.random.Generator) -> Floats:
    field = np.full((360, 360), 0.86, np.float32)
    for _ in range(2600):
        x, y = rng.integers(0, 360, 2).tolist()
        radius = int(np.clip(rng.gamma(3.0, 1.6), 2.0, 13.0))
        shade = float(rng.uniform(0.70, 0.98))
        cv2.circle(field, (x, y), radius, shade, -1, cv2.LINE_AA)
        cv2.circle(field, (x, y), radius, 1.12, 1, cv2.LINE_AA)
        cv2.circle(field, (x - radius // 3, y - radius // 3), max(1, radius // 4), 1.25, -1, cv2.LINE_AA)
    return blurred(field, 0.7)


@dataclass(frozen=True, slots=True, eq=False)
class _Glass:
    """The constant properties of the glass, each float32 over its bounding square."""

    x: Floats  # [1, W], pixels from the centre
    y: Floats  # [H, 1]
    wall: Floats  # the vessel's back wall, RGB [H, W, 3]
    gleam: Floats  # reflections, 0..1, [H, W]
    shade: Floats  # light that falls in past the rim, 0..1, [H, W, 1]
    seen: NDArray[np.bool_]  # [H, W, 1]


@lru_cache(maxsize=1)
def _glass() -> _Glass:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    x, y = x - _CENTRE[0], y - _CENTRE[1]
    rng = np.random.default_rng(20_23)
    wall = 0.46 - 0.10 * np.abs(x) / _RADIUS - 0.06 * y / _RADIUS + 0.012 * cloud(rng, SIZE, SIZE, 24.0)
    wall = (wall.astype(np.float32) * 255.0)[..., None] * np.array([0.96, 1.0, 1.02], np.float32)
    gleam = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(gleam, (92, 82), (44, 10), -42, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(gleam, (152, 164), (26, 5), -42, 0, 360, 120, -1, cv2.LINE_AA)
    shade = np.clip((_RADIUS + 6.0 - np.sqrt(x * x + y * y)) / 16.0, 0.35, 1.0)
    seen = disc(SIZE, SIZE, _CENTRE, _RADIUS) > 127
    square = (_GLASS, _GLASS)
    soft = blurred(gleam, 5.0) / 255.0
    return _Glass(x[:1, _GLASS], y[_GLASS, :1], wall[square], soft[square], shade[square][..., None], seen[square][..., None])


def render(rng: np.random.Generator, wall: Bytes, state: int, gain: float) -> Bytes:
    """Return the window in a state (an index of CLASSES), set into this `wall`; both RGB uint8 [240, 240, 3]."""
    flange, cover, shadow = _flange()
    mixed = wall * (1.0 - shadow)
    square = (_GLASS, _GLASS)
    mixed[square] = np.where(_glass().seen, _inside(rng, state), mixed[square])
    mixed += cover * (flange - mixed)
    mixed *= np.float32(gain)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _conditions(rng: np.random.Generator, state: int) -> tuple[float, float, float, float, float]:
    """Return level (pixels below the centre), foam height, haze, brightness of the liquid, and height of its waves."""
    if state == 0:
        return (rng.uniform(-12.0, 22.0), rng.uniform(0.0, 5.0), rng.uniform(0.0, 0.08), rng.uniform(0.94, 1.08), 1.5)
    if state == 1:
        return (rng.uniform(-26.0, 12.0), rng.uniform(18.0, 40.0), rng.uniform(0.12, 0.3), rng.uniform(0.8, 1.0), 3.0)
    return (rng.uniform(-60.0, -25.0), rng.uniform(70.0, 180.0), rng.uniform(0.25, 0.5), rng.uniform(0.42, 0.66), 7.5)


def _inside(rng: np.random.Generator, state: int) -> Floats:
    """Return the view through the glass, RGB over its bounding square."""
    glass = _glass()
    x, y = glass.x, glass.y
    level, foam, haze, dark, sea = _conditions(rng, state)
    wave = sea * np.sin(x * rng.uniform(0.03, 0.07) + rng.uniform(0.0, 6.0)).astype(np.float32)
    hue = np.array([rng.uniform(168.0, 196.0), rng.uniform(132.0, 156.0), rng.uniform(62.0, 96.0)], np.float32)
    surface = level + wave
    liquid = np.clip(0.5 + (y - surface) / 3.0, 0.0, 1.0)[..., None]
    depth = np.clip((y - surface) / 120.0, 0.0, 1.0)[..., None]
    inside = glass.wall * (1.0 - liquid)
    inside = inside + liquid * hue * dark * (1.0 - 0.42 * depth)
    meniscus = np.exp(-(((y - surface) / 2.2) ** 2))[..., None]
    inside += meniscus * 38.0 * (1.0 if foam < 8.0 else 0.0)
    _bubbles(rng, inside, level, (6, 30, 70)[state])
    texture = _foams()[int(rng.integers(3))]
    top, left = rng.integers(0, 120, 2).tolist()
    crop = texture[top : top + SIZE, left : left + SIZE][_GLASS, _GLASS]
    ragged = foam * 0.16 * np.sin(x * rng.uniform(0.05, 0.12) + rng.uniform(0.0, 6.0)).astype(np.float32)
    rise = foam * (1.6 if state == 2 else 0.62)  # a boiling vessel throws its foam up the glass
    band = np.clip((y - (surface - rise + ragged)) / 4.0, 0.0, 1.0) * np.clip(((surface + 0.38 * foam) - y) / 5.0, 0.0, 1.0)
    band = (band * min(1.0, foam / 8.0))[..., None]
    foam_hue = (np.array([214.0, 204.0, 178.0], np.float32) * (0.62 + 0.38 * dark)) * crop[..., None]
    inside += band * 0.94 * (foam_hue - inside)
    inside += haze * (np.float32(150.0 * (0.6 + 0.4 * dark)) - inside)
    inside += (glass.gleam * rng.uniform(30.0, 80.0))[..., None]
    return np.asarray(inside * glass.shade, np.float32)


def _bubbles(rng: np.random.Generator, inside: Floats, level: float, count: int) -> None:
    """Draw bubbles rising in the liquid."""
    for _ in range(int(rng.integers(count // 2, count + 1))):
        x = int(rng.uniform(45, 195)) - _GLASS.start
        y = int(rng.uniform(_CENTRE[1] + level + 6.0, 205.0)) - _GLASS.start
        radius = int(rng.integers(1, 5))
        bright = inside[y, x] * 1.28
        cv2.circle(inside, (x, y), radius, [float(value) for value in bright], 1, cv2.LINE_AA)
