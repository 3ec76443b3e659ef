"""The demo line's plate: brushed metal on a belt, with scratches, stains, dents and discolouration, and their exact masks."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from inspector.cameras.demo.noise import Bytes, blob, blurred, cloud, disc, filled, streaks
from inspector.core.types import Floats

SIZE = 448
CLASSES = ("scratch", "stain", "dent", "discolouration")
SMALLEST_AREA = 60
_LAYERS = 6
_EDGE = 14  # margin of the plate, from the border of the region
_HOLE = 44  # centre of a drill hole, from the border of the region
_TINTS = ((20.0, 4.0, -42.0), (-36.0, -8.0, 28.0), (6.0, -30.0, 14.0), (20.0, -16.0, -38.0))


@dataclass(frozen=True, slots=True, eq=False)
class PlateImage:
    """RGB uint8 [448, 448, 3]; mask uint8 [448, 448] (0, or class index + 1); boxes float32 [N, 4]; classes int64 [N]."""

    pixels: Bytes
    mask: Bytes
    boxes: Floats
    classes: tuple[int, ...]


@lru_cache(maxsize=1)
def _layers() -> tuple[Bytes, ...]:
    """Return plates without defects, uint8 [448, 448, 3]: metal grey, coverage, shadow on the belt."""
    rng = np.random.default_rng(20_11)
    return tuple(_layer(rng) for _ in range(_LAYERS))


def _layer(rng: np.random.Generator) -> Bytes:
    cover = np.zeros((SIZE, SIZE), np.uint8)
    low, high, radius = _EDGE, SIZE - _EDGE, 12
    cv2.rectangle(cover, (low + radius, low), (high - radius, high), 255, -1)
    cv2.rectangle(cover, (low, low + radius), (high, high - radius), 255, -1)
    for x in (low + radius, high - radius):
        for y in (low + radius, high - radius):
            cv2.circle(cover, (x, y), radius, 255, -1, cv2.LINE_AA)
    shadow = np.roll(blurred(cover, 7.0), (6, 5), (0, 1))
    metal = 158.0 + 5.0 * streaks(rng, SIZE, SIZE, 91) + 3.0 * streaks(rng, SIZE, SIZE, 17)
    metal += 3.5 * cloud(rng, SIZE, SIZE, 120.0) + 1.5 * rng.standard_normal((SIZE, SIZE), np.float32)
    soft = blurred(cover, 2.0)
    metal += np.float32(0.55) * (soft - np.roll(soft, (2, 2), (0, 1)))  # a bevel lit from above left
    for x in (_HOLE, SIZE - _HOLE):
        for y in (_HOLE, SIZE - _HOLE):
            sink = disc(SIZE, SIZE, (x, y), 13.0).astype(np.float32) / 255.0
            hole = disc(SIZE, SIZE, (x + 0.5, y + 0.5), 8.5).astype(np.float32) / 255.0
            slope = blurred(sink, 1.5)
            metal += 70.0 * (np.roll(slope, (2, 2), (0, 1)) - slope)
            metal = metal * (1.0 - hole) + 34.0 * hole
    return np.stack([np.clip(metal, 0, 255).astype(np.uint8), cover, np.clip(shadow, 0, 255).astype(np.uint8)], axis=2)


@lru_cache(maxsize=1)
def _taken() -> Bytes:
    """Return where no defect may lie: off the plate and around the holes (with a margin for the pose)."""
    taken = np.full((SIZE, SIZE), 255, np.uint8)
    margin = _EDGE + 18
    taken[margin : SIZE - margin, margin : SIZE - margin] = 0
    for x in (_HOLE, SIZE - _HOLE):
        for y in (_HOLE, SIZE - _HOLE):
            cv2.circle(taken, (x, y), 28, 255, -1)
    return taken


@lru_cache(maxsize=1)
def _clouds() -> tuple[Floats, ...]:
    rng = np.random.default_rng(20_12)
    return tuple(cloud(rng, SIZE, SIZE, grain) for grain in (10.0, 18.0, 30.0))


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats, Floats]:
    """Return x and y from -1 to 1 as [1, 448] and [448, 1], and the lens's fall-off towards the corners [448, 448]."""
    axis = np.linspace(-1.0, 1.0, SIZE, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    return x, y, np.asarray(1.03 - 0.09 * (x * x + y * y), np.float32)


def render(rng: np.random.Generator, belt: Bytes, defects: int, gain: float) -> PlateImage:
    """Return a plate with about `defects` defects (fewer where there is no room) on the belt, uint8 [448, 448, 3]."""
    layer = _layers()[int(rng.integers(_LAYERS))]
    layer = layer[:, ::-1] if rng.random() < 0.5 else layer
    turn, scale = float(rng.uniform(-1.2, 1.2)), float(rng.uniform(0.985, 1.0))
    pose = np.asarray(cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), turn, scale), np.float64)
    pose[:, 2] += rng.uniform(-4.0, 4.0, 2)
    warped = np.asarray(cv2.warpAffine(np.ascontiguousarray(layer), pose, (SIZE, SIZE)), np.uint8)
    x, y, falloff = _grid()
    sheen = 1.0 + rng.uniform(0.02, 0.12) * np.exp(-(((x - rng.uniform(-0.8, 0.8)) / rng.uniform(0.25, 0.7)) ** 2))
    light = falloff * (gain * sheen + rng.uniform(-0.07, 0.07) * x + rng.uniform(-0.07, 0.07) * y)
    metal = warped[..., 0] * light.astype(np.float32)
    warm = float(rng.uniform(-0.015, 0.025))
    colour = cv2.merge([metal * (1.0 + warm), metal, metal * (1.01 - warm)])
    colour = np.asarray(colour, np.float32)
    mask, boxes, classes = _add_defects(rng, colour, defects)
    cover = warped[..., 1:2].astype(np.float32) * (1.0 / 255.0)
    ground = belt * (gain - (0.55 * gain / 255.0) * warped[..., 2:3].astype(np.float32))
    colour -= ground
    colour *= cover
    colour += ground
    return PlateImage(np.asarray(cv2.convertScaleAbs(np.maximum(colour, 0.0)), np.uint8), mask, boxes, classes)


def _add_defects(rng: np.random.Generator, colour: Floats, count: int) -> tuple[Bytes, Floats, tuple[int, ...]]:
    truth = np.zeros((SIZE, SIZE), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    classes: list[int] = []
    taken = _taken().copy() if count else _taken()
    kinds = sorted(rng.choice(4, count, p=(0.3, 0.26, 0.26, 0.18)).tolist(), reverse=True)  # place large defects first
    for kind in kinds:
        for _ in range(40):
            shape = _SHAPES[kind](rng)
            mask = shape.mask
            if np.count_nonzero(mask) < SMALLEST_AREA or cv2.countNonZero(cv2.bitwise_and(mask, taken)):
                continue
            shape.paint(rng, colour)
            truth[mask > 0] = kind + 1
            left, top, width, height = cv2.boundingRect(mask)
            boxes.append((left, top, left + width, top + height))
            classes.append(kind)
            taken |= np.asarray(cv2.dilate(mask, np.ones((13, 13), np.uint8)), np.uint8)
            break
    return truth, np.asarray(boxes, np.float32).reshape(-1, 4), tuple(classes)


class _Shape:
    """One defect: a binary mask (255) and its effect on the metal."""

    mask: Bytes

    def paint(self, rng: np.random.Generator, colour: Floats) -> None:
        raise NotImplementedError

    def patch(self, margin: int) -> tuple[slice, slice]:
        left, top, width, height = cv2.boundingRect(self.mask)
        return (
            slice(max(0, top - margin), min(SIZE, top + height + margin)),
            slice(max(0, left - margin), min(SIZE, left + width + margin)),
        )


class _Scratch(_Shape):
    """A thin curved line, lighter or darker than the metal, with a burr along one side."""

    def __init__(self, rng: np.random.Generator) -> None:
        length, angle = rng.uniform(60.0, 240.0), rng.uniform(0.0, np.pi)
        x, y = rng.uniform(50.0, SIZE - 50.0, 2)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        t = np.linspace(-1.0, 1.0, 48)
        bow = rng.normal(0.0, 0.10) * length
        wobble = rng.normal(0.0, 0.012) * length * np.sin(rng.uniform(3.0, 7.0) * t + rng.uniform(0.0, 6.0))
        line = np.array([x, y]) + 0.5 * length * t[:, None] * along + (bow * (1.0 - t * t) + wobble)[:, None] * across
        points = np.asarray(np.rint(line * 16.0), np.int32)
        width = rng.uniform(3.6, 6.6)
        self.mask = np.zeros((SIZE, SIZE), np.uint8)
        for k in range(len(points) - 1):
            thickness = max(3, round(width * (1.0 - 0.35 * abs(t[k]))))
            start, end = points[k].tolist(), points[k + 1].tolist()
            cv2.line(self.mask, start, end, 255, thickness, cv2.LINE_8, 4)
        self.across = across

    def paint(self, rng: np.random.Generator, colour: Floats) -> None:
        where = self.patch(6)
        core = blurred(self.mask[where], 0.7) / 255.0
        strength = rng.uniform(44.0, 80.0) * (1.0 if rng.random() < 0.45 else -1.0)
        shift = np.rint(self.across * 3.0).astype(int)
        burr = np.clip(np.roll(core, (int(shift[1]), int(shift[0])), (0, 1)) - core, 0.0, 1.0)
        depth = 1.0 + 0.14 * _clouds()[0][where]
        colour[where] += (strength * core * depth - 0.22 * strength * burr)[..., None]


class _Stain(_Shape):
    """A dark irregular mark with a soft edge and mottled interior, as of oil or water."""

    def __init__(self, rng: np.random.Generator) -> None:
        radius = rng.uniform(15.0, 46.0)
        x, y = rng.uniform(50.0, SIZE - 50.0, 2)
        mask = filled(blob(rng, (x, y), radius, 0.42), SIZE, SIZE)
        if rng.random() < 0.4:
            side = rng.uniform(0.0, 2.0 * np.pi)
            centre = (x + 0.9 * radius * np.cos(side), y + 0.9 * radius * np.sin(side))
            mask |= filled(blob(rng, centre, 0.6 * radius, 0.42), SIZE, SIZE)
        self.mask = mask

    def paint(self, rng: np.random.Generator, colour: Floats) -> None:
        where = self.patch(8)
        soft = blurred(self.mask[where], rng.uniform(1.2, 2.4)) / 255.0
        mottle = np.clip(1.0 + 0.22 * _clouds()[1][where], 0.5, 1.5)
        inner = blurred(self.mask[where], 6.0) / 255.0
        amount = rng.uniform(0.26, 0.48) * soft * mottle * (1.25 - 0.4 * inner)  # darker at the drying edge
        tint = np.array([0.92, 1.0, 1.12], np.float32) if rng.random() < 0.7 else np.ones(3, np.float32)
        colour[where] *= 1.0 - np.clip(amount[..., None] * tint, 0.0, 0.85)


class _Dent(_Shape):
    """An elliptical hollow: a shadow on the side of the light, a highlight on the opposite side."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.centre = rng.uniform(50.0, SIZE - 50.0, 2)
        self.axes = np.array([rng.uniform(13.0, 32.0), 0.0])
        self.axes[1] = self.axes[0] * rng.uniform(0.62, 1.0)
        self.turn = rng.uniform(0.0, np.pi)
        self.mask = np.zeros((SIZE, SIZE), np.uint8)
        middle = (round(self.centre[0] * 16), round(self.centre[1] * 16))
        axes = (round(self.axes[0] * 16), round(self.axes[1] * 16))
        cv2.ellipse(self.mask, middle, axes, float(np.degrees(self.turn)), 0, 360, 255, -1, cv2.LINE_8, 4)

    def paint(self, rng: np.random.Generator, colour: Floats) -> None:
        rows, columns = self.patch(6)
        y, x = np.mgrid[rows, columns].astype(np.float32)
        dx, dy = x - self.centre[0], y - self.centre[1]
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        u, v = (dx * cos + dy * sin) / self.axes[0], (-dx * sin + dy * cos) / self.axes[1]
        radius = np.sqrt(u * u + v * v)
        inside = np.clip((1.04 - radius) / 0.10, 0.0, 1.0)
        away = (dx + dy) / (np.sqrt(2.0) * self.axes.mean())  # the light comes from above left
        slope = away * np.clip(radius, 0.0, 1.0) * inside
        rim = np.exp(-(((radius - 1.0) / 0.09) ** 2))
        strength = rng.uniform(46.0, 72.0)
        colour[rows, columns] += (strength * slope - 13.0 * inside + 10.0 * rim)[..., None]


class _Discolouration(_Shape):
    """A large soft area of another hue, as of heat tint."""

    def __init__(self, rng: np.random.Generator) -> None:
        x, y = rng.uniform(90.0, SIZE - 90.0, 2)
        self.mask = filled(blob(rng, (x, y), rng.uniform(42.0, 92.0), 0.3), SIZE, SIZE)

    def paint(self, rng: np.random.Generator, colour: Floats) -> None:
        where = self.patch(16)
        soft = blurred(self.mask[where], rng.uniform(3.0, 5.5)) / 255.0
        tint = np.asarray(_TINTS[int(rng.integers(len(_TINTS)))], np.float32) * rng.uniform(0.75, 1.2)
        wave = 1.0 + 0.15 * _clouds()[2][where]
        colour[where] += (soft * wave)[..., None] * tint


_SHAPES: tuple[type[_Scratch] | type[_Stain] | type[_Dent] | type[_Discolouration], ...] = (
    _Scratch,
    _Stain,
    _Dent,
    _Discolouration,
)
